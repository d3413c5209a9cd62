//! What the log says of peers: nothing.

use crate::harness::*;
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

// Everything that can happen to a share; answers the secrets and names that it had.
async fn journey(server: Running) -> Vec<String> {
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
    server.stop().await;
    let names = [share.to_text(), peer(1).to_text(), peer(2).to_text(), peer(3).to_text()];
    let keys = [OwnerKey([1; 32]).to_text(), PROOF.to_text(), PROOF.hash().to_text()];
    names.into_iter().chain(keys).chain([token, first, second, sdp]).collect()
}

#[tokio::test]
async fn no_line_of_the_log_names_a_share_a_peer_a_secret_or_an_address() {
    let log = Log::default();
    let guard = log.capture();
    let secrets = journey(Running::start(|_| {}).await).await;
    drop(guard);
    let log = log.text();
    for line in ["the server listens", "refused", "the server stopped"] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    for secret in
        secrets.iter().map(String::as_str).chain(["a-", "127.0.0.1", "192.0.2", "1, 1, 1", "secret of"])
    {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[tokio::test]
async fn addresses_are_named_where_that_is_asked_for_and_nothing_else() {
    let log = Log::default();
    let guard = log.capture();
    let secrets = journey(Running::start(|config| config.log_addresses = true).await).await;
    drop(guard);
    let log = log.text();
    assert!(log.contains("address=127.0.0.1"), "{log}");
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}
