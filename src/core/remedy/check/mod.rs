//! Everything that must hold before something is done: each check a pure function with its reason.
//!
//! Source: the checklist of the remediation specification, 1 to 21. What is marked with `!` never heals:
//! an action that it stops is over. All else is looked at again until the action's time is up.
//!
//! | check | item | holds when |
//! |---|---|---|
//! | `rule` ! | 1 | the rule is still there, asks for the same, and may still go as far |
//! | `in_time` ! | 12 | the action's time is not up |
//! | `once` ! | 11 | the very action was not sent before |
//! | `switch` | 1 | nobody has stopped all actions |
//! | `forbidden_namespace` ! | 4 | the namespace is not `kube-*`, knothole's own or one the owner named |
//! | `read` | 3 | the cluster was read, and lately |
//! | `target` ! | 3, 20 | what was read is what the records name, down to the uid, and is there |
//! | `namespace` | 5 | the namespace is there and not being deleted |
//! | `opted_in` | 4 | a label lets the namespace or the workload be touched, and none forbids it |
//! | `owner` ! | 4 | the pod is a Deployment's or a StatefulSet's |
//! | `stateful` ! | 4 | the rule may touch StatefulSets, where it is one |
//! | `priority` ! | 4 | the pods are not critical to the system |
//! | `storage` ! | 4 | no data goes with the pods |
//! | `managed_by` ! | 5 | no other tool takes the change back |
//! | `frozen` | 5 | no window forbids actions |
//! | `upgrade` | 5 | the nodes run one version, as far as they may be listed |
//! | `budget` | 5 | the disruption budget allows one more |
//! | `ready_stay` | 5 | enough pods stay Ready |
//! | `pods_away` | 8 | few of the workload's pods are away at once |
//! | `paused` | 5 | rollouts of the workload are not paused |
//! | `rollout` | 5 | no rollout is under way, or the one that is to be aborted is |
//! | `autoscaler` ! | 5 | no autoscaler sets the replicas |
//! | `pod_age` | 5 | the pod is old enough |
//! | `argo` | 5 | Argo CD can do it now |
//! | `traffic` ! | 5, 13 | requests still go somewhere, and a person agrees |
//! | `revision` | 16 | what is rolled back was released just before the trouble, and nothing was rolled back lately |
//! | `incident` | 7 | the trouble goes on |
//! | `hearing` | 21 | records have been coming without a gap, where it counts that some did not |
//! | `persisted` | 7 | the trouble has gone on for long enough, and still shows |
//! | `score` | 7 | the score is as high as the rule wants it |
//! | `detectors` | 7 | enough detectors agree |
//! | `other_signal` | 7 | something that is not a log says so too |
//! | `identity` | 3, 20 | the records name the uid of a pod that is there |
//! | `sender` | 20 | the sender showed a token, or the cluster says so too |
//! | `model` | 7 | the service is not being learned, and its model is not old |
//! | `precision` | 7 | people said that this trouble was rightly told |
//! | `workload_rate` | 9 | few actions were on the workload lately |
//! | `namespace_rate` | 9 | few were in the namespace |
//! | `cluster_rate` | 9 | few were at all |
//! | `cool_down` | 9 | the last one on the workload is long enough ago |
//! | `workload_in_flight` | 8, 11 | no other is under way on the workload |
//! | `namespace_in_flight` | 8 | few are under way in the namespace |
//! | `cluster_in_flight` | 8 | few are under way at all |
//! | `ramp` | 8 | for one incident one goes first, then two, then four |
//! | `claim` | 11 | nobody else has claimed the workload |
//! | `breaker` | 10 | the latest actions against this trouble, or by this remedy on the workload, did not all fail |
//! | `cluster_breaker` | 10 | the latest actions at all did not fail by half |
//! | `storm` | 10 | not everything is in trouble |
//! | `dependants` | 8 | few services call this one |
//! | `recurrence` | 16 | the trouble does not come back and back, and the remedy on the workload neither |
//! | `ladder` | 16 | what the rule comes after was tried and did not help |
//! | `track_record` | 19 | the remedy is not known to help too seldom |
//! | `access` | 5, 20 | we may do what it takes |
//! | `dry_run` | 5, 18 | the server would take the very requests |
//! | `policy` | 6 | the owner's policy allows it |

mod answers;
mod beta;
mod evidence;
mod health;
mod owner;
mod pace;
mod revision;
mod scope;
mod trust;

use std::time::Duration;

use super::case::{Case, Reach};
use crate::core::event::{CheckVerdict, Checked, Mode};

/// What a check says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says(pub CheckVerdict, pub String);

/// A check: its name, and what it says of a case. `None` where it has nothing to say of such an action.
pub struct Check {
    /// The name, as plans and metrics show it.
    pub name: &'static str,
    /// What it says.
    pub says: fn(&Case<'_>) -> Option<Says>,
    /// Whether its no is for good: what it goes by does not change while the action lives.
    pub is_final: bool,
}

/// One whose no may become a yes.
const fn heals(name: &'static str, says: fn(&Case<'_>) -> Option<Says>) -> Check {
    Check {
        name,
        says,
        is_final: false,
    }
}

/// One whose no stays a no.
const fn lasts(name: &'static str, says: fn(&Case<'_>) -> Option<Says>) -> Check {
    Check {
        name,
        says,
        is_final: true,
    }
}

/// The checks that are asked before anything is rehearsed, in this order.
pub const BEFORE: &[Check] = &[
    lasts("rule", scope::rule),
    lasts("in_time", scope::in_time),
    lasts("once", pace::once),
    heals("switch", scope::switch),
    lasts("forbidden_namespace", scope::forbidden_namespace),
    heals("read", scope::read),
    lasts("target", scope::target),
    heals("namespace", scope::namespace),
    heals("opted_in", scope::opted_in),
    lasts("owner", owner::owner),
    lasts("stateful", owner::stateful),
    lasts("priority", owner::priority),
    lasts("storage", owner::storage),
    lasts("managed_by", owner::managed_by),
    heals("frozen", health::frozen),
    heals("upgrade", health::upgrade),
    heals("budget", health::budget),
    heals("ready_stay", health::ready_stay),
    heals("pods_away", health::pods_away),
    heals("paused", health::paused),
    heals("rollout", health::rollout),
    lasts("autoscaler", health::autoscaler),
    heals("pod_age", health::pod_age),
    heals("argo", health::argo),
    lasts("traffic", health::traffic),
    heals("revision", revision::revision),
    heals("incident", evidence::incident),
    heals("hearing", evidence::hearing),
    heals("persisted", evidence::persisted),
    heals("score", evidence::score),
    heals("detectors", evidence::detectors),
    heals("other_signal", evidence::other_signal),
    heals("identity", evidence::identity),
    heals("sender", evidence::sender),
    heals("model", evidence::model),
    heals("precision", evidence::precision),
    heals("workload_rate", pace::workload_rate),
    heals("namespace_rate", pace::namespace_rate),
    heals("cluster_rate", pace::cluster_rate),
    heals("cool_down", pace::cool_down),
    heals("workload_in_flight", pace::workload_in_flight),
    heals("namespace_in_flight", pace::namespace_in_flight),
    heals("cluster_in_flight", pace::cluster_in_flight),
    heals("ramp", pace::ramp),
    heals("claim", pace::claim),
    heals("breaker", trust::breaker),
    heals("cluster_breaker", trust::cluster_breaker),
    heals("storm", trust::storm),
    heals("dependants", trust::dependants),
    heals("recurrence", trust::recurrence),
    heals("ladder", trust::ladder),
    heals("track_record", trust::track_record),
];

/// The checks of what a rehearsal showed, in this order.
pub const AFTER: &[Check] = &[
    heals("access", answers::access),
    heals("dry_run", answers::dry_run),
    heals("policy", answers::policy),
];

/// What every check says that can be asked before anything is rehearsed.
pub fn ask_before(case: &Case<'_>) -> Vec<Checked> {
    ask(BEFORE, case)
}

/// What every check says. Nothing is carried out on less.
pub fn ask_all(case: &Case<'_>) -> Vec<Checked> {
    let mut checked = ask(BEFORE, case);
    checked.append(&mut ask(AFTER, case));
    checked
}

fn ask(checks: &[Check], case: &Case<'_>) -> Vec<Checked> {
    checks
        .iter()
        .filter_map(|check| {
            (check.says)(case).map(|Says(verdict, why)| Checked {
                check: check.name.into(),
                verdict,
                why: why.into(),
            })
        })
        .collect()
}

/// What follows from what all checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decide {
    /// It may be done without a person.
    Go,
    /// It may be done when a person allows it.
    NeedsPerson,
    /// Not now; it is looked at again until its time is up.
    Later,
    /// Not at all: it is over.
    Never,
}

/// What follows from `checked` for an action whose rule may go as far as `mode`.
///
/// Where a person or a hook decides and acts (observe, suggest) what is not known is told to them; where
/// knothole acts nobody acts on it. A check of a name that is not in the tables is one of another version:
/// its no heals. Where nothing was asked nothing is done.
pub fn decision(checked: &[Checked], mode: Mode) -> Decide {
    let any = |verdict| checked.iter().any(|it| it.verdict == verdict);
    if checked.iter().any(is_never) {
        Decide::Never
    } else if checked.is_empty() || any(CheckVerdict::Stop) || any(CheckVerdict::Wait) {
        Decide::Later
    } else {
        match mode {
            Mode::Observe | Mode::Suggest => Decide::NeedsPerson,
            Mode::Approve | Mode::Auto if any(CheckVerdict::Unknown) => Decide::Later,
            Mode::Approve => Decide::NeedsPerson,
            Mode::Auto if any(CheckVerdict::Ask) => Decide::NeedsPerson,
            Mode::Auto => Decide::Go,
        }
    }
}

/// Those of `checked` that [`decision`] goes by: what stops it for good, or else what holds it back now, or
/// else what asks for a person.
pub fn deciding(checked: &[Checked], mode: Mode) -> Vec<&Checked> {
    let decided = decision(checked, mode);
    let is_of_weight = |it: &&Checked| match (decided, it.verdict) {
        (Decide::Go, _) | (_, CheckVerdict::Pass) => false,
        (Decide::Never, _) => is_never(it),
        (Decide::Later, CheckVerdict::Stop | CheckVerdict::Wait) => true,
        (Decide::Later, CheckVerdict::Unknown) => mode >= Mode::Approve,
        (Decide::Later, CheckVerdict::Ask) => false,
        (Decide::NeedsPerson, _) => true,
    };
    checked.iter().filter(is_of_weight).collect()
}

/// Whether it is a no for good.
pub fn is_never(checked: &Checked) -> bool {
    let mut all = BEFORE.iter().chain(AFTER);
    checked.verdict == CheckVerdict::Stop
        && all.any(|check| check.is_final && *check.name == *checked.check)
}

/// Nothing against it.
fn pass(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Pass, why.into())
}

/// A person may allow it; a rule may not.
fn needs_person(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Ask, why.into())
}

/// Not now.
fn wait(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Wait, why.into())
}

/// What it goes by is not known.
fn unknown(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Unknown, why.into())
}

/// No.
fn stop(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Stop, why.into())
}

/// The cluster was not read. What another system does can be left to a person; what changes the cluster
/// cannot.
fn unread(case: &Case<'_>, what: &str) -> Says {
    if case.reach() == Reach::Elsewhere {
        needs_person(format!("no cluster was read, so nobody knows {what}"))
    } else {
        unknown(format!("the cluster was not read, so nobody knows {what}"))
    }
}

/// `90 s`, `12 min`, `3 h`, `2 days`: rounded down, for people.
fn span(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 0..120 => format!("{secs} s"),
        secs @ 120..7_200 => format!("{} min", secs / 60),
        secs @ 7_200..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} days", secs / 86_400),
    }
}

/// `1 pod`, `2 pods`.
fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
