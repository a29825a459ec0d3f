//! What can be done, and how far a rule may go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The actions there are. A closed set: log text never chooses one, and none takes a shell command or a
/// patch of somebody's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Evict the pod and let its owner replace it.
    RestartPod,
    /// Rolling restart of the workload.
    RestartWorkload,
    /// Add replicas within the owner's bounds.
    Scale,
    /// Go back to the previous revision of the workload.
    RollBack,
    /// Have Argo CD sync an application.
    ArgoSync,
    /// Have Argo CD roll an application back to the revision before.
    ArgoRollBack,
    /// Have Argo CD run an action of a resource of an application.
    ArgoAction,
    /// Start a Jenkins job.
    JenkinsJob,
    /// Have Flux reconcile.
    FluxReceiver,
    /// Abort a rollout of Argo Rollouts.
    AbortRollout,
    /// Set the weight of a backend of a Gateway API route.
    GatewayWeight,
    /// Leave it to a hook of the owner.
    Webhook,
}

impl ActionKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::RestartPod,
        Self::RestartWorkload,
        Self::Scale,
        Self::RollBack,
        Self::ArgoSync,
        Self::ArgoRollBack,
        Self::ArgoAction,
        Self::JenkinsJob,
        Self::FluxReceiver,
        Self::AbortRollout,
        Self::GatewayWeight,
        Self::Webhook,
    ];

    /// The name used on every wire and in every config.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RestartPod => "restart_pod",
            Self::RestartWorkload => "restart_workload",
            Self::Scale => "scale",
            Self::RollBack => "roll_back",
            Self::ArgoSync => "argo_sync",
            Self::ArgoRollBack => "argo_roll_back",
            Self::ArgoAction => "argo_action",
            Self::JenkinsJob => "jenkins_job",
            Self::FluxReceiver => "flux_receiver",
            Self::AbortRollout => "abort_rollout",
            Self::GatewayWeight => "gateway_weight",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a rule may go.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is shown what would be asked for, and nobody is told.
    Observe,
    /// It is proposed; a person or a hook acts.
    #[default]
    Suggest,
    /// It is done once a person has approved the very plan.
    Approve,
    /// It is done where every check allows it.
    Auto,
}

impl Mode {
    /// The name used on every wire and in every config.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

/// An action with what the owner has set for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Remedy {
    /// Evict the pod.
    RestartPod,
    /// Rolling restart.
    RestartWorkload,
    /// More replicas.
    Scale {
        /// How many more.
        by: u32,
        /// Never more than so many.
        max: u32,
    },
    /// Back to the previous ReplicaSet.
    RollBack,
    /// Argo CD syncs.
    ArgoSync {
        /// The application.
        application: Box<str>,
    },
    /// Argo CD goes back by one revision.
    ArgoRollBack {
        /// The application.
        application: Box<str>,
    },
    /// Argo CD runs a resource's action.
    ArgoAction {
        /// The application.
        application: Box<str>,
        /// The action: `restart`, `abort`, `retry`, `pause`, `resume`, `promote-full`.
        action: Box<str>,
    },
    /// A Jenkins job is started.
    JenkinsJob {
        /// The full name: `folder/name`.
        job: Box<str>,
    },
    /// A Flux receiver is told.
    FluxReceiver {
        /// The path of the receiver's webhook, as its status shows it: `/hook/…`.
        path: Box<str>,
    },
    /// A rollout is aborted.
    AbortRollout {
        /// The rollout.
        rollout: Box<str>,
    },
    /// A backend's weight is set.
    GatewayWeight {
        /// The HTTPRoute.
        route: Box<str>,
        /// The backend: the name of a Service.
        backend: Box<str>,
        /// Its weight since.
        weight: u32,
    },
    /// The owner's hook does what it does.
    Webhook,
}

impl Remedy {
    /// Which action it is.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::RestartPod => ActionKind::RestartPod,
            Self::RestartWorkload => ActionKind::RestartWorkload,
            Self::Scale { .. } => ActionKind::Scale,
            Self::RollBack => ActionKind::RollBack,
            Self::ArgoSync { .. } => ActionKind::ArgoSync,
            Self::ArgoRollBack { .. } => ActionKind::ArgoRollBack,
            Self::ArgoAction { .. } => ActionKind::ArgoAction,
            Self::JenkinsJob { .. } => ActionKind::JenkinsJob,
            Self::FluxReceiver { .. } => ActionKind::FluxReceiver,
            Self::AbortRollout { .. } => ActionKind::AbortRollout,
            Self::GatewayWeight { .. } => ActionKind::GatewayWeight,
            Self::Webhook => ActionKind::Webhook,
        }
    }
}
