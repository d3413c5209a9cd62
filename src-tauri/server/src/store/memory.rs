//! The store of one process: everything in memory, under one lock that is never held across a wait.

use super::limits::{Limits, Rate};
use super::{Notice, Notices, Store, Terms, Totals};
use crate::clock::Clock;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::{Command, Queue, Rules, Standing};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Keeps shares in this process.
pub struct MemoryStore {
    rules: Rules,
    max_shares: usize,
    clock: Clock,
    state: Mutex<State>,
    // The first timer may have changed.
    retime: Notify,
    notices: mpsc::UnboundedSender<(ShareId, Notice)>,
}

#[derive(Default)]
struct State {
    shares: HashMap<ShareId, Share>,
    timers: BTreeSet<(Duration, ShareId)>,
    limits: Limits,
}

struct Share {
    queue: Queue,
    summary: Option<String>,
    // As it stands in `State::timers`.
    timer: Option<Duration>,
}

impl MemoryStore {
    /// An empty store, and what it tells.
    pub fn new(rules: Rules, max_shares: usize, clock: Clock) -> (Self, Notices) {
        let (notices, receiver) = mpsc::unbounded_channel();
        let state = Mutex::default();
        let store = MemoryStore { rules, max_shares, clock, state, retime: Notify::new(), notices };
        (store, receiver)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, share: ShareId, read: impl FnOnce(&Share) -> T) -> Result<T, Code> {
        self.lock().shares.get(&share).map(read).ok_or(Code::ShareNotFound)
    }

    // Changes one share and does what follows from it.
    fn change<T>(&self, id: ShareId, change: impl FnOnce(&mut Share) -> T) -> Result<T, Code> {
        let mut state = self.lock();
        let share = state.shares.get_mut(&id).ok_or(Code::ShareNotFound)?;
        let result = change(share);
        self.settle(&mut state, id);
        Ok(result)
    }

    // Hands out what the queue has to say, and sets its timer.
    fn settle(&self, state: &mut State, id: ShareId) {
        let Some(share) = state.shares.get_mut(&id) else {
            return;
        };
        while let Some(event) = share.queue.poll_event() {
            // Nobody listens any more when the server stops.
            let _ = self.notices.send((id, Notice::Queue(event)));
        }
        let first = state.timers.first().copied();
        let timer = share.queue.poll_timeout();
        if timer != share.timer {
            if let Some(old) = share.timer {
                state.timers.remove(&(old, id));
            }
            if let Some(new) = timer {
                state.timers.insert((new, id));
            }
            share.timer = timer;
        }
        if share.queue.is_over() {
            state.shares.remove(&id);
            tracing::debug!(shares = state.shares.len(), "a share is over");
        }
        if first != state.timers.first().copied() {
            self.retime.notify_one();
        }
    }
}

impl Store for MemoryStore {
    async fn open(&self, share: ShareId, terms: Terms, now: Duration) -> Result<(), Code> {
        let Terms { join_hash, slots, active, summary } = terms;
        let mut state = self.lock();
        let count = state.shares.len();
        if let Some(share) = state.shares.get_mut(&share) {
            share.queue.handle(&Command::Open { join_hash, slots }, now)?;
            share.summary = summary.or(share.summary.take());
        } else if count >= self.max_shares {
            return Err(Code::ServerFull);
        } else {
            let queue = Queue::new(self.rules, join_hash, slots, &active, now);
            state.shares.insert(share, Share { queue, summary, timer: None });
            tracing::debug!(shares = count + 1, "a share is opened");
        }
        self.settle(&mut state, share);
        Ok(())
    }

    async fn handle(
        &self,
        share: ShareId,
        command: &Command,
        now: Duration,
    ) -> Result<Option<Standing>, Code> {
        self.change(share, |share| share.queue.handle(command, now))?
    }

    async fn seen(
        &self,
        share: ShareId,
        peers: &[PeerId],
        now: Duration,
    ) -> Result<Vec<Result<Standing, Code>>, Code> {
        self.change(share, |share| {
            let mut seen = |&peer| {
                let standing = share.queue.handle(&Command::Seen { peer }, now)?;
                standing.ok_or(Code::NotAuthorised)
            };
            peers.iter().map(&mut seen).collect()
        })
    }

    async fn standings(&self, share: ShareId, peers: &[PeerId]) -> Result<Vec<Option<Standing>>, Code> {
        self.read(share, |share| peers.iter().map(|&peer| share.queue.standing(peer)).collect())
    }

    async fn opened(&self, share: ShareId) -> Result<(Vec<PeerId>, u32), Code> {
        self.read(share, |share| share.queue.held())
    }

    async fn set_summary(&self, share: ShareId, summary: String) -> Result<(), Code> {
        self.change(share, |share| share.summary = Some(summary))
    }

    async fn summary(&self, share: ShareId) -> Result<Option<String>, Code> {
        self.read(share, |share| share.summary.clone())
    }

    // There is no other instance, and this one is told of everything.
    async fn publish(&self, _: ShareId, _: Notice) -> Result<(), Code> {
        Ok(())
    }

    async fn watch(&self, _: ShareId) -> Result<(), Code> {
        Ok(())
    }

    async fn unwatch(&self, _: ShareId) {}

    async fn allow(&self, key: &str, rate: Rate, now: Duration) -> Result<Option<Duration>, Code> {
        Ok(self.lock().limits.allow(key, rate, now))
    }

    async fn hold(
        &self,
        key: &str,
        member: [u8; 16],
        cap: u32,
        until: Duration,
        now: Duration,
    ) -> Result<bool, Code> {
        Ok(self.lock().limits.hold(key, member, cap, until, now))
    }

    async fn release(&self, key: &str, member: [u8; 16]) -> Result<(), Code> {
        self.lock().limits.release(key, member);
        Ok(())
    }

    async fn ready(&self) -> Result<(), Code> {
        Ok(())
    }

    fn common_time(&self, now: Duration) -> Duration {
        now
    }

    async fn totals(&self) -> Result<Totals, Code> {
        let state = self.lock();
        let mut totals = Totals { shares: state.shares.len() as u64, ..Totals::default() };
        for share in state.shares.values() {
            let (held, waiting) = share.queue.counts();
            totals.held += u64::from(held);
            totals.waiting += u64::from(waiting);
        }
        Ok(totals)
    }

    async fn run(&self) {
        loop {
            let first = self.lock().timers.first().copied();
            match first {
                None => self.retime.notified().await,
                Some((due, share)) => tokio::select! {
                    () = self.retime.notified() => {}
                    () = tokio::time::sleep_until(self.clock.instant(due)) => {
                        // A share that was over meanwhile has nothing due.
                        let _ = self.handle(share, &Command::Tick, self.clock.now().max(due)).await;
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{self, Inspect};
    use super::*;
    use proptest::prelude::*;
    use sluice_protocol::queue::Snapshot;

    impl Inspect for MemoryStore {
        async fn snapshot(&self, share: ShareId) -> Option<Snapshot> {
            self.read(share, |share| share.queue.snapshot()).ok()
        }
    }

    fn store() -> (MemoryStore, Notices) {
        MemoryStore::new(contract::RULES, contract::MAX_SHARES, Clock::new())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_sequence_is_answered_as_the_contract_says(steps in contract::steps()) {
            let (store, mut notices) = store();
            contract::block_on(contract::check(&store, &mut notices, &steps));
        }
    }

    #[test]
    fn limits_hold_as_the_contract_says() {
        contract::block_on(contract::check_limits(&store().0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_done_without_being_asked() {
        let (store, mut notices) = store();
        tokio::select! {
            () = store.run() => {}
            () = contract::check_timers(&store, &mut notices, store.clock) => {}
        }
    }
}
