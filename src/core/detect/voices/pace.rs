//! Steps that took longer or shorter than they do.
//!
//! A *relation* is the time from the latest record of one template to a record of another, within a
//! sequence or a part of one. Only what machines pace is looked at: where nearly all gaps are short
//! beside the life of a sequence. The pauses of people and clients say nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gaps::Gaps;
use super::triggers::Measured;
use crate::core::detect::{Heard, Slowness, Surprise, Voice, Why};
use crate::core::model::Key;
use crate::core::record::Timestamp;

/// Most relations that end at one template.
const RELATIONS_PER_KEY: usize = 3;
/// A machine's step takes at most so large a share of the life of a sequence, in all but the
/// longest hundredth of the gaps.
const LIFE_SHARE_MAX: f64 = 0.05;

/// How long the steps of a machine take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// By the template that a step ends with: the relations that tell most.
    relations: BTreeMap<Key, Vec<Relation>>,
}

/// The time from the latest record of one of some templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Relation {
    from: Vec<Key>,
    gaps: Gaps,
}

/// One step of a sequence, the latest one first measured from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When it was taken.
    pub time: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How rare that is, in nats; 0 where it is usual.
    pub score: f32,
    /// The template it is measured from.
    pub from: Key,
    /// How long it usually takes, from the shortest to the longest usual.
    pub usual: (Duration, Duration),
}

impl Pace {
    /// Learns from `corpus`. Sequences without times say nothing.
    pub fn learn(corpus: &[Heard], _key_count: usize) -> Self {
        let timed = corpus.iter().filter(|heard| is_timed(heard));
        let mut lives: Vec<f64> = timed.clone().filter_map(life).collect();
        lives.sort_unstable_by(f64::total_cmp);
        let Some(life) = lives.get(lives.len() / 2).copied() else {
            return Self::default();
        };
        let is_coarse = timed
            .clone()
            .all(|heard| heard.times.iter().all(|time| time.is_whole_second()));
        let resolution = if is_coarse { 1.0 } else { 0.001 };
        let longest = (LIFE_SHARE_MAX * life) as f32;
        let mut relations = BTreeMap::new();
        for (to, steps) in Measured::of(timed) {
            let triggers = steps.triggers(longest);
            let mut found: Vec<Relation> = triggers
                .into_iter()
                .filter_map(|from| {
                    let gaps = Gaps::learn(&mut steps.gaps(&from), resolution);
                    let is_paced = gaps.longest_usual() <= longest;
                    is_paced.then_some(Relation { from, gaps })
                })
                .collect();
            found.sort_by(|a, b| a.gaps.longest_usual().total_cmp(&b.gaps.longest_usual()));
            found.truncate(RELATIONS_PER_KEY);
            relations.insert(to, found);
        }
        Self { relations }
    }

    /// The step that ends at the known record `index`: of several that are measured the rarest.
    pub fn step(&self, heard: &Heard, index: usize) -> Option<Step> {
        if !is_timed(heard) {
            return None;
        }
        let (to, time) = (heard.keys.get(index)?, *heard.times.get(index)?);
        let relations = self.relations.get(to)?;
        let steps = relations.iter().filter_map(|relation| {
            let before = heard.keys.get(..index)?;
            let latest = before.iter().rposition(|key| relation.from.contains(key))?;
            let took = time.since(*heard.times.get(latest)?);
            Some(Step {
                time,
                took,
                score: relation.gaps.surprise(took.as_secs_f32()),
                from: *before.get(latest)?,
                usual: relation.gaps.usual(),
            })
        });
        steps.max_by(|a, b| a.score.total_cmp(&b.score))
    }

    /// As [`Voice::at`], but what `slowness` explains counts for nothing. `sequence` is the name
    /// under which the steps of this sequence were heard.
    pub fn at_amid(
        &self,
        heard: &Heard,
        index: usize,
        slowness: &Slowness,
        sequence: u64,
    ) -> Option<Surprise> {
        let step = self.step(heard, index)?;
        let explained = slowness.explains(&step, sequence);
        (!explained).then(|| step.surprise(heard, index)).flatten()
    }
}

impl Step {
    fn surprise(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let to = *heard.keys.get(index)?;
        (self.score > 0.0).then(|| Surprise {
            score: self.score,
            position: heard.position(index),
            why: Why::Pace {
                from: self.from,
                to,
                took: self.took,
                usual: self.usual,
            },
        })
    }
}

impl Voice for Pace {
    fn name(&self) -> &'static str {
        "pace"
    }

    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        self.step(heard, index)?.surprise(heard, index)
    }
}

fn is_timed(heard: &Heard) -> bool {
    !heard.times.is_empty() && heard.times.len() == heard.keys.len()
}

/// From the first record to the last, in seconds; `None` for a sequence of one record.
fn life(heard: &Heard) -> Option<f64> {
    let (first, last) = (heard.times.first()?, heard.times.last()?);
    (heard.times.len() > 1).then(|| last.since(*first).as_secs_f64())
}
