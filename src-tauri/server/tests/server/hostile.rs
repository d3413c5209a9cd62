//! Whoever else knocks: forgers, garbage, robots, crowds.

use crate::harness::*;
use futures_util::{SinkExt, StreamExt};
use sluice_protocol::error::Code;
use sluice_protocol::id::JoinKey;
use sluice_protocol::signal::{ClientMessage, MAX_MESSAGE_LEN, ServerMessage, Signal};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn wrong_proofs_and_unknown_shares_are_refused() {
    let server = Running::start(|_| {}).await;
    let share = server.create(1).await.share;
    server.try_join(share, 1, JoinKey([6; 32])).await.refused(403, Code::NotAuthorised);
    server.try_join(unknown(), 1, JoinKey([5; 32])).await.refused(404, Code::ShareNotFound);
    server.stop().await;
}

#[tokio::test]
async fn forged_swapped_and_missing_tokens_are_refused() {
    let server = Running::start(|config| {
        config.timings.authorise = Duration::from_millis(200);
    })
    .await;
    let (share, mut sender) = server.sender(1).await;
    let ticket = server.join(share, 1).await.ticket;

    let mut forged = ticket.clone().into_bytes();
    forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for token in ["", "x", &forged, &ticket[..114], &format!("{ticket}A")] {
        let mut socket = server.authorize(share, token).await;
        socket.refused(Code::NotAuthorised).await;
    }
    // Of another share, and of another server.
    let mut socket = server.authorize(unknown(), &ticket).await;
    socket.refused(Code::NotAuthorised).await;
    let other = Running::start(|config| config.keys = keys("another server's secret")).await;
    let foreign = other.create(1).await;
    assert_eq!(foreign.share, share);
    let mut socket = server.authorize(share, &foreign.token).await;
    socket.refused(Code::NotAuthorised).await;

    // A ticket opens a receiver's socket, whatever is said on it.
    let mut receiver = server.authorize(share, &ticket).await;
    receiver.expect(&ServerMessage::Admitted).await;
    receiver.say(&ClientMessage::End).await;
    receiver.refused(Code::RequestInvalid).await;

    // Something else first, and nothing at all.
    let mut socket = server.connect(share).await;
    socket.say(&ClientMessage::End).await;
    socket.refused(Code::NotAuthorised).await;
    let mut socket = server.connect(share).await;
    socket.refused(Code::NotAuthorised).await;

    sender.news(&joined(1)).await;
    sender.settle().await;
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn garbage_on_a_socket_closes_that_socket_only() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let ticket = server.join(share, 1).await.ticket;

    let long = Signal::Offer { attempt: 1, sdp: "x".repeat(17 * 1024) };
    let long = ClientMessage::Relay { peer: None, signal: long };
    let texts = [
        "",
        "{",
        "null",
        "[]",
        "{\"type\":\"nothing\"}",
        "{\"type\":\"dismiss\",\"peer\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"more\":1}",
        "{\"type\":\"relay\",\"peer\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"signal\":{\"type\":\"request\",\"attempt\":1}}",
        "{\"type\":\"authorize\",\"token\":\"x\"}",
        &"[".repeat(60_000),
        &serde_json::to_string(&long).unwrap(),
    ];
    let binary = Message::binary(vec![0; 100]);
    let messages = texts.map(Message::text).into_iter().chain([binary]).enumerate();
    for (round, message) in messages {
        let mut socket = server.authorize(share, &ticket).await;
        socket.expect(&ServerMessage::Admitted).await;
        if round == 0 {
            sender.news(&joined(1)).await;
        }
        socket.send(message).await;
        socket.refused(Code::RequestInvalid).await;
    }

    // Too long, also before it is authorised.
    for authorised in [false, true] {
        let mut socket = server.connect(share).await;
        if authorised {
            let token = ticket.clone();
            socket.say(&ClientMessage::Authorize { token }).await;
            socket.expect(&ServerMessage::Admitted).await;
        }
        // The server may close before it has taken all.
        let _ = socket.0.send(Message::text("x".repeat(1024 * 1024))).await;
        loop {
            match patient(socket.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => break,
            }
        }
    }

    // Not a WebSocket frame at all.
    let mut socket = server.connect(share).await;
    let stream = socket.0.get_mut();
    stream.write_all(&[0xff; 4096]).await.unwrap();
    let mut rest = Vec::new();
    let _ = patient(stream.read_to_end(&mut rest)).await;

    sender.settle().await;
    server.stop().await;
}

#[tokio::test]
async fn garbage_on_http_gets_a_clear_refusal() {
    let server = Running::start(|config| {
        config.timings.request = Duration::from_millis(300);
    })
    .await;
    let share = server.create(1).await.share;
    let join = format!("/api/shares/{share}/receivers");
    let invalid = Code::RequestInvalid;

    let good = create_body(1);
    let bad = [
        "".to_owned(),
        "{".to_owned(),
        "[1]".to_owned(),
        "null".to_owned(),
        "\u{0}".to_owned(),
        good.replace("\"slots\":1", "\"slots\":0"),
        good.replace("\"slots\":1", "\"slots\":101"),
        good.replace("\"slots\":1", "\"slots\":70000"),
        good.replace("\"slots\":1", "\"slots\":-1"),
        good.replace("\"slots\":1", "\"slots\":1,\"more\":1"),
        good.replace("\"version\":1", "\"version\":\"1\""),
        good.replace("AQEB", "AQE"),
        "[".repeat(60_000),
    ];
    for body in &bad {
        for path in ["/api/shares", &join] {
            server.post(path, body).await.refused(400, invalid);
        }
    }
    server
        .post("/api/shares", "{\"version\":2,\"unheard_of\":[]}")
        .await
        .refused(400, Code::VersionUnsupported);
    let big = " ".repeat(MAX_MESSAGE_LEN + 1);
    server.post("/api/shares", &big).await.refused(413, invalid);

    let paths = [
        "/api",
        "/api/shares/",
        "/s",
        "/s/",
        "/s/a/b",
        "/s/../../etc/passwd",
        "/%00",
        "/index.html",
        "/index.html.gz",
        "/sw.js.gz",
        "/assets",
        "/assets/",
        "/assets/index.html",
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/x.js",
        "/d/x",
        "/api/shares/%2e%2e/x",
    ];
    for path in paths {
        server.get(path).await.refused(404, invalid);
    }
    server.get("/api/shares").await.refused(405, invalid);
    server.get(&join).await.refused(405, invalid);
    for id in ["x", "%ff", "AAAAAAAAAAAAAAAAAAAAAA%00", &"A".repeat(5000)] {
        let path = format!("/api/shares/{id}/receivers");
        let answer = server.post(&path, "{}").await;
        assert!((400..500).contains(&answer.status), "{}", answer.head);
        let path = format!("/api/shares/{id}/socket");
        let answer = server.get(&path).await;
        assert!((400..500).contains(&answer.status), "{}", answer.head);
    }
    let socket = format!("/api/shares/{share}/socket");
    server.get(&socket).await.refused(426, invalid);
    // What a page of another origin could send unasked.
    let request = format!(
        "POST /api/shares HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{good}",
        good.len()
    );
    server.http(&request).await.refused(415, invalid);

    // A head, and a body, of which the rest never comes.
    let answer = server.raw(b"POST /api/shares HTTP/1.1\r\nHo").await;
    assert!(matches!(answer.status, 0 | 408), "{}", answer.head);
    let half = "POST /api/shares HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"vers";
    server.http(half).await.refused(408, invalid);
    // Nothing that is HTTP; all at once, as some make the server wait for more.
    let mut state = 1u32;
    let mut garbage = || {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..3000).map(next).collect::<Vec<u8>>()
    };
    let knocks: Vec<_> = (0..50).map(|_| garbage()).collect();
    let knocks = knocks.iter().map(|bytes| server.raw(bytes));
    for answer in futures_util::future::join_all(knocks).await {
        assert!(answer.status < 500, "{}", answer.head);
    }
    let answer = server.http(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000))).await;
    assert!(matches!(answer.status, 0 | 431), "{}", answer.head);
    assert_eq!(server.get("/livez").await.body, "ok");
    server.stop().await;
}

#[tokio::test]
async fn looking_at_the_page_changes_and_reveals_nothing() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let known = server.get(&format!("/s/{share}")).await;
    assert_eq!(known.status, 200);
    for path in [format!("/s/{}", unknown()), "/s/x".to_owned()] {
        assert_eq!(server.get(&path).await.body, known.body);
    }
    for _ in 0..20 {
        server.get(&format!("/s/{share}")).await;
    }
    // The only slot is still free.
    let _receiver = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;

    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; ",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "content-type: text/html; charset=utf-8",
    ] {
        assert!(known.head.contains(header), "{header}");
    }
    assert!(known.body.contains("sluice receive"));
    for risky in ["unsafe-", "<style", " style=", "http:", "https:", "//"] {
        let inside = known.body.replace("<!doctype", "").contains(risky);
        assert!(!inside && !known.head.contains(risky), "{risky}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_has_what_it_names_and_keeps_it() {
    let server = Running::start(|_| {}).await;
    let page = server.get("/").await;
    for path in ["/send", "/s/x", "/?a=b"] {
        let other = server.get(path).await;
        assert_eq!((other.status, &other.body), (200, &page.body), "{path}");
    }
    let head = server.http("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("content-security-policy: "), "{}", head.head);
    server.post("/", "{}").await.refused(405, Code::RequestInvalid);

    // None where the page was not built: the one in its place needs nothing.
    for path in page.body.split('"').filter(|text| text.starts_with("/assets/")) {
        let plain = server.get(path).await;
        assert_eq!(plain.status, 200, "{path}");
        let kind = match path.rsplit('.').next().unwrap() {
            "js" => "content-type: text/javascript; charset=utf-8",
            "css" => "content-type: text/css; charset=utf-8",
            _ => "content-type: image/svg+xml",
        };
        for header in [kind, "cache-control: public, max-age=31536000, immutable", "vary: accept-encoding"] {
            assert!(plain.head.contains(header), "{path}: {}", plain.head);
        }
        assert!(!plain.head.contains("content-encoding"));
        let asked = "Host: x\r\nConnection: close\r\nAccept-Encoding: br, gzip";
        let head = server.http(&format!("HEAD {path} HTTP/1.1\r\n{asked}\r\n\r\n")).await;
        assert!(head.head.contains("content-encoding: gzip"), "{path}: {}", head.head);
        server.get(&format!("{path}x")).await.refused(404, Code::RequestInvalid);
    }
    let worker = server.get("/sw.js").await;
    if worker.status == 200 {
        for header in
            ["cache-control: no-cache", "service-worker-allowed: /d/", "content-type: text/javascript"]
        {
            assert!(worker.head.contains(header), "{}", worker.head);
        }
    } else {
        worker.refused(404, Code::RequestInvalid);
    }
    server.stop().await;
}

#[tokio::test]
async fn limits_on_shares_and_receivers_hold() {
    let server = Running::start(|config| {
        config.limits.shares = 1;
        config.limits.receivers = 2;
    })
    .await;
    let share = server.create(1).await.share;
    server.create(1).await;
    let other = create_body(1).replace("AQEBAQEB", "AgICAgIC");
    server.post("/api/shares", &other).await.refused(429, Code::ServerFull);
    server.join(share, 1).await;
    server.join(share, 2).await;
    server.join(share, 2).await;
    server.try_join(share, 3, JoinKey([5; 32])).await.refused(429, Code::ShareFull);
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_read_is_closed_and_holds_up_nobody() {
    let server = Running::start(|config| {
        config.timings.write = Duration::from_millis(300);
        config.timings.receiver_grace = Duration::from_millis(100);
    })
    .await;
    let (share, mut sender) = server.sender(2).await;
    let mut quick = server.receiver(share, 1).await;
    let slow = server.receiver(share, 2).await;
    sender.news(&joined(1)).await;
    sender.news(&joined(2)).await;
    let sdp = "x".repeat(16 * 1024);
    let offer = |attempt| Signal::Offer { attempt, sdp: sdp.clone() };
    // More than the buffers of the kernel and the server hold together.
    for attempt in 0..1000 {
        let signal = offer(attempt);
        sender.say(&ClientMessage::Relay { peer: Some(peer(2)), signal }).await;
    }
    let signal = request(1);
    sender.say(&ClientMessage::Relay { peer: Some(peer(1)), signal: signal.clone() }).await;
    quick.expect(&ServerMessage::Relay { peer: None, signal }).await;
    sender.news(&left(2)).await;
    drop(slow);
    server.stop().await;
}
