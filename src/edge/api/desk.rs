//! What changes something: an order, who gives it, and what becomes of it.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::{IncidentView, Role};
use crate::core::event::Sign;
use crate::core::record::Change;
use crate::core::remedy::ledger::HookStatus;

/// What the names of hooks begin with, as callers.
pub(super) const HOOK: &str = "hook ";

/// Carries orders out. May wait for a disk.
pub trait Desk: Send + Sync + 'static {
    /// Does what `order` says, and writes into the audit who wanted what, also where it is refused.
    /// An order that was carried out before and comes again changes nothing and is no error.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was changed.
    fn apply(&self, order: Order, by: &Caller) -> Result<Applied, Refusal>;

    /// Has nothing done to any cluster from now on, at least until an [`Order::Stop`] that follows was
    /// applied. It waits for nothing.
    fn stop_at_once(&self);
}

/// Who gives an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token, or `local` where none is asked for.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
    /// Where they come from.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// Whether knothole calls itself, a signal or one of the hooks by this name, so that no token may have it.
    pub fn is_own_name(name: &str) -> bool {
        let is = |own: &str| name.trim().eq_ignore_ascii_case(own);
        let hook = name.trim_start().get(..HOOK.len());
        ["knothole", "signal", super::gate::LOCAL]
            .into_iter()
            .any(is)
            || hook.is_some_and(|begins| begins.eq_ignore_ascii_case(HOOK))
    }

    /// Whether it is knothole itself, a signal or a hook that is called so, and no person.
    pub fn is_system(name: &str) -> bool {
        Self::is_own_name(name) && name != super::gate::LOCAL
    }
}

/// Something to be done. Texts are bounded in length and untrusted.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Somebody takes an incident on.
    Acknowledge {
        /// Its id.
        incident: Box<str>,
        /// What they wrote.
        note: Option<Box<str>>,
    },
    /// An incident is over.
    Resolve {
        /// Its id.
        incident: Box<str>,
        /// What they wrote.
        note: Option<Box<str>>,
    },
    /// What an incident tells is normal and is not to be told again.
    Accept {
        /// Its id.
        incident: Box<str>,
        /// What they wrote.
        note: Option<Box<str>>,
    },
    /// Something was done about an incident.
    Done {
        /// Its id.
        incident: Box<str>,
        /// What was done.
        action: Box<str>,
        /// Whether it helped.
        helped: bool,
    },
    /// Somebody says whether something was told rightly.
    Feedback(Feedback),
    /// A service was changed. Its id makes it one, however often it comes.
    Change(Change),
    /// Other systems' alerts, at most [`Order::ALERTS_MAX`].
    Alerts(Vec<Alert>),
    /// A silence or a window, as it was posted.
    Silence(Value),
    /// A silence or a window is not to hold any longer.
    EndSilence {
        /// Its id.
        id: Box<str>,
    },
    /// Somebody approves exactly this plan of an action.
    Approve {
        /// The action.
        action: Box<str>,
        /// The hash of its plan.
        plan: Box<str>,
        /// What they wrote.
        note: Option<Box<str>>,
    },
    /// Somebody says no to an action.
    Deny {
        /// The action.
        action: Box<str>,
        /// Why.
        note: Option<Box<str>>,
    },
    /// A hook says how far it is with an action.
    Report {
        /// The action.
        action: Box<str>,
        /// How far it is.
        status: HookStatus,
        /// What it wrote.
        note: Option<Box<str>>,
    },
    /// Nothing is to be done to any cluster from now on.
    Stop {
        /// Why.
        why: Box<str>,
    },
    /// Actions are allowed again.
    Release {
        /// Why.
        why: Box<str>,
    },
}

impl Order {
    /// Most alerts of one order.
    pub const ALERTS_MAX: usize = 500;

    /// The name it has in the audit.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Resolve { .. } => "resolve",
            Self::Accept { .. } => "accept",
            Self::Done { .. } => "done",
            Self::Feedback(_) => "feedback",
            Self::Change(_) => "change",
            Self::Alerts(_) => "alerts",
            Self::Silence(_) => "silence",
            Self::EndSilence { .. } => "end_silence",
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Report { .. } => "report",
            Self::Stop { .. } => "stop_actions",
            Self::Release { .. } => "release_actions",
        }
    }

    /// What it is about, as the audit names it: an id, a service, a number of alerts.
    pub fn target(&self) -> String {
        match self {
            Self::Acknowledge { incident, .. }
            | Self::Resolve { incident, .. }
            | Self::Accept { incident, .. }
            | Self::Done { incident, .. } => incident.to_string(),
            Self::Feedback(feedback) => feedback.subject.id().to_owned(),
            Self::Change(change) => change.stream.to_string(),
            Self::Alerts(alerts) => format!("{} alerts", alerts.len()),
            Self::Silence(_) => String::new(),
            Self::EndSilence { id } => id.to_string(),
            Self::Approve { action, .. }
            | Self::Deny { action, .. }
            | Self::Report { action, .. } => action.to_string(),
            Self::Stop { .. } | Self::Release { .. } => String::new(),
        }
    }

    /// What the caller wrote.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Acknowledge { note, .. }
            | Self::Resolve { note, .. }
            | Self::Accept { note, .. }
            | Self::Approve { note, .. }
            | Self::Deny { note, .. }
            | Self::Report { note, .. } => note.as_deref(),
            Self::Stop { why } | Self::Release { why } => Some(why),
            Self::Done { action, .. } => Some(action),
            Self::Feedback(feedback) => feedback.note.as_deref(),
            Self::Change(_) | Self::Alerts(_) | Self::Silence(_) | Self::EndSilence { .. } => None,
        }
    }
}

/// Whether something was told rightly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// What it is about.
    pub subject: Subject,
    /// Whether it was.
    pub verdict: FeedbackVerdict,
    /// What they wrote.
    pub note: Option<Box<str>>,
}

/// What feedback is about, by its whole id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An anomaly.
    Anomaly(Box<str>),
    /// An incident.
    Incident(Box<str>),
}

impl Subject {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Anomaly(id) | Self::Incident(id) => id,
        }
    }
}

/// What feedback says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackVerdict {
    /// It was trouble.
    TruePositive,
    /// It was none.
    FalsePositive,
    /// It was odd, and somebody did it on purpose.
    Expected,
}

impl FeedbackVerdict {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
            Self::Expected => "expected",
        }
    }
}

/// Another system's alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What it tells.
    pub sign: Sign,
    /// Whether it has ended since.
    pub is_over: bool,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// The incident as it is since.
    Incident(Box<IncidentView>),
    /// The silence as it holds since, with its `id`.
    Silence(Value),
    /// The action as it is since.
    Action(Value),
    /// How the kill switch stands since.
    Switch(Value),
    /// It was taken; `is_new` is false where it came before.
    Taken {
        /// Whether it is new.
        is_new: bool,
    },
}

/// Why an order was not carried out. The texts are for whoever gave it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What it is about is not there.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// It does not fit with how things stand.
    #[error("{0}")]
    Conflict(String),
    /// It does not fit with how an action stands.
    #[error("{says}")]
    Standing {
        /// Why.
        says: String,
        /// What would do.
        hint: String,
        /// The hash of its plan, where it is another than was named.
        plan: Option<Box<str>>,
    },
    /// What was sent is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Not now; the same again may do.
    #[error("{0}")]
    Busy(String),
}
