//! What probably caused an incident: where in the graph of calls things differ first, what was changed
//! there, and what those that are hit have in common.
//!
//! A service is suspected for what differs at it and is not explained by a service it calls.

mod component;
mod lift;
mod rank;
mod title;

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
    /// from a little before it began until now. At most [`FINDINGS_MAX`] are looked at.
    pub findings: &'a [Finding],
    /// Who calls whom.
    pub topology: &'a Topology,
    /// Changes of any service around it.
    pub changes: &'a [Arc<Change>],
    /// Attributes of what is abnormal and of what is normal.
    pub counted: &'a [Counted],
}

/// What probably caused `incident`. The same input gives the same answer.
pub fn cause(incident: &Incident, input: &CauseInput<'_>) -> Cause {
    rank::cause(incident, input)
}
