//! What is kept on disk of the state: read at the start, written after each change.

use crate::api::{Failure, HistoryItem, Notice, Settings};
use crate::downloads::Download;
use crate::kept::{KeptDownloads, KeptShares};
use crate::places::Places;
use crate::shares::Share;
use crate::state::{Desk, Shell};
use crate::store::{Loaded, Store, Trouble};
use sluice_protocol::error::Code;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};

/// The files.
pub struct Stores {
    shares: Store,
    downloads: Store,
    settings: Store,
    history: Store,
    // Only one writes at a time, and the later of two has the later state.
    writing: Mutex<()>,
}

/// Which files are out of date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unkept {
    /// Shares.
    pub shares: bool,
    /// Downloads.
    pub downloads: bool,
    /// Settings.
    pub settings: bool,
    /// The history.
    pub history: bool,
}

/// What was kept.
pub struct Found {
    /// The files.
    pub stores: Stores,
    /// The shares.
    pub shares: KeptShares,
    /// The downloads.
    pub downloads: KeptDownloads,
    /// The settings.
    pub settings: Settings,
    /// The history, oldest first.
    pub history: Vec<HistoryItem>,
    /// What the person should know of the files.
    pub notices: Vec<Notice>,
}

impl Found {
    /// Reads all of it. Blocks.
    pub fn load(places: &Places) -> Self {
        let shares: Loaded<KeptShares> = Store::load(places.state.join("shares.json"));
        let downloads: Loaded<KeptDownloads> = Store::load(places.state.join("downloads.json"));
        let settings: Loaded<Settings> = Store::load(places.config.join("settings.json"));
        let history: Loaded<Vec<HistoryItem>> = Store::load(places.state.join("history.json"));
        let troubles = [
            note("shares", shares.trouble),
            note("downloads", downloads.trouble),
            note("settings", settings.trouble),
            note("history", history.trouble),
        ];
        Found {
            stores: Stores {
                shares: shares.store,
                downloads: downloads.store,
                settings: settings.store,
                history: history.store,
                writing: Mutex::new(()),
            },
            shares: shares.content,
            downloads: downloads.content,
            settings: settings.content,
            history: history.content,
            notices: troubles.into_iter().flatten().collect(),
        }
    }
}

impl Desk {
    fn kept_shares(&self) -> KeptShares {
        KeptShares { shares: self.shares.iter().map(Share::to_keep).collect(), port: self.port }
    }

    fn kept_downloads(&self) -> KeptDownloads {
        KeptDownloads { downloads: self.downloads.iter().filter_map(Download::to_keep).collect() }
    }
}

impl Shell {
    /// Writes what is kept, each time that it has changed.
    pub(crate) async fn keep_files(self) {
        loop {
            self.to_keep().notified().await;
            self.write().await;
        }
    }

    /// Writes what is out of date.
    pub(crate) async fn write(&self) {
        let shell = self.clone();
        // A panic in it was printed already.
        let _ = tokio::task::spawn_blocking(move || shell.write_now()).await;
    }

    // Blocks.
    fn write_now(&self) {
        let stores = Arc::clone(&self.lock().stores);
        let _writing = stores.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (unkept, shares, downloads, settings, history) = {
            let mut desk = self.lock();
            let unkept = std::mem::take(&mut desk.unkept);
            let shares = unkept.shares.then(|| desk.kept_shares());
            let downloads = unkept.downloads.then(|| desk.kept_downloads());
            let settings = unkept.settings.then(|| desk.settings.clone());
            (unkept, shares, downloads, settings, unkept.history.then(|| desk.history.clone()))
        };
        let written = [
            shares.map(|shares| stores.shares.save(&shares)),
            downloads.map(|downloads| stores.downloads.save(&downloads)),
            settings.map(|settings| stores.settings.save(&settings)),
            history.map(|history| stores.history.save(&history)),
        ];
        if let Some(error) = written.into_iter().flatten().find_map(Result::err) {
            tracing::warn!(%error, ?unkept, "what is kept can't be written");
            let code = if error.kind() == ErrorKind::StorageFull { Code::DiskFull } else { Code::DiskFailed };
            self.complain(Failure::detailed(code, error));
        }
    }
}

fn note(what: &str, trouble: Option<Trouble>) -> Option<Notice> {
    Some(match trouble? {
        Trouble::SetAside(path) => {
            Notice::SetAside { what: what.to_owned(), path: path.display().to_string() }
        }
        Trouble::Unreadable(error) => {
            Notice::Failed { code: Code::DiskFailed, detail: Some(format!("{what}: {error}")) }
        }
    })
}
