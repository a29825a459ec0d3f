//! Whether the machine was slow, or one sequence.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Heard;
use super::voices::{Pace, Step};
use crate::core::record::Timestamp;

/// A step is late from so many nats on.
const LATE_MIN: f32 = 4.0;
/// Late steps of other sequences among so many steps before and after explain one.
const NEIGHBOURS: u64 = 25;
/// So many of them do.
const COMPANY_MIN: usize = 3;
/// Late steps that are remembered.
const LATE_MAX: usize = 16_384;

/// The late steps of all sequences of a stream. Where several are late at the same time, the machine
/// was slow, not the sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slowness {
    /// How many steps were heard.
    heard: u64,
    late: VecDeque<Late>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Late {
    ordinal: u64,
    sequence: u64,
    time: Timestamp,
    took: Duration,
}

impl Slowness {
    /// Hears the steps of `corpus` in the order of time; the name of a sequence is its index.
    pub fn over(pace: &Pace, corpus: &[Heard]) -> Self {
        let mut steps: Vec<(Timestamp, u64, Step)> = Vec::new();
        for (sequence, heard) in (0..).zip(corpus) {
            let of = (0..heard.keys.len()).filter_map(|index| pace.step(heard, index));
            steps.extend(of.map(|step| (step.time, sequence, step)));
        }
        steps.sort_by_key(|(time, sequence, _)| (*time, *sequence));
        let mut slowness = Self::default();
        for (_, sequence, step) in steps {
            slowness.hear(&step, sequence);
        }
        slowness
    }

    /// Hears a step of `sequence`. Steps come in the order of time, or nearly.
    pub fn hear(&mut self, step: &Step, sequence: u64) {
        self.heard += 1;
        if step.score >= LATE_MIN {
            self.late.push_back(Late {
                ordinal: self.heard,
                sequence,
                time: step.time,
                took: step.took,
            });
            if self.late.len() > LATE_MAX {
                self.late.pop_front();
            }
        }
    }

    /// Whether three or more other sequences were at least half as late about the time of `step`,
    /// as far as is known by now. `step` was heard before.
    pub fn explains(&self, step: &Step, sequence: u64) -> bool {
        if step.took < step.usual.1 {
            return false;
        }
        let own = self
            .late
            .iter()
            .rev()
            .find(|late| late.time == step.time && late.sequence == sequence);
        let Some(own) = own else {
            return false;
        };
        let mut others: Vec<u64> = self
            .late
            .iter()
            .filter(|late| late.ordinal.abs_diff(own.ordinal) <= NEIGHBOURS)
            .filter(|late| late.sequence != sequence && late.took * 2 >= step.took)
            .map(|late| late.sequence)
            .collect();
        others.sort_unstable();
        others.dedup();
        others.len() >= COMPANY_MIN
    }
}
