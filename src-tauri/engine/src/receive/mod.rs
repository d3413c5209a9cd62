//! A download: takes its place in line, connects, and receives until everything chosen is durable.

mod choice;
mod line;
mod pace;
mod session;
mod writer;

use crate::config::{DEFAULT_HOLD, OpenOptions, ReceiveOptions};
pub use crate::disk::Selection;
use crate::disk::{Chosen, Options, Summary};
use crate::error::EngineError;
use crate::event::ReceiveEvent;
use crate::peering::{Peering, Role as PeeringRole};
use crate::share::blocking;
use crate::signaling::Signaling;
pub use choice::Choice;
use choice::{Terms, Wish};
use line::{Line, News};
use session::{Outcome, Receiving, Stop};
use sluice_protocol::VERSION;
use sluice_protocol::crypto::{self, Key};
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::queue::Progress;
use sluice_protocol::signal::JoinShare;
use sluice_protocol::summary::SummaryKey;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
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
    let chosen = Chosen::matching(&options.only)
        .map_err(|error| EngineError::detailed(Code::RequestInvalid, error))?;
    let terms = Terms { out: options.out.clone(), conflict: options.conflict, chosen };
    match Download::serve(options.into(), &mut Wish::Made(terms), events, &cancel).await? {
        Ended::Received(summary) => Ok(summary),
        // Only where something is to be seen or chosen first.
        Ended::Listed | Ended::Released => Err(Code::Interrupted.into()),
    }
}

/// Opens a share, tells what it holds, waits until the person has chosen, and receives that as [`receive`] does.
///
/// A choice that is there at once is received at once. Else the slot is kept for [`OpenOptions::hold`] once all is
/// told; after that it is given up, and a place in line taken anew when the choice comes. A choice may come at any
/// time before; what it leaves out is not waited for.
///
/// # Errors
/// As [`receive`]; [`Code::Interrupted`] also if `choice` is dropped without one.
pub async fn receive_chosen(
    options: OpenOptions,
    choice: oneshot::Receiver<Choice>,
    events: mpsc::Sender<ReceiveEvent>,
    cancel: CancellationToken,
) -> Result<Summary, EngineError> {
    let mut wish = Wish::open(choice, options.hold)?;
    loop {
        match Download::serve(options.clone(), &mut wish, events.clone(), &cancel).await? {
            Ended::Received(summary) => return Ok(summary),
            Ended::Listed | Ended::Released => {}
        }
        let _ = events.send(ReceiveEvent::SlotReleased).await;
        wish.release();
        tokio::select! {
            choice = wish.choice() => {
                if let Some(choice) = choice? {
                    wish = Wish::Made(choice.into());
                }
            }
            () = cancel.cancelled() => return Err(Code::Interrupted.into()),
        }
    }
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
    Download::serve(options.into(), &mut Wish::List, events, &cancel).await.map(|_| ())
}

impl From<ReceiveOptions> for OpenOptions {
    fn from(options: ReceiveOptions) -> Self {
        let ReceiveOptions { link, name, password, patience, rtc, .. } = options;
        OpenOptions { link, name, password, patience, rtc, hold: DEFAULT_HOLD }
    }
}

// How a stay in line and in a slot ended.
enum Ended {
    Received(Summary),
    Listed,
    Released,
}

// What the task that owns a download knows between two connections.
struct Download {
    options: OpenOptions,
    events: mpsc::Sender<ReceiveEvent>,
    psk: Key,
    line: Line,
    attempt: u32,
    // Since when nothing works, and what was last heard of it.
    trouble: Option<(Instant, Code)>,
    known: bool,
    tally: Tally,
    // The disk thread, from the choice on until it has done its work.
    writer: Option<Writer>,
}

impl Download {
    // Takes a place in line and does what is wished; leaves in any case.
    async fn serve(
        options: OpenOptions,
        wish: &mut Wish,
        events: mpsc::Sender<ReceiveEvent>,
        cancel: &CancellationToken,
    ) -> Result<Ended, EngineError> {
        let mut download = Download::new(options, events).await?;
        let opened = match &*wish {
            Wish::Made(terms) => download.open_destination(terms.clone()).await,
            Wish::List | Wish::Open { .. } => Ok(()),
        };
        let result = match opened {
            Ok(()) => download.run(wish, cancel).await,
            Err(error) => Err(error),
        };
        let kept = match download.writer.take() {
            Some(writer) => writer.finish(false).await.map(|_| ()),
            None => Ok(()),
        };
        download.leave().await;
        // Why it ended comes first; that the rest could not be kept is only the news when there is no other.
        result.and_then(|ended| kept.map(|()| ended))
    }

    async fn new(options: OpenOptions, events: mpsc::Sender<ReceiveEvent>) -> Result<Self, EngineError> {
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
            line,
            attempt: 0,
            trouble: None,
            known: false,
            tally: Tally::default(),
            writer: None,
        })
    }

    async fn open_destination(&mut self, terms: Terms) -> Result<(), EngineError> {
        let Terms { out, conflict, chosen } = terms;
        let options = Options { conflict, chosen, ..Options::default() };
        let (share, sender) = (self.options.link.share, self.options.link.sender);
        let (writer, resumed) = blocking(move || Writer::start(&out, share, sender, options)).await??;
        self.writer = Some(writer);
        if resumed.bytes > 0 || resumed.entries > 0 {
            self.tell(ReceiveEvent::Resumed { bytes: resumed.bytes, entries: resumed.entries }).await;
        }
        Ok(())
    }

    // The person has chosen; also for the next connections.
    async fn settle(&mut self, choice: Choice, wish: &mut Wish) -> Result<Terms, EngineError> {
        let terms = Terms::from(choice);
        self.open_destination(terms.clone()).await?;
        *wish = Wish::Made(terms.clone());
        Ok(terms)
    }

    async fn run(&mut self, wish: &mut Wish, cancel: &CancellationToken) -> Result<Ended, EngineError> {
        let mut retry = FIRST_RETRY;
        loop {
            if wish.is_held() {
                // All was told: a connection is only worth making for what is chosen.
                match self.wait_for_choice(wish, cancel).await? {
                    Some(choice) => self.settle(choice, wish).await.map(|_| ())?,
                    None => return Ok(Ended::Released),
                }
            }
            self.wait_for_slot(cancel).await?;
            self.attempt += 1;
            self.tell(ReceiveEvent::Connecting { attempt: self.attempt }).await;
            let (code, pause) = match self.connect_and_receive(wish, cancel).await {
                Outcome::Done(summary) => {
                    self.line.tell_progress(Progress::Completed);
                    return Ok(Ended::Received(summary));
                }
                Outcome::Listed => return Ok(Ended::Listed),
                Outcome::Released => return Ok(Ended::Released),
                Outcome::Fatal(error) => {
                    self.line.tell_progress(Progress::Failed);
                    return Err(error);
                }
                Outcome::Lost { code, opened, replaced } => {
                    if opened {
                        retry = FIRST_RETRY;
                    }
                    // A sender that has started again waits already.
                    (code, if replaced { Duration::ZERO } else { retry })
                }
            };
            if wish.is_held() {
                continue;
            }
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
            News::Told(events) => {
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
                for event in events {
                    self.tell(event).await;
                }
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

    // The slot is kept without a connection; a sender that does not come back ends the download as ever.
    async fn wait_for_choice(
        &mut self,
        wish: &mut Wish,
        cancel: &CancellationToken,
    ) -> Result<Option<Choice>, EngineError> {
        loop {
            tokio::select! {
                choice = wish.choice() => return choice,
                news = self.line.next() => self.handle_news(news).await?,
                () = cancel.cancelled() => return Err(Code::Interrupted.into()),
            }
        }
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

    async fn connect_and_receive(&mut self, wish: &mut Wish, cancel: &CancellationToken) -> Outcome {
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
                    News::Told(events) | News::Admitted(events) => {
                        for event in events {
                            let _ = self.events.send(event).await;
                        }
                    }
                },
                () = cancel.cancelled() => return Outcome::Fatal(Code::Interrupted.into()),
            }
        };
        let peering = match peering {
            Ok(peering) => peering,
            Err(error) => return Outcome::Lost { code: error.code(), opened: false, replaced: false },
        };
        let mut receiving = match Receiving::new(self, peering).await {
            Ok(receiving) => receiving,
            Err(error) => return Outcome::Fatal(error),
        };
        let mut writer = self.writer.take();
        let stop = loop {
            let stop = receiving.serve(&mut self.line, &mut writer, &mut self.tally, wish, cancel).await;
            let Stop::Chosen(choice) = stop else { break stop };
            let chosen = match self.settle(choice, wish).await {
                Ok(terms) => terms.chosen,
                Err(error) => break Stop::Fatal(error),
            };
            writer = self.writer.take();
            if let Some(writer) = &writer {
                receiving.choose(writer, chosen).await;
            }
        };
        let outcome = receiving.end(stop, &mut self.tally).await;
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
