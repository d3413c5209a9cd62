//! The receiving session: takes a share from one sender over one data channel.
//!
//! A state machine without I/O. The driver feeds it messages and what became of them on disk, and drains frames
//! and events. Chunks come out sealed, so that they can be opened where they are written; one that is not exactly
//! the next one asked for ends the session before anything of it is kept.
//!
//! ```text
//! Greeting ──answer──▶ Open ──all durable──▶ Finishing ──heard──▶ Done
//!     │                  │                       │
//!     └──────error───────┴───────────────────────┴─────────────▶ Closed
//! ```

mod open;

use crate::control::{EntryFailure, ReceiverMessage, SenderMessage};
use crate::crypto::{FileCipher, Forged, TAG_LEN};
use crate::error::Code;
use crate::frame::{self, Kind, RecordHeader};
use crate::handshake::{Context, Initiator};
use crate::manifest::{Entry, Totals};
use crate::session::{Outbox, SessionError};
use bytes::{Bytes, BytesMut};
use open::Open;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of content that may be on their way or in memory at once.
pub const CREDIT_WINDOW: u64 = 8 * 1024 * 1024;
/// Manifest pages whose content is not all here yet.
pub const PAGE_WINDOW: u32 = 8;
const PROGRESS_EVERY: u64 = CREDIT_WINDOW / 8;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// What a receiving session is made from.
pub struct ReceiveConfig {
    /// Share, pre-shared key and fingerprint binding.
    pub context: Context,
    /// The sender hash in the link.
    pub sender: [u8; 16],
    /// What the sender may show of this receiver.
    pub name: String,
    /// 32 fresh random bytes.
    pub seed: [u8; 32],
    /// Whether the share is listed before anything of it is asked for, see [`ReceiveSession::handle_choice`].
    pub list_first: bool,
}

/// Content that is wanted of one file.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The file's number in the manifest.
    pub entry: u32,
    /// The chunks that are missing, ascending and disjoint.
    pub ranges: Vec<Range<u32>>,
}

/// What a receiving session tells its driver. The order matters: pages, chunks and failures are to be taken one
/// after the other.
#[derive(Debug)]
pub enum ReceiveEvent {
    /// The sender is the one that made the link.
    Opened {
        /// The share's display name.
        name: String,
    },
    /// The share is known a little better, or completely.
    Totals(Totals),
    /// A page of the manifest to look at, while the share is listed; it comes again as [`ReceiveEvent::Page`] once
    /// the choice is made.
    Listed {
        /// The entries.
        entries: Vec<Entry>,
    },
    /// The manifest is complete and all of it was listed.
    AllListed,
    /// The person at the sender holds the content back, or lets it flow again.
    Paused {
        /// Whether it is held back.
        paused: bool,
    },
    /// A page of the manifest; to be answered by [`ReceiveSession::handle_plan`].
    Page {
        /// The number of the first entry.
        first_entry: u32,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// The next chunk.
    Chunk(SealedChunk),
    /// What is missing of this entry will not come.
    EntryFailed {
        /// Its number in the manifest.
        entry: u32,
        /// Why.
        failure: EntryFailure,
    },
    /// The manifest is complete, and all that was wanted has come; answer with [`ReceiveSession::handle_all_durable`].
    AllReceived,
    /// The sender has heard that everything is durable.
    Done,
}

/// A chunk as it came, with what it takes to open it.
pub struct SealedChunk {
    /// Which chunk of which entry this claims to be; it is the one that was asked for.
    pub header: RecordHeader,
    /// Whether nothing more of this entry is expected.
    pub last_of_entry: bool,
    // Shared by the chunks of a file: its expanded key is a kilobyte.
    cipher: Arc<FileCipher>,
    sealed: BytesMut,
}

impl std::fmt::Debug for SealedChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedChunk").field("header", &self.header).finish_non_exhaustive()
    }
}

impl SealedChunk {
    /// The plaintext.
    ///
    /// # Errors
    /// [`Forged`]: the session must be closed with [`Code::ChunkForged`].
    pub fn open(self) -> Result<BytesMut, Forged> {
        let mut chunk = self.sealed;
        let tag = chunk.split_off(chunk.len() - TAG_LEN);
        let tag: [u8; TAG_LEN] = tag[..].try_into().map_err(|_| Forged)?;
        self.cipher.open(self.header.chunk, &self.header.to_bytes(), &mut chunk, &tag)?;
        Ok(chunk)
    }
}

enum State {
    Greeting(Box<Initiator>),
    Open(Box<Open>),
    Finishing(Box<Open>),
    Done,
    Closed,
}

/// The receiver's end of one session. Times are durations since any fixed moment.
pub struct ReceiveSession {
    state: State,
    outbox: Outbox,
    events: VecDeque<ReceiveEvent>,
    listing: bool,
}

impl ReceiveSession {
    /// A session on a channel that has just opened; its hello is queued.
    pub fn new(config: &ReceiveConfig, now: Duration) -> Self {
        let (initiator, hello) = Initiator::new(&config.context, config.sender, &config.name, config.seed);
        let mut outbox = Outbox::new(now);
        outbox.push_handshake(&hello);
        let state = State::Greeting(Box::new(initiator));
        ReceiveSession { state, outbox, events: VecDeque::new(), listing: config.list_first }
    }

    /// Takes one message from the channel.
    ///
    /// # Errors
    /// The session is over; a goodbye may be queued.
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
        match (std::mem::replace(&mut self.state, State::Closed), kind) {
            (State::Greeting(initiator), Kind::Handshake) => {
                let (channel, greeting) = initiator.finish(&body)?;
                self.events.push_back(ReceiveEvent::Opened { name: greeting.name });
                let mut open = Open::new(channel, greeting.session, self.listing, now);
                open.grant_pages(&mut self.outbox);
                open.report(&mut self.outbox, now);
                self.state = State::Open(Box::new(open));
                Ok(())
            }
            (State::Open(mut open), Kind::Control) => {
                let result = open
                    .open_control(&body)
                    .and_then(|message| open.handle_control(message, &mut self.events, &mut self.outbox));
                self.state = State::Open(open);
                result
            }
            (State::Open(mut open), Kind::Data) => {
                let result = open.handle_data(body, &mut self.events, &mut self.outbox);
                self.state = State::Open(open);
                result
            }
            (State::Finishing(mut open), Kind::Control) => {
                let message = open.open_control(&body);
                self.state = State::Finishing(open);
                match message? {
                    SenderMessage::DoneHeard => {
                        self.events.push_back(ReceiveEvent::Done);
                        self.state = State::Done;
                        Ok(())
                    }
                    SenderMessage::Bye { code } => Err(SessionError::new(code)),
                    _ => Ok(()),
                }
            }
            (State::Done, _) => {
                self.state = State::Done;
                Ok(())
            }
            (State::Closed, _) => Ok(()),
            (state, _) => {
                self.state = state;
                Err(SessionError::new(Code::FrameInvalid))
            }
        }
    }

    /// Ends the listing: from now on pages are to be planned, from the first one on.
    pub fn handle_choice(&mut self) {
        self.listing = false;
        if let State::Open(open) = &mut self.state
            && std::mem::take(&mut open.listing)
        {
            open.give_out(&mut self.events);
            open.finish_check(&mut self.events);
        }
    }

    /// The pages that were listed and not planned yet, in their order, as [`decode_page`] reads them.
    pub fn listed(&self) -> Vec<Bytes> {
        match &self.state {
            State::Open(open) => open.kept.iter().map(|(_, encoded)| encoded.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Says what is wanted of the oldest page that was given out: entries of that page, ascending.
    pub fn handle_plan(&mut self, wants: &[Want]) {
        if let State::Open(open) = &mut self.state {
            open.plan(wants, &mut self.outbox);
            open.give_out(&mut self.events);
            open.finish_check(&mut self.events);
        }
    }

    /// Says how much is chosen, in bytes of content and entries, as far as that is known; the sender shows it.
    pub fn handle_chosen(&mut self, bytes: u64, entries: u64) {
        if let State::Open(open) = &mut self.state {
            open.chosen = (bytes, entries);
        }
    }

    /// Counts content that has left memory for the disk, in bytes, and what is durable by now.
    pub fn handle_progress(&mut self, written: u64, durable_bytes: u64, durable_entries: u64, now: Duration) {
        if let State::Open(open) = &mut self.state {
            open.written += written;
            open.durable = (durable_bytes, durable_entries);
            if open.written + CREDIT_WINDOW >= open.granted + PROGRESS_EVERY {
                open.report(&mut self.outbox, now);
            }
        }
    }

    /// Says that everything chosen is durable and in place: the sender is told, and answers.
    pub fn handle_all_durable(&mut self, bytes: u64, entries: u64) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(mut open) => {
                let message = ReceiverMessage::Done { bytes, entries };
                self.outbox.push_control(&mut open.channel, &message.encode());
                self.state = State::Finishing(open);
            }
            state => self.state = state,
        }
    }

    /// Ends the session from this side; the goodbye is queued.
    pub fn close(&mut self, code: Code) {
        if let State::Open(open) | State::Finishing(open) = &mut self.state {
            self.outbox.drop_content();
            self.outbox.push_control(&mut open.channel, &ReceiverMessage::Bye { code }.encode());
        }
        if !matches!(self.state, State::Done) {
            self.state = State::Closed;
        }
    }

    /// The length in bytes of the next frame to send, which stays queued until [`Self::poll_message`]: a driver
    /// waits for room with this, because control frames are sealed in order, and one that is taken out and then not
    /// sent makes forgeries of all that follow.
    pub fn next_message_len(&self) -> Option<usize> {
        self.outbox.next_len()
    }

    /// The next frame to send.
    pub fn poll_message(&mut self, now: Duration) -> Option<Bytes> {
        self.outbox.pop(now)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ReceiveEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.state {
            State::Greeting(_) | State::Finishing(_) => Some(self.outbox.next_timeout()),
            State::Open(open) if open.has_news() => {
                Some(self.outbox.next_timeout().min(open.reported_at + PROGRESS_INTERVAL))
            }
            State::Open(_) => Some(self.outbox.next_timeout()),
            State::Done | State::Closed => None,
        }
    }

    /// Does what time demands: news of progress, a sign of life, or the end of a session that has stalled.
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
        match &mut self.state {
            State::Open(open) => {
                if open.has_news() && now >= open.reported_at + PROGRESS_INTERVAL {
                    open.report(&mut self.outbox, now);
                } else if alive {
                    self.outbox.push_control(&mut open.channel, &ReceiverMessage::Alive.encode());
                }
            }
            State::Finishing(open) if alive => {
                self.outbox.push_control(&mut open.channel, &ReceiverMessage::Alive.encode());
            }
            _ => {}
        }
        Ok(())
    }
}
