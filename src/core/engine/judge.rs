//! A stream's model at work.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::core::detect::{Judgement, NextEvent, Question, Trail};
use crate::core::model::{Bundle, Key, ModelError, WINDOW_LEN, Window};
use crate::core::parse::Miner;
use crate::core::record::TemplateId;

/// One sequence in so many must have been seen to end, or an end is not judged: where nearly all
/// were cut off, any end would be a surprise.
const ENDED_SHARE_MIN: u64 = 4;

/// What the judge keeps with each open sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SequenceState {
    /// Where the sequence stands in the keys of the model of `generation`.
    pub(super) trail: Option<(u8, Trail)>,
    /// How long the sequence was when an anomaly was told of it; 0 for none.
    pub(super) told_at: u32,
    /// Whether it is to be left out of training.
    pub(super) is_abnormal: bool,
}

impl SequenceState {
    /// A sequence with a beginning and an end tells one anomaly, its first. What a process says
    /// goes on for ever: it tells again once the earlier surprise has left the window.
    pub(super) fn may_tell(&self, bounded: bool, len: u32) -> bool {
        let since = len.saturating_sub(self.told_at);
        self.told_at == 0 || (!bounded && since > WINDOW_LEN as u32)
    }
}

/// What is found odd about a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    /// What came before it, as the model sees it.
    pub(super) window: Window,
    /// What the model thinks of it; `None` for a template it does not know.
    pub(super) judgement: Option<Judgement>,
}

/// A model, and how the stream's templates map to its keys.
#[derive(Debug)]
pub(super) struct Judge {
    scorer: NextEvent,
    generation: u8,
    /// The keys of the model's templates by the ids they have today.
    keys: FxHashMap<TemplateId, Key>,
}

impl Judge {
    pub(super) fn new(bundle: Arc<Bundle>, generation: u8, miner: &Miner) -> Self {
        let mut judge = Self {
            scorer: NextEvent::new(bundle),
            generation,
            keys: FxHashMap::default(),
        };
        judge.follow(miner);
        judge
    }

    /// Looks up what the templates that the model was trained on are today. Of two that were
    /// merged, what they are has the key of the one the model knew first.
    pub(super) fn follow(&mut self, miner: &Miner) {
        let vocabulary = self.scorer.bundle().vocabulary();
        self.keys.clear();
        for known in vocabulary.templates() {
            let Some(key) = vocabulary.key_of(known.id) else {
                continue;
            };
            // Also of those that gave way: they may come back.
            self.keys.entry(miner.leads_to(known.id)).or_insert(key);
        }
    }

    pub(super) fn bundle(&self) -> &Arc<Bundle> {
        self.scorer.bundle()
    }

    /// The model's key for a template, under whatever id the template goes today, so that a
    /// template which widens is followed without training again.
    pub(super) fn key_of(&self, id: TemplateId, miner: &Miner) -> Option<Key> {
        let known = self.scorer.bundle().vocabulary().key_of(id);
        known.or_else(|| self.keys.get(&miner.resolve(id)?.id).copied())
    }

    /// Where a sequence stands in this model's keys, worked out from its events when the model
    /// is newer than the sequence's state.
    pub(super) fn trail(
        &self,
        state: &SequenceState,
        events: impl FnOnce() -> Vec<TemplateId>,
        begins: bool,
        miner: &Miner,
    ) -> Trail {
        if let Some((generation, trail)) = state.trail
            && generation == self.generation
        {
            return trail;
        }
        let mut trail = Trail::new(begins);
        for event in events() {
            if let Some(key) = self.key_of(event, miner) {
                trail.step(key);
            }
        }
        trail
    }

    /// Whether the model saw enough sequences end to say anything about an end.
    pub(super) fn knows_ends(&self) -> bool {
        let trained_on = self.bundle().manifest().trained_on;
        trained_on.ended > 0 && trained_on.ended >= trained_on.sequences / ENDED_SHARE_MIN
    }

    pub(super) fn generation(&self) -> u8 {
        self.generation
    }

    pub(super) fn judge(&mut self, questions: &[Question]) -> Result<Vec<Judgement>, ModelError> {
        self.scorer.judge(questions)
    }

    pub(super) fn expect(&self, window: &Window, count: usize) -> Vec<(Key, f32)> {
        self.scorer.expect(window, count).unwrap_or_default()
    }
}
