//! Which entries of a share are taken: all of them, what patterns name, or what a person has ticked.

use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a person has ticked: everything, but for flips. A path in the set flips what the folder above it says, for
/// itself and all below it; the empty path is the share itself.
///
/// Cloned freely; as large as what was flipped, not as what is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    flips: Arc<BTreeSet<String>>,
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Selection::default()
    }

    /// Everything, but for these paths within the share.
    pub fn with_flips(flips: BTreeSet<String>) -> Self {
        Selection { flips: Arc::new(flips) }
    }

    /// The flips that it was made of.
    pub fn flips(&self) -> &BTreeSet<String> {
        &self.flips
    }

    /// Whether the entry at `path` is chosen. One lookup for each folder above it, whatever the number of flips.
    pub fn contains(&self, path: &str) -> bool {
        let inside = !path.is_empty() && self.flips.contains(path);
        let above = path.match_indices('/').filter(|&(at, _)| self.flips.contains(&path[..at])).count();
        (above + usize::from(inside) + usize::from(self.flips.contains(""))).is_multiple_of(2)
    }
}

/// The entries to take.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// Those that a pattern names, and what is below them.
    Matching(GlobSet),
    /// Those that are ticked.
    Selected(Selection),
}

impl Default for Chosen {
    fn default() -> Self {
        Chosen::Selected(Selection::all())
    }
}

impl Chosen {
    /// Makes the set of entries to take from patterns such as `photos/2024` and `*.jpg`.
    ///
    /// A pattern is compared with the whole path within the share and with every folder above it; `*` crosses `/`.
    /// No patterns choose everything.
    ///
    /// # Errors
    /// A pattern that is not a glob.
    pub fn matching<T: AsRef<str>>(patterns: &[T]) -> Result<Self, globset::Error> {
        if patterns.is_empty() {
            return Ok(Chosen::default());
        }
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(Glob::new(pattern.as_ref().trim_end_matches('/'))?);
        }
        set.build().map(Chosen::Matching)
    }

    /// Whether nothing is left out.
    pub fn is_all(&self) -> bool {
        matches!(self, Chosen::Selected(selection) if selection.flips.is_empty())
    }

    // Whether all of a folder is taken, as far as nothing within says otherwise.
    fn takes_folder(&self, folder: &str) -> bool {
        match self {
            Chosen::Matching(set) => {
                let above = folder.match_indices('/').map(|(at, _)| &folder[..at]);
                above.chain([folder]).any(|folder| !folder.is_empty() && set.is_match(folder))
            }
            Chosen::Selected(selection) => selection.contains(folder),
        }
    }
}

/// Remembers whether the last folder is chosen, so that its files cost one comparison each.
#[derive(Debug, Default)]
pub struct Chooser {
    last: Option<(String, bool)>,
}

impl Chooser {
    /// Whether `chosen` takes the entry at `path`. One chooser goes with one choice.
    pub fn takes(&mut self, chosen: &Chosen, path: &str) -> bool {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let above = match &self.last {
            Some((folder, taken)) if folder == parent => *taken,
            _ => self.last.insert((parent.to_owned(), chosen.takes_folder(parent))).1,
        };
        match chosen {
            Chosen::Matching(set) => above || set.is_match(path),
            Chosen::Selected(selection) => above != selection.flips.contains(path),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_folder_takes_what_is_in_it() {
        let check = |pattern: &str, path: &str| {
            Chooser::default().takes(&Chosen::matching(&[pattern]).unwrap(), path)
        };
        assert!(check("photos/a", "photos/a"));
        assert!(check("photos/a/", "photos/a/b/c.jpg"));
        assert!(!check("photos/a", "photos/ab"));
        assert!(!check("photos/a", "photos"));
        assert!(check("*.jpg", "photos/a/b.jpg"));
        assert!(!check("*.jpg", "photos/a/b.png"));
        assert!(check("*/a", "photos/a/x"));
    }

    fn flipped(paths: &[&str]) -> Selection {
        Selection::with_flips(paths.iter().map(|&path| path.to_owned()).collect())
    }

    #[test]
    fn a_flip_turns_what_is_below_it() {
        let selection = flipped(&["a", "a/b", "a/b/c.txt", "x/y"]);
        for path in ["", "a/b", "a/b/d.txt", "x", "x/z", "ab", "a-b"] {
            assert!(selection.contains(path), "{path}");
        }
        for path in ["a", "a/z", "a/bc", "a/b/c.txt", "x/y", "x/y/z"] {
            assert!(!selection.contains(path), "{path}");
        }
    }

    #[test]
    fn the_empty_path_turns_everything() {
        let selection = flipped(&["", "a"]);
        assert!(!selection.contains("") && !selection.contains("b") && !selection.contains("b/a"));
        assert!(selection.contains("a") && selection.contains("a/b"));
    }

    #[test]
    fn a_hundred_thousand_flips_are_looked_up_among_a_million_entries() {
        let path = |number: u32| format!("folder {:04}/file {number:07}", number / 1000);
        let selection = Selection::with_flips((0..1_000_000).step_by(10).map(path).collect());
        let (chosen, mut chooser) = (Chosen::Selected(selection), Chooser::default());
        let taken = (0..1_000_000).filter(|&number| chooser.takes(&chosen, &path(number))).count();
        assert_eq!(taken, 900_000);
    }

    proptest! {
        #[test]
        fn a_chooser_says_what_the_selection_says(
            flips in proptest::collection::btree_set("|[ab](/[ab]){0,3}", 0..8),
            paths in proptest::collection::vec("[ab](/[ab]){0,4}", 0..20),
        ) {
            let selection = Selection::with_flips(flips.clone());
            let chosen = Chosen::Selected(selection.clone());
            let mut chooser = Chooser::default();
            for path in paths {
                // By the word of the definition: from the share itself down, each flip turns it.
                let mut expected = !flips.contains("");
                let mut at = String::new();
                for name in path.split('/') {
                    at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
                    expected ^= flips.contains(&at);
                }
                prop_assert_eq!(selection.contains(&path), expected, "{}", path);
                prop_assert_eq!(chooser.takes(&chosen, &path), expected, "{}", path);
            }
        }
    }
}
