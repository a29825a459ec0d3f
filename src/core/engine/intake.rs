//! A record as it comes → what is needed of it once its turn comes.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::repeats::Repeats;
use super::{Pace, Settings, values_of};
use crate::core::parse::{Lane, Message, Miner, message};
use crate::core::record::{
    Record, Resource, Severity, SpanId, TemplateId, Timestamp, TraceId, Value,
};
use crate::core::sequence::{Line, SequenceKey};

/// Bytes of a record's text that are kept to be quoted.
pub(super) const TEXT_LEN_MAX: usize = 512;
/// Bytes that are kept of one with a stack trace: of a longer one its beginning, as much as of others,
/// and its end. One of them has the innermost calls.
const TRACE_LEN_MAX: usize = 2_048;
/// Stands for what was left out.
const LEFT_OUT: &str = "\n…\n";
/// A record's time this far ahead of the clock is not believed: one sender with a wrong clock would
/// end the sequences of all others.
const AHEAD_MAX: Duration = Duration::from_secs(30);

/// A record reduced to what is needed once its turn comes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) template: TemplateId,
    /// What the sender calls the template.
    pub(super) sent_template: Option<Arc<str>>,
    pub(super) severity: Severity,
    pub(super) text: Arc<str>,
    pub(super) values: Box<[Value]>,
    pub(super) keys: Box<[SequenceKey]>,
    pub(super) resource: Arc<Resource>,
    pub(super) trace: (Option<TraceId>, Option<SpanId>),
}

/// A record that was read.
pub(super) struct Taken {
    pub(super) time: Timestamp,
    /// The place of its template in the order of birth.
    pub(super) rank: u32,
    /// When it came.
    pub(super) now: Timestamp,
    pub(super) held: Held,
}

impl Held {
    /// What it takes on the heap, in bytes; its resource and its sender's template are others' too.
    pub(super) fn bytes(&self) -> usize {
        let text = 2 * size_of::<usize>() + self.text.len();
        text + size_of_val(&*self.values) + size_of_val(&*self.keys)
    }

    pub(super) fn line(&self) -> Line {
        Line {
            text: Arc::clone(&self.text),
            trace: self.trace,
            severity: self.severity,
            sent_template: self.sent_template.clone(),
        }
    }
}

/// A record that has come.
pub(super) struct Arrived<'a> {
    /// As it was sent. Only whether it came before may be read off it: it may hold secrets.
    pub(super) sent: Record<'a>,
    /// Without its secrets.
    pub(super) clean: Record<'a>,
    pub(super) resource: &'a Arc<Resource>,
}

/// Reads `record`, which came at `now`; in a replay not before `heard`. `None` where it came before.
pub(super) fn read(
    arrived: &Arrived<'_>,
    (now, heard): (Timestamp, Timestamp),
    (miner, repeats, origin): (&mut Miner, &mut Repeats, u64),
    settings: &Settings,
) -> Option<Taken> {
    let Arrived {
        sent: as_sent,
        clean: mut record,
        resource,
    } = *arrived;
    let message = message(record.body, record.observed.or(Some(now)));
    let sent = record.time.or(message.time);
    // A file that is read once has each line as often as it was meant.
    if settings.pace == Pace::Live && repeats.is_repeat(&as_sent, sent, origin) {
        return None;
    }
    let now = match settings.pace {
        Pace::Live => now,
        Pace::Replay => sent.unwrap_or(heard).max(heard),
    };
    let time = believable(sent, record.observed, now);
    let parsed = match record.event_name {
        Some(name) => miner.named(name, time),
        None => miner.parse_with(message.text(), &message.constant, time),
    };
    let values = values_of(message.text().as_ref(), miner.params()).collect();
    if let Some(name) = record.template {
        miner.alias(parsed.id, name);
    }
    let severity = [
        record.severity,
        message.severity,
        level_word(message.text()),
    ]
    .into_iter()
    .find(|severity| *severity != Severity::Unspecified);
    record.trace_id = record.trace_id.or(message.trace_id);
    record.span_id = record.span_id.or(message.span_id);
    let held = Held {
        template: parsed.id,
        sent_template: record.template.cloned(),
        severity: severity.unwrap_or_default(),
        text: quotable(&message),
        values,
        keys: settings.keys.keys(&record, resource).into(),
        resource: Arc::clone(resource),
        trace: (record.trace_id, record.span_id),
    };
    Some(Taken {
        time,
        rank: parsed.rank,
        now,
        held,
    })
}

fn believable(time: Option<Timestamp>, observed: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let limit = now.plus(AHEAD_MAX);
    time.filter(|time| *time <= limit)
        .or(observed.filter(|observed| *observed <= limit))
        .unwrap_or(now)
}

/// The level that a line without a severity begins with (`INFO x`, `[warn] x`).
fn level_word(message: &str) -> Severity {
    let start = message.trim_start_matches(['[', ' ', '<']);
    let word = start
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    Severity::from_text(word).unwrap_or_default()
}

/// What is kept of a record to be quoted: its beginning, and of one with a stack trace its end too.
pub fn quotable(message: &Message<'_>) -> Arc<str> {
    let text = message.record();
    let has_trace = message.lane == Lane::Trace || !message.constant.is_empty();
    if !has_trace {
        return head(text, TEXT_LEN_MAX).into();
    }
    if text.len() <= TRACE_LEN_MAX {
        return text.into();
    }
    let end = tail(text, TRACE_LEN_MAX - TEXT_LEN_MAX - LEFT_OUT.len());
    [head(text, TEXT_LEN_MAX), LEFT_OUT, end].concat().into()
}

/// The first `len` bytes of `text`, less what is left of a character.
pub(super) fn head(text: &str, len: usize) -> &str {
    text.get(..text.floor_char_boundary(len))
        .unwrap_or_default()
}

/// The last `len` bytes.
fn tail(text: &str, len: usize) -> &str {
    let start = text.ceil_char_boundary(text.len().saturating_sub(len));
    text.get(start..).unwrap_or_default()
}
