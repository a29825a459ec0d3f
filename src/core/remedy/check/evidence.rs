//! Whether what was seen is reason enough.

use super::{Says, count, needs_person, pass, span, unknown, wait};
use crate::core::event::{AnomalyKind, Mode};
use crate::core::remedy::case::{Case, Reach};

/// Kinds that rest on records that did not come. When nothing at all comes they say nothing.
const MISSING: [AnomalyKind; 5] = [
    AnomalyKind::RateDown,
    AnomalyKind::Silence,
    AnomalyKind::Missing,
    AnomalyKind::Incomplete,
    AnomalyKind::Count,
];

/// The trouble goes on.
pub(super) fn incident(case: &Case<'_>) -> Option<Says> {
    Some(if case.world.goes_on {
        pass("the trouble goes on")
    } else {
        wait("the trouble is over, or is not an incident yet")
    })
}

/// Records have been coming without a gap, where the case rests on records that did not come.
pub(super) fn hearing(case: &Case<'_>) -> Option<Says> {
    if !rests_on_missing(case) {
        return None;
    }
    let least = case.limits.hearing_min;
    let since = case.world.hearing_since.map(|at| case.now.since(at));
    Some(match since {
        Some(long) if long >= least => pass(format!(
            "records have been coming without a gap for {}",
            span(long)
        )),
        Some(long) => wait(format!(
            "records have been coming without a gap for only {}, and the case rests on some that \
             did not",
            span(long)
        )),
        None => wait("no records come, and the case rests on some that did not"),
    })
}

fn rests_on_missing(case: &Case<'_>) -> bool {
    let is_missing = |kind: &str| MISSING.iter().any(|it| it.name() == kind);
    let mut kinds = case.action.evidence.kinds.iter();
    kinds.all(|kind| is_missing(kind))
}

/// The trouble has gone on for long enough to be acted on without a person, and still shows. Without a person it
/// counts how long anomalies came, by our clock: a record may say any time of itself, and one alone goes on for
/// no time.
pub(super) fn persisted(case: &Case<'_>) -> Option<Says> {
    let (action, evidence) = (case.action, &case.action.evidence);
    let (lasted, least) = (case.now.since(evidence.first_seen), case.rule?.persist);
    let came = evidence.heard_at.since(action.asked_at);
    let known = case.now.since(action.asked_at);
    let quiet = case.now.since(evidence.last_seen);
    Some(if lasted < least {
        let why = format!(
            "the trouble was first seen {} ago and must go on for {}",
            span(lasted),
            span(least)
        );
        // A person need not be kept waiting.
        if case.action.mode == Mode::Auto {
            wait(why)
        } else {
            needs_person(why)
        }
    } else if quiet > case.limits.quiet_max && !rests_on_missing(case) {
        wait(format!("the trouble was last seen {} ago", span(quiet)))
    } else if action.mode == Mode::Auto && came < least {
        let why = format!(
            "anomalies have been coming for {} and must for {}",
            span(came),
            span(least)
        );
        // The next one may come soon. Where none does, a person is told.
        if known < least.saturating_mul(2) {
            wait(why)
        } else {
            needs_person(why)
        }
    } else {
        pass(format!("the trouble has gone on for {}", span(lasted)))
    })
}

/// The score is as high as the rule wants it, also where the rule was changed since.
pub(super) fn score(case: &Case<'_>) -> Option<Says> {
    let (score, least) = (case.action.evidence.score, case.rule?.score_min);
    Some(if score >= least {
        pass(format!("the score is {score:.3}"))
    } else {
        wait(format!("the score is {score:.3} and must be {least:.3}"))
    })
}

/// Enough detectors agree.
pub(super) fn detectors(case: &Case<'_>) -> Option<Says> {
    let mut names: Vec<_> = case.action.evidence.detectors.iter().collect();
    names.sort();
    names.dedup();
    let (agree, least) = (names.len() as u64, case.limits.detectors_min);
    let how = count(agree, "detector");
    Some(if agree >= u64::from(least) {
        pass(format!("{how} agree"))
    } else {
        needs_person(format!("only {how} says so, and {least} must agree"))
    })
}

/// Something that is not a log says so too. Whoever can write logs could otherwise have things done.
pub(super) fn other_signal(case: &Case<'_>) -> Option<Says> {
    let said = cluster_says(case).or_else(|| case.world.corroborated.as_deref().map(str::to_owned));
    Some(match (said, case.facts) {
        (Some(said), _) => pass(said),
        (None, None) if case.reach() != Reach::Elsewhere => {
            unknown("the cluster was not read, so only logs speak for it")
        }
        (None, _) => needs_person("only logs speak for it"),
    })
}

/// What the cluster itself says that speaks for trouble.
fn cluster_says(case: &Case<'_>) -> Option<String> {
    let facts = case.facts?;
    if let Some(pod) = &facts.pod {
        let name = &pod.object.name;
        if !pod.is_ready {
            return Some(format!("pod {name} is not Ready"));
        }
        // What ends once before the pod starts is no restart.
        let ended = pod.last_ended.filter(|_| pod.restarts > 0);
        let ended = ended.filter(|at| *at <= case.now);
        let ago = ended.map(|at| case.now.since(at));
        if let Some(ago) = ago.filter(|ago| *ago <= case.limits.ended_recently) {
            return Some(format!(
                "a container of pod {name} was restarted {} ago",
                span(ago)
            ));
        }
    }
    // That another pod of the workload is away is no reason to evict this one: somebody else may have named it.
    if case.reach() == Reach::Pod {
        return None;
    }
    let workload = facts.workload.as_ref()?;
    let (ready, wanted) = (workload.ready, workload.replicas);
    (ready < wanted).then(|| format!("{ready} of {} are Ready", count(wanted, "pod")))
}

/// The records name the uid of a pod that is there. A name alone is easily somebody else's, and one cluster
/// may have what another has, by the same names.
pub(super) fn identity(case: &Case<'_>) -> Option<Says> {
    let Some(uid) = &case.action.target.pod_uid else {
        return Some(needs_person("the records do not name the pod's uid"));
    };
    let pod = case.facts.map(|it| it.pod.as_ref());
    Some(match pod {
        None => pass("the records name the pod's uid"),
        Some(None) => needs_person("the pod that the records name is not there, or not any more"),
        Some(Some(pod)) if pod.object.uid == *uid => {
            pass("the pod has the uid that the records name")
        }
        Some(Some(_)) => needs_person("the pod has another uid than the records name"),
    })
}

/// The sender showed a token and speaks for itself, or the cluster says so too.
pub(super) fn sender(case: &Case<'_>) -> Option<Says> {
    if case.world.is_authenticated {
        return Some(pass("the sender showed a token"));
    }
    Some(match cluster_says(case) {
        Some(said) => pass(format!("the sender showed no token, but {said}")),
        None => needs_person("the sender showed no token, and the cluster does not bear it out"),
    })
}

/// The service is not being learned, and its model is not old.
pub(super) fn model(case: &Case<'_>) -> Option<Says> {
    if case.world.is_unknown {
        return Some(wait("how the service is judged is not known yet"));
    }
    if case.world.is_learning {
        return Some(needs_person("the service is being learned anew"));
    }
    let most = case.limits.model_age_max;
    Some(match case.world.model_age {
        None => needs_person(
            "the service has no model yet, or one of which nobody knows when it was trained",
        ),
        Some(age) if age > most => needs_person(format!("its model is {} old", span(age))),
        Some(age) => pass(format!("its model is {} old", span(age))),
    })
}

/// People said that this trouble was rightly told, where they said anything.
pub(super) fn precision(case: &Case<'_>) -> Option<Says> {
    let (right, all) = case.world.feedback;
    if all == 0 {
        return Some(pass("nobody said anything about this trouble yet"));
    }
    let how = format!("people said {right} of {all} times that it was rightly told");
    Some(
        if f64::from(right) / f64::from(all) >= case.limits.precision_min {
            pass(how)
        } else {
            needs_person(how)
        },
    )
}
