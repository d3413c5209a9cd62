//! The server over real sockets: journeys of senders and receivers, and whoever else knocks.

#![allow(clippy::unwrap_used)]

#[path = "server/harness.rs"]
mod harness;
#[path = "server/hostile.rs"]
mod hostile;

use harness::*;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinKey, OwnerKey};
use sluice_protocol::signal::{ClientMessage, ServerMessage, ShareCreated, Signal};
use sluice_server::{Config, Server};
use std::time::Duration;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_share_is_opened_joined_relayed_and_left() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(2).await;
    assert_eq!(share, OwnerKey([1; 32]).share_id());

    let mut receiver = server.receiver(share, 1, 0, 2).await;
    receiver.expect(&ServerMessage::Admitted).await;
    sender.expect(&waiting(1)).await;
    sender.expect(&joined(1)).await;
    sender.expect(&waiting(0)).await;

    let signal = request(1);
    receiver.say(&ClientMessage::Relay { peer: None, signal: signal.clone() }).await;
    let from = Some(peer(1));
    sender.expect(&ServerMessage::Relay { peer: from, signal }).await;
    let signal = Signal::Offer { attempt: 1, sdp: "v=0\r\n".to_owned() };
    // To somebody unknown: dropped, and the socket goes on.
    for to in [8, 1] {
        sender.say(&ClientMessage::Relay { peer: Some(peer(to)), signal: signal.clone() }).await;
    }
    receiver.expect(&ServerMessage::Relay { peer: None, signal }).await;

    receiver.say(&ClientMessage::Leave).await;
    receiver.closed(1000).await;
    sender.expect(&left(1)).await;
    server.stop().await;
}

#[tokio::test]
async fn three_slots_serve_five_receivers_in_order() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(3).await;
    let mut receivers = Vec::new();
    for (number, ahead) in [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1)] {
        let mut receiver = server.receiver(share, number, ahead, 3).await;
        sender.expect(&waiting(ahead + 1)).await;
        if number <= 3 {
            receiver.expect(&ServerMessage::Admitted).await;
            sender.expect(&joined(number)).await;
            sender.expect(&waiting(0)).await;
        }
        receivers.push(receiver);
    }
    // One without a slot reaches nobody.
    receivers[3].say(&ClientMessage::Relay { peer: None, signal: request(1) }).await;
    receivers[3].settle().await;
    sender.settle().await;

    receivers[1].say(&ClientMessage::Leave).await;
    receivers[3].expect(&ServerMessage::Admitted).await;
    let (ahead, slots) = (0, 3);
    receivers[4].expect(&ServerMessage::Place { ahead, slots }).await;
    for message in [left(2), joined(4), waiting(1)] {
        sender.expect(&message).await;
    }
    sender.say(&ClientMessage::Dismiss { peer: peer(1) }).await;
    receivers[0].ended(Code::NotAuthorised).await;
    receivers[4].expect(&ServerMessage::Admitted).await;
    server.try_join(share, 1, JoinKey([5; 32])).await.refused(403, Code::NotAuthorised);
    server.stop().await;
}

#[tokio::test]
async fn a_newer_socket_replaces_the_older_one() {
    let server = Running::start(|_| {}).await;
    let ShareCreated { share, token } = server.create(1).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 0)).await;
    let ticket = server.join(share, 1).await;
    let mut old = server.authorize(share, &ticket).await;
    let place = ServerMessage::Place { ahead: 0, slots: 1 };
    old.expect(&place).await;
    old.expect(&ServerMessage::Admitted).await;

    let mut new = server.authorize(share, &ticket).await;
    new.expect(&place).await;
    new.expect(&ServerMessage::Admitted).await;
    old.closed(4001).await;
    // The old one's end changes nothing.
    new.settle().await;

    let mut again = server.authorize(share, &token).await;
    again.expect(&opened(&[1], 0)).await;
    for message in [waiting(1), joined(1), waiting(0)] {
        sender.expect(&message).await;
    }
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
    let ticket = server.join(share, 1).await;
    let mut first = server.authorize(share, &ticket).await;
    let place = ServerMessage::Place { ahead: 0, slots: 1 };
    first.expect(&place).await;
    first.expect(&ServerMessage::Admitted).await;
    let mut second = server.receiver(share, 2, 0, 1).await;
    for message in [waiting(1), joined(1), waiting(0), waiting(1)] {
        sender.expect(&message).await;
    }

    drop(first);
    let mut first = server.authorize(share, &ticket).await;
    first.expect(&place).await;
    first.expect(&ServerMessage::Admitted).await;
    sender.settle().await;

    drop(first);
    // After the grace period, and not before the socket was seen to drop.
    second.expect(&ServerMessage::Admitted).await;
    for message in [left(1), joined(2), waiting(0)] {
        sender.expect(&message).await;
    }
    let mut late = server.authorize(share, &ticket).await;
    late.refused(Code::NotAuthorised).await;
    // It joins again, at the end of the line.
    let _first = server.receiver(share, 1, 0, 1).await;
    sender.expect(&waiting(1)).await;
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
    let mut first = server.receiver(share, 1, 0, 1).await;
    first.expect(&ServerMessage::Admitted).await;
    let mut second = server.receiver(share, 2, 0, 1).await;

    drop(sender);
    first.expect(&ServerMessage::SenderAway).await;
    second.expect(&ServerMessage::SenderAway).await;
    // Its slot is free, and nobody gets it yet.
    first.say(&ClientMessage::Leave).await;
    first.closed(1000).await;
    second.settle().await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 1)).await;
    second.expect(&ServerMessage::SenderBack).await;
    second.expect(&ServerMessage::Admitted).await;

    drop(sender);
    second.expect(&ServerMessage::SenderAway).await;
    second.ended(Code::SenderGone).await;
    server.try_join(share, 2, JoinKey([5; 32])).await.refused(404, Code::ShareNotFound);
    let mut late = server.authorize(share, &token).await;
    late.refused(Code::ShareNotFound).await;
    server.stop().await;
}

#[tokio::test]
async fn a_sender_ends_its_share() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let mut first = server.receiver(share, 1, 0, 1).await;
    first.expect(&ServerMessage::Admitted).await;
    let mut second = server.receiver(share, 2, 0, 1).await;
    for message in [waiting(1), joined(1), waiting(0), waiting(1)] {
        sender.expect(&message).await;
    }
    sender.say(&ClientMessage::End).await;
    first.ended(Code::ShareEnded).await;
    second.ended(Code::ShareEnded).await;
    sender.ended(Code::ShareEnded).await;
    server.try_join(share, 1, JoinKey([5; 32])).await.refused(404, Code::ShareNotFound);
    server.stop().await;
}

#[tokio::test]
async fn a_restart_loses_nothing_that_the_peers_cannot_bring_back() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let mut receiver = server.receiver(share, 1, 0, 1).await;
    receiver.expect(&ServerMessage::Admitted).await;
    for message in [waiting(1), joined(1), waiting(0)] {
        sender.expect(&message).await;
    }
    let stopping = tokio::spawn(server.stop());
    sender.closed(1012).await;
    receiver.closed(1012).await;
    patient(stopping).await.unwrap();

    // On another port: the old one may be anybody's by now.
    let server = Running::start(|config| config.secret = [8; 32]).await;
    let (again, _sender) = server.sender(1).await;
    assert_eq!(again, share);
    let mut receiver = server.receiver(share, 1, 0, 1).await;
    receiver.expect(&ServerMessage::Admitted).await;
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
    let receiver = server.receiver(share, 1, 0, 1).await;
    // What reads answers pings, and stays longer than a silent one may.
    let news = tokio::spawn(async move {
        for message in [waiting(1), joined(1), waiting(0), left(1)] {
            sender.expect(&message).await;
        }
    });
    let mut stream = receiver.0.into_inner();
    let mut rest = Vec::new();
    patient(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.contains(&0x89), "it was pinged");
    patient(news).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let server = Running::start(|_| {}).await;
    let config = Config::new(server.address, [7; 32]);
    assert!(!format!("{config:?}").contains("secret"));
    assert!(Server::bind(config).await.is_err());
    server.stop().await;
}
