//! Jenkins: jobs are started with parameters and followed.
//!
//! ```text
//!  rehearse  request ─▶ is the job there, can it be built, does it take our parameter      reads alone
//!  start     request ─▶ its place in the queue                                             once
//!  follow    its place ─▶ the build ─▶ its result
//!  settle    request ─▶ the queue and the latest builds, by the parameter                  reads, where no answer came
//! ```
//!
//! A job took place once Jenkins has queued it. How its build ended is said, and is nothing that is decided
//! here: one that failed has done some of what it does.

mod follow;
mod rehearse;
mod settings;
mod settle;
mod start;
mod wire;
#[cfg(test)]
mod tests;

pub use settings::JenkinsSettings;
pub use wire::Jenkins;
