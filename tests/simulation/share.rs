//! What is shared: a tree in memory, its pages, how it grows while it is walked, and what goes wrong in it.

use crate::rng::Rng;
use bytes::Bytes;
use sluice_protocol::CHUNK_SIZE;
use sluice_protocol::control::EntryFailure;
use sluice_protocol::crypto::{Key, psk};
use sluice_protocol::handshake::{Context, SenderKeys};
use sluice_protocol::id::{LinkSecret, OwnerKey, ShareId};
use sluice_protocol::manifest::{Entry, EntryKind, MAX_PAGE_ENTRIES, Mtime, PageBuilder, Totals, Unreadable};
use sluice_protocol::path::RelPath;
use sluice_protocol::send::Piece;
use std::time::Duration;

pub const CHUNK: u64 = CHUNK_SIZE as u64;

/// One entry with what is behind it.
#[derive(Clone)]
pub struct Item {
    pub entry: Entry,
    pub content: Bytes,
    /// From this chunk on, reading fails.
    pub fault: Option<(u32, EntryFailure)>,
}

/// A share, its secrets, and its manifest in pages.
pub struct Share {
    pub id: ShareId,
    pub keys: SenderKeys,
    pub psk: Key,
    pub items: Vec<Item>,
    pages: Vec<(u32, Bytes)>,
    /// Entries of a page at most, so that small shares have many pages too.
    page_len: usize,
    /// When the walk has reached how many pages; at the last one it is over.
    growth: Vec<(Duration, u32)>,
}

impl Share {
    /// An empty share, complete from the start.
    pub fn new(rng: &mut Rng) -> Self {
        let id = OwnerKey(rng.array()).share_id();
        let mut share = Share {
            id,
            keys: SenderKeys::from_private(rng.array()),
            psk: psk(&LinkSecret(rng.array()), id, None),
            items: Vec::new(),
            pages: Vec::new(),
            page_len: MAX_PAGE_ENTRIES,
            growth: Vec::new(),
        };
        share.paginate();
        share
    }

    /// A few files of the given sizes.
    pub fn of_files(rng: &mut Rng, sizes: &[u64]) -> Self {
        let mut share = Share::new(rng);
        for (at, &size) in sizes.iter().enumerate() {
            share.add_file(rng, &format!("files/{at}"), size);
        }
        share.paginate();
        share
    }

    /// One of everything, in random order, over several pages, which may appear one after the other.
    pub fn random(rng: &mut Rng) -> Self {
        let mut share = Share::new(rng);
        share.add("top", EntryKind::Directory, rng);
        let special = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17];
        for at in 0..rng.within(0..24) {
            let folder = rng.pick(&["top", "top/深い", "top/a/b/c"]);
            let path = format!("{folder}/{at:03}");
            match rng.within(0..12) {
                0 => share.add(&path, EntryKind::Directory, rng),
                1 => share.add(&path, EntryKind::Symlink { target: "../x".into() }, rng),
                2 => share.add(&path, EntryKind::Unreadable(Unreadable::Denied), rng),
                3..6 => {
                    let size = rng.pick(&special);
                    share.add_file(rng, &path, size);
                }
                _ => {
                    let size = rng.within(0..2000);
                    share.add_file(rng, &path, size);
                }
            }
        }
        if rng.chance(20) {
            for at in 0..rng.within(100..700) {
                let size = rng.within(0..300);
                share.add_file(rng, &format!("top/tiny/{at:04}"), size);
            }
        }
        share.page_len = rng.pick(&[1, 3, 20, MAX_PAGE_ENTRIES]).max(share.items.len() / 60);
        share.paginate();
        if rng.chance(50) {
            share.grow(rng);
        }
        share
    }

    fn add(&mut self, path: &str, kind: EntryKind, rng: &mut Rng) {
        let path = RelPath::parse(path).unwrap();
        let mtime = Mtime { seconds: rng.within(0..2_000_000_000) as i64, nanos: 5 };
        self.items.push(Item { entry: Entry { path, kind, mtime }, content: Bytes::new(), fault: None });
    }

    fn add_file(&mut self, rng: &mut Rng, path: &str, size: u64) {
        self.add(path, EntryKind::File { size, executable: size % 2 == 1 }, rng);
        self.items.last_mut().unwrap().content = rng.bytes(size as usize).into();
    }

    /// Gives some file other content, as an edit between two sessions would.
    pub fn change_one(&mut self, rng: &mut Rng) {
        let files: Vec<usize> =
            (0..self.items.len()).filter(|&at| !self.items[at].content.is_empty()).collect();
        if files.is_empty() {
            return;
        }
        let item = &mut self.items[rng.pick(&files)];
        let size = item.content.len() as u64 + rng.within(0..2);
        item.content = rng.bytes(size as usize).into();
        item.entry.kind = EntryKind::File { size, executable: false };
        item.entry.mtime.seconds += 1;
        self.paginate();
    }

    /// Spreads entries over pages; call it when they have changed.
    pub fn paginate(&mut self) {
        self.pages.clear();
        let mut builder = PageBuilder::new();
        let mut first = 0;
        for (at, item) in self.items.iter().enumerate() {
            if builder.len() == self.page_len || !builder.push(&item.entry) {
                self.pages.push((first, builder.take().into()));
                first = at as u32;
                assert!(builder.push(&item.entry));
            }
        }
        if !builder.is_empty() {
            self.pages.push((first, builder.take().into()));
        }
        self.growth = vec![(Duration::ZERO, self.pages.len() as u32)];
    }

    /// Lets the pages appear one by one; the last word, that there are no more, comes later still.
    pub fn grow(&mut self, rng: &mut Rng) {
        let mut at = Duration::ZERO;
        self.growth.clear();
        for pages in 0..=self.pages.len() as u32 {
            self.growth.push((at, pages));
            at += rng.millis(0..400);
        }
        self.growth.push((at, self.pages.len() as u32));
    }

    /// Lets the walk go on without finding anything, and end at `at`.
    pub fn finish_walk_at(&mut self, at: Duration) {
        let pages = self.pages.len() as u32;
        self.growth = vec![(Duration::ZERO, pages), (at, pages)];
    }

    pub fn context(&self, binding: [u8; 32]) -> Context {
        Context { share: self.id, psk: self.psk.clone(), binding }
    }

    /// What is known at this moment.
    pub fn totals(&self, now: Duration) -> Totals {
        let reached = self.growth.iter().rposition(|(at, _)| *at <= now);
        let pages = reached.map_or(0, |at| self.growth[at].1);
        let entries = self.pages.get(pages as usize).map_or(self.items.len(), |(first, _)| *first as usize);
        let seen = &self.items[..entries];
        let unreadable = |item: &&Item| matches!(item.entry.kind, EntryKind::Unreadable(_));
        Totals {
            pages,
            entries: entries as u64,
            bytes: seen.iter().map(|item| item.entry.size()).sum(),
            unreadable: seen.iter().filter(unreadable).count() as u64,
            complete: reached == Some(self.growth.len() - 1),
        }
    }

    /// When the next page appears.
    pub fn next_growth(&self, now: Duration) -> Option<Duration> {
        self.growth.iter().map(|(at, _)| *at).find(|at| *at > now)
    }

    pub fn page(&self, index: u32) -> (u32, Bytes) {
        self.pages[index as usize].clone()
    }

    pub fn size_of(&self, entry: u32) -> Option<u64> {
        self.items.get(entry as usize).map(|item| item.entry.size())
    }

    /// Reads one chunk, as a disk would.
    pub fn read(&self, piece: Piece, out: &mut [u8]) -> Result<(), EntryFailure> {
        let item = &self.items[piece.entry as usize];
        if let Some((chunk, failure)) = item.fault
            && piece.chunk >= chunk
        {
            return Err(failure);
        }
        let start = piece.chunk as usize * CHUNK_SIZE as usize;
        out.copy_from_slice(&item.content[start..start + out.len()]);
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.content.len() as u64).sum()
    }
}
