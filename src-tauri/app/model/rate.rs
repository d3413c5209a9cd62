//! How fast bytes move: a rate that is calm enough to read, and the plot of the last two minutes.

use std::collections::VecDeque;
use std::time::Duration;

/// The most samples of a plot, one a second.
pub const PLOT_LEN: usize = 120;
/// Whole seconds that a rate is the mean of: what is durable arrives in leaps.
const WINDOW: usize = 3;
/// The least time that a rate is of, so that the first bytes are not taken for a flood.
const LEAST: Duration = Duration::from_millis(500);

/// Bytes as they pass, in buckets of a second. It rests when nothing has moved for two minutes.
#[derive(Debug, Default, Clone)]
pub struct Flow {
    // When the first bucket began, while it does not rest.
    begun: Option<Duration>,
    // Whole seconds since then.
    second: u64,
    current: u64,
    past: VecDeque<u64>,
}

impl Flow {
    /// Counts bytes that have passed at `up`.
    pub fn handle_bytes(&mut self, bytes: u64, up: Duration) {
        if bytes == 0 {
            return;
        }
        self.handle_time(up);
        self.begun.get_or_insert(up);
        self.current = self.current.saturating_add(bytes);
    }

    /// Lets time pass; says whether a second was completed, so that the plot is another.
    pub fn handle_time(&mut self, up: Duration) -> bool {
        let Some(begun) = self.begun else { return false };
        let second = up.saturating_sub(begun).as_secs();
        let passed = second.saturating_sub(self.second);
        for _ in 0..passed.min(PLOT_LEN as u64) {
            self.past.push_back(std::mem::take(&mut self.current));
        }
        while self.past.len() > PLOT_LEN {
            self.past.pop_front();
        }
        self.second = self.second.max(second);
        if self.past.len() == PLOT_LEN && self.current == 0 && self.past.iter().all(|&bytes| bytes == 0) {
            *self = Flow::default();
        }
        passed > 0
    }

    /// Bytes a second over the last few.
    pub fn rate(&self, up: Duration) -> u64 {
        let Some(begun) = self.begun else { return 0 };
        let age = up.saturating_sub(begun);
        let (whole, part) =
            (age.as_secs().min(WINDOW as u64), Duration::from_nanos(age.subsec_nanos().into()));
        // Seconds that have passed since the last word of time are empty.
        let unseen = age.as_secs().saturating_sub(self.second);
        let seen = (WINDOW as u64).saturating_sub(unseen);
        let mut bytes: u64 = self.past.iter().rev().take(seen as usize).sum();
        if unseen <= WINDOW as u64 {
            bytes = bytes.saturating_add(self.current);
        }
        let time = (Duration::from_secs(whole) + part).max(LEAST);
        (bytes as f64 / time.as_secs_f64()) as u64
    }

    /// The bytes of each whole second, the newest last; at most [`PLOT_LEN`].
    pub fn plot(&self) -> Vec<u64> {
        self.past.iter().copied().collect()
    }

    /// Whether it changes with time.
    pub fn is_moving(&self) -> bool {
        self.begun.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn an_even_flow_has_an_even_rate() {
        let mut flow = Flow::default();
        for step in 0..40 {
            flow.handle_bytes(250, at(10.0 + f64::from(step) / 4.0));
        }
        let rate = flow.rate(at(19.99));
        assert!((990..=1010).contains(&rate), "{rate}");
        assert_eq!(flow.plot(), [1000; 9]);
    }

    #[test]
    fn leaps_are_smoothed_and_a_halt_is_seen_within_seconds() {
        let mut flow = Flow::default();
        for second in 0..10 {
            flow.handle_bytes(3000, at(f64::from(second)));
            flow.handle_bytes(0, at(f64::from(second) + 0.9));
        }
        assert!((2500..4100).contains(&flow.rate(at(9.5))), "{}", flow.rate(at(9.5)));
        assert!(flow.rate(at(11.0)) > 0);
        assert_eq!(flow.rate(at(14.0)), 0, "though nobody told it of the time");
    }

    #[test]
    fn the_first_bytes_are_no_flood() {
        let mut flow = Flow::default();
        flow.handle_bytes(1000, at(5.0));
        assert_eq!(flow.rate(at(5.0)), 2000);
        assert!(flow.plot().is_empty());
    }

    #[test]
    fn a_plot_ends_after_two_minutes_and_rests_when_all_of_it_is_still() {
        let mut flow = Flow::default();
        for second in 0..500 {
            flow.handle_bytes(7, at(f64::from(second)));
        }
        assert_eq!(flow.plot(), [7; PLOT_LEN]);
        assert!(flow.handle_time(at(560.0)));
        assert!(!flow.handle_time(at(560.5)), "no second was completed");
        assert_eq!(flow.plot().iter().filter(|&&bytes| bytes == 0).count(), 60);
        assert!(flow.is_moving());
        flow.handle_time(at(1e6));
        assert!(!flow.is_moving());
        assert!(flow.plot().is_empty());
        flow.handle_bytes(9, at(2e6));
        flow.handle_time(at(2e6 + 1.0));
        assert_eq!(flow.plot(), [9]);
    }
}
