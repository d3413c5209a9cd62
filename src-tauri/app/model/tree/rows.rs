//! The rows that are visible, and folders that open and close.

use super::{ROOT, Tree};
use crate::api::{Row, RowKind, Rows, Tick};

// What is passed over, and what is still wanted, while rows are gathered.
struct Gathering {
    skip: u32,
    take: u32,
    // The number of the next row.
    next: u32,
    rows: Vec<Row>,
}

// The folder whose rows are gathered, as they need to know it.
#[derive(Clone, Copy)]
struct Above {
    depth: u16,
    ticked: bool,
    // Its own row; the root has none.
    row: Option<u32>,
}

impl Tree {
    /// At most `count` of the visible rows, from the one numbered `from`.
    pub fn rows(&self, from: u32, count: u32) -> Rows {
        let mut gathering = Gathering { skip: from, take: count, next: 0, rows: Vec::new() };
        let root = Above { depth: 0, ticked: self.is_ticked(ROOT), row: None };
        self.gather(ROOT, root, &mut gathering);
        Rows { total: self.root().rows, from, rows: gathering.rows }
    }

    /// Opens or closes a folder; anything else is left as it is.
    pub fn open(&mut self, node: u32, open: bool) {
        let Some(folder) = self.nodes.get(node as usize).map(|node| node.folder) else { return };
        if folder == ROOT || self.folders.get(folder as usize).is_none_or(|folder| folder.open == open) {
            return;
        }
        let parent = self.node(node).parent;
        let (place, rows) = (self.folder(folder).place, self.folder(folder).rows);
        self.folder_mut(folder).open = open;
        let opened = &mut self.folder_mut(parent).opened;
        match (open, opened.binary_search(&place)) {
            (true, Err(at)) => opened.insert(at, place),
            (false, Ok(at)) => drop(opened.remove(at)),
            _ => {}
        }
        self.grow(parent, if open { i64::from(rows) } else { -i64::from(rows) });
    }

    // Adds to the rows that a folder shows, and to those of all that it is open in.
    pub(super) fn grow(&mut self, folder: u32, rows: i64) {
        let mut at = folder;
        loop {
            let folder = self.folder_mut(at);
            folder.rows = u32::try_from(i64::from(folder.rows) + rows).unwrap_or(0);
            if at == ROOT || !folder.open {
                return;
            }
            let node = folder.node;
            at = self.node(node).parent;
        }
    }

    // A share is at most 512 folders deep, and so is this.
    fn gather(&self, at: u32, above: Above, gathering: &mut Gathering) {
        let folder = self.folder(at);
        let mut from = 0;
        for &place in &folder.opened {
            if gathering.take == 0 {
                return;
            }
            let place = place as usize;
            self.emit(&folder.folders[from..=place], |child| self.folder(child).node, above, gathering);
            let child = folder.folders[place];
            let rows = self.folder(child).rows;
            if gathering.skip >= rows {
                gathering.skip -= rows;
                gathering.next += rows;
            } else {
                let below = Above {
                    depth: above.depth.saturating_add(1),
                    ticked: above.ticked ^ self.node(self.folder(child).node).flipped,
                    row: gathering.next.checked_sub(1),
                };
                self.gather(child, below, gathering);
            }
            from = place + 1;
        }
        self.emit(&folder.folders[from..], |child| self.folder(child).node, above, gathering);
        self.emit(&folder.leaves, |leaf| leaf, above, gathering);
    }

    fn emit(&self, numbers: &[u32], node_of: impl Fn(u32) -> u32, above: Above, gathering: &mut Gathering) {
        let skipped = (gathering.skip as usize).min(numbers.len());
        gathering.skip -= skipped as u32;
        for &number in numbers[skipped..].iter().take(gathering.take as usize) {
            gathering.take -= 1;
            gathering.rows.push(self.row(node_of(number), above));
        }
        // A list is never longer than a share may have entries.
        gathering.next += numbers.len() as u32;
    }

    fn row(&self, number: u32, above: Above) -> Row {
        let node = self.node(number);
        let ticked = above.ticked ^ node.flipped;
        let (mut bytes, mut files, mut open) = (node.bytes, 0, false);
        let mut tick = if ticked { Tick::All } else { Tick::None };
        if node.kind == RowKind::Folder {
            let folder = self.folder(node.folder);
            (bytes, files, open) = (folder.held.bytes.unsigned_abs(), folder.files, folder.open);
            let chosen = self.chosen_below(node.folder, ticked).entries;
            if folder.held.entries > 0 {
                tick = match chosen {
                    0 => Tick::None,
                    all if all == folder.held.entries => Tick::All,
                    _ => Tick::Some,
                };
            }
        }
        Row {
            node: number,
            depth: above.depth,
            parent: above.row,
            name: self.name(node).to_owned(),
            kind: node.kind,
            bytes,
            files,
            open,
            tick,
        }
    }
}
