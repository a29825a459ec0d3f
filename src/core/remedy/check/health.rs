//! Whether the workload can bear it now.

use super::{Says, count, needs_person, pass, span, stop, unknown, unread, wait};
use crate::core::event::{ActionKind, Remedy};
use crate::core::remedy::case::{Case, Reach};
use crate::core::remedy::facts::{Facts, WorkloadFacts};
use crate::core::remedy::rule::Limits;

/// No window forbids actions on the target now.
pub(super) fn frozen(case: &Case<'_>) -> Option<Says> {
    Some(match &case.world.frozen {
        Some(window) => wait(format!("{window} forbids actions now")),
        None => pass("no window forbids actions"),
    })
}

/// The cluster is not being upgraded: pods move then anyway, and trouble has a cause that is known. To look takes a
/// right for the whole cluster; where the owner did not give it the other checks have to do.
pub(super) fn upgrade(case: &Case<'_>) -> Option<Says> {
    if case.reach() == Reach::Elsewhere {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether it is being upgraded"));
    };
    Some(match facts.is_upgrading {
        Some(true) => {
            needs_person("the nodes run different versions: the cluster is being upgraded")
        }
        Some(false) => pass("the nodes run one version"),
        None => pass(
            "not looked: nodes may not be listed, so an upgrade of the cluster holds nothing back (knothole \
             rbac --nodes)",
        ),
    })
}

/// The disruption budget allows one more. The server decides about a pod that is not Ready by a rule of
/// its own (`unhealthyPodEvictionPolicy`), which its dry run shows.
pub(super) fn budget(case: &Case<'_>) -> Option<Says> {
    if case.reach() != Reach::Pod {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "what its disruption budget allows"));
    };
    let is_ready = facts.pod.as_ref().is_none_or(|it| it.is_ready);
    Some(match facts.budgets.as_slice() {
        [] => pass("no disruption budget selects the pod"),
        [only] if !only.is_observed => wait(format!(
            "disruption budget {} was changed and is not worked out yet",
            only.name
        )),
        [only] if only.allowed >= 1 => pass(format!(
            "disruption budget {} allows {} more",
            only.name, only.allowed
        )),
        [only] if is_ready => wait(format!("disruption budget {} allows none now", only.name)),
        [only] => pass(format!(
            "disruption budget {} allows none, but the pod is not Ready: the server decides",
            only.name
        )),
        several => stop(format!(
            "{} disruption budgets select the pod, and the server evicts no such pod",
            several.len()
        )),
    })
}

/// Enough pods stay Ready. A pod that is not Ready serves nobody: taking it away costs nothing, and
/// [`pods_away`] looks at how the others are.
pub(super) fn ready_stay(case: &Case<'_>) -> Option<Says> {
    let is_pod = case.reach() == Reach::Pod;
    if !is_pod && !case.rolls_out() {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "how many pods stay Ready"));
    };
    let Some(workload) = &facts.workload else {
        return Some(unknown("the workload of the pod is not known"));
    };
    let lost = if is_pod {
        u32::from(facts.pod.as_ref()?.is_ready)
    } else {
        match lost_by_rollout(workload) {
            Some(lost) => lost,
            None => return Some(unknown("how many pods a rollout takes away is not known")),
        }
    };
    if lost == 0 {
        return Some(pass("no pod that is Ready goes"));
    }
    let (wanted, ready) = (workload.replicas, workload.ready);
    let stay = ready.saturating_sub(lost);
    let must = must_stay(case.limits, wanted);
    let how = format!("{ready} of {} Ready", are(wanted));
    Some(if stay >= must {
        pass(format!("{how} and {stay} of them stay"))
    } else {
        wait(format!(
            "{how}, {stay} would stay and at least {must} must stay"
        ))
    })
}

/// How many Ready pods a rollout takes away by the workload's own strategy. Those that are not Ready go
/// first.
fn lost_by_rollout(workload: &WorkloadFacts) -> Option<u32> {
    let kept = workload.replicas.saturating_sub(workload.away_max?);
    Some(workload.ready.saturating_sub(kept))
}

/// The larger of the number and the share.
fn must_stay(limits: &Limits, wanted: u32) -> u32 {
    // A share of a u32 that is not negative; what is too large, or is no number, saturates.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let share = (limits.ready_share_min * f64::from(wanted)).ceil() as u32;
    limits.ready_min.max(share)
}

fn are(pods: u32) -> String {
    let verb = if pods == 1 { "is" } else { "are" };
    format!("{} {verb}", count(pods, "pod"))
}

/// Few of the workload's pods are away at once, the one that is to go among them; one always may be. So a
/// pod that is the only one not Ready may go, and one whose fellows are away too may not. How many a rollout takes
/// away is the workload's own strategy; where that is many a person is asked.
pub(super) fn pods_away(case: &Case<'_>) -> Option<Says> {
    if case.reach() != Reach::Pod && !case.rolls_out() {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "how many of its pods are away"));
    };
    let Some(workload) = &facts.workload else {
        return Some(unknown("the workload of the pod is not known"));
    };
    if case.rolls_out() {
        return Some(away_by_rollout(case.limits, workload));
    }
    let is_ready = u32::from(facts.pod.as_ref()?.is_ready);
    let away = workload.replicas.saturating_sub(workload.ready);
    let (wanted, would) = (workload.replicas, away.saturating_add(is_ready));
    let most = may_be_away(case.limits, wanted);
    let how = format!("{would} of {} would be away", count(wanted, "pod"));
    Some(if would <= most {
        pass(how)
    } else {
        wait(format!("{how} and at most {most} may be"))
    })
}

fn away_by_rollout(limits: &Limits, workload: &WorkloadFacts) -> Says {
    let Some(away) = workload.away_max else {
        return unknown("how many pods a rollout takes away is not known");
    };
    let wanted = workload.replicas;
    let most = may_be_away(limits, wanted);
    let how = format!(
        "a rollout takes away {away} of {} at once",
        count(wanted, "pod")
    );
    if away <= most {
        pass(how)
    } else {
        needs_person(format!("{how} and at most {most} may be away"))
    }
}

fn may_be_away(limits: &Limits, wanted: u32) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let share = (limits.pods_share_max * f64::from(wanted)).floor() as u32;
    share.max(1)
}

/// Rollouts of the workload are not paused: what is changed in its template would wait until somebody
/// resumes it, and then surprise them.
pub(super) fn paused(case: &Case<'_>) -> Option<Says> {
    if !case.rolls_out() {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether its rollouts are paused"));
    };
    let workload = facts.workload.as_ref()?;
    Some(if workload.is_paused {
        stop("somebody has paused its rollouts")
    } else {
        pass("its rollouts are not paused")
    })
}

/// No rollout is under way. One that fails is what a roll back is for, and no reason to restart anything
/// without a person; one that is to be aborted has to be under way.
pub(super) fn rollout(case: &Case<'_>) -> Option<Says> {
    let kind = case.action.remedy.kind();
    match case.reach() {
        Reach::Pod | Reach::Workload => {}
        Reach::Rollout => return Some(abortable(case)),
        Reach::Argo if case.rolls_out() => {}
        Reach::Argo | Reach::Route | Reach::Elsewhere => return None,
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether a rollout is under way"));
    };
    let workload = facts.workload.as_ref()?;
    let (updated, wanted) = (workload.updated, workload.replicas);
    let is_under_way = !workload.is_observed || updated < wanted;
    Some(if !workload.is_observed {
        wait("its controller has not seen its newest change yet")
    } else if kind == ActionKind::RollBack && workload.has_failed {
        pass("its last rollout failed")
    } else if workload.has_failed {
        needs_person("its last rollout failed, and a restart or more of the same may not help")
    } else if kind == ActionKind::RollBack && is_under_way {
        needs_person(format!(
            "a rollout is under way: {updated} of {} new, and it has not failed yet",
            are(wanted)
        ))
    } else if is_under_way {
        wait(format!(
            "a rollout is under way: {updated} of {} new",
            are(wanted)
        ))
    } else {
        pass("no rollout is under way")
    })
}

fn abortable(case: &Case<'_>) -> Says {
    let Some(facts) = case.facts else {
        return unread(case, "whether the rollout is under way");
    };
    match &facts.workload {
        None => unknown("the rollout is not known"),
        Some(it) if it.is_aborted => stop("the rollout is aborted already"),
        Some(it) if ["Progressing", "Paused"].contains(&&*it.phase) => {
            pass("the rollout is under way")
        }
        Some(it) => stop(format!(
            "the rollout is {}: there is nothing to abort",
            it.phase
        )),
    }
}

/// No autoscaler sets the replicas: it would take them back.
pub(super) fn autoscaler(case: &Case<'_>) -> Option<Says> {
    if case.action.remedy.kind() != ActionKind::Scale {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether an autoscaler sets its replicas"));
    };
    Some(match facts.autoscalers.first() {
        Some(name) => stop(format!("autoscaler {name} sets its replicas")),
        None => pass("no autoscaler sets its replicas"),
    })
}

/// The pod is old enough: a younger one is still starting, or was restarted just now.
pub(super) fn pod_age(case: &Case<'_>) -> Option<Says> {
    if case.reach() != Reach::Pod {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "how old the pod is"));
    };
    let (pod, rule) = (facts.pod.as_ref()?, case.rule?);
    let Some(created) = pod.created else {
        return Some(unknown("when the pod was made is not known"));
    };
    let (age, least) = (case.now.since(created), rule.pod_age_min);
    Some(if age >= least {
        pass(format!("the pod is {} old", span(age)))
    } else {
        let (age, least) = (span(age), span(least));
        wait(format!("the pod is {age} old and must be {least}"))
    })
}

/// Argo CD can do it now. Where it is asked through its object nobody can know whether a sync window is closed, and
/// what one holds back is carried out when it opens: so late that a person has to have chosen that.
pub(super) fn argo(case: &Case<'_>) -> Option<Says> {
    if case.reach() != Reach::Argo {
        return None;
    }
    let Some(argo) = case.facts.and_then(|it| it.argo.as_ref()) else {
        return Some(unknown("Argo CD was not read"));
    };
    let is_back = case.action.remedy.kind() == ActionKind::ArgoRollBack;
    Some(if is_back && argo.is_automated {
        stop("Argo CD rolls nothing back that it syncs by itself: revert in Git")
    } else if is_back && argo.previous.is_none() {
        stop("its history knows no revision before")
    } else if argo.is_closed == Some(true) {
        wait("a sync window forbids it now")
    } else if argo.is_busy {
        wait("Argo CD is at work on the application")
    } else if argo.is_closed.is_none() {
        needs_person(
            "the Application object does not say whether a sync window is closed: if one is, Argo CD carries \
             it out when the window opens, maybe hours later",
        )
    } else {
        pass("Argo CD can do it now")
    })
}

/// Requests still go somewhere once the weight is set, and a person agrees: where they go is never for a rule
/// alone to say.
pub(super) fn traffic(case: &Case<'_>) -> Option<Says> {
    let Remedy::GatewayWeight {
        backend, weight, ..
    } = &case.action.remedy
    else {
        return None;
    };
    let Some(facts) = case.facts else {
        return Some(unread(case, "where requests would go"));
    };
    Some(match dry_rule(facts, backend, *weight) {
        Some(rule) => stop(format!(
            "no backend of rule {rule} of the route would have any weight"
        )),
        None => needs_person("requests still go somewhere, and a person says whether to there"),
    })
}

/// The rule of the route, counted from 0, none of whose backends would have a weight.
fn dry_rule(facts: &Facts, backend: &str, weight: u32) -> Option<u32> {
    let backends = &facts.route.as_ref()?.backends;
    let is_it = |service: &str| service == backend;
    let mut rules = backends.iter().filter(|it| is_it(&it.service));
    rules.find_map(|it| {
        let rest = backends
            .iter()
            .filter(|other| other.rule == it.rule && !is_it(&other.service));
        let left: u64 = rest.map(|other| u64::from(other.weight)).sum();
        (left + u64::from(weight) == 0).then_some(it.rule)
    })
}
