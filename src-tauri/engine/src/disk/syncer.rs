//! The thread that makes what was written durable, while the next bytes are written.
//!
//! For each batch: the data is synced, then the journal says so and is synced, then whole files get their names.

use super::catalog::lock;
use super::error::DiskError;
use super::journal::Tail;
use super::options::Conflict;
use super::place::{next_name, put};
use super::record::{Item, Key, Record};
use super::report::{Durable, Outcome, Report, Summary};
use super::tree::{Folder, failure, last_name, written};
use sluice_protocol::name::Platform;
use sluice_protocol::ranges::Ranges;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;

// From this many files on, one sync of the file system is cheaper than one a file.
pub(super) const SYNC_ALL_FROM: usize = 16;

/// What is made durable in one go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Records that are not about these files, such as directories.
    pub(super) records: Vec<u8>,
    /// The files that were written to.
    pub(super) files: Vec<Written>,
    /// Bytes that were written to them.
    pub(super) bytes: u64,
}

/// A file that was written to.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) entry: u32,
    pub(super) key: Key,
    /// Open, unless syncing the whole file system will cover it.
    pub(super) file: Option<Arc<File>>,
    pub(super) folder: Arc<Folder>,
    /// The chunks that were written in this batch.
    pub(super) chunks: Ranges,
    pub(super) bytes: u64,
    pub(super) fate: Fate,
}

/// What is journalled of a written file.
#[derive(Debug)]
pub(super) enum Fate {
    /// It goes on; nothing was journalled of it yet.
    First(Item),
    /// It goes on, and the journal knows it.
    More,
    /// It is whole.
    Whole(Item),
}

/// The syncing thread, as its owner sees it.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    durable: watch::Sender<Durable>,
    tail: Mutex<Tail>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct State {
    next: Option<Batch>,
    busy: bool,
    closed: bool,
    error: Option<DiskError>,
}

/// What people are told: what nobody took yet, and the counts of all.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) waiting: Vec<Report>,
    pub(super) counts: Summary,
}

/// What committing needs to know.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    pub(super) conflict: Conflict,
    pub(super) platform: Platform,
    pub(super) prefix: String,
    pub(super) root_path: PathBuf,
}

impl Syncer {
    /// Starts the thread.
    pub(super) fn start(tail: Tail, naming: Naming) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            durable: watch::Sender::new(Durable::default()),
            tail: Mutex::new(tail),
            told: Mutex::default(),
        });
        let theirs = shared.clone();
        let thread =
            std::thread::Builder::new().name("sync".to_owned()).spawn(move || theirs.run(&naming))?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    /// Gives a batch to the thread, once it has finished the one before.
    pub(super) fn submit(&self, batch: Batch) -> Result<(), DiskError> {
        let mut state = self.idle()?;
        state.next = Some(batch);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits until all that was submitted is durable.
    pub(super) fn wait(&self) -> Result<(), DiskError> {
        self.idle().map(drop)
    }

    /// Whether the thread has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        let state = lock(&self.shared.state);
        state.next.is_none() && !state.busy
    }

    fn idle(&self) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = lock(&self.shared.state);
        let state = self
            .shared
            .changed
            .wait_while(state, |state| (state.next.is_some() || state.busy) && state.error.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match &state.error {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    /// Appends records at once. The caller has waited, where order matters.
    pub(super) fn append(&self, records: &[u8]) -> io::Result<()> {
        lock(&self.shared.tail).append(records)
    }

    /// The journal's end.
    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        lock(&self.shared.tail)
    }

    /// What people are told.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.shared.told)
    }

    /// Follows what is durable.
    pub(super) fn watch(&self) -> watch::Receiver<Durable> {
        self.shared.durable.subscribe()
    }

    /// What is durable.
    pub(super) fn durable(&self) -> Durable {
        *self.shared.durable.borrow()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
        // So that the journal is closed, and its lock with it, when this returns.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Told {
    /// Counts a report and keeps it until it is taken.
    pub(super) fn tell(&mut self, report: Report) {
        self.counts.count(&report);
        self.waiting.push(report);
    }
}

impl Shared {
    fn run(&self, naming: &Naming) {
        loop {
            let mut state = self
                .changed
                .wait_while(lock(&self.state), |state| state.next.is_none() && !state.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let Some(batch) = state.next.take() else {
                return;
            };
            state.busy = true;
            drop(state);
            let result = self.make_durable(batch, naming);
            let mut state = lock(&self.state);
            state.busy = false;
            if let Err(error) = result {
                state.error = Some(error);
                state.closed = true;
            }
            self.changed.notify_all();
        }
    }

    fn make_durable(&self, batch: Batch, naming: &Naming) -> Result<(), DiskError> {
        let fail = |place: &str, error| failure(&naming.root_path, place, error);
        self.sync_data(&batch).map_err(|error| fail("", error))?;
        let mut records = batch.records;
        let mut done = Durable { bytes: batch.bytes, entries: 0 };
        let mut whole = Vec::new();
        for file in batch.files {
            match file.fate {
                Fate::Whole(item) => {
                    let record = Record::Commit { item, again: false };
                    record.write(&mut records);
                    if let Record::Commit { item, .. } = record {
                        whole.push((item, file.key, file.folder));
                    }
                    continue;
                }
                Fate::First(item) => Record::Open(item).write(&mut records),
                Fate::More => {}
            }
            for chunks in file.chunks.iter() {
                Record::Have { key: file.key, chunks }.write(&mut records);
            }
        }
        lock(&self.tail).append(&records).map_err(|error| fail("", error))?;
        for (item, key, folder) in whole {
            let place = folder.place(&item.name);
            self.put(item, key, &folder, naming).map_err(|error| fail(&place, error))?;
            done.entries += 1;
        }
        self.durable.send_modify(|durable| {
            durable.bytes += done.bytes;
            durable.entries += done.entries;
        });
        Ok(())
    }

    fn sync_data(&self, batch: &Batch) -> io::Result<()> {
        let all = sync_all_at_once(batch.files.len());
        #[cfg(target_os = "linux")]
        if all {
            rustix::fs::syncfs(&**lock(&self.tail).file())?;
        }
        for file in &batch.files {
            if let Some(open) = &file.file
                && !(all && file.folder.beside_journal)
            {
                open.sync_data()?;
            }
        }
        Ok(())
    }

    // Gives a whole partial its name; another one if that was taken meanwhile.
    fn put(&self, mut item: Item, key: Key, folder: &Folder, naming: &Naming) -> io::Result<()> {
        let partial = super::place::partial_name(&naming.prefix, key);
        let mut conflict = naming.conflict;
        loop {
            match put(folder, &partial, &item.name, conflict) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            conflict = Conflict::Rename;
            let plain = written(last_name(&item.path), naming.platform).into_owned();
            item.name = next_name(&plain, naming.platform, |name| match folder.dir.symlink_metadata(name) {
                Ok(_) => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(error) => Err(error),
            })?;
            let mut record = Vec::new();
            let commit = Record::Commit { item, again: true };
            commit.write(&mut record);
            lock(&self.tail).append(&record)?;
            let Record::Commit { item: named, .. } = commit else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            item = named;
            lock(&self.told).tell(Report {
                path: item.path.clone(),
                outcome: Outcome::Renamed { to: folder.place(&item.name) },
            });
        }
    }
}

/// Whether a batch of this many files is synced by syncing the file system.
pub(super) fn sync_all_at_once(files: usize) -> bool {
    cfg!(target_os = "linux") && files > SYNC_ALL_FROM
}
