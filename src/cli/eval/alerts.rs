//! Alerts of other systems played through the correlator: how few incidents are they, and does each
//! phase of an attack stand out?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::layout::alerts::{Alert, Network, read};
use crate::core::event::{Class, Incident, IncidentEvent, Sign, Source, Stage};
use crate::core::incident::{Correlator, Settings};
use crate::core::record::{Resource, Severity, StreamKey, Timestamp};
use crate::core::topology::Topology;

const DAY: Duration = Duration::from_hours(24);
/// The baselines cut where nothing comes for so long.
const SILENCE: Duration = Duration::from_secs(30);
/// A name, or a name of a host, that is quiet for so long is over.
const QUIET: Duration = Duration::from_mins(15);

/// Everything that was found.
#[derive(Serialize)]
pub(super) struct AlertReport {
    layout: &'static str,
    alerts: usize,
    /// Of knothole, on the worst day of the worst network.
    incidents_per_day: usize,
    /// The share of phases with an alert in an incident that was told, as evidence or counted with it.
    phases_kept: f64,
    /// The share of phases with an alert that an incident quotes as evidence.
    phases_evident: f64,
    /// The share of phases with an incident that an alert of theirs opened.
    phases_own: f64,
    rows: Vec<Row>,
}

/// One way to group, over all networks.
#[derive(Serialize)]
struct Row {
    grouping: &'static str,
    incidents: usize,
    /// The share of alerts that is no message of its own.
    reduction: f64,
    incidents_per_day: usize,
    phases: usize,
    phases_kept: usize,
    phases_evident: usize,
    phases_own: usize,
    networks: Vec<Found>,
}

/// One way to group, in one network.
#[derive(Serialize)]
struct Found {
    network: Box<str>,
    alerts: usize,
    incidents: usize,
    /// On each day, counted from the first alert.
    incidents_by_day: Vec<usize>,
    phases: BTreeSet<Arc<str>>,
    not_kept: BTreeSet<Arc<str>>,
    not_evident: BTreeSet<Arc<str>>,
    not_own: BTreeSet<Arc<str>>,
}

/// An incident: when it began, the phase of the alert that opened it, the phases of its evidence, and
/// all phases in it.
struct Group {
    began: Timestamp,
    opened_in: Option<Arc<str>>,
    evident: BTreeSet<Arc<str>>,
    phases: BTreeSet<Arc<str>>,
}

/// Plays every network of `test` through a correlator of its own. Nothing sees a label.
pub(super) fn measure(test: &Path) -> anyhow::Result<AlertReport> {
    let networks = read(test)?;
    let silence = |network: &Network| cut(network, SILENCE, |_| ());
    let by_name = |network: &Network| cut(network, QUIET, |alert| Arc::clone(&alert.name));
    let by_host = |network: &Network| {
        cut(network, QUIET, |alert| {
            (Arc::clone(&alert.name), Arc::clone(&alert.host))
        })
    };
    let rows = vec![
        Row::new("knothole", &networks, told),
        Row::new("cut at 30 s of silence", &networks, silence),
        Row::new("by name", &networks, by_name),
        Row::new("by name and host", &networks, by_host),
    ];
    let ours = rows.first();
    let share = |part: fn(&Row) -> usize| {
        ours.map_or(0.0, |row| part(row) as f64 / row.phases.max(1) as f64)
    };
    Ok(AlertReport {
        layout: "alerts",
        alerts: networks.iter().map(|network| network.alerts.len()).sum(),
        incidents_per_day: ours.map_or(0, |row| row.incidents_per_day),
        phases_kept: share(|row| row.phases_kept),
        phases_evident: share(|row| row.phases_evident),
        phases_own: share(|row| row.phases_own),
        rows,
    })
}

impl Row {
    fn new(
        grouping: &'static str,
        networks: &[Network],
        group: impl Fn(&Network) -> Vec<Group>,
    ) -> Self {
        let found: Vec<Found> = networks
            .iter()
            .map(|network| Found::new(network, &group(network)))
            .collect();
        let sum = |count: fn(&Found) -> usize| found.iter().map(count).sum::<usize>();
        let (incidents, alerts) = (sum(|one| one.incidents), sum(|one| one.alerts));
        let by_day = found.iter().flat_map(|one| &one.incidents_by_day);
        let phases = sum(|one| one.phases.len());
        Self {
            grouping,
            incidents,
            reduction: 1.0 - incidents as f64 / alerts.max(1) as f64,
            incidents_per_day: by_day.copied().max().unwrap_or_default(),
            phases,
            phases_kept: phases - sum(|one| one.not_kept.len()),
            phases_evident: phases - sum(|one| one.not_evident.len()),
            phases_own: phases - sum(|one| one.not_own.len()),
            networks: found,
        }
    }
}

impl Found {
    fn new(network: &Network, groups: &[Group]) -> Self {
        let alerts = &network.alerts;
        let start = alerts.first().map_or(Timestamp::ZERO, |alert| alert.time);
        let day = |time: Timestamp| (time.since(start).as_secs() / DAY.as_secs()) as usize;
        let days = alerts.last().map_or(0, |alert| day(alert.time) + 1);
        let mut incidents_by_day = vec![0; days];
        for group in groups {
            if let Some(count) = incidents_by_day.get_mut(day(group.began)) {
                *count += 1;
            }
        }
        let phases: BTreeSet<Arc<str>> = alerts.iter().filter_map(|a| a.phase.clone()).collect();
        let kept: BTreeSet<_> = groups.iter().flat_map(|group| &group.phases).collect();
        let evident: BTreeSet<_> = groups.iter().flat_map(|group| &group.evident).collect();
        let own: BTreeSet<_> = groups.iter().filter_map(|g| g.opened_in.as_ref()).collect();
        let without = |found: &BTreeSet<&Arc<str>>| {
            let missing = phases.iter().filter(|phase| !found.contains(phase));
            missing.cloned().collect()
        };
        Self {
            network: network.name.clone(),
            alerts: alerts.len(),
            incidents: groups.len(),
            incidents_by_day,
            not_kept: without(&kept),
            not_evident: without(&evident),
            not_own: without(&own),
            phases,
        }
    }
}

/// The incidents that knothole tells of.
fn told(network: &Network) -> Vec<Group> {
    let topology = Topology::default();
    let mut correlator = Correlator::new(Settings::default());
    let mut opened: Vec<IncidentEvent> = Vec::new();
    let mut latest: BTreeMap<Box<str>, Arc<Incident>> = BTreeMap::new();
    // The number of the case that each alert was put in at once.
    let mut cases: Vec<Option<u64>> = Vec::with_capacity(network.alerts.len());
    let mut take = |correlator: &mut Correlator| {
        for event in correlator.take(|_| {}, |_, _| {}) {
            let incident = Arc::clone(&event.incident);
            latest.insert(incident.id.clone(), incident);
            if event.stage == Stage::Opened {
                opened.push(event);
            }
        }
    };
    for (number, alert) in network.alerts.iter().enumerate() {
        while let Some(next) = correlator.next_deadline().filter(|next| *next < alert.time) {
            correlator.advance(next);
            take(&mut correlator);
        }
        cases.push(correlator.sign(Arc::new(sign(alert, number)), &topology, alert.time));
        take(&mut correlator);
    }
    for _ in 0..2 {
        if let Some(last) = correlator.next_deadline() {
            correlator.advance(last.plus(Correlator::STEP_MAX));
            take(&mut correlator);
        }
    }
    let put_in = PutIn::new(network, &cases);
    let group = |event: IncidentEvent| {
        let first = event.incident.signs.first();
        let first = first.and_then(|sign| network.alerts.get(number_of(&sign.id)));
        // As it is now, or was when it was over.
        let id = &event.incident.id;
        let now = correlator.get(id).map(Arc::new);
        let at_end = now.or_else(|| latest.get(id).cloned());
        let at_end = at_end.unwrap_or_else(|| Arc::clone(&event.incident));
        Group {
            began: event.incident.began,
            opened_in: first.and_then(|alert| alert.phase.clone()),
            evident: put_in.evident(&at_end),
            phases: put_in.phases(&at_end),
        }
    };
    opened.into_iter().map(group).collect()
}

/// Which alerts an incident has.
struct PutIn<'a> {
    network: &'a Network,
    cases: &'a [Option<u64>],
    /// The alerts of each name and host, in the order of time.
    alike: BTreeMap<(&'a str, &'a str), Vec<&'a Alert>>,
    /// The phases of the alerts that each case took in at once.
    by_case: BTreeMap<u64, BTreeSet<Arc<str>>>,
}

impl<'a> PutIn<'a> {
    fn new(network: &'a Network, cases: &'a [Option<u64>]) -> Self {
        let mut alike: BTreeMap<_, Vec<&Alert>> = BTreeMap::new();
        let mut by_case: BTreeMap<u64, BTreeSet<Arc<str>>> = BTreeMap::new();
        for (alert, case) in network.alerts.iter().zip(cases) {
            alike
                .entry((&*alert.name, &*alert.host))
                .or_default()
                .push(alert);
            if let (Some(case), Some(phase)) = (case, &alert.phase) {
                by_case.entry(*case).or_default().insert(Arc::clone(phase));
            }
        }
        Self {
            network,
            cases,
            alike,
            by_case,
        }
    }

    /// The phases of the alerts that an incident quotes as evidence.
    fn evident(&self, incident: &Incident) -> BTreeSet<Arc<str>> {
        let signs = incident.signs.iter();
        let evidence = signs.filter(|sign| !sign.says.starts_with(Correlator::CAME_ALONG));
        let alerts = evidence.filter_map(|sign| self.network.alerts.get(number_of(&sign.id)));
        alerts.filter_map(|alert| alert.phase.clone()).collect()
    }

    /// The phases of the alerts of an incident: of those that it quotes, of those before it began that
    /// a quoted one stands for, and of all that its case took in.
    fn phases(&self, incident: &Incident) -> BTreeSet<Arc<str>> {
        let mut phases = BTreeSet::new();
        let mut case = None;
        for sign in &incident.signs {
            let number = number_of(&sign.id);
            case = case.or(self.cases.get(number).copied().flatten());
            let quoted = self.network.alerts.get(number);
            phases.extend(quoted.and_then(|alert| alert.phase.clone()));
            if sign.count > 1 {
                let before = self.alike(sign, incident.began);
                phases.extend(before.filter_map(|alert| alert.phase.clone()));
            }
        }
        let taken_in = case.and_then(|case| self.by_case.get(&case));
        phases.extend(taken_in.into_iter().flatten().cloned());
        phases
    }

    /// The alerts of the name and host of a sign, from its first one until `end`.
    fn alike<'s>(&'s self, sign: &'s Sign, end: Timestamp) -> impl Iterator<Item = &'s Alert> {
        let alike = self.alike.get(&(&*sign.kind, &*sign.stream.name));
        let alike = alike.map_or(&[][..], Vec::as_slice);
        let first = alike.partition_point(|alert| alert.time < sign.first_seen);
        let end = alike.partition_point(|alert| alert.time < end);
        alike.get(first..end).unwrap_or_default().iter().copied()
    }
}

/// One incident for each key, until it is quiet for so long.
fn cut<K: Ord>(network: &Network, quiet: Duration, key: impl Fn(&Alert) -> K) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open: BTreeMap<K, (Timestamp, usize)> = BTreeMap::new();
    for alert in &network.alerts {
        let next = groups.len();
        let (last, place) = open.entry(key(alert)).or_insert((alert.time, next));
        if alert.time.since(*last) > quiet {
            *place = next;
        }
        *last = alert.time;
        if *place == next {
            groups.push(Group {
                began: alert.time,
                opened_in: alert.phase.clone(),
                evident: BTreeSet::new(),
                phases: BTreeSet::new(),
            });
        }
        if let Some(group) = groups.get_mut(*place) {
            group.evident.extend(alert.phase.clone());
            group.phases.extend(alert.phase.clone());
        }
    }
    groups
}

/// What a receiver of alerts would make of one. Its system tells no severity, so it is a warning.
fn sign(alert: &Alert, number: usize) -> Sign {
    let host = ("host.name".into(), alert.host.as_ref().into());
    Sign {
        id: format!("{number:032x}").into(),
        fingerprint: format!("{}/{}", alert.name, alert.host).into(),
        source: Source::Alert,
        kind: alert.name.as_ref().into(),
        class: Class::Error,
        severity: Severity::Warn,
        score: 0.0,
        first_seen: alert.time,
        last_seen: alert.time,
        count: 1,
        stream: StreamKey::named(&alert.host),
        resource: Arc::new(Resource::new(vec![host])),
        trace: None,
        says: alert.name.as_ref().into(),
        template: None,
        lines: Vec::new(),
        expected: None,
        stack: None,
    }
}

fn number_of(id: &str) -> usize {
    usize::from_str_radix(id, 16).unwrap_or(usize::MAX)
}

impl fmt::Display for AlertReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.rows.first().map_or(0, |row| row.networks.len());
        writeln!(
            f,
            "{} alerts of {networks} networks; nothing saw a label\n",
            self.alerts
        )?;
        writeln!(
            f,
            "{:<24}{:>10}{:>12}{:>14}{:>14}{:>13}{:>13}",
            "",
            "incidents",
            "reduction",
            "on worst day",
            "phases kept",
            "as evidence",
            "phases own"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<24}{:>10}{:>10.3} %{:>14}{:>11}/{}{:>10}/{}{:>10}/{}",
                row.grouping,
                row.incidents,
                row.reduction * 100.0,
                row.incidents_per_day,
                row.phases_kept,
                row.phases,
                row.phases_evident,
                row.phases,
                row.phases_own,
                row.phases
            )?;
        }
        let Some(ours) = self.rows.first() else {
            return Ok(());
        };
        writeln!(f, "\nknothole, network by network")?;
        for one in &ours.networks {
            let days: Vec<String> = one.incidents_by_day.iter().map(usize::to_string).collect();
            let list = |phases: &BTreeSet<Arc<str>>| {
                let names: Vec<&str> = phases.iter().map(AsRef::as_ref).collect();
                if names.is_empty() {
                    "none".into()
                } else {
                    names.join(", ")
                }
            };
            writeln!(f, "{:<18}incidents by day  {}", one.network, days.join(" "))?;
            writeln!(f, "{:<18}not kept          {}", "", list(&one.not_kept))?;
            let evident = list(&one.not_evident);
            writeln!(f, "{:<18}not as evidence   {evident}", "")?;
            writeln!(f, "{:<18}not of their own  {}", "", list(&one.not_own))?;
        }
        writeln!(
            f,
            "\nA phase is a time: every alert that came while it lasted counts as its own, whatever it\n\
             is about. It is kept if one of them is part of an incident that is told, be it as what\n\
             came along. The first day of each network is only learned from."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(second: u64, name: &str, host: &str, phase: Option<&str>) -> Alert {
        Alert {
            time: Timestamp::from_millis((1_800_000_000 + second) * 1000),
            name: name.into(),
            host: host.into(),
            phase: phase.map(Into::into),
        }
    }

    /// Three days of the same noise, and two short intrusions an hour apart on the last.
    fn network() -> Network {
        let mut alerts: Vec<Alert> = (0..3 * 144)
            .flat_map(|n| {
                let noise = alert(n * 600, "updated", "mail", None);
                [noise, alert(n * 600 + 7, "odd request", "web", None)]
            })
            .collect();
        for (begin, phase) in [(200_000, "knock"), (203_600, "enter")] {
            for n in 0..50 {
                let name = format!("{phase} {}", n % 5);
                alerts.push(alert(begin + n / 5, &name, "web", Some(phase)));
            }
        }
        alerts.sort_by_key(|alert| alert.time);
        Network {
            name: "made-up".into(),
            alerts,
        }
    }

    #[test]
    fn what_is_always_there_is_no_incident_and_what_is_new_is_one_each() {
        let found = Found::new(&network(), &told(&network()));
        assert_eq!(found.incidents_by_day, [0, 0, 2]);
        assert_eq!((found.not_kept.len(), found.not_own.len()), (0, 0));
    }

    #[test]
    fn a_phase_of_usual_alerts_is_kept_as_company_and_is_no_evidence() {
        let mut network = network();
        let before = 198_500..199_500;
        for alert in &mut network.alerts {
            let second = alert.time.as_nanos() / 1_000_000_000 - 1_800_000_000;
            if before.contains(&second) {
                alert.phase = Some("look around".into());
            }
        }
        let found = Found::new(&network, &told(&network));
        let missing = BTreeSet::from(["look around".into()]);
        assert_eq!((found.phases.len(), found.not_kept.len()), (3, 0));
        assert_eq!((&found.not_evident, &found.not_own), (&missing, &missing));
    }

    #[test]
    fn a_baseline_tells_of_every_name() {
        let groups = cut(&network(), QUIET, |alert| Arc::clone(&alert.name));
        assert_eq!(groups.len(), 12);
        let found = Found::new(&network(), &cut(&network(), DAY, |_| ()));
        assert_eq!((found.incidents, found.not_own.len()), (1, 2));
    }
}
