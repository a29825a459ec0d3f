//! What was found to differ from how it is.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::core::event::{Class, Sign, Source};
use crate::core::record::{Resource, Severity, StreamKey, Timestamp, TraceId};

/// Something that differs from how it is when all is well. Also what is too weak for a sign of its own
/// is a finding: it helps to tell one suspect from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What differs.
    pub kind: FindingKind,
    /// The service it is about; of a gap the one that is called.
    pub stream: Arc<StreamKey>,
    /// The other end of a gap: the service that calls.
    pub caller: Option<Arc<StreamKey>>,
    /// The pod, where only one differs or there is only one.
    pub pod: Option<Arc<str>>,
    /// The operation, or the metric. Untrusted.
    pub thing: Arc<str>,
    /// How surprising it is, in nats; at most [`Finding::WEIGHT_MAX`].
    pub weight: f64,
    /// Since when: the first span or point that differs.
    pub first_seen: Timestamp,
    /// Until when.
    pub last_seen: Timestamp,
    /// Spans or points that it was found in.
    pub count: u64,
    /// How much longer all of them took together than they mostly do; zero where it is not about time.
    pub excess: Duration,
    /// One trace that shows it.
    pub trace: Option<TraceId>,
    /// Where that comes from.
    pub resource: Arc<Resource>,
    /// Whether it is sure enough for a sign of its own.
    pub is_sign: bool,
    /// One sentence in an operator's words. May quote names that senders chose: untrusted.
    pub says: Box<str>,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An operation fails more often.
    Errors,
    /// A service itself takes longer: its time less that of the services it waits for.
    OwnTime,
    /// The way between two services takes longer: the caller's time less the callee's.
    Gap,
    /// What an operation always does stays away.
    Missing,
    /// An operation does what it never did.
    New,
    /// CPU, memory or another thing that can be used up.
    Resource,
    /// Another metric.
    Metric,
}

impl FindingKind {
    /// The kind of sign it makes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Errors => "span_errors",
            Self::OwnTime => "span_own_time",
            Self::Gap => "span_gap",
            Self::Missing => Sign::OF_RECORDS[0],
            Self::New => Sign::OF_RECORDS[1],
            Self::Resource => "metric_resource",
            Self::Metric => "metric_level",
        }
    }

    /// Who saw it.
    pub const fn source(self) -> Source {
        match self {
            Self::Errors | Self::OwnTime | Self::Gap | Self::Missing | Self::New => Source::Span,
            Self::Resource | Self::Metric => Source::Metric,
        }
    }

    const fn class(self) -> Class {
        match self {
            Self::Errors | Self::Missing | Self::New => Class::Error,
            Self::OwnTime | Self::Gap => Class::Latency,
            Self::Resource => Class::Saturation,
            Self::Metric => Class::Info,
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Self::Errors | Self::Missing => Severity::Error,
            Self::OwnTime | Self::Gap | Self::New | Self::Resource | Self::Metric => Severity::Warn,
        }
    }
}

impl Finding {
    /// What a finding weighs at most: of two sure things neither is surer.
    pub const WEIGHT_MAX: f64 = 40.0;

    /// The same for every finding of one kind on one thing of one service. 16 hex digits.
    pub fn fingerprint(&self) -> Box<str> {
        digest(&self.identity(), 16)
    }

    /// The finding as a sign.
    pub fn sign(&self) -> Sign {
        let time = self.first_seen.as_nanos().to_be_bytes();
        let mut identity = self.identity().to_vec();
        identity.push(&time);
        Sign {
            id: digest(&identity, 32),
            fingerprint: self.fingerprint(),
            source: self.kind.source(),
            kind: self.kind.name().into(),
            class: self.kind.class(),
            severity: self.kind.severity(),
            score: 1.0 - (-self.weight).exp(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            count: self.count.max(1),
            stream: self.stream.as_ref().clone(),
            resource: Arc::clone(&self.resource),
            trace: self.trace,
            says: self.says.clone(),
            template: None,
            lines: Vec::new(),
            expected: None,
            stack: None,
        }
    }

    fn identity(&self) -> [&[u8]; 10] {
        let caller = self.caller.as_deref();
        let of_caller = |part: fn(&StreamKey) -> &str| caller.map_or("", part).as_bytes();
        [
            self.kind.name().as_bytes(),
            self.stream.environment.as_bytes(),
            self.stream.namespace.as_bytes(),
            self.stream.name.as_bytes(),
            of_caller(|caller| &caller.environment),
            of_caller(|caller| &caller.namespace),
            of_caller(|caller| &caller.name),
            // A metric is one of a pod, an operation one of the service.
            match self.kind.source() {
                Source::Metric => self.pod.as_ref().map_or(&[], |pod| pod.as_bytes()),
                Source::Span | Source::Log | Source::Alert => &[],
            },
            self.thing.as_bytes(),
            b"witness",
        ]
    }
}

/// The first `len` hex digits of the SHA-256 of `parts`.
pub(super) fn digest(parts: &[&[u8]], len: usize) -> Box<str> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hex: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.get(..len).unwrap_or(&hex).into()
}
