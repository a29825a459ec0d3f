//! Templates that were not seen before: how many, and how often they come again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tail::{Expected, Tail};
use super::tally::Tally;
use super::watched::{Finding, Scene, Watched};
use super::{BUCKET, RateKind};
use crate::core::record::{TemplateId, Timestamp};

/// How long a template counts as new.
pub(super) const YOUTH: Duration = Duration::from_secs(1800);
/// What comes in the first buckets of a stream founds it and is not new.
pub(super) const FOUNDING_BUCKETS: u32 = 10;

/// While new templates keep being told less than so many buckets apart, they are one matter.
const ONE_MATTER: u64 = 30;
/// Youths that are assumed before any is seen.
const PRIOR_YOUTHS: f32 = 5.0;
/// What is kept from one youth to the next.
const KEEPS: f32 = 0.999;

/// One line of a kind that was never seen is nothing in a log that keeps bringing such. What counts
/// is how many kinds there are in a bucket, how often they come again, and how often each comes
/// while it is new: how usual that is, is learned from those that came before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Young {
    /// First records of new templates.
    pub(super) births: Watched,
    /// Further records of young templates.
    pub(super) repeats: Watched,
    /// Which templates.
    templates: Tally,
    /// How many records a template has while it is young.
    records: Youths,
    /// How many minutes of its youth hold any, after the first.
    minutes: Youths,
    /// The latest bucket that had something to tell.
    told: Option<u64>,
}

impl Young {
    pub(super) fn new() -> Self {
        Self {
            births: Watched::new(None),
            repeats: Watched::new(None),
            templates: Tally::default(),
            records: Youths::new(2.0, 0.5),
            minutes: Youths::new(0.3, 1.0),
            told: None,
        }
    }

    /// A template came for the first time.
    pub(super) fn born(&mut self, template: TemplateId, time: Timestamp, place: u32) {
        self.births.hear(time, place, time);
        self.templates.add(template.0);
    }

    /// A young template came again.
    pub(super) fn again(&mut self, template: TemplateId, time: Timestamp, place: u32) {
        self.repeats.hear(time, place, time);
        self.templates.add(template.0);
    }

    /// How surprising it is what a young template has shown so far: one that goes on for minutes,
    /// or comes very often at once.
    pub(super) fn judge(&self, watched: &mut Watched, scene: &Scene) -> Option<Finding> {
        if watched.young_until <= scene.end.minus(BUCKET) {
            return None;
        }
        watched.youth.minutes += u32::from(!watched.is_empty());
        let (records, minutes) = watched.youth.figures();
        let score = self
            .records
            .surprise(records)
            .max(self.minutes.surprise(minutes));
        Some(Finding {
            kind: RateKind::NewBurst,
            score,
            first: watched.young_until.minus(YOUTH),
            observed: records,
            usual: self.records.expected().usual(),
            span: YOUTH,
        })
    }

    /// The template has grown up if the bucket was its last as a young one. If it was alarmed about
    /// it teaches nothing.
    pub(super) fn grow_up(&mut self, watched: &mut Watched, scene: &Scene) {
        if watched.young_until > scene.end || watched.youth.records == 0 {
            return;
        }
        let (records, minutes) = std::mem::take(&mut watched.youth).figures();
        if !watched.is_in_episode() {
            self.records.learn(records, scene.threshold);
            self.minutes.learn(minutes, scene.threshold);
        }
    }

    /// Whether what `bucket` has to tell of new templates is another matter than what was told.
    pub(super) fn is_another(&mut self, bucket: u64) -> bool {
        let last = self.told.replace(bucket);
        last.is_none_or(|last| bucket.saturating_sub(last) > ONE_MATTER)
    }

    /// The most frequent new templates of late.
    pub(super) fn templates(&self) -> Vec<(TemplateId, u32)> {
        let sorted = self.templates.sorted().into_iter();
        sorted.map(|(id, count)| (TemplateId(id), count)).collect()
    }

    /// Forgets which templates came, unless an episode lasts.
    pub(super) fn close(&mut self) {
        if !self.births.is_in_episode() && !self.repeats.is_in_episode() {
            self.templates.clear();
        }
    }
}

/// What a young template has shown so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Youth {
    /// Its records.
    pub(super) records: u32,
    /// The buckets that hold any.
    minutes: u32,
}

impl Youth {
    /// Records, and minutes after the first.
    fn figures(self) -> (f64, f64) {
        (
            f64::from(self.records),
            f64::from(self.minutes.saturating_sub(1)),
        )
    }
}

/// A figure of the youths that are over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Youths {
    count: f32,
    sum: f32,
    squares: f32,
    tail: Tail,
}

impl Youths {
    /// As if [`PRIOR_YOUTHS`] had been of such a `mean`, spread with such a `size`.
    fn new(mean: f32, size: f32) -> Self {
        let square = mean * mean + mean + mean * mean / size;
        Self {
            count: PRIOR_YOUTHS,
            sum: PRIOR_YOUTHS * mean,
            squares: PRIOR_YOUTHS * square,
            tail: Tail::default(),
        }
    }

    fn expected(&self) -> Expected {
        let mean = f64::from(self.sum / self.count);
        let variance = f64::from(self.squares / self.count) - mean * mean;
        Expected::of_moments(mean, variance.max(0.0), f64::from(self.sum))
    }

    fn surprise(&self, figure: f64) -> f64 {
        self.tail.discounted(self.expected().at_least(figure))
    }

    fn learn(&mut self, figure: f64, threshold: f64) {
        self.tail
            .learn(self.expected().at_least(figure).min(threshold));
        let figure = figure as f32;
        self.count = self.count * KEEPS + 1.0;
        self.sum = self.sum * KEEPS + figure;
        self.squares = self.squares * KEEPS + figure * figure;
    }
}
