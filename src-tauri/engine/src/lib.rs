//! The engine: everything a file sharer does behind its surface, without any surface.
//!
//! [`share`] serves what a person offers, [`receive`] fetches what a link offers; both report as [`event`]s. Below
//! them stand the disk, the signaling client and WebRTC, each in a module that knows nothing of the others.

pub mod check;
pub mod config;
pub mod disk;
pub mod error;
pub mod event;
pub mod identity;
mod limit;
mod peering;
pub mod receive;
pub mod rtc;
pub mod share;
mod signaling;
