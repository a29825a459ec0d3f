//! Who carries out the ledger's tasks: reads the cluster, asks the policy, sends what is on disk.
//!
//! ```text
//!  look      target ─▶ the cluster's facts, and Argo CD's where its API is set      reads alone
//!  rehearse  plan ─▶ may we, would they, does the policy allow it                   changes nothing, but for a
//!                                                                                    dry run of Argo CD
//!  send      plan ─ gate ─ claim ─ still the object? ─ gate ─▶ Kubernetes, Argo CD, Jenkins or Flux      once
//!  settle    plan ─▶ whoever it was sent to shows whether it took place             reads alone
//!  note      an Event on the object
//! ```
//!
//! Each task runs by itself and its answer goes to the scribe. Nothing is tried twice here: what comes
//! next is the ledger's to say. Where knothole is configured to act it has a cluster: whoever carries something
//! out, its target is looked at there, and claimed there first, so that two instances do not do it twice.

mod look;
mod note;
mod rehearse;
mod send;
mod settle;
mod systems;
mod trials;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

pub(super) use systems::Systems;

use trials::Trials;

use super::scribe::Scribe;
use super::switch::Switch;
use crate::core::event::{Action, Plan, Request, System};
use crate::core::remedy::facts::{Answer, Refused, Rehearsal, Settlement};
use crate::core::remedy::ledger::{Errand, Ledger, Report, Reported, Task};
use crate::core::remedy::plan::claim_name;
use crate::edge::kube::ClaimOf;

/// Most tasks that read at the same time. The others wait; there are no more than actions that are not over.
const READING_MAX: usize = 16;
/// Most tasks that send at the same time. They do not wait for those that read.
const SENDING_MAX: usize = 8;
/// The longest that a task takes that changes nothing, its turn included: what comes later the ledger has given up.
const READ_WITHIN: Duration = Ledger::TASK_MAX.saturating_sub(Duration::from_secs(10));

/// What acts, and with what.
pub(super) struct Hands {
    systems: Systems,
    switch: Arc<Switch>,
    trials: Trials,
    reading: Semaphore,
    sending: Semaphore,
}

impl Hands {
    /// Hands that act with `systems` while `switch` allows it.
    pub(super) fn new(systems: Systems, switch: Arc<Switch>) -> Self {
        Self {
            systems,
            switch,
            trials: Trials::default(),
            reading: Semaphore::new(READING_MAX),
            sending: Semaphore::new(SENDING_MAX),
        }
    }

    /// Works tasks off until nobody gives any more, and tells the scribe what came of them.
    pub(super) async fn work(self, mut tasks: mpsc::UnboundedReceiver<Task>, scribe: Scribe) {
        let hands = Arc::new(self);
        while let Some(task) = tasks.recv().await {
            let (hands, scribe) = (Arc::clone(&hands), scribe.clone());
            tokio::spawn(async move {
                if let Some(reported) = hands.carry_out(task.errand).await {
                    let report = Report {
                        id: task.id,
                        reported,
                    };
                    // The scribe may be waiting for its disk.
                    let told = move || scribe.report(report);
                    let _ = tokio::task::spawn_blocking(told).await;
                }
            });
        }
    }

    async fn carry_out(&self, errand: Errand) -> Option<Reported> {
        match errand {
            Errand::Look { remedy, target } => {
                let looked = self.read(self.look(&target, &remedy)).await;
                Some(Reported::Looked(looked.unwrap_or_else(|| Err(late()))))
            }
            Errand::Rehearse {
                action,
                permissions,
                input,
            } => {
                let rehearsed = self.read(self.rehearse(&action, &permissions, &input));
                let rehearsal = rehearsed.await.unwrap_or_else(|| Rehearsal {
                    dry_run: Some(Err(late())),
                    ..Rehearsal::default()
                });
                Some(Reported::Rehearsed(Box::new(rehearsal)))
            }
            Errand::Send { action } => {
                // It is never closed; a turn that comes late is too late to begin.
                let Ok(_turn) = self.sending.acquire().await else {
                    return None;
                };
                Some(Reported::Answered(self.send(&action).await))
            }
            Errand::Settle { action } => {
                let settled = self.read(self.settle(&action)).await;
                Some(Reported::Settled(settled.unwrap_or(Settlement::Unclear)))
            }
            Errand::Note { event } => {
                self.read(self.note(&event)).await;
                None
            }
        }
    }

    /// What comes of something that changes nothing, unless it takes too long.
    async fn read<T>(&self, reading: impl Future<Output = T>) -> Option<T> {
        let in_turn = async {
            let _turn = self.reading.acquire().await;
            reading.await
        };
        tokio::time::timeout(READ_WITHIN, in_turn).await.ok()
    }
}

fn late() -> Box<str> {
    let seconds = READ_WITHIN.as_secs();
    format!("that takes longer than {seconds} seconds").into()
}

/// Who is asked by all requests of `plan`; none where there are none, or two of them.
fn system_of(plan: &Plan) -> Option<System> {
    let system = plan.requests.first()?.system;
    let all = plan.requests.iter().all(|it| it.system == system);
    all.then_some(system)
}

/// The request of a plan that another system than the cluster carries out: there is only ever one.
fn only(plan: &Plan) -> Option<&Request> {
    match &*plan.requests {
        [only] => Some(only),
        [] | [_, _, ..] => None,
    }
}

fn never(why: impl Into<Box<str>>) -> Answer {
    Answer::Refused(Refused::Never, why.into())
}

/// Why nothing can be done with `system`.
fn unset(system: System) -> String {
    let (name, setting) = match system {
        System::Kubernetes => ("the cluster", "kubernetes"),
        System::ArgoCd => ("the API of Argo CD", "argo_cd"),
        System::Jenkins => ("Jenkins", "jenkins"),
        System::Flux => ("Flux", "flux"),
        System::Hook => return "a hook is told by the sinks".to_owned(),
    };
    format!("{name} is not known: set remediation.{setting}, and start knothole again")
}

/// What is sent for `action`, and what is claimed for it.
fn planned(action: &Action) -> Option<(&Plan, ClaimOf)> {
    let plan = action.plan.as_ref()?;
    let (object, lasts) = plan.claims.as_ref()?;
    let claim = ClaimOf {
        namespace: object.namespace.clone(),
        name: claim_name(object).into(),
        lasts: *lasts,
        owner: Some(object.clone()),
    };
    Some((plan, claim))
}

#[cfg(test)]
mod tests;
