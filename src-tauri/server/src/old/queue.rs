//! The queue of one share, pure: who holds a slot, who waits in which order, who is away and until when.
//!
//! `handle_*` changes the state, [`Queue::poll_output`] drains what is to be told, and
//! [`Queue::poll_timeout`] says when to call [`Queue::handle_timeout`]. Time is an argument: a
//! [`Duration`] since any fixed moment that never runs backwards.

use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::signal::ServerMessage;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// What a queue allows.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long a share is kept while its sender's socket is away.
    pub sender_grace: Duration,
    /// How long a slot or a place is kept while its receiver's socket is away.
    pub receiver_grace: Duration,
    /// The most receivers that a share knows at once, those let go included.
    pub max_receivers: usize,
}

/// What is to be done outside, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell the sender's socket.
    ToSender(ServerMessage),
    /// Tell a receiver's socket.
    ToReceiver(PeerId, ServerMessage),
    /// The sender's socket is over: close it behind all it was told.
    CloseSender,
    /// A receiver's socket is over: close it behind all it was told.
    CloseReceiver(PeerId),
}

/// Whether a peer's socket is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    Away { until: Duration },
}

/// Where a receiver is. Only one that is here, with the sender here, is admitted:
///
/// ```text
/// join ──> Waiting ──(a slot is free, and all before it are served or away)──> Active
///             └────────(it leaves, is let go, or is away for too long)──> gone <──┘
/// ```
#[derive(Debug, Clone, Copy)]
enum Place {
    /// `told` is the number ahead that it was told last, on the socket it has now.
    Waiting {
        arrival: u64,
        told: Option<u32>,
    },
    Active,
}

#[derive(Debug, Clone, Copy)]
struct Receiver {
    place: Place,
    presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Sender,
    Receiver(PeerId),
}

/// The queue of one share.
#[derive(Debug)]
pub struct Queue {
    rules: Rules,
    slots: u16,
    sender: Presence,
    receivers: HashMap<PeerId, Receiver>,
    active: BTreeSet<PeerId>,
    waiting: BTreeMap<u64, PeerId>,
    dismissed: HashSet<PeerId>,
    arrivals: u64,
    timers: BTreeSet<(Duration, Timer)>,
    // Someone left the line, so that those behind have to be told.
    moved: bool,
    // What the sender was told last, on the socket it has now.
    told_waiting: Option<u32>,
    over: bool,
    outputs: VecDeque<Output>,
}

impl Queue {
    /// A queue whose sender is not connected yet, and has its grace period to do so.
    pub fn new(rules: Rules, slots: u16, now: Duration) -> Self {
        let mut queue = Queue {
            rules,
            slots,
            sender: Presence::Here,
            receivers: HashMap::new(),
            active: BTreeSet::new(),
            waiting: BTreeMap::new(),
            dismissed: HashSet::new(),
            arrivals: 0,
            timers: BTreeSet::new(),
            moved: false,
            told_waiting: None,
            over: false,
            outputs: VecDeque::new(),
        };
        queue.set_sender_away(now);
        queue
    }

    /// The owner opened the share again. With fewer slots than are taken, none is taken away: they run out.
    pub fn handle_open(&mut self, slots: u16, now: Duration) {
        self.slots = slots;
        if self.sender != Presence::Here {
            self.set_sender_away(now);
        }
        self.settle();
    }

    /// The sender's socket is connected; also when a newer one replaces another.
    pub fn handle_sender_connected(&mut self) {
        let was_away = self.sender != Presence::Here;
        self.set_sender(Presence::Here);
        let waiting = self.count_waiting();
        self.told_waiting = Some(waiting);
        self.outputs.push_back(Output::ToSender(ServerMessage::Opened {
            active: self.active.iter().copied().collect(),
            waiting,
        }));
        if was_away {
            self.tell_all(&ServerMessage::SenderBack);
        }
        self.settle();
    }

    /// The sender's socket dropped. Nobody is admitted until it is back.
    pub fn handle_sender_disconnected(&mut self, now: Duration) {
        if self.over || self.sender != Presence::Here {
            return;
        }
        self.set_sender_away(now);
        self.tell_all(&ServerMessage::SenderAway);
    }

    /// A receiver showed its proof: it has a place in line now, or keeps the one it has.
    ///
    /// Takes no slot; until its socket is connected it is away.
    ///
    /// # Errors
    /// [`Code::NotAuthorised`] for one that was let go, [`Code::ServerFailed`] when the share is full,
    /// [`Code::ShareEnded`] when it is over.
    pub fn handle_join(&mut self, peer: PeerId, now: Duration) -> Result<(), Code> {
        if self.over {
            return Err(Code::ShareEnded);
        }
        if self.dismissed.contains(&peer) {
            return Err(Code::NotAuthorised);
        }
        let until = now + self.rules.receiver_grace;
        match self.receivers.get(&peer) {
            Some(receiver) if receiver.presence == Presence::Here => {}
            Some(_) => self.set_presence(peer, Presence::Away { until }),
            None if self.is_full() => return Err(Code::ServerFailed),
            None => {
                let arrival = self.arrivals;
                self.arrivals += 1;
                self.waiting.insert(arrival, peer);
                self.timers.insert((until, Timer::Receiver(peer)));
                self.receivers.insert(
                    peer,
                    Receiver {
                        place: Place::Waiting { arrival, told: None },
                        presence: Presence::Away { until },
                    },
                );
            }
        }
        self.settle();
        Ok(())
    }

    /// A receiver's socket is connected; also when a newer one replaces another.
    ///
    /// # Errors
    /// [`Code::NotAuthorised`] for one that has no place here (any more).
    pub fn handle_connected(&mut self, peer: PeerId) -> Result<(), Code> {
        let Some(&Receiver { place, .. }) = self.receivers.get(&peer) else {
            return Err(Code::NotAuthorised);
        };
        self.set_presence(peer, Presence::Here);
        let ahead = match place {
            Place::Waiting { arrival, .. } => {
                let ahead = count(self.waiting.range(..arrival).count());
                self.set_told(peer, ahead);
                ahead
            }
            Place::Active => 0,
        };
        self.tell(peer, ServerMessage::Place { ahead, slots: self.slots });
        if matches!(place, Place::Active) {
            self.tell(peer, ServerMessage::Admitted);
        }
        if self.sender != Presence::Here {
            self.tell(peer, ServerMessage::SenderAway);
        }
        self.settle();
        Ok(())
    }

    /// A receiver's socket dropped; its slot or place is kept for the grace period.
    pub fn handle_disconnected(&mut self, peer: PeerId, now: Duration) {
        if let Some(receiver) = self.receivers.get(&peer)
            && receiver.presence == Presence::Here
        {
            let until = now + self.rules.receiver_grace;
            self.set_presence(peer, Presence::Away { until });
        }
    }

    /// A receiver is done or gives up.
    pub fn handle_leave(&mut self, peer: PeerId) {
        self.remove(peer, None);
        self.settle();
    }

    /// The sender lets a receiver go for good.
    pub fn handle_dismiss(&mut self, peer: PeerId) {
        self.remove(peer, Some(Code::NotAuthorised));
        if !self.is_full() {
            self.dismissed.insert(peer);
        }
        self.settle();
    }

    /// The sender ends the share.
    pub fn handle_end(&mut self) {
        self.end(Code::ShareEnded);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(&(due, timer)) = self.timers.first()
            && due <= now
        {
            match timer {
                Timer::Sender => return self.end(Code::SenderGone),
                Timer::Receiver(peer) => self.remove(peer, None),
            }
        }
        self.settle();
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|&(due, _)| due)
    }

    /// The next thing to do outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether `peer` holds a slot.
    pub fn is_active(&self, peer: PeerId) -> bool {
        self.active.contains(&peer)
    }

    /// Whether the share has ended; it can be forgotten once all outputs are drained.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn is_full(&self) -> bool {
        self.receivers.len() + self.dismissed.len() >= self.rules.max_receivers
    }

    fn count_waiting(&self) -> u32 {
        count(self.waiting.len())
    }

    fn set_sender_away(&mut self, now: Duration) {
        let until = now + self.rules.sender_grace;
        self.set_sender(Presence::Away { until });
        self.told_waiting = None;
    }

    fn set_sender(&mut self, presence: Presence) {
        let old = std::mem::replace(&mut self.sender, presence);
        self.set_timer(Timer::Sender, old, presence);
    }

    fn set_presence(&mut self, peer: PeerId, presence: Presence) {
        if let Some(receiver) = self.receivers.get_mut(&peer) {
            let old = std::mem::replace(&mut receiver.presence, presence);
            self.set_timer(Timer::Receiver(peer), old, presence);
        }
    }

    fn set_timer(&mut self, timer: Timer, old: Presence, new: Presence) {
        if let Presence::Away { until } = old {
            self.timers.remove(&(until, timer));
        }
        if let Presence::Away { until } = new {
            self.timers.insert((until, timer));
        }
    }

    fn set_told(&mut self, peer: PeerId, ahead: u32) {
        if let Some(Receiver { place: Place::Waiting { told, .. }, .. }) = self.receivers.get_mut(&peer) {
            *told = Some(ahead);
        }
    }

    fn is_here(&self, peer: PeerId) -> bool {
        self.receivers.get(&peer).is_some_and(|receiver| receiver.presence == Presence::Here)
    }

    fn tell(&mut self, peer: PeerId, message: ServerMessage) {
        self.outputs.push_back(Output::ToReceiver(peer, message));
    }

    fn tell_all(&mut self, message: &ServerMessage) {
        for (&peer, receiver) in &self.receivers {
            if receiver.presence == Presence::Here {
                self.outputs.push_back(Output::ToReceiver(peer, message.clone()));
            }
        }
    }

    fn remove(&mut self, peer: PeerId, told: Option<Code>) {
        let Some(receiver) = self.receivers.remove(&peer) else {
            return;
        };
        match receiver.presence {
            Presence::Here => {
                if let Some(code) = told {
                    self.tell(peer, ServerMessage::Ended { code });
                }
                self.outputs.push_back(Output::CloseReceiver(peer));
            }
            Presence::Away { until } => {
                self.timers.remove(&(until, Timer::Receiver(peer)));
            }
        }
        match receiver.place {
            Place::Waiting { arrival, .. } => {
                self.waiting.remove(&arrival);
                self.moved = true;
            }
            Place::Active => {
                self.active.remove(&peer);
                if self.sender == Presence::Here {
                    self.outputs.push_back(Output::ToSender(ServerMessage::Left { peer }));
                }
            }
        }
    }

    fn end(&mut self, code: Code) {
        if self.over {
            return;
        }
        self.tell_all(&ServerMessage::Ended { code });
        for (&peer, receiver) in &self.receivers {
            if receiver.presence == Presence::Here {
                self.outputs.push_back(Output::CloseReceiver(peer));
            }
        }
        if self.sender == Presence::Here {
            self.outputs.push_back(Output::ToSender(ServerMessage::Ended { code }));
            self.outputs.push_back(Output::CloseSender);
        }
        self.receivers.clear();
        self.active.clear();
        self.waiting.clear();
        self.timers.clear();
        self.over = true;
    }

    // Fills the free slots and tells what has changed; the last step of every handle_*.
    fn settle(&mut self) {
        if self.over {
            return;
        }
        if self.sender == Presence::Here {
            let free = usize::from(self.slots).saturating_sub(self.active.len());
            // Slots are mostly full, and then the line is not looked at.
            if free > 0 {
                let next: Vec<_> = self
                    .waiting
                    .iter()
                    .filter(|&(_, &peer)| self.is_here(peer))
                    .map(|(&arrival, &peer)| (arrival, peer))
                    .take(free)
                    .collect();
                for (arrival, peer) in next {
                    self.admit(arrival, peer);
                }
            }
        }
        if std::mem::take(&mut self.moved) {
            self.tell_places();
        }
        let waiting = self.count_waiting();
        if self.sender == Presence::Here && self.told_waiting != Some(waiting) {
            self.told_waiting = Some(waiting);
            self.outputs.push_back(Output::ToSender(ServerMessage::Waiting { count: waiting }));
        }
    }

    fn admit(&mut self, arrival: u64, peer: PeerId) {
        self.waiting.remove(&arrival);
        self.active.insert(peer);
        if let Some(receiver) = self.receivers.get_mut(&peer) {
            receiver.place = Place::Active;
        }
        self.moved = true;
        // The sender first: it must know the receiver before that one's first signal.
        self.outputs.push_back(Output::ToSender(ServerMessage::Joined { peer }));
        self.tell(peer, ServerMessage::Admitted);
    }

    fn tell_places(&mut self) {
        let slots = self.slots;
        for (ahead, peer) in self.waiting.values().enumerate() {
            let ahead = count(ahead);
            if let Some(Receiver { place: Place::Waiting { told, .. }, presence: Presence::Here }) =
                self.receivers.get_mut(peer)
                && *told != Some(ahead)
            {
                *told = Some(ahead);
                self.outputs.push_back(Output::ToReceiver(*peer, ServerMessage::Place { ahead, slots }));
            }
        }
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
