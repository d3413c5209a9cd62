//! Where shares are kept: the interface that one process or several instances can stand behind.
//!
//! A store carries out [`Command`]s by the rules of [`sluice_protocol::queue`], and tells what follows from them to
//! every instance that watches the share, through the channel that it hands out when it is made. It knows no
//! sockets: so the sender may be connected to one instance and a receiver to another. Moments are those of
//! [`crate::clock::Clock`].
//!
//! All futures may be dropped at any time; what they had to do then is done as a whole or not at all.

#[cfg(test)]
mod contract;
mod limits;
mod measured;
mod memory;
mod redis;

pub use self::redis::RedisStore;
pub use limits::Rate;
pub use measured::Measured;
pub use memory::MemoryStore;

use crate::role::Role;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinHash, PeerId, ShareId};
use sluice_protocol::queue::{Command, Event, Standing};
use sluice_protocol::signal::ServerMessage;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a store tells every instance that watches the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// What follows from a command, in the order of the share's commands.
    Queue(Event),
    /// A relayed signal, for the instance that has the sender's socket.
    ToSender(ServerMessage),
    /// A relayed signal, for the instance that has this receiver's socket.
    ToReceiver(PeerId, ServerMessage),
    /// A peer is connected elsewhere. Its connections with a smaller number are over.
    Replaced {
        /// Which peer.
        role: Role,
        /// The number of its new connection: later ones have greater numbers, whichever instance they are at.
        socket: u64,
    },
    /// Some notices of the share may be lost: whoever goes by them has to ask again.
    Missed,
}

/// The notices of a store, in order for each share. Bounded by how much a store takes in.
pub type Notices = mpsc::UnboundedReceiver<(ShareId, Notice)>;

/// What the owner asks for when it opens a share.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What receivers' proofs are checked against.
    pub join_hash: JoinHash,
    /// How many receivers may be connected at once.
    pub slots: u16,
    /// Who has a slot if the share is not known any more.
    pub active: Vec<PeerId>,
    /// What the share holds, sealed; `None` leaves what was said before.
    pub summary: Option<String>,
}

/// How much a store holds. Where several instances share one, each counts the shares whose senders are connected to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Shares.
    pub shares: u64,
    /// Slots that are held or kept for somebody.
    pub held: u64,
    /// Receivers in line.
    pub waiting: u64,
}

/// Keeps shares and their queues.
///
/// Every method fails with [`Code::StoreUnavailable`] where the store can't be reached; those that name a share
/// with [`Code::ShareNotFound`] where there is none, also one that is over.
pub trait Store: Send + Sync + 'static {
    /// Opens a share, or opens it again with new terms; its queue then stays as it is.
    ///
    /// # Errors
    /// [`Code::ServerFull`] when there are too many shares.
    fn open(
        &self,
        share: ShareId,
        terms: Terms,
        now: Duration,
    ) -> impl Future<Output = Result<(), Code>> + Send;

    /// Carries out one command, as [`sluice_protocol::queue::Queue::handle`] does.
    ///
    /// # Errors
    /// Those of the queue.
    fn handle(
        &self,
        share: ShareId,
        command: &Command,
        now: Duration,
    ) -> impl Future<Output = Result<Option<Standing>, Code>> + Send;

    /// Carries out [`Command::Seen`] for each of `peers`, in one go; one answer each.
    ///
    /// # Errors
    /// That of the trait, for all of them.
    fn seen(
        &self,
        share: ShareId,
        peers: &[PeerId],
        now: Duration,
    ) -> impl Future<Output = Result<Vec<Result<Standing, Code>>, Code>> + Send;

    /// The place of each of `peers`, `None` for those without one. Changes nothing.
    ///
    /// # Errors
    /// Those of the trait.
    fn standings(
        &self,
        share: ShareId,
        peers: &[PeerId],
    ) -> impl Future<Output = Result<Vec<Option<Standing>>, Code>> + Send;

    /// Who is in a slot, in no order, and how many wait.
    ///
    /// # Errors
    /// Those of the trait.
    fn opened(&self, share: ShareId) -> impl Future<Output = Result<(Vec<PeerId>, u32), Code>> + Send;

    /// The sender says what the share holds, sealed.
    ///
    /// # Errors
    /// Those of the trait.
    fn set_summary(&self, share: ShareId, summary: String) -> impl Future<Output = Result<(), Code>> + Send;

    /// What the sender said last that the share holds.
    ///
    /// # Errors
    /// Those of the trait.
    fn summary(&self, share: ShareId) -> impl Future<Output = Result<Option<String>, Code>> + Send;

    /// Hands a notice to the other instances that watch the share. This one may be given it back.
    ///
    /// # Errors
    /// That of the trait; a share that is not known has nobody to be told.
    fn publish(&self, share: ShareId, notice: Notice) -> impl Future<Output = Result<(), Code>> + Send;

    /// This instance has somebody of the share: from the answer on it is given its notices. More often than once is
    /// as good as once, also for a share that is not known yet.
    ///
    /// # Errors
    /// That of the trait.
    fn watch(&self, share: ShareId) -> impl Future<Output = Result<(), Code>> + Send;

    /// This instance has nobody of the share any more. Some notices may still come.
    fn unwatch(&self, share: ShareId) -> impl Future<Output = ()> + Send;

    /// Takes one from what `key` may spend; when it has spent all, the time after which it may try again.
    ///
    /// # Errors
    /// That of the trait.
    fn allow(
        &self,
        key: &str,
        rate: Rate,
        now: Duration,
    ) -> impl Future<Output = Result<Option<Duration>, Code>> + Send;

    /// Makes `member` one of at most `cap` under `key` until a moment, or moves that moment if it is one already;
    /// `false` when others are that many.
    ///
    /// # Errors
    /// That of the trait.
    fn hold(
        &self,
        key: &str,
        member: [u8; 16],
        cap: u32,
        until: Duration,
        now: Duration,
    ) -> impl Future<Output = Result<bool, Code>> + Send;

    /// `member` is not under `key` any more.
    ///
    /// # Errors
    /// That of the trait.
    fn release(&self, key: &str, member: [u8; 16]) -> impl Future<Output = Result<(), Code>> + Send;

    /// Whether it can be reached.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`] when not.
    fn ready(&self) -> impl Future<Output = Result<(), Code>> + Send;

    /// The moment `now` of this instance by a clock that all instances have in common, as well as it is known.
    fn common_time(&self, now: Duration) -> Duration;

    /// How much it holds.
    ///
    /// # Errors
    /// That of the trait.
    fn totals(&self) -> impl Future<Output = Result<Totals, Code>> + Send;

    /// Carries out [`Command::Tick`] where it is due, and whatever else keeps the store going; never ends.
    fn run(&self) -> impl Future<Output = ()> + Send;
}
