//! The driver of a receiving session: plans pages from the journal, opens chunks, writes them at a disk's speed.

use crate::disk::Disk;
use crate::network::Pipe;
use crate::rng::Rng;
use crate::share::Share;
use crate::world::{End, check_timer};
use bytes::Bytes;
use sluice_protocol::control::EntryFailure;
use sluice_protocol::error::Code;
use sluice_protocol::manifest::{Entry, Totals};
use sluice_protocol::receive::{
    CREDIT_WINDOW, PAGE_WINDOW, ReceiveConfig, ReceiveEvent, ReceiveSession, Want,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Which entries a receiver picks.
pub type Chosen = fn(&Entry) -> bool;

pub struct Receiver {
    session: ReceiveSession,
    chosen: Chosen,
    planning: VecDeque<(Duration, u32, Vec<Entry>)>,
    entries: BTreeMap<u32, Entry>,
    writing: VecDeque<(Duration, u32, u32, Bytes)>,
    /// Bytes a second.
    disk_rate: u64,
    rng: Rng,
    all_received: bool,
    finishing: bool,
    pub end: End,
    pub opened: bool,
    pub totals: Option<Totals>,
    pub received: u64,
    pub written: u64,
    pub failed: Vec<(u32, EntryFailure)>,
    /// Until when it only lists.
    lists_until: Option<Duration>,
    /// What it saw before it chose.
    pub listed: Vec<Entry>,
    pub all_listed: bool,
    /// What it heard of pauses.
    pub pauses: Vec<bool>,
    chosen_so_far: (u64, u64),
    /// Counts what was worth waiting for, so that a session that only says it is alive is noticed.
    pub moves: u64,
}

impl Receiver {
    /// `lists_for` is how long it only lists, if it does so first.
    pub fn new(
        share: &Share,
        binding: [u8; 32],
        chosen: Chosen,
        lists_for: Option<Duration>,
        rng: &mut Rng,
        now: Duration,
    ) -> Self {
        let config = ReceiveConfig {
            context: share.context(binding),
            sender: share.keys.hash(),
            name: "Ana".into(),
            seed: rng.array(),
            list_first: lists_for.is_some(),
        };
        let lists_until = lists_for.map(|time| now + time);
        Receiver { lists_until, ..Self::with_config(&config, chosen, rng, now) }
    }

    pub fn with_config(config: &ReceiveConfig, chosen: Chosen, rng: &mut Rng, now: Duration) -> Self {
        Receiver {
            session: ReceiveSession::new(config, now),
            chosen,
            planning: VecDeque::new(),
            entries: BTreeMap::new(),
            writing: VecDeque::new(),
            disk_rate: rng.within(1_000_000..200_000_000),
            rng: rng.clone(),
            all_received: false,
            finishing: false,
            end: End::Open,
            opened: false,
            totals: None,
            received: 0,
            written: 0,
            failed: Vec::new(),
            lists_until: None,
            listed: Vec::new(),
            all_listed: false,
            pauses: Vec::new(),
            chosen_so_far: (0, 0),
            moves: 0,
        }
    }

    pub fn handle_message(&mut self, frame: &Bytes, now: Duration) {
        let ended = self.end.is_failed();
        if let Err(error) = self.session.handle_message(frame, now) {
            self.end.fail(error.code);
        }
        while let Some(event) = self.session.poll_event() {
            assert!(!ended, "after its end the session says {event:?}");
            self.handle_event(event, now);
        }
    }

    fn handle_event(&mut self, event: ReceiveEvent, now: Duration) {
        if !matches!(event, ReceiveEvent::Totals(_)) {
            self.moves += 1;
        }
        match event {
            ReceiveEvent::Opened { name } => {
                assert_eq!(name, "photos");
                self.opened = true;
            }
            ReceiveEvent::Totals(totals) => self.totals = Some(totals),
            ReceiveEvent::Listed { entries } => {
                assert!(self.lists_until.is_some() && !self.all_listed);
                self.listed.extend(entries);
            }
            ReceiveEvent::AllListed => self.all_listed = true,
            ReceiveEvent::Paused { paused } => self.pauses.push(paused),
            ReceiveEvent::Page { first_entry, entries } => {
                assert!(self.lists_until.is_none(), "a page is to be planned before the choice");
                assert!(self.planning.len() < PAGE_WINDOW as usize, "more pages are open than may be");
                self.planning.push_back((now + self.rng.millis(0..5), first_entry, entries));
            }
            ReceiveEvent::Chunk(chunk) => {
                let header = chunk.header;
                let Ok(plaintext) = chunk.open() else {
                    self.close(Code::ChunkForged);
                    return;
                };
                // What came behind a forged chunk is not looked at any more.
                if self.end.is_failed() {
                    return;
                }
                self.received += u64::from(header.len);
                assert!(
                    self.received <= self.written + CREDIT_WINDOW,
                    "more is outstanding than was allowed"
                );
                let before = self.writing.back().map_or(now, |(at, ..)| *at);
                let at =
                    before + Duration::from_micros(u64::from(header.len) * 1_000_000 / self.disk_rate + 1);
                self.writing.push_back((at, header.entry, header.chunk, plaintext.freeze()));
            }
            ReceiveEvent::EntryFailed { entry, failure } => self.failed.push((entry, failure)),
            ReceiveEvent::AllReceived => {
                assert!(!self.all_received && self.planning.is_empty());
                self.all_received = true;
            }
            ReceiveEvent::Done => self.end = End::Done,
        }
    }

    /// Ends the session from this side.
    pub fn close(&mut self, code: Code) {
        self.session.close(code);
        self.end.fail(code);
    }

    /// Does all that can be done now. Writes go on when the session is over: what was opened is right.
    pub fn pump(&mut self, disk: &mut Disk, pipe: &mut Pipe, now: Duration) {
        if self.lists_until.take_if(|at| *at <= now).is_some() {
            self.session.handle_choice();
            self.take_events(now);
        }
        while let Some((_, first, entries)) = self.planning.pop_front_if(|(at, ..)| *at <= now) {
            self.plan(first, entries, disk, now);
        }
        while let Some((_, entry, chunk, bytes)) = self.writing.pop_front_if(|(at, ..)| *at <= now) {
            self.written += bytes.len() as u64;
            let len = bytes.len() as u64;
            disk.write(self.entries[&entry].path.as_str(), chunk, bytes);
            self.session.handle_progress(len, disk.durable_bytes(), disk.entries(), now);
            self.moves += 1;
        }
        if disk.work(now) {
            self.session.handle_progress(0, disk.durable_bytes(), disk.entries(), now);
            self.moves += 1;
        }
        if self.all_received && !self.finishing && self.writing.is_empty() && disk.is_idle() {
            self.finishing = true;
            self.session.handle_all_durable(disk.durable_bytes(), disk.entries());
        }
        while pipe.has_room(now)
            && let Some(frame) = self.session.poll_message(now)
        {
            pipe.send(frame, now);
        }
    }

    fn plan(&mut self, first: u32, entries: Vec<Entry>, disk: &mut Disk, now: Duration) {
        let mut wants = Vec::new();
        for (entry, number) in entries.into_iter().zip(first..) {
            if !(self.chosen)(&entry) {
                continue;
            }
            let ranges = disk.missing(&entry);
            self.chosen_so_far.0 += entry.size();
            self.chosen_so_far.1 += 1;
            self.entries.insert(number, entry);
            if !ranges.is_empty() {
                wants.push(Want { entry: number, ranges });
            }
        }
        self.session.handle_plan(&wants);
        self.session.handle_chosen(self.chosen_so_far.0, self.chosen_so_far.1);
        self.take_events(now);
    }

    fn take_events(&mut self, now: Duration) {
        while let Some(event) = self.session.poll_event() {
            self.handle_event(event, now);
        }
    }

    /// Writes what is still in memory; a connection that is cut does not take it.
    pub fn flush(&mut self, disk: &mut Disk) {
        for (_, entry, chunk, bytes) in self.writing.drain(..) {
            disk.write(self.entries[&entry].path.as_str(), chunk, bytes);
        }
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            if let Err(error) = self.session.handle_timeout(now) {
                self.end.fail(error.code);
            }
            check_timer(self.session.poll_timeout(), now);
        }
    }

    pub fn next_event(&self) -> Option<Duration> {
        let plan = self.planning.front().map(|(at, ..)| *at);
        let write = self.writing.front().map(|(at, ..)| *at);
        let choice = self.lists_until.filter(|_| self.end == End::Open);
        plan.into_iter().chain(write).chain(choice).chain(self.session.poll_timeout()).min()
    }
}
