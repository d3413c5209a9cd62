//! Control messages: what the two sessions say to each other beside the content, each sealed on its own.

use crate::error::Code;
use crate::frame::MAX_CONTROL_LEN;
use crate::manifest::{MAX_PAGE_ENTRIES, MAX_PAGE_LEN, Totals, Unreadable};
use crate::wire::{Reader, WireError, Writer};
use bytes::Bytes;

/// The most items of one [`ReceiverMessage::Want`].
pub const MAX_WANT_ITEMS: usize = 900;
const MAX_CODE_LEN: usize = 64;

/// One run of content that a receiver asks for.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(tag = "type", rename_all = "snake_case"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantItem {
    /// Every file with content among these entries, whole, in order.
    Whole {
        /// The first entry.
        first: u32,
        /// How many entries, at least 1; all runs of one [`ReceiverMessage::Want`] together at most
        /// [`MAX_PAGE_ENTRIES`], because skipping entries without content is work that no credit limits.
        count: u32,
    },
    /// Some chunks of one file.
    Part {
        /// The file's entry.
        entry: u32,
        /// The first chunk.
        first: u32,
        /// How many chunks, at least 1.
        count: u32,
    },
}

/// Why the sender gives up on one entry.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(type = "'changed' | Unreadable"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryFailure {
    /// It is not what the manifest said any more: shorter, longer or changed.
    Changed,
    /// It can't be read.
    Unreadable(Unreadable),
}

impl EntryFailure {
    /// The stable code of this failure.
    pub fn code(self) -> Code {
        match self {
            EntryFailure::Changed => Code::SourceChanged,
            EntryFailure::Unreadable(_) => Code::SourceUnreadable,
        }
    }
}

/// From the receiver to the sender.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(tag = "type", rename_all = "snake_case"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverMessage {
    /// The sender may send manifest pages with numbers below this.
    Pages {
        /// One past the last page allowed.
        up_to: u32,
    },
    /// Content to send, served in order behind everything asked for before.
    Want {
        /// Counts up from 0; goes into the key of every file within.
        request: u32,
        /// At most [`MAX_WANT_ITEMS`].
        items: Vec<WantItem>,
    },
    /// How far the receiver is.
    Progress {
        /// Bytes of content that the sender may have sent in all, in this session.
        credit: u64,
        /// Bytes of the share's content that are durable, from this and earlier sessions.
        durable_bytes: u64,
        /// Files, directories and symlinks that are in their place.
        durable_entries: u64,
    },
    /// Everything chosen is authenticated, durable and in its place.
    Done {
        /// Bytes of content of all that was chosen.
        bytes: u64,
        /// Entries of all that was chosen.
        entries: u64,
    },
    /// Nothing to say, but here.
    Alive,
    /// The session is over before it is done.
    Bye {
        /// Why.
        code: Code,
    },
    /// What is chosen, as far as the receiver knows; may grow or shrink, and is only shown.
    Chosen {
        /// Bytes of content of all that is chosen, from earlier sessions too.
        bytes: u64,
        /// Entries of all that is chosen.
        entries: u64,
    },
}

/// From the sender to the receiver.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(tag = "type", rename_all = "snake_case"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderMessage {
    /// A page of the manifest.
    Page {
        /// Counts up from 0.
        index: u32,
        /// The number of the page's first entry.
        first_entry: u32,
        /// As [`crate::manifest::decode_page`] reads it.
        #[cfg_attr(test, ts(type = "Uint8Array"))]
        encoded: Bytes,
    },
    /// What the share holds, as far as it is walked.
    Totals(Totals),
    /// What is left of this entry in this request will not come.
    EntryFailed {
        /// The request that is being served.
        request: u32,
        /// The entry.
        entry: u32,
        /// Why.
        failure: EntryFailure,
    },
    /// The receiver's [`ReceiverMessage::Done`] was heard; both may close.
    DoneHeard,
    /// Nothing to say, but here.
    Alive,
    /// The session is over before it is done.
    Bye {
        /// Why.
        code: Code,
    },
    /// The person at the sender holds the content back, or lets it flow again. A session begins unpaused.
    Paused {
        /// Whether it is held back.
        paused: bool,
    },
}

impl ReceiverMessage {
    /// The message's plaintext, at most [`MAX_CONTROL_LEN`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            ReceiverMessage::Pages { up_to } => {
                out.push(1);
                out.varint(u64::from(*up_to));
            }
            ReceiverMessage::Want { request, items } => {
                out.push(2);
                out.varint(u64::from(*request));
                out.varint(items.len() as u64);
                for item in items {
                    match *item {
                        WantItem::Whole { first, count } => {
                            out.push(0);
                            out.varint(u64::from(first));
                            out.varint(u64::from(count));
                        }
                        WantItem::Part { entry, first, count } => {
                            out.push(1);
                            out.varint(u64::from(entry));
                            out.varint(u64::from(first));
                            out.varint(u64::from(count));
                        }
                    }
                }
            }
            ReceiverMessage::Progress { credit, durable_bytes, durable_entries } => {
                out.push(3);
                for value in [credit, durable_bytes, durable_entries] {
                    out.varint(*value);
                }
            }
            ReceiverMessage::Done { bytes, entries } => {
                out.push(4);
                out.varint(*bytes);
                out.varint(*entries);
            }
            ReceiverMessage::Alive => out.push(5),
            ReceiverMessage::Bye { code } => {
                out.push(6);
                out.bytes(code.as_str().as_bytes());
            }
            ReceiverMessage::Chosen { bytes, entries } => {
                out.push(7);
                out.varint(*bytes);
                out.varint(*entries);
            }
        }
        out
    }

    /// Reads what [`ReceiverMessage::encode`] wrote.
    ///
    /// # Errors
    /// [`WireError`], and nothing is taken that the bytes don't justify.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = open(bytes)?;
        let message = match reader.u8()? {
            1 => ReceiverMessage::Pages { up_to: reader.varint32()? },
            2 => ReceiverMessage::Want { request: reader.varint32()?, items: decode_items(&mut reader)? },
            3 => ReceiverMessage::Progress {
                credit: reader.varint()?,
                durable_bytes: reader.varint()?,
                durable_entries: reader.varint()?,
            },
            4 => ReceiverMessage::Done { bytes: reader.varint()?, entries: reader.varint()? },
            5 => ReceiverMessage::Alive,
            6 => ReceiverMessage::Bye { code: decode_code(&mut reader)? },
            7 => ReceiverMessage::Chosen { bytes: reader.varint()?, entries: reader.varint()? },
            _ => return Err(WireError::Tag),
        };
        reader.end()?;
        Ok(message)
    }
}

impl SenderMessage {
    /// The message's plaintext, at most [`MAX_CONTROL_LEN`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            SenderMessage::Page { index, first_entry, encoded } => {
                out.push(1);
                out.varint(u64::from(*index));
                out.varint(u64::from(*first_entry));
                out.bytes(encoded);
            }
            SenderMessage::Totals(totals) => {
                out.push(2);
                out.varint(u64::from(totals.pages));
                out.varint(totals.entries);
                out.varint(totals.bytes);
                out.varint(totals.unreadable);
                out.flag(totals.complete);
            }
            SenderMessage::EntryFailed { request, entry, failure } => {
                out.push(3);
                out.varint(u64::from(*request));
                out.varint(u64::from(*entry));
                out.push(match failure {
                    EntryFailure::Changed => 255,
                    EntryFailure::Unreadable(reason) => reason.to_byte(),
                });
            }
            SenderMessage::DoneHeard => out.push(4),
            SenderMessage::Alive => out.push(5),
            SenderMessage::Bye { code } => {
                out.push(6);
                out.bytes(code.as_str().as_bytes());
            }
            SenderMessage::Paused { paused } => {
                out.push(7);
                out.flag(*paused);
            }
        }
        out
    }

    /// Reads what [`SenderMessage::encode`] wrote.
    ///
    /// # Errors
    /// [`WireError`], and nothing is taken that the bytes don't justify.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = open(bytes)?;
        let message = match reader.u8()? {
            1 => SenderMessage::Page {
                index: reader.varint32()?,
                first_entry: reader.varint32()?,
                encoded: Bytes::copy_from_slice(reader.bytes(MAX_PAGE_LEN)?),
            },
            2 => SenderMessage::Totals(Totals {
                pages: reader.varint32()?,
                entries: reader.varint()?,
                bytes: reader.varint()?,
                unreadable: reader.varint()?,
                complete: reader.flag()?,
            }),
            3 => SenderMessage::EntryFailed {
                request: reader.varint32()?,
                entry: reader.varint32()?,
                failure: match reader.u8()? {
                    255 => EntryFailure::Changed,
                    byte => EntryFailure::Unreadable(Unreadable::from_byte(byte)?),
                },
            },
            4 => SenderMessage::DoneHeard,
            5 => SenderMessage::Alive,
            6 => SenderMessage::Bye { code: decode_code(&mut reader)? },
            7 => SenderMessage::Paused { paused: reader.flag()? },
            _ => return Err(WireError::Tag),
        };
        reader.end()?;
        Ok(message)
    }
}

fn open(bytes: &[u8]) -> Result<Reader<'_>, WireError> {
    if bytes.len() > MAX_CONTROL_LEN {
        return Err(WireError::TooLarge);
    }
    Ok(Reader::new(bytes))
}

// A code of a later version is still a goodbye.
fn decode_code(reader: &mut Reader<'_>) -> Result<Code, WireError> {
    Ok(Code::parse(reader.text(MAX_CODE_LEN)?).unwrap_or(Code::PeerLeft))
}

fn decode_items(reader: &mut Reader<'_>) -> Result<Vec<WantItem>, WireError> {
    let count = reader.varint()?;
    if count > MAX_WANT_ITEMS as u64 {
        return Err(WireError::TooLarge);
    }
    let mut items = Vec::new();
    let mut whole = 0;
    for _ in 0..count {
        let item = match reader.u8()? {
            0 => WantItem::Whole { first: reader.varint32()?, count: reader.varint32()? },
            1 => WantItem::Part {
                entry: reader.varint32()?,
                first: reader.varint32()?,
                count: reader.varint32()?,
            },
            _ => return Err(WireError::Tag),
        };
        let (first, count) = match item {
            WantItem::Whole { first, count } => {
                whole += u64::from(count);
                (first, count)
            }
            WantItem::Part { first, count, .. } => (first, count),
        };
        if count == 0 || first.checked_add(count).is_none() || whole > MAX_PAGE_ENTRIES as u64 {
            return Err(WireError::TooLarge);
        }
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_round_trip_and_fit() {
        let items = vec![WantItem::Part { entry: u32::MAX, first: u32::MAX - 9, count: 9 }; MAX_WANT_ITEMS];
        for message in [
            ReceiverMessage::Pages { up_to: 8 },
            ReceiverMessage::Want { request: u32::MAX, items },
            ReceiverMessage::Want { request: 0, items: vec![WantItem::Whole { first: 3, count: 500 }] },
            ReceiverMessage::Progress { credit: u64::MAX, durable_bytes: 1, durable_entries: 0 },
            ReceiverMessage::Done { bytes: 7, entries: 8 },
            ReceiverMessage::Alive,
            ReceiverMessage::Bye { code: Code::DiskFull },
            ReceiverMessage::Chosen { bytes: u64::MAX, entries: 9 },
        ] {
            let bytes = message.encode();
            assert!(bytes.len() <= MAX_CONTROL_LEN);
            assert_eq!(ReceiverMessage::decode(&bytes), Ok(message));
        }
        let totals = Totals { pages: 1, entries: 2, bytes: u64::MAX, unreadable: 3, complete: true };
        for message in [
            SenderMessage::Page { index: 9, first_entry: u32::MAX, encoded: vec![7; MAX_PAGE_LEN].into() },
            SenderMessage::Totals(totals),
            SenderMessage::EntryFailed { request: 1, entry: 2, failure: EntryFailure::Changed },
            SenderMessage::EntryFailed {
                request: 1,
                entry: 2,
                failure: EntryFailure::Unreadable(Unreadable::Failed),
            },
            SenderMessage::DoneHeard,
            SenderMessage::Alive,
            SenderMessage::Bye { code: Code::ShareEnded },
            SenderMessage::Paused { paused: true },
            SenderMessage::Paused { paused: false },
        ] {
            let bytes = message.encode();
            assert!(bytes.len() <= MAX_CONTROL_LEN);
            assert_eq!(SenderMessage::decode(&bytes), Ok(message));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = ReceiverMessage::decode(&bytes);
            let _ = SenderMessage::decode(&bytes);
        }
    }
}
