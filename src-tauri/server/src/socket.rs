//! One WebSocket, from its authorisation to its end.

use crate::connection::stopped;
use crate::http::Context;
use crate::hub::Connection;
use crate::limits::{Bucket, Client};
use crate::mailbox::{Closing, Delivery, Inbox};
use crate::metrics::Kind;
use crate::role::Role;
use crate::store::Store;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::queue::Command;
use sluice_protocol::signal::{self, ClientMessage, ErrorBody, ServerMessage};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, timeout};

/// The close code (RFC 6455 §7.4.2) of a socket whose place a newer one took.
const REPLACED: u16 = 4001;

// Why the loop ended, and so what the peer is told.
enum End {
    Over,
    Replaced,
    TooSlow,
    Refused(Code),
    TooBig,
    Stopping,
    // The peer closed it.
    Closed,
    // There is nobody to tell.
    Lost,
}

impl End {
    // How it is counted.
    fn as_str(&self) -> &'static str {
        match self {
            End::Over => "over",
            End::Replaced => "replaced",
            End::TooSlow => "too_slow",
            End::Refused(Code::RateLimited) => "too_fast",
            End::Refused(_) => "refused",
            End::TooBig => "unreadable",
            End::Stopping => "stopping",
            End::Closed => "closed",
            End::Lost => "lost",
        }
    }
}

/// Serves `socket` until it, its share or the server ends.
pub async fn serve<S: Store>(mut socket: WebSocket, share: ShareId, client: Client, context: &Context<S>) {
    let end = match authorise(&mut socket, share, client, context).await {
        Ok((connection, inbox)) => {
            let role = connection.role();
            let end = converse(&mut socket, connection, inbox, client, context).await;
            if matches!(end, End::Over) {
                match role {
                    Role::Sender => context.release_share(client, share).await,
                    Role::Receiver(peer) => context.release_receiver(client, share, peer).await,
                }
            }
            end
        }
        Err(end) => end,
    };
    context.metrics.count_close(end.as_str());
    if let End::Refused(code) = end {
        context.metrics.count_refusal("socket", code);
        match context.log_addresses {
            true => tracing::info!(%code, address = %client, "a socket was refused"),
            false => tracing::debug!(%code, "a socket was refused"),
        }
    }
    close(socket, end, context.timings.write).await;
}

async fn authorise<S: Store>(
    socket: &mut WebSocket,
    share: ShareId,
    client: Client,
    context: &Context<S>,
) -> Result<(Connection<S>, Inbox), End> {
    let mut stopping = context.stopping.clone();
    let first = tokio::select! {
        () = stopped(&mut stopping) => return Err(End::Stopping),
        first = timeout(context.timings.authorise, next_text(socket)) => first,
    };
    let text = first.map_err(|_| End::Refused(Code::NotAuthorised))??;
    let ClientMessage::Authorize { token } = signal::parse(&text).map_err(End::Refused)? else {
        return Err(End::Refused(Code::NotAuthorised));
    };
    let claims = context.signer.check(share, &token, context.hub.now());
    let role = claims.map_err(|_| End::Refused(Code::NotAuthorised))?.role;
    context.hold(client, share, role).await.map_err(|failure| End::Refused(failure.code()))?;
    context.hub.connect(share, role).await.map_err(End::Refused)
}

// The next text message; control frames on the way are answered beneath.
async fn next_text(socket: &mut WebSocket) -> Result<String, End> {
    loop {
        if let Some(text) = text_of(socket.recv().await)? {
            return Ok(text);
        }
    }
}

fn text_of(received: Option<Result<Message, axum::Error>>) -> Result<Option<String>, End> {
    match received {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(End::Refused(Code::RequestInvalid)),
        Some(Ok(Message::Close(_))) => Err(End::Closed),
        None => Err(End::Lost),
        // Too long, not masked, not UTF-8, cut off: the socket can't be read any further.
        Some(Err(_)) => Err(End::TooBig),
    }
}

async fn converse<S: Store>(
    socket: &mut WebSocket,
    mut connection: Connection<S>,
    mut inbox: Inbox,
    client: Client,
    context: &Context<S>,
) -> End {
    let timings = &context.timings;
    let kind = match connection.role() {
        Role::Sender => Kind::Sender,
        Role::Receiver(_) => Kind::Active,
    };
    let _counted = context.metrics.peer(kind);
    let mut pace = Pace::new(context.limits.messages_per_second);
    let mut ping = tokio::time::interval_at(Instant::now() + timings.ping, timings.ping);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    // When the queue was told last that something was heard.
    let mut told = heard;
    // When the peer was last counted as one of its address.
    let mut held = heard;
    loop {
        let done = tokio::select! {
            delivery = inbox.next() => match delivery {
                Delivery::Message(message) => write(socket, &message, timings.write).await,
                Delivery::Close(closing) => return closing.into(),
            },
            received = socket.recv() => {
                heard = Instant::now();
                // Each costs something: pings are answered.
                if received.as_ref().is_some_and(Result::is_ok) && !pace.take() {
                    return End::Refused(Code::RateLimited);
                }
                match text_of(received) {
                    Ok(None) => Ok(()),
                    Ok(Some(text)) => handle(&text, &mut connection, kind, context).await,
                    Err(end) => Err(end),
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() >= timings.idle {
                    return End::Lost;
                }
                send(socket, Message::Ping(Default::default()), timings.write).await
            }
        };
        if let Err(end) = done {
            return end;
        }
        if heard.duration_since(told) >= timings.heard {
            told = heard;
            if let Err(code) = connection.heard().await {
                return End::Refused(code);
            }
            if held.elapsed() >= timings.counted / 3 {
                held = told;
                // It is one already, unless the store was lost; then it is let be.
                let _ = context.hold(client, connection.share(), connection.role()).await;
            }
        }
    }
}

// How fast messages may come.
struct Pace {
    start: Instant,
    bucket: Option<Bucket>,
}

impl Pace {
    // A sender whose slots are all taken at the same time has hundreds of messages to relay at once.
    const BURST_SECONDS: u32 = 20;

    fn new(per_second: u32) -> Self {
        let burst = per_second.saturating_mul(Self::BURST_SECONDS);
        let bucket = (per_second > 0).then(|| Bucket::new(burst, per_second, Duration::ZERO));
        Pace { start: Instant::now(), bucket }
    }

    fn take(&mut self) -> bool {
        let passed = self.start.elapsed();
        self.bucket.as_mut().is_none_or(|bucket| bucket.take(passed))
    }
}

impl From<Closing> for End {
    fn from(closing: Closing) -> Self {
        match closing {
            Closing::Over => End::Over,
            Closing::Replaced => End::Replaced,
            Closing::TooSlow => End::TooSlow,
            Closing::Refused(code) => End::Refused(code),
            Closing::Stopping => End::Stopping,
        }
    }
}

async fn handle<S: Store>(
    text: &str,
    connection: &mut Connection<S>,
    kind: Kind,
    context: &Context<S>,
) -> Result<(), End> {
    let message = signal::parse(text).map_err(End::Refused)?;
    let done = match (connection.role(), message) {
        (Role::Sender, ClientMessage::Relay { peer, signal })
            if peer.is_some() && signal.is_within_limits() =>
        {
            context.metrics.count_relayed(kind);
            connection.relay(peer, signal).await;
            Ok(())
        }
        (Role::Receiver(_), ClientMessage::Relay { peer: None, signal }) if signal.is_within_limits() => {
            context.metrics.count_relayed(kind);
            connection.relay(None, signal).await;
            Ok(())
        }
        (Role::Receiver(peer), ClientMessage::Progress { progress }) => {
            connection.command(&Command::Progress { peer, progress }).await
        }
        (Role::Receiver(peer), ClientMessage::Leave) => {
            connection.leave(peer).await.map_err(End::Refused)?;
            return Err(End::Over);
        }
        (Role::Sender, ClientMessage::Summary { summary }) if signal::is_summary(&summary) => {
            connection.set_summary(summary).await
        }
        (Role::Sender, ClientMessage::Dismiss { peer }) => {
            connection.command(&Command::Dismiss { peer }).await
        }
        // The end comes back as news.
        (Role::Sender, ClientMessage::End) => connection.command(&Command::End).await,
        _ => Err(Code::RequestInvalid),
    };
    done.map_err(End::Refused)
}

async fn write(socket: &mut WebSocket, message: &ServerMessage, time: Duration) -> Result<(), End> {
    match serde_json::to_string(message) {
        Ok(text) => send(socket, Message::Text(text.into()), time).await,
        Err(_) => Err(End::Refused(Code::ServerFailed)),
    }
}

async fn send(socket: &mut WebSocket, message: Message, time: Duration) -> Result<(), End> {
    match timeout(time, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(End::Lost),
    }
}

async fn close(mut socket: WebSocket, end: End, time: Duration) {
    let (code, reason) = match end {
        End::Lost => return,
        End::Closed => {
            // Reading on sends the answer to the peer's close.
            let _ = timeout(time, socket.recv()).await;
            return;
        }
        End::Over => (close_code::NORMAL, "over"),
        End::Replaced => (REPLACED, "replaced by a newer socket"),
        End::TooSlow => (close_code::POLICY, "too slow"),
        End::TooBig => (close_code::SIZE, "unreadable or too long"),
        End::Stopping => (close_code::RESTART, "the server restarts"),
        End::Refused(code) => {
            let message = ServerMessage::Error(ErrorBody::new(code));
            if write(&mut socket, &message, time).await.is_err() {
                return;
            }
            (close_code::POLICY, code.as_str())
        }
    };
    let frame = CloseFrame { code, reason: reason.into() };
    // Until the peer's own close: else what it still sends would reset what it has not read yet.
    let _ = timeout(time, async {
        socket.send(Message::Close(Some(frame))).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<(), axum::Error>(())
    })
    .await;
}
