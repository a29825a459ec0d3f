//! All series of all metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, FindingKind};
use super::series::{Common, Fresh, Series, median};
use super::showing::pod_of;
use super::words::{clock, quoted};
use crate::core::record::{Metric, Resource, StreamKey, Timestamp};

/// Most series that are known; an eighth gives way: those of which too little was learned first, then
/// those not heard for longest.
pub(super) const SERIES_MAX: usize = 32_768;
/// What is common to all is looked for where at least so many series of a metric came.
const COMMON_MIN: usize = 5;
/// What is crumbs beside the others of its kind is no trouble: a spread is at least this share of where they
/// mostly are.
const FLOOR_SHARE: f64 = 0.02;
/// What has a limit is used up from this share of it on: that alone is a sign.
const USED_UP: f64 = 0.75;
/// Longest name of a series, in bytes.
const NAME_LEN_MAX: usize = 200;
/// A resource is a sign of its own from so many nats on and after so many values in a row. Other metrics
/// are none: they may tell of no trouble at all, and of those that do logs and spans tell better.
const SIGN_NATS: f64 = 18.0;
const SIGN_RUN: u32 = 2;
/// Parts of names of what can be used up.
const RESOURCES: [&str; 8] = [
    "cpu",
    "memory",
    "heap",
    "disk",
    "filesystem",
    "throttl",
    "thread",
    "connections",
];

/// The series of all metrics.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Meters {
    #[serde(with = "super::pairs")]
    series: BTreeMap<Key, Known>,
}

/// Name with attributes, service, pod.
type Key = (Arc<str>, Arc<StreamKey>, Arc<str>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    series: Series,
    resource: Arc<Resource>,
    latest: Duration,
}

impl Meters {
    /// Takes the points of a metric; those without a time are of `now`.
    pub(super) fn take(
        &mut self,
        metric: &Metric,
        stream: &Arc<StreamKey>,
        now: Timestamp,
        uptime: Duration,
    ) {
        let pod: Arc<str> = pod_of(&metric.resource).unwrap_or_default().into();
        for point in &metric.points {
            let key = (
                name(metric, &point.attributes),
                Arc::clone(stream),
                Arc::clone(&pod),
            );
            let known = self.series.entry(key).or_insert_with(|| Known {
                series: Series::default(),
                resource: Arc::clone(&metric.resource),
                latest: uptime,
            });
            known.latest = uptime;
            known.series.take(point.reading, point.time.unwrap_or(now));
        }
        if self.series.len() > SERIES_MAX {
            self.make_room();
        }
    }

    /// Judges the points that came since the last time.
    pub(super) fn judge(&mut self) -> Vec<Finding> {
        let common = self.common();
        let fresh = self
            .series
            .iter_mut()
            .filter(|(_, known)| known.series.fresh().is_some());
        let judged = fresh.filter_map(|(key, known)| {
            let common = common.get(&key.0).copied().unwrap_or_default();
            judge(key, known, common)
        });
        judged.collect()
    }

    /// What the fresh values of each metric have in common, where there are enough of them.
    fn common(&self) -> BTreeMap<Arc<str>, Common> {
        let mut fresh: BTreeMap<&Arc<str>, Vec<Fresh>> = BTreeMap::new();
        for ((name, ..), known) in &self.series {
            let judged = known.series.fresh().filter(|fresh| fresh.spread.is_some());
            fresh.entry(name).or_default().extend(judged);
        }
        fresh.retain(|_, fresh| fresh.len() >= COMMON_MIN);
        let common = fresh.into_iter().map(|(name, fresh)| {
            let mut levels: Vec<f64> = fresh.iter().map(|fresh| fresh.level.abs()).collect();
            let floor = FLOOR_SHARE * median(&mut levels);
            let offs = fresh.iter().filter_map(|fresh| fresh.off(floor));
            let off = median(&mut offs.collect::<Vec<f64>>());
            (Arc::clone(name), Common { off, floor })
        });
        common.collect()
    }

    pub(super) fn rest(&mut self) {
        for known in self.series.values_mut() {
            known.series.rest();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    fn make_room(&mut self) {
        let rank =
            |(key, known): (&Key, &Known)| (known.series.is_known(), known.latest, key.clone());
        let mut ranked: Vec<(bool, Duration, Key)> = self.series.iter().map(rank).collect();
        ranked.sort_unstable();
        // One message may bring more than an eighth.
        let over = self.series.len().saturating_sub(SERIES_MAX);
        for (_, _, key) in ranked.iter().take(over + SERIES_MAX / 8) {
            self.series.remove(key);
        }
    }
}

fn judge((name, stream, pod): &Key, known: &mut Known, common: Common) -> Option<Finding> {
    let fresh = known.series.fresh()?;
    let (run, from, off) = known.series.settle(common)?;
    let lower = name.to_ascii_lowercase();
    let is_resource = RESOURCES.iter().any(|part| lower.contains(part));
    // A resource that is less used than ever is no trouble of its own.
    let kind = if is_resource && off > 0.0 {
        FindingKind::Resource
    } else {
        FindingKind::Metric
    };
    // Metrics stray far, so the tail is that of a power law; what lasts is less of an accident.
    let is_used_up = lower.contains("utilization") && (USED_UP..=1.5).contains(&fresh.value);
    let run_counted = if is_used_up && off > 0.0 {
        3
    } else {
        run.min(3)
    };
    let weight = 3.0 * off.abs().ln() * (1.0 + 0.5 * f64::from(run_counted - 1));
    let whose = if pod.is_empty() {
        String::new()
    } else {
        format!(" of {pod}")
    };
    let says = format!(
        "{}{whose} is {} since {}, before mostly {}",
        quoted(name),
        number(fresh.value),
        clock(from),
        number(fresh.level),
    );
    Some(Finding {
        kind,
        stream: Arc::clone(stream),
        caller: None,
        pod: (!pod.is_empty()).then(|| Arc::clone(pod)),
        thing: Arc::clone(name),
        weight: weight.min(Finding::WEIGHT_MAX),
        first_seen: from,
        last_seen: fresh.at.max(from),
        count: u64::from(run),
        excess: Duration::ZERO,
        trace: None,
        resource: Arc::clone(&known.resource),
        is_sign: kind == FindingKind::Resource && weight >= SIGN_NATS && run_counted >= SIGN_RUN,
        says: says.into(),
    })
}

/// The name of a series: `k8s.pod.network.io{direction=receive}`.
fn name(metric: &Metric, attributes: &Resource) -> Arc<str> {
    let mut name = metric.name.to_string();
    let mut open = '{';
    for (key, value) in attributes.attributes() {
        name.push(open);
        name += key;
        name.push('=');
        name += value;
        open = ',';
        if name.len() > NAME_LEN_MAX {
            break;
        }
    }
    if open == ',' {
        name.push('}');
    }
    name.get(..name.floor_char_boundary(NAME_LEN_MAX))
        .unwrap_or_default()
        .into()
}

/// A number with three digits that count.
fn number(value: f64) -> String {
    let digits = value.abs().max(1e-9).log10().floor() as i32;
    let decimals = usize::try_from(2 - digits).unwrap_or(0).min(6);
    format!("{value:.decimals$}")
}
