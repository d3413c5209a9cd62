//! The rules of the queue one by one, and its invariants under any sequence of commands.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::queue::Progress;
use proptest::prelude::*;

const HASH: JoinHash = JoinHash([7; 32]);
const RULES: Rules = Rules {
    lease: Duration::from_secs(30),
    grace: Duration::from_secs(20),
    presence: Duration::from_secs(60),
    sender_grace: Duration::from_secs(60),
    max_receivers: 40,
};
const START: Duration = Duration::from_secs(1_000_000);

fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

fn at(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn queue(slots: u16) -> Queue {
    let mut queue = Queue::new(RULES, HASH, slots, &[], START);
    queue.handle(&Command::SenderSeen, START).unwrap();
    queue
}

fn join(number: u8) -> Command {
    Command::Join { peer: peer(number), proof: HASH, arrival: None }
}

/// Joins and shows itself.
fn arrive(queue: &mut Queue, number: u8, now: Duration) -> Standing {
    queue.handle(&join(number), now).unwrap();
    queue.handle(&Command::Seen { peer: peer(number) }, now).unwrap().unwrap()
}

fn events(queue: &mut Queue) -> Vec<Event> {
    std::iter::from_fn(|| queue.poll_event()).collect()
}

fn stage(queue: &Queue, number: u8) -> Option<Stage> {
    queue.snapshot().receivers.get(&peer(number)).map(|receiver| receiver.stage)
}

#[test]
fn tiers_go_by_position() {
    let mut queue = queue(20);
    for number in 0..30 {
        let standing = arrive(&mut queue, number, START);
        let (tier, ahead) = match number {
            0..20 => (Tier::Active, 0),
            20..25 => (Tier::Near, u32::from(number) - 20),
            _ => (Tier::Far, u32::from(number) - 20),
        };
        assert_eq!((standing.tier, standing.ahead, standing.lease.is_some()), (tier, ahead, number < 20));
    }
}

#[test]
fn joining_alone_takes_no_slot() {
    let mut queue = queue(1);
    let standing = queue.handle(&join(1), START).unwrap().unwrap();
    // First in line for a free slot: it only has to come for it.
    assert_eq!((standing.tier, standing.lease), (Tier::Active, None));
    assert_eq!(arrive(&mut queue, 2, START).lease, Some(at(30)));
    queue.handle(&Command::Tick, at(20)).unwrap();
    assert_eq!(stage(&queue, 1), None, "it never came");
}

#[test]
fn a_free_slot_goes_to_the_first_that_is_there_and_is_claimed() {
    let mut queue = queue(1);
    let standing = arrive(&mut queue, 1, START);
    assert_eq!(standing.lease, Some(at(30)));
    let standing = queue.handle(&Command::Claim { peer: peer(1) }, at(1)).unwrap().unwrap();
    assert_eq!((standing.tier, standing.lease), (Tier::Active, None));
    arrive(&mut queue, 2, at(1));
    arrive(&mut queue, 3, at(1));
    assert_eq!(queue.handle(&Command::Claim { peer: peer(3) }, at(2)), Err(Code::NotYourTurn));
    events(&mut queue);
    queue.handle(&Command::Leave { peer: peer(1) }, at(3)).unwrap();
    assert_eq!(
        events(&mut queue),
        [
            Event::Left { peer: peer(1) },
            Event::Gone { peer: peer(1), code: None },
            Event::Promoted { peer: peer(2), until: at(33) },
            Event::Moved { moves: 2 },
            Event::Waiting { count: 1 },
        ]
    );
    queue.handle(&Command::Claim { peer: peer(2) }, at(4)).unwrap();
    assert_eq!(events(&mut queue), [Event::Joined { peer: peer(2) }]);
}

#[test]
fn who_does_not_claim_is_passed_over_and_waits_behind_the_one_who_took_it() {
    let mut queue = queue(1);
    arrive(&mut queue, 1, START);
    arrive(&mut queue, 2, START);
    arrive(&mut queue, 3, START);
    events(&mut queue);
    queue.handle(&Command::Tick, at(30)).unwrap();
    assert_eq!(
        events(&mut queue),
        [
            Event::PassedOver { peer: peer(1) },
            Event::Promoted { peer: peer(2), until: at(60) },
            // 1 came back into the line before 2 and 3, 2 left it.
            Event::Moved { moves: 3 },
        ]
    );
    assert_eq!(queue.snapshot().line, [peer(1), peer(3)]);
    // It shows itself again, and has the next slot.
    queue.handle(&Command::Seen { peer: peer(1) }, at(31)).unwrap();
    queue.handle(&Command::Leave { peer: peer(2) }, at(32)).unwrap();
    assert_eq!(stage(&queue, 1), Some(Stage::Promoted { until: at(62) }));
}

#[test]
fn one_that_is_away_is_passed_over_without_losing_its_place() {
    let mut queue = queue(1);
    arrive(&mut queue, 1, START);
    arrive(&mut queue, 2, START);
    arrive(&mut queue, 3, START);
    queue.handle(&Command::Drop { peer: peer(2) }, at(1)).unwrap();
    queue.handle(&Command::Leave { peer: peer(1) }, at(2)).unwrap();
    assert!(matches!(stage(&queue, 3), Some(Stage::Promoted { .. })));
    assert_eq!(queue.snapshot().line, [peer(2)]);
    queue.handle(&Command::Tick, at(21)).unwrap();
    assert_eq!(stage(&queue, 2), None, "it was away for 20 s");
}

#[test]
fn a_slot_is_kept_for_the_grace_period_of_its_receiver() {
    let mut queue = queue(1);
    arrive(&mut queue, 1, START);
    queue.handle(&Command::Claim { peer: peer(1) }, START).unwrap();
    arrive(&mut queue, 2, START);
    queue.handle(&Command::Drop { peer: peer(1) }, at(5)).unwrap();
    queue.handle(&Command::Tick, at(24)).unwrap();
    events(&mut queue);
    // Back in time: nobody hears of it.
    queue.handle(&Command::Claim { peer: peer(1) }, at(24)).unwrap();
    assert_eq!(events(&mut queue), []);
    queue.handle(&Command::Drop { peer: peer(1) }, at(25)).unwrap();
    queue.handle(&Command::Tick, at(45)).unwrap();
    assert_eq!(stage(&queue, 1), None);
    assert_eq!(stage(&queue, 2), Some(Stage::Promoted { until: at(75) }));
    assert_eq!(queue.handle(&Command::Claim { peer: peer(1) }, at(46)), Err(Code::NotAuthorised));
}

#[test]
fn while_the_sender_is_away_the_line_is_frozen() {
    let mut queue = queue(2);
    arrive(&mut queue, 1, START);
    queue.handle(&Command::SenderDrop, at(5)).unwrap();
    arrive(&mut queue, 2, at(6));
    queue.handle(&Command::Seen { peer: peer(1) }, at(30)).unwrap();
    queue.handle(&Command::Seen { peer: peer(2) }, at(30)).unwrap();
    queue.handle(&Command::Tick, at(30)).unwrap();
    // Neither promoted nor passed over.
    assert!(matches!(stage(&queue, 2), Some(Stage::Waiting { ready: true, .. })));
    assert!(matches!(stage(&queue, 1), Some(Stage::Promoted { .. })));
    events(&mut queue);
    queue.handle(&Command::SenderSeen, at(40)).unwrap();
    let promoted = |number| Event::Promoted { peer: peer(number), until: at(70) };
    assert_eq!(
        events(&mut queue),
        [Event::SenderHere, promoted(1), promoted(2), Event::Moved { moves: 2 }, Event::Waiting { count: 0 }]
    );
}

#[test]
fn a_sender_that_stays_away_or_falls_silent_ends_the_share() {
    let mut queue = queue(1);
    events(&mut queue);
    queue.handle(&Command::Tick, at(59)).unwrap();
    assert_eq!(events(&mut queue), []);
    queue.handle(&Command::Tick, at(60)).unwrap();
    assert_eq!(events(&mut queue), [Event::SenderAway], "nobody saw its socket drop");
    queue.handle(&Command::Tick, at(120)).unwrap();
    assert_eq!(events(&mut queue), [Event::Ended { code: Code::SenderGone }]);
    assert!(queue.is_over());
    assert_eq!(queue.handle(&Command::Tick, at(121)), Err(Code::ShareEnded));
}

#[test]
fn who_is_let_go_stays_out_and_who_has_no_proof_never_gets_in() {
    let mut queue = queue(1);
    arrive(&mut queue, 1, START);
    queue.handle(&Command::Claim { peer: peer(1) }, START).unwrap();
    events(&mut queue);
    queue.handle(&Command::Dismiss { peer: peer(1) }, at(1)).unwrap();
    let gone = Event::Gone { peer: peer(1), code: Some(Code::LetGo) };
    assert_eq!(events(&mut queue), [Event::Left { peer: peer(1) }, gone]);
    assert_eq!(queue.handle(&join(1), at(2)), Err(Code::LetGo));
    let forged = Command::Join { peer: peer(2), proof: JoinHash([0; 32]), arrival: None };
    assert_eq!(queue.handle(&forged, at(2)), Err(Code::NotAuthorised));
    assert_eq!(queue.handle(&Command::Seen { peer: peer(2) }, at(2)), Err(Code::NotAuthorised));
}

#[test]
fn a_full_share_takes_nobody_in() {
    let mut queue = queue(1);
    for number in 0..40 {
        queue.handle(&join(number), START).unwrap();
    }
    assert_eq!(queue.handle(&join(40), START), Err(Code::ShareFull));
    queue.handle(&join(0), START).unwrap();
}

#[test]
fn a_queue_that_was_lost_is_built_again_by_its_peers() {
    let mut lost = queue(2);
    for number in 1..=4 {
        arrive(&mut lost, number, at(u64::from(number)));
    }
    let arrival = |number| lost.standing(peer(number)).unwrap().arrival;
    // The sender is connected with 1 and 2; 4 is faster than 3.
    let mut queue = Queue::new(RULES, HASH, 2, &[peer(1), peer(2)], at(100));
    queue.handle(&Command::SenderSeen, at(100)).unwrap();
    for number in [4, 3, 1] {
        let again = Command::Join { peer: peer(number), proof: HASH, arrival: Some(arrival(number)) };
        queue.handle(&again, at(101)).unwrap();
        queue.handle(&Command::Seen { peer: peer(number) }, at(101)).unwrap();
    }
    assert_eq!(queue.snapshot().line, [peer(3), peer(4)], "the old order");
    assert_eq!(stage(&queue, 3), Some(Stage::Waiting { until: at(161), ready: true }), "no slot is free");
    queue.handle(&Command::Claim { peer: peer(1) }, at(102)).unwrap();
    // 2 has not come back.
    queue.handle(&Command::Tick, at(120)).unwrap();
    assert_eq!(stage(&queue, 3), Some(Stage::Promoted { until: at(150) }));
}

#[test]
fn a_ticket_of_this_queue_gives_no_place_back_that_was_left() {
    let mut queue = queue(1);
    let first = arrive(&mut queue, 1, START).arrival;
    arrive(&mut queue, 2, START);
    arrive(&mut queue, 3, START);
    queue.handle(&Command::Leave { peer: peer(1) }, at(1)).unwrap();
    let again = Command::Join { peer: peer(1), proof: HASH, arrival: Some(first) };
    assert_eq!(queue.handle(&again, at(2)).unwrap().unwrap().ahead, 1);
    assert_eq!(queue.snapshot().line, [peer(3), peer(1)]);
}

#[test]
fn more_or_fewer_slots_take_effect_as_they_are_free() {
    let mut queue = queue(1);
    arrive(&mut queue, 1, START);
    arrive(&mut queue, 2, START);
    queue.handle(&Command::Open { join_hash: HASH, slots: 2 }, START).unwrap();
    assert!(matches!(stage(&queue, 2), Some(Stage::Promoted { .. })));
    queue.handle(&Command::Open { join_hash: HASH, slots: 1 }, START).unwrap();
    assert!(matches!(stage(&queue, 2), Some(Stage::Promoted { .. })));
    arrive(&mut queue, 3, START);
    queue.handle(&Command::Leave { peer: peer(2) }, START).unwrap();
    assert!(matches!(stage(&queue, 3), Some(Stage::Waiting { .. })));
}

fn command() -> impl Strategy<Value = Command> {
    let who = || (0..12_u8).prop_map(peer);
    prop_oneof![
        4 => who().prop_map(|peer| Command::Join { peer, proof: HASH, arrival: None }),
        1 => (who(), 0..50_u64)
            .prop_map(|(peer, arrival)| Command::Join { peer, proof: HASH, arrival: Some(arrival) }),
        1 => who().prop_map(|peer| Command::Join { peer, proof: JoinHash([0; 32]), arrival: None }),
        6 => who().prop_map(|peer| Command::Seen { peer }),
        3 => who().prop_map(|peer| Command::Drop { peer }),
        5 => who().prop_map(|peer| Command::Claim { peer }),
        1 => who().prop_map(|peer| Command::Progress { peer, progress: Progress::Downloading }),
        2 => who().prop_map(|peer| Command::Leave { peer }),
        1 => who().prop_map(|peer| Command::Dismiss { peer }),
        1 => (1..5_u16).prop_map(|slots| Command::Open { join_hash: HASH, slots }),
        3 => Just(Command::SenderSeen),
        1 => Just(Command::SenderDrop),
        4 => Just(Command::Tick),
    ]
}

/// What must be true after every step.
fn check(queue: &Queue, most_slots: u16, last_slots: u16) {
    let Snapshot { receivers, line, slots, .. } = queue.snapshot();
    let held = receivers.values().filter(|receiver| receiver.stage.holds_slot()).count();
    // Slots that were taken away run out by themselves.
    assert!(held <= usize::from(most_slots), "{held} of {slots} slots");
    assert_eq!(slots, last_slots);
    assert_eq!(held + line.len(), receivers.len(), "somebody is in no tier, or in two");
    assert!(line.iter().all(|peer| matches!(receivers[peer].stage, Stage::Waiting { .. })));
    let arrivals: Vec<_> = line.iter().map(|peer| (receivers[peer].arrival, *peer)).collect();
    assert!(arrivals.is_sorted(), "not first come first served");
    for (place, &peer) in line.iter().enumerate() {
        let standing = queue.standing(peer).unwrap();
        assert_eq!(standing.ahead as usize, place);
        assert_eq!(standing.tier, tier(held as u32, place as u32, slots));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_sequence_keeps_the_invariants(
        slots in 1..5_u16,
        steps in prop::collection::vec((command(), 0..25_u64), 0..120)
    ) {
        let mut queue = Queue::new(RULES, HASH, slots, &[], START);
        let (mut now, mut most, mut last) = (START, slots, slots);
        for (command, seconds) in steps {
            // Most of the time little of it passes.
            now += Duration::from_secs(seconds / 5);
            if let Command::Open { slots, .. } = command {
                (most, last) = (most.max(slots), slots);
            }
            let before = queue.snapshot();
            let answer = queue.handle(&command, now);
            if queue.is_over() {
                prop_assert!(matches!(command, Command::Tick));
                break;
            }
            check(&queue, most, last);
            for event in events(&mut queue) {
                if let Event::Promoted { peer, until } = event {
                    prop_assert_eq!(until, now + RULES.lease);
                    if before.receivers.get(&peer).is_some_and(|receiver| receiver.stage.holds_slot()) {
                        // Told again, as the sender is back.
                        continue;
                    }
                    // Nobody that was there and came before was left in line.
                    let snapshot = queue.snapshot();
                    let arrival = snapshot.receivers[&peer].arrival;
                    let overtaken = snapshot.line.iter().any(|other| {
                        let other = snapshot.receivers[other];
                        other.arrival < arrival
                            && matches!(other.stage, Stage::Waiting { ready: true, until } if until > now)
                    });
                    prop_assert!(!overtaken, "somebody was overtaken");
                }
            }
            if answer.is_err() && !matches!(command, Command::Claim { .. }) {
                prop_assert_eq!(before, queue.snapshot(), "a refusal changed something");
            }
            let free = queue.held < u32::from(queue.slots) && queue.sender_here;
            let waits = |&(_, peer): &(u64, PeerId)| queue.receivers[&peer].stage.until() > now;
            prop_assert!(!free || !queue.ready.iter().any(waits), "a slot is left free");
        }
    }
}
