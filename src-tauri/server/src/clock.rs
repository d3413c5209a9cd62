//! The time since the Unix epoch, as queues and tokens are given it.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A clock that never runs backwards: the system's when it was made, and from then on as time passes.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    offset: Duration,
}

impl Clock {
    /// A clock that goes by the system's.
    pub fn new() -> Self {
        // A system that believes to be before 1970 has its shares in 1970.
        let offset = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Clock { start: Instant::now(), offset }
    }

    /// One that is wrong by so much.
    #[cfg(test)]
    pub fn ahead(by: Duration) -> Self {
        let Clock { start, offset } = Self::new();
        Clock { start, offset: offset + by }
    }

    /// The time since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.offset + self.start.elapsed()
    }

    /// The moment `at` since the Unix epoch, for waiting until then.
    pub fn instant(&self, at: Duration) -> Instant {
        self.start + at.saturating_sub(self.offset)
    }
}
