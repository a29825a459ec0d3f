//! One adapter per outside thing. They are strangers to each other: what two of them share lives
//! in the core.

pub mod receive;
pub mod journal;
pub mod store;
pub mod notify;
pub mod api;
pub mod catalog;
pub mod kube;
pub mod telemetry;
