//! The ways between services: how much longer a caller waits than the callee works.
//!
//! What delays the packets of one pod shows in all ways to it and from it. So the service that most of
//! the slow ways have in common is the one that is told of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, FindingKind};
use super::lengths::{Lengths, Shift};
use super::operation::{JUDGED_MIN, LEARNED_MIN, is_large};
use super::restless::Restless;
use super::showing::{Pods, Showing};
use super::visit::Passage;
use super::words::{clock, lasting};
use crate::core::record::{StreamKey, Timestamp};

/// Most ways that are known; those not used for longest give way.
const WAYS_MAX: usize = 16_384;

/// Caller and callee.
type Ends = (Arc<StreamKey>, Arc<StreamKey>);

/// All ways that are known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ways {
    #[serde(with = "super::pairs")]
    ways: BTreeMap<Ends, Way>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Way {
    past: Lengths,
    now: Lengths,
    restless: Restless,
    slow: Option<Showing>,
    /// The pods of the callee and of the caller.
    pods: [Pods; 2],
    latest: Duration,
    first_seen: Timestamp,
}

/// A way that is slow now.
struct Slow<'a> {
    ends: &'a Ends,
    way: &'a Way,
    shift: Shift,
    weight: f64,
}

impl Ways {
    /// Whether the way was not known.
    pub(super) fn count(&mut self, passage: &Passage, uptime: Duration) {
        let ends = (Arc::clone(&passage.caller), Arc::clone(&passage.callee));
        let way = self.ways.entry(ends).or_default();
        way.latest = uptime;
        way.first_seen = passage.start;
        let Some(gap) = passage.gap else { return };
        let is_slow = way.past.len() > 0 && gap.as_secs_f64() > way.past.quantile(0.9);
        for (pods, resource) in way.pods.iter_mut().zip(&passage.resources) {
            pods.count(resource, is_slow);
        }
        if is_slow {
            let [callee, _] = &passage.resources;
            Showing::see(&mut way.slow, passage.start, Some(passage.trace), callee);
        }
        way.now.add(gap);
        if self.ways.len() > WAYS_MAX {
            self.make_room();
        }
    }

    /// The slow ways, each told of the end that most of them have in common.
    pub(super) fn judge(&self) -> Vec<Finding> {
        let used = self
            .ways
            .iter()
            .filter(|(_, way)| way.now.len() >= JUDGED_MIN);
        let mut slow: Vec<Slow<'_>> = used
            .clone()
            .filter_map(|(ends, way)| Slow::of(ends, way))
            .collect();
        let used: Vec<&Ends> = used.map(|(ends, _)| ends).collect();
        let mut found = Vec::new();
        // The end with the most is taken, and what is left is looked at again.
        while let Some(blamed) = most_to_blame(&slow, &used) {
            let touches = |slow: &Slow<'_>| slow.ends.0 == blamed || slow.ends.1 == blamed;
            let (its, others) = slow.into_iter().partition(touches);
            let its: Vec<Slow<'_>> = its;
            found.extend(its.iter().filter_map(|slow| slow.finding(&blamed)));
            slow = others;
        }
        found
    }

    /// Ends a stretch. What was counted on a way is learned where both of its ends are `well`.
    pub(super) fn fold(&mut self, well: impl Fn(&Arc<StreamKey>) -> bool) {
        for (ends, way) in &mut self.ways {
            way.fold(well(&ends.0) && well(&ends.1));
        }
    }

    fn make_room(&mut self) {
        let mut latest: Vec<Duration> = self.ways.values().map(|way| way.latest).collect();
        latest.sort_unstable();
        let kept_from = latest.get(latest.len() / 8).copied().unwrap_or_default();
        self.ways.retain(|_, way| way.latest >= kept_from);
        while self.ways.len() > WAYS_MAX {
            self.ways.pop_last();
        }
    }
}

impl Way {
    fn fold(&mut self, is_learned: bool) {
        if is_learned && self.now.len() > 0 {
            if self.now.len() >= JUDGED_MIN && self.past.len() >= LEARNED_MIN {
                self.restless.learn(&self.now.against(&self.past));
            }
            self.past.absorb(&mut self.now);
        }
        self.now.clear();
        self.slow = None;
        self.pods.iter_mut().for_each(Pods::clear);
    }
}

/// The service that has the most excess time on its ways, by the share of its ways that is slow; of
/// two alike the one that is called more.
fn most_to_blame(slow: &[Slow<'_>], used: &[&Ends]) -> Option<Arc<StreamKey>> {
    let mut blame: BTreeMap<&Arc<StreamKey>, (f64, f64)> = BTreeMap::new();
    for slow in slow {
        let excess = slow.excess().as_secs_f64();
        let caller = blame.entry(&slow.ends.0).or_default();
        caller.0 += excess;
        let callee = blame.entry(&slow.ends.1).or_default();
        callee.0 += excess;
        callee.1 += excess;
    }
    let touching = |end: &Arc<StreamKey>, ends: &Ends| ends.0 == *end || ends.1 == *end;
    let judged = blame.into_iter().map(|(end, (excess, as_callee))| {
        let slow_ways = slow.iter().filter(|slow| touching(end, slow.ends)).count();
        let ways = used.iter().filter(|ends| touching(end, ends)).count();
        let share = slow_ways as f64 / ways.max(1) as f64;
        (excess * share, as_callee, end)
    });
    let most = judged.max_by(|a, b| {
        let most = a.0.total_cmp(&b.0);
        let called = a.1.total_cmp(&b.1);
        most.then(called).then(b.2.cmp(a.2))
    });
    most.map(|(_, _, end)| Arc::clone(end))
}

impl<'a> Slow<'a> {
    fn of(ends: &'a Ends, way: &'a Way) -> Option<Self> {
        if way.past.len() < LEARNED_MIN {
            return None;
        }
        let shift = way.now.against(&way.past);
        let weight = way.restless.weight(&shift)?;
        Some(Self {
            ends,
            way,
            shift,
            weight,
        })
    }

    fn excess(&self) -> Duration {
        self.shift.lost()
    }

    /// The slow way as a finding about `blamed`, one of its ends.
    fn finding(&self, blamed: &Arc<StreamKey>) -> Option<Finding> {
        let showing = self.way.slow.as_ref()?;
        let (caller, callee) = self.ends;
        let [callee_pods, caller_pods] = &self.way.pods;
        let is_callee = blamed == callee;
        let (other, pods) = if is_callee {
            (caller, callee_pods)
        } else {
            (callee, caller_pods)
        };
        let (now, of) = self.shift.words();
        let says = format!(
            "the way from {caller} to {callee} and back takes {now} since {}, before {} (median of \
             {of}, less the callee's own time)",
            clock(showing.first),
            lasting(self.shift.medians.0),
        );
        Some(Finding {
            kind: FindingKind::Gap,
            stream: Arc::clone(blamed),
            caller: Some(Arc::clone(other)),
            pod: pods.odd_one(),
            thing: if is_callee { "to it" } else { "from it" }.into(),
            weight: self.weight.min(Finding::WEIGHT_MAX),
            first_seen: showing.first,
            last_seen: showing.last,
            count: self.way.now.len(),
            excess: self.excess(),
            trace: showing.trace,
            resource: Arc::clone(&showing.resource),
            is_sign: is_large(&self.shift) && showing.lasts(),
            says: says.into(),
        })
    }
}
