//! Protobuf: the bytes are walked, and nothing is built but what is kept.

mod fields;
mod values;
mod origin;
mod logs;

pub(super) use logs::logs;
