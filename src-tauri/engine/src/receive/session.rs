//! One connection of a download: the receiving session, its channel and the disk thread, joined.

use super::choice::Wish;
use super::line::{Line, News};
use super::writer::{Answer, Order, Tally, Writer};
use super::{Choice, Download};
use crate::disk::{Chooser, Chosen, Durable, Summary};
use crate::error::EngineError;
use crate::event::ReceiveEvent;
use crate::peering::{Change, Peering};
use crate::rtc::{MessageSink, MessageSource};
use crate::share::blocking;
use bytes::Bytes;
use sluice_protocol::error::Code;
use sluice_protocol::handshake::{Context, binding};
use sluice_protocol::manifest::{Entry, EntryKind, Totals, decode_page};
use sluice_protocol::queue::Progress;
use sluice_protocol::receive::{ReceiveConfig, ReceiveEvent as SessionEvent, ReceiveSession, Want};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

const GOODBYE: Duration = Duration::from_secs(1);
// How long the sender's "heard" is worth waiting for, once everything is durable: a packet that is lost here is sent
// again after 1 to 3 s (RFC 9260 §6.3.1), and once more after twice that.
const LAST_WORD: Duration = Duration::from_secs(10);
const NEWS_INTERVAL: Duration = Duration::from_millis(250);
// A sender that is there says something every five seconds at least; on a line that brought something a moment ago
// nothing is taken for dead.
const QUIET: Duration = Duration::from_secs(4);

/// How a connection ended.
pub(super) enum Outcome {
    /// Everything chosen is durable.
    Done(Summary),
    /// Trying again can't help.
    Fatal(EngineError),
    /// Everything was listed, and nothing was to be chosen.
    Listed,
    /// The slot was kept for as long as it may be, and no choice was made.
    Released,
    /// It may work the next time. `opened` tells whether the sender was reached, `replaced` that another run of it has
    /// taken its place meanwhile.
    Lost { code: Code, opened: bool, replaced: bool },
}

/// A connection of a download, and what it knows of the share.
pub(super) struct Receiving {
    session: ReceiveSession,
    peering: Peering,
    events: mpsc::Sender<ReceiveEvent>,
    epoch: Instant,
    opened: bool,
    offered: Option<Totals>,
    offered_told: Option<Totals>,
    pages_planned: u32,
    chosen: (u64, u64),
    // What is chosen of a share that was listed to its end, before it is planned.
    counted: Option<(u64, u64)>,
    have: (u64, u64),
    received: u64,
    // What was durable when this connection began, and is counted in `have`.
    durable_before: (u64, u64),
    told: Option<ReceiveEvent>,
    current: Option<String>,
    heard: Instant,
    interrupted: bool,
    sender: Sender,
}

// What the server said of the sender since this connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Here,
    Away,
    Back,
}

/// Why the loop of a connection ends before its time.
pub(super) enum Stop {
    Session(Code),
    Replaced,
    Fatal(EngineError),
    Finished(Summary),
    /// The person has chosen: it goes on with a writer, see [`Receiving::choose`].
    Chosen(Choice),
    Listed,
    Released,
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Stop::Fatal(error)
    }
}

impl Receiving {
    /// Starts a session over `peering`.
    ///
    /// # Errors
    /// The disk's, or that there is no randomness.
    pub(super) async fn new(download: &mut Download, peering: Peering) -> Result<Self, EngineError> {
        let mut durable_before = (0, 0);
        if let Some(writer) = &mut download.writer {
            writer.restart().await?;
            let durable = writer.durable();
            durable_before = (durable.bytes, durable.entries);
        }
        let fingerprints = peering.fingerprints()?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| EngineError::detailed(Code::NoConnection, error))?;
        let config = ReceiveConfig {
            context: Context {
                share: download.options.link.share,
                psk: download.psk.clone(),
                binding: binding(&fingerprints.0, &fingerprints.1),
            },
            sender: download.options.link.sender,
            name: download.options.name.clone(),
            seed,
            list_first: download.writer.is_none(),
        };
        Ok(Receiving {
            session: ReceiveSession::new(&config, Duration::ZERO),
            peering,
            events: download.events.clone(),
            epoch: Instant::now(),
            opened: false,
            offered: None,
            offered_told: None,
            pages_planned: 0,
            chosen: (0, 0),
            counted: None,
            have: (0, 0),
            received: 0,
            durable_before,
            told: None,
            current: None,
            heard: Instant::now(),
            interrupted: false,
            sender: if download.line.away { Sender::Away } else { Sender::Here },
        })
    }

    /// Goes on with what is chosen, now that there is a writer for it.
    pub(super) async fn choose(&mut self, writer: &Writer, chosen: Chosen) {
        let durable = writer.durable();
        self.durable_before = (durable.bytes, durable.entries);
        if let Some(totals) = self.offered {
            writer.order(Order::Totals(totals.bytes));
            if totals.complete {
                let pages = self.session.listed();
                // Only shown, and known better once all is planned.
                self.counted = blocking(move || count(&pages, &chosen)).await.ok();
            }
        }
        self.session.handle_choice();
    }

    /// Ends the connection for the reason that [`Self::serve`] gave.
    pub(super) async fn end(mut self, stop: Stop, tally: &mut Tally) -> Outcome {
        let outcome = match stop {
            Stop::Finished(mut summary) => {
                self.current = None;
                self.tell_progress(summary.durable).await;
                let heard = self.say_done().await;
                tally.complete(&mut summary);
                if heard {
                    // Both sides know: nothing that is still on its way matters.
                    return Outcome::Done(summary);
                }
                tracing::debug!("the sender did not say that it heard");
                Outcome::Done(summary)
            }
            Stop::Session(code) if can_retry(code) => {
                Outcome::Lost { code, opened: self.opened, replaced: false }
            }
            Stop::Replaced => Outcome::Lost { code: Code::SenderGone, opened: self.opened, replaced: true },
            Stop::Session(code) => Outcome::Fatal(code.into()),
            Stop::Listed => {
                self.session.close(Code::PeerLeft);
                Outcome::Listed
            }
            Stop::Released => {
                self.session.close(Code::PeerLeft);
                Outcome::Released
            }
            // It would have gone on.
            Stop::Chosen(_) => Outcome::Fatal(Code::Interrupted.into()),
            Stop::Fatal(error) => {
                self.session.close(error.code());
                Outcome::Fatal(error)
            }
        };
        let farewell = async {
            while let Some(message) = self.session.poll_message(self.epoch.elapsed()) {
                self.peering.sink.send(message).await?;
            }
            self.peering.sink.flushed().await
        };
        let _ = timeout(GOODBYE, farewell).await;
        self.peering.close().await;
        outcome
    }

    /// Runs until everything is received, the connection is of no more use, or the person has chosen. The writer is
    /// given back unless it has done its work or failed.
    pub(super) async fn serve(
        &mut self,
        line: &mut Line,
        writer: &mut Option<Writer>,
        tally: &mut Tally,
        wish: &mut Wish,
        cancel: &CancellationToken,
    ) -> Stop {
        let mut news = interval(NEWS_INTERVAL);
        news.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(stop) = self.handle_events(line, writer, wish).await {
                return stop;
            }
            let next = self.session.next_message_len();
            let deadline = self.session.poll_timeout().map(|at| self.epoch + at);
            let replaced = self.replaced_at();
            let step = tokio::select! {
                ready = self.peering.sink.ready(next.unwrap_or(0)), if next.is_some() => {
                    match (ready, self.session.poll_message(self.epoch.elapsed())) {
                        (Ok(()), Some(message)) => self.peering.sink.send(message).await,
                        (ready, _) => ready,
                    }
                    .map_err(|_| Stop::Session(Code::PeerLeft))
                }
                message = self.peering.source.recv() => match message {
                    Some(message) => {
                        self.heard = Instant::now();
                        self.session
                            .handle_message(&message, self.epoch.elapsed())
                            .map_err(|error| Stop::Session(error.code))
                    }
                    None => Err(Stop::Session(Code::PeerLeft)),
                },
                answer = next_answer(writer) => self.handle_answer(answer, writer, tally).await,
                () = sleep_until(deadline.unwrap_or(self.epoch)), if deadline.is_some() => {
                    self.session.handle_timeout(self.epoch.elapsed()).map_err(|error| Stop::Session(error.code))
                }
                _ = news.tick() => {
                    self.tell_progress(durable_now(writer.as_ref())).await;
                    Ok(())
                }
                event = line.next() => match event {
                    News::Told(events) | News::Admitted(events) => {
                        self.handle_told(events).await;
                        Ok(())
                    }
                    // The channel needs no server; it only ends when the share does.
                    News::Trouble(_) => Ok(()),
                    News::Over(error) => Err(Stop::Fatal(error)),
                },
                change = self.peering.attempt.changed() => {
                    self.interrupted = change == Change::Interrupted;
                    if change == Change::Lost { Err(Stop::Session(Code::PeerLeft)) } else { Ok(()) }
                }
                () = sleep_until(replaced.unwrap_or(self.epoch)), if replaced.is_some() => Err(Stop::Replaced),
                choice = wish.choice() => Err(match choice {
                    Ok(Some(choice)) => Stop::Chosen(choice),
                    Ok(None) => Stop::Released,
                    Err(error) => Stop::Fatal(error),
                }),
                () = cancel.cancelled() => Err(Stop::Fatal(Code::Interrupted.into())),
            };
            if let Err(stop) = step {
                return stop;
            }
        }
    }

    // When this connection is of no more use: the sender came back to the server while nothing came from it here, so
    // it is another run of it, which knows nothing of this connection.
    fn replaced_at(&self) -> Option<Instant> {
        (self.interrupted && self.sender == Sender::Back).then(|| self.heard + QUIET)
    }

    async fn handle_told(&mut self, events: Vec<ReceiveEvent>) {
        for event in events {
            match event {
                ReceiveEvent::SenderAway => self.sender = Sender::Away,
                ReceiveEvent::SenderBack if self.sender == Sender::Away => self.sender = Sender::Back,
                // It may have lost its place at a server that restarted, but it does not wait for one.
                ReceiveEvent::Place { .. } | ReceiveEvent::Summary { .. } => continue,
                _ => {}
            }
            let _ = self.events.send(event).await;
        }
    }

    async fn handle_events(
        &mut self,
        line: &Line,
        writer: &mut Option<Writer>,
        wish: &mut Wish,
    ) -> Result<(), Stop> {
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Opened { name } => {
                    self.opened = true;
                    line.tell_progress(Progress::Connected);
                    let path = self.peering.path().await;
                    let _ = self.events.send(ReceiveEvent::Connected { name, path }).await;
                }
                SessionEvent::Totals(totals) => {
                    self.offered = Some(totals);
                    if let Some(writer) = writer {
                        writer.order(Order::Totals(totals.bytes));
                    }
                }
                SessionEvent::Listed { entries } => {
                    for entry in &entries {
                        let _ = self.events.send(listed(entry)).await;
                    }
                }
                SessionEvent::AllListed => {
                    self.tell_offered().await;
                    match wish.hold() {
                        Some(hold) => {
                            let hold_seconds = hold.as_secs();
                            let _ = self.events.send(ReceiveEvent::Choosing { hold_seconds }).await;
                        }
                        None => return Err(Stop::Listed),
                    }
                }
                SessionEvent::Paused { paused } => {
                    let _ = self.events.send(ReceiveEvent::SenderPaused { paused }).await;
                }
                SessionEvent::Page { first_entry, entries } => {
                    if let Some(writer) = writer {
                        writer.order(Order::Page { first_entry, entries });
                    }
                }
                SessionEvent::Chunk(chunk) => {
                    line.tell_progress(Progress::Downloading);
                    self.received += u64::from(chunk.header.len);
                    if let Some(writer) = writer {
                        writer.order(Order::Chunk(chunk));
                    }
                }
                SessionEvent::EntryFailed { entry, failure } => {
                    if let Some(writer) = writer {
                        writer.order(Order::Failed { entry, code: failure.code() });
                    }
                }
                SessionEvent::AllReceived => {
                    self.tell_progress(durable_now(writer.as_ref())).await;
                    if let Some(writer) = writer {
                        writer.order(Order::Finish { complete: true });
                    }
                }
                SessionEvent::Done => {}
            }
        }
        Ok(())
    }

    async fn handle_answer(
        &mut self,
        answer: Option<Answer>,
        writer: &mut Option<Writer>,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        match answer {
            Some(Answer::Planned(plan)) => {
                self.pages_planned += 1;
                self.chosen.0 += plan.chosen_bytes;
                self.chosen.1 += plan.chosen_entries;
                self.have.0 += plan.have_bytes;
                self.have.1 += plan.have_entries;
                let wants: Vec<Want> = plan
                    .wants
                    .into_iter()
                    .map(|want| Want { entry: want.entry, ranges: want.ranges })
                    .collect();
                self.session.handle_plan(&wants);
                self.session.handle_chosen(self.total_bytes(), self.total_entries());
                self.tell_reports(plan.reports, tally).await;
            }
            Some(Answer::Written(bytes, path)) => {
                self.current = path;
                let (durable_bytes, durable_entries) = self.durable(durable_now(writer.as_ref()));
                self.session.handle_progress(bytes, durable_bytes, durable_entries, self.epoch.elapsed());
            }
            Some(Answer::Reports(reports)) => self.tell_reports(reports, tally).await,
            Some(Answer::Forged) => return Err(Stop::Fatal(Code::ChunkForged.into())),
            Some(Answer::Finished(summary)) => {
                *writer = None;
                return Err(Stop::Finished(summary));
            }
            Some(Answer::Failed(error)) => {
                *writer = None;
                return Err(Stop::Fatal(error.into()));
            }
            Some(Answer::Restarted) => {}
            None => {
                *writer = None;
                return Err(Stop::Fatal(Code::DiskFailed.into()));
            }
        }
        Ok(())
    }

    async fn tell_reports(&self, reports: Vec<crate::disk::Report>, tally: &mut Tally) {
        for report in reports {
            if tally.take(&report) {
                let _ = self.events.send(ReceiveEvent::Report(report)).await;
            }
        }
    }

    // Bytes and entries of what is chosen that are durable by now.
    fn durable(&self, now: Durable) -> (u64, u64) {
        (
            self.have.0 + now.bytes.saturating_sub(self.durable_before.0),
            self.have.1 + now.entries.saturating_sub(self.durable_before.1),
        )
    }

    async fn tell_offered(&mut self) {
        if self.offered != self.offered_told
            && let Some(totals) = self.offered
        {
            self.offered_told = self.offered;
            let offered = ReceiveEvent::Offered {
                entries: totals.entries,
                bytes: totals.bytes,
                unreadable: totals.unreadable,
                complete: totals.complete,
            };
            let _ = self.events.send(offered).await;
        }
    }

    async fn tell_progress(&mut self, durable: Durable) {
        self.tell_offered().await;
        if self.pages_planned == 0 {
            return;
        }
        let (durable_bytes, entries) = self.durable(durable);
        let complete =
            self.offered.is_some_and(|totals| totals.complete && totals.pages == self.pages_planned);
        let progress = ReceiveEvent::Progress {
            bytes: (self.have.0 + self.received).min(self.chosen.0),
            durable_bytes,
            entries,
            total_bytes: self.total_bytes(),
            total_entries: self.total_entries(),
            complete,
            current: self.current.clone(),
        };
        if self.told.as_ref() != Some(&progress) {
            self.told = Some(progress.clone());
            let _ = self.events.send(progress).await;
        }
    }

    // Until every page is planned, what was counted or else what is offered is the better guess of what is chosen.
    fn total_bytes(&self) -> u64 {
        match self.offered {
            Some(totals) if totals.pages > self.pages_planned => {
                self.counted.map_or(totals.bytes, |counted| counted.0).max(self.chosen.0)
            }
            _ => self.chosen.0,
        }
    }

    fn total_entries(&self) -> u64 {
        match self.offered {
            Some(totals) if totals.pages > self.pages_planned => {
                self.counted.map_or(totals.entries, |counted| counted.1).max(self.chosen.1)
            }
            _ => self.chosen.1,
        }
    }

    // Everything is safe; whether the sender hears of it, which is the answer, changes nothing about that.
    async fn say_done(&mut self) -> bool {
        self.session.handle_all_durable(self.chosen.0, self.chosen.1);
        let heard = async {
            loop {
                while let Some(message) = self.session.poll_message(self.epoch.elapsed()) {
                    if self.peering.sink.send(message).await.is_err() {
                        return false;
                    }
                }
                let Some(message) = self.peering.source.recv().await else { return false };
                if self.session.handle_message(&message, self.epoch.elapsed()).is_err() {
                    return false;
                }
                while let Some(event) = self.session.poll_event() {
                    if matches!(event, SessionEvent::Done) {
                        return true;
                    }
                }
            }
        };
        timeout(LAST_WORD, heard).await.unwrap_or(false)
    }
}

fn durable_now(writer: Option<&Writer>) -> Durable {
    writer.map(Writer::durable).unwrap_or_default()
}

async fn next_answer(writer: &mut Option<Writer>) -> Option<Answer> {
    match writer {
        Some(writer) => writer.answer().await,
        None => std::future::pending().await,
    }
}

// Bytes and entries of what is chosen in these pages.
fn count(pages: &[Bytes], chosen: &Chosen) -> (u64, u64) {
    let mut chooser = Chooser::default();
    let mut counted = (0_u64, 0);
    // They were read before.
    for entry in pages.iter().flat_map(|page| decode_page(page).unwrap_or_default()) {
        if chooser.takes(chosen, entry.path.as_str()) {
            counted.0 = counted.0.saturating_add(entry.size());
            counted.1 += 1;
        }
    }
    counted
}

fn listed(entry: &Entry) -> ReceiveEvent {
    let kind = match entry.kind {
        EntryKind::File { .. } => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::Unreadable(_) => "unreadable",
    };
    ReceiveEvent::Entry { path: entry.path.to_string(), kind, size: entry.size(), mtime: entry.mtime.seconds }
}

// Tampering, a wrong link and another version stay what they are; losses pass.
fn can_retry(code: Code) -> bool {
    matches!(code, Code::PeerLeft | Code::Stalled | Code::NoConnection | Code::Interrupted | Code::DiskFailed)
}
