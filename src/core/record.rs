//! The vocabulary everyone speaks: a log record, where it came from, and when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod batch;
mod change;
mod inert;
mod metric;
mod span;
mod trail;

pub use batch::Batch;
pub use change::{Change, ChangeKind};
pub use inert::{Inert, inert, inert_json, is_deceptive};
pub use metric::{Metric, Point, Reading};
pub use span::{Span, Spans};
pub use trail::{Step, Trail};

/// Nanoseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself; OTLP reads it as "unknown", so [`Timestamp::known`] refuses it.
    pub const ZERO: Self = Self(0);

    /// A time of `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A time of `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `None` for zero, which OTLP uses for "not known" (data model, D1).
    pub const fn known(nanos: u64) -> Option<Self> {
        if nanos == 0 { None } else { Some(Self(nanos)) }
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This time plus `by`, at most the largest time there is.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(by)))
    }

    /// This time less `by`, at least the epoch.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_of(by)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whether the time falls on a whole second, so that ties with it may be an effect of a
    /// coarse clock.
    pub const fn is_whole_second(self) -> bool {
        self.0.is_multiple_of(1_000_000_000)
    }
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The six ranges of OTLP severity numbers, and `Unspecified` for 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not given.
    #[default]
    Unspecified,
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl Severity {
    /// The range an OTLP severity number falls in.
    pub const fn from_number(number: i32) -> Self {
        match number {
            1..=4 => Self::Trace,
            5..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warn,
            17..=20 => Self::Error,
            21..=24 => Self::Fatal,
            _ => Self::Unspecified,
        }
    }

    /// The lowest OTLP severity number of the range.
    pub const fn number(self) -> i32 {
        match self {
            Self::Unspecified => 0,
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }

    /// Reads the level words that loggers write (`INFO`, `warn`, `SEVERE` and so on).
    pub fn from_text(text: &str) -> Option<Self> {
        const WORDS: [(&str, Severity); 14] = [
            ("trace", Severity::Trace),
            ("finest", Severity::Trace),
            ("debug", Severity::Debug),
            ("fine", Severity::Debug),
            ("info", Severity::Info),
            ("information", Severity::Info),
            ("notice", Severity::Info),
            ("warn", Severity::Warn),
            ("warning", Severity::Warn),
            ("error", Severity::Error),
            ("severe", Severity::Error),
            ("fatal", Severity::Fatal),
            ("critical", Severity::Fatal),
            ("panic", Severity::Fatal),
        ];
        let found = WORDS
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word));
        found.map(|(_, severity)| *severity)
    }

    /// The upper-case name (`INFO`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// A 16-byte trace id that is not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// `None` unless `bytes` are 16 and not all zero (data model, D7).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id: [u8; 16] = bytes.try_into().ok()?;
        id.iter().any(|&byte| byte != 0).then_some(Self(id))
    }

    /// The bytes as they go on the wire.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// An 8-byte span id that is not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpanId([u8; 8]);

impl SpanId {
    /// `None` unless `bytes` are 8 and not all zero (data model, D7).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id: [u8; 8] = bytes.try_into().ok()?;
        id.iter().any(|&byte| byte != 0).then_some(Self(id))
    }

    /// The bytes as they go on the wire.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The identity of a template: derived from its text at birth, so it is the same after a
/// restart, on any shard and on two instances, and is never given to another text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateId(pub u64);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A stream is a service, never a pod: templates and model belong to it, and the sequences of
/// one service meet in one shard even when a request crosses pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamKey {
    /// `deployment.environment.name`, or empty.
    pub environment: Box<str>,
    /// `service.namespace` (or the Kubernetes namespace of a fallback), or empty.
    pub namespace: Box<str>,
    /// `service.name`, or the best stand-in for it.
    pub name: Box<str>,
}

impl StreamKey {
    /// A stream that has a name only.
    pub fn named(name: &str) -> Self {
        Self {
            environment: "".into(),
            namespace: "".into(),
            name: name.into(),
        }
    }

    /// The stream that is displayed as `shown`: of its parts the last is the name, the one before the
    /// namespace.
    pub fn from_shown(shown: &str) -> Self {
        let mut parts = shown.rsplitn(3, '/');
        let mut next = || parts.next().unwrap_or_default().into();
        Self {
            name: next(),
            namespace: next(),
            environment: next(),
        }
    }

    /// The stream of a record: the service; else the Kubernetes workload; else the file that the
    /// record was read from (a bare `filelog` receiver sends no resource at all); else the host.
    pub fn of(resource: &Resource, log_file_name: Option<&str>) -> Self {
        let environment = resource
            .get("deployment.environment.name")
            .or_else(|| resource.get("deployment.environment"))
            .unwrap_or_default();
        let key = |namespace: Option<&str>, name: &str| Self {
            environment: environment.into(),
            namespace: namespace.unwrap_or_default().into(),
            name: name.into(),
        };
        // SDKs without a configured name send "unknown_service:<process>"; it still tells apart.
        if let Some(name) = resource.get("service.name").filter(|name| !name.is_empty()) {
            return key(resource.get("service.namespace"), name);
        }
        if let Some((_, name)) = resource.workload() {
            return key(resource.get("k8s.namespace.name"), name);
        }
        let stand_in = log_file_name
            .or_else(|| resource.get("host.name"))
            .unwrap_or("unknown");
        key(None, stand_in)
    }
}

/// Senders choose names, and names reach terminals and logs: what would act there is shown instead.
impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.environment, &self.namespace] {
            if !part.is_empty() {
                write!(f, "{}/", Inert(part))?;
            }
        }
        Inert(&self.name).fmt(f)
    }
}

/// What produced a batch of records: attributes by name, sorted, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    attributes: Vec<(Box<str>, Box<str>)>,
}

/// The attributes that name a Kubernetes workload, and the kind of object each names.
const WORKLOADS: [(&str, &str); 5] = [
    ("k8s.deployment.name", "Deployment"),
    ("k8s.statefulset.name", "StatefulSet"),
    ("k8s.daemonset.name", "DaemonSet"),
    ("k8s.cronjob.name", "CronJob"),
    ("k8s.job.name", "Job"),
];

impl Resource {
    /// Sorts `attributes`; of two with one name the later wins.
    pub fn new(mut attributes: Vec<(Box<str>, Box<str>)>) -> Self {
        attributes.reverse();
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        attributes.dedup_by(|later, kept| later.0 == kept.0);
        Self { attributes }
    }

    /// The value of the attribute `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .attributes
            .binary_search_by(|(key, _)| key.as_ref().cmp(name))
            .ok()?;
        self.attributes.get(found).map(|(_, value)| value.as_ref())
    }

    /// All attributes, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// The Kubernetes workload (kind, name) that the records come from.
    pub fn workload(&self) -> Option<(&'static str, &str)> {
        WORKLOADS
            .iter()
            .find_map(|(key, kind)| Some((*kind, self.get(key)?)))
    }

    /// The one process or place the records come from: the pod, else the instance, else the host.
    pub fn instance(&self) -> Option<&str> {
        ["k8s.pod.name", "service.instance.id", "host.name"]
            .iter()
            .find_map(|key| self.get(key))
    }
}

/// One log record, reduced to what knothole reads. Its texts lie in a request or in a [`Batch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// `timeUnixNano`, when sent.
    pub time: Option<Timestamp>,
    /// `observedTimeUnixNano`, when sent.
    pub observed: Option<Timestamp>,
    /// Severity as sent; a level word in the body counts where none was sent.
    pub severity: Severity,
    /// The body as text (OTLP's canonical form for bodies that are not strings).
    pub body: &'a str,
    /// The trace, where there is one.
    pub trace_id: Option<TraceId>,
    /// The span, where there is one.
    pub span_id: Option<SpanId>,
    /// OTLP `event_name`: such a record names its own template.
    pub event_name: Option<&'a str>,
    /// The attribute `log.record.template`: what a sender, such as the Collector's `drain`
    /// processor, calls the record's template. Kept and shown, but ours decides: early ones change.
    pub template: Option<&'a Arc<str>>,
    /// The value of the attribute that the user named as the key of sequences.
    pub sequence_attribute: Option<&'a str>,
}

/// A parameter of a record made small: enough to know it again and to measure it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Value {
    /// Of its text. Two values of one hash are taken for the same. The highest bit is set where the
    /// text has no digit: such names are mostly words of the program, others are mostly made up
    /// where it runs.
    pub hash: u32,
    /// What it measures: durations in seconds, sizes in bytes. Not a number (NaN) for names.
    pub number: f32,
}

impl Value {
    /// The value of a name.
    pub const fn name(hash: u32) -> Self {
        Self {
            hash,
            number: f32::NAN,
        }
    }

    /// Whether its text has no digit.
    pub const fn is_word(self) -> bool {
        self.hash >> (u32::BITS - 1) == 1
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, self.number.to_bits()) == (other.hash, other.number.to_bits())
    }
}

impl Eq for Value {}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(attributes: &[(&str, &str)]) -> Resource {
        Resource::new(
            attributes
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        )
    }

    #[test]
    fn a_stream_is_the_service_whatever_the_pod() {
        let one = resource(&[("service.name", "cart"), ("k8s.pod.name", "cart-1")]);
        let two = resource(&[("service.name", "cart"), ("k8s.pod.name", "cart-2")]);
        assert_eq!(
            StreamKey::of(&one, None),
            StreamKey::of(&two, Some("x.log"))
        );
    }

    #[test]
    fn a_bare_file_receiver_names_the_stream_by_its_file() {
        assert_eq!(
            StreamKey::of(&Resource::default(), Some("app.log")).to_string(),
            "app.log"
        );
        let workload = resource(&[
            ("k8s.namespace.name", "shop"),
            ("k8s.deployment.name", "cart"),
        ]);
        assert_eq!(
            StreamKey::of(&workload, Some("app.log")).to_string(),
            "shop/cart"
        );
    }

    #[test]
    fn of_two_attributes_with_one_name_the_later_wins() {
        let twice = resource(&[("a", "1"), ("b", "2"), ("a", "3")]);
        assert_eq!(twice.get("a"), Some("3"));
        assert_eq!(twice.attributes().count(), 2);
    }

    #[test]
    fn a_hostile_name_cannot_drive_a_terminal_or_forge_a_line() {
        let shown = StreamKey::named("a\u{1b}[2J\nERROR forged\u{202e}").to_string();
        assert_eq!(shown, r"a\u{1b}[2J\nERROR forged\u{202e}");
    }

    #[test]
    fn ids_of_zeros_or_of_a_wrong_length_are_no_ids() {
        assert_eq!(TraceId::from_bytes(&[0; 16]), None);
        assert_eq!(TraceId::from_bytes(&[1; 15]), None);
        assert!(TraceId::from_bytes(&[1; 16]).is_some());
        assert_eq!(SpanId::from_bytes(&[]), None);
    }
}
