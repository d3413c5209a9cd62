//! The wheel that says which event streams are to give a sign of life: one timer for all of them.

use sluice_protocol::id::{PeerId, ShareId};

/// How many parts the interval has: so precise are signs of life, and so even is the work.
pub const PARTS: u32 = 32;

/// One stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoke {
    /// Its share.
    pub share: ShareId,
    /// Its receiver.
    pub peer: PeerId,
    /// Its number.
    pub number: u64,
}

/// All streams, by the part of the interval in which each has its turn.
#[derive(Debug)]
pub struct Wheel {
    parts: Vec<Vec<Spoke>>,
    hand: usize,
}

impl Wheel {
    /// An empty wheel.
    pub fn new() -> Self {
        Wheel { parts: (0..PARTS).map(|_| Vec::new()).collect(), hand: 0 }
    }

    /// Adds a stream; its turn comes after a whole interval.
    pub fn insert(&mut self, spoke: Spoke) {
        self.parts[self.hand].push(spoke);
    }

    /// One part of the interval has passed: whose turn it is. Those for whom `keep` is true come again.
    pub fn turn(&mut self, mut keep: impl FnMut(&Spoke) -> bool) {
        self.hand = (self.hand + 1) % self.parts.len();
        let part = &mut self.parts[self.hand];
        part.retain(|spoke| keep(spoke));
        // What a crowd took is given back.
        if part.capacity() > 64 && part.len() < part.capacity() / 4 {
            part.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_once_an_interval_until_it_is_gone() {
        let mut wheel = Wheel::new();
        let spoke = |number| Spoke { share: ShareId([0; 16]), peer: PeerId([0; 16]), number };
        wheel.insert(spoke(1));
        wheel.turn(|_| true);
        wheel.insert(spoke(2));
        let mut turns = Vec::new();
        for part in 2..=3 * PARTS {
            wheel.turn(|spoke| {
                turns.push((part, spoke.number));
                spoke.number == 2 || part < 2 * PARTS
            });
        }
        assert_eq!(turns, [(PARTS, 1), (PARTS + 1, 2), (2 * PARTS, 1), (2 * PARTS + 1, 2)]);
    }
}
