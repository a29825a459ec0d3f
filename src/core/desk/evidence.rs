//! What is known beside signs: spans, metrics, traffic, changes, who calls whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::cause::{self, CauseInput, Counted};
use crate::core::changes::{Changes, NEAR};
use crate::core::event::{Cause, Incident, Sign};
use crate::core::record::{Change, Resource, StreamKey, Timestamp};
use crate::core::silence::{Silences, Subject};
use crate::core::topology::{LinkSource, Topology};
use crate::core::traffic::{ATTRIBUTES, Traffic};
use crate::core::witness::{Finding, Witness};

/// How long before an incident spans and metrics are looked at: what comes first is often seen before
/// the first log record that is odd.
const BEFORE: Duration = Duration::from_mins(5);
/// Most values of each attribute that are compared for one incident, those with the most signs.
const VALUES_MAX: usize = 16;

/// Everything an incident is explained with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub(super) witness: Witness,
    pub(super) topology: Topology,
    pub(super) changes: Changes,
    pub(super) traffic: Traffic,
    /// Changes that nobody was told of yet.
    #[serde(skip)]
    pub(super) fresh: Vec<Arc<Change>>,
}

impl Evidence {
    /// Counts records of one resource; the first of a new version are a change.
    pub(super) fn seen(
        &mut self,
        stream: &StreamKey,
        resource: &Resource,
        (records, at): (u64, Timestamp),
    ) {
        if let Some(change) = self.traffic.seen(stream, resource, (records, at)) {
            self.change(Arc::new(change));
        }
    }

    /// Takes a change; whether it is new.
    pub(super) fn change(&mut self, change: Arc<Change>) -> bool {
        let is_new = self.changes.add(Arc::clone(&change));
        if is_new {
            self.fresh.push(change);
        }
        is_new
    }

    /// What spans and metrics show by now; nothing while they are only learned from.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        warm_up: Duration,
        silences: &Silences,
    ) -> Vec<Sign> {
        let is_learning = self.witness.age() < warm_up;
        self.witness.learn_all(is_learning);
        let rests = |stream: &StreamKey| {
            let resource = Resource::default();
            let subject = Subject::of_stream(stream, &resource, None);
            !silences.windows().is_empty() && silences.verdict(&subject, now).no_learn
        };
        let mut signs = self.witness.advance_but(now, rests);
        if is_learning {
            signs.clear();
        }
        for link in self.witness.take_links() {
            self.topology
                .link(&link.caller, &link.callee, link.at, LinkSource::Span);
        }
        signs
    }

    /// What probably caused an incident.
    pub(super) fn cause(&self, incident: &Incident, now: Timestamp) -> Cause {
        let from = incident.began.minus(BEFORE);
        let findings = self.witness.findings(from, now);
        let findings: Vec<Finding> = findings.into_iter().cloned().collect();
        let since = incident.began.minus(NEAR);
        let changes: Vec<Arc<Change>> = self.changes.since(since).cloned().collect();
        let counted = self.counted(incident);
        let input = CauseInput {
            findings: &findings,
            topology: &self.topology,
            changes: &changes,
            counted: &counted,
        };
        cause::cause(incident, &input)
    }

    /// How often each attribute of the signs has its value among them, and among the records of their
    /// services.
    fn counted(&self, incident: &Incident) -> Vec<Counted> {
        let mut counted = Vec::new();
        for attribute in ATTRIBUTES {
            let with = incident.signs.iter();
            let with: Vec<(&Arc<Sign>, &str)> = with
                .filter_map(|sign| Some((sign, sign.resource.get(attribute)?)))
                .collect();
            let all = with.iter().map(|(sign, _)| sign.count).sum();
            let mut signs_with: BTreeMap<&str, u64> = BTreeMap::new();
            for (sign, value) in &with {
                *signs_with.entry(value).or_default() += sign.count;
            }
            let mut values: Vec<(&str, u64)> = signs_with.into_iter().collect();
            values.sort_by_key(|(_, count)| Reverse(*count));
            values.truncate(VALUES_MAX);
            let streams: BTreeSet<&StreamKey> = with.iter().map(|(sign, _)| &sign.stream).collect();
            for (value, count) in values {
                let normal = streams.iter().fold((0, 0), |sum, stream| {
                    let (with, all) = self.traffic.share(stream, attribute, value);
                    (sum.0 + with, sum.1 + all)
                });
                counted.push(Counted {
                    attribute: attribute.into(),
                    value: value.into(),
                    abnormal: (count, all),
                    normal,
                });
            }
        }
        counted
    }
}
