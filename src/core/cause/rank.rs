//! Which service it probably began in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reach::Reach;
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
/// What all of the lost time weighs at most, to be shared by those who lost it.
const TIME_NATS: f64 = 30.0;
/// What corroborates weighs at most this.
const OTHER_NATS: f64 = 1.0;

pub(super) fn cause(incident: &Incident, input: &CauseInput<'_>) -> Cause {
    let reach = Reach::of(incident, input.topology);
    let mut by_service = gather(incident, input, &reach);
    let is_part = |stream: &StreamKey| incident.parts.iter().any(|part| part.stream == *stream);
    let is_named = |stream: &StreamKey| by_service.contains_key(stream) || is_part(stream);
    let mut changes = changes::near(incident, input.changes, &reach, is_named);
    let mut ranked = weigh(&by_service, input.topology);
    blame_changes(&mut ranked, &mut by_service, &changes);
    changes.truncate(Cause::CHANGES_MAX);
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
    let functions = by_service.iter();
    let functions = functions.map(|(stream, reasons)| (*stream, reasons.weight(Sort::Function)));
    let functions: BTreeMap<&StreamKey, f64> = functions.collect();
    let callees = worst_callees(&functions, topology);
    let weighed = by_service.iter().map(|(stream, reasons)| {
        let function = functions.get(stream).copied().unwrap_or_default();
        let worst = callees.get(stream).copied().unwrap_or_default();
        let explained = explained(function, worst);
        // Who lost most of the time is to blame for that, however little sure the others are.
        let time = surest * reasons.excess().as_secs_f64() / lost.max(f64::MIN_POSITIVE);
        let resource = reasons.weight(Sort::Resource);
        let other = reasons.weight(Sort::Other).min(OTHER_NATS);
        let total = function * (1.0 - explained) + time + resource + other;
        (*stream, total)
    });
    weighed.collect()
}

/// Which share of what a service does wrong comes of what the worst service that it calls does wrong.
fn explained(function: f64, worst: f64) -> f64 {
    let share = worst / function.clamp(f64::MIN_POSITIVE, SURE_NATS);
    (1.0 - UNEXPLAINED_SHARE) * share.min(1.0)
}

/// What the worst of the services weighs that a service calls, or that these call: trouble comes up from
/// one to the other and leaves out none. By service, where there is one; `functions` has what each weighs.
fn worst_callees<'a>(
    functions: &BTreeMap<&'a StreamKey, f64>,
    topology: &Topology,
) -> BTreeMap<&'a StreamKey, f64> {
    let mut sick: Vec<(&StreamKey, f64)> = functions
        .iter()
        .map(|(stream, weight)| (*stream, *weight))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    sick.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    // The two worst that come up to each: in a circle one may be itself. The worst goes first, so who has
    // two already has worse ones, and so has everybody above.
    let mut below: BTreeMap<&StreamKey, Vec<(&StreamKey, f64)>> = BTreeMap::new();
    for (source, weight) in sick {
        let mut edge = vec![source];
        while let Some(here) = edge.pop() {
            for caller in topology.callers(here) {
                let Some((caller, own)) = functions.get_key_value(caller) else {
                    continue;
                };
                let known = below.entry(caller).or_default();
                if known.len() < 2 && known.iter().all(|(other, _)| *other != source) {
                    known.push((source, weight));
                    edge.extend((*own > 0.0).then_some(*caller));
                }
            }
        }
    }
    let worst = below.into_iter().filter_map(|(stream, known)| {
        let other = known.into_iter().find(|(source, _)| *source != stream)?;
        Some((stream, other.1))
    });
    worst.collect()
}

/// A change speaks against a service of which something else is said too.
fn blame_changes(
    ranked: &mut [(&StreamKey, f64)],
    by_service: &mut BTreeMap<&StreamKey, Reasons>,
    near: &[NearChange],
) {
    let mut nearest: BTreeMap<&StreamKey, &NearChange> = BTreeMap::new();
    for near in near {
        nearest.entry(&near.change.stream).or_insert(near);
    }
    for (stream, total) in ranked.iter_mut().filter(|(_, total)| *total > 0.0) {
        let Some(evidence) = nearest.get(stream).map(|near| changes::evidence(near)) else {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::core::record::Timestamp;
    use crate::core::topology::LinkSource;

    /// The same by looking at everything that can be reached, one service after the other.
    fn by_search(
        functions: &BTreeMap<&StreamKey, f64>,
        topology: &Topology,
        stream: &StreamKey,
    ) -> Option<f64> {
        let weight = |stream: &StreamKey| functions.get(stream).copied().unwrap_or_default();
        let mut found = BTreeSet::from([stream]);
        let mut edge = vec![stream];
        while let Some(here) = edge.pop() {
            let sick = topology.callees(here).filter(|callee| weight(callee) > 0.0);
            edge.extend(sick.filter(|callee| found.insert(callee)));
        }
        let others = found.into_iter().filter(|found| *found != stream);
        others.map(weight).max_by(f64::total_cmp)
    }

    proptest! {
        #[test]
        fn the_worst_callee_is_the_worst_that_trouble_can_come_up_from(
            weights in prop::collection::vec(0_u8..6, 12),
            links in prop::collection::vec((0_usize..12, 0_usize..12), 0..40),
        ) {
            let streams: Vec<StreamKey> =
                (0..12).map(|n| StreamKey::named(&format!("s{n}"))).collect();
            let mut topology = Topology::default();
            for (caller, callee) in links {
                let (caller, callee) = (&streams[caller], &streams[callee]);
                topology.link(caller, callee, Timestamp::ZERO, LinkSource::Span);
            }
            let functions: BTreeMap<&StreamKey, f64> =
                streams.iter().zip(weights.iter().map(|it| f64::from(*it))).collect();
            let found = worst_callees(&functions, &topology);
            for stream in &streams {
                let expected = by_search(&functions, &topology, stream);
                prop_assert_eq!(found.get(stream).copied(), expected, "{}", stream);
            }
        }
    }
}
