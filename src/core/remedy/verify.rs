//! Did it help? What the target and other services were like before and are after.

use crate::core::event::{ActionState, Health};

/// What was measured, before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How the target was before; none where it was not read.
    pub health_before: Option<Health>,
    /// How it is.
    pub health_after: Option<Health>,
    /// Anomalies of the service before, and in as long a time after.
    pub anomalies: (u32, u32),
    /// The same of services that have nothing to do with it.
    pub controls: (u32, u32),
    /// Whether its records came all the while.
    pub was_heard: bool,
}

/// So many anomalies of other services make a comparison.
const CONTROLS_MIN: u32 = 3;
/// So many anomalies more than before make it worse.
const WORSE_MIN: u32 = 3;

/// One of the four outcomes, and why.
///
/// Source: remediation specification, item 15.
pub fn verify(measured: &Measured) -> (ActionState, String) {
    let Measured {
        anomalies: (before, after),
        controls,
        ..
    } = *measured;
    if let (Some(was), Some(is)) = (measured.health_before, measured.health_after)
        && is.ready < was.ready
        && is.ready < is.replicas
    {
        let (was, is, of) = (was.ready, is.ready, is.replicas);
        let why = format!("{is} of {of} pods are Ready, and {was} were before");
        return (ActionState::Harmful, why);
    }
    if after >= WORSE_MIN && after > before.saturating_mul(2) {
        let why = format!("{after} anomalies since, {before} in as long a time before");
        return (ActionState::Harmful, why);
    }
    if let Some(health) = measured.health_after
        && health.ready < health.replicas
    {
        let (ready, of) = (health.ready, health.replicas);
        return (
            ActionState::Ineffective,
            format!("only {ready} of {of} pods are Ready"),
        );
    }
    if after.saturating_mul(5) > before && after > 0 {
        let why = format!("{after} anomalies since, {before} in as long a time before");
        return (ActionState::Ineffective, why);
    }
    if !measured.was_heard {
        let why = "no records of the service came to judge by";
        return (ActionState::Inconclusive, why.to_owned());
    }
    if controls.0 >= CONTROLS_MIN && controls.1 == 0 {
        let others = controls.0;
        let why =
            format!("services that have nothing to do with it calmed down too ({others} to 0)");
        return (ActionState::Inconclusive, why);
    }
    let ready = measured.health_after.map_or_else(String::new, |health| {
        format!(", {} of {} pods are Ready", health.ready, health.replicas)
    });
    let why = format!("{before} anomalies before, {after} since{ready}");
    (ActionState::Effective, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Measured = Measured {
        health_before: Some(Health {
            replicas: 3,
            ready: 2,
            restarts: 0,
        }),
        health_after: Some(Health {
            replicas: 3,
            ready: 3,
            restarts: 0,
        }),
        anomalies: (6, 0),
        controls: (0, 0),
        was_heard: true,
    };

    fn outcome(spoil: impl FnOnce(&mut Measured)) -> ActionState {
        let mut measured = WELL;
        spoil(&mut measured);
        verify(&measured).0
    }

    #[test]
    fn calm_and_ready_pods_after_trouble_are_effective() {
        assert_eq!(outcome(|_| ()), ActionState::Effective);
        assert_eq!(outcome(|it| it.anomalies = (10, 2)), ActionState::Effective);
    }

    #[test]
    fn trouble_that_goes_on_or_pods_that_stay_away_are_ineffective() {
        assert_eq!(
            outcome(|it| it.anomalies = (6, 5)),
            ActionState::Ineffective
        );
        assert_eq!(
            outcome(|it| it.anomalies = (0, 1)),
            ActionState::Ineffective
        );
        let away = |it: &mut Measured| it.health_after = it.health_before;
        assert_eq!(outcome(away), ActionState::Ineffective);
    }

    #[test]
    fn fewer_ready_pods_or_many_more_anomalies_are_harmful() {
        let fewer = |it: &mut Measured| {
            it.health_after = Some(Health {
                replicas: 3,
                ready: 1,
                restarts: 0,
            });
        };
        assert_eq!(outcome(fewer), ActionState::Harmful);
        assert_eq!(outcome(|it| it.anomalies = (1, 3)), ActionState::Harmful);
        assert_ne!(outcome(|it| it.anomalies = (1, 2)), ActionState::Harmful);
    }

    #[test]
    fn fewer_pods_that_are_wanted_are_no_harm() {
        let smaller = Health {
            replicas: 1,
            ready: 1,
            restarts: 0,
        };
        assert_eq!(
            outcome(|it| it.health_after = Some(smaller)),
            ActionState::Effective
        );
    }

    #[test]
    fn nobody_takes_credit_where_nothing_was_heard_or_all_calmed_down() {
        assert_eq!(
            outcome(|it| it.was_heard = false),
            ActionState::Inconclusive
        );
        assert_eq!(
            outcome(|it| it.controls = (3, 0)),
            ActionState::Inconclusive
        );
        assert_eq!(outcome(|it| it.controls = (2, 0)), ActionState::Effective);
        assert_eq!(outcome(|it| it.controls = (9, 7)), ActionState::Effective);
    }
}
