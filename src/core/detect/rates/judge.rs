//! What of a stream's surprises is told.

use std::cmp::Ordering;

use super::clock::bucket_of;
use super::watched::{Finding, Scene, Watched};
use super::{BUCKET, LEARNING_BUCKETS, RateAlarm, RateKind, Rates};
use crate::core::record::{TemplateId, Timestamp};

/// Alarms kept until somebody asks for them; later ones are dropped.
const PENDING_MAX: usize = 64;
/// When at least so many templates show the same at once, it is a matter of the whole stream.
const TOGETHER_MIN: usize = 3;
/// Too many, too few, or none for too long: each of them may be a false alarm.
const TESTS_EACH: usize = 3;
/// A rate with less surprise than this is as usual.
const CALM: f64 = 4.0;

/// A surprise that is worth an alarm.
struct Told {
    template: Option<TemplateId>,
    found: Finding,
    places: Vec<(u32, u32)>,
}

/// The largest rise of a template that was to be expected, short and long.
#[derive(Clone, Copy, Default)]
struct Explained {
    short: f64,
    long: f64,
}

impl Rates {
    /// How much surprise is told: none while learning.
    pub(super) fn threshold(&self) -> f64 {
        if self.heard < LEARNING_BUCKETS || self.is_learning {
            return f64::INFINITY;
        }
        self.budget.threshold(self.settings.alarms_per_day)
    }

    /// Judges the bucket that is over, learns from it, and tells what is to be told.
    pub(super) fn judge_bucket(&mut self, scene: &Scene) {
        let accept = self.settings.accept_after.as_secs() / BUCKET.as_secs();
        let stream_is_empty = self.all.is_empty();
        let per_day = self.settings.alarms_per_day;
        // One loud minute says nothing about how loud others may be.
        let cap = self.budget.threshold(per_day);
        let mut judged = Judged {
            scene,
            accept,
            cap,
            largest: 0.0,
            tests: 0,
            told: Vec::new(),
        };
        let mut explained = Explained::default();
        for watched in &mut self.watched {
            let finding = watched.judge(scene);
            // Of an empty bucket the stream is to answer for.
            let finding =
                finding.filter(|found| found.kind == RateKind::RateUp || !stream_is_empty);
            let finding = self.young.judge(watched, scene).or(finding);
            if finding.is_none_or(|found| found.score < CALM) {
                let (short, long) = watched.excess();
                explained.short = explained.short.max(short);
                explained.long = explained.long.max(long);
            }
            judged.take(watched, finding);
            self.young.grow_up(watched, scene);
        }
        for watched in [&mut self.young.births, &mut self.young.repeats] {
            let rise = watched.judge(scene);
            let rise = rise.filter(|found| found.kind == RateKind::RateUp);
            let kind = RateKind::NewBurst;
            judged.take(watched, rise.map(|found| Finding { kind, ..found }));
        }
        let finding = self
            .all
            .judge(scene)
            .filter(|found| !explained.covers(found));
        judged.take(&mut self.all, finding);
        let Judged {
            largest,
            tests,
            told,
            ..
        } = judged;
        let alarms = self.tell(&told, scene.end);
        self.budget.learn(largest, tests, alarms, per_day);
    }

    /// Looks for those that should have come by now.
    pub(super) fn judge_silence(&mut self, time: Timestamp) {
        let threshold = self.threshold();
        if self.clock.in_grace() {
            return;
        }
        let (since, newest) = (self.clock.since, self.newest);
        let bucket = self.clock.bucket().unwrap_or_default();
        let mut told = Vec::new();
        // Of its templates only what the stream itself proves by having gone on.
        let templates = self.watched.iter_mut().map(|watched| (newest, watched));
        for (until, watched) in templates.chain([(time, &mut self.all)]) {
            let found = watched.silence(until, since);
            if let Some(found) =
                found.filter(|found| found.score >= watched.bar(found.kind, threshold))
            {
                let places = watched.places();
                watched.begin_episode(found.kind, bucket);
                told.push(Told {
                    template: watched.template,
                    found,
                    places,
                });
            }
        }
        let alarms = self.tell(&told, time);
        self.budget.alarmed(alarms);
    }

    /// Of each kind one is told, and how many there were beside it: the stream, when many of its
    /// templates show it or none does, and else the most surprising. How many are told.
    fn tell(&mut self, told: &[Told], last: Timestamp) -> usize {
        let kinds = [
            RateKind::NewBurst,
            RateKind::RateUp,
            RateKind::RateDown,
            RateKind::Silence,
        ];
        let mut alarms = 0;
        for kind in kinds {
            let same = || told.iter().filter(|told| told.found.kind == kind);
            let together = same().filter(|told| told.template.is_some()).count() >= TOGETHER_MIN;
            let rank = |told: &Told| (told.template.is_none() == together, told.found.score);
            let first =
                same().max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal));
            let Some(Told {
                template,
                found,
                places,
            }) = first
            else {
                continue;
            };
            let bucket = bucket_of(last.minus(BUCKET));
            if kind == RateKind::NewBurst && !self.young.is_another(bucket) {
                continue;
            }
            alarms += 1;
            let templates = match (kind, *template) {
                (RateKind::NewBurst, Some(id)) => vec![(id, found.observed as u32)],
                (RateKind::NewBurst, None) => self.young.templates(),
                _ => Vec::new(),
            };
            if self.pending.len() < PENDING_MAX {
                self.pending.push(RateAlarm {
                    kind,
                    template: *template,
                    score: found.score,
                    p_value: self.budget.p_value(found.score),
                    first: found.first,
                    last,
                    observed: found.observed,
                    usual: found.usual,
                    span: found.span,
                    places: places.clone(),
                    templates,
                    also: same().count().saturating_sub(1) as u32,
                });
            }
        }
        alarms
    }
}

/// What a bucket came to.
struct Judged<'a> {
    scene: &'a Scene,
    accept: u64,
    cap: f64,
    largest: f64,
    tests: usize,
    told: Vec<Told>,
}

impl Judged<'_> {
    /// Notes what was found about `watched`, which learns from the bucket.
    fn take(&mut self, watched: &mut Watched, finding: Option<Finding>) {
        self.tests += TESTS_EACH * usize::from(watched.is_tested());
        if !watched.is_in_episode() {
            let score = finding.map_or(0.0, |found| found.score);
            self.largest = self.largest.max(score.min(self.cap));
        }
        let places = watched.places();
        if watched.settle(finding.as_ref(), self.scene, self.accept)
            && let Some(found) = finding
        {
            self.told.push(Told {
                template: watched.template,
                found,
                places,
            });
        }
    }
}

impl Explained {
    /// Whether a rise of the stream is that of one of its templates, as usual.
    fn covers(&self, found: &Finding) -> bool {
        let rise = found.observed - found.usual.1;
        let expected = if found.span == BUCKET {
            self.short
        } else {
            self.long
        };
        found.kind == RateKind::RateUp && expected >= rise
    }
}
