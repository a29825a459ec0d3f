//! Protobuf: the bytes are walked, and nothing is built but what is kept.

mod fields;
mod values;
mod origin;
mod envelope;
mod logs;
mod traces;
mod metrics;

pub(super) use logs::logs;
pub(super) use metrics::metrics;
pub(super) use traces::traces;
