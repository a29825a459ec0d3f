//! Where a sign belongs: which services, traces and alerts lead to which case.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Settings;
use super::case::Case;
use super::clock::{Moment, When};
use super::newcomers::Newcomers;
use crate::core::event::{Relation, Sign, Source};
use crate::core::record::{StreamKey, TraceId};
use crate::core::topology::Topology;

/// What leads to the cases that go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Places {
    services: BTreeMap<StreamKey, u64>,
    /// Each trace with each case that it leads to, as one trace may have a part in several. Not kept: it
    /// follows from the cases.
    #[serde(skip)]
    traces: BTreeSet<(TraceId, u64)>,
    /// By the name of a foreign alert and the service that it came from.
    alerts: BTreeMap<Box<str>, BTreeMap<StreamKey, u64>>,
    newcomers: Newcomers,
}

/// Where a sign belongs.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The case, and why; `None` if it belongs nowhere yet.
    pub(super) best: Option<(u64, Relation)>,
    /// Further cases that the sign shows to be the same trouble.
    pub(super) same: Vec<(u64, Relation)>,
}

type Cases = BTreeMap<u64, Case>;

impl Places {
    /// The case that goes on at the sign's service; that of its name if it is a foreign alert, unless
    /// we ourselves see something abnormal about the service.
    pub(super) fn home(&self, sign: &Sign, cases: &Cases) -> Option<u64> {
        if sign.source != Source::Alert {
            return self.services.get(&sign.stream).copied();
        }
        let named = self.alerts.get(&sign.kind);
        let elsewhere = || named?.values().max().copied();
        self.home_here(sign, cases).or_else(elsewhere)
    }

    /// The case that goes on at the service of a foreign alert: what we ourselves see there, or else the
    /// one of this very name from there.
    pub(super) fn home_here(&self, sign: &Sign, cases: &Cases) -> Option<u64> {
        let here = self.services.get(&sign.stream).copied();
        let ours = |key: &u64| cases.get(key).is_some_and(|case| case.is_ours);
        let same = || self.alerts.get(&sign.kind)?.get(&sign.stream).copied();
        here.filter(ours).or_else(same)
    }

    /// The case that goes on at the sign's service.
    pub(super) fn at_service(&self, sign: &Sign) -> Option<u64> {
        self.services.get(&sign.stream).copied()
    }

    /// Where a sign belongs: to the case of its service, of its trace, of the nearest neighbour that
    /// broke lately. If several, they are one: always if they share a trace, and by neighbourhood if
    /// they began at about the same time.
    pub(super) fn find(
        &self,
        sign: &Sign,
        at: When,
        (topology, settings): (&Topology, &Settings),
        cases: &Cases,
    ) -> Found {
        let home = self.home(sign, cases).map(|key| (key, Relation::Time));
        let trace = sign.trace.and_then(|trace| self.of_trace(trace));
        let trace = trace.map(|key| (key, Relation::Trace));
        let young = |key: u64| {
            let began = cases.get(&key).map(|case| case.began.moment);
            began.is_some_and(|began| began.apart(at.moment) <= settings.join_within)
        };
        let mut near = Vec::new();
        let may_join = home.is_none_or(|(key, _)| young(key));
        if sign.source != Source::Alert && may_join && !topology.is_empty() {
            near = self.neighbours(sign, at.moment, (topology, settings), cases);
        }
        let best = home.or(trace).or_else(|| near.first().copied());
        let neighbours = near.into_iter().filter(|(key, _)| young(*key));
        let both_young = best.is_some_and(|(key, _)| young(key));
        let same = trace.into_iter().chain(neighbours.filter(|_| both_young));
        let same = same.filter(|(key, _)| Some(*key) != best.map(|(best, _)| best));
        Found {
            best,
            same: same.collect(),
        }
    }

    /// A service that broke and had no part in anything.
    pub(super) fn newcomer(&mut self, at: Moment, case: u64) {
        self.newcomers.push(at, case);
    }

    /// The cases that are one because many services broke at once, one of them at `at`.
    pub(super) fn storm(&self, at: Moment, settings: &Settings, cases: &Cases) -> Vec<u64> {
        let is_of_it = |key: &u64| {
            let case = cases.get(key).filter(|case| case.is_live());
            case.is_some_and(|case| case.began.moment.apart(at) <= settings.join_within)
        };
        let storm = self.newcomers.storm(at, settings).into_iter();
        storm.filter(is_of_it).collect()
    }

    /// Forgets newcomers that are old.
    pub(super) fn advance(&mut self, now: Moment) {
        self.newcomers.advance(now);
    }

    /// The sign was taken in: what it names leads to its case from now on.
    pub(super) fn enter(&mut self, key: u64, case: &mut Case, sign: &Sign) {
        if case.parts.contains_key(&sign.stream) {
            let here = self.services.entry(sign.stream.clone()).or_insert(key);
            if sign.source != Source::Alert {
                *here = key;
            }
        }
        if sign.source == Source::Alert {
            let alert = (sign.kind.clone(), sign.stream.clone());
            if case.alerts.contains(&alert) {
                self.enter_alert(key, alert);
            }
        }
        if let Some(trace) = sign.trace {
            self.traces.insert((trace, key));
        }
        self.forget_traces(key, case);
    }

    /// After a restart, with these cases: what leads to none of them leads nowhere.
    pub(super) fn find_again(&mut self, cases: &Cases) {
        self.services.retain(|_, key| cases.contains_key(key));
        for services in self.alerts.values_mut() {
            services.retain(|_, key| cases.contains_key(key));
        }
        self.alerts.retain(|_, services| !services.is_empty());
        for (key, case) in cases
            .iter()
            .filter(|(_, case)| case.is_live() && !case.is_rest)
        {
            let pairs = case.traces.iter().map(|trace| (*trace, *key));
            self.traces.extend(pairs);
        }
    }

    /// All that the case `key` names leads to it again, where it leads nowhere yet.
    pub(super) fn enter_all(&mut self, key: u64, case: &mut Case) {
        let names = case.clone();
        self.enter_as(key, case, &names);
    }

    /// Nothing leads to a case any more.
    pub(super) fn leave(&mut self, key: u64, case: &Case) {
        for stream in case.parts.keys() {
            remove(&mut self.services, stream, key);
        }
        for (name, stream) in &case.alerts {
            if let Some(services) = self.alerts.get_mut(name) {
                remove(services, stream, key);
                if services.is_empty() {
                    self.alerts.remove(name);
                }
            }
        }
        for trace in &case.traces {
            self.traces.remove(&(*trace, key));
        }
    }

    /// What led to the case `gone` leads to `older`, which has taken it in.
    pub(super) fn merge(&mut self, younger: (u64, &Case), (older, case): (u64, &mut Case)) {
        self.leave(younger.0, younger.1);
        self.newcomers.merge(older, younger.0);
        self.enter_as(older, case, younger.1);
    }

    /// What `names` names, as far as `case` knows of it, leads to `case`.
    fn enter_as(&mut self, key: u64, case: &mut Case, names: &Case) {
        for stream in names.parts.keys() {
            if case.parts.contains_key(stream) {
                self.services.entry(stream.clone()).or_insert(key);
            }
        }
        for alert in names.alerts.intersection(&case.alerts) {
            self.enter_alert(key, alert.clone());
        }
        self.traces
            .extend(names.traces.iter().map(|trace| (*trace, key)));
        self.forget_traces(key, case);
    }

    /// The cases of services within some links that broke at about the same time, the nearest first,
    /// then the oldest.
    fn neighbours(
        &self,
        sign: &Sign,
        at: Moment,
        (topology, settings): (&Topology, &Settings),
        cases: &Cases,
    ) -> Vec<(u64, Relation)> {
        let near = topology.near(&sign.stream, settings.hops_max);
        let broken = |(stream, far): (&StreamKey, u32)| {
            let key = *self.services.get(stream)?;
            let side = cases.get(&key)?.parts.get(stream)?;
            side.was_broken(at, settings.join_within)
                .then_some((far, key))
        };
        let mut found: Vec<(u32, u64)> = near.into_iter().filter_map(broken).collect();
        found.sort_unstable();
        let mut known = BTreeSet::new();
        found.retain(|(_, key)| known.insert(*key));
        found
            .into_iter()
            .map(|(_, key)| (key, Relation::Topology))
            .collect()
    }

    /// The oldest case that the trace leads to.
    fn of_trace(&self, trace: TraceId) -> Option<u64> {
        let mut of_trace = self.traces.range((trace, 0)..=(trace, u64::MAX));
        of_trace.next().map(|(_, key)| *key)
    }

    fn enter_alert(&mut self, key: u64, (name, stream): (Box<str>, StreamKey)) {
        let services = self.alerts.entry(name).or_default();
        services.entry(stream).or_insert(key);
    }

    fn forget_traces(&mut self, key: u64, case: &mut Case) {
        while case.traces.len() > Case::TRACES_MAX
            && let Some(oldest) = case.traces.pop_front()
        {
            self.traces.remove(&(oldest, key));
        }
    }
}

fn remove(places: &mut BTreeMap<StreamKey, u64>, name: &StreamKey, key: u64) {
    if places.get(name) == Some(&key) {
        places.remove(name);
    }
}
