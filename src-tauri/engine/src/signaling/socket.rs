//! One WebSocket to the server, from its authorisation to its end.

use super::http::{Api, REQUEST_TIMEOUT};
use crate::error::EngineError;
use futures_util::{SinkExt, StreamExt};
use sluice_protocol::error::Code;
use sluice_protocol::signal::{self, ClientMessage, MAX_MESSAGE_LEN, ServerMessage};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// The server says something every 15 s; three of them missed is a dead path.
pub(super) const SILENCE: Duration = Duration::from_secs(45);
// The server's word that a newer socket of the same peer took over: two must not take turns at it.
const REPLACED: u16 = 4001;
// RFC 6455's registry: the server restarts.
const RESTARTS: u16 = 1012;

/// Why a socket is gone.
#[derive(Debug)]
pub(super) enum Closed {
    /// The server restarts: another one, or itself, is there in a moment.
    Restart,
    /// It dropped, or the server refused something.
    Lost(EngineError),
}

impl From<EngineError> for Closed {
    fn from(error: EngineError) -> Self {
        Closed::Lost(error)
    }
}

/// An open one.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard: Instant,
}

impl Socket {
    /// Opens it and shows the token or ticket; whether that is taken is told by what comes.
    pub(super) async fn open(api: &Api, token: String) -> Result<Self, EngineError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(2 * MAX_MESSAGE_LEN))
            .max_frame_size(Some(2 * MAX_MESSAGE_LEN));
        let url = api.server.ws(&format!("/api/shares/{}/socket", api.share));
        let connecting = tokio_tungstenite::connect_async_with_config(url, Some(config), true);
        let (stream, _) = timeout(REQUEST_TIMEOUT, connecting)
            .await
            .map_err(|_| EngineError::from(Code::ServerUnreachable))?
            .map_err(failed)?;
        let mut socket = Socket { stream, heard: Instant::now() };
        socket.send(&ClientMessage::Authorize { token }).await?;
        Ok(socket)
    }

    pub(super) async fn send(&mut self, message: &ClientMessage) -> Result<(), EngineError> {
        let text = serde_json::to_string(message)
            .map_err(|error| EngineError::detailed(Code::ServerFailed, error))?;
        timeout(REQUEST_TIMEOUT, self.stream.send(Message::text(text)))
            .await
            .map_err(|_| EngineError::from(Code::ServerUnreachable))?
            .map_err(failed)
    }

    /// The next message that is no refusal. May be dropped at any time without losing one.
    pub(super) async fn next(&mut self) -> Result<ServerMessage, Closed> {
        loop {
            let message = timeout_at(self.heard + SILENCE, self.stream.next()).await;
            self.heard = Instant::now();
            let text = match message {
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Close(Some(frame))))) => {
                    return Err(match u16::from(frame.code) {
                        REPLACED => Closed::Lost(Code::ShareTaken.into()),
                        RESTARTS => Closed::Restart,
                        _ => Closed::Lost(Code::ServerUnreachable.into()),
                    });
                }
                Ok(Some(Ok(Message::Close(None))) | None) | Err(_) => {
                    return Err(Closed::Lost(Code::ServerUnreachable.into()));
                }
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => return Err(Closed::Lost(failed(error))),
            };
            return match signal::parse::<ServerMessage>(&text) {
                Ok(ServerMessage::Error(body)) => Err(Closed::Lost(body.code.into())),
                Ok(message) => Ok(message),
                // Of a later version, or nothing that a server says.
                Err(_) if is_unknown(&text) => continue,
                Err(_) => Err(Closed::Lost(Code::ServerFailed.into())),
            };
        }
    }
}

// Messages of a type that this client does not know are no errors.
fn is_unknown(text: &str) -> bool {
    const KNOWN: [&str; 9] =
        ["opened", "admitted", "joined", "left", "waiting", "relay", "sender_away", "sender_back", "ended"];
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let kind = value.as_ref().and_then(|value| value.get("type")?.as_str());
    text.len() <= MAX_MESSAGE_LEN && kind.is_some_and(|kind| kind != "error" && !KNOWN.contains(&kind))
}

fn failed(error: WsError) -> EngineError {
    match error {
        WsError::Http(response) => EngineError::detailed(Code::ServerFailed, response.status()),
        error => EngineError::detailed(Code::ServerUnreachable, error),
    }
}
