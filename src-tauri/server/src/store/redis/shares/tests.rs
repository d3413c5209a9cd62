//! What an instance notices that nobody tells it.

use super::*;
use sluice_protocol::error::Code;

const SHARE: ShareId = ShareId([1; 16]);
const HERE: Notice = Notice::Queue(Event::SenderHere);

fn at(millis: u64) -> Duration {
    Duration::from_secs(1_000_000) + Duration::from_millis(millis)
}

fn message(seq: u64) -> Message {
    Message { seq, notices: vec![HERE] }
}

fn state(seq: u64) -> Option<State> {
    Some(State { seq, held: 1, waiting: 2, ..State::default() })
}

fn tick(shares: &mut Shares, seq: u64, now: u64) -> Option<Notice> {
    shares.handle_tick(SHARE, Some((state(seq), Some(at(1_000_000)))), at(now))
}

fn watching() -> Shares {
    let mut shares = Shares::default();
    assert!(shares.watch(SHARE, at(0)).1);
    assert!(!shares.handle_subscribed(SHARE), "nothing could be missed before");
    assert!(shares.is_subscribed(SHARE));
    shares
}

#[test]
fn a_message_that_comes_twice_is_told_once() {
    let mut shares = watching();
    assert_eq!(shares.handle_message(SHARE, message(7)), [HERE]);
    assert_eq!(shares.handle_message(SHARE, message(7)), []);
    assert_eq!(shares.handle_message(SHARE, message(6)), []);
    assert_eq!(shares.handle_message(SHARE, message(8)), [HERE]);
}

#[test]
fn a_message_too_many_was_missed() {
    let mut shares = watching();
    shares.handle_message(SHARE, message(7));
    assert_eq!(shares.handle_message(SHARE, message(9)), [Notice::Missed, HERE]);
}

#[test]
fn a_share_that_is_over_and_opened_again_begins_anew() {
    let mut shares = watching();
    shares.handle_message(SHARE, message(7));
    let ended = Notice::Queue(Event::Ended { code: Code::ShareEnded });
    shares.handle_message(SHARE, Message { seq: 8, notices: vec![ended] });
    assert_eq!(shares.handle_message(SHARE, message(3)), [HERE]);
}

#[test]
fn a_subscription_that_was_broken_off_is_made_again_and_something_may_have_been_missed() {
    let mut shares = watching();
    for broken in [Some(SHARE), None] {
        shares.handle_unsubscribed(broken);
        assert_eq!(shares.unsubscribed(), [SHARE]);
        assert!(shares.handle_subscribed(SHARE));
        assert!(!shares.handle_subscribed(SHARE), "it was confirmed already");
        assert_eq!(shares.unsubscribed(), []);
    }
}

#[test]
fn what_was_published_and_does_not_come_was_missed() {
    let mut shares = watching();
    shares.handle_message(SHARE, message(7));
    assert_eq!(tick(&mut shares, 7, 1000), None);
    // It may be on its way.
    assert_eq!(tick(&mut shares, 8, 2000), None);
    assert_eq!(shares.poll_timeout(), Some(at(3000)));
    shares.handle_message(SHARE, message(8));
    assert_eq!(tick(&mut shares, 9, 3000), None);
    assert_eq!(tick(&mut shares, 9, 4000), Some(Notice::Missed));
    assert_eq!(shares.unsubscribed(), [SHARE], "it is asked for again");
    shares.handle_subscribed(SHARE);
    assert_eq!(shares.handle_message(SHARE, message(10)), [HERE]);
}

#[test]
fn a_share_that_is_not_found_twice_is_lost() {
    let mut shares = watching();
    let nothing = Some((None, None));
    assert_eq!(shares.handle_tick(SHARE, nothing, at(0)), None, "it was never there");
    assert_eq!(tick(&mut shares, 7, 1000), None);
    // Another command finds it out, and it is looked at.
    shares.handle_answer(SHARE, None, None, at(1500));
    assert_eq!(shares.poll_timeout(), Some(at(1500)));
    assert_eq!(shares.poll_due(at(1500), 9), [SHARE]);
    assert_eq!(shares.handle_tick(SHARE, nothing, at(1500)), None, "that it is over may be on its way");
    assert_eq!(shares.handle_tick(SHARE, nothing, at(2500)), Some(Notice::Missed));
    assert_eq!(shares.handle_tick(SHARE, nothing, at(7500)), None, "once");
}

#[test]
fn a_share_that_is_over_is_not_lost() {
    let mut shares = watching();
    tick(&mut shares, 7, 1000);
    assert_eq!(shares.handle_tick(SHARE, Some((None, None)), at(2000)), None);
    let ended = Notice::Queue(Event::Ended { code: Code::SenderGone });
    shares.handle_message(SHARE, Message { seq: 8, notices: vec![ended] });
    assert_eq!(shares.handle_tick(SHARE, Some((None, None)), at(3000)), None);
}

#[test]
fn what_is_due_is_done_by_the_one_with_the_sender_and_else_by_others() {
    let mut shares = watching();
    let due = Some(at(1500));
    shares.handle_tick(SHARE, Some((state(1), due)), at(1000));
    assert_eq!(shares.poll_timeout(), Some(at(2500)));
    shares.keep(SHARE, true, at(1000));
    shares.handle_answer(SHARE, state(1), due, at(1100));
    assert_eq!(shares.poll_timeout(), Some(at(1500)));
    assert_eq!(shares.poll_due(at(1499), 9), []);
    assert_eq!(shares.poll_due(at(1500), 9), [SHARE]);
    // The store can't be reached.
    shares.handle_tick(SHARE, None, at(1500));
    assert_eq!(shares.poll_timeout(), Some(at(2500)));
    assert!(shares.unwatch(SHARE) && !shares.unwatch(SHARE));
    assert_eq!(shares.poll_timeout(), None);
}

#[test]
fn who_waits_for_the_first_timer_hears_of_an_earlier_one_only() {
    let mut shares = watching();
    shares.handle_tick(SHARE, Some((state(1), Some(at(9000)))), at(1000));
    assert_eq!(shares.poll_timeout(), Some(at(6000)));
    assert!(!shares.handle_answer(SHARE, state(1), Some(at(9000)), at(1100)));
    assert!(shares.handle_answer(SHARE, state(1), Some(at(2000)), at(1200)));
    assert!(!shares.handle_answer(SHARE, state(1), Some(at(2000)), at(1300)));
    assert_eq!(shares.poll_timeout(), Some(at(3000)));
}

#[test]
fn only_so_many_are_looked_after_at_once() {
    let mut shares = Shares::default();
    let all = [1, 2, 3].map(|number| ShareId([number; 16]));
    for share in all {
        shares.watch(share, at(0));
    }
    assert_eq!(shares.poll_due(at(1000), 2), all[..2]);
    assert_eq!(shares.poll_timeout(), Some(at(1000)));
    assert_eq!(shares.poll_due(at(1000), 0), []);
    assert_eq!(shares.poll_due(at(1000), 2), all[2..]);
}

#[test]
fn a_share_counts_where_its_sender_is() {
    let mut shares = watching();
    let counts = |shares: &mut Shares, now| (shares.totals(at(now)), shares.count(at(now)));
    tick(&mut shares, 1, 1000);
    assert_eq!(counts(&mut shares, 1000), (Totals::default(), 0));
    shares.keep(SHARE, false, at(1000));
    tick(&mut shares, 1, 1500);
    assert_eq!(counts(&mut shares, 1500), (Totals::default(), 1), "it is only opened here");
    shares.keep(SHARE, true, at(2000));
    tick(&mut shares, 1, 2000);
    let all = Totals { shares: 1, held: 1, waiting: 2 };
    assert_eq!(counts(&mut shares, 121_999), (all, 1));
    assert_eq!(counts(&mut shares, 123_000), (Totals::default(), 0), "nothing came of its sender");
}
