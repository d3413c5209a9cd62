//! What every store has to do, held against the pure queue: one sequence of steps, the same answers, notices and
//! state.
//!
//! Moments here are given, and far from the real time, so that a store's own timers have nothing to do; but for
//! [`check_timers`]. A store starts empty, with [`RULES`] and [`MAX_SHARES`].

#![allow(clippy::unwrap_used)]
use super::{Notice, Notices, Rate, Store, Terms, Totals};
use crate::clock::Clock;
use proptest::prelude::*;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinHash, PeerId, ShareId};
use sluice_protocol::queue::{Command, Event, Progress, Queue, Rules, Snapshot};
use std::collections::HashMap;
use std::time::Duration;

/// What the store under test goes by.
pub const RULES: Rules = Rules {
    lease: Duration::from_secs(30),
    grace: Duration::from_secs(20),
    presence: Duration::from_secs(60),
    sender_grace: Duration::from_secs(60),
    max_receivers: 12,
};
/// How many shares it takes.
pub const MAX_SHARES: usize = 2;

const HASH: JoinHash = JoinHash([7; 32]);
// The year 2255: nothing of it is due before that.
const START: Duration = Duration::from_secs(9_000_000_000);
// Real time: far beyond what a store needs to hand out a notice.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store that can be looked into.
pub trait Inspect: Store {
    /// All it knows of a share's queue.
    fn snapshot(&self, share: ShareId) -> impl Future<Output = Option<Snapshot>> + Send;
}

/// One thing to do, some milliseconds after the one before.
#[derive(Debug, Clone)]
pub struct Step {
    share: ShareId,
    act: Act,
    after: u64,
}

#[derive(Debug, Clone)]
enum Act {
    Open { slots: u16, active: Vec<PeerId>, summary: Option<String> },
    Command(Command),
    Seen(Vec<PeerId>),
    Summary(String),
}

/// Any sequence of steps in any of three shares.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Most of the time little of it passes.
    let after = prop_oneof![6 => Just(0), 8 => 1..2000_u64, 1 => 2000..40_000_u64, 1 => Just(20_000), 1 => Just(30_000)];
    let step = (prop_oneof![8 => Just(1_u8), 1 => Just(2), 1 => Just(3)], act(), after)
        .prop_map(|(share, act, after)| Step { share: ShareId([share; 16]), act, after });
    prop::collection::vec(step, 0..120)
}

fn peer() -> impl Strategy<Value = PeerId> {
    (0..14_u8).prop_map(|number| PeerId([number; 16]))
}

fn act() -> impl Strategy<Value = Act> {
    let peers = |most| prop::collection::vec(peer(), 0..most);
    let open = (1..5_u16, peers(4), prop::option::of("[a-z]{0,3}"));
    prop_oneof![
        3 => open.prop_map(|(slots, active, summary)| Act::Open { slots, active, summary }),
        30 => command().prop_map(Act::Command),
        4 => peers(6).prop_map(Act::Seen),
        1 => "[a-z]{0,3}".prop_map(Act::Summary),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let progress = prop_oneof![
        Just(Progress::Connected),
        Just(Progress::Downloading),
        Just(Progress::Completed),
        Just(Progress::Failed)
    ];
    let proof = prop_oneof![6 => Just(HASH), 1 => Just(JoinHash([0; 32]))];
    // Those of tickets are from long ago, or from what this queue itself gave out.
    let micros = START.as_micros() as u64;
    let arrival = prop_oneof![4 => Just(None), 1 => (0..3_u64).prop_map(Some), 1 => (0..50_u64).prop_map(move |more| Some(micros + more))];
    prop_oneof![
        6 => (peer(), proof, arrival).prop_map(|(peer, proof, arrival)| Command::Join { peer, proof, arrival }),
        6 => peer().prop_map(|peer| Command::Seen { peer }),
        3 => peer().prop_map(|peer| Command::Drop { peer }),
        6 => peer().prop_map(|peer| Command::Claim { peer }),
        1 => (peer(), progress).prop_map(|(peer, progress)| Command::Progress { peer, progress }),
        2 => peer().prop_map(|peer| Command::Leave { peer }),
        1 => peer().prop_map(|peer| Command::Dismiss { peer }),
        1 => (1..5_u16).prop_map(|slots| Command::Open { join_hash: HASH, slots }),
        5 => Just(Command::SenderSeen),
        1 => Just(Command::SenderDrop),
        3 => Just(Command::Tick),
        // A twentieth of the others: it ends the fun.
        1 => prop_oneof![10 => Just(Command::Tick), 1 => Just(Command::End)],
    ]
}

#[derive(Default)]
struct Model {
    shares: HashMap<ShareId, (Queue, Option<String>)>,
}

impl Model {
    fn queue(&mut self, share: ShareId) -> Result<&mut Queue, Code> {
        self.shares.get_mut(&share).map(|(queue, _)| queue).ok_or(Code::ShareNotFound)
    }

    fn open(&mut self, share: ShareId, terms: Terms, now: Duration) -> Result<(), Code> {
        let Terms { join_hash, slots, active, summary } = terms;
        if let Some((queue, old)) = self.shares.get_mut(&share) {
            *old = summary.or(old.take());
            return queue.handle(&Command::Open { join_hash, slots }, now).map(|_| ());
        }
        if self.shares.len() >= MAX_SHARES {
            return Err(Code::ServerFull);
        }
        self.shares.insert(share, (Queue::new(RULES, join_hash, slots, &active, now), summary));
        Ok(())
    }

    // What is told of the last step; forgets a share that is over.
    fn events(&mut self, share: ShareId) -> Vec<Event> {
        let Some((queue, _)) = self.shares.get_mut(&share) else {
            return Vec::new();
        };
        let events = std::iter::from_fn(|| queue.poll_event()).collect();
        if queue.is_over() {
            self.shares.remove(&share);
        }
        events
    }
}

/// Takes `steps` with an empty store and with queues, and compares all there is to compare.
pub async fn check(store: &impl Inspect, notices: &mut Notices, steps: &[Step]) {
    let mut model = Model::default();
    let mut now = START;
    for share in 1..=3 {
        store.watch(ShareId([share; 16])).await.unwrap();
    }
    for Step { share, act, after } in steps {
        let share = *share;
        now += Duration::from_millis(*after);
        match act.clone() {
            Act::Open { slots, active, summary } => {
                let terms = Terms { join_hash: HASH, slots, active, summary };
                let expected = model.open(share, terms.clone(), now);
                assert_eq!(store.open(share, terms, now).await, expected, "{act:?}");
            }
            Act::Command(command) => {
                let expected = model.queue(share).and_then(|queue| queue.handle(&command, now));
                assert_eq!(store.handle(share, &command, now).await, expected, "{act:?}");
            }
            Act::Seen(peers) => {
                let expected = model.queue(share).map(|queue| {
                    let seen =
                        |&peer| queue.handle(&Command::Seen { peer }, now).map(|standing| standing.unwrap());
                    peers.iter().map(seen).collect::<Vec<_>>()
                });
                assert_eq!(store.seen(share, &peers, now).await, expected, "{act:?}");
            }
            Act::Summary(summary) => {
                let known = model.shares.get_mut(&share);
                let expected = known.map(|known| known.1 = Some(summary.clone())).ok_or(Code::ShareNotFound);
                assert_eq!(store.set_summary(share, summary).await, expected);
            }
        }
        check_notices(notices, share, model.events(share), act).await;
        check_state(store, share, &model).await;
    }
    // Those count whose senders are at this instance.
    let shares: Vec<_> = model.shares.keys().copied().collect();
    for share in shares {
        let expected = model.queue(share).and_then(|queue| queue.handle(&Command::SenderSeen, now));
        assert_eq!(store.handle(share, &Command::SenderSeen, now).await, expected);
        check_notices(notices, share, model.events(share), &Act::Command(Command::SenderSeen)).await;
    }
    let mut totals = Totals::default();
    for (queue, _) in model.shares.values() {
        let (held, waiting) = queue.counts();
        totals.shares += 1;
        totals.held += u64::from(held);
        totals.waiting += u64::from(waiting);
    }
    assert_eq!(store.totals().await, Ok(totals));
    for share in 1..=3 {
        store.unwatch(ShareId([share; 16])).await;
    }
}

async fn check_notices(notices: &mut Notices, share: ShareId, expected: Vec<Event>, act: &Act) {
    let mut told = Vec::new();
    for _ in 0..expected.len() {
        match tokio::time::timeout(PATIENCE, notices.recv()).await {
            Ok(Some((of, Notice::Queue(event)))) if of == share => told.push(event),
            other => panic!("{other:?} instead of the rest of {expected:?} behind {told:?} after {act:?}"),
        }
    }
    // Those for whom a slot is kept are told in no order when the sender is back.
    let mut expected = expected;
    if let Act::Command(Command::SenderSeen) = act {
        told.sort_by_key(|event| format!("{event:?}"));
        expected.sort_by_key(|event| format!("{event:?}"));
    }
    assert_eq!(told, expected, "after {act:?}");
}

async fn check_state(store: &impl Inspect, share: ShareId, model: &Model) {
    let known = model.shares.get(&share);
    let peers: Vec<_> = (0..14).map(|number| PeerId([number; 16])).collect();
    // None of these changes anything.
    let (snapshot, summary, standings, opened) = tokio::join!(
        store.snapshot(share),
        store.summary(share),
        store.standings(share, &peers),
        store.opened(share)
    );
    assert_eq!(snapshot, known.map(|(queue, _)| queue.snapshot()));
    assert_eq!(summary, known.map(|(_, summary)| summary.clone()).ok_or(Code::ShareNotFound));
    let expected = known
        .map(|(queue, _)| peers.iter().map(|&peer| queue.standing(peer)).collect::<Vec<_>>())
        .ok_or(Code::ShareNotFound);
    assert_eq!(standings, expected);
    let sorted = |(mut active, waiting): (Vec<PeerId>, u32)| {
        active.sort_unstable();
        (active, waiting)
    };
    let held = known.map(|(queue, _)| queue.held()).ok_or(Code::ShareNotFound);
    assert_eq!(opened.map(sorted), held.map(sorted));
}

/// What one key spends and holds is nothing to another.
pub async fn check_limits(store: &impl Store) {
    let second = Duration::from_secs(1);
    let rate = Rate { per: 10 * second, burst: 5 };
    for _ in 0..5 {
        assert_eq!(store.allow("a", rate, START).await, Ok(None));
    }
    assert_eq!(store.allow("a", rate, START).await, Ok(Some(2 * second)));
    assert_eq!(store.allow("b", rate, START).await, Ok(None));
    assert_eq!(store.allow("a", rate, START + second).await, Ok(Some(second)));
    assert_eq!(store.allow("a", rate, START + 2 * second).await, Ok(None));
    let (first, later) = (START + second, START + 2 * second);
    assert_eq!(store.hold("a", [1; 16], 1, later, START).await, Ok(true));
    assert_eq!(store.hold("a", [2; 16], 1, later, START).await, Ok(false));
    assert_eq!(store.hold("b", [2; 16], 1, later, START).await, Ok(true));
    assert_eq!(store.hold("a", [1; 16], 1, first, START).await, Ok(true), "it is one already");
    assert_eq!(store.hold("a", [2; 16], 1, later, first).await, Ok(true), "the other has lapsed");
    store.release("a", [2; 16]).await.unwrap();
    assert_eq!(store.hold("a", [3; 16], 1, later, first).await, Ok(true));
    assert_eq!(store.ready().await, Ok(()));
}

/// A store that runs does what is due, at the time of `clock`.
pub async fn check_timers(store: &impl Store, notices: &mut Notices, clock: Clock) {
    let share = ShareId([1; 16]);
    store.watch(share).await.unwrap();
    let terms = Terms { join_hash: HASH, slots: 1, active: Vec::new(), summary: None };
    let start = clock.now();
    store.open(share, terms, start).await.unwrap();
    let (_, notice) = notices.recv().await.unwrap();
    assert_eq!(notice, Notice::Queue(Event::Ended { code: Code::SenderGone }));
    assert!(clock.now() >= start + RULES.sender_grace);
    assert_eq!(store.handle(share, &Command::SenderSeen, clock.now()).await, Err(Code::ShareNotFound));
}

/// Runs one case on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
