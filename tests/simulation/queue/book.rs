//! What must be true after every step, told from the commands, the answers and the events alone.

use super::Plan;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::{
    Command, Event, NEAR_PLACES, Queue, Receiver, Rules, Snapshot, Stage, Standing, Tier,
};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What a queue answers to a command.
pub type Answer = Result<Option<Standing>, Code>;

/// One command, and the queue before and after it.
struct Step<'a> {
    command: &'a Command,
    now: Duration,
    before: &'a Snapshot,
    after: &'a Snapshot,
}

/// Everything that was seen of a queue, and of those before it that were lost.
pub struct Book {
    rules: Rules,
    before: Snapshot,
    // By events: a slot is kept for these, is held by these (the sender's view), so many wait.
    promoted: BTreeSet<PeerId>,
    active: BTreeSet<PeerId>,
    waiting: u32,
    moves: u64,
    dismissed: BTreeSet<PeerId>,
    // Who came when, counted; and the counts behind the arrivals that stand in tickets.
    order: HashMap<PeerId, u64>,
    tickets: HashMap<u64, u64>,
    last: u64,
    // Tickets made by a queue that was lost name an older arrival.
    began: u64,
    /// The counts of those to whom a slot was offered, as they were.
    pub offered: Vec<u64>,
}

impl Book {
    pub fn new(plan: &Plan) -> Self {
        Book {
            rules: plan.rules,
            before: Snapshot::default(),
            promoted: BTreeSet::new(),
            active: BTreeSet::new(),
            waiting: 0,
            moves: 0,
            dismissed: BTreeSet::new(),
            order: HashMap::new(),
            tickets: HashMap::new(),
            last: 0,
            began: 0,
            offered: Vec::new(),
        }
    }

    /// A queue was made anew, for a sender that is connected with these.
    pub fn begin(&mut self, queue: &Queue, active: &[PeerId], now: Duration) {
        let snapshot = queue.snapshot();
        self.promoted.clear();
        self.dismissed.clear();
        self.active = active.iter().copied().take(usize::from(snapshot.slots)).collect();
        (self.waiting, self.moves, self.began) = (0, 0, self.last);
        self.order.clear();
        assert!(self.active.iter().eq(snapshot.receivers.keys()), "those in slots were not taken over");
        let mut arrivals: Vec<_> =
            snapshot.receivers.iter().map(|(peer, receiver)| (receiver.arrival, *peer)).collect();
        arrivals.sort_unstable();
        for (arrival, peer) in arrivals {
            self.arrive(peer, arrival);
        }
        let made = Step { command: &Command::Tick, now, before: &snapshot, after: &snapshot };
        self.check_places(queue, &made);
        self.before = snapshot;
    }

    /// Holds what must be true after `command` was carried out, and gave `answer` and `events`.
    pub fn check(
        &mut self,
        queue: &Queue,
        command: &Command,
        answer: &Answer,
        events: &[Event],
        now: Duration,
    ) {
        let before = std::mem::take(&mut self.before);
        if queue.is_over() {
            let ended = events.last() == Some(&Event::Ended { code: Code::SenderGone });
            assert!(ended && *command == Command::Tick && !before.sender_here, "{command:?} ended the share");
            return;
        }
        let after = queue.snapshot();
        let step = Step { command, now, before: &before, after: &after };
        self.check_join(answer, &step);
        for event in events {
            self.check_event(event, &step);
        }
        check_slots(queue, &step);
        self.check_places(queue, &step);
        if answer.is_err() && !matches!(command, Command::Claim { .. }) {
            assert_eq!(before, after, "a refusal changed something");
        }
        self.before = after;
    }

    /// The queue after the last step.
    pub fn last(&self) -> &Snapshot {
        &self.before
    }

    // Who joins is the last, unless its ticket is from a queue that was lost.
    fn check_join(&mut self, answer: &Answer, step: &Step) {
        let (Command::Join { peer, arrival, .. }, Ok(standing)) = (step.command, answer) else {
            return;
        };
        let standing = standing.expect("a join is answered with a place");
        assert!(!self.dismissed.contains(peer), "one that was let go is in again");
        if step.before.receivers.contains_key(peer) {
            return;
        }
        let known = arrival.and_then(|arrival| self.tickets.get(&arrival).copied());
        if let Some(count) = known.filter(|count| *count <= self.began) {
            assert_eq!(Some(standing.arrival), *arrival, "an old place was not given back");
            self.order.insert(*peer, count);
        } else {
            self.arrive(*peer, standing.arrival);
        }
    }

    fn arrive(&mut self, peer: PeerId, arrival: u64) {
        self.last += 1;
        self.order.insert(peer, self.last);
        let earlier = self.tickets.insert(arrival, self.last);
        assert_eq!(earlier, None, "two came at {arrival}");
    }

    fn check_event(&mut self, event: &Event, step: &Step) {
        let Step { command, now, before, after } = *step;
        match *event {
            Event::Promoted { peer, until } => {
                assert_eq!(until, now + self.rules.lease);
                assert!(after.sender_here, "promoted while the sender is away");
                assert!(!self.active.contains(&peer), "promoted out of a slot");
                if !self.promoted.insert(peer) {
                    let again = *command == Command::SenderSeen && !before.sender_here;
                    assert!(again, "promoted twice");
                    return;
                }
                let came = match before.receivers.get(&peer).map(|receiver| receiver.stage) {
                    Some(Stage::Waiting { ready: true, .. }) => true,
                    Some(Stage::Waiting { .. }) => {
                        *command == Command::Seen { peer } || *command == Command::Claim { peer }
                    }
                    // Passed over in this very step.
                    _ => false,
                };
                assert!(came, "{peer:?} is not there to be promoted");
                self.offered.push(self.order[&peer]);
                let overtaken = after.line.iter().find(|other| {
                    self.order[*other] < self.order[&peer] && is_ready(after.receivers[*other], now)
                });
                assert_eq!(overtaken, None, "{peer:?} overtook somebody who was there");
            }
            Event::PassedOver { peer } => {
                assert!(self.promoted.remove(&peer));
                let stage = before.receivers[&peer].stage;
                assert!(matches!(stage, Stage::Promoted { until } if until <= now), "{stage:?} lapsed early");
                assert!(after.line.contains(&peer), "one that was passed over lost its place");
            }
            Event::Joined { peer } => {
                assert!(self.promoted.remove(&peer), "a slot was taken that was not kept");
                self.active.insert(peer);
            }
            Event::Left { peer } => assert!(self.active.remove(&peer)),
            Event::Gone { peer, code } => {
                self.promoted.remove(&peer);
                self.order.remove(&peer);
                if code.is_some() {
                    self.dismissed.insert(peer);
                }
                let lapsed = before.receivers[&peer].stage.until() <= now;
                let wanted = match command {
                    Command::Leave { .. } => code.is_none(),
                    Command::Dismiss { .. } => code == Some(Code::LetGo),
                    _ => code.is_none() && *command == Command::Tick && lapsed,
                };
                assert!(wanted, "{command:?} took a place");
            }
            Event::Waiting { count } => self.waiting = count,
            Event::Moved { moves } => self.moves = moves,
            Event::SenderHere => assert!(!before.sender_here && after.sender_here),
            Event::SenderAway => assert!(before.sender_here && !after.sender_here),
            Event::Ended { .. } => panic!("the share ended"),
        }
    }

    // Each receiver is in exactly one tier and told so, and who only heard the events knows who is where.
    fn check_places(&self, queue: &Queue, step: &Step) {
        let Step { now, before, after, .. } = *step;
        let Rules { lease, grace, presence, .. } = self.rules;
        let (mut promoted, mut active) = (0, 0);
        for (&peer, receiver) in &after.receivers {
            let stage = receiver.stage;
            let most = match stage {
                Stage::Promoted { .. } => lease,
                Stage::Dropped { .. } => grace,
                Stage::Active { .. } | Stage::Waiting { .. } => presence,
            };
            assert!(stage.until() <= now + most, "{peer:?} is kept for too long: {stage:?}");
            let knows = match stage {
                Stage::Waiting { .. } => continue,
                Stage::Promoted { .. } => {
                    promoted += 1;
                    self.promoted.contains(&peer)
                }
                Stage::Active { .. } | Stage::Dropped { .. } => {
                    active += 1;
                    self.active.contains(&peer)
                }
            };
            assert!(knows, "nobody was told that {peer:?} is {stage:?}");
            let standing = queue.standing(peer).expect("each has a place");
            assert_eq!((standing.tier, standing.ahead), (Tier::Active, 0));
            assert_eq!((standing.arrival, standing.slots), (receiver.arrival, after.slots));
            assert_eq!(standing.lease.is_some(), matches!(stage, Stage::Promoted { .. }));
        }
        assert_eq!((promoted, active), (self.promoted.len(), self.active.len()), "more was told than is");
        assert_eq!((self.waiting as usize, self.moves), (after.line.len(), after.moves));

        // No place changes by more than the moves that were told.
        let made = (after.moves - before.moves) as usize;
        let held = promoted + active;
        assert_eq!(held + after.line.len(), after.receivers.len(), "somebody is in no tier, or in two");
        let mut last = None;
        for (place, &peer) in after.line.iter().enumerate() {
            let receiver = after.receivers[&peer];
            assert!(matches!(receiver.stage, Stage::Waiting { .. }), "{peer:?} is in two tiers");
            let count = self.order.get(&peer).copied();
            assert!(last < count, "not in the order in which they came");
            last = count;
            let standing = queue.standing(peer).expect("each has a place");
            let tier = match (held + place).checked_sub(usize::from(after.slots)) {
                None => Tier::Active,
                Some(behind) if behind < NEAR_PLACES as usize => Tier::Near,
                Some(_) => Tier::Far,
            };
            assert_eq!((standing.tier, standing.ahead as usize, standing.lease), (tier, place, None));
            assert_eq!((standing.arrival, standing.slots), (receiver.arrival, after.slots));
        }
        for (peer, old) in before.line.iter().zip(0..) {
            // The same place is the common case, and cheap to see.
            if after.line.get(old) != Some(peer)
                && let Some(standing) = queue.standing(*peer)
                && after.line.get(standing.ahead as usize) == Some(peer)
            {
                let change = old.abs_diff(standing.ahead as usize);
                assert!(change <= made, "{peer:?} moved by {change} of {made}");
            }
        }
    }
}

fn check_slots(queue: &Queue, step: &Step) {
    let Step { command, now, before, after } = *step;
    let (held, slots) = (held(after), usize::from(after.slots));
    // Slots that the sender took away run out by themselves.
    assert!(held <= slots.max(self::held(before)), "{held} in {slots} slots");
    if after.sender_here && held < slots {
        let left = after.line.iter().find(|peer| is_ready(after.receivers[*peer], now));
        assert_eq!(left, None, "a slot is free and was not offered");
    }
    let next = queue.poll_timeout();
    assert!(next.is_some(), "the share would never end");
    assert!(*command != Command::Tick || next > Some(now), "time stands still");
}

fn held(snapshot: &Snapshot) -> usize {
    let waits = |receiver: &&Receiver| !matches!(receiver.stage, Stage::Waiting { .. });
    snapshot.receivers.values().filter(waits).count()
}

fn is_ready(receiver: Receiver, now: Duration) -> bool {
    matches!(receiver.stage, Stage::Waiting { ready: true, until } if until > now)
}
