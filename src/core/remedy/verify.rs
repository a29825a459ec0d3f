//! Did it help? What the target and other services were like before and are after.

use crate::core::event::{ActionState, Health, Unrest};

/// What was measured, before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How the target was before; none where it was not read.
    pub health_before: Option<Health>,
    /// What is seen of it now.
    pub seen: Seen,
    /// How often containers of the pod that is named, or of the one that took its place, were restarted since.
    pub restarts: u32,
    /// How much trouble there was before; none where that is not known.
    pub before: Option<Unrest>,
    /// The same in as long a time after.
    pub after: Unrest,
    /// Whether its records came all the while.
    pub was_heard: bool,
}

/// What is seen of a target when it is looked whether an action helped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// There is nothing to read: no cluster is set, or nobody reads workloads of that kind. Its records alone
    /// tell.
    #[default]
    Records,
    /// The cluster cannot be read.
    Unread,
    /// The workload is not there any more.
    Gone,
    /// It is like this.
    Is(Health),
}

/// So many anomalies of other services make a comparison.
const CONTROLS_MIN: u32 = 3;
/// So many times the fall of other services the target's own has to be, or what helped them helped it too.
const FALL_RATIO: u64 = 2;
/// So many anomalies more than before make it worse.
const WORSE_MIN: u32 = 3;
/// So often a container may start in vain until it runs.
const RESTARTS_MAX: u32 = 1;

/// One of the four outcomes, and why. That it helped is said only where something shows it.
///
/// Source: remediation specification, item 15.
pub fn verify(measured: &Measured) -> (ActionState, String) {
    if let Some(why) = harm(measured) {
        return (ActionState::Harmful, why);
    }
    if let Some(why) = in_vain(measured) {
        return (ActionState::Ineffective, why);
    }
    if let Some(why) = in_doubt(measured) {
        return (ActionState::Inconclusive, why);
    }
    let ready = match measured.seen {
        Seen::Is(health) => format!(", {} of {} pods are Ready", health.ready, health.replicas),
        Seen::Records | Seen::Unread | Seen::Gone => String::new(),
    };
    let before = measured.before.unwrap_or_default().own;
    let why = format!(
        "{before} anomalies before, {} since{ready}",
        measured.after.own
    );
    (ActionState::Effective, why)
}

fn harm(measured: &Measured) -> Option<String> {
    if let (Some(was), Seen::Is(is)) = (measured.health_before, measured.seen)
        && is.ready < was.ready
        && is.ready < is.replicas
    {
        let (was, is, of) = (was.ready, is.ready, is.replicas);
        return Some(format!(
            "{is} of {of} pods are Ready, and {was} were before"
        ));
    }
    let (before, after) = (measured.before?.own, measured.after.own);
    let is_worse = after >= WORSE_MIN && after > before.saturating_mul(2);
    is_worse.then(|| went_on(before, after))
}

fn in_vain(measured: &Measured) -> Option<String> {
    if let Seen::Is(health) = measured.seen
        && health.ready < health.replicas
    {
        let (ready, of) = (health.ready, health.replicas);
        return Some(format!("only {ready} of {of} pods are Ready"));
    }
    if measured.restarts > RESTARTS_MAX {
        let restarts = measured.restarts;
        return Some(format!(
            "containers of its pod were restarted {restarts} times since"
        ));
    }
    let (before, after) = (measured.before?.own, measured.after.own);
    let goes_on = after > 0 && after.saturating_mul(5) > before;
    goes_on.then(|| went_on(before, after))
}

fn went_on(before: u32, after: u32) -> String {
    format!("{after} anomalies since, {before} in as long a time before")
}

/// Why nobody can say whether it helped.
fn in_doubt(measured: &Measured) -> Option<String> {
    match measured.seen {
        Seen::Unread => return Some("the cluster cannot be read".to_owned()),
        Seen::Gone => return Some("its workload is not there any more".to_owned()),
        Seen::Records | Seen::Is(_) => {}
    }
    if !measured.was_heard {
        return Some("no records of the service came to judge by".to_owned());
    }
    let after = measured.after;
    let Some(before) = measured.before else {
        return Some("it is not known how much trouble there was before".to_owned());
    };
    if before.own == 0 && !is_healthier(measured) {
        return Some(
            "there were no anomalies before it either, and its pods are as they were".to_owned(),
        );
    }
    let (was, is) = (before.others, after.others);
    (was >= CONTROLS_MIN && !stands_out(before, after)).then(|| {
        format!("services that have nothing to do with it calmed down too ({was} to {is})")
    })
}

/// Whether fewer pods are away than were.
fn is_healthier(measured: &Measured) -> bool {
    let away = |health: Health| health.replicas.saturating_sub(health.ready);
    match (measured.health_before, measured.seen) {
        (Some(was), Seen::Is(is)) => away(is) < away(was),
        (None, _) | (_, Seen::Records | Seen::Unread | Seen::Gone) => false,
    }
}

/// Whether the anomalies of the service fell clearly more than those of others. One that had none, and got
/// well, fell all the way.
fn stands_out(before: Unrest, after: Unrest) -> bool {
    let (was, is) = match before.own {
        0 => (1, 0),
        own => (u64::from(own), u64::from(after.own)),
    };
    let (others_were, others_are) = (u64::from(before.others), u64::from(after.others));
    let own_fall = was.saturating_sub(is) * others_were;
    let fall = others_were.saturating_sub(others_are) * was;
    own_fall >= FALL_RATIO * fall
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Measured = Measured {
        health_before: Some(health(3, 2)),
        seen: Seen::Is(health(3, 3)),
        restarts: 0,
        before: Some(Unrest { own: 6, others: 0 }),
        after: Unrest { own: 0, others: 0 },
        was_heard: true,
    };

    const fn health(replicas: u32, ready: u32) -> Health {
        Health {
            replicas,
            ready,
            restarts: 0,
        }
    }

    fn outcome(spoil: impl FnOnce(&mut Measured)) -> ActionState {
        let mut measured = WELL;
        spoil(&mut measured);
        verify(&measured).0
    }

    fn own(before: u32, after: u32) -> ActionState {
        outcome(|it| {
            it.before = Some(Unrest {
                own: before,
                others: 0,
            });
            it.after.own = after;
        })
    }

    fn others(before: u32, after: u32) -> ActionState {
        outcome(|it| {
            it.before = Some(Unrest {
                own: 6,
                others: before,
            });
            it.after.others = after;
        })
    }

    #[test]
    fn calm_and_ready_pods_after_trouble_are_effective() {
        assert_eq!(outcome(|_| ()), ActionState::Effective);
        assert_eq!(own(10, 2), ActionState::Effective);
        // Where there is no cluster the records alone tell.
        let alone = |it: &mut Measured| {
            it.health_before = None;
            it.seen = Seen::Records;
        };
        assert_eq!(outcome(alone), ActionState::Effective);
    }

    #[test]
    fn trouble_that_goes_on_or_pods_that_stay_away_are_ineffective() {
        assert_eq!(own(6, 5), ActionState::Ineffective);
        assert_eq!(own(0, 1), ActionState::Ineffective);
        let away = |it: &mut Measured| it.seen = Seen::Is(health(3, 2));
        assert_eq!(outcome(away), ActionState::Ineffective);
    }

    #[test]
    fn a_pod_whose_containers_end_again_and_again_is_not_well() {
        assert_eq!(outcome(|it| it.restarts = 1), ActionState::Effective);
        assert_eq!(outcome(|it| it.restarts = 2), ActionState::Ineffective);
    }

    #[test]
    fn fewer_ready_pods_or_many_more_anomalies_are_harmful() {
        let fewer = |it: &mut Measured| it.seen = Seen::Is(health(3, 1));
        assert_eq!(outcome(fewer), ActionState::Harmful);
        assert_eq!(own(1, 3), ActionState::Harmful);
        assert_ne!(own(1, 2), ActionState::Harmful);
    }

    #[test]
    fn fewer_pods_that_are_wanted_are_no_harm() {
        let smaller = |it: &mut Measured| it.seen = Seen::Is(health(1, 1));
        assert_eq!(outcome(smaller), ActionState::Effective);
    }

    #[test]
    fn nobody_takes_credit_for_what_nothing_shows() {
        type Spoil = fn(&mut Measured);
        let doubts: [(&str, Spoil); 6] = [
            ("nothing was heard", |it| it.was_heard = false),
            ("the cluster cannot be read", |it| it.seen = Seen::Unread),
            ("the workload was deleted", |it| it.seen = Seen::Gone),
            ("what was before is forgotten", |it| it.before = None),
            ("and there is trouble since", |it| {
                it.before = None;
                it.after.own = 9;
            }),
            ("nothing was there before", |it| {
                it.before = Some(Unrest::default());
                it.health_before = Some(health(3, 3));
            }),
        ];
        for (doubt, spoil) in doubts {
            assert_eq!(outcome(spoil), ActionState::Inconclusive, "{doubt}");
        }
        // Pods that are Ready again show it without any record.
        assert_eq!(own(0, 0), ActionState::Effective);
    }

    #[test]
    fn what_calms_down_with_all_others_takes_no_credit() {
        for (before, after) in [(3, 0), (9, 0), (9, 4), (100, 40)] {
            assert_eq!(
                others(before, after),
                ActionState::Inconclusive,
                "{before} {after}"
            );
        }
        for (before, after) in [(2, 0), (9, 7), (9, 5), (10, 30)] {
            assert_eq!(
                others(before, after),
                ActionState::Effective,
                "{before} {after}"
            );
        }
    }
}
