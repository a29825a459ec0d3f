//! What the decoders have to come to: prost's or serde's typed request, turned into batches the plain way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::Value as Json;

use super::{ConvertSettings, Decoded, INSTANCE_ATTRIBUTE, RejectReason};
use crate::core::record::{
    Batch, Record, Resource, Severity, SpanId, StreamKey, Timestamp, TraceId,
};

const TEMPLATE_ATTRIBUTE: &str = "log.record.template";

/// Turns a request into batches. Every record is in a batch, rejected or own; none is lost.
pub(super) fn convert(request: ExportLogsServiceRequest, settings: &ConvertSettings) -> Decoded {
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
        let resource = Arc::new(resource(attributes, settings));
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
pub(super) fn is_own(scope: &InstrumentationScope, settings: &ConvertSettings) -> bool {
    find(&scope.attributes, INSTANCE_ATTRIBUTE) == Some(settings.instance_id.as_str())
}

pub(super) fn resource(attributes: Vec<KeyValue>, settings: &ConvertSettings) -> Resource {
    let kept = attributes.into_iter().filter_map(|sent| {
        let text = attribute(canonical(sent.value?)?, settings);
        Some((attribute(sent.key, settings), text))
    });
    Resource::new(kept.take(settings.resource_attributes_max).collect())
}

fn attribute(mut text: String, settings: &ConvertSettings) -> Box<str> {
    cut(&mut text, settings.attribute_len_max);
    text.into()
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
    fn attribute(&self, text: String) -> Box<str> {
        attribute(text, self.settings)
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
            self.push(batch, sent);
        }
    }

    fn batch(&mut self, stream: StreamKey, resource: &Arc<Resource>) -> usize {
        let batches = &mut self.decoded.batches;
        let entry = self.index.entry((stream, Arc::clone(resource)));
        *entry.or_insert_with_key(|(stream, resource)| {
            let (stream, resource) = (stream.clone(), Arc::clone(resource));
            batches.push(Batch::new(stream, resource));
            batches.len() - 1
        })
    }

    fn push(&mut self, batch: usize, sent: LogRecord) {
        let event_name = event_name(&sent).map(|name| self.attribute(name.to_owned()));
        let template = self.template(&sent.attributes);
        let resource = Arc::clone(&self.decoded.batches[batch].resource);
        let sequence_attribute = self.sequence_attribute(&resource, &sent.attributes);
        let mut body = sent.body.and_then(text_of_body).unwrap_or_default();
        self.decoded.cut += u64::from(cut(&mut body, self.settings.body_len_max));
        self.decoded.batches[batch].push(Record {
            time: Timestamp::known(sent.time_unix_nano),
            observed: Timestamp::known(sent.observed_time_unix_nano),
            severity: severity(sent.severity_number, &sent.severity_text),
            body: &body,
            trace_id: TraceId::from_bytes(&sent.trace_id),
            span_id: SpanId::from_bytes(&sent.span_id),
            event_name: event_name.as_deref(),
            template: template.as_ref(),
            sequence_attribute: sequence_attribute.as_deref(),
        });
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

/// The text of `value`: a string as it is, maps and arrays as JSON with sorted keys, bytes in
/// base64, numbers and booleans as JSON writes them, `NaN`, `Infinity` and `-Infinity` bare.
/// `None` where there is no value.
fn canonical(value: AnyValue) -> Option<String> {
    let text = match value.value? {
        Value::StringValue(text) => text,
        Value::BytesValue(bytes) => BASE64.encode(bytes),
        Value::DoubleValue(number) => text_of_double(number),
        // Only profiles have the table of strings that this index points into.
        Value::StringValueStrindex(_) => return None,
        other => json(other).to_string(),
    };
    Some(text)
}

/// The text of a body: as [`canonical`], but bytes that are a text are that text, as from a
/// Collector that reads files without decoding them.
fn text_of_body(body: AnyValue) -> Option<String> {
    match body.value? {
        Value::BytesValue(bytes) => {
            let text = String::from_utf8(bytes);
            Some(text.unwrap_or_else(|error| BASE64.encode(error.as_bytes())))
        }
        other => canonical(AnyValue { value: Some(other) }),
    }
}

/// Cuts `text` to at most `len_max` bytes, never inside a character. Tells whether it was longer.
fn cut(text: &mut String, len_max: usize) -> bool {
    if text.len() <= len_max {
        return false;
    }
    text.truncate(text.floor_char_boundary(len_max));
    true
}

fn text_of_double(number: f64) -> String {
    if number.is_finite() {
        Json::from(number).to_string()
    } else if number.is_nan() {
        "NaN".to_owned()
    } else if number > 0.0 {
        "Infinity".to_owned()
    } else {
        "-Infinity".to_owned()
    }
}

/// The recursion is as deep as the value, which both decoders bound (100 messages in protobuf,
/// 128 brackets in JSON).
fn json(value: Value) -> Json {
    match value {
        Value::StringValue(text) => Json::String(text),
        Value::BoolValue(flag) => Json::Bool(flag),
        Value::IntValue(number) => Json::from(number),
        // JSON has no word for these three, so inside a map or array they are strings.
        Value::DoubleValue(number) if !number.is_finite() => Json::String(text_of_double(number)),
        Value::DoubleValue(number) => Json::from(number),
        Value::BytesValue(bytes) => Json::String(BASE64.encode(bytes)),
        Value::ArrayValue(array) => array.values.into_iter().map(json_or_null).collect(),
        Value::KvlistValue(list) => json_object(list.values),
        Value::StringValueStrindex(_) => Json::Null,
    }
}

/// Sorted here, since the order of a `serde_json::Map` depends on a feature that any crate in the
/// build may switch on. Of two values with one key the later wins.
fn json_object(values: Vec<KeyValue>) -> Json {
    let sorted: BTreeMap<String, Json> = values
        .into_iter()
        .map(|entry| (entry.key, entry.value.map_or(Json::Null, json_or_null)))
        .collect();
    Json::Object(sorted.into_iter().collect())
}

fn json_or_null(value: AnyValue) -> Json {
    value.value.map_or(Json::Null, json)
}
