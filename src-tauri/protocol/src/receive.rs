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

use crate::control::{EntryFailure, MAX_WANT_ITEMS, ReceiverMessage, SenderMessage, WantItem};
use crate::crypto::{FileCipher, Forged, Key, TAG_LEN};
use crate::error::Code;
use crate::frame::{self, Kind, RecordHeader, RecordReader};
use crate::handshake::{Context, ControlChannel, Initiator};
use crate::manifest::{Entry, MAX_ENTRIES, Totals, decode_page};
use crate::session::{Outbox, SessionError};
use crate::{chunk_count, chunk_len};
use bytes::{Bytes, BytesMut};
use std::cmp::Ordering;
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
}

/// Content that is wanted of one file.
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

struct Open {
    channel: ControlChannel,
    session: Key,
    totals: Totals,
    reader: RecordReader,
    pages_granted: u32,
    pages_received: u32,
    next_entry: u32,
    // Pages that were given out and not planned yet: first entry and sizes.
    unplanned: VecDeque<(u32, Vec<u64>)>,
    pages_planned: u32,
    next_request: u32,
    expected: VecDeque<Expected>,
    cipher: Option<(u32, u32, Arc<FileCipher>)>,
    received: u64,
    written: u64,
    durable: (u64, u64),
    granted: u64,
    reported: (u64, u64),
    reported_at: Duration,
    all_received: bool,
}

// One run of chunks that was asked for and has not come yet.
struct Expected {
    page: u32,
    request: u32,
    entry: u32,
    size: u64,
    chunks: Range<u32>,
    last_of_entry: bool,
}

/// The receiver's end of one session. Times are durations since any fixed moment.
pub struct ReceiveSession {
    state: State,
    outbox: Outbox,
    events: VecDeque<ReceiveEvent>,
}

impl ReceiveSession {
    /// A session on a channel that has just opened; its hello is queued.
    pub fn new(config: &ReceiveConfig, now: Duration) -> Self {
        let (initiator, hello) = Initiator::new(&config.context, config.sender, &config.name, config.seed);
        let mut outbox = Outbox::new(now);
        outbox.push_handshake(&hello);
        ReceiveSession { state: State::Greeting(Box::new(initiator)), outbox, events: VecDeque::new() }
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
                let mut open = Open::new(channel, greeting.session, now);
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

    /// Says what is wanted of the oldest page that was given out: entries of that page, ascending.
    pub fn handle_plan(&mut self, wants: &[Want]) {
        if let State::Open(open) = &mut self.state {
            open.plan(wants, &mut self.outbox);
            open.finish_check(&mut self.events);
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
            State::Open(open) if open.durable != open.reported => {
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
                if open.durable != open.reported && now >= open.reported_at + PROGRESS_INTERVAL {
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

impl Open {
    fn new(channel: ControlChannel, session: Key, now: Duration) -> Self {
        Open {
            channel,
            session,
            totals: Totals::default(),
            reader: RecordReader::new(),
            pages_granted: 0,
            pages_received: 0,
            next_entry: 0,
            unplanned: VecDeque::new(),
            pages_planned: 0,
            next_request: 0,
            expected: VecDeque::new(),
            cipher: None,
            received: 0,
            written: 0,
            durable: (0, 0),
            granted: 0,
            reported: (0, 0),
            reported_at: now,
            all_received: false,
        }
    }

    fn open_control(&mut self, body: &[u8]) -> Result<SenderMessage, SessionError> {
        let plaintext = self.channel.open(body).map_err(|_| SessionError::new(Code::FrameForged))?;
        SenderMessage::decode(&plaintext).map_err(|_| SessionError::new(Code::FrameInvalid))
    }

    fn handle_control(
        &mut self,
        message: SenderMessage,
        events: &mut VecDeque<ReceiveEvent>,
        outbox: &mut Outbox,
    ) -> Result<(), SessionError> {
        match message {
            SenderMessage::Page { index, first_entry, encoded } => {
                self.handle_page(index, first_entry, &encoded, events)?;
            }
            SenderMessage::Totals(totals) => {
                // What was once announced stays announced.
                let shrinks = self.totals.complete || totals.pages < self.totals.pages;
                if shrinks || totals.entries > u64::from(MAX_ENTRIES) {
                    return Err(SessionError::new(Code::ManifestInvalid));
                }
                self.totals = totals;
                self.check_complete()?;
                events.push_back(ReceiveEvent::Totals(totals));
                self.finish_check(events);
            }
            SenderMessage::EntryFailed { request, entry, failure } => {
                let expected = self.expected.front();
                let matches = expected.is_some_and(|run| run.request == request && run.entry == entry);
                if !matches || !self.reader.is_at_boundary() {
                    return Err(SessionError::new(Code::FrameInvalid));
                }
                while self.expected.front().is_some_and(|run| run.request == request && run.entry == entry) {
                    self.expected.pop_front();
                }
                events.push_back(ReceiveEvent::EntryFailed { entry, failure });
                self.grant_pages(outbox);
                self.finish_check(events);
            }
            SenderMessage::Bye { code } => return Err(SessionError::new(code)),
            SenderMessage::Alive => {}
            SenderMessage::DoneHeard => return Err(SessionError::new(Code::FrameInvalid)),
        }
        Ok(())
    }

    fn handle_page(
        &mut self,
        index: u32,
        first_entry: u32,
        encoded: &[u8],
        events: &mut VecDeque<ReceiveEvent>,
    ) -> Result<(), SessionError> {
        let invalid = SessionError::new(Code::ManifestInvalid);
        if index != self.pages_received || index >= self.pages_granted || first_entry != self.next_entry {
            return Err(invalid);
        }
        let entries = decode_page(encoded).map_err(|_| invalid)?;
        self.pages_received += 1;
        self.next_entry = u32::try_from(entries.len())
            .ok()
            .and_then(|count| first_entry.checked_add(count))
            .filter(|&next| next <= MAX_ENTRIES)
            .ok_or(invalid)?;
        self.check_complete()?;
        self.unplanned.push_back((first_entry, entries.iter().map(Entry::size).collect()));
        events.push_back(ReceiveEvent::Page { first_entry, entries });
        Ok(())
    }

    // A complete manifest has the pages and the entries that its last word says.
    fn check_complete(&self) -> Result<(), SessionError> {
        let (pages, entries) = (self.pages_received, u64::from(self.next_entry));
        let wrong = match pages.cmp(&self.totals.pages) {
            Ordering::Less => entries > self.totals.entries,
            Ordering::Equal => entries != self.totals.entries,
            Ordering::Greater => true,
        };
        if self.totals.complete && wrong { Err(SessionError::new(Code::ManifestInvalid)) } else { Ok(()) }
    }

    fn handle_data(
        &mut self,
        mut body: Bytes,
        events: &mut VecDeque<ReceiveEvent>,
        outbox: &mut Outbox,
    ) -> Result<(), SessionError> {
        while !body.is_empty() {
            if self.expected.is_empty() {
                return Err(SessionError::new(Code::ChunkUnexpected));
            }
            if let Some(header) = self.reader.read_header(&mut body)? {
                self.check_expected(header)?;
                self.received += u64::from(header.len);
                if self.received > self.granted {
                    return Err(SessionError::new(Code::FrameInvalid));
                }
            }
            if let Some(record) = self.reader.read_body(&mut body) {
                let unexpected = SessionError::new(Code::ChunkUnexpected);
                let run = self.expected.front_mut().ok_or(unexpected)?;
                run.chunks.start += 1;
                let run_over = run.chunks.is_empty();
                let cipher = match &self.cipher {
                    Some((request, entry, cipher)) if (*request, *entry) == (run.request, run.entry) => {
                        cipher.clone()
                    }
                    _ => {
                        let made = Arc::new(FileCipher::new(&self.session, run.request, run.entry));
                        self.cipher.insert((run.request, run.entry, made)).2.clone()
                    }
                };
                events.push_back(ReceiveEvent::Chunk(SealedChunk {
                    header: record.header,
                    last_of_entry: run_over && run.last_of_entry,
                    cipher,
                    sealed: record.sealed,
                }));
                if run_over {
                    self.expected.pop_front();
                    self.grant_pages(outbox);
                    self.finish_check(events);
                }
            }
        }
        Ok(())
    }

    // Before a byte of it is kept: is this the next chunk that was asked for?
    fn check_expected(&self, header: RecordHeader) -> Result<(), SessionError> {
        let fits = self.expected.front().is_some_and(|run| {
            header.entry == run.entry
                && header.chunk == run.chunks.start
                && header.len == chunk_len(run.size, header.chunk)
        });
        if fits { Ok(()) } else { Err(SessionError::new(Code::ChunkUnexpected)) }
    }

    fn plan(&mut self, wants: &[Want], outbox: &mut Outbox) {
        let Some((first_entry, sizes)) = self.unplanned.pop_front() else {
            return;
        };
        let page = self.pages_planned;
        self.pages_planned += 1;
        let size_of = |entry: u32| sizes.get(entry.wrapping_sub(first_entry) as usize).copied().unwrap_or(0);
        let mut items: Vec<WantItem> = Vec::new();
        for want in wants {
            let size = size_of(want.entry);
            let chunks = chunk_count(size);
            let whole = want.ranges.len() == 1 && want.ranges[0] == (0..chunks);
            for (at, range) in want.ranges.iter().enumerate() {
                if items.len() == MAX_WANT_ITEMS {
                    self.ask(&mut items, outbox);
                }
                // A run may pass over entries without content, which the sender skips as well.
                let joined = match items.last_mut() {
                    Some(WantItem::Whole { first, count })
                        if whole && (*first + *count..want.entry).all(|between| size_of(between) == 0) =>
                    {
                        *count = want.entry - *first + 1;
                        true
                    }
                    _ => false,
                };
                if !joined {
                    items.push(if whole {
                        WantItem::Whole { first: want.entry, count: 1 }
                    } else {
                        WantItem::Part {
                            entry: want.entry,
                            first: range.start,
                            count: range.end - range.start,
                        }
                    });
                }
                self.expected.push_back(Expected {
                    page,
                    request: self.next_request,
                    entry: want.entry,
                    size,
                    chunks: range.clone(),
                    last_of_entry: at + 1 == want.ranges.len(),
                });
            }
        }
        self.ask(&mut items, outbox);
        self.grant_pages(outbox);
    }

    fn ask(&mut self, items: &mut Vec<WantItem>, outbox: &mut Outbox) {
        if !items.is_empty() {
            let message = ReceiverMessage::Want { request: self.next_request, items: std::mem::take(items) };
            self.next_request += 1;
            outbox.push_control(&mut self.channel, &message.encode());
        }
    }

    fn grant_pages(&mut self, outbox: &mut Outbox) {
        let finished = self.expected.front().map_or(self.pages_planned, |run| run.page);
        let granted = finished.saturating_add(PAGE_WINDOW);
        // News of half a window is worth a message.
        if granted >= self.pages_granted + PAGE_WINDOW / 2 {
            self.pages_granted = granted;
            outbox.push_control(&mut self.channel, &ReceiverMessage::Pages { up_to: granted }.encode());
        }
    }

    fn report(&mut self, outbox: &mut Outbox, now: Duration) {
        self.granted = self.written + CREDIT_WINDOW;
        self.reported = self.durable;
        self.reported_at = now;
        let message = ReceiverMessage::Progress {
            credit: self.granted,
            durable_bytes: self.durable.0,
            durable_entries: self.durable.1,
        };
        outbox.push_control(&mut self.channel, &message.encode());
    }

    fn finish_check(&mut self, events: &mut VecDeque<ReceiveEvent>) {
        let over =
            self.totals.complete && self.pages_planned == self.totals.pages && self.expected.is_empty();
        if over && !self.all_received {
            self.all_received = true;
            events.push_back(ReceiveEvent::AllReceived);
        }
    }
}
