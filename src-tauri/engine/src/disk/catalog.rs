//! The sender's catalog: the walked tree as manifest pages, spooled to an unlinked file.

use super::error::DiskError;
use super::file::{read_full_at, write_all_at};
use super::walk;
use bytes::Bytes;
use sluice_protocol::manifest::{Entry, EntryKind, PageBuilder, Totals, decode_page};
use sluice_protocol::name::{Platform, numbered};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::watch;

// Decoded pages that are kept; at 512 entries a page, a few MiB.
const KEPT_PAGES: usize = 24;

/// One encoded page of the manifest.
#[derive(Debug, Clone)]
pub struct CatalogPage {
    /// The number of the page's first entry in the manifest.
    pub first_entry: u32,
    /// The page, as [`PageBuilder`] made it.
    pub encoded: Bytes,
}

/// What a sender shares. Cheap to clone; the walk stops when the last clone is dropped.
///
/// Memory is an index of 16 bytes a page and a few decoded pages, whatever the number of entries.
#[derive(Debug, Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    spool: File,
    roots: Vec<(String, PathBuf)>,
    index: RwLock<Vec<PageAt>>,
    kept: Mutex<VecDeque<(u32, Arc<Vec<Entry>>)>>,
    failure: Mutex<Option<DiskError>>,
    totals: watch::Receiver<Totals>,
}

#[derive(Debug, Clone, Copy)]
struct PageAt {
    offset: u64,
    first_entry: u32,
    len: u32,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalog {
    /// Starts to walk `roots` on a thread of its own, and returns at once.
    ///
    /// A root that is a folder `photos` has the entries `photos` and `photos/…`; a root that is a file is one entry.
    /// Roots of the same name are numbered. A root that is a symlink is followed; no other symlink is.
    ///
    /// # Errors
    /// [`DiskError::SourceMissing`] for a root that does not exist, [`DiskError::Failed`] where no temporary file
    /// or thread can be made.
    pub fn walk(roots: &[PathBuf]) -> Result<Catalog, DiskError> {
        let mut named: Vec<(String, PathBuf)> = Vec::with_capacity(roots.len());
        for root in roots {
            let missing = |_| DiskError::SourceMissing { path: root.clone() };
            std::fs::metadata(root).map_err(missing)?;
            let plain = root_name(root).map_err(missing)?;
            let mut name = plain.clone();
            let mut number = 2;
            while named.iter().any(|(taken, _)| *taken == name) {
                name = numbered(&plain, number, Platform::Unix);
                number += 1;
            }
            let real = std::path::absolute(root).map_err(missing)?;
            named.push((name, real));
        }
        let spool_dir = std::env::temp_dir();
        let spool = tempfile::tempfile().map_err(|error| DiskError::failed(&spool_dir, error))?;
        let (sender, totals) = watch::channel(Totals::default());
        let shared = Arc::new(Shared {
            spool,
            roots: named,
            index: RwLock::default(),
            kept: Mutex::default(),
            failure: Mutex::default(),
            totals,
        });
        let pages = Pages {
            shared: Arc::downgrade(&shared),
            sender,
            builder: PageBuilder::new(),
            pending: Totals::default(),
            offset: 0,
        };
        let roots = shared.roots.clone();
        std::thread::Builder::new()
            .name("walk".to_owned())
            .spawn(move || walk::run(&roots, pages))
            .map_err(|error| DiskError::failed(&spool_dir, error))?;
        Ok(Catalog { shared })
    }

    /// What was found so far.
    pub fn totals(&self) -> Totals {
        *self.shared.totals.borrow()
    }

    /// Follows [`Catalog::totals`]; it closes when the walk is over, whether or not it completed.
    pub fn watch(&self) -> watch::Receiver<Totals> {
        self.shared.totals.clone()
    }

    /// Why the walk ended without completing, if it did.
    pub fn failure(&self) -> Option<DiskError> {
        lock(&self.shared.failure).clone()
    }

    /// The page with this number, below [`Totals::pages`].
    ///
    /// # Errors
    /// [`DiskError::Unplanned`] for a page that is not there, [`DiskError::Failed`] if the spool can't be read.
    pub fn page(&self, index: u32) -> Result<CatalogPage, DiskError> {
        let pages = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(index).ok().and_then(|index| pages.get(index).copied());
        drop(pages);
        let at = at.ok_or(DiskError::Unplanned("the manifest has no such page"))?;
        let mut encoded = vec![0; at.len as usize];
        let read = read_full_at(&self.shared.spool, &mut encoded, at.offset);
        match read {
            Ok(read) if read == encoded.len() => {
                Ok(CatalogPage { first_entry: at.first_entry, encoded: encoded.into() })
            }
            Ok(_) => Err(spool_failed(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(spool_failed(error)),
        }
    }

    /// The content's size of an entry, in bytes: 0 for what is not a file, `None` for what is not listed yet.
    pub fn size_of(&self, entry: u32) -> Option<u64> {
        self.with(entry, Entry::size)
    }

    /// The entry with this number, or `None` for what is not listed yet.
    pub fn entry(&self, entry: u32) -> Option<Entry> {
        self.with(entry, Clone::clone)
    }

    /// Where the content of an entry is on this disk.
    pub(super) fn real_path(&self, entry: &Entry) -> PathBuf {
        let (root, rest) = match entry.path.as_str().split_once('/') {
            Some((root, rest)) => (root, Some(rest)),
            None => (entry.path.as_str(), None),
        };
        let mut path = self
            .shared
            .roots
            .iter()
            .find(|(name, _)| name == root)
            .map(|(_, path)| path.clone())
            .unwrap_or_default();
        if let Some(rest) = rest {
            path.push(rest);
        }
        path
    }

    /// Whether this entry is a root, which may be a symlink that the person named.
    pub(super) fn is_root(entry: &Entry) -> bool {
        !entry.path.as_str().contains('/')
    }

    fn with<T>(&self, entry: u32, take: impl FnOnce(&Entry) -> T) -> Option<T> {
        let pages = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        let page = pages.partition_point(|page| page.first_entry <= entry).checked_sub(1)?;
        let within = (entry - pages[page].first_entry) as usize;
        drop(pages);
        let entries = self.decoded(u32::try_from(page).ok()?)?;
        entries.get(within).map(take)
    }

    fn decoded(&self, page: u32) -> Option<Arc<Vec<Entry>>> {
        {
            let mut kept = lock(&self.shared.kept);
            if let Some(at) = kept.iter().position(|(number, _)| *number == page) {
                let found = kept.remove(at)?;
                let entries = found.1.clone();
                kept.push_front(found);
                return Some(entries);
            }
        }
        let encoded = self.page(page).ok()?.encoded;
        let entries = Arc::new(decode_page(&encoded).ok()?);
        let mut kept = lock(&self.shared.kept);
        kept.push_front((page, entries.clone()));
        kept.truncate(KEPT_PAGES);
        Some(entries)
    }
}

fn spool_failed(error: io::Error) -> DiskError {
    DiskError::failed(&std::env::temp_dir(), error)
}

// The name that a root has in the share.
fn root_name(root: &Path) -> io::Result<String> {
    let name = match root.file_name() {
        Some(name) => name.to_owned(),
        // `.`, `..` and `/` have a name only where they lead to.
        None => match std::fs::canonicalize(root)?.file_name() {
            Some(name) => name.to_owned(),
            None => return Ok("files".to_owned()),
        },
    };
    Ok(name.to_string_lossy().into_owned())
}

/// Where the walk puts what it finds.
pub(super) struct Pages {
    shared: std::sync::Weak<Shared>,
    sender: watch::Sender<Totals>,
    builder: PageBuilder,
    // Includes the entries of the page that is being built.
    pending: Totals,
    offset: u64,
}

impl Pages {
    /// Whether anybody still wants the catalog.
    pub(super) fn wanted(&self) -> bool {
        self.shared.strong_count() > 0
    }

    /// How many entries were added.
    pub(super) fn entries(&self) -> u64 {
        self.pending.entries
    }

    /// Adds an entry; false if the walk is to end.
    pub(super) fn push(&mut self, entry: &Entry) -> bool {
        if !self.builder.push(entry) {
            if !self.flush() {
                return false;
            }
            // An entry with the longest path and target is shorter than a page.
            if !self.builder.push(entry) {
                return true;
            }
        }
        self.pending.entries += 1;
        self.pending.bytes = self.pending.bytes.saturating_add(entry.size());
        if matches!(entry.kind, EntryKind::Unreadable(_)) {
            self.pending.unreadable += 1;
        }
        true
    }

    /// Publishes the page that is being built; false if the walk is to end.
    pub(super) fn flush(&mut self) -> bool {
        let Some(shared) = self.shared.upgrade() else {
            return false;
        };
        if self.builder.is_empty() {
            return true;
        }
        let count = self.builder.len() as u64;
        let page = self.builder.take();
        if let Err(error) = write_all_at(&shared.spool, &page, self.offset) {
            *lock(&shared.failure) = Some(DiskError::writing(&std::env::temp_dir(), error));
            return false;
        }
        // Entries are limited to u32 by the walk, and pages to MAX_PAGE_LEN.
        let at = PageAt {
            offset: self.offset,
            first_entry: (self.pending.entries - count) as u32,
            len: page.len() as u32,
        };
        self.offset += page.len() as u64;
        shared.index.write().unwrap_or_else(PoisonError::into_inner).push(at);
        self.pending.pages += 1;
        self.sender.send_replace(self.pending);
        true
    }

    /// Says that nothing will follow.
    pub(super) fn complete(mut self) {
        if self.flush() {
            self.pending.complete = true;
            self.sender.send_replace(self.pending);
        }
    }
}
