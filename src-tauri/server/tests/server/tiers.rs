//! Waiting: polls and event streams, and how one moves up to a slot.

use crate::harness::*;
use sluice_protocol::error::Code;
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::{ClientMessage, ServerMessage, ShareCreated};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_poll_is_answered_when_the_place_changes_and_else_when_time_is_up() {
    let server = Running::start(|config| config.timings.poll = Duration::from_millis(300)).await;
    let (share, mut sender) = server.sender(1).await;
    let mut first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let second = server.wait_in_line(share, 2, 0).await;
    let third = server.wait_in_line(share, 3, 1).await;
    let place = server.place(share, &third, None).await;
    assert_eq!((place.tier, place.slots, place.sender_here), (Tier::Near, 1, true));
    // One that knows something else hears at once, one that knows it when time is up.
    assert_eq!(server.place(share, &third, Some("old")).await, place);
    let begun = std::time::Instant::now();
    assert_eq!(server.place(share, &third, Some(&place.version)).await, place);
    assert!(begun.elapsed() >= Duration::from_millis(300));

    // In time, and long before it is up.
    let known = server.place(share, &second, None).await.version;
    let (news, further, ()) = tokio::join!(
        server.place(share, &second, Some(&known)),
        server.place(share, &third, Some(&place.version)),
        async {
            first.say(&ClientMessage::Leave).await;
            first.closed(1000).await;
        }
    );
    assert_eq!((news.tier, news.ahead), (Tier::Active, 0));
    assert!((1..=30_000).contains(&news.lease_ms.unwrap()));
    assert_eq!((further.tier, further.ahead), (Tier::Near, 0));
    let _second = server.admitted(share, &second).await;
    sender.news(&left(1)).await;
    sender.news(&joined(2)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_tells_places_signs_of_life_and_the_promotion() {
    let server = Running::start(|config| config.timings.ping = Duration::from_millis(100)).await;
    let (share, mut sender) = server.sender(1).await;
    let mut first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let mut tickets = Vec::new();
    for number in 2..=9 {
        tickets.push(server.wait_in_line(share, number, u32::from(number) - 2).await);
    }
    let mut far = server.stream(share, &tickets[7], None).await;
    for line in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
    ] {
        assert!(far.head.contains(line), "{line}");
    }
    let place = far.place().await;
    assert_eq!((place.tier, place.ahead), (Tier::Far, 7));
    assert_eq!(far.hear().await.as_deref(), Some(":"));

    // Who knows its place is not told it again.
    drop(far);
    let mut far = server.stream(share, &tickets[7], Some(&place.version)).await;
    assert_eq!(far.hear().await.as_deref(), Some(":"));
    let mut near = server.stream(share, &tickets[0], Some(&place.version)).await;
    assert_eq!(near.place().await.ahead, 0);

    first.say(&ClientMessage::Leave).await;
    let promoted = near.place().await;
    assert_eq!((promoted.tier, promoted.lease_ms.is_some()), (Tier::Active, true));
    assert_eq!(far.place().await.ahead, 6);
    let _second = server.admitted(share, &tickets[0]).await;
    // One that is listened to elsewhere ends.
    let mut newer = server.stream(share, &tickets[7], None).await;
    assert_eq!(newer.place().await.ahead, 6);
    while far.hear().await.is_some() {}
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_claim_in_time_is_passed_over_and_keeps_its_place() {
    let server = Running::start(|config| {
        config.timings.lease = Duration::from_millis(300);
        config.timings.ping = Duration::from_millis(100);
    })
    .await;
    let (share, mut sender) = server.sender(1).await;
    let mut first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let second = server.wait_in_line(share, 2, 0).await;
    let third = server.wait_in_line(share, 3, 1).await;
    let mut slow = server.stream(share, &second, None).await;
    assert_eq!(slow.place().await.lease_ms, None);
    let mut quick = server.stream(share, &third, None).await;
    assert_eq!(quick.place().await.ahead, 1);
    first.say(&ClientMessage::Leave).await;
    assert!(slow.place().await.lease_ms.is_some());
    assert_eq!(quick.place().await.ahead, 0);
    // Its lease lapses: the next in line has it.
    let passed = slow.place().await;
    assert_eq!((passed.ahead, passed.lease_ms), (0, None));
    while quick.place().await.lease_ms.is_none() {}
    let mut quick = server.admitted(share, &third).await;
    sender.news(&left(1)).await;
    sender.news(&joined(3)).await;
    // Behind the one who took it, before all others.
    quick.say(&ClientMessage::Leave).await;
    while slow.place().await.lease_ms.is_none() {}
    let _second = server.admitted(share, &second).await;
    server.stop().await;
}

#[tokio::test]
async fn one_that_goes_away_while_it_waits_is_passed_over_at_once() {
    let server = Running::start(|config| {
        config.timings.receiver_grace = Duration::from_millis(1500);
        config.timings.poll = Duration::from_secs(600);
    })
    .await;
    let (share, mut sender) = server.sender(1).await;
    let mut first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    // One polls, one listens, one stays.
    let polls = server.wait_in_line(share, 2, 0).await;
    let listens = server.wait_in_line(share, 3, 1).await;
    let stays = server.wait_in_line(share, 4, 2).await;
    let version = server.place(share, &polls, None).await.version;
    let mut poll = TcpStream::connect(server.address).await.unwrap();
    let path = format!("/api/shares/{share}/place?after={version}");
    poll.write_all(ask("GET", &path, &polls, "").as_bytes()).await.unwrap();
    let mut stream = server.stream(share, &listens, None).await;
    stream.place().await;
    let mut last = server.stream(share, &stays, None).await;
    last.place().await;
    sender.waiting(3).await;

    drop(poll);
    drop(stream);
    // That the two are gone shows when their grace period is over; nobody was promoted for it.
    while last.place().await.ahead > 0 {}
    first.say(&ClientMessage::Leave).await;
    assert!(last.place().await.lease_ms.is_some());
    for ticket in [polls, listens] {
        let path = format!("/api/shares/{share}/place");
        server.ask("GET", &path, &ticket).await.refused(403, Code::NotAuthorised);
    }
    server.stop().await;
}

#[tokio::test]
async fn while_the_sender_is_away_the_line_is_frozen() {
    let server = Running::start(|_| {}).await;
    let created = server.create(1).await;
    let share = created.share;
    let first = server.join(share, 1).await.ticket;
    let place = server.place(share, &first, None).await;
    assert_eq!((place.tier, place.lease_ms, place.sender_here), (Tier::Active, None, false));
    server.authorize(share, &first).await.refused(Code::NotYourTurn).await;
    let (place, sender) = tokio::join!(
        server.place(share, &first, Some(&place.version)),
        server.authorize(share, &created.token)
    );
    assert!(place.sender_here);
    let mut sender = sender;
    sender.expect(&opened(&[], 0)).await;
    let _first = server.admitted(share, &first).await;
    sender.news(&joined(1)).await;
    server.stop().await;
}

#[tokio::test]
async fn leaving_by_http_frees_the_place_and_ends_what_listens() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let first = server.join(share, 1).await.ticket;
    let mut socket = server.admitted(share, &first).await;
    sender.news(&joined(1)).await;
    let second = server.join(share, 2).await.ticket;
    let mut stream = server.stream(share, &second, None).await;
    stream.place().await;
    let path = |number| format!("/api/shares/{share}/receivers/{}", peer(number));
    // Nobody leaves for another.
    server.ask("DELETE", &path(1), &second).await.refused(403, Code::NotAuthorised);
    server.ask("DELETE", &path(2), "x").await.refused(401, Code::NotAuthorised);
    assert_eq!(server.ask("DELETE", &path(2), &second).await.status, 204);
    stream.ended(Code::NotAuthorised).await;
    // Leaving twice is leaving.
    assert_eq!(server.ask("DELETE", &path(2), &second).await.status, 204);
    assert_eq!(server.ask("DELETE", &path(1), &first).await.status, 204);
    sender.news(&left(1)).await;
    socket.refused(Code::NotAuthorised).await;
    server.stop().await;
}

#[tokio::test]
async fn looking_takes_no_slot_and_neither_does_joining() {
    let server = Running::start(|config| config.timings.receiver_grace = Duration::from_millis(500)).await;
    let (share, mut sender) = server.sender(1).await;
    // It joins, and is never seen again.
    let gone = server.join(share, 1).await;
    assert_eq!((gone.place.tier, gone.place.lease_ms), (Tier::Active, None));
    let ticket = server.join(share, 2).await.ticket;
    for path in ["place", "summary"] {
        server.get(&format!("/api/shares/{share}/{path}")).await.refused(401, Code::NotAuthorised);
    }
    server.get(&format!("/s/{share}")).await;
    // The second is there, and so it is first.
    assert!(server.place(share, &ticket, None).await.lease_ms.is_some());
    let _second = server.admitted(share, &ticket).await;
    sender.news(&joined(2)).await;
    sender.waiting(0).await;
    let path = format!("/api/shares/{share}/place");
    server.ask("GET", &path, &gone.ticket).await.refused(403, Code::NotAuthorised);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_for_one_that_is_let_go() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let _first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let ticket = server.join(share, 2).await.ticket;
    let mut stream = server.stream(share, &ticket, None).await;
    stream.place().await;
    sender.say(&ClientMessage::Dismiss { peer: peer(2) }).await;
    stream.ended(Code::LetGo).await;
    let path = format!("/api/shares/{share}/events");
    server.ask("GET", &path, &ticket).await.refused(403, Code::NotAuthorised);
    server.stop().await;
}

#[tokio::test]
async fn counts_of_those_who_wait_come_four_times_a_second_at_most() {
    let server = Running::start(|_| {}).await;
    let (share, mut sender) = server.sender(1).await;
    let begun = std::time::Instant::now();
    for number in 1..=40 {
        server.join(share, number).await;
    }
    let mut counts = 0;
    loop {
        counts += 1;
        if sender.hear().await == (ServerMessage::Waiting { count: 40 }) {
            break;
        }
    }
    let most = 2 + begun.elapsed().as_millis() / 250;
    assert!(counts <= most, "{counts} counts, at most {most}");
    server.stop().await;
}

// The reader takes nothing: what is sent fills the buffers between, and then the connection ends.
#[tokio::test]
async fn a_stream_that_is_not_read_is_let_go() {
    let server = Running::start(|config| {
        config.timings.write = Duration::from_millis(300);
        config.timings.receiver_grace = Duration::from_millis(200);
    })
    .await;
    let ShareCreated { share, token } = server.create(1).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 0)).await;
    let mut first = server.receiver(share, 1).await;
    let ticket = server.join(share, 2).await.ticket;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let request = ask("GET", &format!("/api/shares/{share}/events"), &ticket, "");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    // The sender comes and goes, which is news each time, until nobody waits any more.
    loop {
        drop(sender);
        first.expect(&ServerMessage::SenderAway).await;
        sender = server.authorize(share, &token).await;
        first.expect(&ServerMessage::SenderBack).await;
        if sender.hear().await == opened(&[1], 0) {
            break;
        }
    }
    server.stop().await;
}
