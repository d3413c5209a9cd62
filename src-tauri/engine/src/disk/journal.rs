//! The journal of one destination: opening and locking it, finding what it knows, appending to it.

use super::error::DiskError;
use super::file::read_full_at;
use super::record::{HEADER_LEN, Item, Key, PREFIX_LEN, Record, header, scan, split_prefix};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use sluice_protocol::id::ShareId;
use sluice_protocol::manifest::Mtime;
use sluice_protocol::ranges::Ranges;
use sluice_protocol::{CHUNK_SIZE, chunk_len};
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// What the journal knows of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// A partial, and which of its chunks are durable.
    Open(Item, Ranges),
    /// A file that is whole, under its name or still under its partial's.
    Whole(Item),
    /// A directory and the name that it was made with.
    Directory { name: String, mtime: Mtime },
}

/// What earlier runs left, for looking up; 16 bytes a finished entry.
#[derive(Debug)]
pub(super) struct Journal {
    file: Arc<File>,
    // The short key and the position of each record that says what became of a path, sorted.
    index: Vec<(u64, u64)>,
    open: HashMap<Key, (u64, Ranges)>,
    bytes: u64,
    entries: u64,
}

/// The growing end of a journal.
#[derive(Debug)]
pub(super) struct Tail {
    file: Arc<File>,
    len: u64,
}

/// A journal that is open and locked.
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) tail: Tail,
    pub(super) set_aside: Option<String>,
}

/// The name of the journal of a share.
pub(super) fn journal_name(share: ShareId) -> String {
    format!(".sluice-{share}.journal")
}

/// Opens, locks and reads the journal in `root`, or makes it.
pub(super) fn open(
    root: &Dir,
    root_path: &Path,
    share: ShareId,
    sender: &[u8; 16],
) -> Result<Opened, DiskError> {
    let name = journal_name(share);
    let path = root_path.join(&name);
    let mut set_aside = None;
    loop {
        let file = open_file(root, &name).map_err(|error| DiskError::writing(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DiskError::Busy { path: root_path.to_owned() });
            }
            // Some network file systems have no locks; one receiver at a time is then up to the person.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(DiskError::failed(&path, error)),
        }
        // Its last owner may have removed it between our opening and our locking.
        if !is_named(root, &name, &file).map_err(|error| DiskError::failed(&path, error))? {
            continue;
        }
        match read(file, share, sender).map_err(|error| DiskError::writing(&path, error))? {
            Some((journal, tail)) => {
                return Ok(Opened { journal, tail, set_aside });
            }
            None => {
                let aside = free_name(root, &name).map_err(|error| DiskError::failed(&path, error))?;
                root.rename(&name, root, &aside).map_err(|error| DiskError::writing(&path, error))?;
                set_aside = Some(aside);
            }
        }
    }
}

fn open_file(root: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).follow(FollowSymlinks::No);
    Ok(root.open_with(name, &options)?.into_std())
}

#[cfg(unix)]
fn is_named(root: &Dir, name: &str, file: &File) -> io::Result<bool> {
    use cap_fs_ext::MetadataExt;
    let named = match root.symlink_metadata(name) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let open = cap_std::fs::Metadata::from_file(file)?;
    Ok(named.ino() == open.ino() && named.dev() == open.dev())
}

#[cfg(not(unix))]
fn is_named(root: &Dir, name: &str, _file: &File) -> io::Result<bool> {
    root.try_exists(name)
}

fn free_name(root: &Dir, name: &str) -> io::Result<String> {
    let mut number = 1;
    loop {
        let aside = format!("{name}.old{number}");
        match root.symlink_metadata(&aside) {
            Ok(_) => number += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(aside),
            Err(error) => return Err(error),
        }
    }
}

// `None` for a journal of another share, sender or version.
fn read(mut file: File, share: ShareId, sender: &[u8; 16]) -> io::Result<Option<(Journal, Tail)>> {
    let wanted = header(share, sender);
    let mut found = [0; HEADER_LEN];
    let read = read_full_at(&file, &mut found, 0)?;
    if read < HEADER_LEN {
        // New, or torn before anything was in it.
        if !wanted.starts_with(&found[..read]) {
            return Ok(None);
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&wanted)?;
        file.sync_all()?;
    } else if found[..] != wanted[..] {
        return Ok(None);
    }
    let mut journal =
        Journal { file: Arc::new(file), index: Vec::new(), open: HashMap::new(), bytes: 0, entries: 0 };
    let len = journal.load()?;
    let file = journal.file.clone();
    if file.metadata()?.len() > len {
        tracing::info!(len, "the journal's end was torn and is cut");
        file.set_len(len)?;
        file.sync_all()?;
    }
    Ok(Some((journal, Tail { file, len })))
}

impl Journal {
    /// Reads all records again; returns where the last whole one ends.
    pub(super) fn load(&mut self) -> io::Result<u64> {
        self.index.clear();
        self.open.clear();
        self.bytes = 0;
        self.entries = 0;
        let file = self.file.clone();
        let mut input = &*file;
        input.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        let records = scan(BufReader::with_capacity(256 * 1024, input), |at, record| {
            self.take(HEADER_LEN as u64 + at, record);
            Ok(())
        })?;
        self.index.sort_unstable();
        self.index.shrink_to_fit();
        Ok(HEADER_LEN as u64 + records)
    }

    fn take(&mut self, at: u64, record: Record) {
        let key = record.key();
        match record {
            Record::Open(_) => {
                self.open.insert(key, (at, Ranges::new()));
            }
            Record::Have { chunks, .. } => {
                if let Some((_, have)) = self.open.get_mut(&key) {
                    self.bytes += u64::from(chunks.end - chunks.start) * u64::from(CHUNK_SIZE);
                    have.insert(chunks);
                }
            }
            Record::Commit { item, again } => {
                let partly = self.open.remove(&key).map_or(0, |(_, have)| have.len());
                if !again {
                    self.entries += 1;
                    let counted = partly.saturating_mul(u64::from(CHUNK_SIZE));
                    self.bytes = (self.bytes + item.size).saturating_sub(counted);
                }
                self.index.push((key.short(), at));
            }
            Record::Drop(_) => {
                self.open.remove(&key);
                self.index.push((key.short(), at));
            }
            Record::Directory { .. } => self.index.push((key.short(), at)),
        }
    }

    /// What earlier runs completed, in bytes and entries; an estimate, as what it names may be gone.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.bytes, self.entries)
    }

    /// What is known of `path`.
    pub(super) fn lookup(&self, path: &str, key: Key) -> io::Result<Option<Known>> {
        if let Some((at, have)) = self.open.get(&key) {
            return Ok(match self.record_at(*at)? {
                Some(Record::Open(item)) if item.path == path => Some(Known::Open(item, have.clone())),
                _ => None,
            });
        }
        let short = key.short();
        let end = self.index.partition_point(|(hash, _)| *hash <= short);
        for (hash, at) in self.index[..end].iter().rev() {
            if *hash != short {
                break;
            }
            // The latest that is really about this path counts.
            match self.record_at(*at)? {
                Some(Record::Commit { item, .. }) if item.path == path => {
                    return Ok(Some(Known::Whole(item)));
                }
                Some(Record::Directory { path: found, name, mtime }) if found == path => {
                    return Ok(Some(Known::Directory { name, mtime }));
                }
                Some(Record::Drop(found)) if found == key => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Forgets a partial that is open.
    pub(super) fn forget(&mut self, key: Key) {
        self.open.remove(&key);
    }

    /// Takes the items of the partials that nobody asked for.
    pub(super) fn left_open(&mut self) -> io::Result<Vec<Item>> {
        let open = std::mem::take(&mut self.open);
        let mut items = Vec::with_capacity(open.len());
        for (at, _) in open.into_values() {
            if let Some(Record::Open(item)) = self.record_at(at)? {
                items.push(item);
            }
        }
        Ok(items)
    }

    /// Reads all directories in the order that they were made.
    pub(super) fn directories(&self, mut each: impl FnMut(&str, Mtime)) -> io::Result<()> {
        let mut input = &*self.file;
        input.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        scan(BufReader::with_capacity(256 * 1024, input), |_, record| {
            if let Record::Directory { path, mtime, .. } = record {
                each(&path, mtime);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn record_at(&self, at: u64) -> io::Result<Option<Record>> {
        // Nearly all records fit the first read.
        let mut first = [0; 512];
        let read = read_full_at(&self.file, &mut first, at)?;
        let Some(prefix) = first[..read].first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let Some((len, crc)) = split_prefix(prefix) else {
            return Ok(None);
        };
        let mut long;
        let body = match first[..read].get(PREFIX_LEN..PREFIX_LEN + len) {
            Some(body) => body,
            None => {
                long = vec![0; len];
                let read = read_full_at(&self.file, &mut long, at + PREFIX_LEN as u64)?;
                &long[..read]
            }
        };
        if crc32fast::hash(body) != crc {
            return Ok(None);
        }
        Ok(Record::parse(body).ok())
    }
}

/// The chunk ranges `have` of a file of `size` bytes, in bytes.
pub(super) fn bytes_of(have: &Ranges, size: u64) -> u64 {
    have.iter()
        .filter_map(|run| {
            let last = run.end.checked_sub(1)?;
            Some(u64::from(last - run.start) * u64::from(CHUNK_SIZE) + u64::from(chunk_len(size, last)))
        })
        .sum()
}

impl Tail {
    /// Appends whole records and makes them durable.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let written =
            super::file::write_all_at(&self.file, records, self.len).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.len += records.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What was written of it is cut now or, as it is torn or untold, when the journal is next opened.
                let _ = self.file.set_len(self.len);
                Err(error)
            }
        }
    }

    /// Whether nothing was ever recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.len <= HEADER_LEN as u64
    }

    /// The file, for syncing the file system that it is on.
    #[cfg(target_os = "linux")]
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }
}
