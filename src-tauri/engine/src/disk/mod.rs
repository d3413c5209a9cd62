//! The disk: what a sender reads from it, and what a receiver writes to it so that nothing verified is ever lost.
//!
//! All of it blocks; drivers call it from threads that may.

mod catalog;
mod destination;
mod error;
mod file;
mod journal;
mod options;
mod place;
mod plan;
mod record;
mod report;
mod selection;
mod source;
mod syncer;
mod tree;
mod walk;

pub use catalog::{Catalog, CatalogPage};
pub use destination::Destination;
pub use error::DiskError;
pub use options::{Conflict, Options};
pub use report::{Durable, Outcome, Plan, Report, Resumed, Skip, Summary, Want};
pub use selection::{Chooser, Chosen, Selection};
pub use source::{Source, SourceFailure};
