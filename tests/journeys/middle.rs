//! A hostile server: it stands between a share's peers and the real one, and reads and changes what they say.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sluice_engine::rtc::{
    Candidate, ChannelReceiver, ChannelSender, Connection, ConnectionEvent, ConnectionEvents, MessageSink,
    MessageSource, RtcConfig,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// What it does to signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Nothing.
    Honest,
    /// Puts another fingerprint into every offer.
    Swap,
    /// Connects to both peers itself, each time in the name of the other, and passes on what they say.
    Bridge,
}

/// A running one. Ends when dropped.
pub struct Middle {
    /// Where the peers find it.
    pub url: String,
    passed: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Middle {
    /// Stands before the server at `upstream`.
    pub fn start(upstream: &str, conduct: Conduct) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let passed = Arc::new(AtomicUsize::new(0));
        let (upstream, counter) = (upstream.to_owned(), passed.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, upstream.clone(), conduct, counter.clone()));
            }
        });
        Middle { url, passed, _runtime: runtime }
    }

    /// How many messages of data channels went through its hands.
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, upstream: String, conduct: Conduct, passed: Arc<AtomicUsize>) {
    let mut head = [0; 1024];
    let line = loop {
        let read = stream.peek(&mut head).await.unwrap_or(0);
        let text = String::from_utf8_lossy(&head[..read]);
        match text.split_once("\r\n") {
            Some((line, _)) => break line.to_owned(),
            None if read == 0 => return,
            None => tokio::task::yield_now().await,
        }
    };
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    if path.ends_with("/socket") {
        Wire { upstream, conduct, passed, bridges: HashMap::new() }.relay(stream, &path).await;
    } else if let Ok(mut server) = TcpStream::connect(&upstream).await {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
    }
}

/// One peer's WebSocket.
struct Wire {
    upstream: String,
    conduct: Conduct,
    passed: Arc<AtomicUsize>,
    /// What comes from either side for each receiver's bridge.
    bridges: HashMap<String, mpsc::UnboundedSender<Heard>>,
}

/// A signal that was kept back, and who said it.
enum Heard {
    Sender(Value),
    Receiver(Value),
}

type Outbox = mpsc::UnboundedSender<Value>;

impl Wire {
    async fn relay(mut self, stream: TcpStream, path: &str) {
        let Ok(mut peer) = tokio_tungstenite::accept_async(stream).await else { return };
        let address = format!("ws://{}{path}", self.upstream);
        let Ok((mut server, _)) = tokio_tungstenite::connect_async(address).await else { return };
        let (to_peer, mut for_peer) = mpsc::unbounded_channel::<Value>();
        let (to_server, mut for_server) = mpsc::unbounded_channel::<Value>();
        loop {
            let sent = tokio::select! {
                said = peer.next() => match said {
                    Some(Ok(Message::Text(text))) => {
                        let value = serde_json::from_str(&text).unwrap();
                        match self.hear_peer(value, &to_peer, &to_server) {
                            Some(value) => server.send(Message::text(value.to_string())).await,
                            None => Ok(()),
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => Ok(()),
                },
                said = server.next() => match said {
                    Some(Ok(Message::Text(text))) => {
                        let value = serde_json::from_str(&text).unwrap();
                        match self.hear_server(value) {
                            Some(value) => peer.send(Message::text(value.to_string())).await,
                            None => Ok(()),
                        }
                    }
                    Some(Ok(close @ Message::Close(_))) => {
                        let _ = peer.send(close).await;
                        return;
                    }
                    Some(Err(_)) | None => return,
                    Some(Ok(_)) => Ok(()),
                },
                Some(value) = for_peer.recv() => peer.send(Message::text(value.to_string())).await,
                Some(value) = for_server.recv() => server.send(Message::text(value.to_string())).await,
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// What of it goes on to the server.
    fn hear_peer(&mut self, mut message: Value, to_peer: &Outbox, to_server: &Outbox) -> Option<Value> {
        // Only a sender names a peer.
        let peer = message["peer"].as_str().map(str::to_owned);
        let (Some(peer), true) = (peer, message["type"] == "relay") else { return Some(message) };
        let signal = &mut message["signal"];
        match (self.conduct, signal["type"].as_str()) {
            (Conduct::Swap, Some("offer")) => {
                signal["sdp"] = swap(signal["sdp"].as_str().unwrap()).into();
                Some(message)
            }
            (Conduct::Bridge, Some("offer")) => {
                let (heard, hears) = mpsc::unbounded_channel();
                self.bridges.insert(peer.clone(), heard);
                let bridge = Bridge {
                    peer,
                    attempt: signal["attempt"].clone(),
                    to_sender: to_peer.clone(),
                    to_receiver: to_server.clone(),
                    passed: self.passed.clone(),
                };
                tokio::spawn(bridge.run(signal["sdp"].as_str().unwrap().to_owned(), hears));
                None
            }
            (Conduct::Bridge, Some("candidate")) => {
                let _ = self.bridges.get(&peer)?.send(Heard::Sender(signal.take()));
                None
            }
            _ => Some(message),
        }
    }

    /// What of it goes on to the peer.
    fn hear_server(&mut self, mut message: Value) -> Option<Value> {
        let bridge = message["peer"].as_str().and_then(|peer| self.bridges.get(peer));
        let (Some(bridge), true) = (bridge, message["type"] == "relay") else { return Some(message) };
        match message["signal"]["type"].as_str() {
            Some("answer" | "candidate") => {
                let _ = bridge.send(Heard::Receiver(message["signal"].take()));
                None
            }
            _ => Some(message),
        }
    }
}

/// The description with another certificate's fingerprint.
fn swap(sdp: &str) -> String {
    let at = sdp.find("a=fingerprint:sha-256 ").unwrap() + "a=fingerprint:sha-256 ".len();
    let mut swapped = sdp.to_owned();
    let other = if &sdp[at..at + 2] == "00" { "01" } else { "00" };
    swapped.replace_range(at..at + 2, other);
    swapped
}

/// The two connections between one sender and one receiver.
struct Bridge {
    peer: String,
    attempt: Value,
    to_sender: Outbox,
    to_receiver: Outbox,
    passed: Arc<AtomicUsize>,
}

type Channel = (ChannelSender, ChannelReceiver);

impl Bridge {
    fn say(&self, to: &Outbox, mut signal: Value) {
        signal["attempt"] = self.attempt.clone();
        let _ = to.send(json!({"type": "relay", "peer": self.peer, "signal": signal}));
    }

    async fn run(self, offer: String, mut hears: mpsc::UnboundedReceiver<Heard>) {
        let config = RtcConfig { bind: vec!["127.0.0.1:0".to_owned()], ..RtcConfig::default() };
        let (near, mut near_events, answer) = Connection::answer(&config, &offer).await.unwrap();
        let (far, mut far_events, offer) = Connection::offer(&config).await.unwrap();
        self.say(&self.to_sender, json!({"type": "answer", "sdp": answer}));
        self.say(&self.to_receiver, json!({"type": "offer", "sdp": offer}));
        let mut early = Some(Vec::new());
        let (mut near_open, mut far_open) = (None, None);
        while near_open.is_none() || far_open.is_none() {
            tokio::select! {
                open = self.follow(&mut near_events, &self.to_sender), if near_open.is_none() => match open {
                    Some(open) => near_open = Some(open),
                    None => return,
                },
                open = self.follow(&mut far_events, &self.to_receiver), if far_open.is_none() => match open {
                    Some(open) => far_open = Some(open),
                    None => return,
                },
                Some(heard) = hears.recv() => match heard {
                    Heard::Sender(signal) => near.add_candidate(candidate(&signal)).await.unwrap(),
                    Heard::Receiver(signal) if signal["type"] == "answer" => {
                        far.accept(signal["sdp"].as_str().unwrap()).await.unwrap();
                        for signal in early.take().unwrap_or_default() {
                            far.add_candidate(candidate(&signal)).await.unwrap();
                        }
                    }
                    Heard::Receiver(signal) => match &mut early {
                        Some(early) => early.push(signal),
                        None => far.add_candidate(candidate(&signal)).await.unwrap(),
                    },
                },
            }
        }
        let (Some((mut to_near, mut from_near)), Some((mut to_far, mut from_far))) = (near_open, far_open)
        else {
            return;
        };
        let passed = &self.passed;
        tokio::join!(pass(&mut from_near, &mut to_far, passed), pass(&mut from_far, &mut to_near, passed));
        near.close().await;
        far.close().await;
    }

    /// Tells candidates until the channel is open; `None` if it is lost.
    async fn follow(&self, events: &mut ConnectionEvents, to: &Outbox) -> Option<Channel> {
        loop {
            match events.next().await? {
                ConnectionEvent::LocalCandidate(candidate) => self.say(
                    to,
                    json!({
                        "type": "candidate",
                        "candidate": candidate.candidate,
                        "sdp_mid": candidate.sdp_mid,
                        "sdp_mline_index": candidate.sdp_mline_index,
                    }),
                ),
                ConnectionEvent::Open(sender, receiver) => return Some((sender, receiver)),
                ConnectionEvent::Lost(_) => return None,
                _ => {}
            }
        }
    }
}

async fn pass(from: &mut ChannelReceiver, to: &mut ChannelSender, passed: &AtomicUsize) {
    while let Some(message) = from.recv().await {
        passed.fetch_add(1, Ordering::Relaxed);
        if to.send(message).await.is_err() {
            return;
        }
    }
}

fn candidate(signal: &Value) -> Candidate {
    Candidate {
        candidate: signal["candidate"].as_str().unwrap().to_owned(),
        sdp_mid: signal["sdp_mid"].as_str().map(str::to_owned),
        sdp_mline_index: signal["sdp_mline_index"].as_u64().map(|index| index as u16),
    }
}
