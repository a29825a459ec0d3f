//! One adapter per outside thing. They are strangers to each other: what two of them share lives
//! in the core, or in `outgoing` where it is about asking others over HTTP.

pub mod receive;
pub mod journal;
pub mod store;
pub mod outgoing;
pub mod notify;
pub mod api;
pub mod catalog;
pub mod kube;
pub mod policy;
pub mod argo;
pub mod ci;
pub mod telemetry;
