//! OTLP's JSON: protobuf's, but for ids in hexadecimal and enums that are numbers. Names are in lower
//! camel case; what is not known is passed over. A key that comes twice counts as it came last.

mod reader;
mod values;
mod origin;
mod envelope;
mod logs;
mod traces;
mod metrics;

pub(super) use logs::logs;
pub(super) use metrics::metrics;
pub(super) use traces::traces;
