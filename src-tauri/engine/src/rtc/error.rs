//! What can go wrong on a peer connection, each with a stable code.

use thiserror::Error;

/// An error of the WebRTC layer. The text is for logs; `code()` is for machines.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RtcError {
    /// The connection could not be set up on this machine: no socket, no certificate.
    #[error("the connection could not be set up: {0}")]
    Setup(String),
    /// The peer's offer or answer is malformed, too large, or asks for more than one data section.
    #[error("the peer's session description is not usable: {0}")]
    Description(String),
    /// The peer's session description carries no single SHA-256 certificate fingerprint.
    #[error("the peer's session description has no usable certificate fingerprint")]
    Fingerprint,
    /// The peer's candidate is malformed or came before its session description.
    #[error("the peer's candidate is not usable: {0}")]
    Candidate(String),
    /// No path to the peer, or the peer failed the certificate check.
    #[error("the connection to the peer failed")]
    Failed,
    /// No path to the peer, and a relay server did not take the credentials for the one that may be missing.
    #[error("a relay server refused the credentials, and there is no other path to the peer")]
    RelayRefused,
    /// The peer opened a channel that is not the one ordered, reliable channel agreed on.
    #[error("the peer opened an unexpected channel")]
    Channel,
    /// The message is longer than the peer accepts.
    #[error("a message of {length} bytes is above the peer's limit of {limit}")]
    TooLarge {
        /// Bytes in the message.
        length: usize,
        /// Bytes that the peer accepts.
        limit: usize,
    },
    /// The channel or the connection is closed.
    #[error("the connection is closed")]
    Closed,
}

impl RtcError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setup(_) => "rtc-setup",
            Self::Description(_) => "rtc-description",
            Self::Fingerprint => "rtc-fingerprint",
            Self::Candidate(_) => "rtc-candidate",
            Self::Failed => "rtc-failed",
            Self::RelayRefused => "rtc-relay-refused",
            Self::Channel => "rtc-channel",
            Self::TooLarge { .. } => "rtc-too-large",
            Self::Closed => "rtc-closed",
        }
    }
}
