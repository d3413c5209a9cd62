//! What one address may spend: rates and caps, in memory.
//!
//! Rates are kept by the generic cell rate algorithm (ITU-T I.371): of each key only one moment is remembered, that
//! at which all it spent would be earned again.

use std::collections::HashMap;
use std::time::Duration;

/// So much in such a time: a full burst at once, and then as the time brings it back evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In this time a whole burst is earned again.
    pub per: Duration,
    /// The most at once; at least 1.
    pub burst: u32,
}

/// What all addresses have spent and hold.
#[derive(Debug, Default)]
pub(super) struct Limits {
    // When all that was spent is earned again.
    spent: HashMap<String, Duration>,
    held: HashMap<String, HashMap<[u8; 16], Duration>>,
    swept: usize,
}

impl Limits {
    /// See [`super::Store::allow`].
    pub(super) fn allow(&mut self, key: &str, rate: Rate, now: Duration) -> Option<Duration> {
        self.sweep(now);
        let spent = self.spent.get(key).copied().unwrap_or_default().max(now);
        let after = spent + rate.per / rate.burst.max(1);
        let wait = after.saturating_sub(now + rate.per);
        if wait.is_zero() {
            self.spent.insert(key.to_owned(), after);
            return None;
        }
        Some(wait)
    }

    /// See [`super::Store::hold`].
    pub(super) fn hold(
        &mut self,
        key: &str,
        member: [u8; 16],
        cap: u32,
        until: Duration,
        now: Duration,
    ) -> bool {
        self.sweep(now);
        let members = self.held.entry(key.to_owned()).or_default();
        members.retain(|_, until| *until > now);
        let fits = members.contains_key(&member) || members.len() < cap as usize;
        if fits {
            members.insert(member, until);
        }
        fits
    }

    /// See [`super::Store::release`].
    pub(super) fn release(&mut self, key: &str, member: [u8; 16]) {
        if let Some(members) = self.held.get_mut(key) {
            members.remove(&member);
        }
    }

    // Forgets what has no effect any more, once there is twice as much as was left the last time.
    fn sweep(&mut self, now: Duration) {
        if self.spent.len() + self.held.len() >= (2 * self.swept).max(1024) {
            self.spent.retain(|_, spent| *spent > now);
            self.held.retain(|_, members| members.values().any(|until| *until > now));
            self.swept = self.spent.len() + self.held.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_secs(1_000_000) + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_allowed_and_earned_again_evenly() {
        let mut limits = Limits::default();
        let rate = Rate { per: Duration::from_secs(10), burst: 5 };
        for _ in 0..5 {
            assert_eq!(limits.allow("a", rate, at(0)), None);
        }
        assert_eq!(limits.allow("a", rate, at(0)), Some(Duration::from_secs(2)));
        assert_eq!(limits.allow("a", rate, at(500)), Some(Duration::from_millis(1500)));
        assert_eq!(limits.allow("b", rate, at(500)), None);
        assert_eq!(limits.allow("a", rate, at(2000)), None);
        assert!(limits.allow("a", rate, at(2000)).is_some());
        for _ in 0..5 {
            assert_eq!(limits.allow("a", rate, at(20_000)), None);
        }
    }

    #[test]
    fn only_so_many_are_held_at_once() {
        let mut limits = Limits::default();
        assert!(limits.hold("a", [1; 16], 2, at(1000), at(0)));
        assert!(limits.hold("a", [2; 16], 2, at(2000), at(0)));
        assert!(!limits.hold("a", [3; 16], 2, at(1000), at(0)));
        assert!(limits.hold("a", [1; 16], 2, at(1500), at(500)), "it is one already");
        assert!(!limits.hold("a", [3; 16], 2, at(3000), at(1499)));
        assert!(limits.hold("a", [3; 16], 2, at(3000), at(1500)), "the first has lapsed");
        limits.release("a", [2; 16]);
        assert!(limits.hold("a", [4; 16], 2, at(3000), at(1500)));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut limits = Limits::default();
        let rate = Rate { per: Duration::from_millis(10), burst: 1 };
        for step in 0..100_000 {
            limits.allow(&step.to_string(), rate, at(step));
            limits.hold(&step.to_string(), [0; 16], 1, at(step + 10), at(step));
        }
        assert!(limits.spent.len() + limits.held.len() < 2000);
    }
}
