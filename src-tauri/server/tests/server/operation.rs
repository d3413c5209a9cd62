//! What an operator sees and sets: readiness, metrics, statistics, ICE, keys, the OpenAPI document.

use crate::harness::*;
use serde_json::Value;
use sluice_protocol::error::Code;
use sluice_protocol::id::PeerId;
use sluice_protocol::signal::{IceServers, JoinShare, ServerMessage, ShareCreated, ShareJoined};
use sluice_server::{Ice, Keys, OperatorToken};
use std::time::Duration;

const OPERATOR: &str = "an-operator's-token";

#[tokio::test]
async fn metrics_and_statistics_count_peers_and_name_none() {
    let server = Running::start(|config| config.operator = OperatorToken::parse(OPERATOR).ok()).await;
    let (share, mut sender) = server.sender(1).await;
    let _first = server.receiver(share, 1).await;
    sender.news(&joined(1)).await;
    let ticket = server.wait_in_line(share, 2, 0).await;
    let mut far = server.stream(share, &ticket, None).await;
    far.place().await;
    server.try_join(unknown(), 3, PROOF).await.refused(404, Code::ShareNotFound);

    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for line in [
        "sluice_peers{kind=\"sender\"} 1",
        "sluice_peers{kind=\"active\"} 1",
        "sluice_peers{kind=\"near\"} 0",
        "sluice_peers{kind=\"far\"} 1",
        "sluice_shares 1",
        "sluice_store_up 1",
        "sluice_store_shares 1",
        "sluice_store_slots 1",
        "sluice_store_waiting 1",
        "sluice_commands_total{command=\"open\",result=\"ok\"} 1",
        "sluice_commands_total{command=\"join\",result=\"ok\"} 2",
        "sluice_commands_total{command=\"join\",result=\"share_not_found\"} 1",
        "sluice_news_total{news=\"joined\"} 1",
        "sluice_refusals_total{on=\"http\",code=\"share_not_found\"} 1",
        "sluice_request_seconds_count{method=\"POST\",route=\"/api/shares\",status=\"2xx\"} 1",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line} is not in\n{}", metrics.body);
    }

    server.get("/api/stats").await.refused(401, Code::NotAuthorised);
    for token in ["x", &ticket, &format!("{OPERATOR}x")] {
        server.ask("GET", "/api/stats", token).await.refused(401, Code::NotAuthorised);
    }
    let stats = server.ask("GET", "/api/stats", OPERATOR).await;
    let told: Value = serde_json::from_str(&stats.body).unwrap();
    assert_eq!(told["receivers"], serde_json::json!({"active": 1, "near": 0, "far": 1}));
    for (key, number) in [("shares", 1), ("slots_held", 1), ("waiting", 1), ("senders", 1)] {
        assert_eq!(told[key], number, "{key}");
    }
    assert_eq!(told["ready"], true);
    for secret in [&share.to_string(), &peer(1).to_string(), &peer(2).to_string(), "127.0.0.1"] {
        assert!(!stats.body.contains(secret) && !metrics.body.contains(secret), "{secret}");
    }
    server.stop().await;

    // Without a token nobody is the operator.
    let server = Running::start(|_| {}).await;
    server.ask("GET", "/api/stats", OPERATOR).await.refused(401, Code::NotAuthorised);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready_and_goes_on_until_it_stops() {
    let server = Running::start(|config| config.timings.drain = Duration::from_secs(2)).await;
    let (share, mut sender) = server.sender(1).await;
    assert_eq!(server.get("/readyz").await.body, "ok");
    let Running { stop, done, address } = server;
    stop.send(()).unwrap();
    let ready = || raw(address, b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = ready().await;
    while answer.status == 200 {
        answer = ready().await;
    }
    answer.refused(503, Code::ServerStopping);
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    // It goes on.
    sender.settle().await;
    let page = format!("GET /s/{share} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(raw(address, page.as_bytes()).await.status, 200);
    // And then everybody is sent elsewhere.
    sender.closed(1012).await;
    patient(done).await.unwrap();
}

#[tokio::test]
async fn peers_are_told_of_stun_and_turn_with_credentials_of_their_own() {
    let server = Running::start(|config| {
        let turn = vec!["turn:192.0.2.1:3478".to_owned()];
        let ice = Ice::parse(r#"[{"urls":"stun:192.0.2.1:3478"}]"#).unwrap();
        config.ice = ice.with_turn(turn, "a secret of some length", Duration::from_secs(600)).unwrap();
    })
    .await;
    let ShareCreated { share, token } = server.create(1).await;
    let ticket = server.join(share, 1).await.ticket;
    let path = format!("/api/shares/{share}/ice");
    let mut names = Vec::new();
    for token in [&token, &ticket] {
        let answer = server.ask("GET", &path, token).await;
        let told: IceServers = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((told.ice_servers.len(), told.ttl), (2, Some(600)));
        names.push(told.ice_servers[1].username.clone().unwrap());
    }
    assert_ne!(names[0], names[1]);
    server.get(&path).await.refused(401, Code::NotAuthorised);
    server
        .ask("GET", &format!("/api/shares/{}/ice", unknown()), &token)
        .await
        .refused(401, Code::NotAuthorised);
    server.stop().await;

    let server = Running::start(|_| {}).await;
    let ShareCreated { share, token } = server.create(1).await;
    let answer = server.ask("GET", &format!("/api/shares/{share}/ice"), &token).await;
    assert_eq!(answer.body, r#"{"ice_servers":[]}"#);
    server.stop().await;
}

#[tokio::test]
async fn a_ticket_brings_its_place_to_a_server_that_has_lost_the_queue() {
    let old = Running::start(|_| {}).await;
    let (share, _sender) = old.sender(1).await;
    let tickets = [old.join(share, 1).await.ticket, old.join(share, 2).await.ticket];
    old.stop().await;

    // With a newer key besides.
    let rotated = Keys::parse(["the newer secret", "a secret of the tests"]).unwrap();
    let server = Running::start(|config| config.keys = rotated).await;
    server.create(1).await;
    let join = async |number: u8, ticket: Option<&str>| {
        let ticket = ticket.map(str::to_owned);
        let body = JoinShare { version: 1, join_key: PROOF, peer: PeerId([number; 16]), ticket };
        let path = format!("/api/shares/{share}/receivers");
        let answer = server.post(&path, &serde_json::to_string(&body).unwrap()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let joined: ShareJoined = serde_json::from_str(&answer.body).unwrap();
        joined
    };
    // Another's ticket, a forged one and none are worth nothing; one's own is worth its place.
    assert_eq!(join(3, Some(&tickets[0])).await.place.ahead, 0);
    assert_eq!(join(4, Some("x")).await.place.ahead, 1);
    assert_eq!(join(2, Some(&tickets[1])).await.place.ahead, 0);
    let first = join(1, Some(&tickets[0])).await;
    assert_eq!(first.place.ahead, 0);
    // The old ticket goes on being good, and so does the new one.
    for ticket in [&tickets[0], &first.ticket] {
        assert_eq!(server.place(share, ticket, None).await.ahead, 0);
    }
    assert_eq!(server.place(share, &tickets[1], None).await.ahead, 1);
    server.stop().await;
}

#[tokio::test]
async fn only_a_good_token_of_the_right_kind_opens_what_is_asked() {
    let server = Running::start(|_| {}).await;
    let ShareCreated { share, token } = server.create(1).await;
    let ticket = server.join(share, 1).await.ticket;
    let other = Running::start(|config| config.keys = keys("another server's secret")).await;
    other.create(1).await;
    let foreign = other.join(share, 1).await.ticket;
    let mut forged = ticket.clone().into_bytes();
    forged[60] ^= 1;
    let forged = String::from_utf8(forged).unwrap();
    let of_receiver = format!("/api/shares/{share}/receivers/{}", peer(1));
    let routes = [("GET", "place"), ("GET", "events"), ("GET", "summary"), ("GET", "ice")]
        .map(|(method, name)| (method, format!("/api/shares/{share}/{name}")));
    for (method, path) in routes.iter().chain([&("DELETE", of_receiver.clone())]) {
        for bad in ["", "x", &forged, &foreign, &ticket[1..], &"x".repeat(5000)] {
            server.ask(method, path, bad).await.refused(401, Code::NotAuthorised);
        }
        let answer =
            server.http(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        answer.refused(401, Code::NotAuthorised);
        assert!(answer.head.contains("www-authenticate: bearer"));
        let elsewhere = path.replace(&share.to_string(), &unknown().to_string());
        server.ask(method, &elsewhere, &ticket).await.refused(401, Code::NotAuthorised);
    }
    // A sender has no place.
    for name in ["place", "events"] {
        let path = format!("/api/shares/{share}/{name}");
        server.ask("GET", &path, &token).await.refused(401, Code::NotAuthorised);
    }
    // A ticket is not good for another receiver, and an owner token for none.
    server.join(share, 2).await;
    let of_other = format!("/api/shares/{share}/receivers/{}", peer(2));
    server.ask("DELETE", &of_other, &ticket).await.refused(403, Code::NotAuthorised);
    server.ask("DELETE", &of_other, &token).await.refused(401, Code::NotAuthorised);
    assert_eq!(server.ask("DELETE", &of_receiver, &ticket).await.status, 204);
    // Used again it finds nobody.
    server.ask("GET", &format!("/api/shares/{share}/place"), &ticket).await.refused(403, Code::NotAuthorised);
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_good_for_its_time_only() {
    let server = Running::start(|config| config.timings.token = Duration::from_secs(1)).await;
    let (share, mut sender) = server.sender(1).await;
    let ticket = server.join(share, 1).await.ticket;
    let path = format!("/api/shares/{share}/place");
    let mut answer = server.ask("GET", &path, &ticket).await;
    while answer.status == 200 {
        answer = server.ask("GET", &path, &ticket).await;
    }
    answer.refused(401, Code::NotAuthorised);
    server.authorize(share, &ticket).await.refused(Code::NotAuthorised).await;
    // What stands, stands; and joining again is enough.
    sender.settle().await;
    server.receiver(share, 1).await;
    sender.expect(&ServerMessage::Joined { peer: peer(1) }).await;
    server.stop().await;
}

#[tokio::test]
async fn the_document_names_every_route_and_no_other() {
    let server = Running::start(|_| {}).await;
    let answer = server.get("/api/openapi.json").await;
    assert!(answer.head.contains("content-type: application/json"));
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    // Whatever it refers to is there.
    for reference in answer.body.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 18);
    for (path, item) in paths {
        let real = path.replace("{share}", &unknown().to_string()).replace("{peer}", &peer(1).to_string());
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"] {
            let answer = server.http(&ask(method, &real, "x", "Connection: close\r\n")).await;
            let operation = &item[method.to_lowercase()];
            if operation.is_null() {
                answer.refused(405, Code::RequestInvalid);
                assert!(answer.head.contains("\r\nallow: "), "{method} {path}: {}", answer.head);
            } else {
                let status = answer.status.to_string();
                assert!(!operation["responses"][&status].is_null(), "{method} {path} answers {status}");
                for (_, response) in operation["responses"].as_object().unwrap() {
                    assert!(!response["description"].as_str().unwrap().is_empty());
                }
            }
        }
    }
    // The page of signaling says the same of all that peers use.
    let page = include_str!("../../../../docs/signaling.md");
    for (path, item) in paths {
        for method in item.as_object().unwrap().keys().filter(|_| path.starts_with("/api/shares")) {
            let title = format!("### `{} {path}", method.to_uppercase());
            assert!(page.contains(&title), "{title} is not in docs/signaling.md");
        }
    }
    server.stop().await;
}

#[test]
fn the_guide_for_operators_lists_every_metric() {
    let guide = include_str!("../../../../docs/operations.md");
    let sources = [include_str!("../../src/metrics.rs"), include_str!("../../src/metrics/process.rs")];
    let mut found = 0;
    for source in sources {
        let code = source.split("mod tests").next().unwrap();
        let literals = code.split('"').skip(1).step_by(2);
        for name in literals.filter(|text| text.starts_with("sluice_") || text.starts_with("process_")) {
            found += 1;
            let is_row = |line: &&str| {
                line.starts_with("| `")
                    && line.split('`').any(|part| {
                        let part = part.strip_suffix("_total").or(part.strip_suffix("_info")).unwrap_or(part);
                        part == name
                    })
            };
            assert!(guide.lines().any(|line| is_row(&line)), "docs/operations.md has no row for {name}");
        }
    }
    assert!(found >= 18, "only {found} metrics were found");
}
