//! The sender's line: keeps its share open at the server, through losses and restarts.

use super::backoff::{Backoff, RESTART, RESTART_TIME, chance, spread};
use super::http::{Api, Refusal};
use super::socket::{Closed, Socket};
use super::{SignalingEvent, is_final};
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::signal::{ClientMessage, CreateShare, ServerMessage};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What a server must know of a share when it has lost it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
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
            tokio::time::sleep(pause).await;
        }
    }

    async fn connect(&mut self) -> Result<Socket, Refusal> {
        let standing = self.standing.borrow_and_update().clone();
        self.create.summary = standing.summary;
        self.create.active = standing.active;
        self.create.active.truncate(usize::from(self.create.slots));
        let created = self.api.create(&self.create).await?;
        let socket = Socket::open(&self.api, created.token.clone()).await?;
        self.token.send_replace(Some(created.token));
        Ok(socket)
    }

    // Until the socket is gone, or the share is over or nobody listens any more.
    async fn serve(&mut self, mut socket: Socket) -> Option<Closed> {
        let mut listens = true;
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
                    let summary = self.standing.borrow_and_update().summary.clone();
                    if let Some(summary) = summary.filter(|summary| self.create.summary.as_ref() != Some(summary)) {
                        self.create.summary = Some(summary.clone());
                        if let Err(error) = socket.send(&ClientMessage::Summary { summary }).await {
                            return Some(error.into());
                        }
                    }
                }
            }
        }
    }
}
