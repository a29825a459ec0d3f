//! What a rehearsal showed: nothing was changed by it.

use super::{Says, needs_person, pass, stop, unknown};
use crate::core::remedy::case::{Case, Reach};
use crate::core::remedy::plan::permissions_of;

/// Most reasons of a policy that are told.
const REASONS_MAX: usize = 3;
/// Most characters of what a server said that are told.
const SAID_MAX: usize = 200;

/// Whether the cluster itself is asked to change something.
fn asks_cluster(case: &Case<'_>) -> bool {
    match case.reach() {
        Reach::Pod | Reach::Workload | Reach::Rollout | Reach::Route => true,
        Reach::Argo => {
            let argo = case.facts.and_then(|it| it.argo.as_ref());
            argo.is_some_and(|it| it.object.is_some())
        }
        Reach::Elsewhere => false,
    }
}

/// We may do all that it takes, and were told so for each thing.
pub(super) fn access(case: &Case<'_>) -> Option<Says> {
    if !asks_cluster(case) {
        return None;
    }
    let (Some(rehearsal), Some(facts)) = (case.rehearsal, case.facts) else {
        return Some(unknown("the server was not asked what we may do"));
    };
    let needed = permissions_of(case.action, facts);
    let said = |name: &str| {
        let mut all = rehearsal.access.iter();
        all.find(|(it, _)| **it == *name).map(|(_, may)| *may)
    };
    let refused = rehearsal.access.iter().find(|(_, may)| !may);
    let unasked = needed
        .iter()
        .map(ToString::to_string)
        .find(|it| said(it).is_none());
    Some(match (refused, unasked) {
        (Some((name, _)), _) => stop(format!("we may not {name}")),
        (None, Some(name)) => unknown(format!("the server was not asked whether we may {name}")),
        (None, None) => pass("we may do all that it takes"),
    })
}

/// The server would take the very requests. Hooks, jobs and receivers know no dry run, so that an answer about
/// them is about something else.
pub(super) fn dry_run(case: &Case<'_>) -> Option<Says> {
    if case.reach() == Reach::Elsewhere {
        return None;
    }
    let said = case.rehearsal.and_then(|it| it.dry_run.as_ref());
    match said {
        Some(Ok(())) => Some(pass("the server would do it")),
        Some(Err(why)) => Some(stop(format!(
            "the server would not do it: {}",
            shortened(why)
        ))),
        None if asks_cluster(case) => Some(unknown("the server was not asked to rehearse it")),
        None => None,
    }
}

/// The owner's policy allows it. One that cannot be asked forbids.
pub(super) fn policy(case: &Case<'_>) -> Option<Says> {
    let said = case.rehearsal.and_then(|it| it.policy.as_ref());
    let decision = match said {
        None if case.limits.has_policy => return Some(unknown("the policy was not asked")),
        None => return None,
        Some(Ok(decision)) => decision,
        Some(Err(why)) => {
            return Some(stop(format!(
                "the policy could not be asked: {}",
                shortened(why)
            )));
        }
    };
    let reasons = decision.reasons.iter().take(REASONS_MAX);
    let reasons: Vec<String> = reasons.map(|it| shortened(it)).collect();
    let because = if reasons.is_empty() {
        String::new()
    } else {
        format!(": {}", reasons.join("; "))
    };
    // The log of the policy has the whole of it under this id.
    let id = decision.id.as_ref();
    let decided = id.map_or(String::new(), |id| format!(" (decision {})", shortened(id)));
    let because = format!("{because}{decided}");
    Some(if !decision.is_allowed {
        stop(format!("the policy forbids it{because}"))
    } else if decision.needs_approval {
        needs_person(format!("the policy asks for a person{because}"))
    } else {
        pass(format!("the policy allows it{because}"))
    })
}

/// What somebody else said, cut to a length that people read.
fn shortened(said: &str) -> String {
    let mut text: String = said.chars().take(SAID_MAX).collect();
    if text.len() < said.len() {
        text.push('…');
    }
    text
}
