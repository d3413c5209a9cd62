//! Silence: when it ends a session, and when it does not.

use crate::network::Network;
use crate::rng::Rng;
use crate::share::{CHUNK, Share};
use crate::world::{End, World};
use sluice_protocol::error::Code;
use std::time::Duration;

const STALLED: End = End::Failed(Code::Stalled);

fn world(sizes: &[u64]) -> World {
    let mut rng = Rng::new(11);
    let share = Share::of_files(&mut rng, sizes);
    let mut world = World::new(share, rng);
    world.add(Network::FAST, |_| true);
    let World { share, rng, now, peers, .. } = &mut world;
    peers[0].connect(share, rng, *now);
    world
}

/// Runs until both ends have ended, and gives when each did.
fn ends(world: &mut World) -> [Duration; 2] {
    let mut ended = [None; 2];
    while ended.contains(&None) {
        let at = world.now;
        world.step();
        let connection = world.peers[0].open();
        for (end, ended) in [connection.sender.end, connection.receiver.end].into_iter().zip(&mut ended) {
            if end != End::Open {
                assert_eq!(end, STALLED);
                ended.get_or_insert(at);
            }
        }
    }
    ended.map(Option::unwrap)
}

#[test]
fn a_channel_that_goes_silent_ends_both_after_fifteen_seconds() {
    let mut world = world(&[100 * CHUNK]);
    while world.now < Duration::from_millis(200) {
        world.step();
    }
    let silent = world.now;
    let connection = world.peers[0].open();
    assert!(connection.receiver.opened && connection.sender.sent > 0);
    connection.up.block();
    connection.down.block();
    for at in ends(&mut world) {
        let waited = at - silent;
        assert!(waited > Duration::from_millis(14_900) && waited <= Duration::from_secs(15), "{waited:?}");
    }
    // What came before is right, and kept.
    world.peers[0].disk.check_prefix(&world.share);
    assert!(world.peers[0].disk.bytes() > 0);
}

#[test]
fn a_peer_that_never_says_hello_is_not_waited_for() {
    let mut world = world(&[1]);
    world.peers[0].open().up.block();
    assert_eq!(ends(&mut world), [Duration::from_secs(15); 2]);
}

#[test]
fn a_channel_that_takes_nothing_more_does_not_make_its_sender_spin() {
    // Frames wait for the channel all the while, so that there is nothing to say; the timer must still move on.
    let mut world = world(&[100 * CHUNK]);
    while world.now < Duration::from_millis(100) {
        world.step();
    }
    world.peers[0].open().down.block();
    let [sender, receiver] = ends(&mut world);
    // The receiver hears nothing; the sender hears the receiver to its end.
    assert!(receiver < Duration::from_millis(15_200) && sender >= receiver);
}

#[test]
fn an_idle_session_is_kept_open_for_an_hour() {
    let mut rng = Rng::new(12);
    let mut share = Share::of_files(&mut rng, &[10; 3]);
    share.finish_walk_at(Duration::from_secs(3600));
    let mut world = World::new(share, rng);
    world.add(Network::FAST, |_| true);
    let World { share, rng, now, peers, .. } = &mut world;
    peers[0].connect(share, rng, *now);
    world.run_until(Duration::from_secs(3599));
    let connection = world.peers[0].open();
    assert_eq!((connection.sender.end, connection.receiver.end), (End::Open, End::Open));
    // And then the share turns out to be complete, and the session ends well.
    world.run_until(Duration::from_secs(3610));
    let connection = world.peers[0].open();
    assert_eq!((connection.sender.end, connection.receiver.end), (End::Done, End::Done));
    world.peers[0].disk.check_complete(&world.share, |_| true);
}

#[test]
fn a_pause_is_no_stall_however_long_it_lasts() {
    let mut world = world(&[100 * CHUNK]);
    world.run_until(Duration::from_millis(100));
    world.peers[0].open().sender.pause(true);
    // What was sealed before still comes.
    world.run_until(Duration::from_secs(2));
    let connection = world.peers[0].open();
    let before = connection.receiver.received;
    assert!(before > 0 && before < 100 * CHUNK);
    assert_eq!(connection.receiver.pauses, [true]);
    world.run_until(Duration::from_secs(1800));
    let connection = world.peers[0].open();
    assert_eq!((connection.sender.end, connection.receiver.end), (End::Open, End::Open));
    assert_eq!(connection.receiver.received, before, "content came all the same");
    connection.sender.pause(false);
    world.run_until(Duration::from_secs(1900));
    let connection = world.peers[0].open();
    assert_eq!((connection.sender.end, connection.receiver.end), (End::Done, End::Done));
    assert_eq!(connection.receiver.pauses, [true, false]);
    world.peers[0].disk.check_complete(&world.share, |_| true);
}

#[test]
fn who_comes_while_the_share_is_paused_is_told_and_waits() {
    let mut world = world(&[10 * CHUNK]);
    world.peers[0].open().sender.pause(true);
    world.run_until(Duration::from_secs(300));
    let connection = world.peers[0].open();
    assert_eq!(connection.receiver.pauses, [true]);
    // It sees what there is meanwhile, and says what it wants.
    assert!(connection.receiver.totals.is_some_and(|totals| totals.complete));
    assert_eq!((connection.receiver.received, connection.sender.sent), (0, 0));
    assert_eq!(connection.sender.chosen, Some((10 * CHUNK, 1)));
    // A dial that is turned to and fro between two frames is told as it ends.
    connection.sender.pause(false);
    connection.sender.pause(true);
    world.run_until(Duration::from_secs(320));
    assert_eq!(world.peers[0].open().receiver.pauses, [true]);
    world.peers[0].open().sender.pause(false);
    world.run_until(Duration::from_secs(340));
    world.peers[0].disk.check_complete(&world.share, |_| true);
}

#[test]
fn a_sender_that_dies_while_it_is_paused_is_noticed() {
    let mut world = world(&[10 * CHUNK]);
    world.peers[0].open().sender.pause(true);
    world.run_until(Duration::from_secs(60));
    let silent = world.now;
    let connection = world.peers[0].open();
    connection.up.block();
    connection.down.block();
    for at in ends(&mut world) {
        assert!(at - silent <= Duration::from_secs(15), "{at:?}");
    }
}
