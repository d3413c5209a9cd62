//! The signaling client: keeps a share or a place in line open at a server, through losses and restarts.

use crate::error::EngineError;
use futures_util::{SinkExt, StreamExt};
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::link::ServerUrl;
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::{
    self, ClientMessage, CreateShare, ErrorBody, JoinShare, MAX_MESSAGE_LEN, Place, ServerMessage,
    ShareCreated, ShareJoined,
};
use std::sync::Once;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::{CancellationToken, DropGuard};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
// The server answers a poll after ten seconds.
const POLL_TIMEOUT: Duration = Duration::from_secs(20);
// The server pings every 15 s; three of them missed is a dead path.
const SILENCE: Duration = Duration::from_secs(45);
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(5);
// The server's word that a newer socket of the same peer took over: two must not take turns at it.
const REPLACED: u16 = 4001;
const STABLE: Duration = Duration::from_secs(10);

/// What a peer is to its server.
#[derive(Debug, Clone)]
pub enum Role {
    /// Owns a share, and opens it again after every loss.
    Owner(CreateShare),
    /// Has a place in a share's line, and takes it again after every loss.
    Receiver(ShareId, JoinShare),
}

/// What the signaling client tells its driver.
#[derive(Debug)]
pub enum SignalingEvent {
    /// The server accepted the peer and its socket is open.
    Up,
    /// The server said something.
    Message(ServerMessage),
    /// A receiver's place in line.
    Place(Place),
    /// The socket is gone or could not be opened; it is tried again.
    Down(EngineError),
    /// The server will not have this peer; nothing more comes.
    Refused(EngineError),
}

/// An open line to the server. Dropping it closes the socket.
pub struct Signaling {
    outgoing: mpsc::Sender<ClientMessage>,
    incoming: mpsc::Receiver<SignalingEvent>,
    _stop: DropGuard,
}

impl Signaling {
    /// Starts to connect; the outcome comes as events.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] if this machine can't do HTTPS at all.
    pub fn open(server: ServerUrl, role: Role) -> Result<Self, EngineError> {
        install_tls();
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| EngineError::detailed(Code::ServerFailed, error.without_url()))?;
        let (outgoing, to_send) = mpsc::channel(256);
        let (events, incoming) = mpsc::channel(256);
        let stop = CancellationToken::new();
        let line = Line { server, role, http, to_send, events, too_early: false };
        tokio::spawn(stop.clone().run_until_cancelled_owned(line.run()));
        Ok(Signaling { outgoing, incoming, _stop: stop.drop_guard() })
    }

    /// A handle for sending from elsewhere; messages wait while the socket is down.
    pub fn sender(&self) -> mpsc::Sender<ClientMessage> {
        self.outgoing.clone()
    }

    /// The next event; `None` behind [`SignalingEvent::Refused`].
    pub async fn next(&mut self) -> Option<SignalingEvent> {
        self.incoming.recv().await
    }
}

// reqwest and tungstenite both take the process' default provider.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An application around us may have installed one of its own; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

struct Line {
    server: ServerUrl,
    role: Role,
    http: reqwest::Client,
    to_send: mpsc::Receiver<ClientMessage>,
    events: mpsc::Sender<SignalingEvent>,
    // The last socket was refused for want of a slot.
    too_early: bool,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Line {
    async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let started = Instant::now();
            let error = match self.connect().await {
                Ok(None) => return,
                Ok(Some(socket)) => {
                    if self.events.send(SignalingEvent::Up).await.is_err() {
                        return;
                    }
                    match self.serve(socket).await {
                        Some(error) => error,
                        None => return,
                    }
                }
                Err(error) if is_final(error.code()) => {
                    let _ = self.events.send(SignalingEvent::Refused(error)).await;
                    return;
                }
                Err(error) => error,
            };
            // A ticket that lapsed is no refusal: the next one is asked for by a new POST.
            self.too_early = error.code() == Code::NotYourTurn;
            if error.code() == Code::ShareTaken {
                let _ = self.events.send(SignalingEvent::Refused(error)).await;
                return;
            }
            if self.events.send(SignalingEvent::Down(error)).await.is_err() {
                return;
            }
            if started.elapsed() > STABLE {
                retry = FIRST_RETRY;
            }
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    // Nothing if nobody waits for it any more.
    async fn connect(&mut self) -> Result<Option<Socket>, EngineError> {
        let (share, token) = match &self.role {
            Role::Owner(create) => {
                let created: ShareCreated = self.post("/api/shares", create).await?;
                (created.share, created.token)
            }
            Role::Receiver(share, join) => {
                let (share, peer) = (*share, join.peer);
                let mut joined: ShareJoined =
                    self.post(&format!("/api/shares/{share}/receivers"), join).await?;
                joined.ticket = match self.wait_for_turn(share, joined.place, joined.ticket).await? {
                    Some(ticket) => ticket,
                    None => return Ok(None),
                };
                tracing::debug!(%peer, "the turn has come");
                (share, joined.ticket)
            }
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(2 * MAX_MESSAGE_LEN))
            .max_frame_size(Some(2 * MAX_MESSAGE_LEN));
        let url = self.server.ws(&format!("/api/shares/{share}/socket"));
        let connecting = tokio_tungstenite::connect_async_with_config(url, Some(config), true);
        let (mut socket, _) = timeout(REQUEST_TIMEOUT, connecting)
            .await
            .map_err(|_| EngineError::from(Code::ServerUnreachable))?
            .map_err(socket_error)?;
        send(&mut socket, &ClientMessage::Authorize { token }).await?;
        Ok(Some(socket))
    }

    // Polls the place until there is a slot to come for; gives it up if that is what is wanted meanwhile.
    async fn wait_for_turn(
        &mut self,
        share: ShareId,
        first: Place,
        ticket: String,
    ) -> Result<Option<String>, EngineError> {
        let url = self.server.http(&format!("/api/shares/{share}/place"));
        let mut place = first;
        let mut here = true;
        loop {
            let now = place.sender_here;
            if now != std::mem::replace(&mut here, now) {
                let message = if now { ServerMessage::SenderBack } else { ServerMessage::SenderAway };
                self.tell(SignalingEvent::Message(message)).await;
            }
            self.tell(SignalingEvent::Place(place.clone())).await;
            if place.lease_ms.is_some() || (place.tier == Tier::Active && !self.too_early) {
                return Ok(Some(ticket));
            }
            let request = self.http.get(format!("{url}?after={}", place.version));
            let poll = answer(request.bearer_auth(&ticket).timeout(POLL_TIMEOUT));
            tokio::select! {
                polled = poll => place = polled?,
                message = self.to_send.recv() => {
                    let (Role::Receiver(share, join), None | Some(ClientMessage::Leave)) = (&self.role, message) else {
                        continue;
                    };
                    let url = self.server.http(&format!("/api/shares/{share}/receivers/{}", join.peer));
                    // Where this fails, the place lapses by itself.
                    let _ = self.http.delete(url).bearer_auth(&ticket).send().await;
                    return Ok(None);
                }
            }
        }
    }

    async fn tell(&self, event: SignalingEvent) {
        // Nobody listening is noticed where messages to be sent are awaited.
        let _ = self.events.send(event).await;
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, EngineError> {
        answer(self.http.post(self.server.http(path)).json(body)).await
    }

    // Until the socket is gone, which is the error, or nobody listens any more.
    async fn serve(&mut self, mut socket: Socket) -> Option<EngineError> {
        loop {
            tokio::select! {
                message = timeout(SILENCE, socket.next()) => {
                    let text = match message {
                        Ok(Some(Ok(Message::Text(text)))) => text,
                        Ok(Some(Ok(Message::Close(Some(frame))))) if u16::from(frame.code) == REPLACED => {
                            return Some(Code::ShareTaken.into());
                        }
                        Ok(Some(Ok(Message::Close(_))) | None) | Err(_) => return Some(Code::ServerUnreachable.into()),
                        Ok(Some(Ok(_))) => continue,
                        Ok(Some(Err(error))) => return Some(socket_error(error)),
                    };
                    let message = match signal::parse::<ServerMessage>(&text) {
                        Ok(ServerMessage::Error(body)) => return Some(body.code.into()),
                        Ok(message) => message,
                        Err(_) => return Some(Code::ServerFailed.into()),
                    };
                    if self.events.send(SignalingEvent::Message(message)).await.is_err() {
                        return None;
                    }
                }
                message = self.to_send.recv() => {
                    if let Err(error) = send(&mut socket, &message?).await {
                        return Some(error);
                    }
                }
            }
        }
    }
}

async fn answer<T: serde::de::DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, EngineError> {
    let unreachable =
        |error: reqwest::Error| EngineError::detailed(Code::ServerUnreachable, error.without_url());
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(unreachable)?;
    if status.is_success() {
        return serde_json::from_slice(&bytes)
            .map_err(|error| EngineError::detailed(Code::ServerFailed, error));
    }
    match serde_json::from_slice::<ErrorBody>(&bytes) {
        Ok(body) => Err(body.code.into()),
        Err(_) => Err(EngineError::detailed(Code::ServerFailed, status)),
    }
}

async fn send(socket: &mut Socket, message: &ClientMessage) -> Result<(), EngineError> {
    let text =
        serde_json::to_string(message).map_err(|error| EngineError::detailed(Code::ServerFailed, error))?;
    timeout(REQUEST_TIMEOUT, socket.send(Message::text(text)))
        .await
        .map_err(|_| EngineError::from(Code::ServerUnreachable))?
        .map_err(socket_error)
}

fn socket_error(error: WsError) -> EngineError {
    match error {
        WsError::Http(response) => EngineError::detailed(Code::ServerFailed, response.status()),
        error => EngineError::detailed(Code::ServerUnreachable, error),
    }
}

// What trying again can't change.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::NotAuthorised
            | Code::VersionUnsupported
            | Code::RequestInvalid
            | Code::ShareTaken
            | Code::ShareEnded
    )
}
