//! Two instances of a server on one Redis: the sender at one, receivers at the other, and what is lost between them.

use crate::harness::*;
use crate::redis::Redis;
use sluice_protocol::VERSION;
use sluice_protocol::error::Code;
use sluice_protocol::id::{OwnerKey, PeerId, ShareId};
use sluice_protocol::queue::Tier;
use sluice_protocol::signal::{
    ClientMessage, CreateShare, JoinShare, ServerMessage, ShareCreated, ShareJoined, Signal,
};
use std::time::{Duration, Instant};

async fn instances(redis: &Redis) -> (Running, Running) {
    let start = async || {
        let store = redis.url().parse().unwrap();
        Running::start(|config| {
            config.store = store;
            // What is not told here at once is not found out by signs of life either.
            config.timings.heard = Duration::from_secs(3600);
            config.timings.ping = Duration::from_secs(3600);
        })
        .await
    };
    let (first, second) = (start().await, start().await);
    (first, second)
}

// The sender's share again, with those that it is connected with.
async fn open_again(server: &Running, slots: u16, active: &[u8]) -> Socket {
    let body = CreateShare {
        version: VERSION,
        owner_key: OwnerKey([1; 32]),
        join_hash: PROOF.hash(),
        slots,
        summary: None,
        active: active.iter().map(|&number| peer(number)).collect(),
    };
    let answer = server.post("/api/shares", &serde_json::to_string(&body).unwrap()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let ShareCreated { share, token } = serde_json::from_str(&answer.body).unwrap();
    server.authorize(share, &token).await
}

async fn join_again(server: &Running, share: ShareId, peer: PeerId, ticket: &str) -> Answer {
    let body = JoinShare { version: VERSION, join_key: PROOF, peer, ticket: Some(ticket.to_owned()) };
    server.post(&format!("/api/shares/{share}/receivers"), &serde_json::to_string(&body).unwrap()).await
}

fn ticket(joined: &Answer) -> ShareJoined {
    assert_eq!(joined.status, 201, "{}", joined.body);
    serde_json::from_str(&joined.body).unwrap()
}

async fn check_journey(redis: &Redis) {
    let (first, second) = instances(redis).await;
    let (share, mut sender) = first.sender(1).await;
    let mut receiver = second.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    receiver.say(&ClientMessage::Relay { peer: None, signal: request(1) }).await;
    sender.news(&ServerMessage::Relay { peer: Some(peer(1)), signal: request(1) }).await;
    let offer = Signal::Offer { attempt: 1, sdp: "v=0\r\n".to_owned() };
    sender.say(&ClientMessage::Relay { peer: Some(peer(1)), signal: offer.clone() }).await;
    receiver.expect(&ServerMessage::Relay { peer: None, signal: offer }).await;

    // One waits at each instance, and one at another than it joined at.
    let polls = second.wait_in_line(share, 2, 0).await;
    let streams = second.wait_in_line(share, 3, 1).await;
    let mut stream = first.stream(share, &streams, None).await;
    assert_eq!(stream.place().await.ahead, 1);
    sender.waiting(2).await;
    let known = second.place(share, &polls, None).await.version;
    let begun = Instant::now();
    let (place, ()) = tokio::join!(second.place(share, &polls, Some(&known)), async {
        receiver.say(&ClientMessage::Leave).await;
        receiver.closed(1000).await;
    });
    assert!(place.lease_ms.is_some_and(|left| left <= 30_000) && place.tier == Tier::Active);
    // Far below the time after which a poll is answered anyhow.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(stream.place().await.ahead, 0);
    let mut receiver = first.admitted(share, &polls).await;
    sender.news(&left(1)).await;
    sender.news(&joined(2)).await;

    // Four keys for the share, and what its addresses have spent, under other names.
    let keys = redis.keys();
    let of_share = keys.iter().filter(|key| key.starts_with(&format!("sluice:{{{share}}}:"))).count();
    let limits =
        keys.iter().filter(|key| key.starts_with("sluice:rate:") || key.starts_with("sluice:held:")).count();
    assert_eq!((of_share, of_share + limits), (4, keys.len()), "{keys:?}");
    assert!(!keys.iter().any(|key| key.contains("127.0.0.1")), "{keys:?}");

    // The sender comes back at the other instance, and the first one closes its socket.
    let mut again = open_again(&second, 1, &[]).await;
    again.expect(&opened(&[2], 1)).await;
    sender.closed(4001).await;
    again.say(&ClientMessage::Dismiss { peer: peer(2) }).await;
    receiver.ended(Code::LetGo).await;
    again.news(&left(2)).await;
    again.say(&ClientMessage::End).await;
    again.ended(Code::ShareEnded).await;
    while stream.event().await.starts_with("event: place") {}
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_on_one_node_serve_one_share() {
    check_journey(&Redis::single()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_on_a_cluster_serve_one_share() {
    check_journey(&Redis::cluster(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_forgets_is_built_again_by_the_peers() {
    let redis = Redis::single();
    let (first, second) = instances(&redis).await;
    let (share, mut sender) = first.sender(1).await;
    let ShareJoined { ticket: held, .. } = second.join(share, 1).await;
    let mut receiver = second.admitted(share, &held).await;
    let second_in_line = second.wait_in_line(share, 2, 0).await;
    let third_in_line = first.wait_in_line(share, 3, 1).await;
    let mut stream = first.stream(share, &third_in_line, None).await;
    stream.place().await;
    sender.news(&joined(1)).await;
    redis.flush();
    // All are told, though nobody has asked.
    sender.refused(Code::ShareNotFound).await;
    receiver.refused(Code::ShareNotFound).await;
    stream.ended(Code::ShareNotFound).await;
    first.ask("GET", &format!("/api/shares/{share}/place"), &held).await.refused(404, Code::ShareNotFound);

    let mut sender = open_again(&second, 1, &[1]).await;
    sender.expect(&opened(&[1], 0)).await;
    // The last one is the first that is back, and does not get ahead by it.
    let third = ticket(&join_again(&second, share, peer(3), &third_in_line).await);
    let again = ticket(&join_again(&first, share, peer(2), &second_in_line).await);
    assert_eq!((again.place.ahead, again.place.tier), (0, Tier::Near));
    assert_eq!(first.place(share, &third.ticket, None).await.ahead, 1);
    let _receiver = first.admitted(share, &held).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_at_an_instance_that_died_goes_on_at_another() {
    let redis = Redis::single();
    let (first, second) = instances(&redis).await;
    let (share, mut sender) = first.sender(1).await;
    let ShareJoined { ticket, .. } = second.join(share, 1).await;
    let _receiver = second.admitted(share, &ticket).await;
    sender.news(&joined(1)).await;
    let waits = second.wait_in_line(share, 2, 0).await;
    // Says nothing to anybody: neither to its peers nor to Redis.
    second.done.abort();
    let mut receiver = first.admitted(share, &ticket).await;
    assert_eq!(first.place(share, &waits, None).await.ahead, 0);
    receiver.say(&ClientMessage::Leave).await;
    receiver.closed(1000).await;
    // Nobody was told that it had left before, and it kept its slot.
    sender.news(&left(1)).await;
    let _next = first.admitted(share, &waits).await;
    sender.news(&joined(2)).await;
    first.stop().await;
}

// As long as it says in the requirements; all else here takes a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_thirty_seconds_costs_nobody_a_place() {
    let redis = Redis::single();
    let (first, second) = instances(&redis).await;
    let (share, mut sender) = first.sender(1).await;
    let mut receiver = second.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let next = first.wait_in_line(share, 2, 0).await;
    let last = second.wait_in_line(share, 3, 1).await;
    let mut stream = second.stream(share, &last, None).await;
    assert_eq!(stream.place().await.ahead, 1);

    let begun = Instant::now();
    redis.pause(0);
    while begun.elapsed() < Duration::from_secs(30) {
        let asked = Instant::now();
        let place = first.ask("GET", &format!("/api/shares/{share}/place"), &next).await;
        place.refused(503, Code::StoreUnavailable);
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    }
    redis.resume(0);
    sender.settle().await;
    receiver.settle().await;
    receiver.say(&ClientMessage::Leave).await;
    receiver.closed(1000).await;
    sender.news(&left(1)).await;
    let _next = first.admitted(share, &next).await;
    sender.news(&joined(2)).await;
    // It was never cut off, and hears the news.
    while stream.place().await.ahead != 0 {}
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_and_outlived() {
    let mut redis = Redis::single();
    let (first, second) = instances(&redis).await;
    let (share, mut sender) = first.sender(1).await;
    let ShareJoined { ticket, .. } = second.join(share, 1).await;
    let mut receiver = second.admitted(share, &ticket).await;
    sender.news(&joined(1)).await;
    assert_eq!(first.get("/readyz").await.status, 200);

    redis.pause(0);
    let begun = Instant::now();
    assert_eq!(first.get("/readyz").await.status, 503);
    second.try_join(share, 2, PROOF).await.refused(503, Code::StoreUnavailable);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    // Nobody who is connected is sent away.
    sender.settle().await;
    receiver.settle().await;
    redis.resume(0);
    assert_eq!(first.get("/readyz").await.status, 200);
    receiver.say(&ClientMessage::Relay { peer: None, signal: request(1) }).await;
    sender.news(&ServerMessage::Relay { peer: Some(peer(1)), signal: request(1) }).await;

    redis.kill(0);
    second.try_join(share, 2, PROOF).await.refused(503, Code::StoreUnavailable);
    redis.start(0);
    sender.refused(Code::ShareNotFound).await;
    let mut sender = open_again(&first, 1, &[1]).await;
    sender.expect(&opened(&[1], 0)).await;
    first.stop().await;
    second.stop().await;
}
