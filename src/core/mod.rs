//! The thinking half: batches of records and a time go in, events come out.
//!
//! Nothing here reads a clock, opens a file or a socket, spawns a thread or awaits. The daemon,
//! `knothole detect`, the evaluation and the tests all drive this same code.

pub mod record;
pub mod event;
pub mod redact;
pub mod parse;
pub mod sequence;
pub mod model;
pub mod detect;
pub mod train;
pub mod remedy;
pub mod changes;
pub mod traffic;
pub mod topology;
pub mod witness;
pub mod cause;
pub mod incident;
pub mod budget;
pub mod silence;
pub mod desk;
pub mod engine;
