//! The manifest: what a share holds, in pages that are read one by one.

use crate::MAX_FILE_SIZE;
use crate::path::{PathError, RelPath};
use crate::wire::{Reader, WireError, Writer};

/// The longest encoded page, in bytes, so that it fits the smallest wire message.
pub const MAX_PAGE_LEN: usize = 15 * 1024;
/// The most entries of one page.
pub const MAX_PAGE_ENTRIES: usize = 512;
/// The most entries of one share.
pub const MAX_ENTRIES: u32 = 100_000_000;
/// The longest target of a symlink, in bytes.
pub const MAX_TARGET_LEN: usize = 4096;

/// Why a page is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes don't follow the format.
    #[error("the page is malformed: {0}")]
    Wire(#[from] WireError),
    /// A path is not a safe relative one.
    #[error("a path is refused: {0}")]
    Path(#[from] PathError),
    /// A file is over [`MAX_FILE_SIZE`].
    #[error("a file is larger than any file can be")]
    FileTooLarge,
    /// Over [`MAX_ENTRIES`], [`MAX_PAGE_ENTRIES`] or [`MAX_PAGE_LEN`].
    #[error("there are more entries than any share can have")]
    TooManyEntries,
    /// A time is outside of what a clock can show.
    #[error("a time is malformed")]
    Time,
}

/// When a file was last changed: seconds and nanoseconds since 1970-01-01 UTC.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mtime {
    /// Whole seconds; negative before 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// Why the sender lists an entry that it can't send.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename_all = "snake_case"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// The system does not let the sender read it.
    Denied,
    /// Neither file, directory nor symlink: a socket, a device, a pipe.
    Special,
    /// Its name or target is not Unicode, or too long; the listed name shows replacements.
    Name,
    /// It disappeared, or reading it failed.
    Failed,
}

impl Unreadable {
    const ALL: [Unreadable; 4] =
        [Unreadable::Denied, Unreadable::Special, Unreadable::Name, Unreadable::Failed];

    /// The stable text of this reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unreadable::Denied => "denied",
            Unreadable::Special => "special",
            Unreadable::Name => "name",
            Unreadable::Failed => "failed",
        }
    }

    /// The byte that stands for this reason on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Unreadable::Denied => 0,
            Unreadable::Special => 1,
            Unreadable::Name => 2,
            Unreadable::Failed => 3,
        }
    }

    /// The reason with this byte.
    ///
    /// # Errors
    /// [`WireError::Tag`].
    pub fn from_byte(byte: u8) -> Result<Self, WireError> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(WireError::Tag)
    }
}

/// What an entry is.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(tag = "type", rename_all = "snake_case"))]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// In bytes, at most [`MAX_FILE_SIZE`].
        size: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory; its entries follow it.
    Directory,
    /// A symlink; never followed by the sender.
    Symlink {
        /// As the link holds it.
        target: String,
    },
    /// Listed, but not sent.
    Unreadable(#[cfg_attr(test, ts(type = "{ reason: Unreadable }"))] Unreadable),
}

/// One file, directory or symlink of a share.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where it is within the share.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
    /// When it was last changed.
    pub mtime: Mtime,
}

impl Entry {
    /// The bytes of content that this entry has: a file's size, else 0.
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        }
    }
}

/// Encodes entries into pages, as many into one as fit.
#[derive(Debug, Default)]
pub struct PageBuilder {
    body: Vec<u8>,
    count: usize,
    last: String,
}

impl PageBuilder {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries are in the page.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the page has no entry.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds `entry`, or returns false and leaves the page as it is if it is full.
    pub fn push(&mut self, entry: &Entry) -> bool {
        let before = self.body.len();
        encode_entry(entry, &self.last, &mut self.body);
        // Two bytes are the count's varint.
        if self.count == MAX_PAGE_ENTRIES || self.body.len() + 2 > MAX_PAGE_LEN {
            self.body.truncate(before);
            return false;
        }
        self.count += 1;
        self.last.clear();
        self.last.push_str(entry.path.as_str());
        true
    }

    /// The encoded page; the builder is empty again.
    pub fn take(&mut self) -> Vec<u8> {
        let mut page = Vec::with_capacity(self.body.len() + 2);
        page.varint(self.count as u64);
        page.raw(&self.body);
        self.body.clear();
        self.last.clear();
        self.count = 0;
        page
    }
}

const KIND_FILE: u8 = 0;
const KIND_EXECUTABLE: u8 = 1;
const KIND_DIRECTORY: u8 = 2;
const KIND_SYMLINK: u8 = 3;
const KIND_UNREADABLE: u8 = 4;

fn encode_entry(entry: &Entry, last: &str, out: &mut Vec<u8>) {
    let path = entry.path.as_str();
    let mut shared = path.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    while !path.is_char_boundary(shared) {
        shared -= 1;
    }
    let kind = match entry.kind {
        EntryKind::File { executable: false, .. } => KIND_FILE,
        EntryKind::File { executable: true, .. } => KIND_EXECUTABLE,
        EntryKind::Directory => KIND_DIRECTORY,
        EntryKind::Symlink { .. } => KIND_SYMLINK,
        EntryKind::Unreadable(_) => KIND_UNREADABLE,
    };
    out.push(kind);
    out.varint(shared as u64);
    out.bytes(&path.as_bytes()[shared..]);
    Writer::signed(out, entry.mtime.seconds);
    out.varint(u64::from(entry.mtime.nanos));
    match &entry.kind {
        EntryKind::File { size, .. } => out.varint(*size),
        EntryKind::Directory => {}
        EntryKind::Symlink { target } => out.bytes(target.as_bytes()),
        EntryKind::Unreadable(reason) => out.push(reason.to_byte()),
    }
}

/// Decodes one page.
///
/// # Errors
/// [`ManifestError`]; nothing of a bad page is given out, and no more memory is taken than the page justifies.
pub fn decode_page(page: &[u8]) -> Result<Vec<Entry>, ManifestError> {
    if page.len() > MAX_PAGE_LEN {
        return Err(ManifestError::TooManyEntries);
    }
    let mut reader = Reader::new(page);
    let count = reader.varint()?;
    if count > MAX_PAGE_ENTRIES as u64 {
        return Err(ManifestError::TooManyEntries);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..count {
        let last = entries.last().map_or("", |entry| entry.path.as_str());
        let entry = decode_entry(&mut reader, last)?;
        entries.push(entry);
    }
    reader.end()?;
    Ok(entries)
}

fn decode_entry(reader: &mut Reader<'_>, last: &str) -> Result<Entry, ManifestError> {
    let kind = reader.u8()?;
    let shared = usize::try_from(reader.varint()?).map_err(|_| WireError::TooLarge)?;
    let prefix = last.get(..shared).ok_or(WireError::TooLarge)?;
    let rest = reader.text(crate::path::MAX_PATH_LEN)?;
    let path = RelPath::parse(format!("{prefix}{rest}"))?;
    let mtime = Mtime { seconds: reader.signed()?, nanos: reader.varint32()? };
    if mtime.nanos >= 1_000_000_000 {
        return Err(ManifestError::Time);
    }
    let kind = match kind {
        KIND_FILE | KIND_EXECUTABLE => {
            let size = reader.varint()?;
            if size > MAX_FILE_SIZE {
                return Err(ManifestError::FileTooLarge);
            }
            EntryKind::File { size, executable: kind == KIND_EXECUTABLE }
        }
        KIND_DIRECTORY => EntryKind::Directory,
        KIND_SYMLINK => EntryKind::Symlink { target: reader.text(MAX_TARGET_LEN)?.to_owned() },
        KIND_UNREADABLE => EntryKind::Unreadable(Unreadable::from_byte(reader.u8()?)?),
        _ => return Err(WireError::Tag.into()),
    };
    Ok(Entry { path, kind, mtime })
}

/// What the sender knows of the whole share so far; grows while the tree is walked.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Full pages that can be asked for.
    pub pages: u32,
    /// Entries of every kind in those pages.
    pub entries: u64,
    /// Bytes of content in those pages.
    pub bytes: u64,
    /// Entries that are listed but can't be sent.
    pub unreadable: u64,
    /// Whether the walk is over and nothing will be added.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let name = "[a-c]{1,3}|[é水😀 .]{2,4}x";
        let path = proptest::collection::vec(name, 1..5)
            .prop_filter_map("a safe path", |names| RelPath::parse(names.join("/")).ok());
        let kind = prop_oneof![
            (0..=MAX_FILE_SIZE, any::<bool>())
                .prop_map(|(size, executable)| EntryKind::File { size, executable }),
            Just(EntryKind::Directory),
            "[a-z/.]{0,12}".prop_map(|target| EntryKind::Symlink { target }),
            (0_u8..4).prop_map(|byte| EntryKind::Unreadable(Unreadable::from_byte(byte).unwrap())),
        ];
        (path, kind, any::<i64>(), 0_u32..1_000_000_000).prop_map(|(path, kind, seconds, nanos)| Entry {
            path,
            kind,
            mtime: Mtime { seconds, nanos },
        })
    }

    proptest! {
        #[test]
        fn pages_round_trip(entries in proptest::collection::vec(entry(), 0..600)) {
            let mut pages = Vec::new();
            let mut builder = PageBuilder::new();
            for entry in &entries {
                if !builder.push(entry) {
                    pages.push(builder.take());
                    prop_assert!(builder.push(entry));
                }
            }
            pages.push(builder.take());
            let mut decoded = Vec::new();
            for page in &pages {
                prop_assert!(page.len() <= MAX_PAGE_LEN);
                decoded.extend(decode_page(page).unwrap());
            }
            prop_assert_eq!(decoded, entries);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_page(&bytes);
        }
    }

    fn one(path: &str, size: u64) -> Vec<u8> {
        let mut page = vec![1, KIND_FILE, 0];
        page.bytes(path.as_bytes());
        page.extend([0, 0]);
        page.varint(size);
        page
    }

    #[test]
    fn hostile_pages_are_refused() {
        assert!(decode_page(&one("a", 1)).is_ok());
        assert_eq!(decode_page(&one("a", 1 << 60)), Err(ManifestError::FileTooLarge));
        assert_eq!(decode_page(&one("../a", 1)), Err(PathError::Escapes.into()));
        assert_eq!(decode_page(&one("/a", 1)), Err(PathError::Absolute.into()));
        assert_eq!(decode_page(&one("a\0", 1)), Err(PathError::Nul.into()));
        let mut many = Vec::new();
        many.varint(1_000_000_000);
        assert_eq!(decode_page(&many), Err(ManifestError::TooManyEntries));
        assert_eq!(decode_page(&vec![0; MAX_PAGE_LEN + 1]), Err(ManifestError::TooManyEntries));
        // The prefix of the second entry reaches past the first path, and into the middle of a character.
        for shared in [3, 1] {
            let mut page = one("é", 1);
            page[0] = 2;
            page.extend([KIND_DIRECTORY, shared, 1, b'x', 0, 0]);
            assert_eq!(decode_page(&page), Err(WireError::TooLarge.into()));
        }
    }
}
