//! What the log says of peers: nothing.

use crate::harness::*;
use crate::monitor::Monitor;
use crate::redis::Redis;
use sluice_protocol::error::Code;
use sluice_protocol::id::{JoinKey, OwnerKey};
use sluice_protocol::signal::{ClientMessage, ServerMessage, ShareCreated, Signal};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

// All that is logged on this thread, from the most talkative level on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture(&self) -> DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || log.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// What a share had: what names it and its peers, and what only some of these may know.
struct Words {
    names: Vec<String>,
    secrets: Vec<String>,
}

impl Words {
    fn all(&self) -> impl Iterator<Item = &str> {
        self.names.iter().chain(&self.secrets).map(String::as_str)
    }
}

// Everything that can happen to a share.
async fn journey(server: &Running) -> Words {
    let ShareCreated { share, token } = server.create(1).await;
    let mut sender = server.authorize(share, &token).await;
    sender.expect(&opened(&[], 0)).await;
    let first = server.join(share, 1).await.ticket;
    let mut receiver = server.admitted(share, &first).await;
    sender.news(&joined(1)).await;
    let sdp = "v=0 a-session-description 192.0.2.77".to_owned();
    let signal = Signal::Offer { attempt: 1, sdp: sdp.clone() };
    sender.say(&ClientMessage::Relay { peer: Some(peer(1)), signal: signal.clone() }).await;
    receiver.expect(&ServerMessage::Relay { peer: None, signal }).await;
    let second = server.wait_in_line(share, 2, 0).await;
    let mut stream = server.stream(share, &second, None).await;
    stream.place().await;
    for name in ["summary", "ice"] {
        server.ask("GET", &format!("/api/shares/{share}/{name}"), &second).await;
    }
    // And everything that can go wrong.
    server.try_join(share, 3, JoinKey([6; 32])).await.refused(403, Code::NotAuthorised);
    server.ask("GET", &format!("/api/shares/{share}/place"), "a-forged-token").await;
    server.authorize(share, "a-forged-token").await.refused(Code::NotAuthorised).await;
    receiver.send("a-bad-message".into()).await;
    receiver.refused(Code::RequestInvalid).await;
    server.post(&format!("/api/shares/{share}/receivers?a-query"), "{\"a-bad-body\":1}").await;
    server.get(&format!("/s/{share}/a-bad-path")).await;
    server.raw(b"a-bad-request\r\n\r\n").await;
    sender.say(&ClientMessage::Dismiss { peer: peer(2) }).await;
    stream.ended(Code::LetGo).await;
    sender.say(&ClientMessage::End).await;
    while !matches!(sender.hear().await, ServerMessage::Ended { .. }) {}
    sender.closed(1000).await;
    let names = [share.to_text(), peer(1).to_text(), peer(2).to_text(), peer(3).to_text()];
    let keys = [OwnerKey([1; 32]).to_text(), PROOF.to_text()];
    Words {
        names: names.into_iter().chain([PROOF.hash().to_text(), sdp]).collect(),
        secrets: keys.into_iter().chain([token, first, second]).collect(),
    }
}

#[tokio::test]
async fn no_line_of_the_log_names_a_share_a_peer_a_secret_or_an_address() {
    let log = Log::default();
    let guard = log.capture();
    let server = Running::start(|_| {}).await;
    let words = journey(&server).await;
    server.stop().await;
    drop(guard);
    let log = log.text();
    for line in ["the server listens", "refused", "the server stopped"] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    for secret in words.all().chain(["a-", "127.0.0.1", "192.0.2", "1, 1, 1", "secret of"]) {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[tokio::test]
async fn addresses_are_named_where_that_is_asked_for_and_nothing_else() {
    let log = Log::default();
    let guard = log.capture();
    let server = Running::start(|config| config.log_addresses = true).await;
    let words = journey(&server).await;
    server.stop().await;
    drop(guard);
    let log = log.text();
    assert!(log.contains("address=127.0.0.1"), "{log}");
    for secret in words.all() {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[tokio::test]
async fn neither_redis_nor_the_log_of_it_is_told_a_secret() {
    let log = Log::default();
    let guard = log.capture();
    let mut redis = Redis::single();
    let monitor = Monitor::start(&redis);
    let store = redis.url().parse().unwrap();
    let server = Running::start(|config| config.store = store).await;
    let words = journey(&server).await;
    let told = monitor.finish(&redis);
    redis.kill(0);
    for _ in 0..5 {
        server.get("/readyz").await.refused(503, Code::StoreUnavailable);
    }
    redis.start(0);
    while server.get("/readyz").await.status != 200 {}
    server.stop().await;
    drop(guard);

    // It was told of this share.
    assert!(
        told.contains(&words.names[0]) && told.contains("SPUBLISH") && told.contains("\"join\""),
        "{told}"
    );
    let raw = ["\\x01".repeat(32), "\\x05".repeat(32)];
    for secret in
        words.secrets.iter().chain(&raw).map(String::as_str).chain(["127.0.0.1", "a-forged", "a-bad"])
    {
        assert!(!told.contains(secret), "{secret} is in\n{told}");
    }

    let log = log.text();
    // Each of its two connections says it once.
    for line in [" WARN sluice_server::store::redis::link: Redis can't be used", "Redis can be used again"] {
        assert_eq!(log.matches(line).count(), 2, "{line} in\n{log}");
    }
    for secret in words.all().chain(["a-", "127.", "192.0.2", "redis://", "1, 1, 1", "secret of"]) {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}
