//! A long command as named steps: each announced and timed, the first failure the last.

use std::time::{Duration, Instant};

use crate::error::Error;

/// The steps done so far.
pub struct Steps {
    started: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// None done yet; the clock runs.
    pub fn start() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// Announces and does one step.
    ///
    /// # Errors
    ///
    /// What `work` failed with, under the step's name.
    pub fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        println!("\n==> {name}");
        let started = Instant::now();
        let made = work().map_err(|source| Error::Step { name: name.into(), source: Box::new(source) })?;
        let took = started.elapsed();
        println!("<== {name}: {}", clock(took));
        self.done.push((name, took));
        Ok(made)
    }

    /// One line: how many steps passed, how long all took, and each.
    pub fn summary(&self) -> String {
        let each: Vec<String> =
            self.done.iter().map(|(name, took)| format!("{name} {}", clock(*took))).collect();
        format!("{} steps passed in {} ({})", self.done.len(), clock(self.started.elapsed()), each.join(", "))
    }
}

/// Minutes and seconds, as in `3:07`.
fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::{Steps, clock};
    use crate::error::Error;

    #[test]
    fn a_failure_carries_the_name_of_its_step_and_is_not_counted() {
        let mut steps = Steps::start();
        steps.step("first", || Ok(())).unwrap();

        let failure = steps.step("second", || Err::<(), _>(Error::Usage("broken".into()))).unwrap_err();

        assert_eq!(failure.to_string(), "step `second` failed: broken");
        assert!(steps.summary().starts_with("1 steps passed in 0:00 (first 0:00)"));
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(187)), "3:07");
    }
}
