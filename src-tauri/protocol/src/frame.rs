//! Frames: the messages on the data channel, and the stream of chunk records that data frames carry.
//!
//! A frame is one message: a kind byte and a body. Handshake and control frames are whole in themselves. Data
//! frames are pieces of one continuous stream of records, cut wherever a message ends, so that the size of a
//! message and the size of a chunk are free of each other.

use crate::crypto::TAG_LEN;
use crate::{CHUNK_SIZE, error::Code};
use bytes::{Bytes, BytesMut};

/// The smallest message size that a peer must be able to take, in bytes.
pub const MIN_MESSAGE_LEN: usize = 16 * 1024;
/// The largest message that is ever sent or taken, in bytes.
pub const MAX_MESSAGE_LEN: usize = 256 * 1024;
/// The largest plaintext of a control message, in bytes: with kind and tag it fits [`MIN_MESSAGE_LEN`].
pub const MAX_CONTROL_LEN: usize = MIN_MESSAGE_LEN - 1 - TAG_LEN;
/// Bytes of a record's header.
pub const HEADER_LEN: usize = 12;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Noise handshake message.
    Handshake,
    /// A control message, sealed as a Noise transport message.
    Control,
    /// A piece of the record stream.
    Data,
}

impl Kind {
    /// The byte that a frame of this kind starts with.
    pub const fn to_byte(self) -> u8 {
        match self {
            Kind::Handshake => 1,
            Kind::Control => 2,
            Kind::Data => 3,
        }
    }
}

/// A message is not a frame, or a record breaks its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Empty, over [`MAX_MESSAGE_LEN`], or of no known kind.
    #[error("a message is not a frame")]
    NotAFrame,
    /// A record claims more than [`CHUNK_SIZE`] bytes, or none.
    #[error("a record has a length that no chunk has")]
    RecordLength,
}

impl FrameError {
    /// The stable code of this error.
    pub fn code(self) -> Code {
        Code::FrameInvalid
    }
}

/// Splits a message into its kind and body.
///
/// # Errors
/// [`FrameError::NotAFrame`].
pub fn parse(message: &Bytes) -> Result<(Kind, Bytes), FrameError> {
    if message.len() > MAX_MESSAGE_LEN {
        return Err(FrameError::NotAFrame);
    }
    let kind = match message.first() {
        Some(1) => Kind::Handshake,
        Some(2) => Kind::Control,
        Some(3) => Kind::Data,
        _ => return Err(FrameError::NotAFrame),
    };
    Ok((kind, message.slice(1..)))
}

/// Puts the kind before `body`.
pub fn build(kind: Kind, body: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(1 + body.len());
    message.extend_from_slice(&[kind.to_byte()]);
    message.extend_from_slice(body);
    message.freeze()
}

/// What stands before every chunk in the record stream, and is authenticated with it.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// The number of the entry in the manifest.
    pub entry: u32,
    /// The number of the chunk in its file.
    pub chunk: u32,
    /// Plaintext bytes, 1 to [`CHUNK_SIZE`].
    pub len: u32,
}

impl RecordHeader {
    /// The header's bytes: three little-endian `u32`.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(&self.entry.to_le_bytes());
        out[4..8].copy_from_slice(&self.chunk.to_le_bytes());
        out[8..].copy_from_slice(&self.len.to_le_bytes());
        out
    }

    fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self, FrameError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let header = RecordHeader { entry: word(0), chunk: word(4), len: word(8) };
        if header.len == 0 || header.len > CHUNK_SIZE {
            return Err(FrameError::RecordLength);
        }
        Ok(header)
    }

    /// Bytes of the whole record: header, ciphertext, tag.
    pub fn record_len(self) -> usize {
        HEADER_LEN + self.len as usize + TAG_LEN
    }
}

/// A record as it came: not yet authenticated.
#[derive(Debug)]
pub struct Record {
    /// What it claims to be.
    pub header: RecordHeader,
    /// Ciphertext and tag.
    pub sealed: BytesMut,
}

/// Puts records together again from the bodies of data frames. Holds at most one unfinished record.
#[derive(Debug, Default)]
pub struct RecordReader {
    header: [u8; HEADER_LEN],
    header_filled: usize,
    body: Option<(RecordHeader, BytesMut)>,
}

impl RecordReader {
    /// At the start of the stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the stream stands between two records.
    pub fn is_at_boundary(&self) -> bool {
        self.header_filled == 0
    }

    /// Takes bytes off the front of `body` until a header is complete or `body` is empty.
    ///
    /// Gives the header the moment that it is known, before its chunk has come, so that an unexpected record is
    /// refused before anything is kept for it.
    ///
    /// # Errors
    /// [`FrameError::RecordLength`].
    pub fn read_header(&mut self, body: &mut Bytes) -> Result<Option<RecordHeader>, FrameError> {
        if self.body.is_some() {
            return Ok(None);
        }
        let take = (HEADER_LEN - self.header_filled).min(body.len());
        self.header[self.header_filled..self.header_filled + take].copy_from_slice(&body.split_to(take));
        self.header_filled += take;
        if self.header_filled < HEADER_LEN {
            return Ok(None);
        }
        let header = RecordHeader::from_bytes(&self.header)?;
        self.body = Some((header, BytesMut::with_capacity(header.len as usize + TAG_LEN)));
        Ok(Some(header))
    }

    /// Takes bytes off the front of `body` until the record is complete or `body` is empty.
    pub fn read_body(&mut self, body: &mut Bytes) -> Option<Record> {
        let (header, sealed) = self.body.as_mut()?;
        let total = header.len as usize + TAG_LEN;
        let take = (total - sealed.len()).min(body.len());
        sealed.extend_from_slice(&body.split_to(take));
        if sealed.len() < total {
            return None;
        }
        self.header_filled = 0;
        self.body.take().map(|(header, sealed)| Record { header, sealed })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn record(header: RecordHeader) -> Vec<u8> {
        let mut out = header.to_bytes().to_vec();
        out.extend((0..header.len as usize + TAG_LEN).map(|at| at as u8));
        out
    }

    fn read_all(reader: &mut RecordReader, piece: &[u8]) -> Result<Vec<Record>, FrameError> {
        let mut body = Bytes::copy_from_slice(piece);
        let mut records = Vec::new();
        while !body.is_empty() {
            reader.read_header(&mut body)?;
            records.extend(reader.read_body(&mut body));
        }
        Ok(records)
    }

    proptest! {
        #[test]
        fn records_survive_any_cut(lens in proptest::collection::vec(1_u32..400, 1..12), cut in 1_usize..300) {
            let headers: Vec<_> =
                lens.iter().zip(0..).map(|(&len, chunk)| RecordHeader { entry: 9, chunk, len }).collect();
            let stream: Vec<u8> = headers.iter().flat_map(|&header| record(header)).collect();
            let mut reader = RecordReader::new();
            let mut records = Vec::new();
            for piece in stream.chunks(cut) {
                records.extend(read_all(&mut reader, piece).unwrap());
            }
            prop_assert!(reader.is_at_boundary());
            prop_assert_eq!(records.iter().map(|record| record.header).collect::<Vec<_>>(), headers.clone());
            for (read, header) in records.iter().zip(headers) {
                prop_assert_eq!(&read.sealed[..], &record(header)[HEADER_LEN..]);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..8)) {
            let mut reader = RecordReader::new();
            for piece in pieces {
                if read_all(&mut reader, &piece).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn impossible_frames_are_refused() {
        assert_eq!(parse(&Bytes::new()), Err(FrameError::NotAFrame));
        assert_eq!(parse(&Bytes::from_static(b"\x09hello")), Err(FrameError::NotAFrame));
        assert_eq!(parse(&Bytes::from(vec![3; MAX_MESSAGE_LEN + 1])), Err(FrameError::NotAFrame));
        for len in [0, CHUNK_SIZE + 1, u32::MAX] {
            let header = RecordHeader { entry: 0, chunk: 0, len }.to_bytes();
            assert_eq!(read_all(&mut RecordReader::new(), &header).unwrap_err(), FrameError::RecordLength);
        }
    }
}
