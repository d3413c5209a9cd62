//! A download, as the window draws it; and what is offered, in rows of a tree.

use super::PathKind;
use serde::{Deserialize, Serialize};
use sluice_protocol::error::Code;
use sluice_protocol::queue::Tier;

/// One download, from the link to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DownloadView {
    /// Its id in this app.
    pub id: String,
    /// The share's display name, once it is known.
    pub name: Option<String>,
    /// The server in the link, without the rest of it.
    pub server: String,
    /// What goes on.
    pub state: DownloadState,
    /// What is offered, as far as it is known.
    pub offer: Option<Offer>,
    /// Whether the person has chosen, so that it goes on by itself.
    pub started: bool,
    /// What of the offer is ticked.
    pub chosen: Chosen,
    /// The folder that it goes to.
    pub folder: String,
    /// Free bytes there, where known.
    pub free: Option<u64>,
    /// What happens to files that exist.
    pub conflict: ConflictChoice,
    /// How far it is, once it has begun.
    pub progress: Option<DownloadProgress>,
    /// The way to the sender, where known.
    pub path: Option<PathKind>,
    /// Bytes a second.
    pub rate: u64,
    /// `rate` as it was, one a second, the newest last; at most 120.
    pub plot: Vec<u64>,
    /// Entries that were renamed, skipped or failed; the first 500.
    pub reports: Vec<ReportView>,
    /// All such entries.
    pub report_count: u32,
    /// When it was opened.
    pub begun_at: u64,
}

/// What goes on with a download.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DownloadState {
    /// The server is asked for a place.
    Joining,
    /// The link asks for a password.
    PasswordNeeded {
        /// Whether one was given and is wrong.
        wrong: bool,
    },
    /// In line for a slot.
    Waiting {
        /// How far from one.
        #[cfg_attr(test, ts(type = "Tier"))]
        tier: Tier,
        /// Receivers ahead.
        ahead: u32,
        /// The share's slots.
        slots: u16,
        /// Seconds until there is one, if the line moves on as it has.
        wait_seconds: Option<u64>,
    },
    /// The sender is away for now.
    SenderAway,
    /// A connection to the sender is being made.
    Connecting,
    /// Connected; the person chooses.
    Choosing {
        /// Until when the slot is kept; `None` when it was given up, to be asked for again.
        kept_until: Option<u64>,
    },
    /// Bytes arrive.
    Downloading,
    /// The person paused it.
    Paused,
    /// The sender paused it.
    PausedBySender,
    /// The connection was lost and is made again.
    Retrying {
        /// Why.
        #[cfg_attr(test, ts(type = "Code"))]
        code: Code,
        /// Seconds until the next attempt.
        seconds: f64,
    },
    /// All that was chosen is durable, but for what is reported.
    Done,
    /// It could not go on; what was verified is kept.
    Failed {
        /// Why.
        #[cfg_attr(test, ts(type = "Code"))]
        code: Code,
        /// What the system said.
        detail: Option<String>,
    },
}

/// What a share offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Files, directories and symlinks.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Entries that the sender can't read.
    pub unreadable: u64,
    /// Whether this is all.
    pub complete: bool,
    /// Whether its tree can be looked at; else only these sums are known.
    pub listed: bool,
}

/// What of an offer is ticked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// Entries.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What happens to files that exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ConflictChoice {
    /// They stay.
    Skip,
    /// The new one gets another name.
    #[default]
    Rename,
    /// They are replaced.
    Overwrite,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DownloadProgress {
    /// Bytes received, or already there.
    pub bytes: u64,
    /// Of these, durable on disk.
    pub durable_bytes: u64,
    /// Entries in place.
    pub entries: u64,
    /// Bytes of all that is chosen, as far as it is known.
    pub total_bytes: u64,
    /// Entries of all that is chosen, as far as it is known.
    pub total_entries: u64,
    /// Whether the totals are final.
    pub complete: bool,
    /// Seconds until the end, where known.
    pub seconds_left: Option<u64>,
    /// The path of the entry that arrives, within the share.
    pub current: Option<String>,
}

/// What became of an entry that was not simply written under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ReportView {
    /// Its path within the share.
    pub path: String,
    /// What became of it.
    pub outcome: ReportOutcome,
    /// For `renamed` its new path; for `skipped` the reason, for `failed` the code, as stable texts.
    pub detail: String,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ReportOutcome {
    /// Written under another name.
    Renamed,
    /// Not written.
    Skipped,
    /// Could not be received.
    Failed,
}

/// Some rows of what is offered, as a tree of which some folders are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// All rows that there are, with the folders that are open.
    pub total: u32,
    /// The first of `rows`, from 0.
    pub from: u32,
    /// The rows that were asked for, as far as they are there.
    pub rows: Vec<Row>,
}

/// An entry of what is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its number, to open or tick it by.
    pub node: u32,
    /// How many folders it is in.
    pub depth: u16,
    /// The number of the row of the folder that it is in, if it is in one.
    pub parent: Option<u32>,
    /// Its name, without those folders.
    pub name: String,
    /// What it is.
    pub kind: RowKind,
    /// Bytes; of a folder, those of all within.
    pub bytes: u64,
    /// Files within a folder, at any depth.
    pub files: u32,
    /// Whether it is a folder that is open.
    pub open: bool,
    /// Whether it is ticked.
    pub tick: Tick,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum RowKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symlink.
    Link,
    /// Something that the sender can't read.
    Unreadable,
}

/// Whether an entry is ticked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Tick {
    /// With all that is in it.
    All,
    /// Some of what is in it.
    Some,
    /// Not at all.
    None,
}
