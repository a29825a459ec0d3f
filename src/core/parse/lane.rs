//! Which part of a record is the message: the lanes that a text may come in.
//!
//! A text is peeled from outside: a timestamp, a line of containerd, a file of Docker, klog,
//! syslog, JSON, logfmt, one in the other up to [`NESTED_MAX`] deep. Each is told by its first
//! bytes, without a regex, and what only looks like one is left as it is. Of a text of several
//! lines the first one is the message; of a stack trace also what was thrown. What is found is a
//! slice of the body wherever the body has it in one piece.

mod envelope;
mod fields;
mod fold;
mod json;
mod keys;
mod logfmt;
mod stack;
mod trace;

use std::borrow::Cow;
use std::ops::Range;

use super::time::read_head;
use crate::core::record::{Severity, SpanId, Timestamp, TraceId};

pub use fold::{Folder, RECORD_LINES_MAX};
pub use keys::{KEY_SET_LEN_MAX, KEYS_MAX};
pub use stack::{STACK_RECORDS_MAX, is_stack_line, stack_of};

/// Envelopes that are opened one inside the other.
pub const NESTED_MAX: usize = 6;

/// The form in which a message was found. Of several the innermost; [`Lane::Plain`] is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// The text itself, less the time it begins with.
    #[default]
    Plain,
    /// A line that containerd or CRI-O wrote (`<time> stdout F …`).
    Cri,
    /// A line of Docker's JSON files (`{"log":"…","stream":"stdout","time":"…"}`).
    Docker,
    /// A line of a Kubernetes component (`I1121 07:43:12.683000       1 server.go:12] …`).
    Klog,
    /// Syslog by RFC 3164 or RFC 5424.
    Syslog,
    /// A JSON object with a message in it.
    Json,
    /// A JSON object without one: its keys are the message.
    JsonKeys,
    /// `key=value` pairs, one of which is the message.
    Logfmt,
    /// `key=value` pairs without one: the keys are the message.
    LogfmtKeys,
    /// Several lines, of which the first is the message.
    Lines,
    /// Several lines with a stack trace in them.
    Trace,
}

impl Lane {
    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cri => "cri",
            Self::Docker => "docker",
            Self::Klog => "klog",
            Self::Syslog => "syslog",
            Self::Json => "json",
            Self::JsonKeys => "json_keys",
            Self::Logfmt => "logfmt",
            Self::LogfmtKeys => "logfmt_keys",
            Self::Lines => "lines",
            Self::Trace => "trace",
        }
    }
}

/// What a record says, and what its envelope says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// The lane it came by.
    pub lane: Lane,
    /// The level that the envelope gives; [`Severity::Unspecified`] if none does. Words of the
    /// message itself are not looked at.
    pub severity: Severity,
    /// The time that the text begins with or its envelope gives.
    pub time: Option<Timestamp>,
    /// The trace that the envelope names.
    pub trace_id: Option<TraceId>,
    /// The span that the envelope names.
    pub span_id: Option<SpanId>,
    /// What belongs to the template beside the masked text and never varies within it: the types
    /// of what was thrown, outermost first, joined by [`CAUSED_BY`]. Mostly empty.
    pub constant: String,
    /// The body, or what was escaped inside it.
    held: Cow<'a, str>,
    /// The record less its envelopes, in `held`.
    record: Range<usize>,
    text: Text,
}

/// Stands between what was thrown and its cause.
pub const CAUSED_BY: &str = " <- ";

/// Where the text to mine is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    /// In [`Message::held`].
    Part(Range<usize>),
    /// Nowhere in one piece.
    Made(String),
}

impl Default for Text {
    fn default() -> Self {
        Self::Part(0..0)
    }
}

/// A part of a text that a lane takes out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Slice(Range<usize>),
    Unescaped(String),
}

impl Message<'_> {
    /// The text to mine.
    pub fn text(&self) -> &str {
        match &self.text {
            Text::Part(part) => self.held.get(part.clone()).unwrap_or_default(),
            Text::Made(text) => text,
        }
    }

    /// The record as it was logged, less its envelopes and the time it begins with: what to quote
    /// to a person.
    pub fn record(&self) -> &str {
        self.held.get(self.record.clone()).unwrap_or_default()
    }

    /// The bytes of the body that [`text`](Self::text) is, so that a span in the one can be found
    /// in the other. `None` where the body has it escaped or not at all.
    pub fn place(&self) -> Option<Range<usize>> {
        match (&self.held, &self.text) {
            (Cow::Borrowed(_), Text::Part(part)) => Some(part.clone()),
            _ => None,
        }
    }

    /// Makes `part` of the text the text.
    fn narrow(&mut self, part: Part) {
        match (&mut self.text, part) {
            (Text::Part(old), Part::Slice(new)) => {
                *old = old.start + new.start..old.start + new.end;
            }
            (Text::Made(text), Part::Slice(new)) => {
                text.truncate(new.end);
                text.drain(..new.start);
            }
            (text, Part::Unescaped(new)) => *text = Text::Made(new),
        }
    }

    /// What stood around the text is no part of the record.
    fn unwrap_record(&mut self) {
        match std::mem::take(&mut self.text) {
            Text::Part(part) => {
                self.record = part.clone();
                self.text = Text::Part(part);
            }
            Text::Made(text) => {
                self.record = 0..text.len();
                self.text = Text::Part(0..text.len());
                self.held = Cow::Owned(text);
            }
        }
    }

    /// The outer envelope was there first, and what it does not say the inner one may.
    fn learn(&mut self, found: &mut Found) {
        if self.severity == Severity::Unspecified {
            self.severity = found.severity;
        }
        self.time = self.time.or(found.time);
        self.trace_id = self.trace_id.or(found.trace_id);
        self.span_id = self.span_id.or(found.span_id);
        if self.constant.is_empty() {
            self.constant = std::mem::take(&mut found.thrown);
        }
    }
}

/// What one lane finds in a text.
#[derive(Debug)]
struct Found {
    lane: Lane,
    part: Part,
    severity: Severity,
    time: Option<Timestamp>,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    thrown: String,
}

impl Found {
    fn slice(lane: Lane, part: Range<usize>) -> Self {
        Self::part(lane, Part::Slice(part))
    }

    fn part(lane: Lane, part: Part) -> Self {
        Self {
            lane,
            part,
            severity: Severity::Unspecified,
            time: None,
            trace_id: None,
            span_id: None,
            thrown: String::new(),
        }
    }
}

/// The message of a record whose body is `body`. `near` is a time close to the record's own and
/// lends its year to times that have none. Takes time in proportion to the body's length, and
/// accepts any.
pub fn message(body: &str, near: Option<Timestamp>) -> Message<'_> {
    let mut message = Message {
        held: Cow::Borrowed(body),
        record: 0..body.len(),
        text: Text::Part(0..body.len()),
        ..Message::default()
    };
    let mut had_time = false;
    for _ in 0..NESTED_MAX {
        let Some(mut found) = open(message.text(), near) else {
            break;
        };
        if found.lane == Lane::Plain && std::mem::replace(&mut had_time, true) {
            // One time is the record's; a second is part of what it says.
            break;
        }
        message.learn(&mut found);
        if found.lane != Lane::Plain {
            message.lane = found.lane;
            had_time = false;
        }
        message.narrow(found.part);
        match found.lane {
            Lane::Plain | Lane::Cri | Lane::Docker | Lane::Klog | Lane::Syslog => {
                message.unwrap_record();
            }
            Lane::JsonKeys | Lane::LogfmtKeys => return message,
            Lane::Json | Lane::Logfmt | Lane::Lines | Lane::Trace => {}
        }
    }
    if let Some(mut found) = trace::lines(message.text()) {
        message.learn(&mut found);
        if found.lane != Lane::Plain {
            message.lane = found.lane;
        }
        message.narrow(found.part);
    }
    message
}

/// The outermost envelope of `text`, by its first bytes.
fn open(text: &str, near: Option<Timestamp>) -> Option<Found> {
    match text.as_bytes().first()? {
        b'{' => json::read(text),
        b'<' => envelope::syslog(text, near),
        b'0'..=b'9' | b'[' | b' ' | b'\t' => after_time(text, near),
        b'I' | b'W' | b'E' | b'F' if envelope::is_klog(text) => envelope::klog(text, near),
        b'A'..=b'Z' if text.as_bytes().get(3) == Some(&b' ') => {
            after_time(text, near).or_else(|| logfmt::read(text))
        }
        b'A'..=b'Z' => logfmt::read(text),
        b'a'..=b'z' | b'_' | b'@' => logfmt::read(text),
        _ => None,
    }
}

/// What comes after the time that `text` begins with.
fn after_time(text: &str, near: Option<Timestamp>) -> Option<Found> {
    let head = read_head(text, near);
    head.time?;
    let mut found = envelope::after_time(text, head.len)
        .unwrap_or_else(|| Found::slice(Lane::Plain, head.len..text.len()));
    found.time = head.time;
    Some(found)
}

#[cfg(test)]
mod tests;
