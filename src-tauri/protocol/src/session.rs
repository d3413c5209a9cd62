//! What both session machines share: the queue of frames to send, the keep-alive clock, the error.

use crate::error::Code;
use crate::frame::{self, FrameError, Kind};
use crate::handshake::{ControlChannel, HandshakeError};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Silence after which a peer says that it is still here.
pub const ALIVE_AFTER: Duration = Duration::from_secs(5);
/// Silence after which the other side counts as stalled.
pub const STALLED_AFTER: Duration = Duration::from_secs(15);

/// A session ended; nothing more comes out of it but a goodbye that may still be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session ended: {code}")]
pub struct SessionError {
    /// Why.
    pub code: Code,
}

impl SessionError {
    /// Ended for `code`.
    pub fn new(code: Code) -> Self {
        SessionError { code }
    }
}

impl From<HandshakeError> for SessionError {
    fn from(error: HandshakeError) -> Self {
        SessionError::new(error.code())
    }
}

impl From<FrameError> for SessionError {
    fn from(error: FrameError) -> Self {
        SessionError::new(error.code())
    }
}

/// Frames waiting to be sent, and when something was last said and heard.
pub(crate) struct Outbox {
    frames: VecDeque<Bytes>,
    queued: usize,
    last_said: Duration,
    last_heard: Duration,
}

impl Outbox {
    pub(crate) fn new(now: Duration) -> Self {
        Outbox { frames: VecDeque::new(), queued: 0, last_said: now, last_heard: now }
    }

    pub(crate) fn push(&mut self, frame: Bytes) {
        self.queued += frame.len();
        self.frames.push_back(frame);
    }

    pub(crate) fn push_handshake(&mut self, message: &[u8]) {
        self.push(frame::build(Kind::Handshake, message));
    }

    pub(crate) fn push_control(&mut self, channel: &mut ControlChannel, plaintext: &[u8]) {
        let sealed = channel.seal(plaintext);
        self.push(frame::build(Kind::Control, &sealed));
    }

    pub(crate) fn next_len(&self) -> Option<usize> {
        self.frames.front().map(Bytes::len)
    }

    pub(crate) fn pop(&mut self, now: Duration) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.queued -= frame.len();
        self.last_said = now;
        Some(frame)
    }

    // Content that was queued before a failure is of no use to anyone. Control messages stay: they are sealed in
    // their order, and one left out would make forgeries of all that follow.
    pub(crate) fn drop_content(&mut self) {
        self.frames.retain(|frame| frame.first() != Some(&Kind::Data.to_byte()));
        self.queued = self.frames.iter().map(Bytes::len).sum();
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn heard(&mut self, now: Duration) {
        self.last_heard = now;
    }

    pub(crate) fn next_timeout(&self) -> Duration {
        (self.last_said + ALIVE_AFTER).min(self.last_heard + STALLED_AFTER)
    }

    pub(crate) fn is_stalled(&self, now: Duration) -> bool {
        now >= self.last_heard + STALLED_AFTER
    }

    // True at most once a period; the caller then queues its word. Frames that wait for the channel are word enough.
    pub(crate) fn must_say_something(&mut self, now: Duration) -> bool {
        if now < self.last_said + ALIVE_AFTER {
            return false;
        }
        // The period starts anew in either case, or the driver would be woken for it again at once.
        self.last_said = now;
        self.frames.is_empty()
    }
}
