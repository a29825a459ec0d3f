//! An action: what a rule of the owner asks for, to what it is done, why, and what became of it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Anomaly, Mode, Plan, Remedy};
use crate::core::record::{StreamKey, Timestamp};

/// The object an action is for. Never empty: an action without a target is not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The Kubernetes namespace.
    pub namespace: Box<str>,
    /// The workload (kind, name), where the resource names one.
    pub workload: Option<(Box<str>, Box<str>)>,
    /// The pod, where the resource names one.
    pub pod: Option<Box<str>>,
    /// The pod's uid, where the resource names one.
    pub pod_uid: Option<Box<str>>,
}

impl fmt::Display for Target {
    /// `shop/Deployment/cart`, or `shop/Pod/cart-1` where no workload is named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = &self.namespace;
        match (&self.workload, &self.pod) {
            (Some((kind, name)), _) => write!(f, "{namespace}/{kind}/{name}"),
            (None, Some(pod)) => write!(f, "{namespace}/Pod/{pod}"),
            (None, None) => write!(f, "{namespace}"),
        }
    }
}

/// Something a rule asked for, and all that became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Derived from the incident, the remedy, the target and the attempt. 32 hex digits.
    pub id: Box<str>,
    /// The rule that asks.
    pub rule: Box<str>,
    /// How far the rule may go.
    pub mode: Mode,
    /// What is to be done.
    pub remedy: Remedy,
    /// To what, from resource attributes alone.
    pub target: Target,
    /// The incident it answers.
    pub incident: Option<Box<str>>,
    /// What stays the same when the trouble comes back: the incident's, else the anomaly's. 16 hex digits.
    pub fingerprint: Box<str>,
    /// The service.
    pub stream: StreamKey,
    /// Why, for the person or the hook that decides. In our own words.
    pub reason: Box<str>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Not to be executed after this. Once a hook has taken it on: when it is given up.
    pub expires_at: Timestamp,
    /// What speaks for it.
    pub evidence: Grounds,
    /// What would be done exactly, and what every check says of it, once it was looked at.
    pub plan: Option<Plan>,
    /// Whose approval holds, and of what.
    #[serde(default)]
    pub approved: Option<Approval>,
    /// Where it stands.
    pub state: ActionState,
    /// When it was sent.
    pub acted_at: Option<Timestamp>,
    /// How the target was when it was sent.
    pub before: Option<Health>,
    /// How much trouble there was before it was sent; none where that is not known.
    #[serde(default)]
    pub unrest: Option<Unrest>,
    /// What became of it, oldest first. At most [`Action::STEPS_MAX`]; the first and the latest stay.
    pub steps: Vec<Step>,
    /// The anomaly that asked for it; none after a restart.
    #[serde(skip)]
    pub anomaly: Option<Arc<Anomaly>>,
}

impl Action {
    /// Most steps that are kept.
    pub const STEPS_MAX: usize = 32;

    /// Whether nothing more becomes of it.
    pub const fn is_over(&self) -> bool {
        self.state.is_over()
    }

    /// Whether it was sent, or may have been.
    pub const fn was_sent(&self) -> bool {
        self.acted_at.is_some()
    }

    /// Whether no answer came when it was last sent, so that it could only be read whether it took place: what is read
    /// may be somebody else's doing.
    pub fn was_unsettled(&self) -> bool {
        self.since_sent(ActionState::Unsettled)
    }

    /// Whether nobody ever knew if it took place.
    pub fn was_never_settled(&self) -> bool {
        let steps = self.steps.iter().rev().map(|step| step.state);
        let mut before = steps.skip_while(|state| *state == ActionState::Inconclusive);
        let is_open = |state| {
            matches!(
                state,
                ActionState::Sending | ActionState::Unsettled | ActionState::Accepted
            )
        };
        self.state == ActionState::Inconclusive && before.next().is_some_and(is_open)
    }

    /// Whether it stood there since it was last sent.
    fn since_sent(&self, state: ActionState) -> bool {
        let steps = self.steps.iter().rev();
        let mut since = steps.take_while(|step| step.state != ActionState::Sending);
        since.any(|step| step.state == state)
    }

    /// Whether the cluster may be changing because of it: also where a hook was told to act and has said
    /// nothing yet.
    pub fn is_in_flight(&self) -> bool {
        let is_told = self.remedy == Remedy::Webhook && self.was_sent();
        self.state.is_in_flight() || (is_told && self.state == ActionState::Approved)
    }
}

/// A person's word on a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The name of the person's token. Untrusted.
    pub by: Box<str>,
    /// The hash of the plan; it holds for no other.
    pub plan: Box<str>,
    /// The names of the checks that asked for a person then; it answers no other.
    pub asked: Vec<Box<str>>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How many pods are wanted.
    pub replicas: u32,
    /// How many are Ready.
    pub ready: u32,
    /// How often the pod's containers were restarted; 0 where no pod is named.
    pub restarts: u32,
}

/// How many anomalies came in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrest {
    /// Of the service.
    pub own: u32,
    /// Of services that have nothing to do with it.
    pub others: u32,
}

/// What speaks for an action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grounds {
    /// The kinds of anomaly that asked for it, by name.
    pub kinds: Vec<Box<str>>,
    /// The detectors that agree, by name.
    pub detectors: Vec<Box<str>>,
    /// The highest score.
    pub score: f64,
    /// Time of the first abnormal record.
    pub first_seen: Timestamp,
    /// Time of the latest one.
    pub last_seen: Timestamp,
    /// When the latest anomaly that asked for it came, by our clock.
    #[serde(default)]
    pub heard_at: Timestamp,
    /// How many anomalies asked for it.
    pub anomalies: u64,
    /// The version of the model that judged last.
    pub model: Box<str>,
}

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// It is being looked at.
    Asked,
    /// Something speaks against it now; it is looked at again.
    Blocked,
    /// It waits for a person or a hook.
    Proposed,
    /// A person approved it, or its rule is automatic and every check passed.
    Approved,
    /// It is being sent: this is on disk before the first byte goes out.
    Sending,
    /// It was sent, and it is not known whether it took place.
    Unsettled,
    /// A hook took it on.
    Accepted,
    /// It took place; whether it helped is to be seen.
    Done,
    /// It helped.
    Effective,
    /// It made no difference.
    Ineffective,
    /// It made things worse.
    Harmful,
    /// Whether it helped cannot be said.
    Inconclusive,
    /// It did not take place.
    Failed,
    /// A person said no.
    Denied,
    /// Its time was up before it could be done.
    Expired,
    /// Its rule is there to observe only.
    Observed,
}

impl ActionState {
    /// All of them, in the order in which an action gets there.
    pub const ALL: [Self; 16] = [
        Self::Asked,
        Self::Blocked,
        Self::Proposed,
        Self::Approved,
        Self::Sending,
        Self::Unsettled,
        Self::Accepted,
        Self::Done,
        Self::Effective,
        Self::Ineffective,
        Self::Harmful,
        Self::Inconclusive,
        Self::Failed,
        Self::Denied,
        Self::Expired,
        Self::Observed,
    ];

    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Blocked => "blocked",
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Sending => "sending",
            Self::Unsettled => "unsettled",
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Effective => "effective",
            Self::Ineffective => "ineffective",
            Self::Harmful => "harmful",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Observed => "observed",
        }
    }

    /// Whether nothing more becomes of an action that stands here.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Asked
            | Self::Blocked
            | Self::Proposed
            | Self::Approved
            | Self::Sending
            | Self::Unsettled
            | Self::Accepted
            | Self::Done => false,
            Self::Effective
            | Self::Ineffective
            | Self::Harmful
            | Self::Inconclusive
            | Self::Failed
            | Self::Denied
            | Self::Expired
            | Self::Observed => true,
        }
    }

    /// Whether the cluster may be changing because of an action that stands here.
    pub const fn is_in_flight(self) -> bool {
        matches!(
            self,
            Self::Sending | Self::Unsettled | Self::Accepted | Self::Done
        )
    }
}

/// Something that became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// Where it stood since.
    pub state: ActionState,
    /// By whose word: `knothole`, the name of a token, or the name of a hook. Untrusted.
    pub by: Box<str>,
    /// Why, in one sentence. May quote what a person or a server said: untrusted.
    pub why: Box<str>,
}

/// Something that became of an action, to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionEvent {
    /// Derived from the action and its step. 32 hex digits.
    pub id: Box<str>,
    /// What became of it.
    pub stage: ActionStage,
    /// When.
    pub at: Timestamp,
    /// As it is since.
    pub action: Arc<Action>,
}

impl ActionEvent {
    /// Until when somebody may act on hearing of it, where that is so: a proposal, and what a hook is told to
    /// do. Of what became of an action one may hear later, too.
    pub fn good_until(&self) -> Option<Timestamp> {
        let is_order = self.stage == ActionStage::Approved && self.action.remedy == Remedy::Webhook;
        let is_acted_on = is_order || self.stage == ActionStage::Proposed;
        is_acted_on.then_some(self.action.expires_at)
    }
}

/// What can become of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionStage {
    /// It is proposed.
    Proposed,
    /// Somebody approved it.
    Approved,
    /// Somebody said no.
    Denied,
    /// It took place.
    Executed,
    /// It is known whether it helped.
    Verified,
    /// It did not take place, or its time was up.
    Failed,
}

impl ActionStage {
    /// The name used on every wire: `knothole.action.proposed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Executed => "executed",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }
}
