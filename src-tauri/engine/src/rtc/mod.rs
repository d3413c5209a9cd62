//! The one place where the engine speaks WebRTC: a peer connection with one ordered, reliable
//! data channel, behind the traits [`MessageSink`] and [`MessageSource`].
//!
//! Ends only offer, answer and trickle candidates here; who they are is settled by the caller's
//! own handshake, which binds the [`Fingerprints`]. A transfer can stall for good while the
//! connection seems alive, so callers watch [`Progress`] and build a new one.
//!
//! Measured with `examples/bare_channel` on two busy cores, loopback, 64 KiB messages: one peer 124 to
//! 139 MB/s (40 without the large socket buffers; 58 with messages of 16 KiB), twenty 223 to 227 MB/s
//! (172 with 512 KiB in flight each), slowest/fastest 1.03; 10 MiB of memory a receiver, 13 to 30 a sender.

mod candidate;
mod channel;
mod connection;
mod error;
mod flight;
mod relay;
mod sdp;
mod socket;
#[cfg(test)]
mod tests;

use std::fmt;

pub use candidate::Candidate;
pub use channel::{
    ChannelReceiver, ChannelSender, MESSAGE_SIZE, MessageSink, MessageSource, Progress, RECEIVE_QUEUE,
};
pub use connection::{Connection, ConnectionEvent, ConnectionEvents, Fingerprints, Path};
pub use error::RtcError;
pub use flight::{DEFAULT_BUDGET, InFlightBudget, MAX_IN_FLIGHT, MIN_IN_FLIGHT};
pub use socket::{SOCKET_BUFFER, SocketBuffers, default_bind};

/// A STUN or TURN server. TURN is spoken over UDP only; other addresses are skipped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// Addresses, such as `stun:host:3478` or `turn:host:3478` (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// The user at the TURN server.
    pub username: String,
    /// The password at the TURN server.
    pub credential: String,
}

impl IceServer {
    /// Whether it relays, and so asks for credentials.
    fn relays(&self) -> bool {
        self.urls.iter().any(|url| url.starts_with("turn"))
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// How connections are made. One for all connections of a process, cloned freely.
#[derive(Debug, Clone)]
pub struct RtcConfig {
    /// The servers that help to find a path.
    pub ice_servers: Vec<IceServer>,
    /// Use paths through a TURN server only.
    pub relay_only: bool,
    /// UDP addresses to bind; see [`default_bind`]. A wildcard stands for every interface of its
    /// family but loopback.
    pub bind: Vec<String>,
    /// Most bytes unacknowledged on one connection.
    pub in_flight: usize,
    /// Bytes unacknowledged over all connections that share this budget.
    pub budget: InFlightBudget,
    /// Threads kept for the connections' drivers; 0 runs them on the ambient runtime. The first
    /// connection of a process decides.
    pub reactor_threads: usize,
    /// Ask for large socket buffers; off only to measure what they are worth.
    pub enlarge_buffers: bool,
}

impl Default for RtcConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            relay_only: false,
            bind: default_bind(false),
            in_flight: MAX_IN_FLIGHT,
            budget: InFlightBudget::default(),
            reactor_threads: 0,
            enlarge_buffers: true,
        }
    }
}
