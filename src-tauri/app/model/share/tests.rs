//! Shares as the engine tells of them.

#![allow(clippy::unwrap_used)]

use super::*;
use sluice_engine::rtc::Path;
use sluice_protocol::id::ShareId;
use std::time::Duration;

fn at(seconds: f64) -> Now {
    Now { up: Duration::from_secs_f64(seconds), wall: 1_000_000 }
}

fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

fn model() -> ShareModel {
    let terms = ShareTerms { password: Some("secret".into()), ..ShareTerms::default() };
    let mut model = ShareModel::new(ShareStart {
        id: "1".into(),
        name: "photos".into(),
        terms,
        slots: 2,
        paused: false,
        done: 0,
        sent: 0,
        begun_at: 7,
        reach: Reach::Network,
    });
    let shared = ShareEvent::Shared {
        link: "http://10.0.0.1/s/x#y".into(),
        deep_link: "sluice://10.0.0.1/s/x#y".into(),
        share: ShareId([1; 16]),
        name: "photos".into(),
    };
    assert_eq!(model.view(at(0.0)).state, ShareState::Starting);
    model.handle_event(&shared, at(0.0));
    model
}

fn connected(receiver: PeerId, name: &str) -> ShareEvent {
    ShareEvent::ReceiverConnected { receiver, name: name.into(), path: Some(Path::Direct) }
}

fn progress(receiver: PeerId, bytes: u64) -> ShareEvent {
    ShareEvent::ReceiverProgress { receiver, bytes, entries: 0, total_bytes: Some(10_000) }
}

#[test]
fn a_password_is_in_no_view() {
    let view = model().view(at(0.0));
    assert_eq!(view.terms.password.as_deref(), Some(""));
    assert_eq!(view.state, ShareState::Live);
    assert!(!serde_json::to_string(&view).unwrap().contains("secret"));
}

#[test]
fn a_receiver_is_seen_from_its_slot_to_its_last_byte() {
    let mut model = model();
    model.handle_event(&ShareEvent::ReceiverJoined { receiver: peer(1) }, at(1.0));
    assert_eq!(model.view(at(1.0)).receivers[0].state, ReceiverState::Connecting);
    assert_eq!(
        model.handle_event(&connected(peer(1), "Ana"), at(1.5)),
        Some(ShareNews::Started("Ana".into()))
    );
    for second in 0..=4 {
        let bytes = 5000 + 1000 * second;
        model.handle_event(&progress(peer(1), bytes), at(2.0 + second as f64));
    }
    let view = model.view(at(6.0));
    let receiver = &view.receivers[0];
    assert_eq!((receiver.slot, receiver.bytes, receiver.total), (0, 9000, Some(10_000)));
    assert_eq!(view.sent, 4000, "what it had before was not sent now");
    assert!((900..1400).contains(&view.rate), "{}", view.rate);
    assert_eq!((receiver.rate, receiver.seconds_left), (view.rate, Some(1000_u64.div_ceil(view.rate))));
    let done = ShareEvent::ReceiverDone { receiver: peer(1), bytes: 10_000, entries: 3 };
    assert_eq!(model.handle_event(&done, at(6.5)), Some(ShareNews::Finished("Ana".into())));
    assert_eq!(model.handle_event(&done, at(6.6)), None, "once is enough");
    model.handle_event(&ShareEvent::ReceiverLeft { receiver: peer(1) }, at(7.0));
    let view = model.view(at(7.0));
    assert_eq!((view.done, view.sent, view.receivers[0].state), (1, 5000, ReceiverState::Done));
    assert!(model.handle_time(at(16.0)));
    assert_eq!(model.view(at(16.0)).receivers, []);
}

#[test]
fn slots_are_taken_from_the_lowest_and_one_that_is_done_makes_room() {
    let mut model = model();
    for number in [1, 2] {
        model.handle_event(&ShareEvent::ReceiverJoined { receiver: peer(number) }, at(1.0));
        model.handle_event(&connected(peer(number), "x"), at(1.0));
    }
    let slots = |model: &ShareModel| -> Vec<(u16, String)> {
        model.view(at(2.0)).receivers.iter().map(|receiver| (receiver.slot, receiver.id.clone())).collect()
    };
    let id = |number: u8| peer(number).to_string();
    assert_eq!(slots(&model), [(0, id(1)), (1, id(2))]);
    model.handle_event(&ShareEvent::ReceiverDone { receiver: peer(1), bytes: 1, entries: 1 }, at(1.5));
    model.handle_event(&ShareEvent::ReceiverLeft { receiver: peer(1) }, at(1.5));
    assert_eq!(slots(&model), [(0, id(1)), (1, id(2))]);
    model.handle_event(&ShareEvent::ReceiverJoined { receiver: peer(3) }, at(2.0));
    assert_eq!(slots(&model), [(0, id(3)), (1, id(2))]);
}

#[test]
fn a_connection_that_is_lost_comes_back_without_being_counted_twice() {
    let mut model = model();
    model.handle_event(&ShareEvent::ReceiverJoined { receiver: peer(1) }, at(0.0));
    model.handle_event(&connected(peer(1), "Ana"), at(0.0));
    model.handle_event(&progress(peer(1), 0), at(0.0));
    model.handle_event(&progress(peer(1), 4000), at(1.0));
    model.handle_event(&ShareEvent::ReceiverLost { receiver: peer(1), code: Code::Stalled }, at(2.0));
    assert_eq!(model.view(at(2.0)).receivers[0].state, ReceiverState::Lost);
    assert_eq!(model.handle_event(&connected(peer(1), "Ana"), at(3.0)), None);
    model.handle_event(&progress(peer(1), 3500), at(3.0));
    model.handle_event(&progress(peer(1), 5000), at(4.0));
    assert_eq!(model.view(at(4.0)).sent, 5000);
    model.handle_event(&ShareEvent::ReceiverLost { receiver: peer(1), code: Code::PeerLeft }, at(5.0));
    model.handle_event(&ShareEvent::ReceiverLeft { receiver: peer(1) }, at(5.0));
    assert_eq!(model.view(at(5.0)).receivers, []);
}

#[test]
fn a_transfer_that_goes_on_without_the_server_is_still_seen() {
    let mut model = model();
    model.handle_event(&ShareEvent::ReceiverJoined { receiver: peer(1) }, at(0.0));
    model.handle_event(&connected(peer(1), "Ana"), at(0.0));
    model.handle_event(&ShareEvent::ServerLost { code: Code::ServerUnreachable }, at(1.0));
    model.handle_event(&ShareEvent::ReceiverLeft { receiver: peer(1) }, at(1.0));
    for second in 2..30 {
        model.handle_event(&progress(peer(1), second * 10), at(second as f64));
        model.handle_time(at(second as f64));
    }
    let view = model.view(at(30.0));
    assert_eq!(view.state, ShareState::ServerLost { code: Code::ServerUnreachable });
    assert_eq!(view.receivers.len(), 1);
    assert!(model.is_moving());
}

#[test]
fn a_pause_is_seen_at_every_receiver_and_an_end_leaves_none() {
    let mut model = model();
    model.handle_event(&ShareEvent::ReceiverJoined { receiver: peer(1) }, at(0.0));
    model.handle_event(&connected(peer(1), "Ana"), at(0.0));
    model.set_paused(true);
    let view = model.view(at(1.0));
    assert_eq!((view.state, view.receivers[0].state), (ShareState::Paused, ReceiverState::Paused));
    model.set_paused(false);
    assert!(model.pause_receiver(peer(1), true) && model.limit_receiver(peer(1), Some(5)));
    assert!(!model.pause_receiver(peer(9), true) && !model.limit_receiver(peer(9), None));
    let view = model.view(at(1.0));
    assert_eq!((view.state, view.receivers[0].state), (ShareState::Live, ReceiverState::Paused));
    assert_eq!(view.receivers[0].limit, Some(5));
    model.handle_end();
    let view = model.view(at(2.0));
    assert_eq!((view.state, view.receivers.len(), view.rate), (ShareState::Ended, 0, 0));
    assert!(view.link.is_some() && model.is_over() && !model.is_moving());
}
