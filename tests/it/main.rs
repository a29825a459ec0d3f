//! The daemon as its users run it: the real binary on loopback ports, fed by real Collectors and
//! SDKs. What needs such a part is skipped by name where it is absent (`tests/parts`, `./test`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

mod process;
mod parts;
mod knothole;
mod hdfs;
mod otlp;
mod shop;
mod footprint;
mod raw;
mod shapes;
mod warden;
mod web;
mod opa;
mod cluster;
mod pod_logs;

mod audited;
mod bounds;
mod calm;
mod catalog;
mod clients;
mod collectors;
mod conformance;
mod crash;
mod elsewhere;
mod hostile;
mod incidents;
mod kills;
mod life;
mod overload;
mod persistent;
mod policed;
mod policy;
mod power;
mod rebinding;
mod hook;
mod minutes;
mod refusals;
mod redacted;
mod remedies;
mod restart;
mod rotel;
mod sinks;
mod streams;
mod templates;
mod terminal;
mod webhooks;
