//! The sender's socket of one share, and what it knows of the queue.

use crate::mailbox::Outbox;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::Event;
use sluice_protocol::signal::ServerMessage;
use std::collections::HashSet;
use std::time::Duration;

/// The shortest time between two counts of those who wait.
pub const WAITING_INTERVAL: Duration = Duration::from_millis(250);

/// A sender's socket.
pub struct Sender {
    /// Tells it from older ones.
    pub number: u64,
    /// Where its messages go.
    pub outbox: Outbox,
    view: View,
}

enum View {
    // It has been told nothing yet: what it has to hear once it has.
    Opening(Vec<Event>),
    Open { active: HashSet<PeerId>, told: u32, waiting: u32, not_before: Duration },
}

impl Sender {
    /// One that is told nothing before [`Self::open`].
    pub fn new(number: u64, outbox: Outbox) -> Self {
        Sender { number, outbox, view: View::Opening(Vec::new()) }
    }

    /// Its first message: who is in a slot, and how many wait.
    pub fn open(&mut self, active: Vec<PeerId>, waiting: u32, now: Duration) {
        let known = active.iter().copied().collect();
        self.outbox.tell(ServerMessage::Opened { active, waiting });
        let view = View::Open { active: known, told: waiting, waiting, not_before: now };
        if let View::Opening(missed) = std::mem::replace(&mut self.view, view) {
            for event in missed {
                self.handle_event(&event, now);
            }
        }
    }

    /// Tells how the queue differs from what it knows.
    pub fn reopen(&mut self, active: Vec<PeerId>, waiting: u32, now: Duration) {
        let View::Open { active: known, .. } = &self.view else {
            return;
        };
        let active: HashSet<_> = active.into_iter().collect();
        let left: Vec<_> = known.difference(&active).copied().collect();
        for peer in left {
            self.handle_event(&Event::Left { peer }, now);
        }
        for peer in active {
            self.handle_event(&Event::Joined { peer }, now);
        }
        self.handle_event(&Event::Waiting { count: waiting }, now);
    }

    /// Whether it knows that this receiver is in a slot.
    pub fn knows(&self, peer: PeerId) -> bool {
        matches!(&self.view, View::Open { active, .. } if active.contains(&peer))
    }

    /// When [`Self::tell_waiting`] has something to tell.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.view {
            View::Open { told, waiting, not_before, .. } if told != waiting => Some(*not_before),
            _ => None,
        }
    }

    /// Tells an event of the queue. One that is older than what it knows is no news: the last one of each receiver
    /// says what it knows.
    pub fn handle_event(&mut self, event: &Event, now: Duration) {
        let View::Open { active, waiting, .. } = &mut self.view else {
            if let View::Opening(missed) = &mut self.view {
                missed.push(event.clone());
            }
            return;
        };
        match *event {
            Event::Joined { peer } if active.insert(peer) => {
                self.outbox.tell(ServerMessage::Joined { peer });
            }
            Event::Left { peer } if active.remove(&peer) => {
                self.outbox.tell(ServerMessage::Left { peer });
            }
            Event::Waiting { count } => {
                *waiting = count;
                self.tell_waiting(now);
            }
            _ => {}
        }
    }

    /// Tells how many wait, if that is news and it is time.
    pub fn tell_waiting(&mut self, now: Duration) {
        if let View::Open { told, waiting, not_before, .. } = &mut self.view
            && told != waiting
            && now >= *not_before
        {
            *told = *waiting;
            *not_before = now + WAITING_INTERVAL;
            self.outbox.tell(ServerMessage::Waiting { count: *waiting });
        }
    }
}
