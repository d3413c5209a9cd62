//! What the window knows of newer versions of the app.

use serde::Serialize;

/// Where the search for a newer version stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum UpdateView {
    /// This build asks nobody: whoever installed it, or built it, brings it up to date.
    #[default]
    Off,
    /// Nobody was asked yet.
    Unknown,
    /// Somebody is being asked.
    Looking,
    /// There is no newer one.
    Newest,
    /// There is one.
    Found {
        /// Which.
        version: String,
    },
    /// It is on its way.
    Fetching {
        /// Which.
        version: String,
        /// Bytes that are here.
        bytes: u64,
        /// Of so many, if that is known.
        total: Option<u64>,
    },
    /// It is here, its signature is right, and it waits for the person.
    Ready {
        /// Which.
        version: String,
    },
    /// It could not be looked for, fetched or put in place, or its signature is wrong.
    Failed {
        /// What the layer below said.
        detail: String,
    },
}
