//! Lines streamed through the core as `serve` would: was the incident found, and how much noise was
//! there?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Serialize;

use super::ensemble::ENSEMBLE;
use super::layout::thunderbird::{Line, read};
use super::training::train_with_bar;
use crate::cli::offline;
use crate::cli::story::clock;
use crate::cli::terminal::printable;
use crate::core::engine::{Learn, Output, Settings, Shard};
use crate::core::parse::{Miner, message};
use crate::core::record::{Batch, Record, Resource, StreamKey, TemplateId, Timestamp};
use crate::core::redact::Redactor;
use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use crate::core::train::{TrainSettings, train};

/// The share of lines, the oldest ones, that is trained on where one folder is both. The first
/// labelled line ends it in any case.
const TRAINED_SHARE: f64 = 0.4;
/// An alert this long after the last labelled line of a node still belongs to its incident: the
/// time-out after which silence is told.
const AFTERMATH: Duration = Duration::from_secs(300);
/// Anomalies of one fingerprint within so long are one alert: the default of a sink of `serve`.
const FOLDED_WITHIN: Duration = Duration::from_secs(60);
/// Most false alarms that are told one by one.
const TOLD_MAX: usize = 10;
/// Characters of one.
const TOLD_LEN_MAX: usize = 400;
/// Lines given to the core at once.
const BATCH_LEN: usize = 4_096;

/// Everything that was found.
#[derive(Serialize)]
pub(super) struct IncidentReport {
    layout: &'static str,
    seed: u64,
    trained_lines: usize,
    judged_lines: usize,
    judged_hours: f64,
    nodes: usize,
    rows: Vec<Row>,
}

/// One detector.
#[derive(Debug, Serialize)]
struct Row {
    detector: &'static str,
    /// Nodes with labelled lines.
    incidents: usize,
    incidents_found: usize,
    /// From the first labelled line of a found incident to its first alert; the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_s: Option<f64>,
    /// After folding.
    alerts: usize,
    /// Alerts outside of every incident.
    false_alarms: usize,
    false_alarms_per_hour: f64,
    /// When, on which node and why the first [`TOLD_MAX`] of them were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    false_alarms_told: Vec<String>,
    /// Before folding.
    anomalies: usize,
    false_anomalies: usize,
}

/// Something said by a detector.
struct Said {
    time: Timestamp,
    /// `None` for what concerns the whole stream.
    node: Option<Box<str>>,
    fingerprint: Box<str>,
    why: Box<str>,
}

/// Trains on the older lines and judges the others.
///
/// # Errors
/// When a folder cannot be read or there is too little to train on.
pub(super) fn measure(
    train: &Path,
    test: &Path,
    settings: &TrainSettings,
) -> anyhow::Result<IncidentReport> {
    let (trained, judged) = split(train, test)?;
    let rows = vec![
        Row::new(ENSEMBLE, &ours(&trained, &judged, settings)?, &judged),
        Row::new("unseen_template", &unseen(&trained, &judged), &judged),
    ];
    let nodes: BTreeSet<&str> = judged.iter().map(|line| line.node.as_ref()).collect();
    Ok(IncidentReport {
        layout: "thunderbird",
        seed: settings.seed,
        trained_lines: trained.len(),
        judged_lines: judged.len(),
        judged_hours: hours(&judged),
        nodes: nodes.len(),
        rows,
    })
}

/// The lines to train on, none of them labelled, and those to judge.
fn split(train: &Path, test: &Path) -> anyhow::Result<(Vec<Line>, Vec<Line>)> {
    let mut trained = read(train)?;
    let first_labelled = trained.iter().position(|line| line.abnormal);
    let quiet = first_labelled.unwrap_or(trained.len());
    let judged = if super::layout::is_same(train, test)? {
        let share = (trained.len() as f64 * TRAINED_SHARE) as usize;
        trained.split_off(share.min(quiet))
    } else {
        trained.truncate(quiet);
        read(test)?
    };
    ensure!(
        !trained.is_empty() && !judged.is_empty(),
        "there is no line to train on before the first labelled one, or none after"
    );
    Ok((trained, judged))
}

/// What the core says about the judged lines.
fn ours(trained: &[Line], judged: &[Line], settings: &TrainSettings) -> anyhow::Result<Vec<Said>> {
    let stream = offline::stream();
    let mut shard = shard()?;
    feed(&mut shard, trained);
    shard.finish(Timestamp::ZERO);
    let corpus = shard.corpus(&stream).unwrap_or_default();
    let bundle = train_with_bar(train, &corpus, settings, "knothole")
        .context("training knothole's detector")?;
    shard.install(&stream, Arc::new(bundle), Timestamp::ZERO);
    shard.take_outputs();
    feed(&mut shard, judged);
    shard.finish(Timestamp::ZERO);
    let mut said = Vec::new();
    for output in shard.take_outputs() {
        match output {
            Output::Anomaly(anomaly) => said.push(Said {
                time: anomaly.first_seen,
                node: anomaly.resource.get("host.name").map(Into::into),
                fingerprint: anomaly.fingerprint.clone(),
                why: anomaly.explanation.reason.clone(),
            }),
            Output::Unjudged { reason, .. } => bail!("some lines were not judged: {reason}"),
            _ => {}
        }
    }
    Ok(said)
}

/// A shard that never asks for a training of its own accord.
fn shard() -> anyhow::Result<Shard> {
    let settings = Settings::new(KeyFinder::new(DEFAULT_BODY_IDS)?);
    let learn = Learn {
        sequences_min: usize::MAX,
        ..settings.learn.clone()
    };
    Ok(offline::shard(Settings { learn, ..settings }))
}

/// Gives lines to the core, those of one node that stand together in one batch.
fn feed(shard: &mut Shard, lines: &[Line]) {
    let stream: StreamKey = offline::stream();
    let mut resources: BTreeMap<&str, Arc<Resource>> = BTreeMap::new();
    for run in lines.chunk_by(|a, b| a.node == b.node) {
        let Some(node) = run.first().map(|line| line.node.as_ref()) else {
            continue;
        };
        let resource = resources.entry(node).or_insert_with(|| {
            let attributes = vec![("host.name".into(), node.into())];
            Arc::new(Resource::new(attributes))
        });
        for lines in run.chunks(BATCH_LEN) {
            let mut batch = Batch::new(stream.clone(), Arc::clone(resource));
            batch.extend(lines.iter().map(|line| Record {
                time: Some(line.time),
                body: &line.body,
                ..Record::default()
            }));
            shard.push(batch, Timestamp::ZERO);
        }
    }
}

/// Every line with a template that training never saw.
fn unseen(trained: &[Line], judged: &[Line]) -> Vec<Said> {
    let redactor = Redactor::default();
    let mut miner = Miner::default();
    let mut parse = |line: &Line| -> TemplateId {
        let body = redactor.text(&line.body);
        let message = message(&body, Some(line.time));
        miner
            .parse_with(message.text(), &message.constant, line.time)
            .id
    };
    let trained: Vec<TemplateId> = trained.iter().map(&mut parse).collect();
    let judged: Vec<(TemplateId, &Line)> = judged.iter().map(|line| (parse(line), line)).collect();
    let seen: BTreeSet<TemplateId> = trained.iter().map(|id| miner.leads_to(*id)).collect();
    let judged = judged
        .into_iter()
        .map(|(id, line)| (miner.leads_to(id), line));
    judged
        .filter(|(id, _)| !seen.contains(id))
        .map(|(id, line)| Said {
            time: line.time,
            node: Some(line.node.clone()),
            fingerprint: id.to_string().into(),
            why: "a template that training never saw".into(),
        })
        .collect()
}

/// What happened on one node, from its first to its last labelled line.
struct Incident {
    from: Timestamp,
    to: Timestamp,
}

impl Incident {
    fn holds(&self, time: Timestamp) -> bool {
        self.from <= time && time <= self.to.plus(AFTERMATH)
    }
}

fn incidents(judged: &[Line]) -> BTreeMap<&str, Incident> {
    let mut incidents: BTreeMap<&str, Incident> = BTreeMap::new();
    for line in judged.iter().filter(|line| line.abnormal) {
        let incident = incidents.entry(&line.node).or_insert(Incident {
            from: line.time,
            to: line.time,
        });
        incident.to = incident.to.max(line.time);
    }
    incidents
}

impl Said {
    fn told(&self) -> String {
        let node = self.node.as_deref().unwrap_or("all nodes");
        let told = format!("{} {node}: {}", clock(self.time), self.why);
        printable(&told, TOLD_LEN_MAX)
    }
}

impl Row {
    fn new(detector: &'static str, said: &[Said], judged: &[Line]) -> Self {
        let incidents = incidents(judged);
        let mut found: BTreeMap<&str, Timestamp> = BTreeMap::new();
        let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
        let (mut alerts, mut false_alarms, mut false_anomalies) = (0, 0, 0);
        let mut false_alarms_told = Vec::new();
        let mut ordered: Vec<&Said> = said.iter().collect();
        ordered.sort_by_key(|one| one.time);
        for one in ordered {
            let of = incidents.iter().find(|(node, incident)| {
                let is_there = one.node.as_deref().is_none_or(|name| name == **node);
                is_there && incident.holds(one.time)
            });
            let repeats = last
                .get(one.fingerprint.as_ref())
                .is_some_and(|before| one.time.since(*before) < FOLDED_WITHIN);
            if !repeats {
                last.insert(&one.fingerprint, one.time);
                alerts += 1;
            }
            match of {
                // Also one that folds into an alert which is out already tells of the incident.
                Some((node, _)) => {
                    found.entry(node).or_insert(one.time);
                }
                None => {
                    false_anomalies += 1;
                    false_alarms += usize::from(!repeats);
                    if !repeats && false_alarms_told.len() < TOLD_MAX {
                        false_alarms_told.push(one.told());
                    }
                }
            }
        }
        let delays = found.iter().filter_map(|(node, time)| {
            let from = incidents.get(node)?.from;
            Some(time.since(from).as_secs_f64())
        });
        Self {
            detector,
            incidents: incidents.len(),
            incidents_found: found.len(),
            delay_s: delays.reduce(f64::max),
            alerts,
            false_alarms,
            false_alarms_per_hour: false_alarms as f64 / hours(judged).max(f64::MIN_POSITIVE),
            false_alarms_told,
            anomalies: said.len(),
            false_anomalies,
        }
    }
}

fn hours(lines: &[Line]) -> f64 {
    let (first, last) = (lines.first(), lines.last());
    first.zip(last).map_or(0.0, |(first, last)| {
        last.time.since(first.time).as_secs_f64() / 3_600.0
    })
}

impl fmt::Display for IncidentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## knothole eval, layout {}\n", self.layout)?;
        writeln!(
            f,
            "Trained on {} lines, judged the {} after them ({:.2} hours, {} nodes), seed {}.\n\
             An incident is what happened on one node from its first to its last labelled line. \
             Anomalies of one fingerprint within a minute are one alert.\n",
            self.trained_lines, self.judged_lines, self.judged_hours, self.nodes, self.seed,
        )?;
        writeln!(
            f,
            "| detector | incidents found | s to the first alert | alerts | false alarms | an hour | \
             anomalies | false anomalies |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let delay = row
                .delay_s
                .map_or("–".to_owned(), |delay| format!("{delay:.0}"));
            writeln!(
                f,
                "| {} | {} of {} | {delay} | {} | {} | {:.1} | {} | {} |",
                row.detector,
                row.incidents_found,
                row.incidents,
                row.alerts,
                row.false_alarms,
                row.false_alarms_per_hour,
                row.anomalies,
                row.false_anomalies,
            )?;
        }
        let accused = self.rows.iter();
        for row in accused.filter(|row| !row.false_alarms_told.is_empty()) {
            let first = row.false_alarms_told.len();
            writeln!(f, "\nThe first {first} false alarms of {}:\n", row.detector)?;
            for told in &row.false_alarms_told {
                writeln!(f, "- {told}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u64, node: &str, body: &str, abnormal: bool) -> Line {
        Line {
            time: Timestamp::from_millis(second * 1_000),
            node: node.into(),
            body: body.into(),
            abnormal,
        }
    }

    fn said(second: u64, node: Option<&str>, fingerprint: &str) -> Said {
        Said {
            time: Timestamp::from_millis(second * 1_000),
            node: node.map(Into::into),
            fingerprint: fingerprint.into(),
            why: "odd".into(),
        }
    }

    /// An hour with an incident on one node from the 1,000th to the 1,100th second.
    fn hour() -> Vec<Line> {
        vec![
            line(1, "n1", "all is well", false),
            line(1_000, "n2", "a disk is gone", true),
            line(1_100, "n2", "a disk is gone", true),
            line(3_601, "n1", "all is well", false),
        ]
    }

    #[test]
    fn only_what_is_said_of_its_node_and_its_time_finds_an_incident() {
        let row = |all: &[Said]| Row::new("test", all, &hour());
        let found = row(&[said(1_005, Some("n2"), "a")]);
        assert_eq!((found.incidents_found, found.false_alarms), (1, 0));
        assert_eq!(found.delay_s, Some(5.0));
        let stream = row(&[said(1_200, None, "a")]);
        assert_eq!((stream.incidents_found, stream.false_alarms), (1, 0));
        let elsewhere = row(&[said(1_005, Some("n1"), "a"), said(500, Some("n2"), "b")]);
        assert_eq!((elsewhere.incidents_found, elsewhere.false_alarms), (0, 2));
        assert_eq!(elsewhere.false_alarms_told.len(), 2);
        assert_eq!(elsewhere.false_alarms_per_hour, 2.0);
    }

    #[test]
    fn repeats_within_a_minute_are_one_alert() {
        let repeats = [10, 20, 60, 70].map(|second| said(second, Some("n1"), "a"));
        let row = Row::new("test", &repeats, &hour());
        assert_eq!((row.alerts, row.false_alarms), (2, 2));
        assert_eq!((row.anomalies, row.false_anomalies), (4, 4));
    }

    #[test]
    fn a_line_of_a_kind_that_training_lacks_is_said_by_the_simple_detector() {
        let trained = [line(1, "n1", "all is well", false)];
        let all = unseen(&trained, &hour());
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].node.as_deref(), Some("n2"));
    }

    #[test]
    fn too_few_lines_to_train_on_are_an_error_and_not_silence() {
        let trained: Vec<Line> = (0..300)
            .map(|second| line(second, "n1", "all is well", false))
            .collect();
        let error = ours(&trained, &hour(), &TrainSettings::default()).err();
        let error = format!("{:#}", error.unwrap());
        assert!(error.contains("cannot train on"), "{error}");
    }
}
