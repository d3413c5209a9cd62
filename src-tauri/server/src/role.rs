//! The two ends of a share.

use sluice_protocol::id::PeerId;

/// Which end of a share a socket or token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The owner of the share.
    Sender,
    /// One receiver.
    Receiver(PeerId),
}
