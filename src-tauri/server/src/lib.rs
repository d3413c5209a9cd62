//! The server that introduces peers to each other and keeps the queue of each share, as a library.
//!
//! It never sees a file, a name or a key, and keeps nothing on disk. `store` keeps the shares and their queues behind
//! an interface that several instances can share, `hub` knows who is connected to this one, `http` and `socket` are
//! the two ways in, and [`Server`] runs them in any tokio runtime. `docs/signaling.md` describes what it speaks.

mod clock;
mod config;
mod http;
#[allow(dead_code)]
mod ice;
#[allow(dead_code)]
mod limits;
// Metrics use its counts.
#[allow(dead_code)]
mod hub;
mod mailbox;
#[allow(dead_code)]
mod metrics;
#[allow(dead_code)]
mod operator;
mod role;
mod server;
mod socket;
// Limits, metrics and a second store use the rest of it.
#[allow(dead_code)]
mod store;
mod stream;
#[allow(dead_code)]
mod token;

pub use config::{Config, Limits, StoreUrl, StoreUrlError, Timings};
pub use ice::{DEFAULT_TURN_TTL, Ice, IceError};
pub use limits::{Forwarded, Proxies};
pub use operator::{OperatorToken, OperatorTokenError};
pub use server::{Server, ServerError};
pub use token::{Keys, KeysError};
