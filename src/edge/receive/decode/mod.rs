//! Bytes of an OTLP request → records, spans or points. Pure: no clock, no IO.
//!
//! ```text
//! protobuf ┐
//!          ├─► Sent (texts where they lie) ─► Sorter ─► Decoded: batches that own their texts
//! json     ┘
//! ```
//!
//! What a request costs is metered while it is read, so that a hostile one is given up on early. What
//! is not read is not checked either: an attribute that nobody asks for may hold anything.

mod settings;
mod meter;
mod text;
mod value;
mod origin;
mod envelope;
mod sort;
mod spans;
mod metrics;
mod protobuf;
mod json;

use std::fmt;

pub use origin::INSTANCE_ATTRIBUTE;
pub use settings::ConvertSettings;

use crate::core::record::{Batch, Metric, Spans};
pub(super) use meter::memory_max;
use meter::{Fault, Meter};

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
}

/// How messages are written, in a request and so in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The binary one.
    Protobuf,
    /// OTLP's own dialect of protobuf's JSON.
    Json,
}

/// What one request held. Of logs, `records = Σ batches + Σ rejected + own`.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// One batch per stream and resource, in the order of their first record.
    pub batches: Vec<Batch>,
    /// Spans, by resource.
    pub spans: Vec<Spans>,
    /// Metrics that have points.
    pub metrics: Vec<Metric>,
    /// All records, spans or points of the request.
    pub records: u64,
    /// Those that cannot be used, by reason. Reasons appear once, none with a zero.
    pub rejected: Vec<(RejectReason, u64)>,
    /// Those that knothole itself sent, left out so that it never judges itself.
    pub own: u64,
    /// Bodies that were cut to `body_len_max`.
    pub cut: u64,
    /// Strings that were no UTF-8: what is wrong in them was replaced by U+FFFD.
    pub repaired: u64,
    /// Attributes of resources, and values within one value, that were beyond their bounds.
    pub left_out: u64,
    /// About how many bytes of memory all this takes, for a budget.
    pub bytes: usize,
}

impl Decoded {
    fn metered(self, meter: &Meter) -> Self {
        Self {
            bytes: meter.memory(),
            repaired: meter.repaired,
            left_out: meter.left_out,
            ..self
        }
    }
}

fn reject(rejected: &mut Vec<(RejectReason, u64)>, reason: RejectReason) {
    match rejected.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count += 1,
        None => rejected.push((reason, 1)),
    }
}

/// Why a record is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// It has neither a body nor an event name.
    Empty,
    /// Its resource claims to be what its sender's token does not stand for.
    NotAllowed,
    /// A span without a valid id of its trace or of its own.
    NoId,
}

impl RejectReason {
    /// The name used as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAllowed => "not_allowed",
            Self::NoId => "no_id",
        }
    }

    /// What a sender can do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Empty => "set a body or an event_name on every log record",
            Self::NotAllowed => "send resource attributes that your token stands for",
            Self::NoId => "give every span a trace id of 16 bytes and a span id of 8, not all zero",
        }
    }
}

/// Why a request as a whole is not taken. Sending it again would not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what they claim to be.
    #[error("the body is no {signal} request in {encoding}: {what} (byte {at})")]
    Malformed {
        /// What it was to be about.
        signal: Signal,
        /// How it was to be written.
        encoding: Encoding,
        /// What is wrong.
        what: What,
        /// Where in the body, after decompression.
        at: usize,
    },
    /// Values in values in values.
    #[error("the {signal} request holds values too deep in one another (byte {at})")]
    TooDeep {
        /// What the request is about.
        signal: Signal,
        /// Where in the body, after decompression.
        at: usize,
    },
    /// More work or memory than a request of its size honestly is.
    #[error("the {0} request holds far more, and far smaller, parts than such requests do")]
    TooCostly(Signal),
}

/// What is wrong with bytes that are not what they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The end comes too soon.
    #[error("it ends in the middle")]
    EndsEarly,
    /// A number of more than 64 bits.
    #[error("a number is too long")]
    LongNumber,
    /// A field whose number no message can have.
    #[error("a field has no valid number")]
    NoNumber,
    /// A field of a shape that there is not.
    #[error("a field has no valid wire type")]
    NoShape,
    /// A field of a shape that is not its own.
    #[error("a field has a wire type that is not its own")]
    WrongShape,
    /// The end of a group that did not begin.
    #[error("a group ends that did not begin")]
    GroupEnds,
    /// Something else where a bracket, a colon, a comma or a quote should be.
    #[error("a bracket, colon, comma or quote is missing, or another kind of value was expected")]
    Punctuation,
    /// Something else where a value should be.
    #[error("there should be a value")]
    NoValue,
    /// Something else where a number should be.
    #[error("there should be a number")]
    NoNumberHere,
    /// A backslash and what it cannot stand before.
    #[error("an escape in a string is none")]
    NoEscape,
    /// Bytes that are not in base64.
    #[error("bytes are not in base64")]
    NoBase64,
    /// Something behind the end.
    #[error("something follows its end")]
    GoesOn,
}

/// Decodes a request. Every record is in a batch, rejected or own; none is lost. Strings that are no
/// UTF-8 are mended and counted.
///
/// # Errors
/// [`DecodeError`], about the whole request.
pub fn decode(
    signal: Signal,
    encoding: Encoding,
    body: &[u8],
    settings: &ConvertSettings,
) -> Result<Decoded, DecodeError> {
    let read = match (encoding, signal) {
        (Encoding::Protobuf, Signal::Logs) => protobuf::logs,
        (Encoding::Protobuf, Signal::Traces) => protobuf::traces,
        (Encoding::Protobuf, Signal::Metrics) => protobuf::metrics,
        (Encoding::Json, Signal::Logs) => json::logs,
        (Encoding::Json, Signal::Traces) => json::traces,
        (Encoding::Json, Signal::Metrics) => json::metrics,
    };
    read(body, settings).map_err(|fault| match fault {
        Fault::Malformed { what, at } => DecodeError::Malformed {
            signal,
            encoding,
            what,
            at: place(body, at),
        },
        Fault::TooDeep { at } => DecodeError::TooDeep {
            signal,
            at: place(body, at),
        },
        Fault::TooCostly => DecodeError::TooCostly(signal),
    })
}

/// How far behind the start of `body` the address is.
fn place(body: &[u8], address: usize) -> usize {
    address.saturating_sub(body.as_ptr().addr()).min(body.len())
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protobuf => "protobuf",
            Self::Json => "JSON",
        })
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
