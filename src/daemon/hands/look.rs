//! Looking: what the checks go by.

use super::Hands;
use crate::core::event::{Remedy, Target};
use crate::core::remedy::facts::{ArgoFacts, Facts};
use crate::daemon::clock;

impl Hands {
    /// What is known of `target` for `remedy`; or why nobody can say.
    pub(super) async fn look(
        &self,
        target: &Target,
        remedy: &Remedy,
    ) -> Result<Box<Facts>, Box<str>> {
        let kube = self.systems.kube.as_ref().ok_or("there is no cluster")?;
        let cluster = async {
            let looked = kube.look(target, remedy, clock::now()).await;
            looked.map_err(|error| Box::from(error.to_string()))
        };
        let (mut facts, argo) = tokio::try_join!(cluster, self.look_at_argo(remedy))?;
        // Without its API it is asked through its object, which the cluster has.
        if self.systems.argo.is_some() {
            facts.argo = argo;
        }
        Ok(Box::new(facts))
    }

    async fn look_at_argo(&self, remedy: &Remedy) -> Result<Option<ArgoFacts>, Box<str>> {
        let application = match remedy {
            Remedy::ArgoSync { application }
            | Remedy::ArgoRollBack { application }
            | Remedy::ArgoAction { application, .. } => application,
            Remedy::RestartPod
            | Remedy::RestartWorkload
            | Remedy::Scale { .. }
            | Remedy::RollBack
            | Remedy::JenkinsJob { .. }
            | Remedy::FluxReceiver { .. }
            | Remedy::AbortRollout { .. }
            | Remedy::GatewayWeight { .. }
            | Remedy::Webhook => return Ok(None),
        };
        match &self.systems.argo {
            Some(argo) => argo.look(application).await,
            None => Ok(None),
        }
    }
}
