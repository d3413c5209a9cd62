//! A download, folded from the engine's events into what the window shows of it.

use super::rate::Flow;
use super::tree::Tree;
use super::{Now, path_kind, seconds_left};
use crate::api::{
    Chosen, ConflictChoice, DownloadProgress, DownloadState, DownloadView, Offer, PathKind, ReportOutcome,
    ReportView, RowKind,
};
use sluice_engine::config::DEFAULT_HOLD;
use sluice_engine::disk::{Outcome, Report, Summary};
use sluice_engine::event::ReceiveEvent;
use sluice_protocol::error::Code;
use std::collections::BTreeSet;

/// The most reports that are kept.
pub const MAX_REPORTS: usize = 500;

/// A download as it stands.
#[derive(Debug)]
pub struct DownloadModel {
    id: String,
    name: Option<String>,
    server: String,
    state: DownloadState,
    // What it was before the sender was away.
    before: DownloadState,
    offer: Option<Offer>,
    started: bool,
    // What was chosen in an earlier run, whose tree is not here.
    chosen: Option<Chosen>,
    folder: String,
    free: Option<u64>,
    conflict: ConflictChoice,
    progress: Option<DownloadProgress>,
    // Whether this connection's bytes are counted already.
    counted: bool,
    sender_paused: bool,
    path: Option<PathKind>,
    flow: Flow,
    reports: Vec<ReportView>,
    report_count: u32,
    begun_at: u64,
    /// What is offered, to be looked at and ticked.
    pub tree: Tree,
}

/// What is known of a download before anything has happened to it.
#[derive(Debug, Clone)]
pub struct DownloadStart {
    /// Its id in this app.
    pub id: String,
    /// The share's name, if an earlier run has learnt it.
    pub name: Option<String>,
    /// The server in the link.
    pub server: String,
    /// Whether the person has chosen.
    pub started: bool,
    /// The paths that are flipped in what is offered.
    pub flips: BTreeSet<String>,
    /// What is offered, as far as an earlier run has learnt it.
    pub offer: Option<Offer>,
    /// What was chosen in an earlier run.
    pub chosen: Option<Chosen>,
    /// How far an earlier run came.
    pub progress: Option<DownloadProgress>,
    /// The folder that it goes to.
    pub folder: String,
    /// What happens to files that exist.
    pub conflict: ConflictChoice,
    /// When it was opened.
    pub begun_at: u64,
}

impl DownloadModel {
    /// One that is about to begin.
    pub fn new(start: DownloadStart) -> Self {
        let DownloadStart {
            id,
            name,
            server,
            started,
            flips,
            offer,
            chosen,
            progress,
            folder,
            conflict,
            begun_at,
        } = start;
        DownloadModel {
            id,
            name,
            server,
            state: DownloadState::Joining,
            before: DownloadState::Joining,
            offer: offer.map(|offer| Offer { listed: false, ..offer }),
            started,
            chosen,
            folder,
            free: None,
            conflict,
            progress: progress.map(|progress| DownloadProgress { current: None, ..progress }),
            counted: false,
            sender_paused: false,
            path: None,
            flow: Flow::default(),
            reports: Vec::new(),
            report_count: 0,
            begun_at,
            tree: Tree::new(flips),
        }
    }

    /// Takes what the engine tells.
    pub fn handle_event(&mut self, event: ReceiveEvent, now: Now) {
        match event {
            ReceiveEvent::Place { tier, ahead, slots, wait_seconds } => {
                self.state = DownloadState::Waiting { tier, ahead, slots, wait_seconds };
            }
            ReceiveEvent::Summary { name, entries, bytes, complete } => {
                self.name = Some(name);
                if self.tree.entries() == 0 {
                    self.offer = Some(Offer { entries, bytes, unreadable: 0, complete, listed: false });
                }
            }
            ReceiveEvent::SenderAway => {
                if self.state != DownloadState::SenderAway {
                    self.before = std::mem::replace(&mut self.state, DownloadState::SenderAway);
                }
            }
            ReceiveEvent::SenderBack => {
                if self.state == DownloadState::SenderAway {
                    self.state = self.before.clone();
                }
            }
            ReceiveEvent::Connecting { .. } => self.state = DownloadState::Connecting,
            ReceiveEvent::Connected { name, path } => {
                self.name = Some(name);
                self.path = path.map(path_kind);
                (self.counted, self.sender_paused) = (false, false);
                if self.started {
                    self.state = DownloadState::Downloading;
                } else {
                    // The list begins anew; what was unticked in it stays so.
                    self.tree = Tree::new(self.tree.flips());
                    self.state =
                        DownloadState::Choosing { kept_until: Some(now.wall + DEFAULT_HOLD.as_secs()) };
                }
            }
            ReceiveEvent::Offered { entries, bytes, unreadable, complete } => {
                let listed = self.tree.entries() > 0;
                self.offer = Some(Offer { entries, bytes, unreadable, complete, listed });
            }
            ReceiveEvent::Entry { path, kind, size, .. } => {
                self.tree.push(&path, row_kind(kind), size);
                if let Some(offer) = &mut self.offer {
                    offer.listed = true;
                }
            }
            ReceiveEvent::Choosing { hold_seconds } => {
                self.state = DownloadState::Choosing { kept_until: Some(now.wall + hold_seconds) };
            }
            ReceiveEvent::SlotReleased => self.state = DownloadState::Choosing { kept_until: None },
            ReceiveEvent::SenderPaused { paused } => {
                self.sender_paused = paused;
                self.state = if paused { DownloadState::PausedBySender } else { DownloadState::Downloading };
            }
            ReceiveEvent::Resumed { bytes, entries } => self.handle_resumed(bytes, entries),
            ReceiveEvent::Progress {
                bytes,
                durable_bytes,
                entries,
                total_bytes,
                total_entries,
                complete,
                current,
            } => {
                let progress = DownloadProgress {
                    bytes,
                    durable_bytes,
                    entries,
                    total_bytes,
                    total_entries,
                    complete,
                    seconds_left: None,
                    current,
                };
                self.handle_progress(progress, now);
            }
            ReceiveEvent::Report(report) => self.handle_report(report),
            ReceiveEvent::Retrying { code, seconds } => {
                self.state = DownloadState::Retrying { code, seconds };
                self.path = None;
            }
            ReceiveEvent::Done(summary) => self.handle_done(summary),
        }
    }

    /// Lets time pass; whether there is anything new to see.
    pub fn handle_time(&mut self, now: Now) -> bool {
        self.flow.handle_time(now.up)
    }

    /// It begins, or goes on; what failed is tried again, and told of again if it fails again.
    pub fn handle_start(&mut self) {
        self.state = DownloadState::Joining;
        self.sender_paused = false;
        let before = self.reports.len();
        self.reports.retain(|report| report.outcome != ReportOutcome::Failed);
        self.report_count -= (before - self.reports.len()) as u32;
    }

    /// The link asks for a password; `wrong` if one was given.
    pub fn handle_locked(&mut self, wrong: bool) {
        self.halt(DownloadState::PasswordNeeded { wrong });
    }

    /// The person has stopped it for now.
    pub fn handle_pause(&mut self) {
        self.halt(DownloadState::Paused);
    }

    /// It could not go on.
    pub fn handle_failure(&mut self, code: Code, detail: Option<String>) {
        self.halt(DownloadState::Failed { code, detail });
    }

    /// All that was chosen is there, but for what is reported.
    pub fn handle_done(&mut self, summary: Summary) {
        for report in summary.reports {
            self.handle_report(report);
        }
        if let Some(progress) = &mut self.progress {
            (progress.durable_bytes, progress.current) = (progress.bytes, None);
        }
        self.halt(DownloadState::Done);
    }

    /// The person has chosen.
    pub fn set_started(&mut self) {
        self.started = true;
        self.chosen =
            self.offer.is_some_and(|offer| offer.listed).then(|| self.tree.chosen()).or(self.chosen);
    }

    /// Where it goes, and the free bytes there.
    pub fn set_folder(&mut self, folder: String, free: Option<u64>) {
        (self.folder, self.free) = (folder, free);
    }

    /// What happens to files that exist.
    pub fn set_conflict(&mut self, conflict: ConflictChoice) {
        self.conflict = conflict;
    }

    /// The share's name, once it is known.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What goes on.
    pub fn state(&self) -> &DownloadState {
        &self.state
    }

    /// What is offered, as far as it is known.
    pub fn offer(&self) -> Option<Offer> {
        self.offer
    }

    /// What of it is ticked.
    pub fn chosen(&self) -> Chosen {
        match (self.offer, self.chosen) {
            (Some(offer), None) if !offer.listed => Chosen { entries: offer.entries, bytes: offer.bytes },
            (_, Some(chosen)) if self.started || self.tree.entries() == 0 => chosen,
            _ => self.tree.chosen(),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Option<&DownloadProgress> {
        self.progress.as_ref()
    }

    /// Whether nothing runs of it, and nothing will without the person.
    pub fn is_over(&self) -> bool {
        matches!(self.state, DownloadState::Done | DownloadState::Failed { .. })
    }

    /// Bytes a second.
    pub fn rate(&self, now: Now) -> u64 {
        self.flow.rate(now.up)
    }

    /// Whether it changes with time alone.
    pub fn is_moving(&self) -> bool {
        self.flow.is_moving()
    }

    /// All of it, to be drawn.
    pub fn view(&self, now: Now) -> DownloadView {
        let rate = self.rate(now);
        let left = |progress: &DownloadProgress| progress.total_bytes.saturating_sub(progress.bytes);
        let progress = self.progress.as_ref().map(|progress| DownloadProgress {
            seconds_left: seconds_left(left(progress), rate).filter(|_| progress.complete),
            ..progress.clone()
        });
        DownloadView {
            id: self.id.clone(),
            name: self.name.clone(),
            server: self.server.clone(),
            state: self.state.clone(),
            offer: self.offer,
            started: self.started,
            chosen: self.chosen(),
            folder: self.folder.clone(),
            free: self.free,
            conflict: self.conflict,
            progress,
            path: self.path,
            rate,
            plot: self.flow.plot(),
            reports: self.reports.clone(),
            report_count: self.report_count,
            begun_at: self.begun_at,
        }
    }

    fn halt(&mut self, state: DownloadState) {
        self.state = state;
        self.path = None;
        self.flow = Flow::default();
    }

    fn handle_resumed(&mut self, bytes: u64, entries: u64) {
        let chosen = self.chosen();
        self.progress.get_or_insert(DownloadProgress {
            bytes,
            durable_bytes: bytes,
            entries,
            total_bytes: chosen.bytes.max(bytes),
            total_entries: chosen.entries.max(entries),
            complete: false,
            seconds_left: None,
            current: None,
        });
    }

    fn handle_progress(&mut self, progress: DownloadProgress, now: Now) {
        // What was there before this connection, or is found on the disk at its beginning, has not moved now.
        if let Some(before) = self.progress.as_ref().filter(|_| self.counted) {
            self.flow.handle_bytes(progress.bytes.saturating_sub(before.bytes), now.up);
        }
        self.counted = true;
        self.progress = Some(progress);
        if !self.sender_paused {
            self.state = DownloadState::Downloading;
        }
    }

    fn handle_report(&mut self, report: Report) {
        let (outcome, detail) = match report.outcome {
            Outcome::Renamed { to } => (ReportOutcome::Renamed, to),
            Outcome::Skipped { reason } => (ReportOutcome::Skipped, reason.as_str().to_owned()),
            Outcome::Failed { code } => (ReportOutcome::Failed, code.as_str().to_owned()),
        };
        let report = ReportView { path: report.path, outcome, detail };
        // After a restart an entry may be told of again.
        if self.reports.contains(&report) {
            return;
        }
        self.report_count = self.report_count.saturating_add(1);
        if self.reports.len() < MAX_REPORTS {
            self.reports.push(report);
        }
    }
}

fn row_kind(kind: &str) -> RowKind {
    match kind {
        "directory" => RowKind::Folder,
        "symlink" => RowKind::Link,
        "unreadable" => RowKind::Unreadable,
        _ => RowKind::File,
    }
}

#[cfg(test)]
mod tests;
