//! Wires the rooms together: config, threads, clock, shutdown.

pub mod config;
