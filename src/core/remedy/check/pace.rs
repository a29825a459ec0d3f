//! Whether not too much is done, and not two things at once.

use std::time::Duration;

use super::{Says, count, pass, span, stop, unread, wait};
use crate::core::event::{Action, ActionState};
use crate::core::record::Timestamp;
use crate::core::remedy::book::{is_of, is_of_stream, is_same_object, is_same_workload};
use crate::core::remedy::case::Case;
use crate::core::remedy::facts::Facts;

const HOUR: Duration = Duration::from_secs(3_600);

/// The very action was not sent before: what became of it is to be found out, not tried again. One that
/// was refused for certain and stands as if it had not been sent may be.
pub(super) fn once(case: &Case<'_>) -> Option<Says> {
    let mut earlier = case.book.iter().filter(|it| it.id == case.action.id);
    let earlier = earlier.find(|it| it.state.is_in_flight() || it.state.is_over());
    Some(match earlier {
        Some(it) => stop(format!(
            "this very action was sent before: {}",
            it.state.name()
        )),
        None => pass("this action was not sent before"),
    })
}

/// Whether an action of the past was on the same workload: by what the cluster said of both, and by names only
/// where it said nothing of one. Where one of the two does not name its workload, the service decides.
pub(super) fn is_on_same(case: &Case<'_>, past: &Action) -> bool {
    let (here, there) = (&case.action.target, &past.target);
    let read = case.facts.and_then(Facts::found);
    let claimed = past.plan.as_ref().and_then(|it| it.claims.as_ref());
    if let (Some(read), Some((claimed, _))) = (read, claimed)
        && let Some(is_same) = is_same_object(read, claimed)
    {
        return is_same;
    }
    let workload = case.facts.and_then(|it| it.workload.as_ref());
    let is_half_named = here.workload.is_none() || there.workload.is_none();
    is_same_workload(here, there)
        || workload.is_some_and(|it| is_of(past, &it.object))
        || (is_half_named
            && here.namespace == there.namespace
            && is_of_stream(past, &case.action.stream))
}

/// Few actions were on the workload lately.
pub(super) fn workload_rate(case: &Case<'_>) -> Option<Says> {
    let (limits, target) = (case.limits, &case.action.target);
    let period = limits.workload_period;
    let lately = case.book.within(period, case.now);
    let done = lately.filter(|it| is_on_same(case, it)).count();
    Some(rate(done, limits.workload_max, period, &target.to_string()))
}

/// Few were in the namespace.
pub(super) fn namespace_rate(case: &Case<'_>) -> Option<Says> {
    let namespace = &case.action.target.namespace;
    let lately = case.book.within(HOUR, case.now);
    let done = lately
        .filter(|it| it.target.namespace == *namespace)
        .count();
    let most = case.limits.namespace_hourly_max;
    Some(rate(done, most, HOUR, &format!("namespace {namespace}")))
}

/// Few were at all.
pub(super) fn cluster_rate(case: &Case<'_>) -> Option<Says> {
    let done = case.book.within(HOUR, case.now).count();
    Some(rate(done, case.limits.hourly_max, HOUR, "the cluster"))
}

fn rate(done: usize, most: u32, period: Duration, on: &str) -> Says {
    let how = format!(
        "{} on {on} within {}",
        count(done as u64, "action"),
        span(period)
    );
    if done as u64 >= u64::from(most) {
        wait(format!("{how} and at most {most} may be"))
    } else {
        pass(how)
    }
}

/// The last action on the workload is long enough ago: twice as long for each of the latest that did not
/// help.
pub(super) fn cool_down(case: &Case<'_>) -> Option<Says> {
    let mut past = case
        .book
        .iter()
        .filter(|it| is_on_same(case, it))
        .peekable();
    let Some(last) = past.peek().map(|it| last_word(it)) else {
        return Some(pass("nothing was done to it before"));
    };
    let in_vain = past.take_while(|it| is_in_vain(it.state)).count();
    let doublings = u32::try_from(in_vain).unwrap_or(u32::MAX);
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    let limits = case.limits;
    let least = limits
        .cool_down
        .saturating_mul(factor)
        .min(limits.cool_down_max.max(limits.cool_down));
    let ago = case.now.since(last);
    let how = format!("the last action on it was {} ago", span(ago));
    Some(if ago >= least {
        pass(how)
    } else {
        wait(format!("{how}, and nothing is done for {}", span(least)))
    })
}

/// When an action was last heard of.
fn last_word(action: &Action) -> Timestamp {
    let step = action.steps.last().map(|it| it.at);
    step.into_iter()
        .chain(action.acted_at)
        .max()
        .unwrap_or(action.asked_at)
}

/// Whether an action is known not to have helped, or not to have taken place.
pub(super) const fn is_in_vain(state: ActionState) -> bool {
    match state {
        ActionState::Ineffective | ActionState::Harmful | ActionState::Failed => true,
        ActionState::Asked
        | ActionState::Blocked
        | ActionState::Proposed
        | ActionState::Approved
        | ActionState::Sending
        | ActionState::Unsettled
        | ActionState::Accepted
        | ActionState::Done
        | ActionState::Effective
        | ActionState::Inconclusive
        | ActionState::Denied
        | ActionState::Expired
        | ActionState::Observed => false,
    }
}

/// No other action is under way on the workload.
pub(super) fn workload_in_flight(case: &Case<'_>) -> Option<Says> {
    let mut others = case.book.in_flight().filter(|it| is_on_same(case, it));
    Some(match others.next() {
        Some(it) => wait(format!(
            "{} is under way on it: {}",
            it.remedy.kind(),
            it.id
        )),
        None => pass("no other action is under way on it"),
    })
}

/// Few are under way in the namespace.
pub(super) fn namespace_in_flight(case: &Case<'_>) -> Option<Says> {
    let namespace = &case.action.target.namespace;
    let under_way = case.book.in_flight();
    let now = under_way
        .filter(|it| it.target.namespace == *namespace)
        .count();
    let most = case.limits.namespace_in_flight_max;
    Some(in_flight(now, most, &format!("in namespace {namespace}")))
}

/// Few are under way at all.
pub(super) fn cluster_in_flight(case: &Case<'_>) -> Option<Says> {
    let now = case.book.in_flight().count();
    Some(in_flight(now, case.limits.in_flight_max, "in the cluster"))
}

fn in_flight(now: usize, most: u32, place: &str) -> Says {
    let how = format!("{} under way {place}", count(now as u64, "action"));
    if now as u64 >= u64::from(most) {
        wait(format!("{how} and at most {most} may be"))
    } else {
        pass(how)
    }
}

/// For one incident one action goes first; once it helped two may be under way, then four.
pub(super) fn ramp(case: &Case<'_>) -> Option<Says> {
    let incident = case.action.incident.as_ref()?;
    let of_it = || {
        let all = case.book.iter();
        all.filter(|it| it.incident.as_ref() == Some(incident))
    };
    let helped = of_it()
        .filter(|it| it.state == ActionState::Effective)
        .count();
    let under_way = of_it().filter(|it| it.is_in_flight()).count();
    let most = 1_u64 << helped.min(8);
    let how = format!(
        "{} of this incident under way, {helped} helped",
        count(under_way as u64, "action")
    );
    Some(if under_way as u64 >= most {
        wait(format!("{how}, so at most {most} may be"))
    } else {
        pass(how)
    })
}

/// Nobody else has claimed the workload.
pub(super) fn claim(case: &Case<'_>) -> Option<Says> {
    if !case.is_claimed() {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether somebody has claimed it"));
    };
    let held = facts
        .claim
        .as_ref()
        .filter(|claim| claim.action != case.action.id && case.now < claim.at.plus(claim.lasts));
    Some(match held {
        Some(claim) => {
            let left = span(claim.at.plus(claim.lasts).since(case.now));
            wait(format!(
                "action {} has claimed it for {left} more",
                claim.action
            ))
        }
        None => pass("nobody has claimed it"),
    })
}
