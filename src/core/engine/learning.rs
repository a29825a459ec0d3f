//! When a stream has learned enough for a model, and what it does not learn from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outbox::Outbox;
use super::stream::Stream;
use super::{Output, Settings, State};
use crate::core::record::{Resource, Timestamp};
use crate::core::silence::Subject;
use crate::core::train::Corpus;

/// How long a stream waits after a training that came to nothing.
const RETRY_AFTER: Duration = Duration::from_secs(600);
/// A surprise that has come in this many sequences is how things are now: they are learned from, so
/// that the next model knows it.
const COMMON_AFTER: u32 = 200;
/// Most kinds of surprise that are counted.
const COMMON_MAX: usize = 1_024;

/// In how many sequences each kind of surprise came, by fingerprint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Common(BTreeMap<Box<str>, u32>);

impl Common {
    /// Counts a surprise; whether it has come so often that it is how things are now.
    pub(super) fn count(&mut self, fingerprint: &str) -> bool {
        let Self(counts) = self;
        if !counts.contains_key(fingerprint) && counts.len() >= COMMON_MAX {
            return false;
        }
        let count = counts.entry(fingerprint.into()).or_default();
        *count = count.saturating_add(1);
        *count > COMMON_AFTER
    }
}

impl Stream {
    /// What was learned so far, as training sees it.
    pub(super) fn corpus(&self) -> Corpus {
        Corpus {
            idle_timeout: Some(self.open.idle_timeout()),
            ..self.kept.corpus(&self.miner)
        }
    }

    /// Whether a maintenance window keeps the stream from learning at `time`.
    pub(super) fn rests(&self, time: Timestamp, settings: &Settings) -> bool {
        if settings.silences.windows().is_empty() {
            return false;
        }
        let resource = Resource::default();
        let subject = Subject::of_stream(&self.key, &resource, None);
        settings.silences.verdict(&subject, time).no_learn
    }

    /// The training that was asked for came to nothing; it is asked for again after a while.
    pub(super) fn training_failed(&mut self, now: Timestamp, out: &mut Outbox) {
        self.training = false;
        self.retry_at = now.plus(RETRY_AFTER);
        self.trained_with = 0;
        if self.judge.is_none() {
            out.state(&self.key, State::Learning);
        }
    }

    /// As if no model had ever been trained.
    pub(super) fn forget_training(&mut self) {
        self.trained_at = None;
        self.trained_with = 0;
    }

    /// Asks for a training when it is time.
    pub(super) fn consider_training(
        &mut self,
        now: Timestamp,
        settings: &Settings,
        out: &mut Outbox,
    ) {
        if self.training || !self.has_learned_enough(now, settings) {
            return;
        }
        let was = self.state();
        self.training = true;
        self.trained_with = self.kept.added();
        if was != self.state() {
            out.state(&self.key, self.state());
        }
        let corpus = self.corpus();
        out.push(Output::TrainingDue {
            stream: self.key.clone(),
            corpus,
        });
    }

    fn has_learned_enough(&self, now: Timestamp, settings: &Settings) -> bool {
        if now < self.retry_at {
            return false;
        }
        let learn = &settings.learn;
        let new_sequences = self.kept.added().saturating_sub(self.trained_with);
        if new_sequences < learn.sequences_min as u64 || self.miner.records() < learn.records_min {
            return false;
        }
        match self.trained_at {
            Some(trained_at) => now.since(trained_at) >= learn.retrain_every,
            None => self.miner.new_template_chance() <= learn.new_template_chance_max,
        }
    }
}
