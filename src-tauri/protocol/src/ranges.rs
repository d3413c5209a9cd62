//! Sets of chunk numbers as sorted, disjoint half-open ranges: what is verified, and what is missing.

use std::ops::Range;

/// A set of chunk numbers. Memory is proportional to the number of gaps, not of chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    // Sorted, disjoint, not touching, none empty.
    runs: Vec<Range<u32>>,
}

impl Ranges {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all of `range`; overlapping and touching runs become one.
    pub fn insert(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        let first = self.runs.partition_point(|run| run.end < range.start);
        let last = self.runs.partition_point(|run| run.start <= range.end);
        let mut merged = range;
        if let (Some(low), Some(high)) = (self.runs.get(first), self.runs[..last].last())
            && first < last
        {
            merged = merged.start.min(low.start)..merged.end.max(high.end);
        }
        self.runs.splice(first..last, [merged]);
    }

    /// Whether `chunk` is in the set.
    pub fn contains(&self, chunk: u32) -> bool {
        let at = self.runs.partition_point(|run| run.end <= chunk);
        self.runs.get(at).is_some_and(|run| run.contains(&chunk))
    }

    /// How many chunks are in the set.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.end - run.start)).sum()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.runs.iter().cloned()
    }

    /// What of `0..total` is not in the set, in ascending order.
    pub fn missing(&self, total: u32) -> Vec<Range<u32>> {
        let mut gaps = Vec::new();
        let mut at = 0;
        for run in &self.runs {
            if run.start >= total {
                break;
            }
            if at < run.start {
                gaps.push(at..run.start);
            }
            at = run.end;
        }
        if at < total {
            gaps.push(at..total);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_as_a_set(inserts in proptest::collection::vec((0_u32..60, 0_u32..12), 0..24), total in 0_u32..80) {
            let mut ranges = Ranges::new();
            let mut model = BTreeSet::new();
            for (start, len) in inserts {
                ranges.insert(start..start + len);
                model.extend(start..start + len);
            }
            prop_assert_eq!(ranges.len(), model.len() as u64);
            let listed: Vec<u32> = ranges.iter().flatten().collect();
            prop_assert_eq!(&listed, &model.iter().copied().collect::<Vec<_>>());
            for chunk in 0..80 {
                prop_assert_eq!(ranges.contains(chunk), model.contains(&chunk));
            }
            let missing: Vec<u32> = ranges.missing(total).into_iter().flatten().collect();
            prop_assert_eq!(missing, (0..total).filter(|chunk| !model.contains(chunk)).collect::<Vec<_>>());
            let runs: Vec<_> = ranges.iter().collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
