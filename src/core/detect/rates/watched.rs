//! One rate that is watched: of a template, of the stream, of what is new.

mod count;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gaps::Gaps;
use super::level::Level;
use super::season::{Hour, SLOTS, Season};
use super::tail::{Expected, Tail};
use super::tally::Tally;
use super::young::Youth;
use super::{BUCKET, LEARNING_BUCKETS, RateKind};
use crate::core::record::{TemplateId, Timestamp};

/// Short buckets in a long one.
pub(super) const LONG: u32 = 10;
/// So many records expected in a bucket make it a surprise if none comes.
const TESTED_FROM: f64 = 3.0;
/// Records that make a template worth keeping.
const GROWN_FROM: u64 = 8;
/// Fewer records than usual are judged of what came over so long: what only just began may end.
const LIVED_MIN: Duration = Duration::from_secs(2 * 3600);
/// And after so many buckets that held any: what came in one burst need not come again.
const ACTIVE_MIN: u32 = 100;
/// An episode is over after so many calm buckets: more than a long bucket has.
const CALM_BUCKETS: u32 = 12;
/// Episodes of one kind that are told before they teach what is normal.
const TOLD_MIN: f32 = 2.5;
/// So much more surprise it takes to be told again, for each time that it was told.
const TOLD_NATS: f64 = 2.0;
/// What is kept of the number of episodes told from bucket to bucket: half goes in two weeks.
const TOLD_KEEPS: f32 = 0.999_965_6;
/// What is kept of the trend against the season: half goes in an hour.
const TREND_KEEPS: f64 = 0.988_514;
/// Records for which a trend of 1 stands.
const TREND_PRIOR: f64 = 20.0;

/// What a bucket that is over looks like from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    /// Its number.
    pub(super) bucket: u64,
    /// Its end.
    pub(super) end: Timestamp,
    /// The hour of the week.
    pub(super) slot: usize,
    /// Whether it ends a long bucket all of which was heard.
    pub(super) ends_long: bool,
    /// The surprise that is worth an alarm.
    pub(super) threshold: f64,
}

/// A surprise about a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) kind: RateKind,
    pub(super) score: f64,
    pub(super) first: Timestamp,
    pub(super) observed: f64,
    pub(super) usual: (f64, f64),
    pub(super) span: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    kind: RateKind,
    since: u64,
    calm: u32,
}

/// Sums over the hour that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct OpenHour {
    buckets: u32,
    longs: u32,
    hour: Hour,
}

/// A rate and what is usual for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) template: Option<TemplateId>,
    /// Until when its records are those of a new template.
    pub(super) young_until: Timestamp,
    pub(super) youth: Youth,
    pub(super) records: u64,
    born: Timestamp,
    pub(super) gaps: Gaps,
    /// Records in the open bucket.
    count: u32,
    /// Records in the open long bucket, less those in the open bucket.
    long_count: u32,
    learned: u32,
    /// Buckets that held any.
    active: u32,
    short: Level,
    long: Level,
    pub(super) season: Option<Season>,
    hour: OpenHour,
    /// Records that came and that the season expected, of late.
    trend: (f64, f64),
    /// Records that were expected since the last one came.
    missing: f64,
    up: Tail,
    down: Tail,
    told: (f32, f32),
    episode: Option<Episode>,
    places: Tally,
    /// Whether `places` is of a bucket that is over.
    is_stale: bool,
}

impl Watched {
    pub(super) fn new(template: Option<TemplateId>) -> Self {
        Self {
            template,
            young_until: Timestamp::ZERO,
            youth: Youth::default(),
            records: 0,
            born: Timestamp::ZERO,
            gaps: Gaps::default(),
            count: 0,
            long_count: 0,
            learned: 0,
            active: 0,
            short: Level::default(),
            long: Level::default(),
            season: None,
            hour: OpenHour::default(),
            trend: (0.0, 0.0),
            missing: 0.0,
            up: Tail::default(),
            down: Tail::default(),
            told: (0.0, 0.0),
            episode: None,
            places: Tally::default(),
            is_stale: false,
        }
    }

    /// A record came from `place`; the stream was heard without a break since `since`.
    pub(super) fn hear(&mut self, time: Timestamp, place: u32, since: Timestamp) {
        self.count = self.count.saturating_add(1);
        if self.records == 0 {
            self.born = time;
        }
        self.records = self.records.saturating_add(1);
        let is_lesson = !self.episode.is_some_and(|episode| is_down(episode.kind));
        self.gaps.hear(time, since, is_lesson);
        self.missing = 0.0;
        if std::mem::take(&mut self.is_stale) {
            self.places.clear();
        }
        self.places.add(u64::from(place));
    }

    /// What was counted is worth nothing, as not all was heard.
    pub(super) fn drop_counts(&mut self, long_too: bool) {
        self.count = 0;
        if long_too {
            self.long_count = 0;
        }
        self.is_stale = self.episode.is_none();
    }

    /// Judges the bucket that is over: the larger surprise of its two lengths. To be followed by
    /// [`settle`](Self::settle).
    pub(super) fn judge(&mut self, scene: &Scene) -> Option<Finding> {
        self.long_count = self.long_count.saturating_add(self.count);
        if self.learned < LEARNING_BUCKETS {
            return None;
        }
        let short = self.judge_count(f64::from(self.count), 1, scene);
        let judges_long = scene.ends_long && self.learned >= LEARNING_BUCKETS * LONG;
        let long = judges_long
            .then(|| self.judge_count(f64::from(self.long_count), LONG, scene))
            .flatten();
        let found = [short, long].into_iter().flatten();
        let mut found = found.max_by(|a, b| a.score.total_cmp(&b.score));
        if self.episode.is_none() {
            let raw = |kind: fn(RateKind) -> bool| {
                found
                    .filter(|found| kind(found.kind))
                    .map_or(0.0, |found| found.score)
            };
            let (up, down) = (raw(|kind| !is_down(kind)), raw(is_down));
            let told = self.told;
            let lesson = |score: f64, told: f32| {
                if told >= TOLD_MIN {
                    score
                } else {
                    score.min(scene.threshold)
                }
            };
            if let Some(found) = found.as_mut() {
                let tail = if is_down(found.kind) {
                    &self.down
                } else {
                    &self.up
                };
                found.score = tail.discounted(found.score);
            }
            self.up.learn(lesson(up, told.0));
            self.down.learn(lesson(down, told.1));
        }
        found
    }

    /// Learns from the bucket that is over, unless an episode lasts; whether `finding` is to be
    /// told.
    pub(super) fn settle(&mut self, finding: Option<&Finding>, scene: &Scene, accept: u64) -> bool {
        self.told = (self.told.0 * TOLD_KEEPS, self.told.1 * TOLD_KEEPS);
        let tells = self.follow(finding, scene, accept);
        let expected = self.by_season(1, scene.slot);
        if self.episode.is_none() {
            self.learn(scene, expected);
            self.is_stale = true;
        }
        self.learn_hour(scene);
        self.count = 0;
        if scene.bucket % u64::from(LONG) == u64::from(LONG) - 1 {
            self.long_count = 0;
        }
        tells
    }

    /// How surprising the silence until `until` is.
    pub(super) fn silence(&self, until: Timestamp, since: Timestamp) -> Option<Finding> {
        if self.episode.is_some_and(|episode| is_down(episode.kind)) {
            return None;
        }
        if !self.has_lived() {
            return None;
        }
        let mut score = self.gaps.surprise(until, since);
        if !self.gaps.is_steady() {
            score = if self.may_go_down() {
                score.min(self.missing)
            } else {
                0.0
            };
        }
        let first = self.gaps.last()?;
        (score > 0.0).then(|| Finding {
            kind: RateKind::Silence,
            score: self.down.discounted(score),
            first,
            observed: 0.0,
            usual: self.gaps.usual(),
            span: until.since(first),
        })
    }

    /// Begins an episode with an alarm that was found between two buckets.
    pub(super) fn begin_episode(&mut self, kind: RateKind, bucket: u64) {
        let told = if is_down(kind) {
            &mut self.told.1
        } else {
            &mut self.told.0
        };
        *told += 1.0;
        self.episode = Some(Episode {
            kind,
            since: bucket,
            calm: 0,
        });
    }

    /// The clock began anew at `time`.
    pub(super) fn rewind(&mut self, time: Timestamp) {
        self.gaps.rewind(time);
        self.born = self.born.min(time);
    }

    /// By how much the bucket that is over holds more than of late: its short and its long one.
    pub(super) fn excess(&self) -> (f64, f64) {
        let short = f64::from(self.count) - self.short.expected().mean;
        (
            short,
            f64::from(self.long_count) - self.long.expected().mean,
        )
    }

    /// Whether the bucket that is over could have told anything: an empty one of a rare template
    /// could not.
    pub(super) fn is_tested(&self) -> bool {
        self.count > 0 || self.short.expected().mean >= TESTED_FROM
    }

    /// Whether no record came in the open bucket.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it came often enough that losing it would be a loss.
    pub(super) fn is_grown(&self) -> bool {
        self.records >= GROWN_FROM
    }

    /// How much surprise is told: more than `threshold` if the like of it was told of late.
    pub(super) fn bar(&self, kind: RateKind, threshold: f64) -> f64 {
        let told = if is_down(kind) {
            self.told.1
        } else {
            self.told.0
        };
        threshold + TOLD_NATS * f64::from(told)
    }

    /// Whether something unusual lasts.
    pub(super) fn is_in_episode(&self) -> bool {
        self.episode.is_some()
    }

    /// Where the records of the bucket, or of the episode, came from.
    pub(super) fn places(&self) -> Vec<(u32, u32)> {
        let sorted = self.places.sorted().into_iter();
        sorted.map(|(place, count)| (place as u32, count)).collect()
    }

    /// Takes in what was known of a template that became this one.
    pub(super) fn absorb(&mut self, other: Self) {
        if other.records > self.records {
            let (template, count) = (self.template, self.count);
            *self = Self { template, ..other };
            self.count = self.count.saturating_add(count);
        }
    }

    /// Opens, goes on with or closes an episode; whether there is something to tell.
    fn follow(&mut self, finding: Option<&Finding>, scene: &Scene, accept: u64) -> bool {
        let loud = finding.filter(|found| found.score >= self.bar(found.kind, scene.threshold));
        let Some(episode) = self.episode.as_mut() else {
            if let Some(found) = loud {
                self.begin_episode(found.kind, scene.bucket);
            }
            return loud.is_some();
        };
        if let Some(found) = loud
            && is_down(found.kind) != is_down(episode.kind)
        {
            self.begin_episode(found.kind, scene.bucket);
            return true;
        }
        let goes_on = match episode.kind {
            RateKind::Silence if self.count == 0 => true,
            _ => finding.is_some_and(|found| {
                found.score >= scene.threshold / 2.0 && is_down(found.kind) == is_down(episode.kind)
            }),
        };
        episode.calm = if goes_on { 0 } else { episode.calm + 1 };
        if episode.calm >= CALM_BUCKETS {
            self.episode = None;
        } else if scene.bucket.saturating_sub(episode.since) >= accept {
            self.accept();
        }
        false
    }

    /// It lasted so long that it is how things are now.
    fn accept(&mut self) {
        self.episode = None;
        self.learned = 0;
        self.active = 0;
        self.born = self.gaps.last().unwrap_or_default();
        self.short = Level::default();
        self.long = Level::default();
        self.season = None;
        self.trend = (0.0, 0.0);
        self.gaps.forget();
    }

    fn learn(&mut self, scene: &Scene, by_season: Option<Expected>) {
        let expected = by_season.unwrap_or_else(|| self.short.expected());
        if self.count == 0 {
            self.missing += expected.mean;
        }
        if let Some(expected) = by_season {
            // The trend is measured against the season as it stands, not against itself.
            let trend = (self.trend.0 + TREND_PRIOR) / (self.trend.1 + TREND_PRIOR);
            self.trend.0 = self.trend.0 * TREND_KEEPS + f64::from(self.count);
            self.trend.1 = self.trend.1 * TREND_KEEPS + expected.mean / trend.clamp(0.25, 4.0);
        }
        self.learned = self.learned.saturating_add(1);
        self.active = self.active.saturating_add(u32::from(self.count > 0));
        self.short.learn(self.count as f32);
        if scene.ends_long {
            self.long.learn(self.long_count as f32);
        }
    }

    /// Adds the bucket to the open hour; episodes too, as an hour counts once it came twice.
    fn learn_hour(&mut self, scene: &Scene) {
        let count = f64::from(self.count);
        self.hour.buckets += 1;
        self.hour.hour.mean += count;
        self.hour.hour.squares += count * count;
        if scene.ends_long {
            let count = f64::from(self.long_count);
            self.hour.longs += 1;
            self.hour.hour.long_squares += count * count;
        }
    }

    /// The hour `slot` is over: it is kept if most of it was heard.
    pub(super) fn end_hour(&mut self, slot: usize, may_have_season: bool) {
        let open = std::mem::take(&mut self.hour);
        if open.buckets < 30 || open.longs < 2 {
            return;
        }
        if self.season.is_none() && may_have_season {
            self.season = Some(Season::new());
        }
        if let Some(season) = self.season.as_mut() {
            let hour = Hour {
                mean: open.hour.mean / f64::from(open.buckets),
                squares: open.hour.squares / f64::from(open.buckets),
                long_squares: open.hour.long_squares / f64::from(open.longs),
            };
            season.learn(slot, hour);
        }
    }
}

fn is_down(kind: RateKind) -> bool {
    matches!(kind, RateKind::RateDown | RateKind::Silence)
}
