//! Those who listen for their places, at two instances of the server, and how wrong what they were told may be.

use sluice_protocol::id::PeerId;
use sluice_protocol::queue::{NEAR_PLACES, News, Queue, Standing};
use std::collections::HashMap;
use std::time::Duration;

/// The instances that share the queue.
pub const INSTANCES: u64 = 2;

/// The far tier hears no more often.
const FAR_PAUSE: Duration = Duration::from_secs(1);

/// One instance's listeners.
#[derive(Default)]
pub struct Listeners {
    news: News,
    told: HashMap<PeerId, Told>,
    /// The moves that it has heard of.
    heard: u64,
    // When some of the far tier were told last.
    far_told: Option<Duration>,
    /// News that were told in all.
    pub count: u64,
}

#[derive(Clone, Copy)]
struct Told {
    ahead: u32,
    moves: u64,
    // As news for the far tier.
    at: Option<Duration>,
}

impl Listeners {
    /// A receiver that waits was told its place as it asked.
    pub fn handle_told(&mut self, peer: PeerId, standing: Standing) {
        self.news.handle_told(peer, standing.ahead, standing.moves);
        self.told.insert(peer, Told { ahead: standing.ahead, moves: standing.moves, at: None });
    }

    /// It listens no more, or does not wait any more.
    pub fn forget(&mut self, peer: PeerId) {
        self.news.forget(peer);
        self.told.remove(&peer);
    }

    pub fn handle_moves(&mut self, moves: u64) {
        self.news.handle_moves(moves);
        self.heard = self.heard.max(moves);
    }

    pub fn next_event(&self) -> Option<Duration> {
        self.news.poll_timeout()
    }

    /// Tells whom it must; each with its place.
    pub fn tell(&mut self, queue: &Queue, now: Duration) -> Vec<(PeerId, Standing)> {
        let mut all = Vec::new();
        for peer in self.news.poll_due(now) {
            let standing = queue.standing(peer).expect("one that is gone was forgotten");
            let last = self.told[&peer];
            let far = last.ahead >= NEAR_PLACES;
            if far {
                if let Some(at) = last.at {
                    assert!(now >= at + FAR_PAUSE, "{peer:?} was told at {at:?} and {now:?}");
                }
                self.far_told = Some(now);
            }
            let at = far.then_some(now);
            self.handle_told(peer, standing);
            self.told.insert(peer, Told { ahead: standing.ahead, moves: standing.moves, at });
            all.push((peer, standing));
        }
        self.count += all.len() as u64;
        all
    }

    /// Nobody's idea of its place is off by more than the rules allow.
    pub fn check(&self, queue: &Queue, now: Duration) {
        let paused = self.far_told.is_some_and(|at| now < at + FAR_PAUSE);
        for (&peer, told) in &self.told {
            let standing = queue.standing(peer).expect("one that is gone was forgotten");
            let off = u64::from(standing.ahead.abs_diff(told.ahead));
            assert!(off <= standing.moves - told.moves, "{peer:?} is off by {off}, more than was moved");
            let missed = self.heard.saturating_sub(told.moves);
            if told.ahead < NEAR_PLACES {
                assert_eq!(missed, 0, "{peer:?} is near, and was not told");
                assert!(self.heard < standing.moves || off == 0, "{peer:?} is near, and off by {off}");
            } else {
                let step = u64::from(told.ahead / 4).max(1);
                assert!(missed < step || paused, "{peer:?}, {} behind, missed {missed} moves", told.ahead);
            }
        }
    }
}
