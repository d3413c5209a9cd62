//! What a server is told when it starts.

mod store;

pub use store::{StoreUrl, StoreUrlError};

use crate::ice::Ice;
use crate::limits::Proxies;
use crate::operator::OperatorToken;
use crate::token::Keys;
use std::net::SocketAddr;
use std::time::Duration;

/// How a server listens, signs, waits and limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the queues are kept.
    pub store: StoreUrl,
    /// Sign tokens and tickets. With new ones after a restart, peers just join again, without their old places.
    pub keys: Keys,
    /// The STUN and TURN servers that peers are told of.
    pub ice: Ice,
    /// Opens the statistics; without it they are closed.
    pub operator: Option<OperatorToken>,
    /// The reverse proxies in front of it.
    pub proxies: Proxies,
    /// Whether the log names addresses.
    pub log_addresses: bool,
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
    /// For how long owner tokens and tickets are good.
    pub token: Duration,
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
    /// A share or receiver counts against its address for this long from the last time that it was heard: somewhat
    /// longer than the queue knows it by then.
    pub counted: Duration,
    /// For how long a server that is asked to stop says that it is not ready, and goes on, before it stops.
    pub drain: Duration,
    /// How long a stopping server waits for its connections to close.
    pub shutdown: Duration,
}

/// How much a server takes in. For those of one address or socket, 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most shares at once that are opened at this instance, or whose sender is there.
    pub shares: u32,
    /// The most receivers of one share, waiting ones and those let go included.
    pub receivers: u32,
    /// The most TCP connections at once; more wait to be accepted.
    pub connections: u32,
    /// The most shares that one address has at once.
    pub shares_per_address: u32,
    /// The most receivers that one address has at once, in all shares.
    pub receivers_per_address: u32,
    /// The most TCP connections of one address at once. Without effect behind a proxy.
    pub connections_per_address: u32,
    /// How often one address may open a share, again included.
    pub creates_per_minute: u32,
    /// How often one address may join.
    pub joins_per_minute: u32,
    /// How many messages a second, pings and pongs included, a socket takes in the long run; at once it takes twenty
    /// times as many.
    pub messages_per_second: u32,
}

impl Config {
    /// The documented timings and limits, in memory, with nothing told and nothing trusted.
    pub fn new(listen: SocketAddr, keys: Keys) -> Self {
        Config {
            listen,
            store: StoreUrl::Memory,
            keys,
            ice: Ice::default(),
            operator: None,
            proxies: Proxies::default(),
            log_addresses: false,
            timings: Timings::default(),
            limits: Limits::default(),
        }
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
            token: Duration::from_secs(24 * 60 * 60),
            authorise: Duration::from_secs(10),
            request: Duration::from_secs(10),
            write: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            heard: Duration::from_secs(10),
            idle: Duration::from_secs(45),
            counted: Duration::from_secs(150),
            drain: Duration::ZERO,
            shutdown: Duration::from_secs(5),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            shares: 10_000,
            receivers: 10_000,
            connections: 16_384,
            shares_per_address: 100,
            receivers_per_address: 1000,
            connections_per_address: 2000,
            creates_per_minute: 60,
            joins_per_minute: 600,
            messages_per_second: 100,
        }
    }
}
