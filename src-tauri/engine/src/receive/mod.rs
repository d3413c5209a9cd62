//! A download: takes its place in line, connects, and receives until everything chosen is durable.

mod line;
mod pace;
mod session;
mod writer;

use crate::config::ReceiveOptions;
use crate::disk::{self, Options, Summary};
use crate::error::EngineError;
use crate::event::ReceiveEvent;
use crate::peering::{Peering, Role as PeeringRole};
use crate::share::blocking;
use crate::signaling::Signaling;
use line::{Line, News};
use session::{Outcome, Receiving};
use sluice_protocol::VERSION;
use sluice_protocol::crypto::{self, Key};
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::Progress;
use sluice_protocol::signal::JoinShare;
use sluice_protocol::summary::SummaryKey;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use writer::{Tally, Writer};

// A share that the server has never heard of may be about to be opened again, but not for long.
const UNKNOWN_SHARE: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Receives what the link offers, or what is chosen of it, into the destination folder.
///
/// Losses of every kind are retried for as long as [`ReceiveOptions::patience`] says; a later call with the same
/// link and folder goes on where this one stopped.
///
/// # Errors
/// The reason why it could not be finished; [`Code::Interrupted`] after `cancel`. All that was verified is on disk.
pub async fn receive(
    options: ReceiveOptions,
    events: mpsc::Sender<ReceiveEvent>,
    cancel: CancellationToken,
) -> Result<Summary, EngineError> {
    let mut download = Download::new(options, events, false).await?;
    let result = match download.open_destination().await {
        Ok(()) => download.run(&cancel).await,
        Err(error) => Err(error),
    };
    let kept = match download.writer.take() {
        Some(writer) => writer.finish(false).await.map(|_| ()),
        None => Ok(()),
    };
    download.leave().await;
    // Why it ended comes first; that the rest could not be kept is only the news when there is no other.
    result.and_then(|summary| kept.map(|()| summary))
}

/// Tells what the link offers, one [`ReceiveEvent::Entry`] an entry, and downloads nothing.
///
/// # Errors
/// As [`receive`].
pub async fn list(
    options: ReceiveOptions,
    events: mpsc::Sender<ReceiveEvent>,
    cancel: CancellationToken,
) -> Result<(), EngineError> {
    let mut download = Download::new(options, events, true).await?;
    let result = download.run(&cancel).await;
    download.leave().await;
    result.map(|_| ())
}

// What the task that owns a download knows between two connections.
struct Download {
    options: ReceiveOptions,
    events: mpsc::Sender<ReceiveEvent>,
    psk: Key,
    listing: bool,
    line: Line,
    attempt: u32,
    // Since when nothing works, and what was last heard of it.
    trouble: Option<(Instant, Code)>,
    known: bool,
    tally: Tally,
    // The disk thread, until it has done its work; none when listing.
    writer: Option<Writer>,
}

impl Download {
    async fn new(
        options: ReceiveOptions,
        events: mpsc::Sender<ReceiveEvent>,
        listing: bool,
    ) -> Result<Self, EngineError> {
        let link = options.link.clone();
        if link.password && options.password.is_none() {
            return Err(Code::PasswordNeeded.into());
        }
        let password = options.password.clone().filter(|_| link.password);
        let (secret, share) = (link.secret.clone(), link.share);
        let psk = blocking(move || crypto::psk(&secret, share, password.as_deref())).await?;
        let mut peer = [0; 16];
        getrandom::fill(&mut peer).map_err(|error| EngineError::detailed(Code::NoConnection, error))?;
        let join =
            JoinShare { version: VERSION, join_key: link.join_key(), peer: PeerId(peer), ticket: None };
        let key = SummaryKey::new(&link.secret, link.share);
        let line = Line::new(Signaling::join(link.server.clone(), link.share, join, key)?);
        Ok(Download {
            options,
            events,
            psk,
            listing,
            line,
            attempt: 0,
            trouble: None,
            known: false,
            tally: Tally::default(),
            writer: None,
        })
    }

    async fn open_destination(&mut self) -> Result<(), EngineError> {
        let only = disk::only(&self.options.only)
            .map_err(|error| EngineError::detailed(Code::RequestInvalid, error))?;
        let options = Options { conflict: self.options.conflict, only, ..Options::default() };
        let (dir, link) = (self.options.out.clone(), &self.options.link);
        let (share, sender) = (link.share, link.sender);
        let (writer, resumed) = blocking(move || Writer::start(&dir, share, sender, options)).await??;
        self.writer = Some(writer);
        if resumed.bytes > 0 || resumed.entries > 0 {
            self.tell(ReceiveEvent::Resumed { bytes: resumed.bytes, entries: resumed.entries }).await;
        }
        Ok(())
    }

    async fn run(&mut self, cancel: &CancellationToken) -> Result<Summary, EngineError> {
        let mut retry = FIRST_RETRY;
        loop {
            self.wait_for_slot(cancel).await?;
            self.attempt += 1;
            self.tell(ReceiveEvent::Connecting { attempt: self.attempt }).await;
            let (code, pause) = match self.connect_and_receive(cancel).await {
                Outcome::Done(summary) => {
                    self.line.tell_progress(Progress::Completed);
                    return Ok(summary);
                }
                Outcome::Fatal(error) => {
                    self.line.tell_progress(Progress::Failed);
                    return Err(error);
                }
                Outcome::Lost { code, opened, at_once } => {
                    if opened {
                        retry = FIRST_RETRY;
                    }
                    (code, if at_once { Duration::ZERO } else { retry })
                }
            };
            self.note_trouble(code)?;
            self.tell(ReceiveEvent::Retrying { code, seconds: pause.as_secs_f64() }).await;
            self.pause(pause, cancel).await?;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    async fn tell(&self, event: ReceiveEvent) {
        // A surface that is gone needs no news; its cancellation comes by the token.
        let _ = self.events.send(event).await;
    }

    async fn tell_all(&self, events: Vec<ReceiveEvent>) {
        for event in events {
            self.tell(event).await;
        }
    }

    fn patience(&self, code: Code) -> Duration {
        match code {
            Code::ShareNotFound if !self.known => UNKNOWN_SHARE.min(self.options.patience),
            _ => self.options.patience,
        }
    }

    // Remembers since when nothing works; ends the download when patience is over.
    fn note_trouble(&mut self, code: Code) -> Result<(), EngineError> {
        let since = self.trouble.map_or_else(Instant::now, |(since, _)| since);
        self.trouble = Some((since, code));
        if since.elapsed() >= self.patience(code) { Err(code.into()) } else { Ok(()) }
    }

    fn give_up_at(&self) -> Option<Instant> {
        self.trouble.map(|(since, code)| since + self.patience(code))
    }

    // Takes one piece of news from the line.
    async fn handle_news(&mut self, news: News) -> Result<(), EngineError> {
        match news {
            News::Told(events) | News::SenderBack(events) => {
                for event in events {
                    match event {
                        ReceiveEvent::SenderAway => self.note_trouble(Code::SenderGone)?,
                        ReceiveEvent::Place { .. } | ReceiveEvent::SenderBack => self.note_place(),
                        _ => {}
                    }
                    self.tell(event).await;
                }
                Ok(())
            }
            News::Admitted(events) => {
                self.note_place();
                self.tell_all(events).await;
                Ok(())
            }
            News::Trouble(code) => self.note_trouble(code),
            News::Over(error) => Err(error),
        }
    }

    // In line or in a slot, with the sender there, one waits for as long as it takes.
    fn note_place(&mut self) {
        if !self.line.away {
            self.known = true;
            self.trouble = None;
        }
    }

    async fn wait_for_slot(&mut self, cancel: &CancellationToken) -> Result<(), EngineError> {
        while !self.line.admitted {
            let give_up = self.give_up_at();
            tokio::select! {
                news = self.line.next() => self.handle_news(news).await?,
                () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => {
                    let code = self.trouble.map_or(Code::SenderGone, |(_, code)| code);
                    return Err(code.into());
                }
                () = cancel.cancelled() => return Err(Code::Interrupted.into()),
            }
        }
        Ok(())
    }

    async fn pause(&mut self, time: Duration, cancel: &CancellationToken) -> Result<(), EngineError> {
        let until = Instant::now() + time;
        loop {
            tokio::select! {
                news = self.line.next() => self.handle_news(news).await?,
                () = sleep_until(until) => return Ok(()),
                () = cancel.cancelled() => return Err(Code::Interrupted.into()),
            }
        }
    }

    async fn connect_and_receive(&mut self, cancel: &CancellationToken) -> Outcome {
        let rtc = self.options.rtc.clone();
        let inbox = self.line.inbox();
        let (server, ice) = (self.line.sender(), self.line.ice());
        let connecting = Peering::connect(&rtc, &ice, PeeringRole::Answer, self.attempt, inbox, server);
        tokio::pin!(connecting);
        let peering = loop {
            tokio::select! {
                peering = &mut connecting => break peering,
                news = self.line.next() => match news {
                    News::Over(error) => return Outcome::Fatal(error),
                    News::Trouble(_) => {}
                    News::Told(events) => self.tell_all(events).await,
                    // One of the two has a new socket. What was said through the older one may be lost, and nobody
                    // says it again.
                    News::Admitted(events) | News::SenderBack(events) => {
                        self.tell_all(events).await;
                        return Outcome::Lost { code: Code::NoConnection, opened: false, at_once: true };
                    }
                },
                () = cancel.cancelled() => return Outcome::Fatal(Code::Interrupted.into()),
            }
        };
        let peering = match peering {
            Ok(peering) => peering,
            Err(error) => return Outcome::Lost { code: error.code(), opened: false, at_once: false },
        };
        let receiving = match Receiving::new(self, peering).await {
            Ok(receiving) => receiving,
            Err(error) => return Outcome::Fatal(error),
        };
        let mut writer = self.writer.take();
        let outcome = receiving.run(&mut self.line, &mut writer, &mut self.tally, cancel).await;
        self.writer = writer;
        if matches!(outcome, Outcome::Lost { opened: true, .. }) {
            self.known = true;
            self.trouble = None;
        }
        outcome
    }

    // Frees the slot or the place, so that the next in line need not wait for the grace period.
    async fn leave(self) {
        self.line.leave().await;
    }
}
