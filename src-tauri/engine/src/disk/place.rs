//! Single files in a folder: partials, and putting a whole one under its name.

use super::file::mtime_of;
use super::options::Conflict;
use super::record::{Item, Key, hex};
use super::tree::{Folder, OWN_PREFIX};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use sluice_protocol::id::ShareId;
use sluice_protocol::name::{Platform, numbered};
use std::fs::File;
use std::io;

// More files than this of one name are somebody's mistake.
const MAX_NUMBER: u32 = 100_000;

/// What all partials of a share start with.
pub(super) fn partial_prefix(share: ShareId) -> String {
    format!("{OWN_PREFIX}{}-", hex(&share.0[..4]))
}

/// The name of the partial of a path.
pub(super) fn partial_name(prefix: &str, key: Key) -> String {
    format!("{prefix}{}.part", key.hex())
}

/// Makes a new partial, in place of what an earlier run may have left there.
pub(super) fn create(dir: &Dir, name: &str, executable: bool) -> io::Result<File> {
    match create_new(dir, name, executable) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir.remove_file(name)?;
            create_new(dir, name, executable)
        }
        made => made,
    }
}

/// Makes a file that must not be there.
pub(super) fn create_new(dir: &Dir, name: &str, executable: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, if executable { 0o777 } else { 0o666 });
    #[cfg(not(unix))]
    let _ = executable;
    Ok(dir.open_with(name, &options)?.into_std())
}

/// Opens a partial to go on with it; fails if it is not a regular file.
pub(super) fn reopen(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).follow(FollowSymlinks::No);
    let file = dir.open_with(name, &options)?.into_std();
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// What is at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A regular file of this size and time.
    Same,
    /// A folder, which nothing replaces.
    Folder,
    /// Anything else.
    Other,
}

/// Looks whether the file `name` in `dir` has the size and time of `item`.
pub(super) fn find(dir: &Dir, name: &str, item: &Item) -> io::Result<Found> {
    match dir.symlink_metadata(name) {
        Ok(meta) => {
            let same = meta.is_file()
                && meta.len() == item.size
                && meta
                    .modified()
                    .is_ok_and(|time| super::file::same_time(mtime_of(time.into_std()), item.mtime));
            Ok(match same {
                true => Found::Same,
                false if meta.is_dir() => Found::Folder,
                false => Found::Other,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// The first numbered form of `plain` for which `free` says so, from 2 on.
pub(super) fn next_name(
    plain: &str,
    platform: Platform,
    mut free: impl FnMut(&str) -> io::Result<bool>,
) -> io::Result<String> {
    for number in 2..MAX_NUMBER {
        let name = numbered(plain, number, platform);
        if free(&name)? {
            return Ok(name);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Renames a whole partial to `name`; `AlreadyExists` if it may not replace what is there.
pub(super) fn put(folder: &Folder, partial: &str, name: &str, conflict: Conflict) -> io::Result<()> {
    if conflict == Conflict::Overwrite {
        return match folder.dir.rename(partial, &folder.dir, name) {
            // A folder is never replaced by a file.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty) =>
            {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            done => done,
        };
    }
    rename_new(&folder.dir, partial, name)
}

#[cfg(target_os = "linux")]
fn rename_new(dir: &Dir, partial: &str, name: &str) -> io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(dir, partial, dir, name, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_or_rename(dir, partial, name),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_new(dir: &Dir, partial: &str, name: &str) -> io::Result<()> {
    link_or_rename(dir, partial, name)
}

// A hard link fails where the name is taken; without hard links, looking first is the best there is.
fn link_or_rename(dir: &Dir, partial: &str, name: &str) -> io::Result<()> {
    match dir.hard_link(partial, dir, name) {
        Ok(()) => dir.remove_file(partial),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotFound
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
            ) =>
        {
            Err(error)
        }
        Err(_) => match dir.symlink_metadata(name) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => dir.rename(partial, dir, name),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_way_of_putting_a_file_replaces_one() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), cap_std::ambient_authority()).unwrap();
        for way in [rename_new, link_or_rename] {
            dir.write("partial", "new").unwrap();
            dir.write("taken", "old").unwrap();
            let error = way(&dir, "partial", "taken").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(dir.read_to_string("taken").unwrap(), "old");
            way(&dir, "partial", "free").unwrap();
            assert_eq!(dir.read_to_string("free").unwrap(), "new");
            assert!(!dir.exists("partial"));
            dir.remove_file("free").unwrap();
        }
    }
}
