//! Argo CD, asked through its own API.
//!
//! ```text
//!  look      application ─▶ ArgoFacts                  reads alone
//!  rehearse  request ─▶ may the token                  reads alone
//!  try_out   request ─▶ Argo CD's dry run              an operation, where the owner wants it
//!  send      request ─▶ Answer                         once; then what becomes of it is followed for a while
//!  settle    request ─▶ Settlement, and why            reads, where no answer came
//! ```
//!
//! A sync or a rollback is an operation of the application: the API writes it down and answers, and Argo CD's
//! controller carries it out. So an answer of 200 means that it takes place, and not yet how it ends.

mod application;
mod error;
mod look;
mod operation;
mod rehearse;
mod resource;
mod send;
mod settings;
mod settle;
mod wire;
#[cfg(test)]
mod tests;

pub use rehearse::Trial;
pub use settings::ArgoSettings;
pub use wire::Argo;
