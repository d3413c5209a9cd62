//! The receiver's destination: partials, the journal, and the order in which they become durable.

use super::error::DiskError;
use super::file::{set_mtime, write_all_at};
use super::journal::{self, Journal};
use super::options::Options;
use super::place::{create, partial_name, partial_prefix, reopen};
use super::record::{Item, Key, Record};
use super::report::{Durable, Outcome, Report, Resumed, Summary};
use super::selection::Chooser;
use super::syncer::{Batch, Fate, Naming, Syncer, Written, sync_all_at_once};
use super::tree::{Folder, Tree};
use cap_fs_ext::{DirExt, SystemTimeSpec};
use cap_std::fs::Dir;
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::ranges::Ranges;
use sluice_protocol::{CHUNK_SIZE, chunk_len};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

// Bytes that are written before they are synced. As much again may be being synced meanwhile.
const BATCH_BYTES: u64 = 6 * 1024 * 1024;
// Files in a batch; without a sync of the whole file system, each of them holds a handle.
const BATCH_FILES: usize = if cfg!(target_os = "linux") { 256 } else { 32 };
// Folders in a batch, each of which holds a handle.
const BATCH_FOLDERS: usize = 64;
// How long written bytes may stay unsynced while the disk has nothing else to do.
const BATCH_AGE: Duration = Duration::from_millis(250);

/// A folder that a share is received into. One thread owns it.
///
/// After an error nothing more can be written: drop it and open it again. What was durable stays so.
#[derive(Debug)]
pub struct Destination {
    pub(super) tree: Tree,
    pub(super) journal: Journal,
    pub(super) options: Options,
    pub(super) chooser: Chooser,
    pub(super) prefix: String,
    // Planned files that are not whole yet.
    pub(super) pending: HashMap<u32, Pending>,
    pub(super) pending_keys: HashSet<Key>,
    pub(super) batch: Batch,
    batch_started: Option<Instant>,
    batch_folders: usize,
    current: Option<Current>,
    pub(super) syncer: Syncer,
    share: ShareId,
    resumed: Resumed,
}

/// A planned file that is not whole yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) item: Item,
    pub(super) key: Key,
    /// Chunks that are written, durable or not.
    pub(super) have: Ranges,
    /// Whether there is a partial.
    pub(super) begun: bool,
    /// Whether the journal knows the partial.
    pub(super) journalled: bool,
}

// The file that was written to last.
#[derive(Debug)]
struct Current {
    entry: u32,
    file: Arc<File>,
    folder: Arc<Folder>,
    // Its length. Nothing was ever written behind it, so that zeros there need no writing.
    len: u64,
}

impl Destination {
    /// Opens the folder `dir`, which is made if it is missing, to receive `share` of `sender` into it.
    ///
    /// # Errors
    /// [`DiskError::Busy`] if another process does, [`DiskError::Gone`] if it can't be made or written.
    pub fn open(
        dir: &Path,
        share: ShareId,
        sender: [u8; 16],
        options: Options,
    ) -> Result<Destination, DiskError> {
        let gone = |error| DiskError::Gone { path: dir.to_owned(), error: Arc::new(error) };
        std::fs::create_dir_all(dir).map_err(gone)?;
        let root_path = std::path::absolute(dir).map_err(gone)?;
        let root = Dir::open_ambient_dir(&root_path, cap_std::ambient_authority()).map_err(gone)?;
        let opened = journal::open(&root, &root_path, share, &sender)?;
        let (bytes, entries) = opened.journal.counts();
        let tree = Tree::new(root, root_path.clone(), options.platform).map_err(gone)?;
        let naming = Naming {
            conflict: options.conflict,
            platform: options.platform,
            prefix: partial_prefix(share),
            root_path,
        };
        let prefix = naming.prefix.clone();
        let syncer = Syncer::start(opened.tail, naming).map_err(|error| DiskError::failed(dir, error))?;
        Ok(Destination {
            tree,
            journal: opened.journal,
            options,
            chooser: Chooser::default(),
            prefix,
            pending: HashMap::new(),
            pending_keys: HashSet::new(),
            batch: Batch::default(),
            batch_started: None,
            batch_folders: 0,
            current: None,
            syncer,
            share,
            resumed: Resumed { bytes, entries, set_aside: opened.set_aside },
        })
    }

    /// What the journal knew when it was opened.
    pub fn resumed(&self) -> Resumed {
        self.resumed.clone()
    }

    /// Makes all durable and forgets what is planned, so that a manifest can be planned from its start again.
    ///
    /// For a new session with the same sender, in which entries may have other numbers.
    ///
    /// # Errors
    /// As [`Destination::flush`].
    pub fn restart(&mut self) -> Result<(), DiskError> {
        self.flush()?;
        self.current = None;
        self.pending.clear();
        self.pending_keys.clear();
        self.tree.forget();
        self.journal.load().map_err(|error| self.tree.failure("", error))?;
        Ok(())
    }

    /// Bytes that are free for this user where the destination is.
    ///
    /// # Errors
    /// What the system says.
    pub fn free_space(&self) -> io::Result<u64> {
        #[cfg(unix)]
        {
            let stat = rustix::fs::fstatvfs(&self.tree.root().dir)?;
            Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
        }
        #[cfg(not(unix))]
        {
            fs4::available_space(self.tree.root_path())
        }
    }

    /// Checks that `needed` more bytes fit.
    ///
    /// # Errors
    /// [`DiskError::Full`] with both figures.
    pub fn ensure_room(&self, needed: u64) -> Result<(), DiskError> {
        let free = self.free_space().map_err(|error| self.tree.failure("", error))?;
        if needed <= free {
            return Ok(());
        }
        Err(DiskError::Full {
            path: self.tree.root_path().to_owned(),
            needed: Some(needed),
            free: Some(free),
        })
    }

    /// Writes a verified chunk of a planned file. `last_of_entry` says that the file is now whole.
    ///
    /// It blocks while the disk is more than two batches (12 MiB) behind.
    ///
    /// # Errors
    /// [`DiskError`]; the chunk then counts as not written.
    pub fn write(
        &mut self,
        entry: u32,
        chunk: u32,
        plaintext: &[u8],
        last_of_entry: bool,
    ) -> Result<(), DiskError> {
        let pending = self
            .pending
            .get(&entry)
            .ok_or(DiskError::Unplanned("a chunk of an entry that was not asked for"))?;
        let len = chunk_len(pending.item.size, chunk);
        if len == 0 || plaintext.len() != len as usize {
            return Err(DiskError::Unplanned("a chunk of the wrong length"));
        }
        if self.current.as_ref().is_none_or(|current| current.entry != entry) {
            self.current = None;
            self.current = Some(self.begin(entry)?);
        }
        let Some(current) = &mut self.current else {
            return Err(DiskError::Unplanned("no file is open"));
        };
        current
            .write(plaintext, u64::from(chunk) * u64::from(CHUNK_SIZE))
            .map_err(|error| self.tree.failure(&current.folder.path, error))?;
        self.note(entry, chunk, u64::from(len))?;
        if last_of_entry {
            self.whole(entry)?;
        }
        self.submit_if_due()
    }

    /// Gives up a file: what is here of it is removed, and the failure is reported.
    ///
    /// # Errors
    /// [`DiskError`] if what was written before can't be made durable.
    pub fn fail(&mut self, entry: u32, code: Code) -> Result<(), DiskError> {
        let Some(pending) = self.pending.get(&entry) else {
            return Ok(());
        };
        if self.current.as_ref().is_some_and(|current| current.entry == entry) {
            self.current = None;
        }
        let (key, path) = (pending.key, pending.item.path.clone());
        if pending.begun {
            if let Some(at) = self.batch.files.iter().position(|file| file.entry == entry) {
                let file = self.batch.files.swap_remove(at);
                self.batch.bytes -= file.bytes;
            }
            if pending.journalled {
                // What is being synced may still say that there is a partial.
                self.syncer.wait()?;
                let mut record = Vec::new();
                Record::Drop(key).write(&mut record);
                self.syncer.append(&record).map_err(|error| self.tree.failure("", error))?;
            }
            self.journal.forget(key);
            if let Ok(folder) = self.tree.existing_parent(&path) {
                // If it can't be removed, it is made anew should it ever be asked for again.
                let _ = folder.dir.remove_file(partial_name(&self.prefix, key));
            }
        }
        self.pending.remove(&entry);
        self.pending_keys.remove(&key);
        self.syncer.told().tell(Report { path, outcome: Outcome::Failed { code } });
        Ok(())
    }

    /// What this run has made durable.
    pub fn durable(&self) -> Durable {
        self.syncer.durable()
    }

    /// Follows [`Destination::durable`] from any thread.
    pub fn watch(&self) -> watch::Receiver<Durable> {
        self.syncer.watch()
    }

    /// Takes what happened to single entries since the last time, except what plans have told.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.syncer.told().waiting)
    }

    /// Where a planned file is within the share, until it is whole.
    pub fn path_of(&self, entry: u32) -> Option<&str> {
        self.pending.get(&entry).map(|pending| pending.item.path.as_str())
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// [`DiskError`]; what [`Destination::durable`] counts is durable all the same.
    pub fn flush(&mut self) -> Result<(), DiskError> {
        self.submit()?;
        self.syncer.wait()?;
        self.sync_names().map_err(|error| self.tree.failure("", error))
    }

    /// Ends the run: all is made durable, and directories get their times. If all that was chosen is here
    /// (`complete`), the journal is removed; else it stays, and the same folder goes on from there.
    ///
    /// # Errors
    /// As [`Destination::flush`].
    pub fn finish(mut self, complete: bool) -> Result<Summary, DiskError> {
        self.current = None;
        self.flush()?;
        self.set_directory_times().map_err(|error| self.tree.failure("", error))?;
        let name = journal::journal_name(self.share);
        let removed = if complete {
            self.remove_leftovers().and_then(|()| self.tree.root().dir.remove_file(&name))
        } else if self.syncer.tail().is_empty() {
            // Nothing is in it: nothing to go on from.
            self.tree.root().dir.remove_file(&name)
        } else {
            Ok(())
        };
        removed.and_then(|()| self.sync_names()).map_err(|error| self.tree.failure(&name, error))?;
        let mut told = self.syncer.told();
        Ok(Summary {
            durable: self.syncer.durable(),
            reports: std::mem::take(&mut told.waiting),
            ..told.counts
        })
    }

    // Opens or makes the partial of a planned file.
    fn begin(&mut self, entry: u32) -> Result<Current, DiskError> {
        let Some(pending) = self.pending.get_mut(&entry) else {
            return Err(DiskError::Unplanned("a chunk of an entry that was not asked for"));
        };
        let name = partial_name(&self.prefix, pending.key);
        let mut reports = Vec::new();
        let mut folder = self.tree.parent(&pending.item.path, &mut reports)?;
        let opened = if pending.begun {
            reopen(&folder.dir, &name)
        } else {
            create(&folder.dir, &name, pending.item.executable).or_else(|error| {
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                // The folder was removed while it was open.
                self.tree.forget();
                folder = self.tree.parent(&pending.item.path, &mut reports).map_err(|_| error)?;
                create(&folder.dir, &name, pending.item.executable)
            })
        };
        let file = opened.map_err(|error| self.tree.failure(&folder.place(&name), error))?;
        let len = if pending.begun {
            file.metadata().map_err(|error| self.tree.failure(&folder.place(&name), error))?.len()
        } else {
            0
        };
        pending.begun = true;
        for report in reports {
            self.syncer.told().tell(report);
        }
        Ok(Current { entry, file: Arc::new(file), folder, len })
    }

    // Notes a written chunk in the batch.
    fn note(&mut self, entry: u32, chunk: u32, len: u64) -> Result<(), DiskError> {
        let (Some(pending), Some(current)) = (self.pending.get_mut(&entry), &self.current) else {
            return Err(DiskError::Unplanned("a chunk of an entry that was not asked for"));
        };
        let again = pending.have.contains(chunk);
        pending.have.insert(chunk..chunk + 1);
        let len = if again { 0 } else { len };
        let files = &mut self.batch.files;
        let at = match files.last() {
            Some(last) if last.entry == entry => files.len() - 1,
            _ => match files.iter().position(|file| file.entry == entry) {
                Some(at) => at,
                None => {
                    if files.last().is_none_or(|last| !Arc::ptr_eq(&last.folder, &current.folder)) {
                        self.batch_folders += 1;
                    }
                    files.push(Written {
                        entry,
                        key: pending.key,
                        file: Some(current.file.clone()),
                        folder: current.folder.clone(),
                        chunks: Ranges::new(),
                        bytes: 0,
                        fate: Fate::More,
                    });
                    files.len() - 1
                }
            },
        };
        files[at].chunks.insert(chunk..chunk + 1);
        files[at].bytes += len;
        self.batch.bytes += len;
        self.batch_started.get_or_insert_with(Instant::now);
        Ok(())
    }

    // Marks a file as whole in the batch.
    fn whole(&mut self, entry: u32) -> Result<(), DiskError> {
        let whole = self
            .pending
            .get(&entry)
            .is_some_and(|pending| pending.have.len() == u64::from(pending.item.chunks()));
        let (true, Some(pending), Some(current)) = (whole, self.pending.remove(&entry), self.current.take())
        else {
            return Err(DiskError::Unplanned("a file is called whole that is not"));
        };
        self.pending_keys.remove(&pending.key);
        // A file system that keeps no such time keeps its own; the content counts.
        let _ = set_mtime(&current.file, pending.item.mtime);
        let all = sync_all_at_once(self.batch.files.len());
        if let Some(file) = self.batch.files.iter_mut().rev().find(|file| file.entry == entry) {
            file.fate = Fate::Whole(pending.item);
            if all && file.folder.beside_journal {
                file.file = None;
            }
        }
        Ok(())
    }

    fn submit_if_due(&mut self) -> Result<(), DiskError> {
        let full = self.batch.bytes >= BATCH_BYTES
            || self.batch.files.len() >= BATCH_FILES
            || self.batch_folders >= BATCH_FOLDERS;
        let old = || self.batch_started.is_some_and(|started| started.elapsed() >= BATCH_AGE);
        if full || (old() && self.syncer.is_idle()) {
            self.submit()?;
        }
        Ok(())
    }

    /// Gives the batch to the syncing thread.
    pub(super) fn submit(&mut self) -> Result<(), DiskError> {
        if self.batch.files.is_empty() && self.batch.records.is_empty() {
            return Ok(());
        }
        for file in &mut self.batch.files {
            if let (Fate::More, Some(pending)) = (&file.fate, self.pending.get_mut(&file.entry))
                && !pending.journalled
            {
                pending.journalled = true;
                file.fate = Fate::First(pending.item.clone());
            }
        }
        self.batch_started = None;
        self.batch_folders = 0;
        self.syncer.submit(std::mem::take(&mut self.batch))
    }

    // Makes the names of files and folders durable, where the system does not do it by itself.
    fn sync_names(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&**self.syncer.tail().file())?;
        #[cfg(all(unix, not(target_os = "linux")))]
        self.tree.root().dir.open(".")?.into_std().sync_all()?;
        Ok(())
    }

    // A directory's time changes with every name in it, and with nothing below those: any order will do.
    fn set_directory_times(&mut self) -> io::Result<()> {
        let tree = &mut self.tree;
        self.journal.directories(|path, mtime| {
            let Some(time) = super::file::system_time(mtime) else {
                return;
            };
            let time = cap_std::time::SystemTime::from_std(time);
            if let Ok(parent) = tree.existing_parent(path) {
                let name = tree.folder_name(path).into_owned();
                // One that was moved away meanwhile keeps its time.
                let _ = parent.dir.set_symlink_times(name, None, Some(SystemTimeSpec::Absolute(time)));
            }
        })
    }

    // Partials of what the manifest no longer lists, or what was not chosen this time.
    fn remove_leftovers(&mut self) -> io::Result<()> {
        for item in self.journal.left_open()? {
            if let Ok(folder) = self.tree.existing_parent(&item.path) {
                let _ = folder.dir.remove_file(partial_name(&self.prefix, Key::of(&item.path)));
            }
        }
        Ok(())
    }
}

impl Current {
    fn write(&mut self, plaintext: &[u8], offset: u64) -> io::Result<()> {
        let end = offset + plaintext.len() as u64;
        if offset >= self.len && is_zero(plaintext) {
            // A hole reads as zeros, and sparse files stay sparse.
            self.file.set_len(end)?;
        } else {
            write_all_at(&self.file, plaintext, offset)?;
        }
        self.len = self.len.max(end);
        Ok(())
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (head, rest) = bytes.as_chunks::<64>();
    rest.iter().all(|byte| *byte == 0) && head.iter().all(|block| *block == [0; 64])
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sluice_protocol::manifest::{Entry, EntryKind, Mtime};
    use sluice_protocol::path::RelPath;

    #[test]
    fn a_full_disk_keeps_what_is_verified() {
        let temp = tempfile::tempdir().unwrap();
        let open = || Destination::open(temp.path(), ShareId([1; 16]), [2; 16], Options::default()).unwrap();
        let size = 3 * u64::from(CHUNK_SIZE);
        let entry = Entry {
            path: RelPath::parse("file").unwrap(),
            kind: EntryKind::File { size, executable: false },
            mtime: Mtime::default(),
        };
        let chunk = vec![7; CHUNK_SIZE as usize];
        let mut destination = open();
        destination.plan(0, vec![entry.clone()]).unwrap();
        destination.write(0, 0, &chunk, false).unwrap();
        // The device that is always full stands in for the partial.
        let full = File::options().write(true).open("/dev/full").unwrap();
        destination.current.as_mut().unwrap().file = Arc::new(full);
        let error = destination.write(0, 1, &chunk, false).unwrap_err();
        assert_eq!(error.code(), Code::DiskFull);
        destination.finish(false).unwrap();
        let plan = open().plan(0, vec![entry]).unwrap();
        assert_eq!(plan.wants[0].ranges.as_slice(), std::slice::from_ref(&(1..3)));
        assert_eq!(plan.have_bytes, u64::from(CHUNK_SIZE));
    }

    #[test]
    fn a_quota_is_a_full_disk_and_a_read_only_one_is_gone() {
        let code = |errno: rustix::io::Errno| DiskError::writing(Path::new("/x"), errno.into()).code();
        assert_eq!(code(rustix::io::Errno::NOSPC), Code::DiskFull);
        assert_eq!(code(rustix::io::Errno::DQUOT), Code::DiskFull);
        assert_eq!(code(rustix::io::Errno::ROFS), Code::DestinationGone);
        assert_eq!(code(rustix::io::Errno::IO), Code::DiskFailed);
    }
}
