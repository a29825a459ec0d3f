//! What is done about trouble: rules, checks, plans, and a ledger of what was asked for and what became of
//! it. Nothing is executed here; the ledger gives tasks and takes their results.
//!
//! ```text
//! anomaly ─ rules ─▶ Action ─ look ─▶ Facts ─ checks ─▶ Plan ─ rehearse, policy ─▶ checks ─┬─▶ proposed
//!                                                                                        └─▶ written, sent
//! sent ─▶ Answer ─ unknown? read the cluster ─▶ done ─ stabilise, look ─▶ did it help? ─▶ the book
//! ```
//!
//! The log text has no say: a rule's author chooses the remedy, and the target comes from the resource
//! attributes alone.

pub mod rule;
pub mod ask;
pub mod facts;
pub mod case;
pub mod standing;
pub mod check;
pub mod plan;
pub mod policy;
pub mod book;
pub mod signs;
pub mod verify;
pub mod ledger;
pub mod simulate;
