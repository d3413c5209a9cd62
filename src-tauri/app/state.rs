//! The shell's state: everything that there is, behind one lock that nobody holds while waiting.

use crate::api::{AppEvent, Failure, HistoryItem, IceSetting, Notice, Settings, Snapshot, UpdateView};
use crate::downloads::Download;
use crate::hosting::Host;
use crate::keeping::{Found, Stores, Unkept};
use crate::model::Now;
use crate::places::Places;
use crate::shares::Share;
use crate::texts::system_language;
use crate::window::{Outbox, Outlet, PACE};
use sluice_engine::rtc::{IceServer, RtcConfig, default_bind};
use sluice_protocol::error::Code;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

/// How often time is let pass: plots have a sample a second.
const TICK: Duration = Duration::from_secs(1);
/// How often it is asked whether this computer is in another network.
const MOVES: u64 = 15;

/// The whole app, without its window. Cheap to clone.
#[derive(Clone)]
pub struct Shell(Arc<Inner>);

struct Inner {
    places: Places,
    rtc: RtcConfig,
    begun: Instant,
    desk: Mutex<Desk>,
    // Something is to be told to the window; something is to be written.
    tell: Notify,
    keep: Notify,
    standing: watch::Sender<Standing>,
    settings: watch::Sender<Settings>,
    news: mpsc::UnboundedSender<News>,
    host: Host,
    // Commands come from threads that belong to no runtime, too.
    runtime: Handle,
    // Held while keys are opened or removed, so that none are opened that are just being removed.
    keys: tokio::sync::Mutex<()>,
}

/// All that is kept, and what of it the window and the disk don't know yet.
pub struct Desk {
    /// Oldest first.
    pub shares: Vec<Share>,
    /// Oldest first.
    pub downloads: Vec<Download>,
    /// As they are kept.
    pub settings: Settings,
    /// Oldest first.
    pub history: Vec<HistoryItem>,
    /// Where the server in this app listened the last time.
    pub port: Option<u16>,
    /// What is known of newer versions of the app.
    pub update: UpdateView,
    /// What is to be said to the window.
    pub outbox: Outbox,
    /// What is to be written.
    pub unkept: Unkept,
    /// Whether the app is about to end: nothing begins any more.
    pub closing: bool,
    /// Where all of it is kept.
    pub stores: Arc<Stores>,
}

/// What the tray shows and what keeps the computer awake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Shares that receivers can come to.
    pub shares: usize,
    /// Downloads that are not over.
    pub downloads: usize,
    /// Bytes a second, in and out.
    pub rate: u64,
    /// Whether bytes move.
    pub moving: bool,
    /// Whether there is something to pause, and all of it is paused.
    pub paused: bool,
}

/// Something that a person may want to hear of who does not look at the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A new share has its link, which goes on the clipboard.
    LinkMade {
        /// The link.
        link: String,
    },
    /// A receiver began.
    Started {
        /// The share's name.
        share: String,
        /// The receiver's.
        receiver: String,
    },
    /// A receiver has everything.
    Finished {
        /// The share's name.
        share: String,
        /// The receiver's.
        receiver: String,
    },
    /// A share has ended by itself.
    ShareOver {
        /// Its name.
        share: String,
    },
    /// A share could not go on.
    ShareFailed {
        /// Its name.
        share: String,
    },
    /// A download is done.
    DownloadDone {
        /// The share's name.
        share: Option<String>,
    },
    /// A download could not go on.
    DownloadFailed {
        /// The share's name.
        share: Option<String>,
    },
    /// A download needs a password.
    PasswordNeeded {
        /// The share's name.
        share: Option<String>,
    },
    /// A download waits for the person's choice, and its slot is kept only for a while.
    Choose {
        /// The share's name.
        share: Option<String>,
    },
}

impl Shell {
    /// Reads what is kept, and begins to work: shares and downloads go on where they were. The second is what a
    /// person may want to hear of.
    ///
    /// Must be called within a tokio runtime. Blocks for the time of reading a few small files.
    pub fn start(places: Places) -> (Self, mpsc::UnboundedReceiver<News>) {
        let Found { stores, shares, downloads, settings, history, notices } = Found::load(&places);
        let mut outbox = Outbox::default();
        notices.into_iter().for_each(|notice| outbox.say(AppEvent::Notice { notice }));
        let (news, heard) = mpsc::unbounded_channel();
        let desk = Desk {
            shares: Vec::new(),
            downloads: Vec::new(),
            settings: settings.clone(),
            history,
            port: shares.port,
            update: UpdateView::Off,
            outbox,
            unkept: Unkept::default(),
            closing: false,
            stores: Arc::new(stores),
        };
        let shell = Shell(Arc::new(Inner {
            places,
            rtc: RtcConfig::default(),
            begun: Instant::now(),
            desk: Mutex::new(desk),
            tell: Notify::new(),
            keep: Notify::new(),
            standing: watch::Sender::new(Standing::default()),
            settings: watch::Sender::new(settings),
            news,
            host: Host::default(),
            runtime: Handle::current(),
            keys: tokio::sync::Mutex::new(()),
        }));
        shell.restore_shares(shares.shares);
        shell.restore_downloads(downloads.downloads);
        tokio::spawn(shell.clone().tell_window());
        tokio::spawn(shell.clone().keep_files());
        tokio::spawn(shell.clone().let_time_pass());
        (shell, heard)
    }

    /// Everything there is; from now on `outlet` is told what changes.
    pub fn subscribe(&self, outlet: Outlet) -> Snapshot {
        let now = self.now();
        let mut desk = self.lock();
        let notices = desk.outbox.subscribe(outlet);
        let snapshot = Snapshot {
            shares: desk.shares.iter().map(|share| share.model.view(now)).collect(),
            downloads: desk.downloads.iter().map(|download| download.model.view(now)).collect(),
            settings: desk.settings.clone(),
            system_language: system_language(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            update: desk.update.clone(),
            notices,
        };
        drop(desk);
        self.0.tell.notify_one();
        snapshot
    }

    /// Says something to the window.
    pub fn say(&self, event: AppEvent) {
        self.change(|desk| desk.outbox.say(event));
    }

    /// Tells the person of a failure that is about no share and no download.
    pub fn complain(&self, failure: Failure) {
        let notice = Notice::Failed { code: failure.code, detail: failure.detail };
        self.say(AppEvent::Notice { notice });
    }

    /// What is known of newer versions.
    pub fn update(&self) -> UpdateView {
        self.lock().update.clone()
    }

    /// More is known of newer versions.
    pub fn set_update(&self, update: UpdateView) {
        self.change(|desk| {
            desk.update = update.clone();
            desk.outbox.say(AppEvent::Update { update });
        });
    }

    /// Whether the app must not be replaced now: bytes move, or a download is under way.
    pub fn is_busy(&self) -> bool {
        let now = self.now();
        let desk = self.lock();
        let downloading = desk.downloads.iter().any(Download::is_running) && !desk.is_all_paused();
        downloading || desk.shares.iter().any(|share| share.model.rate(now) > 0)
    }

    /// What is shared and received, as it changes.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }

    /// The settings, as they change.
    pub fn settings(&self) -> watch::Receiver<Settings> {
        self.0.settings.subscribe()
    }

    /// Pauses everything, or lets everything go on.
    pub fn pause_all(&self, paused: bool) {
        let (shares, downloads) = {
            let desk = self.lock();
            let shares = desk.shares.iter().filter(|share| !share.model.is_over());
            let downloads = desk.downloads.iter().filter(|download| !download.model.is_over());
            (
                shares.map(|share| share.kept.id.clone()).collect::<Vec<_>>(),
                downloads.map(|download| download.kept.id.clone()).collect::<Vec<_>>(),
            )
        };
        // One that is gone meanwhile need not be paused.
        shares.iter().for_each(|id| drop(self.pause_share(id, paused)));
        downloads.iter().for_each(|id| drop(self.pause_download(id, paused)));
    }

    /// Stops everything, to go on at the next start, and writes what is kept.
    pub async fn close(&self) {
        let runs: Vec<_> = {
            let mut desk = self.lock();
            desk.closing = true;
            let shares = desk.shares.iter_mut().filter_map(Share::leave).collect::<Vec<_>>();
            shares.into_iter().chain(desk.downloads.iter_mut().filter_map(Download::leave)).collect()
        };
        for run in runs {
            // A panic in it was printed already.
            let _ = run.await;
        }
        self.0.host.stop().await;
        self.change(|desk| (desk.unkept.shares, desk.unkept.downloads) = (true, true));
        self.write().await;
    }

    pub(crate) fn places(&self) -> &Places {
        &self.0.places
    }

    pub(crate) fn host(&self) -> &Host {
        &self.0.host
    }

    pub(crate) fn to_keep(&self) -> &Notify {
        &self.0.keep
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    pub(crate) fn keys(&self) -> &tokio::sync::Mutex<()> {
        &self.0.keys
    }

    pub(crate) fn now(&self) -> Now {
        // A clock before 1970 is as wrong as one that stands still.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |wall| wall.as_secs());
        Now { up: self.0.begun.elapsed(), wall }
    }

    /// How connections to and from peers of this server are made.
    pub(crate) fn rtc(&self, loopback: bool) -> RtcConfig {
        let ice_servers = ice_servers(&self.lock().settings);
        RtcConfig { bind: default_bind(loopback), ice_servers, ..self.0.rtc.clone() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Desk> {
        // Every change is whole before anything can panic, and a state that is a little old is better than none.
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and sees to it that the window and the disk hear of it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Desk) -> T) -> T {
        let mut desk = self.lock();
        let changed = change(&mut desk);
        let keep = desk.unkept != Unkept::default();
        drop(desk);
        self.0.tell.notify_one();
        if keep {
            self.0.keep.notify_one();
        }
        changed
    }

    pub(crate) fn tell_news(&self, news: News) {
        // Nobody listens where there is no surface.
        let _ = self.0.news.send(news);
    }

    pub(crate) fn tell_settings(&self, settings: &Settings) {
        self.0.settings.send_replace(settings.clone());
    }

    async fn tell_window(self) {
        loop {
            self.0.tell.notified().await;
            // The first of many is not kept waiting, and a window that has just subscribed has its snapshot first.
            tokio::time::sleep(PACE / 5).await;
            self.flush();
            tokio::time::sleep(PACE - PACE / 5).await;
        }
    }

    fn flush(&self) {
        let now = self.now();
        let mut desk = self.lock();
        self.stand(&desk, now);
        let Some(due) = desk.outbox.take() else { return };
        for share in desk.shares.iter().filter(|share| due.shares.contains(&share.kept.id)) {
            desk.outbox.tell(AppEvent::Share { view: Box::new(share.model.view(now)) });
        }
        for download in desk.downloads.iter().filter(|download| due.downloads.contains(&download.kept.id)) {
            desk.outbox.tell(AppEvent::Download { view: Box::new(download.model.view(now)) });
        }
        for event in due.events {
            desk.outbox.tell(event);
        }
    }

    fn stand(&self, desk: &Desk, now: Now) {
        let shares = desk.shares.iter().filter(|share| !share.model.is_over());
        let downloads = desk.downloads.iter().filter(|download| download.is_running());
        let rate = shares.clone().map(|share| share.model.rate(now)).sum::<u64>()
            + downloads.clone().map(|download| download.model.rate(now)).sum::<u64>();
        let standing = Standing {
            shares: shares.clone().count(),
            downloads: downloads.clone().count(),
            rate,
            moving: rate > 0,
            paused: desk.is_all_paused(),
        };
        self.0.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
    }

    async fn let_time_pass(self) {
        let mut ticks = tokio::time::interval(TICK);
        for number in 0_u64.. {
            ticks.tick().await;
            let now = self.now();
            self.change(|desk| {
                let Desk { shares, downloads, outbox, .. } = desk;
                for share in shares.iter_mut().filter(|share| share.model.is_moving()) {
                    if share.model.handle_time(now) {
                        outbox.touch_share(&share.kept.id);
                    }
                }
                for download in downloads.iter_mut().filter(|download| download.model.is_moving()) {
                    if download.model.handle_time(now) {
                        outbox.touch_download(&download.kept.id);
                    }
                }
            });
            self.end_shares_in_time();
            if number % MOVES == MOVES - 1 && self.0.host.has_moved().await {
                self.move_shares().await;
            }
        }
    }
}

impl Desk {
    /// Whether there is something to pause, and all of it is paused.
    pub fn is_all_paused(&self) -> bool {
        let shares = self.shares.iter().filter(|share| !share.model.is_over()).map(|share| share.kept.paused);
        let downloads = self.downloads.iter().filter(|download| !download.model.is_over());
        let mut all = shares.chain(downloads.map(|download| download.kept.paused)).peekable();
        all.peek().is_some() && all.all(|paused| paused)
    }
}

/// The servers that the settings name, for connections.
pub fn ice_servers(settings: &Settings) -> Vec<IceServer> {
    let server = |ice: &IceSetting| IceServer {
        urls: vec![ice.url.clone()],
        username: ice.username.clone(),
        credential: ice.credential.clone(),
    };
    settings.ice.iter().map(server).collect()
}

/// An id for something new: no two are the same.
///
/// # Errors
/// The system has no random bytes.
pub fn new_id() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::detailed(Code::DiskFailed, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
