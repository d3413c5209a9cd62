//! The records of a journal, and how they are framed.
//!
//! A journal is a header and records, only ever appended. All numbers are as in [`sluice_protocol::wire`].
//!
//! ```text
//! header   "SLUICEJ\n"  version u16  share id [16]  sender hash [16]  CRC-32 u32 of all before it
//! record   length u32 of the body, 1..=MAX_BODY   CRC-32 u32 of the body   body
//! body     1 open       item                       a partial was made; what was known of the path before is void
//!          2 have       key, first, end            these chunks of the open partial are synced
//!          3 commit     item                       the partial is whole and synced, and is now renamed
//!          4 commit     item                       as 3, once more, under another name
//!          5 drop       key                        nothing of this path is here
//!          6 directory  path, name, mtime          it was made; its mtime is set in the end
//! item     path, name, size, mtime, executable
//! key      [16], of the path
//! ```
//!
//! `name` is the last name as it is written, which conflicts and platforms may have changed. A record is written
//! after what it says is durable, and before anything that would make it untrue.

use sha2::{Digest, Sha256};
use sluice_protocol::chunk_count;
use sluice_protocol::id::ShareId;
use sluice_protocol::manifest::Mtime;
use sluice_protocol::path::MAX_PATH_LEN;
use sluice_protocol::wire::{Reader, WireError, Writer};
use std::io::{self, Read};
use std::ops::Range;

/// Bytes of a journal's header.
pub(super) const HEADER_LEN: usize = 8 + 2 + 16 + 16 + 4;
/// The longest body of a record, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024;
/// Bytes before a record's body.
pub(super) const PREFIX_LEN: usize = 8;

const MAGIC: &[u8; 8] = b"SLUICEJ\n";
const VERSION: u16 = 1;

/// The header of a journal for this share of this sender.
pub(super) fn header(share: ShareId, sender: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.raw(MAGIC);
    out.raw(&VERSION.to_le_bytes());
    out.raw(&share.0);
    out.raw(sender);
    let crc = crc32fast::hash(&out);
    out.raw(&crc.to_le_bytes());
    out
}

/// What stands for a path in the journal and in the name of its partial: half of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) [u8; 16]);

impl Key {
    /// The key of `path`.
    pub(super) fn of(path: &str) -> Self {
        let hash = Sha256::digest(path.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Key(key)
    }

    /// The part of the key that the index is sorted by.
    pub(super) fn short(self) -> u64 {
        let mut short = [0; 8];
        short.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(short)
    }

    /// The key in hexadecimal.
    pub(super) fn hex(self) -> String {
        hex(&self.0)
    }
}

/// `bytes` in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A file as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Within the share.
    pub(super) path: String,
    /// The last name, as it is written.
    pub(super) name: String,
    /// In bytes.
    pub(super) size: u64,
    /// As it is set, that is, clamped.
    pub(super) mtime: Mtime,
    /// Whether it may be executed.
    pub(super) executable: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Open(Item),
    Have { key: Key, chunks: Range<u32> },
    Commit { item: Item, again: bool },
    Drop(Key),
    Directory { path: String, name: String, mtime: Mtime },
}

impl Record {
    /// Appends this record, framed.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.raw(&[0; PREFIX_LEN]);
        match self {
            Record::Open(item) => {
                out.push(1);
                write_item(item, out);
            }
            Record::Have { key, chunks } => {
                out.push(2);
                out.raw(&key.0);
                out.varint(u64::from(chunks.start));
                out.varint(u64::from(chunks.end));
            }
            Record::Commit { item, again } => {
                out.push(if *again { 4 } else { 3 });
                write_item(item, out);
            }
            Record::Drop(key) => {
                out.push(5);
                out.raw(&key.0);
            }
            Record::Directory { path, name, mtime } => {
                out.push(6);
                out.bytes(path.as_bytes());
                out.bytes(name.as_bytes());
                write_mtime(*mtime, out);
            }
        }
        let body = &out[start + PREFIX_LEN..];
        let len = body.len() as u32; // Far below MAX_BODY: paths are limited.
        let crc = crc32fast::hash(body);
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
        out[start + 4..start + PREFIX_LEN].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the body of a record.
    pub(super) fn parse(body: &[u8]) -> Result<Record, WireError> {
        let mut reader = Reader::new(body);
        let record = match reader.u8()? {
            1 => Record::Open(read_item(&mut reader)?),
            2 => {
                let key = Key(reader.array()?);
                let chunks = reader.varint32()?..reader.varint32()?;
                if chunks.is_empty() {
                    return Err(WireError::TooLarge);
                }
                Record::Have { key, chunks }
            }
            tag @ (3 | 4) => Record::Commit { item: read_item(&mut reader)?, again: tag == 4 },
            5 => Record::Drop(Key(reader.array()?)),
            6 => Record::Directory {
                path: reader.text(MAX_PATH_LEN)?.to_owned(),
                name: reader.text(MAX_PATH_LEN)?.to_owned(),
                mtime: read_mtime(&mut reader)?,
            },
            _ => return Err(WireError::Tag),
        };
        reader.end()?;
        Ok(record)
    }

    /// The key of the path that this record is about.
    pub(super) fn key(&self) -> Key {
        match self {
            Record::Open(item) | Record::Commit { item, .. } => Key::of(&item.path),
            Record::Have { key, .. } | Record::Drop(key) => *key,
            Record::Directory { path, .. } => Key::of(path),
        }
    }
}

impl Item {
    /// How many chunks it has.
    pub(super) fn chunks(&self) -> u32 {
        chunk_count(self.size)
    }
}

fn write_item(item: &Item, out: &mut Vec<u8>) {
    out.bytes(item.path.as_bytes());
    out.bytes(item.name.as_bytes());
    out.varint(item.size);
    write_mtime(item.mtime, out);
    out.flag(item.executable);
}

fn read_item(reader: &mut Reader<'_>) -> Result<Item, WireError> {
    Ok(Item {
        path: reader.text(MAX_PATH_LEN)?.to_owned(),
        name: reader.text(MAX_PATH_LEN)?.to_owned(),
        size: reader.varint()?,
        mtime: read_mtime(reader)?,
        executable: reader.flag()?,
    })
}

fn write_mtime(mtime: Mtime, out: &mut Vec<u8>) {
    out.signed(mtime.seconds);
    out.varint(u64::from(mtime.nanos));
}

fn read_mtime(reader: &mut Reader<'_>) -> Result<Mtime, WireError> {
    let seconds = reader.signed()?;
    let nanos = reader.varint32()?;
    if nanos >= 1_000_000_000 {
        return Err(WireError::TooLarge);
    }
    Ok(Mtime { seconds, nanos })
}

/// Reads records until the bytes end or one is not whole; returns how many bytes are whole records.
///
/// # Errors
/// Only what `input` or `take` fail with: a torn record is an end, not an error.
pub(super) fn scan(
    mut input: impl Read,
    mut take: impl FnMut(u64, Record) -> io::Result<()>,
) -> io::Result<u64> {
    let mut at = 0;
    let mut body = Vec::new();
    loop {
        let mut prefix = [0; PREFIX_LEN];
        if !read_whole(&mut input, &mut prefix)? {
            return Ok(at);
        }
        let Some((len, crc)) = split_prefix(&prefix) else {
            return Ok(at);
        };
        body.resize(len, 0);
        if !read_whole(&mut input, &mut body)? || crc32fast::hash(&body) != crc {
            return Ok(at);
        }
        let Ok(record) = Record::parse(&body) else {
            return Ok(at);
        };
        take(at, record)?;
        at += (PREFIX_LEN + len) as u64;
    }
}

/// The length of a body and its CRC, unless the length is one that no record has.
pub(super) fn split_prefix(prefix: &[u8; PREFIX_LEN]) -> Option<(usize, u32)> {
    let mut reader = Reader::new(prefix);
    let len = reader.u32().ok()? as usize;
    let crc = reader.u32().ok()?;
    // A length of 0 is what a system leaves that lost power before it wrote: zeros.
    (1..=MAX_BODY).contains(&len).then_some((len, crc))
}

fn read_whole(input: &mut impl Read, buf: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buf) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn item() -> impl Strategy<Value = Item> {
        ("[a-z/é]{1,20}", "[a-zé]{1,9}", any::<u64>(), any::<i64>(), 0_u32..1_000_000_000, any::<bool>())
            .prop_map(|(path, name, size, seconds, nanos, executable)| Item {
                path,
                name,
                size,
                mtime: Mtime { seconds, nanos },
                executable,
            })
    }

    fn record() -> impl Strategy<Value = Record> {
        prop_oneof![
            item().prop_map(Record::Open),
            (any::<[u8; 16]>(), any::<u32>(), 1_u32..1000).prop_map(|(key, start, len)| Record::Have {
                key: Key(key),
                chunks: start.saturating_sub(len)..start.saturating_sub(len) + len,
            }),
            (item(), any::<bool>()).prop_map(|(item, again)| Record::Commit { item, again }),
            any::<[u8; 16]>().prop_map(|key| Record::Drop(Key(key))),
            (item()).prop_map(|item| Record::Directory {
                path: item.path,
                name: item.name,
                mtime: item.mtime
            }),
        ]
    }

    fn scanned(bytes: &[u8]) -> (Vec<Record>, u64) {
        let mut records = Vec::new();
        let len = scan(bytes, |_, record| {
            records.push(record);
            Ok(())
        })
        .unwrap();
        (records, len)
    }

    proptest! {
        #[test]
        fn records_round_trip_and_a_torn_tail_is_cut(records in proptest::collection::vec(record(), 1..8), cut: prop::sample::Index) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for record in &records {
                record.write(&mut bytes);
                ends.push(bytes.len());
            }
            prop_assert_eq!(scanned(&bytes), (records.clone(), bytes.len() as u64));
            let cut = cut.index(bytes.len());
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(scanned(&bytes[..cut]), (records[..whole].to_vec(), ends[whole] as u64));
            // Zeros after it, as a lost power leaves them.
            let mut zeroed = bytes[..cut].to_vec();
            zeroed.resize(bytes.len() + 64, 0);
            let (read, len) = scanned(&zeroed);
            prop_assert_eq!(&read[..], &records[..read.len()]);
            prop_assert!(len as usize <= bytes.len());
        }

        #[test]
        fn a_flipped_bit_ends_the_journal_there(records in proptest::collection::vec(record(), 1..6), at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for record in &records {
                record.write(&mut bytes);
                ends.push(bytes.len());
            }
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let before = ends.iter().filter(|end| **end <= at).count();
            prop_assert_eq!(scanned(&bytes).0, records[..before].to_vec());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (_, len) = scanned(&bytes);
            prop_assert!(len <= bytes.len() as u64);
            let _ = Record::parse(&bytes);
        }
    }
}
