//! What a person may choose about a destination.

use super::selection::Chosen;
use sluice_protocol::name::Platform;

/// What to do where a different file is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// Leave what is there.
    Skip,
    /// Write beside it, under a numbered name.
    #[default]
    Rename,
    /// Replace it, at the moment that the new file is whole.
    Overwrite,
}

/// How a share is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do about files that are already there.
    pub conflict: Conflict,
    /// The entries to take.
    pub chosen: Chosen,
    /// Whose rules for names apply.
    pub platform: Platform,
}

impl Default for Options {
    fn default() -> Self {
        Options { conflict: Conflict::default(), chosen: Chosen::default(), platform: Platform::current() }
    }
}
