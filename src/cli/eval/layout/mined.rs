//! Raw lines → templates, times and values, by the same road as in `serve`: redactor, lane, miner, values.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cli::eval::dataset::by_frequency;
use crate::core::detect::EventSequence;
use crate::core::engine::{quotable, values_of};
use crate::core::parse::{MASKS_VERSION, Miner, message};
use crate::core::record::{TemplateId, Timestamp, Value};
use crate::core::redact::Redactor;
use crate::core::train::Corpus;

/// Reads bodies. Template ids may move while lines come in; [`resolve`](Self::resolve) settles
/// them at the end.
#[derive(Default)]
pub(super) struct Reader {
    redactor: Redactor,
    miner: Miner,
}

/// One record, read.
pub(super) struct Told {
    /// Its own time, or that of the record before it where it has none.
    pub(super) time: Timestamp,
    pub(super) template: TemplateId,
    pub(super) values: Vec<Value>,
    /// As it is quoted.
    pub(super) text: Arc<str>,
}

impl Reader {
    /// Reads `body`; `before` is the time of the record before it.
    pub(super) fn read(&mut self, body: &str, before: Timestamp) -> Told {
        let near = Some(before).filter(|time| *time != Timestamp::ZERO);
        let body = self.redactor.text(body);
        let message = message(&body, near);
        let time = message.time.unwrap_or(before);
        let text = message.text();
        let parsed = self.miner.parse_with(text, &message.constant, time);
        let values = values_of(text.as_bytes(), self.miner.params()).collect();
        Told {
            time,
            template: parsed.id,
            values,
            text: quotable(&message),
        }
    }

    /// Templates that turned out to be one get one id.
    pub(super) fn resolve(&self, mut sequence: EventSequence) -> EventSequence {
        for event in &mut sequence.events {
            *event = self.today(*event);
        }
        sequence
    }

    /// What `template` is called now that all lines are read.
    pub(super) fn today(&self, template: TemplateId) -> TemplateId {
        self.miner
            .resolve(template)
            .map_or(template, |template| template.id)
    }

    /// The text of a template.
    pub(super) fn text_of(&self, template: TemplateId) -> Box<str> {
        let template = self.miner.resolve(template);
        template.map_or("", |template| &template.text).into()
    }

    /// What a model is trained on, of resolved sequences.
    pub(super) fn corpus(&self, sequences: Vec<EventSequence>) -> Corpus {
        let texts: BTreeMap<TemplateId, &str> = self
            .miner
            .templates()
            .map(|template| (template.id, template.text.as_ref()))
            .collect();
        let text = |id| texts.get(&id).copied().unwrap_or_default().into();
        Corpus {
            masks_version: MASKS_VERSION,
            templates: by_frequency(&sequences, text),
            sequences,
            idle_timeout: None,
        }
    }
}

/// Adds a record to a sequence.
pub(super) fn append(sequence: &mut EventSequence, told: &Told) {
    sequence.events.push(told.template);
    sequence.times.push(told.time);
    sequence.values.push(told.values.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_template_time_and_values() {
        let mut reader = Reader::default();
        let first = reader.read(
            "2026-11-21T07:00:00.500 INFO took 12 units",
            Timestamp::ZERO,
        );
        let second = reader.read("INFO took 14 units", first.time);
        assert_eq!(first.template, second.template);
        assert_eq!(first.time, second.time, "a line without a time follows");
        assert_eq!(first.time.as_nanos() % 1_000_000_000, 500_000_000);
        let numbers: Vec<f32> = second.values.iter().map(|value| value.number).collect();
        assert_eq!(numbers, [14.0]);
        assert_ne!(first.values[0].hash, second.values[0].hash);
    }
}
