//! What a detector keeps of sequences that ended lately, to go on after a restart as if there had
//! been none.

use serde::{Deserialize, Serialize};

use super::{Company, Detector};
use crate::core::record::Timestamp;

/// How the sequences that ended lately were, which tells a slow machine from a slow sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// The version of the bundle that judged them; another one hears other steps.
    model: Box<str>,
    begun: Ended,
    endless: Ended,
}

/// Of one population.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ended {
    company: Company,
    /// How many have ended: the name of the next one in `company`.
    count: u64,
}

impl Recent {
    /// How much is remembered.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.begun.company.len() + self.endless.company.len()
    }
}

impl Detector {
    /// What has to do with records from `since` on: nothing older can say anything about a sequence
    /// whose first record came then.
    pub fn recent(&self, since: Timestamp) -> Recent {
        let ended = |begins| {
            let judging = self.of(begins);
            Ended {
                company: judging.company.since(since),
                count: judging.ended,
            }
        };
        Recent {
            model: self.bundle().version().into(),
            begun: ended(true),
            endless: ended(false),
        }
    }

    /// Takes up what another detector of the same bundle kept; what one of another bundle did is
    /// dropped.
    pub fn take_up(&mut self, recent: Recent) {
        if *recent.model != *self.bundle().version() {
            return;
        }
        for (begins, ended) in [(true, recent.begun), (false, recent.endless)] {
            let judging = self.of_mut(begins);
            judging.company = ended.company;
            judging.ended = ended.count;
        }
    }
}
