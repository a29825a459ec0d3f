//! What the owner allows: rules, limits, and where never to act.

use std::time::Duration;

use crate::core::event::{Anomaly, AnomalyKind, Mode, Remedy};

/// What the owner wants done, and on account of which anomalies.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The owner's name for it; an action carries it.
    pub name: Box<str>,
    /// How far it may go.
    pub mode: Mode,
    /// What to do.
    pub remedy: Remedy,
    /// The kinds of anomaly that ask for it; empty means all.
    pub kinds: Vec<AnomalyKind>,
    /// The streams it is for, as they are displayed (`environment/namespace/name`); empty means
    /// all.
    pub services: Vec<Box<str>>,
    /// The lowest score that asks for it, between 0 and 1.
    pub score_min: f64,
    /// How long an action is good for that nobody carried out.
    pub ttl: Duration,
    /// How long the trouble must have gone on before it is acted on without a person.
    pub persist: Duration,
    /// The least age of a pod that is evicted.
    pub pod_age_min: Duration,
    /// How long after an action is looked whether it helped.
    pub stabilise: Duration,
    /// Rules that come first: this one asks only when one of them did not help.
    pub after: Vec<Box<str>>,
    /// Whether it may touch StatefulSets.
    pub stateful: bool,
}

impl Rule {
    /// How long an action is good for when the owner says nothing: 15 minutes. One that
    /// comes later answers a situation that is no longer there.
    pub const TTL_DEFAULT: Duration = Duration::from_secs(15 * 60);
    /// How long trouble has to go on when the owner says nothing: a minute.
    pub const PERSIST_DEFAULT: Duration = Duration::from_secs(60);
    /// How old a pod has to be when the owner says nothing: 5 minutes.
    pub const POD_AGE_DEFAULT: Duration = Duration::from_secs(5 * 60);
    /// When is looked whether it helped when the owner says nothing: after 5 minutes.
    pub const STABILISE_DEFAULT: Duration = Duration::from_secs(5 * 60);

    /// Whether `anomaly` asks for it.
    pub fn asks_on(&self, anomaly: &Anomaly) -> bool {
        let stream = anomaly.stream.to_string();
        (self.kinds.is_empty() || self.kinds.contains(&anomaly.kind))
            && (self.services.is_empty() || self.services.iter().any(|name| **name == *stream))
            && anomaly.score >= self.score_min
    }
}

/// How much may be done, and where never. The defaults are those of the specification's checklist.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The label that lets a namespace or a workload be touched, and its value.
    pub label: (Box<str>, Box<str>),
    /// Namespaces that are never touched, besides `kube-*` and knothole's own.
    pub deny_namespaces: Vec<Box<str>>,
    /// The namespace knothole runs in, where it is known.
    pub own_namespace: Option<Box<str>>,
    /// Most actions on one workload within [`workload_period`](Self::workload_period).
    pub workload_max: u32,
    /// The period of `workload_max`.
    pub workload_period: Duration,
    /// Most actions in one namespace in an hour.
    pub namespace_hourly_max: u32,
    /// Most actions in an hour.
    pub hourly_max: u32,
    /// Most actions in flight in one namespace.
    pub namespace_in_flight_max: u32,
    /// Most actions in flight.
    pub in_flight_max: u32,
    /// The largest share of a workload's pods that may be away at once; one always may.
    pub pods_share_max: f64,
    /// The fewest pods that have to stay Ready.
    pub ready_min: u32,
    /// The smallest share of a workload's pods that has to stay Ready.
    pub ready_share_min: f64,
    /// How long after an action nothing is done to its workload.
    pub cool_down: Duration,
    /// So many failures or actions that did not help, of one fingerprint, stop it.
    pub breaker_max: u32,
    /// For how long.
    pub breaker_for: Duration,
    /// The share of the latest actions that did not help at which all stops.
    pub failure_share_max: f64,
    /// The share of services with an incident at which all stops.
    pub storm_share_max: f64,
    /// So few services in trouble are never a storm.
    pub storm_services_min: u32,
    /// So many services in trouble are a storm, however many there are.
    pub storm_services_max: u32,
    /// How long after a storm nothing is done.
    pub storm_cool_down: Duration,
    /// So many services that depend on the target ask for a person.
    pub dependants_max: u32,
    /// The fewest detectors that have to agree for an action without a person.
    pub detectors_min: u32,
    /// The lowest share of feedback on a fingerprint that says it was rightly told.
    pub precision_min: f64,
    /// The chance of helping below which a remedy is not used without a person.
    pub success_min: f64,
    /// So often the same trouble coming back within `recurrence_period` is left to people.
    pub recurrences_max: u32,
    /// The longest time since a model was trained.
    pub model_age_max: Duration,
    /// The oldest reading of the cluster that is gone by.
    pub facts_age_max: Duration,
    /// How long ago the latest abnormal record may be.
    pub quiet_max: Duration,
    /// How long ago a container of the pod may have ended for it to speak for trouble.
    pub ended_recently: Duration,
    /// How long records must have come without a gap before it counts that some did not.
    pub hearing_min: Duration,
    /// The longest cool-down: it doubles with each action on a workload that did not help.
    pub cool_down_max: Duration,
    /// The fewest actions whose outcome is known before `failure_share_max` is asked.
    pub failure_actions_min: u32,
    /// The period `failure_share_max` looks at.
    pub failure_period: Duration,
    /// The period of `recurrences_max`.
    pub recurrence_period: Duration,
    /// Whether a policy is asked before anything is done. Where it is and was not, nothing is done.
    pub has_policy: bool,
    /// How long after a release trouble may begin for the release to be its cause.
    pub release_age_max: Duration,
    /// How sure it must be that a remedy helps less often than `success_min` before a person is asked.
    pub success_doubt: f64,
}

impl Limits {
    /// Whether so many services are in trouble, of those that are judged, that what they share is the cause.
    pub fn is_storm(&self, (judged, troubled): (u32, u32)) -> bool {
        let is_share = f64::from(troubled) >= self.storm_share_max * f64::from(judged);
        troubled >= self.storm_services_max || (troubled >= self.storm_services_min && is_share)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            label: ("knothole.dev/remediate".into(), "true".into()),
            deny_namespaces: Vec::new(),
            own_namespace: None,
            workload_max: 1,
            workload_period: minutes(30),
            namespace_hourly_max: 3,
            hourly_max: 10,
            namespace_in_flight_max: 2,
            in_flight_max: 3,
            pods_share_max: 0.1,
            ready_min: 2,
            ready_share_min: 0.51,
            cool_down: minutes(5),
            breaker_max: 3,
            breaker_for: minutes(60),
            failure_share_max: 0.5,
            storm_share_max: 0.3,
            storm_services_min: 3,
            storm_services_max: 10,
            storm_cool_down: minutes(10),
            dependants_max: 5,
            detectors_min: 2,
            precision_min: 0.8,
            success_min: 0.6,
            recurrences_max: 5,
            model_age_max: minutes(7 * 24 * 60),
            facts_age_max: minutes(1),
            quiet_max: minutes(5),
            ended_recently: minutes(10),
            hearing_min: minutes(10),
            cool_down_max: minutes(60),
            failure_actions_min: 6,
            failure_period: minutes(60),
            recurrence_period: minutes(4 * 60),
            has_policy: true,
            release_age_max: minutes(60),
            success_doubt: 0.95,
        }
    }
}
