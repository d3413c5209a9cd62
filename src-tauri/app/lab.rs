//! A lab for tests: shells of several people side by side, each with its own folders, on the real engine and server.

#![allow(clippy::unwrap_used)]

use crate::api::{AppEvent, DownloadView, Notice, ShareView, Snapshot};
use crate::places::Places;
use crate::state::{News, Shell};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// How long anything may take that a test waits for.
const LIMIT: Duration = Duration::from_secs(40);

/// Folders that are gone with the test.
pub struct Lab {
    dir: TempDir,
}

/// A window that remembers all it was told.
#[derive(Clone, Default)]
pub struct Watcher {
    told: Arc<Mutex<Told>>,
    more: Arc<Notify>,
}

#[derive(Default)]
struct Told {
    shares: Vec<ShareView>,
    downloads: Vec<DownloadView>,
    notices: Vec<Notice>,
    events: Vec<AppEvent>,
}

impl Lab {
    pub fn new() -> Self {
        Lab { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn places(&self, person: &str) -> Places {
        let home = self.path(person);
        Places {
            config: home.join("config"),
            state: home.join("state"),
            identities: home.join("identities"),
            downloads: home.join("Downloads"),
        }
    }

    /// The app of a person, whose server listens wherever there is room.
    pub async fn shell(&self, person: &str) -> Shell {
        self.shell_and_news(person).await.0
    }

    pub async fn shell_and_news(&self, person: &str) -> (Shell, mpsc::UnboundedReceiver<News>) {
        let places = self.places(person);
        let settings = places.config.join("settings.json");
        if !settings.exists() {
            write(&settings, br#"{"version":1,"content":{"embeddedPort":0,"name":"Lab"}}"#);
        }
        Shell::start(places)
    }

    /// A file with content that can be told from another's.
    pub fn file(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.path(name);
        write(&path, &content(bytes));
        path
    }
}

pub fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 + at / 251) as u8).collect()
}

pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

impl Watcher {
    pub fn of(shell: &Shell) -> (Self, Snapshot) {
        let watcher = Watcher::default();
        let telling = watcher.clone();
        let snapshot = shell.subscribe(Box::new(move |event| telling.hear(event)));
        let mut told = watcher.told.lock().unwrap();
        told.shares.extend(snapshot.shares.iter().cloned());
        told.downloads.extend(snapshot.downloads.iter().cloned());
        told.notices.extend(snapshot.notices.iter().cloned());
        drop(told);
        (watcher, snapshot)
    }

    fn hear(&self, event: AppEvent) {
        let mut told = self.told.lock().unwrap();
        match &event {
            AppEvent::Share { view } => told.shares.push((**view).clone()),
            AppEvent::Download { view } => told.downloads.push((**view).clone()),
            AppEvent::Notice { notice } => told.notices.push(notice.clone()),
            _ => {}
        }
        told.events.push(event);
        drop(told);
        self.more.notify_waiters();
    }

    /// All views of a share that were told.
    pub fn shares(&self, id: &str) -> Vec<ShareView> {
        let told = self.told.lock().unwrap();
        told.shares.iter().filter(|view| view.id == id).cloned().collect()
    }

    /// All views of a download that were told.
    pub fn downloads(&self, id: &str) -> Vec<DownloadView> {
        let told = self.told.lock().unwrap();
        told.downloads.iter().filter(|view| view.id == id).cloned().collect()
    }

    /// How many of the events that were told are such.
    pub fn count(&self, wanted: impl Fn(&AppEvent) -> bool) -> usize {
        self.told.lock().unwrap().events.iter().filter(|event| wanted(event)).count()
    }

    /// Waits for a view of a share.
    pub async fn share(&self, id: &str, wanted: impl Fn(&ShareView) -> bool) -> ShareView {
        self.wait(
            |watcher| watcher.shares(id).into_iter().next_back().filter(&wanted),
            || format!("{:#?}", self.shares(id).last()),
        )
        .await
    }

    /// Waits for a view of a download.
    pub async fn download(&self, id: &str, wanted: impl Fn(&DownloadView) -> bool) -> DownloadView {
        self.wait(
            |watcher| watcher.downloads(id).into_iter().next_back().filter(&wanted),
            || format!("{:#?}", self.downloads(id).last()),
        )
        .await
    }

    /// Waits for an event.
    pub async fn event(&self, wanted: impl Fn(&AppEvent) -> bool) {
        self.wait(|watcher| (watcher.count(&wanted) > 0).then_some(()), String::new).await;
    }

    async fn wait<T>(&self, found: impl Fn(&Self) -> Option<T>, last: impl Fn() -> String) -> T {
        let waiting = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(found) = found(self) {
                    return found;
                }
                more.await;
            }
        };
        match timeout(LIMIT, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("it never came; the last was {}", last()),
        }
    }
}

#[cfg(test)]
mod recording;
#[cfg(test)]
mod tests;
