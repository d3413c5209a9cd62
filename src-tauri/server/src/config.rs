//! What a server is told when it starts.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How a server listens, signs, waits and limits.
#[derive(Clone)]
pub struct Config {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Signs tokens and tickets. Random; with a new one after a restart, peers just join again.
    pub secret: [u8; 32],
    /// How long it waits for what.
    pub timings: Timings,
    /// How much it takes in.
    pub limits: Limits,
}

/// How long a server waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// A share is forgotten when its sender's socket has been away for this long.
    pub away_grace: Duration,
    /// A receiver whose socket dropped keeps its slot or place for this long.
    pub receiver_grace: Duration,
    /// A socket must be authorised within this time.
    pub authorise: Duration,
    /// A request's head, and then its body, must arrive within this time each.
    pub request: Duration,
    /// One message must be taken by the network within this time.
    pub write: Duration,
    /// How often a socket is pinged.
    pub ping: Duration,
    /// A socket on which nothing came for this long, no pong either, is closed.
    pub idle: Duration,
    /// How long a stopping server waits for its connections to close.
    pub shutdown: Duration,
}

/// How much a server takes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most shares at once.
    pub shares: usize,
    /// The most receivers of one share, waiting ones and those let go included.
    pub receivers: usize,
    /// The most TCP connections at once; more wait to be accepted.
    pub connections: usize,
}

impl Config {
    /// The documented timings and limits.
    pub fn new(listen: SocketAddr, secret: [u8; 32]) -> Self {
        Config { listen, secret, timings: Timings::default(), limits: Limits::default() }
    }
}

impl Default for Timings {
    fn default() -> Self {
        Timings {
            away_grace: Duration::from_secs(60),
            receiver_grace: Duration::from_secs(20),
            authorise: Duration::from_secs(10),
            request: Duration::from_secs(10),
            write: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            idle: Duration::from_secs(45),
            shutdown: Duration::from_secs(5),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { shares: 10_000, receivers: 10_000, connections: 16_384 }
    }
}

// The secret does not print.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("timings", &self.timings)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
