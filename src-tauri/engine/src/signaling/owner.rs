//! The sender's line: keeps its share open at the server, through losses and restarts.

use super::backoff::{Backoff, RESTART, RESTART_TIME, chance, spread};
use super::http::{Api, Refusal};
use super::socket::{Closed, Socket};
use super::{SignalingEvent, is_final};
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::signal::{ClientMessage, CreateShare, ServerMessage, ShareCreated};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

// A person who turns a dial asks for each number on the way; a server takes few requests a minute.
const SLOTS_PAUSE: Duration = Duration::from_millis(300);
const SLOTS_RETRY: Duration = Duration::from_secs(5);

/// What a server must know of a share when it has lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many receivers may be connected at once.
    pub(crate) slots: u16,
    /// What the share holds, sealed.
    pub(crate) summary: Option<String>,
    /// The receivers that the sender is connected with.
    pub(crate) active: Vec<PeerId>,
}

pub(super) struct OwnerLine {
    pub(super) api: Api,
    pub(super) create: CreateShare,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) token: watch::Sender<Option<String>>,
    pub(super) to_send: mpsc::Receiver<ClientMessage>,
    pub(super) events: mpsc::Sender<SignalingEvent>,
}

impl OwnerLine {
    /// Runs until the share is over, the server will not have it, or nobody listens any more.
    pub(super) async fn run(mut self) {
        let epoch = Instant::now();
        let mut backoff = Backoff::new();
        // Until then the server is expected not to be there.
        let mut quiet_until = epoch;
        loop {
            let (refusal, restarts) = match self.connect().await {
                Ok(socket) => {
                    backoff.handle_success(epoch.elapsed());
                    quiet_until = epoch;
                    if self.events.send(SignalingEvent::Up).await.is_err() {
                        return;
                    }
                    match self.serve(socket).await {
                        Some(Closed::Restart) => (Refusal::from(Code::ServerUnreachable), true),
                        Some(Closed::Lost(error)) => (error.into(), false),
                        None => return,
                    }
                }
                Err(refusal) if is_final(refusal.error.code()) => {
                    let _ = self.events.send(SignalingEvent::Refused(refusal.error)).await;
                    return;
                }
                Err(refusal) => (refusal, false),
            };
            // A token that lapsed is no refusal: the next one is asked for by a new POST.
            if refusal.error.code() == Code::ShareTaken {
                let _ = self.events.send(SignalingEvent::Refused(refusal.error)).await;
                return;
            }
            let pause = if restarts {
                quiet_until = Instant::now() + RESTART_TIME;
                // Before its receivers, so that they find the share.
                spread(RESTART / 2, chance())
            } else {
                let pause = backoff.handle_failure(epoch.elapsed(), refusal.retry_after, chance());
                let is_trouble = Instant::now() >= quiet_until;
                if is_trouble && self.events.send(SignalingEvent::Down(refusal.error)).await.is_err() {
                    return;
                }
                pause
            };
            sleep(pause).await;
        }
    }

    async fn connect(&mut self) -> Result<Socket, Refusal> {
        self.take_standing();
        let created = self.api.create(&self.create).await?;
        let socket = Socket::open(&self.api, created.token.clone()).await?;
        self.token.send_replace(Some(created.token));
        Ok(socket)
    }

    fn take_standing(&mut self) {
        let Standing { slots, summary, active } = self.standing.borrow_and_update().clone();
        self.create.slots = slots;
        self.create.summary = summary;
        self.create.active = active;
        self.create.active.truncate(usize::from(slots));
    }

    // Until the socket is gone, or the share is over or nobody listens any more.
    async fn serve(&mut self, mut socket: Socket) -> Option<Closed> {
        let mut listens = true;
        // Opening again while the socket stands is how the server hears of other slots.
        let mut opening: Option<Opening> = None;
        let mut opened_slots = self.create.slots;
        loop {
            tokio::select! {
                message = socket.next() => {
                    let message = match message {
                        Ok(message) => message,
                        Err(closed) => return Some(closed),
                    };
                    let over = matches!(message, ServerMessage::Ended { code } if code != Code::SenderGone);
                    if self.events.send(SignalingEvent::Message(message)).await.is_err() || over {
                        return None;
                    }
                }
                message = self.to_send.recv() => {
                    if let Err(error) = socket.send(&message?).await {
                        return Some(error.into());
                    }
                }
                changed = self.standing.changed(), if listens => {
                    listens = changed.is_ok();
                    let told = self.create.summary.clone();
                    self.take_standing();
                    if self.create.slots != opened_slots {
                        opened_slots = self.create.slots;
                        // Those that were chosen before it can be asked for are passed over.
                        opening = Some(self.open_again(SLOTS_PAUSE));
                    }
                    if let Some(summary) = self.create.summary.clone().filter(|summary| told.as_ref() != Some(summary))
                        && let Err(error) = socket.send(&ClientMessage::Summary { summary }).await
                    {
                        return Some(error.into());
                    }
                }
                result = opened(&mut opening) => {
                    opening = match result {
                        Ok(created) => {
                            self.token.send_replace(Some(created.token));
                            None
                        }
                        Err(refusal) => {
                            tracing::debug!(error = %refusal.error, "the slots could not be changed yet");
                            Some(self.open_again(refusal.retry_after.unwrap_or(SLOTS_RETRY)))
                        }
                    };
                }
            }
        }
    }

    // Asks the server to open the share as it stands, in a while. What it holds is told on the socket.
    fn open_again(&self, pause: Duration) -> Opening {
        let (api, create) = (self.api.clone(), CreateShare { summary: None, ..self.create.clone() });
        Box::pin(async move {
            sleep(pause).await;
            api.create(&create).await
        })
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<ShareCreated, Refusal>> + Send>>;

async fn opened(opening: &mut Option<Opening>) -> Result<ShareCreated, Refusal> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}
