//! What is said to a server may be anything: it stays small, and goes on serving.

use crate::lab::{Lab, PLAIN};
use crate::tree;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Says `words` and reads until the server closes.
fn say(address: &str, words: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // It may have closed already, which is an answer too.
    let _ = stream.write_all(words);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A frame of a WebSocket client (RFC 6455, section 5.2), with a mask of zeros.
fn frame(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[test]
fn garbage_leaves_the_server_small_and_at_work() {
    let lab = Lab::new();
    let server = lab.serve();
    let note = lab.dir("source").join("note");
    tree::write_file(&note, 1, 100_000);
    let (_sender, link) = lab.send(&server.url, &note, &PLAIN);
    let share = link.split("/s/").nth(1).unwrap().split('#').next().unwrap();

    let noise: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let deep = [b"[".repeat(60_000), b"]".repeat(5000)].concat();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)).into_bytes();
    let refused = [
        noise.clone(),
        b"\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET /".to_vec(),
        long,
        post("/api/shares", &noise[..60_000]),
        post("/api/shares", &deep),
        post("/api/shares", &b" ".repeat(1_000_000)),
        post("/api/shares", br#"{"version":1,"owner_key":"","join_hash":"","slots":99999999999999999999}"#),
        post(&format!("/api/shares/{share}/receivers"), br#"{"version":1,"join_key":7,"peer":null}"#),
        post("/api/shares/..%2f..%2fetc/receivers", b"{}"),
    ];
    for words in refused {
        let answer = String::from_utf8_lossy(&say(&server.address, &words)).into_owned();
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(
            refused,
            "{:?} was answered by {answer}",
            String::from_utf8_lossy(&words[..words.len().min(60)])
        );
    }

    let upgrade = format!(
        "GET /api/shares/{share}/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let messages = [
        noise.clone(),
        frame(0x81, 8, b"not JSON"),
        frame(0x82, 8, &noise[..8]),
        frame(0x81, 4, &[0xff; 4]),
        frame(0x81, deep.len() as u64, &deep),
        frame(0x81, 1 << 62, &noise),
        frame(0x01, 60_000, &noise[..60_000]).repeat(20),
        frame(0x81, 34, br#"{"type":"authorize","token":"AAA"}"#),
        frame(0x81, 16, br#"{"type":"leave"}"#),
    ];
    for message in messages {
        let answer = say(&server.address, &[upgrade.as_bytes(), &message].concat());
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    }

    lab.receive(&link, &lab.path("out"), &PLAIN).end().well();
    tree::arrived(&note, &lab.path("out"));
    let memory = server.process.peak_memory();
    assert!(memory < 64 * MIB, "the server had {memory} bytes");
}
