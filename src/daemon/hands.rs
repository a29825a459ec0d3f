//! Who carries out the ledger's tasks: reads the cluster, asks the policy, sends what is on disk.
//!
//! Each task runs by itself and its answer goes to the scribe. Nothing is tried twice here: what comes
//! next is the ledger's to say.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use super::clock;
use super::scribe::Scribe;
use super::switch::Switch;
use crate::core::event::{Action, ActionEvent, ActionStage, ActionState, Plan, Remedy, Target};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{Answer, Refused, Rehearsal, Settlement};
use crate::core::remedy::ledger::{Errand, Report, Reported, Task};
use crate::core::remedy::plan::{self, Permission};
use crate::edge::kube::{ClaimOf, Kube, Noted};
use crate::edge::policy::Policy;

/// Most tasks that are carried out at the same time.
const TASKS_MAX: usize = 16;

/// What is acted with.
pub(super) struct Hands {
    pub(super) kube: Option<Kube>,
    pub(super) policy: Option<Policy>,
    pub(super) switch: Arc<Switch>,
    pub(super) scribe: Scribe,
}

impl Hands {
    /// Works tasks off until nobody gives any more.
    pub(super) async fn work(self, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let hands = Arc::new(self);
        let room = Arc::new(Semaphore::new(TASKS_MAX));
        while let Some(task) = tasks.recv().await {
            // It is never closed.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let hands = Arc::clone(&hands);
            tokio::spawn(async move {
                let reported = hands.carry_out(task.errand).await;
                drop(permit);
                if let Some(reported) = reported {
                    let report = Report {
                        id: task.id,
                        reported,
                    };
                    // The scribe may be waiting for its disk.
                    let told = move || hands.scribe.report(report);
                    let _ = tokio::task::spawn_blocking(told).await;
                }
            });
        }
    }

    async fn carry_out(&self, errand: Errand) -> Option<Reported> {
        match errand {
            Errand::Look { remedy, target } => Some(self.look(&target, &remedy).await),
            Errand::Rehearse {
                action,
                permissions,
                input,
            } => Some(self.rehearse(&action, &permissions, &input).await),
            Errand::Send { action } => Some(Reported::Answered(self.send(&action).await)),
            Errand::Settle { action } => Some(Reported::Settled(self.settle(&action).await)),
            Errand::Note { event } => {
                self.note(&event).await;
                None
            }
        }
    }

    async fn look(&self, target: &Target, remedy: &Remedy) -> Reported {
        let Some(kube) = &self.kube else {
            return Reported::Looked(Err("there is no cluster".into()));
        };
        let looked = kube.look(target, remedy, clock::now()).await;
        let looked = looked.map(Box::new);
        Reported::Looked(looked.map_err(|error| error.to_string().into()))
    }

    async fn rehearse(
        &self,
        action: &Action,
        permissions: &[Permission],
        input: &Value,
    ) -> Reported {
        let cluster = async {
            match (&self.kube, &action.plan) {
                (Some(kube), Some(plan)) => kube.rehearse(plan, permissions).await,
                _ => Rehearsal::default(),
            }
        };
        let policy = async {
            match &self.policy {
                Some(policy) => Some(policy.decide(input).await),
                None => None,
            }
        };
        let (rehearsal, policy) = tokio::join!(cluster, policy);
        Reported::Rehearsed(Box::new(Rehearsal {
            policy,
            ..rehearsal
        }))
    }

    /// Why nothing may be sent for `action` at this very moment.
    fn forbidden(&self, expires_at: Timestamp) -> Option<Answer> {
        if let Some(why) = self.switch.stopped() {
            let why = format!("all actions are stopped: {why}");
            return Some(Answer::Refused(Refused::Switched, why.into()));
        }
        let is_late = clock::now() >= expires_at;
        is_late.then(|| Answer::Refused(Refused::Late, "its time was up".into()))
    }

    async fn send(&self, action: &Action) -> Answer {
        let (Some(kube), Some((plan, claim))) = (&self.kube, planned(action)) else {
            let why = "there is nothing to carry it out with";
            return Answer::Refused(Refused::Never, why.into());
        };
        let expires_at = action.expires_at;
        let gate = move || self.forbidden(expires_at);
        kube.send(&action.id, plan, &claim, &gate).await
    }

    async fn settle(&self, action: &Action) -> Settlement {
        match (&self.kube, planned(action)) {
            (Some(kube), Some((plan, claim))) => kube.settle(&action.id, plan, &claim).await,
            _ => Settlement::Unclear,
        }
    }

    async fn note(&self, event: &ActionEvent) {
        let action = &event.action;
        let object = action.plan.as_ref().and_then(|plan| plan.subject.clone());
        let (Some(kube), Some(object)) = (&self.kube, object) else {
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
        if let Err(error) = kube.note(&noted).await {
            tracing::warn!(%error, action = %action.id, "The cluster took no Event about an action.");
        }
    }
}

/// What is sent, and what is claimed for it: the workload, or the pod where none was found.
fn planned(action: &Action) -> Option<(&Plan, ClaimOf)> {
    let plan = action.plan.as_ref()?;
    let (object, lasts) = plan.claims.as_ref()?;
    let claim = ClaimOf {
        namespace: object.namespace.clone(),
        name: plan::claim_name(object).into(),
        lasts: *lasts,
    };
    Some((plan, claim))
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
