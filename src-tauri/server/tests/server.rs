//! The server over real sockets: journeys of senders and receivers, and whoever else knocks.

#![allow(clippy::unwrap_used)]

#[path = "server/crowds.rs"]
mod crowds;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/hostile.rs"]
mod hostile;
#[path = "server/instances.rs"]
mod instances;
#[path = "server/operation.rs"]
mod operation;
#[path = "server/quiet.rs"]
mod quiet;
// The store's own tests use the rest of it.
#[allow(dead_code)]
#[path = "server/redis.rs"]
mod redis;
#[path = "server/tiers.rs"]
mod tiers;

use harness::*;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinKey, OwnerKey};
use sluice_protocol::queue::Progress;
use sluice_protocol::signal::{ClientMessage, ServerMessage, ShareCreated, ShareJoined, Signal};
use sluice_server::{Config, Server};
use std::time::Duration;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_share_is_opened_joined_relayed_and_left() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(2).await;
    assert_eq!(share, OwnerKey([1; 32]).share_id());

    let mut receiver = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    receiver.say(&ClientMessage::Progress { progress: Progress::Downloading }).await;

    let signal = request(1);
    receiver.say(&ClientMessage::Relay { peer: None, signal: signal.clone() }).await;
    let from = Some(peer(1));
    sender.news(&ServerMessage::Relay { peer: from, signal }).await;
    let signal = Signal::Offer { attempt: 1, sdp: "v=0\r\n".to_owned() };
    // To somebody unknown: dropped, and the socket goes on.
    for to in [8, 1] {
        sender.say(&ClientMessage::Relay { peer: Some(peer(to)), signal: signal.clone() }).await;
    }
    receiver.expect(&ServerMessage::Relay { peer: None, signal }).await;

    receiver.say(&ClientMessage::Leave).await;
    receiver.closed(1000).await;
    sender.news(&left(1)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_sender_knows_a_receiver_before_its_first_signal() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(20).await;
    for number in 1..=20 {
        let mut receiver = server.receiver(share, number).await;
        receiver.say(&ClientMessage::Relay { peer: None, signal: request(1) }).await;
        sender.news(&joined(number)).await;
        sender.news(&ServerMessage::Relay { peer: Some(peer(number)), signal: request(1) }).await;
        receiver.say(&ClientMessage::Leave).await;
        receiver.closed(1000).await;
        sender.news(&left(number)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn three_slots_serve_five_receivers_in_order() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(3).await;
    let mut receivers = Vec::new();
    for number in 1..=3 {
        receivers.push(server.receiver(share, number).await);
        sender.news(&joined(number)).await;
    }
    let fourth = server.wait_in_line(share, 4, 0).await;
    let fifth = server.wait_in_line(share, 5, 1).await;
    // One without a slot gets no socket.
    server.authorize(share, &fourth).await.refused(Code::NotYourTurn).await;
    sender.waiting(2).await;

    receivers[1].say(&ClientMessage::Leave).await;
    sender.news(&left(2)).await;
    assert!(server.place(share, &fourth, None).await.lease_ms.is_some());
    server.authorize(share, &fifth).await.refused(Code::NotYourTurn).await;
    let _fourth = server.admitted(share, &fourth).await;
    sender.news(&joined(4)).await;

    sender.say(&ClientMessage::Dismiss { peer: peer(1) }).await;
    receivers[0].ended(Code::LetGo).await;
    sender.news(&left(1)).await;
    let _fifth = server.admitted(share, &fifth).await;
    sender.news(&joined(5)).await;
    server.try_join(share, 1, JoinKey([5; 32])).await.refused(403, Code::LetGo);
    server.stop().await;
}

#[tokio::test]
async fn a_newer_socket_replaces_the_older_one() {
    let server = Running::start(|_| {}).await;
    let ShareCreated { share, token } = server.create(1).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 0)).await;
    let ShareJoined { ticket, .. } = server.join(share, 1).await;
    let mut old = server.admitted(share, &ticket).await;
    sender.news(&joined(1)).await;

    let mut new = server.admitted(share, &ticket).await;
    old.closed(4001).await;
    // The old one's end changes nothing.
    new.settle().await;

    let mut again = server.authorize(share, &token).await;
    again.expect(&opened(&[1], 0)).await;
    sender.closed(4001).await;
    new.settle().await;
    again.settle().await;
    server.stop().await;
}

#[tokio::test]
async fn a_dropped_receiver_comes_back_to_its_slot_or_loses_it() {
    let server = Running::start(|config| {
        config.timings.receiver_grace = Duration::from_millis(400);
    })
    .await;
    let (share, mut sender) = server.sender(1).await;
    let ShareJoined { ticket, .. } = server.join(share, 1).await;
    let first = server.admitted(share, &ticket).await;
    sender.news(&joined(1)).await;
    let second = server.wait_in_line(share, 2, 0).await;

    drop(first);
    let first = server.admitted(share, &ticket).await;
    sender.settle().await;

    drop(first);
    // After the grace period, and not before the socket was seen to drop.
    sender.news(&left(1)).await;
    let _second = server.admitted(share, &second).await;
    sender.news(&joined(2)).await;
    server.authorize(share, &ticket).await.refused(Code::NotAuthorised).await;
    // It joins again, at the end of the line.
    let ticket = server.wait_in_line(share, 1, 0).await;
    server.authorize(share, &ticket).await.refused(Code::NotYourTurn).await;
    sender.waiting(1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_sender_may_come_back_and_is_missed_when_it_does_not() {
    let server = Running::start(|config| {
        config.timings.away_grace = Duration::from_millis(700);
    })
    .await;
    let ShareCreated { share, token } = server.create(1).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 0)).await;
    let mut first = server.receiver(share, 1).await;
    let second = server.join(share, 2).await.ticket;
    let mut news = server.stream(share, &second, None).await;
    assert!(news.place().await.sender_here);

    drop(sender);
    first.expect(&ServerMessage::SenderAway).await;
    assert!(!news.place().await.sender_here);
    // Its slot is free, and nobody gets it yet.
    first.say(&ClientMessage::Leave).await;
    first.closed(1000).await;
    server.authorize(share, &second).await.refused(Code::NotYourTurn).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 0)).await;
    let place = news.place().await;
    assert!(place.sender_here && place.lease_ms.is_some());
    let mut second = server.admitted(share, &second).await;

    drop(sender);
    second.expect(&ServerMessage::SenderAway).await;
    second.ended(Code::SenderGone).await;
    server.try_join(share, 2, JoinKey([5; 32])).await.refused(404, Code::ShareNotFound);
    server.authorize(share, &token).await.refused(Code::ShareNotFound).await;
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_that_comes_while_the_sender_is_away_hears_so() {
    let server = Running::start(|_| {}).await;
    let ShareCreated { share, token } = server.create(1).await;
    let sender = server.authorize(share, &token).await;
    let ticket = server.join(share, 1).await.ticket;
    let mut first = server.admitted(share, &ticket).await;
    drop(sender);
    first.expect(&ServerMessage::SenderAway).await;
    drop(first);
    let mut again = server.admitted(share, &ticket).await;
    again.expect(&ServerMessage::SenderAway).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[1], 0)).await;
    again.expect(&ServerMessage::SenderBack).await;
    server.stop().await;
}

#[tokio::test]
async fn a_sender_ends_its_share() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let mut first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let second = server.join(share, 2).await.ticket;
    let mut stream = server.stream(share, &second, None).await;
    stream.place().await;
    sender.waiting(1).await;
    sender.say(&ClientMessage::End).await;
    first.ended(Code::ShareEnded).await;
    stream.ended(Code::ShareEnded).await;
    sender.ended(Code::ShareEnded).await;
    server.try_join(share, 1, JoinKey([5; 32])).await.refused(404, Code::ShareNotFound);
    server.stop().await;
}

#[tokio::test]
async fn what_the_sender_says_of_its_share_is_told_to_those_with_a_ticket() {
    let server = Running::start(|_| {}).await;
    let ShareCreated { share, token } = server.create(1).await;
    let path = format!("/api/shares/{share}/summary");
    let ShareJoined { ticket, summary, .. } = server.join(share, 1).await;
    assert_eq!(summary, None);
    assert_eq!(server.ask("GET", &path, &ticket).await.status, 204);

    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 1)).await;
    sender.say(&ClientMessage::Summary { summary: "c2VhbGVk".to_owned() }).await;
    sender.settle().await;
    for token in [&token, &ticket] {
        assert_eq!(server.ask("GET", &path, token).await.body, "{\"summary\":\"c2VhbGVk\"}");
    }
    assert_eq!(server.join(share, 2).await.summary.as_deref(), Some("c2VhbGVk"));
    // Opened again without one, it keeps it.
    server.create(1).await;
    assert_eq!(server.join(share, 2).await.summary.as_deref(), Some("c2VhbGVk"));
    server.get(&path).await.refused(401, Code::NotAuthorised);

    sender.say(&ClientMessage::Summary { summary: "<script>".to_owned() }).await;
    sender.refused(Code::RequestInvalid).await;
    server.stop().await;
}

#[tokio::test]
async fn a_restart_loses_nothing_that_the_peers_cannot_bring_back() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let mut receiver = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let second = server.join(share, 2).await.ticket;
    let mut stream = server.stream(share, &second, None).await;
    let version = stream.place().await.version;
    let third = server.join(share, 3).await.ticket;
    let poll = format!("/api/shares/{share}/place?after={}", server.place(share, &third, None).await.version);
    let poll = ask("GET", &poll, &third, "");
    // The poll is there when it has taken the place of this.
    let mut replaced = server.stream(share, &third, None).await;
    let poll = tokio::spawn({
        let address = server.address;
        async move { raw(address, poll.as_bytes()).await }
    });
    while replaced.hear().await.is_some() {}
    server.stop.send(()).unwrap();
    // What it knows is its answer, at once.
    assert_eq!(patient(poll).await.unwrap().status, 200);
    sender.closed(1012).await;
    receiver.closed(1012).await;
    assert_eq!(stream.hear().await.as_deref(), Some("retry: 500"));
    assert_eq!(stream.hear().await, None);
    patient(server.done).await.unwrap();

    // On another port: the old one may be anybody's by now.
    let server = Running::start(|config| config.keys = keys("another server's secret")).await;
    let body = create_body(1).replace("\"slots\"", &format!("\"active\":[\"{}\"],\"slots\"", peer(1)));
    let answer = server.post("/api/shares", &body).await;
    let ShareCreated { share: again, token } = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(again, share);
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[1], 0)).await;
    // The one that is faster does not get the slot of the one that is connected.
    let second = server.join(share, 2).await.ticket;
    let mut stream = server.stream(share, &second, Some(&version)).await;
    let mut receiver = server.receiver(share, 1).await;
    assert_eq!(stream.hear().await.as_deref(), Some(":"), "its place is what it was");
    // Opened once more while it is open, nothing changes.
    assert_eq!(server.create(1).await.share, share);
    receiver.settle().await;
    server.stop().await;
}

#[tokio::test]
async fn a_silent_socket_is_pinged_and_then_closed() {
    let server = Running::start(|config| {
        config.timings.ping = Duration::from_millis(50);
        config.timings.idle = Duration::from_millis(400);
        config.timings.receiver_grace = Duration::from_millis(800);
    })
    .await;
    let (share, mut sender) = server.sender(1).await;
    let receiver = server.receiver(share, 1).await;
    // What reads answers pings, and stays longer than a silent one may.
    let news = tokio::spawn(async move {
        sender.news(&joined(1)).await;
        sender.news(&left(1)).await;
    });
    let mut stream = receiver.0.into_inner();
    let mut rest = Vec::new();
    patient(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.contains(&0x89), "it was pinged");
    patient(news).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn sockets_that_answer_stay_for_longer_than_presence_lasts() {
    let server = Running::start(|config| {
        config.timings.ping = Duration::from_millis(50);
        config.timings.heard = Duration::from_millis(50);
        config.timings.presence = Duration::from_millis(400);
        config.timings.away_grace = Duration::from_millis(400);
        config.timings.poll = Duration::from_millis(300);
    })
    .await;
    let (share, mut sender) = server.sender(1).await;
    let mut receiver = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let reads = tokio::spawn(async move {
        let first = receiver.hear().await;
        panic!("{first:?}");
    });
    let sends = tokio::spawn(async move { sender.news(&left(1)).await });
    // Polls that are answered are as good.
    let ticket = server.wait_in_line(share, 2, 0).await;
    let mut place = server.place(share, &ticket, None).await;
    for _ in 0..4 {
        place = server.place(share, &ticket, Some(&place.version)).await;
        assert!(place.sender_here && place.lease_ms.is_none());
    }
    assert!(!reads.is_finished() && !sends.is_finished());
    reads.abort();
    sends.abort();
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let server = Running::start(|_| {}).await;
    let config = Config::new(server.address, keys("a secret of the tests"));
    assert!(!format!("{config:?}").contains("secret"));
    assert!(Server::bind(config).await.is_err());
    server.stop().await;
}
