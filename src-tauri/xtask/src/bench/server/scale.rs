//! How much load there is, and what is to be reached with it.

/// One size of everything.
pub struct Scale {
    /// Large enough that what a server takes anyway, or when it is idle, does not drown what is measured.
    pub judges_cost: bool,
    /// Receivers that listen to event streams.
    pub streams: u32,
    /// WebSockets of senders and active receivers.
    pub sockets: u32,
    /// Seconds for which idle connections are watched.
    pub idle_seconds: u32,
    pub shares: u32,
    /// Receivers of each of `shares`.
    pub receivers: u32,
    /// Joins a second with the store in memory, and in Redis.
    pub joins: u32,
    pub joins_redis: u32,
    pub join_seconds: u32,
    /// Receivers of the share whose head is promoted.
    pub line: u32,
    /// Promotions a second, and how many of them, one measurement each.
    pub promotions: &'static [(u32, u32)],
    pub handovers: u32,
}

/// What the targets are meant for.
pub const FULL: Scale = Scale {
    judges_cost: true,
    streams: 19_000,
    sockets: 15_000,
    idle_seconds: 30,
    shares: 1000,
    receivers: 100,
    joins: 2000,
    joins_redis: 1000,
    join_seconds: 20,
    line: 10_000,
    promotions: &[(2, 60), (10, 300), (100, 1000)],
    handovers: 1000,
};

/// A look that takes seconds and finds what is broken, not how fast it is.
pub const QUICK: Scale = Scale {
    judges_cost: false,
    streams: 400,
    sockets: 420,
    idle_seconds: 1,
    shares: 10,
    receivers: 100,
    joins: 200,
    joins_redis: 100,
    join_seconds: 2,
    line: 400,
    promotions: &[(20, 20)],
    handovers: 50,
};

/// KiB of memory that a connection may take.
pub const CONNECTION_KIB: f64 = 12.0;
/// MiB that all shares and tickets may take together.
pub const TICKETS_MIB: f64 = 400.0;
/// Milliseconds within which 99 of 100 joins are answered.
pub const JOIN_P99_MS: f64 = 50.0;
/// Milliseconds of processor time that a promotion may take.
pub const PROMOTION_MS: f64 = 1.0;
/// Milliseconds within which 99 of 100 freed slots are heard of.
pub const HANDOVER_P99_MS: f64 = 200.0;
