//! Who is connected to this instance: sockets, long polls and event streams of all shares, and what the store tells
//! of them.
//!
//! Whoever comes is entered first, then the share is watched, then the queue is asked: so nothing that happens in
//! between is lost. What drops is taken out at once; that it dropped is told to the queue behind, as a chore.

mod connection;
mod listener;
mod local;
mod relay;
mod sender;
mod wheel;

#[cfg(test)]
mod tests;

pub use connection::{Connection, Listening};
pub use listener::{Closing, Listener, Word, differs};

use crate::clock::Clock;
use crate::config::Timings;
use crate::metrics::Metrics;
use crate::role::Role;
use crate::store::{Notice, Notices, Store};
use futures_util::StreamExt;
use futures_util::stream;
use local::{Local, Suspect};
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::Command;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, sleep_until};
use wheel::{Spoke, Wheel};

// The most receivers that the store is asked for in one go, and the most shares at once.
const BATCH: usize = 500;
const ABREAST: usize = 16;
// Notices that are taken before the news that they make are looked at.
const MAX_NOTICES: usize = 256;
// A connection's number is the moment of its beginning, in microseconds, and so many bits of its instance.
const INSTANCE_BITS: u32 = 10;

/// The connections of one instance.
pub struct Hub<S> {
    store: S,
    clock: Clock,
    timings: Timings,
    metrics: Arc<Metrics>,
    // Tells this instance's connections from those of others.
    instance: u64,
    state: Mutex<State>,
    // The first timer may have changed.
    retime: Notify,
    chores: mpsc::UnboundedSender<Chore>,
}

/// What is left to do for those who are gone.
pub struct Chores(mpsc::UnboundedReceiver<Chore>);

enum Chore {
    // A connection dropped: a socket, or a listener.
    Dropped { share: ShareId, role: Role, socket: bool },
    // Nobody of the share is here any more.
    Unwatch(ShareId),
}

struct State {
    shares: HashMap<ShareId, Entry>,
    timers: BTreeSet<(Duration, ShareId)>,
    wheel: Wheel,
    last_number: u64,
    stopping: bool,
}

#[derive(Default)]
struct Entry {
    local: Local,
    // As it stands in `State::timers`.
    timer: Option<Duration>,
}

impl<S: Store> Hub<S> {
    /// A hub with nobody in it.
    pub fn new(store: S, clock: Clock, timings: Timings, metrics: Arc<Metrics>) -> (Arc<Self>, Chores) {
        let (chores, receiver) = mpsc::unbounded_channel();
        let state = State {
            shares: HashMap::new(),
            timers: BTreeSet::new(),
            wheel: Wheel::new(),
            last_number: 0,
            stopping: false,
        };
        let instance = RandomState::new().hash_one(0) & ((1 << INSTANCE_BITS) - 1);
        let (state, retime) = (Mutex::new(state), Notify::new());
        (Arc::new(Hub { store, clock, timings, metrics, instance, state, retime, chores }), Chores(receiver))
    }

    /// Where the shares are.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The time since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Hands out what the store tells and does what is due, for as long as the store tells anything.
    pub async fn run(self: Arc<Self>, mut notices: Notices, Chores(mut chores): Chores) {
        let mut told = Vec::new();
        let mut beat =
            tokio::time::interval((self.timings.ping / wheel::PARTS).max(Duration::from_millis(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.lock().timers.first().map(|&(due, _)| due);
            tokio::select! {
                count = notices.recv_many(&mut told, MAX_NOTICES) => {
                    if count == 0 {
                        return;
                    }
                    for (share, notice) in told.drain(..) {
                        self.handle_notice(share, notice);
                    }
                }
                // The hub itself holds a sender.
                Some(chore) = chores.recv() => {
                    tokio::spawn(Arc::clone(&self).handle_chore(chore));
                }
                _ = beat.tick() => self.beat(),
                () = self.retime.notified() => {}
                () = sleep_until(self.clock.instant(due.unwrap_or_default())), if due.is_some() => self.handle_due(),
            }
        }
    }

    /// Tells everybody to connect again, and to whoever comes later too. What drops from now on is not told to the
    /// queues: it has time to come back elsewhere.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        for entry in state.shares.values() {
            entry.local.stop();
        }
    }

    /// How many shares somebody is connected for.
    pub fn shares(&self) -> usize {
        self.lock().shares.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Adds somebody to a share.
    fn enter<T>(&self, share: ShareId, enter: impl FnOnce(&mut Local, &mut Wheel, u64) -> T) -> T {
        let now = self.store.common_time(self.now());
        let mut state = self.lock();
        let State { shares, wheel, last_number, stopping, .. } = &mut *state;
        // Greater than all before, here and, to some milliseconds, elsewhere; the instance makes it the only one.
        let micros = u64::try_from(now.as_micros()).unwrap_or_default();
        *last_number = micros.max((*last_number >> INSTANCE_BITS) + 1) << INSTANCE_BITS | self.instance;
        let local = &mut shares.entry(share).or_default().local;
        let result = enter(local, wheel, *last_number);
        if *stopping {
            local.stop();
        }
        self.settle(&mut state, share);
        result
    }

    // Changes what this instance knows of a share, if somebody of it is here.
    fn change<T>(&self, share: ShareId, change: impl FnOnce(&mut Local) -> T) -> Option<T> {
        let mut state = self.lock();
        let result = change(&mut state.shares.get_mut(&share)?.local);
        self.settle(&mut state, share);
        Some(result)
    }

    fn settle(&self, state: &mut State, share: ShareId) {
        let Some(entry) = state.shares.get_mut(&share) else {
            return;
        };
        let first = state.timers.first().copied();
        let over = entry.local.is_empty();
        let timer = if over { None } else { entry.local.poll_timeout() };
        if timer != entry.timer {
            if let Some(old) = entry.timer {
                state.timers.remove(&(old, share));
            }
            if let Some(new) = timer {
                state.timers.insert((new, share));
            }
            entry.timer = timer;
        }
        if over {
            state.shares.remove(&share);
            self.chore(Chore::Unwatch(share));
        }
        if first != state.timers.first().copied() {
            self.retime.notify_one();
        }
    }

    fn chore(&self, chore: Chore) {
        // Nobody does it any more when the server has stopped.
        let _ = self.chores.send(chore);
    }

    fn handle_notice(self: &Arc<Self>, share: ShareId, notice: Notice) {
        let now = self.now();
        if let Notice::Replaced { socket, .. } = notice {
            // However well the common time is known, the next one here is later.
            let mut state = self.lock();
            state.last_number = state.last_number.max(socket);
        }
        self.change(share, |local| match notice {
            Notice::Queue(event) => {
                if let Some(news) = local.news_in(&event) {
                    self.metrics.count_news(news);
                }
                local.handle_event(&event, now);
            }
            Notice::ToSender(message) => {
                if let Some(outbox) = local.sender() {
                    outbox.relay_or_drop(message);
                }
            }
            Notice::ToReceiver(peer, message) => {
                if let Some(outbox) = local.receiver(peer) {
                    outbox.relay_or_close(message);
                }
            }
            Notice::Replaced { role, socket } => local.replace(role, socket),
            Notice::Missed => {
                local.handle_missed();
                tokio::spawn(Arc::clone(self).reopen(share));
            }
        });
    }

    async fn handle_chore(self: Arc<Self>, chore: Chore) {
        match chore {
            Chore::Dropped { share, role, socket } => self.dropped(share, role, socket).await,
            Chore::Unwatch(share) => {
                if self.change(share, |_| ()).is_none() {
                    self.store.unwatch(share).await;
                }
                // Somebody came meanwhile, and was told that the share is watched.
                if self.change(share, Local::handle_missed).is_some() && self.store.watch(share).await.is_ok()
                {
                    self.reopen(share).await;
                }
            }
        }
    }

    // What failed here is noticed by the queue itself, later. One that comes back before the queue hears of this is told
    // as any that is connected elsewhere.
    async fn dropped(&self, share: ShareId, role: Role, socket: bool) {
        let (sockets, listens) = self.change(share, |local| local.connected(role)).unwrap_or_default();
        if sockets || (listens && !socket) {
            return;
        }
        let command = match role {
            Role::Sender => Command::SenderDrop,
            Role::Receiver(peer) => Command::Drop { peer },
        };
        let _ = self.store.handle(share, &command, self.now()).await;
    }

    // Brings a sender up to date; one whose share was lost can open it again.
    async fn reopen(self: Arc<Self>, share: ShareId) {
        match self.store.opened(share).await {
            Ok((active, waiting)) => {
                let now = self.now();
                self.change(share, |local| local.reopen(active, waiting, now));
            }
            Err(code @ Code::ShareNotFound) => {
                self.change(share, |local| local.refuse_sender(code));
            }
            // Nothing is known.
            Err(_) => {}
        }
    }

    fn handle_due(self: &Arc<Self>) {
        let now = self.now();
        let mut due = Vec::new();
        let mut state = self.lock();
        while let Some(&(at, share)) = state.timers.first()
            && at <= now
        {
            state.timers.pop_first();
            if let Some(entry) = state.shares.get_mut(&share) {
                entry.timer = None;
                entry.local.tell_waiting(now);
                let peers = entry.local.poll_unsure(now);
                let suspects = entry.local.poll_suspects();
                due.push((share, peers, suspects));
                self.settle(&mut state, share);
            }
        }
        drop(state);
        for (share, peers, suspects) in due {
            if !peers.is_empty() {
                tokio::spawn(Arc::clone(self).ask(share, peers));
            }
            for suspect in suspects {
                tokio::spawn(Arc::clone(self).show(share, suspect));
            }
        }
    }

    async fn ask(self: Arc<Self>, share: ShareId, peers: Vec<PeerId>) {
        for peers in peers.chunks(BATCH) {
            match self.store.standings(share, peers).await {
                Ok(standings) => {
                    self.change(share, |local| local.handle_places(peers, &standings));
                }
                Err(code) => self.end_listeners(share, peers, code),
            }
        }
        if let Some(since) = self.change(share, Local::asked).flatten() {
            self.metrics.observe_news_delay(self.now().saturating_sub(since));
        }
    }

    async fn show(self: Arc<Self>, share: ShareId, suspect: Suspect) {
        match suspect {
            Suspect::Sender => {
                // Where that fails, the socket learns why at its next sign of life.
                let _ = self.store.handle(share, &Command::SenderSeen, self.now()).await;
            }
            Suspect::Socket(peer, number) => self.check_slot(share, peer, number).await,
            Suspect::Listener(peer) => self.see(share, &[peer]).await,
        }
    }

    async fn check_slot(&self, share: ShareId, peer: PeerId, number: u64) {
        let claim = Command::Claim { peer };
        match self.store.handle(share, &claim, self.now()).await {
            Ok(standing) => {
                let here = standing.map(|standing| standing.sender_here);
                self.change(share, |local| local.confirm(peer, number, here));
            }
            // Asked again when something is heard on it.
            Err(Code::StoreUnavailable) => {}
            Err(code) => {
                self.change(share, |local| local.refuse(peer, number, code));
            }
        }
    }

    // A share that is gone; while the store can't be reached nothing is known.
    fn end_listeners(&self, share: ShareId, peers: &[PeerId], code: Code) {
        if code != Code::StoreUnavailable {
            self.change(share, |local| peers.iter().for_each(|&peer| local.end_listener(peer, code)));
        }
    }

    // One part of the interval has passed: some streams give a sign of life, and so do their receivers.
    fn beat(self: &Arc<Self>) {
        let mut seen: HashMap<ShareId, Vec<PeerId>> = HashMap::new();
        {
            let mut state = self.lock();
            let State { shares, wheel, .. } = &mut *state;
            wheel.turn(|&Spoke { share, peer, number }| {
                let local = shares.get(&share).map(|entry| &entry.local);
                let listener = local.and_then(|local| local.listener(peer, number));
                // One that takes nothing is not there; its connection ends by itself.
                if listener.is_some_and(Listener::is_idle) {
                    seen.entry(share).or_default().push(peer);
                }
                listener.is_some()
            });
        }
        if !seen.is_empty() {
            tokio::spawn(Arc::clone(self).see_all(seen));
        }
    }

    async fn see_all(self: Arc<Self>, seen: HashMap<ShareId, Vec<PeerId>>) {
        let see = |(share, peers): (ShareId, Vec<PeerId>)| {
            let hub = &self;
            async move {
                for peers in peers.chunks(BATCH) {
                    hub.see(share, peers).await;
                }
            }
        };
        stream::iter(seen).for_each_concurrent(ABREAST, see).await;
    }

    async fn see(&self, share: ShareId, peers: &[PeerId]) {
        match self.store.seen(share, peers, self.now()).await {
            Ok(answers) => {
                self.change(share, |local| {
                    for (&peer, answer) in peers.iter().zip(answers) {
                        match answer {
                            Ok(standing) => local.beat(peer, &standing),
                            Err(code) => local.end_listener(peer, code),
                        }
                    }
                });
            }
            Err(Code::StoreUnavailable) => {
                self.change(share, |local| peers.iter().for_each(|&peer| local.keep_alive(peer)));
            }
            Err(code) => self.end_listeners(share, peers, code),
        }
    }
}

// When the connection with this number began, by the clock of its instance.
fn began(number: u64) -> Duration {
    Duration::from_micros(number >> INSTANCE_BITS)
}
