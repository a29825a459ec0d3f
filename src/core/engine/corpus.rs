//! The past sequences of a stream that a model may be trained on.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use crate::core::detect::EventSequence;
use crate::core::event::TemplateRef;
use crate::core::parse::{MASKS_VERSION, Miner};
use crate::core::train::Corpus;

/// A ring of normal sequences, bounded by the template ids in it.
#[derive(Debug)]
pub(super) struct Kept {
    events_max: usize,
    events: usize,
    sequences: VecDeque<EventSequence>,
    /// Sequences ever added; tells how much came since the last training.
    added: u64,
}

impl Kept {
    pub(super) fn new(events_max: usize) -> Self {
        Self {
            events_max,
            events: 0,
            sequences: VecDeque::new(),
            added: 0,
        }
    }

    pub(super) fn add(&mut self, sequence: EventSequence) {
        if sequence.events.is_empty() {
            return;
        }
        self.events += sequence.events.len();
        self.added += 1;
        self.sequences.push_back(sequence);
        while self.events > self.events_max
            && let Some(oldest) = self.sequences.pop_front()
        {
            self.events -= oldest.events.len();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sequences.len()
    }

    pub(super) fn added(&self) -> u64 {
        self.added
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &EventSequence> {
        self.sequences.iter()
    }

    /// The sequences with today's template ids, and those templates in order of birth.
    pub(super) fn corpus(&self, miner: &Miner) -> Corpus {
        let today = |sequence: &EventSequence| EventSequence {
            events: sequence
                .events
                .iter()
                .map(|id| miner.resolve(*id).map_or(*id, |template| template.id))
                .collect(),
            ..sequence.clone()
        };
        let sequences: Vec<EventSequence> = self.sequences.iter().map(today).collect();
        let used: FxHashSet<_> = sequences.iter().flat_map(|one| one.events.iter()).collect();
        let templates = miner
            .templates()
            .filter(|template| used.contains(&template.id))
            .map(|template| TemplateRef {
                id: template.id,
                text: template.text.clone(),
            })
            .collect();
        Corpus {
            masks_version: MASKS_VERSION,
            templates,
            sequences,
            ..Corpus::default()
        }
    }
}
