//! Whether the release in place is likely the cause, so that the one before it is the cure.

use super::pace::is_on_same;
use super::{Says, needs_person, pass, span, unread};
use crate::core::event::ActionKind;
use crate::core::remedy::case::Case;

/// What is rolled back was released just before the trouble, and nothing was rolled back lately: after a roll
/// back the revision before is the very one that was left.
pub(super) fn revision(case: &Case<'_>) -> Option<Says> {
    let kind = case.action.remedy.kind();
    if !is_roll_back(kind) {
        return None;
    }
    let limits = case.limits;
    let period = limits.recurrence_period.max(limits.release_age_max);
    let mut lately = case.book.within(period, case.now);
    let earlier = lately
        .find(|it| is_roll_back(it.remedy.kind()) && is_on_same(case, it))
        .and_then(|it| it.acted_at);
    if let Some(at) = earlier {
        return Some(needs_person(format!(
            "it was rolled back {} ago, and the revision before may be the one that was left",
            span(case.now.since(at))
        )));
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "when it was released"));
    };
    let released = if kind == ActionKind::ArgoRollBack {
        facts.argo.as_ref().and_then(|it| it.replaced_at)
    } else {
        let previous = facts.workload.as_ref().and_then(|it| it.previous.as_ref());
        previous.and_then(|it| it.replaced_at)
    };
    let Some(released) = released else {
        return Some(needs_person("when it was released is not known"));
    };
    // The first record has the sender's time, so that our own counts too.
    let (began, asked) = (case.action.evidence.first_seen, case.action.asked_at);
    Some(if began.min(asked) < released {
        needs_person("the trouble began before the release that would be left")
    } else if began.max(asked).since(released) > limits.release_age_max {
        needs_person(format!(
            "it was released {} ago: a release of so long ago is hardly the cause",
            span(case.now.since(released))
        ))
    } else {
        pass(format!(
            "it was released {} ago, just before the trouble",
            span(case.now.since(released))
        ))
    })
}

const fn is_roll_back(kind: ActionKind) -> bool {
    matches!(kind, ActionKind::RollBack | ActionKind::ArgoRollBack)
}
