//! Shares and downloads within the test itself, as the desktop app runs them: steered by calls, told by events.

use crate::lab::Server;
use crate::process::PATIENCE;
use sluice_engine::config::{DEFAULT_HOLD, DEFAULT_PATIENCE, OpenOptions, ReceiveOptions, ShareOptions};
use sluice_engine::disk::{Conflict, Summary};
use sluice_engine::error::EngineError;
use sluice_engine::event::{ReceiveEvent, ShareEvent};
use sluice_engine::identity::Identity;
use sluice_engine::receive::{self, Choice, Selection};
use sluice_engine::rtc::RtcConfig;
use sluice_engine::share::Share;
use sluice_protocol::link::{Link, ServerUrl};
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Events as they come.
pub struct Events<T> {
    incoming: mpsc::Receiver<T>,
    /// Everything that was looked at so far.
    pub seen: Vec<T>,
}

impl<T: Debug> Events<T> {
    fn new(incoming: mpsc::Receiver<T>) -> Self {
        Events { incoming, seen: Vec::new() }
    }

    /// Waits for one for which `look` has something to say.
    pub async fn wait<R>(&mut self, what: &str, mut look: impl FnMut(&T) -> Option<R>) -> R {
        let waiting = async {
            while let Some(event) = self.incoming.recv().await {
                let found = look(&event);
                self.seen.push(event);
                if let Some(found) = found {
                    return found;
                }
            }
            panic!("it ended before {what}: {:#?}", self.seen.iter().rev().take(8).collect::<Vec<_>>());
        };
        match timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => {
                panic!("{what} did not come: {:#?}", self.seen.iter().rev().take(8).collect::<Vec<_>>())
            }
        }
    }

    /// Looks at what comes within `time`.
    pub async fn watch(&mut self, time: Duration) -> &[T] {
        let from = self.seen.len();
        let watching = async {
            while let Some(event) = self.incoming.recv().await {
                self.seen.push(event);
            }
        };
        let _ = timeout(time, watching).await;
        &self.seen[from..]
    }
}

fn rtc() -> RtcConfig {
    RtcConfig { bind: vec!["127.0.0.1:0".into()], ..RtcConfig::default() }
}

/// Shares one path over a server.
pub async fn share(
    server: &Server,
    path: &Path,
    slots: u16,
    limit: Option<u64>,
) -> (Share, Events<ShareEvent>) {
    share_as(&Identity::random().unwrap(), server, path, slots, limit).await
}

/// The same with an identity, which makes the link.
pub async fn share_as(
    identity: &Identity,
    server: &Server,
    path: &Path,
    slots: u16,
    limit: Option<u64>,
) -> (Share, Events<ShareEvent>) {
    let options = ShareOptions {
        paths: vec![path.to_owned()],
        server: ServerUrl::parse(&server.url).unwrap(),
        slots,
        limit,
        name: None,
        password: None,
        rtc: rtc(),
    };
    let (sender, events) = mpsc::channel(256);
    let share = Share::start(options, identity, sender).await.unwrap();
    (share, Events::new(events))
}

/// A download.
pub struct Download {
    pub events: Events<ReceiveEvent>,
    pub cancel: CancellationToken,
    work: JoinHandle<Result<Summary, EngineError>>,
}

impl Download {
    /// Receives all of a share into `out`.
    pub fn start(link: &Link, out: &Path) -> Self {
        let options = ReceiveOptions {
            link: link.clone(),
            out: out.to_owned(),
            only: Vec::new(),
            conflict: Conflict::Rename,
            name: "a test".into(),
            password: None,
            patience: DEFAULT_PATIENCE,
            rtc: rtc(),
        };
        Download::run(|sender, cancel| tokio::spawn(receive::receive(options, sender, cancel)))
    }

    /// Opens a share; the choice is made through what comes with it.
    pub fn open(link: &Link, hold: Option<Duration>) -> (Self, oneshot::Sender<Choice>) {
        let (choose, choice) = oneshot::channel();
        (Download::opened(link, hold.unwrap_or(DEFAULT_HOLD), choice), choose)
    }

    /// Opens a share for a choice that is made already.
    pub fn resume(link: &Link, choice: Choice) -> Self {
        let (choose, chosen) = oneshot::channel();
        choose.send(choice).unwrap();
        Download::opened(link, DEFAULT_HOLD, chosen)
    }

    fn opened(link: &Link, hold: Duration, choice: oneshot::Receiver<Choice>) -> Self {
        let options = OpenOptions {
            link: link.clone(),
            name: "a test".into(),
            password: None,
            patience: DEFAULT_PATIENCE,
            rtc: rtc(),
            hold,
        };
        Download::run(|sender, cancel| tokio::spawn(receive::receive_chosen(options, choice, sender, cancel)))
    }

    fn run(
        start: impl FnOnce(
            mpsc::Sender<ReceiveEvent>,
            CancellationToken,
        ) -> JoinHandle<Result<Summary, EngineError>>,
    ) -> Self {
        let (sender, events) = mpsc::channel(256);
        let cancel = CancellationToken::new();
        let work = start(sender, cancel.clone());
        Download { events: Events::new(events), cancel, work }
    }

    /// Its end, and all that it told.
    pub async fn end(self) -> (Result<Summary, EngineError>, Vec<ReceiveEvent>) {
        let Download { mut events, work, .. } = self;
        let ending = async {
            while let Some(event) = events.incoming.recv().await {
                events.seen.push(event);
            }
            work.await.unwrap()
        };
        (timeout(PATIENCE, ending).await.expect("it does not end"), events.seen)
    }
}

/// What is chosen into `out`: everything, but for flips.
pub fn choice(out: &Path, flips: &[&str]) -> Choice {
    let flips = flips.iter().map(|&path| path.to_owned()).collect();
    Choice { out: out.to_owned(), conflict: Conflict::Rename, selection: Selection::with_flips(flips) }
}
