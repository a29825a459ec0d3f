//! Wires the rooms together: config, threads, clock, shutdown.
//!
//! ```text
//! receive ──► Router ──► shard threads ──► Announcer ──► notify, api, whoever watches
//!              budget       │      ▲
//!                           ▼      │ bundles
//!                       trainer thread          store: snapshots every minute and at the end
//! ```

pub mod clock;
pub mod config;
pub mod daemon;
mod announce;
mod board;
mod memory;
mod router;
mod shard_thread;
mod trainer;

pub use daemon::{Addresses, Daemon, StartError, Watcher};
