//! What an evaluation works on: normal sequences to learn from, and labelled ones to score.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::core::detect::EventSequence;
use crate::core::event::{Stack, TemplateRef};
use crate::core::record::{Severity, StreamKey, TemplateId, Timestamp};
use crate::core::topology::Topology;
use crate::core::train::Corpus;

/// Everything that was read of one or two folders.
pub(super) struct Dataset {
    /// One for each model that is trained. Most layouts have one part; folds have one each.
    pub(super) parts: Vec<Part>,
    /// How many sequences of the full set each normal and each abnormal sample stands for.
    pub(super) weights: Weights,
    /// How long after its last record the end of a sequence is noticed.
    pub(super) end_noticed_after: Duration,
    /// What a reader of the figures must know about this set.
    pub(super) warning: Option<&'static str>,
}

/// One model's share of a set. No sequence of `corpus` is in `samples`.
#[derive(Default)]
pub(super) struct Part {
    /// Which fold it is; empty where there is one part only.
    pub(super) name: Box<str>,
    /// Normal sequences, and the templates in them, most frequent first.
    pub(super) corpus: Corpus,
    /// The sequences to score, oldest first where times are known.
    pub(super) samples: Vec<Sample>,
    /// Who writes a template, where the set tells causes by loggers.
    pub(super) writers: BTreeMap<TemplateId, Writer>,
    /// Who depends on whom, where the set has services that do.
    pub(super) topology: Arc<Topology>,
}

/// Who writes a template.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) service: StreamKey,
    pub(super) logger: Box<str>,
}

/// A labelled sequence.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) sequence: EventSequence,
    pub(super) class: Class,
    /// The kind of fault, where the set names it.
    pub(super) kind: Option<Box<str>>,
    /// When the fault was done, where the set tells.
    pub(super) fault_at: Option<Timestamp>,
    /// What is known about a round of fault injection.
    pub(super) round: Option<Round>,
}

/// What a sequence was labelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing was done to it.
    #[default]
    Normal,
    /// It has a fault.
    Abnormal,
    /// A fault was injected and nobody noticed; counted apart.
    Ambiguous,
}

/// What is known about a round of fault injection beside its class.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// It has no record of level ERROR or CRITICAL.
    pub(super) silent: bool,
    /// The first two segments of the module in which the fault was injected (`nova.compute`);
    /// `None` where none was.
    pub(super) component: Option<Box<str>>,
    /// The first record of each template, in their order.
    pub(super) said: Vec<Said>,
}

/// A record of a round.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// Its place among the records of the round.
    pub(super) place: usize,
    pub(super) service: StreamKey,
    pub(super) severity: Severity,
    pub(super) template: TemplateRef,
    /// As it is quoted.
    pub(super) text: Arc<str>,
    /// The stack trace that came with it.
    pub(super) stack: Option<Stack>,
    /// It is a later line of a stack trace.
    pub(super) is_stack_line: bool,
}

/// How much a sample of each class counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) normal: f64,
    pub(super) abnormal: f64,
}

impl Weights {
    /// Every sample counts once.
    pub(super) const EVEN: Self = Self {
        normal: 1.0,
        abnormal: 1.0,
    };
}

impl Dataset {
    /// A set of one part whose samples count once.
    pub(super) fn of(part: Part) -> Self {
        Self {
            parts: vec![part],
            weights: Weights::EVEN,
            end_noticed_after: Duration::ZERO,
            warning: None,
        }
    }

    /// All samples, part after part: the order of every detector's scores.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.parts.iter().flat_map(|part| &part.samples)
    }

    pub(super) fn count(&self, class: Class) -> usize {
        self.samples()
            .filter(|sample| sample.class == class)
            .count()
    }
}

impl Part {
    /// A part without a name, in which no writers are known.
    pub(super) fn new(corpus: Corpus, samples: Vec<Sample>) -> Self {
        Self {
            corpus,
            samples,
            ..Self::default()
        }
    }
}

impl Sample {
    pub(super) fn new(sequence: EventSequence, class: Class) -> Self {
        Self {
            sequence,
            class,
            ..Self::default()
        }
    }

    pub(super) fn is_abnormal(&self) -> bool {
        self.class == Class::Abnormal
    }

    /// When its first record was logged.
    pub(super) fn begun(&self) -> Option<Timestamp> {
        self.sequence.times.first().copied()
    }
}

/// The templates that occur in `sequences`, most frequent first.
pub(super) fn by_frequency(
    sequences: &[EventSequence],
    text: impl Fn(TemplateId) -> Box<str>,
) -> Vec<TemplateRef> {
    let mut counts: BTreeMap<TemplateId, u64> = BTreeMap::new();
    for event in sequences.iter().flat_map(|sequence| &sequence.events) {
        *counts.entry(*event).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(id, count)| (u64::MAX - count, *id));
    counts
        .into_iter()
        .map(|(id, _)| TemplateRef { id, text: text(id) })
        .collect()
}
