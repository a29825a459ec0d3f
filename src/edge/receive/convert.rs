//! A decoded OTLP request → batches of records. Pure: no clock, no IO.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::text::{canonical, cut, text_of_body};
use crate::core::record::{
    Batch, Record, Resource, Severity, SpanId, StreamKey, Timestamp, TraceId,
};

/// The scope attribute by which knothole knows the events it sent itself.
pub const INSTANCE_ATTRIBUTE: &str = "knothole.instance.id";

/// The attribute in which the Collector's `drain` processor puts the template of a record, and
/// knothole that of an anomaly.
const TEMPLATE_ATTRIBUTE: &str = "log.record.template";

/// How requests become records.
#[derive(Clone, Debug)]
pub struct ConvertSettings {
    /// The attribute whose value keys sequences; looked for on the record, then its resource.
    pub sequence_attribute: Option<String>,
    /// The id of this process. Telemetry that carries it is knothole's own and is not judged.
    pub instance_id: String,
    /// Longest body in bytes; the rest is cut off. Default 64 KiB.
    pub body_len_max: usize,
    /// Longest attribute value in bytes; the rest is cut off. Default 4 KiB.
    pub attribute_len_max: usize,
    /// Most attributes of a resource; later ones are left out. Default 128.
    pub resource_attributes_max: usize,
}

impl ConvertSettings {
    /// The defaults, for the process `instance_id`.
    pub fn of_instance(instance_id: &str) -> Self {
        Self {
            sequence_attribute: None,
            instance_id: instance_id.to_owned(),
            body_len_max: 64 << 10,
            attribute_len_max: 4 << 10,
            resource_attributes_max: 128,
        }
    }
}

/// What one request held. `records = Σ batches + Σ rejected + own`.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// One batch per stream and resource, in the order of their first record.
    pub batches: Vec<Batch>,
    /// All records of the request.
    pub records: u64,
    /// Records that cannot be judged, by reason. Reasons appear once, none with a zero.
    pub rejected: Vec<(RejectReason, u64)>,
    /// Records that knothole itself sent, left out so that it never judges itself.
    pub own: u64,
    /// Bodies that were cut to `body_len_max`.
    pub cut: u64,
    /// About how many bytes of memory the batches take, for a budget.
    pub bytes: usize,
}

/// Why a record is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// It has neither a body nor an event name.
    Empty,
    /// Its resource claims to be what its sender's token does not stand for.
    NotAllowed,
}

impl RejectReason {
    /// The name used as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAllowed => "not_allowed",
        }
    }

    /// What a sender can do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Empty => "set a body or an event_name on every log record",
            Self::NotAllowed => "send resource attributes that your token stands for",
        }
    }
}

/// Turns a request into batches. Every record is in a batch, rejected or own; none is lost.
pub fn convert(request: ExportLogsServiceRequest, settings: &ConvertSettings) -> Decoded {
    let mut sorter = Sorter {
        settings,
        decoded: Decoded::default(),
        index: HashMap::new(),
        templates: HashSet::new(),
    };
    for resource_logs in request.resource_logs {
        let attributes = resource_logs
            .resource
            .map(|it| it.attributes)
            .unwrap_or_default();
        let resource = Arc::new(sorter.resource(attributes));
        let own = resource.get("service.instance.id") == Some(settings.instance_id.as_str());
        for scope_logs in resource_logs.scope_logs {
            sorter.decoded.records += scope_logs.log_records.len() as u64;
            if own
                || scope_logs
                    .scope
                    .is_some_and(|scope| is_own(&scope, settings))
            {
                sorter.decoded.own += scope_logs.log_records.len() as u64;
            } else {
                sorter.sort(&resource, scope_logs.log_records);
            }
        }
    }
    sorter.decoded
}

/// Told by the id and never by a name, which an application could borrow to hide its logs.
fn is_own(scope: &InstrumentationScope, settings: &ConvertSettings) -> bool {
    find(&scope.attributes, INSTANCE_ATTRIBUTE) == Some(settings.instance_id.as_str())
}

/// Puts each record into the batch of its stream and resource.
struct Sorter<'a> {
    settings: &'a ConvertSettings,
    decoded: Decoded,
    index: HashMap<(StreamKey, Arc<Resource>), usize>,
    /// The names of templates met so far.
    templates: HashSet<Arc<str>>,
}

impl Sorter<'_> {
    fn resource(&self, attributes: Vec<KeyValue>) -> Resource {
        let kept = attributes.into_iter().filter_map(|attribute| {
            let text = self.attribute(canonical(attribute.value?)?);
            Some((self.attribute(attribute.key), text))
        });
        Resource::new(kept.take(self.settings.resource_attributes_max).collect())
    }

    fn attribute(&self, mut text: String) -> Box<str> {
        cut(&mut text, self.settings.attribute_len_max);
        text.into()
    }

    fn sort(&mut self, resource: &Arc<Resource>, records: Vec<LogRecord>) {
        // Neighbours mostly come from one file, so the stream is worked out once per run of them.
        let mut last: Option<(Option<Box<str>>, usize)> = None;
        for sent in records {
            if is_empty(&sent) {
                self.reject(RejectReason::Empty);
                continue;
            }
            let file = file_name(&sent.attributes);
            let known = last.as_ref().filter(|(name, _)| name.as_deref() == file);
            let batch = match known {
                Some((_, batch)) => *batch,
                None => {
                    let file = file.map(|name| self.attribute(name.to_owned()));
                    let batch = self.batch(StreamKey::of(resource, file.as_deref()), resource);
                    last = Some((file, batch));
                    batch
                }
            };
            let record = self.record(resource, sent);
            self.decoded.bytes += bytes_of(&record);
            if let Some(batch) = self.decoded.batches.get_mut(batch) {
                batch.records.push(record);
            }
        }
    }

    fn batch(&mut self, stream: StreamKey, resource: &Arc<Resource>) -> usize {
        let batches = &mut self.decoded.batches;
        let entry = self.index.entry((stream, Arc::clone(resource)));
        *entry.or_insert_with_key(|(stream, resource)| {
            let (stream, resource) = (stream.clone(), Arc::clone(resource));
            batches.push(Batch {
                stream,
                resource,
                records: Vec::new(),
            });
            batches.len() - 1
        })
    }

    fn record(&mut self, resource: &Resource, sent: LogRecord) -> Record {
        let event_name = event_name(&sent).map(|name| self.attribute(name.to_owned()));
        let template = self.template(&sent.attributes);
        let sequence_attribute = self.sequence_attribute(resource, &sent.attributes);
        let mut body = sent.body.and_then(text_of_body).unwrap_or_default();
        self.decoded.cut += u64::from(cut(&mut body, self.settings.body_len_max));
        Record {
            time: Timestamp::known(sent.time_unix_nano),
            observed: Timestamp::known(sent.observed_time_unix_nano),
            severity: severity(sent.severity_number, &sent.severity_text),
            body: body.into(),
            trace_id: TraceId::from_bytes(&sent.trace_id),
            span_id: SpanId::from_bytes(&sent.span_id),
            event_name,
            template,
            sequence_attribute,
        }
    }

    /// Many records of a request have one template, whose name is kept once.
    fn template(&mut self, sent: &[KeyValue]) -> Option<Arc<str>> {
        let name = find(sent, TEMPLATE_ATTRIBUTE).filter(|name| !name.is_empty())?;
        let name = name
            .get(..name.floor_char_boundary(self.settings.attribute_len_max))
            .unwrap_or_default();
        if let Some(known) = self.templates.get(name) {
            return Some(Arc::clone(known));
        }
        let new: Arc<str> = name.into();
        self.templates.insert(Arc::clone(&new));
        Some(new)
    }

    fn sequence_attribute(&self, resource: &Resource, sent: &[KeyValue]) -> Option<Box<str>> {
        let wanted = self.settings.sequence_attribute.as_deref()?;
        let on_record = sent.iter().rfind(|attribute| attribute.key == wanted);
        let text = on_record
            .and_then(|attribute| canonical(attribute.value.clone()?))
            .or_else(|| resource.get(wanted).map(str::to_owned))?;
        Some(self.attribute(text)).filter(|text| !text.is_empty())
    }

    fn reject(&mut self, reason: RejectReason) {
        let rejected = &mut self.decoded.rejected;
        match rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => rejected.push((reason, 1)),
        }
    }
}

/// An empty string is a body (a blank line); no value at all is none.
fn is_empty(sent: &LogRecord) -> bool {
    let body = sent.body.as_ref().and_then(|body| body.value.as_ref());
    matches!(body, None | Some(Value::StringValueStrindex(_))) && event_name(sent).is_none()
}

/// The field, or the attribute of older senders.
fn event_name(sent: &LogRecord) -> Option<&str> {
    let field = Some(sent.event_name.as_str()).filter(|name| !name.is_empty());
    let name = field.or_else(|| find(&sent.attributes, "event.name"));
    name.filter(|name| !name.is_empty() && !is_line_of_source(name))
}

/// The bridge from Rust's `tracing` to OTLP names each log after its line of source ("event
/// src/main.rs:7") unless told otherwise. That is no event: it says nothing to a reader, and the
/// next edit of the file gives it to another log.
fn is_line_of_source(name: &str) -> bool {
    let place = name
        .strip_prefix("event ")
        .and_then(|place| place.rsplit_once(".rs:"));
    place.is_some_and(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit()))
}

fn file_name(attributes: &[KeyValue]) -> Option<&str> {
    let named = find(attributes, "log.file.name");
    let name = named.or_else(|| {
        find(attributes, "log.file.path")?
            .rsplit(['/', '\\'])
            .next()
    })?;
    Some(name).filter(|name| !name.is_empty())
}

fn severity(number: i32, text: &str) -> Severity {
    match Severity::from_number(number) {
        Severity::Unspecified => Severity::from_text(text).unwrap_or_default(),
        given => given,
    }
}

/// The string value of an attribute; of two with one name the later, as in a resource.
fn find<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().rfind(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn bytes_of(record: &Record) -> usize {
    let texts = [
        record.event_name.as_deref(),
        record.template.as_deref(),
        record.sequence_attribute.as_deref(),
    ];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    size_of::<Record>() + record.body.len() + texts
}

#[cfg(test)]
mod tests;
