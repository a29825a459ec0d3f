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
mod running;
mod listeners;
mod intake;
mod door;
mod evidence;
mod router;
mod shares;
mod shards;
mod shard_thread;
mod trainer;
pub(crate) mod models;
mod keeper;
mod announce;
mod telling;
mod scribe;
pub(crate) mod remediation;
mod opinions;
mod switch;
mod hands;
mod clerk;
mod orders;
pub(crate) mod audit;
mod directory;
pub mod history;
mod cataloging;
mod board;
mod memory;
mod api;
mod showing;
mod dora;

pub use cataloging::CatalogSetupError;
pub use listeners::Addresses;
pub use models::{ModelFileError, UnusableModel};
pub use running::{Daemon, StartError, Watcher};
pub(crate) use switch::{ENVIRONMENT as STOP_ENVIRONMENT, FILE as STOP_FILE};
