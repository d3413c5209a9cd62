//! A share at its sender: keeps it open at the server and serves every receiver that comes.

mod control;
mod peer;

use crate::config::ShareOptions;
use crate::disk::Catalog;
use crate::error::EngineError;
use crate::event::ShareEvent;
use crate::identity::Identity;
use crate::limit::RateLimit;
use crate::rtc::RtcConfig;
use crate::signaling::{IceSource, Signaling, SignalingEvent, Standing};
use control::Change;
pub use control::ShareControl;
use peer::{PeerEvent, PeerTask, Valve};
use sluice_protocol::VERSION;
use sluice_protocol::crypto::{self, Key};
use sluice_protocol::error::Code;
use sluice_protocol::handshake::SenderKeys;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::link::Link;
use sluice_protocol::manifest::Totals;
use sluice_protocol::signal::{ClientMessage, CreateShare, ServerMessage, Signal};
use sluice_protocol::summary::{NONCE_LEN, Summary, SummaryKey};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

// A server that is just being started deserves a moment.
const FIRST_CONTACT: Duration = Duration::from_secs(10);
const FAREWELL: Duration = Duration::from_secs(2);
const NEWS_INTERVAL: Duration = Duration::from_millis(250);
// How often those who wait hear of a share that grows.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(2);

/// What all receivers of a share are served from.
struct Source {
    share: ShareId,
    name: String,
    psk: Key,
    keys: SenderKeys,
    catalog: Catalog,
    limit: RateLimit,
    rtc: RtcConfig,
    ice: IceSource,
}

/// A running share. Dropping it stops it as [`Share::leave`] does, without waiting.
pub struct Share {
    link: Link,
    orders: mpsc::Sender<Order>,
    control: ShareControl,
    refused: oneshot::Receiver<EngineError>,
}

enum Order {
    End(oneshot::Sender<()>),
    Leave(oneshot::Sender<()>),
}

impl Share {
    /// Opens the share at its server and starts to serve it; the tree is walked meanwhile.
    ///
    /// # Errors
    /// [`Code::SourceMissing`] for a path that isn't there; the server's refusal, or that it can't be reached
    /// within ten seconds.
    pub async fn start(
        options: ShareOptions,
        identity: &Identity,
        events: mpsc::Sender<ShareEvent>,
    ) -> Result<Share, EngineError> {
        let keys = SenderKeys::from_private(identity.keys_private);
        let share = identity.owner_key.share_id();
        let link = Link {
            server: options.server.clone(),
            share,
            secret: identity.secret.clone(),
            sender: keys.hash(),
            password: options.password.is_some(),
        };
        let paths = options.paths.clone();
        let (secret, password) = (identity.secret.clone(), options.password.clone());
        let prepare = move || {
            let catalog = Catalog::walk(&paths)?;
            Ok::<_, EngineError>((catalog, crypto::psk(&secret, share, password.as_deref())))
        };
        let (catalog, psk) = blocking(prepare).await??;
        let name = options.name.clone().unwrap_or_else(|| default_name(&options));
        let create = CreateShare {
            version: VERSION,
            owner_key: identity.owner_key.clone(),
            join_hash: link.join_key().hash(),
            slots: options.slots,
            summary: None,
            active: Vec::new(),
        };
        let mut announcer =
            Announcer::new(SummaryKey::new(&identity.secret, share), name.clone(), options.slots);
        announcer.handle_totals(*catalog.watch().borrow());
        let mut signaling = Signaling::own(options.server.clone(), create, announcer.standing.subscribe())?;
        first_contact(&mut signaling).await?;
        let shared =
            ShareEvent::Shared { link: link.to_web(), deep_link: link.to_deep(), share, name: name.clone() };
        // The surface may have gone already; then nobody needs to be told.
        let _ = events.send(shared).await;
        let (orders, to_do) = mpsc::channel(4);
        let (refuse, refused) = oneshot::channel();
        let limit = RateLimit::new(options.limit);
        let (rtc, ice) = (options.rtc, signaling.ice());
        let source = Arc::new(Source { share, name, psk, keys, catalog, limit, rtc, ice });
        let (peer_events, from_peers) = mpsc::channel(256);
        let peers = HashMap::new();
        let (control, changes) = ShareControl::new();
        let desk = Desk {
            source,
            signaling,
            announcer,
            events,
            peers,
            peer_events,
            lost: false,
            paused: false,
            terms: HashMap::new(),
            let_go: HashSet::new(),
        };
        tokio::spawn(desk.run(from_peers, to_do, changes, refuse));
        Ok(Share { link, orders, control, refused })
    }

    /// The share's link.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// A handle to change its terms with while it runs.
    pub fn control(&self) -> ShareControl {
        self.control.clone()
    }

    /// Waits until the server refuses the share for good, and says why.
    pub async fn ended(&mut self) -> EngineError {
        match (&mut self.refused).await {
            Ok(error) => error,
            Err(_) => Code::ShareEnded.into(),
        }
    }

    /// Ends the share for everyone: the link is dead until the same identity opens it again.
    pub async fn end(self) {
        self.order(Order::End).await;
    }

    /// Stops without ending the share: receivers keep what they have and may go on when it starts again.
    pub async fn leave(self) {
        self.order(Order::Leave).await;
    }

    async fn order(self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(order(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

fn default_name(options: &ShareOptions) -> String {
    let first = options.paths.first().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    let name =
        first.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    match (name, options.paths.len()) {
        (Some(name), 0 | 1) => name,
        (Some(name), count) => format!("{name} and {} more", count - 1),
        (None, _) => "files".to_owned(),
    }
}

async fn first_contact(signaling: &mut Signaling) -> Result<(), EngineError> {
    let deadline = Instant::now() + FIRST_CONTACT;
    let mut last = EngineError::from(Code::ServerUnreachable);
    loop {
        match timeout_at(deadline, signaling.next()).await {
            Ok(Some(SignalingEvent::Up)) => return Ok(()),
            Ok(Some(SignalingEvent::Down(error))) => last = error,
            Ok(Some(SignalingEvent::Refused(error))) => return Err(error),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Err(last),
        }
    }
}

/// Runs blocking work on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| EngineError::detailed(Code::DiskFailed, error))
}

// The task that owns a share: one closed set of inputs, one place where peers come and go.
struct Desk {
    source: Arc<Source>,
    signaling: Signaling,
    announcer: Announcer,
    events: mpsc::Sender<ShareEvent>,
    peers: HashMap<PeerId, PeerTask>,
    peer_events: mpsc::Sender<(PeerId, u32, PeerEvent)>,
    lost: bool,
    paused: bool,
    // What was decided about single receivers; kept while they hold a slot, over all of their connections.
    terms: HashMap<PeerId, Terms>,
    let_go: HashSet<PeerId>,
}

// What holds for one receiver, beside what holds for all.
struct Terms {
    paused: bool,
    limit: Arc<RateLimit>,
}

impl Default for Terms {
    fn default() -> Self {
        Terms { paused: false, limit: Arc::new(RateLimit::new(None)) }
    }
}

impl Desk {
    async fn run(
        mut self,
        mut from_peers: mpsc::Receiver<(PeerId, u32, PeerEvent)>,
        mut orders: mpsc::Receiver<Order>,
        mut changes: mpsc::UnboundedReceiver<Change>,
        refuse: oneshot::Sender<EngineError>,
    ) {
        let mut totals = self.source.catalog.watch();
        let mut news = interval(NEWS_INTERVAL);
        news.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            tokio::select! {
                event = self.signaling.next() => match event {
                    Some(SignalingEvent::Refused(error)) => {
                        let _ = refuse.send(error);
                        return;
                    }
                    Some(event) => self.handle_signaling(event).await,
                    None => return,
                },
                Some((peer, attempt, event)) = from_peers.recv() => self.handle_peer(peer, attempt, event).await,
                _ = news.tick(), if told.is_none_or(|told: Totals| !told.complete) => {
                    let now = *totals.borrow_and_update();
                    self.announcer.handle_totals(now);
                    if told != Some(now) {
                        told = Some(now);
                        self.tell(walked(now)).await;
                    }
                }
                Some(change) = changes.recv() => self.handle_change(change),
                order = orders.recv() => {
                    self.farewell(order, &mut from_peers).await;
                    return;
                }
            }
        }
    }

    async fn tell(&self, event: ShareEvent) {
        // A surface that is gone needs no news, and the share goes on without one.
        let _ = self.events.send(event).await;
    }

    async fn handle_signaling(&mut self, event: SignalingEvent) {
        match event {
            SignalingEvent::Up => {
                if std::mem::take(&mut self.lost) {
                    self.tell(ShareEvent::ServerBack).await;
                }
            }
            SignalingEvent::Down(error) => {
                if !std::mem::replace(&mut self.lost, true) {
                    self.tell(ShareEvent::ServerLost { code: error.code() }).await;
                }
            }
            SignalingEvent::Message(message) => self.handle_message(message).await,
            // Of a receiver, or handled before.
            SignalingEvent::Place(_)
            | SignalingEvent::Summary(_)
            | SignalingEvent::Restarts
            | SignalingEvent::Refused(_) => {}
        }
        self.announcer.handle_peers(&self.peers);
    }

    async fn handle_message(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Opened { waiting, .. } | ServerMessage::Waiting { count: waiting } => {
                self.tell(ShareEvent::Waiting { count: waiting }).await;
            }
            ServerMessage::Joined { peer } if self.let_go.contains(&peer) => self.dismiss(peer),
            ServerMessage::Joined { peer } => self.tell(ShareEvent::ReceiverJoined { receiver: peer }).await,
            ServerMessage::Left { peer } => {
                // A transfer that still runs is worth more than the server's view of it.
                if self.peers.get(&peer).is_none_or(|task| !task.is_open()) {
                    self.peers.remove(&peer);
                    self.terms.remove(&peer);
                }
                self.tell(ShareEvent::ReceiverLeft { receiver: peer }).await;
            }
            ServerMessage::Relay { peer: Some(peer), signal: Signal::Request { .. } }
                if self.let_go.contains(&peer) =>
            {
                self.dismiss(peer);
            }
            ServerMessage::Relay { peer: Some(peer), signal: Signal::Request { attempt } } => {
                let terms = self.terms.entry(peer).or_default();
                let valve = Valve::new(self.paused || terms.paused, terms.limit.clone());
                let (source, server) = (self.source.clone(), self.signaling.sender());
                let task = PeerTask::spawn(source, peer, attempt, valve, server, self.peer_events.clone());
                self.peers.insert(peer, task);
            }
            ServerMessage::Relay { peer: Some(peer), signal } => {
                if let Some(task) = self.peers.get(&peer) {
                    task.handle_signal(signal);
                }
            }
            _ => {}
        }
    }

    fn handle_change(&mut self, change: Change) {
        match change {
            Change::Paused(paused) => {
                self.paused = paused;
                for (peer, task) in &self.peers {
                    task.set_paused(paused || self.terms.get(peer).is_some_and(|terms| terms.paused));
                }
            }
            Change::ReceiverPaused(receiver, paused) => {
                self.terms.entry(receiver).or_default().paused = paused;
                if let Some(task) = self.peers.get(&receiver) {
                    task.set_paused(self.paused || paused);
                }
            }
            Change::Limit(limit) => self.source.limit.set(limit),
            Change::ReceiverLimit(receiver, limit) => {
                self.terms.entry(receiver).or_default().limit.set(limit);
            }
            Change::Slots(slots) => self.announcer.handle_slots(slots),
            Change::LetGo(receiver) => {
                self.let_go.insert(receiver);
                match self.peers.get(&receiver) {
                    // Its own last word comes before the server's; the server hears when it is said.
                    Some(task) if task.is_open() => task.close(Code::LetGo),
                    _ => {
                        self.peers.remove(&receiver);
                        self.dismiss(receiver);
                    }
                }
            }
        }
    }

    // The server never lets it in again; one that forgets that is told again.
    fn dismiss(&self, peer: PeerId) {
        let _ = self.signaling.sender().try_send(ClientMessage::Dismiss { peer });
    }

    async fn handle_peer(&mut self, receiver: PeerId, attempt: u32, event: PeerEvent) {
        // News of a connection that was replaced meanwhile is old.
        let Some(task) = self.peers.get_mut(&receiver).filter(|task| task.attempt() == attempt) else {
            return;
        };
        let event = match event {
            PeerEvent::Opened { name, path } => {
                task.set_open();
                ShareEvent::ReceiverConnected { receiver, name, path }
            }
            PeerEvent::Progress { bytes, entries, total_bytes } => {
                ShareEvent::ReceiverProgress { receiver, bytes, entries, total_bytes }
            }
            PeerEvent::EntryFailed { path, code } => ShareEvent::EntryFailed { receiver, path, code },
            PeerEvent::Done { bytes, entries } => ShareEvent::ReceiverDone { receiver, bytes, entries },
            PeerEvent::Over(code) => {
                self.peers.remove(&receiver);
                self.announcer.handle_peers(&self.peers);
                if self.let_go.contains(&receiver) {
                    self.dismiss(receiver);
                }
                let Some(code) = code else { return };
                ShareEvent::ReceiverLost { receiver, code }
            }
        };
        self.announcer.handle_peers(&self.peers);
        self.tell(event).await;
    }

    // Says goodbye to every receiver and to the server, within bounds.
    async fn farewell(
        &mut self,
        order: Option<Order>,
        from_peers: &mut mpsc::Receiver<(PeerId, u32, PeerEvent)>,
    ) {
        let deadline = Instant::now() + FAREWELL;
        let (code, done) = match order {
            Some(Order::End(done)) => (Code::ShareEnded, Some(done)),
            Some(Order::Leave(done)) => (Code::PeerLeft, Some(done)),
            None => (Code::PeerLeft, None),
        };
        for task in self.peers.values() {
            task.close(code);
        }
        while !self.peers.is_empty() {
            let Ok(Some((peer, attempt, event))) = timeout_at(deadline, from_peers.recv()).await else {
                break;
            };
            self.handle_peer(peer, attempt, event).await;
        }
        if code == Code::ShareEnded {
            let _ = self.signaling.sender().send(ClientMessage::End).await;
            // The server closes the socket when it has heard.
            while let Ok(Some(event)) = timeout_at(deadline, self.signaling.next()).await {
                if !matches!(event, SignalingEvent::Message(_)) {
                    break;
                }
            }
        }
        self.tell(ShareEvent::Ended).await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

// Keeps what the server is told of the share up to date.
struct Announcer {
    key: SummaryKey,
    name: String,
    standing: watch::Sender<Standing>,
    told: Option<(Totals, Instant)>,
}

impl Announcer {
    fn new(key: SummaryKey, name: String, slots: u16) -> Self {
        let standing = Standing { slots, summary: None, active: Vec::new() };
        Announcer { key, name, standing: watch::Sender::new(standing), told: None }
    }

    fn handle_slots(&self, slots: u16) {
        self.standing.send_if_modified(|standing| std::mem::replace(&mut standing.slots, slots) != slots);
    }

    fn handle_totals(&mut self, totals: Totals) {
        let due = self
            .told
            .is_none_or(|(told, at)| told != totals && (totals.complete || at.elapsed() >= SUMMARY_INTERVAL));
        let mut nonce = [0; NONCE_LEN];
        // Without chance there is no summary, which only those miss who wait.
        if !due || getrandom::fill(&mut nonce).is_err() {
            return;
        }
        self.told = Some((totals, Instant::now()));
        let (name, Totals { entries, bytes, complete, .. }) = (self.name.clone(), totals);
        let sealed = self.key.seal(&Summary { name, entries, bytes, complete }, nonce);
        self.standing.send_modify(|standing| standing.summary = Some(sealed));
    }

    fn handle_peers(&self, peers: &HashMap<PeerId, PeerTask>) {
        let open = peers.iter().filter(|(_, task)| task.is_open());
        let mut active: Vec<PeerId> = open.map(|(&peer, _)| peer).collect();
        active.sort_unstable();
        self.standing.send_if_modified(|standing| {
            let changed = standing.active != active;
            standing.active = active;
            changed
        });
    }
}

fn walked(totals: Totals) -> ShareEvent {
    ShareEvent::Walked {
        entries: totals.entries,
        bytes: totals.bytes,
        unreadable: totals.unreadable,
        complete: totals.complete,
    }
}

type TotalsWatch = watch::Receiver<Totals>;
