//! What a receiver does next to keep its place in line and to take its slot, decided from what it was last told.
//!
//! Pure: moments are durations since any beginning, chance is an argument. The line around it carries out one
//! [`Step`] after another and tells how each went.

use super::backoff::{Backoff, RESTART, RESTART_TIME, spread};
use sluice_protocol::error::Code;
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::Place;
use std::time::Duration;

// A claim that came too early was in a race that is over in a moment.
const TOO_EARLY: Duration = Duration::from_millis(200);
// A long poll that answers so soon, and has nothing new, did not wait: its server may be stopping.
const TOO_SOON: Duration = Duration::from_secs(1);
// Neither can a server have its clients hammer it, nor send them away for good.
const LEAST_RETRY: Duration = Duration::from_millis(50);
const MOST_RETRY: Duration = Duration::from_secs(30);

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Take a place in line, or the one it had.
    Join,
    /// Ask for the place once it is another than this version.
    Poll { after: String },
    /// Listen to the event stream, which need not tell this version again.
    Listen { last: String },
    /// Open the socket and take the slot.
    Claim,
    /// Do nothing before this moment.
    Pause { until: Duration },
    /// Nothing helps.
    Over(Code),
}

/// A receiver's way through the tiers.
///
/// ```text
///             ┌────────(not authorised, not found, sender gone)───────────┐
///             ▼                                                           │
/// Outside ──joined──▶ In line ──(active, or a slot is kept)──▶ claim ──▶ In its slot
///                     ▲  near: polls, far: listens               │          │
///                     └──────────(not your turn)─────────────────┘          │
///                     └──────────(the socket is gone: claims again)─────────┘
/// ```
#[derive(Debug)]
pub(super) struct Course {
    // None: outside.
    place: Option<Place>,
    // The version of the place that was claimed too early.
    refused: Option<String>,
    polled_at: Option<Duration>,
    not_before: Duration,
    backoff: Backoff,
    // Until then the server is expected not to be there.
    quiet_until: Duration,
    over: Option<Code>,
}

impl Course {
    pub(super) fn new() -> Self {
        Course {
            place: None,
            refused: None,
            polled_at: None,
            not_before: Duration::ZERO,
            backoff: Backoff::new(),
            quiet_until: Duration::ZERO,
            over: None,
        }
    }

    /// What to do now.
    pub(super) fn poll_step(&mut self, now: Duration) -> Step {
        if let Some(code) = self.over {
            return Step::Over(code);
        }
        if now < self.not_before {
            return Step::Pause { until: self.not_before };
        }
        let Some(place) = &self.place else { return Step::Join };
        let version = place.version.clone();
        let has_turn = place.tier == Tier::Active || place.lease_ms.is_some();
        if has_turn && self.refused.as_ref() != Some(&version) {
            Step::Claim
        } else if place.tier == Tier::Far {
            Step::Listen { last: version }
        } else {
            self.polled_at = Some(now);
            Step::Poll { after: version }
        }
    }

    /// It was told its place, by the answer to joining or polling or by the event stream.
    pub(super) fn handle_place(&mut self, place: Place, now: Duration, jitter: f64) {
        self.backoff.handle_success(now);
        self.quiet_until = Duration::ZERO;
        let is_old = self.place.as_ref().is_some_and(|old| old.version == place.version);
        let asked = self.polled_at.take();
        if is_old && asked.is_some_and(|asked| now.saturating_sub(asked) < TOO_SOON) {
            self.not_before = now + spread(RESTART, jitter);
        }
        // The place may be as it was; a claim is worth another try now and then.
        self.refused = None;
        self.place = Some(place);
    }

    /// The socket is open and the slot its own.
    pub(super) fn handle_admitted(&mut self, now: Duration) {
        self.backoff.handle_success(now);
        self.quiet_until = Duration::ZERO;
        if let Some(place) = &mut self.place {
            place.tier = Tier::Active;
            place.ahead = 0;
            place.lease_ms = None;
        }
    }

    /// The server ends the socket or the stream because it restarts, and perhaps says when to come back.
    pub(super) fn handle_restart(&mut self, retry: Option<Duration>, now: Duration, jitter: f64) {
        self.not_before = now + spread(retry.unwrap_or(RESTART).clamp(LEAST_RETRY, MOST_RETRY), jitter);
        self.quiet_until = self.not_before + RESTART_TIME;
    }

    /// The server has ended the share, or this receiver's part in it, on its socket.
    pub(super) fn handle_ended(&mut self, code: Code, now: Duration, jitter: f64) {
        match code {
            // The sender may come back, and opens the share again then.
            Code::SenderGone => self.handle_failure(code, None, now, jitter),
            code => self.over = Some(code),
        }
    }

    /// The step that was begun failed. True if it is trouble that the driver must hear of.
    pub(super) fn handle_failed(
        &mut self,
        step: &Step,
        code: Code,
        retry_after: Option<Duration>,
        now: Duration,
        jitter: f64,
    ) -> bool {
        self.polled_at = None;
        match (code, step) {
            (Code::NotYourTurn, _) => {
                self.refused = self.place.as_ref().map(|place| place.version.clone());
                self.not_before = now + spread(TOO_EARLY, jitter);
                return false;
            }
            // The proof itself is refused: the link is not good here.
            (Code::NotAuthorised, Step::Join) => self.over = Some(code),
            // The ticket is too old, or its place is lost.
            (Code::NotAuthorised, _) => {
                self.handle_failure(code, None, now, jitter);
                return false;
            }
            (
                Code::VersionUnsupported
                | Code::RequestInvalid
                | Code::ShareEnded
                | Code::ShareTaken
                | Code::LetGo,
                _,
            ) => self.over = Some(code),
            _ => self.handle_failure(code, retry_after, now, jitter),
        }
        self.over.is_none() && now >= self.quiet_until
    }

    fn handle_failure(&mut self, code: Code, retry_after: Option<Duration>, now: Duration, jitter: f64) {
        self.not_before = now + self.backoff.handle_failure(now, retry_after, jitter);
        if matches!(code, Code::NotAuthorised | Code::ShareNotFound | Code::SenderGone) {
            self.place = None;
            self.refused = None;
        }
    }
}

#[cfg(test)]
mod tests;
