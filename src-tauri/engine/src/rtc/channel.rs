//! The one data channel of a connection, as a sink and a source of whole messages.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use super::RtcError;
use super::flight::Window;

/// Bytes of received messages held for the reader; the peer is held back by its credit long
/// before, and by the transport when this is full.
pub const RECEIVE_QUEUE: usize = 4 << 20;

/// Bytes in a message that the transport carries best: shorter ones cost two to three times the
/// CPU time, because short runs of packets are not sent as one batch.
pub const MESSAGE_SIZE: usize = 64 * 1024;

/// How long to wait for the transport's word before looking for oneself. Never due on the normal
/// path: it covers a word held up behind messages that nobody reads.
const BACKSTOP: Duration = Duration::from_millis(50);

/// Without any acknowledgement for so long, the path is taken for overfull. Below the transport's
/// own shortest retransmission time-out, 1 s (RFC 9260, section 16).
const STALL: Duration = Duration::from_millis(500);

/// How far a channel has come, in bytes of messages. A sender whose `acknowledged` stands still
/// while `outstanding` is not 0 has lost its peer or its path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes handed over to be sent.
    pub sent: u64,
    /// Bytes of those that the peer's transport has not acknowledged.
    pub outstanding: usize,
    /// Bytes of those that the peer's transport has acknowledged.
    pub acknowledged: u64,
    /// Bytes received from the peer.
    pub received: u64,
}

/// Where whole messages are sent. Ordered and reliable while the connection lives.
pub trait MessageSink: Send {
    /// Waits until a message of `length` bytes has room in flight. May be dropped and asked again.
    ///
    /// # Errors
    /// [`RtcError::Closed`] when the channel is gone.
    fn ready(&mut self, length: usize) -> impl Future<Output = Result<(), RtcError>> + Send;

    /// Sends one message, waiting first until there is room in flight. If the future is dropped
    /// while it waits, nothing is sent.
    ///
    /// # Errors
    /// [`RtcError::TooLarge`] above [`max_message_size`](Self::max_message_size);
    /// [`RtcError::Closed`] when the channel is gone.
    fn send(&mut self, message: Bytes) -> impl Future<Output = Result<(), RtcError>> + Send;

    /// Bytes in the longest message that the peer accepts.
    fn max_message_size(&self) -> usize;

    /// Waits until the peer's transport has acknowledged everything sent so far.
    ///
    /// # Errors
    /// [`RtcError::Closed`] when the channel is gone before that.
    fn flushed(&mut self) -> impl Future<Output = Result<(), RtcError>> + Send;

    /// How far the channel has come.
    fn progress(&self) -> impl Future<Output = Progress> + Send;
}

/// Where whole messages come from.
pub trait MessageSource: Send {
    /// The next message, in the order sent; `None` once the channel is gone and all was read.
    fn recv(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// What the transport has said last.
#[derive(Debug, Clone, Copy, Default)]
struct Signal {
    /// How often the outstanding bytes fell to the threshold.
    lows: u64,
    closed: bool,
}

/// What a channel's sender, receiver, pump and connection share.
pub(super) struct ChannelState {
    channel: Arc<dyn DataChannel>,
    signal: watch::Sender<Signal>,
    threshold: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
}

impl ChannelState {
    pub(super) fn new(channel: Arc<dyn DataChannel>) -> Arc<Self> {
        Arc::new(Self {
            channel,
            signal: watch::Sender::new(Signal::default()),
            threshold: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    pub(super) async fn progress(&self) -> Progress {
        let sent = self.sent.load(Ordering::Relaxed);
        let outstanding = self.outstanding().await.unwrap_or(0);
        Progress {
            sent,
            outstanding,
            acknowledged: sent.saturating_sub(outstanding as u64),
            received: self.received.load(Ordering::Relaxed),
        }
    }

    async fn outstanding(&self) -> Result<usize, RtcError> {
        let outstanding = self.channel.outstanding_bytes().await;
        outstanding.map_err(|_| RtcError::Closed)
    }

    /// Has the transport speak up when the outstanding bytes fall to `target`.
    /// Returns whether it was told something new, after which the caller has to look again.
    async fn announce_at(&self, target: usize) -> Result<bool, RtcError> {
        let target = u32::try_from(target).unwrap_or(u32::MAX);
        if self.threshold.load(Ordering::Relaxed) == target {
            return Ok(false);
        }
        let told = self.channel.set_buffered_amount_low_threshold(target).await;
        told.map_err(|_| RtcError::Closed)?;
        // Not before: a caller that stopped waiting above would have left the transport untold.
        self.threshold.store(target, Ordering::Relaxed);
        Ok(true)
    }

    /// Waits until no byte is outstanding.
    pub(super) async fn drained(&self) -> Result<(), RtcError> {
        let mut signal = self.signal.subscribe();
        loop {
            if signal.borrow_and_update().closed {
                return Err(RtcError::Closed);
            }
            if self.outstanding().await? == 0 {
                return Ok(());
            }
            if !self.announce_at(0).await? {
                // Late or not, what counts is looked up again.
                let _ = timeout(BACKSTOP, signal.changed()).await;
            }
        }
    }
}

/// The sending half of a connection's channel.
pub struct ChannelSender {
    state: Arc<ChannelState>,
    signal: watch::Receiver<Signal>,
    window: Window,
    max_message_size: usize,
    /// The message that the transport was still taking when its sending was done for the caller.
    posting: Option<JoinHandle<Result<(), RtcError>>>,
}

impl ChannelSender {
    pub(super) fn new(state: Arc<ChannelState>, window: Window, max_message_size: usize) -> Self {
        let signal = state.signal.subscribe();
        Self { state, signal, window, max_message_size, posting: None }
    }

    /// Waits until the transport has taken every message handed over before.
    async fn posted(&mut self) -> Result<(), RtcError> {
        let Some(posting) = &mut self.posting else {
            return Ok(());
        };
        let posted = posting.await;
        self.posting = None;
        posted.unwrap_or(Err(RtcError::Closed))
    }

    /// Hands a message to the transport without waiting. The crate's own future may wait once more
    /// after it has taken the message: dropped there, the caller would send it a second time.
    async fn post(&mut self, message: BytesMut) -> Result<(), RtcError> {
        let state = Arc::clone(&self.state);
        let mut posting =
            Box::pin(async move { state.channel.send(message).await.map_err(|_| RtcError::Closed) });
        match poll_fn(|context| Poll::Ready(posting.as_mut().poll(context))).await {
            Poll::Ready(posted) => posted,
            Poll::Pending => {
                self.posting = Some(tokio::spawn(posting));
                Ok(())
            }
        }
    }

    /// Waits until `length` more bytes fit into the window.
    async fn room(&mut self, length: usize) -> Result<(), RtcError> {
        let mut held_back = false;
        let mut progress = (Instant::now(), usize::MAX);
        loop {
            if self.signal.borrow_and_update().closed {
                return Err(RtcError::Closed);
            }
            let outstanding = self.state.outstanding().await?;
            let sent = self.state.sent.load(Ordering::Relaxed);
            self.window.acknowledge(sent.saturating_sub(outstanding as u64), held_back);
            // One threshold for all lengths up to the usual one, so that it is seldom moved.
            let target = self.window.limit().saturating_sub(length.max(MESSAGE_SIZE + 64));
            if outstanding <= target {
                return Ok(());
            }
            held_back = true;
            if outstanding < progress.1 {
                progress = (Instant::now(), outstanding);
            } else if progress.0.elapsed() >= STALL {
                self.window.stalled();
            }
            if !self.state.announce_at(target).await? {
                // Late or not, what counts is looked up again.
                let _ = timeout(BACKSTOP, self.signal.changed()).await;
            }
        }
    }
}

impl MessageSink for ChannelSender {
    async fn ready(&mut self, length: usize) -> Result<(), RtcError> {
        self.posted().await?;
        self.room(length).await
    }

    async fn send(&mut self, message: Bytes) -> Result<(), RtcError> {
        let length = message.len();
        if length > self.max_message_size {
            return Err(RtcError::TooLarge { length, limit: self.max_message_size });
        }
        self.ready(length).await?;
        // Copies only if somebody else holds the same bytes.
        let message = message.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        // Counted first, so that what is acknowledged never seems to go back.
        self.state.sent.fetch_add(length as u64, Ordering::Relaxed);
        self.post(message).await
    }

    fn max_message_size(&self) -> usize {
        self.max_message_size
    }

    async fn flushed(&mut self) -> Result<(), RtcError> {
        self.posted().await?;
        self.state.drained().await
    }

    async fn progress(&self) -> Progress {
        self.state.progress().await
    }
}

/// The receiving half of a connection's channel.
pub struct ChannelReceiver {
    messages: mpsc::UnboundedReceiver<(Bytes, OwnedSemaphorePermit)>,
}

impl MessageSource for ChannelReceiver {
    async fn recv(&mut self) -> Option<Bytes> {
        // Giving the permit back makes room for as many bytes.
        self.messages.recv().await.map(|(message, _room)| message)
    }
}

/// Where a channel's events come from, one after the other; `None` when it is gone.
pub(super) trait Events: Send {
    fn next(&mut self) -> impl Future<Output = Option<DataChannelEvent>> + Send;
}

impl Events for Arc<ChannelState> {
    async fn next(&mut self) -> Option<DataChannelEvent> {
        self.channel.poll().await
    }
}

/// What the pump hands on: the queue is bounded by the permits that travel with the messages.
pub(super) struct Pump<E = Arc<ChannelState>> {
    state: Arc<ChannelState>,
    events: E,
    messages: mpsc::UnboundedSender<(Bytes, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    // The message that told that the channel is open.
    early: Option<DataChannelEvent>,
}

impl Pump {
    /// A pump for a channel, and the receiver at its other end.
    pub(super) fn new(state: Arc<ChannelState>) -> (Self, ChannelReceiver) {
        Self::with_events(Arc::clone(&state), state)
    }
}

impl<E: Events> Pump<E> {
    fn with_events(state: Arc<ChannelState>, events: E) -> (Self, ChannelReceiver) {
        let (messages, receiver) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(RECEIVE_QUEUE));
        let pump = Self { state, events, messages, room, early: None };
        (pump, ChannelReceiver { messages: receiver })
    }

    /// Waits until the channel is open; `false` if it closed instead.
    pub(super) async fn opened(&mut self) -> bool {
        loop {
            match self.events.next().await {
                Some(DataChannelEvent::OnOpen) => return true,
                Some(DataChannelEvent::OnClose) | None => return false,
                // Through a relay the crate hands on a first message before the word that the channel is open.
                Some(message @ DataChannelEvent::OnMessage(_)) => {
                    self.early = Some(message);
                    return true;
                }
                Some(_) => {}
            }
        }
    }

    /// Hands messages on until the channel is gone.
    pub(super) async fn run(mut self) {
        loop {
            let event = match self.early.take() {
                Some(early) => Some(early),
                None => self.events.next().await,
            };
            let Some(event) = event else { return };
            match event {
                DataChannelEvent::OnMessage(message) => {
                    let data = message.data.freeze();
                    self.state.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                    // An empty message still takes a place; none is longer than the queue.
                    let room = u32::try_from(data.len().clamp(1, RECEIVE_QUEUE)).unwrap_or(1);
                    let room = Arc::clone(&self.room).acquire_many_owned(room);
                    let room = tokio::select! {
                        room = room => room,
                        // Nobody reads any more: the sending half may still need the events.
                        () = self.messages.closed() => continue,
                    };
                    if let Ok(room) = room {
                        let _ = self.messages.send((data, room));
                    }
                }
                DataChannelEvent::OnBufferedAmountLow => {
                    self.state.signal.send_modify(|signal| signal.lows += 1);
                }
                DataChannelEvent::OnClose => break,
                _ => {}
            }
        }
    }
}

impl<E> Drop for Pump<E> {
    fn drop(&mut self) {
        self.state.signal.send_modify(|signal| signal.closed = true);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::VecDeque;
    use webrtc::data_channel::RTCDataChannelMessage;
    use webrtc::peer_connection::{PeerConnection as _, PeerConnectionBuilder, PeerConnectionEventHandler};

    struct Deaf;

    impl PeerConnectionEventHandler for Deaf {}

    // Told in this order, and then the channel is gone.
    struct Told(VecDeque<DataChannelEvent>);

    impl Events for Told {
        async fn next(&mut self) -> Option<DataChannelEvent> {
            self.0.pop_front()
        }
    }

    // What the reader of a channel that tells `events` is given; `None` if it never opens.
    async fn given(events: Vec<DataChannelEvent>) -> Option<Vec<Bytes>> {
        let peer =
            PeerConnectionBuilder::new().with_handler(Arc::new(Deaf)).with_udp_addrs(vec!["127.0.0.1:0"]);
        let peer = Box::pin(peer.build()).await.unwrap();
        let state = ChannelState::new(peer.create_data_channel("x", None).await.unwrap());
        let (mut pump, mut receiver) = Pump::with_events(state, Told(events.into()));
        if !pump.opened().await {
            return None;
        }
        pump.run().await;
        let mut messages = Vec::new();
        while let Some(message) = receiver.recv().await {
            messages.push(message);
        }
        Some(messages)
    }

    fn message(text: &str) -> DataChannelEvent {
        DataChannelEvent::OnMessage(RTCDataChannelMessage { is_string: false, data: text.into() })
    }

    #[tokio::test]
    async fn a_message_before_the_word_that_the_channel_is_open_comes_first() {
        let late = vec![message("hello"), DataChannelEvent::OnOpen, message("again")];
        assert_eq!(given(late).await.unwrap(), ["hello", "again"]);
        let early = vec![DataChannelEvent::OnOpen, message("hello"), DataChannelEvent::OnClose, message("x")];
        assert_eq!(given(early).await.unwrap(), ["hello"]);
        assert_eq!(given(vec![DataChannelEvent::OnClose, DataChannelEvent::OnOpen]).await, None);
    }
}
