//! An Application as Argo CD's API shows it: as much of it as is gone by.

use serde::Deserialize;
use serde_json::Value;

use super::operation::{Operation, OperationState, parsed};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::ArgoFacts;

/// An application.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Application {
    pub(super) metadata: Meta,
    spec: Spec,
    pub(super) status: Status,
    /// What the controller was asked for and has not begun.
    pub(super) operation: Option<Operation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    pub(super) name: Box<str>,
    namespace: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    project: Box<str>,
    sync_policy: Option<SyncPolicy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SyncPolicy {
    automated: Option<Automated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Automated {
    /// None is yes.
    enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    /// What was deployed, oldest first.
    pub(super) history: Option<Vec<Deployed>>,
    pub(super) operation_state: Option<OperationState>,
}

/// Something that was deployed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Deployed {
    pub(super) id: i64,
    pub(super) revision: Option<Box<str>>,
    source: Option<Value>,
    deployed_at: Option<Box<str>>,
    pub(super) deploy_started_at: Option<Box<str>>,
    pub(super) initiated_by: Option<Initiator>,
}

/// Who began an operation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Initiator {
    pub(super) username: Option<Box<str>>,
    /// By itself.
    pub(super) automated: bool,
}

impl Application {
    /// Whether an operation is asked for or under way.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.status.operation_state.as_ref();
        self.operation.is_some() || state.is_some_and(OperationState::is_running)
    }

    /// The project it belongs to.
    pub(super) fn project(&self) -> &str {
        &self.spec.project
    }

    /// What the checks go by; `can_sync` is what its sync windows say of a sync by hand.
    pub(super) fn facts(&self, can_sync: bool) -> ArgoFacts {
        let policy = self.spec.sync_policy.as_ref();
        let automated = policy.and_then(|it| it.automated.as_ref());
        // The last one is what is deployed.
        let history = self.status.history.as_deref().unwrap_or_default();
        let previous = match history {
            [.., previous, _] => Some(previous),
            _ => None,
        };
        ArgoFacts {
            is_automated: automated.is_some_and(|it| it.enabled != Some(false)),
            is_closed: Some(!can_sync),
            is_busy: self.is_busy(),
            previous: previous.map(|it| it.id),
            replaced_at: released(history),
            project: self.spec.project.clone(),
            namespace: self.metadata.namespace.clone(),
            ..ArgoFacts::default()
        }
    }
}

/// When what is deployed was first: one that was gone back to was so before.
fn released(history: &[Deployed]) -> Option<Timestamp> {
    let last = history.last()?;
    let same = |it: &&Deployed| it.revision == last.revision && it.source == last.source;
    let first = history.iter().find(same)?;
    first.deployed_at.as_deref().and_then(parsed)
}
