//! One receiver at its sender: connects, shakes hands, and serves it until it is done or gone.

use super::{Source, TotalsWatch, blocking};
use crate::disk::{self, SourceFailure};
use crate::error::EngineError;
use crate::limit::RateLimit;
use crate::peering::{Peering, Role};
use crate::rtc::{MessageSink, MessageSource, Path};
use sluice_protocol::control::EntryFailure;
use sluice_protocol::error::Code;
use sluice_protocol::handshake::{Context, binding};
use sluice_protocol::id::PeerId;
use sluice_protocol::send::{ReadBatch, SealedBatch, SendConfig, SendEvent, SendSession};
use sluice_protocol::signal::{ClientMessage, Signal};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

const GOODBYE: Duration = Duration::from_secs(1);
const NEWS_INTERVAL: Duration = Duration::from_millis(500);

/// What a receiver's task tells the share.
#[derive(Debug)]
pub(super) enum PeerEvent {
    Opened { name: String, path: Option<Path> },
    Progress { bytes: u64, entries: u64, total_bytes: Option<u64> },
    EntryFailed { path: String, code: Code },
    Done { bytes: u64, entries: u64 },
    Over(Option<Code>),
}

/// What holds the content for one receiver back.
#[derive(Debug, Clone)]
pub(super) struct Valve {
    paused: watch::Sender<bool>,
    limit: Arc<RateLimit>,
}

impl Valve {
    pub(super) fn new(paused: bool, limit: Arc<RateLimit>) -> Self {
        Valve { paused: watch::Sender::new(paused), limit }
    }

    // Waits until so many bytes may go: by the receiver's own limit, by that for all, and by the person.
    async fn pass(&self, common: &RateLimit, bytes: u64) {
        // Its own first, so that one that is slow takes no turns of the others.
        self.limit.acquire(bytes).await;
        common.acquire(bytes).await;
        // It can't fail while this sender is there.
        let _ = self.paused.subscribe().wait_for(|paused| !paused).await;
    }
}

/// A handle on a receiver's task. Dropping it ends the connection at once.
pub(super) struct PeerTask {
    attempt: u32,
    open: bool,
    signals: mpsc::Sender<Signal>,
    closing: mpsc::Sender<Code>,
    valve: Valve,
    _stop: DropGuard,
}

impl PeerTask {
    /// Starts to connect to `peer`.
    pub(super) fn spawn(
        source: Arc<Source>,
        peer: PeerId,
        attempt: u32,
        valve: Valve,
        server: mpsc::Sender<ClientMessage>,
        events: mpsc::Sender<(PeerId, u32, PeerEvent)>,
    ) -> Self {
        // More signals than any connection needs; a peer that sends more loses them.
        let (signals, inbox) = mpsc::channel(64);
        let (closing, close) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let news = News { peer, attempt, events };
        let gate = valve.clone();
        let task = async move {
            let over =
                serve(&source, &news, gate, inbox, close, server).await.err().map(|error| error.code());
            news.tell(PeerEvent::Over(over)).await;
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(task));
        PeerTask { attempt, open: false, signals, closing, valve, _stop: stop.drop_guard() }
    }

    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn set_open(&mut self) {
        self.open = true;
    }

    /// Hands on what the receiver said through the server.
    pub(super) fn handle_signal(&self, signal: Signal) {
        let _ = self.signals.try_send(signal);
    }

    /// Holds content back, or lets it flow again.
    pub(super) fn set_paused(&self, paused: bool) {
        self.valve.paused.send_if_modified(|now| std::mem::replace(now, paused) != paused);
    }

    /// Asks the task to say goodbye and end.
    pub(super) fn close(&self, code: Code) {
        let _ = self.closing.try_send(code);
    }
}

struct News {
    peer: PeerId,
    attempt: u32,
    events: mpsc::Sender<(PeerId, u32, PeerEvent)>,
}

impl News {
    async fn tell(&self, event: PeerEvent) {
        let _ = self.events.send((self.peer, self.attempt, event)).await;
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<(disk::Source, SealedBatch), EngineError>> + Send>>;

async fn serve(
    source: &Arc<Source>,
    news: &News,
    valve: Valve,
    inbox: mpsc::Receiver<Signal>,
    mut close: mpsc::Receiver<Code>,
    server: mpsc::Sender<ClientMessage>,
) -> Result<(), EngineError> {
    let role = Role::Offer { peer: news.peer };
    let connecting = Peering::connect(&source.rtc, &source.ice, role, news.attempt, inbox, server);
    let mut link = tokio::select! {
        link = connecting => link?,
        code = close.recv() => return Err(code.unwrap_or(Code::PeerLeft).into()),
    };
    let fingerprints = link.fingerprints()?;
    let mut seed = [0; 64];
    getrandom::fill(&mut seed).map_err(|error| EngineError::detailed(Code::NoConnection, error))?;
    let config = SendConfig {
        context: Context {
            share: source.share,
            psk: source.psk.clone(),
            binding: binding(&fingerprints.0, &fingerprints.1),
        },
        keys: source.keys.clone(),
        name: source.name.clone(),
        max_message: link.sink.max_message_size(),
        seed,
    };
    let epoch = Instant::now();
    let mut serving = Serving {
        session: SendSession::new(config, Duration::ZERO),
        totals: source.catalog.watch(),
        files: Some(disk::Source::new(source.catalog.clone())),
        source: source.clone(),
        valve,
        epoch,
        unsaid: None,
        news_due: epoch,
        total_bytes: None,
    };
    let result = serving.run(&mut link, news, &mut close).await;
    // The last word, a goodbye or the answer to Done, is given a moment to arrive.
    let farewell = async {
        while let Some(message) = serving.session.poll_message(epoch.elapsed()) {
            link.sink.send(message).await?;
        }
        link.sink.flushed().await
    };
    let _ = timeout(GOODBYE, farewell).await;
    link.close().await;
    result
}

struct Serving {
    session: SendSession,
    totals: TotalsWatch,
    // Away while a batch is being read.
    files: Option<disk::Source>,
    source: Arc<Source>,
    valve: Valve,
    epoch: Instant,
    // Progress that came before it was worth telling, and when it is.
    unsaid: Option<PeerEvent>,
    news_due: Instant,
    total_bytes: Option<u64>,
}

impl Serving {
    async fn run(
        &mut self,
        link: &mut Peering,
        news: &News,
        close: &mut mpsc::Receiver<Code>,
    ) -> Result<(), EngineError> {
        let mut reading: Option<Reading> = None;
        let mut paused = self.valve.paused.subscribe();
        loop {
            self.session.handle_paused(*paused.borrow_and_update());
            self.tell_events(link, news).await;
            self.feed_pages().await?;
            if reading.is_none()
                && let Some(files) = self.files.take()
            {
                let catalog = &self.source.catalog;
                match self.session.poll_read(|entry| catalog.size_of(entry))? {
                    Some(batch) => {
                        reading = Some(read(self.source.clone(), self.valve.clone(), files, batch))
                    }
                    None => self.files = Some(files),
                }
            }
            let next = self.session.next_message_len();
            if next.is_none() && self.session.is_done() {
                return Ok(());
            }
            let deadline = self.session.poll_timeout().map(|at| self.epoch + at);
            tokio::select! {
                ready = link.sink.ready(next.unwrap_or(0)), if next.is_some() => {
                    ready.map_err(|_| EngineError::from(Code::PeerLeft))?;
                    if let Some(message) = self.session.poll_message(self.epoch.elapsed()) {
                        link.sink.send(message).await.map_err(|_| EngineError::from(Code::PeerLeft))?;
                    }
                }
                message = link.source.recv() => {
                    let message = message.ok_or(EngineError::from(Code::PeerLeft))?;
                    let handled = self.session.handle_message(&message, self.epoch.elapsed());
                    // The handshake may have opened the session: it knows no totals yet.
                    let totals = *self.totals.borrow_and_update();
                    self.session.handle_totals(totals);
                    if let Err(error) = handled {
                        self.tell_events(link, news).await;
                        return Err(error.into());
                    }
                }
                batch = wait(&mut reading), if reading.is_some() => {
                    reading = None;
                    let (files, sealed) = batch?;
                    self.files = Some(files);
                    self.session.handle_sealed(sealed);
                }
                _ = self.totals.changed(), if !self.totals.borrow().complete => {
                    let totals = *self.totals.borrow_and_update();
                    self.session.handle_totals(totals);
                }
                () = sleep_until(deadline.unwrap_or(self.epoch)), if deadline.is_some() => {
                    self.session.handle_timeout(self.epoch.elapsed())?;
                }
                // What it is now is taken over at the head of the loop.
                Ok(()) = paused.changed() => {}
                () = sleep_until(self.news_due), if self.unsaid.is_some() => {}
                () = link.attempt.lost() => return Err(Code::PeerLeft.into()),
                code = close.recv() => {
                    let code = code.unwrap_or(Code::PeerLeft);
                    self.session.close(code);
                    return Err(code.into());
                }
            }
        }
    }

    async fn feed_pages(&mut self) -> Result<(), EngineError> {
        while let Some(index) = self.session.poll_page() {
            let page = self.source.catalog.page(index)?;
            self.session.handle_page(page.first_entry, page.encoded);
        }
        Ok(())
    }

    async fn tell_events(&mut self, link: &Peering, news: &News) {
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                SendEvent::Opened { name } => PeerEvent::Opened { name, path: link.path().await },
                SendEvent::Progress { durable_bytes, durable_entries } => {
                    let total_bytes = self.total_bytes;
                    self.unsaid = Some(PeerEvent::Progress {
                        bytes: durable_bytes,
                        entries: durable_entries,
                        total_bytes,
                    });
                    continue;
                }
                SendEvent::Chosen { bytes, .. } => {
                    self.total_bytes = Some(bytes);
                    continue;
                }
                SendEvent::EntryFailed { entry, failure } => PeerEvent::EntryFailed {
                    path: self
                        .source
                        .catalog
                        .entry(entry)
                        .map(|entry| entry.path.to_string())
                        .unwrap_or_default(),
                    code: failure.code(),
                },
                SendEvent::Done { bytes, entries } => PeerEvent::Done { bytes, entries },
            };
            if matches!(event, PeerEvent::Done { .. }) {
                // It has the last word.
                self.unsaid = None;
            }
            news.tell(event).await;
        }
        if Instant::now() >= self.news_due
            && let Some(event) = self.unsaid.take()
        {
            self.news_due = Instant::now() + NEWS_INTERVAL;
            news.tell(event).await;
        }
    }
}

async fn wait(reading: &mut Option<Reading>) -> Result<(disk::Source, SealedBatch), EngineError> {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

// Waits until it may go, then reads and seals on a thread that may block.
fn read(source: Arc<Source>, valve: Valve, mut files: disk::Source, batch: ReadBatch) -> Reading {
    Box::pin(async move {
        valve.pass(&source.limit, batch.len()).await;
        blocking(move || {
            let sealed = batch.seal(|piece, chunk| {
                files.read(piece.entry, piece.chunk, chunk).map_err(|failure| match failure {
                    SourceFailure::Changed => EntryFailure::Changed,
                    SourceFailure::Unreadable(reason) => EntryFailure::Unreadable(reason),
                })
            });
            (files, sealed)
        })
        .await
    })
}
