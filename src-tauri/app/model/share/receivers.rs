//! The receivers of a share, each in its slot.

use super::super::{rate::Flow, seconds_left};
use crate::api::{PathKind, ReceiverState, ReceiverView};
use sluice_protocol::id::PeerId;
use std::time::Duration;

/// How long one that is done, or that the server no longer knows, stays in view.
const LINGERS: Duration = Duration::from_secs(8);

/// Those in slots, by slot.
#[derive(Debug, Default)]
pub struct Receivers {
    all: Vec<Receiver>,
}

#[derive(Debug)]
struct Receiver {
    id: PeerId,
    slot: u16,
    name: Option<String>,
    stage: Stage,
    paused: bool,
    path: Option<PathKind>,
    // Bytes durable there, once known.
    bytes: Option<u64>,
    total: Option<u64>,
    flow: Flow,
    limit: Option<u64>,
    failed: u32,
    // When it goes from view, unless it is heard of before: its slot is free.
    gone: Option<Duration>,
}

// Connecting -> Active -> Done; Connecting and Active -> Lost -> Connecting or Active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Active,
    Lost,
    Done,
}

impl Receivers {
    /// One takes the lowest slot that is free.
    pub fn join(&mut self, id: PeerId, slots: u16) {
        if let Some(receiver) = self.get(id) {
            receiver.gone = None;
            if receiver.stage == Stage::Done {
                receiver.stage = Stage::Connecting;
            }
            return;
        }
        let lowest = self.lowest_free();
        if lowest >= slots {
            // One that is still looked at makes room.
            let oldest = self.all.iter().filter(|receiver| receiver.gone.is_some());
            if let Some(slot) = oldest.min_by_key(|receiver| receiver.gone).map(|receiver| receiver.slot) {
                self.all.retain(|receiver| receiver.slot != slot);
            }
        }
        self.add(id);
    }

    /// One has proved that it holds the link; whether it is heard of for the first time.
    pub fn connect(&mut self, id: PeerId, name: &str, path: Option<PathKind>) -> bool {
        let receiver = self.get_or_add(id);
        let first = receiver.name.replace(name.to_owned()).is_none();
        receiver.stage = Stage::Active;
        receiver.path = path;
        receiver.gone = None;
        first
    }

    /// One has so many bytes; how many of them are new.
    pub fn progress(&mut self, id: PeerId, bytes: u64, total: Option<u64>, up: Duration) -> u64 {
        let receiver = self.get_or_add(id);
        receiver.total = total.or(receiver.total);
        if receiver.stage != Stage::Done {
            receiver.stage = Stage::Active;
        }
        if let Some(gone) = &mut receiver.gone {
            *gone = up + LINGERS;
        }
        // What was there before it asked has not moved today.
        let new = bytes.saturating_sub(*receiver.bytes.get_or_insert(bytes));
        receiver.bytes = receiver.bytes.max(Some(bytes));
        receiver.flow.handle_bytes(new, up);
        new
    }

    /// One has everything: how many of the bytes are new, and its name unless that was known.
    pub fn finish(&mut self, id: PeerId, bytes: u64) -> (u64, Option<String>) {
        let receiver = self.get_or_add(id);
        let new = bytes.saturating_sub(receiver.bytes.unwrap_or(0));
        receiver.bytes = Some(bytes);
        receiver.total = Some(bytes);
        let before = std::mem::replace(&mut receiver.stage, Stage::Done);
        let name = (before != Stage::Done).then(|| receiver.name.clone().unwrap_or_default());
        (new, name)
    }

    /// The connection of one is gone.
    pub fn lose(&mut self, id: PeerId, up: Duration) {
        let Some(receiver) = self.get(id).filter(|receiver| receiver.stage != Stage::Done) else { return };
        receiver.stage = Stage::Lost;
        receiver.flow = Flow::default();
        if let Some(gone) = &mut receiver.gone {
            *gone = up;
        }
        self.handle_time(up);
    }

    /// The slot of one is free; what it still says is heard.
    pub fn leave(&mut self, id: PeerId, up: Duration) {
        let Some(receiver) = self.get(id) else { return };
        receiver.gone = match receiver.stage {
            Stage::Active | Stage::Done => Some(up + LINGERS),
            Stage::Connecting | Stage::Lost => Some(up),
        };
        self.handle_time(up);
    }

    /// Counts an entry that could not be sent to one.
    pub fn count_failure(&mut self, id: PeerId) {
        if let Some(receiver) = self.get(id) {
            receiver.failed = receiver.failed.saturating_add(1);
        }
    }

    /// Lets time pass; whether anybody went or moved.
    pub fn handle_time(&mut self, up: Duration) -> bool {
        let before = self.all.len();
        self.all.retain(|receiver| receiver.gone.is_none_or(|gone| gone > up));
        let mut moved = self.all.len() != before;
        for receiver in &mut self.all {
            moved |= receiver.flow.handle_time(up);
        }
        moved
    }

    /// Pauses one; whether it is there.
    pub fn pause(&mut self, id: PeerId, paused: bool) -> bool {
        self.get(id).map(|receiver| receiver.paused = paused).is_some()
    }

    /// Limits one; whether it is there.
    pub fn limit(&mut self, id: PeerId, limit: Option<u64>) -> bool {
        self.get(id).map(|receiver| receiver.limit = limit).is_some()
    }

    /// Whether anything changes with time alone.
    pub fn is_moving(&self) -> bool {
        self.all.iter().any(|receiver| receiver.gone.is_some() || receiver.flow.is_moving())
    }

    /// All of them, to be drawn.
    pub fn views(&self, up: Duration) -> Vec<ReceiverView> {
        self.all.iter().map(|receiver| receiver.view(up)).collect()
    }

    fn get(&mut self, id: PeerId) -> Option<&mut Receiver> {
        self.all.iter_mut().find(|receiver| receiver.id == id)
    }

    // The server may be late to tell of one, or early to tell that it left.
    fn get_or_add(&mut self, id: PeerId) -> &mut Receiver {
        match self.all.iter().position(|receiver| receiver.id == id) {
            Some(at) => &mut self.all[at],
            None => self.add(id),
        }
    }

    fn lowest_free(&self) -> u16 {
        let mut slot = 0;
        for receiver in &self.all {
            if receiver.slot > slot {
                break;
            }
            slot = receiver.slot.saturating_add(1);
        }
        slot
    }

    fn add(&mut self, id: PeerId) -> &mut Receiver {
        let slot = self.lowest_free();
        let at = self.all.partition_point(|receiver| receiver.slot < slot);
        let receiver = Receiver {
            id,
            slot,
            name: None,
            stage: Stage::Connecting,
            paused: false,
            path: None,
            bytes: None,
            total: None,
            flow: Flow::default(),
            limit: None,
            failed: 0,
            gone: None,
        };
        self.all.insert(at, receiver);
        &mut self.all[at]
    }
}

impl Receiver {
    fn view(&self, up: Duration) -> ReceiverView {
        let bytes = self.bytes.unwrap_or(0);
        let rate = self.flow.rate(up);
        let state = match self.stage {
            Stage::Connecting => ReceiverState::Connecting,
            Stage::Active if self.paused => ReceiverState::Paused,
            Stage::Active => ReceiverState::Active,
            Stage::Lost => ReceiverState::Lost,
            Stage::Done => ReceiverState::Done,
        };
        ReceiverView {
            id: self.id.to_string(),
            slot: self.slot,
            name: self.name.clone(),
            state,
            path: self.path,
            bytes,
            total: self.total,
            rate,
            seconds_left: self.total.and_then(|total| seconds_left(total.saturating_sub(bytes), rate)),
            limit: self.limit,
            failed: self.failed,
        }
    }
}
