//! Operations of an application, and which of them are ours.

use serde::Deserialize;

use super::application::{Application, Deployed, Initiator};
use crate::core::record::Timestamp;
use crate::edge::outgoing::told;

/// What the controller is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Operation {
    sync: Option<Sync>,
    pub(super) initiated_by: Option<Initiator>,
    info: Option<Vec<Info>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sync {
    dry_run: bool,
    revision: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    value: Box<str>,
}

/// How the latest operation is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OperationState {
    phase: Option<Box<str>>,
    message: Option<Box<str>>,
    started_at: Option<Box<str>>,
    operation: Operation,
}

/// By what an operation is known to be ours. A sync carries a list of texts, and the action's id is one of
/// them. A rollback carries nothing: it is known by who began it, when, and where it leads.
#[derive(Debug)]
pub(super) struct Ours<'a> {
    /// The action's id.
    pub(super) id: &'a str,
    /// Whether it was sent to be tried only.
    pub(super) is_dry: bool,
    /// Where a rollback leads: an id of the history. `None` for a sync.
    pub(super) back_to: Option<i64>,
    /// Who began it and when, where that is known.
    pub(super) begun: Option<Begun>,
}

/// Who began an operation, and when.
#[derive(Debug)]
pub(super) struct Begun {
    /// Who our token is.
    pub(super) username: Box<str>,
    /// No earlier than this.
    pub(super) from: Timestamp,
}

/// What an application shows of an operation of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is asked for and has not begun.
    Pending,
    /// It is under way: what is said of it.
    Running(String),
    /// It is over: how it ended.
    Over(String),
}

impl OperationState {
    /// Whether it is under way.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase.as_deref(), Some("Running" | "Terminating"))
    }

    /// When it began.
    pub(super) fn began(&self) -> Option<Timestamp> {
        self.started_at.as_deref().and_then(parsed)
    }

    /// Its phase, and what is said of it.
    fn told(&self) -> String {
        let phase = told(self.phase.as_deref().unwrap_or("of no phase"));
        match self.message.as_deref() {
            None | Some("") => phase,
            Some(message) => format!("{phase}: {}", told(message)),
        }
    }
}

impl Ours<'_> {
    /// What `application` shows of it; `None` where it shows nothing of it.
    pub(super) fn shown(&self, application: &Application) -> Option<Shown> {
        let status = &application.status;
        let history = status.history.as_deref().unwrap_or_default();
        // While one is under way it is in both places.
        let latest = status.operation_state.as_ref();
        let latest = latest.filter(|it| {
            self.is_it(&it.operation, history) && self.is_in_time(&it.operation, it.began())
        });
        if let Some(latest) = latest {
            let said = latest.told();
            return Some(match latest.is_running() {
                true => Shown::Running(said),
                false => Shown::Over(said),
            });
        }
        // One that is asked for has no time yet: it is asked for now.
        let asked = application.operation.as_ref();
        if asked.is_some_and(|it| self.is_it(it, history)) {
            return Some(Shown::Pending);
        }
        // Another one may have begun since. What was deployed is kept.
        let begun = self.begun.as_ref().filter(|_| !self.is_dry)?;
        let mut deployed = history.iter();
        deployed
            .any(|it| begun.is_by(it.initiated_by.as_ref()) && begun.is_in_time(it.began()))
            .then(|| Shown::Over("Succeeded".to_owned()))
    }

    fn is_it(&self, operation: &Operation, history: &[Deployed]) -> bool {
        let Some(sync) = operation
            .sync
            .as_ref()
            .filter(|it| it.dry_run == self.is_dry)
        else {
            return false;
        };
        let Some(back_to) = self.back_to else {
            let mut info = operation.info.iter().flatten();
            return info.any(|it| *it.value == *self.id);
        };
        let to = history.iter().find(|it| it.id == back_to);
        let is_there = to.is_none_or(|it| it.revision == sync.revision);
        let begun = self.begun.as_ref();
        is_there && begun.is_some_and(|it| it.is_by(operation.initiated_by.as_ref()))
    }

    /// One that carries the action's id is of any time.
    fn is_in_time(&self, operation: &Operation, began: Option<Timestamp>) -> bool {
        let mut info = operation.info.iter().flatten();
        info.any(|it| *it.value == *self.id)
            || self.begun.as_ref().is_some_and(|it| it.is_in_time(began))
    }
}

impl Begun {
    fn is_by(&self, by: Option<&Initiator>) -> bool {
        by.is_some_and(|by| !by.automated && by.username.as_deref() == Some(&*self.username))
    }

    fn is_in_time(&self, began: Option<Timestamp>) -> bool {
        began.is_some_and(|began| began >= self.from)
    }
}

impl Deployed {
    fn began(&self) -> Option<Timestamp> {
        self.deploy_started_at.as_deref().and_then(parsed)
    }
}

/// A time as Kubernetes writes it.
pub(super) fn parsed(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let nanos = u64::try_from(time.as_nanosecond()).ok()?;
    Some(Timestamp::from_nanos(nanos))
}
