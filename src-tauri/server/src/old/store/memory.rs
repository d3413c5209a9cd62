//! The store of one process: everything in memory, under one lock that is never held across a wait.

use super::{Request, Session, Store, Terms};
use crate::config::{Limits, Timings};
use crate::mailbox::{Closing, Inbox, Outbox, mailbox};
use crate::old::queue::{Output, Queue, Rules};
use crate::role::Role;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinHash, JoinKey, PeerId, ShareId};
use sluice_protocol::signal::{ServerMessage, Signal};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use tokio::time::Instant;

// How long a receiver's signal waits for room at its sender before it is dropped.
const RELAY_WAIT: Duration = Duration::from_secs(5);

/// Keeps shares in this process.
pub struct MemoryStore {
    rules: Rules,
    max_shares: usize,
    start: Instant,
    state: Mutex<State>,
    // The first timer may have changed.
    retime: Notify,
}

#[derive(Default)]
struct State {
    shares: HashMap<ShareId, Share>,
    timers: BTreeSet<(Duration, ShareId)>,
    sessions: u64,
}

struct Share {
    join_hash: JoinHash,
    queue: Queue,
    sockets: HashMap<Role, (u64, Outbox)>,
    // As it stands in `State::timers`.
    timer: Option<Duration>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(timings: &Timings, limits: &Limits) -> Self {
        MemoryStore {
            rules: Rules {
                sender_grace: timings.away_grace,
                receiver_grace: timings.receiver_grace,
                max_receivers: limits.receivers,
            },
            max_shares: limits.shares,
            start: Instant::now(),
            state: Mutex::default(),
            retime: Notify::new(),
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Where signals of `session` go, if it is current and a slot connects it to the other end.
    fn other_end(&self, session: &Session, to: Option<PeerId>) -> Option<Outbox> {
        let state = self.lock();
        let share = state.shares.get(&session.share)?;
        let (receiver, target) = match (session.role, to) {
            (Role::Sender, Some(peer)) => (peer, Role::Receiver(peer)),
            (Role::Receiver(peer), None) => (peer, Role::Sender),
            _ => return None,
        };
        if !share.is_current(session) || !share.queue.is_active(receiver) {
            return None;
        }
        share.sockets.get(&target).map(|(_, outbox)| outbox.clone())
    }

    // Changes one share and does what follows from it.
    fn change<T>(
        &self,
        share: ShareId,
        change: impl FnOnce(&mut Share, &mut u64) -> Result<T, Code>,
    ) -> Result<T, Code> {
        let mut state = self.lock();
        let State { shares, sessions, .. } = &mut *state;
        let entry = shares.get_mut(&share).ok_or(Code::ShareNotFound)?;
        let result = change(entry, sessions);
        if state.settle(share) {
            self.retime.notify_one();
        }
        result
    }
}

impl State {
    // Hands out what the queue has to say; answers whether the first timer changed.
    fn settle(&mut self, id: ShareId) -> bool {
        let Entry::Occupied(mut entry) = self.shares.entry(id) else {
            return false;
        };
        let first = self.timers.first().copied();
        let share = entry.get_mut();
        share.deliver();
        let timer = share.queue.poll_timeout();
        if timer != share.timer {
            if let Some(old) = share.timer {
                self.timers.remove(&(old, id));
            }
            if let Some(new) = timer {
                self.timers.insert((new, id));
            }
            share.timer = timer;
        }
        if share.queue.is_over() {
            entry.remove();
            tracing::debug!(shares = self.shares.len(), "a share is over");
        }
        first != self.timers.first().copied()
    }
}

impl Share {
    fn deliver(&mut self) {
        while let Some(output) = self.queue.poll_output() {
            match output {
                Output::ToSender(message) => self.tell(Role::Sender, message),
                Output::ToReceiver(peer, message) => self.tell(Role::Receiver(peer), message),
                Output::CloseSender => self.close(Role::Sender),
                Output::CloseReceiver(peer) => self.close(Role::Receiver(peer)),
            }
        }
    }

    fn tell(&self, role: Role, message: ServerMessage) {
        if let Some((_, outbox)) = self.sockets.get(&role) {
            outbox.tell(message);
        }
    }

    fn close(&mut self, role: Role) {
        if let Some((_, outbox)) = self.sockets.remove(&role) {
            outbox.close(Closing::Over);
        }
    }

    fn is_current(&self, session: &Session) -> bool {
        self.sockets.get(&session.role).is_some_and(|(number, _)| *number == session.number)
    }
}

impl Store for MemoryStore {
    async fn open(&self, share: ShareId, terms: Terms) -> Result<(), Code> {
        let now = self.now();
        let mut state = self.lock();
        let count = state.shares.len();
        match state.shares.entry(share) {
            Entry::Occupied(mut entry) => {
                let share = entry.get_mut();
                share.join_hash = terms.join_hash;
                share.queue.handle_open(terms.slots, now);
            }
            Entry::Vacant(_) if count >= self.max_shares => return Err(Code::ServerFailed),
            Entry::Vacant(entry) => {
                entry.insert(Share {
                    join_hash: terms.join_hash,
                    queue: Queue::new(self.rules, terms.slots, now),
                    sockets: HashMap::new(),
                    timer: None,
                });
                tracing::debug!(shares = count + 1, "a share is opened");
            }
        }
        if state.settle(share) {
            self.retime.notify_one();
        }
        Ok(())
    }

    async fn join(&self, share: ShareId, peer: PeerId, proof: &JoinKey) -> Result<(), Code> {
        let hash = proof.hash();
        let now = self.now();
        self.change(share, |share, _| {
            if !bool::from(share.join_hash.0.ct_eq(&hash.0)) {
                return Err(Code::NotAuthorised);
            }
            share.queue.handle_join(peer, now)
        })
    }

    async fn connect(&self, share: ShareId, role: Role) -> Result<(Session, Inbox), Code> {
        self.change(share, |entry, sessions| {
            match role {
                Role::Sender => entry.queue.handle_sender_connected(),
                Role::Receiver(peer) => entry.queue.handle_connected(peer)?,
            }
            *sessions += 1;
            let (outbox, inbox) = mailbox();
            if let Some((_, old)) = entry.sockets.insert(role, (*sessions, outbox)) {
                old.close(Closing::Replaced);
            }
            let session = Session { share, role, number: *sessions };
            Ok((session, inbox))
        })
    }

    async fn disconnect(&self, session: Session) {
        let now = self.now();
        // A share that is over has nothing left to be told.
        let _ = self.change(session.share, |share, _| {
            if share.is_current(&session) {
                share.sockets.remove(&session.role);
                match session.role {
                    Role::Sender => share.queue.handle_sender_disconnected(now),
                    Role::Receiver(peer) => share.queue.handle_disconnected(peer, now),
                }
            }
            Ok(())
        });
    }

    async fn request(&self, session: Session, request: Request) {
        let _ = self.change(session.share, |share, _| {
            if share.is_current(&session) {
                match (session.role, request) {
                    (Role::Receiver(peer), Request::Leave) => share.queue.handle_leave(peer),
                    (Role::Sender, Request::Dismiss(peer)) => share.queue.handle_dismiss(peer),
                    (Role::Sender, Request::End) => share.queue.handle_end(),
                    _ => {}
                }
            }
            Ok(())
        });
    }

    async fn relay(&self, session: Session, to: Option<PeerId>, signal: Signal) {
        let Some(outbox) = self.other_end(&session, to) else {
            return;
        };
        match session.role {
            Role::Sender => {
                outbox.relay_or_close(ServerMessage::Relay { peer: None, signal });
            }
            Role::Receiver(peer) => {
                let peer = Some(peer);
                let message = ServerMessage::Relay { peer, signal };
                outbox.relay_within(message, RELAY_WAIT).await;
            }
        }
    }

    async fn run(&self) {
        loop {
            let first = self.lock().timers.first().copied();
            match first {
                None => self.retime.notified().await,
                Some((due, share)) => {
                    let due = tokio::time::sleep_until(self.start + due);
                    tokio::select! {
                        () = self.retime.notified() => {}
                        () = due => {
                            let now = self.now();
                            let _ = self.change(share, |share, _| {
                                share.queue.handle_timeout(now);
                                Ok(())
                            });
                        }
                    }
                }
            }
        }
    }
}
