//! What an open receiving session knows: the manifest as far as it came, and which chunks are to come next.

use super::{CREDIT_WINDOW, PAGE_WINDOW, ReceiveEvent, SealedChunk, Want};
use crate::control::{MAX_WANT_ITEMS, ReceiverMessage, SenderMessage, WantItem};
use crate::crypto::{FileCipher, Key};
use crate::error::Code;
use crate::frame::{RecordHeader, RecordReader};
use crate::handshake::ControlChannel;
use crate::manifest::{Entry, MAX_ENTRIES, Totals, decode_page};
use crate::session::{Outbox, SessionError};
use crate::{chunk_count, chunk_len};
use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Open {
    pub(super) channel: ControlChannel,
    pub(super) listing: bool,
    // Pages that came while the share was listed, and those behind them: their numbers' first entries, as they came.
    pub(super) kept: VecDeque<(u32, Bytes)>,
    paused: bool,
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
    pub(super) written: u64,
    pub(super) durable: (u64, u64),
    pub(super) granted: u64,
    pub(super) chosen: (u64, u64),
    reported: (u64, u64),
    chosen_told: (u64, u64),
    pub(super) reported_at: Duration,
    all_listed: bool,
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

impl Open {
    pub(super) fn new(channel: ControlChannel, session: Key, listing: bool, now: Duration) -> Self {
        Open {
            channel,
            listing,
            kept: VecDeque::new(),
            paused: false,
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
            chosen: (0, 0),
            reported: (0, 0),
            chosen_told: (0, 0),
            reported_at: now,
            all_listed: false,
            all_received: false,
        }
    }

    pub(super) fn open_control(&mut self, body: &[u8]) -> Result<SenderMessage, SessionError> {
        let plaintext = self.channel.open(body).map_err(|_| SessionError::new(Code::FrameForged))?;
        SenderMessage::decode(&plaintext).map_err(|_| SessionError::new(Code::FrameInvalid))
    }

    pub(super) fn handle_control(
        &mut self,
        message: SenderMessage,
        events: &mut VecDeque<ReceiveEvent>,
        outbox: &mut Outbox,
    ) -> Result<(), SessionError> {
        match message {
            SenderMessage::Page { index, first_entry, encoded } => {
                self.handle_page(index, first_entry, encoded, events)?;
                self.grant_pages(outbox);
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
                self.give_out(events);
                self.finish_check(events);
            }
            SenderMessage::Paused { paused } => {
                if std::mem::replace(&mut self.paused, paused) != paused {
                    events.push_back(ReceiveEvent::Paused { paused });
                }
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
        encoded: Bytes,
        events: &mut VecDeque<ReceiveEvent>,
    ) -> Result<(), SessionError> {
        let invalid = SessionError::new(Code::ManifestInvalid);
        if index != self.pages_received || index >= self.pages_granted || first_entry != self.next_entry {
            return Err(invalid);
        }
        let entries = decode_page(&encoded).map_err(|_| invalid)?;
        self.pages_received += 1;
        self.next_entry = u32::try_from(entries.len())
            .ok()
            .and_then(|count| first_entry.checked_add(count))
            .filter(|&next| next <= MAX_ENTRIES)
            .ok_or(invalid)?;
        self.check_complete()?;
        if self.listing {
            self.kept.push_back((first_entry, encoded));
            events.push_back(ReceiveEvent::Listed { entries });
            self.finish_check(events);
        } else if self.kept.is_empty() && index < self.pages_open_to() {
            self.unplanned.push_back((first_entry, entries.iter().map(Entry::size).collect()));
            events.push_back(ReceiveEvent::Page { first_entry, entries });
        } else {
            // Behind those that were listed, and allowed for the list's sake.
            self.kept.push_back((first_entry, encoded));
        }
        Ok(())
    }

    // Gives out pages that were kept, as many as may be open at once.
    pub(super) fn give_out(&mut self, events: &mut VecDeque<ReceiveEvent>) {
        while !self.listing && self.pages_planned + (self.unplanned.len() as u32) < self.pages_open_to() {
            let Some((first_entry, encoded)) = self.kept.pop_front() else {
                return;
            };
            // It was read before, or it would not have been kept.
            let entries = decode_page(&encoded).unwrap_or_default();
            self.unplanned.push_back((first_entry, entries.iter().map(Entry::size).collect()));
            events.push_back(ReceiveEvent::Page { first_entry, entries });
        }
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

    pub(super) fn handle_data(
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
                    self.give_out(events);
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

    pub(super) fn plan(&mut self, wants: &[Want], outbox: &mut Outbox) {
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

    // One past the last page that may be open, behind those whose content has all come.
    fn pages_open_to(&self) -> u32 {
        self.expected.front().map_or(self.pages_planned, |run| run.page).saturating_add(PAGE_WINDOW)
    }

    pub(super) fn grant_pages(&mut self, outbox: &mut Outbox) {
        // A page that is only listed has no content to wait for.
        let granted = match self.listing {
            true => self.pages_received.saturating_add(PAGE_WINDOW),
            false => self.pages_open_to(),
        };
        // News of half a window is worth a message.
        if granted >= self.pages_granted + PAGE_WINDOW / 2 {
            self.pages_granted = granted;
            outbox.push_control(&mut self.channel, &ReceiverMessage::Pages { up_to: granted }.encode());
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.durable != self.reported || self.chosen != self.chosen_told
    }

    pub(super) fn report(&mut self, outbox: &mut Outbox, now: Duration) {
        if self.chosen != self.chosen_told {
            self.chosen_told = self.chosen;
            let message = ReceiverMessage::Chosen { bytes: self.chosen.0, entries: self.chosen.1 };
            outbox.push_control(&mut self.channel, &message.encode());
        }
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

    pub(super) fn finish_check(&mut self, events: &mut VecDeque<ReceiveEvent>) {
        if !self.totals.complete {
            return;
        }
        if self.listing {
            if self.pages_received == self.totals.pages && !std::mem::replace(&mut self.all_listed, true) {
                events.push_back(ReceiveEvent::AllListed);
            }
            return;
        }
        let over = self.pages_planned == self.totals.pages && self.expected.is_empty();
        if over && !std::mem::replace(&mut self.all_received, true) {
            events.push_back(ReceiveEvent::AllReceived);
        }
    }
}
