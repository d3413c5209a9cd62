//! The server that introduces peers to each other and keeps the queue of each share, as a library.
//!
//! It never sees a file, a name or a key, and keeps nothing on disk. `store` keeps the shares and their queues behind
//! an interface that several instances can share, `hub` knows who is connected to this one, `http` and `socket` are
//! the two ways in, and [`Server`] runs them in any tokio runtime. `docs/signaling.md` describes what it speaks.

mod clock;
mod config;
mod connection;
pub mod embedded;
pub mod host;
mod http;
mod hub;
mod ice;
mod limits;
mod mailbox;
mod metrics;
mod operator;
mod role;
mod server;
mod socket;
mod store;
mod stream;
mod token;

pub use config::{Config, Limits, StoreUrl, StoreUrlError, Timings};
pub use ice::{DEFAULT_TURN_TTL, Ice, IceError};
pub use limits::{Forwarded, Proxies};
pub use operator::{OperatorToken, OperatorTokenError};
pub use server::{Server, ServerError};
pub use token::{Keys, KeysError};
