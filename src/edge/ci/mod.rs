//! Systems that build and deploy, and are told to: Jenkins, and Flux through its receivers.
//!
//! A job of Jenkins that is started twice runs twice, so nothing is sent again whose answer was lost: it is
//! looked for by the id of the action, which is a parameter of the job. A receiver of Flux only marks what is to
//! be reconciled; told twice, it does the same.

mod flux;
mod jenkins;

pub use flux::{Flux, FluxSettings};
pub use jenkins::{Jenkins, JenkinsSettings};
