//! The speed limit of a share: one budget of bytes a second for all of its receivers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

// What may be sent at once after a pause, so that a limit is smooth over a fifth of a second.
const BURST: Duration = Duration::from_millis(200);

/// A token bucket in the form of its next free moment (the generic cell rate algorithm).
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: Option<u64>,
    free_at: Mutex<Instant>,
}

impl RateLimit {
    /// At most this many bytes a second; `None` for no limit.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        RateLimit { bytes_per_second, free_at: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` may be sent. Callers are served in the order that they ask.
    pub async fn acquire(&self, bytes: u64) {
        if let Some(until) = self.reserve(bytes, Instant::now()) {
            sleep_until(until).await;
        }
    }

    // Takes the bytes off the budget and says when they may go.
    fn reserve(&self, bytes: u64, now: Instant) -> Option<Instant> {
        let rate = self.bytes_per_second?.max(1);
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        // The value is a plain moment: a panic elsewhere can't have left it half written.
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = (*free_at).max(earliest);
        *free_at = start + cost;
        Some(*free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_sum_over_all_callers_keeps_the_limit() {
        let limit = RateLimit::new(Some(1_000_000));
        let start = Instant::now();
        let one = async {
            for _ in 0..50 {
                limit.acquire(100_000).await;
            }
        };
        let other = async {
            for _ in 0..50 {
                limit.acquire(100_000).await;
            }
        };
        tokio::join!(one, other);
        let taken = start.elapsed();
        assert!(taken >= Duration::from_secs(10) - BURST && taken <= Duration::from_secs(10), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_does_not_wait() {
        let start = Instant::now();
        RateLimit::new(None).acquire(u64::MAX).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
