//! knothole reads a fleet's logs, learns what normal looks like, tells an on-call engineer what
//! broke and why, and proposes what to do.
//!
//! ```text
//! core    record → parse → sequence → detect → event      pure: no clock, no IO, no async
//!                  └────────── engine ──────────┘ ← train
//! edge    receive   store   notify   api   telemetry      one adapter per outside thing
//! daemon  config, wiring, clock, shutdown
//! cli     the commands
//! ```
//!
//! Imports go from a later room to an earlier one, never back; `tests/architecture.rs` holds that.
//! `ARCHITECTURE.md` tells the road of a record.

pub mod core;
#[cfg(feature = "daemon")]
pub mod edge;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod cli;
