//! Whether what was done before speaks for doing more.

use super::pace::{is_in_vain, is_on_same};
use super::{Says, beta, count, needs_person, pass, span, stop, wait};
use crate::core::event::{Action, ActionState};
use crate::core::remedy::case::Case;

/// What of the past an action is judged by. The fingerprint alone is renewed by any new text, so that what the same
/// remedy did to the workload counts too, whatever it was against, and the worse of the two is gone by.
#[derive(Clone, Copy)]
enum Alike {
    /// What was done against the same trouble.
    Trouble,
    /// What the same kind of remedy did to the same workload.
    Remedy,
}

impl Alike {
    const ALL: [Self; 2] = [Self::Trouble, Self::Remedy];

    fn holds(self, case: &Case<'_>, past: &Action) -> bool {
        let action = case.action;
        match self {
            Self::Trouble => past.fingerprint == action.fingerprint,
            Self::Remedy => past.remedy.kind() == action.remedy.kind() && is_on_same(case, past),
        }
    }

    /// Against, or by, what.
    fn what(self, case: &Case<'_>) -> String {
        match self {
            Self::Trouble => "against this trouble".to_owned(),
            Self::Remedy => format!("by {} on this workload", case.action.remedy.kind()),
        }
    }
}

/// What is said of the two ways in which the past is alike, the graver; the first of two that are as grave.
fn worse(says: impl Fn(Alike) -> Says) -> Says {
    let [trouble, remedy] = Alike::ALL.map(says);
    if remedy.0 > trouble.0 {
        remedy
    } else {
        trouble
    }
}

/// The latest actions against this trouble, or by this remedy on the workload, did not all fail. After
/// [`breaker_for`] one more may be tried; when it fails too it takes as long again.
///
/// [`breaker_for`]: crate::core::remedy::rule::Limits::breaker_for
pub(super) fn breaker(case: &Case<'_>) -> Option<Says> {
    Some(worse(|alike| breaker_of(case, alike)))
}

fn breaker_of(case: &Case<'_>, alike: Alike) -> Says {
    let (limits, what) = (case.limits, alike.what(case));
    let same = case.book.iter().filter(|it| alike.holds(case, it));
    let known = same.filter(|it| has_outcome(it.state));
    let in_vain: Vec<&Action> = known.take_while(|it| is_in_vain(it.state)).collect();
    let last = in_vain.first().and_then(|it| it.acted_at);
    let ago = last.map_or(limits.breaker_for, |at| case.now.since(at));
    let times = in_vain.len() as u64;
    let how = format!("the latest {} {what} did not help", count(times, "action"));
    if times == 0 {
        pass(format!("no action {what} was in vain lately"))
    } else if times >= u64::from(limits.breaker_max) && ago < limits.breaker_for {
        stop(format!(
            "{how}, the last {} ago: nothing is done for {}",
            span(ago),
            span(limits.breaker_for)
        ))
    } else {
        pass(how)
    }
}

/// Whether it is known what became of an action.
const fn has_outcome(state: ActionState) -> bool {
    is_in_vain(state) || matches!(state, ActionState::Effective)
}

/// The latest actions at all did not fail by half: then what knothole does is itself suspect. One of which nobody can
/// say whether it took place has failed, too.
pub(super) fn cluster_breaker(case: &Case<'_>) -> Option<Says> {
    let limits = case.limits;
    let (mut all, mut bad) = (0_u32, 0_u32);
    for action in case.book.within(limits.failure_period, case.now) {
        let is_lost = action.was_never_settled();
        all += u32::from(is_lost || has_outcome(action.state));
        bad += u32::from(is_lost || is_in_vain(action.state));
    }
    let how = format!(
        "{bad} of {} within {} did not help or are not known to have taken place",
        count(all, "action"),
        span(limits.failure_period)
    );
    let is_open = all >= limits.failure_actions_min
        && f64::from(bad) >= limits.failure_share_max * f64::from(all);
    Some(if is_open {
        stop(format!("{how}: nothing is done at all"))
    } else {
        pass(how)
    })
}

/// Not everything is in trouble: then the cause is shared, and restarting what suffers from it helps
/// nobody.
pub(super) fn storm(case: &Case<'_>) -> Option<Says> {
    let (limits, (heard, troubled)) = (case.limits, case.world.services);
    let how = format!("{troubled} of {} are in trouble", count(heard, "service"));
    let ago = case.world.storm_at.map(|at| case.now.since(at));
    Some(if limits.is_storm((heard, troubled)) {
        stop(format!("{how}: what they share is the cause"))
    } else if let Some(ago) = ago.filter(|ago| *ago < limits.storm_cool_down) {
        let least = span(limits.storm_cool_down);
        wait(format!(
            "much was in trouble {} ago, and nothing is done for {least}",
            span(ago)
        ))
    } else {
        pass(how)
    })
}

/// Few services call this one.
pub(super) fn dependants(case: &Case<'_>) -> Option<Says> {
    let how = format!("{} it", calls(case.world.dependants));
    Some(if case.world.dependants >= case.limits.dependants_max {
        needs_person(how)
    } else {
        pass(how)
    })
}

fn calls(services: u32) -> String {
    let verb = if services == 1 { "calls" } else { "call" };
    format!("{} {verb}", count(services, "service"))
}

/// The trouble does not come back and back: what is done about it does not reach its cause.
pub(super) fn recurrence(case: &Case<'_>) -> Option<Says> {
    Some(worse(|alike| recurrence_of(case, alike)))
}

fn recurrence_of(case: &Case<'_>, alike: Alike) -> Says {
    let period = case.limits.recurrence_period;
    let lately = case.book.within(period, case.now);
    let times = lately.filter(|it| alike.holds(case, it)).count() as u64;
    let how = format!(
        "{} {} within {}",
        count(times, "action"),
        alike.what(case),
        span(period)
    );
    if times >= u64::from(case.limits.recurrences_max) {
        needs_person(format!(
            "{how}: it keeps coming back, so what is done does not reach its cause; a person has \
             to look"
        ))
    } else {
        pass(how)
    }
}

/// What the rule comes after was tried in this incident and did not help.
pub(super) fn ladder(case: &Case<'_>) -> Option<Says> {
    let (rule, action) = (case.rule?, case.action);
    if rule.after.is_empty() {
        return None;
    }
    let first = rule.after.join(" or ");
    let lately = case.book.within(case.limits.recurrence_period, case.now);
    let tried = lately
        .filter(|it| rule.after.contains(&it.rule))
        .find(|it| match &action.incident {
            Some(incident) => it.incident.as_ref() == Some(incident),
            None => it.fingerprint == action.fingerprint,
        });
    let Some(tried) = tried else {
        return Some(wait(format!("{first} comes first")));
    };
    let name = &tried.rule;
    Some(if is_in_vain(tried.state) {
        pass(format!("{name} was tried and did not help"))
    } else if tried.state == ActionState::Inconclusive {
        needs_person(format!(
            "{name} was tried, and whether it helped cannot be said"
        ))
    } else {
        wait(format!("{name} was tried: {}", tried.state.name()))
    })
}

/// The remedy is not known to help too seldom against this trouble, or on this workload.
///
/// A person is asked once it is likely (at least [`success_doubt`]) that it helps less often than
/// [`success_min`], going by a Beta distribution with even odds before anything is known. It is the chance of
/// a low rate that is asked for, not whether a lower bound of the rate is high enough: no remedy could
/// pass that before it has had its first chance. Three times in vain are enough to ask.
///
/// [`success_doubt`]: crate::core::remedy::rule::Limits::success_doubt
/// [`success_min`]: crate::core::remedy::rule::Limits::success_min
pub(super) fn track_record(case: &Case<'_>) -> Option<Says> {
    Some(worse(|alike| track_record_of(case, alike)))
}

fn track_record_of(case: &Case<'_>, alike: Alike) -> Says {
    let (action, limits) = (case.action, case.limits);
    let kind = action.remedy.kind();
    let same = |past: &Action| past.remedy.kind() == kind && alike.holds(case, past);
    let (helped, not) = case.book.record_of(&same);
    let how = format!("{kind} helped {helped} of {}", count(helped + not, "time"));
    let how = match alike {
        Alike::Trouble => format!("{how} against this trouble"),
        Alike::Remedy => format!("{how} on this workload"),
    };
    if beta::is_likely_below(helped, not, limits.success_min, limits.success_doubt) {
        needs_person(format!("{how}: too seldom to use it without a person"))
    } else {
        pass(how)
    }
}
