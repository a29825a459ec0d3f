//! The records of a sequence as detection sees them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Questions, Trail};
use crate::core::model::Vocabulary;
use crate::core::record::{TemplateId, Timestamp, Value};

/// The events of a sequence, or of the stretch of it that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSequence {
    /// The templates of its records in order.
    pub events: Vec<TemplateId>,
    /// When each was logged; empty where the source has no times.
    pub times: Vec<Timestamp>,
    /// The values in each; empty where the source has none.
    pub values: ValueRows,
    /// Whether the first event is known to be the first of the sequence.
    pub begins: bool,
    /// Whether nothing came after the last event.
    pub ends: bool,
    /// How long nothing had come after the last event when the sequence was given up; `None` where
    /// that is not known. A sequence whose records often come that far apart may not have ended.
    pub quiet: Option<Duration>,
}

/// Values of several records, one row for each, kept in one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueRows {
    values: Vec<Value>,
    /// Where each row ends.
    ends: Vec<u32>,
}

impl ValueRows {
    /// Most values kept of one record; later ones are dropped.
    pub const ROW_LEN_MAX: usize = 16;

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        self.values.extend(row.into_iter().take(Self::ROW_LEN_MAX));
        self.ends
            .push(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
    }

    /// The values of the record at `index`; none where there is no such row.
    pub fn row(&self, index: usize) -> &[Value] {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        let range = start.zip(self.ends.get(index).copied());
        range
            .and_then(|(start, end)| self.values.get(start as usize..end as usize))
            .unwrap_or_default()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<Value>() + self.ends.capacity() * size_of::<u32>()
    }
}

impl EventSequence {
    /// A sequence seen from its first to its last event, of which no times or values are known.
    pub fn whole(events: Vec<TemplateId>) -> Self {
        Self {
            events,
            begins: true,
            ends: true,
            ..Self::default()
        }
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.events.capacity() * size_of::<TemplateId>()
            + self.times.capacity() * size_of::<Timestamp>()
            + self.values.bytes()
    }

    /// Everything the model is to be asked about this sequence.
    pub fn questions(&self, vocabulary: &Vocabulary) -> Questions {
        let mut questions = Questions::default();
        let mut trail = Trail::new(self.begins);
        for (position, event) in self.events.iter().enumerate() {
            match vocabulary.key_of(*event) {
                None => questions.new_templates.push(position),
                Some(key) => {
                    let question = trail.step(key);
                    questions
                        .asked
                        .extend(question.map(|question| (position, question)));
                }
            }
        }
        if self.ends {
            let question = trail.end();
            questions
                .asked
                .extend(question.map(|question| (self.events.len(), question)));
        }
        questions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in_and_no_longer_than_allowed() {
        let mut rows = ValueRows::default();
        rows.push([Value::name(1), Value::name(2)]);
        rows.push([]);
        rows.push((0..99).map(Value::name));
        assert_eq!(rows.row(0), [Value::name(1), Value::name(2)]);
        assert!(rows.row(1).is_empty() && rows.row(3).is_empty());
        assert_eq!(rows.row(2).len(), ValueRows::ROW_LEN_MAX);
        assert_eq!(rows.len(), 3);
    }
}
