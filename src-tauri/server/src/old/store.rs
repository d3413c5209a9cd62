//! Where shares are kept: the interface that one process or several instances can stand behind.
//!
//! All that a store decides, it decides through [`crate::old::queue`]'s rules. News travel the other way,
//! through the [`Inbox`] that [`Store::connect`] hands out: a store that several instances share fills it
//! from its subscription, so the sender may be connected to one instance and a receiver to another.

mod memory;

pub use memory::MemoryStore;

use crate::mailbox::Inbox;
use crate::role::Role;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinHash, JoinKey, PeerId, ShareId};
use sluice_protocol::signal::Signal;

/// What the owner asks for when it opens a share.
pub struct Terms {
    /// What receivers' proofs are checked against.
    pub join_hash: JoinHash,
    /// How many receivers may be connected at once.
    pub slots: u16,
}

/// One connected socket. What an older socket of the same peer says has no effect any more.
#[derive(Clone, Copy)]
pub struct Session {
    /// Which share.
    pub share: ShareId,
    /// Which end of it.
    pub role: Role,
    /// Tells this socket from older ones of the same peer.
    pub number: u64,
}

/// What a socket asks of the queue.
pub enum Request {
    /// The receiver is done or gives up.
    Leave,
    /// The sender lets a receiver go.
    Dismiss(PeerId),
    /// The sender ends the share.
    End,
}

/// Keeps shares, their queues, and who is connected where.
pub trait Store: Send + Sync + 'static {
    /// Opens a share, or opens it again with new terms; its queue stays as it is.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] when there are too many shares.
    fn open(&self, share: ShareId, terms: Terms) -> impl Future<Output = Result<(), Code>> + Send;

    /// Gives a receiver a place in line, or lets it keep the one it has.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`]; [`Code::NotAuthorised`] for a wrong proof or a receiver that was let go;
    /// [`Code::ServerFailed`] when the share has too many receivers.
    fn join(
        &self,
        share: ShareId,
        peer: PeerId,
        proof: &JoinKey,
    ) -> impl Future<Output = Result<(), Code>> + Send;

    /// A socket whose token was checked is there. It replaces an older one of the same peer.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`]; [`Code::NotAuthorised`] for a receiver without a place.
    fn connect(
        &self,
        share: ShareId,
        role: Role,
    ) -> impl Future<Output = Result<(Session, Inbox), Code>> + Send;

    /// The socket is gone. Without effect when it was replaced.
    fn disconnect(&self, session: Session) -> impl Future<Output = ()> + Send;

    /// Does what the socket asks; without effect where it is not its role's to ask.
    fn request(&self, session: Session, request: Request) -> impl Future<Output = ()> + Send;

    /// Brings a signal to the sender, or to the receiver `to`, if a slot connects the two.
    ///
    /// A sender whose mailbox is full holds up the receiver that writes to it; never the other way round.
    fn relay(&self, session: Session, to: Option<PeerId>, signal: Signal) -> impl Future<Output = ()> + Send;

    /// Drives the timers; never ends.
    fn run(&self) -> impl Future<Output = ()> + Send;
}
