//! Rehearsing: may we, would whoever is asked do it, and does the policy allow it.

use serde_json::Value;

use super::trials::{Would, key_of};
use super::{Hands, only, system_of, unset};
use crate::core::event::{Action, Mode, Plan, Request, System};
use crate::core::remedy::facts::Rehearsal;
use crate::core::remedy::plan::Permission;
use crate::edge::argo::{Argo, Trial};

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
        let would = self.would(action, plan, system);
        let (rehearsal, would) = tokio::join!(kube.access(permissions), would);
        Rehearsal {
            // What could not be found out comes first.
            dry_run: rehearsal.dry_run.or(would),
            ..rehearsal
        }
    }

    /// Whether another system would do it; `None` where it does not say, and where nobody asks it to.
    async fn would(&self, action: &Action, plan: &Plan, system: System) -> Option<Would> {
        let request = only(plan)?;
        let systems = &self.systems;
        match (system, &systems.argo, &systems.jenkins, &systems.flux) {
            (System::ArgoCd, Some(argo), _, _) => match argo.rehearse(request).await {
                None if acts(action.mode) && argo.is_tried(request) => {
                    self.tried_once(argo, action, request).await
                }
                would => would,
            },
            (System::Jenkins, _, Some(jenkins), _) => Some(jenkins.rehearse(request).await),
            // A receiver knows no rehearsal.
            (System::Flux, _, _, Some(_)) => None,
            (System::Kubernetes | System::Hook, _, _, _) => None,
            (System::ArgoCd | System::Jenkins | System::Flux, _, _, _) => {
                acts(action.mode).then(|| Err(unset(system).into()))
            }
        }
    }

    /// What Argo CD's trial of the plan showed, which is begun once: it is an operation of the application.
    async fn tried_once(&self, argo: &Argo, action: &Action, request: &Request) -> Option<Would> {
        let key = key_of(action)?;
        if let Some(known) = self.trials.of(&key) {
            return Some(known);
        }
        // Whoever is held up on the way does not begin it again.
        let begun = "a dry run was begun, and how it ended is not known";
        self.trials.keep(key.clone(), Err(begun.into()));
        let gate = || self.forbidden(action.expires_at);
        Some(match argo.try_out(request, &gate).await {
            Trial::Over(would) => {
                self.trials.keep(key, would.clone());
                would
            }
            Trial::NotBegun(why) => {
                self.trials.forget(&key);
                Err(why)
            }
        })
    }
}

/// Whether knothole itself does what rules of this mode ask for.
const fn acts(mode: Mode) -> bool {
    match mode {
        Mode::Observe | Mode::Suggest => false,
        Mode::Approve | Mode::Auto => true,
    }
}
