//! Which service it probably began in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reasons::{Reason, Reasons, Sort, gather};
use super::{CauseInput, changes, lifts};
use crate::core::event::{Cause, Incident, NearChange, Suspect, Verdict};
use crate::core::record::StreamKey;
use crate::core::topology::Topology;

/// Most findings that are looked at, the heaviest.
pub const FINDINGS_MAX: usize = 4_096;
/// Below this, in nats, nothing stands out.
const ENOUGH_NATS: f64 = 6.0;
/// The first suspect is far ahead of the second if it has so many times as much …
const FAR_AHEAD_TIMES: f64 = 2.0;
/// … and it is not ahead at all if it has less than so many times as much.
const AHEAD_TIMES: f64 = 1.02;
/// The trouble of a callee that is so sure explains that of its callers …
const SURE_NATS: f64 = 10.0;
/// … but for this share: it may be a coincidence.
const UNEXPLAINED_SHARE: f64 = 0.2;
/// Most services whose trouble is looked through for what explains one.
const SICK_MAX: usize = 256;
/// What all of the lost time weighs at most, to be shared by those who lost it.
const TIME_NATS: f64 = 30.0;
/// What corroborates weighs at most this.
const OTHER_NATS: f64 = 1.0;

pub(super) fn cause(incident: &Incident, input: &CauseInput<'_>) -> Cause {
    let mut by_service = gather(incident, input);
    let changes = changes::near(incident, input.changes);
    let mut ranked = weigh(&by_service, input.topology);
    blame_changes(&mut ranked, &mut by_service, &changes);
    ranked.retain(|(_, total)| *total > 0.0);
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let sum: f64 = ranked.iter().map(|(_, total)| total).sum();
    let suspects = ranked.iter().take(Cause::SUSPECTS_MAX);
    let suspects = suspects.filter_map(|(stream, total)| {
        let reasons = by_service.get(*stream)?;
        Some(Suspect {
            stream: (*stream).clone(),
            pod: reasons.pod(),
            component: None,
            share: total / sum,
            evidence: reasons.evidence(),
        })
    });
    Cause {
        suspects: suspects.collect(),
        verdict: verdict(&ranked, &by_service),
        changes,
        lifts: lifts(input.counted),
        unknown: Vec::new(),
    }
}

/// What each service is suspected for and nothing else explains, in nats.
fn weigh<'a>(
    by_service: &BTreeMap<&'a StreamKey, Reasons>,
    topology: &Topology,
) -> Vec<(&'a StreamKey, f64)> {
    let lost = by_service.values().map(Reasons::excess);
    let lost = lost
        .fold(Duration::ZERO, Duration::saturating_add)
        .as_secs_f64();
    let surest = by_service
        .values()
        .map(|reasons| reasons.weight(Sort::Time));
    let surest = surest.fold(0.0, f64::max).min(TIME_NATS);
    let weighed = by_service.iter().map(|(stream, reasons)| {
        let function = reasons.weight(Sort::Function);
        let explained = explained(stream, function, by_service, topology);
        // Who lost most of the time is to blame for that, however little sure the others are.
        let time = surest * reasons.excess().as_secs_f64() / lost.max(f64::MIN_POSITIVE);
        let resource = reasons.weight(Sort::Resource);
        let other = reasons.weight(Sort::Other).min(OTHER_NATS);
        let total = function * (1.0 - explained) + time + resource + other;
        (*stream, total)
    });
    weighed.collect()
}

/// Which share of what a service does wrong comes of what the services it calls do wrong.
fn explained(
    stream: &StreamKey,
    function: f64,
    by_service: &BTreeMap<&StreamKey, Reasons>,
    topology: &Topology,
) -> f64 {
    let callees = sick_callees(stream, by_service, topology);
    let callees = callees.iter().filter_map(|callee| by_service.get(callee));
    let most = callees.map(|callee| callee.weight(Sort::Function));
    let most = most.fold(0.0, f64::max);
    let share = most / function.clamp(f64::MIN_POSITIVE, SURE_NATS);
    (1.0 - UNEXPLAINED_SHARE) * share.min(1.0)
}

/// The services that `stream` calls which do something wrong, and those that they call: trouble comes up
/// from one to the other and leaves out none.
fn sick_callees<'a>(
    stream: &'a StreamKey,
    by_service: &BTreeMap<&StreamKey, Reasons>,
    topology: &'a Topology,
) -> Vec<&'a StreamKey> {
    let is_sick = |callee: &StreamKey| {
        let reasons = by_service.get(callee);
        reasons.is_some_and(|reasons| reasons.weight(Sort::Function) > 0.0)
    };
    let mut found: Vec<&StreamKey> = vec![stream];
    let mut looked_at = 0;
    while let Some(caller) = found.get(looked_at).copied() {
        looked_at += 1;
        for callee in topology.callees(caller).filter(|callee| is_sick(callee)) {
            if !found.contains(&callee) && found.len() < SICK_MAX {
                found.push(callee);
            }
        }
    }
    found.split_off(1)
}

/// A change speaks against a service of which something else is said too.
fn blame_changes(
    ranked: &mut [(&StreamKey, f64)],
    by_service: &mut BTreeMap<&StreamKey, Reasons>,
    near: &[NearChange],
) {
    for (stream, total) in ranked.iter_mut().filter(|(_, total)| *total > 0.0) {
        let Some(evidence) = changes::evidence(near, stream) else {
            continue;
        };
        // Of little said of it little more is made.
        *total += evidence.weight.min(*total);
        if let Some(reasons) = by_service.get_mut(*stream) {
            reasons.all.push(Reason {
                sort: Sort::Other,
                evidence,
                pod: None,
                excess: Duration::ZERO,
            });
        }
    }
}

fn verdict(ranked: &[(&StreamKey, f64)], by_service: &BTreeMap<&StreamKey, Reasons>) -> Verdict {
    let Some((first, most)) = ranked.first() else {
        return Verdict::NotEnoughEvidence;
    };
    let second = ranked.get(1).map_or(0.0, |(_, total)| *total);
    if *most < ENOUGH_NATS || *most < AHEAD_TIMES * second {
        return Verdict::NotEnoughEvidence;
    }
    let sources = by_service
        .get(*first)
        .map_or(0, |reasons| reasons.sources(ENOUGH_NATS / 2.0));
    if *most >= FAR_AHEAD_TIMES * second && sources > 1 {
        Verdict::Likely
    } else {
        Verdict::Possible
    }
}
