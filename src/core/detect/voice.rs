//! What every view of normal has in common.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Heard;
use crate::core::model::Key;

/// One view of what is normal. It is learned from normal sequences alone.
///
/// Scores are in nats: −ln of how probable something so odd is, estimated with smoothing. The
/// ensemble calibrates them on sequences that the voice did not learn from.
pub trait Voice {
    /// Its name in every output.
    fn name(&self) -> &'static str;

    /// How odd the known record at `index` is, given those before it; nothing after it is looked
    /// at. `None` for nothing to say. The score of a sequence is the largest of its records.
    fn at(&self, _heard: &Heard, _index: usize) -> Option<Surprise> {
        None
    }

    /// All that [`at`](Self::at) says of a sequence, record by record. To be written anew where one
    /// pass over the records is less work.
    fn each(&self, heard: &Heard) -> Vec<Surprise> {
        let records = 0..heard.keys.len();
        records.filter_map(|index| self.at(heard, index)).collect()
    }

    /// How odd the sequence is as a whole, now that it has ended. `None` for nothing to say.
    fn whole(&self, _heard: &Heard) -> Option<Surprise> {
        None
    }
}

/// Something odd, with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Surprise {
    /// In nats, above 0.
    pub score: f32,
    /// The place of the blamed record among all events of the sequence; their number for its end, the
    /// place of the next record for a pause.
    pub position: usize,
    /// The evidence.
    pub why: Why,
}

impl Surprise {
    /// The place of the record that is blamed; `None` where none is, because something was missing by
    /// the end of the sequence or by a pause in it. `len` is the number of its records.
    pub fn blamed(&self, len: usize) -> Option<usize> {
        let known = match &self.why {
            Why::AtRest { before, .. } => len.min(*before as usize),
            _ => len,
        };
        (self.position < known).then_some(self.position)
    }
}

/// The evidence for a surprise, for an explanation to put in words. Variants are added as voices
/// need them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Why {
    /// A template that never came in training.
    Unseen,
    /// A template that came in few sequences: so many in so many.
    Rare {
        /// The template.
        key: Key,
        /// Training sequences that have it.
        sequences: u32,
        /// Training sequences.
        of: u32,
    },
    /// Something else was expected next.
    Next {
        /// What came; [`Key::END`] when the sequence ended.
        came: Key,
        /// What was expected, most probable first.
        expected: Vec<(Key, f32)>,
        /// The probability of what came.
        probability: f32,
    },
    /// A template came too often or too seldom in the sequence.
    Count {
        /// The template.
        key: Key,
        /// How often it came.
        came: u32,
        /// How often it comes, from the least to the most usual.
        usual: (u32, u32),
    },
    /// As many of these as of those came in every sequence, but not in this one.
    Relation {
        /// On one side.
        left: Vec<Key>,
        /// On the other side.
        right: Vec<Key>,
        /// How often each side came.
        came: (u32, u32),
        /// In how many training sequences it held.
        held: u32,
    },
    /// This always has that before it, and had not.
    NotBefore {
        /// What came.
        key: Key,
        /// What was missing before it.
        missing: Key,
        /// How often it held.
        held: u32,
    },
    /// This is always followed by that, and was not.
    NotAfter {
        /// What came.
        key: Key,
        /// What did not come after it.
        missing: Key,
        /// How often it held.
        held: u32,
    },
    /// The sequence is shorter or longer than usual.
    Length {
        /// Its records.
        came: u32,
        /// The usual range.
        usual: (u32, u32),
    },
    /// A step took longer or shorter than usual.
    Pace {
        /// From the latest of these.
        from: Key,
        /// To this.
        to: Key,
        /// How long it took.
        took: Duration,
        /// How long it usually takes: from the shortest to the longest usual.
        usual: (Duration, Duration),
    },
    /// A value outside of what is usual in its place.
    Value {
        /// The template.
        key: Key,
        /// Which of its values, from 0 on.
        place: u32,
        /// The value where it is a number.
        number: Option<f32>,
        /// The usual range where it is a number.
        usual: Option<(f32, f32)>,
        /// How many different names were seen in this place where it is not.
        names: u32,
    },
    /// Something was not settled before a long pause, after which the sequence may have gone on.
    AtRest {
        /// How many records came before the pause.
        before: u32,
        /// How long the pause was, as far as is known.
        quiet: Duration,
        /// What is odd about the sequence as it was then.
        why: Box<Why>,
    },
    /// Any of these, in the part of the sequence that concerns one thing (a node, a request).
    Part {
        /// The place of a value that names the thing: record, place in it.
        named_at: (u32, u32),
        /// What is odd about the part.
        why: Box<Why>,
    },
}
