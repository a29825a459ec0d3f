//! What is said of each service, by whom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::changes::earliest;
use super::reach::Reach;
use super::{CauseInput, FINDINGS_MAX};
use crate::core::event::{Evidence, Incident, Sign, Source, Suspect};
use crate::core::record::StreamKey;
use crate::core::witness::{Finding, FindingKind};

/// What sort of trouble a reason tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// It does something else than it should.
    Function,
    /// It takes longer itself, or the ways to it and from it do.
    Time,
    /// It uses up what it has.
    Resource,
    /// Anything else: corroboration.
    Other,
}

/// One reason to suspect a service.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub(super) sort: Sort,
    pub(super) evidence: Evidence,
    pub(super) pod: Option<Arc<str>>,
    /// The time that was lost, all calls together.
    pub(super) excess: Duration,
}

/// Everything that is said of one service.
#[derive(Clone, Debug, Default)]
pub(super) struct Reasons {
    pub(super) all: Vec<Reason>,
}

/// A sign of logs or of another system's alerts weighs at most this: other signs are measured on more.
const SIGN_NATS_MAX: f64 = 30.0;
/// A resource that is used more than it was, but is no sign of its own, weighs at most this.
const WEAK_NATS_MAX: f64 = 3.0;
/// Anomalies of single records and sequences weigh at most this.
const ANOMALY_NATS_MAX: f64 = 12.0;

/// What the signs of `incident` and the findings within its `reach` say, by service.
pub(super) fn gather<'a>(
    incident: &'a Incident,
    input: &CauseInput<'a>,
    reach: &Reach<'_>,
) -> BTreeMap<&'a StreamKey, Reasons> {
    let mut by_service: BTreeMap<&StreamKey, Reasons> = BTreeMap::new();
    for sign in &incident.signs {
        if let Some(reason) = of_sign(sign) {
            by_service.entry(&sign.stream).or_default().all.push(reason);
        }
    }
    let earliest = earliest(incident);
    let mut findings: Vec<&Finding> = input
        .findings
        .iter()
        .filter(|finding| finding.last_seen >= earliest && reach.has(&finding.stream))
        .collect();
    if findings.len() > FINDINGS_MAX {
        findings.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.says.cmp(&b.says)));
        findings.truncate(FINDINGS_MAX);
    }
    for finding in findings {
        let reason = of_finding(finding);
        by_service
            .entry(&finding.stream)
            .or_default()
            .all
            .push(reason);
    }
    for reasons in by_service.values_mut() {
        reasons.all.sort_by(|a, b| {
            let heaviest = b.evidence.weight.total_cmp(&a.evidence.weight);
            let first = a.evidence.at.cmp(&b.evidence.at);
            heaviest
                .then(first)
                .then(a.evidence.says.cmp(&b.evidence.says))
        });
    }
    by_service
}

impl Reasons {
    /// What one sort of trouble weighs: of each source the heaviest, since those of one source mostly tell
    /// of the same thing.
    pub(super) fn weight(&self, sort: Sort) -> f64 {
        let mut heaviest: BTreeMap<Source, f64> = BTreeMap::new();
        for reason in self.all.iter().filter(|reason| reason.sort == sort) {
            let heavy = heaviest.entry(reason.evidence.source).or_default();
            *heavy = heavy.max(reason.evidence.weight);
        }
        heaviest.values().sum()
    }

    /// The time that was lost here.
    pub(super) fn excess(&self) -> Duration {
        self.all.iter().fold(Duration::ZERO, |sum, reason| {
            sum.saturating_add(reason.excess)
        })
    }

    /// How many sources say something of weight.
    pub(super) fn sources(&self, weight_min: f64) -> usize {
        let heavy = self
            .all
            .iter()
            .filter(|reason| reason.evidence.weight >= weight_min);
        let mut sources: Vec<Source> = heavy.map(|reason| reason.evidence.source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.len()
    }

    /// The pod that all who name one agree on, by weight.
    pub(super) fn pod(&self) -> Option<Box<str>> {
        let mut named: BTreeMap<&Arc<str>, f64> = BTreeMap::new();
        for reason in &self.all {
            if let Some(pod) = &reason.pod {
                *named.entry(pod).or_default() += reason.evidence.weight;
            }
        }
        let sum: f64 = named.values().sum();
        let (pod, most) = named.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (most > sum / 2.0).then(|| pod.as_ref().into())
    }

    /// The reasons to tell, the heaviest of each source first, so that all sources are heard.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let mut heard = Vec::new();
        let (first, rest): (Vec<&Reason>, Vec<&Reason>) = self.all.iter().partition(|reason| {
            let is_new = !heard.contains(&reason.evidence.source);
            heard.push(reason.evidence.source);
            is_new
        });
        let told = first.into_iter().chain(rest).take(Suspect::EVIDENCE_MAX);
        let mut told: Vec<Evidence> = told.map(|reason| reason.evidence.clone()).collect();
        told.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.at.cmp(&b.at)));
        told
    }
}

/// Signs of spans and metrics are findings too, and those tell more.
fn of_sign(sign: &Sign) -> Option<Reason> {
    let most = match sign.source {
        Source::Log if &*sign.kind == crate::core::witness::FlowBreak::KIND => SIGN_NATS_MAX,
        Source::Log | Source::Alert => ANOMALY_NATS_MAX,
        Source::Span | Source::Metric => return None,
    };
    let chance = (1.0 - sign.score).max(f64::MIN_POSITIVE);
    let pod = ["k8s.pod.name", "service.instance.id", "host.name"];
    Some(Reason {
        sort: Sort::Function,
        evidence: Evidence {
            source: sign.source,
            says: sign.says.clone(),
            weight: (-chance.ln()).clamp(0.0, most),
            at: sign.first_seen,
        },
        pod: pod
            .iter()
            .find_map(|name| sign.resource.get(name))
            .map(Into::into),
        excess: Duration::ZERO,
    })
}

fn of_finding(finding: &Finding) -> Reason {
    let sort = match finding.kind {
        FindingKind::Errors | FindingKind::Missing | FindingKind::New => Sort::Function,
        FindingKind::OwnTime | FindingKind::Gap => Sort::Time,
        FindingKind::Resource => Sort::Resource,
        FindingKind::Metric => Sort::Other,
    };
    // Something always uses a little more than it did.
    let is_weak = sort == Sort::Resource && !finding.is_sign;
    let most = if is_weak {
        WEAK_NATS_MAX
    } else {
        SIGN_NATS_MAX
    };
    Reason {
        sort,
        evidence: Evidence {
            source: finding.kind.source(),
            says: finding.says.clone(),
            weight: finding.weight.min(most),
            at: finding.first_seen,
        },
        pod: finding.pod.clone(),
        excess: finding.excess,
    }
}
