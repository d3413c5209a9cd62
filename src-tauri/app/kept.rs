//! What is kept of shares and downloads, so that they come back after a restart. It has secrets in it, and does not
//! print.

use crate::api::{Chosen, ConflictChoice, DownloadProgress, Offer, ShareTerms};
use serde::{Deserialize, Serialize};
use sluice_protocol::error::Code;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// All shares.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptShares {
    /// Oldest first.
    pub shares: Vec<KeptShare>,
    /// Where the server in this app listened the last time, which is part of the links.
    #[serde(default)]
    pub port: Option<u16>,
}

/// One share. Its keys are kept by the engine.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptShare {
    /// Its id in this app.
    pub id: String,
    /// What is shared.
    pub paths: Vec<KeptPath>,
    /// The server in its link; `None` for the one in this app.
    pub server: Option<String>,
    /// What was decided about it, with the password.
    pub terms: ShareTerms,
    /// Whether the person paused it.
    #[serde(default)]
    pub paused: bool,
    /// Whether it is over.
    #[serde(default)]
    pub ended: bool,
    /// Whether its next link is a new one.
    #[serde(default)]
    pub renew: bool,
    /// Whole downloads so far.
    #[serde(default)]
    pub done: u32,
    /// Bytes sent so far.
    #[serde(default)]
    pub sent: u64,
    /// When it was begun, in seconds since 1970.
    pub begun_at: u64,
}

impl KeptShare {
    /// What is shared.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.paths.iter().map(KeptPath::to_path).collect()
    }
}

/// All downloads that are not done.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptDownloads {
    /// Oldest first.
    pub downloads: Vec<KeptDownload>,
}

/// One download.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptDownload {
    /// Its id in this app.
    pub id: String,
    /// The link, in its web form.
    pub link: String,
    /// The password, if the link asks for one and it was given.
    pub password: Option<String>,
    /// Where it goes.
    pub folder: KeptPath,
    /// What happens to files that exist.
    #[serde(default)]
    pub conflict: ConflictChoice,
    /// Whether the person has chosen.
    #[serde(default)]
    pub started: bool,
    /// Whether the person paused it.
    #[serde(default)]
    pub paused: bool,
    /// Why it could not go on, if it could not.
    #[serde(default)]
    pub failed: Option<Code>,
    /// The paths whose tick is not that of the folder they are in.
    #[serde(default)]
    pub flips: BTreeSet<String>,
    /// The share's name, once it is known.
    #[serde(default)]
    pub name: Option<String>,
    /// What is offered, as far as it is known.
    #[serde(default)]
    pub offer: Option<Offer>,
    /// What of it was chosen.
    #[serde(default)]
    pub chosen: Option<Chosen>,
    /// How far it was.
    #[serde(default)]
    pub progress: Option<DownloadProgress>,
    /// When it was opened, in seconds since 1970.
    pub begun_at: u64,
}

/// A path of this system: a text where it is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeptPath {
    /// Most are.
    Text(String),
    /// What is no Unicode.
    Raw(OsString),
}

impl KeptPath {
    /// The path.
    pub fn to_path(&self) -> PathBuf {
        match self {
            KeptPath::Text(text) => PathBuf::from(text),
            KeptPath::Raw(raw) => PathBuf::from(raw),
        }
    }
}

impl From<&Path> for KeptPath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => KeptPath::Text(text.to_owned()),
            None => KeptPath::Raw(path.as_os_str().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_is_kept_as_it_is() {
        let text = KeptPath::from(Path::new("/a/ü"));
        assert_eq!(serde_json::to_string(&text).unwrap(), r#""/a/ü""#);
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let raw = PathBuf::from(OsString::from_vec(vec![b'/', 0xff]));
            let kept = serde_json::to_string(&KeptPath::from(&*raw)).unwrap();
            assert_eq!(serde_json::from_str::<KeptPath>(&kept).unwrap().to_path(), raw);
        }
    }

    #[test]
    fn what_an_earlier_version_did_not_keep_has_its_default() {
        let share = r#"{"id":"1","paths":["/a"],"server":null,"terms":{},"begun_at":5}"#;
        let share: KeptShare = serde_json::from_str(share).unwrap();
        assert_eq!((share.paused, share.done, share.terms), (false, 0, ShareTerms::default()));
        let download = r#"{"id":"1","link":"x","password":null,"folder":"/d","begun_at":5}"#;
        let download: KeptDownload = serde_json::from_str(download).unwrap();
        assert_eq!((download.started, download.conflict), (false, ConflictChoice::Rename));
    }
}
