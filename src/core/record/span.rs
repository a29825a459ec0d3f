//! Spans, reduced to what correlation needs.

use std::sync::Arc;
use std::time::Duration;

use super::{Resource, SpanId, StreamKey, Timestamp, TraceId};

/// Spans from one resource, in the order they were sent.
#[derive(Clone, Debug)]
pub struct Spans {
    /// The service.
    pub stream: StreamKey,
    /// Where they come from.
    pub resource: Arc<Resource>,
    /// The spans; at least one.
    pub spans: Vec<Span>,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace that it is part of.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span that caused it; `None` for the first of its trace.
    pub parent: Option<SpanId>,
    /// What was done.
    pub name: Arc<str>,
    /// When it began, where that is known.
    pub start: Option<Timestamp>,
    /// How long it took; zero where that is not known.
    pub duration: Duration,
    /// Whether its status is that of an error.
    pub is_error: bool,
}
