//! One TCP connection to a server, spoken by hand so that a loader costs little: HTTP/1.1 requests, event streams
//! (chunked, RFC 9112 §7.1) and WebSockets (RFC 6455).

use crate::Outcome;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

// Enough for all that idle connections hear.
const READ: usize = 1024;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What a server answers to a request.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of an answer with this status.
    pub fn expect(self, status: u16) -> Outcome<Value> {
        if self.status != status {
            return Err(format!("{} {}", self.status, String::from_utf8_lossy(&self.body)).into());
        }
        if self.body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&self.body)?) }
    }
}

/// The head of an answer.
struct Head {
    status: u16,
    length: usize,
}

impl Wire {
    /// Connects from one of this machine's own addresses: each has as many ports as it needs, and limits of its own.
    pub async fn open(server: SocketAddr, from: Ipv4Addr) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((from, 0).into())?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Wire { stream, buffer: Vec::new() })
    }

    /// One request with a bearer and a JSON body, where they are not empty, and its answer.
    pub async fn ask(&mut self, method: &str, path: &str, bearer: &str, body: &str) -> Outcome<Answer> {
        self.request(method, path, bearer, body, "").await?;
        let head = self.head().await?;
        while self.buffer.len() < head.length {
            self.fill().await?;
        }
        let body = self.buffer.drain(..head.length).collect();
        Ok(Answer { status: head.status, body })
    }

    /// Begins an event stream.
    pub async fn stream(&mut self, path: &str, bearer: &str) -> Outcome<()> {
        self.request("GET", path, bearer, "", "Accept: text/event-stream\r\n").await?;
        let Head { status, length } = self.head().await?;
        if status != 200 {
            while self.buffer.len() < length {
                self.fill().await?;
            }
            return Err(format!("{status} {}", String::from_utf8_lossy(&self.buffer)).into());
        }
        Ok(())
    }

    /// The next event of a stream as its name and data, or `None` when it ends. Comments are passed over.
    pub async fn event(&mut self) -> Outcome<Option<(String, Value)>> {
        loop {
            let Some(chunk) = self.chunk().await? else {
                return Ok(None);
            };
            let text = String::from_utf8(chunk)?;
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let Some(data) = field("data:") {
                let name = field("event:").unwrap_or("message").to_owned();
                return Ok(Some((name, serde_json::from_str(data)?)));
            }
        }
    }

    /// Makes the connection a WebSocket.
    pub async fn upgrade(&mut self, path: &str) -> Outcome<()> {
        let head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        self.request("GET", path, "", "", head).await?;
        let head = self.head().await?;
        if head.status == 101 { Ok(()) } else { Err(format!("no WebSocket: {}", head.status).into()) }
    }

    /// Sends a text over the WebSocket.
    pub async fn say(&mut self, text: &str) -> Outcome<()> {
        self.frame(0x1, text.as_bytes()).await
    }

    /// The next message of a WebSocket, or `None` when it is closed. Pings are answered.
    pub async fn hear(&mut self) -> Outcome<Option<Value>> {
        loop {
            self.want(2).await?;
            let (kind, short) = (self.buffer[0] & 0xf, self.buffer[1] & 0x7f);
            let (head, length) = match short {
                126 => {
                    self.want(4).await?;
                    (4, usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])))
                }
                127 => return Err("a message longer than any of ours".into()),
                short => (2, usize::from(short)),
            };
            self.want(head + length).await?;
            let payload: Vec<u8> = self.buffer.drain(..head + length).skip(head).collect();
            match kind {
                0x1 => return Ok(Some(serde_json::from_slice(&payload)?)),
                0x8 => return Ok(None),
                0x9 => self.frame(0xa, &payload).await?,
                _ => {}
            }
        }
    }

    async fn request(
        &mut self,
        method: &str,
        path: &str,
        bearer: &str,
        body: &str,
        more: &str,
    ) -> Outcome<()> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: load\r\n{more}");
        if !bearer.is_empty() {
            text += &format!("Authorization: Bearer {bearer}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body;
        self.stream.write_all(text.as_bytes()).await?;
        Ok(())
    }

    async fn head(&mut self) -> Outcome<Head> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect())?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        Ok(Head { status: status.ok_or("not HTTP")?, length: length.unwrap_or(0) })
    }

    async fn chunk(&mut self) -> Outcome<Option<Vec<u8>>> {
        let line = loop {
            if let Some(line) = self.buffer.windows(2).position(|bytes| bytes == b"\r\n") {
                break line;
            }
            self.fill().await?;
        };
        let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..line])?, 16)?;
        self.want(line + 2 + size + 2).await?;
        let chunk = self.buffer.drain(..line + 2 + size + 2).skip(line + 2).take(size).collect();
        Ok((size > 0).then_some(chunk))
    }

    // The key that masks is zero: the masked text is the text.
    async fn frame(&mut self, kind: u8, payload: &[u8]) -> Outcome<()> {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len())?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await?;
        Ok(())
    }

    async fn want(&mut self, length: usize) -> Outcome<()> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Outcome<()> {
        // Nothing is held while nothing comes.
        self.stream.readable().await?;
        let mut bytes = [0; READ];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(length) => {
                self.buffer.extend_from_slice(&bytes[..length]);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
