//! The walk: lists a tree depth first, names in order, a directory before what is in it.

use super::catalog::Pages;
use super::file::mtime_of;
use sluice_protocol::MAX_FILE_SIZE;
use sluice_protocol::manifest::{Entry, EntryKind, MAX_ENTRIES, MAX_TARGET_LEN, Mtime, Unreadable};
use sluice_protocol::path::{MAX_DEPTH, MAX_PATH_LEN, RelPath};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

// How long a page that is not full may wait before receivers see it.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
// How many names are read from a directory before asking whether anybody still waits.
const ASK_EVERY: usize = 4096;

/// Walks all roots into `pages`.
pub(super) fn run(roots: &[(String, PathBuf)], pages: Pages) {
    let mut walk = Walk { pages, published: Instant::now() };
    for (name, root) in roots {
        let Ok(path) = RelPath::parse(name.as_str()) else {
            continue;
        };
        if !walk.root(path, root) {
            return;
        }
    }
    walk.pages.complete();
}

struct Walk {
    pages: Pages,
    published: Instant,
}

// The names in one directory: one text, and where each name is in it; a million names take some 30 MB.
struct Names {
    text: String,
    // Start and length; the highest bit of the length says that the name shows replacements.
    spans: Vec<(u32, u32)>,
}

const LOSSY: u32 = 1 << 31;

impl Names {
    fn get(&self, (start, len): (u32, u32)) -> &str {
        let start = start as usize;
        &self.text[start..start + (len & !LOSSY) as usize]
    }
}

struct Level {
    share: RelPath,
    real: PathBuf,
    names: Names,
    next: usize,
}

impl Walk {
    fn root(&mut self, share: RelPath, real: &Path) -> bool {
        let mut stack = Vec::new();
        // Follows a symlink, as the person named this root.
        match std::fs::metadata(real) {
            Ok(meta) => {
                if !self.visit(share, real, &meta, &mut stack) {
                    return false;
                }
            }
            Err(error) => {
                if !self.unreadable(share, reason(&error)) {
                    return false;
                }
            }
        }
        while let Some(level) = stack.last_mut() {
            let Some(&span) = level.names.spans.get(level.next) else {
                stack.pop();
                continue;
            };
            level.next += 1;
            let name = level.names.get(span);
            let share = match level.share.join(name) {
                Ok(share) => share,
                // Too long for a manifest: listed under as much of its name as fits.
                Err(_) => match level.share.join(&start_of(name)) {
                    Ok(share) => {
                        if !self.unreadable(share, Unreadable::Name) {
                            return false;
                        }
                        continue;
                    }
                    Err(_) => continue,
                },
            };
            if span.1 & LOSSY != 0 {
                if !self.unreadable(share, Unreadable::Name) {
                    return false;
                }
                continue;
            }
            let real = level.real.join(name);
            let went_on = match std::fs::symlink_metadata(&real) {
                Ok(meta) => self.visit(share, &real, &meta, &mut stack),
                Err(error) => self.unreadable(share, reason(&error)),
            };
            if !went_on {
                return false;
            }
        }
        true
    }

    fn visit(&mut self, share: RelPath, real: &Path, meta: &Metadata, stack: &mut Vec<Level>) -> bool {
        let mtime = meta.modified().map(mtime_of).unwrap_or_default();
        if meta.is_dir() {
            let too_deep = share.names().count() >= MAX_DEPTH || share.as_str().len() + 256 > MAX_PATH_LEN;
            let listed = if too_deep {
                Err(Unreadable::Name)
            } else {
                self.names(real).map_err(|error| reason(&error))
            };
            return match listed {
                Ok(names) => {
                    let entry = Entry { path: share, kind: EntryKind::Directory, mtime };
                    if !self.add(&entry) {
                        return false;
                    }
                    stack.push(Level { share: entry.path, real: real.to_owned(), names, next: 0 });
                    true
                }
                Err(reason) => self.unreadable(share, reason),
            };
        }
        let kind = if meta.is_symlink() {
            link(real)
        } else if !meta.is_file() {
            EntryKind::Unreadable(Unreadable::Special)
        } else if let Err(reason) = readable(real) {
            EntryKind::Unreadable(reason)
        } else if meta.len() > MAX_FILE_SIZE {
            EntryKind::Unreadable(Unreadable::Failed)
        } else {
            EntryKind::File { size: meta.len(), executable: is_executable(meta) }
        };
        self.add(&Entry { path: share, kind, mtime })
    }

    fn unreadable(&mut self, path: RelPath, reason: Unreadable) -> bool {
        self.add(&Entry { path, kind: EntryKind::Unreadable(reason), mtime: Mtime::default() })
    }

    fn add(&mut self, entry: &Entry) -> bool {
        if self.pages.entries() >= u64::from(MAX_ENTRIES) {
            tracing::warn!(limit = MAX_ENTRIES, "the share has too many entries; the rest is left out");
            return false;
        }
        if !self.pages.push(entry) {
            return false;
        }
        if self.published.elapsed() >= PUBLISH_EVERY {
            self.published = Instant::now();
            return self.pages.flush();
        }
        true
    }

    // The sorted names in a directory.
    fn names(&mut self, real: &Path) -> io::Result<Names> {
        let mut names = Names { text: String::new(), spans: Vec::new() };
        for (read, item) in std::fs::read_dir(real)?.enumerate() {
            if read % ASK_EVERY == ASK_EVERY - 1 && (!self.pages.wanted() || !self.publish_early()) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let name = item?.file_name();
            let (lossy, text) = match name.to_str() {
                Some(text) => (0, std::borrow::Cow::Borrowed(text)),
                None => (LOSSY, name.to_string_lossy()),
            };
            let (Ok(start), Ok(len)) = (u32::try_from(names.text.len()), u32::try_from(text.len())) else {
                return Err(io::ErrorKind::FileTooLarge.into());
            };
            names.text.push_str(&text);
            names.spans.push((start, len | lossy));
        }
        let mut spans = std::mem::take(&mut names.spans);
        spans.sort_unstable_by(|a, b| names.get(*a).cmp(names.get(*b)));
        names.spans = spans;
        Ok(names)
    }

    // A large directory takes long to read; what was found before it is shown meanwhile.
    fn publish_early(&mut self) -> bool {
        if self.published.elapsed() < PUBLISH_EVERY {
            return true;
        }
        self.published = Instant::now();
        self.pages.flush()
    }
}

fn reason(error: &io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Unreadable::Denied,
        _ => Unreadable::Failed,
    }
}

fn link(real: &Path) -> EntryKind {
    match std::fs::read_link(real).map(|target| target.into_os_string().into_string()) {
        Ok(Ok(target)) if target.len() <= MAX_TARGET_LEN => EntryKind::Symlink { target },
        Ok(_) => EntryKind::Unreadable(Unreadable::Name),
        Err(error) => EntryKind::Unreadable(reason(&error)),
    }
}

fn start_of(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(unix)]
fn readable(real: &Path) -> Result<(), Unreadable> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, real, Access::READ_OK, AtFlags::EACCESS).map_err(|errno| reason(&errno.into()))
}

#[cfg(not(unix))]
fn readable(_real: &Path) -> Result<(), Unreadable> {
    Ok(())
}

#[cfg(unix)]
fn is_executable(meta: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_meta: &Metadata) -> bool {
    false
}
