//! Connections over 127.0.0.1, both ends in this process.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn config() -> RtcConfig {
    RtcConfig { bind: vec!["127.0.0.1:0".to_owned()], ..RtcConfig::default() }
}

struct End {
    connection: Connection,
    events: ConnectionEvents,
    sender: ChannelSender,
    receiver: ChannelReceiver,
}

async fn next(events: &mut ConnectionEvents) -> ConnectionEvent {
    timeout(SOON, events.next()).await.unwrap().unwrap()
}

/// The candidates of one end, all of them.
async fn gathered(events: &mut ConnectionEvents) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    loop {
        match next(events).await {
            ConnectionEvent::LocalCandidate(candidate) => candidates.push(candidate),
            ConnectionEvent::Gathered => return candidates,
            other => panic!("{other:?} while gathering"),
        }
    }
}

async fn open(connection: Connection, mut events: ConnectionEvents) -> End {
    match next(&mut events).await {
        ConnectionEvent::Open(sender, receiver) => End { connection, events, sender, receiver },
        other => panic!("{other:?} instead of open"),
    }
}

/// Two ends that know each other but the descriptions as `change` leaves them.
async fn introduce(
    config: &RtcConfig,
    change: impl Fn(String) -> String,
) -> ((Connection, ConnectionEvents), (Connection, ConnectionEvents)) {
    let (a, mut a_events, offer) = Connection::offer(config).await.unwrap();
    let (b, mut b_events, answer) = Connection::answer(config, &change(offer)).await.unwrap();
    a.accept(&answer).await.unwrap();
    for candidate in gathered(&mut a_events).await {
        b.add_candidate(candidate).await.unwrap();
    }
    for candidate in gathered(&mut b_events).await {
        a.add_candidate(candidate).await.unwrap();
    }
    ((a, a_events), (b, b_events))
}

async fn pair(config: &RtcConfig) -> (End, End) {
    let (a, b) = introduce(config, |offer| offer).await;
    tokio::join!(open(a.0, a.1), open(b.0, b.1))
}

/// A message that tells its place and length.
fn message(number: u32, length: usize) -> Bytes {
    let mut bytes: Vec<u8> =
        (0..length).map(|at| (at as u32).wrapping_mul(31).wrapping_add(number) as u8).collect();
    let head = number.to_be_bytes();
    let part = head.len().min(length);
    bytes[..part].copy_from_slice(&head[..part]);
    bytes.into()
}

const LENGTHS: [usize; 6] = [1, 100, 1200, 16 * 1024, 65_535, 65_536];

async fn send_all(sender: &mut ChannelSender, count: u32) {
    for number in 0..count {
        let length = LENGTHS[number as usize % LENGTHS.len()];
        sender.send(message(number, length)).await.unwrap();
    }
    sender.flushed().await.unwrap();
}

async fn expect_all(receiver: &mut ChannelReceiver, count: u32) {
    for number in 0..count {
        let length = LENGTHS[number as usize % LENGTHS.len()];
        let got = timeout(SOON, receiver.recv()).await.unwrap().unwrap();
        assert_eq!(got, message(number, length), "message {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_both_ways_intact_and_in_order() {
    let (mut a, mut b) = pair(&config()).await;
    assert_eq!(a.sender.max_message_size(), b.sender.max_message_size());
    assert!(a.sender.max_message_size() >= MESSAGE_SIZE);
    tokio::join!(
        send_all(&mut a.sender, 240),
        send_all(&mut b.sender, 240),
        expect_all(&mut a.receiver, 240),
        expect_all(&mut b.receiver, 240),
    );
    let progress = a.connection.progress().await;
    assert_eq!(progress.outstanding, 0);
    assert_eq!(progress.acknowledged, progress.sent);
    assert_eq!(progress.received, progress.sent);
    assert_eq!(a.connection.path().await, Some(Path::Local));
    let (ours, theirs) = (a.connection.fingerprints(), b.connection.fingerprints());
    assert_eq!(Some(ours.local), theirs.remote);
    assert_eq!(ours.remote, Some(theirs.local));
    assert_ne!(ours.local, theirs.local);
}

/// On one thread the transport can't keep up with a burst, and its own send then waits at times.
#[tokio::test]
async fn a_message_is_sent_once_however_often_its_sending_is_given_up() {
    let (mut a, mut b) = pair(&config()).await;
    let count = 2_000;
    let sending = async {
        for number in 0..count {
            let message = Bytes::copy_from_slice(&u32::to_be_bytes(number));
            loop {
                // Gives up whenever it would have to wait.
                tokio::select! {
                    biased;
                    sent = a.sender.send(message.clone()) => break sent.unwrap(),
                    () = std::future::ready(()) => tokio::task::yield_now().await,
                }
            }
        }
        a.sender.flushed().await.unwrap();
    };
    let receiving = async {
        for number in 0..count {
            let got = timeout(SOON, b.receiver.recv()).await.unwrap().unwrap();
            assert_eq!(got[..], u32::to_be_bytes(number));
        }
    };
    tokio::join!(sending, receiving);
    assert_eq!(a.connection.progress().await.sent, 4 * u64::from(count));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_above_the_limit_is_refused_and_the_channel_lives() {
    let (mut a, mut b) = pair(&config()).await;
    let limit = a.sender.max_message_size();
    let refused = a.sender.send(message(0, limit + 1)).await;
    assert_eq!(refused, Err(RtcError::TooLarge { length: limit + 1, limit }));
    a.sender.send(message(1, limit)).await.unwrap();
    let got = timeout(SOON, b.receiver.recv()).await.unwrap().unwrap();
    assert_eq!(got, message(1, limit));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_never_opens() {
    let swapped = |offer: String| {
        let line = offer.lines().find(|line| line.starts_with("a=fingerprint:"));
        let line = line.unwrap().to_owned();
        // The last byte of the fingerprint, changed.
        let (head, last) = line.split_at(line.len() - 2);
        let other = if last == "00" { "01" } else { "00" };
        offer.replace(&line, &format!("{head}{other}"))
    };
    let (mut a, mut b) = introduce(&config(), swapped).await;
    let (a_fate, b_fate) = tokio::join!(
        timeout(Duration::from_secs(5), a.1.next()),
        timeout(Duration::from_secs(5), b.1.next()),
    );
    // The deceived end may not open; neither may the other, which would send into the void.
    for fate in [a_fate, b_fate] {
        assert!(!matches!(fate, Ok(Some(ConnectionEvent::Open(..)))), "{fate:?}");
    }
    assert_eq!(a.0.progress().await, Progress::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_end_sees_a_close_and_everything_sent_before() {
    let (mut a, mut b) = pair(&config()).await;
    for number in 0..32 {
        a.sender.send(message(number, 65_536)).await.unwrap();
    }
    a.connection.close().await;
    for number in 0..32 {
        let got = timeout(SOON, b.receiver.recv()).await.unwrap().unwrap();
        assert_eq!(got, message(number, 65_536));
    }
    let end = timeout(Duration::from_secs(5), b.receiver.recv()).await;
    assert_eq!(end.unwrap(), None);
    assert!(matches!(next(&mut b.events).await, ConnectionEvent::Lost(_)));
    assert!(b.events.next().await.is_none());
    let sent = timeout(Duration::from_secs(5), async {
        loop {
            if let Err(error) = b.sender.send(message(0, 65_536)).await {
                return error;
            }
        }
    });
    assert_eq!(sent.await.unwrap(), RtcError::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_ends_its_own_halves() {
    let (mut a, mut b) = pair(&config()).await;
    drop(a.connection);
    assert_eq!(timeout(SOON, a.receiver.recv()).await.unwrap(), None);
    assert_eq!(a.sender.send(message(0, 1)).await, Err(RtcError::Closed));
    assert!(timeout(SOON, b.receiver.recv()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_holds_the_sender_back() {
    let (mut a, b) = pair(&config()).await;
    let sent = timeout(Duration::from_secs(5), async {
        // Far above every queue on the way.
        for number in 0..4096 {
            a.sender.send(message(number, 65_536)).await.unwrap();
        }
    });
    assert!(sent.await.is_err(), "256 MiB went to nobody");
    // The crate holds about 512 messages a channel beside our queue and the window.
    let received = b.connection.progress().await.received as usize;
    assert!(received <= RECEIVE_QUEUE + 65_536, "{received}");
    let sent = a.connection.progress().await.sent;
    assert!(sent < (RECEIVE_QUEUE + (36 << 20)) as u64, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_connections_at_once() {
    let config = config();
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(async move {
                let (mut a, mut b) = pair(&config).await;
                tokio::join!(send_all(&mut a.sender, 120), expect_all(&mut b.receiver, 120));
                a.connection.close().await;
                b.connection.close().await;
            })
        })
        .collect();
    for task in tasks {
        timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
    }
    // All have given their share back.
    assert_eq!(config.budget.share(), DEFAULT_BUDGET);
}

#[tokio::test]
async fn unusable_offers_answers_and_candidates_are_errors() {
    let config = config();
    for offer in ["", "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"] {
        let refused = Connection::answer(&config, offer).await.err().unwrap();
        assert_eq!(refused.code(), "rtc-description", "{offer}");
    }
    let (connection, _events, offer) = Connection::offer(&config).await.unwrap();
    assert!(connection.accept("nonsense").await.is_err());
    assert!(connection.accept(&offer.replace("a=ice-ufrag", "a=x")).await.is_err());
    let candidate =
        |line: &str| Candidate { candidate: line.to_owned(), sdp_mid: None, sdp_mline_index: Some(0) };
    let refused = connection.add_candidate(candidate("candidate:what")).await;
    assert_eq!(refused.unwrap_err().code(), "rtc-candidate");
    let refused = connection.add_candidate(candidate(&"x".repeat(5000))).await;
    assert_eq!(refused.unwrap_err().code(), "rtc-candidate");
    assert_eq!(connection.add_candidate(candidate("")).await, Ok(()));
}

#[tokio::test]
async fn no_socket_is_a_setup_error() {
    let config = RtcConfig {
        // TEST-NET-3 (RFC 5737): no address of this machine.
        bind: vec!["203.0.113.77:0".to_owned()],
        ..config()
    };
    let refused = Connection::offer(&config).await.err().unwrap();
    assert_eq!(refused.code(), "rtc-setup");
}
