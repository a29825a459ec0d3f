//! A Kubernetes cluster: reads what the checks go by, and carries out plans.
//!
//! ```text
//!  look      target ─▶ Facts                      reads alone
//!  rehearse  plan ─▶ may we, and a dry run        changes nothing
//!  access    permissions ─▶ may we                the same for what another system carries out
//!  send      plan ─▶ Answer                       claims the workload, then the very requests of the plan, once
//!  claiming  whatever is done elsewhere           claims the workload around it, and looks at it once more
//!  settle    plan ─▶ Settlement                   reads, where no answer came
//!  note      an Event on the object
//! ```
//!
//! The requests of a plan go out byte for byte as they were approved. Nothing is sent twice, no redirect is
//! followed, and whatever a server says is bounded before it is kept.

mod answer;
mod argo;
mod claim;
mod error;
mod facts;
mod kinds;
mod look;
mod manager;
mod note;
mod objects;
mod read;
mod rehearse;
mod selector;
mod send;
mod settings;
mod settle;
mod wire;

use std::fmt;

pub use claim::ClaimOf;
pub use error::KubeError;
pub use note::Noted;
pub use settings::{Clock, KubeSettings, Source};

use wire::Wire;

/// A cluster.
pub struct Kube {
    wire: Wire,
    clock: Clock,
    instance: Box<str>,
    field_manager: Box<str>,
    argo_namespace: Option<Box<str>>,
}

impl Kube {
    /// A cluster that was not asked yet: its server need not be there.
    ///
    /// # Errors
    /// The settings lead to no cluster, or what they name cannot be read.
    pub async fn connect(settings: &KubeSettings, clock: Clock) -> Result<Self, KubeError> {
        Ok(Self {
            wire: settings::connect(settings).await?,
            clock,
            instance: settings.instance.clone(),
            field_manager: settings.field_manager.clone(),
            argo_namespace: settings.argo_namespace.clone(),
        })
    }
}

impl fmt::Debug for Kube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kube")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
