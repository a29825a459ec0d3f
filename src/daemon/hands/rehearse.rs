//! Rehearsing: may we, would whoever is asked do it, and does the policy allow it.

use serde_json::Value;

use super::{Hands, only, system_of, unset};
use crate::core::event::{Action, Mode, Plan, System};
use crate::core::remedy::facts::Rehearsal;
use crate::core::remedy::plan::Permission;

impl Hands {
    /// What a rehearsal of `action` shows. The policy is asked whoever carries it out.
    pub(super) async fn rehearse(
        &self,
        action: &Action,
        permissions: &[Permission],
        input: &Value,
    ) -> Rehearsal {
        let policy = async {
            match &self.systems.policy {
                Some(policy) => Some(policy.decide(input).await),
                None => None,
            }
        };
        let (rehearsal, policy) = tokio::join!(self.tried(action, permissions), policy);
        Rehearsal {
            policy,
            ..rehearsal
        }
    }

    /// What those say who would carry it out.
    async fn tried(&self, action: &Action, permissions: &[Permission]) -> Rehearsal {
        let (Some(kube), Some(plan)) = (&self.systems.kube, &action.plan) else {
            return Rehearsal::default();
        };
        let system = match system_of(plan) {
            // Nothing is sent: what becomes of it is up to a hook.
            None if plan.requests.is_empty() => return Rehearsal::default(),
            Some(System::Kubernetes) | None => return kube.rehearse(plan, permissions).await,
            Some(system) => system,
        };
        let would = self.would(plan, system, action.mode);
        let (rehearsal, would) = tokio::join!(kube.access(permissions), would);
        Rehearsal {
            // What could not be found out comes first.
            dry_run: rehearsal.dry_run.or(would),
            ..rehearsal
        }
    }

    /// Whether another system would do it; `None` where it does not say, and where nobody asks it to.
    async fn would(&self, plan: &Plan, system: System, mode: Mode) -> Option<Result<(), Box<str>>> {
        let request = only(plan)?;
        let systems = &self.systems;
        match (system, &systems.argo, &systems.jenkins, &systems.flux) {
            (System::ArgoCd, Some(argo), _, _) => argo.rehearse(request).await,
            (System::Jenkins, _, Some(jenkins), _) => Some(jenkins.rehearse(request).await),
            // A receiver knows no rehearsal.
            (System::Flux, _, _, Some(_)) => None,
            (System::Kubernetes | System::Hook, _, _, _) => None,
            (System::ArgoCd | System::Jenkins | System::Flux, _, _, _) => match mode {
                Mode::Observe | Mode::Suggest => None,
                Mode::Approve | Mode::Auto => Some(Err(unset(system).into())),
            },
        }
    }
}
