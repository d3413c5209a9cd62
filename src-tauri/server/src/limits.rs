//! What one address and one connection may ask for: whose address counts, how many of what it may hold, how fast.

mod address;
mod bucket;
mod crowd;

pub use address::{Client, Forwarded, Proxies};
pub use bucket::Bucket;
pub use crowd::{Crowd, Present};
