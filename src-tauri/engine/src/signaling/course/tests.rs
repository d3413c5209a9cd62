//! A receiver's way through the tiers, step by step, without a server.

use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn place(tier: Tier, ahead: u32) -> Place {
    let version = format!("{tier:?}{ahead}");
    Place { tier, ahead, slots: 2, lease_ms: None, sender_here: true, version }
}

fn promoted() -> Place {
    Place { lease_ms: Some(30_000), version: "promoted".into(), ..place(Tier::Active, 0) }
}

fn poll(place: &Place) -> Step {
    Step::Poll { after: place.version.clone() }
}

/// One that has joined and is told this place.
fn at(place: &Place) -> Course {
    let mut course = Course::new();
    assert_eq!(course.poll_step(Duration::ZERO), Step::Join);
    course.handle_place(place.clone(), Duration::ZERO, 0.5);
    course
}

#[test]
fn each_tier_has_its_way_to_hear_news() {
    let now = Duration::ZERO;
    let far = place(Tier::Far, 9);
    assert_eq!(at(&far).poll_step(now), Step::Listen { last: far.version.clone() });
    let near = place(Tier::Near, 2);
    assert_eq!(at(&near).poll_step(now), poll(&near));
    assert_eq!(at(&place(Tier::Active, 0)).poll_step(now), Step::Claim);
    assert_eq!(at(&promoted()).poll_step(now), Step::Claim);
}

#[test]
fn one_walks_from_far_to_its_slot_on_one_ticket() {
    let mut course = at(&place(Tier::Far, 6));
    let mut now = 5 * MS;
    for (next, step) in [
        (place(Tier::Far, 5), Step::Listen { last: "Far5".into() }),
        (place(Tier::Near, 4), Step::Poll { after: "Near4".into() }),
        (place(Tier::Near, 0), Step::Poll { after: "Near0".into() }),
        (promoted(), Step::Claim),
    ] {
        course.handle_place(next, now, 0.5);
        assert_eq!(course.poll_step(now), step);
        now += 2000 * MS;
    }
    course.handle_admitted(now);
    // Its socket drops: it takes its slot again, after a moment.
    assert!(course.handle_failed(&Step::Claim, Code::ServerUnreachable, None, now, 0.5));
    assert_eq!(course.poll_step(now), Step::Pause { until: now + 250 * MS });
    assert_eq!(course.poll_step(now + 250 * MS), Step::Claim);
}

#[test]
fn one_that_claims_too_early_waits_for_another_place() {
    let mut course = at(&place(Tier::Active, 0));
    assert!(!course.handle_failed(&Step::Claim, Code::NotYourTurn, None, MS, 0.5));
    assert_eq!(course.poll_step(MS), Step::Pause { until: 201 * MS });
    assert_eq!(course.poll_step(201 * MS), poll(&place(Tier::Active, 0)));
    // Ten seconds later nothing has changed, and it is worth a try.
    course.handle_place(place(Tier::Active, 0), 10_201 * MS, 0.5);
    assert_eq!(course.poll_step(10_201 * MS), Step::Claim);
}

#[test]
fn a_lost_place_is_asked_for_again_and_a_refused_proof_is_not() {
    for step in [Step::Claim, poll(&place(Tier::Near, 1)), Step::Listen { last: "Far9".into() }] {
        let mut course = at(&place(Tier::Near, 1));
        assert!(!course.handle_failed(&step, Code::NotAuthorised, None, MS, 0.5));
        assert_eq!(course.poll_step(251 * MS), Step::Join);
        assert!(!course.handle_failed(&Step::Join, Code::NotAuthorised, None, 252 * MS, 0.5));
        assert_eq!(course.poll_step(252 * MS), Step::Over(Code::NotAuthorised));
    }
}

#[test]
fn one_that_is_let_go_does_not_come_back() {
    for step in [Step::Join, Step::Claim, poll(&place(Tier::Near, 1)), Step::Listen { last: "Far9".into() }] {
        let mut course = at(&place(Tier::Near, 1));
        assert!(!course.handle_failed(&step, Code::LetGo, None, MS, 0.5));
        assert_eq!(course.poll_step(MS), Step::Over(Code::LetGo));
    }
}

#[test]
fn a_share_that_is_not_there_yet_is_joined_when_it_is() {
    let mut course = at(&place(Tier::Near, 1));
    let mut now = MS;
    for _ in 0..20 {
        assert!(course.handle_failed(&Step::Join, Code::ShareNotFound, None, now, 0.5));
        let Step::Pause { until } = course.poll_step(now) else { panic!("no pause") };
        assert!(until - now <= 5000 * MS);
        now = until;
        assert_eq!(course.poll_step(now), Step::Join);
    }
    course.handle_ended(Code::SenderGone, now, 0.5);
    assert!(matches!(course.poll_step(now), Step::Pause { .. }));
    course.handle_ended(Code::ShareEnded, now, 0.5);
    assert_eq!(course.poll_step(now), Step::Over(Code::ShareEnded));
}

#[test]
fn a_server_that_restarts_is_asked_again_soon_and_in_the_same_way() {
    let mut course = at(&place(Tier::Far, 9));
    course.handle_restart(Some(500 * MS), MS, 0.0);
    assert_eq!(course.poll_step(MS), Step::Pause { until: 251 * MS });
    course.handle_restart(Some(500 * MS), MS, 0.999);
    let Step::Pause { until } = course.poll_step(MS) else { panic!("no pause") };
    assert!(until > 700 * MS && until < 752 * MS);
    assert_eq!(course.poll_step(until), Step::Listen { last: "Far9".into() });
    // It may take a while; then it is trouble after all.
    let step = Step::Listen { last: "Far9".into() };
    assert!(!course.handle_failed(&step, Code::ServerUnreachable, None, until, 0.5));
    assert!(course.handle_failed(&step, Code::ServerUnreachable, None, until + 5000 * MS, 0.5));
    // No server can send a client away for a day.
    course.handle_restart(Some(Duration::from_secs(86_400)), MS, 0.0);
    assert!(matches!(course.poll_step(MS), Step::Pause { until } if until <= Duration::from_secs(60)));
}

#[test]
fn a_busy_server_says_when_to_come_back() {
    let mut course = Course::new();
    let after = Some(Duration::from_secs(7));
    for code in [Code::RateLimited, Code::ShareFull, Code::ServerFull, Code::StoreUnavailable] {
        assert!(course.handle_failed(&Step::Join, code, after, MS, 0.5));
        assert!(matches!(course.poll_step(MS), Step::Pause { until } if until > Duration::from_secs(7)));
    }
}

#[test]
fn a_poll_that_does_not_wait_is_not_hammered() {
    let near = place(Tier::Near, 1);
    let mut course = at(&near);
    assert_eq!(course.poll_step(MS), poll(&near));
    course.handle_place(near.clone(), 2 * MS, 0.5);
    assert!(matches!(course.poll_step(2 * MS), Step::Pause { .. }));
    // One that waited is asked again at once, and so is one that has news.
    assert_eq!(course.poll_step(300 * MS), poll(&near));
    course.handle_place(near.clone(), 10_300 * MS, 0.5);
    assert_eq!(course.poll_step(10_300 * MS), poll(&near));
    course.handle_place(place(Tier::Near, 0), 10_301 * MS, 0.5);
    assert_eq!(course.poll_step(10_301 * MS), poll(&place(Tier::Near, 0)));
}

#[derive(Debug, Clone)]
enum Told {
    Place(Place),
    Admitted,
    Restart(Option<u64>),
    Ended(Code),
    Failed(Code, Option<u64>),
}

fn told() -> impl Strategy<Value = Told> {
    let tier = prop_oneof![Just(Tier::Active), Just(Tier::Near), Just(Tier::Far)];
    let code = proptest::sample::select(Code::ALL);
    prop_oneof![
        4 => (tier, 0..9_u32).prop_map(|(tier, ahead)| Told::Place(place(tier, ahead))),
        1 => Just(Told::Place(promoted())),
        1 => Just(Told::Admitted),
        1 => proptest::option::of(0..100_000_u64).prop_map(Told::Restart),
        1 => code.clone().prop_map(Told::Ended),
        4 => (code, proptest::option::of(0..100_u64)).prop_map(|(code, after)| Told::Failed(code, after)),
    ]
}

proptest! {
    // Whatever a server says, a client neither hammers it nor stops without a reason.
    #[test]
    fn failures_are_always_followed_by_a_pause_or_the_end(
        all in proptest::collection::vec((told(), 0..20_000_u64, 0.0..1.0_f64), 1..60),
    ) {
        let mut course = Course::new();
        let mut now = Duration::ZERO;
        for (told, later, jitter) in all {
            now += MS * later as u32;
            let mut step = course.poll_step(now);
            if let Step::Pause { until } = step {
                prop_assert!(until > now);
                now = until;
                step = course.poll_step(now);
                prop_assert!(!matches!(step, Step::Pause { .. }), "paused twice");
            }
            if let Step::Over(_) = step {
                prop_assert_eq!(course.poll_step(now + MS * 100_000), step);
                return Ok(());
            }
            let failed = !matches!(told, Told::Place(_) | Told::Admitted);
            match told {
                Told::Place(place) => course.handle_place(place, now, jitter),
                Told::Admitted => course.handle_admitted(now),
                Told::Restart(retry) => course.handle_restart(retry.map(Duration::from_millis), now, jitter),
                Told::Ended(code) => course.handle_ended(code, now, jitter),
                Told::Failed(code, after) => {
                    course.handle_failed(&step, code, after.map(Duration::from_secs), now, jitter);
                }
            }
            let next = course.poll_step(now);
            if failed {
                prop_assert!(matches!(next, Step::Pause { .. } | Step::Over(_)), "{next:?}");
            }
        }
    }
}
