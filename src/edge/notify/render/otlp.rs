//! OTLP log events (semantic conventions for events: a fixed name, a time, flat attributes).

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;

use super::{inert, rfc3339, sentence, severity_number, type_name};
use crate::core::event::{
    ActionEvent, Anomaly, Digest, Event, Gravity, IncidentEvent, Observed, TemplateRef,
};
use crate::core::record::{Change, Resource, SpanId, Timestamp, TraceId};

/// The scope of every event that knothole sends.
pub const SCOPE_NAME: &str = "knothole";

/// The scope attribute with the id of the sending instance: by it, and not by the scope's name,
/// which any application could borrow, knothole knows its own events when they come back.
pub const INSTANCE_ATTRIBUTE: &str = "knothole.instance.id";

/// What an expected end is called where templates are listed.
const END: &str = "end of sequence";

/// `event`, seen at `now`, in the name of the subject's resource and of our scope.
pub(crate) fn resource_logs(event: &Event, instance_id: &str, now: Timestamp) -> ResourceLogs {
    let subject = Subject::of(event);
    let time = Timestamp::known(subject.time.as_nanos()).unwrap_or(now);
    let record = LogRecord {
        event_name: type_name(event).to_owned(),
        time_unix_nano: time.as_nanos(),
        observed_time_unix_nano: now.as_nanos(),
        severity_number: subject.severity_number,
        body: Some(any(text(&sentence(event)))),
        attributes: match event {
            Event::Anomaly(anomaly) => anomaly_attributes(anomaly),
            Event::Action(event) => action_attributes(event),
            Event::Incident(event) => incident_attributes(event),
            Event::Digest(digest) => digest_attributes(digest),
            Event::Change(change) => change_attributes(change),
        },
        trace_id: subject
            .trace_id
            .map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        span_id: subject
            .span_id
            .map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        ..LogRecord::default()
    };
    let scope = InstrumentationScope {
        name: SCOPE_NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        attributes: vec![attribute(INSTANCE_ATTRIBUTE, text(instance_id))],
        ..InstrumentationScope::default()
    };
    ResourceLogs {
        resource: Some(match subject.resource {
            Some(resource) => otlp_resource(resource),
            None => our_resource(),
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope),
            log_records: vec![record],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }
}

/// What an event is about.
struct Subject<'a> {
    /// `None` where it is about no service.
    resource: Option<&'a Resource>,
    time: Timestamp,
    severity_number: i32,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
}

impl<'a> Subject<'a> {
    fn of(event: &'a Event) -> Self {
        match event {
            Event::Anomaly(anomaly) => Self::of_anomaly(anomaly),
            Event::Action(event) => {
                let anomaly = event.action.anomaly.as_deref();
                Self {
                    resource: anomaly.map(|it| &*it.resource),
                    time: event.at,
                    severity_number: severity_number(Gravity::Warning),
                    trace_id: anomaly.and_then(|it| it.trace_id),
                    span_id: anomaly.and_then(|it| it.span_id),
                }
            }
            Event::Incident(event) => Self {
                resource: event.incident.parts.first().map(|part| &*part.resource),
                time: event.at,
                severity_number: severity_number(event.incident.severity),
                trace_id: event.incident.signs.iter().find_map(|sign| sign.trace),
                span_id: None,
            },
            Event::Digest(digest) => Self {
                resource: None,
                time: digest.to,
                severity_number: severity_number(Gravity::Info),
                trace_id: None,
                span_id: None,
            },
            Event::Change(change) => Self {
                resource: None,
                time: change.at,
                severity_number: severity_number(Gravity::Info),
                trace_id: None,
                span_id: None,
            },
        }
    }

    fn of_anomaly(anomaly: &'a Anomaly) -> Self {
        Self {
            resource: Some(&anomaly.resource),
            time: anomaly.first_seen,
            severity_number: anomaly.severity.number(),
            trace_id: anomaly.trace_id,
            span_id: anomaly.span_id,
        }
    }
}

/// The resource of what is about no service.
fn our_resource() -> OtlpResource {
    OtlpResource {
        attributes: vec![attribute("service.name", text(SCOPE_NAME))],
        ..OtlpResource::default()
    }
}

fn otlp_resource(resource: &Resource) -> OtlpResource {
    OtlpResource {
        attributes: resource
            .attributes()
            .map(|(key, value)| attribute(key, text(value)))
            .collect(),
        ..OtlpResource::default()
    }
}

/// What both kinds of event say about the anomaly.
fn identity(anomaly: &Anomaly) -> Vec<KeyValue> {
    vec![
        attribute("knothole.anomaly.id", text(&anomaly.id)),
        attribute("knothole.anomaly.kind", text(anomaly.kind.name())),
        attribute("knothole.anomaly.score", Value::DoubleValue(anomaly.score)),
        attribute(
            "knothole.anomaly.p_value",
            Value::DoubleValue(anomaly.p_value),
        ),
        attribute("knothole.anomaly.fingerprint", text(&anomaly.fingerprint)),
        attribute("knothole.anomaly.count", integer(anomaly.count)),
        attribute("knothole.model.version", text(&anomaly.model)),
    ]
}

fn anomaly_attributes(anomaly: &Anomaly) -> Vec<KeyValue> {
    let explanation = &anomaly.explanation;
    let expected = &explanation.expected;
    let texts = expected
        .iter()
        .map(|e| text(template_text(e.template.as_ref())));
    let probabilities = expected.iter().map(|e| Value::DoubleValue(e.probability));
    let context = explanation.context.iter().map(|line| text(&line.text));
    let detectors = anomaly.detectors.iter().map(|name| text(name));
    let opinions = explanation.opinions.iter();
    let p_values = opinions.clone().map(|one| Value::DoubleValue(one.p_value));
    let says = opinions.map(|one| text(&inert(&one.says)));
    let mut attributes = identity(anomaly);
    attributes.extend([
        attribute("knothole.sequence", text(&anomaly.sequence)),
        attribute("knothole.anomaly.reason", text(&inert(&explanation.reason))),
        attribute("knothole.anomaly.expected.templates", array(texts)),
        attribute(
            "knothole.anomaly.expected.probabilities",
            array(probabilities),
        ),
        attribute(
            "knothole.anomaly.probability",
            Value::DoubleValue(explanation.probability),
        ),
        attribute("knothole.anomaly.context", array(context)),
        attribute("knothole.anomaly.detectors", array(detectors)),
        attribute("knothole.anomaly.opinions.p_values", array(p_values)),
        attribute("knothole.anomaly.opinions.says", array(says)),
    ]);
    match &explanation.observed {
        Observed::Record(line) => {
            attributes.push(attribute("knothole.anomaly.observed", text(line)));
        }
        Observed::Measure(measured) => {
            attributes.push(attribute("knothole.anomaly.observed", text(measured)));
        }
        Observed::End => {}
    }
    if let Some(template) = &anomaly.template {
        attributes.push(attribute("log.record.template", text(&template.text)));
        let id = template.id.to_string();
        attributes.push(attribute("knothole.template.id", text(&id)));
    }
    if let Some(sent) = &anomaly.sent_template {
        attributes.push(attribute("knothole.template.sent", text(sent)));
    }
    attributes
}

fn action_attributes(event: &ActionEvent) -> Vec<KeyValue> {
    let action = &event.action;
    let target = &action.target;
    let (kind, workload) = match &target.workload {
        Some((kind, name)) => (Some(kind.as_ref()), Some(name.as_ref())),
        None => (None, None),
    };
    let (expires_at, reason) = (rfc3339(action.expires_at), inert(&action.reason));
    let last = action.steps.last();
    let (by, why) = (last.map(|it| inert(&it.by)), last.map(|it| inert(&it.why)));
    let service = action.stream.to_string();
    let said = [
        ("knothole.action.id", Some(action.id.as_ref())),
        ("knothole.action.kind", Some(action.remedy.kind().name())),
        ("knothole.action.state", Some(action.state.name())),
        ("knothole.action.mode", Some(action.mode.name())),
        ("knothole.action.service", Some(service.as_str())),
        ("knothole.incident.id", action.incident.as_deref()),
        (
            "knothole.action.plan",
            action.plan.as_ref().map(|it| &*it.hash),
        ),
        ("knothole.action.by", by.as_deref()),
        ("knothole.action.why", why.as_deref()),
        (
            "knothole.action.target.namespace",
            Some(target.namespace.as_ref()),
        ),
        ("knothole.action.target.workload.kind", kind),
        ("knothole.action.target.workload.name", workload),
        ("knothole.action.target.pod.name", target.pod.as_deref()),
        ("knothole.action.target.pod.uid", target.pod_uid.as_deref()),
        ("knothole.action.reason", Some(reason.as_str())),
        ("knothole.action.rule", Some(action.rule.as_ref())),
        ("knothole.action.expires_at", Some(expires_at.as_str())),
    ];
    let anomaly = action.anomaly.as_ref();
    let mut attributes = anomaly.map_or_else(Vec::new, |it| identity(it));
    attributes.extend(
        said.iter()
            .filter_map(|(key, value)| Some(attribute(key, text((*value)?)))),
    );
    attributes
}

fn incident_attributes(event: &IncidentEvent) -> Vec<KeyValue> {
    let incident = &event.incident;
    let (cause, route) = (&incident.cause, &incident.route);
    let services = incident
        .parts
        .iter()
        .map(|part| text(&part.stream.to_string()));
    let suspects = cause.suspects.iter();
    let suspected = suspects.clone().map(|it| text(&it.stream.to_string()));
    let shares = suspects.map(|it| Value::DoubleValue(it.share));
    let changes = cause.changes.iter().map(|near| text(&near.change.id));
    let said = [
        ("knothole.incident.id", Some(incident.id.to_string())),
        ("knothole.incident.event.id", Some(event.id.to_string())),
        (
            "knothole.incident.fingerprint",
            Some(incident.fingerprint.to_string()),
        ),
        (
            "knothole.incident.state",
            Some(incident.state.name().to_owned()),
        ),
        (
            "knothole.incident.severity",
            Some(incident.severity.name().to_owned()),
        ),
        (
            "knothole.incident.class",
            Some(incident.class.name().to_owned()),
        ),
        ("knothole.incident.title", Some(inert(&incident.title))),
        ("knothole.incident.began", Some(rfc3339(incident.began))),
        (
            "knothole.incident.detected",
            Some(rfc3339(incident.detected)),
        ),
        (
            "knothole.incident.ended",
            incident.ended.as_ref().map(|mark| rfc3339(mark.at)),
        ),
        (
            "knothole.incident.cause.verdict",
            Some(cause.verdict.name().to_owned()),
        ),
        (
            "knothole.incident.team",
            route.team.as_ref().map(ToString::to_string),
        ),
    ];
    let said = said
        .into_iter()
        .filter_map(|(key, value)| Some((key, text(&value?))));
    let counted = [
        ("knothole.incident.revision", integer(incident.revision)),
        ("knothole.incident.sign_count", integer(incident.sign_count)),
        ("knothole.incident.pages", Value::BoolValue(route.pages)),
        ("knothole.incident.services", array(services)),
        ("knothole.incident.cause.suspects", array(suspected)),
        ("knothole.incident.cause.shares", array(shares)),
        ("knothole.incident.cause.changes", array(changes)),
    ];
    let all = said.chain(counted);
    all.map(|(key, value)| attribute(key, value)).collect()
}

fn digest_attributes(digest: &Digest) -> Vec<KeyValue> {
    let (pages, budget) = digest.pages;
    let ids = digest.incidents.iter().map(|incident| text(&incident.id));
    let titles = digest.incidents.iter().map(|it| text(&inert(&it.title)));
    let mut attributes = vec![
        attribute("knothole.digest.id", text(&digest.id)),
        attribute("knothole.digest.from", text(&rfc3339(digest.from))),
        attribute("knothole.digest.to", text(&rfc3339(digest.to))),
        attribute(
            "knothole.digest.incident_count",
            integer(digest.incident_count),
        ),
        attribute("knothole.digest.pages", integer(pages)),
        attribute("knothole.digest.pages_max", integer(budget)),
        attribute("knothole.digest.incidents", array(ids)),
        attribute("knothole.digest.titles", array(titles)),
    ];
    if let Some(team) = &digest.team {
        attributes.push(attribute("knothole.digest.team", text(team)));
    }
    attributes
}

fn change_attributes(change: &Change) -> Vec<KeyValue> {
    let service = change.stream.to_string();
    let said = [
        ("knothole.change.id", Some(&*change.id)),
        ("knothole.change.kind", Some(change.kind.name())),
        ("knothole.change.service", Some(&*service)),
        ("knothole.change.from", change.from.as_deref()),
        ("knothole.change.to", change.to.as_deref()),
        ("knothole.change.reference", change.reference.as_deref()),
        ("knothole.change.url", change.url.as_deref()),
    ];
    let said = said.iter();
    said.filter_map(|(key, value)| Some(attribute(key, text((*value)?))))
        .collect()
}

fn template_text(template: Option<&TemplateRef>) -> &str {
    template.map_or(END, |template| &template.text)
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn integer(number: u64) -> Value {
    Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX))
}

fn array(values: impl Iterator<Item = Value>) -> Value {
    Value::ArrayValue(ArrayValue {
        values: values.map(any).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::record::is_deceptive;
    use crate::edge::notify::sample;

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_350);

    fn json(event: &Event) -> String {
        serde_json::to_string_pretty(&resource_logs(event, "9f3c", NOW)).unwrap()
    }

    #[test]
    fn an_anomaly_as_an_otlp_event() {
        insta::assert_snapshot!(
            "anomaly",
            json(&Event::Anomaly(Arc::new(sample::anomaly())))
        );
    }

    #[test]
    fn an_action_as_an_otlp_event() {
        insta::assert_snapshot!("action", json(&sample::proposed()));
    }

    #[test]
    fn the_body_is_inert_and_the_rest_is_data() {
        let logs = resource_logs(&sample::hostile(), "9f3c", NOW);
        let record = &logs.scope_logs[0].log_records[0];
        let Some(Value::StringValue(body)) = record.body.clone().unwrap().value else {
            panic!("the body is a string");
        };
        assert!(body.chars().all(|c| !is_deceptive(c)), "{body:?}");
        let observed = record
            .attributes
            .iter()
            .find(|kv| kv.key == "knothole.anomaly.observed");
        assert_eq!(
            observed.unwrap().value,
            Some(any(text(sample::HOSTILE_TEXT)))
        );
    }

    #[test]
    fn events_keep_to_the_conventions_for_events_and_names() {
        let events = [
            Event::Anomaly(Arc::new(sample::anomaly())),
            sample::proposed(),
            Event::Incident(Arc::new(sample::opened())),
            Event::Digest(Arc::new(sample::digest())),
            Event::Change(Arc::new(sample::change())),
        ];
        for event in events {
            let logs = resource_logs(&event, "9f3c", NOW);
            let record = &logs.scope_logs[0].log_records[0];
            let name = &record.event_name;
            // Not one value in it, and no level in words.
            assert!(name.starts_with("knothole.") && !name.contains(|c: char| c.is_numeric()));
            assert!(record.severity_text.is_empty() && record.time_unix_nano > 0);
            for attribute in &record.attributes {
                let key = &attribute.key;
                let is_ours = key.starts_with("knothole.") && key.is_ascii();
                assert!(is_ours || key == "log.record.template", "{key}");
                let value = attribute.value.as_ref().unwrap().value.as_ref().unwrap();
                assert!(!matches!(value, Value::KvlistValue(_)), "{key} is not flat");
            }
        }
    }

    #[test]
    fn an_event_always_has_a_time() {
        let mut anomaly = sample::anomaly();
        anomaly.first_seen = Timestamp::ZERO;
        let logs = resource_logs(&Event::Anomaly(Arc::new(anomaly)), "9f3c", NOW);
        assert_eq!(
            logs.scope_logs[0].log_records[0].time_unix_nano,
            NOW.as_nanos()
        );
    }
}
