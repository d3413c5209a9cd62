//! Newer versions of the app: looked for, fetched and checked, and put in place when the person says so.
//!
//! Whom to ask and which key to trust is built in where a release is made, and nowhere else. What is fetched must be
//! signed by that key, and for the very version that it is said to be, so that nobody can hand out an older one.

use crate::api::{Failure, UpdateView};
use crate::state::Shell;
use sluice_protocol::error::Code;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager, Runtime, Url};
use tauri_plugin_updater::{Config, Update, UpdaterExt};

/// How often somebody is asked without the person's doing so.
const LOOKS: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long receivers and files may take to be left in order, before the app is replaced.
const FAREWELL: Duration = Duration::from_secs(5);
/// How much more must be here before the window is told again, in bytes.
const STEP: u64 = 256 * 1024;

/// Whom to ask, and whom to believe.
#[derive(Debug, Clone)]
pub struct Source {
    /// The public half of the key that releases are signed with, as `tauri signer` writes it.
    pub key: String,
    /// Where the newest version is described.
    pub address: Url,
}

impl Source {
    /// What the release machine has built in; nothing in a build for development.
    pub fn built_in() -> Option<Self> {
        if cfg!(debug_assertions) {
            return None;
        }
        Self::of(option_env!("SLUICE_UPDATE_KEY"), option_env!("SLUICE_UPDATE_URL"))
    }

    fn of(key: Option<&str>, address: Option<&str>) -> Option<Self> {
        let (key, address) = (key?.trim(), address?.trim());
        if key.is_empty() || address.is_empty() {
            return None;
        }
        Some(Source { key: key.into(), address: Url::parse(address).ok()? })
    }
}

/// What the shell of the app is given for it.
pub fn plugin<R: Runtime>() -> TauriPlugin<R, Config> {
    tauri_plugin_updater::Builder::new().build()
}

/// The search for a newer version, and what it has found.
pub struct Updates {
    shell: Shell,
    source: Option<Source>,
    found: Mutex<Option<Found>>,
}

#[derive(Clone)]
struct Found {
    update: Update,
    /// All of it, checked; none yet.
    bytes: Option<Vec<u8>>,
}

impl Updates {
    /// A search at `source`, of which `shell` tells the window.
    pub fn new(shell: Shell, source: Option<Source>) -> Self {
        if source.is_some() {
            shell.set_update(UpdateView::Unknown);
        }
        Updates { shell, source, found: Mutex::new(None) }
    }

    /// Asks once at the start and once a day, for as long as the app runs; never when something was found.
    pub async fn keep_looking<R: Runtime>(app: AppHandle<R>) {
        let updates = app.state::<Updates>();
        if updates.source.is_none() {
            return;
        }
        let mut looks = tokio::time::interval(LOOKS);
        loop {
            looks.tick().await;
            if updates.lock().is_none() {
                updates.look(&app).await;
            }
        }
    }

    /// Asks whether there is a newer version.
    pub async fn look<R: Runtime>(&self, app: &AppHandle<R>) {
        let Some(source) = &self.source else { return };
        if matches!(
            self.shell.update(),
            UpdateView::Looking | UpdateView::Fetching { .. } | UpdateView::Ready { .. }
        ) {
            return;
        }
        self.shell.set_update(UpdateView::Looking);
        let asked = async {
            let updater =
                app.updater_builder().pubkey(&source.key).endpoints(vec![source.address.clone()])?;
            updater.timeout(PATIENCE).build()?.check().await
        };
        let view = match asked.await {
            Ok(Some(update)) => {
                let version = update.version.clone();
                *self.lock() = Some(Found { update, bytes: None });
                UpdateView::Found { version }
            }
            Ok(None) => UpdateView::Newest,
            Err(error) => failed(&error),
        };
        self.shell.set_update(view);
    }

    /// Fetches what was found, and checks its signature.
    pub async fn fetch(&self) {
        let Some(Found { mut update, bytes: None }) = self.lock().clone() else { return };
        if matches!(self.shell.update(), UpdateView::Fetching { .. }) {
            return;
        }
        // The answer had to be quick; this may take as long as it takes.
        update.timeout = None;
        let version = update.version.clone();
        let tell = |bytes, total| {
            self.shell.set_update(UpdateView::Fetching { version: version.clone(), bytes, total });
        };
        tell(0, None);
        let (mut here, mut told) = (0, 0);
        let fetched = update.download(
            |more, total| {
                here += more as u64;
                if here - told >= STEP {
                    told = here;
                    tell(here, total);
                }
            },
            || (),
        );
        let view = match fetched.await {
            Ok(bytes) => {
                *self.lock() = Some(Found { update, bytes: Some(bytes) });
                UpdateView::Ready { version: version.clone() }
            }
            Err(error) => {
                *self.lock() = None;
                failed(&error)
            }
        };
        self.shell.set_update(view);
    }

    /// Puts what was fetched in place of this app, and starts it. Does so only while nothing is under way: `false` says
    /// that something is, and then nothing was done.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] where nothing was fetched.
    pub async fn install<R: Runtime>(&self, app: &AppHandle<R>) -> Result<bool, Failure> {
        let Some(Found { update, bytes: Some(bytes) }) = self.lock().clone() else {
            return Err(Failure::detailed(Code::RequestInvalid, "no update was fetched"));
        };
        if self.shell.is_busy() {
            return Ok(false);
        }
        // On Windows the call below ends this process and comes back to nobody.
        let _ = tokio::time::timeout(FAREWELL, self.shell.close()).await;
        if let Err(error) = update.install(bytes) {
            tracing::error!(%error, "the newer version could not be put in place");
        }
        // Also where it could not be: what was closed has to begin again.
        app.request_restart();
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Found>> {
        // It is replaced as a whole.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: &tauri_plugin_updater::Error) -> UpdateView {
    UpdateView::Failed { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::ShareTerms;
    use crate::lab::{Lab, Watcher};
    use tauri::test::{MockRuntime, mock_builder, noop_assets};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Of a key pair whose secret half is gone.
    const KEY: &str = "dW50cnVzdGVkIGNvbW1lbnQ6IG1pbmlzaWduIHB1YmxpYyBrZXk6IDBERDExN0I1NUJBRkNERDQKUldUVXphOWJ0UmZSRGUrc2wvOXJicDA4aDZsblY2MjRIYlJqcEM0TW1ENU5yYk5DVnNsUFZFVjUK";
    /// By it, of `NEWER` for version 99.0.0.
    const SIGNATURE: &str = "dW50cnVzdGVkIGNvbW1lbnQ6IHNpZ25hdHVyZSBmcm9tIHRhdXJpIHNlY3JldCBrZXkKUlVUVXphOWJ0UmZSRGJoc3ZGenpwV1N4bktuYUFUdmg0RzlrN1ZtMWM5NWxJazJ2RStWWVQ4amREZnFYQUFZbHQvaC9wZUM1T0k4TnRTZWs3QUpGc3NiZVlUNDFGRHEyc3dJPQp0cnVzdGVkIGNvbW1lbnQ6IHRpbWVzdGFtcDoxNzk1NTQ0MDExCWZpbGU6bmV3CXZlcnNpb246OTkuMC4wCkdZdVhRYUZCZXF5WjNyTnVjNkk0N0VqZVhsdVNHcWJCSm5rdko0dEFMK1UxcXoyT0ZINEJGMjVaUkt4eTh5VkRyeThjVGtodVJlN21oKytROFlndENnPT0K";
    const NEWER: &str = "a newer Sluice";

    /// Describes version `version` at one address and hands out `file` at all others; the address.
    async fn serve(version: &'static str, file: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let systems = ["linux-x86_64", "linux-aarch64", "darwin-x86_64", "darwin-aarch64", "windows-x86_64"];
        let update = serde_json::json!({ "url": format!("{base}/file"), "signature": SIGNATURE });
        let platforms: serde_json::Map<_, _> =
            systems.iter().map(|system| ((*system).to_owned(), update.clone())).collect();
        let latest = serde_json::json!({ "version": version, "platforms": platforms }).to_string();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.windows(4).any(|part| part == b"\r\n\r\n") {
                    if socket.read_buf(&mut head).await.unwrap() == 0 {
                        break;
                    }
                }
                let body = if head.starts_with(b"GET /latest") { latest.as_str() } else { file };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Url::parse(&format!("{base}/latest.json")).unwrap()
    }

    /// An app that is told where to look, and the shell that its window would hear from.
    async fn app(lab: &Lab, source: Option<Source>) -> (tauri::App<MockRuntime>, Shell) {
        let mut context = tauri::test::mock_context(noop_assets());
        let config = serde_json::json!({ "pubkey": "", "requireSignedVersion": true });
        context.config_mut().plugins.0.insert("updater".into(), config);
        let app = mock_builder().plugin(plugin()).build(context).unwrap();
        let shell = lab.shell("ana").await;
        app.manage(Updates::new(shell.clone(), source));
        (app, shell)
    }

    fn source(address: Url) -> Option<Source> {
        Some(Source { key: KEY.into(), address })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_newer_version_is_found_fetched_checked_and_waits() {
        let lab = Lab::new();
        let (app, shell) = app(&lab, source(serve("99.0.0", NEWER).await)).await;
        let (app, updates) = (app.handle().clone(), app.state::<Updates>());
        let (_, snapshot) = Watcher::of(&shell);
        assert_eq!(snapshot.update, UpdateView::Unknown);
        assert_eq!(updates.install(&app).await.unwrap_err().code, Code::RequestInvalid);
        updates.look(&app).await;
        assert_eq!(shell.update(), UpdateView::Found { version: "99.0.0".into() });
        updates.fetch().await;
        assert_eq!(shell.update(), UpdateView::Ready { version: "99.0.0".into() });
        assert_eq!(updates.lock().as_ref().unwrap().bytes.as_deref(), Some(NEWER.as_bytes()));
        // A download that is not over is something that a restart would disturb.
        let ben = lab.shell("ben").await;
        let (at_ben, _) = Watcher::of(&ben);
        let share = ben.share(&[lab.file("ben/note.txt", 100)], ShareTerms::default()).unwrap();
        let link = at_ben.share(&share, |view| view.link.is_some()).await.link.unwrap();
        shell.open_link(&link).unwrap();
        assert!(!updates.install(&app).await.unwrap());
        assert_eq!(shell.update(), UpdateView::Ready { version: "99.0.0".into() });
        ben.close().await;
        shell.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_signed_for_another_version_or_is_another_file_is_refused() {
        for (version, file) in [("98.0.0", NEWER), ("99.0.0", "an evil Sluice")] {
            let lab = Lab::new();
            let (app, shell) = app(&lab, source(serve(version, file).await)).await;
            let updates = app.state::<Updates>();
            updates.look(app.handle()).await;
            updates.fetch().await;
            assert!(matches!(shell.update(), UpdateView::Failed { .. }), "{version} {:?}", shell.update());
            assert!(updates.lock().is_none());
            shell.close().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_newer_is_none_and_who_does_not_answer_is_told_of() {
        let lab = Lab::new();
        let (app, shell) = app(&lab, source(serve("0.0.1", NEWER).await)).await;
        app.state::<Updates>().look(app.handle()).await;
        assert_eq!(shell.update(), UpdateView::Newest);
        shell.close().await;
        let lab = Lab::new();
        let nobody = Url::parse("http://127.0.0.1:1/latest.json").unwrap();
        let (app, shell) = self::app(&lab, source(nobody)).await;
        app.state::<Updates>().look(app.handle()).await;
        assert!(matches!(shell.update(), UpdateView::Failed { .. }), "{:?}", shell.update());
        shell.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_build_without_a_source_asks_nobody() {
        assert!(Source::built_in().is_none(), "this is a build for development");
        assert!(
            Source::of(Some("key"), Some(" ")).is_none() && Source::of(None, Some("https://h/")).is_none()
        );
        assert!(Source::of(Some("key"), Some("https://h/latest.json")).is_some());
        let lab = Lab::new();
        let (app, shell) = app(&lab, None).await;
        app.state::<Updates>().look(app.handle()).await;
        assert_eq!(shell.update(), UpdateView::Off);
        shell.close().await;
    }
}
