//! How long it takes to notice, to take on and to end a trouble, and how many changes bring one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Correlator;
use crate::core::event::{Incident, Verdict};
use crate::core::record::{Change, StreamKey, Timestamp};

/// The times of one incident, all from its first abnormal record on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Until it could be told.
    pub detect: Duration,
    /// Until somebody took it on; `None` if nobody did.
    pub acknowledge: Option<Duration>,
    /// Until it was over: until its last sign if it went quiet by itself, else until somebody said so.
    /// `None` while it goes on.
    pub restore: Option<Duration>,
}

/// How long half of them took at most, and how long nine in ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// The median; of an even number the middle of the two in the middle.
    pub p50: Duration,
    /// The ninth decile: nine in ten took no longer.
    pub p90: Duration,
}

/// The figures of a window of time, over the incidents that began in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dora {
    /// Incidents, but for those that turned out to be part of another, and those that gathered the
    /// unusual alerts of a day.
    pub incidents: u64,
    /// From the first abnormal record to the first word.
    pub detect: Option<Quantiles>,
    /// From the first abnormal record until somebody took it on, over those that somebody did.
    pub acknowledge: Option<Quantiles>,
    /// From the first abnormal record to the end, over those that are over.
    pub restore: Option<Quantiles>,
    /// Changes of one service within [`Dora::ONE_DEPLOYMENT`] of each other are one deployment.
    pub deployments: u64,
    /// Those that probably caused an incident.
    pub failed_deployments: u64,
    /// From a deployment that failed to the end of its incident.
    pub recovery: Option<Quantiles>,
}

impl Times {
    /// The times of an incident. Where a clock went back, a time is zero.
    pub fn of(incident: &Incident) -> Self {
        let since_began = |at: Timestamp| at.since(incident.began);
        Self {
            detect: since_began(incident.detected),
            acknowledge: incident
                .acknowledged
                .as_ref()
                .map(|mark| since_began(mark.at)),
            restore: restored(incident).map(since_began),
        }
    }
}

impl Dora {
    /// What is within this of each other and of one service is one deployment: its pods are replaced
    /// one by one, and who deploys may also post it.
    pub const ONE_DEPLOYMENT: Duration = Duration::from_mins(10);

    /// The figures of the time from `from` to before `to`.
    pub fn of<'a>(
        incidents: impl IntoIterator<Item = &'a Incident>,
        changes: impl IntoIterator<Item = &'a Change>,
        (from, to): (Timestamp, Timestamp),
    ) -> Self {
        let is_within = |at: Timestamp| from <= at && at < to;
        let own = incidents
            .into_iter()
            .filter(|incident| is_within(incident.began) && is_own_trouble(incident));
        let own: Vec<&Incident> = own.collect();
        let times: Vec<Times> = own.iter().map(|incident| Times::of(incident)).collect();
        let mut deployments: BTreeMap<&StreamKey, Vec<Timestamp>> = BTreeMap::new();
        let mut changes: Vec<&Change> = changes.into_iter().collect();
        changes.sort_by_key(|change| change.at);
        for change in changes.into_iter().filter(|change| is_within(change.at)) {
            let known = deployments.entry(&change.stream).or_default();
            if known
                .last()
                .is_none_or(|last| change.at.since(*last) > Self::ONE_DEPLOYMENT)
            {
                known.push(change.at);
            }
        }
        let mut failed: BTreeMap<(&StreamKey, Timestamp), Option<Timestamp>> = BTreeMap::new();
        for incident in &own {
            if let Some(change) = cause(incident)
                && let Some(known) = deployments.get(&change.stream)
                && let Some(at) = known.iter().rev().find(|at| **at <= change.at)
            {
                let restored = restored(incident);
                let end = failed.entry((&change.stream, *at)).or_default();
                *end = (*end).max(restored);
            }
        }
        let recovered = failed
            .iter()
            .filter_map(|((_, at), end)| Some((*end)?.since(*at)));
        Self {
            incidents: own.len() as u64,
            detect: quantiles(times.iter().map(|times| times.detect)),
            acknowledge: quantiles(times.iter().filter_map(|times| times.acknowledge)),
            restore: quantiles(times.iter().filter_map(|times| times.restore)),
            deployments: deployments.values().map(|known| known.len() as u64).sum(),
            failed_deployments: failed.len() as u64,
            recovery: quantiles(recovered),
        }
    }

    /// The share of deployments that failed, between 0 and 1; `None` if there was none.
    pub fn change_failure_rate(&self) -> Option<f64> {
        (self.deployments > 0).then(|| self.failed_deployments as f64 / self.deployments as f64)
    }
}

/// When an incident was over.
fn restored(incident: &Incident) -> Option<Timestamp> {
    let end = incident.ended.as_ref()?;
    let is_ours = *end.by == *Correlator::OURSELVES;
    Some(if is_ours { incident.last_seen } else { end.at })
}

fn is_own_trouble(incident: &Incident) -> bool {
    let note = incident.ended.as_ref().and_then(|end| end.note.as_deref());
    note.is_none_or(|note| !note.starts_with(Correlator::PART_OF) && note != Correlator::REST_WHY)
}

/// The change that probably caused an incident: the nearest of the first suspect, where one stands out.
fn cause(incident: &Incident) -> Option<&Change> {
    let cause = &incident.cause;
    let suspect = cause.suspects.first()?;
    let near = cause.changes.iter().map(|near| near.change.as_ref());
    let mut of_suspect = near.filter(|change| change.stream == suspect.stream);
    of_suspect
        .next()
        .filter(|_| cause.verdict != Verdict::NotEnoughEvidence)
}

/// `None` of nothing.
fn quantiles(times: impl Iterator<Item = Duration>) -> Option<Quantiles> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let at = |place: usize| times.get(place).copied();
    Some(Quantiles {
        p50: (at(last / 2)? + at(times.len() / 2)?) / 2,
        p90: at((times.len() * 9).div_ceil(10) - 1)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::World;
    use super::*;
    use crate::core::event::{Mark, NearChange, Suspect};
    use crate::core::record::ChangeKind;

    const MINUTE: Duration = Duration::from_mins(1);

    fn change(service: &str, at: Timestamp) -> Change {
        Change {
            id: format!("{service}@{}", at.as_nanos()).into(),
            kind: ChangeKind::Version,
            stream: StreamKey::named(service),
            from: None,
            to: Some("2".into()),
            at,
            reference: None,
            url: None,
        }
    }

    /// Three incidents of 10, 20 and 60 minutes; the first is taken on after two.
    fn incidents() -> Vec<Incident> {
        let mut world = World::new();
        let mut found = Vec::new();
        for (service, minutes) in [("cart", 10), ("mail", 20), ("billing", 60)] {
            world.see(service);
            world.wait(2 * MINUTE);
            let id = world.live()[0].id.clone();
            if service == "cart" {
                let mark = world.mark();
                world.correlator.acknowledge(&id, mark).unwrap();
            }
            for _ in 0..(minutes - 2) / 2 {
                world.wait(2 * MINUTE);
                world.see(service);
            }
            world.wait(30 * MINUTE);
            found.push(world.last(&id));
        }
        found
    }

    #[test]
    fn times_count_from_the_first_abnormal_record_and_end_with_the_last() {
        let incidents = incidents();
        let times = Times::of(&incidents[0]);
        assert_eq!(times.detect, Duration::from_secs(10));
        assert_eq!(times.acknowledge, Some(2 * MINUTE));
        assert_eq!(times.restore, Some(10 * MINUTE));
        let mut closed = incidents[0].clone();
        let at = closed.began.plus(25 * MINUTE);
        let by = "ada".into();
        closed.ended = Some(Mark { at, by, note: None });
        assert_eq!(Times::of(&closed).restore, Some(25 * MINUTE));
        closed.ended = None;
        assert_eq!(Times::of(&closed).restore, None);
    }

    #[test]
    fn half_take_no_longer_than_the_median_and_nine_in_ten_no_longer_than_the_ninth_decile() {
        let of = |minutes: std::ops::RangeInclusive<u32>| {
            let found = quantiles(minutes.rev().map(|it| it * MINUTE)).unwrap();
            (found.p50, found.p90)
        };
        assert_eq!(of(1..=1), (MINUTE, MINUTE));
        assert_eq!(of(1..=2), (3 * MINUTE / 2, 2 * MINUTE));
        assert_eq!(of(1..=10), (11 * MINUTE / 2, 9 * MINUTE));
        assert_eq!(of(1..=11), (6 * MINUTE, 10 * MINUTE));
        assert_eq!(quantiles([].into_iter()), None);
    }

    #[test]
    fn a_window_has_medians_and_the_share_of_changes_that_failed() {
        let mut incidents = incidents();
        let deployed = incidents[1].began.minus(5 * MINUTE);
        let bad = change("mail", deployed);
        incidents[1].cause.verdict = Verdict::Likely;
        incidents[1].cause.suspects = vec![Suspect {
            stream: StreamKey::named("mail"),
            pod: None,
            component: None,
            share: 1.0,
            evidence: Vec::new(),
        }];
        incidents[1].cause.changes = vec![NearChange {
            change: Arc::new(bad.clone()),
            before: 5 * MINUTE,
        }];
        let mut part = incidents[2].clone();
        part.ended = Some(Mark {
            at: part.last_seen,
            by: Correlator::OURSELVES.into(),
            note: Some(format!("{}0", Correlator::PART_OF).into()),
        });
        incidents.push(part);
        let posted = change("mail", deployed.plus(MINUTE));
        let fine = change("front", deployed);
        let before = change("front", Timestamp::ZERO);
        let window = (incidents[0].began, incidents[2].began.plus(MINUTE));
        let dora = Dora::of(&incidents, [&posted, &fine, &bad, &before], window);
        assert_eq!(dora.incidents, 3);
        let took = |p50, p90| Some(Quantiles { p50, p90 });
        assert_eq!(dora.restore, took(20 * MINUTE, 60 * MINUTE));
        assert_eq!(dora.acknowledge, took(2 * MINUTE, 2 * MINUTE));
        assert_eq!((dora.deployments, dora.failed_deployments), (2, 1));
        assert_eq!(dora.change_failure_rate(), Some(0.5));
        assert_eq!(dora.recovery, took(25 * MINUTE, 25 * MINUTE));
        // Without evidence no change is blamed, and without changes there is no rate.
        incidents[1].cause.verdict = Verdict::NotEnoughEvidence;
        assert_eq!(Dora::of(&incidents, [&bad], window).failed_deployments, 0);
        let nothing = Dora::of([], [], window);
        assert_eq!(
            (nothing.restore, nothing.change_failure_rate()),
            (None, None)
        );
    }
}
