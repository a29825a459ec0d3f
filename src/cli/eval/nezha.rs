//! Faults of microservices, each played through the core as `serve` would: is it one incident, and does
//! the incident name where it began?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::layout::is_same;
use super::layout::nezha::{Fault, Folder, Item, Reader, What};
use crate::core::cause::{CauseInput, cause};
use crate::core::event::{Cause, Incident, Sign, Stage};
use crate::core::incident::{Correlator, Settings};
use crate::core::record::{Resource, StreamKey, TemplateId, Timestamp};
use crate::core::topology::{LinkSource, Topology};
use crate::core::witness::{Finding, Flow, Noted, Witness};

/// The written time of an injection is up to so much later than its first effects, so what came in this
/// time before it counts as neither normal nor free of the fault: it is played.
const GUARD: Duration = Duration::from_secs(60);
/// Metrics are learned from only so far away from every fault.
const METRICS_APART: Duration = Duration::from_secs(600);
/// Metrics are read every minute: those of a fault's last minute come a little after it.
const METRICS_AFTER: Duration = Duration::from_secs(15);
/// The core is told what time it is this often.
const TICK: Duration = Duration::from_secs(1);
/// Incidents that are settling at the end of a run are waited for.
const SETTLED: Duration = Duration::from_secs(30);
/// What differed shortly before an incident belongs to it.
const LEAD: Duration = Duration::from_secs(120);
/// Of fault-free stretches every so-manieth is left out and played, in turn.
const FOLDS: usize = 5;
/// Suspects up to this place count for `top3`.
const NEAR_TOP: usize = 3;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct NezhaReport {
    layout: &'static str,
    faults: usize,
    /// Shares of all faults.
    one_incident: f64,
    top1: f64,
    top3: f64,
    /// Faults with exactly one incident, with its cause first, and with it among the first three.
    counts: [usize; 3],
    /// Incidents in fault-free stretches, and how many stretches there are.
    false_incidents: usize,
    false_incidents_of: usize,
    /// Incidents in the later half of the fault-free hours of metrics, and how many hours that are.
    false_incidents_metrics: usize,
    metric_hours: f64,
    rows: Vec<Row>,
    /// What came of each fault, in the order of the set.
    played: Vec<Played>,
}

/// Faults of one type.
#[derive(Debug, Default, Serialize)]
struct Row {
    kind: Box<str>,
    faults: usize,
    found: usize,
    one_incident: usize,
    top1: usize,
    top3: usize,
}

/// What came of one fault.
#[derive(Debug, Serialize)]
struct Played {
    kind: Box<str>,
    incidents: usize,
    signs: usize,
    /// The place of the right service among the suspects, from 1 on.
    place: Option<usize>,
    /// The first suspect and its foremost evidence.
    says: Option<String>,
}

/// Learns from what is fault-free in both folders and plays the faults of `test`.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn measure(train: &Path, test: &Path) -> anyhow::Result<NezhaReport> {
    let mut reader = Reader::default();
    eprintln!("reading");
    let tested = reader.read(test)?;
    let trained = if is_same(train, test)? {
        None
    } else {
        Some(reader.read(train)?)
    };
    let folders: Vec<&Folder> = trained.iter().chain([&tested]).collect();
    let stretches: Vec<Vec<Item>> = folders.iter().flat_map(|folder| normal(folder)).collect();
    ensure!(!stretches.is_empty(), "nothing is fault-free");
    let metrics = fault_free_metrics(&folders);
    let texts = &reader.texts;
    eprintln!("learning from {} fault-free stretches", stretches.len());
    let learned = World::learn(stretches.iter(), &metrics, texts);
    eprintln!("playing {} faults", tested.faults.len());
    let played = tested.faults.iter().map(|fault| {
        let mut world = learned.clone();
        let incidents = world.play(&of_fault(fault, &tested.metrics), texts);
        Played::new(fault, &incidents)
    });
    let played: Vec<Played> = played.collect();
    eprintln!("playing what is fault-free");
    let false_incidents = false_incidents(&stretches, texts);
    let later = metrics.split_at(metrics.len() / 2);
    let mut world = World::learn([].iter(), later.0, texts);
    let false_incidents_metrics = world.play(later.1, texts).len();
    Ok(NezhaReport {
        false_incidents,
        false_incidents_of: stretches.len(),
        false_incidents_metrics,
        metric_hours: hours(later.1),
        ..NezhaReport::new(played)
    })
}

/// The core as `serve` puts it together, without its shards: flows stand for the log detectors.
#[derive(Clone)]
struct World {
    witness: Witness,
    flows: BTreeMap<Arc<StreamKey>, (Flow, Arc<Resource>)>,
    topology: Topology,
    correlator: Correlator,
    learns: bool,
}

impl World {
    /// A world that has seen all of `metrics` and then `stretches`, one after the other.
    fn learn<'a>(
        stretches: impl Iterator<Item = &'a Vec<Item>>,
        metrics: &[Item],
        texts: &BTreeMap<TemplateId, Box<str>>,
    ) -> Self {
        let mut world = Self {
            witness: Witness::default(),
            flows: BTreeMap::new(),
            topology: Topology::default(),
            correlator: Correlator::new(Settings::default()),
            learns: true,
        };
        world.witness.learn_all(true);
        world.play(metrics, texts);
        world.rest();
        for stretch in stretches {
            world.play(stretch, texts);
            world.rest();
        }
        world.learns = false;
        world.witness.learn_all(false);
        for (flow, _) in world.flows.values_mut() {
            flow.learn_all(false);
        }
        world
    }

    /// Plays `items` and gives the incidents that were opened, each with what is said of it in the end.
    fn play(&mut self, items: &[Item], texts: &BTreeMap<TemplateId, Box<str>>) -> Vec<Incident> {
        let mut opened: BTreeSet<Box<str>> = BTreeSet::new();
        let mut due = Timestamp::ZERO;
        let mut now = Timestamp::ZERO;
        for item in items {
            now = now.max(item.at);
            if now >= due {
                due = now.plus(TICK);
                let signs = self.signs(now, texts);
                self.correlate(signs, now, &mut opened);
            }
            self.take(item, now);
        }
        let signs = self.last_signs(texts);
        self.correlate(signs, now, &mut opened);
        let end = now.plus(SETTLED);
        while now < end {
            now = now.plus(TICK);
            self.correlate(Vec::new(), now, &mut opened);
        }
        let ids = opened.iter();
        let incidents = ids.filter_map(|id| self.correlator.get(id));
        incidents
            .map(|incident| Incident {
                cause: self.cause(&incident),
                ..incident
            })
            .collect()
    }

    fn take(&mut self, item: &Item, now: Timestamp) {
        match &item.what {
            What::Spans(spans) => self.witness.spans(spans, now),
            What::Metric(metric) => self.witness.metric(metric, now),
            What::Record(stream, resource, heard, span) => {
                let learns = self.learns;
                let (flow, _) = self.flows.entry(Arc::clone(stream)).or_insert_with(|| {
                    let mut flow = Flow::default();
                    flow.learn_all(learns);
                    (flow, Arc::clone(resource))
                });
                flow.hear(*heard);
                let noted = Noted {
                    stream,
                    trace: heard.trace,
                    span: *span,
                    template: heard.template,
                    text: "",
                };
                self.witness.record(&noted, now);
            }
        }
    }

    fn signs(&mut self, now: Timestamp, texts: &BTreeMap<TemplateId, Box<str>>) -> Vec<Sign> {
        let mut signs = self.witness.advance(now);
        for (stream, (flow, resource)) in &mut self.flows {
            let broken = flow.advance(now);
            signs.extend(
                broken
                    .iter()
                    .map(|broken| broken.sign(stream, resource, text_of(texts))),
            );
        }
        signs
    }

    fn last_signs(&mut self, texts: &BTreeMap<TemplateId, Box<str>>) -> Vec<Sign> {
        let mut signs = self.witness.finish();
        for (stream, (flow, resource)) in &mut self.flows {
            let broken = flow.finish();
            signs.extend(
                broken
                    .iter()
                    .map(|broken| broken.sign(stream, resource, text_of(texts))),
            );
        }
        signs
    }

    fn correlate(&mut self, signs: Vec<Sign>, now: Timestamp, opened: &mut BTreeSet<Box<str>>) {
        for link in self.witness.take_links() {
            let by = LinkSource::Span;
            self.topology.link(&link.caller, &link.callee, link.at, by);
        }
        if self.learns {
            return;
        }
        for sign in signs {
            self.correlator.sign(Arc::new(sign), &self.topology, now);
        }
        self.correlator.advance(now);
        for event in self.correlator.take(|_| (), |_, _| ()) {
            if event.stage == Stage::Opened {
                opened.insert(event.incident.id.clone());
            }
        }
    }

    fn cause(&self, incident: &Incident) -> Cause {
        let from = incident.began.minus(LEAD);
        let findings = self.witness.findings(from, incident.last_seen);
        let findings: Vec<Finding> = findings.cloned().collect();
        let input = CauseInput {
            findings: &findings,
            topology: &self.topology,
            changes: &[],
            counted: &[],
        };
        cause(incident, &input)
    }

    /// Forgets what went on and keeps what was learned.
    fn rest(&mut self) {
        self.witness.rest();
        for (flow, _) in self.flows.values_mut() {
            flow.rest();
        }
        self.correlator = Correlator::new(Settings::default());
    }
}

fn text_of(texts: &BTreeMap<TemplateId, Box<str>>) -> impl Fn(TemplateId) -> Box<str> {
    |id| texts.get(&id).cloned().unwrap_or_default()
}

/// The fault-free stretches of a folder: its fault-free minute, and what came before each fault.
fn normal(folder: &Folder) -> Vec<Vec<Item>> {
    let before = folder.faults.iter().map(|fault| {
        let until = fault.at.minus(GUARD);
        let items = fault.items.iter().filter(|item| item.at < until);
        items.cloned().collect::<Vec<Item>>()
    });
    let stretches = [folder.normal.clone()].into_iter().chain(before);
    stretches.filter(|stretch| !stretch.is_empty()).collect()
}

/// The metrics of the hours that are far from every fault, in order of time.
fn fault_free_metrics(folders: &[&Folder]) -> Vec<Item> {
    let faults: Vec<Timestamp> = folders
        .iter()
        .flat_map(|folder| folder.faults.iter().map(|fault| fault.at))
        .collect();
    let is_far = |at: Timestamp| {
        let apart = |fault: &Timestamp| at.since(*fault).max(fault.since(at));
        faults.iter().all(|fault| apart(fault) > METRICS_APART)
    };
    let metrics = folders.iter().flat_map(|folder| &folder.metrics);
    let mut metrics: Vec<Item> = metrics.filter(|item| is_far(item.at)).cloned().collect();
    metrics.sort_by_key(|item| item.at);
    metrics
}

/// What is played of a fault, in order of time.
fn of_fault(fault: &Fault, metrics: &[Item]) -> Vec<Item> {
    let from = fault.at.minus(GUARD);
    let played = fault.items.iter().filter(|item| item.at >= from);
    let mut played: Vec<Item> = played.cloned().collect();
    let last = played.last().map_or(from, |item| item.at);
    let to = last.plus(METRICS_AFTER);
    let during = metrics
        .iter()
        .filter(|item| from <= item.at && item.at <= to);
    played.extend(during.cloned());
    played.sort_by_key(|item| item.at);
    played
}

/// How many incidents there are in stretches that were left out of what was learned.
fn false_incidents(stretches: &[Vec<Item>], texts: &BTreeMap<TemplateId, Box<str>>) -> usize {
    let folds = (0..FOLDS).map(|fold| {
        let placed = stretches.iter().enumerate();
        let (left_out, others): (Vec<_>, Vec<_>) = placed.partition(|(at, _)| at % FOLDS == fold);
        let learned = World::learn(others.into_iter().map(|(_, stretch)| stretch), &[], texts);
        let opened = left_out
            .into_iter()
            .map(|(_, stretch)| learned.clone().play(stretch, texts).len());
        opened.sum::<usize>()
    });
    folds.sum()
}

fn hours(items: &[Item]) -> f64 {
    let ends = items.first().zip(items.last());
    ends.map_or(0.0, |(first, last)| {
        last.at.since(first.at).as_secs_f64() / 3_600.0
    })
}

impl Played {
    fn new(fault: &Fault, incidents: &[Incident]) -> Self {
        // The one with the most to say is the one that somebody would look at.
        let main = incidents.iter().max_by_key(|incident| incident.sign_count);
        let suspects = main.map_or(&[][..], |main| main.cause.suspects.as_slice());
        let place = suspects
            .iter()
            .position(|suspect| *suspect.stream.name == *fault.service);
        let says = suspects.first().map(|first| {
            let foremost = first.evidence.first();
            format!(
                "{}: {}",
                first.stream,
                foremost.map_or("", |evidence| &evidence.says)
            )
        });
        let signs = incidents
            .iter()
            .map(|incident| incident.sign_count)
            .sum::<u64>();
        Self {
            kind: fault.kind.clone(),
            incidents: incidents.len(),
            signs: usize::try_from(signs).unwrap_or(usize::MAX),
            place: place.map(|place| place + 1),
            says,
        }
    }
}

impl NezhaReport {
    fn new(played: Vec<Played>) -> Self {
        let mut rows: BTreeMap<Box<str>, Row> = BTreeMap::new();
        for one in &played {
            let row = rows.entry(one.kind.clone()).or_default();
            row.kind.clone_from(&one.kind);
            row.faults += 1;
            row.found += usize::from(one.incidents > 0);
            row.one_incident += usize::from(one.incidents == 1);
            row.top1 += usize::from(one.place == Some(1));
            row.top3 += usize::from(one.place.is_some_and(|place| place <= NEAR_TOP));
        }
        let rows: Vec<Row> = rows.into_values().collect();
        let sum = |of: fn(&Row) -> usize| rows.iter().map(of).sum::<usize>();
        let counts = [
            sum(|row| row.one_incident),
            sum(|row| row.top1),
            sum(|row| row.top3),
        ];
        let share = |count: usize| count as f64 / played.len().max(1) as f64;
        let [one_incident, top1, top3] = counts.map(share);
        Self {
            layout: "nezha",
            faults: played.len(),
            one_incident,
            top1,
            top3,
            counts,
            false_incidents: 0,
            false_incidents_of: 0,
            false_incidents_metrics: 0,
            metric_hours: 0.0,
            rows,
            played,
        }
    }
}

impl fmt::Display for NezhaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one_incident, top1, top3] = self.counts;
        writeln!(f, "## knothole eval, layout {}\n", self.layout)?;
        writeln!(
            f,
            "Of {} faults, each played on its own, {one_incident} gave exactly one incident ({:.3}); \
             {top1} times its first suspect was the right service ({:.3}), {top3} times one of its first \
             three ({:.3}).\n\n\
             Fault-free: {} incidents in {} stretches of logs and spans that were left out of what was \
             learned, {} in {:.1} hours of metrics.\n",
            self.faults,
            self.one_incident,
            self.top1,
            self.top3,
            self.false_incidents,
            self.false_incidents_of,
            self.false_incidents_metrics,
            self.metric_hours,
        )?;
        writeln!(
            f,
            "| type | faults | found | one incident | top 1 | top 3 |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} |",
                row.kind, row.faults, row.found, row.one_incident, row.top1, row.top3
            )?;
        }
        Ok(())
    }
}
