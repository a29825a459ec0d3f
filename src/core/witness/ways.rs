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
use crate::core::record::StreamKey;

/// Most ways that are known; an eighth gives way: those of which nothing was learned first, then those not
/// used for longest.
pub(super) const WAYS_MAX: usize = 16_384;

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
}

/// A way that is slow now.
struct Slow<'a> {
    ends: &'a Ends,
    way: &'a Way,
    shift: Shift,
    weight: f64,
}

impl Ways {
    /// Counts a call.
    pub(super) fn count(&mut self, passage: &Passage, uptime: Duration) {
        let ends = (Arc::clone(&passage.caller), Arc::clone(&passage.callee));
        let way = self.ways.entry(ends).or_default();
        way.latest = uptime;
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
        let mut blame = Blame::of(used.map(|(ends, _)| ends), &slow);
        let mut found = Vec::new();
        // The end with the most is taken, and what is left is looked at again.
        while let Some(blamed) = most_to_blame(&blame) {
            let touches = |slow: &Slow<'_>| slow.ends.0 == blamed || slow.ends.1 == blamed;
            let (its, others): (Vec<Slow<'_>>, Vec<Slow<'_>>) = slow.into_iter().partition(touches);
            for slow in &its {
                Blame::take_back(&mut blame, slow);
                found.extend(slow.finding(&blamed));
            }
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

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ways.len()
    }

    fn make_room(&mut self) {
        let rank = |(ends, way): (&Ends, &Way)| (way.past.len() > 0, way.latest, ends.clone());
        let mut ranked: Vec<(bool, Duration, Ends)> = self.ways.iter().map(rank).collect();
        ranked.sort_unstable();
        for (_, _, ends) in ranked.iter().take(WAYS_MAX / 8) {
            self.ways.remove(ends);
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

/// What is slow about one service.
#[derive(Default)]
struct Blame {
    /// The ways to it and from it that are used, and those of them that are slow.
    ways: u32,
    slow: u32,
    /// The time that is lost on them, and on those to it.
    excess: Duration,
    as_callee: Duration,
}

impl Blame {
    fn of<'a>(
        used: impl Iterator<Item = &'a Ends>,
        slow: &[Slow<'a>],
    ) -> BTreeMap<&'a Arc<StreamKey>, Self> {
        let mut all: BTreeMap<&Arc<StreamKey>, Self> = BTreeMap::new();
        for (caller, callee) in used {
            all.entry(caller).or_default().ways += 1;
            all.entry(callee).or_default().ways += 1;
        }
        for slow in slow {
            let (excess, (caller, callee)) = (slow.excess(), slow.ends);
            for end in [caller, callee] {
                let blame = all.entry(end).or_default();
                blame.slow += 1;
                blame.excess = blame.excess.saturating_add(excess);
            }
            let blame = all.entry(callee).or_default();
            blame.as_callee = blame.as_callee.saturating_add(excess);
        }
        all
    }

    /// A slow way is laid to somebody.
    fn take_back(all: &mut BTreeMap<&Arc<StreamKey>, Self>, slow: &Slow<'_>) {
        let (excess, (caller, callee)) = (slow.excess(), slow.ends);
        for end in [caller, callee] {
            if let Some(blame) = all.get_mut(end) {
                blame.slow = blame.slow.saturating_sub(1);
                blame.excess = blame.excess.saturating_sub(excess);
            }
        }
        if let Some(blame) = all.get_mut(callee) {
            blame.as_callee = blame.as_callee.saturating_sub(excess);
        }
    }

    /// The time that is lost, by the share of its ways on which it is.
    fn weight(&self) -> f64 {
        self.excess.as_secs_f64() * f64::from(self.slow) / f64::from(self.ways.max(1))
    }
}

/// The service that is most to blame; of two alike the one that is called more.
fn most_to_blame(all: &BTreeMap<&Arc<StreamKey>, Blame>) -> Option<Arc<StreamKey>> {
    let slow = all.iter().filter(|(_, blame)| blame.slow > 0);
    let most = slow.max_by(|(a, one), (b, other)| {
        let most = one.weight().total_cmp(&other.weight());
        let called = one.as_callee.cmp(&other.as_callee);
        most.then(called).then(b.cmp(a))
    });
    most.map(|(end, _)| Arc::clone(end))
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
