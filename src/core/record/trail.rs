//! Log records within traces, reduced to what correlation needs.

use super::{SpanId, StreamKey, TemplateId, TraceId};

/// Records of one service that are part of traces, in the order of their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// The service.
    pub stream: StreamKey,
    /// The records.
    pub steps: Vec<Step>,
    /// What the events are that were not named before.
    pub names: Vec<(TemplateId, Box<str>)>,
    /// Events that go by another id from here on: from which to which.
    pub moved: Vec<(TemplateId, TemplateId)>,
}

/// A record of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The trace.
    pub trace: TraceId,
    /// The span that it was written in.
    pub span: Option<SpanId>,
    /// What it says: its template, or the place in the program that wrote it.
    pub event: TemplateId,
}

impl Trail {
    /// Whether there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.names.is_empty() && self.moved.is_empty()
    }
}
