//! What is ticked.

use super::{NO_FOLDER, ROOT, Sum, Tree};
use std::collections::BTreeSet;

impl Tree {
    /// Ticks or unticks an entry with all that is in it.
    ///
    /// A folder follows what is in it: it is ticked when all of that is, and not when nothing of it is.
    pub fn tick(&mut self, node: u32, ticked: bool) {
        if node == ROOT || self.nodes.get(node as usize).is_none() {
            return;
        }
        self.set(node, ticked);
        let mut at = self.node(node).parent;
        while at != ROOT {
            let node = self.folder(at).node;
            if !self.is_mixed(at) && self.folder(at).flips > 0 {
                let ticked = self.chosen_below(at, self.is_ticked(node)).entries > 0;
                self.set(node, ticked);
            }
            at = self.node(node).parent;
        }
    }

    /// Ticks or unticks everything, also what is still to come.
    pub fn tick_all(&mut self, ticked: bool) {
        self.clear(ROOT);
        self.awaited.clear();
        self.nodes[ROOT as usize].flipped = !ticked;
    }

    /// The paths whose tick is not that of the folder they are in; the empty one where that is so of the whole.
    pub fn flips(&self) -> BTreeSet<String> {
        let mut flips = self.awaited.clone();
        if self.node(ROOT).flipped {
            flips.insert(String::new());
        }
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            let folder = self.folder(folder);
            if folder.flips == 0 {
                continue;
            }
            let children = folder.folders.iter().map(|&child| self.folder(child).node);
            let flipped =
                children.chain(folder.leaves.iter().copied()).filter(|&node| self.node(node).flipped);
            flips.extend(flipped.map(|node| self.path(node)));
            folders.extend(&folder.folders);
        }
        flips
    }

    /// Whether an entry itself is ticked.
    pub(super) fn is_ticked(&self, node: u32) -> bool {
        let (mut at, mut ticked) = (node, true);
        loop {
            let node = self.node(at);
            ticked ^= node.flipped;
            if at == ROOT {
                return ticked;
            }
            at = self.folder(node.parent).node;
        }
    }

    /// What is ticked below a folder that is itself `ticked`, or is not.
    pub(super) fn chosen_below(&self, folder: u32, ticked: bool) -> Sum {
        let folder = self.folder(folder);
        if ticked { folder.held - folder.differ } else { folder.differ }
    }

    /// Whether some of what is below a folder is ticked, and some is not.
    pub(super) fn is_mixed(&self, folder: u32) -> bool {
        let folder = self.folder(folder);
        folder.differ.entries != 0 && folder.differ.entries != folder.held.entries
    }

    /// Turns a node, and all below it, around.
    pub(super) fn flip(&mut self, node: u32) {
        let before = self.contribution(node);
        let flipped = !self.node(node).flipped;
        self.nodes[node as usize].flipped = flipped;
        let change = self.contribution(node) - before;
        self.hand_up(node, change, if flipped { 1 } else { -1 });
    }

    // Makes a node and all below it ticked, or not.
    fn set(&mut self, node: u32, ticked: bool) {
        let folder = self.node(node).folder;
        if folder != NO_FOLDER && self.folder(folder).flips > 0 {
            let before = self.contribution(node);
            let flips = i64::from(self.folder(folder).flips);
            self.clear(folder);
            self.hand_up(node, self.contribution(node) - before, -flips);
        }
        if self.is_ticked(node) != ticked {
            self.flip(node);
        }
    }

    // What below and with a node is not ticked as the folder that it is in.
    fn contribution(&self, node: u32) -> Sum {
        let own = self.own(node);
        let node = self.node(node);
        let (held, differ) = match node.folder {
            NO_FOLDER => (Sum::default(), Sum::default()),
            folder => (self.folder(folder).held, self.folder(folder).differ),
        };
        if node.flipped { own + held - differ } else { differ }
    }

    // Tells all folders above a node that its contribution, and the flips at and below it, have changed.
    fn hand_up(&mut self, node: u32, mut change: Sum, flips: i64) {
        let mut at = self.node(node).parent;
        loop {
            let folder = self.folder_mut(at);
            folder.differ += change;
            folder.flips = u32::try_from(i64::from(folder.flips) + flips).unwrap_or(0);
            if at == ROOT {
                return;
            }
            let node = folder.node;
            if self.node(node).flipped {
                change = -change;
            }
            at = self.node(node).parent;
        }
    }

    // Takes all flips away below a folder; those above are to be told.
    fn clear(&mut self, folder: u32) {
        let mut folders = vec![folder];
        while let Some(at) = folders.pop() {
            let folder = &mut self.folders[at as usize];
            if folder.flips == 0 {
                continue;
            }
            folder.flips = 0;
            folder.differ = Sum::default();
            for &leaf in &folder.leaves {
                self.nodes[leaf as usize].flipped = false;
            }
            folders.extend(&folder.folders);
            for &child in &self.folders[at as usize].folders {
                let node = self.folders[child as usize].node;
                self.nodes[node as usize].flipped = false;
            }
        }
    }
}
