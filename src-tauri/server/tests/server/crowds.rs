//! Those who ask too much: rates, caps, sizes and paces, and who counts as one.

use crate::harness::*;
use futures_util::SinkExt;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinKey, OwnerKey, PeerId};
use sluice_protocol::queue::Progress;
use sluice_protocol::signal::{ClientMessage, JoinShare, ServerMessage};
use sluice_server::{Forwarded, Proxies};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

// A request to join for one of very many receivers.
fn join(share: &str, number: u32, more: &str) -> String {
    let mut peer = [0; 16];
    peer[..4].copy_from_slice(&number.to_be_bytes());
    let body = JoinShare { version: 1, join_key: PROOF, peer: PeerId(peer), ticket: None };
    let body = serde_json::to_string(&body).unwrap();
    format!(
        "POST /api/shares/{share}/receivers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

fn create(owner: u8, more: &str) -> String {
    let body = create_body(1).replace(&OwnerKey([1; 32]).to_text(), &OwnerKey([owner; 32]).to_text());
    format!(
        "POST /api/shares HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn ten_thousand_joins_from_one_address_are_held_to_its_rate() {
    let server = Running::start(|config| config.limits.receivers_per_address = 0).await;
    let (share, mut sender) = server.sender(1).await;
    let share = share.to_string();
    // All on one connection, one behind the other.
    let mut requests: String = (1..10_000).map(|number| join(&share, number, "")).collect();
    requests.push_str(&join(&share, 10_000, "Connection: close\r\n"));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answers = String::new();
    let (sent, heard) = tokio::join!(
        tokio::io::AsyncWriteExt::write_all(&mut write, requests.as_bytes()),
        patient(read.read_to_string(&mut answers)),
    );
    sent.unwrap();
    heard.unwrap();
    let count = |status: &str| answers.matches(&format!("HTTP/1.1 {status} ")).count();
    assert_eq!(count("201") + count("429"), 10_000);
    // A minute's worth, and what the time of the test has earned again.
    assert!((600..1000).contains(&count("201")), "{} were let in", count("201"));
    assert!(answers.contains("\"code\":\"rate_limited\"") && answers.contains("retry-after: "));
    // Nobody else is held up: the sender, those who are in, and the page.
    sender.settle().await;
    assert_eq!(server.get(&format!("/s/{share}")).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_address_opens_so_many_shares_a_minute_and_so_many_at_once() {
    let server = Running::start(|config| {
        config.limits.creates_per_minute = 3;
        config.limits.shares_per_address = 2;
    })
    .await;
    assert_eq!(server.http(&create(1, "")).await.status, 201);
    assert_eq!(server.http(&create(2, "")).await.status, 201);
    server.http(&create(3, "")).await.refused(429, Code::ServerFull);
    let answer = server.http(&create(1, "")).await;
    answer.refused(429, Code::RateLimited);
    let after = answer.head.split("retry-after: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert!((1..=20).contains(&after.parse::<u32>().unwrap()), "{after}");
    server.stop().await;
}

#[tokio::test]
async fn a_share_that_is_over_does_not_count_any_more() {
    let server = Running::start(|config| config.limits.shares_per_address = 1).await;
    let (_, mut sender) = server.sender(1).await;
    // Again is not one more.
    server.create(1).await;
    server.http(&create(2, "")).await.refused(429, Code::ServerFull);
    sender.say(&ClientMessage::End).await;
    sender.ended(Code::ShareEnded).await;
    while server.http(&create(2, "")).await.status != 201 {}
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_counts_for_as_long_as_it_is_heard_and_not_much_longer() {
    let server = Running::start(|config| {
        config.limits.receivers_per_address = 4;
        config.limits.joins_per_minute = 0;
        let timings = &mut config.timings;
        timings.counted = Duration::from_millis(1500);
        (timings.heard, timings.ping) = (Duration::from_millis(50), Duration::from_millis(100));
    })
    .await;
    let (share, _sender) = server.sender(1).await;
    // One is never heard again, one is in the slot, one listens, one polls.
    let mut active = server.receiver(share, 2).await;
    server.join(share, 1).await;
    let listens = server.join(share, 3).await.ticket;
    let mut stream = server.stream(share, &listens, None).await;
    let polls = server.join(share, 4).await.ticket;
    let mut rounds = 0;
    let mut joined = None;
    // The one that takes the room of the first is not heard again either.
    while joined.is_none_or(|joined: Instant| joined.elapsed() < Duration::from_secs(3)) {
        stream.hear().await.unwrap();
        active.say(&ClientMessage::Progress { progress: Progress::Downloading }).await;
        server.place(share, &polls, None).await;
        if joined.is_none() && server.try_join(share, 5, PROOF).await.status == 201 {
            joined = Some(Instant::now());
        }
        rounds += 1;
    }
    assert!(rounds > 10, "the first had no time of its own");
    server.join(share, 6).await;
    server.try_join(share, 7, PROOF).await.refused(429, Code::ServerFull);
    server.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_receivers_at_once() {
    let server = Running::start(|config| config.limits.receivers_per_address = 2).await;
    let (share, mut sender) = server.sender(5).await;
    let first = server.join(share, 1).await;
    server.join(share, 2).await;
    server.join(share, 1).await;
    server.try_join(share, 3, PROOF).await.refused(429, Code::ServerFull);
    // A wrong proof holds no room, and one that leaves makes some.
    let path = format!("/api/shares/{share}/receivers/{}", peer(1));
    assert_eq!(server.ask("DELETE", &path, &first.ticket).await.status, 204);
    server.try_join(share, 3, JoinKey([6; 32])).await.refused(403, Code::NotAuthorised);
    let third = server.join(share, 3).await;
    // Nor does one that leaves on its socket.
    let mut socket = server.admitted(share, &third.ticket).await;
    socket.say(&ClientMessage::Leave).await;
    socket.closed(1000).await;
    let fourth = server.join(share, 4).await;
    server.try_join(share, 5, PROOF).await.refused(429, Code::ServerFull);
    // Nor those of a share that is over.
    let second = server.join(share, 2).await;
    // With the slot that is kept for it since it was seen.
    let mut place = server.place(share, &second.ticket, None).await;
    while place.lease_ms.is_none() {
        place = server.place(share, &second.ticket, None).await;
    }
    let path = format!("/api/shares/{share}/place?after={}", place.version);
    let mut stream = server.stream(share, &fourth.ticket, None).await;
    stream.place().await;
    let poll = async { server.ask("GET", &path, &second.ticket).await.refused(404, Code::ShareEnded) };
    tokio::join!(poll, async {
        while !server.get("/metrics").await.body.contains("sluice_peers{kind=\"near\"} 1") {}
        sender.say(&ClientMessage::End).await;
    });
    stream.ended(Code::ShareEnded).await;
    while server.http(&create(2, "")).await.status != 201 {}
    let share = OwnerKey([2; 32]).share_id();
    for number in [1, 2] {
        while server.try_join(share, number, PROOF).await.status != 201 {}
    }
    server.stop().await;
}

#[tokio::test]
async fn behind_a_proxy_the_address_counts_that_the_proxy_saw() {
    let limit = |config: &mut sluice_server::Config| config.limits.creates_per_minute = 1;
    let server = Running::start(|config| {
        limit(config);
        config.proxies = Proxies { hops: 1, header: Forwarded::XForwardedFor };
    })
    .await;
    let from = |address: &str| format!("X-Forwarded-For: 6.6.6.6, {address}\r\n");
    assert_eq!(server.http(&create(1, &from("192.0.2.1"))).await.status, 201);
    server.http(&create(2, &from("192.0.2.1"))).await.refused(429, Code::RateLimited);
    assert_eq!(server.http(&create(2, &from("192.0.2.2"))).await.status, 201);
    assert_eq!(server.http(&create(3, &from("2001:db8::1"))).await.status, 201);
    server.http(&create(4, &from("2001:db8::2"))).await.refused(429, Code::RateLimited);
    server.stop().await;

    // Where none is trusted, whoever says it is not believed.
    let server = Running::start(limit).await;
    assert_eq!(server.http(&create(1, &from("192.0.2.1"))).await.status, 201);
    server.http(&create(2, &from("192.0.2.2"))).await.refused(429, Code::RateLimited);
    server.stop().await;
}

#[tokio::test]
async fn a_socket_that_says_too_much_is_closed_and_the_others_are_not() {
    let server = Running::start(|config| config.limits.messages_per_second = 2).await;
    let (share, mut sender) = server.sender(2).await;
    let mut quiet = server.receiver(share, 1).await;
    let mut loud = server.receiver(share, 2).await;
    sender.news(&joined(1)).await;
    sender.news(&joined(2)).await;
    for attempt in 0..60 {
        let message = ClientMessage::Relay { peer: None, signal: request(attempt) };
        // It may be closed on the way.
        let _ = loud.0.send(Message::text(serde_json::to_string(&message).unwrap())).await;
    }
    loud.refused(Code::RateLimited).await;
    let mut relayed = 0;
    while let ServerMessage::Relay { .. } | ServerMessage::Waiting { .. } = sender.hear().await {
        relayed += 1;
        if relayed == 40 {
            break;
        }
    }
    assert_eq!(relayed, 40, "twenty seconds' worth are relayed");
    quiet.say(&ClientMessage::Relay { peer: None, signal: request(1) }).await;
    sender.news(&ServerMessage::Relay { peer: Some(peer(1)), signal: request(1) }).await;
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains("sluice_closes_total{why=\"too_fast\"} 1"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn pings_and_pongs_are_messages_too() {
    let server = Running::start(|config| config.limits.messages_per_second = 2).await;
    let (share, mut sender) = server.sender(1).await;
    let ticket = server.join(share, 1).await.ticket;
    for message in [Message::Ping(vec![1].into()), Message::Pong(vec![1].into())] {
        let mut loud = server.admitted(share, &ticket).await;
        for _ in 0..60 {
            // It may be closed on the way.
            let _ = loud.0.send(message.clone()).await;
        }
        loud.refused(Code::RateLimited).await;
    }
    sender.news(&joined(1)).await;
    sender.settle().await;
    server.stop().await;
}

#[tokio::test]
async fn messages_and_bodies_of_ten_mebibytes_are_refused_and_change_nothing() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let mut receiver = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let big = "x".repeat(10 * 1024 * 1024);
    for path in ["/api/shares".to_owned(), format!("/api/shares/{share}/receivers")] {
        let answer = server.post(&path, &big).await;
        // It may be closed before the answer is read, as the server reads no further.
        if answer.status != 0 {
            answer.refused(413, Code::RequestInvalid);
        }
    }
    let _ = receiver.0.send(Message::text(big)).await;
    let mut rest = Vec::new();
    let _ = patient(receiver.0.get_mut().read_to_end(&mut rest)).await;
    sender.settle().await;
    // It is in its slot, and comes back to it.
    server.receiver(share, 1).await.settle().await;
    server.stop().await;
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let server = Running::start(|config| config.limits.connections_per_address = 2).await;
    let (share, mut sender) = server.sender(1).await;
    let receiver = server.receiver(share, 1).await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut bytes = Vec::new();
    // Closed at once, or reset.
    let _ = patient(third.read_to_end(&mut bytes)).await;
    assert!(bytes.is_empty());
    sender.news(&joined(1)).await;
    sender.settle().await;
    drop(receiver);
    while server.get("/livez").await.status != 200 {}
    server.stop().await;
}
