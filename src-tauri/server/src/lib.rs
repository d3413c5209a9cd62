//! The server that introduces peers to each other and keeps the queue of each share, as a library.
//!
//! It never sees a file, a name or a key, and keeps nothing on disk. `queue` is the pure machine of one
//! share, `store` keeps the shares behind an interface that several instances can share, `http` and
//! `socket` are the two ways in, and [`Server`] runs them in any tokio runtime. `docs/signaling.md`
//! describes what it speaks.

#[allow(dead_code)]
mod clock;
mod config;
mod http;
mod mailbox;
mod old;
mod role;
mod server;
mod socket;
// Nothing but its tests until the hub stands on it.
#[allow(dead_code, unused_imports)]
mod store;
mod token;

pub use config::{Config, Limits, Timings};
pub use server::{Server, ServerError};
