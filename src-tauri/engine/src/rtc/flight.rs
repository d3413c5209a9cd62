//! How many bytes a connection may have unacknowledged: a window that grows with the receiver's
//! acknowledgements, under a budget that all connections of the process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in flight that every connection may have, however many there are; where a window starts.
pub const MIN_IN_FLIGHT: usize = 128 * 1024;

/// Bytes in flight that one connection may have at most, by default.
pub const MAX_IN_FLIGHT: usize = 512 * 1024;

/// Bytes in flight over all connections of the process, by default: twenty get the least each.
pub const DEFAULT_BUDGET: usize = 20 * MIN_IN_FLIGHT;

/// The bytes in flight that all connections of a process share; clones share one budget.
#[derive(Debug, Clone)]
pub struct InFlightBudget {
    total: usize,
    connections: Arc<AtomicUsize>,
}

impl InFlightBudget {
    /// A budget of `total` bytes over all connections that are given a clone of it.
    pub fn new(total: usize) -> Self {
        Self { total, connections: Arc::new(AtomicUsize::new(0)) }
    }

    /// Bytes that one connection may have now: its even share, never below [`MIN_IN_FLIGHT`].
    pub fn share(&self) -> usize {
        let connections = self.connections.load(Ordering::Relaxed).max(1);
        (self.total / connections).max(MIN_IN_FLIGHT)
    }

    /// Counts one connection in until the share is dropped.
    pub(super) fn join(&self) -> BudgetShare {
        self.connections.fetch_add(1, Ordering::Relaxed);
        BudgetShare(self.clone())
    }
}

impl Default for InFlightBudget {
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET)
    }
}

/// One connection's part in a budget.
#[derive(Debug)]
pub(super) struct BudgetShare(InFlightBudget);

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The window of one connection.
#[derive(Debug)]
pub(super) struct Window {
    share: BudgetShare,
    most: usize,
    size: usize,
    acknowledged: u64,
}

impl Window {
    /// A window of at most `most` bytes under a share of the budget.
    pub(super) fn new(share: BudgetShare, most: usize) -> Self {
        Self { share, most: most.max(MIN_IN_FLIGHT), size: MIN_IN_FLIGHT, acknowledged: 0 }
    }

    /// Bytes that may be unacknowledged now.
    pub(super) fn limit(&self) -> usize {
        self.size.min(self.share.0.share())
    }

    /// Notes that `acknowledged` bytes have been acknowledged since the start. The window grows
    /// only by what arrives while it is what holds the sender back: doubling once a round trip.
    pub(super) fn acknowledge(&mut self, acknowledged: u64, held_back: bool) {
        let progress = acknowledged.saturating_sub(self.acknowledged);
        self.acknowledged = self.acknowledged.max(acknowledged);
        if held_back {
            let progress = usize::try_from(progress).unwrap_or(usize::MAX);
            self.size = self.size.saturating_add(progress).min(self.most);
        }
    }

    /// Keeps the window at its least: a relay's own sockets hold little (64 KiB each way in coturn), and what they
    /// can't hold is lost, and sent again a second later.
    pub(super) fn relayed(&mut self) {
        self.most = MIN_IN_FLIGHT;
        self.size = MIN_IN_FLIGHT;
    }

    /// Notes that nothing was acknowledged for long enough to take the path for overfull.
    pub(super) fn stalled(&mut self) {
        self.size = MIN_IN_FLIGHT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_doubles_with_acknowledgements_up_to_its_most() {
        let budget = InFlightBudget::new(4 << 20);
        let mut window = Window::new(budget.join(), 512 * 1024);
        assert_eq!(window.limit(), MIN_IN_FLIGHT);
        window.acknowledge(100_000, false);
        assert_eq!(window.limit(), MIN_IN_FLIGHT);
        window.acknowledge(100_000 + 131_072, true);
        assert_eq!(window.limit(), 2 * MIN_IN_FLIGHT);
        window.acknowledge(10_000_000, true);
        assert_eq!(window.limit(), 512 * 1024);
        window.stalled();
        assert_eq!(window.limit(), MIN_IN_FLIGHT);
        window.relayed();
        window.acknowledge(20_000_000, true);
        assert_eq!(window.limit(), MIN_IN_FLIGHT);
    }

    #[test]
    fn shares_are_even_never_below_the_least_and_given_back() {
        let budget = InFlightBudget::new(1 << 20);
        let first = budget.join();
        assert_eq!(budget.share(), 1 << 20);
        let others: Vec<_> = (0..3).map(|_| budget.join()).collect();
        assert_eq!(budget.share(), 1 << 18);
        let more: Vec<_> = (0..96).map(|_| budget.join()).collect();
        assert_eq!(budget.share(), MIN_IN_FLIGHT);
        drop((more, others));
        assert_eq!(budget.share(), 1 << 20);
        drop(first);
        assert_eq!(budget.share(), 1 << 20);
    }
}
