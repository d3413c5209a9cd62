//! What the window is shown, folded from what the engine tells: pure, with the time given to it.

pub mod download;
pub mod rate;
pub mod share;
pub mod tree;

use crate::api::PathKind;
use sluice_engine::rtc::Path;
use std::time::Duration;

/// A moment: since the app was started, and on the wall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Since the app was started; never goes back.
    pub up: Duration,
    /// Seconds since 1970.
    pub wall: u64,
}

/// The engine's word for a way to a peer, in the window's words.
pub fn path_kind(path: Path) -> PathKind {
    match path {
        Path::Local => PathKind::Local,
        Path::Direct => PathKind::Direct,
        Path::Relayed => PathKind::Relayed,
    }
}

/// Seconds until `left` bytes have come at `rate` bytes a second; `None` while nothing moves.
fn seconds_left(left: u64, rate: u64) -> Option<u64> {
    match (left, rate) {
        (0, _) => Some(0),
        (_, 0) => None,
        (left, rate) => Some(left.div_ceil(rate)),
    }
}
