//! Sending: what was written down goes out once, or not at all.
//!
//! ```text
//!  written ── at most Ledger::SEND_WITHIN ──▶ it begins ── claim, request, what becomes of it ──▶ answer
//!     └────────────────────────────── less than Ledger::TASK_MAX ────────────────────────────────────┘
//! ```

use super::{Hands, never, only, planned, system_of, unset};
use crate::core::event::{Action, Request, System};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{Answer, Refused};
use crate::core::remedy::ledger::Ledger;
use crate::daemon::clock;
use crate::edge::outgoing::Gate;

impl Hands {
    /// What came of carrying out `action`.
    pub(super) async fn send(&self, action: &Action) -> Answer {
        let (Some(kube), Some((plan, claim))) = (&self.systems.kube, planned(action)) else {
            return never(unset(System::Kubernetes));
        };
        let (id, expires_at) = (&action.id, action.expires_at);
        let written = action.acted_at.unwrap_or(action.asked_at);
        let in_time = move || self.forbidden(expires_at).or_else(|| held_up(written));
        if let Some(forbidden) = in_time() {
            return forbidden;
        }
        let system = system_of(plan);
        match (system, only(plan)) {
            // It has a time of its own for each of its requests.
            (Some(System::Kubernetes), _) => {
                let gate = move || self.forbidden(expires_at);
                kube.send(id, plan, &claim, &gate).await
            }
            (Some(System::ArgoCd | System::Jenkins | System::Flux), Some(request)) => {
                let act = self.ask(request, &in_time);
                kube.claiming(id, &claim, plan.subject.as_ref(), act).await
            }
            (Some(System::ArgoCd | System::Jenkins | System::Flux | System::Hook) | None, _) => {
                never("its plan has no request that can be sent")
            }
        }
    }

    /// Has another system than the cluster do it.
    async fn ask(&self, request: &Request, gate: Gate<'_>) -> Answer {
        let systems = &self.systems;
        match (
            request.system,
            &systems.argo,
            &systems.jenkins,
            &systems.flux,
        ) {
            (System::ArgoCd, Some(argo), _, _) => argo.send(request, gate).await,
            (System::Jenkins, _, Some(jenkins), _) => jenkins.send(request, gate).await,
            (System::Flux, _, _, Some(flux)) => flux.send(request, gate).await,
            (system, _, _, _) => never(unset(system)),
        }
    }

    /// Why nothing may be sent at this very moment.
    pub(super) fn forbidden(&self, expires_at: Timestamp) -> Option<Answer> {
        if let Some(why) = self.switch.stopped() {
            let why = format!("all actions are stopped: {why}");
            return Some(Answer::Refused(Refused::Switched, why.into()));
        }
        let is_late = clock::now() >= expires_at;
        is_late.then(|| Answer::Refused(Refused::Late, "its time was up".into()))
    }
}

/// Whether it is too late to begin what was written down at `written`.
fn held_up(written: Timestamp) -> Option<Answer> {
    let is_late = clock::now().since(written) > Ledger::SEND_WITHIN;
    is_late.then(|| {
        let why = "sending was held up for too long".into();
        Answer::Refused(Refused::NotNow(None), why)
    })
}
