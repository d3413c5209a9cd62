//! A token bucket: how fast something may come, with room for a burst.

use std::time::Duration;

/// So many at once, and so many a second.
#[derive(Debug, Clone)]
pub struct Bucket {
    burst: f64,
    per_second: f64,
    left: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket at `now`; moments are since any fixed one.
    pub fn new(burst: u32, per_second: u32, now: Duration) -> Self {
        Bucket { burst: burst.into(), per_second: per_second.into(), left: burst.into(), at: now }
    }

    /// Takes one; `false` if there is none.
    pub fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + passed * self.per_second).min(self.burst);
        let is_there = self.left >= 1.0;
        if is_there {
            self.left -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(5, 2, second);
        assert_eq!((0..9).filter(|_| bucket.take(second)).count(), 5);
        assert!(!bucket.take(second + Duration::from_millis(499)));
        assert!(bucket.take(second + Duration::from_millis(500)));
        // Time that runs backwards gives nothing.
        assert!(!bucket.take(Duration::ZERO));
        assert!(!bucket.take(second + Duration::from_millis(999)));
        assert_eq!((0..9).filter(|_| bucket.take(100 * second)).count(), 5);
    }
}
