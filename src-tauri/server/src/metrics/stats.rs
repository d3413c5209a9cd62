//! The operator's statistics: the same counts as JSON, in a form that a person reads.

use super::{Kind, Metrics};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What an operator may know. Names no share, no peer and no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stats {
    /// The version that runs.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Whether the store answers and the server is not stopping.
    pub ready: bool,
    /// Shares whose sender is at this instance; like the next two as last heard while the store does not answer.
    pub shares: u64,
    /// Slots that are held in these.
    pub slots_held: u64,
    /// Receivers in line for these.
    pub waiting: u64,
    /// TCP connections to this instance.
    pub connections: u64,
    /// Sockets of senders at this instance.
    pub senders: u64,
    /// Receivers at this instance.
    pub receivers: Receivers,
}

/// Receivers that are connected, by tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receivers {
    /// In a slot, on a WebSocket.
    pub active: u64,
    /// Near the slots, on a long poll.
    pub near: u64,
    /// Further back, on an event stream.
    pub far: u64,
}

impl Metrics {
    /// The statistics at `now`, a moment since the Unix epoch.
    pub fn stats(&self, ready: bool, now: Duration) -> Stats {
        // Gauges count up and down again, never below 0.
        let clamp = |number: i64| u64::try_from(number).unwrap_or_default();
        let peers = |kind: Kind| clamp(self.peers.get_or_create(&[("kind", kind.as_str())]).get());
        Stats {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: now.saturating_sub(self.start_time).as_secs(),
            ready,
            shares: clamp(self.store_shares.get()),
            slots_held: clamp(self.store_slots.get()),
            waiting: clamp(self.store_waiting.get()),
            connections: clamp(self.connections.get()),
            senders: peers(Kind::Sender),
            receivers: Receivers {
                active: peers(Kind::Active),
                near: peers(Kind::Near),
                far: peers(Kind::Far),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_are_those_of_the_metrics() {
        let start = Duration::from_secs(1_700_000_000);
        let metrics = Metrics::new(start);
        let _peers = (metrics.peer(Kind::Sender), metrics.peer(Kind::Near), metrics.connected());
        metrics.set_totals(Some((4, 5, 6)));
        let stats = metrics.stats(true, start + Duration::from_secs(90));
        assert_eq!((stats.uptime_seconds, stats.connections, stats.senders), (90, 1, 1));
        assert_eq!((stats.shares, stats.slots_held, stats.waiting), (4, 5, 6));
        assert_eq!(stats.receivers, Receivers { active: 0, near: 1, far: 0 });
    }
}
