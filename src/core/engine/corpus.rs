//! The past sequences of a stream that a model may be trained on.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::Learn;
use crate::core::detect::EventSequence;
use crate::core::event::TemplateRef;
use crate::core::parse::{MASKS_VERSION, Miner};
use crate::core::train::Corpus;

/// A ring of normal sequences, bounded by the template ids in it and by what it takes.
#[derive(Debug)]
pub(super) struct Kept {
    events_max: usize,
    bytes_max: usize,
    events: usize,
    bytes: usize,
    sequences: VecDeque<EventSequence>,
    /// Sequences ever added; tells how much came since the last training.
    added: u64,
}

impl Kept {
    pub(super) fn new(learn: &Learn) -> Self {
        Self {
            events_max: learn.corpus_events_max,
            bytes_max: learn.corpus_bytes_max,
            events: 0,
            bytes: 0,
            sequences: VecDeque::new(),
            added: 0,
        }
    }

    pub(super) fn add(&mut self, sequence: EventSequence) {
        // One that is larger than all the room would push out all others.
        if sequence.events.is_empty() || sequence.bytes() > self.bytes_max {
            return;
        }
        self.events += sequence.events.len();
        self.bytes += sequence.bytes();
        self.added += 1;
        self.sequences.push_back(sequence);
        self.forget();
    }

    /// From now on they may take so many bytes; the oldest beyond them go.
    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.forget();
    }

    /// What they take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget(&mut self) {
        while (self.events > self.events_max || self.bytes > self.bytes_max)
            && let Some(oldest) = self.sequences.pop_front()
        {
            self.events -= oldest.events.len();
            self.bytes -= oldest.bytes();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::detect::ValueRows;
    use crate::core::record::{TemplateId, Timestamp, Value};

    /// Twenty records with so many values each.
    fn sequence(number: u64, values: u32) -> EventSequence {
        let mut rows = ValueRows::default();
        (0..20).for_each(|_| rows.push((0..values).map(Value::name)));
        EventSequence {
            times: vec![Timestamp::from_millis(number); 20],
            values: rows,
            ..EventSequence::whole(vec![TemplateId(number); 20])
        }
    }

    /// What is kept after 10,000 sequences.
    fn kept(values: u32) -> Kept {
        let mut kept = Kept::new(&Learn {
            corpus_events_max: 100_000,
            corpus_bytes_max: 4 << 20,
            ..Learn::default()
        });
        (0..10_000).for_each(|number| kept.add(sequence(number, values)));
        kept
    }

    #[test]
    fn the_latest_sequences_are_kept_as_far_as_there_is_room_for_their_values() {
        for (values, full_of) in [(0, "events"), (1, "events"), (16, "bytes")] {
            let kept = kept(values);
            let events: usize = kept.iter().map(|one| one.events.len()).sum();
            let bytes: usize = kept.iter().map(EventSequence::bytes).sum();
            assert_eq!((kept.events, kept.bytes), (events, bytes));
            assert!(events <= 100_000 && bytes <= 4 << 20, "{values}");
            match full_of {
                "events" => assert_eq!(events, 100_000),
                _ => assert!(bytes > 4_100_000 && events < 40_000, "{bytes} {events}"),
            }
            let latest = kept.iter().last().map(|one| one.events[0]);
            assert_eq!(latest, Some(TemplateId(9_999)));
        }
    }

    #[test]
    fn what_is_larger_than_all_the_room_is_not_kept_and_pushes_nothing_out() {
        let mut kept = Kept::new(&Learn {
            corpus_bytes_max: 2_000,
            ..Learn::default()
        });
        kept.add(sequence(1, 1));
        kept.add(sequence(2, 16));
        let left: Vec<TemplateId> = kept.iter().map(|one| one.events[0]).collect();
        assert_eq!(left, [TemplateId(1)]);
    }
}
