//! A running server, and clients that fail rather than hang.

use futures_util::{SinkExt, StreamExt};
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinKey, OwnerKey, PeerId, ShareId};
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::{
    ClientMessage, CreateShare, ErrorBody, JoinShare, Place, ServerMessage, ShareCreated, ShareJoined, Signal,
};
use sluice_server::{Config, Keys, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

// What receivers of the tests show.
pub const PROOF: JoinKey = JoinKey([5; 32]);
// Far beyond what anything here takes; a hang fails instead of lasting.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub done: JoinHandle<()>,
}

impl Running {
    pub async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), keys("a secret of the tests"));
        // Some tests stop the server while their clients don't read.
        config.timings.shutdown = Duration::from_millis(300);
        adjust(&mut config);
        let server = Server::bind(config).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Running { address, stop, done }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        patient(self.done).await.unwrap();
    }

    pub async fn http(&self, request: &str) -> Answer {
        self.raw(request.as_bytes()).await
    }

    // Sends bytes and reads until the server closes.
    pub async fn raw(&self, request: &[u8]) -> Answer {
        raw(self.address, request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    pub async fn ask(&self, method: &str, path: &str, token: &str) -> Answer {
        self.http(&ask(method, path, token, "Connection: close\r\n")).await
    }

    // The place, as a poll answers it.
    pub async fn place(&self, share: ShareId, ticket: &str, after: Option<&str>) -> Place {
        let after = after.map_or(String::new(), |after| format!("?after={after}"));
        let answer = self.ask("GET", &format!("/api/shares/{share}/place{after}"), ticket).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.http(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    pub async fn create(&self, slots: u16) -> ShareCreated {
        let answer = self.post("/api/shares", &create_body(slots)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub async fn try_join(&self, share: ShareId, peer: u8, key: JoinKey) -> Answer {
        let body = JoinShare { version: 1, join_key: key, peer: PeerId([peer; 16]), ticket: None };
        self.post(&format!("/api/shares/{share}/receivers"), &serde_json::to_string(&body).unwrap()).await
    }

    pub async fn join(&self, share: ShareId, peer: u8) -> ShareJoined {
        let answer = self.try_join(share, peer, JoinKey([5; 32])).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    // Joins with a ticket of before.
    pub async fn join_again(&self, share: ShareId, peer: u8, ticket: &str) -> ShareJoined {
        let ticket = Some(ticket.to_owned());
        let body = JoinShare { version: 1, join_key: PROOF, peer: PeerId([peer; 16]), ticket };
        let path = format!("/api/shares/{share}/receivers");
        let answer = self.post(&path, &serde_json::to_string(&body).unwrap()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    // The ticket of one that is in line and present, for as long as it is not missed.
    pub async fn wait_in_line(&self, share: ShareId, peer: u8, ahead: u32) -> String {
        let ShareJoined { ticket, .. } = self.join(share, peer).await;
        let place = self.place(share, &ticket, None).await;
        assert_eq!((place.ahead, place.lease_ms), (ahead, None));
        ticket
    }

    pub async fn stream(&self, share: ShareId, ticket: &str, last: Option<&str>) -> Stream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        let request = ask("GET", &format!("/api/shares/{share}/events"), ticket, &last);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Stream { stream, head: String::new(), rest: String::new() };
        stream.head = stream.read_until("\r\n\r\n").await.unwrap().to_ascii_lowercase();
        stream
    }

    pub async fn connect(&self, share: ShareId) -> Socket {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/api/shares/{share}/socket", self.address);
        let (socket, _) = patient(tokio_tungstenite::client_async(url, stream)).await.unwrap();
        Socket(socket, None)
    }

    pub async fn authorize(&self, share: ShareId, token: &str) -> Socket {
        let mut socket = self.connect(share).await;
        socket.say(&ClientMessage::Authorize { token: token.to_owned() }).await;
        socket
    }

    // A sender whose share is open.
    pub async fn sender(&self, slots: u16) -> (ShareId, Socket) {
        let ShareCreated { share, token } = self.create(slots).await;
        let mut socket = self.authorize(share, &token).await;
        socket.expect(&opened(&[], 0)).await;
        (share, socket)
    }

    // A receiver that has taken its slot.
    pub async fn receiver(&self, share: ShareId, peer: u8) -> Socket {
        let ShareJoined { ticket, place, .. } = self.join(share, peer).await;
        assert_eq!(place.tier, Tier::Active);
        self.admitted(share, &ticket).await
    }

    // A socket in its slot.
    pub async fn admitted(&self, share: ShareId, ticket: &str) -> Socket {
        let mut socket = self.authorize(share, ticket).await;
        socket.expect(&ServerMessage::Admitted).await;
        socket
    }
}

pub async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read all.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = patient(stream.read_to_end(&mut bytes)).await;
    Answer::parse(&bytes)
}

// An event stream, and what of it was read too far.
pub struct Stream {
    stream: TcpStream,
    pub head: String,
    rest: String,
}

impl Stream {
    // The next event or comment, without the blank line behind it; nothing at the end of the stream.
    pub async fn hear(&mut self) -> Option<String> {
        // Chunks (RFC 9112 §7.1) are one event each.
        let size = self.read_until("\r\n").await?;
        if usize::from_str_radix(&size, 16).unwrap() == 0 {
            return None;
        }
        let chunk = self.read_until("\r\n").await?;
        Some(chunk.strip_suffix("\n\n").unwrap().to_owned())
    }

    // The next event but signs of life.
    pub async fn event(&mut self) -> String {
        loop {
            let event = self.hear().await.expect("the stream has ended");
            if event != ":" {
                return event;
            }
        }
    }

    pub async fn place(&mut self) -> Place {
        let event = self.event().await;
        let mut lines = event.lines();
        assert_eq!(lines.next(), Some("event: place"));
        let id = lines.next().and_then(|line| line.strip_prefix("id: ")).unwrap();
        let data = lines.next().and_then(|line| line.strip_prefix("data: ")).unwrap();
        let place: Place = serde_json::from_str(data).unwrap();
        assert_eq!((place.version.as_str(), lines.next()), (id, None));
        place
    }

    pub async fn ended(&mut self, code: Code) {
        assert_eq!(self.event().await, format!("event: ended\ndata: {{\"code\":\"{code}\"}}"));
        assert_eq!(self.hear().await, None);
    }

    async fn read_until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some((text, rest)) = self.rest.split_once(end) {
                let text = text.to_owned();
                self.rest = rest.to_owned();
                return Some(text);
            }
            let mut bytes = [0; 4096];
            let count = patient(self.stream.read(&mut bytes)).await.unwrap();
            if count == 0 {
                return None;
            }
            self.rest.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }
}

pub fn ask(method: &str, path: &str, token: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
}

pub fn keys(secret: &str) -> Keys {
    Keys::parse([secret]).unwrap()
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer {
            status: head.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub fn refused(&self, status: u16, code: Code) {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        let body: ErrorBody = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body, ErrorBody::new(code));
    }
}

// A WebSocket, and the count of those who wait that was heard last on it.
pub struct Socket(pub WebSocketStream<TcpStream>, Option<u32>);

impl Socket {
    pub async fn say(&mut self, message: &ClientMessage) {
        self.send(Message::text(serde_json::to_string(message).unwrap())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn hear(&mut self) -> ServerMessage {
        loop {
            match patient(self.0.next()).await.unwrap().unwrap() {
                Message::Text(text) => return self.parse(&text),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn parse(&mut self, text: &str) -> ServerMessage {
        let message = serde_json::from_str(text).unwrap();
        if let ServerMessage::Waiting { count } | ServerMessage::Opened { waiting: count, .. } = message {
            self.1 = Some(count);
        }
        message
    }

    pub async fn expect(&mut self, message: &ServerMessage) {
        assert_eq!(&self.hear().await, message);
    }

    // The next message but counts of those who wait, which come when they come.
    pub async fn news(&mut self, message: &ServerMessage) {
        loop {
            let heard = self.hear().await;
            if !matches!(heard, ServerMessage::Waiting { .. }) {
                assert_eq!(&heard, message);
                return;
            }
        }
    }

    // Until this many wait.
    pub async fn waiting(&mut self, count: u32) {
        while self.1 != Some(count) {
            let heard = self.hear().await;
            assert!(matches!(heard, ServerMessage::Waiting { .. }), "{heard:?}");
        }
    }

    pub async fn closed(&mut self, code: u16) {
        loop {
            match patient(self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert_eq!(frame.code, CloseCode::from(code));
                    // Answers the close.
                    while patient(self.0.next()).await.is_some_and(|next| next.is_ok()) {}
                    return;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn refused(&mut self, code: Code) {
        self.news(&ServerMessage::Error(ErrorBody::new(code))).await;
        self.closed(1008).await;
    }

    pub async fn ended(&mut self, code: Code) {
        self.news(&ServerMessage::Ended { code }).await;
        self.closed(1000).await;
    }

    // All that was said before this is behind us when the answer comes.
    pub async fn settle(&mut self) {
        self.send(Message::Ping(vec![9].into())).await;
        loop {
            match patient(self.0.next()).await.unwrap().unwrap() {
                Message::Pong(data) if data.as_ref() == [9] => return,
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(text) => {
                    let heard = self.parse(&text);
                    assert!(matches!(heard, ServerMessage::Waiting { .. }), "{heard:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing came in time")
}

pub fn create_body(slots: u16) -> String {
    serde_json::to_string(&CreateShare {
        version: 1,
        owner_key: OwnerKey([1; 32]),
        join_hash: JoinKey([5; 32]).hash(),
        slots,
        summary: None,
        active: Vec::new(),
    })
    .unwrap()
}

pub fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

pub fn opened(active: &[u8], waiting: u32) -> ServerMessage {
    ServerMessage::Opened { active: active.iter().map(|&number| peer(number)).collect(), waiting }
}

pub fn joined(number: u8) -> ServerMessage {
    ServerMessage::Joined { peer: peer(number) }
}

pub fn left(number: u8) -> ServerMessage {
    ServerMessage::Left { peer: peer(number) }
}

pub fn request(attempt: u32) -> Signal {
    Signal::Request { attempt }
}

pub fn unknown() -> ShareId {
    ShareId([9; 16])
}
