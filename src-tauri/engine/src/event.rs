//! What the engine tells its surface, as data: the command line prints these as JSON, the window draws them.

use crate::disk::{Report, Summary};
use crate::rtc::Path;
use serde::Serialize;
use sluice_protocol::error::Code;
use sluice_protocol::id::{PeerId, ShareId};
use sluice_protocol::queue::Tier;

/// What happens to a share, at its sender. In JSON each has `event` and the fields below.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ShareEvent {
    /// The share is open; always the first.
    Shared {
        /// The web link, with the key.
        link: String,
        /// The same for the desktop app.
        deep_link: String,
        /// The share's id.
        share: ShareId,
        /// Its display name.
        name: String,
    },
    /// What the share holds, as far as it is walked; at most a few a second.
    Walked {
        /// Files, directories and symlinks.
        entries: u64,
        /// Bytes of content.
        bytes: u64,
        /// Entries that are listed but can't be read.
        unreadable: u64,
        /// Whether this is all.
        complete: bool,
    },
    /// The connection to the server was lost; transfers go on, and it is tried again.
    ServerLost {
        /// Why.
        code: Code,
    },
    /// The share is open at the server again.
    ServerBack,
    /// How many receivers wait for a slot.
    Waiting {
        /// Receivers.
        count: u32,
    },
    /// A receiver took a slot.
    ReceiverJoined {
        /// Which one.
        receiver: PeerId,
    },
    /// A receiver has proved that it holds the link, and is connected.
    ReceiverConnected {
        /// Which one.
        receiver: PeerId,
        /// What it calls itself.
        name: String,
        /// The way to it, where known.
        path: Option<Path>,
    },
    /// How far a receiver is; at most twice a second each.
    ReceiverProgress {
        /// Which one.
        receiver: PeerId,
        /// Bytes durable there.
        bytes: u64,
        /// Entries in place there.
        entries: u64,
        /// Bytes of all that it chose, as far as it knows; absent until it has asked for something.
        #[serde(skip_serializing_if = "Option::is_none")]
        total_bytes: Option<u64>,
    },
    /// A receiver has everything it chose, durably.
    ReceiverDone {
        /// Which one.
        receiver: PeerId,
        /// Bytes of all that it chose.
        bytes: u64,
        /// Entries of all that it chose.
        entries: u64,
    },
    /// A receiver's connection is gone before it was done; it may come back.
    ReceiverLost {
        /// Which one.
        receiver: PeerId,
        /// Why.
        code: Code,
    },
    /// A receiver's slot is free again.
    ReceiverLeft {
        /// Which one.
        receiver: PeerId,
    },
    /// An entry could not be sent to a receiver.
    EntryFailed {
        /// Which receiver.
        receiver: PeerId,
        /// The entry's path within the share.
        path: String,
        /// Why.
        code: Code,
    },
    /// The share is over.
    Ended,
}

/// What happens to a download. In JSON each has `event` and the fields below.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ReceiveEvent {
    /// The place in line has changed.
    Place {
        /// How far from a slot.
        tier: Tier,
        /// Receivers ahead that wait for a slot.
        ahead: u32,
        /// The share's slots.
        slots: u16,
        /// Seconds until there is a slot, if the line moves on as it has; absent until it has moved.
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_seconds: Option<u64>,
    },
    /// What the share holds, by its sender's word to those who wait; comes again while its walk goes on.
    Summary {
        /// The share's display name.
        name: String,
        /// Files, directories and symlinks.
        entries: u64,
        /// Bytes of content.
        bytes: u64,
        /// Whether this is all.
        complete: bool,
    },
    /// The sender is away for now.
    SenderAway,
    /// The sender is back.
    SenderBack,
    /// A connection to the sender is being made.
    Connecting {
        /// Counts up from 1.
        attempt: u32,
    },
    /// The sender is the one that made the link, and is connected.
    Connected {
        /// The share's display name.
        name: String,
        /// The way to it, where known.
        path: Option<Path>,
    },
    /// What is offered, as far as it is known; comes again while the sender's walk goes on.
    Offered {
        /// Files, directories and symlinks.
        entries: u64,
        /// Bytes of content.
        bytes: u64,
        /// Entries that the sender can't read.
        unreadable: u64,
        /// Whether this is all.
        complete: bool,
    },
    /// The sender's person holds the content back, or lets it flow again. Each [`ReceiveEvent::Connected`] begins
    /// unpaused.
    SenderPaused {
        /// Whether it is held back.
        paused: bool,
    },
    /// All that is offered has been told; the slot is kept for a while until the choice is made.
    Choosing {
        /// Seconds from now until the slot is given up.
        hold_seconds: u64,
    },
    /// The choice took too long and the slot was given up; a place in line is taken anew when it is made.
    SlotReleased,
    /// One entry of what is offered, in the manifest's order; only when listing and before a choice. Each
    /// [`ReceiveEvent::Connected`] begins the list anew.
    Entry {
        /// Its path within the share.
        path: String,
        /// `file`, `directory`, `symlink` or `unreadable`.
        kind: &'static str,
        /// Bytes of content.
        size: u64,
        /// When it was last changed, in seconds since 1970.
        mtime: i64,
    },
    /// An earlier run's journal was found.
    Resumed {
        /// Bytes that need not be fetched again.
        bytes: u64,
        /// Entries that were already in place.
        entries: u64,
    },
    /// How far it is; at most four a second.
    Progress {
        /// Bytes received or already there.
        bytes: u64,
        /// Of these, durable on disk.
        durable_bytes: u64,
        /// Entries in place.
        entries: u64,
        /// Bytes of all that is chosen, as far as it is known.
        total_bytes: u64,
        /// Entries of all that is chosen, as far as it is known.
        total_entries: u64,
        /// Whether the totals are final.
        complete: bool,
        /// Where the entry that arrives is within the share; absent while none does.
        #[serde(skip_serializing_if = "Option::is_none")]
        current: Option<String>,
    },
    /// An entry was renamed, skipped or failed.
    Report(Report),
    /// The connection is gone; it is made again.
    Retrying {
        /// Why.
        code: Code,
        /// Seconds until the next attempt.
        seconds: f64,
    },
    /// The end: everything chosen is durable, but for what is reported.
    Done(Summary),
}
