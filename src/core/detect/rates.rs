//! How often each template comes: too often, too seldom, no more, or new and many at once.
//!
//! Records are counted in buckets of a minute and of ten. Each template has its own expectation: a
//! Gamma-Poisson estimate that forgets, with as much spread as its counts have shown, and, once the
//! same hour was seen twice, the hour of the week and of the day. Its surprise is −ln of the chance
//! of a count so high or so low. A template that often surprised is discounted by the tail of its
//! own past, and an alarm needs more than the stream's minutes show at the rate of false alarms that
//! was asked for.
//!
//! What was not heard is never judged: gaps of the ingest, jumps of the clock, the minutes after a
//! start. When a stream as a whole falls silent, that is one alarm of the stream and none of its
//! templates.

mod budget;
mod clock;
mod gaps;
mod judge;
mod level;
mod season;
mod tail;
mod tally;
#[cfg(test)]
mod tests;
mod watched;
mod young;

use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::budget::Budget;
use self::clock::{Clock, Step};
use self::watched::{Scene, Watched};
use self::young::Young;
use crate::core::record::{TemplateId, Timestamp};

/// Length of a bucket.
pub const BUCKET: Duration = Duration::from_secs(60);
/// A template, and the stream, are judged after so many buckets.
pub const LEARNING_BUCKETS: u32 = 20;
/// A stream that is silent so many times longer than ever says nothing about its templates.
const SILENT_TIMES: f32 = 1.5;
/// Of the templates watched, one in so many gives way when there is no room.
const EVICTED_SHARE: usize = 8;

/// What a stream's rates may cost, and how many false alarms they may give.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateSettings {
    /// Alarms a day that normal life may give, over all templates of the stream.
    pub alarms_per_day: f64,
    /// Most templates watched; those with few records give way first, then the longest silent.
    pub templates_max: usize,
    /// Most templates of which the hours of the week are kept.
    pub seasonal_max: usize,
    /// What lasts this long is how things are now.
    pub accept_after: Duration,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            alarms_per_day: 1.0,
            templates_max: 1_024,
            seasonal_max: 256,
            accept_after: Duration::from_secs(6 * 3600),
        }
    }
}

/// How well the stream can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// What was logged arrives.
    Clear,
    /// It arrives, but nothing is to be told yet.
    Learning,
    /// Nothing can arrive: the ingest is broken or stopped. Nothing is learned or told.
    Gap,
}

/// What happened to a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateKind {
    /// More than usual.
    RateUp,
    /// Less than usual.
    RateDown,
    /// Nothing at all for longer than usual.
    Silence,
    /// Many records of templates that were not seen before, or many such templates.
    NewBurst,
}

/// A rate that is not usual. One is told per episode, and again if it becomes of another kind.
#[derive(Clone, Debug, PartialEq)]
pub struct RateAlarm {
    /// What happened.
    pub kind: RateKind,
    /// Of which template; `None` for the stream as a whole and for many new templates.
    pub template: Option<TemplateId>,
    /// −ln of its chance, in nats, discounted by the template's own past.
    pub score: f64,
    /// The share of the stream's minutes in which normal life shows as much.
    pub p_value: f64,
    /// When it began: of a silence the time of the last record.
    pub first: Timestamp,
    /// Until when it was seen so far.
    pub last: Timestamp,
    /// Records in one [`span`](Self::span); of a silence, 0.
    pub observed: f64,
    /// What nine of ten spans hold; of a silence, 1 record in this range of seconds.
    pub usual: (f64, f64),
    /// What `observed` and `usual` count in; of a silence how long it has lasted.
    pub span: Duration,
    /// Where the records came from, as hashes with their counts, most first.
    pub places: Vec<(u32, u32)>,
    /// The new templates and their counts, most first. Only of [`RateKind::NewBurst`].
    pub templates: Vec<(TemplateId, u32)>,
    /// How many other templates showed the same kind of surprise in the same minute.
    pub also: u32,
}

/// Silences are looked for this often, in stream time.
const SILENCE_EVERY: Duration = Duration::from_secs(1);

/// The rates of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rates {
    settings: RateSettings,
    #[serde(skip)]
    clock: Clock,
    watched: Vec<Watched>,
    /// Where in `watched` a template is; made anew when it does not fit.
    #[serde(skip)]
    index: FxHashMap<TemplateId, usize>,
    all: Watched,
    young: Young,
    budget: Budget,
    newest: Timestamp,
    /// Buckets heard, ever.
    heard: u32,
    /// Buckets heard of the open long one.
    heard_of_long: u32,
    is_learning: bool,
    #[serde(skip)]
    pending: Vec<RateAlarm>,
    /// When silences were looked for last.
    #[serde(skip)]
    silence_judged: Timestamp,
    late: u64,
    evicted: u64,
}

impl Rates {
    /// A stream of which nothing is known.
    pub fn new(settings: RateSettings) -> Self {
        Self {
            settings,
            clock: Clock::default(),
            watched: Vec::new(),
            index: FxHashMap::default(),
            all: Watched::new(None),
            young: Young::new(),
            budget: Budget::new(),
            newest: Timestamp::ZERO,
            heard: 0,
            heard_of_long: 0,
            is_learning: true,
            silence_judged: Timestamp::ZERO,
            pending: Vec::new(),
            late: 0,
            evicted: 0,
        }
    }

    /// From now on normal life may give so many alarms a day.
    pub fn set_alarms_per_day(&mut self, alarms: f64) {
        self.settings.alarms_per_day = alarms;
    }

    /// Counts a record. Times are to rise; a record of a minute that is over is too late to be
    /// counted. `is_new` says that the stream does not know the template yet; `place` is a hash of
    /// where it came from (a host, a pod), for the evidence.
    pub fn observe(&mut self, template: TemplateId, is_new: bool, time: Timestamp, place: u32) {
        if self.ends_silence(time) {
            // What piled up meanwhile comes at once.
            self.roll(time);
            self.clock.wake(time);
            self.drop_counts();
        } else if self.roll(time) == Step::Late {
            self.late += 1;
            return;
        }
        self.newest = self.newest.max(time);
        let since = self.clock.audible;
        self.all.hear(time, place, since);
        let founding = self.heard < young::FOUNDING_BUCKETS;
        let Some(watched) = self.watch(template) else {
            return;
        };
        let is_first = watched.records == 0;
        watched.hear(time, place, since);
        if is_first && is_new && !founding {
            watched.young_until = time.plus(young::YOUTH);
            watched.youth.records = 1;
            self.young.born(template, time, place);
        } else if time < watched.young_until {
            watched.youth.records = watched.youth.records.saturating_add(1);
            self.young.again(template, time, place);
        }
    }

    /// Moves on to `time`, the time of the stream: the newest record's, moving on with the clock
    /// while none comes. What there is to tell since the last call, in order.
    pub fn advance(&mut self, time: Timestamp, hearing: Hearing) -> Vec<RateAlarm> {
        self.is_learning = hearing == Hearing::Learning;
        if hearing == Hearing::Gap {
            self.begin_anew(time);
        } else if self.roll(time) != Step::Late && time.since(self.silence_judged) >= SILENCE_EVERY
        {
            self.silence_judged = time;
            self.judge_silence(time);
        }
        std::mem::take(&mut self.pending)
    }

    /// Until when nothing can be told without another record: the end of the open minute, or when
    /// a heartbeat is missed, if that is earlier.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let minute = self.clock.bucket().map(|open| clock::start_of(open + 1))?;
        let beats = self.watched.iter().chain([&self.all]);
        let open = beats.filter(|watched| !watched.is_in_episode());
        let missed = open.filter_map(|watched| watched.gaps.missed_at());
        let after = missed.filter(|missed| *missed > self.newest && *missed < minute);
        Some(after.min().unwrap_or(minute))
    }

    /// The miner calls `from` by the name of `to` from now on: what is known goes with it.
    pub fn follow(&mut self, from: TemplateId, to: TemplateId) {
        self.reindex();
        let Some(old) = self.index.get(&from).copied().filter(|_| from != to) else {
            return;
        };
        let mut old = self.watched.swap_remove(old);
        self.index.clear();
        old.template = Some(to);
        if let Some(new) = self.watch(to) {
            new.absorb(old);
        }
    }

    /// Records that came too late to be counted.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Templates that gave way to others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Templates watched.
    pub fn watched(&self) -> usize {
        self.watched.len()
    }

    fn watch(&mut self, template: TemplateId) -> Option<&mut Watched> {
        self.reindex();
        let at = match self.index.get(&template) {
            Some(at) => *at,
            None => {
                self.make_room();
                self.watched.push(Watched::new(Some(template)));
                self.index.insert(template, self.watched.len() - 1);
                self.watched.len() - 1
            }
        };
        self.watched.get_mut(at)
    }

    fn reindex(&mut self) {
        if self.index.len() != self.watched.len() {
            let places = self.watched.iter().enumerate();
            let named = places.filter_map(|(at, watched)| Some((watched.template?, at)));
            self.index = named.collect();
        }
    }

    /// Of those with few records, and then of all, the longest silent give way, several at once.
    fn make_room(&mut self) {
        let max = self.settings.templates_max.max(1);
        if self.watched.len() < max {
            return;
        }
        let mut ranks: Vec<_> = self
            .watched
            .iter()
            .map(|watched| (watched.is_grown(), watched.gaps.last(), watched.template))
            .collect();
        ranks.sort_unstable();
        let gone = (max / EVICTED_SHARE).max(1) + (self.watched.len() - max);
        let Some(last) = ranks.get(gone - 1).copied() else {
            return;
        };
        self.watched
            .retain(|watched| (watched.is_grown(), watched.gaps.last(), watched.template) > last);
        self.evicted += gone as u64;
        self.index.clear();
        self.reindex();
    }

    /// Closes the buckets before `time`.
    fn roll(&mut self, time: Timestamp) -> Step {
        let quiet = (self.all.gaps.longest() / BUCKET.as_secs_f32()) as u64;
        let step = self.clock.step(time, quiet);
        match step {
            Step::Over(from, to) => (from..to).for_each(|bucket| self.close(bucket)),
            Step::Anew => self.begin_anew(time),
            Step::Same | Step::Late => {}
        }
        step
    }

    fn begin_anew(&mut self, time: Timestamp) {
        self.clock.begin(time);
        self.drop_counts();
        for watched in self.everything() {
            watched.rewind(time);
        }
        self.newest = self.newest.min(time);
    }

    fn drop_counts(&mut self) {
        self.heard_of_long = 0;
        for watched in self.everything() {
            watched.drop_counts(true);
        }
    }

    /// Whether a record at `time` ends a silence that is longer than any usual one.
    fn ends_silence(&self, time: Timestamp) -> bool {
        self.clock.bucket().is_some() && self.is_silent(time)
    }

    /// Whether the stream says less than it ever did, so that nothing can be said of its templates.
    fn is_silent(&self, time: Timestamp) -> bool {
        let usual = Duration::from_secs_f32(SILENT_TIMES * self.all.gaps.longest());
        time.since(self.newest.max(self.clock.since)) > usual.max(BUCKET * 2)
    }

    fn everything(&mut self) -> impl Iterator<Item = &mut Watched> {
        let young = [&mut self.young.births, &mut self.young.repeats];
        self.watched.iter_mut().chain(young).chain([&mut self.all])
    }

    fn close(&mut self, bucket: u64) {
        let end = clock::start_of(bucket + 1);
        let ends_long = bucket % u64::from(watched::LONG) == u64::from(watched::LONG) - 1;
        let heard = self.clock.is_heard() && !self.is_silent(end);
        if heard {
            self.heard = self.heard.saturating_add(1);
            self.heard_of_long += 1;
            let scene = Scene {
                bucket,
                end,
                slot: slot_of(end.minus(BUCKET)),
                ends_long: ends_long && self.heard_of_long == watched::LONG,
                threshold: self.threshold(),
            };
            self.judge_bucket(&scene);
            self.judge_silence(end);
        } else {
            self.everything()
                .for_each(|watched| watched.drop_counts(ends_long));
            self.heard_of_long = 0;
        }
        if ends_long {
            self.heard_of_long = 0;
        }
        self.young.close();
        if slot_of(end) != slot_of(end.minus(BUCKET)) {
            self.end_hour(slot_of(end.minus(BUCKET)));
        }
    }

    fn end_hour(&mut self, slot: usize) {
        let used = self
            .watched
            .iter()
            .filter(|watched| watched.season.is_some());
        let mut free = self.settings.seasonal_max.saturating_sub(used.count());
        for watched in self.everything() {
            let may = watched.season.is_some() || (free > 0 && watched.is_grown());
            free -= usize::from(may && watched.season.is_none());
            watched.end_hour(slot, may);
        }
    }
}

/// The hour of the week, in UTC.
fn slot_of(time: Timestamp) -> usize {
    (time.as_nanos() / 3_600_000_000_000 % season::SLOTS as u64) as usize
}
