//! Settling: whether something of which no answer came took place.

use super::{Hands, only, planned, system_of};
use crate::core::event::{Action, Plan, System};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::Settlement;
use crate::core::remedy::ledger::Ledger;
use crate::daemon::clock;

impl Hands {
    /// What whoever was asked shows of `action`.
    pub(super) async fn settle(&self, action: &Action) -> Settlement {
        let (Some(kube), Some((plan, claim))) = (&self.systems.kube, planned(action)) else {
            return Settlement::Unclear;
        };
        match (system_of(plan), action.acted_at) {
            (Some(System::Kubernetes), _) => kube.settle(&action.id, plan, &claim).await,
            (Some(system), Some(sent_at)) => {
                let (settlement, why) = self.shown(&action.id, (plan, system), sent_at).await;
                tracing::info!(action = %action.id, ?settlement, %why, "Looked whether an action took place of which no answer came.");
                settlement
            }
            (Some(_), None) | (None, _) => Settlement::Unclear,
        }
    }

    /// What another system than the cluster shows, and why that is known.
    async fn shown(
        &self,
        id: &str,
        (plan, system): (&Plan, System),
        sent_at: Timestamp,
    ) -> (Settlement, Box<str>) {
        let systems = &self.systems;
        // It may have gone out so much later than it was written down: for so much longer it may be under way.
        let now = clock::now().minus(Ledger::SEND_WITHIN);
        let Some(request) = only(plan) else {
            return (Settlement::Unclear, "its plan has no one request".into());
        };
        match (system, &systems.argo, &systems.jenkins, &systems.flux) {
            (System::ArgoCd, Some(argo), _, _) => argo.settle(id, request, sent_at, now).await,
            (System::Jenkins, _, Some(jenkins), _) => jenkins.settle(request, sent_at, now).await,
            (System::Flux, _, _, Some(flux)) => flux.settle(),
            (system, _, _, _) => (Settlement::Unclear, super::unset(system).into()),
        }
    }
}
