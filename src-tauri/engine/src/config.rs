//! What a person or a program decides about transfers, parsed once.

use crate::disk::Conflict;
use crate::rtc::RtcConfig;
use sluice_protocol::link::{Link, ServerUrl};
use std::path::PathBuf;
use std::time::Duration;

/// What to share, and how.
#[derive(Debug, Clone)]
pub struct ShareOptions {
    /// Files and folders; at least one.
    pub paths: Vec<PathBuf>,
    /// The server that introduces the peers.
    pub server: ServerUrl,
    /// How many receivers may be connected at once.
    pub slots: u16,
    /// Bytes a second to all receivers together; `None` for no limit.
    pub limit: Option<u64>,
    /// The display name; by default the name of the first path.
    pub name: Option<String>,
    /// A password that receivers must know beside the link.
    pub password: Option<String>,
    /// How connections are made.
    pub rtc: RtcConfig,
}

/// Whose share to open, before anything is chosen of it.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The link.
    pub link: Link,
    /// What the sender may show of this receiver.
    pub name: String,
    /// The share's password, if the link asks for one.
    pub password: Option<String>,
    /// How long to try without being connected, before giving up.
    pub patience: Duration,
    /// How connections are made.
    pub rtc: RtcConfig,
    /// How long the slot is kept while the person chooses.
    pub hold: Duration,
}

/// What to receive, and where to.
#[derive(Debug, Clone)]
pub struct ReceiveOptions {
    /// The link.
    pub link: Link,
    /// The folder below which everything is written.
    pub out: PathBuf,
    /// Patterns of paths within the share; empty for everything.
    pub only: Vec<String>,
    /// What happens to files that exist.
    pub conflict: Conflict,
    /// What the sender may show of this receiver.
    pub name: String,
    /// The share's password, if the link asks for one.
    pub password: Option<String>,
    /// How long to try without being connected, before giving up.
    pub patience: Duration,
    /// How connections are made.
    pub rtc: RtcConfig,
}

/// The patience of a receiver unless it is told otherwise.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(120);
/// How long a slot is kept while a person chooses, unless it is told otherwise.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(120);
