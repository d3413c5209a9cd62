//! A share, folded from the engine's events into what the window shows of it.

mod receivers;

use super::rate::Flow;
use super::{Now, path_kind};
use crate::api::{Reach, ReceiverState, ShareState, ShareTerms, ShareView};
use receivers::Receivers;
use sluice_engine::event::ShareEvent;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;

/// Something about a share that a person may want to hear of who does not look at the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareNews {
    /// A receiver has come; its name.
    Started(String),
    /// A receiver has everything; its name.
    Finished(String),
}

/// A share as it stands.
#[derive(Debug)]
pub struct ShareModel {
    id: String,
    name: String,
    links: Option<(String, String)>,
    course: Course,
    paused: bool,
    terms: ShareTerms,
    entries: u64,
    bytes: u64,
    unreadable: u64,
    counted: bool,
    slots: u16,
    receivers: Receivers,
    waiting: u32,
    done: u32,
    flow: Flow,
    sent: u64,
    begun_at: u64,
    reach: Reach,
}

// Starting -> Live <-> Lost; each of them -> Failed or Ended; those -> Starting.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Course {
    Starting,
    Live,
    Lost(Code),
    Failed(Code, Option<String>),
    Ended,
}

/// What is known of a share before anything has happened to it.
#[derive(Debug, Clone)]
pub struct ShareStart {
    /// Its id in this app.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// What was decided about it; the password as it is.
    pub terms: ShareTerms,
    /// Receivers at the same time.
    pub slots: u16,
    /// Whether it is paused.
    pub paused: bool,
    /// Whole downloads in earlier runs.
    pub done: u32,
    /// Bytes sent in earlier runs.
    pub sent: u64,
    /// When it was begun.
    pub begun_at: u64,
    /// From where it will be reached.
    pub reach: Reach,
}

impl ShareModel {
    /// One that is about to be opened.
    pub fn new(start: ShareStart) -> Self {
        let ShareStart { id, name, terms, slots, paused, done, sent, begun_at, reach } = start;
        let mut model = ShareModel {
            id,
            name,
            links: None,
            course: Course::Starting,
            paused,
            terms: ShareTerms::default(),
            entries: 0,
            bytes: 0,
            unreadable: 0,
            counted: false,
            slots,
            receivers: Receivers::default(),
            waiting: 0,
            done,
            flow: Flow::default(),
            sent,
            begun_at,
            reach,
        };
        model.set_terms(&terms);
        model
    }

    /// Takes what the engine tells, and says what of it is news.
    pub fn handle_event(&mut self, event: &ShareEvent, now: Now) -> Option<ShareNews> {
        let up = now.up;
        match event {
            ShareEvent::Shared { link, deep_link, name, .. } => {
                self.links = Some((link.clone(), deep_link.clone()));
                self.name.clone_from(name);
                self.course = Course::Live;
            }
            ShareEvent::Walked { entries, bytes, unreadable, complete } => {
                (self.entries, self.bytes) = (*entries, *bytes);
                (self.unreadable, self.counted) = (*unreadable, *complete);
            }
            ShareEvent::ServerLost { code } => self.course = Course::Lost(*code),
            ShareEvent::ServerBack => self.course = Course::Live,
            ShareEvent::Waiting { count } => self.waiting = *count,
            ShareEvent::ReceiverJoined { receiver } => self.receivers.join(*receiver, self.slots),
            ShareEvent::ReceiverConnected { receiver, name, path } => {
                let path = path.map(path_kind);
                return self
                    .receivers
                    .connect(*receiver, name, path)
                    .then(|| ShareNews::Started(name.clone()));
            }
            ShareEvent::ReceiverProgress { receiver, bytes, total_bytes, .. } => {
                let new = self.receivers.progress(*receiver, *bytes, *total_bytes, up);
                self.count(new, now);
            }
            ShareEvent::ReceiverDone { receiver, bytes, .. } => {
                let (new, name) = self.receivers.finish(*receiver, *bytes);
                self.count(new, now);
                return name.map(|name| {
                    self.done = self.done.saturating_add(1);
                    ShareNews::Finished(name)
                });
            }
            ShareEvent::ReceiverLost { receiver, .. } => self.receivers.lose(*receiver, up),
            ShareEvent::ReceiverLeft { receiver } => self.receivers.leave(*receiver, up),
            ShareEvent::EntryFailed { receiver, .. } => self.receivers.count_failure(*receiver),
            // How and why is told by whoever ended it.
            ShareEvent::Ended => {}
        }
        None
    }

    /// Lets time pass; whether there is anything new to see.
    pub fn handle_time(&mut self, now: Now) -> bool {
        let flows = self.flow.handle_time(now.up);
        self.receivers.handle_time(now.up) || flows
    }

    /// It is being opened, for the first time or again.
    pub fn handle_start(&mut self, reach: Reach) {
        self.course = Course::Starting;
        self.reach = reach;
        self.stop();
    }

    /// It could not be opened yet, and is tried again.
    pub fn handle_delay(&mut self, code: Code) {
        self.course = Course::Lost(code);
    }

    /// It could not go on.
    pub fn handle_failure(&mut self, code: Code, detail: Option<String>) {
        self.course = Course::Failed(code, detail);
        self.stop();
    }

    /// It is over.
    pub fn handle_end(&mut self) {
        self.course = Course::Ended;
        self.stop();
    }

    /// Takes new terms; a password of them is not kept here.
    pub fn set_terms(&mut self, terms: &ShareTerms) {
        self.terms = ShareTerms { password: terms.password.as_ref().map(|_| String::new()), ..terms.clone() };
    }

    /// Says how many receivers may be there at the same time.
    pub fn set_slots(&mut self, slots: u16) {
        self.slots = slots;
    }

    /// Pauses all receivers, or lets them go on.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Pauses a receiver, or lets it go on; `false` if there is none such.
    pub fn pause_receiver(&mut self, receiver: PeerId, paused: bool) -> bool {
        self.receivers.pause(receiver, paused)
    }

    /// Limits a receiver; `false` if there is none such.
    pub fn limit_receiver(&mut self, receiver: PeerId, limit: Option<u64>) -> bool {
        self.receivers.limit(receiver, limit)
    }

    /// Whole downloads so far.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// Bytes sent since it was begun.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Its display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Entries and bytes, as far as they are counted.
    pub fn totals(&self) -> (u64, u64) {
        (self.entries, self.bytes)
    }

    /// The link, and the same as a deep link, once there is one.
    pub fn links(&self) -> Option<(&str, &str)> {
        self.links.as_ref().map(|(web, deep)| (web.as_str(), deep.as_str()))
    }

    /// The code that it failed with, if it did.
    pub fn failure(&self) -> Option<Code> {
        match self.course {
            Course::Failed(code, _) => Some(code),
            _ => None,
        }
    }

    /// Whether nothing runs of it.
    pub fn is_over(&self) -> bool {
        matches!(self.course, Course::Failed(..) | Course::Ended)
    }

    /// Bytes a second to all receivers together.
    pub fn rate(&self, now: Now) -> u64 {
        self.flow.rate(now.up)
    }

    /// Whether it changes with time alone.
    pub fn is_moving(&self) -> bool {
        self.flow.is_moving() || self.receivers.is_moving()
    }

    /// All of it, to be drawn.
    pub fn view(&self, now: Now) -> ShareView {
        let state = match &self.course {
            Course::Starting => ShareState::Starting,
            Course::Live if self.paused => ShareState::Paused,
            Course::Live => ShareState::Live,
            Course::Lost(code) => ShareState::ServerLost { code: *code },
            Course::Failed(code, detail) => ShareState::Failed { code: *code, detail: detail.clone() },
            Course::Ended => ShareState::Ended,
        };
        let mut receivers = self.receivers.views(now.up);
        for receiver in receivers.iter_mut().filter(|receiver| receiver.state == ReceiverState::Active) {
            if self.paused {
                receiver.state = ReceiverState::Paused;
            }
        }
        ShareView {
            id: self.id.clone(),
            name: self.name.clone(),
            link: self.links.as_ref().map(|(web, _)| web.clone()),
            deep_link: self.links.as_ref().map(|(_, deep)| deep.clone()),
            state,
            terms: self.terms.clone(),
            entries: self.entries,
            bytes: self.bytes,
            unreadable: self.unreadable,
            counted: self.counted,
            slots: self.slots,
            receivers,
            waiting: self.waiting,
            done: self.done,
            rate: self.rate(now),
            sent: self.sent,
            plot: self.flow.plot(),
            begun_at: self.begun_at,
            reach: self.reach,
        }
    }

    fn count(&mut self, bytes: u64, now: Now) {
        self.sent = self.sent.saturating_add(bytes);
        self.flow.handle_bytes(bytes, now.up);
    }

    // Nobody is connected to a share that does not run.
    fn stop(&mut self) {
        self.receivers = Receivers::default();
        self.waiting = 0;
        self.flow = Flow::default();
    }
}

#[cfg(test)]
mod tests;
