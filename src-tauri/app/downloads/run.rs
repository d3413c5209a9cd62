//! One download while it runs: the engine's, with its choice, until it is done, stopped, or fails.

use super::Run;
use crate::api::{DownloadState, Failure};
use crate::places::free_space;
use crate::state::{News, Shell};
use sluice_engine::config::{DEFAULT_HOLD, DEFAULT_PATIENCE, OpenOptions};
use sluice_engine::disk::Summary;
use sluice_engine::error::EngineError;
use sluice_engine::event::ReceiveEvent;
use sluice_engine::receive::receive_chosen;
use sluice_protocol::error::Code;
use sluice_protocol::link::Link;
use sluice_server::host;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How long a download that has begun waits for a sender or a server that is away: a night and a day.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Events that are taken in one go; a million entries are told one by one.
const BATCH: usize = 256;

impl Shell {
    /// Begins a download, or lets it go on.
    pub(super) fn run_download(&self, id: &str) {
        let (choice, chosen) = oneshot::channel();
        let cancel = CancellationToken::new();
        let (shell, runtime) = (self.clone(), self.runtime().clone());
        self.change(|desk| {
            if desk.closing {
                return;
            }
            let Ok(download) = desk.download(id) else { return };
            let before = download.leave();
            download.model.handle_start();
            let mut choice = Some(choice);
            if download.kept.started
                && let Some(choice) = choice.take()
            {
                // The other end is held below.
                let _ = choice.send(download.choice());
            }
            let (id, stop) = (id.to_owned(), cancel.clone());
            let task = runtime.spawn(async move {
                // What still runs of it lets the folder go first.
                if let Some(before) = before {
                    let _ = before.await;
                }
                shell.download(&id, chosen, stop).await;
            });
            download.run = Some(Run { cancel, choice, task });
        });
    }

    async fn download(
        &self,
        id: &str,
        choice: oneshot::Receiver<sluice_engine::receive::Choice>,
        cancel: CancellationToken,
    ) {
        let Some(options) = self.open_options(id) else { return };
        let (tell, mut events) = mpsc::channel(BATCH);
        let work = tokio::spawn(receive_chosen(options, choice, tell, cancel.clone()));
        let mut batch = Vec::with_capacity(BATCH);
        while events.recv_many(&mut batch, BATCH).await > 0 {
            if !self.handle_download(id, batch.drain(..), &cancel) {
                cancel.cancel();
            }
        }
        match work.await {
            Ok(result) => self.end_download(id, result, &cancel),
            Err(error) => {
                self.end_download(
                    id,
                    Err(EngineError::Detailed { code: Code::DiskFailed, detail: error.to_string() }),
                    &cancel,
                );
            }
        }
    }

    fn open_options(&self, id: &str) -> Option<OpenOptions> {
        let (kept, name) = {
            let desk = self.lock();
            let download = desk.downloads.iter().find(|download| download.kept.id == id)?;
            (download.kept.clone(), desk.settings.name.clone())
        };
        let link = Link::parse(&kept.link).ok()?;
        let rtc = self.rtc(link.server.is_loopback());
        Some(OpenOptions {
            link,
            name: name.unwrap_or_else(host::name),
            password: kept.password,
            patience: if kept.started { PATIENCE } else { DEFAULT_PATIENCE },
            rtc,
            hold: DEFAULT_HOLD,
        })
    }

    // Whether the download is still there.
    fn handle_download(
        &self,
        id: &str,
        events: impl Iterator<Item = ReceiveEvent>,
        cancel: &CancellationToken,
    ) -> bool {
        let now = self.now();
        let mut asks = None;
        let there = self.change(|desk| {
            let Ok(download) = desk.download(id) else { return false };
            // One that was stopped or begun anew has nothing more to say.
            if cancel.is_cancelled() {
                return true;
            }
            let mut learnt = false;
            for event in events {
                learnt |= matches!(event, ReceiveEvent::Summary { .. } | ReceiveEvent::Connected { .. });
                if matches!(event, ReceiveEvent::Choosing { .. }) {
                    let folder = download.kept.folder.to_path();
                    download.model.set_folder(folder.display().to_string(), free_space(&folder));
                    asks = Some(News::Choose { share: download.model.name().map(str::to_owned) });
                }
                download.model.handle_event(event, now);
            }
            desk.unkept.downloads |= learnt;
            true
        });
        if let Some(news) = asks {
            self.tell_news(news);
        }
        there
    }

    fn end_download(&self, id: &str, result: Result<Summary, EngineError>, cancel: &CancellationToken) {
        let now = self.now();
        let news = self.change(|desk| {
            let download = desk.download(id).ok()?;
            if cancel.is_cancelled() && result.is_err() {
                return None;
            }
            let share = download.model.name().map(str::to_owned);
            let locked = Link::parse(&download.kept.link).is_ok_and(|link| link.password);
            let news = match result {
                Ok(summary) => {
                    download.model.handle_done(summary);
                    News::DownloadDone { share }
                }
                Err(error) if locked && matches!(error.code(), Code::LinkRejected | Code::PasswordNeeded) => {
                    download.kept.password = None;
                    download.model.handle_locked(error.code() == Code::LinkRejected);
                    News::PasswordNeeded { share }
                }
                Err(error) => {
                    let Failure { code, detail } = error.into();
                    download.kept.failed = Some(code);
                    download.model.handle_failure(code, detail);
                    News::DownloadFailed { share }
                }
            };
            download.run = None;
            let done = download.model.state() == &DownloadState::Done;
            desk.unkept.downloads = true;
            if done {
                desk.remember_download(id, now.wall);
            }
            Some(news)
        });
        if let Some(news) = news {
            self.tell_news(news);
        }
    }
}
