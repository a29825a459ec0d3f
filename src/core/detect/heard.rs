//! A sequence in the keys of a vocabulary: what the voices hear.

use std::time::Duration;

use super::{EventSequence, ValueRows};
use crate::core::model::{Key, Vocabulary};
use crate::core::record::Timestamp;

/// The events of a sequence that the vocabulary knows, and where it had others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The keys of the known events, in order.
    pub keys: Vec<Key>,
    /// The place of each among all events of the sequence.
    pub positions: Vec<u32>,
    /// When each known event was logged; empty where the source has no times.
    pub times: Vec<Timestamp>,
    /// The values in each known event; empty where the source has none.
    pub values: ValueRows,
    /// The places of events whose template the vocabulary lacks.
    pub unseen: Vec<u32>,
    /// How many events the sequence has, known or not.
    pub len: usize,
    /// Whether the first event is known to be the first of the sequence.
    pub begins: bool,
    /// Whether nothing came after the last event.
    pub ends: bool,
    /// How long nothing had come after the last event; `None` where that is not known.
    pub quiet: Option<Duration>,
}

impl Heard {
    /// `sequence` in the keys of `vocabulary`.
    pub fn new(sequence: &EventSequence, vocabulary: &Vocabulary) -> Self {
        let len = sequence.events.len();
        let mut heard = Self {
            keys: Vec::with_capacity(len),
            positions: Vec::with_capacity(len),
            times: Vec::with_capacity(sequence.times.len()),
            len,
            begins: sequence.begins,
            ends: sequence.ends,
            quiet: sequence.quiet,
            ..Self::default()
        };
        for (place, event) in sequence.events.iter().enumerate() {
            let position = u32::try_from(place).unwrap_or(u32::MAX);
            let Some(key) = vocabulary.key_of(*event) else {
                heard.unseen.push(position);
                continue;
            };
            heard.keys.push(key);
            heard.positions.push(position);
            heard.times.extend(sequence.times.get(place));
            if !sequence.values.is_empty() {
                heard
                    .values
                    .push(sequence.values.row(place).iter().copied());
            }
        }
        heard
    }

    /// The place of the known event at `index` among all events; for the end of `keys`, the number
    /// of all events.
    pub fn position(&self, index: usize) -> usize {
        self.positions
            .get(index)
            .map_or(self.len, |position| *position as usize)
    }

    /// The known events at `indices` (ascending) as a sequence of its own.
    pub fn part(&self, indices: &[usize]) -> Self {
        let mut part = Self {
            len: self.len,
            begins: self.begins,
            ends: self.ends,
            quiet: self.quiet,
            ..Self::default()
        };
        for index in indices {
            part.keys.extend(self.keys.get(*index));
            part.positions.extend(self.positions.get(*index));
            part.times.extend(self.times.get(*index));
            if !self.values.is_empty() {
                part.values.push(self.values.row(*index).iter().copied());
            }
        }
        part
    }
}
