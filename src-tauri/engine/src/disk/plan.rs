//! Planning: what of some entries is here, what can be made at once, and what is to be asked for.

use super::destination::{Destination, Pending};
use super::error::DiskError;
use super::file::{clamp, same_time, set_mtime};
use super::journal::{Known, bytes_of};
use super::options::Conflict;
use super::place::{Found, find, next_name, partial_name, put};
use super::record::{Item, Key, Record};
use super::report::{Outcome, Plan, Report, Skip, Want};
use super::tree::{Folder, last_name, written};
use cap_fs_ext::DirExt;
use sluice_protocol::manifest::{Entry, EntryKind, Mtime};
use sluice_protocol::ranges::Ranges;
use std::io;
use std::sync::Arc;

// Bytes of records that wait for the next batch; a share may hold a million folders and no file.
const MAX_RECORDS: usize = 256 * 1024;

// Where an entry will be written.
enum Spot {
    Free(String),
    // There is one like it already.
    Identical,
    Taken,
}

impl Destination {
    /// Decides about entries of the manifest, of which the first has the number `first_entry`.
    ///
    /// Directories, symlinks and empty files are made right here. What is not chosen is passed over in silence.
    ///
    /// # Errors
    /// [`DiskError`]; a conflict or a name that the platform can't hold is a report, not an error.
    pub fn plan(&mut self, first_entry: u32, entries: Vec<Entry>) -> Result<Plan, DiskError> {
        let mut plan = Plan::default();
        for (number, entry) in (first_entry..).zip(entries) {
            if self.chooser.takes(&self.options.chosen, entry.path.as_str()) {
                self.plan_entry(number, &entry, &mut plan)?;
            }
        }
        let mut told = self.syncer.told();
        for report in &plan.reports {
            told.counts.count(report);
        }
        drop(told);
        if self.batch.records.len() >= MAX_RECORDS {
            self.submit()?;
        }
        Ok(plan)
    }

    fn plan_entry(&mut self, number: u32, entry: &Entry, plan: &mut Plan) -> Result<(), DiskError> {
        let path = entry.path.as_str();
        let mtime = clamp(entry.mtime);
        match &entry.kind {
            EntryKind::Unreadable(reason) => {
                skip(plan, path, Skip::Unreadable(*reason));
                Ok(())
            }
            EntryKind::Directory => self.plan_directory(path, mtime, plan),
            EntryKind::Symlink { target } => {
                if entry.path.link_stays_inside(target) {
                    self.plan_symlink(path, target, plan)
                } else {
                    skip(plan, path, Skip::UnsafeLink);
                    Ok(())
                }
            }
            EntryKind::File { size, executable } => {
                let item = Item {
                    name: written(last_name(path), self.options.platform).into_owned(),
                    path: path.to_owned(),
                    size: *size,
                    mtime,
                    executable: *executable,
                };
                self.plan_file(number, item, plan)
            }
        }
    }

    fn plan_directory(&mut self, path: &str, mtime: Mtime, plan: &mut Plan) -> Result<(), DiskError> {
        let known = self.lookup(path, Key::of(path))?;
        if let Some(Known::Directory { name, .. }) = &known {
            self.tree.note_moved(path, name);
        }
        self.tree.folder(path, &mut plan.reports)?;
        let name = self.tree.folder_name(path).into_owned();
        let record = Record::Directory { path: path.to_owned(), name: name.clone(), mtime };
        if known != Some(Known::Directory { name, mtime }) {
            record.write(&mut self.batch.records);
        }
        have(plan, 0);
        Ok(())
    }

    fn plan_symlink(&mut self, path: &str, target: &str, plan: &mut Plan) -> Result<(), DiskError> {
        let folder = self.tree.parent(path, &mut plan.reports)?;
        let plain = written(last_name(path), self.options.platform).into_owned();
        let spot = self
            .spot(&plain, |name| match folder.dir.symlink_metadata(name) {
                Ok(meta) => {
                    let same = meta.is_symlink()
                        && folder.dir.read_link_contents(name).is_ok_and(|found| found.as_os_str() == target);
                    Ok(match same {
                        true => Found::Same,
                        false if meta.is_dir() => Found::Folder,
                        false => Found::Other,
                    })
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
                Err(error) => Err(error),
            })
            .map_err(|error| self.tree.failure(&folder.place(&plain), error))?;
        match spot {
            Spot::Free(name) => {
                if self.make_symlink(&folder, target, &name).is_err() {
                    // Windows lets few people make symlinks, and some file systems have none.
                    skip(plan, path, Skip::UnsafeLink);
                    return Ok(());
                }
                renamed(plan, path, &folder, &name);
                have(plan, 0);
            }
            Spot::Identical => have(plan, 0),
            Spot::Taken => skip(plan, path, Skip::Exists),
        }
        Ok(())
    }

    // A symlink takes the place of what may be overwritten, through a partial as a file does.
    fn make_symlink(&self, folder: &Folder, target: &str, name: &str) -> io::Result<()> {
        if self.options.conflict != Conflict::Overwrite {
            return folder.dir.symlink(target, name);
        }
        let partial = partial_name(&self.prefix, Key::of(&folder.place(name)));
        match folder.dir.remove_file_or_symlink(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => folder.dir.symlink(target, &partial)?,
        }
        put(folder, &partial, name, Conflict::Overwrite)
            .inspect_err(|_| drop(folder.dir.remove_file_or_symlink(&partial)))
    }

    fn plan_file(&mut self, number: u32, mut item: Item, plan: &mut Plan) -> Result<(), DiskError> {
        let key = Key::of(&item.path);
        if self.pending_keys.contains(&key) {
            skip(plan, &item.path, Skip::Duplicate);
            return Ok(());
        }
        let folder = self.tree.parent(&item.path, &mut plan.reports)?;
        let here = self
            .resume(&mut item, key, &folder)
            .map_err(|error| self.tree.failure(&folder.place(&item.name), error))?;
        match here {
            Here::Whole => {
                have(plan, item.size);
                return Ok(());
            }
            Here::Partly(ranges) => {
                self.want(number, item, key, ranges, true, plan);
                return Ok(());
            }
            Here::Nothing => {}
        }
        let plain = item.name.clone();
        let spot = self
            .spot(&plain, |name| find(&folder.dir, name, &item))
            .map_err(|error| self.tree.failure(&folder.place(&plain), error))?;
        match spot {
            Spot::Free(name) => {
                renamed(plan, &item.path, &folder, &name);
                item.name = name;
                if item.size == 0 {
                    self.make_empty(&folder, &mut item)
                        .map_err(|error| self.tree.failure(&folder.place(&item.name), error))?;
                    have(plan, 0);
                } else {
                    self.want(number, item, key, Ranges::new(), false, plan);
                }
            }
            Spot::Identical => {
                // An empty one says nothing that a person could miss.
                if item.size > 0 {
                    skip(plan, &item.path, Skip::Identical);
                }
                have(plan, item.size);
            }
            Spot::Taken => skip(plan, &item.path, Skip::Exists),
        }
        Ok(())
    }

    fn want(&mut self, entry: u32, item: Item, key: Key, have: Ranges, begun: bool, plan: &mut Plan) {
        plan.chosen_entries += 1;
        plan.chosen_bytes = plan.chosen_bytes.saturating_add(item.size);
        plan.have_bytes = plan.have_bytes.saturating_add(bytes_of(&have, item.size));
        plan.wants.push(Want { entry, size: item.size, ranges: have.missing(item.chunks()) });
        self.pending_keys.insert(key);
        self.pending.insert(entry, Pending { item, key, have, begun, journalled: begun });
    }

    fn lookup(&self, path: &str, key: Key) -> Result<Option<Known>, DiskError> {
        self.journal.lookup(path, key).map_err(|error| self.tree.failure("", error))
    }

    // What is here of a file, as far as the journal knows and the disk agrees.
    fn resume(&mut self, item: &mut Item, key: Key, folder: &Arc<Folder>) -> io::Result<Here> {
        let Some(known) = self.journal.lookup(&item.path, key)? else {
            return Ok(Here::Nothing);
        };
        let partial = partial_name(&self.prefix, key);
        let part = || match folder.dir.symlink_metadata(&partial) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        match known {
            Known::Whole(done) if same_file(&done, item) => {
                item.name = done.name;
                if find(&folder.dir, &item.name, item)? == Found::Same {
                    return Ok(Here::Whole);
                }
                if part()? == Some(item.size) {
                    // Stopped between the journal and the rename.
                    return match put(folder, &partial, &item.name, self.options.conflict) {
                        Ok(()) => Ok(Here::Whole),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                            self.rename_whole(item, folder, &partial)
                        }
                        Err(error) => Err(error),
                    };
                }
            }
            Known::Open(begun, ranges) if same_file(&begun, item) => {
                let end = ranges.iter().last().map_or(0, |run| u64::from(run.end));
                let needed = (end * u64::from(sluice_protocol::CHUNK_SIZE)).min(item.size);
                if part()?.is_some_and(|len| len >= needed) {
                    item.name = begun.name;
                    if ranges.missing(item.chunks()).is_empty() {
                        return self.finish_partial(item, key, folder, &partial);
                    }
                    return Ok(Here::Partly(ranges));
                }
            }
            _ => {}
        }
        item.name = written(last_name(&item.path), self.options.platform).into_owned();
        // Before anything is written that the old records would vouch for.
        let mut record = Vec::new();
        Record::Drop(key).write(&mut record);
        self.syncer.append(&record)?;
        self.journal.forget(key);
        if part()?.is_some() {
            folder.dir.remove_file(&partial)?;
        }
        Ok(Here::Nothing)
    }

    // All chunks were durable when the run ended, but the journal does not say yet that the file is whole.
    fn finish_partial(
        &mut self,
        item: &mut Item,
        key: Key,
        folder: &Arc<Folder>,
        partial: &str,
    ) -> io::Result<Here> {
        let file = super::place::reopen(&folder.dir, partial)?;
        file.set_len(item.size)?;
        let _ = set_mtime(&file, item.mtime);
        file.sync_all()?;
        drop(file);
        self.append_commit(item, false)?;
        self.journal.forget(key);
        match put(folder, partial, &item.name, self.options.conflict) {
            Ok(()) => Ok(Here::Whole),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.rename_whole(item, folder, partial)
            }
            Err(error) => Err(error),
        }
    }

    // The name that was free when the file was begun is taken now.
    fn rename_whole(&mut self, item: &mut Item, folder: &Arc<Folder>, partial: &str) -> io::Result<Here> {
        let plain = written(last_name(&item.path), self.options.platform).into_owned();
        item.name = next_name(&plain, self.options.platform, |name| {
            Ok(find(&folder.dir, name, item)? == Found::Nothing)
        })?;
        self.append_commit(item, true)?;
        put(folder, partial, &item.name, Conflict::Rename)?;
        self.syncer.told().tell(Report {
            path: item.path.clone(),
            outcome: Outcome::Renamed { to: folder.place(&item.name) },
        });
        Ok(Here::Whole)
    }

    fn append_commit(&mut self, item: &Item, again: bool) -> io::Result<()> {
        let mut record = Vec::new();
        Record::Commit { item: item.clone(), again }.write(&mut record);
        self.syncer.append(&record)
    }

    fn make_empty(&mut self, folder: &Arc<Folder>, item: &mut Item) -> io::Result<()> {
        let partial = partial_name(&self.prefix, Key::of(&item.path));
        let file = super::place::create(&folder.dir, &partial, item.executable)?;
        let _ = set_mtime(&file, item.mtime);
        drop(file);
        match put(folder, &partial, &item.name, self.options.conflict) {
            Ok(()) => Record::Commit { item: item.clone(), again: false }.write(&mut self.batch.records),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.rename_whole(item, folder, &partial)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    // The name under which an entry is written, as the conflict option says.
    fn spot(&self, plain: &str, mut look: impl FnMut(&str) -> io::Result<Found>) -> io::Result<Spot> {
        let found = look(plain)?;
        match (found, self.options.conflict) {
            (Found::Nothing, _) | (Found::Same | Found::Other, Conflict::Overwrite) => {
                Ok(Spot::Free(plain.to_owned()))
            }
            (Found::Same, _) => Ok(Spot::Identical),
            (Found::Other | Found::Folder, Conflict::Skip) => Ok(Spot::Taken),
            (Found::Other, Conflict::Rename) | (Found::Folder, _) => {
                let mut same = false;
                let name = next_name(plain, self.options.platform, |name| {
                    let found = look(name)?;
                    // A run that was killed before it could journal this one made it.
                    same = found == Found::Same;
                    Ok(matches!(found, Found::Nothing | Found::Same))
                })?;
                Ok(if same { Spot::Identical } else { Spot::Free(name) })
            }
        }
    }
}

enum Here {
    Whole,
    Partly(Ranges),
    Nothing,
}

fn same_file(known: &Item, item: &Item) -> bool {
    known.size == item.size && same_time(known.mtime, item.mtime)
}

fn have(plan: &mut Plan, size: u64) {
    plan.chosen_entries += 1;
    plan.have_entries += 1;
    plan.chosen_bytes = plan.chosen_bytes.saturating_add(size);
    plan.have_bytes = plan.have_bytes.saturating_add(size);
}

fn skip(plan: &mut Plan, path: &str, reason: Skip) {
    plan.reports.push(Report { path: path.to_owned(), outcome: Outcome::Skipped { reason } });
}

// Reports a name that is not the sender's.
fn renamed(plan: &mut Plan, path: &str, folder: &Folder, name: &str) {
    if name != last_name(path) {
        plan.reports
            .push(Report { path: path.to_owned(), outcome: Outcome::Renamed { to: folder.place(name) } });
    }
}
