//! What was shared and received, on this computer only.

use crate::api::{AppEvent, Failure, HistoryItem};
use crate::state::{Desk, Shell};
use sluice_protocol::error::Code;
use std::path::PathBuf;

/// The most lines that are kept.
const MAX_ITEMS: usize = 1000;

impl Desk {
    /// Writes a line.
    pub fn remember(&mut self, item: HistoryItem) {
        self.history.push(item);
        let over = self.history.len().saturating_sub(MAX_ITEMS);
        self.history.drain(..over);
        self.unkept.history = true;
        self.outbox.say(AppEvent::History);
    }
}

impl Shell {
    /// All lines, the latest first.
    pub fn history(&self) -> Vec<HistoryItem> {
        self.lock().history.iter().rev().cloned().collect()
    }

    /// Forgets a line, or all of them.
    pub fn forget_history(&self, id: Option<&str>) {
        self.change(|desk| {
            desk.history.retain(|item| id.is_some_and(|id| item.id != id));
            desk.unkept.history = true;
            desk.outbox.say(AppEvent::History);
        });
    }

    /// Where a download of the history went.
    ///
    /// # Errors
    /// [`Code::DestinationGone`] if it is not known, or no longer there.
    pub fn history_folder(&self, id: &str) -> Result<PathBuf, Failure> {
        let desk = self.lock();
        let item = desk.history.iter().find(|item| item.id == id);
        let folder = item.and_then(|item| item.folder.clone()).map(PathBuf::from);
        folder.filter(|folder| folder.exists()).ok_or(Code::DestinationGone.into())
    }
}
