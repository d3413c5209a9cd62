//! The settings and the history, as they are kept and drawn; and what a test of the connection found.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The server that introduces peers; `None` for the one in this app.
    pub server: Option<String>,
    /// Where the server in this app listens.
    pub embedded_port: u16,
    /// Addresses of STUN and TURN servers, beside those that the server names.
    pub ice: Vec<IceSetting>,
    /// Receivers of a share at the same time.
    pub slots: u16,
    /// The most bytes a second that each share sends.
    pub limit: Option<u64>,
    /// Where downloads go, chosen in a dialog; `None` for the system's own folder for them.
    pub download_folder: Option<String>,
    /// What this computer calls itself to senders; `None` for its host name.
    pub name: Option<String>,
    /// Whether the app starts with the person's session, in the tray.
    pub start_at_login: bool,
    /// Whether the system's notifications are used.
    pub notifications: bool,
    /// The language, as a tag of BCP 47; `None` for the system's.
    pub language: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            server: None,
            embedded_port: 7575,
            ice: Vec::new(),
            slots: sluice_protocol::signal::DEFAULT_SLOTS,
            limit: None,
            download_folder: None,
            name: None,
            start_at_login: false,
            notifications: true,
            language: None,
        }
    }
}

/// What of the settings is to change, by its names in [`Settings`]. What is left out stays as it is, so that two changes
/// that follow closely on each other don't undo one another.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct SettingsChange(serde_json::Map<String, serde_json::Value>);

impl SettingsChange {
    /// The settings with the change in them.
    ///
    /// # Errors
    /// A value is not of its setting's kind.
    pub fn apply(self, settings: &Settings) -> Result<Settings, serde_json::Error> {
        let mut changed = serde_json::to_value(settings)?;
        if let Some(names) = changed.as_object_mut() {
            names.extend(self.0);
        }
        serde_json::from_value(changed)
    }
}

/// A STUN or TURN server.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default)]
pub struct IceSetting {
    /// Such as `stun:host:3478` or `turn:host:3478` (RFC 7064, RFC 7065).
    pub url: String,
    /// The user at a TURN server.
    pub username: String,
    /// The password at a TURN server.
    pub credential: String,
}

// The credential stays out of logs.
impl fmt::Debug for IceSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IceSetting { url, username, .. } = self;
        formatter
            .debug_struct("IceSetting")
            .field("url", url)
            .field("username", username)
            .finish_non_exhaustive()
    }
}

/// One thing that a test of the connection looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What.
    pub of: CheckOf,
    /// How it went.
    pub result: CheckResult,
    /// An address, a time in milliseconds, or what the system said.
    pub detail: Option<String>,
}

/// What a test of the connection looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum CheckOf {
    /// The server that introduces peers.
    Server,
    /// What tells this computer its public address.
    Stun,
    /// What relays where nothing else helps.
    Turn,
    /// The network that this computer is in.
    LocalNetwork,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum CheckResult {
    /// It works.
    Works,
    /// Nothing is set, so that there was nothing to look at.
    NotSet,
    /// It does not work.
    Fails,
}

/// Something that was shared or received, on this computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct HistoryItem {
    /// Its id in this app.
    pub id: String,
    /// Whether it was shared; else received.
    pub shared: bool,
    /// The share's display name.
    pub name: String,
    /// Files, directories and symlinks.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Whole downloads of a share; 1 or 0 of a download.
    pub done: u32,
    /// The code that it ended with, if it was not well.
    pub code: Option<String>,
    /// Where a download went.
    pub folder: Option<String>,
    /// When it was begun.
    pub begun_at: u64,
    /// When it was over.
    pub ended_at: u64,
}
