//! How long a client waits before it tries again: longer each time, and never two clients the same time.

use std::time::Duration;

/// The first pause, before it is spread.
pub(super) const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest pause, before it is spread.
pub(super) const LAST_RETRY: Duration = Duration::from_secs(5);
/// The pause before a server that said that it restarts is asked again, before it is spread.
pub(super) const RESTART: Duration = Duration::from_millis(250);
/// How long a server that said so may take to restart before that is trouble.
pub(super) const RESTART_TIME: Duration = Duration::from_secs(5);
// The longest that a server may ask not to be asked again: none can send its clients away for good.
const LONGEST_REST: Duration = Duration::from_secs(300);
// What has worked for so long was no part of the trouble.
const STABLE: Duration = Duration::from_secs(10);

/// The pauses of one client, doubling until something has worked for a while.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    works_since: Option<Duration>,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff { next: FIRST_RETRY, works_since: None }
    }

    /// Something worked at `now`.
    pub(super) fn handle_success(&mut self, now: Duration) {
        self.works_since.get_or_insert(now);
    }

    /// Something failed at `now`: the pause before the next try, and no less than the server asks for, within reason.
    pub(super) fn handle_failure(
        &mut self,
        now: Duration,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Duration {
        if self.works_since.take().is_some_and(|since| now.saturating_sub(since) >= STABLE) {
            self.next = FIRST_RETRY;
        }
        let pause = spread(self.next, jitter);
        self.next = (self.next * 2).min(LAST_RETRY);
        match retry_after {
            // All who were refused together come back one after the other.
            Some(least) => least.min(LONGEST_REST) + pause,
            None => pause,
        }
    }
}

/// `pause`, made half as long to half as long again by `jitter`, which is at least 0 and below 1.
pub(super) fn spread(pause: Duration, jitter: f64) -> Duration {
    pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0))
}

/// A number from 0 to below 1 by chance.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without chance all pauses are of middle length, which is no reason to stop.
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_a_limit_and_begin_anew_when_it_has_worked_for_a_while() {
        let mut backoff = Backoff::new();
        let mut pause = |now: u32, works: Option<u32>| {
            if let Some(works) = works {
                backoff.handle_success(SECOND * works);
            }
            backoff.handle_failure(SECOND * now, None, 0.5).as_millis()
        };
        assert_eq!([1, 2, 3, 4, 5, 6].map(|now| pause(now, None)), [250, 500, 1000, 2000, 4000, 5000]);
        assert_eq!(pause(8, Some(7)), 5000, "one success is not enough");
        assert_eq!(pause(28, Some(18)), 250);
    }

    #[test]
    fn a_server_that_says_when_is_not_asked_before() {
        let mut backoff = Backoff::new();
        for jitter in [0.0, 0.3, 0.999] {
            assert!(backoff.handle_failure(SECOND, Some(SECOND * 30), jitter) > SECOND * 30);
            assert!(backoff.handle_failure(SECOND, Some(Duration::MAX), jitter) < SECOND * 600);
        }
    }

    #[test]
    fn pauses_are_spread() {
        assert_eq!(spread(SECOND, 0.0), SECOND / 2);
        assert!(spread(SECOND, 0.999) > SECOND);
        let chances: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance != chances[0]));
    }
}
