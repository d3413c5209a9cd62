//! The queue of one share, pure: who holds a slot, who waits in which order, and until when each place lasts.
//!
//! [`Queue::handle`] takes one [`Command`] at one moment and answers, [`Queue::poll_event`] drains what others
//! must hear of it, [`Queue::poll_timeout`] says when the next [`Command::Tick`] has something to do. Moments are
//! [`Duration`]s since the Unix epoch that never run backwards. Every place lasts until a moment, and is renewed
//! by signs of life: so a queue that many instances serve forgets nobody's end when one of them dies.
//!
//! A store that keeps queues elsewhere carries out the same commands with the same answers; the server's contract
//! suite holds the two against each other.

mod line;
mod machine;
mod news;

pub use machine::Queue;
pub use news::News;

use crate::error::Code;
use crate::id::{JoinHash, PeerId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many places behind the slots are in the [`Tier::Near`].
pub const NEAR_PLACES: u32 = 5;

/// How long what lasts, and how many fit in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A promoted receiver must claim its slot within this time.
    pub lease: Duration,
    /// A slot or place is kept for this long after its receiver's connection dropped, or after joining.
    pub grace: Duration,
    /// One that was heard counts as present for this long.
    pub presence: Duration,
    /// A share is kept for this long while its sender is away.
    pub sender_grace: Duration,
    /// The most receivers that a share knows at once, those let go included.
    pub max_receivers: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(20),
            presence: Duration::from_secs(60),
            sender_grace: Duration::from_secs(60),
            max_receivers: 10_000,
        }
    }
}

/// The three ways of being in a queue, by position: each has its own way to hear news.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// In a slot, or first in line for one that is free.
    Active,
    /// One of the [`NEAR_PLACES`] behind the slots.
    Near,
    /// All others.
    Far,
}

/// How far an active receiver is, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It has its slot.
    Connected,
    /// Bytes arrive.
    Downloading,
    /// Everything it chose is durable.
    Completed,
    /// It gave up.
    Failed,
}

/// Where a receiver is.
///
/// ```text
/// join ──▶ Waiting ──(first that is ready, a slot is free)──▶ Promoted ──claim──▶ Active
///             ▲                                                  │               │   ▲
///             └──────────(its lease lapsed: passed over)─────────┘            drop   claim
///                                                                                ▼   │
/// leave, dismiss, or the moment of any but Promoted lapses ──▶ gone             Dropped
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In line.
    Waiting {
        /// Gone then.
        until: Duration,
        /// Connected, so that a slot would be noticed; only such are promoted.
        ready: bool,
    },
    /// A slot is kept for it.
    Promoted {
        /// Passed over then.
        until: Duration,
    },
    /// In a slot, with its socket.
    Active {
        /// Gone then.
        until: Duration,
    },
    /// In a slot, without its socket.
    Dropped {
        /// Gone then.
        until: Duration,
    },
}

impl Stage {
    /// The moment at which it ends by itself.
    pub fn until(self) -> Duration {
        match self {
            Stage::Waiting { until, .. }
            | Stage::Promoted { until }
            | Stage::Active { until }
            | Stage::Dropped { until } => until,
        }
    }

    fn holds_slot(self) -> bool {
        !matches!(self, Stage::Waiting { .. })
    }
}

/// What can be asked of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The owner opened the share again. With fewer slots than are held none is taken away: they run out.
    Open {
        /// What proofs are checked against from now on.
        join_hash: JoinHash,
        /// Slots from now on.
        slots: u16,
    },
    /// A receiver shows its proof, and has a place from now on, or keeps the one it has. Takes no slot.
    Join {
        /// Who.
        peer: PeerId,
        /// The hash of its join key.
        proof: JoinHash,
        /// Its arrival in a queue that was lost, from a ticket that was checked. One of this queue's own, of a place
        /// that it left or let lapse, counts for nothing.
        arrival: Option<u64>,
    },
    /// A sign of life of one that has a place: connected, and able to hear of a slot.
    Seen {
        /// Who.
        peer: PeerId,
    },
    /// Its connection dropped.
    Drop {
        /// Who.
        peer: PeerId,
    },
    /// It is there to take its slot, or is back in it. Every sign of life of a socket in a slot is best told so and not
    /// as [`Command::Seen`]: where two instances serve one receiver, the end of its older socket may come after the
    /// beginning of its newer one, and would take the slot from it.
    Claim {
        /// Who.
        peer: PeerId,
    },
    /// How far one in a slot is.
    Progress {
        /// Who.
        peer: PeerId,
        /// How far.
        progress: Progress,
    },
    /// It is done or gives up.
    Leave {
        /// Who.
        peer: PeerId,
    },
    /// The sender lets it go for good.
    Dismiss {
        /// Who.
        peer: PeerId,
    },
    /// A sign of life of the sender's socket.
    SenderSeen,
    /// The sender's socket dropped: nobody is promoted until it is back.
    SenderDrop,
    /// The sender ends the share.
    End,
    /// Do what is due.
    Tick,
}

/// A receiver's place, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its tier.
    pub tier: Tier,
    /// How many wait before it; 0 in a slot.
    pub ahead: u32,
    /// The share's slots.
    pub slots: u16,
    /// Until when its slot is kept, if it was promoted and has not claimed it.
    pub lease: Option<Duration>,
    /// When it came, in microseconds since the Unix epoch: what a ticket carries through a loss of the queue.
    pub arrival: u64,
    /// The count of moves at this moment, see [`Event::Moved`].
    pub moves: u64,
    /// Whether the sender is there.
    pub sender_here: bool,
}

/// What others must hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// To a receiver: a slot is kept for it.
    Promoted {
        /// Who.
        peer: PeerId,
        /// Until when.
        until: Duration,
    },
    /// To a receiver: it did not claim in time, and waits again, first in line.
    PassedOver {
        /// Who.
        peer: PeerId,
    },
    /// To a receiver: it has no place any more.
    Gone {
        /// Who.
        peer: PeerId,
        /// [`Code::LetGo`] if the sender let it go; `None` if it left or was not heard of for too long.
        code: Option<Code>,
    },
    /// To the sender: this receiver is in a slot.
    Joined {
        /// Who.
        peer: PeerId,
    },
    /// To the sender: its slot is free.
    Left {
        /// Who.
        peer: PeerId,
    },
    /// To the sender: so many wait.
    Waiting {
        /// How many.
        count: u32,
    },
    /// To those who wait: places have changed. No place has changed by more than the difference of two counts.
    Moved {
        /// Counts every change of the line's order since the share began.
        moves: u64,
    },
    /// To all receivers: the sender is back.
    SenderHere,
    /// To all receivers: the sender is away.
    SenderAway,
    /// To all: the share is over.
    Ended {
        /// [`Code::ShareEnded`] or [`Code::SenderGone`].
        code: Code,
    },
}

/// What a share knows of one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    /// When it came, in microseconds since the Unix epoch; no two are equal unless they came from tickets.
    pub arrival: u64,
    /// Where it is.
    pub stage: Stage,
    /// How far it is, once it said so.
    pub progress: Option<Progress>,
}

/// Everything there is to know about a queue, for comparing two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Every receiver.
    pub receivers: BTreeMap<PeerId, Receiver>,
    /// Those in line, first to last.
    pub line: Vec<PeerId>,
    /// Those the sender let go.
    pub dismissed: BTreeSet<PeerId>,
    /// The share's slots.
    pub slots: u16,
    /// Whether the sender is there.
    pub sender_here: bool,
    /// The count of moves.
    pub moves: u64,
}

/// The tier of one in line with so many ahead of it, where so many of the slots are held.
pub fn tier(held: u32, ahead: u32, slots: u16) -> Tier {
    let before = held.saturating_add(ahead);
    if before < u32::from(slots) {
        Tier::Active
    } else if before < u32::from(slots) + NEAR_PLACES {
        Tier::Near
    } else {
        Tier::Far
    }
}
