//! One queue from the first receiver to the last: two hundred receivers that crash, come back, send twice and out of
//! order, a sender that goes away, a server that loses everything, and what must be true after every step.

mod book;
mod listeners;
mod receiver;
mod world;

use crate::each_seed;
use crate::rng::Rng;
use sluice_protocol::queue::Rules;
use std::ops::Range;
use std::time::Duration;
use world::World;

/// What one run is made of. Percentages are of the cases in which it could happen.
#[derive(Debug, Clone)]
pub struct Plan {
    pub rules: Rules,
    pub slots: u16,
    pub receivers: u64,
    /// All come within this time.
    pub arrivals: Duration,
    /// Seconds of one download.
    pub download: Range<u64>,
    /// Messages on their way: milliseconds, how many come twice, how many are lost.
    pub delay: Range<u64>,
    pub twice: u64,
    pub lost: u64,
    /// Receivers that crash, and those of them that never come back.
    pub crash: u64,
    pub for_good: u64,
    /// Claims that come too late for the lease.
    pub sleepy: u64,
    /// How many receivers the sender lets go.
    pub dismissed: u64,
    /// How often the sender goes away, and for how many seconds at most.
    pub absences: u64,
    pub absence: u64,
    /// How often the server loses everything.
    pub losses: u64,
    /// How often the sender changes the number of slots.
    pub changes: u64,
}

impl Plan {
    /// Nothing goes wrong.
    fn calm(receivers: u64, slots: u16) -> Self {
        Plan {
            rules: Rules::default(),
            slots,
            receivers,
            arrivals: Duration::from_secs(60),
            download: 1..40,
            // All equal, so that they keep their order.
            delay: 20..21,
            twice: 0,
            lost: 0,
            crash: 0,
            for_good: 0,
            sleepy: 0,
            dismissed: 0,
            absences: 0,
            absence: 50,
            losses: 0,
            changes: 0,
        }
    }

    /// Everything goes wrong, to a degree that the seed decides.
    fn wild(rng: &mut Rng, receivers: u64, slots: u16) -> Self {
        let mut some = |most: u64| if rng.chance(70) { rng.within(0..most + 1) } else { 0 };
        Plan {
            delay: 1..some(3000) + 50,
            twice: some(20),
            lost: some(10),
            crash: some(100),
            for_good: some(40),
            sleepy: some(20),
            dismissed: some(10),
            absences: some(4),
            // Beyond 60 s the share is forgotten, and opened again.
            absence: some(100) + 1,
            losses: some(3),
            changes: some(3),
            ..Plan::calm(receivers, slots)
        }
    }
}

#[test]
fn in_a_calm_world_all_are_served_in_the_order_in_which_they_came() {
    each_seed(0..4, |seed| {
        let mut world = World::new(Plan::calm(200, 20), Rng::new(seed));
        world.run();
        let offered = &world.book.offered[..200];
        assert!(offered.iter().copied().eq(1..=200), "{offered:?}");
    });
}

#[test]
fn two_hundred_receivers_get_through_anything() {
    each_seed(0..10, |seed| {
        let mut rng = Rng::new(seed);
        let plan = Plan::wild(&mut rng, 200, 20);
        World::new(plan, rng).run();
    });
}

#[test]
fn small_queues_get_through_anything() {
    each_seed(0..400, |seed| {
        let mut rng = Rng::new(seed);
        let (receivers, slots) = (rng.within(1..25), rng.within(1..5) as u16);
        let mut plan = Plan::wild(&mut rng, receivers, slots);
        if rng.chance(20) {
            // Those let go count, and would fill it for good.
            plan.dismissed = 0;
            plan.rules.max_receivers = rng.within(3..20) as u32;
        }
        World::new(plan, rng).run();
    });
}

// The line is long enough that places at its end are told in steps.
#[test]
fn places_are_told_in_a_long_line() {
    each_seed(0..2, |seed| {
        let mut rng = Rng::new(seed);
        let plan = Plan { arrivals: Duration::from_secs(5), download: 1..3, ..Plan::wild(&mut rng, 300, 5) };
        World::new(plan, rng).run();
    });
}
