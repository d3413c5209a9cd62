//! A running server, and clients that fail rather than hang.

use futures_util::{SinkExt, StreamExt};
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinKey, OwnerKey, PeerId, ShareId};
use sluice_protocol::signal::{
    ClientMessage, CreateShare, ErrorBody, JoinShare, ServerMessage, ShareCreated, ShareJoined, Signal,
};
use sluice_server::{Config, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

// Far beyond what anything here takes; a hang fails instead of lasting.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub done: JoinHandle<()>,
}

impl Running {
    pub async fn start(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), [7; 32]);
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
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read all.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = patient(stream.read_to_end(&mut bytes)).await;
        Answer::parse(&bytes)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
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

    pub async fn join(&self, share: ShareId, peer: u8) -> String {
        let answer = self.try_join(share, peer, JoinKey([5; 32])).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let joined: ShareJoined = serde_json::from_str(&answer.body).unwrap();
        joined.ticket
    }

    pub async fn connect(&self, share: ShareId) -> Socket {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/api/shares/{share}/socket", self.address);
        let (socket, _) = patient(tokio_tungstenite::client_async(url, stream)).await.unwrap();
        Socket(socket)
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

    // A receiver that has been told its place.
    pub async fn receiver(&self, share: ShareId, peer: u8, ahead: u32, slots: u16) -> Socket {
        let ticket = self.join(share, peer).await;
        let mut socket = self.authorize(share, &ticket).await;
        socket.expect(&ServerMessage::Place { ahead, slots }).await;
        socket
    }
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

pub struct Socket(pub WebSocketStream<TcpStream>);

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
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn expect(&mut self, message: &ServerMessage) {
        assert_eq!(&self.hear().await, message);
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
        self.expect(&ServerMessage::Error(ErrorBody::new(code))).await;
        self.closed(1008).await;
    }

    pub async fn ended(&mut self, code: Code) {
        self.expect(&ServerMessage::Ended { code }).await;
        self.closed(1000).await;
    }

    // All that was said before this is behind us when the answer comes.
    pub async fn settle(&mut self) {
        self.send(Message::Ping(vec![9].into())).await;
        loop {
            match patient(self.0.next()).await.unwrap().unwrap() {
                Message::Pong(data) if data.as_ref() == [9] => return,
                Message::Ping(_) | Message::Pong(_) => {}
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

pub fn waiting(count: u32) -> ServerMessage {
    ServerMessage::Waiting { count }
}

pub fn request(attempt: u32) -> Signal {
    Signal::Request { attempt }
}

pub fn unknown() -> ShareId {
    ShareId([9; 16])
}
