//! The store and queue of before, until the hub stands on the new ones.

pub mod queue;
pub mod store;
