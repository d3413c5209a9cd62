//! A speed that neither jumps with each chunk nor remembers what is long past.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(5);
const LEAST: Duration = Duration::from_millis(400);

/// The speed over the last five seconds.
#[derive(Debug, Default)]
pub struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// Notes how many bytes there are in all. Less than before means that it starts again.
    pub fn record(&mut self, now: Instant, bytes: u64) {
        if self.samples.back().is_some_and(|&(_, last)| bytes < last) {
            self.samples.clear();
        }
        self.samples.push_back((now, bytes));
        self.forget(now);
    }

    /// Bytes a second, once there is enough to tell.
    pub fn rate(&mut self, now: Instant) -> Option<u64> {
        self.forget(now);
        let &(start, first) = self.samples.front()?;
        let &(_, last) = self.samples.back()?;
        let time = now.saturating_duration_since(start);
        (time >= LEAST).then(|| ((last - first) as f64 / time.as_secs_f64()) as u64)
    }

    // Keeps one sample from before the window, so that a stall is seen as such.
    fn forget(&mut self, now: Instant) {
        while self.samples.get(1).is_some_and(|&(time, _)| now.saturating_duration_since(time) >= WINDOW) {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_has_its_speed_and_a_stall_none() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut meter = Meter::default();
        assert_eq!(meter.rate(start), None);
        for step in 0..=40 {
            meter.record(at(step * 500), step * 1000);
        }
        assert_eq!(meter.rate(at(20_000)), Some(2000));
        assert!(meter.rate(at(22_000)).is_some_and(|rate| (1000..2000).contains(&rate)));
        assert_eq!(meter.rate(at(40_000)), Some(0));
    }

    #[test]
    fn what_was_there_before_is_no_speed() {
        let start = Instant::now();
        let mut meter = Meter::default();
        meter.record(start, 5_000_000);
        assert_eq!(meter.rate(start + Duration::from_secs(1)), Some(0));
        meter.record(start + Duration::from_secs(1), 10);
        assert_eq!(meter.rate(start + Duration::from_millis(1100)), None);
    }
}
