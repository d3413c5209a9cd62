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
    /// A receiver whose connection dropped keeps its slot or place for this long, and so does one that has just joined.
    pub receiver_grace: Duration,
    /// A receiver that is promoted must open its socket within this time.
    pub lease: Duration,
    /// A peer of which something was heard counts as present for this long.
    pub presence: Duration,
    /// A long poll is answered after this time at the latest.
    pub poll: Duration,
    /// A socket must be authorised within this time.
    pub authorise: Duration,
    /// A request's head, and then its body, must arrive within this time each.
    pub request: Duration,
    /// A connection whose peer takes nothing for this long is closed.
    pub write: Duration,
    /// How often a socket is pinged, and an event stream gives a sign of life.
    pub ping: Duration,
    /// How often at most the queue is told that something was heard on a socket.
    pub heard: Duration,
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
    pub receivers: u32,
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
            lease: Duration::from_secs(30),
            presence: Duration::from_secs(60),
            poll: Duration::from_secs(10),
            authorise: Duration::from_secs(10),
            request: Duration::from_secs(10),
            write: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            heard: Duration::from_secs(10),
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
