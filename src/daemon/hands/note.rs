//! A note on the object of an action, for whoever describes it.

use std::time::Duration;

use super::Hands;
use crate::core::event::{ActionEvent, ActionStage, ActionState};
use crate::edge::kube::Noted;

/// How soon an Event that was not taken is told once more. Told twice it is there once.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Hands {
    /// Tells the cluster what became of an action, where it is about an object.
    pub(super) async fn note(&self, event: &ActionEvent) {
        let action = &event.action;
        let object = action.plan.as_ref().and_then(|plan| plan.subject.clone());
        let (Some(kube), Some(object)) = (&self.systems.kube, object) else {
            return;
        };
        let why = action.steps.last().map_or("", |step| &*step.why);
        let noted = Noted {
            id: action.id.clone(),
            object,
            action: camel(action.remedy.kind().name()).into(),
            reason: format!("Action{}", camel(action.state.name())).into(),
            note: format!("knothole, rule {}: {why}", action.rule).into(),
            is_warning: is_warning(event),
            at: event.at,
        };
        let mut taken = kube.note(&noted).await;
        if taken.is_err() {
            tokio::time::sleep(AGAIN_AFTER).await;
            taken = kube.note(&noted).await;
        }
        if let Err(error) = taken {
            tracing::warn!(%error, action = %action.id, "The cluster took no Event about an action.");
        }
    }
}

fn is_warning(event: &ActionEvent) -> bool {
    match event.stage {
        ActionStage::Failed => true,
        ActionStage::Verified => event.action.state != ActionState::Effective,
        ActionStage::Proposed
        | ActionStage::Approved
        | ActionStage::Denied
        | ActionStage::Executed => false,
    }
}

/// `restart_pod` → `RestartPod`, as Events are named.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|it| it.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect()
}
