//! A policy of the owner's: Open Policy Agent is asked whether an action may be done.
//!
//! ```text
//! core::remedy::policy::input ─▶ POST {url} {"input": …} ─▶ ruling ─▶ Decision, or why there is none
//! ```
//!
//! Nothing but an answer of 200 with an object `result` whose `allow` is `true` is a yes. No answer, an
//! undefined one, one of the wrong type or one that contradicts itself is none, and no action is taken.

mod client;
mod ruling;
mod unique;
#[cfg(test)]
mod tests;

pub use client::{Policy, PolicySettings};
