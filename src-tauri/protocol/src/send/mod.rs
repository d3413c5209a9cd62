//! The sending session: serves one receiver over one data channel.
//!
//! A state machine without I/O. The driver feeds it messages, manifest pages and sealed batches, and drains
//! frames, events and orders for what is to be read.
//!
//! ```text
//! AwaitHello ──hello──▶ Open ──Done──▶ Done
//!      │                  │
//!      └─────error────────┴──────────▶ Closed
//! ```

mod batch;

use crate::control::{EntryFailure, ReceiverMessage, SenderMessage, WantItem};
use crate::crypto::{Key, TAG_LEN};
use crate::error::Code;
use crate::frame::{self, HEADER_LEN, Kind, MIN_MESSAGE_LEN};
use crate::handshake::{Context, ControlChannel, SenderKeys, respond};
use crate::manifest::Totals;
use crate::session::{Outbox, SessionError};
use crate::{CHUNK_SIZE, chunk_count, chunk_len};
use batch::Part;
pub use batch::{Piece, ReadBatch, SealedBatch};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Plaintext bytes that one batch holds at most.
pub const BATCH_LEN: usize = CHUNK_SIZE as usize;
/// The longest data frame that is made, in bytes: a full chunk's record fills four of them exactly. Transports
/// carry about 64 KiB best; both shorter and longer messages cost more a byte.
pub const DATA_FRAME_LEN: usize = (HEADER_LEN + CHUNK_SIZE as usize + TAG_LEN).div_ceil(4) + 1;
const BATCH_PIECES: usize = 128;
// Frames beyond this wait for the channel before more is read.
const MAX_QUEUED: usize = 2 * BATCH_LEN;
/// Requests that may wait to be served.
pub const MAX_REQUESTS: usize = 64;

/// What a sending session is made from.
pub struct SendConfig {
    /// Share, pre-shared key and fingerprint binding.
    pub context: Context,
    /// The key pair behind the link.
    pub keys: SenderKeys,
    /// The share's display name.
    pub name: String,
    /// The largest message that the channel takes, in bytes.
    pub max_message: usize,
    /// 64 fresh random bytes.
    pub seed: [u8; 64],
}

/// What a sending session tells its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendEvent {
    /// The receiver has proved that it holds the link.
    Opened {
        /// What it calls itself.
        name: String,
    },
    /// How far the receiver is, by its own account.
    Progress {
        /// Bytes that are durable there.
        durable_bytes: u64,
        /// Entries that are in place there.
        durable_entries: u64,
    },
    /// What the receiver has chosen, as far as it knows.
    Chosen {
        /// Bytes of content.
        bytes: u64,
        /// Entries.
        entries: u64,
    },
    /// An entry could not be sent; the rest goes on.
    EntryFailed {
        /// Its number in the manifest.
        entry: u32,
        /// Why.
        failure: EntryFailure,
    },
    /// The receiver has everything it chose, durably.
    Done {
        /// Bytes of all that it chose.
        bytes: u64,
        /// Entries of all that it chose.
        entries: u64,
    },
}

enum State {
    AwaitHello(Box<SendConfig>),
    Open(Box<Open>),
    Done,
    Closed,
}

struct Open {
    channel: ControlChannel,
    session: Key,
    max_message: usize,
    totals: Totals,
    totals_due: bool,
    pages_allowed: u32,
    next_page: u32,
    next_request: u32,
    requests: VecDeque<Request>,
    credit: u64,
    sent: u64,
    reading: bool,
    paused_told: bool,
}

struct Request {
    id: u32,
    items: VecDeque<WantItem>,
}

/// The sender's end of one session. Times are durations since any fixed moment.
pub struct SendSession {
    state: State,
    outbox: Outbox,
    events: VecDeque<SendEvent>,
    paused: bool,
}

impl SendSession {
    /// A session on a channel that has just opened.
    pub fn new(mut config: SendConfig, now: Duration) -> Self {
        config.max_message = config.max_message.clamp(MIN_MESSAGE_LEN, DATA_FRAME_LEN);
        SendSession {
            state: State::AwaitHello(Box::new(config)),
            outbox: Outbox::new(now),
            events: VecDeque::new(),
            paused: false,
        }
    }

    /// Takes one message from the channel.
    ///
    /// # Errors
    /// The session is over; frames that are still queued say so to the receiver.
    pub fn handle_message(&mut self, message: &Bytes, now: Duration) -> Result<(), SessionError> {
        let result = self.try_handle(message, now);
        if let Err(error) = result {
            self.close(error.code);
        }
        result
    }

    fn try_handle(&mut self, message: &Bytes, now: Duration) -> Result<(), SessionError> {
        self.outbox.heard(now);
        let (kind, body) = frame::parse(message)?;
        match (&mut self.state, kind) {
            (State::AwaitHello(config), Kind::Handshake) => {
                let (answer, accepted) =
                    respond(&config.context, &config.keys, &config.name, &body, &config.seed);
                self.outbox.push_handshake(&answer);
                let accepted = accepted?;
                self.events.push_back(SendEvent::Opened { name: accepted.name });
                self.state = State::Open(Box::new(Open {
                    channel: accepted.channel,
                    session: accepted.session,
                    max_message: config.max_message,
                    totals: Totals::default(),
                    totals_due: false,
                    pages_allowed: 0,
                    next_page: 0,
                    next_request: 0,
                    requests: VecDeque::new(),
                    credit: 0,
                    sent: 0,
                    reading: false,
                    paused_told: false,
                }));
                Ok(())
            }
            (State::Open(open), Kind::Control) => {
                let plaintext = open.channel.open(&body).map_err(|_| SessionError::new(Code::FrameForged))?;
                let message =
                    ReceiverMessage::decode(&plaintext).map_err(|_| SessionError::new(Code::FrameInvalid))?;
                self.handle_control(message)
            }
            // What was on its way when the session ended is of no interest.
            (State::Done | State::Closed, _) => Ok(()),
            _ => Err(SessionError::new(Code::FrameInvalid)),
        }
    }

    fn handle_control(&mut self, message: ReceiverMessage) -> Result<(), SessionError> {
        let State::Open(open) = &mut self.state else {
            return Ok(());
        };
        match message {
            ReceiverMessage::Pages { up_to } => open.pages_allowed = open.pages_allowed.max(up_to),
            ReceiverMessage::Want { request, items } => {
                if request != open.next_request || open.requests.len() >= MAX_REQUESTS || items.is_empty() {
                    return Err(SessionError::new(Code::FrameInvalid));
                }
                // Two to the 32 requests in one session are beyond any receiver of ours.
                open.next_request = request.checked_add(1).ok_or(SessionError::new(Code::FrameInvalid))?;
                open.requests.push_back(Request { id: request, items: items.into() });
            }
            ReceiverMessage::Progress { credit, durable_bytes, durable_entries } => {
                open.credit = open.credit.max(credit);
                self.events.push_back(SendEvent::Progress { durable_bytes, durable_entries });
            }
            ReceiverMessage::Chosen { bytes, entries } => {
                self.events.push_back(SendEvent::Chosen { bytes, entries });
            }
            ReceiverMessage::Done { bytes, entries } => {
                self.outbox.push_control(&mut open.channel, &SenderMessage::DoneHeard.encode());
                self.events.push_back(SendEvent::Done { bytes, entries });
                self.state = State::Done;
            }
            ReceiverMessage::Alive => {}
            ReceiverMessage::Bye { code } => {
                self.state = State::Closed;
                return Err(SessionError::new(code));
            }
        }
        Ok(())
    }

    /// Takes what is known of the share by now; call it when that changes.
    pub fn handle_totals(&mut self, totals: Totals) {
        if let State::Open(open) = &mut self.state
            && open.totals != totals
        {
            open.totals = totals;
            open.totals_due = true;
        }
    }

    /// Holds content back from now on, or lets it flow again; the receiver is told. What is sealed already still
    /// goes, and so does the manifest.
    pub fn handle_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The manifest page that is due next, if the receiver has room for one.
    pub fn poll_page(&mut self) -> Option<u32> {
        let State::Open(open) = &self.state else {
            return None;
        };
        let ready = open.next_page < open.pages_allowed.min(open.totals.pages);
        (ready && self.outbox.queued() < MAX_QUEUED).then_some(open.next_page)
    }

    /// Takes the page that [`Self::poll_page`] asked for.
    pub fn handle_page(&mut self, first_entry: u32, encoded: Bytes) {
        if let State::Open(open) = &mut self.state {
            let message = SenderMessage::Page { index: open.next_page, first_entry, encoded };
            open.next_page += 1;
            self.outbox.push_control(&mut open.channel, &message.encode());
        }
    }

    /// What is to be read next: at most one batch at a time, none while the session is paused, the channel is behind
    /// or the receiver's credit is used up. `size_of` gives a file's size, 0 for all else, `None` past the last entry.
    ///
    /// # Errors
    /// The receiver asked for what does not exist; the session is over.
    pub fn poll_read(
        &mut self,
        size_of: impl FnMut(u32) -> Option<u64>,
    ) -> Result<Option<ReadBatch>, SessionError> {
        let State::Open(open) = &mut self.state else {
            return Ok(None);
        };
        if self.paused || open.reading || self.outbox.queued() >= MAX_QUEUED {
            return Ok(None);
        }
        match open.next_batch(size_of) {
            Ok(batch) => {
                open.reading = batch.is_some();
                Ok(batch)
            }
            Err(error) => {
                self.close(error.code);
                Err(error)
            }
        }
    }

    /// Takes the batch that [`Self::poll_read`] gave out, sealed.
    pub fn handle_sealed(&mut self, batch: SealedBatch) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        open.reading = false;
        open.sent += batch.plaintext;
        for part in batch.parts {
            match part {
                Part::Frame(frame) => self.outbox.push(frame),
                Part::Failed(entry, failure) => {
                    open.skip_entry(batch.request, entry);
                    let message = SenderMessage::EntryFailed { request: batch.request, entry, failure };
                    self.outbox.push_control(&mut open.channel, &message.encode());
                    self.events.push_back(SendEvent::EntryFailed { entry, failure });
                }
            }
        }
    }

    /// Ends the session from this side; the goodbye is queued.
    pub fn close(&mut self, code: Code) {
        if let State::Open(open) = &mut self.state {
            self.outbox.drop_content();
            self.outbox.push_control(&mut open.channel, &SenderMessage::Bye { code }.encode());
        }
        if !matches!(self.state, State::Done) {
            self.state = State::Closed;
        }
    }

    /// The length in bytes of the next frame to send, which stays queued until [`Self::poll_message`]: a driver
    /// waits for room with this, because control frames are sealed in order, and one that is taken out and then not
    /// sent makes forgeries of all that follow.
    pub fn next_message_len(&mut self) -> Option<usize> {
        self.say_news();
        self.outbox.next_len()
    }

    /// The next frame to send.
    pub fn poll_message(&mut self, now: Duration) -> Option<Bytes> {
        self.say_news();
        self.outbox.pop(now)
    }

    // As late as this, so that what changed often is said once.
    fn say_news(&mut self) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        if std::mem::take(&mut open.totals_due) {
            self.outbox.push_control(&mut open.channel, &SenderMessage::Totals(open.totals).encode());
        }
        if open.paused_told != self.paused {
            open.paused_told = self.paused;
            let message = SenderMessage::Paused { paused: self.paused };
            self.outbox.push_control(&mut open.channel, &message.encode());
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SendEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        matches!(self.state, State::AwaitHello(_) | State::Open(_)).then(|| self.outbox.next_timeout())
    }

    /// Does what time demands: a sign of life, or the end of a session that has stalled.
    ///
    /// # Errors
    /// [`Code::Stalled`].
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), SessionError> {
        if self.poll_timeout().is_none() {
            return Ok(());
        }
        if self.outbox.is_stalled(now) {
            self.close(Code::Stalled);
            return Err(SessionError::new(Code::Stalled));
        }
        let alive = self.outbox.must_say_something(now);
        if let State::Open(open) = &mut self.state
            && alive
        {
            self.outbox.push_control(&mut open.channel, &SenderMessage::Alive.encode());
        }
        Ok(())
    }

    /// Whether the receiver has everything and was told that it was heard.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

impl Open {
    fn next_batch(
        &mut self,
        mut size_of: impl FnMut(u32) -> Option<u64>,
    ) -> Result<Option<ReadBatch>, SessionError> {
        let invalid = SessionError::new(Code::FrameInvalid);
        let mut pieces = Vec::new();
        let mut bytes = 0;
        while let Some(request) = self.requests.front_mut() {
            let Some(item) = request.items.front_mut() else {
                // A batch is of one request: its key depends on it.
                if !pieces.is_empty() {
                    break;
                }
                self.requests.pop_front();
                continue;
            };
            let (entry, chunk) = match *item {
                WantItem::Whole { first, .. } => (first, 0),
                WantItem::Part { entry, first, .. } => (entry, first),
            };
            let size = size_of(entry).ok_or(invalid)?;
            let chunks = chunk_count(size);
            let len = chunk_len(size, chunk);
            if let WantItem::Part { first, count, .. } = *item
                && first + count > chunks
            {
                return Err(invalid);
            }
            if len > 0 {
                let room = self.credit.saturating_sub(self.sent + bytes as u64);
                let full = bytes + len as usize > BATCH_LEN || pieces.len() == BATCH_PIECES;
                if u64::from(len) > room || (full && !pieces.is_empty()) {
                    break;
                }
                pieces.push(Piece { entry, chunk, len });
                bytes += len as usize;
            }
            advance(request, chunks);
        }
        let Some(request) = self.requests.front() else {
            return Ok(None);
        };
        if pieces.is_empty() {
            return Ok(None);
        }
        Ok(Some(ReadBatch {
            session: self.session.clone(),
            request: request.id,
            pieces,
            max_message: self.max_message,
        }))
    }

    // The receiver drops the same when it hears of the failure.
    fn skip_entry(&mut self, id: u32, failed: u32) {
        let Some(request) = self.requests.front_mut().filter(|request| request.id == id) else {
            return;
        };
        while let Some(&WantItem::Part { entry, .. }) = request.items.front()
            && entry == failed
        {
            request.items.pop_front();
        }
    }
}

// Moves a request past the chunk that was just taken. A whole file becomes the rest of itself.
fn advance(request: &mut Request, chunks: u32) {
    let Some(item) = request.items.pop_front() else {
        return;
    };
    match item {
        WantItem::Whole { first, count } => {
            if count > 1 {
                request.items.push_front(WantItem::Whole { first: first + 1, count: count - 1 });
            }
            if chunks > 1 {
                request.items.push_front(WantItem::Part { entry: first, first: 1, count: chunks - 1 });
            }
        }
        WantItem::Part { entry, first, count } => {
            if count > 1 {
                request.items.push_front(WantItem::Part { entry, first: first + 1, count: count - 1 });
            }
        }
    }
}
