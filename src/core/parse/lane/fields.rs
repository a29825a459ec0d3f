//! The names under which loggers put the message, the level, the time and the trace, in JSON and
//! in logfmt alike.

use crate::core::parse::time::read_head;
use crate::core::record::{Severity, SpanId, Timestamp, TraceId};

/// Longest name of a field that is known, in bytes.
const NAME_LEN_MAX: usize = 32;

/// Where a message is looked for, best first. Names are compared without regard to case and to
/// `_`, `.` and `-`, so that `short_message` and `shortMessage` are one.
///
/// `@mt` and `messagetemplate` are Serilog's, and already say what is constant; `@m` too;
/// `shortmessage` is GELF's, `textpayload` Google Cloud's, `event` structlog's.
const MESSAGES: [&[u8]; 17] = [
    b"@mt",
    b"messagetemplate",
    b"message",
    b"msg",
    b"@m",
    b"shortmessage",
    b"log",
    b"body",
    b"event",
    b"text",
    b"logmessage",
    b"textpayload",
    b"error",
    b"err",
    b"errormessage",
    b"reason",
    b"description",
];

/// The rank of `log`, which is where Docker puts a line.
pub(super) const LOG: u8 = 6;

/// The ranks of `error` and `err`.
pub(super) const ERRORS: [u8; 2] = [12, 13];

/// What the name of a field says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A message; the lower number wins. An object under such a name may hold the message.
    Message(u8),
    /// A level, by name or number.
    Level,
    /// When it was logged.
    Time,
    /// A trace id.
    Trace,
    /// A span id.
    Span,
    /// The type of what was thrown.
    ThrownType,
    /// What was thrown: a stack trace, or an object that tells of it.
    Thrown,
    /// An object that may hold the message (`fields` of Rust's tracing, `jsonPayload`).
    Holder,
    /// `stream`: beside a `log` it says that the object is only Docker's envelope.
    Stream,
    /// Anything else.
    Other,
}

/// What `name` says about its value.
pub(super) fn field(name: &str) -> Field {
    if name.len() > NAME_LEN_MAX {
        return Field::Other;
    }
    let mut plain = [0; NAME_LEN_MAX];
    let mut len = 0;
    for byte in name
        .bytes()
        .filter(|byte| !matches!(byte, b'_' | b'.' | b'-'))
    {
        if let Some(place) = plain.get_mut(len) {
            *place = byte.to_ascii_lowercase();
            len += 1;
        }
    }
    let plain = plain.get(..len).unwrap_or_default();
    match plain {
        b"level" | b"severity" | b"lvl" | b"loglevel" | b"levelname" | b"@l" | b"severitytext"
        | b"severitynumber" | b"priority" | b"at" => Field::Level,
        b"time" | b"timestamp" | b"ts" | b"@timestamp" | b"@t" | b"date" | b"datetime"
        | b"asctime" | b"eventtime" | b"t" => Field::Time,
        b"traceid"
        | b"trace"
        | b"@tr"
        | b"ddtraceid"
        | b"logging.googleapis.com/trace"
        | b"logginggoogleapiscom/trace" => Field::Trace,
        b"spanid" | b"@sp" | b"ddspanid" | b"logginggoogleapiscom/spanid" => Field::Span,
        b"exceptiontype" | b"errortype" | b"exceptionclass" | b"errorkind" => Field::ThrownType,
        b"stacktrace"
        | b"stack"
        | b"exceptionstacktrace"
        | b"errorstacktrace"
        | b"errorstack"
        | b"exception"
        | b"excinfo"
        | b"@x"
        | b"traceback"
        | b"thrown"
        | b"throwable" => Field::Thrown,
        b"fields" | b"jsonpayload" | b"payload" | b"data" | b"record" => Field::Holder,
        b"stream" => Field::Stream,
        _ => MESSAGES
            .iter()
            .position(|known| *known == plain)
            .map_or(Field::Other, |rank| Field::Message(rank as u8)),
    }
}

/// A level as loggers write it: a name or its first letters, or a number (see
/// [`level_of_number`]).
pub(super) fn level_of_text(text: &str) -> Severity {
    let text = text.trim();
    if let Some(known) = Severity::from_text(text) {
        return known;
    }
    if let Ok(number) = text.parse() {
        return level_of_number(number);
    }
    const WORDS: [(&str, Severity); 15] = [
        ("verbose", Severity::Trace),
        ("dbg", Severity::Debug),
        ("d", Severity::Debug),
        ("i", Severity::Info),
        ("inf", Severity::Info),
        ("wrn", Severity::Warn),
        ("w", Severity::Warn),
        ("err", Severity::Error),
        ("e", Severity::Error),
        ("crit", Severity::Fatal),
        ("alert", Severity::Fatal),
        ("emerg", Severity::Fatal),
        ("emergency", Severity::Fatal),
        ("dpanic", Severity::Fatal),
        ("f", Severity::Fatal),
    ];
    let found = WORDS
        .iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word));
    found.map_or(Severity::Unspecified, |(_, severity)| *severity)
}

/// 0 to 7 are syslog's (GELF, journald); 10, 20 … 60 are those of bunyan and pino.
pub(super) fn level_of_number(number: u64) -> Severity {
    match number {
        0..=7 => super::envelope::severity_of(number as u32),
        10..=19 => Severity::Trace,
        20..=29 => Severity::Debug,
        30..=39 => Severity::Info,
        40..=49 => Severity::Warn,
        50..=59 => Severity::Error,
        60..=69 => Severity::Fatal,
        _ => Severity::Unspecified,
    }
}

/// A time as text, if that is all the text is.
pub(super) fn time_of_text(text: &str) -> Option<Timestamp> {
    let head = read_head(text, None);
    head.time.filter(|_| head.len == text.len())
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told by the size of the
/// number: times from 1973 to 2286 are told apart.
pub(super) fn time_of_number(number: f64) -> Option<Timestamp> {
    let nanos = match number {
        1e8..1e10 => number * 1e9,
        1e11..1e13 => number * 1e6,
        1e14..1e16 => number * 1e3,
        1e17..1e19 => number,
        _ => return None,
    };
    Some(Timestamp::from_nanos(nanos as u64))
}

/// 32 hexadecimal digits, the last of the parts that slashes make (`projects/x/traces/…`).
pub(super) fn trace_of_text(text: &str) -> Option<TraceId> {
    let digits = text.rsplit('/').next()?;
    TraceId::from_bytes(&hex::<16>(digits)?)
}

/// 16 hexadecimal digits.
pub(super) fn span_of_text(text: &str) -> Option<SpanId> {
    SpanId::from_bytes(&hex::<8>(text)?)
}

fn hex<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * LEN || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
