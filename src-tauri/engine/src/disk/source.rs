//! Reads what the catalog lists, and notices when it is no longer what was listed.

use super::catalog::Catalog;
use super::file::{mtime_of, read_full_at};
use sluice_protocol::CHUNK_SIZE;
use sluice_protocol::error::Code;
use sluice_protocol::manifest::{Entry, EntryKind, Mtime, Unreadable};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Why a chunk of an entry can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceFailure {
    /// It is not what the manifest says: its size, its time or its kind changed.
    #[error("the file changed since it was listed")]
    Changed,
    /// The system does not give it.
    #[error("the file can't be read ({})", .0.as_str())]
    Unreadable(Unreadable),
}

impl SourceFailure {
    /// The stable code of this failure.
    pub fn code(self) -> Code {
        match self {
            SourceFailure::Changed => Code::SourceChanged,
            SourceFailure::Unreadable(_) => Code::SourceUnreadable,
        }
    }
}

/// Reads chunks for one receiver; keeps the last file open.
#[derive(Debug)]
pub struct Source {
    catalog: Catalog,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    entry: u32,
    file: File,
    size: u64,
    mtime: Mtime,
}

impl Source {
    /// Reads from what `catalog` lists.
    pub fn new(catalog: Catalog) -> Self {
        Source { catalog, open: None }
    }

    /// Fills `buf` with a chunk; `buf` is as long as `chunk_len` says for it.
    ///
    /// # Errors
    /// [`SourceFailure`]; what is in `buf` then is not to be sent.
    pub fn read(&mut self, entry: u32, chunk: u32, buf: &mut [u8]) -> Result<(), SourceFailure> {
        if self.open.as_ref().is_none_or(|open| open.entry != entry) {
            self.open = None;
            self.open = Some(self.open(entry)?);
        }
        let result = match &self.open {
            Some(open) => open.read(chunk, buf),
            None => Err(SourceFailure::Changed),
        };
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn open(&self, number: u32) -> Result<Open, SourceFailure> {
        let entry = self.catalog.entry(number).ok_or(SourceFailure::Changed)?;
        let EntryKind::File { size, .. } = entry.kind else {
            return Err(SourceFailure::Changed);
        };
        let path = self.catalog.real_path(&entry);
        let file = open_plain(&path, &entry).map_err(|error| failure(&error))?;
        let open = Open { entry: number, file, size, mtime: entry.mtime };
        open.check()?;
        Ok(open)
    }
}

impl Open {
    fn read(&self, chunk: u32, buf: &mut [u8]) -> Result<(), SourceFailure> {
        let offset = u64::from(chunk) * u64::from(CHUNK_SIZE);
        let read = read_full_at(&self.file, buf, offset).map_err(|error| failure(&error))?;
        if read < buf.len() {
            return Err(SourceFailure::Changed);
        }
        // After the read, so that a change during it is seen.
        self.check()
    }

    fn check(&self) -> Result<(), SourceFailure> {
        let meta = self.file.metadata().map_err(|error| failure(&error))?;
        if is_listed(&meta, self.size, self.mtime) { Ok(()) } else { Err(SourceFailure::Changed) }
    }
}

fn is_listed(meta: &Metadata, size: u64, mtime: Mtime) -> bool {
    meta.is_file() && meta.len() == size && meta.modified().map(mtime_of).is_ok_and(|now| now == mtime)
}

fn failure(error: &io::Error) -> SourceFailure {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return SourceFailure::Changed;
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => SourceFailure::Unreadable(Unreadable::Denied),
        _ => SourceFailure::Unreadable(Unreadable::Failed),
    }
}

// Neither follows a symlink that took the file's place nor waits for a pipe's writer.
fn open_plain(path: &Path, entry: &Entry) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let mut flags = OFlags::NONBLOCK;
        if !Catalog::is_root(entry) {
            flags |= OFlags::NOFOLLOW;
        }
        // The bits of these flags are the platform's own, and fit the type that `open` takes.
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits() as i32);
    }
    #[cfg(windows)]
    if !Catalog::is_root(entry) {
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, FILE_FLAG_OPEN_REPARSE_POINT);
    }
    options.open(path)
}
