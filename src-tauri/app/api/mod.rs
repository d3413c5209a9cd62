//! What the window and the shell say to each other, as data. `ui/app/bindings.ts` is made of it, so that neither side can
//! speak of what the other does not know.
//!
//! The shell keeps the whole state and tells of it in views: each is complete, replaces the one before, and comes at most
//! four times a second. Sizes are bytes, times are seconds since 1970, rates are bytes a second.

mod bindings;
mod download;
mod settings;
mod share;
mod update;

pub use download::*;
pub use settings::*;
pub use share::*;
pub use update::*;

use serde::{Deserialize, Serialize};
use sluice_engine::error::EngineError;
use sluice_protocol::error::Code;

/// Everything there is, for a window that has just been opened.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Shares, oldest first.
    pub shares: Vec<ShareView>,
    /// Downloads, oldest first.
    pub downloads: Vec<DownloadView>,
    /// The settings as they are kept.
    pub settings: Settings,
    /// The system's language, as a tag of BCP 47, for a person who has chosen none.
    pub system_language: String,
    /// The version of the app.
    pub version: String,
    /// What is known of newer ones.
    pub update: UpdateView,
    /// What the person should know that happened before the window was there, such as settings that could not be read.
    pub notices: Vec<Notice>,
}

/// What the shell tells the window.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AppEvent {
    /// A share, as it is now; a new one if its id is new.
    Share {
        /// All of it.
        view: Box<ShareView>,
    },
    /// A share is no more.
    ShareGone {
        /// Which one.
        id: String,
    },
    /// A download, as it is now; a new one if its id is new.
    Download {
        /// All of it.
        view: Box<DownloadView>,
    },
    /// A download is no more.
    DownloadGone {
        /// Which one.
        id: String,
    },
    /// Something is dragged over the window, or no more.
    Dragging {
        /// Whether it is.
        over: bool,
    },
    /// The settings were changed.
    Settings {
        /// All of them.
        settings: Box<Settings>,
    },
    /// More is known of newer versions.
    Update {
        /// All of it.
        update: UpdateView,
    },
    /// The history has a new line.
    History,
    /// Something from outside asks for a place of the window.
    Show {
        /// Which one.
        place: Place,
        /// The share or download that it is about.
        id: Option<String>,
    },
    /// Something that the person should know.
    Notice {
        /// What.
        notice: Notice,
    },
}

/// A place in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// What is shared.
    Share,
    /// What is received.
    Receive,
    /// What was shared and received.
    History,
    /// The settings.
    Settings,
}

/// Something that happened beside shares and downloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "notice", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Notice {
    /// A file of ours could not be read; it is kept under another name, and what it held is at its defaults.
    SetAside {
        /// What it held: `settings`, `history`, `shares` or `downloads`.
        what: String,
        /// Where it is now.
        path: String,
    },
    /// A link from outside could not be opened.
    BadLink {
        /// Why.
        #[cfg_attr(test, ts(type = "Code"))]
        code: Code,
    },
    /// Something could not be done that was not about one share or download.
    Failed {
        /// Why.
        #[cfg_attr(test, ts(type = "Code"))]
        code: Code,
        /// What the system said.
        detail: Option<String>,
    },
    /// There is no tray here: closing the window ends the app.
    NoTray,
}

/// Why a command could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The stable code; the window has a sentence and a next step for each.
    #[cfg_attr(test, ts(type = "Code"))]
    pub code: Code,
    /// What the system said, for those who look closer.
    pub detail: Option<String>,
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Failure { code, detail: None }
    }
}

impl Failure {
    /// One with the words of whatever failed.
    pub fn detailed(code: Code, detail: impl std::fmt::Display) -> Self {
        Failure { code, detail: Some(detail.to_string()) }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Code(code) => code.into(),
            EngineError::Detailed { code, detail } => Failure { code, detail: Some(detail) },
            EngineError::Disk(error) => Failure::detailed(error.code(), error),
        }
    }
}

/// A QR code, as dark squares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    /// Squares a side, without a margin.
    pub size: u32,
    /// The dark ones as the `d` of an SVG path whose unit is a square.
    pub path: String,
}

/// How far from the peer the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum PathKind {
    /// Within this computer or network.
    Local,
    /// Straight through the internet.
    Direct,
    /// Through a relay, which can't read them.
    Relayed,
}
