//! What the core can say: an anomaly with its evidence, an action and what became of it, what became of
//! an incident, and what there was besides.
//!
//! These are plain values. How they look on a wire is the business of `edge::notify`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod action;
mod class;
mod incident;
mod plan;
mod remedy;
mod sign;
mod stack;
mod withheld;

pub use action::{
    Action, ActionEvent, ActionStage, ActionState, Approval, Grounds, Health, Step, Target, Unrest,
};
pub use class::Class;
pub use incident::{
    Before, Cause, Digest, Done, Evidence, Gravity, Incident, IncidentEvent, IncidentState, Lift,
    Mark, NearChange, Part, Relation, Route, Stage, Suspect, Verdict,
};
pub use plan::{CheckVerdict, Checked, Object, Plan, Request, System};
pub use remedy::{ActionKind, Mode, Remedy};
pub use sign::{Sign, Source};
pub use stack::Stack;
pub use withheld::withheld;

use crate::core::record::{
    Change, Resource, Severity, SpanId, StreamKey, TemplateId, Timestamp, TraceId,
};

/// Anything that leaves the core.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A sequence went where sequences of this stream do not go.
    Anomaly(Arc<Anomaly>),
    /// Something became of an action that a rule of the owner asks for.
    Action(Arc<ActionEvent>),
    /// Something became of an incident.
    Incident(Arc<IncidentEvent>),
    /// What happened to a team's services and woke nobody.
    Digest(Arc<Digest>),
    /// Somebody did something to a service.
    Change(Arc<Change>),
}

impl Event {
    /// The id that stays the same however often it is found and told.
    pub fn id(&self) -> &str {
        match self {
            Self::Anomaly(anomaly) => &anomaly.id,
            Self::Action(event) => &event.id,
            Self::Incident(event) => &event.id,
            Self::Digest(digest) => &digest.id,
            Self::Change(change) => &change.id,
        }
    }
}

/// What kind of surprise an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// A record of a template that was never seen while the model was trained.
    NewTemplate,
    /// A record of a template that hardly any sequence has.
    RareTemplate,
    /// A known template where others were expected.
    Sequence,
    /// Something came more often or less often than it does.
    Count,
    /// Something that always comes did not.
    Missing,
    /// The sequence stopped too early.
    Incomplete,
    /// A step took longer or shorter than it does.
    Timing,
    /// A value outside of what is usual in its place.
    Value,
    /// A template comes more often than it does at this time.
    RateUp,
    /// A template comes less often than it does at this time.
    RateDown,
    /// A template, or the stream, is not heard of any more.
    Silence,
    /// Many records of templates that are new, within a short time.
    Burst,
}

impl AnomalyKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::NewTemplate,
        Self::RareTemplate,
        Self::Sequence,
        Self::Count,
        Self::Missing,
        Self::Incomplete,
        Self::Timing,
        Self::Value,
        Self::RateUp,
        Self::RateDown,
        Self::Silence,
        Self::Burst,
    ];

    /// The name used on every wire and in every config.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewTemplate => "new_template",
            Self::RareTemplate => "rare_template",
            Self::Sequence => "sequence",
            Self::Count => "count",
            Self::Missing => "missing",
            Self::Incomplete => "incomplete",
            Self::Timing => "timing",
            Self::Value => "value",
            Self::RateUp => "rate_up",
            Self::RateDown => "rate_down",
            Self::Silence => "silence",
            Self::Burst => "burst",
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One anomaly: at most one per sequence, told at its first abnormal record.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Derived from content (stream, sequence, template, time), so the same input gives the same
    /// id after a restart or on another instance. 32 hex digits.
    pub id: Box<str>,
    /// The same for every anomaly of one kind on one template of one stream. 16 hex digits.
    pub fingerprint: Box<str>,
    /// What kind of surprise.
    pub kind: AnomalyKind,
    /// What its template is about.
    pub class: Class,
    /// The severity of the abnormal record; at least `Warn`.
    pub severity: Severity,
    /// `1 − p_value`, between 0 and 1.
    pub score: f64,
    /// The share of held-out normal sequences whose worst moment was at least as surprising.
    pub p_value: f64,
    /// Time of the first abnormal record.
    pub first_seen: Timestamp,
    /// Time of the latest abnormal record counted in `count`.
    pub last_seen: Timestamp,
    /// How many anomalies this one stands for (folded ones included); at least 1.
    pub count: u64,
    /// The service.
    pub stream: StreamKey,
    /// The resource of the abnormal record.
    pub resource: Arc<Resource>,
    /// The sequence: a trace id, an attribute value, an identifier in the body, or a pod.
    pub sequence: Box<str>,
    /// The trace of the abnormal record, where it has one.
    pub trace_id: Option<TraceId>,
    /// The span of the abnormal record, where it has one.
    pub span_id: Option<SpanId>,
    /// The template of the abnormal record, or of the one that is missing; `None` when a sequence
    /// ended too soon.
    pub template: Option<TemplateRef>,
    /// What the sender of the abnormal record calls its template (`log.record.template`).
    pub sent_template: Option<Arc<str>>,
    /// Why this is an anomaly.
    pub explanation: Explanation,
    /// The stack trace that came with the abnormal record, where one did.
    pub stack: Option<Stack>,
    /// The detectors that agree, by name: those with an opinion in the explanation, in its order, and
    /// then the others, the most surprised first.
    pub detectors: Vec<&'static str>,
    /// The version of the model that judged (`Bundle::version`).
    pub model: Box<str>,
}

/// A template as an event names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRef {
    /// Its identity.
    pub id: TemplateId,
    /// Its text, with placeholders such as `<num>`.
    pub text: Box<str>,
}

/// What was expected, what came instead, and the lines around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// One sentence in an operator's words.
    pub reason: Box<str>,
    /// What the model expected here, most probable first. At most
    /// [`EXPECTED_MAX`](Self::EXPECTED_MAX).
    pub expected: Vec<Expected>,
    /// What came.
    pub observed: Observed,
    /// The probability the model gave to what came; 0 for a template it does not know.
    pub probability: f64,
    /// What the detectors say: the reason, and of what else is odd the strongest of each sort. At most
    /// [`OPINIONS_MAX`](Self::OPINIONS_MAX).
    pub opinions: Vec<Opinion>,
    /// The lines of the sequence up to and with the abnormal one, oldest first. At most
    /// [`CONTEXT_MAX`](Self::CONTEXT_MAX).
    pub context: Vec<ContextLine>,
}

impl Explanation {
    /// Most expectations an explanation lists.
    pub const EXPECTED_MAX: usize = 3;
    /// Most opinions an explanation gives: the reason and three more.
    pub const OPINIONS_MAX: usize = 4;
    /// Most lines an explanation quotes.
    pub const CONTEXT_MAX: usize = 6;
}

/// What one detector says of an anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// The name of the detector.
    pub detector: &'static str,
    /// The share of normal sequences that this detector finds as odd.
    pub p_value: f64,
    /// One sentence in an operator's words.
    pub says: Box<str>,
}

/// One thing that could have come next.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// `None` is the end of the sequence.
    pub template: Option<TemplateRef>,
    /// The probability the model gave it, between 0 and 1.
    pub probability: f64,
}

/// What came instead of what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// A record, as logged (bounded in length, untrusted).
    Record(Arc<str>),
    /// Nothing more: the sequence went silent until its time-out.
    End,
    /// Something measured, over many records or in time, in our own words.
    Measure(Box<str>),
}

/// A line near the anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextLine {
    /// When it was logged.
    pub time: Timestamp,
    /// The line, bounded in length, untrusted.
    pub text: Arc<str>,
}
