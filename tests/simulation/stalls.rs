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
