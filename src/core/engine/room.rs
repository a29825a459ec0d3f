//! What the streams of a shard may remember together, and how it is shared out.

/// What all streams of a shard may take together for their records, in bytes. Where they want more,
/// the small ones keep what they have and the large ones are cut to one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Records that wait for older ones; beyond it those that wait longest go early.
    pub held_bytes_max: usize,
    /// Lines and values of the latest records.
    pub recent_bytes_max: usize,
    /// Past sequences to train on.
    pub corpus_bytes_max: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            held_bytes_max: 128 << 20,
            recent_bytes_max: 512 << 20,
            corpus_bytes_max: 512 << 20,
        }
    }
}

/// The most that each may have so that all have no more than `max` together; `usize::MAX` where they
/// have not. Whoever has less than its share leaves the rest to the others (max-min fairness).
pub(super) fn level(used: impl Iterator<Item = usize>, max: usize) -> usize {
    let mut used: Vec<usize> = used.collect();
    if used.iter().sum::<usize>() <= max {
        return usize::MAX;
    }
    used.sort_unstable();
    let mut left = max;
    for (place, bytes) in used.iter().enumerate() {
        let share = left / (used.len() - place);
        if *bytes > share {
            return share;
        }
        left -= bytes;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_small_keep_what_they_have_and_the_large_are_cut_to_one_size() {
        let of = |used: &[usize], max| level(used.iter().copied(), max);
        assert_eq!(of(&[], 0), usize::MAX);
        assert_eq!(of(&[10, 20, 30], 60), usize::MAX);
        assert_eq!(of(&[10, 20, 30], 59), 29);
        assert_eq!(of(&[300, 10, 300], 210), 100);
        assert_eq!(of(&[300, 10, 300], 15), 5);
    }

    proptest! {
        #[test]
        fn all_together_never_have_more_and_nothing_is_wasted(
            used in proptest::collection::vec(0..10_000_usize, 0..50),
            max in 0..100_000_usize,
        ) {
            let level = level(used.iter().copied(), max);
            let cut: usize = used.iter().map(|bytes| *bytes.min(&level)).sum();
            prop_assert!(cut <= max);
            prop_assert!(level == usize::MAX || cut + used.len() > max);
        }
    }
}
