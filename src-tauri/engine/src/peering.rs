//! From "please connect" to an open channel: offer, answer and candidates of one attempt, for either side.

use crate::error::EngineError;
use crate::rtc::{
    Candidate, ChannelReceiver, ChannelSender, Connection, ConnectionEvent, ConnectionEvents, IceServer,
    Path, RtcConfig, RtcError,
};
use crate::signaling::IceSource;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::signal::{ClientMessage, Signal};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

// ICE gives up by itself after some 30 s; whoever waits longer waits for nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const MARGIN: Duration = Duration::from_secs(1);

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// The sender of files, who makes the offer to this receiver.
    Offer {
        /// The receiver.
        peer: PeerId,
    },
    /// The receiver of files, who asks for an offer and answers it.
    Answer,
}

/// What happens to an open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing has come for about five seconds.
    Interrupted,
    /// The other side is back.
    Resumed,
    /// It is gone for good.
    Lost,
}

/// An open connection with its channel.
pub(crate) struct Peering {
    pub(crate) sink: ChannelSender,
    pub(crate) source: ChannelReceiver,
    pub(crate) attempt: Attempt,
}

/// The connection behind the channel, which late candidates still belong to.
pub(crate) struct Attempt {
    role: Role,
    number: u32,
    connection: Connection,
    events: ConnectionEvents,
    inbox: mpsc::Receiver<Signal>,
    server: mpsc::Sender<ClientMessage>,
    // Candidates may overtake the answer that they belong to.
    early: Option<Vec<Candidate>>,
}

impl Peering {
    /// Connects, with the servers that `ice` knows beside those of `rtc`. `inbox` brings what the other side says of
    /// this attempt, `server` takes what it is to be told.
    ///
    /// # Errors
    /// [`Code::NoConnection`], also when it takes longer than half a minute; [`Code::RelayRefused`] if that may be
    /// because a relay did not accept this side's credentials.
    pub(crate) async fn connect(
        rtc: &RtcConfig,
        ice: &IceSource,
        role: Role,
        number: u32,
        inbox: mpsc::Receiver<Signal>,
        server: mpsc::Sender<ClientMessage>,
    ) -> Result<Self, EngineError> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let connecting = async {
            let attempt = match role {
                Role::Offer { .. } => Attempt::offer(rtc, ice, role, number, inbox, server).await?,
                Role::Answer => Attempt::answer(rtc, ice, role, number, inbox, server).await?,
            };
            attempt.open(deadline).await
        };
        // The connection itself knows best why it was not made in time, if there is one.
        let connected = match timeout_at(deadline + MARGIN, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(too_late()),
        };
        if connected.as_ref().is_err_and(|error| error.code() == Code::RelayRefused) {
            // The next attempt asks for others.
            ice.forget().await;
        }
        connected
    }

    /// The certificate fingerprints of sender and receiver of the files, as this end sees them.
    ///
    /// # Errors
    /// [`Code::NoConnection`] if the other's is not known, which an open channel rules out.
    pub(crate) fn fingerprints(&self) -> Result<([u8; 32], [u8; 32]), EngineError> {
        let seen = self.attempt.connection.fingerprints();
        let remote = seen.remote.ok_or(Code::NoConnection)?;
        Ok(match self.attempt.role {
            Role::Offer { .. } => (seen.local, remote),
            Role::Answer => (remote, seen.local),
        })
    }

    /// Which way the bytes take.
    pub(crate) async fn path(&self) -> Option<Path> {
        self.attempt.connection.path().await
    }

    /// Closes, after what was sent has been acknowledged or a short while has passed.
    pub(crate) async fn close(self) {
        self.attempt.connection.close().await;
    }
}

impl Attempt {
    /// Waits until the connection changes; passes late candidates on meanwhile.
    pub(crate) async fn changed(&mut self) -> Change {
        loop {
            match self.next().await {
                Ok(Some(ConnectionEvent::Lost(_)) | None) | Err(_) => return Change::Lost,
                Ok(Some(ConnectionEvent::Interrupted)) => return Change::Interrupted,
                Ok(Some(ConnectionEvent::Resumed)) => return Change::Resumed,
                Ok(Some(_)) => {}
            }
        }
    }

    /// Waits until the connection is lost for good; passes late candidates on meanwhile.
    pub(crate) async fn lost(&mut self) {
        while self.changed().await != Change::Lost {}
    }

    async fn offer(
        rtc: &RtcConfig,
        ice: &IceSource,
        role: Role,
        number: u32,
        inbox: mpsc::Receiver<Signal>,
        server: mpsc::Sender<ClientMessage>,
    ) -> Result<Self, EngineError> {
        let rtc = with_servers(rtc, ice.servers().await);
        let (connection, events, sdp) = Connection::offer(&rtc).await?;
        let attempt = Attempt { role, number, connection, events, inbox, server, early: Some(Vec::new()) };
        attempt.say(Signal::Offer { attempt: number, sdp }).await?;
        Ok(attempt)
    }

    async fn answer(
        rtc: &RtcConfig,
        ice: &IceSource,
        role: Role,
        number: u32,
        mut inbox: mpsc::Receiver<Signal>,
        server: mpsc::Sender<ClientMessage>,
    ) -> Result<Self, EngineError> {
        let request = ClientMessage::Relay { peer: None, signal: Signal::Request { attempt: number } };
        server.send(request).await.map_err(|_| Code::ServerUnreachable)?;
        let offered = async {
            loop {
                match inbox.recv().await.ok_or(Code::ServerUnreachable)? {
                    Signal::Offer { attempt, sdp } if attempt == number => return Ok::<_, EngineError>(sdp),
                    // Of an earlier attempt.
                    _ => {}
                }
            }
        };
        let (servers, offer) = tokio::join!(ice.servers(), offered);
        let (connection, events, sdp) = Connection::answer(&with_servers(rtc, servers), &offer?).await?;
        let attempt = Attempt { role, number, connection, events, inbox, server, early: None };
        attempt.say(Signal::Answer { attempt: number, sdp }).await?;
        Ok(attempt)
    }

    async fn open(mut self, deadline: Instant) -> Result<Peering, EngineError> {
        loop {
            let Ok(event) = timeout_at(deadline, self.next()).await else {
                let refused = self.connection.is_relay_refused();
                return Err(if refused { RtcError::RelayRefused.into() } else { too_late() });
            };
            match event? {
                Some(ConnectionEvent::Open(sink, source)) => {
                    return Ok(Peering { sink, source, attempt: self });
                }
                Some(ConnectionEvent::Lost(error)) => return Err(error.into()),
                Some(_) => {}
                None => return Err(Code::NoConnection.into()),
            }
        }
    }

    // Passes signals and candidates on until something happens that the caller must know.
    async fn next(&mut self) -> Result<Option<ConnectionEvent>, EngineError> {
        loop {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(ConnectionEvent::LocalCandidate(candidate)) => {
                        let signal = Signal::Candidate {
                            attempt: self.number,
                            candidate: candidate.candidate,
                            sdp_mid: candidate.sdp_mid,
                            sdp_mline_index: candidate.sdp_mline_index,
                        };
                        self.say(signal).await?;
                    }
                    event => return Ok(event),
                },
                Some(signal) = self.inbox.recv() => self.handle_signal(signal).await?,
            }
        }
    }

    async fn say(&self, signal: Signal) -> Result<(), EngineError> {
        let peer = match self.role {
            Role::Offer { peer } => Some(peer),
            Role::Answer => None,
        };
        let message = ClientMessage::Relay { peer, signal };
        self.server.send(message).await.map_err(|_| Code::ServerUnreachable.into())
    }

    async fn handle_signal(&mut self, signal: Signal) -> Result<(), EngineError> {
        match signal {
            Signal::Answer { attempt, sdp } if attempt == self.number => {
                // A second answer is ignored: the first one stands.
                if let Some(early) = self.early.take() {
                    self.connection.accept(&sdp).await?;
                    for candidate in early {
                        self.add(candidate).await;
                    }
                }
            }
            Signal::Candidate { attempt, candidate, sdp_mid, sdp_mline_index } if attempt == self.number => {
                let candidate = Candidate { candidate, sdp_mid, sdp_mline_index };
                match &mut self.early {
                    Some(early) if early.len() < 64 => early.push(candidate),
                    Some(_) => {}
                    None => self.add(candidate).await,
                }
            }
            _ => {}
        }
        Ok(())
    }

    // One candidate that can't be used does not spoil the others.
    async fn add(&self, candidate: Candidate) {
        if let Err(error) = self.connection.add_candidate(candidate).await {
            tracing::debug!(%error, "a candidate was not taken");
        }
    }
}

fn with_servers(rtc: &RtcConfig, servers: Vec<IceServer>) -> RtcConfig {
    let mut rtc = rtc.clone();
    rtc.ice_servers.extend(servers);
    rtc
}

fn too_late() -> EngineError {
    EngineError::detailed(Code::NoConnection, "it took too long")
}
