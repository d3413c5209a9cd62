//! The system's notifications: few, and only to somebody who does not look at the window.

use crate::state::News;
use crate::texts::Texts;
use notify_rust::Notification;
use std::time::{Duration, Instant};

/// The least time between two notices that somebody has begun.
const BEGINNINGS: Duration = Duration::from_secs(30);

/// Decides what is worth a notification.
#[derive(Debug, Default)]
pub struct Notifier {
    // Since when nobody is told of beginnings.
    quiet: Option<Instant>,
}

impl Notifier {
    /// The text for a piece of news, if it is worth one now; `watched` while the person looks at the window.
    pub fn text(&mut self, news: &News, watched: bool, texts: &Texts, now: Instant) -> Option<String> {
        if watched {
            return None;
        }
        let share = |name: &Option<String>| name.clone().unwrap_or_else(|| texts.get("a_download", &[]));
        let about = |key: &str, share: &str| Some(texts.get(key, &[("share", share)]));
        let person = |key: &str, name: &str, share: &str| {
            let name = if name.is_empty() { texts.get("someone", &[]) } else { name.to_owned() };
            Some(texts.get(key, &[("name", &name), ("share", share)]))
        };
        match news {
            News::LinkMade { .. } => None,
            News::Started { share, receiver } => {
                if self.quiet.is_some_and(|since| now.duration_since(since) < BEGINNINGS) {
                    return None;
                }
                self.quiet = Some(now);
                person("started", receiver, share)
            }
            News::Finished { share, receiver } => person("finished", receiver, share),
            News::ShareOver { share } => about("share_over", share),
            News::ShareFailed { share } => about("share_failed", share),
            News::DownloadDone { share: name } => about("download_done", &share(name)),
            News::DownloadFailed { share: name } => about("download_failed", &share(name)),
            News::PasswordNeeded { share: name } => about("password_needed", &share(name)),
            News::Choose { share: name } => about("choose", &share(name)),
        }
    }
}

/// Shows a notification. That there is nobody to show it is no trouble.
pub async fn show(text: String) {
    let shown = tokio::task::spawn_blocking(move || {
        let mut notification = Notification::new();
        // Names of shares and people are text, and not markup that some systems read in it.
        notification.appname("Sluice").summary("Sluice").body(&plain(&text)).icon("sluice-desktop");
        notification.show().map(drop)
    });
    if let Ok(Err(error)) = shown.await {
        tracing::info!(%error, "a notification could not be shown");
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn plain(text: &str) -> String {
    text.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn started(receiver: &str) -> News {
        News::Started { share: "photos".into(), receiver: receiver.into() }
    }

    #[test]
    fn who_looks_at_the_window_is_left_alone() {
        let (mut notifier, texts) = (Notifier::default(), Texts::of("en"));
        let done = News::DownloadDone { share: Some("photos".into()) };
        assert_eq!(notifier.text(&done, true, &texts, Instant::now()), None);
        assert_eq!(notifier.text(&done, false, &texts, Instant::now()).unwrap(), "photos has arrived");
    }

    #[test]
    fn twenty_who_begin_at_once_are_one_notification_and_each_who_is_done_another() {
        let (mut notifier, texts) = (Notifier::default(), Texts::of("en"));
        let begun = Instant::now();
        let mut told =
            |news: &News, later: u64| notifier.text(news, false, &texts, begun + Duration::from_secs(later));
        assert_eq!(told(&started("Ana"), 0).unwrap(), "Ana has begun to download photos");
        assert_eq!(told(&started("Bo"), 1), None);
        let finished = News::Finished { share: "photos".into(), receiver: String::new() };
        assert_eq!(told(&finished, 2).unwrap(), "Someone has all of photos");
        assert!(told(&started("Cy"), 31).is_some());
        assert_eq!(told(&News::LinkMade { link: "x".into() }, 40), None);
    }

    #[test]
    fn a_name_is_never_markup() {
        #[cfg(all(unix, not(target_os = "macos")))]
        assert_eq!(plain("<b>&"), "&lt;b&gt;&amp;");
    }
}
