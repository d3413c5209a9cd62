//! The folders below a destination: made, opened without following anything, and kept open while they are used.

use super::error::DiskError;
use super::report::{Outcome, Report};
use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use sluice_protocol::name::{Platform, numbered, portable};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

// Folders on the way down that are kept open; deeper ones are opened again from here.
const KEPT_OPEN: usize = 64;
/// What every file of our own in a destination starts with.
pub(super) const OWN_PREFIX: &str = ".sluice-";

/// An open folder below the destination.
#[derive(Debug)]
pub(super) struct Folder {
    /// The folder itself; only single names are looked up in it, and never followed.
    pub(super) dir: Dir,
    /// Where it is below the destination, as it is written; empty for the destination itself.
    pub(super) path: String,
    /// Whether it is on the file system that the journal is on.
    pub(super) beside_journal: bool,
}

impl Folder {
    /// Where `name` is below the destination.
    pub(super) fn place(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }
}

/// The way from the destination to the folder that was used last.
#[derive(Debug)]
pub(super) struct Tree {
    root: Arc<Folder>,
    root_path: PathBuf,
    device: u64,
    platform: Platform,
    levels: Vec<Level>,
    // Folders that are not under their portable name, because something else is: share path to written name.
    moved: HashMap<String, String>,
}

#[derive(Debug)]
struct Level {
    name: String,
    // `None` for one that was closed to save handles.
    folder: Option<Arc<Folder>>,
}

/// `name` as it is written: as the platform can hold it, and never as a file of our own.
pub(super) fn written(name: &str, platform: Platform) -> Cow<'_, str> {
    let own = name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX));
    if own {
        Cow::Owned(portable(&format!("_{name}"), platform).into_owned())
    } else {
        portable(name, platform)
    }
}

impl Tree {
    /// A tree at an open destination.
    pub(super) fn new(root: Dir, root_path: PathBuf, platform: Platform) -> io::Result<Self> {
        let device = device(&root)?;
        Ok(Tree {
            root: Arc::new(Folder { dir: root, path: String::new(), beside_journal: true }),
            root_path,
            device,
            platform,
            levels: Vec::new(),
            moved: HashMap::new(),
        })
    }

    /// The destination itself.
    pub(super) fn root(&self) -> &Arc<Folder> {
        &self.root
    }

    /// Where the destination is, for people.
    pub(super) fn root_path(&self) -> &Path {
        &self.root_path
    }

    /// Closes all folders but the destination, so that they are looked up again.
    pub(super) fn forget(&mut self) {
        self.levels.clear();
    }

    /// Notes the name that an earlier run gave to the folder at `path`.
    pub(super) fn note_moved(&mut self, path: &str, name: &str) {
        let plain = written(last_name(path), self.platform);
        if plain != name {
            self.moved.insert(path.to_owned(), name.to_owned());
        }
    }

    /// The folder that the entry at `path` is in, which is made where it is missing.
    pub(super) fn parent(&mut self, path: &str, reports: &mut Vec<Report>) -> Result<Arc<Folder>, DiskError> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.folder(parent, reports),
            None => Ok(self.root.clone()),
        }
    }

    /// The folder at `path`, which is made where it is missing.
    pub(super) fn folder(&mut self, path: &str, reports: &mut Vec<Report>) -> Result<Arc<Folder>, DiskError> {
        let made = self.descend(path, Some(reports));
        let error = match made {
            Ok(folder) => return Ok(folder),
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::NotFound {
            // One that was open has been removed; make it again, unless all is gone.
            self.forget();
            return self.descend(path, Some(reports)).map_err(|error| self.failure(path, error));
        }
        Err(self.failure(path, error))
    }

    /// The folder that `path` is in, if it is there.
    pub(super) fn existing_parent(&mut self, path: &str) -> io::Result<Arc<Folder>> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.descend(parent, None),
            None => Ok(self.root.clone()),
        }
    }

    /// The name that the folder at `path` has or would have.
    pub(super) fn folder_name<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        match self.moved.get(path) {
            Some(name) => Cow::Borrowed(name),
            None => written(last_name(path), self.platform),
        }
    }

    /// Names a failure at `place`: the destination may be gone altogether.
    pub(super) fn failure(&self, place: &str, error: io::Error) -> DiskError {
        failure(&self.root_path, place, error)
    }

    fn descend(&mut self, path: &str, mut reports: Option<&mut Vec<Report>>) -> io::Result<Arc<Folder>> {
        let mut rest = path;
        let mut shared = 0;
        // How far the way is the same as last time.
        while !rest.is_empty() {
            let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
            match self.levels.get(shared) {
                Some(level) if level.name == name => shared += 1,
                _ => break,
            }
            rest = below;
        }
        self.levels.truncate(shared);
        while self.levels.last().is_some_and(|level| level.folder.is_none()) {
            self.levels.pop();
        }
        let mut end: usize = self.levels.iter().map(|level| level.name.len() + 1).sum();
        let mut folder = match self.levels.last().and_then(|level| level.folder.clone()) {
            Some(folder) => folder,
            None => self.root.clone(),
        };
        while end < path.len() {
            let start = end;
            let len = path[start..].find('/').unwrap_or(path.len() - start);
            let here = &path[..start + len];
            folder = Arc::new(self.enter(&folder, here, reports.as_deref_mut())?);
            if self.levels.len() > KEPT_OPEN
                && let Some(above) = self.levels.last_mut()
            {
                above.folder = None;
            }
            self.levels
                .push(Level { name: path[start..start + len].to_owned(), folder: Some(folder.clone()) });
            end = start + len + 1;
        }
        Ok(folder)
    }

    // Opens the folder at `path`, the last name of which is in `above`.
    fn enter(&mut self, above: &Folder, path: &str, reports: Option<&mut Vec<Report>>) -> io::Result<Folder> {
        let plain = written(last_name(path), self.platform).into_owned();
        let known = self.moved.get(path).cloned();
        let mut name = known.clone().unwrap_or_else(|| plain.clone());
        let mut number = 1;
        let mut made = false;
        loop {
            match above.dir.open_dir_nofollow(&name) {
                Ok(dir) => {
                    let beside_journal = made || device(&dir)? == self.device;
                    let folder = Folder {
                        dir,
                        path: above.place(&name),
                        beside_journal: above.beside_journal && beside_journal,
                    };
                    if let Some(reports) = reports
                        && known.as_ref() != Some(&name)
                        && name != last_name(path)
                    {
                        reports.push(Report {
                            path: path.to_owned(),
                            outcome: Outcome::Renamed { to: folder.path.clone() },
                        });
                        // Also what only the platform changed, so that it is told once.
                        self.moved.insert(path.to_owned(), name);
                    }
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if reports.is_none() {
                        return Err(error);
                    }
                    match above.dir.create_dir(&name) {
                        Ok(()) => made = true,
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(error),
                    }
                }
                // Something that is not a folder, or a symlink, which is never followed.
                Err(error) => match above.dir.symlink_metadata(&name) {
                    Ok(meta) if !meta.is_dir() => {
                        number += 1;
                        name = numbered(&plain, number, self.platform);
                    }
                    _ => return Err(error),
                },
            }
        }
    }
}

/// Names a failure below the destination at `root_path`.
pub(super) fn failure(root_path: &Path, place: &str, error: io::Error) -> DiskError {
    let missing = error.kind() == io::ErrorKind::NotFound && std::fs::metadata(root_path).is_err();
    if missing {
        return DiskError::Gone { path: root_path.to_owned(), error: Arc::new(error) };
    }
    DiskError::writing(&root_path.join(place), error)
}

// Which file system a folder is on; only Linux syncs a whole one, so only there it matters.
#[cfg(target_os = "linux")]
fn device(dir: &Dir) -> io::Result<u64> {
    Ok(cap_fs_ext::MetadataExt::dev(&dir.dir_metadata()?))
}

#[cfg(not(target_os = "linux"))]
fn device(_dir: &Dir) -> io::Result<u64> {
    Ok(0)
}

/// The last name of a path in a share.
pub(super) fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
