//! What happened to single entries, in words that programs can rely on.

use serde::{Serialize, Serializer};
use sluice_protocol::error::Code;
use sluice_protocol::manifest::Unreadable;
use std::ops::Range;

/// Something that a person should know about one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where the entry is within the share.
    pub path: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of an entry that was not simply written under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Written under another name.
    Renamed {
        /// Where it is now, below the destination, with `/` between names.
        to: String,
    },
    /// Not written.
    Skipped {
        /// Why not.
        reason: Skip,
    },
    /// Could not be received.
    Failed {
        /// Why not.
        code: Code,
    },
}

/// Why an entry is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// A file of the same size and modification time is there.
    Identical,
    /// Another file is there, and the person chose to keep it.
    Exists,
    /// A symlink that leads out of the share, or that this platform can't make.
    UnsafeLink,
    /// The manifest lists the same path twice.
    Duplicate,
    /// The sender lists it, but can't send it.
    Unreadable(Unreadable),
}

impl Skip {
    /// The stable text of this reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Skip::Identical => "identical",
            Skip::Exists => "exists",
            Skip::UnsafeLink => "unsafe_link",
            Skip::Duplicate => "duplicate",
            Skip::Unreadable(Unreadable::Denied) => "unreadable_denied",
            Skip::Unreadable(Unreadable::Special) => "unreadable_special",
            Skip::Unreadable(Unreadable::Name) => "unreadable_name",
            Skip::Unreadable(Unreadable::Failed) => "unreadable_failed",
        }
    }
}

impl Serialize for Skip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What of one file is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Its number in the manifest.
    pub entry: u32,
    /// Its size, in bytes; never 0.
    pub size: u64,
    /// The chunks that are missing, in ascending order; never empty.
    pub ranges: Vec<Range<u32>>,
}

/// What is to be done about some entries of the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to ask for, in the order of the manifest.
    pub wants: Vec<Want>,
    /// What people should know already.
    pub reports: Vec<Report>,
    /// Bytes of the chosen entries, whether or not they are here; nothing of what is skipped.
    pub chosen_bytes: u64,
    /// The number of the chosen entries of every kind; nothing of what is skipped, but identical files count.
    pub chosen_entries: u64,
    /// Bytes of the chosen entries that are here and durable.
    pub have_bytes: u64,
    /// Chosen entries that are wholly here.
    pub have_entries: u64,
}

/// What has become durable in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Durable {
    /// Bytes that are synced and journalled.
    pub bytes: u64,
    /// Files that are whole and under their own name.
    pub entries: u64,
}

/// What the journal knew when it was opened; an estimate until the manifest was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Bytes that earlier runs made durable.
    pub bytes: u64,
    /// Entries that earlier runs completed.
    pub entries: u64,
    /// The name that an unusable journal now has (another version, sender or share).
    pub set_aside: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What this run made durable.
    pub durable: Durable,
    /// Entries written under another name in this run.
    pub renamed: u64,
    /// Entries not written in this run.
    pub skipped: u64,
    /// Entries that failed in this run.
    pub failed: u64,
    /// Reports that nobody has taken yet.
    pub reports: Vec<Report>,
}

impl Summary {
    /// Counts one report.
    pub(super) fn count(&mut self, report: &Report) {
        match report.outcome {
            Outcome::Renamed { .. } => self.renamed += 1,
            Outcome::Skipped { .. } => self.skipped += 1,
            Outcome::Failed { .. } => self.failed += 1,
        }
    }
}
