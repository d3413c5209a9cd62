//! The queue against a model that follows what each end was told, after every step of random journeys.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const RULES: Rules = Rules {
    sender_grace: Duration::from_secs(60),
    receiver_grace: Duration::from_secs(20),
    max_receivers: 6,
};

fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn drain(queue: &mut Queue) -> Vec<Output> {
    std::iter::from_fn(|| queue.poll_output()).collect()
}

fn place(number: u8, ahead: u32, slots: u16) -> Output {
    Output::ToReceiver(peer(number), ServerMessage::Place { ahead, slots })
}

fn admitted(number: u8) -> Output {
    Output::ToReceiver(peer(number), ServerMessage::Admitted)
}

fn ended(number: u8, code: Code) -> Output {
    Output::ToReceiver(peer(number), ServerMessage::Ended { code })
}

fn joined(number: u8) -> Output {
    Output::ToSender(ServerMessage::Joined { peer: peer(number) })
}

fn left(number: u8) -> Output {
    Output::ToSender(ServerMessage::Left { peer: peer(number) })
}

fn waiting(count: u32) -> Output {
    Output::ToSender(ServerMessage::Waiting { count })
}

// A queue with its sender here and `count` receivers that came in order.
fn busy(slots: u16, count: u8) -> Queue {
    let mut queue = Queue::new(RULES, slots, at(0));
    queue.handle_sender_connected();
    for number in 1..=count {
        queue.handle_join(peer(number), at(0)).unwrap();
        queue.handle_connected(peer(number)).unwrap();
    }
    drain(&mut queue);
    queue
}

#[test]
fn a_freed_slot_goes_to_the_next_in_line_and_those_behind_move_up() {
    let mut queue = busy(1, 3);
    queue.handle_leave(peer(1));
    assert_eq!(
        drain(&mut queue),
        [Output::CloseReceiver(peer(1)), left(1), joined(2), admitted(2), place(3, 0, 1), waiting(1)]
    );
}

#[test]
fn joining_alone_takes_no_slot() {
    let mut queue = busy(1, 0);
    queue.handle_join(peer(1), at(0)).unwrap();
    assert_eq!(drain(&mut queue), [waiting(1)]);
    queue.handle_join(peer(2), at(0)).unwrap();
    queue.handle_connected(peer(2)).unwrap();
    assert!(queue.is_active(peer(2)) && !queue.is_active(peer(1)));
    // The first to come is the first to be served, as soon as it is there.
    drain(&mut queue);
    queue.handle_connected(peer(1)).unwrap();
    assert_eq!(drain(&mut queue), [place(1, 0, 1)]);
}

#[test]
fn a_dropped_receiver_keeps_its_slot_or_place_for_the_grace_period_only() {
    let mut queue = busy(1, 3);
    queue.handle_disconnected(peer(1), at(10));
    queue.handle_disconnected(peer(2), at(10));
    queue.handle_timeout(at(29));
    assert_eq!(drain(&mut queue), []);
    queue.handle_connected(peer(1)).unwrap();
    assert_eq!(drain(&mut queue), [place(1, 0, 1), admitted(1)]);
    assert_eq!(queue.poll_timeout(), Some(at(30)));
    queue.handle_timeout(at(30));
    assert_eq!(drain(&mut queue), [place(3, 0, 1), waiting(1)]);
    assert_eq!(queue.handle_connected(peer(2)), Err(Code::NotAuthorised));
}

#[test]
fn one_that_is_away_is_passed_over_and_keeps_its_place() {
    let mut queue = busy(1, 3);
    queue.handle_disconnected(peer(2), at(10));
    queue.handle_leave(peer(1));
    assert!(queue.is_active(peer(3)));
    queue.handle_join(peer(4), at(11)).unwrap();
    queue.handle_connected(peer(4)).unwrap();
    queue.handle_connected(peer(2)).unwrap();
    drain(&mut queue);
    queue.handle_leave(peer(3));
    assert!(queue.is_active(peer(2)));
}

#[test]
fn nobody_is_admitted_while_the_sender_is_away() {
    let mut queue = busy(1, 2);
    queue.handle_sender_disconnected(at(5));
    let away = |number| Output::ToReceiver(peer(number), ServerMessage::SenderAway);
    let told = drain(&mut queue);
    assert!(told.len() == 2 && told.contains(&away(1)) && told.contains(&away(2)));
    queue.handle_leave(peer(1));
    assert_eq!(drain(&mut queue), [Output::CloseReceiver(peer(1))]);
    queue.handle_sender_connected();
    assert_eq!(
        drain(&mut queue),
        [
            Output::ToSender(ServerMessage::Opened { active: vec![], waiting: 1 }),
            Output::ToReceiver(peer(2), ServerMessage::SenderBack),
            joined(2),
            admitted(2),
            waiting(0)
        ]
    );
}

#[test]
fn a_sender_that_stays_away_ends_the_share() {
    let mut queue = busy(1, 1);
    queue.handle_sender_disconnected(at(5));
    drain(&mut queue);
    assert_eq!(queue.poll_timeout(), Some(at(65)));
    queue.handle_timeout(at(65));
    assert_eq!(drain(&mut queue), [ended(1, Code::SenderGone), Output::CloseReceiver(peer(1))]);
    assert!(queue.is_over());
    assert_eq!(queue.poll_timeout(), None);
}

#[test]
fn one_that_is_let_go_is_told_and_never_comes_back() {
    let mut queue = busy(1, 2);
    queue.handle_dismiss(peer(1));
    assert_eq!(
        drain(&mut queue)[..3],
        [ended(1, Code::NotAuthorised), Output::CloseReceiver(peer(1)), left(1)]
    );
    assert_eq!(queue.handle_join(peer(1), at(1)), Err(Code::NotAuthorised));
}

#[test]
fn more_receivers_than_the_rules_allow_are_refused() {
    let mut queue = busy(1, 6);
    assert_eq!(queue.handle_join(peer(7), at(1)), Err(Code::ServerFailed));
    // One that is known keeps its place.
    assert_eq!(queue.handle_join(peer(6), at(1)), Ok(()));
    queue.handle_leave(peer(3));
    assert_eq!(queue.handle_join(peer(7), at(1)), Ok(()));
}

#[test]
fn fewer_slots_take_none_away() {
    let mut queue = busy(2, 3);
    queue.handle_open(1, at(1));
    assert!(queue.is_active(peer(1)) && queue.is_active(peer(2)));
    queue.handle_leave(peer(1));
    assert!(!queue.is_active(peer(3)));
    queue.handle_leave(peer(2));
    assert!(queue.is_active(peer(3)));
}

#[derive(Debug, Clone)]
enum Step {
    Open,
    SenderConnected,
    SenderDisconnected,
    Join(u8),
    Connected(u8),
    Disconnected(u8),
    Leave(u8),
    Dismiss(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Open),
        4 => Just(Step::SenderConnected),
        1 => Just(Step::SenderDisconnected),
        6 => (0..8u8).prop_map(Step::Join),
        8 => (0..8u8).prop_map(Step::Connected),
        3 => (0..8u8).prop_map(Step::Disconnected),
        3 => (0..8u8).prop_map(Step::Leave),
        1 => (0..2u8).prop_map(Step::Dismiss),
        2 => (1..15u64).prop_map(Step::Wait),
    ]
}

// What the ends believe, from nothing but what they were told and did.
#[derive(Default)]
struct Model {
    sender_here: bool,
    sender_active: BTreeSet<PeerId>,
    sender_waiting: u32,
    here: BTreeSet<PeerId>,
    admitted: BTreeSet<PeerId>,
    places: HashMap<PeerId, u32>,
    // Peers in the order of their first join since they were last gone.
    line: Vec<PeerId>,
}

impl Model {
    fn follow(&mut self, output: Output) {
        match output {
            Output::ToSender(message) => {
                assert!(self.sender_here, "{message:?} to a sender that is away");
                match message {
                    ServerMessage::Opened { active, waiting } => {
                        self.sender_active = active.into_iter().collect();
                        self.sender_waiting = waiting;
                    }
                    ServerMessage::Joined { peer } => assert!(self.sender_active.insert(peer)),
                    ServerMessage::Left { peer } => assert!(self.sender_active.remove(&peer)),
                    ServerMessage::Waiting { count } => self.sender_waiting = count,
                    other => panic!("{other:?}"),
                }
            }
            Output::ToReceiver(peer, message) => {
                assert!(self.here.contains(&peer), "{message:?} to one that is away");
                match message {
                    ServerMessage::Place { ahead, .. } => {
                        self.places.insert(peer, ahead);
                    }
                    ServerMessage::Admitted => {
                        assert!(self.places.contains_key(&peer), "its place comes first");
                        self.admitted.insert(peer);
                    }
                    _ => {}
                }
            }
            Output::CloseReceiver(peer) => {
                self.here.remove(&peer);
            }
            Output::CloseSender => self.sender_here = false,
        }
    }
}

// Everything inside fits together, and nothing is left of those that are gone.
fn check_inside(queue: &Queue) {
    let mut timers = BTreeSet::new();
    if let Presence::Away { until } = queue.sender
        && !queue.over
    {
        timers.insert((until, Timer::Sender));
    }
    for (&peer, receiver) in &queue.receivers {
        match receiver.place {
            Place::Waiting { arrival, .. } => {
                assert_eq!(queue.waiting.get(&arrival), Some(&peer));
                assert!(!queue.active.contains(&peer));
            }
            Place::Active => assert!(queue.active.contains(&peer)),
        }
        if let Presence::Away { until } = receiver.presence {
            timers.insert((until, Timer::Receiver(peer)));
        }
    }
    assert_eq!(queue.timers, timers);
    assert_eq!(queue.receivers.len(), queue.waiting.len() + queue.active.len());
    assert!(queue.receivers.len() + queue.dismissed.len() <= RULES.max_receivers);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_rules_hold_after_every_step(slots in 1..4u16, steps in prop::collection::vec(step(), 1..80)) {
        let mut now = at(0);
        let mut queue = Queue::new(RULES, slots, now);
        let mut model = Model::default();
        for step in steps {
            let before = queue.active.clone();
            match step {
                Step::Open => queue.handle_open(slots, now),
                Step::SenderConnected => {
                    model.sender_here = true;
                    queue.handle_sender_connected();
                }
                Step::SenderDisconnected => {
                    model.sender_here = false;
                    queue.handle_sender_disconnected(now);
                }
                Step::Join(number) => {
                    let known = queue.receivers.contains_key(&peer(number));
                    if queue.handle_join(peer(number), now).is_ok() && !known {
                        model.line.push(peer(number));
                    }
                }
                Step::Connected(number) => {
                    model.places.remove(&peer(number));
                    model.admitted.remove(&peer(number));
                    if queue.handle_connected(peer(number)).is_ok() {
                        model.here.insert(peer(number));
                    }
                }
                Step::Disconnected(number) => {
                    model.here.remove(&peer(number));
                    queue.handle_disconnected(peer(number), now);
                }
                Step::Leave(number) => queue.handle_leave(peer(number)),
                Step::Dismiss(number) => queue.handle_dismiss(peer(number)),
                Step::Wait(seconds) => {
                    now += at(seconds);
                    queue.handle_timeout(now);
                }
            }
            for output in drain(&mut queue) {
                model.follow(output);
            }
            check_inside(&queue);
            prop_assert!(queue.poll_timeout().is_none_or(|due| due > now));
            if queue.is_over() {
                prop_assert!(queue.receivers.is_empty() && model.here.is_empty());
                return Ok(());
            }
            model.line.retain(|peer| queue.receivers.contains_key(peer));

            // Never more than the capacity, and no slot lies idle while somebody could have it.
            prop_assert!(queue.active.len() <= usize::from(slots));
            let standing: Vec<_> = model.line.iter().filter(|&peer| !queue.active.contains(peer)).collect();
            let first_here = standing.iter().position(|&peer| model.here.contains(peer));
            if model.sender_here && queue.active.len() < usize::from(slots) {
                prop_assert_eq!(first_here, None);
            }
            // First come, first served among those present; nobody while the sender is away.
            let order = |peer: &PeerId| model.line.iter().position(|other| other == peer);
            for admitted in queue.active.difference(&before) {
                prop_assert!(model.sender_here && model.here.contains(admitted));
                for &other in &standing {
                    prop_assert!(!model.here.contains(other) || order(other) > order(admitted));
                }
            }
            // Every end was told the truth.
            if model.sender_here {
                prop_assert_eq!(&model.sender_active, &queue.active);
                prop_assert_eq!(model.sender_waiting as usize, queue.waiting.len());
            }
            for peer in &model.here {
                prop_assert_eq!(model.admitted.contains(peer), queue.active.contains(peer));
                if let Some(ahead) = standing.iter().position(|&other| other == peer) {
                    prop_assert_eq!(model.places.get(peer), Some(&(ahead as u32)));
                }
            }
        }

        // When all are gone, nothing is left.
        let all: Vec<_> = model.here.iter().copied().collect();
        for peer in all {
            queue.handle_disconnected(peer, now);
        }
        queue.handle_timeout(now + RULES.receiver_grace);
        prop_assert!(queue.receivers.is_empty() && queue.active.is_empty() && queue.waiting.is_empty() || queue.is_over());
        queue.handle_sender_disconnected(now);
        queue.handle_timeout(now + RULES.receiver_grace + RULES.sender_grace);
        prop_assert!(queue.is_over() && queue.timers.is_empty());
    }
}
