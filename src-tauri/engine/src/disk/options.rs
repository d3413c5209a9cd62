//! What a person may choose about a destination.

use globset::{Glob, GlobSet, GlobSetBuilder};
use sluice_protocol::name::Platform;

/// What to do where a different file is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// Leave what is there.
    Skip,
    /// Write beside it, under a numbered name.
    #[default]
    Rename,
    /// Replace it, at the moment that the new file is whole.
    Overwrite,
}

/// How a share is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do about files that are already there.
    pub conflict: Conflict,
    /// The entries to take; all of them where it is `None`.
    pub only: Option<GlobSet>,
    /// Whose rules for names apply.
    pub platform: Platform,
}

impl Default for Options {
    fn default() -> Self {
        Options { conflict: Conflict::default(), only: None, platform: Platform::current() }
    }
}

/// Makes the set of entries to take from patterns such as `photos/2024` and `*.jpg`.
///
/// A pattern is compared with the whole path within the share and with every folder above it; `*` crosses `/`.
/// No patterns make no set.
///
/// # Errors
/// A pattern that is not a glob.
pub fn only<T: AsRef<str>>(patterns: &[T]) -> Result<Option<GlobSet>, globset::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern.as_ref().trim_end_matches('/'))?);
    }
    set.build().map(Some)
}

/// Remembers whether the last folder is chosen, so that its files cost one comparison each.
#[derive(Debug, Default)]
pub(super) struct Choice {
    folder: String,
    chosen: bool,
}

impl Choice {
    /// Whether `path` or a folder above it matches.
    pub(super) fn takes(&mut self, only: Option<&GlobSet>, path: &str) -> bool {
        let Some(only) = only else { return true };
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if parent != self.folder {
            self.folder.clear();
            self.folder.push_str(parent);
            self.chosen = parent
                .match_indices('/')
                .map(|(at, _)| &parent[..at])
                .chain([parent])
                .any(|folder| !folder.is_empty() && only.is_match(folder));
        }
        (!self.folder.is_empty() && self.chosen) || only.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_takes_what_is_in_it() {
        let check = |pattern: &str, path: &str| {
            let set = only(&[pattern]).unwrap();
            Choice::default().takes(set.as_ref(), path)
        };
        assert!(check("photos/a", "photos/a"));
        assert!(check("photos/a/", "photos/a/b/c.jpg"));
        assert!(!check("photos/a", "photos/ab"));
        assert!(!check("photos/a", "photos"));
        assert!(check("*.jpg", "photos/a/b.jpg"));
        assert!(!check("*.jpg", "photos/a/b.png"));
        assert!(check("*/a", "photos/a/x"));
    }
}
