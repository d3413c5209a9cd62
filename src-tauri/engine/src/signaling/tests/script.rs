//! A server that does nothing but what a test says, one connection after another.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use sluice_protocol::link::ServerUrl;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

const SOON: Duration = Duration::from_secs(20);

pub struct Script {
    listener: TcpListener,
}

/// A request, to be answered.
pub struct Request {
    head: Vec<String>,
    pub body: Value,
    stream: TcpStream,
}

/// An answer that goes on.
pub struct Stream(TcpStream);

/// The server's end of a WebSocket.
pub struct Peer(WebSocketStream<TcpStream>);

impl Script {
    pub async fn new() -> Self {
        Script { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn url(&self) -> ServerUrl {
        ServerUrl::parse(&format!("http://{}", self.listener.local_addr().unwrap())).unwrap()
    }

    async fn accept(&self) -> TcpStream {
        timeout(SOON, self.listener.accept()).await.expect("nobody came").unwrap().0
    }

    /// The next request, which must be this one.
    pub async fn request(&mut self, method: &str, path: &str) -> Request {
        let mut reader = BufReader::new(self.accept().await);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).await.unwrap();
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let is_it = head[0].starts_with(&format!("{method} /")) && head[0].contains(path);
        assert!(is_it, "{} instead of {method} {path}", head[0]);
        let len = header(&head, "content-length").parse().unwrap_or(0);
        let mut bytes = vec![0; len];
        reader.read_exact(&mut bytes).await.unwrap();
        let body = if len > 0 { serde_json::from_slice(&bytes).unwrap() } else { Value::Null };
        Request { head, body, stream: reader.into_inner() }
    }

    /// The next connection, which must be a WebSocket.
    pub async fn socket(&mut self) -> Peer {
        let stream = self.accept().await;
        Peer(timeout(SOON, tokio_tungstenite::accept_async(stream)).await.unwrap().unwrap())
    }
}

fn header<'a>(head: &'a [String], name: &str) -> &'a str {
    let line = head.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
    line.map_or("", |line| line[name.len() + 1..].trim())
}

impl Request {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        header(&self.head, name)
    }

    pub async fn answer(self, status: u16, body: &Value) {
        self.answer_with(status, "", body).await;
    }

    pub async fn answer_with(mut self, status: u16, headers: &str, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\n{headers}");
        // Nothing is as long as nothing, and 204 may not say so.
        let text = match status {
            204 => format!("{head}\r\n"),
            _ => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        };
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn stream(mut self) -> Stream {
        let head = "HTTP/1.1 200 -\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        self.stream.write_all(head.as_bytes()).await.unwrap();
        Stream(self.stream)
    }
}

impl Stream {
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Waits until the other side is gone.
    pub async fn closed(mut self) {
        let read = timeout(SOON, self.0.read(&mut [0; 1])).await.expect("it stays");
        assert!(matches!(read, Ok(0) | Err(_)));
    }
}

impl Peer {
    pub async fn hear(&mut self) -> Value {
        loop {
            match timeout(SOON, self.0.next()).await.expect("nothing is said").unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.0.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }
}
