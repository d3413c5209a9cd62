//! The protocol of Sluice, pure: no I/O, no clock, no randomness of its own.
//!
//! Everything that two peers and a server must agree on lives here: identifiers, the link, the
//! manifest, the sealed session, frames, signaling messages, the queue and the two session machines. Time and
//! random bytes are arguments, so a whole transfer can run inside one seeded test.
//! `docs/protocol.md` describes the same in words, well enough to write another client.

mod bindings;
pub mod control;
pub mod crypto;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod id;
pub mod link;
pub mod manifest;
pub mod name;
#[cfg(feature = "openapi")]
mod openapi;
pub mod path;
pub mod queue;
pub mod ranges;
pub mod receive;
pub mod send;
pub mod session;
pub mod signal;
pub mod summary;
pub mod wire;

/// The version of the protocol that this crate speaks; peers and servers refuse any other.
pub const VERSION: u16 = 1;

/// Plaintext bytes of a full chunk: the unit that is sealed, verified and journalled.
///
/// Every chunk of a file is this long but the last, which may be shorter.
pub const CHUNK_SIZE: u32 = 256 * 1024;

/// The largest file that a manifest may list, in bytes: chunk numbers are 32 bits wide.
pub const MAX_FILE_SIZE: u64 = (u32::MAX as u64) * (CHUNK_SIZE as u64);

/// How many chunks a file of `size` bytes has; an empty file has none.
///
/// Sizes above [`MAX_FILE_SIZE`] never pass the manifest's parser; they saturate here.
pub fn chunk_count(size: u64) -> u32 {
    u32::try_from(size.div_ceil(u64::from(CHUNK_SIZE))).unwrap_or(u32::MAX)
}

/// The plaintext length, in bytes, of chunk `index` of a file of `size` bytes; 0 past its end.
pub fn chunk_len(size: u64, index: u32) -> u32 {
    let start = u64::from(index) * u64::from(CHUNK_SIZE);
    let left = size.saturating_sub(start).min(u64::from(CHUNK_SIZE));
    // At most CHUNK_SIZE, which is a u32.
    left as u32
}
