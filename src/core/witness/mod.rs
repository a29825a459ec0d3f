//! What spans and metrics say: how things are when all is well, and what differs.
//!
//! ```text
//! spans ─ Traces ─ whole trace ─▶ Visit: one service's part of it ─▶ Operation: own time, errors, what it does
//!                          └────▶ Passage: caller's time less callee's ─▶ Ways     │ present against past
//! metrics ───────────────────────▶ Series: level and spread ───────────────────────┤
//! log records ─▶ Flow (in the shard): what comes after what in a trace ─▶ FlowBreak ▼
//!                                                                       Finding ─▶ Sign
//! ```
//!
//! Time is cut into stretches of two minutes. What is counted in a stretch is held against all that was
//! learned before it; a stretch in which something differs is not learned from, unless that lasts.
//! Stretches and time-outs run on uptime, which no clock that jumps can turn; the times that findings
//! name are those of the data.

#[cfg(test)]
mod bounds;
mod finding;
mod flow;
mod lengths;
mod meters;
mod ongoing;
mod operation;
mod pairs;
mod restless;
mod series;
mod share;
mod showing;
mod site;
#[cfg(test)]
mod tests;
mod traces;
mod uptime;
mod visit;
mod ways;
mod words;

pub use finding::{Finding, FindingKind};
pub use flow::{Flow, FlowBreak, FlowSettings, Heard};
pub use site::event_of;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::meters::Meters;
use self::ongoing::Ongoing;
use self::operation::Operation;
use self::traces::{PATIENCE, Placed, Traces};
use self::uptime::Uptime;
use self::ways::Ways;
use crate::core::event::Sign;
use crate::core::record::{Metric, Spans, StreamKey, TemplateId, Timestamp, Trail};

/// How long spans, metrics and flows are only learned from, unless somebody says otherwise.
pub const WARM_UP: Duration = Duration::from_secs(3_600);
/// What is counted is held against the past after so long.
const STRETCH: Duration = Duration::from_secs(120);
/// It is looked at so often, also before a stretch is over.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What differs for so long is how things are now.
const ACCEPTED_AFTER: Duration = Duration::from_secs(3_600);
/// Most operations that are known, of all services; those not used for longest give way.
const OPERATIONS_MAX: usize = 16_384;
/// Records that stay away are judged if so large a share of the services that wrote any a minute ago still
/// do: otherwise their way here is broken.
const WRITERS_SHARE_MIN: f64 = 0.5;
/// Most services whose names are kept.
const STREAMS_MAX: usize = 16_384;
/// Most templates whose texts are kept, and the longest text, in characters.
const TEXTS_MAX: usize = 65_536;
const TEXT_LEN_MAX: usize = 200;
/// Most calls between services that wait to be taken.
const LINKS_MAX: usize = 4_096;

/// What spans and metrics of all services have shown. One per daemon, driven by one thread.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Witness {
    learns_all: bool,
    uptime: Uptime,
    traces: Traces,
    #[serde(with = "pairs")]
    operations: BTreeMap<(Arc<StreamKey>, Arc<str>), Operation>,
    ways: Ways,
    meters: Meters,
    ongoing: Ongoing,
    /// Counts stretches, and when the present one and the latest look began.
    stretch: u64,
    stretch_from: Duration,
    looked: Duration,
    links: BTreeMap<(Arc<StreamKey>, Arc<StreamKey>), Timestamp>,
    #[serde(skip)]
    streams: BTreeSet<Arc<StreamKey>>,
    texts: BTreeMap<TemplateId, Arc<str>>,
    /// The services whose records came in this stretch, and in the one before.
    #[serde(skip)]
    writers: [BTreeSet<Arc<StreamKey>>; 2],
    /// Until when, in uptime, records that are not there may still be on their way.
    #[serde(skip)]
    records_late_until: Duration,
}

/// A service that was seen to call another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The service that calls.
    pub caller: Arc<StreamKey>,
    /// The service that is called.
    pub callee: Arc<StreamKey>,
    /// When it was seen.
    pub at: Timestamp,
}

impl Witness {
    /// Takes spans. `now` is the shell's time; time-outs run on it.
    pub fn spans(&mut self, spans: &Spans, now: Timestamp) {
        let uptime = self.uptime.at(now);
        let stream = self.stream(&spans.stream);
        for span in &spans.spans {
            let placed = Placed {
                span: span.clone(),
                stream: Arc::clone(&stream),
                resource: Arc::clone(&spans.resource),
            };
            self.traces.add(placed, uptime);
        }
    }

    /// Takes log records that are part of traces: what an operation writes belongs to what it does.
    pub fn trail(&mut self, trail: &Trail, now: Timestamp) {
        let uptime = self.uptime.at(now);
        let stream = self.stream(&trail.stream);
        for (from, to) in &trail.moved {
            self.follow(&stream, *from, *to);
        }
        for (event, name) in &trail.names {
            if self.texts.len() >= TEXTS_MAX {
                self.forget_texts();
            }
            if self.texts.len() < TEXTS_MAX {
                let text = name.chars().take(TEXT_LEN_MAX).collect::<String>();
                self.texts.insert(*event, text.into());
            }
        }
        if trail.steps.is_empty() {
            return;
        }
        let [writers, _] = &mut self.writers;
        writers.insert(Arc::clone(&stream));
        for step in &trail.steps {
            let noted = traces::Noted {
                stream: Arc::clone(&stream),
                span: step.span,
                template: step.event,
            };
            self.traces.note(step.trace, noted, uptime);
        }
    }

    /// Records come too late to be seen with the spans that they were written in: none is missed in
    /// this stretch of time, nor is anything learned.
    pub fn records_are_late(&mut self) {
        self.records_late_until = self.uptime.now().saturating_add(STRETCH);
    }

    /// Some spans or records were let go on their way here: what the traces that are open now lack says
    /// nothing.
    pub fn some_is_lost(&mut self) {
        let uptime = self.uptime.now();
        self.traces.start_over(uptime);
    }

    /// How long there was something to see.
    pub const fn age(&self) -> Duration {
        self.uptime.now()
    }

    /// Takes points of a metric; those without a time are of `now`.
    pub fn metric(&mut self, metric: &Metric, now: Timestamp) {
        let uptime = self.uptime.at(now);
        let stream = self.stream(&metric.stream);
        self.meters.take(metric, &stream, now, uptime);
    }

    /// Lets time pass: closes traces that are quiet and judges what came. Call it every few seconds.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Sign> {
        self.advance_but(now, |_| false)
    }

    /// The same, but nothing is learned of a service while it `rests`, as in a maintenance window.
    pub fn advance_but(&mut self, now: Timestamp, rests: impl Fn(&StreamKey) -> bool) -> Vec<Sign> {
        let uptime = self.uptime.at(now);
        self.close_traces(uptime);
        if uptime.saturating_sub(self.looked) < LOOK_EVERY {
            return Vec::new();
        }
        let signs = self.look();
        if uptime.saturating_sub(self.stretch_from) >= STRETCH {
            self.next_stretch(uptime, rests);
        }
        signs
    }

    /// Judges all that came as if time had passed: the input ends here.
    pub fn finish(&mut self) -> Vec<Sign> {
        let uptime = self.uptime.pass(PATIENCE);
        self.close_traces(uptime);
        self.look()
    }

    /// While this is on all that comes is taken for normal and learned: in the first hours, and where
    /// somebody says so.
    pub fn learn_all(&mut self, is_on: bool) {
        self.learns_all = is_on;
    }

    /// Forgets what goes on and keeps what was learned, as for another stretch of time. While all is
    /// learned, so is what was counted last.
    pub fn rest(&mut self) {
        self.traces.clear();
        self.ongoing.clear();
        self.meters.rest();
        self.links.clear();
        for operation in self.operations.values_mut() {
            operation.fold(self.learns_all);
        }
        self.ways.fold(|_| self.learns_all);
        self.stretch += 1;
        self.stretch_from = self.uptime.now();
        self.looked = self.stretch_from;
    }

    /// Calls between services seen since the last time, each pair once: for the topology.
    pub fn take_links(&mut self) -> Vec<Link> {
        let links = std::mem::take(&mut self.links).into_iter();
        let link = |((caller, callee), at)| Link { caller, callee, at };
        links.map(link).collect()
    }

    /// What differed at some time between `from` and `to`, oldest first.
    pub fn findings(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Finding> {
        let during = |finding: &&Finding| finding.first_seen <= to && from <= finding.last_seen;
        let mut found: Vec<&Finding> = self.ongoing.findings().filter(during).collect();
        found.sort_by_key(|finding| finding.first_seen);
        found.into_iter()
    }

    fn close_traces(&mut self, uptime: Duration) {
        while let Some(whole) = self.traces.next_whole(uptime) {
            let (visits, passages) = visit::cut(&whole);
            for visit in visits {
                let key = (Arc::clone(&visit.stream), Arc::clone(&visit.operation));
                self.operations.entry(key).or_default().count(visit, uptime);
            }
            for passage in passages {
                let ends = (Arc::clone(&passage.caller), Arc::clone(&passage.callee));
                if self.links.len() < LINKS_MAX {
                    self.links.insert(ends, passage.start);
                }
                self.ways.count(&passage, uptime);
            }
        }
        if self.operations.len() > OPERATIONS_MAX {
            self.make_room();
        }
    }

    fn look(&mut self) -> Vec<Sign> {
        let uptime = self.uptime.now();
        self.looked = uptime;
        let mut found = self.meters.judge();
        let heard = self.heard();
        for ((stream, name), operation) in &self.operations {
            found.extend(operation.judge(stream, name, &heard));
        }
        found.extend(self.ways.judge());
        keep_sure(&mut found);
        for finding in found {
            self.ongoing.take(finding, self.stretch, uptime);
        }
        self.ongoing.due(uptime)
    }

    fn heard(&self) -> HeardNow<'_> {
        let touched = self
            .operations
            .iter()
            .filter(|(_, operation)| operation.is_touched());
        let services = touched.map(|((stream, _), _)| stream.as_ref()).collect();
        let [writers, before] = &self.writers;
        let share = writers.len() as f64 / before.len().max(1) as f64;
        HeardNow {
            services,
            has_records: share >= WRITERS_SHARE_MIN && !self.are_records_late(),
            texts: &self.texts,
        }
    }

    fn are_records_late(&self) -> bool {
        self.uptime.now() < self.records_late_until
    }

    /// What `from` was is `to` from now on, wherever `stream` writes it.
    fn follow(&mut self, stream: &Arc<StreamKey>, from: TemplateId, to: TemplateId) {
        let first = (Arc::clone(stream), Arc::from(""));
        let of_stream = self.operations.range_mut(first..);
        for (_, operation) in of_stream.take_while(|((owner, _), _)| owner == stream) {
            operation.follow(from, to);
        }
        self.traces.follow(stream, from, to);
    }

    fn next_stretch(&mut self, uptime: Duration, rests: impl Fn(&StreamKey) -> bool) {
        let mut operations = BTreeSet::new();
        let mut streams = BTreeSet::new();
        for finding in self.ongoing.abnormal(self.stretch, ACCEPTED_AFTER) {
            match finding.kind {
                FindingKind::Gap => {
                    streams.insert(Arc::clone(&finding.stream));
                }
                FindingKind::Resource | FindingKind::Metric => {}
                FindingKind::Errors
                | FindingKind::OwnTime
                | FindingKind::Missing
                | FindingKind::New => {
                    operations.insert((Arc::clone(&finding.stream), Arc::clone(&finding.thing)));
                }
            }
        }
        let is_late = self.are_records_late();
        for (key, operation) in &mut self.operations {
            let is_normal = self.learns_all || !operations.contains(key);
            operation.fold(is_normal && !is_late && !rests(&key.0));
        }
        let learns_all = self.learns_all;
        self.ways
            .fold(|end| (learns_all || !streams.contains(end)) && !rests(end));
        self.ongoing.forget(uptime);
        let [writers, before] = &mut self.writers;
        std::mem::swap(writers, before);
        writers.clear();
        self.stretch += 1;
        self.stretch_from = uptime;
    }

    fn make_room(&mut self) {
        // Names that come once, as somebody who puts ids into them makes, push out no other.
        let worth = |it: &Operation| (it.is_learned(), it.latest());
        let mut all: Vec<(bool, Duration)> = self.operations.values().map(worth).collect();
        all.sort_unstable();
        let kept_from = all.get(all.len() / 8).copied().unwrap_or_default();
        self.operations.retain(|_, it| worth(it) >= kept_from);
        while self.operations.len() > OPERATIONS_MAX {
            self.operations.pop_last();
        }
    }

    /// Lets the texts go that no operation is known by.
    fn forget_texts(&mut self) {
        let operations = self.operations.values();
        let used: BTreeSet<TemplateId> = operations.flat_map(Operation::templates).collect();
        self.texts.retain(|template, _| used.contains(template));
    }

    /// The one copy of a service's name.
    fn stream(&mut self, stream: &StreamKey) -> Arc<StreamKey> {
        if let Some(known) = self.streams.get(stream) {
            return Arc::clone(known);
        }
        if self.streams.len() >= STREAMS_MAX {
            self.streams.clear();
        }
        let stream = Arc::new(stream.clone());
        self.streams.insert(Arc::clone(&stream));
        stream
    }
}

/// What is slow at one service says the same, whichever of its operations and ways shows it: all of it
/// together has to be sure enough for a sign.
fn keep_sure(found: &mut [Finding]) {
    let is_slow = |finding: &&mut Finding| {
        let is_time = matches!(finding.kind, FindingKind::OwnTime | FindingKind::Gap);
        is_time && finding.is_sign
    };
    let mut sure: BTreeMap<Arc<StreamKey>, f64> = BTreeMap::new();
    for finding in found.iter_mut().filter(is_slow) {
        *sure.entry(Arc::clone(&finding.stream)).or_default() += finding.weight;
    }
    for finding in found.iter_mut().filter(is_slow) {
        let weight = sure.get(&finding.stream).copied().unwrap_or_default();
        finding.is_sign = weight >= operation::SIGN_NATS;
    }
}

/// What came in the present stretch.
struct HeardNow<'a> {
    services: BTreeSet<&'a StreamKey>,
    has_records: bool,
    texts: &'a BTreeMap<TemplateId, Arc<str>>,
}

impl operation::Heard for HeardNow<'_> {
    fn service(&self, stream: &StreamKey) -> bool {
        self.services.contains(stream)
    }

    fn records(&self) -> bool {
        self.has_records
    }

    fn text(&self, template: TemplateId) -> Arc<str> {
        self.texts
            .get(&template)
            .map_or_else(Default::default, Arc::clone)
    }
}
