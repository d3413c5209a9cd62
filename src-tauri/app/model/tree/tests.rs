//! The tree against a plain list of paths, and at a million entries.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::Tick;
use proptest::prelude::*;
use sluice_engine::disk::Selection;
use std::time::{Duration, Instant};

fn tree(entries: &[(&str, u64)]) -> Tree {
    let mut tree = Tree::default();
    for &(path, bytes) in entries {
        match path.strip_suffix('/') {
            Some(path) => tree.push(path, RowKind::Folder, 0),
            None => tree.push(path, RowKind::File, bytes),
        }
    }
    tree
}

// Each row as `name tick`, indented, with `+` for an open folder.
fn drawn(tree: &Tree) -> Vec<String> {
    let rows = tree.rows(0, u32::MAX);
    assert_eq!(rows.total as usize, rows.rows.len());
    let draw = |row: &crate::api::Row| {
        let tick = match row.tick {
            Tick::All => "x",
            Tick::Some => "-",
            Tick::None => "o",
        };
        format!("{}{}{} {tick}", " ".repeat(row.depth.into()), row.name, if row.open { "+" } else { "" })
    };
    rows.rows.iter().map(draw).collect()
}

fn node(tree: &Tree, name: &str) -> u32 {
    tree.rows(0, u32::MAX).rows.iter().find(|row| row.name == name).unwrap().node
}

fn flips(tree: &Tree) -> Vec<String> {
    tree.flips().into_iter().collect()
}

#[test]
fn folders_come_first_and_open_to_what_is_in_them() {
    let mut tree = tree(&[("a.txt", 1), ("b/", 0), ("b/c/", 0), ("b/c/d", 5), ("b/e", 6), ("z/", 0)]);
    assert_eq!(drawn(&tree), ["b x", "z x", "a.txt x"]);
    tree.open(node(&tree, "b"), true);
    tree.open(node(&tree, "c"), true);
    assert_eq!(drawn(&tree), ["b+ x", " c+ x", "  d x", " e x", "z x", "a.txt x"]);
    tree.push("b/c/d2", RowKind::File, 1);
    assert_eq!(tree.rows(3, 1).rows[0].name, "d2");
    let b = node(&tree, "b");
    tree.open(b, false);
    assert_eq!(drawn(&tree), ["b x", "z x", "a.txt x"]);
    tree.open(b, true);
    assert_eq!(tree.rows(0, u32::MAX).total, 7, "what was open in it is still open");
    let row = &tree.rows(0, 1).rows[0];
    assert_eq!((row.bytes, row.files), (12, 3));
    assert_eq!(tree.rows(7, 10).rows, []);
    assert_eq!(tree.entries(), 7);
}

#[test]
fn a_folder_follows_what_is_in_it() {
    let mut tree = tree(&[("a/", 0), ("a/b", 1), ("a/c", 2), ("d", 4)]);
    tree.open(node(&tree, "a"), true);
    tree.tick(node(&tree, "b"), false);
    assert_eq!(drawn(&tree), ["a+ -", " b o", " c x", "d x"]);
    assert_eq!(flips(&tree), ["a/b"]);
    tree.tick(node(&tree, "c"), false);
    assert_eq!(drawn(&tree), ["a+ o", " b o", " c o", "d x"]);
    assert_eq!(flips(&tree), ["a"], "the folder itself is not wanted either");
    assert_eq!(tree.chosen(), Chosen { entries: 1, bytes: 4 });
    tree.tick(node(&tree, "c"), true);
    assert_eq!(flips(&tree), ["a", "a/c"]);
    assert_eq!(drawn(&tree), ["a+ -", " b o", " c x", "d x"]);
    tree.tick(node(&tree, "b"), true);
    assert_eq!((flips(&tree), tree.chosen()), (vec![], Chosen { entries: 4, bytes: 7 }));
}

#[test]
fn everything_can_be_unticked_and_what_is_still_to_come_with_it() {
    let mut tree = tree(&[("a/", 0), ("a/b", 1), ("c", 2)]);
    tree.tick_all(false);
    tree.push("a/d", RowKind::File, 8);
    tree.push("e", RowKind::File, 16);
    assert_eq!(tree.chosen(), Chosen::default());
    assert_eq!(flips(&tree), [""]);
    tree.tick(node(&tree, "e"), true);
    assert_eq!(
        (flips(&tree), tree.chosen()),
        (vec![String::new(), "e".into()], Chosen { entries: 1, bytes: 16 })
    );
    assert_eq!(Tree::new(tree.flips()).flips(), tree.flips());
    tree.tick_all(true);
    assert_eq!(tree.chosen(), Chosen { entries: 5, bytes: 27 });
}

#[test]
fn what_was_chosen_before_is_chosen_again() {
    let kept = BTreeSet::from(["a".to_owned(), "a/b".to_owned(), "never comes".to_owned()]);
    let mut tree = Tree::new(kept.clone());
    for (path, kind) in [("a", RowKind::Folder), ("a/b", RowKind::File), ("a/c", RowKind::File)] {
        tree.push(path, kind, 1);
    }
    tree.open(node(&tree, "a"), true);
    assert_eq!(drawn(&tree), ["a+ -", " b x", " c o"]);
    assert_eq!(tree.flips(), kept);
}

#[test]
fn paths_out_of_order_and_without_their_folders_are_taken() {
    let tree = tree(&[("a/b/c", 1), ("x", 2), ("a/b/d", 4), ("a/", 0), ("a/b/", 0), ("a/b/", 0)]);
    assert_eq!(drawn(&tree), ["a x", "x x"]);
    assert_eq!(tree.entries(), 5);
    assert_eq!(tree.chosen(), Chosen { entries: 5, bytes: 7 });
}

#[test]
fn a_number_that_is_no_folders_or_no_entrys_changes_nothing() {
    let mut tree = tree(&[("a/", 0), ("a/b", 1)]);
    for number in [0, 2, 3, u32::MAX] {
        tree.open(number, true);
    }
    for number in [0, 3, u32::MAX] {
        tree.tick(number, false);
    }
    tree.open(0, false);
    assert_eq!(drawn(&tree), ["a x"]);
}

#[test]
fn a_million_entries_are_looked_at_within_a_millisecond() {
    let mut tree = Tree::default();
    // Half a million entries in folders of fifty, and one folder of half a million files.
    tree.push("deep", RowKind::Folder, 0);
    for folder in 0..10_000 {
        let folder = format!("deep/{folder:05}");
        tree.push(&folder, RowKind::Folder, 0);
        for file in 0..49 {
            tree.push(&format!("{folder}/{file}"), RowKind::File, 1);
        }
    }
    tree.push("wide", RowKind::Folder, 0);
    for file in 0..500_000 {
        tree.push(&format!("wide/{file:06}"), RowKind::File, 1);
    }
    assert_eq!(tree.entries(), 1_000_002);
    for name in ["deep", "wide"] {
        tree.open(node(&tree, name), true);
    }
    // From below, as each that opens moves those beneath it.
    for row in [9_999, 5_000, 1, 0] {
        let folder = tree.rows(1 + row, 1).rows[0].node;
        tree.open(folder, true);
    }
    let total = tree.rows(0, 0).total;
    assert_eq!(total, 2 + 500_000 + 10_000 + 4 * 49);
    let fastest = |what: &str, work: &mut dyn FnMut()| {
        let time = |work: &mut dyn FnMut()| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        };
        // The fastest of many is the machine's own time, however busy it is.
        let fastest = (0..20).map(|_| time(work)).min().unwrap();
        assert!(fastest < Duration::from_millis(1), "{what} took {fastest:?}");
    };
    for from in [0, 300, 12_000, 300_000, total - 60] {
        fastest("a page of rows", &mut || assert_eq!(tree.rows(from, 60).rows.len(), 60));
    }
    let (wide, deep) = (node(&tree, "wide"), node(&tree, "deep"));
    fastest("opening a folder", &mut || {
        tree.open(wide, false);
        tree.open(wide, true);
    });
    fastest("ticking a folder", &mut || {
        tree.tick(deep, false);
        tree.tick(deep, true);
    });
    tree.tick(deep, false);
    assert_eq!(tree.chosen().entries, 500_001);
}

// The same told plainly: every path, with its tick.
#[derive(Debug, Default)]
struct Plain {
    entries: Vec<(String, RowKind, u64, bool)>,
}

impl Plain {
    fn below(path: &str, folder: &str) -> bool {
        path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    fn tick(&mut self, at: usize, ticked: bool) {
        let path = self.entries[at].0.clone();
        for entry in &mut self.entries {
            if entry.0 == path || Self::below(&entry.0, &path) {
                entry.3 = ticked;
            }
        }
        for (end, _) in path.match_indices('/').collect::<Vec<_>>().into_iter().rev() {
            let folder = &path[..end];
            let below = || self.entries.iter().filter(|entry| Self::below(&entry.0, folder));
            let (all, some) = (below().all(|entry| entry.3), below().any(|entry| entry.3));
            if all == some {
                self.entries.iter_mut().find(|entry| entry.0 == folder).unwrap().3 = all;
            }
        }
    }
}

// A tree of up to three levels: paths of small numbers, each folder before what is in it.
fn entries() -> impl Strategy<Value = Vec<(String, RowKind, u64)>> {
    proptest::collection::btree_set(proptest::collection::vec(0u8..4, 1..4), 1..25).prop_map(|paths| {
        let mut all = BTreeSet::new();
        for path in &paths {
            for len in 1..=path.len() {
                all.insert(path[..len].to_vec());
            }
        }
        let is_folder =
            |path: &[u8]| all.iter().any(|other| other.len() > path.len() && other.starts_with(path));
        let text = |path: &[u8]| path.iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
        let entry = |path: &Vec<u8>| match is_folder(path) {
            true => (text(path), RowKind::Folder, 0),
            false => (text(path), RowKind::File, u64::from(path[0]) + 1),
        };
        all.iter().map(entry).collect()
    })
}

proptest! {
    #[test]
    fn any_clicks_do_what_they_say(
        entries in entries(),
        clicks in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>(), any::<bool>()), 0..30),
    ) {
        let (mut tree, mut plain) = (Tree::default(), Plain::default());
        for (path, kind, bytes) in &entries {
            tree.push(path, *kind, *bytes);
            plain.entries.push((path.clone(), *kind, *bytes, true));
        }
        let paths: Vec<String> = (1..tree.nodes.len() as u32).map(|node| tree.path(node)).collect();
        for (index, opens, yes) in clicks {
            let at = index.index(paths.len());
            let node = paths.iter().position(|path| *path == entries[at].0).unwrap() as u32 + 1;
            if opens {
                tree.open(node, yes);
            } else {
                tree.tick(node, yes);
                plain.tick(at, yes);
            }
        }
        let chosen: Vec<_> = plain.entries.iter().filter(|entry| entry.3).collect();
        let sums = (chosen.len() as u64, chosen.iter().map(|entry| entry.2).sum::<u64>());
        prop_assert_eq!((tree.chosen().entries, tree.chosen().bytes), sums);
        let selection = Selection::with_flips(tree.flips());
        for entry in &plain.entries {
            prop_assert_eq!(selection.contains(&entry.0), entry.3, "{}", entry.0);
        }
        let all = tree.rows(0, u32::MAX);
        prop_assert_eq!(all.total as usize, all.rows.len());
        for from in 0..=all.total {
            let some = tree.rows(from, 3).rows;
            let until = (from as usize + 3).min(all.rows.len());
            prop_assert_eq!(&some[..], &all.rows[from as usize..until]);
        }
        for row in &all.rows {
            let path = tree.path(row.node);
            let above = row.parent.map(|parent| tree.path(all.rows[parent as usize].node));
            prop_assert_eq!(above.as_deref(), path.rsplit_once('/').map(|(above, _)| above));
            let below: Vec<_> = plain.entries.iter().filter(|entry| Plain::below(&entry.0, &path)).collect();
            let ticked = plain.entries.iter().find(|entry| entry.0 == path).unwrap().3;
            let expected = match (below.iter().any(|entry| entry.3), below.iter().all(|entry| entry.3)) {
                (true, false) => Tick::Some,
                (true, true) => Tick::All,
                (false, false) => Tick::None,
                (false, true) => if ticked { Tick::All } else { Tick::None },
            };
            prop_assert_eq!(row.tick, expected, "{}", path);
        }
    }
}
