//! The most frequent of many names, in little room.

use serde::{Deserialize, Serialize};

/// Names counted at once.
pub(super) const TALLY_LEN_MAX: usize = 8;

/// Counts of the most frequent names (space-saving: the rarest gives its place, and its count, to a
/// new one). A name with more than one in [`TALLY_LEN_MAX`] of all is always among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    counts: Vec<(u64, u32)>,
}

impl Tally {
    /// Counts `name` once.
    pub(super) fn add(&mut self, name: u64) {
        if let Some(known) = self.counts.iter_mut().find(|(known, _)| *known == name) {
            known.1 = known.1.saturating_add(1);
        } else if self.counts.len() < TALLY_LEN_MAX {
            self.counts.push((name, 1));
        } else if let Some(rarest) = self.counts.iter_mut().min_by_key(|(_, count)| *count) {
            *rarest = (name, rarest.1.saturating_add(1));
        }
    }

    /// Names and counts, the most frequent first.
    pub(super) fn sorted(&self) -> Vec<(u64, u32)> {
        let mut counts = self.counts.clone();
        counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        counts
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }
}
