//! What comes after what in the records that one service writes in one trace.

mod after;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::after::After;
use super::finding::digest;
use super::uptime::Uptime;
use super::words::{clock, quoted};
use crate::core::event::{Class, Sign, Source, TemplateRef};
use crate::core::record::{Resource, Severity, StreamKey, TemplateId, Timestamp, TraceId};

/// The flow of one stream. Cheap enough for every record: two look-ups in tables of bounded size.
///
/// Records of a trace are to come in order of time. What is counted in two minutes of stream time is held
/// against all that was learned before; one in which a habit is broken is not learned from, unless
/// that lasts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    settings: FlowSettings,
    learns_all: bool,
    uptime: Uptime,
    looked: Duration,
    stretch_from: Duration,
    /// Of every two to the power of so many traces one is followed.
    thinned: u8,
    #[serde(skip)]
    open: FxHashMap<TraceId, Open>,
    #[serde(with = "super::pairs")]
    habits: BTreeMap<Option<TemplateId>, After>,
}

/// What a flow may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowSettings {
    /// Most traces open at a time. Where there are more, every second one is followed, then every fourth
    /// and so on: a trace is followed from its beginning to its end or not at all.
    pub traces_max: usize,
    /// Most templates whose followers are known; those that come later are not followed.
    pub templates_max: usize,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            traces_max: 8_192,
            templates_max: 1_024,
        }
    }
}

/// A record as a flow hears it, in order of time within a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The trace.
    pub trace: TraceId,
    /// Its template.
    pub template: TemplateId,
    /// When it was logged.
    pub time: Timestamp,
    /// Where it comes from: what the caller knows the pod by.
    pub place: u32,
}

/// A habit of the flow that is broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowBreak {
    /// After a record of this template; `None` at the beginning of a trace.
    pub after: Option<TemplateId>,
    /// This one comes; `None` is the end.
    pub then: Option<TemplateId>,
    /// How often it did: times, of how many.
    pub before: (u64, u64),
    /// How often it does now.
    pub now: (u64, u64),
    /// What mostly comes in its place; `None` where nothing does.
    pub instead: Option<TemplateId>,
    /// How surprising that is, in nats.
    pub weight: f64,
    /// The first record that shows it.
    pub first_seen: Timestamp,
    /// The latest one.
    pub last_seen: Timestamp,
    /// The trace of the first.
    pub trace: TraceId,
    /// Where the first comes from.
    pub place: u32,
}

/// A trace that goes on.
#[derive(Clone, Copy, Debug)]
struct Open {
    last: Heard,
    uptime: Duration,
}

/// More than this much thinned nothing is left to follow.
const THINNED_MAX: u8 = 64;
/// A trace has ended when it was quiet for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is counted is looked at so often …
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// … and learned after so long.
const STRETCH: Duration = Duration::from_secs(120);

impl Flow {
    /// A flow within bounds.
    pub fn new(settings: FlowSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Counts a record.
    pub fn hear(&mut self, heard: Heard) {
        if !is_followed(heard.trace, self.thinned) {
            return;
        }
        let uptime = self.uptime.now();
        let open = Open {
            last: heard,
            uptime,
        };
        let before = self.open.insert(heard.trace, open);
        let after = before.map(|before| before.last.template);
        self.count(after, Some(heard.template), heard);
        while self.open.len() > self.settings.traces_max {
            self.thin();
        }
    }

    /// Lets stream time pass and tells which habits are broken: each at once, and again once a minute
    /// while that lasts.
    pub fn advance(&mut self, stream_time: Timestamp) -> Vec<FlowBreak> {
        let uptime = self.uptime.at(stream_time);
        if uptime.saturating_sub(self.looked) < LOOK_EVERY {
            return Vec::new();
        }
        self.look(uptime)
    }

    /// While this is on all that comes is taken for normal and learned: in the first hours, and where
    /// somebody says so.
    pub fn learn_all(&mut self, is_on: bool) {
        self.learns_all = is_on;
    }

    /// How long there was something to hear.
    pub const fn age(&self) -> Duration {
        self.uptime.now()
    }

    /// Judges all that came as if every trace had ended: the input ends here.
    pub fn finish(&mut self) -> Vec<FlowBreak> {
        let uptime = self.uptime.pass(PATIENCE);
        self.look(uptime)
    }

    /// Forgets what goes on and keeps what was learned, as for another stretch of time. While all is
    /// learned, so is what was counted last.
    pub fn rest(&mut self) {
        self.open.clear();
        for habit in self.habits.values_mut() {
            if self.learns_all {
                habit.fold(true);
            }
            habit.rest();
        }
        self.stretch_from = self.uptime.now();
        self.looked = self.stretch_from;
    }

    /// Gives what is known of a template to the one that it became.
    pub fn follow(&mut self, from: TemplateId, to: TemplateId) {
        for after in self.habits.values_mut() {
            after.rename(from, to);
        }
        if let Some(mut old) = self.habits.remove(&Some(from)) {
            let new = self.habits.entry(Some(to)).or_default();
            new.absorb(&mut old);
        }
        for open in self
            .open
            .values_mut()
            .filter(|open| open.last.template == from)
        {
            open.last.template = to;
        }
    }

    fn count(&mut self, after: Option<TemplateId>, then: Option<TemplateId>, heard: Heard) {
        if let Some(habit) = self.habits.get_mut(&after) {
            habit.count(then, heard);
        } else if self.habits.len() < self.settings.templates_max {
            self.habits.entry(after).or_default().count(then, heard);
        }
    }

    fn thin(&mut self) {
        if self.thinned == THINNED_MAX {
            // Only ids that somebody chose get here.
            return self.open.clear();
        }
        self.thinned += 1;
        let thinned = self.thinned;
        self.open.retain(|trace, _| is_followed(*trace, thinned));
    }

    fn look(&mut self, uptime: Duration) -> Vec<FlowBreak> {
        self.looked = uptime;
        let mut ended: Vec<Heard> = Vec::new();
        self.open.retain(|_, open| {
            let goes_on = uptime.saturating_sub(open.uptime) < PATIENCE;
            if !goes_on {
                ended.push(open.last);
            }
            goes_on
        });
        ended.sort_unstable_by_key(|last| (last.time, last.trace));
        for last in ended {
            self.count(Some(last.template), None, last);
        }
        let judged = self.habits.iter_mut();
        let mut broken: Vec<FlowBreak> = judged
            .filter_map(|(after, habit)| habit.judge(*after, uptime))
            .collect();
        broken.sort_by_key(|broken| (broken.first_seen, broken.after));
        if uptime.saturating_sub(self.stretch_from) >= STRETCH {
            self.stretch_from = uptime;
            // A trace that was not followed seems to begin in its middle then; that is over before
            // anything is told of it.
            if self.open.len() < self.settings.traces_max / 4 {
                self.thinned = self.thinned.saturating_sub(1);
            }
            let learns_all = self.learns_all;
            self.habits
                .values_mut()
                .for_each(|habit| habit.fold(learns_all));
        }
        broken
    }
}

impl FlowBreak {
    /// Names the kind of its signs.
    pub const KIND: &'static str = "flow";

    /// The break as a sign of `stream`; `text` gives the texts of templates.
    pub fn sign(
        &self,
        stream: &StreamKey,
        resource: &Arc<Resource>,
        text: impl Fn(TemplateId) -> Box<str>,
    ) -> Sign {
        let bytes = |template: Option<TemplateId>| template.map_or(0, |id| id.0).to_be_bytes();
        let (after, then) = (bytes(self.after), bytes(self.then));
        let first = self.first_seen.as_nanos().to_be_bytes();
        let thing: [&[u8]; 6] = [
            Self::KIND.as_bytes(),
            stream.environment.as_bytes(),
            stream.namespace.as_bytes(),
            stream.name.as_bytes(),
            &after,
            &then,
        ];
        let mut once = thing.to_vec();
        once.push(&first);
        Sign {
            id: digest(&once, 32),
            fingerprint: digest(&thing, 16),
            source: Source::Log,
            kind: Self::KIND.into(),
            class: Class::Error,
            severity: Severity::Warn,
            score: 1.0 - (-self.weight).exp(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            count: self.affected().max(1),
            stream: stream.clone(),
            resource: Arc::clone(resource),
            trace: Some(self.trace),
            says: self.says(&text),
            template: self
                .instead
                .or(self.after)
                .map(|id| TemplateRef { id, text: text(id) }),
            lines: Vec::new(),
            expected: self.then.filter(|_| self.is_missing()).map(|id| {
                let share = 100.0 * ratio(self.before);
                format!("{} ({share:.0} %)", quoted(&text(id))).into()
            }),
            stack: None,
        }
    }

    /// The break in one sentence; `text` gives the texts of templates. Untrusted.
    pub fn says(&self, text: &impl Fn(TemplateId) -> Box<str>) -> Box<str> {
        let after = match self.after {
            Some(id) => format!("after {}", quoted(&text(id))),
            None => "first".to_owned(),
        };
        let then = match self.then {
            Some(id) => quoted(&text(id)),
            None => "nothing more".to_owned(),
        };
        let (k, n) = self.now;
        let (k0, n0) = self.before;
        let since = clock(self.first_seen);
        let mut says =
            format!("{after} came {then} in {k0} of {n0} cases, since {since} in {k} of {n}");
        if let Some(instead) = self.instead.filter(|instead| Some(*instead) != self.then) {
            says += &format!("; often came {}", quoted(&text(instead)));
        }
        says.into()
    }

    /// Whether what always comes stays away; otherwise what never came comes.
    pub fn is_missing(&self) -> bool {
        ratio(self.before) > ratio(self.now)
    }

    /// Traces that show it.
    fn affected(&self) -> u64 {
        let (k, n) = self.now;
        if self.is_missing() {
            n.saturating_sub(k)
        } else {
            k
        }
    }
}

/// Whether a trace is among those that are followed, by its id alone.
fn is_followed(trace: TraceId, thinned: u8) -> bool {
    // Ids are random where the specification is kept; mixed, also those that are counted up spread.
    let id = u128::from_le_bytes(*trace.as_bytes());
    let lot = (id as u64 ^ (id >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    lot.leading_zeros() >= u32::from(thinned)
}

fn ratio((part, whole): (u64, u64)) -> f64 {
    part as f64 / whole.max(1) as f64
}
