//! Findings that go on from stretch to stretch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, FindingKind};
use crate::core::event::Sign;
use crate::core::record::StreamKey;

/// Most findings that are kept; the oldest give way.
pub(super) const FINDINGS_MAX: usize = 4_096;
/// A finding is the same as the one before if no more than this lies between them.
const GAP_MAX: Duration = Duration::from_secs(180);
/// A finding that goes on is told again so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// A finding is forgotten after this.
const KEPT: Duration = Duration::from_secs(3_600);

/// What was found and when, in uptime.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ongoing {
    #[serde(with = "super::pairs")]
    found: BTreeMap<Key, Found>,
}

type Key = (
    FindingKind,
    Arc<StreamKey>,
    Option<Arc<StreamKey>>,
    Option<Arc<str>>,
    Arc<str>,
);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Found {
    /// All of it so far.
    finding: Finding,
    /// What earlier stretches had.
    before: (u64, Duration),
    /// The stretch that it was last found in, and when that was.
    stretch: u64,
    at: Duration,
    told: Option<Duration>,
    /// Since when it goes on.
    since: Duration,
}

impl Ongoing {
    /// Takes what was found in a stretch so far. Found again in the same stretch, it takes the place of
    /// what it was.
    pub(super) fn take(&mut self, new: Finding, stretch: u64, uptime: Duration) {
        let key = key(&new);
        let Some(old) = self.found.get_mut(&key) else {
            self.insert(key, new, stretch, uptime);
            return;
        };
        if uptime.saturating_sub(old.at) > GAP_MAX {
            self.insert(key, new, stretch, uptime);
            return;
        }
        if old.stretch != stretch {
            old.before = (old.finding.count, old.finding.excess);
        }
        old.stretch = stretch;
        old.at = uptime;
        let (count, excess) = old.before;
        old.finding = Finding {
            first_seen: old.finding.first_seen.min(new.first_seen),
            last_seen: old.finding.last_seen.max(new.last_seen),
            weight: old.finding.weight.max(new.weight),
            count: count.saturating_add(new.count),
            excess: excess.saturating_add(new.excess),
            is_sign: old.finding.is_sign || new.is_sign,
            ..new
        };
    }

    /// The signs that are due: of what is new, and once a minute of what goes on.
    pub(super) fn due(&mut self, uptime: Duration) -> Vec<Sign> {
        let mut signs = Vec::new();
        for found in self.found.values_mut() {
            let is_due = found.finding.is_sign
                && found.told.is_none_or(|told| {
                    found.at > told && uptime.saturating_sub(told) >= TOLD_EVERY
                });
            if is_due {
                found.told = Some(uptime);
                signs.push(found.finding.sign());
            }
        }
        signs.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        signs
    }

    /// The services at which something differs in a stretch, unless it has done so for `accepted`.
    pub(super) fn abnormal(
        &self,
        stretch: u64,
        accepted: Duration,
    ) -> impl Iterator<Item = &Finding> {
        self.found.values().filter_map(move |found| {
            let lasts = found.at.saturating_sub(found.since);
            (found.stretch == stretch && lasts < accepted).then_some(&found.finding)
        })
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.found.values().map(|found| &found.finding)
    }

    /// Forgets what is long over.
    pub(super) fn forget(&mut self, uptime: Duration) {
        self.found
            .retain(|_, found| uptime.saturating_sub(found.at) <= KEPT);
    }

    pub(super) fn clear(&mut self) {
        self.found.clear();
    }

    fn insert(&mut self, key: Key, finding: Finding, stretch: u64, uptime: Duration) {
        let found = Found {
            finding,
            before: (0, Duration::ZERO),
            stretch,
            at: uptime,
            told: None,
            since: uptime,
        };
        self.found.insert(key, found);
        if self.found.len() > FINDINGS_MAX {
            let oldest = self.found.iter().min_by_key(|(_, found)| found.at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.found.remove(&oldest);
            }
        }
    }
}

fn key(finding: &Finding) -> Key {
    // An operation is one of the service; a metric is one of a pod.
    let pod = match finding.kind {
        FindingKind::Resource | FindingKind::Metric => finding.pod.clone(),
        FindingKind::Errors
        | FindingKind::OwnTime
        | FindingKind::Gap
        | FindingKind::Missing
        | FindingKind::New => None,
    };
    (
        finding.kind,
        Arc::clone(&finding.stream),
        finding.caller.clone(),
        pod,
        Arc::clone(&finding.thing),
    )
}
