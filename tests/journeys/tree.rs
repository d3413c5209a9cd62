//! Trees on disk: made from a seed, read whole, and compared entry by entry.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One entry, as far as a share carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File { sha256: [u8; 32], size: u64, executable: bool, mtime: (i64, i64) },
    Folder { mtime: (i64, i64) },
    Symlink { target: PathBuf },
    Other,
}

/// Everything below `root`, by path; `root` itself is the empty path.
pub fn read(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = BTreeMap::new();
    collect(root, Path::new(""), &mut nodes);
    nodes
}

fn collect(root: &Path, within: &Path, nodes: &mut BTreeMap<PathBuf, Node>) {
    // Nothing joined would still add a slash, which a file does not take.
    let path = if within.as_os_str().is_empty() { root.to_owned() } else { root.join(within) };
    let meta = path.symlink_metadata().unwrap();
    let mtime = (meta.mtime(), meta.mtime_nsec());
    let node = if meta.is_dir() {
        for entry in fs::read_dir(&path).unwrap() {
            collect(root, &within.join(entry.unwrap().file_name()), nodes);
        }
        Node::Folder { mtime }
    } else if meta.is_symlink() {
        Node::Symlink { target: fs::read_link(&path).unwrap() }
    } else if meta.is_file() {
        let executable = meta.permissions().mode() & 0o100 != 0;
        Node::File { sha256: sha256(&path), size: meta.len(), executable, mtime }
    } else {
        Node::Other
    };
    nodes.insert(within.to_owned(), node);
}

fn sha256(path: &Path) -> [u8; 32] {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path).unwrap(), &mut hash).unwrap();
    hash.finalize().into()
}

/// Holds that two trees are the same, and names what differs.
#[track_caller]
pub fn same(expected: &BTreeMap<PathBuf, Node>, found: &BTreeMap<PathBuf, Node>) {
    let missing = expected.iter().filter(|&(path, node)| found.get(path) != Some(node));
    let strange = found.iter().filter(|&(path, node)| expected.get(path) != Some(node));
    let (missing, strange): (Vec<_>, Vec<_>) = (missing.take(5).collect(), strange.take(5).collect());
    assert!(missing.is_empty() && strange.is_empty(), "expected {missing:#?}\nfound {strange:#?}");
}

/// Holds that `out` has the tree of `source` and, beside it, nothing.
#[track_caller]
pub fn arrived(source: &Path, out: &Path) {
    same(&read(source), &read(&out.join(source.file_name().unwrap())));
    assert_eq!(names(out), [source.file_name().unwrap().to_str().unwrap()]);
}

/// The names in a folder, sorted; none where there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Writes `size` bytes that follow from `seed`, that do not repeat and can't be compressed.
pub fn write_file(path: &Path, seed: u64, size: u64) {
    let mut bytes = io::BufWriter::new(File::create(path).unwrap());
    io::copy(&mut Noise { state: seed.wrapping_add(1) }.take(size), &mut bytes).unwrap();
    bytes.flush().unwrap();
}

// SplitMix64.
struct Noise {
    state: u64,
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for piece in buffer.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            piece.copy_from_slice(&mixed.to_le_bytes()[..piece.len()]);
        }
        Ok(buffer.len())
    }
}
