//! The lines against a scripted server: what they ask for, in which order, and what they tell of it.

#![allow(clippy::unwrap_used)]

mod script;

use super::*;
use script::{Peer, Script};
use serde_json::{Value, json};
use sluice_protocol::id::{LinkSecret, OwnerKey, PeerId};
use std::time::Duration;
use tokio::time::timeout;

const SHARE: ShareId = ShareId([7; 16]);
const PEER: PeerId = PeerId([9; 16]);

fn key() -> SummaryKey {
    SummaryKey::new(&LinkSecret([3; 16]), SHARE)
}

fn summary(complete: bool) -> Summary {
    Summary { name: "photos".into(), entries: 2, bytes: 3, complete }
}

fn place(tier: &str, ahead: u32) -> Value {
    json!({"tier": tier, "ahead": ahead, "slots": 2, "sender_here": true, "version": format!("{tier}&{ahead}")})
}

fn promoted() -> Value {
    json!({"tier": "active", "ahead": 0, "slots": 2, "lease_ms": 30_000, "sender_here": true, "version": "p"})
}

/// A receiver that was told `place` at its joining, and what it is told.
async fn joined(script: &mut Script, place: &Value) -> Signaling {
    let join_key = LinkSecret([3; 16]);
    let join_key = sluice_protocol::crypto::join_key(&join_key, SHARE);
    let join = JoinShare { version: 1, join_key, peer: PEER, ticket: None };
    let mut signaling = Signaling::join(script.url(), SHARE, join, key()).unwrap();
    let request = script.request("POST", "/receivers").await;
    assert_eq!(request.body["ticket"], Value::Null);
    request.answer(201, &json!({"ticket": "ticket 1", "place": place})).await;
    told(&mut signaling, place).await;
    signaling
}

async fn next(signaling: &mut Signaling) -> SignalingEvent {
    timeout(Duration::from_secs(20), signaling.next()).await.unwrap().unwrap()
}

/// The next event is this place.
async fn told(signaling: &mut Signaling, place: &Value) {
    match next(signaling).await {
        SignalingEvent::Place(told) => assert_eq!(serde_json::to_value(told).unwrap(), *place),
        other => panic!("{other:?} instead of {place}"),
    }
}

async fn admitted(script: &mut Script, signaling: &mut Signaling, ticket: &str) -> Peer {
    let mut socket = script.socket().await;
    assert_eq!(socket.hear().await, json!({"type": "authorize", "token": ticket}));
    socket.say(&json!({"type": "admitted"})).await;
    assert!(matches!(next(signaling).await, SignalingEvent::Message(ServerMessage::Admitted)));
    socket
}

#[tokio::test]
async fn a_receiver_listens_then_polls_then_claims_and_leaves_on_its_socket() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("far", 9)).await;
    let request = script.request("GET", "/events").await;
    assert_eq!(
        (request.header("authorization"), request.header("last-event-id")),
        ("Bearer ticket 1", "far&9")
    );
    let mut stream = request.stream().await;
    // In two parts, and with a heartbeat between.
    let text = format!(":\n\nevent: place\nid: far&8\ndata: {}\n\n", place("far", 8));
    stream.send(&text[..40]).await;
    stream.send(&text[40..]).await;
    told(&mut signaling, &place("far", 8)).await;
    stream.send(&format!("event: place\ndata: {}\n\n", place("near", 4))).await;
    told(&mut signaling, &place("near", 4)).await;
    stream.closed().await;
    // A poll with nothing new is told to nobody.
    for _ in 0..2 {
        let request = script.request("GET", "/place?after=near%264").await;
        assert_eq!(request.header("authorization"), "Bearer ticket 1");
        request.answer(200, &place("near", 4)).await;
    }
    script.request("GET", "/place?after=near%264").await.answer(200, &promoted()).await;
    told(&mut signaling, &promoted()).await;

    let mut socket = admitted(&mut script, &mut signaling, "ticket 1").await;
    signaling.tell_progress(Progress::Downloading);
    assert_eq!(socket.hear().await, json!({"type": "progress", "progress": "downloading"}));
    signaling.sender().send(ClientMessage::Relay { peer: None, signal: request_signal() }).await.unwrap();
    assert_eq!(socket.hear().await["signal"]["attempt"], 1);
    signaling.tell_progress(Progress::Completed);
    let leaving = tokio::spawn(signaling.leave());
    assert_eq!(socket.hear().await, json!({"type": "progress", "progress": "completed"}));
    assert_eq!(socket.hear().await, json!({"type": "leave"}));
    socket.close(1000).await;
    leaving.await.unwrap();
}

fn request_signal() -> sluice_protocol::signal::Signal {
    sluice_protocol::signal::Signal::Request { attempt: 1 }
}

#[tokio::test]
async fn one_that_waits_leaves_by_http() {
    for tier in ["near", "far"] {
        let mut script = Script::new().await;
        let signaling = joined(&mut script, &place(tier, 1)).await;
        let waiting = script.request("GET", "/").await;
        let leaving = tokio::spawn(signaling.leave());
        let request = script.request("DELETE", &format!("/receivers/{PEER}")).await;
        assert_eq!(request.header("authorization"), "Bearer ticket 1");
        request.answer(204, &Value::Null).await;
        leaving.await.unwrap();
        drop(waiting);
    }
}

#[tokio::test]
async fn a_claim_that_comes_too_early_goes_back_to_polling() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("active", 0)).await;
    let mut socket = script.socket().await;
    socket.hear().await;
    socket.say(&json!({"type": "error", "code": "not_your_turn", "message": ""})).await;
    socket.close(1008).await;
    script.request("GET", "/place?after=active%260").await.answer(200, &promoted()).await;
    // It heard of no trouble.
    told(&mut signaling, &promoted()).await;
    admitted(&mut script, &mut signaling, "ticket 1").await;
}

#[tokio::test]
async fn a_lost_place_is_taken_again_with_the_ticket_that_knows_when_it_was_first() {
    for code in ["not_authorised", "share_not_found"] {
        let mut script = Script::new().await;
        let mut signaling = joined(&mut script, &place("near", 1)).await;
        let request = script.request("GET", "/place").await;
        request.answer(401, &json!({"code": code, "message": ""})).await;
        let request = script.request("POST", "/receivers").await;
        assert_eq!(request.body["ticket"], "ticket 1");
        assert_eq!(request.body["peer"], PEER.to_text());
        request.answer(201, &json!({"ticket": "ticket 2", "place": place("active", 0)})).await;
        if code == "share_not_found" {
            assert!(
                matches!(next(&mut signaling).await, SignalingEvent::Down(error) if error.code() == Code::ShareNotFound)
            );
        }
        told(&mut signaling, &place("active", 0)).await;
        let socket = admitted(&mut script, &mut signaling, "ticket 2").await;
        // And on the socket too.
        drop(socket);
        assert!(matches!(next(&mut signaling).await, SignalingEvent::Down(_)));
        let mut socket = script.socket().await;
        socket.hear().await;
        socket.say(&json!({"type": "error", "code": "not_authorised", "message": ""})).await;
        let request = script.request("POST", "/receivers").await;
        assert_eq!(request.body["ticket"], "ticket 2");
    }
}

#[tokio::test]
async fn a_place_that_is_lost_while_listening_is_taken_again() {
    for code in ["not_authorised", "share_not_found", "sender_gone"] {
        let mut script = Script::new().await;
        let _signaling = joined(&mut script, &place("far", 1)).await;
        let mut stream = script.request("GET", "/events").await.stream().await;
        stream.send(&format!("event: ended\ndata: {{\"code\":\"{code}\"}}\n\n")).await;
        assert_eq!(script.request("POST", "/receivers").await.body["ticket"], "ticket 1");
    }
}

#[tokio::test]
async fn one_that_was_let_go_does_not_come_back() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("near", 1)).await;
    script
        .request("GET", "/place")
        .await
        .answer(401, &json!({"code": "not_authorised", "message": ""}))
        .await;
    let request = script.request("POST", "/receivers").await;
    request.answer(403, &json!({"code": "not_authorised", "message": ""})).await;
    assert!(
        matches!(next(&mut signaling).await, SignalingEvent::Refused(error) if error.code() == Code::NotAuthorised)
    );
    assert!(signaling.next().await.is_none());
    // Nor does one whose share has ended, on whichever way it heard of it.
    let mut signaling = joined(&mut script, &place("far", 1)).await;
    let mut stream = script.request("GET", "/events").await.stream().await;
    stream.send("event: ended\ndata: {\"code\":\"share_ended\"}\n\n").await;
    assert!(
        matches!(next(&mut signaling).await, SignalingEvent::Refused(error) if error.code() == Code::ShareEnded)
    );
    let mut signaling = joined(&mut script, &place("active", 0)).await;
    let mut socket = admitted(&mut script, &mut signaling, "ticket 1").await;
    socket.say(&json!({"type": "ended", "code": "share_ended"})).await;
    assert!(
        matches!(next(&mut signaling).await, SignalingEvent::Refused(error) if error.code() == Code::ShareEnded)
    );
}

#[tokio::test]
async fn a_server_that_restarts_is_no_trouble() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("far", 9)).await;
    let mut stream = script.request("GET", "/events").await.stream().await;
    stream.send(&format!("event: place\nid: 8\ndata: {}\n\nretry: 100\n\n", place("far", 8))).await;
    drop(stream);
    told(&mut signaling, &place("far", 8)).await;
    let request = script.request("GET", "/events").await;
    assert_eq!(request.header("last-event-id"), "far&8");
    let mut stream = request.stream().await;
    stream.send(&format!("event: place\ndata: {}\n\n", promoted())).await;
    told(&mut signaling, &promoted()).await;
    let mut socket = admitted(&mut script, &mut signaling, "ticket 1").await;
    signaling.tell_progress(Progress::Connected);
    socket.hear().await;
    socket.close(1012).await;
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Restarts));
    let mut socket = admitted(&mut script, &mut signaling, "ticket 1").await;
    // The server may have forgotten how far it is.
    assert_eq!(socket.hear().await, json!({"type": "progress", "progress": "connected"}));
}

#[tokio::test]
async fn a_stream_without_a_word_is_dead() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("far", 9)).await;
    let _silent = script.request("GET", "/events").await.stream().await;
    // All that is left to wait for is time.
    tokio::time::pause();
    let start = Instant::now();
    assert!(matches!(signaling.next().await, Some(SignalingEvent::Down(_))));
    let silence = start.elapsed();
    tokio::time::resume();
    assert!((44..46).contains(&silence.as_secs()), "{silence:?}");
    script.request("GET", "/events").await;
}

#[tokio::test]
async fn a_busy_server_is_not_asked_before_it_says() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("near", 1)).await;
    let refusal = json!({"code": "store_unavailable", "message": ""});
    script.request("GET", "/place").await.answer_with(503, "Retry-After: 1\r\n", &refusal).await;
    let refused = Instant::now();
    assert!(
        matches!(next(&mut signaling).await, SignalingEvent::Down(error) if error.code() == Code::StoreUnavailable)
    );
    let request = script.request("GET", "/place").await;
    assert!(refused.elapsed() >= Duration::from_secs(1));
    request.answer(200, &place("near", 1)).await;
    // Told again, because trouble was.
    told(&mut signaling, &place("near", 1)).await;
}

#[tokio::test]
async fn what_a_share_holds_is_told_when_it_opens_and_when_it_grows() {
    let mut script = Script::new().await;
    let join_key = sluice_protocol::crypto::join_key(&LinkSecret([3; 16]), SHARE);
    let join = JoinShare { version: 1, join_key, peer: PEER, ticket: None };
    let mut signaling = Signaling::join(script.url(), SHARE, join, key()).unwrap();
    let sealed = |complete, nonce: u8| key().seal(&summary(complete), [nonce; 12]);
    let answer = json!({"ticket": "ticket 1", "place": place("near", 1), "summary": sealed(false, 1)});
    script.request("POST", "/receivers").await.answer(201, &answer).await;
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Summary(told) if told == summary(false)));
    told(&mut signaling, &place("near", 1)).await;
    let request = script.request("GET", "/place").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    request.answer(200, &place("near", 1)).await;
    let request = script.request("GET", "/summary").await;
    assert_eq!(request.header("authorization"), "Bearer ticket 1");
    request.answer(200, &json!({"summary": sealed(true, 2)})).await;
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Summary(told) if told == summary(true)));
    script.request("GET", "/place").await;
}

#[tokio::test]
async fn a_sender_opens_its_share_again_with_all_that_a_server_may_have_lost() {
    let mut script = Script::new().await;
    let owner_key = OwnerKey([5; 32]);
    let join_hash = sluice_protocol::crypto::join_key(&LinkSecret([3; 16]), SHARE).hash();
    let create =
        CreateShare { version: 1, owner_key, join_hash, slots: 2, summary: None, active: Vec::new() };
    let standing =
        watch::Sender::new(Standing { slots: 2, summary: Some("sealed 1".into()), active: Vec::new() });
    let mut signaling = Signaling::own(script.url(), create, standing.subscribe()).unwrap();
    let share = OwnerKey([5; 32]).share_id();
    let request = script.request("POST", "/api/shares").await;
    assert_eq!((&request.body["summary"], &request.body["active"]), (&json!("sealed 1"), &Value::Null));
    request.answer(201, &json!({"share": share, "token": "token 1"})).await;
    let mut socket = script.socket().await;
    assert_eq!(socket.hear().await, json!({"type": "authorize", "token": "token 1"}));
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Up));
    standing.send_modify(|standing| standing.summary = Some("sealed 2".into()));
    assert_eq!(socket.hear().await, json!({"type": "summary", "summary": "sealed 2"}));
    standing.send_modify(|standing| standing.active = (0..3).map(|number| PeerId([number; 16])).collect());
    socket.close(1012).await;

    // It may take a moment until it is there again. No more than it has slots, and no word of trouble.
    let refusal = json!({"code": "store_unavailable", "message": ""});
    script.request("POST", "/api/shares").await.answer(503, &refusal).await;
    let request = script.request("POST", "/api/shares").await;
    assert_eq!(request.body["summary"], "sealed 2");
    assert_eq!(request.body["active"], json!([PeerId([0; 16]), PeerId([1; 16])]));
    request.answer(201, &json!({"share": share, "token": "token 2"})).await;
    let mut socket = script.socket().await;
    assert_eq!(socket.hear().await["token"], "token 2");
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Up));
    drop(socket);
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Down(_)));
    // The share is over when its sender says so.
    script
        .request("POST", "/api/shares")
        .await
        .answer(201, &json!({"share": share, "token": "token 3"}))
        .await;
    let mut socket = script.socket().await;
    socket.hear().await;
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Up));
    signaling.sender().send(ClientMessage::End).await.unwrap();
    assert_eq!(socket.hear().await, json!({"type": "end"}));
    socket.say(&json!({"type": "ended", "code": "share_ended"})).await;
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Message(ServerMessage::Ended { .. })));
    assert!(signaling.next().await.is_none());
}

#[tokio::test]
async fn servers_for_a_path_are_asked_for_once_in_half_their_time() {
    let mut script = Script::new().await;
    let mut signaling = joined(&mut script, &place("active", 0)).await;
    let _socket = admitted(&mut script, &mut signaling, "ticket 1").await;
    let ice = signaling.ice();
    let urls = |servers: Vec<crate::rtc::IceServer>| {
        servers.into_iter().flat_map(|server| server.urls).collect::<Vec<_>>()
    };
    let asking = tokio::spawn(async move { (urls(ice.servers().await), ice) });
    let request = script.request("GET", "/ice").await;
    assert_eq!(request.header("authorization"), "Bearer ticket 1");
    let servers = json!([{"urls": ["turn:a"], "username": "u", "credential": "c"}, {"urls": ["stun:b"]}]);
    request.answer(200, &json!({"ice_servers": servers, "ttl": 600})).await;
    let (told, ice) = asking.await.unwrap();
    assert_eq!(told, ["turn:a", "stun:b"]);
    assert_eq!(urls(ice.servers().await).len(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(299)).await;
    tokio::time::resume();
    assert_eq!(urls(ice.servers().await).len(), 2);
    // Past half of it they are asked for again; what is known will do where that fails.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    let asking = tokio::spawn(async move { (urls(ice.servers().await), ice) });
    script.request("GET", "/ice").await.answer(500, &Value::Null).await;
    let (told, ice) = asking.await.unwrap();
    assert_eq!(told.len(), 2);
    // Refused ones are worth nothing.
    ice.forget().await;
    let asking = tokio::spawn(async move { urls(ice.servers().await) });
    script.request("GET", "/ice").await.answer(500, &Value::Null).await;
    assert!(asking.await.unwrap().is_empty());
}

#[tokio::test]
async fn other_slots_are_asked_for_beside_the_socket_until_they_are_granted() {
    let mut script = Script::new().await;
    let owner_key = OwnerKey([5; 32]);
    let join_hash = sluice_protocol::crypto::join_key(&LinkSecret([3; 16]), SHARE).hash();
    let share = owner_key.share_id();
    let create =
        CreateShare { version: 1, owner_key, join_hash, slots: 2, summary: None, active: Vec::new() };
    let standing =
        watch::Sender::new(Standing { slots: 2, summary: Some("sealed".into()), active: Vec::new() });
    let mut signaling = Signaling::own(script.url(), create, standing.subscribe()).unwrap();
    let opened = |token: &str| json!({"share": share, "token": token});
    script.request("POST", "/api/shares").await.answer(201, &opened("token 1")).await;
    let mut socket = script.socket().await;
    socket.hear().await;
    assert!(matches!(next(&mut signaling).await, SignalingEvent::Up));
    // What a dial passes over is not asked for, and a refusal is no trouble.
    for slots in [3, 4, 9] {
        standing.send_modify(|standing| standing.slots = slots);
    }
    let request = script.request("POST", "/api/shares").await;
    assert_eq!((&request.body["slots"], &request.body["summary"]), (&json!(9), &Value::Null));
    let refusal = json!({"code": "rate_limited", "message": ""});
    request.answer_with(429, "Retry-After: 1\r\n", &refusal).await;
    let request = script.request("POST", "/api/shares").await;
    assert_eq!(request.body["slots"], 9);
    request.answer(201, &opened("token 2")).await;
    // The socket stands all the while.
    standing.send_modify(|standing| standing.summary = Some("sealed again".into()));
    assert_eq!(socket.hear().await, json!({"type": "summary", "summary": "sealed again"}));
    socket.say(&json!({"type": "waiting", "count": 3})).await;
    let event = next(&mut signaling).await;
    assert!(matches!(event, SignalingEvent::Message(ServerMessage::Waiting { count: 3 })), "{event:?}");
}
