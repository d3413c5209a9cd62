//! A share, as the window draws it, and what a person decides about it.

use super::PathKind;
use serde::{Deserialize, Serialize};
use sluice_protocol::error::Code;
use std::fmt;

/// What a person decides about a share; all of it can be changed while it runs.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct ShareTerms {
    /// The display name; by default that of the first file or folder.
    pub name: Option<String>,
    /// A password that receivers must know beside the link. To change it makes a new link.
    pub password: Option<String>,
    /// When the share ends by itself.
    pub ends_at: Option<u64>,
    /// After how many whole downloads it ends by itself.
    pub downloads: Option<u32>,
    /// The most bytes a second to all receivers together.
    pub limit: Option<u64>,
    /// Receivers at the same time; by default what the settings say.
    pub slots: Option<u16>,
}

// The password stays out of logs.
impl fmt::Debug for ShareTerms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShareTerms { name, password, ends_at, downloads, limit, slots } = self;
        formatter
            .debug_struct("ShareTerms")
            .field("name", name)
            .field("password", &password.is_some())
            .field("ends_at", ends_at)
            .field("downloads", downloads)
            .field("limit", limit)
            .field("slots", slots)
            .finish()
    }
}

/// One share.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ShareView {
    /// Its id in this app.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// The link, once there is one.
    pub link: Option<String>,
    /// The same as a deep link.
    pub deep_link: Option<String>,
    /// What goes on.
    pub state: ShareState,
    /// What was decided about it; never the password itself, which is `""` when there is one.
    pub terms: ShareTerms,
    /// Files, directories and symlinks, as far as they are counted.
    pub entries: u64,
    /// Bytes of content, as far as they are counted.
    pub bytes: u64,
    /// Entries that can't be read here.
    pub unreadable: u64,
    /// Whether everything is counted.
    pub counted: bool,
    /// Receivers at the same time.
    pub slots: u16,
    /// Those in slots, by slot.
    pub receivers: Vec<ReceiverView>,
    /// Those who wait for a slot.
    pub waiting: u32,
    /// Whole downloads so far.
    pub done: u32,
    /// Bytes a second to all receivers together.
    pub rate: u64,
    /// Bytes sent since it was begun.
    pub sent: u64,
    /// `rate` as it was, one a second, the newest last; at most 120.
    pub plot: Vec<u64>,
    /// When it was begun.
    pub begun_at: u64,
    /// Whether it is reached only in this network, or only on this computer.
    pub reach: Reach,
}

/// What goes on with a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ShareState {
    /// It is being opened at its server.
    Starting,
    /// Receivers can come.
    Live,
    /// The person paused it: receivers keep their slots and nothing is sent.
    Paused,
    /// The server can't be reached; transfers go on, and it is tried again.
    ServerLost {
        /// Why.
        #[cfg_attr(test, ts(type = "Code"))]
        code: Code,
    },
    /// It could not go on.
    Failed {
        /// Why.
        #[cfg_attr(test, ts(type = "Code"))]
        code: Code,
        /// What the system said.
        detail: Option<String>,
    },
    /// It is over: ended by the person, at its time, or after its downloads.
    Ended,
}

/// From where a share can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// Wherever its server is.
    Server,
    /// This network: the server runs in this app.
    Network,
    /// This computer only.
    Computer,
}

/// A receiver in its slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ReceiverView {
    /// Which one.
    pub id: String,
    /// Its slot, from 0.
    pub slot: u16,
    /// What it calls itself, once it has proved that it holds the link.
    pub name: Option<String>,
    /// What goes on.
    pub state: ReceiverState,
    /// The way to it, where known.
    pub path: Option<PathKind>,
    /// Bytes durable there.
    pub bytes: u64,
    /// Bytes of all that it chose, where known.
    pub total: Option<u64>,
    /// Bytes a second.
    pub rate: u64,
    /// Seconds until it has all, where known.
    pub seconds_left: Option<u64>,
    /// The most bytes a second to it.
    pub limit: Option<u64>,
    /// Entries that could not be sent to it.
    pub failed: u32,
}

/// What goes on with a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ReceiverState {
    /// A connection is being made.
    Connecting,
    /// Bytes move, or it chooses.
    Active,
    /// The sender paused it.
    Paused,
    /// Its connection was lost; its slot is kept for a while.
    Lost,
    /// It has everything that it chose.
    Done,
}

#[cfg(test)]
mod tests {
    use super::ShareTerms;
    use crate::api::IceSetting;

    #[test]
    fn a_password_does_not_print() {
        let terms = ShareTerms { password: Some("tulip".into()), ..ShareTerms::default() };
        let ice = IceSetting { credential: "tulip".into(), ..IceSetting::default() };
        let printed = format!("{terms:?} {ice:?}");
        assert!(!printed.contains("tulip"), "{printed}");
    }
}
