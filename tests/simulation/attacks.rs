//! Somebody between two honest peers: a server that swaps fingerprints, a relay that flips, replays, reorders, drops.

use crate::network::{Network, Tamper};
use crate::receiver::Receiver;
use crate::rng::Rng;
use crate::share::{CHUNK, Share};
use crate::world::{Connection, End, World};
use crate::{each_seed, with_seed};
use bytes::Bytes;
use sluice_protocol::crypto::{Key, psk};
use sluice_protocol::error::Code;
use sluice_protocol::frame::{Kind, MAX_MESSAGE_LEN};
use sluice_protocol::handshake::{Context, SenderKeys};
use sluice_protocol::id::LinkSecret;
use sluice_protocol::receive::ReceiveConfig;
use std::time::Duration;

const NETWORK: Network = Network { max_message: MAX_MESSAGE_LEN, ..Network::FAST };

/// Runs one session that `attack` has prepared, and gives both ends. Whatever came of it, nothing wrong is on disk.
fn attacked(attack: impl FnOnce(&mut Connection, &Share, &mut Rng)) -> (End, End) {
    let mut rng = Rng::new(7);
    // Two batches, each one frame: 128 whole records in the first.
    let share = Share::of_files(&mut rng, &[100; 200]);
    let mut world = World::new(share, rng);
    world.add(NETWORK, |_| true);
    let World { share, rng, now, peers, .. } = &mut world;
    attack(peers[0].connect(share, rng, *now), share, rng);
    world.run_until(Duration::from_secs(60));
    let peer = &mut world.peers[0];
    peer.disk.check_prefix(&world.share);
    (peer.open().sender.end, peer.open().receiver.end)
}

/// Applies `change` to the frame with this number among those of its kind.
fn at(kind: Kind, number: usize, mut change: impl FnMut(Bytes) -> Vec<Bytes> + 'static) -> Tamper {
    let mut seen = 0;
    Box::new(move |_, frame| {
        if frame[0] != kind.to_byte() {
            return vec![frame];
        }
        seen += 1;
        if seen == number + 1 { change(frame) } else { vec![frame] }
    })
}

fn flip(kind: Kind, number: usize, byte: usize, bit: u8) -> Tamper {
    at(kind, number, move |frame| {
        let mut frame = frame.to_vec();
        // From the end, for a byte past it.
        let byte = if byte < frame.len() { byte } else { frame.len() - (usize::MAX - byte) - 1 };
        frame[byte] ^= 1 << bit;
        vec![frame.into()]
    })
}

fn replay(kind: Kind, number: usize) -> Tamper {
    at(kind, number, |frame| vec![frame.clone(), frame])
}

fn drop_frame(kind: Kind, number: usize) -> Tamper {
    at(kind, number, |_| Vec::new())
}

/// Swaps the frame with this number and the next of its kind.
fn swap(kind: Kind, number: usize) -> Tamper {
    let mut held = None;
    let mut seen = 0;
    Box::new(move |_, frame| {
        if frame[0] != kind.to_byte() {
            return vec![frame];
        }
        seen += 1;
        if seen == number + 1 {
            held = Some(frame);
            return Vec::new();
        }
        std::iter::once(frame).chain(held.take()).collect()
    })
}

const LAST: usize = usize::MAX;
use End::{Done, Failed, Open};

fn down(tamper: Tamper, sender: End, receiver: End) {
    assert_eq!(attacked(|connection, _, _| connection.down.tamper(tamper)), (sender, receiver));
}

fn up(tamper: Tamper, sender: End, receiver: End) {
    assert_eq!(attacked(|connection, _, _| connection.up.tamper(tamper)), (sender, receiver));
}

#[test]
fn without_an_attack_the_session_ends_well() {
    assert_eq!(attacked(|_, _, _| {}), (Done, Done));
}

#[test]
fn content_that_was_flipped_is_forged_or_unexpected() {
    let forged = Failed(Code::ChunkForged);
    let unexpected = Failed(Code::ChunkUnexpected);
    // The first record: kind at 0, header from 1 (entry, chunk, length), ciphertext from 13, tag behind it.
    down(flip(Kind::Data, 0, 1, 0), unexpected, unexpected);
    down(flip(Kind::Data, 0, 5, 0), unexpected, unexpected);
    down(flip(Kind::Data, 0, 9, 0), unexpected, unexpected);
    down(flip(Kind::Data, 0, 12, 7), Failed(Code::FrameInvalid), Failed(Code::FrameInvalid));
    down(flip(Kind::Data, 0, 13, 3), forged, forged);
    down(flip(Kind::Data, 0, 13 + 100, 3), forged, forged);
    down(flip(Kind::Data, 1, LAST, 0), forged, forged);
    down(flip(Kind::Data, 0, 0, 7), Failed(Code::FrameInvalid), Failed(Code::FrameInvalid));
}

#[test]
fn content_that_was_replayed_reordered_or_dropped_is_unexpected() {
    let unexpected = Failed(Code::ChunkUnexpected);
    down(replay(Kind::Data, 0), unexpected, unexpected);
    down(replay(Kind::Data, 1), unexpected, unexpected);
    down(swap(Kind::Data, 0), unexpected, unexpected);
    down(drop_frame(Kind::Data, 0), unexpected, unexpected);
    // With the last frame withheld nothing can be told from a slow sender: it is never taken for done.
    down(drop_frame(Kind::Data, 1), Open, Open);
}

#[test]
fn control_messages_that_were_touched_are_forged() {
    let forged = Failed(Code::FrameForged);
    for direction in [down, up] {
        for byte in [1, 3, LAST] {
            direction(flip(Kind::Control, 0, byte, 1), forged, forged);
        }
        direction(replay(Kind::Control, 0), forged, forged);
        direction(swap(Kind::Control, 0), forged, forged);
        direction(drop_frame(Kind::Control, 0), forged, forged);
        direction(at(Kind::Control, 1, |frame| vec![frame.slice(..frame.len() - 1)]), forged, forged);
        direction(at(Kind::Control, 1, |frame| vec![frame.slice(..9)]), forged, forged);
    }
}

#[test]
fn a_handshake_that_was_touched_ends_both() {
    let rejected = Failed(Code::LinkRejected);
    let invalid = Failed(Code::FrameInvalid);
    // The hello: kind, version, ephemeral key, payload. The sender says no, in the clear.
    up(flip(Kind::Handshake, 0, 1, 0), Failed(Code::VersionUnsupported), Failed(Code::VersionUnsupported));
    for byte in [3, 34, 35, 40, LAST] {
        up(flip(Kind::Handshake, 0, byte, 7), rejected, rejected);
    }
    up(at(Kind::Handshake, 0, |frame| vec![frame.slice(..20)]), invalid, rejected);
    up(at(Kind::Handshake, 0, |frame| vec![frame.slice(..1)]), invalid, rejected);
    up(replay(Kind::Handshake, 0), invalid, invalid);
    // The answer: kind, status, ephemeral key, sealed static key, sealed payload. The sender hears nothing more.
    let stalled = Failed(Code::Stalled);
    for byte in [2, 33, 34, 90, LAST] {
        down(flip(Kind::Handshake, 0, byte, 7), stalled, rejected);
    }
    down(at(Kind::Handshake, 0, |frame| vec![frame.slice(..9)]), stalled, invalid);
    down(at(Kind::Handshake, 0, |_| vec![Bytes::from_static(&[1, 9])]), stalled, invalid);
}

#[test]
fn messages_that_are_no_frames_end_the_session() {
    let invalid = Failed(Code::FrameInvalid);
    for direction in [down, up] {
        direction(at(Kind::Control, 0, |_| vec![Bytes::new()]), invalid, invalid);
        direction(at(Kind::Control, 0, |_| vec![Bytes::from_static(b"\x04")]), invalid, invalid);
        direction(at(Kind::Control, 0, |_| vec![vec![2; MAX_MESSAGE_LEN + 1].into()]), invalid, invalid);
        direction(at(Kind::Control, 0, |_| vec![Bytes::from_static(b"\x01\0\0")]), invalid, invalid);
    }
    // A receiver never sends content.
    up(at(Kind::Control, 0, |_| vec![vec![3; 100].into()]), invalid, invalid);
    // A frame that was cut: the next one fills the rest of its last record, and then reads as nothing.
    down(at(Kind::Data, 0, |frame| vec![frame.slice(..frame.len() - 1)]), invalid, invalid);
    // One that is longer than it was: the stream has an extra byte.
    let lengthen = |frame: Bytes| vec![[&frame[..], b"x"].concat().into()];
    for number in [0, 1] {
        down(at(Kind::Data, number, lengthen), Failed(Code::ChunkUnexpected), Failed(Code::ChunkUnexpected));
    }
}

#[test]
fn a_peer_cannot_be_told_its_own_words() {
    let forged = Failed(Code::FrameForged);
    // A control message of the receiver's, sent back to it; each direction has a key of its own.
    let mirror = |connection: &mut Connection, _: &Share, _: &mut Rng| {
        let (put, taken) = std::sync::mpsc::channel();
        connection.up.tamper(at(Kind::Control, 0, move |frame| {
            put.send(frame.clone()).unwrap();
            vec![frame]
        }));
        connection.down.tamper(at(Kind::Control, 0, move |_| taken.try_iter().collect()));
    };
    assert_eq!(attacked(mirror), (forged, forged));
}

fn with_receiver(change: impl Fn(&mut ReceiveConfig)) -> (End, End) {
    attacked(|connection, share, rng| {
        let context = share.context([3; 32]);
        let mut config = ReceiveConfig {
            context,
            sender: share.keys.hash(),
            name: "Ana".into(),
            seed: rng.array(),
            list_first: false,
        };
        change(&mut config);
        let sender = crate::sender::Sender::new(share, &NETWORK, [3; 32], rng, Duration::ZERO);
        connection.sender = sender;
        connection.receiver = Receiver::with_config(&config, |_| true, rng, Duration::ZERO);
    })
}

#[test]
fn who_does_not_hold_the_link_is_rejected() {
    let rejected = Failed(Code::LinkRejected);
    assert_eq!(with_receiver(|_| {}), (Done, Done));
    assert_eq!(with_receiver(|config| config.context.psk = Key::new([9; 32])), (rejected, rejected));
    // The right link to another share, and a password where there is none.
    let other_share = |config: &mut ReceiveConfig| config.context.share.0[0] ^= 1;
    assert_eq!(with_receiver(other_share), (rejected, rejected));
    let password = |config: &mut ReceiveConfig| {
        config.context.psk = psk(&LinkSecret([1; 16]), config.context.share, Some("guess"));
    };
    assert_eq!(with_receiver(password), (rejected, rejected));
}

#[test]
fn another_holder_of_the_link_cannot_play_the_sender() {
    let impostor = |config: &mut ReceiveConfig| config.sender = SenderKeys::from_private([8; 32]).hash();
    assert_eq!(with_receiver(impostor), (Failed(Code::Stalled), Failed(Code::SenderNotAuthentic)));
}

#[test]
fn swapped_fingerprints_are_found_out_by_both() {
    let mismatch = Failed(Code::FingerprintMismatch);
    let swapped = |config: &mut ReceiveConfig| {
        config.context = Context { binding: [4; 32], ..config.context.clone() };
    };
    assert_eq!(with_receiver(swapped), (mismatch, mismatch));
}

/// Drops, doubles, swaps, flips and cuts, each frame with some chance.
fn chaos(mut rng: Rng) -> Tamper {
    let (mut held, rare) = (None, rng.within(5..400));
    Box::new(move |_, frame| {
        if rng.within(0..rare) != 0 || frame.is_empty() {
            return std::iter::once(frame).chain(held.take()).collect();
        }
        let at = rng.within(0..frame.len() as u64) as usize;
        match rng.within(0..5) {
            0 => Vec::new(),
            1 => vec![frame.clone(), frame],
            2 => {
                held = Some(frame);
                Vec::new()
            }
            3 => {
                let mut frame = frame.to_vec();
                frame[at] ^= 1 << rng.within(0..8);
                vec![frame.into()]
            }
            _ => vec![frame.slice(..at)],
        }
    })
}

#[test]
fn a_hostile_network_never_gets_anything_wrong_onto_a_disk() {
    let outcomes = std::cell::Cell::new((0, 0));
    each_seed(0..200, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::random(&mut rng);
        let mut world = World::new(share, rng.clone());
        let max_message = rng.within(16_000..66_000) as usize;
        world.add(Network { max_message, ..Network::FAST }, |_| true);
        let connection = world.peers[0].connect(&world.share, &mut rng, Duration::ZERO);
        connection.up.tamper(chaos(Rng::new(rng.next())));
        connection.down.tamper(chaos(Rng::new(rng.next())));
        world.run_until(Duration::from_secs(90));
        let peer = &mut world.peers[0];
        peer.disk.check_prefix(&world.share);
        let (done, failed) = outcomes.get();
        match (peer.open().sender.end, peer.open().receiver.end) {
            (_, Done) => {
                peer.disk.check_complete(&world.share, |_| true);
                outcomes.set((done + 1, failed));
            }
            (Done, Open | Failed(_)) => peer.disk.check_complete(&world.share, |_| true),
            (Failed(_), Failed(_)) => outcomes.set((done, failed + 1)),
            // Withheld without a trace: somebody still waits, and says so.
            (_, Open | Failed(_)) => {}
        }
    });
    // Both kinds of ending were seen, so that neither check was idle.
    let (done, failed) = outcomes.get();
    assert!(done > 20 && failed > 20, "{done} done, {failed} failed");
}

#[test]
fn a_chunk_of_an_earlier_session_does_not_open() {
    with_seed(5, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::of_files(&mut rng, &[CHUNK, 5]);
        let (put, taken) = std::sync::mpsc::channel();
        let mut world = World::new(share, rng);
        for at in 0..2 {
            world.add(NETWORK, |_| true);
            let World { share, rng, now, peers, .. } = &mut world;
            let connection = peers[at].connect(share, rng, *now);
            let (put, old) = (put.clone(), taken.try_iter().collect::<Vec<Bytes>>());
            let mut old = old.into_iter();
            connection.down.tamper(Box::new(move |_, frame| {
                if frame[0] != Kind::Data.to_byte() {
                    return vec![frame];
                }
                put.send(frame.clone()).unwrap();
                vec![old.next().unwrap_or(frame)]
            }));
            let until = world.now + Duration::from_secs(20);
            world.run_until(until);
            world.peers[at].disk.check_prefix(&world.share);
        }
        assert_eq!(world.peers[0].open().receiver.end, Done);
        assert_eq!(world.peers[1].open().receiver.end, Failed(Code::ChunkForged));
        assert_eq!(world.peers[1].disk.bytes(), 0);
    });
}
