//! What a check is given: the action, what was read, what was done before, and how things stand.

use std::time::Duration;

use super::book::Book;
use super::facts::{Facts, Rehearsal};
use super::rule::{Limits, Rule};
use crate::core::event::{Action, ActionKind, Remedy};
use crate::core::record::{StreamKey, Timestamp};

/// One action, with all that speaks for it and against it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The action.
    pub action: &'a Action,
    /// Its rule as it is now; none where the owner took it back.
    pub rule: Option<&'a Rule>,
    /// What was read of the target; none where there is no cluster to read.
    pub facts: Option<&'a Facts>,
    /// What a rehearsal showed; none before there was one.
    pub rehearsal: Option<&'a Rehearsal>,
    /// What was done before.
    pub book: &'a Book,
    /// How things stand besides.
    pub world: &'a World,
    /// How much may be done.
    pub limits: &'a Limits,
    /// The time.
    pub now: Timestamp,
}

impl Case<'_> {
    /// What the action changes.
    pub const fn reach(&self) -> Reach {
        Reach::of(self.action.remedy.kind())
    }

    /// Whether the workload's pods are replaced one after another, as its own strategy says.
    pub fn rolls_out(&self) -> bool {
        match &self.action.remedy {
            Remedy::RestartWorkload | Remedy::RollBack => true,
            Remedy::ArgoAction { action, .. } => **action == *"restart",
            Remedy::RestartPod
            | Remedy::Scale { .. }
            | Remedy::ArgoSync { .. }
            | Remedy::ArgoRollBack { .. }
            | Remedy::JenkinsJob { .. }
            | Remedy::FluxReceiver { .. }
            | Remedy::AbortRollout { .. }
            | Remedy::GatewayWeight { .. }
            | Remedy::Webhook => false,
        }
    }

    /// Whether the workload is claimed in the cluster before it is done. What a hook does is the hook's; and what
    /// another system does can be done where there is no cluster.
    pub fn is_claimed(&self) -> bool {
        match self.action.remedy.kind() {
            ActionKind::Webhook => false,
            ActionKind::JenkinsJob | ActionKind::FluxReceiver => self.facts.is_some(),
            ActionKind::RestartPod
            | ActionKind::RestartWorkload
            | ActionKind::Scale
            | ActionKind::RollBack
            | ActionKind::ArgoSync
            | ActionKind::ArgoRollBack
            | ActionKind::ArgoAction
            | ActionKind::AbortRollout
            | ActionKind::GatewayWeight => true,
        }
    }
}

/// What an action changes. Which checks have something to say depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One pod.
    Pod,
    /// A Deployment or a StatefulSet.
    Workload,
    /// A rollout of Argo Rollouts.
    Rollout,
    /// A route of the Gateway API.
    Route,
    /// What Argo CD owns, by way of Argo CD.
    Argo,
    /// Whatever the owner's other systems do about it.
    Elsewhere,
}

impl Reach {
    /// What actions of this kind change.
    pub const fn of(kind: ActionKind) -> Self {
        match kind {
            ActionKind::RestartPod => Self::Pod,
            ActionKind::RestartWorkload | ActionKind::Scale | ActionKind::RollBack => {
                Self::Workload
            }
            ActionKind::AbortRollout => Self::Rollout,
            ActionKind::GatewayWeight => Self::Route,
            ActionKind::ArgoSync | ActionKind::ArgoRollBack | ActionKind::ArgoAction => Self::Argo,
            ActionKind::JenkinsJob | ActionKind::FluxReceiver | ActionKind::Webhook => {
                Self::Elsewhere
            }
        }
    }
}

/// How things stand: what is known without reading the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Who has stopped all actions, and why: the kill switch.
    pub stopped: Option<Box<str>>,
    /// The window that forbids actions on the target now.
    pub frozen: Option<Box<str>>,
    /// Services that are judged and were heard of lately, and those with an incident that goes on.
    pub services: (u32, u32),
    /// When there was last a storm.
    pub storm_at: Option<Timestamp>,
    /// How long ago the model of the service was trained; none where it is not judged by one yet, or nobody
    /// knows.
    pub model_age: Option<Duration>,
    /// Whether nothing is known of how the service is judged: after a start that takes a moment.
    pub is_unknown: bool,
    /// Whether the service is being learned anew.
    pub is_learning: bool,
    /// Whether the incident goes on.
    pub goes_on: bool,
    /// The id and the fingerprint of that incident.
    pub incident: Option<(Box<str>, Box<str>)>,
    /// A span or a metric of a sender who had to show a token says so too: in one sentence.
    pub corroborated: Option<Box<str>>,
    /// Services that call the target's.
    pub dependants: u32,
    /// The services that take part in the incident.
    pub involved: Vec<StreamKey>,
    /// What people said of this fingerprint: rightly told, and all.
    pub feedback: (u32, u32),
    /// Since when records have been coming without a gap; none where none come.
    pub hearing_since: Option<Timestamp>,
    /// Whether the sender had to show a token, and so may speak for nobody else.
    pub is_authenticated: bool,
}
