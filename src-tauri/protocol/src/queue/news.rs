//! News of places: who of those that wait is told of its place, and when, so that one who leaves a long line does
//! not cost a message to everyone in it.
//!
//! Near the slots every change is told at once. Further back a receiver is told when its place may have changed by
//! a quarter, and at most once a second: one move in a line of 10,000 is so told to some 40 of them.

use super::NEAR_PLACES;
use crate::id::PeerId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// The shortest time between two news of its place to one in the far tier.
pub const FAR_INTERVAL: Duration = Duration::from_secs(1);

// A place further back is news when so large a part of it is gone.
const PART: u32 = 4;

/// Whom one instance has to tell of places in one share.
#[derive(Debug, Default)]
pub struct News {
    told: HashMap<PeerId, Told>,
    near: BTreeSet<(u64, PeerId)>,
    far: BTreeSet<(u64, PeerId)>,
    moves: u64,
    // When those in `far` may be told again.
    far_from: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    due: u64,
    near: bool,
}

impl News {
    /// A receiver was told that so many are ahead of it, when so many moves had been made.
    pub fn handle_told(&mut self, peer: PeerId, ahead: u32, moves: u64) {
        self.forget(peer);
        let near = ahead < NEAR_PLACES;
        let step = if near { 1 } else { (ahead / PART).max(1) };
        let due = moves + u64::from(step);
        self.told.insert(peer, Told { due, near });
        self.set(near).insert((due, peer));
    }

    /// A receiver waits here no more.
    pub fn forget(&mut self, peer: PeerId) {
        if let Some(Told { due, near }) = self.told.remove(&peer) {
            self.set(near).remove(&(due, peer));
        }
    }

    /// So many moves have been made.
    pub fn handle_moves(&mut self, moves: u64) {
        self.moves = self.moves.max(moves);
    }

    /// Who is to be told now; each is to come back through [`Self::handle_told`].
    pub fn poll_due(&mut self, now: Duration) -> Vec<PeerId> {
        let mut due = Vec::new();
        let moves = self.moves;
        take(&mut self.near, moves, &mut due);
        if now >= self.far_from {
            let before = due.len();
            take(&mut self.far, moves, &mut due);
            if due.len() > before {
                self.far_from = now + FAR_INTERVAL;
            }
        }
        for peer in &due {
            self.told.remove(peer);
        }
        due
    }

    /// When [`Self::poll_due`] has somebody, if it has; a moment that is past means now.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let due = |set: &BTreeSet<(u64, PeerId)>| set.first().is_some_and(|&(due, _)| due <= self.moves);
        if due(&self.near) {
            Some(Duration::ZERO)
        } else if due(&self.far) {
            Some(self.far_from)
        } else {
            None
        }
    }

    /// Whether nobody waits here.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    fn set(&mut self, near: bool) -> &mut BTreeSet<(u64, PeerId)> {
        if near { &mut self.near } else { &mut self.far }
    }
}

fn take(set: &mut BTreeSet<(u64, PeerId)>, moves: u64, due: &mut Vec<PeerId>) {
    while let Some(&(at, peer)) = set.first()
        && at <= moves
    {
        set.pop_first();
        due.push(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> PeerId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        PeerId(id)
    }

    #[test]
    fn the_near_are_told_of_every_move_and_the_far_of_large_ones() {
        let mut news = News::default();
        news.handle_told(peer(0), 0, 10);
        news.handle_told(peer(1), 100, 10);
        assert_eq!(news.poll_timeout(), None);
        news.handle_moves(11);
        assert_eq!(news.poll_timeout(), Some(Duration::ZERO));
        assert_eq!(news.poll_due(Duration::ZERO), [peer(0)]);
        news.handle_moves(34);
        assert!(news.poll_due(Duration::ZERO).is_empty());
        news.handle_moves(35);
        assert_eq!(news.poll_due(Duration::ZERO), [peer(1)]);
        assert!(news.is_empty());
    }

    #[test]
    fn the_far_are_told_at_most_once_a_second() {
        let mut news = News::default();
        let second = Duration::from_secs(1);
        news.handle_told(peer(1), 7, 0);
        news.handle_moves(1);
        assert_eq!(news.poll_due(10 * second), [peer(1)]);
        news.handle_told(peer(1), 6, 1);
        news.handle_moves(2);
        assert!(news.poll_due(11 * second - Duration::from_millis(1)).is_empty());
        assert_eq!(news.poll_timeout(), Some(11 * second));
        assert_eq!(news.poll_due(11 * second), [peer(1)]);
    }

    #[test]
    fn one_who_is_gone_is_not_told() {
        let mut news = News::default();
        news.handle_told(peer(1), 3, 0);
        news.forget(peer(1));
        news.handle_moves(9);
        assert!(news.poll_due(Duration::ZERO).is_empty() && news.poll_timeout().is_none());
    }

    // A thousand promotions in a line of ten thousand, each told in the same second: far from 1,000 times 10,000.
    #[test]
    fn a_move_in_a_long_line_is_told_to_few() {
        let mut news = News::default();
        let mut places: HashMap<PeerId, u32> = (0..10_000).map(|number| (peer(number), number)).collect();
        for (&peer, &ahead) in &places {
            news.handle_told(peer, ahead, 0);
        }
        let mut told = 0;
        for moves in 1..=1000_u64 {
            news.handle_moves(moves);
            for due in news.poll_due(FAR_INTERVAL * moves as u32) {
                let start = places[&due];
                if let Some(ahead) = u64::from(start).checked_sub(moves) {
                    told += 1;
                    news.handle_told(due, ahead as u32, moves);
                } else {
                    places.remove(&due);
                }
            }
        }
        assert!((15_000..60_000).contains(&told), "{told} messages for 1,000 moves");
    }
}
