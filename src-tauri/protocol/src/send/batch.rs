//! Chunks on their way out of the source: read, sealed and cut into frames, one batch at a time.

use crate::control::EntryFailure;
use crate::crypto::{FileCipher, Key};
use crate::frame::{Kind, RecordHeader};
use bytes::{Bytes, BytesMut};

/// One chunk to be read from the source.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The file's number in the manifest.
    pub entry: u32,
    /// The chunk's number in the file.
    pub chunk: u32,
    /// Its bytes.
    pub len: u32,
}

/// Chunks to be read, sealed and handed back, one batch at a time.
#[derive(Debug)]
pub struct ReadBatch {
    pub(super) session: Key,
    pub(super) request: u32,
    pub(super) pieces: Vec<Piece>,
    pub(super) max_message: usize,
}

/// A batch that was read and sealed.
#[derive(Debug)]
pub struct SealedBatch {
    pub(super) request: u32,
    pub(super) plaintext: u64,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug)]
pub(super) enum Part {
    Frame(Bytes),
    Failed(u32, EntryFailure),
}

impl ReadBatch {
    /// What is to be read, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Plaintext bytes of the whole batch.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.len)).sum()
    }

    /// Whether there is nothing to read; never true for a batch from a session.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Reads every piece through `read`, seals it, and cuts the records into frames.
    ///
    /// An entry for which `read` fails is left out from there on.
    pub fn seal(self, mut read: impl FnMut(Piece, &mut [u8]) -> Result<(), EntryFailure>) -> SealedBatch {
        let mut sealed = SealedBatch { request: self.request, plaintext: 0, parts: Vec::new() };
        let mut cutter = FrameCutter::new(self.max_message);
        let mut chunk = Vec::new();
        let mut cipher: Option<(u32, FileCipher)> = None;
        let mut failed = None;
        for piece in self.pieces {
            if failed == Some(piece.entry) {
                continue;
            }
            chunk.resize(piece.len as usize, 0);
            if let Err(failure) = read(piece, &mut chunk) {
                failed = Some(piece.entry);
                cutter.flush(&mut sealed.parts);
                sealed.parts.push(Part::Failed(piece.entry, failure));
                continue;
            }
            let cipher = match &cipher {
                Some((entry, cipher)) if *entry == piece.entry => cipher,
                _ => {
                    let made = FileCipher::new(&self.session, self.request, piece.entry);
                    &cipher.insert((piece.entry, made)).1
                }
            };
            let header = RecordHeader { entry: piece.entry, chunk: piece.chunk, len: piece.len }.to_bytes();
            let tag = cipher.seal(piece.chunk, &header, &mut chunk);
            sealed.plaintext += u64::from(piece.len);
            for bytes in [&header[..], &chunk, &tag] {
                cutter.write(bytes, &mut sealed.parts);
            }
        }
        cutter.flush(&mut sealed.parts);
        sealed
    }
}

struct FrameCutter {
    frame: BytesMut,
    max_message: usize,
}

impl FrameCutter {
    fn new(max_message: usize) -> Self {
        FrameCutter { frame: BytesMut::new(), max_message }
    }

    fn write(&mut self, mut bytes: &[u8], out: &mut Vec<Part>) {
        while !bytes.is_empty() {
            if self.frame.is_empty() {
                self.frame.reserve(self.max_message);
                self.frame.extend_from_slice(&[Kind::Data.to_byte()]);
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.max_message - self.frame.len()));
            self.frame.extend_from_slice(now);
            bytes = later;
            if self.frame.len() == self.max_message {
                self.flush(out);
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<Part>) {
        if !self.frame.is_empty() {
            out.push(Part::Frame(std::mem::take(&mut self.frame).freeze()));
        }
    }
}
