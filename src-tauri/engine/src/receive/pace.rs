//! How long a place in line will still be waited for, from how fast it has moved.

use std::time::Duration;

// One move in a moment says little of the next.
const LEAST: Duration = Duration::from_secs(5);

/// Watches one place.
#[derive(Debug, Default)]
pub(super) struct Pace {
    // When this place was first told, and how many were ahead then.
    first: Option<(Duration, u32)>,
    last: u32,
}

impl Pace {
    /// So many wait ahead at `now`. How long it will take until a slot is free for this one, if it went on as it has
    /// since the beginning; unknown until the place has moved, and for the first seconds.
    pub(super) fn handle_ahead(&mut self, ahead: u32, now: Duration) -> Option<Duration> {
        // A place further back is another place: the line was lost, or one came back to where it had been.
        let (since, at_first) = *match self.first {
            Some(ref first) if ahead <= self.last => first,
            _ => self.first.insert((now, ahead)),
        };
        self.last = ahead;
        let (moved, watched) = (at_first - ahead, now.saturating_sub(since));
        // One more than those ahead: the slot for this one has to become free too.
        let wait = || watched.mul_f64((f64::from(ahead) + 1.0) / f64::from(moved));
        (moved > 0 && watched >= LEAST).then(wait)
    }

    /// It waits no more.
    pub(super) fn forget(&mut self) {
        self.first = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_place_that_has_moved_tells_how_long_it_takes() {
        let mut pace = Pace::default();
        assert_eq!(pace.handle_ahead(10, seconds(100)), None);
        assert_eq!(pace.handle_ahead(10, seconds(130)), None);
        // Two places in a minute: nine more take four and a half.
        assert_eq!(pace.handle_ahead(8, seconds(160)), Some(seconds(270)));
        assert_eq!(pace.handle_ahead(0, seconds(200)), Some(seconds(10)));
    }

    #[test]
    fn another_place_is_watched_from_its_own_beginning() {
        let mut pace = Pace::default();
        pace.handle_ahead(3, seconds(0));
        assert_eq!(pace.handle_ahead(2, seconds(10)), Some(seconds(30)));
        assert_eq!(pace.handle_ahead(9, seconds(20)), None);
        assert_eq!(pace.handle_ahead(8, seconds(24)), None, "too early to say");
        assert_eq!(pace.handle_ahead(7, seconds(30)), Some(seconds(40)));
        pace.forget();
        assert_eq!(pace.handle_ahead(6, seconds(40)), None);
    }

    proptest! {
        #[test]
        fn any_course_of_things_has_an_answer(all in proptest::collection::vec((any::<u32>(), 0..1_000_000_u64), 0..20)) {
            let mut pace = Pace::default();
            let mut now = Duration::ZERO;
            for (ahead, later) in all {
                now += seconds(later);
                let _ = pace.handle_ahead(ahead, now);
            }
        }
    }
}
