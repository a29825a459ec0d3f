//! What probably caused an incident: where in the graph of calls things differ first, what was changed
//! there, and what those that are hit have in common.
//!
//! ```text
//! signs, findings ─▶ reasons by service ─▶ less what a callee explains ─▶ ranked suspects ─▶ Cause
//!                                           changes shortly before ───────────┘
//! ```
//!
//! A service is suspected for what it does otherwise than it did and no service it calls explains, for
//! its share of the time that is lost, and for what it uses up.

mod changes;
mod component;
mod lift;
mod rank;
mod reach;
mod reasons;
#[cfg(test)]
mod tests;
mod title;

pub use changes::NEAR;
pub use component::{Broke, COMPONENTS_MAX, Component, name_components, rank};
pub use lift::{Counted, lifts};
pub use rank::FINDINGS_MAX;
pub use title::{TITLE_LEN_MAX, title};

use std::sync::Arc;

use crate::core::event::{Cause, Incident};
use crate::core::record::Change;
use crate::core::topology::Topology;
use crate::core::witness::Finding;

/// What is known around an incident beside its signs.
#[derive(Clone, Copy, Debug)]
pub struct CauseInput<'a> {
    /// What spans and metrics say of its time: [`Witness::findings`](crate::core::witness::Witness::findings)
    /// from a little before it began until now. Those of services that have nothing to do with it are left
    /// out, and of more than [`FINDINGS_MAX`] the lightest.
    pub findings: &'a [Finding],
    /// Who calls whom.
    pub topology: &'a Topology,
    /// Changes of any service up to [`NEAR`] before it began; those of services that have nothing to do
    /// with it are left out.
    pub changes: &'a [Arc<Change>],
    /// Attributes of what is abnormal and of what is normal.
    pub counted: &'a [Counted],
}

/// What probably caused `incident`. The same input gives the same answer.
pub fn cause(incident: &Incident, input: &CauseInput<'_>) -> Cause {
    let mut cause = rank::cause(incident, input);
    name_components(&mut cause, &incident.signs);
    cause
}
