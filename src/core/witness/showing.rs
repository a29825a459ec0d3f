//! Where and when something showed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::{Resource, Timestamp, TraceId};

/// What shows that something differs: the first span that does, and how many do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Showing {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) trace: Option<TraceId>,
    pub(super) resource: Arc<Resource>,
    pub(super) count: u64,
}

/// What shows for less long is over before anybody could look: it is no sign of its own.
const LASTS_MIN: Duration = Duration::from_secs(20);

impl Showing {
    /// Whether it has shown for long enough to be a sign.
    pub(super) fn lasts(&self) -> bool {
        self.last.since(self.first) >= LASTS_MIN
    }

    /// Adds one to `shown`.
    pub(super) fn see(
        shown: &mut Option<Self>,
        at: Timestamp,
        trace: Option<TraceId>,
        resource: &Arc<Resource>,
    ) {
        let showing = shown.get_or_insert_with(|| Self {
            first: at,
            last: at,
            trace,
            resource: Arc::clone(resource),
            count: 0,
        });
        if at < showing.first {
            showing.first = at;
            showing.trace = trace;
            showing.resource = Arc::clone(resource);
        }
        showing.last = showing.last.max(at);
        showing.count += 1;
    }
}

/// How much of something each pod has, and how much of what is odd about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pods {
    counts: BTreeMap<Arc<str>, (u64, u64)>,
}

/// Most pods that are told apart.
const PODS_MAX: usize = 64;
/// One pod is to blame if it has so much of what is odd …
const ODD_SHARE_MIN: f64 = 0.8;
/// … and no more than so much of all.
const ALL_SHARE_MAX: f64 = 0.6;

impl Pods {
    pub(super) fn count(&mut self, resource: &Resource, is_odd: bool) {
        let Some(pod) = pod_of(resource) else { return };
        if let Some(counts) = self.counts.get_mut(pod) {
            counts.0 += 1;
            counts.1 += u64::from(is_odd);
        } else if self.counts.len() < PODS_MAX {
            self.counts.insert(pod.into(), (1, u64::from(is_odd)));
        }
    }

    /// The pod that is odd while the others are not, or the only one.
    pub(super) fn odd_one(&self) -> Option<Arc<str>> {
        if let (1, Some((only, _))) = (self.counts.len(), self.counts.first_key_value()) {
            return Some(Arc::clone(only));
        }
        let (all, odd) = self
            .counts
            .values()
            .fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
        let share = |part: u64, whole: u64| part as f64 / (whole as f64).max(1.0);
        let is_odd = |(own, own_odd): (u64, u64)| {
            share(own_odd, odd) >= ODD_SHARE_MIN && share(own, all) <= ALL_SHARE_MAX
        };
        let found = self.counts.iter().find(|(_, counts)| is_odd(**counts));
        found.map(|(pod, _)| Arc::clone(pod))
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }
}

/// The pod, or what comes nearest to it.
pub(super) fn pod_of(resource: &Resource) -> Option<&str> {
    ["k8s.pod.name", "service.instance.id", "host.name"]
        .iter()
        .find_map(|name| resource.get(name))
}
