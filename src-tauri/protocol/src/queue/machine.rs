//! The machine itself: one share's slots and line, and the rules by which receivers move.

use super::line::Line;
use super::{Command, Event, Receiver, Rules, Snapshot, Stage, Standing, Tier, tier};
use crate::error::Code;
use crate::id::{JoinHash, PeerId};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Sender,
    Receiver(PeerId),
}

/// The queue of one share.
#[derive(Debug)]
pub struct Queue {
    rules: Rules,
    join_hash: JoinHash,
    slots: u16,
    sender_here: bool,
    sender_until: Duration,
    receivers: HashMap<PeerId, Receiver>,
    held: u32,
    line: Line,
    // Those in line that may be promoted, in its order.
    ready: BTreeSet<(u64, PeerId)>,
    dismissed: HashSet<PeerId>,
    // Tickets of queues before this one name arrivals before it.
    first_arrival: u64,
    last_arrival: u64,
    moves: u64,
    told_moves: u64,
    told_waiting: u32,
    timers: BTreeSet<(Duration, Timer)>,
    over: bool,
    events: VecDeque<Event>,
}

impl Queue {
    /// A queue whose sender is not connected yet, and has its grace period to do so.
    ///
    /// `active` are the receivers that the sender is connected with although no server knows them any more: they
    /// hold their slots, and have their own grace period to say so.
    pub fn new(rules: Rules, join_hash: JoinHash, slots: u16, active: &[PeerId], now: Duration) -> Self {
        let mut queue = Queue {
            rules,
            join_hash,
            slots,
            sender_here: false,
            sender_until: now + rules.sender_grace,
            receivers: HashMap::new(),
            held: 0,
            line: Line::default(),
            ready: BTreeSet::new(),
            dismissed: HashSet::new(),
            first_arrival: micros(now),
            last_arrival: 0,
            moves: 0,
            told_moves: 0,
            told_waiting: 0,
            timers: BTreeSet::from([(now + rules.sender_grace, Timer::Sender)]),
            over: false,
            events: VecDeque::new(),
        };
        for &peer in active.iter().take(usize::from(slots)) {
            let arrival = queue.next_arrival(now);
            if !queue.receivers.contains_key(&peer) {
                queue.enter(peer, arrival, Stage::Dropped { until: now + rules.grace });
            }
        }
        queue
    }

    /// Carries out one command. `Some` place for [`Command::Join`], [`Command::Seen`] and [`Command::Claim`].
    ///
    /// # Errors
    /// [`Code::ShareEnded`] when the share is over; [`Code::NotAuthorised`] for a wrong proof and for one
    /// without a place; [`Code::LetGo`] for one that was let go and joins again; [`Code::ShareFull`] when no more receivers fit in;
    /// [`Code::NotYourTurn`] for a claim without a slot. Nothing has changed then, but that a claim is a sign of
    /// life as well.
    pub fn handle(&mut self, command: &Command, now: Duration) -> Result<Option<Standing>, Code> {
        if self.over {
            return Err(Code::ShareEnded);
        }
        let mut answer = Ok(None);
        match command {
            Command::Open { join_hash, slots } => {
                self.join_hash = *join_hash;
                self.slots = *slots;
                if !self.sender_here {
                    self.set_sender_until(now + self.rules.sender_grace);
                }
            }
            Command::Join { peer, proof, arrival } => {
                self.join(*peer, proof, *arrival, now)?;
                answer = Ok(Some(*peer));
            }
            Command::Seen { peer } => {
                self.seen(*peer, now)?;
                answer = Ok(Some(*peer));
            }
            Command::Claim { peer } => answer = self.claim(*peer, now).map(|()| Some(*peer)),
            Command::Drop { peer } => self.drop_connection(*peer, now),
            Command::Progress { peer, progress } => {
                if let Some(receiver) = self.receivers.get_mut(peer)
                    && receiver.stage.holds_slot()
                {
                    receiver.progress = Some(*progress);
                }
            }
            Command::Leave { peer } => self.remove(*peer, None),
            Command::Dismiss { peer } => {
                self.remove(*peer, Some(Code::LetGo));
                if !self.is_full() {
                    self.dismissed.insert(*peer);
                }
            }
            Command::SenderSeen => self.sender_seen(now),
            Command::SenderDrop => {
                if std::mem::take(&mut self.sender_here) {
                    self.set_sender_until(now + self.rules.sender_grace);
                    self.events.push_back(Event::SenderAway);
                }
            }
            Command::End => self.end(Code::ShareEnded),
            Command::Tick => self.tick(now),
        }
        self.settle(now);
        answer.map(|peer| peer.and_then(|peer| self.standing(peer)))
    }

    /// When [`Command::Tick`] has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|&(due, _)| due)
    }

    /// The next thing that others must hear.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The place of `peer`, if it has one.
    pub fn standing(&self, peer: PeerId) -> Option<Standing> {
        let receiver = self.receivers.get(&peer)?;
        let ahead = match receiver.stage {
            Stage::Waiting { .. } => self.line.rank(receiver.arrival, peer)?,
            _ => 0,
        };
        let tier = match receiver.stage {
            Stage::Waiting { .. } => tier(self.held, ahead, self.slots),
            _ => Tier::Active,
        };
        let lease = match receiver.stage {
            Stage::Promoted { until } => Some(until),
            _ => None,
        };
        let (slots, moves, sender_here) = (self.slots, self.moves, self.sender_here);
        Some(Standing { tier, ahead, slots, lease, arrival: receiver.arrival, moves, sender_here })
    }

    /// Whether `peer` is connected to the sender, or may be: signals pass between the two.
    pub fn is_active(&self, peer: PeerId) -> bool {
        let stage = self.receivers.get(&peer).map(|receiver| receiver.stage);
        matches!(stage, Some(Stage::Active { .. } | Stage::Dropped { .. }))
    }

    /// Those in a slot, in no order, and how many wait.
    pub fn held(&self) -> (Vec<PeerId>, u32) {
        let active = self.receivers.keys().copied().filter(|&peer| self.is_active(peer)).collect();
        (active, self.line.len())
    }

    /// How many slots are held or kept for somebody, and how many wait.
    pub fn counts(&self) -> (u32, u32) {
        (self.held, self.line.len())
    }

    /// Whether the share has ended; it can be forgotten once all events are drained.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Everything there is to know.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            receivers: self.receivers.iter().map(|(&peer, &receiver)| (peer, receiver)).collect(),
            line: self.line.iter().collect(),
            dismissed: self.dismissed.iter().copied().collect(),
            slots: self.slots,
            sender_here: self.sender_here,
            moves: self.moves,
        }
    }

    fn join(
        &mut self,
        peer: PeerId,
        proof: &JoinHash,
        arrival: Option<u64>,
        now: Duration,
    ) -> Result<(), Code> {
        if self.join_hash != *proof {
            return Err(Code::NotAuthorised);
        }
        if self.dismissed.contains(&peer) {
            return Err(Code::LetGo);
        }
        let until = now + self.rules.grace;
        match self.receivers.get(&peer).map(|receiver| receiver.stage) {
            Some(Stage::Waiting { until: old, ready }) => {
                self.set_stage(peer, Stage::Waiting { until: old.max(until), ready });
            }
            Some(_) => {}
            None if self.is_full() => return Err(Code::ShareFull),
            None => {
                let lost = arrival.filter(|arrival| *arrival < self.first_arrival);
                let arrival = lost.unwrap_or_else(|| self.next_arrival(now));
                self.enter(peer, arrival, Stage::Waiting { until, ready: false });
            }
        }
        Ok(())
    }

    fn seen(&mut self, peer: PeerId, now: Duration) -> Result<(), Code> {
        let until = now + self.rules.presence;
        let stage = self.receivers.get(&peer).ok_or(Code::NotAuthorised)?.stage;
        match stage {
            Stage::Waiting { .. } => self.set_stage(peer, Stage::Waiting { until, ready: true }),
            Stage::Active { .. } => self.set_stage(peer, Stage::Active { until }),
            Stage::Promoted { .. } | Stage::Dropped { .. } => {}
        }
        Ok(())
    }

    fn claim(&mut self, peer: PeerId, now: Duration) -> Result<(), Code> {
        self.seen(peer, now)?;
        self.settle(now);
        let stage = self.receivers.get(&peer).ok_or(Code::NotAuthorised)?.stage;
        if let Stage::Waiting { .. } = stage {
            return Err(Code::NotYourTurn);
        }
        self.set_stage(peer, Stage::Active { until: now + self.rules.presence });
        if let Stage::Promoted { .. } = stage {
            self.events.push_back(Event::Joined { peer });
        }
        Ok(())
    }

    fn drop_connection(&mut self, peer: PeerId, now: Duration) {
        let until = now + self.rules.grace;
        match self.receivers.get(&peer).map(|receiver| receiver.stage) {
            Some(Stage::Waiting { ready: true, .. }) => {
                self.set_stage(peer, Stage::Waiting { until, ready: false });
            }
            Some(Stage::Active { .. }) => self.set_stage(peer, Stage::Dropped { until }),
            _ => {}
        }
    }

    fn sender_seen(&mut self, now: Duration) {
        self.set_sender_until(now + self.rules.presence);
        if std::mem::replace(&mut self.sender_here, true) {
            return;
        }
        self.events.push_back(Event::SenderHere);
        // Nobody could connect meanwhile: their time begins now.
        let until = now + self.rules.lease;
        let promoted: Vec<_> = self
            .receivers
            .iter()
            .filter(|(_, receiver)| matches!(receiver.stage, Stage::Promoted { .. }))
            .map(|(&peer, _)| peer)
            .collect();
        for peer in promoted {
            self.set_stage(peer, Stage::Promoted { until });
            self.events.push_back(Event::Promoted { peer, until });
        }
    }

    fn tick(&mut self, now: Duration) {
        if self.sender_until <= now {
            if std::mem::take(&mut self.sender_here) {
                // Silent, though nobody saw its socket drop.
                self.set_sender_until(now + self.rules.sender_grace);
                self.events.push_back(Event::SenderAway);
            } else {
                return self.end(Code::SenderGone);
            }
        }
        let due: Vec<_> = self
            .timers
            .iter()
            .take_while(|&&(due, _)| due <= now)
            .filter_map(|&(_, timer)| match timer {
                Timer::Sender => None,
                Timer::Receiver(peer) => Some(peer),
            })
            .collect();
        for peer in due {
            match self.receivers.get(&peer).map(|receiver| receiver.stage) {
                Some(Stage::Promoted { .. }) if !self.sender_here => {
                    // Frozen: its time begins anew when the sender is back.
                    self.set_stage(peer, Stage::Promoted { until: now + self.rules.lease });
                }
                Some(Stage::Promoted { .. }) => {
                    let until = now + self.rules.grace;
                    self.set_stage(peer, Stage::Waiting { until, ready: false });
                    self.events.push_back(Event::PassedOver { peer });
                }
                Some(_) => self.remove(peer, None),
                None => {}
            }
        }
    }

    // Fills the free slots and tells what has changed; the last step of every command.
    fn settle(&mut self, now: Duration) {
        if self.over {
            return;
        }
        while self.sender_here && self.held < u32::from(self.slots) {
            let present = |&&(_, peer): &&(u64, PeerId)| {
                self.receivers.get(&peer).is_some_and(|receiver| receiver.stage.until() > now)
            };
            let Some(&(_, peer)) = self.ready.iter().find(present) else {
                break;
            };
            let until = now + self.rules.lease;
            self.set_stage(peer, Stage::Promoted { until });
            self.events.push_back(Event::Promoted { peer, until });
        }
        if self.told_moves != self.moves {
            self.told_moves = self.moves;
            self.events.push_back(Event::Moved { moves: self.moves });
        }
        let waiting = self.line.len();
        if self.told_waiting != waiting {
            self.told_waiting = waiting;
            self.events.push_back(Event::Waiting { count: waiting });
        }
    }

    fn end(&mut self, code: Code) {
        self.events.push_back(Event::Ended { code });
        self.receivers.clear();
        self.line = Line::default();
        self.ready.clear();
        self.timers.clear();
        self.held = 0;
        self.over = true;
    }

    fn is_full(&self) -> bool {
        self.receivers.len() + self.dismissed.len() >= self.rules.max_receivers as usize
    }

    fn next_arrival(&mut self, now: Duration) -> u64 {
        self.last_arrival = micros(now).max(self.last_arrival + 1);
        self.last_arrival
    }

    fn set_sender_until(&mut self, until: Duration) {
        self.timers.remove(&(self.sender_until, Timer::Sender));
        self.sender_until = until;
        self.timers.insert((until, Timer::Sender));
    }

    fn enter(&mut self, peer: PeerId, arrival: u64, stage: Stage) {
        self.receivers.insert(peer, Receiver { arrival, stage, progress: None });
        self.attach(peer, arrival, stage);
    }

    fn remove(&mut self, peer: PeerId, code: Option<Code>) {
        if let Some(receiver) = self.receivers.remove(&peer) {
            self.detach(peer, receiver);
            if matches!(receiver.stage, Stage::Active { .. } | Stage::Dropped { .. }) {
                self.events.push_back(Event::Left { peer });
            }
            self.events.push_back(Event::Gone { peer, code });
        }
    }

    fn set_stage(&mut self, peer: PeerId, stage: Stage) {
        if let Some(receiver) = self.receivers.get_mut(&peer) {
            let old = *receiver;
            receiver.stage = stage;
            self.timers.remove(&(old.stage.until(), Timer::Receiver(peer)));
            if old.stage.holds_slot() == stage.holds_slot() {
                self.timers.insert((stage.until(), Timer::Receiver(peer)));
                self.set_ready(peer, old.arrival, stage);
            } else {
                self.detach(peer, old);
                self.attach(peer, old.arrival, stage);
            }
        }
    }

    // A place in the line or among the slots, and its timer.
    fn attach(&mut self, peer: PeerId, arrival: u64, stage: Stage) {
        self.timers.insert((stage.until(), Timer::Receiver(peer)));
        if stage.holds_slot() {
            self.held += 1;
        } else if !self.line.insert(arrival, peer) {
            // Not the last: all behind it have moved.
            self.moves += 1;
        }
        self.set_ready(peer, arrival, stage);
    }

    fn detach(&mut self, peer: PeerId, receiver: Receiver) {
        self.timers.remove(&(receiver.stage.until(), Timer::Receiver(peer)));
        self.ready.remove(&(receiver.arrival, peer));
        if receiver.stage.holds_slot() {
            self.held -= 1;
        } else {
            self.line.remove(receiver.arrival, peer);
            self.moves += 1;
        }
    }

    fn set_ready(&mut self, peer: PeerId, arrival: u64, stage: Stage) {
        if let Stage::Waiting { ready: true, .. } = stage {
            self.ready.insert((arrival, peer));
        } else {
            self.ready.remove(&(arrival, peer));
        }
    }
}

#[cfg(test)]
mod tests;

fn micros(now: Duration) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
