//! What the person at the sender may change while a share runs.

use sluice_protocol::id::PeerId;
use sluice_protocol::signal::MAX_SLOTS;
use tokio::sync::mpsc;

/// A handle on a running share, cloned freely. Calls never wait, and do nothing once the share is over.
#[derive(Debug, Clone)]
pub struct ShareControl {
    orders: mpsc::UnboundedSender<Change>,
}

/// One change of the terms of a running share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Paused(bool),
    Limit(Option<u64>),
    Slots(u16),
    ReceiverPaused(PeerId, bool),
    ReceiverLimit(PeerId, Option<u64>),
    LetGo(PeerId),
}

impl ShareControl {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (orders, changes) = mpsc::unbounded_channel();
        (ShareControl { orders }, changes)
    }

    /// Holds content back from all receivers, or lets it flow again. They stay connected and are told.
    pub fn pause(&self, paused: bool) {
        self.order(Change::Paused(paused));
    }

    /// At most so many bytes a second to all receivers together; `None` for no limit.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.order(Change::Limit(limit));
    }

    /// How many receivers may be connected at once, 1 to [`MAX_SLOTS`]. With fewer than are connected none is sent
    /// away; nobody is let in until enough are done.
    pub fn set_slots(&self, slots: u16) {
        self.order(Change::Slots(slots.clamp(1, MAX_SLOTS)));
    }

    /// The same as [`Self::pause`] for one receiver; content flows to it while neither holds it back.
    pub fn pause_receiver(&self, receiver: PeerId, paused: bool) {
        self.order(Change::ReceiverPaused(receiver, paused));
    }

    /// At most so many bytes a second to one receiver, within the limit for all; `None` for no limit of its own.
    pub fn limit_receiver(&self, receiver: PeerId, limit: Option<u64>) {
        self.order(Change::ReceiverLimit(receiver, limit));
    }

    /// Ends one receiver's part in the share for as long as it runs: its connection is closed with a word, its slot
    /// goes to the next in line, and the same receiver is not let in again.
    pub fn let_go(&self, receiver: PeerId) {
        self.order(Change::LetGo(receiver));
    }

    fn order(&self, change: Change) {
        // A share that is over has nothing left to change.
        let _ = self.orders.send(change);
    }
}
