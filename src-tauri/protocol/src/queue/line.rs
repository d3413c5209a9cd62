//! The line: receivers in order of arrival, with the place of each at hand.

use crate::id::PeerId;

// Runs of this length keep an insertion to one short move and a place to a few additions: a line of 10,000 has some
// forty runs.
const RUN: usize = 512;

/// Receivers ordered by arrival, then by id, in sorted runs.
#[derive(Debug, Default)]
pub(super) struct Line {
    // None is empty.
    runs: Vec<Vec<(u64, PeerId)>>,
    len: u32,
}

impl Line {
    /// How many are in line.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Adds one that is not in line; whether it is the last.
    pub(super) fn insert(&mut self, arrival: u64, peer: PeerId) -> bool {
        let key = (arrival, peer);
        self.len += 1;
        let at = self.run_of(key).min(self.runs.len().saturating_sub(1));
        let Some(run) = self.runs.get_mut(at) else {
            self.runs.push(vec![key]);
            return true;
        };
        let place = run.partition_point(|other| *other < key);
        run.insert(place, key);
        let last = at + 1 == self.runs.len() && place + 1 == self.runs[at].len();
        if self.runs[at].len() > RUN {
            // Lines grow at their end: a full last run is left full.
            let keep = if last { RUN } else { RUN / 2 };
            let rest = self.runs[at].split_off(keep);
            self.runs.insert(at + 1, rest);
        }
        last
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, arrival: u64, peer: PeerId) {
        let key = (arrival, peer);
        let at = self.run_of(key);
        if let Some(run) = self.runs.get_mut(at)
            && let Ok(place) = run.binary_search(&key)
        {
            run.remove(place);
            self.len -= 1;
            if run.is_empty() {
                self.runs.remove(at);
            }
        }
    }

    /// How many are before it; `None` if it is not in line.
    pub(super) fn rank(&self, arrival: u64, peer: PeerId) -> Option<u32> {
        let key = (arrival, peer);
        let at = self.run_of(key);
        let place = self.runs.get(at)?.binary_search(&key).ok()?;
        let before: usize = self.runs[..at].iter().map(Vec::len).sum();
        u32::try_from(before + place).ok()
    }

    /// All, first to last.
    pub(super) fn iter(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.runs.iter().flatten().map(|&(_, peer)| peer)
    }

    // The first run that ends at `key` or behind it.
    fn run_of(&self, key: (u64, PeerId)) -> usize {
        self.runs.partition_point(|run| run.last().is_some_and(|last| *last < key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn peer(number: u16) -> PeerId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        PeerId(id)
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set_that_knows_its_places(
            steps in prop::collection::vec((0..1500_u64, 0..3_u16, prop::bool::weighted(0.75)), 0..4000)
        ) {
            let (mut line, mut model) = (Line::default(), BTreeSet::new());
            for (arrival, number, add) in steps {
                let key = (arrival, peer(number));
                if !add {
                    line.remove(key.0, key.1);
                    model.remove(&key);
                } else if model.insert(key) {
                    prop_assert_eq!(line.insert(key.0, key.1), model.last() == Some(&key));
                }
            }
            prop_assert_eq!(line.len() as usize, model.len());
            prop_assert!(line.iter().eq(model.iter().map(|&(_, peer)| peer)));
            for (place, key) in model.iter().enumerate() {
                prop_assert_eq!(line.rank(key.0, key.1), Some(place as u32));
            }
            prop_assert_eq!(line.rank(9999, peer(0)), None);
        }
    }

    #[test]
    fn a_line_that_grew_at_its_end_has_full_runs() {
        let mut line = Line::default();
        for arrival in 0..10_000 {
            assert!(line.insert(arrival, peer(0)));
        }
        assert_eq!(line.runs.len(), 10_000_usize.div_ceil(RUN));
        assert_eq!(line.rank(9_999, peer(0)), Some(9_999));
    }
}
