//! Steps that took longer or shorter than they do.

use serde::{Deserialize, Serialize};

use crate::core::detect::{Heard, Surprise, Voice};
use crate::core::record::Timestamp;

/// How long the steps of a machine take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {}

/// One step of a sequence, for [`Slowness`] to hear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which relation: the index of it in the voice.
    pub relation: u32,
    /// When it was taken.
    pub time: Timestamp,
    /// How late it was, in nats; 0 for on time.
    pub late: f32,
}

/// What the steps of all sequences took lately, to tell a slow machine from a slow sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slowness {}

impl Slowness {
    /// Hears a step. Steps come in the order of time, or nearly.
    pub fn hear(&mut self, _step: &Step) {}

    /// Whether other sequences were as late with this step about that time.
    pub fn explains(&self, _step: &Step) -> bool {
        false
    }
}

impl Pace {
    /// Learns from `corpus`, whose keys are below `key_count`.
    pub fn learn(_corpus: &[Heard], _key_count: usize) -> Self {
        Self::default()
    }

    /// The steps that end at the known record `index`.
    pub fn steps(&self, _heard: &Heard, _index: usize) -> Vec<Step> {
        Vec::new()
    }

    /// As [`Voice::at`], but what `slowness` explains counts for nothing.
    pub fn at_amid(&self, _heard: &Heard, _index: usize, _slowness: &Slowness) -> Option<Surprise> {
        None
    }
}

impl Voice for Pace {
    fn name(&self) -> &'static str {
        "pace"
    }
}
