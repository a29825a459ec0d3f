//! Faults of microservices, each played through the core as `serve` would: is it one incident, and does
//! the incident name where it began?

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::layout::is_same;
use super::layout::nezha::{Fault, Folder, Item, Reader};
use super::world::World;
use crate::core::event::Incident;
use crate::core::record::Timestamp;

/// The written time of an injection is up to so much later than its first effects, so what came in this
/// time before it counts as neither normal nor free of the fault: it is played.
const GUARD: Duration = Duration::from_secs(60);
/// Metrics are learned from only so far away from every fault.
const METRICS_APART: Duration = Duration::from_secs(600);
/// Metrics are read every minute: those of a fault's last minute come a little after it.
const METRICS_AFTER: Duration = Duration::from_secs(15);
/// Of fault-free stretches every so-manieth is left out and played, in turn.
pub(in crate::cli) const FOLDS: usize = 5;
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
    eprintln!("learning from {} fault-free stretches", stretches.len());
    let learned = World::learn(stretches.iter(), &metrics)?;
    eprintln!("playing {} faults", tested.faults.len());
    let played = tested.faults.iter().map(|fault| {
        let incidents = World::of(&learned)?.play(&of_fault(fault, &tested.metrics))?;
        Ok(Played::new(fault, &incidents))
    });
    let played = played.collect::<anyhow::Result<Vec<Played>>>()?;
    eprintln!("playing what is fault-free");
    let false_incidents = false_incidents(&stretches)?;
    let later = metrics.split_at(metrics.len() / 2);
    let learned = World::learn([].iter(), later.0)?;
    let false_incidents_metrics = World::of(&learned)?.play(later.1)?.len();
    Ok(NezhaReport {
        false_incidents,
        false_incidents_of: stretches.len(),
        false_incidents_metrics,
        metric_hours: hours(later.1),
        ..NezhaReport::new(played)
    })
}

/// The fault-free stretches of a folder: its fault-free minute, and what came before each fault.
pub(in crate::cli) fn normal(folder: &Folder) -> Vec<Vec<Item>> {
    let before = folder.faults.iter().map(|fault| {
        let until = fault.at.minus(GUARD);
        let items = fault.items.iter().filter(|item| item.at < until);
        items.cloned().collect::<Vec<Item>>()
    });
    let stretches = [folder.normal.clone()].into_iter().chain(before);
    stretches.filter(|stretch| !stretch.is_empty()).collect()
}

/// The metrics of the hours that are far from every fault, in order of time.
pub(in crate::cli) fn fault_free_metrics(folders: &[&Folder]) -> Vec<Item> {
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
pub(in crate::cli) fn of_fault(fault: &Fault, metrics: &[Item]) -> Vec<Item> {
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
fn false_incidents(stretches: &[Vec<Item>]) -> anyhow::Result<usize> {
    let mut opened = 0;
    for fold in 0..FOLDS {
        let placed = stretches.iter().enumerate();
        let (left_out, others): (Vec<_>, Vec<_>) = placed.partition(|(at, _)| at % FOLDS == fold);
        let learned = World::learn(others.into_iter().map(|(_, stretch)| stretch), &[])?;
        for (_, stretch) in left_out {
            opened += World::of(&learned)?.play(stretch)?.len();
        }
    }
    Ok(opened)
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
