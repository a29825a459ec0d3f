//! What incidents are made of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Anomaly, Class, ContextLine, Expected, Stack, TemplateRef};
use crate::core::record::{Resource, Severity, StreamKey, Timestamp, TraceId};

/// Something abnormal about one service, whatever saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// Derived from content, the same whenever it is found again. 32 hex digits.
    pub id: Box<str>,
    /// The same for every sign of one kind on one thing of one service. 16 hex digits.
    pub fingerprint: Box<str>,
    /// Who saw it.
    pub source: Source,
    /// The kind of anomaly, of span or metric sign, or the name of a foreign alert.
    pub kind: Box<str>,
    /// What it tells about.
    pub class: Class,
    /// How grave it looks by itself.
    pub severity: Severity,
    /// Between 0 and 1: one less the chance of something as odd when all is well.
    pub score: f64,
    /// Time of the first abnormal record, span or point.
    pub first_seen: Timestamp,
    /// Time of the latest one.
    pub last_seen: Timestamp,
    /// How many it stands for; at least 1.
    pub count: u64,
    /// The service.
    pub stream: StreamKey,
    /// Where the first came from.
    pub resource: Arc<Resource>,
    /// The trace it is part of.
    pub trace: Option<TraceId>,
    /// One sentence in an operator's words. May quote what was logged: untrusted.
    pub says: Box<str>,
    /// The template of the abnormal record, where it has one.
    pub template: Option<TemplateRef>,
    /// The abnormal record and those before it, oldest first; the last is the abnormal one. At most
    /// [`Sign::LINES_MAX`], untrusted.
    pub lines: Vec<ContextLine>,
    /// What was expected instead, where something was: `"cart lock released" (93 %)`.
    pub expected: Option<Box<str>>,
    /// The stack trace that came with the abnormal record, where one did.
    pub stack: Option<Stack>,
}

impl Sign {
    /// Most lines a sign quotes.
    pub const LINES_MAX: usize = 6;
    /// Kinds of signs of spans that may rest on a log record within a span, that came or stayed away.
    pub const OF_RECORDS: [&'static str; 2] = ["span_missing", "span_new"];

    /// Whether spans or metrics show it by themselves: no log record can make it.
    pub fn is_measured(&self) -> bool {
        match self.source {
            Source::Span => !Self::OF_RECORDS.contains(&&*self.kind),
            Source::Metric => true,
            Source::Log | Source::Alert => false,
        }
    }
}

impl From<&Anomaly> for Sign {
    fn from(anomaly: &Anomaly) -> Self {
        let explanation = &anomaly.explanation;
        let context = &explanation.context;
        let first = context.len().saturating_sub(Self::LINES_MAX);
        Self {
            id: anomaly.id.clone(),
            fingerprint: anomaly.fingerprint.clone(),
            source: Source::Log,
            kind: anomaly.kind.name().into(),
            class: anomaly.class,
            severity: anomaly.severity,
            score: anomaly.score,
            first_seen: anomaly.first_seen,
            last_seen: anomaly.last_seen,
            count: anomaly.count,
            stream: anomaly.stream.clone(),
            resource: Arc::clone(&anomaly.resource),
            trace: anomaly.trace_id,
            says: explanation.reason.clone(),
            template: anomaly.template.clone(),
            lines: context.get(first..).unwrap_or_default().to_vec(),
            expected: explanation.expected.first().map(expectation),
            stack: anomaly.stack.clone(),
        }
    }
}

fn expectation(expected: &Expected) -> Box<str> {
    let percent = expected.probability * 100.0;
    match &expected.template {
        Some(template) => format!("\"{}\" ({percent:.0} %)", template.text).into(),
        None => format!("the end ({percent:.0} %)").into(),
    }
}

/// Who saw a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The log detectors.
    Log,
    /// Spans: errors, latency, calls that stay away.
    Span,
    /// Metrics.
    Metric,
    /// Another system's alert.
    Alert,
}

impl Source {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Span => "span",
            Self::Metric => "metric",
            Self::Alert => "alert",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_log_records_can_make_is_not_measured() {
        let sign = |source, kind: &str| Sign {
            source,
            kind: kind.into(),
            id: "".into(),
            fingerprint: "".into(),
            class: Class::Error,
            severity: Severity::Error,
            score: 1.0,
            first_seen: Timestamp::ZERO,
            last_seen: Timestamp::ZERO,
            count: 1,
            stream: StreamKey::named("cart"),
            resource: Arc::default(),
            trace: None,
            says: "".into(),
            template: None,
            lines: Vec::new(),
            expected: None,
            stack: None,
        };
        assert!(sign(Source::Span, "span_errors").is_measured());
        assert!(sign(Source::Metric, "metric_level").is_measured());
        for kind in Sign::OF_RECORDS {
            assert!(!sign(Source::Span, kind).is_measured());
        }
        assert!(!sign(Source::Log, "span_errors").is_measured());
        assert!(!sign(Source::Alert, "HighErrorRate").is_measured());
    }
}
