//! A channel without room: frames wait in their session, and none is lost while its driver turns to other things.

use crate::rng::Rng;
use crate::share::Share;
use bytes::Bytes;
use sluice_protocol::error::Code;
use sluice_protocol::receive::{ReceiveConfig, ReceiveEvent, ReceiveSession};
use sluice_protocol::send::{SendConfig, SendSession};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);

/// Both ends of a share without entries, behind the handshake. The receiver has things to say, and so has the sender.
fn open() -> (SendSession, ReceiveSession) {
    let mut rng = Rng::new(21);
    let share = Share::new(&mut rng);
    let binding = rng.array();
    let config = SendConfig {
        context: share.context(binding),
        keys: share.keys.clone(),
        name: "photos".into(),
        max_message: 65_536,
        seed: rng.array(),
    };
    let mut sender = SendSession::new(config, NOW);
    let config = ReceiveConfig {
        context: share.context(binding),
        sender: share.keys.hash(),
        name: "Ana".into(),
        seed: rng.array(),
        list_first: false,
    };
    let mut receiver = ReceiveSession::new(&config, NOW);
    sender.handle_message(&receiver.poll_message(NOW).unwrap(), NOW).unwrap();
    receiver.handle_message(&sender.poll_message(NOW).unwrap(), NOW).unwrap();
    sender.handle_totals(share.totals(NOW));
    (sender, receiver)
}

/// Whether everything has come.
fn has_all(receiver: &mut ReceiveSession) -> bool {
    std::iter::from_fn(|| receiver.poll_event()).any(|event| matches!(event, ReceiveEvent::AllReceived))
}

/// All that a session has to say, each frame of the length that it was said to have.
fn said(mut next: impl FnMut() -> (Option<usize>, Option<Bytes>)) -> Vec<Bytes> {
    std::iter::from_fn(|| {
        let (len, frame) = next();
        assert_eq!(len, frame.as_ref().map(Bytes::len));
        frame
    })
    .collect()
}

#[test]
fn a_frame_that_finds_no_room_stays_in_its_session() {
    let (mut sender, mut receiver) = open();
    // Neither channel takes anything, and both drivers ask again and again.
    for _ in 0..3 {
        assert!(receiver.next_message_len().is_some() && sender.next_message_len().is_some());
    }
    // There is room for the sender's; the receiver's driver has more to do than to wait for its own.
    for frame in said(|| (sender.next_message_len(), sender.poll_message(NOW))) {
        assert!(receiver.next_message_len().is_some());
        receiver.handle_message(&frame, NOW).unwrap();
    }
    assert!(has_all(&mut receiver));
    receiver.handle_all_durable(0, 0);
    let frames = said(|| (receiver.next_message_len(), receiver.poll_message(NOW)));
    assert!(frames.len() > 1, "nothing was held back");
    for frame in frames {
        sender.handle_message(&frame, NOW).unwrap();
    }
    assert!(sender.is_done());
}

#[test]
fn a_frame_that_is_taken_out_and_not_sent_makes_a_forgery_of_the_next() {
    let (mut sender, mut receiver) = open();
    receiver.poll_message(NOW).unwrap();
    let next = receiver.poll_message(NOW).unwrap();
    assert_eq!(sender.handle_message(&next, NOW).unwrap_err().code, Code::FrameForged);
}
