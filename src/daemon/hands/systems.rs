//! What is acted with: set up once, at the start.

use std::sync::Arc;

use crate::daemon::clock;
use crate::daemon::config::Settings;
use crate::daemon::running::StartError;
use crate::edge::argo::Argo;
use crate::edge::ci::{Flux, Jenkins};
use crate::edge::kube::Kube;
use crate::edge::outgoing::SetupError;
use crate::edge::policy::Policy;

/// Whoever is asked about actions and carries them out, as far as they are set.
#[derive(Default)]
pub(in crate::daemon) struct Systems {
    pub(super) kube: Option<Kube>,
    pub(super) policy: Option<Policy>,
    pub(super) argo: Option<Argo>,
    pub(super) jenkins: Option<Jenkins>,
    pub(super) flux: Option<Flux>,
}

impl Systems {
    /// Those of `settings`, in the name of the process `instance`. None of them is asked anything yet.
    ///
    /// # Errors
    /// One cannot be set up: its address is not to be reached, or its secret is not there.
    pub(in crate::daemon) async fn connect(
        settings: &Settings,
        instance: &str,
    ) -> Result<Self, StartError> {
        let egress = &settings.egress;
        let policy = settings.policy().map(|it| Policy::new(&it, egress));
        let argo = settings.argo_cd().map(|it| Argo::new(&it, egress));
        let jenkins = settings.jenkins().map(|it| Jenkins::new(&it, egress));
        let flux = settings.flux().map(|it| Flux::new(&it, egress));
        Ok(Self {
            kube: match settings.cluster(instance) {
                Some(cluster) => Some(Kube::connect(&cluster, Arc::new(clock::now)).await?),
                None => None,
            },
            policy: set_up("policy", policy)?,
            argo: set_up("argo_cd", argo)?,
            jenkins: set_up("jenkins", jenkins)?,
            flux: set_up("flux", flux)?,
        })
    }
}

fn set_up<T>(
    system: &'static str,
    made: Option<Result<T, SetupError>>,
) -> Result<Option<T>, StartError> {
    let made = made.transpose();
    made.map_err(|source| StartError::System { system, source })
}
