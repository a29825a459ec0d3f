//! Whether the machine was slow, or one sequence.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Heard;
use super::voices::{Pace, Step};
use crate::core::record::Timestamp;

/// A step is late from so many nats on.
const LATE_MIN: f32 = 4.0;
/// Late steps of other sequences among so many steps before and after explain one.
const NEIGHBOURS: usize = 25;
/// So many of them do.
const COMPANY_MIN: usize = 3;

/// The latest steps of all sequences of a stream. Where several are late at the same time, the
/// machine was slow, not the sequence. It does not matter in what order they are heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slowness {
    /// How long each step took, where it was late, by time and sequence.
    steps: BTreeMap<(Timestamp, u64, u32), Option<Duration>>,
}

impl Slowness {
    /// Most steps remembered; the oldest go first. 60 bytes each.
    pub const STEPS_MAX: usize = 131_072;

    /// Hears all steps of `heard`, which goes by the name of `sequence`.
    pub fn hear(&mut self, pace: &Pace, heard: &Heard, sequence: u64) {
        for index in 0..heard.keys.len() {
            let Some(step) = pace.step(heard, index) else {
                continue;
            };
            let late = (step.score >= LATE_MIN).then_some(step.took);
            self.steps.insert((step.time, sequence, index as u32), late);
            if self.steps.len() > Self::STEPS_MAX {
                self.steps.pop_first();
            }
        }
    }

    /// Whether three or more other sequences were at least half as late about the time of `step`,
    /// as far as is known by now. A step that came early is explained by nothing.
    pub fn explains(&self, step: &Step, sequence: u64) -> bool {
        if step.took < step.usual.1 {
            return false;
        }
        let here = (step.time, sequence, 0);
        let before = self.steps.range(..here).rev().take(NEIGHBOURS);
        let after = self.steps.range(here..).take(NEIGHBOURS);
        let mut others: Vec<u64> = before
            .chain(after)
            .filter(|((_, other, _), _)| *other != sequence)
            .filter(|(_, late)| late.is_some_and(|took| took * 2 >= step.took))
            .map(|((_, other, _), _)| *other)
            .collect();
        others.sort_unstable();
        others.dedup();
        others.len() >= COMPANY_MIN
    }
}
