//! One peer connection: offer and answer, candidates, states, the path taken, and its end.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::rtc::ice::mdns::MulticastDnsMode;
use ::rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceCandidateInit, RTCIceCandidateType, RTCIceConnectionState, RTCIceGatheringState, RTCIceServer,
    RTCIceTransportPolicy, RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription,
    SettingEngineBuilder,
};

use super::candidate::{Candidate, MAX_CANDIDATE};
use super::channel::{ChannelReceiver, ChannelSender, ChannelState, Progress, Pump};
use super::flight::Window;
use super::relay::RelayWatch;
use super::sdp::{Description, MAX_MESSAGE_SIZE};
use super::socket::{Hurry, SocketBuffers, TunedRuntime};
use super::{IceServer, MESSAGE_SIZE, RtcConfig, RtcError};

/// The label of the one channel.
const LABEL: &str = "sluice";

/// Relays of a peer that are remembered.
const MAX_RELAYED: usize = 16;

/// How long a graceful close waits for what is outstanding.
const CLOSE: Duration = Duration::from_secs(2);

/// Most bytes of receive window (SCTP a_rwnd): with more in flight, a selective acknowledgement
/// of scattered losses can outgrow a packet, and is then never sent.
const RECEIVE_WINDOW: usize = 800 * 1024;

/// SHA-256 of the certificates of both ends, to be bound into the caller's own handshake. That
/// the peer shows the remote one is checked here, before the channel opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprints {
    /// Ours, as in our own session description.
    pub local: [u8; 32],
    /// The peer's, as in the session description handed in; `None` before that.
    pub remote: Option<[u8; 32]>,
}

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Within one machine or one private network.
    Local,
    /// From end to end over the Internet.
    Direct,
    /// Through a TURN server.
    Relayed,
}

/// What happens to a connection.
pub enum ConnectionEvent {
    /// A candidate of ours to pass on to the peer.
    LocalCandidate(Candidate),
    /// All candidates of ours have been told.
    Gathered,
    /// The channel is open, and the peer's certificate is the one announced.
    Open(ChannelSender, ChannelReceiver),
    /// Nothing has come from the peer for about five seconds; it may come back.
    Interrupted,
    /// The peer is back.
    Resumed,
    /// The connection is gone for good. The last event.
    Lost(RtcError),
}

impl fmt::Debug for ConnectionEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalCandidate(candidate) => write!(formatter, "LocalCandidate({candidate:?})"),
            Self::Gathered => formatter.write_str("Gathered"),
            Self::Open(..) => formatter.write_str("Open"),
            Self::Interrupted => formatter.write_str("Interrupted"),
            Self::Resumed => formatter.write_str("Resumed"),
            Self::Lost(error) => write!(formatter, "Lost({error})"),
        }
    }
}

/// The events of one connection, in order.
pub struct ConnectionEvents {
    events: mpsc::UnboundedReceiver<ConnectionEvent>,
    over: bool,
}

impl ConnectionEvents {
    /// The next event; `None` after [`ConnectionEvent::Lost`] or once the connection is dropped.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        if self.over {
            return None;
        }
        let event = self.events.recv().await;
        self.over = matches!(event, Some(ConnectionEvent::Lost(_)) | None);
        event
    }
}

/// The crate's callbacks, which run on its driver: they only pass on, and never wait.
struct Handler {
    events: mpsc::UnboundedSender<ConnectionEvent>,
    channels: mpsc::UnboundedSender<Arc<dyn DataChannel>>,
    ours: Arc<OnceLock<Description>>,
    interrupted: AtomicBool,
    hurry: Hurry,
    // The candidates told so far, and whether only those of relays count.
    candidates: AtomicUsize,
    relay_only: bool,
    relays: Arc<RelayWatch>,
}

impl Handler {
    fn failed(&self) -> RtcError {
        if self.relays.is_refused() { RtcError::RelayRefused } else { RtcError::Failed }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let Ok(candidate) = event.candidate.to_json() else {
            return;
        };
        self.candidates.fetch_add(1, Relaxed);
        let mut candidate = Candidate {
            candidate: candidate.candidate,
            // The crate leaves the media id empty; browsers look the section up by it.
            sdp_mid: self.ours.get().and_then(|ours| ours.mid.clone()),
            sdp_mline_index: Some(0),
        };
        if self.relay_only {
            candidate.hide_related();
        }
        let _ = self.events.send(ConnectionEvent::LocalCandidate(candidate));
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.events.send(ConnectionEvent::Gathered);
            // Nothing that could still come would make a path.
            if self.relay_only && self.candidates.load(Relaxed) == 0 && self.relays.is_refused() {
                let _ = self.events.send(ConnectionEvent::Lost(RtcError::RelayRefused));
            }
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Connected {
            self.hurry.begin();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let event = match state {
            RTCPeerConnectionState::Connected if self.interrupted.swap(false, Relaxed) => {
                ConnectionEvent::Resumed
            }
            RTCPeerConnectionState::Disconnected if !self.interrupted.swap(true, Relaxed) => {
                ConnectionEvent::Interrupted
            }
            RTCPeerConnectionState::Failed => ConnectionEvent::Lost(self.failed()),
            RTCPeerConnectionState::Closed => ConnectionEvent::Lost(RtcError::Closed),
            _ => return,
        };
        let _ = self.events.send(event);
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.channels.send(channel);
    }
}

/// Where the peer's relays are, as it says.
type Relayed = Mutex<Vec<(String, u16)>>;

/// One peer connection with one ordered, reliable data channel. Dropping it closes it at once;
/// [`close`](Self::close) lets what was sent arrive first.
pub struct Connection {
    peer: Arc<dyn PeerConnection>,
    ours: Arc<OnceLock<Description>>,
    theirs: Arc<OnceLock<Description>>,
    state: Arc<OnceLock<Arc<ChannelState>>>,
    relays: Arc<RelayWatch>,
    relayed: Arc<Relayed>,
    pump: AbortHandle,
    runtime: Handle,
}

impl Connection {
    /// The side that creates the channel: the sender of files. Returns our offer (RFC 8829),
    /// whose candidates follow as events.
    ///
    /// # Errors
    /// [`RtcError::Setup`] where no socket can be bound.
    pub async fn offer(config: &RtcConfig) -> Result<(Self, ConnectionEvents, String), RtcError> {
        let (connection, events, channels) = Self::build(config, true).await?;
        let channel = connection.peer.create_data_channel(LABEL, None).await.map_err(setup)?;
        let _ = channels.send(channel);
        let offer = connection.peer.create_offer(None).await.map_err(setup)?;
        let sdp = connection.describe(offer).await?;
        Ok((connection, events, sdp))
    }

    /// The side that accepts the channel: a receiver of files. Returns our answer.
    ///
    /// # Errors
    /// [`RtcError::Description`] or [`RtcError::Fingerprint`] for an offer that can't be used;
    /// [`RtcError::Setup`] where no socket can be bound.
    pub async fn answer(
        config: &RtcConfig,
        offer_sdp: &str,
    ) -> Result<(Self, ConnectionEvents, String), RtcError> {
        let theirs = Description::parse(offer_sdp)?;
        let (connection, events, _) = Self::build(config, false).await?;
        let offer = RTCSessionDescription::offer(offer_sdp.to_owned()).map_err(description)?;
        // Set before the crate hears of it, and thus before the channel can open.
        let _ = connection.theirs.set(theirs);
        let set = connection.peer.set_remote_description(offer).await;
        set.map_err(description)?;
        let answer = connection.peer.create_answer(None).await;
        let sdp = connection.describe(answer.map_err(description)?).await?;
        Ok((connection, events, sdp))
    }

    /// Hands the peer's answer to the side that made the offer.
    ///
    /// # Errors
    /// [`RtcError::Description`] or [`RtcError::Fingerprint`] for an answer that can't be used,
    /// among them a second one.
    pub async fn accept(&self, answer_sdp: &str) -> Result<(), RtcError> {
        let theirs = Description::parse(answer_sdp)?;
        let answer = RTCSessionDescription::answer(answer_sdp.to_owned()).map_err(description)?;
        if self.theirs.set(theirs).is_err() {
            return Err(RtcError::Description("a second answer".to_owned()));
        }
        let set = self.peer.set_remote_description(answer).await;
        set.map_err(description)
    }

    /// Adds a candidate of the peer's. An empty one ("no more") is allowed and ignored.
    ///
    /// # Errors
    /// [`RtcError::Candidate`] if it is malformed, or there is no remote description yet.
    pub async fn add_candidate(&self, candidate: Candidate) -> Result<(), RtcError> {
        if candidate.candidate.is_empty() {
            return Ok(());
        }
        if candidate.candidate.len() > MAX_CANDIDATE {
            return Err(RtcError::Candidate("too long".to_owned()));
        }
        if let Some(address) = candidate.relay_address() {
            let mut relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
            if relayed.len() < MAX_RELAYED {
                relayed.push(address);
            }
        }
        let candidate = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_mline_index,
            ..RTCIceCandidateInit::default()
        };
        let added = self.peer.add_ice_candidate(candidate).await;
        added.map_err(|error| RtcError::Candidate(error.to_string()))
    }

    /// The certificate fingerprints of both ends.
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints {
            local: self.ours.get().map_or([0; 32], |ours| ours.fingerprint),
            remote: self.theirs.get().map(|theirs| theirs.fingerprint),
        }
    }

    /// How the bytes travel; `None` before a path was chosen.
    pub async fn path(&self) -> Option<Path> {
        path(&*self.peer, &self.relayed).await
    }

    /// How far the channel has come; all 0 before it is open.
    pub async fn progress(&self) -> Progress {
        match self.state.get() {
            Some(state) => state.progress().await,
            None => Progress::default(),
        }
    }

    /// Whether a relay server refused the credentials: without a path that may be why.
    pub fn is_relay_refused(&self) -> bool {
        self.relays.is_refused()
    }

    /// Closes gracefully: waits up to two seconds until all that was sent is acknowledged.
    pub async fn close(self) {
        if let Some(state) = self.state.get() {
            let _ = timeout(CLOSE, state.drained()).await;
        }
        if let Err(error) = self.peer.close().await {
            tracing::debug!(%error, "closing a connection");
        }
    }

    /// Sets our description and keeps what is needed of it.
    async fn describe(&self, description: RTCSessionDescription) -> Result<String, RtcError> {
        let sdp = description.sdp.clone();
        let ours = Description::parse(&sdp)?;
        // Before the crate starts gathering: candidates carry the media id.
        let _ = self.ours.set(ours);
        let set = self.peer.set_local_description(description).await;
        set.map_err(setup)?;
        Ok(sdp)
    }

    async fn build(
        config: &RtcConfig,
        offers: bool,
    ) -> Result<(Self, ConnectionEvents, mpsc::UnboundedSender<Arc<dyn DataChannel>>), RtcError> {
        let (events_in, events) = mpsc::unbounded_channel();
        let (channels_in, channels) = mpsc::unbounded_channel();
        // The side that offers creates the channel; one that the peer opens goes nowhere.
        let (nowhere, _) = mpsc::unbounded_channel();
        let ours = Arc::new(OnceLock::new());
        let relays = Arc::new(RelayWatch::default());
        let handler = Arc::new(Handler {
            events: events_in.clone(),
            channels: if offers { nowhere } else { channels_in.clone() },
            ours: Arc::clone(&ours),
            interrupted: false.into(),
            hurry: Hurry::default(),
            candidates: 0.into(),
            relay_only: config.relay_only,
            relays: Arc::clone(&relays),
        });
        let peer = match build_peer(config, &handler, MulticastDnsMode::QueryOnly).await {
            Ok(peer) => peer,
            // Where there is no multicast route, names under .local can't be looked up.
            Err(error) => {
                tracing::debug!(%error, "trying again without multicast DNS");
                build_peer(config, &handler, MulticastDnsMode::Disabled).await?
            }
        };
        let theirs = Arc::new(OnceLock::new());
        let state = Arc::new(OnceLock::new());
        let relayed = Arc::new(Relayed::default());
        let opening = Opening {
            peer: Arc::clone(&peer),
            relayed: Arc::clone(&relayed),
            hurry: handler.hurry.clone(),
            theirs: Arc::clone(&theirs),
            state: Arc::clone(&state),
            window: Window::new(
                config.budget.join(),
                config.in_flight.min(SocketBuffers::granted().send / 2),
            ),
        };
        let pump = tokio::spawn(async move {
            let end = opening.run(channels, &events_in).await;
            let _ = events_in.send(ConnectionEvent::Lost(end));
        });
        let (pump, runtime) = (pump.abort_handle(), Handle::current());
        let connection = Self { peer, ours, theirs, state, relays, relayed, pump, runtime };
        let events = ConnectionEvents { events, over: false };
        Ok((connection, events, channels_in))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.pump.abort();
        // The crate's driver stops only when told to; told twice, it does nothing.
        let peer = Arc::clone(&self.peer);
        self.runtime.spawn(async move {
            let _ = peer.close().await;
        });
    }
}

/// What opens the channel and then serves it, in a task of its own.
struct Opening {
    peer: Arc<dyn PeerConnection>,
    hurry: Hurry,
    theirs: Arc<OnceLock<Description>>,
    state: Arc<OnceLock<Arc<ChannelState>>>,
    window: Window,
    relayed: Arc<Relayed>,
}

impl Opening {
    /// Runs until the channel is gone, and says why.
    async fn run(
        self,
        mut channels: mpsc::UnboundedReceiver<Arc<dyn DataChannel>>,
        events: &mpsc::UnboundedSender<ConnectionEvent>,
    ) -> RtcError {
        let Some(channel) = channels.recv().await else {
            return RtcError::Closed;
        };
        if !is_agreed(&*channel).await {
            return RtcError::Channel;
        }
        let state = ChannelState::new(channel);
        let (mut pump, receiver) = Pump::new(Arc::clone(&state));
        if !pump.opened().await {
            return RtcError::Closed;
        }
        self.hurry.end();
        let Some(theirs) = self.theirs.get() else {
            return RtcError::Fingerprint;
        };
        // The crate has checked this already, against what it read in the description. Checked
        // again against what was read here, because that is what callers bind to.
        if certificate(&*self.peer).await != Some(theirs.fingerprint) {
            return RtcError::Fingerprint;
        }
        let mut window = self.window;
        if path(&*self.peer, &self.relayed).await == Some(Path::Relayed) {
            window.relayed();
        }
        let sender = ChannelSender::new(Arc::clone(&state), window, theirs.max_message_size);
        let _ = self.state.set(state);
        drop(self.peer);
        let _ = events.send(ConnectionEvent::Open(sender, receiver));
        pump.run().await;
        RtcError::Closed
    }
}

/// Whether a channel is the one agreed on: by its label, ordered, and reliable.
async fn is_agreed(channel: &dyn DataChannel) -> bool {
    matches!(channel.label().await.as_deref(), Ok(LABEL))
        && matches!(channel.ordered().await, Ok(true))
        && matches!(channel.max_retransmits().await, Ok(None))
        && matches!(channel.max_packet_life_time().await, Ok(None))
}

async fn path(peer: &dyn PeerConnection, relayed: &Relayed) -> Option<Path> {
    let sctp = peer.sctp().await?;
    let ice = sctp.transport().ice_transport();
    let pair = ice.get_selected_candidate_pair().await.ok().flatten()?;
    let (local, remote) = (pair.local(), pair.remote());
    if local.typ == RTCIceCandidateType::Relay || remote.typ == RTCIceCandidateType::Relay {
        return Some(Path::Relayed);
    }
    // Checks from the peer's relay may come before its candidate, and then seem to be the peer's own.
    let from = (remote.address.clone(), remote.port);
    if relayed.lock().unwrap_or_else(PoisonError::into_inner).contains(&from) {
        return Some(Path::Relayed);
    }
    // One machine is local whatever its addresses are.
    if local.address == remote.address {
        return Some(Path::Local);
    }
    Some(match remote.address.parse() {
        Ok(address) if is_local(address) => Path::Local,
        _ => Path::Direct,
    })
}

/// SHA-256 of the certificate that the peer has shown.
async fn certificate(peer: &dyn PeerConnection) -> Option<[u8; 32]> {
    let dtls = peer.sctp().await?.transport();
    let certificates = dtls.get_remote_certificates().await.ok()?;
    Some(Sha256::digest(certificates.first()?).into())
}

/// Whether an address is on this machine or in this network.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

async fn build_peer(
    config: &RtcConfig,
    handler: &Arc<Handler>,
    mdns: MulticastDnsMode,
) -> Result<Arc<dyn PeerConnection>, RtcError> {
    // Half of what is granted holds payload, the other half the kernel's bookkeeping of it.
    let window = (SocketBuffers::granted().receive / 2).clamp(2 * MESSAGE_SIZE, RECEIVE_WINDOW);
    // A message longer than the window could never be put together.
    let longest = if window >= 2 * MAX_MESSAGE_SIZE { MAX_MESSAGE_SIZE } else { MESSAGE_SIZE };
    let settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(mdns)
        // A peer whose first packet overtakes its candidate is as near as one that is announced in time.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        // A path through a relay waits for better ones, but not where there can be none.
        .with_relay_acceptance_min_wait(config.relay_only.then_some(Duration::ZERO))
        // The crate's 200 ms made two checks most of the time to connect; RFC 8445 §14.2 allows 5 ms. For 3 s a pair.
        .with_ice_connection_attempts(Some(Duration::from_millis(20)), Some(150))
        .with_sctp_max_receive_buffer_size(u32::try_from(window).map_err(setup)?)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(u32::try_from(longest).map_err(setup)?))
        .build();
    let relays = config.ice_servers.iter().any(IceServer::relays).then(|| Arc::clone(&handler.relays));
    let servers = config.ice_servers.iter().map(|server| RTCIceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.clone(),
    });
    let policy = if config.relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
    let configuration = RTCConfigurationBuilder::default()
        .with_ice_servers(servers.collect())
        .with_ice_transport_policy(policy)
        .build();
    let peer = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_setting_engine(settings)
        .with_runtime(Arc::new(TunedRuntime {
            enlarge: config.enlarge_buffers,
            hurry: handler.hurry.clone(),
            relays,
        }))
        .with_handler(Arc::clone(handler) as Arc<dyn PeerConnectionEventHandler>)
        .with_udp_addrs(config.bind.clone())
        .with_dedicated_reactor_pool_size(config.reactor_threads)
        .build();
    // Boxed: the crate's future is 20 KiB, which every caller's would otherwise hold.
    let peer = Box::pin(peer).await.map_err(setup)?;
    Ok(Arc::new(peer))
}

fn setup(error: impl fmt::Display) -> RtcError {
    RtcError::Setup(error.to_string())
}

fn description(error: impl fmt::Display) -> RtcError {
    RtcError::Description(error.to_string())
}
