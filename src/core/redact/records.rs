//! Records without their secrets.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{Pass, Passes, Redactor};
use crate::core::record::{Batch, Metric, Record, Resource, Spans, StreamKey};

/// Records of a batch that may hold a secret.
#[derive(Clone, Debug)]
pub struct Suspects {
    /// What led to each; nothing led to those beyond the last.
    passes: Vec<Passes>,
    /// What led to all.
    all: Passes,
}

impl Suspects {
    pub(super) const fn none() -> Self {
        Self {
            passes: Vec::new(),
            all: Passes(0),
        }
    }

    pub(super) const fn all() -> Self {
        Self {
            passes: Vec::new(),
            all: Passes::ALL,
        }
    }

    /// What led to the record at `index`.
    pub fn of(&self, index: usize) -> Passes {
        self.passes.get(index).copied().unwrap_or(self.all)
    }

    /// Notes that `pass` led to the records that have text in `places`; where the text of the last
    /// of them ends.
    pub(super) fn mark(&mut self, batch: &Batch, places: Range<usize>, pass: Pass) -> usize {
        let (records, end) = batch.records_at(places);
        self.mark_all(batch, records, pass);
        end
    }

    /// Notes that `pass` led to the record at `index`.
    pub(super) fn mark_one(&mut self, batch: &Batch, index: usize, pass: Pass) {
        self.mark_all(batch, index..index + 1, pass);
    }

    fn mark_all(&mut self, batch: &Batch, records: Range<usize>, pass: Pass) {
        if self.passes.is_empty() {
            self.passes.resize(batch.len(), Passes::default());
        }
        let marked = self.passes.get_mut(records).unwrap_or_default();
        marked.iter_mut().for_each(|each| each.0 |= pass as u8);
    }
}

/// What one who redacts records keeps from one to the next: room for their texts, the last resource,
/// and how many secrets of each kind there were.
#[derive(Debug, Default)]
pub struct Redaction {
    body: String,
    event_name: String,
    /// As it came, and as it is.
    resource: Option<(Arc<Resource>, Arc<Resource>)>,
    counts: Vec<(Arc<str>, u64)>,
}

impl Redaction {
    /// Takes the secrets out of what the records of a batch share: its resource and the names of
    /// templates. Which of its records are to go through [`record`](Self::record).
    pub fn batch(&mut self, redactor: &Redactor, batch: &mut Batch) -> Suspects {
        batch.resource = self.resource(redactor, &batch.resource);
        let counts = &mut self.counts;
        batch.rename_templates(|name| {
            let mut renamed = String::new();
            let found = redactor.rewrite((name, Passes::ALL), &mut renamed, |kind| {
                note(counts, redactor, kind)
            });
            found.then(|| renamed.into())
        });
        redactor.suspects(batch)
    }

    /// The record without its secrets. A sequence attribute that holds one no longer tells sequences
    /// apart, so it is left out.
    pub fn record<'a>(
        &'a mut self,
        redactor: &Redactor,
        record: Record<'a>,
        passes: Passes,
    ) -> Record<'a> {
        if passes.is_empty() {
            return record;
        }
        let Self {
            body,
            event_name,
            counts,
            ..
        } = self;
        body.clear();
        event_name.clear();
        let mut count = |kind| note(counts, redactor, kind);
        let name = record.event_name;
        let attribute = record.sequence_attribute.filter(|value| {
            let found = redactor.find(value, passes);
            found.iter().for_each(|found| count(found.kind));
            found.is_empty()
        });
        let has_new_body = redactor.rewrite((record.body, passes), body, &mut count);
        let has_new_name =
            name.is_some_and(|name| redactor.rewrite((name, passes), event_name, &mut count));
        Record {
            body: if has_new_body { body } else { record.body },
            event_name: if has_new_name { Some(event_name) } else { name },
            sequence_attribute: attribute,
            ..record
        }
    }

    /// Takes the secrets out of spans: their stream, their resource and their names.
    pub fn spans(&mut self, redactor: &Redactor, spans: &mut Spans) {
        redactor.stream(&mut spans.stream);
        spans.resource = self.resource(redactor, &spans.resource);
        let mut last: Option<(Arc<str>, Arc<str>)> = None;
        for span in &mut spans.spans {
            let renamed = match &last {
                Some((known, clean)) if *known == span.name => Arc::clone(clean),
                _ => match redactor.text(&span.name) {
                    Cow::Owned(clean) => clean.into(),
                    Cow::Borrowed(_) => Arc::clone(&span.name),
                },
            };
            last = Some((
                std::mem::replace(&mut span.name, Arc::clone(&renamed)),
                renamed,
            ));
        }
    }

    /// Takes the secrets out of a metric: its stream, its resource and the attributes of its points.
    pub fn metric(&mut self, redactor: &Redactor, metric: &mut Metric) {
        redactor.stream(&mut metric.stream);
        metric.resource = self.resource(redactor, &metric.resource);
        for point in &mut metric.points {
            let attributes = std::mem::take(&mut point.attributes);
            let clean = self.resource(redactor, &Arc::new(attributes));
            point.attributes = Arc::unwrap_or_clone(clean);
        }
    }

    /// A resource without its secrets.
    pub fn shared(&mut self, redactor: &Redactor, resource: &Arc<Resource>) -> Arc<Resource> {
        self.resource(redactor, resource)
    }

    /// From now on another redactor is asked: what the last one made is not used again.
    pub fn forget(&mut self) {
        self.resource = None;
    }

    /// How many secrets of each kind there were since the last call.
    pub fn take_counts(&mut self) -> Vec<(Arc<str>, u64)> {
        std::mem::take(&mut self.counts)
    }

    /// A resource without its secrets; the last one is known again.
    fn resource(&mut self, redactor: &Redactor, sent: &Arc<Resource>) -> Arc<Resource> {
        if let Some((known, clean)) = &self.resource
            && known == sent
        {
            return Arc::clone(clean);
        }
        let counts = &mut self.counts;
        let mut count = |kind| note(counts, redactor, kind);
        let mut is_clean = true;
        let attributes = sent.attributes().map(|(key, value)| {
            let mut rewritten = String::new();
            let found = redactor.rewrite_value(key, value, &mut rewritten, &mut count);
            is_clean &= !found;
            (
                key.into(),
                if found {
                    rewritten.into()
                } else {
                    value.into()
                },
            )
        });
        let clean = Resource::new(attributes.collect());
        let clean = match is_clean {
            true => Arc::clone(sent),
            false => Arc::new(clean),
        };
        self.resource = Some((Arc::clone(sent), Arc::clone(&clean)));
        clean
    }
}

impl Redactor {
    /// The text with a mark for each secret.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut rewritten = String::new();
        match self.rewrite((text, Passes::ALL), &mut rewritten, |_| ()) {
            true => Cow::Owned(rewritten),
            false => Cow::Borrowed(text),
        }
    }

    /// Takes the secrets out of the name of a stream.
    pub fn stream(&self, stream: &mut StreamKey) {
        for part in [
            &mut stream.environment,
            &mut stream.namespace,
            &mut stream.name,
        ] {
            if let Cow::Owned(clean) = self.text(part) {
                *part = clean.into();
            }
        }
    }
}

fn note(counts: &mut Vec<(Arc<str>, u64)>, redactor: &Redactor, kind: usize) {
    let Some(name) = redactor.names.get(kind) else {
        return;
    };
    match counts.iter_mut().find(|(known, _)| known == name) {
        Some((_, count)) => *count += 1,
        None => counts.push((Arc::clone(name), 1)),
    }
}
