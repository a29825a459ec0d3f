//! What an Application object says, where Argo CD is asked through it.

use super::objects::{Application, Deployed, Operation, object, timestamp};
use crate::core::event::Object;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::ArgoFacts;
use crate::core::remedy::plan::ACTION_ANNOTATION;

/// An application. Whether a sync window forbids it is not said by the object, nor is an operation refused by one:
/// the controller of Argo CD keeps it until the window lets it through.
pub(super) fn of_application(application: &Application) -> ArgoFacts {
    let spec = application.spec.as_ref();
    let status = application.status.as_ref();
    let automated = spec
        .and_then(|it| it.sync_policy.as_ref())
        .and_then(|it| it.automated.as_ref());
    let state = status.and_then(|it| it.operation_state.as_ref());
    let phase = state.and_then(|it| it.phase.as_deref());
    let history = status.and_then(|it| it.history.as_deref());
    // The last one is what is deployed.
    let previous = match history.unwrap_or_default() {
        [.., previous, _] => Some(previous),
        _ => None,
    };
    let meta = &application.metadata;
    ArgoFacts {
        is_automated: automated.is_some_and(|it| it.enabled != Some(false)),
        is_closed: None,
        is_busy: application.operation.is_some()
            || matches!(phase, Some("Running" | "Terminating")),
        previous: previous.map(|it| it.id),
        replaced_at: released(history.unwrap_or_default()),
        project: spec.map(|it| it.project.clone()).unwrap_or_default(),
        namespace: meta.namespace.as_deref().unwrap_or_default().into(),
        // Its status is a part of it, so that its generation rises all the time.
        object: Some(Object {
            generation: 0,
            ..object("Application", meta)
        }),
        previous_revision: previous
            .and_then(|it| it.revision.clone())
            .unwrap_or_default(),
        previous_source: previous.and_then(|it| it.source.clone()),
    }
}

/// When what is deployed was first: one that was gone back to was so before.
fn released(history: &[Deployed]) -> Option<Timestamp> {
    let last = history.last()?;
    let same = |it: &&Deployed| it.revision == last.revision && it.source == last.source;
    let first = history.iter().find(same)?;
    timestamp(first.deployed_at.as_ref()?)
}

/// Whether the operation that an application was last asked for is that of the action `id`.
pub(super) fn is_asked(application: &Application, id: &str) -> bool {
    let is_it = |operation: &Operation| {
        let mut info = operation.info.iter().flatten();
        info.any(|it| *it.name == *ACTION_ANNOTATION && *it.value == *id)
    };
    let state = application
        .status
        .as_ref()
        .and_then(|it| it.operation_state.as_ref());
    let latest = state.and_then(|it| it.operation.as_ref());
    application.operation.iter().chain(latest).any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_sync_window_is_closed_is_not_made_up() {
        assert_eq!(of_application(&Application::default()).is_closed, None);
    }
}
