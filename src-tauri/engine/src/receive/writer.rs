//! The disk thread of a download: opens chunks, writes them, and tells what is planned, written and durable.

use crate::disk::{self, Destination, DiskError, Durable, Options, Outcome, Plan, Report, Resumed, Summary};
use crate::error::EngineError;
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::manifest::Entry;
use sluice_protocol::receive::SealedChunk;
use std::path::Path;
use std::sync::mpsc as blocking_mpsc;
use std::time::Duration;
use tokio::sync::mpsc;

// While nothing comes, what was written is made durable.
const IDLE: Duration = Duration::from_millis(500);
// Small chunks are reported together.
const REPORT_EVERY: u64 = 64 * 1024;
// More reports than anyone reads are counted, but not kept.
const KEPT_REPORTS: usize = 1000;

/// What the thread is asked to do, in order. Bounded by the session's credit and page window.
pub(super) enum Order {
    /// A new session: whatever was planned is forgotten, whatever was verified is kept.
    Restart,
    /// Plan a page.
    Page { first_entry: u32, entries: Vec<Entry> },
    /// Open and write a chunk.
    Chunk(SealedChunk),
    /// An entry will not be completed.
    Failed { entry: u32, code: Code },
    /// The whole share has this many bytes, as far as it is known.
    Totals(u64),
    /// All that was wanted has come.
    Finish { complete: bool },
}

/// What the thread answers, in the order of what it was asked.
pub(super) enum Answer {
    Restarted,
    Planned(Plan),
    /// Bytes that have left memory, and where the entry that was written to last is within the share.
    Written(u64, Option<String>),
    /// A chunk did not authenticate; nothing of it was written, nor will anything behind it.
    Forged,
    Reports(Vec<Report>),
    Finished(Summary),
    Failed(DiskError),
}

/// The handle on the disk thread.
pub(super) struct Writer {
    orders: blocking_mpsc::Sender<Order>,
    answers: mpsc::UnboundedReceiver<Answer>,
    durable: tokio::sync::watch::Receiver<Durable>,
}

impl Writer {
    /// Opens the destination and starts the thread.
    ///
    /// # Errors
    /// As [`Destination::open`].
    pub(super) fn start(
        dir: &Path,
        share: ShareId,
        sender: [u8; 16],
        options: Options,
    ) -> Result<(Self, Resumed), EngineError> {
        let strict = options.chosen.is_all();
        let destination = Destination::open(dir, share, sender, options)?;
        let resumed = destination.resumed();
        let durable = destination.watch();
        let (orders, to_do) = blocking_mpsc::channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let fresh = strict && resumed.bytes == 0 && resumed.entries == 0;
        let desk = Desk { destination, answer, planned: 0, written: 0, last: None, fresh, spoiled: false };
        std::thread::Builder::new()
            .name("sluice-disk".to_owned())
            .spawn(move || desk.run(&to_do))
            .map_err(|error| EngineError::detailed(Code::DiskFailed, error))?;
        Ok((Writer { orders, answers, durable }, resumed))
    }

    /// Hands the thread its next order.
    pub(super) fn order(&self, order: Order) {
        // A thread that has ended has answered with its reason.
        let _ = self.orders.send(order);
    }

    /// The next answer; `None` when the thread has ended.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }

    /// What this run has made durable so far.
    pub(super) fn durable(&self) -> Durable {
        *self.durable.borrow()
    }

    /// Starts over for a new session.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn restart(&mut self) -> Result<(), EngineError> {
        self.order(Order::Restart);
        loop {
            match self.answer().await {
                Some(Answer::Restarted) => return Ok(()),
                Some(Answer::Failed(error)) => return Err(error.into()),
                // Of the session before.
                Some(_) => {}
                None => return Err(Code::DiskFailed.into()),
            }
        }
    }

    /// Ends the thread with everything written so far durable.
    pub(super) async fn finish(mut self, complete: bool) -> Result<Summary, EngineError> {
        self.order(Order::Finish { complete });
        loop {
            match self.answer().await {
                Some(Answer::Finished(summary)) => return Ok(summary),
                Some(Answer::Failed(error)) => return Err(error.into()),
                Some(_) => {}
                None => return Err(Code::DiskFailed.into()),
            }
        }
    }
}

struct Desk {
    destination: Destination,
    answer: mpsc::UnboundedSender<Answer>,
    // Bytes planned and not written yet.
    planned: u64,
    written: u64,
    // The entry that was written to last, and where it is.
    last: Option<(u32, String)>,
    // Whether nothing of the share is here, so that all of it must fit.
    fresh: bool,
    // Whether the session brought something forged: nothing more of it is written.
    spoiled: bool,
}

impl Desk {
    fn run(mut self, orders: &blocking_mpsc::Receiver<Order>) {
        loop {
            let order = match orders.try_recv() {
                Ok(order) => Some(order),
                Err(_) => {
                    self.report_written();
                    match orders.recv_timeout(IDLE) {
                        Ok(order) => Some(order),
                        Err(blocking_mpsc::RecvTimeoutError::Timeout) => None,
                        Err(blocking_mpsc::RecvTimeoutError::Disconnected) => {
                            // The download was dropped: keep what there is.
                            if let Err(error) = self.destination.finish(false) {
                                tracing::warn!(%error, "what was received last may have to be fetched again");
                            }
                            return;
                        }
                    }
                }
            };
            let done = match order {
                Some(Order::Finish { complete }) => {
                    self.report_written();
                    let answer = match self.destination.finish(complete) {
                        Ok(summary) => Answer::Finished(summary),
                        Err(error) => Answer::Failed(error),
                    };
                    let _ = self.answer.send(answer);
                    return;
                }
                Some(order) => self.handle(order),
                None => self.destination.flush(),
            };
            let reports = self.destination.take_reports();
            if !reports.is_empty() {
                let _ = self.answer.send(Answer::Reports(reports));
            }
            if let Err(error) = done {
                // Nothing can be written after an error; dropping the destination keeps what is durable.
                let _ = self.answer.send(Answer::Failed(error));
                return;
            }
        }
    }

    fn handle(&mut self, order: Order) -> Result<(), DiskError> {
        match order {
            Order::Restart => {
                self.destination.restart()?;
                (self.planned, self.written, self.spoiled) = (0, 0, false);
                self.last = None;
                let _ = self.answer.send(Answer::Restarted);
                Ok(())
            }
            Order::Page { first_entry, entries } => {
                let plan = self.destination.plan(first_entry, entries)?;
                self.fresh &= plan.have_bytes == 0 && plan.have_entries == 0 && plan.reports.is_empty();
                self.planned += plan.chosen_bytes.saturating_sub(plan.have_bytes);
                self.destination.ensure_room(self.planned)?;
                let _ = self.answer.send(Answer::Planned(plan));
                Ok(())
            }
            Order::Chunk(_) if self.spoiled => Ok(()),
            Order::Chunk(chunk) => {
                let (header, last) = (chunk.header, chunk.last_of_entry);
                let Ok(plaintext) = chunk.open() else {
                    self.spoiled = true;
                    let _ = self.answer.send(Answer::Forged);
                    return Ok(());
                };
                if self.last.as_ref().is_none_or(|(entry, _)| *entry != header.entry) {
                    let path = self.destination.path_of(header.entry);
                    self.last = path.map(|path| (header.entry, path.to_owned()));
                }
                self.destination.write(header.entry, header.chunk, &plaintext, last)?;
                self.planned = self.planned.saturating_sub(u64::from(header.len));
                self.written += u64::from(header.len);
                if self.written >= REPORT_EVERY {
                    self.report_written();
                }
                Ok(())
            }
            Order::Failed { entry, code } => self.destination.fail(entry, code),
            Order::Totals(bytes) if self.fresh => {
                self.fresh = false;
                self.destination.ensure_room(bytes)
            }
            Order::Totals(_) | Order::Finish { .. } => Ok(()),
        }
    }

    fn report_written(&mut self) {
        let written = std::mem::take(&mut self.written);
        if written > 0 {
            let path = self.last.as_ref().map(|(_, path)| path.clone());
            let _ = self.answer.send(Answer::Written(written, path));
        }
    }
}

/// What became of single entries over all sessions of a download.
#[derive(Debug, Default)]
pub(super) struct Tally {
    reports: Vec<Report>,
}

impl Tally {
    /// Takes a report; false if the same was taken before, in an earlier session.
    pub(super) fn take(&mut self, report: &Report) -> bool {
        // What is there already needs no reading, and there may be a million of it.
        let identical = matches!(report.outcome, Outcome::Skipped { reason: disk::Skip::Identical });
        if identical || self.reports.len() >= KEPT_REPORTS {
            return true;
        }
        let new = !self.reports.contains(report);
        if new {
            self.reports.push(report.clone());
        }
        new
    }

    /// Puts the reports into the summary of the last session.
    pub(super) fn complete(&mut self, summary: &mut Summary) {
        summary.reports = std::mem::take(&mut self.reports);
    }
}
