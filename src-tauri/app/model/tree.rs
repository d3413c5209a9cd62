//! What a share offers, as a tree of a million entries of which some folders are open and some entries ticked.
//!
//! Names stand in one text, entries in one list, and every folder knows what it holds in sum and how many rows it
//! shows, so that any part of the visible rows is found without a walk. Ticks are *flips*: an entry is ticked as its
//! folder is, unless it flips that, for itself and all below it; so a click costs what it changes, and not what it
//! covers.

mod rows;
mod ticks;

use crate::api::{Chosen, RowKind};
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::{Add, AddAssign, Neg, Sub};

/// The number of an entry that is no folder.
const NO_FOLDER: u32 = u32::MAX;
/// The folder that all others are in, and its node.
const ROOT: u32 = 0;

/// The tree; entries are only ever added.
#[derive(Debug)]
pub struct Tree {
    names: String,
    nodes: Vec<Node>,
    folders: Vec<Folder>,
    // Folders by the one that they are in and a hash of their name: for paths that come out of order.
    by_name: HashMap<(u32, u64), u32>,
    hasher: RandomState,
    // The folder that the last entry came into, and its path: the next one is most often there too.
    last: (String, u32),
    // What is to be flipped when it comes.
    awaited: BTreeSet<String>,
}

#[derive(Debug)]
struct Node {
    name_at: u32,
    name_len: u16,
    kind: RowKind,
    flipped: bool,
    // A folder that is known only from what is in it is no entry yet.
    listed: bool,
    // Folder numbers.
    parent: u32,
    folder: u32,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Folder {
    node: u32,
    // Its place among its parent's folders.
    place: u32,
    open: bool,
    // All below it, without itself.
    held: Sum,
    // Of these, what is not ticked as it is itself.
    differ: Sum,
    files: u32,
    // How many flips are below it.
    flips: u32,
    // The rows that it shows when it is open.
    rows: u32,
    folders: Vec<u32>,
    leaves: Vec<u32>,
    // The places of the open ones among `folders`, in order.
    opened: Vec<u32>,
}

/// Entries and their bytes; differences may be below zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    entries: i64,
    bytes: i64,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new(BTreeSet::new())
    }
}

impl Tree {
    /// An empty one, of which the paths in `flips` will be flipped when they come.
    pub fn new(mut flips: BTreeSet<String>) -> Self {
        let flipped = flips.remove("");
        let root = Node {
            name_at: 0,
            name_len: 0,
            kind: RowKind::Folder,
            flipped,
            listed: false,
            parent: ROOT,
            folder: ROOT,
            bytes: 0,
        };
        Tree {
            names: String::new(),
            nodes: vec![root],
            folders: vec![Folder { open: true, ..Folder::default() }],
            by_name: HashMap::new(),
            hasher: RandomState::new(),
            last: (String::new(), ROOT),
            awaited: flips,
        }
    }

    /// Adds an entry. Beyond four billion entries or bytes of names the rest is not shown.
    pub fn push(&mut self, path: &str, kind: RowKind, bytes: u64) {
        let (parent_path, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(parent) = self.folder_at(parent_path) else { return };
        if kind == RowKind::Folder
            && let Some(folder) = self.find(parent, name)
        {
            self.list(folder);
            return;
        }
        let flipped = !self.awaited.is_empty() && self.awaited.remove(path);
        let Some(node) = self.add(parent, name, kind, bytes, flipped) else { return };
        self.count(node, true);
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.root().held.entries.unsigned_abs()
    }

    /// What of it is ticked.
    pub fn chosen(&self) -> Chosen {
        let chosen = self.chosen_below(ROOT, self.is_ticked(ROOT));
        Chosen { entries: chosen.entries.unsigned_abs(), bytes: chosen.bytes.unsigned_abs() }
    }

    fn root(&self) -> &Folder {
        &self.folders[ROOT as usize]
    }

    fn folder(&self, folder: u32) -> &Folder {
        &self.folders[folder as usize]
    }

    fn folder_mut(&mut self, folder: u32) -> &mut Folder {
        &mut self.folders[folder as usize]
    }

    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn name(&self, node: &Node) -> &str {
        let start = node.name_at as usize;
        self.names.get(start..start + usize::from(node.name_len)).unwrap_or_default()
    }

    fn path(&self, node: u32) -> String {
        let mut names = Vec::new();
        let mut at = node;
        while at != ROOT {
            let node = self.node(at);
            names.push(self.name(node));
            at = self.folder(node.parent).node;
        }
        names.reverse();
        names.join("/")
    }

    // The folder with this path, made with all above it if it has not come yet.
    fn folder_at(&mut self, path: &str) -> Option<u32> {
        if path == self.last.0 {
            return Some(self.last.1);
        }
        let mut folder = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder = match self.find(folder, name) {
                Some(found) => found,
                None => {
                    let node = self.add(folder, name, RowKind::Folder, 0, false)?;
                    self.nodes[node as usize].listed = false;
                    self.node(node).folder
                }
            };
        }
        self.last.0.clear();
        self.last.0.push_str(path);
        self.last.1 = folder;
        Some(folder)
    }

    fn find(&self, parent: u32, name: &str) -> Option<u32> {
        let &folder = self.by_name.get(&(parent, self.hasher.hash_one(name)))?;
        let node = self.node(self.folder(folder).node);
        (self.name(node) == name).then_some(folder)
    }

    fn add(&mut self, parent: u32, name: &str, kind: RowKind, bytes: u64, flipped: bool) -> Option<u32> {
        let node = u32::try_from(self.nodes.len()).ok().filter(|&node| node != NO_FOLDER)?;
        let (name_at, name_len) = (u32::try_from(self.names.len()).ok()?, u16::try_from(name.len()).ok()?);
        let folder = match kind {
            RowKind::Folder => u32::try_from(self.folders.len()).ok()?,
            _ => NO_FOLDER,
        };
        self.names.push_str(name);
        self.nodes.push(Node { name_at, name_len, kind, flipped, listed: true, parent, folder, bytes });
        if folder == NO_FOLDER {
            self.folder_mut(parent).leaves.push(node);
        } else {
            let place = self.folder(parent).folders.len() as u32;
            self.folders.push(Folder { node, place, ..Folder::default() });
            self.folder_mut(parent).folders.push(folder);
            self.by_name.insert((parent, self.hasher.hash_one(name)), folder);
        }
        self.grow(parent, 1);
        Some(node)
    }

    // Counts a new node in all folders that it is in; `fresh` unless its flip is counted already.
    fn count(&mut self, node: u32, fresh: bool) {
        let Node { flipped, kind, parent, .. } = *self.node(node);
        let sum = self.own(node);
        let files = u32::from(kind != RowKind::Folder);
        let flips = u32::from(flipped && fresh);
        let (mut at, mut differs) = (parent, flipped);
        loop {
            let folder = self.folder_mut(at);
            folder.held += sum;
            folder.files = folder.files.saturating_add(files);
            folder.flips += flips;
            if differs {
                folder.differ += sum;
            }
            if at == ROOT {
                return;
            }
            let own = self.node(self.folder(at).node);
            differs ^= own.flipped;
            at = own.parent;
        }
    }

    // A folder that was known from what is in it is an entry from now on.
    fn list(&mut self, folder: u32) {
        let node = self.folder(folder).node;
        if !std::mem::replace(&mut self.nodes[node as usize].listed, true) {
            self.count(node, false);
            if !self.awaited.is_empty() && self.awaited.remove(&self.path(node)) {
                self.flip(node);
            }
        }
    }

    // What a node is by itself.
    fn own(&self, node: u32) -> Sum {
        let node = self.node(node);
        Sum { entries: i64::from(node.listed), bytes: node.bytes.min(1 << 62) as i64 }
    }
}

impl Add for Sum {
    type Output = Sum;
    fn add(self, other: Sum) -> Sum {
        Sum {
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Sum) {
        *self = *self + other;
    }
}

impl Neg for Sum {
    type Output = Sum;
    fn neg(self) -> Sum {
        Sum { entries: -self.entries, bytes: -self.bytes }
    }
}

impl Sub for Sum {
    type Output = Sum;
    fn sub(self, other: Sum) -> Sum {
        self + -other
    }
}

#[cfg(test)]
mod tests;
