//! Runs in which everybody is honest: everything arrives, whatever the network, the disk and the crashes do.

use crate::network::Network;
use crate::rng::Rng;
use crate::share::{CHUNK, Share};
use crate::world::{Incident, World};
use crate::{each_seed, with_seed};
use sluice_protocol::control::EntryFailure;
use sluice_protocol::manifest::{Entry, EntryKind, Unreadable};
use std::time::Duration;

fn all(_: &Entry) -> bool {
    true
}

// Every other name, and no directory.
fn some(entry: &Entry) -> bool {
    entry.kind != EntryKind::Directory && entry.path.name().bytes().last().is_some_and(|last| last % 2 == 0)
}

fn network(rng: &mut Rng) -> Network {
    Network {
        latency: rng.millis(0..300),
        rate: rng.pick(&[300_000, 2_000_000, 50_000_000]),
        max_message: rng.within(1..300_000) as usize,
    }
}

#[test]
fn everything_arrives() {
    each_seed(0..200, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::random(&mut rng);
        let chosen = rng.pick(&[all, all, some]);
        let network = network(&mut rng);
        let mut world = World::new(share, rng);
        world.add(network, chosen);
        world.run();
        let peer = &world.peers[0];
        peer.disk.check_complete(&world.share, chosen);
        assert_eq!(peer.sent, peer.disk.bytes(), "something was sent twice");
    });
}

#[test]
fn a_file_larger_than_the_window_arrives() {
    with_seed(1, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::of_files(&mut rng, &[20 * 1024 * 1024 + 1, 5 * 1024 * 1024, 0, 1]);
        let mut world = World::new(share, rng);
        world.add(Network::FAST, all);
        world.run();
        world.peers[0].disk.check_complete(&world.share, all);
    });
}

#[test]
fn thousands_of_files_take_few_round_trips() {
    with_seed(2, |seed| {
        let mut rng = Rng::new(seed);
        let sizes: Vec<u64> = (0..10_000).map(|_| rng.within(0..200)).collect();
        let share = Share::of_files(&mut rng, &sizes);
        let mut world = World::new(share, rng);
        let latency = Duration::from_millis(100);
        world.add(Network { latency, ..Network::FAST }, all);
        world.run();
        world.peers[0].disk.check_complete(&world.share, all);
        // 21 pages in windows of 8: a handful of round trips of 200 ms, not ten thousand.
        assert!(world.now < Duration::from_secs(5), "it took {:?}", world.now);
    });
}

#[test]
fn twenty_receivers_are_served_at_once() {
    each_seed(0..3, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::random(&mut rng);
        let mut world = World::new(share, rng.clone());
        for at in 0..20 {
            let network = network(&mut rng);
            let peer = world.add(network, if at % 3 == 0 { some } else { all });
            if at % 4 == 0 {
                peer.incidents.push_back((rng.millis(100..2000), Incident::Crash));
            }
        }
        world.run();
        for peer in &world.peers {
            peer.disk.check_complete(&world.share, peer.chosen);
            assert_eq!(peer.sent, peer.disk.bytes() + peer.lost.iter().sum::<u64>());
        }
    });
}

#[test]
fn cuts_and_crashes_cost_only_what_was_not_durable() {
    each_seed(0..150, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::random(&mut rng);
        let network = network(&mut rng);
        let mut world = World::new(share, rng.clone());
        let peer = world.add(network, all);
        let mut at = Duration::ZERO;
        for _ in 0..rng.within(1..6) {
            at += rng.millis(50..4000);
            let incident = rng.pick(&[Incident::Cut, Incident::Crash]);
            peer.incidents.push_back((at, incident));
        }
        world.run();
        let peer = &world.peers[0];
        peer.disk.check_complete(&world.share, all);
        // Every byte that was sent again was lost in an incident, and none of those was in the journal.
        assert_eq!(peer.sent, world.share.bytes() + peer.lost.iter().sum::<u64>());
    });
}

#[test]
fn a_large_file_resumes_where_the_journal_ends() {
    each_seed(0..4, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::of_files(&mut rng, &[24 * 1024 * 1024 + 5]);
        let mut world = World::new(share, rng.clone());
        let peer = world.add(Network { rate: 2_000_000, ..Network::FAST }, all);
        for at in [1500, 6000, 10_500] {
            peer.incidents.push_back((Duration::from_millis(at) + rng.millis(0..500), Incident::Crash));
        }
        world.run();
        let peer = &world.peers[0];
        peer.disk.check_complete(&world.share, all);
        assert_eq!(peer.sent, world.share.bytes() + peer.lost.iter().sum::<u64>());
        assert!(peer.lost.iter().all(|lost| *lost <= 16 * 1024 * 1024), "{:?}", peer.lost);
        assert_eq!(peer.lost.len(), 3);
    });
}

#[test]
fn a_file_that_was_edited_between_sessions_is_fetched_anew() {
    each_seed(0..60, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::random(&mut rng);
        let mut world = World::new(share, rng.clone());
        let peer = world.add(Network { rate: 1_000_000, ..Network::FAST }, all);
        for _ in 0..2 {
            peer.incidents.push_back((rng.millis(100..3000), Incident::Edit));
        }
        peer.incidents.make_contiguous().sort_by_key(|(at, _)| *at);
        world.run();
        world.peers[0].disk.check_complete(&world.share, all);
    });
}

#[test]
fn an_entry_that_fails_fails_alone() {
    each_seed(0..80, |seed| {
        let mut rng = Rng::new(seed);
        let mut share = Share::random(&mut rng);
        let mut wanted = Vec::new();
        for (entry, item) in share.items.iter_mut().enumerate() {
            if !item.content.is_empty() && rng.chance(25) {
                let chunk = rng.within(0..(item.content.len() as u64).div_ceil(CHUNK)) as u32;
                let failure =
                    rng.pick(&[EntryFailure::Changed, EntryFailure::Unreadable(Unreadable::Failed)]);
                item.fault = Some((chunk, failure));
                wanted.push((entry as u32, failure));
            }
        }
        let network = network(&mut rng);
        let mut world = World::new(share, rng);
        world.add(network, all);
        world.run();
        let peer = &mut world.peers[0];
        assert_eq!(peer.open().receiver.failed, wanted);
        assert_eq!(peer.open().sender.failed, wanted);
        peer.disk.check_complete(&world.share, all);
    });
}

#[test]
fn an_empty_share_is_done() {
    with_seed(3, |seed| {
        let mut rng = Rng::new(seed);
        let mut world = World::new(Share::new(&mut rng), rng);
        world.add(Network::FAST, all);
        world.run();
        assert_eq!(world.peers[0].disk.entries(), 0);
    });
}

#[test]
fn a_share_is_listed_first_and_received_on_the_same_connection() {
    each_seed(0..150, |seed| {
        let mut rng = Rng::new(seed);
        let share = Share::random(&mut rng);
        let chosen = rng.pick(&[all, some]);
        let (network, lists_for) = (network(&mut rng), rng.millis(0..20_000));
        let mut world = World::new(share, rng);
        world.add(network, chosen).lists_for = Some(lists_for);
        world.run();
        let connection = world.peers[0].open();
        // It may have chosen before it saw all.
        let seen = connection.receiver.listed.len();
        assert!(seen == world.share.items.len() || !connection.receiver.all_listed);
        let shown = world.share.items.iter().map(|item| &item.entry);
        assert!(connection.receiver.listed.iter().eq(shown.take(seen)));
        let peer = &world.peers[0];
        peer.disk.check_complete(&world.share, chosen);
        assert_eq!(peer.sent, peer.disk.bytes(), "something was sent twice");
    });
}

#[test]
fn a_long_list_is_planned_a_window_at_a_time() {
    // 12 pages; the choice comes before the list, in its middle, and after a look at all of it.
    for lists_for in [0, 210, 30_000] {
        with_seed(4, |seed| {
            let mut rng = Rng::new(seed);
            let sizes: Vec<u64> = (0..6000).map(|_| rng.within(0..300)).collect();
            let share = Share::of_files(&mut rng, &sizes);
            let mut world = World::new(share, rng);
            let latency = Duration::from_millis(50);
            world.add(Network { latency, ..Network::FAST }, all).lists_for =
                Some(Duration::from_millis(lists_for));
            world.run();
            let receiver = &world.peers[0].open().receiver;
            let seen = receiver.listed.len();
            match lists_for {
                0 => assert_eq!(seen, 0),
                30_000 => assert!(seen == 6000 && receiver.all_listed, "{seen}"),
                _ => assert!(seen > 0 && seen < 6000 && !receiver.all_listed, "{seen} at {lists_for} ms"),
            }
            world.peers[0].disk.check_complete(&world.share, all);
        });
    }
}
