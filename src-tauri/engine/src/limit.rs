//! Speed limits: a budget of bytes a second, of a share for all of its receivers together, and of one receiver.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

// What may be sent at once after a pause, so that a limit is smooth over a fifth of a second.
const BURST: Duration = Duration::from_millis(200);
// Nobody sleeps longer before it looks again, so that no moment is beyond what a clock can hold.
const LONGEST: f64 = 3600.0;

/// A token bucket that can be changed while others wait at it.
#[derive(Debug)]
pub struct RateLimit {
    bucket: Mutex<Bucket>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct Bucket {
    bytes_per_second: Option<u64>,
    // Bytes that were ever asked for, and of these let through; the latter may be ahead by a burst.
    asked: f64,
    through: f64,
    at: Instant,
}

impl RateLimit {
    /// At most this many bytes a second; `None` for no limit.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        let bucket = Bucket { bytes_per_second, asked: 0.0, through: 0.0, at: Instant::now() };
        RateLimit { bucket: Mutex::new(bucket), changes: watch::Sender::new(()) }
    }

    /// Changes the limit, for those who wait as well.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        let mut bucket = self.bucket();
        bucket.advance(Instant::now());
        bucket.bytes_per_second = bytes_per_second;
        drop(bucket);
        self.changes.send_replace(());
    }

    /// Waits until `bytes` may be sent. Callers are served in the order that they ask.
    pub async fn acquire(&self, bytes: u64) {
        let mut changes = self.changes.subscribe();
        let place = self.bucket().ask(bytes, Instant::now());
        loop {
            let due = self.bucket().due(place, Instant::now());
            let Some(due) = due else { return };
            tokio::select! {
                () = sleep_until(due) => {}
                _ = changes.changed() => {}
            }
        }
    }

    // Its figures are whole between any two statements: a panic elsewhere can't have left them half written.
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    // The place of the last byte that is asked for.
    fn ask(&mut self, bytes: u64, now: Instant) -> f64 {
        self.advance(now);
        self.asked += bytes as f64;
        self.asked
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.at = now;
        self.through = match self.rate() {
            Some(rate) => {
                (self.through + rate * passed.as_secs_f64()).min(self.asked + rate * BURST.as_secs_f64())
            }
            None => self.asked,
        };
    }

    // When the byte at `place` may go; `None` if it may now.
    fn due(&mut self, place: f64, now: Instant) -> Option<Instant> {
        self.advance(now);
        let missing = place - self.through;
        let rate = self.rate()?;
        // Less than a byte is rounding.
        (missing >= 1.0).then(|| now + Duration::from_secs_f64((missing / rate).min(LONGEST)))
    }

    fn rate(&self) -> Option<f64> {
        self.bytes_per_second.map(|rate| rate.max(1) as f64)
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
        // Timers go by whole milliseconds.
        let most = Duration::from_secs(10) + Duration::from_millis(1);
        assert!(taken >= Duration::from_secs(10) - BURST && taken <= most, "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_does_not_wait() {
        let start = Instant::now();
        RateLimit::new(None).acquire(u64::MAX).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_holds_for_those_who_wait() {
        let limit = RateLimit::new(Some(1000));
        let start = Instant::now();
        let change = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            limit.set(Some(10_000));
            tokio::time::sleep(Duration::from_secs(10)).await;
            limit.set(None);
        };
        let one = async {
            limit.acquire(60_000).await;
            start.elapsed()
        };
        let other = async {
            limit.acquire(1_000_000).await;
            start.elapsed()
        };
        let (one, other, ()) = tokio::join!(one, other, change);
        // 10,000 bytes in the first ten seconds, 50,000 in the next five.
        assert!(one.abs_diff(Duration::from_secs(15)) <= Duration::from_millis(2), "{one:?}");
        assert!(other.abs_diff(Duration::from_secs(20)) <= Duration::from_millis(2), "{other:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_holds_from_its_beginning() {
        let limit = RateLimit::new(None);
        limit.acquire(1_000_000_000).await;
        limit.set(Some(1000));
        let start = Instant::now();
        limit.acquire(10_000).await;
        assert!(start.elapsed() >= Duration::from_secs(10) - BURST, "{:?}", start.elapsed());
    }
}
