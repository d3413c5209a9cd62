//! A receiver's disk and journal: what is written, what is durable, what the journal knows, and what a crash takes.

use crate::rng::Rng;
use crate::share::{CHUNK, Share};
use bytes::Bytes;
use sluice_protocol::chunk_count;
use sluice_protocol::manifest::{Entry, EntryKind};
use sluice_protocol::ranges::Ranges;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Written bytes that may wait for the journal.
pub const UNSYNCED: u64 = 8 * 1024 * 1024;

/// One chunk of the file at a path.
type Place = (String, u32);

/// Chunks on their way from the page cache to the journal; a crash loses them at either stage.
enum Work {
    Syncing(Duration, Vec<Place>),
    Journalling(Duration, Vec<Place>),
}

struct Saved {
    entry: Entry,
    chunks: BTreeMap<u32, Bytes>,
    journal: Ranges,
}

/// What one receiver has.
pub struct Disk {
    saved: BTreeMap<String, Saved>,
    written: Vec<Place>,
    work: Option<Work>,
    rng: Rng,
    /// Bytes that are in `chunks` but not in a journal.
    pub unsure: u64,
    durable_bytes: u64,
}

impl Disk {
    pub fn new(seed: u64) -> Self {
        Disk {
            saved: BTreeMap::new(),
            written: Vec::new(),
            work: None,
            rng: Rng::new(seed),
            unsure: 0,
            durable_bytes: 0,
        }
    }

    /// Chunks of `entry` that are to be asked for. What is there of another version is thrown away.
    pub fn missing(&mut self, entry: &Entry) -> Vec<Range<u32>> {
        let path = entry.path.as_str();
        if self.saved.get(path).is_some_and(|saved| saved.entry != *entry) {
            self.discard(path);
        }
        let fresh = || Saved { entry: entry.clone(), chunks: BTreeMap::new(), journal: Ranges::new() };
        let saved = self.saved.entry(path.to_owned()).or_insert_with(fresh);
        let mut have = Ranges::new();
        for &chunk in saved.chunks.keys() {
            have.insert(chunk..chunk + 1);
        }
        have.missing(chunk_count(entry.size()))
    }

    fn discard(&mut self, path: &str) {
        self.written.retain(|(at, _)| at != path);
        match &mut self.work {
            Some(Work::Syncing(_, places) | Work::Journalling(_, places)) => {
                places.retain(|(at, _)| at != path);
            }
            None => {}
        }
        if let Some(saved) = self.saved.remove(path) {
            for (chunk, bytes) in saved.chunks {
                match saved.journal.contains(chunk) {
                    true => self.durable_bytes -= bytes.len() as u64,
                    false => self.unsure -= bytes.len() as u64,
                }
            }
        }
    }

    pub fn write(&mut self, path: &str, chunk: u32, bytes: Bytes) {
        let saved = self.saved.get_mut(path).unwrap();
        self.unsure += bytes.len() as u64;
        let before = saved.chunks.insert(chunk, bytes);
        assert!(before.is_none(), "{path}:{chunk} came although it is here");
        self.written.push((path.to_owned(), chunk));
    }

    /// Moves chunks on towards the journal; true if some have reached it.
    pub fn work(&mut self, now: Duration) -> bool {
        match self.work.take() {
            None if self.written.is_empty() => false,
            None => {
                let places = std::mem::take(&mut self.written);
                self.work = Some(Work::Syncing(now + self.rng.millis(1..40), places));
                false
            }
            Some(Work::Syncing(at, places)) if at <= now => {
                self.work = Some(Work::Journalling(now + self.rng.millis(0..10), places));
                false
            }
            Some(Work::Journalling(at, places)) if at <= now => {
                for (path, chunk) in places {
                    let saved = self.saved.get_mut(&path).unwrap();
                    let len = saved.chunks[&chunk].len() as u64;
                    saved.journal.insert(chunk..chunk + 1);
                    self.unsure -= len;
                    self.durable_bytes += len;
                }
                true
            }
            busy => {
                self.work = busy;
                false
            }
        }
    }

    pub fn next_event(&self, now: Duration) -> Option<Duration> {
        match &self.work {
            Some(Work::Syncing(at, _) | Work::Journalling(at, _)) => Some(*at),
            None => (!self.written.is_empty()).then_some(now),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.work.is_none() && self.written.is_empty()
    }

    /// The machine stops: only what the journal knows is still there.
    pub fn crash(&mut self) {
        self.written.clear();
        self.work = None;
        self.unsure = 0;
        for saved in self.saved.values_mut() {
            let journal = &saved.journal;
            saved.chunks.retain(|chunk, _| journal.contains(*chunk));
        }
    }

    /// Bytes that no crash can take.
    pub fn durable_bytes(&self) -> u64 {
        self.durable_bytes
    }

    /// Bytes that are here, sure or not.
    pub fn bytes(&self) -> u64 {
        self.durable_bytes + self.unsure
    }

    fn is_whole(saved: &Saved) -> bool {
        saved.journal.len() == u64::from(chunk_count(saved.entry.size()))
    }

    /// Entries that are in their place, all of them durable.
    pub fn entries(&self) -> u64 {
        self.saved.values().filter(|saved| Self::is_whole(saved)).count() as u64
    }

    /// Fails unless everything here is a piece of `share`, byte for byte.
    pub fn check_prefix(&self, share: &Share) {
        for (path, saved) in &self.saved {
            let item = share.items.iter().find(|item| item.entry.path.as_str() == path).unwrap();
            for (&chunk, bytes) in &saved.chunks {
                let start = (u64::from(chunk) * CHUNK) as usize;
                let right = item.content.get(start..start + bytes.len());
                assert!(right == Some(&bytes[..]), "{path}:{chunk} is not what was shared");
            }
        }
    }

    /// Fails unless all of `share` that `chosen` picks is here, durable, and nothing else is.
    pub fn check_complete(&self, share: &Share, chosen: impl Fn(&Entry) -> bool) {
        self.check_prefix(share);
        let mut wanted = 0;
        for item in share.items.iter().filter(|item| chosen(&item.entry)) {
            let path = item.entry.path.as_str();
            let saved = self.saved.get(path);
            if item.fault.is_some() {
                let whole = saved.is_some_and(Self::is_whole);
                assert!(!whole, "{path} can't be read and is here");
                wanted += u64::from(saved.is_some());
                continue;
            }
            let whole = saved.is_some_and(|saved| Self::is_whole(saved) && saved.entry == item.entry);
            let readable = !matches!(item.entry.kind, EntryKind::Unreadable(_));
            assert!(whole || !readable, "{path} is not complete");
            wanted += u64::from(saved.is_some());
        }
        assert_eq!(self.saved.len() as u64, wanted, "something is here that was not chosen");
        assert_eq!(self.unsure, 0);
    }
}
