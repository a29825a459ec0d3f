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
mod announce;
mod cataloging;
mod clerk;
mod board;
mod keeper;
mod memory;
pub(crate) mod models;
mod door;
mod evidence;
mod router;
mod scribe;
mod orders;
mod showing;
mod dora;
mod running;
mod shard_thread;
mod shares;
mod trainer;

pub use models::{ModelFileError, UnusableModel};
pub use running::{Addresses, Daemon, StartError, Watcher};
