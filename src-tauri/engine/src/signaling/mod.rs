//! The signaling client: keeps a share or a place in line open at a server, through losses and restarts.
//!
//! The sender has a WebSocket, see [`owner`]. A receiver goes through the tiers of the queue: near its slot it polls,
//! further back it listens to an event stream, and for its slot it opens a WebSocket, see [`course`] and [`receiver`].

mod backoff;
mod course;
mod http;
mod ice;
mod owner;
mod receiver;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use crate::error::EngineError;
use http::Api;
pub(crate) use ice::IceSource;
use owner::OwnerLine;
pub(crate) use owner::Standing;
use receiver::ReceiverLine;
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::link::ServerUrl;
use sluice_protocol::queue::Progress;
use sluice_protocol::signal::{ClientMessage, CreateShare, JoinShare, Place, ServerMessage};
use sluice_protocol::summary::{Summary, SummaryKey};
use std::sync::Once;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the signaling client tells its driver.
#[derive(Debug)]
pub(crate) enum SignalingEvent {
    /// To a sender: the server accepted it and its socket is open.
    Up,
    /// To a receiver: its place in line, when it is another than the one told before or trouble was told since.
    Place(Place),
    /// To a receiver: what the share holds, as far as its sender knows.
    Summary(Summary),
    /// The server said something on the socket.
    Message(ServerMessage),
    /// To a receiver: its socket is gone because the server restarts. No trouble yet.
    Restarts,
    /// The server can't be reached or would not answer; it is tried again.
    Down(EngineError),
    /// The server will not have this peer; nothing more comes.
    Refused(EngineError),
}

/// An open line to the server. Dropping it closes it.
pub(crate) struct Signaling {
    outgoing: mpsc::Sender<ClientMessage>,
    incoming: mpsc::Receiver<SignalingEvent>,
    progress: watch::Sender<Option<Progress>>,
    ice: IceSource,
    leaving: CancellationToken,
    _stop: DropGuard,
}

// What a receiver was last told.
#[derive(Debug)]
struct Notes {
    place: Option<String>,
    summary: Option<Summary>,
    summary_at: Instant,
}

impl Signaling {
    /// Opens a share, and opens it again after every loss, as `standing` has it then; the outcome comes as events.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] if this machine can't do HTTPS at all.
    pub(crate) fn own(
        server: ServerUrl,
        create: CreateShare,
        standing: watch::Receiver<Standing>,
    ) -> Result<Self, EngineError> {
        let api = Api::new(server, create.owner_key.share_id())?;
        let (signaling, ends) = Signaling::new(&api);
        let Ends { to_send, events, token, stop, .. } = ends;
        let line = OwnerLine { api, create, standing, token, to_send, events };
        tokio::spawn(stop.run_until_cancelled_owned(line.run()));
        Ok(signaling)
    }

    /// Takes a place in a share's line, and takes it again after every loss; the outcome comes as events.
    ///
    /// # Errors
    /// [`Code::ServerFailed`] if this machine can't do HTTPS at all.
    pub(crate) fn join(
        server: ServerUrl,
        share: ShareId,
        join: JoinShare,
        key: SummaryKey,
    ) -> Result<Self, EngineError> {
        let api = Api::new(server, share)?;
        let (signaling, ends) = Signaling::new(&api);
        let Ends { to_send, events, token, progress, leaving, stop } = ends;
        let notes = Notes { place: None, summary: None, summary_at: Instant::now() };
        let line = ReceiverLine { api, join, key, token, to_send, progress, events, leaving, notes };
        tokio::spawn(stop.run_until_cancelled_owned(line.run()));
        Ok(signaling)
    }

    fn new(api: &Api) -> (Self, Ends) {
        let (outgoing, to_send) = mpsc::channel(256);
        let (events, incoming) = mpsc::channel(256);
        let (token, shown) = watch::channel(None);
        let (progress, far) = watch::channel(None);
        let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
        let ice = IceSource::new(api.clone(), shown);
        let ends =
            Ends { to_send, events, token, progress: far, leaving: leaving.clone(), stop: stop.clone() };
        (Signaling { outgoing, incoming, progress, ice, leaving, _stop: stop.drop_guard() }, ends)
    }

    /// A handle for sending from elsewhere; messages wait while the socket is not open.
    pub(crate) fn sender(&self) -> mpsc::Sender<ClientMessage> {
        self.outgoing.clone()
    }

    /// The next event; `None` behind [`SignalingEvent::Refused`], and when the share is over for its sender.
    pub(crate) async fn next(&mut self) -> Option<SignalingEvent> {
        self.incoming.recv().await
    }

    /// Where connections of this share learn which servers help them.
    pub(crate) fn ice(&self) -> IceSource {
        self.ice.clone()
    }

    /// A receiver tells how far it is; the server hears the newest when it has a socket.
    pub(crate) fn tell_progress(&self, progress: Progress) {
        self.progress.send_if_modified(|told| told.replace(progress) != Some(progress));
    }

    /// A receiver gives up its slot or place, within a second.
    pub(crate) async fn leave(mut self) {
        self.leaving.cancel();
        while self.incoming.recv().await.is_some() {}
    }
}

// The line's ends of everything that a [`Signaling`] holds.
struct Ends {
    to_send: mpsc::Receiver<ClientMessage>,
    events: mpsc::Sender<SignalingEvent>,
    token: watch::Sender<Option<String>>,
    progress: watch::Receiver<Option<Progress>>,
    leaving: CancellationToken,
    stop: CancellationToken,
}

// reqwest and tungstenite both take the process' default provider.
pub(crate) fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An application around us may have installed one of its own; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

// What trying again can't change, for a sender.
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
