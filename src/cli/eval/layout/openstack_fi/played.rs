//! The rounds of a campaign as they would be sent to `serve`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::super::nezha::{Item, otlp};
use super::super::table::{Table, cells};
use super::{AllFacts, campaigns, logger_of, read_facts, stream_of};
use crate::cli::eval::dataset::Class;
use crate::cli::eval::rounds::component_of;
use crate::core::parse::read_head;
use crate::core::record::{StreamKey, Timestamp};

/// The rounds of one deployment.
#[derive(Default)]
pub(in crate::cli) struct Campaign {
    pub(in crate::cli) name: String,
    /// In order of time, without those in which a fault was injected that nobody noticed, and without
    /// failures of which no cause is known.
    pub(in crate::cli) rounds: Vec<Round>,
    /// The components whose code a service runs, by the loggers of its records in fault-free rounds.
    pub(in crate::cli) runs: BTreeMap<StreamKey, BTreeSet<Box<str>>>,
}

/// A round.
#[derive(Default)]
pub(in crate::cli) struct Round {
    /// The component with the fault; `None` in a fault-free round.
    pub(in crate::cli) fault: Option<Box<str>>,
    /// In order of time.
    pub(in crate::cli) items: Vec<Item>,
}

/// The campaigns of a folder, by name, and what reads one.
///
/// # Errors
/// When there is none, or the tables cannot be read.
pub(in crate::cli) fn open(folder: &Path) -> anyhow::Result<(Vec<(String, PathBuf)>, Tables)> {
    Ok((campaigns(folder)?, Tables(read_facts(folder)?)))
}

/// What the tables say of all rounds.
pub(in crate::cli) struct Tables(AllFacts);

impl Tables {
    /// The rounds of the campaign in `path`.
    ///
    /// # Errors
    /// When it cannot be read or lacks a column.
    pub(in crate::cli) fn read(&self, name: &str, path: &Path) -> anyhow::Result<Campaign> {
        let mut table = Table::open(path, &["round_id", "ts", "service", "level", "line"])?;
        let mut rounds: BTreeMap<Box<str>, Round> = BTreeMap::new();
        let mut runs: BTreeMap<StreamKey, BTreeSet<Box<str>>> = BTreeMap::new();
        while let Some(row) = table.next_row()? {
            let [id, time, service, level, line] = cells(&row);
            let Some(facts) = self.0.get(id) else {
                continue;
            };
            let fault = match (facts.class, &facts.component) {
                (Class::Normal, _) => None,
                (Class::Abnormal, Some(component)) => Some(component.clone()),
                (Class::Abnormal, None) | (Class::Ambiguous, _) => continue,
            };
            let stream = stream_of(service);
            if fault.is_none()
                && let Some(logger) = logger_of(line, level)
            {
                let components = runs.entry(stream.clone()).or_default();
                components.insert(component_of(logger).into());
            }
            let round = rounds.entry(id.into()).or_default();
            round.fault = fault;
            let before = round.items.last().map_or(Timestamp::ZERO, |item| item.at);
            let at = read_head(time, None).time.unwrap_or(before);
            round.items.push(item(&stream, at, line));
        }
        let mut rounds: Vec<Round> = rounds.into_values().collect();
        for round in &mut rounds {
            round.items.sort_by_key(|item| item.at);
        }
        rounds.sort_by_key(|round| round.items.first().map(|item| item.at));
        Ok(Campaign {
            name: name.to_owned(),
            rounds,
            runs,
        })
    }
}

/// A record of a service that has one pod.
fn item(stream: &StreamKey, at: Timestamp, line: &str) -> Item {
    let pod = format!("{}-0", stream.name);
    let resource = otlp::resource(&[
        ("service.name", &stream.name),
        ("service.namespace", &stream.namespace),
        ("k8s.pod.name", &pod),
    ]);
    let record = LogRecord {
        time_unix_nano: at.as_nanos(),
        // A record of several lines is kept in one, with the line ends written out.
        body: Some(otlp::text(&line.replace("\\n", "\n"))),
        ..LogRecord::default()
    };
    Item {
        at,
        request: otlp::record(&resource, record),
    }
}

/// Who depends on whom, as operators would write it into a catalog.
pub(in crate::cli) fn links(campaign: &Campaign) -> Vec<(StreamKey, StreamKey)> {
    let services: BTreeSet<&StreamKey> = campaign.runs.keys().collect();
    let links = super::links(&services).into_iter();
    links
        .map(|(caller, callee)| (caller.clone(), callee.clone()))
        .collect()
}
