//! What comes after what in the records that one service writes in one trace.

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use super::finding::digest;
use crate::core::event::{Class, Sign, Source, TemplateRef};
use crate::core::record::{Resource, Severity, StreamKey, TemplateId, Timestamp, TraceId};

/// The flow of one stream. Cheap enough for every record: two look-ups in tables of bounded size.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Flow {}

/// What a flow may cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowSettings {
    /// Most traces open at a time; the one that was quiet for longest gives way, unjudged.
    pub traces_max: usize,
}

/// A record as a flow hears it, in order of time within a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The trace.
    pub trace: TraceId,
    /// Its template.
    pub template: TemplateId,
    /// When it was logged.
    pub time: Timestamp,
    /// Where it comes from: what the caller knows the pod by.
    pub place: u32,
}

/// A habit of the flow that is broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowBreak {
    /// After a record of this template; `None` at the beginning of a trace.
    pub after: Option<TemplateId>,
    /// This one comes; `None` is the end.
    pub then: Option<TemplateId>,
    /// How often it did: times, of how many.
    pub before: (u64, u64),
    /// How often it does now.
    pub now: (u64, u64),
    /// What mostly comes in its place; `None` where nothing does.
    pub instead: Option<TemplateId>,
    /// How surprising that is, in nats.
    pub weight: f64,
    /// The first record that shows it.
    pub first_seen: Timestamp,
    /// The latest one.
    pub last_seen: Timestamp,
    /// The trace of the first.
    pub trace: TraceId,
    /// Where the first comes from.
    pub place: u32,
}

impl Flow {
    /// Counts a record.
    pub fn hear(&mut self, heard: Heard) {
        let _ = heard;
    }

    /// Lets stream time pass, and tells what is broken: each habit once until it holds again.
    pub fn advance(&mut self, stream_time: Timestamp) -> Vec<FlowBreak> {
        let _ = stream_time;
        Vec::new()
    }
}

impl FlowBreak {
    /// Names the kind of its signs.
    pub const KIND: &'static str = "flow";

    /// The break as a sign of `stream`; `text` gives the texts of templates.
    pub fn sign(
        &self,
        stream: &StreamKey,
        resource: &Arc<Resource>,
        text: impl Fn(TemplateId) -> Box<str>,
    ) -> Sign {
        let bytes = |template: Option<TemplateId>| template.map_or(0, |id| id.0).to_be_bytes();
        let (after, then) = (bytes(self.after), bytes(self.then));
        let first = self.first_seen.as_nanos().to_be_bytes();
        let thing: [&[u8]; 6] = [
            Self::KIND.as_bytes(),
            stream.environment.as_bytes(),
            stream.namespace.as_bytes(),
            stream.name.as_bytes(),
            &after,
            &then,
        ];
        let mut once = thing.to_vec();
        once.push(&first);
        Sign {
            id: digest(&once, 32),
            fingerprint: digest(&thing, 16),
            source: Source::Log,
            kind: Self::KIND.into(),
            class: Class::Error,
            severity: Severity::Warn,
            score: 1.0 - (-self.weight).exp(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            count: self.affected().max(1),
            stream: stream.clone(),
            resource: Arc::clone(resource),
            trace: Some(self.trace),
            says: self.says(&text),
            template: self
                .instead
                .or(self.after)
                .map(|id| TemplateRef { id, text: text(id) }),
            lines: Vec::new(),
            expected: self.then.filter(|_| self.is_missing()).map(|id| {
                let share = 100.0 * ratio(self.before);
                format!("{} ({share:.0} %)", quoted(&text(id))).into()
            }),
            stack: None,
        }
    }

    /// The break in one sentence; `text` gives the texts of templates. Untrusted.
    pub fn says(&self, text: &impl Fn(TemplateId) -> Box<str>) -> Box<str> {
        let after = match self.after {
            Some(id) => format!("after {}", quoted(&text(id))),
            None => "first".to_owned(),
        };
        let then = match self.then {
            Some(id) => quoted(&text(id)),
            None => "nothing more".to_owned(),
        };
        let (k, n) = self.now;
        let (k0, n0) = self.before;
        let mut says = format!("{after} came {then} in {k0} of {n0} traces, now in {k} of {n}");
        if let Some(instead) = self.instead.filter(|instead| Some(*instead) != self.then) {
            says += &format!("; often came {}", quoted(&text(instead)));
        }
        says.into()
    }

    /// Whether what always comes stays away; otherwise what never came comes.
    pub fn is_missing(&self) -> bool {
        ratio(self.before) > ratio(self.now)
    }

    /// Traces that show it.
    fn affected(&self) -> u64 {
        let (k, n) = self.now;
        if self.is_missing() {
            n.saturating_sub(k)
        } else {
            k
        }
    }
}

fn ratio((part, whole): (u64, u64)) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Longest text of a template that a sentence quotes, in characters.
const QUOTED_LEN_MAX: usize = 80;

fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_LEN_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("“{short}”")
}
