//! One operation of a service: how long the service itself takes for it, how often it fails, and what
//! it does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, FindingKind};
use super::lengths::{Lengths, Shift};
use super::restless::{Bursts, Restless};
use super::share::Share;
use super::showing::{Pods, Showing};
use super::visit::{Part, Visit};
use super::words::{clock, lasting, quoted};
use crate::core::record::{Resource, StreamKey, TemplateId};

/// Nothing is said of an operation before so many visits were learned …
pub(super) const LEARNED_MIN: u64 = 20;
/// … nor before so many are there to be judged.
pub(super) const JUDGED_MIN: u64 = 5;
/// Most things an operation is known to do.
const PARTS_MAX: usize = 96;
/// What is done in at least this share of the visits is always done.
const ALWAYS: f64 = 0.9;
/// What is done in at most this share is never done.
const NEVER: f64 = 0.1;
/// What differs in fewer of the visits is not told: one odd client is not an incident.
const DIFFERENCE_MIN: f64 = 0.25;
/// Surprises of this many nats are findings …
const FINDING_NATS: f64 = 4.0;
/// … and of this many are signs: one in a hundred thousand, as many operations are looked at each
/// minute and counts are more restless than chance.
pub(super) const SIGN_NATS: f64 = 12.0;

/// What came in this stretch at all. What is lost on the way here does not stay away.
pub(super) trait Heard {
    /// Whether there are spans of this service.
    fn service(&self, stream: &StreamKey) -> bool;
    /// Whether there are log records.
    fn records(&self) -> bool;
    /// The text of a template.
    fn text(&self, template: TemplateId) -> Arc<str>;
}

/// What is learned of an operation, and what is counted in the present stretch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Operation {
    past: Share,
    now: Share,
    own: Lengths,
    own_now: Lengths,
    restless: Restless,
    failures: Bursts,
    parts: BTreeMap<Part, Habit>,
    slow: Option<Showing>,
    errors: Option<Showing>,
    pods: Pods,
    latest: Duration,
}

/// How often something is done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Habit {
    past: u64,
    now: u64,
    bursts: Bursts,
    /// The visits of now that do not do it, where it is always done, or do it, where it never is.
    odd: Option<Showing>,
}

impl Operation {
    pub(super) fn count(&mut self, visit: Visit, uptime: Duration) {
        self.latest = uptime;
        let show = |shown: &mut Option<Showing>| {
            Showing::see(shown, visit.start, Some(visit.trace), &visit.resource);
        };
        self.now.of += 1;
        if visit.is_error {
            self.now.times += 1;
            show(&mut self.errors);
        }
        let is_slow = self.own.len() > 0 && visit.own.as_secs_f64() > self.own.quantile(0.9);
        if is_slow {
            show(&mut self.slow);
        }
        self.pods.count(&visit.resource, is_slow || visit.is_error);
        self.own_now.add(visit.own);
        let learned = self.past.of;
        for (part, habit) in &mut self.parts {
            if Share::new(habit.past, learned).ratio() >= ALWAYS && !visit.parts.contains(part) {
                show(&mut habit.odd);
            }
        }
        for part in visit.parts {
            if let Some(habit) = self.parts.get_mut(&part) {
                habit.now += 1;
                if Share::new(habit.past, learned).ratio() <= NEVER {
                    Showing::see(
                        &mut habit.odd,
                        visit.start,
                        Some(visit.trace),
                        &visit.resource,
                    );
                }
            } else if self.parts.len() < PARTS_MAX {
                let mut odd = None;
                Showing::see(&mut odd, visit.start, Some(visit.trace), &visit.resource);
                self.parts.insert(
                    part,
                    Habit {
                        now: 1,
                        odd,
                        ..Habit::default()
                    },
                );
            }
        }
    }

    /// What differs now, as far as what stays away would have been `heard`.
    pub(super) fn judge(
        &self,
        stream: &Arc<StreamKey>,
        name: &Arc<str>,
        heard: &impl Heard,
    ) -> Vec<Finding> {
        if self.past.of < LEARNED_MIN || self.now.of < JUDGED_MIN {
            return Vec::new();
        }
        let about = About { stream, name };
        let found = [
            self.judge_errors(about),
            self.judge_time(about),
            self.judge_missing(about, heard),
            self.judge_new(about, heard),
        ];
        found.into_iter().flatten().collect()
    }

    /// Ends a stretch. What was counted is learned unless something differed in it.
    pub(super) fn fold(&mut self, is_learned: bool) {
        if is_learned && self.now.of > 0 {
            if self.own_now.len() >= JUDGED_MIN && self.own.len() >= LEARNED_MIN {
                self.restless.learn(&self.own_now.against(&self.own));
                self.failures.learn(self.now, self.past);
                for habit in self.parts.values_mut() {
                    let now = Share::new(habit.now, self.now.of);
                    habit
                        .bursts
                        .learn(now, Share::new(habit.past, self.past.of));
                }
            }
            self.past.of += self.now.of;
            self.past.times += self.now.times;
            self.own.absorb(&mut self.own_now);
            for habit in self.parts.values_mut() {
                habit.past += habit.now;
            }
            self.fade();
        }
        self.parts.retain(|_, habit| habit.past > 0);
        for habit in self.parts.values_mut() {
            habit.now = 0;
            habit.odd = None;
        }
        self.now = Share::default();
        self.own_now.clear();
        self.slow = None;
        self.errors = None;
        self.pods.clear();
    }

    /// What is known of records of one template goes to the one that it became.
    pub(super) fn follow(&mut self, from: TemplateId, to: TemplateId) {
        let Some(old) = self.parts.remove(&Part::Record(from)) else {
            return;
        };
        let new = self.parts.entry(Part::Record(to)).or_default();
        // A visit that wrote both counts twice; no share is above one.
        new.past = (new.past + old.past).min(self.past.of);
        new.now = (new.now + old.now).min(self.now.of);
        new.odd = new.odd.take().or(old.odd);
    }

    /// Whether enough is known of it to judge it.
    pub(super) const fn is_learned(&self) -> bool {
        self.past.of >= LEARNED_MIN
    }

    /// The templates of what it writes.
    pub(super) fn templates(&self) -> impl Iterator<Item = TemplateId> {
        self.parts.keys().filter_map(|part| match part {
            Part::Record(template) => Some(*template),
            Part::Step(..) | Part::Call(..) => None,
        })
    }

    pub(super) const fn is_touched(&self) -> bool {
        self.now.of > 0
    }

    /// When it was last heard, in uptime.
    pub(super) const fn latest(&self) -> Duration {
        self.latest
    }

    /// What was long ago counts less.
    fn fade(&mut self) {
        const VISITS_MAX: u64 = 100_000;
        if self.past.of > VISITS_MAX {
            self.past = Share::new(self.past.times / 2, self.past.of / 2);
            for habit in self.parts.values_mut() {
                habit.past /= 2;
            }
        }
    }

    fn judge_errors(&self, about: About<'_>) -> Option<Finding> {
        let weight = self.failures.surprise(self.now, self.past);
        if self.now.ratio() < self.past.ratio() + DIFFERENCE_MIN || weight < FINDING_NATS {
            return None;
        }
        let showing = self.errors.as_ref()?;
        let says = format!(
            "{} fails in {} of {} calls since {}, before in {} of {}",
            quoted(about.name),
            self.now.times,
            self.now.of,
            clock(showing.first),
            self.past.times,
            self.past.of,
        );
        let finding = about.finding(FindingKind::Errors, weight, showing, says);
        Some(self.at_pod(finding))
    }

    fn judge_time(&self, about: About<'_>) -> Option<Finding> {
        let shift = self.own_now.against(&self.own);
        let weight = self.restless.weight(&shift)?;
        let showing = self.slow.as_ref()?;
        let (now, of) = shift.words();
        let says = format!(
            "{} itself takes {now} for {} since {}, before {} (median of {of})",
            about.stream,
            quoted(about.name),
            clock(showing.first),
            lasting(shift.medians.0),
        );
        let finding = Finding {
            excess: shift.lost(),
            is_sign: is_large(&shift) && showing.lasts(),
            ..about.finding(FindingKind::OwnTime, weight, showing, says)
        };
        Some(self.at_pod(finding))
    }

    fn judge_missing(&self, about: About<'_>, heard: &impl Heard) -> Option<Finding> {
        let judged = self.parts.iter().filter_map(|(part, habit)| {
            let past = Share::new(habit.past, self.past.of);
            let now = Share::new(habit.now, self.now.of);
            let may_be_judged = match part {
                Part::Step(..) => true,
                Part::Call(callee, _) => heard.service(callee),
                Part::Record(_) => heard.records(),
            };
            let is_missing = past.ratio() >= ALWAYS && past.ratio() - now.ratio() >= DIFFERENCE_MIN;
            let weight = habit.bursts.surprise(now, past);
            (may_be_judged && is_missing && weight >= FINDING_NATS).then_some((part, habit, weight))
        });
        let (part, habit, weight) = judged.max_by(|a, b| a.2.total_cmp(&b.2))?;
        let showing = habit.odd.as_ref()?;
        let says = format!(
            "{} does {} in {} of {} calls since {}, before in {} of {}",
            quoted(about.name),
            part.words(heard),
            habit.now,
            self.now.of,
            clock(showing.first),
            habit.past,
            self.past.of,
        );
        let finding = about.finding(FindingKind::Missing, weight, showing, says);
        Some(self.at_pod(finding))
    }

    fn judge_new(&self, about: About<'_>, heard: &impl Heard) -> Option<Finding> {
        let judged = self.parts.iter().filter_map(|(part, habit)| {
            let past = Share::new(habit.past, self.past.of);
            let now = Share::new(habit.now, self.now.of);
            let is_new = past.ratio() <= NEVER && now.ratio() >= DIFFERENCE_MIN;
            let weight = habit.bursts.surprise(now, past);
            (is_new && weight >= FINDING_NATS).then_some((part, habit, weight))
        });
        let (part, habit, weight) = judged.max_by(|a, b| a.2.total_cmp(&b.2))?;
        let showing = habit.odd.as_ref()?;
        let says = format!(
            "{} does {} in {} of {} calls since {}, which it did in {} of {} before",
            quoted(about.name),
            part.words(heard),
            habit.now,
            self.now.of,
            clock(showing.first),
            habit.past,
            self.past.of,
        );
        let finding = about.finding(FindingKind::New, weight, showing, says);
        Some(self.at_pod(finding))
    }

    fn at_pod(&self, finding: Finding) -> Finding {
        Finding {
            pod: self.pods.odd_one(),
            ..finding
        }
    }
}

/// Whether a shift is large enough for a sign: half as long again and at least so much.
pub(super) fn is_large(shift: &Shift) -> bool {
    const EXCESS_MIN: Duration = Duration::from_millis(5);
    shift.ratio() >= 1.5 && shift.excess() >= EXCESS_MIN
}

/// What a finding is about.
#[derive(Clone, Copy)]
struct About<'a> {
    stream: &'a Arc<StreamKey>,
    name: &'a Arc<str>,
}

impl About<'_> {
    fn finding(self, kind: FindingKind, weight: f64, showing: &Showing, says: String) -> Finding {
        Finding {
            kind,
            stream: Arc::clone(self.stream),
            caller: None,
            pod: None,
            thing: Arc::clone(self.name),
            weight: weight.min(Finding::WEIGHT_MAX),
            first_seen: showing.first,
            last_seen: showing.last,
            count: showing.count,
            excess: Duration::ZERO,
            trace: showing.trace,
            resource: Arc::<Resource>::clone(&showing.resource),
            is_sign: weight >= SIGN_NATS && showing.lasts(),
            says: says.into(),
        }
    }
}

impl Part {
    fn words(&self, heard: &impl Heard) -> String {
        match self {
            Self::Step(name, 1) => quoted(name),
            Self::Step(name, nth) => format!("{} at least {nth} times", quoted(name)),
            Self::Call(stream, name) => format!("a call of {stream} {}", quoted(name)),
            Self::Record(template) => format!("log {}", quoted(&heard.text(*template))),
        }
    }
}
