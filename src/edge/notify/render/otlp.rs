//! OTLP log events (semantic conventions for events: a fixed name, a time, flat attributes).

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;

use super::{inert, rfc3339, sentence, type_name};
use crate::core::event::{Anomaly, Event, Observed, Proposal, TemplateRef};
use crate::core::record::{Resource, Timestamp};

/// The scope of every event that knothole sends.
pub const SCOPE_NAME: &str = "knothole";

/// The scope attribute with the id of the sending instance: by it, and not by the scope's name,
/// which any application could borrow, knothole knows its own events when they come back.
pub const INSTANCE_ATTRIBUTE: &str = "knothole.instance.id";

/// What an expected end is called where templates are listed.
const END: &str = "end of sequence";

/// `event`, seen at `now`, in the name of the subject's resource and of our scope.
pub(crate) fn resource_logs(event: &Event, instance_id: &str, now: Timestamp) -> ResourceLogs {
    let anomaly = match event {
        Event::Anomaly(anomaly) => anomaly,
        Event::Proposal(proposal) => &proposal.anomaly,
    };
    let time = Timestamp::known(anomaly.first_seen.as_nanos()).unwrap_or(now);
    let record = LogRecord {
        event_name: type_name(event).to_owned(),
        time_unix_nano: time.as_nanos(),
        observed_time_unix_nano: now.as_nanos(),
        severity_number: anomaly.severity.number(),
        body: Some(any(text(&sentence(event)))),
        attributes: match event {
            Event::Anomaly(anomaly) => anomaly_attributes(anomaly),
            Event::Proposal(proposal) => proposal_attributes(proposal),
        },
        trace_id: anomaly
            .trace_id
            .map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        span_id: anomaly
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
        resource: Some(otlp_resource(&anomaly.resource)),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope),
            log_records: vec![record],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
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

fn proposal_attributes(proposal: &Proposal) -> Vec<KeyValue> {
    let target = &proposal.target;
    let (kind, workload) = match &target.workload {
        Some((kind, name)) => (Some(*kind), Some(name.as_ref())),
        None => (None, None),
    };
    let expires_at = rfc3339(proposal.expires_at);
    let reason = inert(&proposal.reason);
    let said = [
        ("knothole.action.id", Some(proposal.id.as_ref())),
        ("knothole.action.kind", Some(proposal.action.name())),
        (
            "knothole.action.target.namespace",
            Some(target.namespace.as_ref()),
        ),
        ("knothole.action.target.workload.kind", kind),
        ("knothole.action.target.workload.name", workload),
        ("knothole.action.target.pod.name", target.pod.as_deref()),
        ("knothole.action.target.pod.uid", target.pod_uid.as_deref()),
        ("knothole.action.reason", Some(reason.as_str())),
        ("knothole.action.rule", Some(proposal.rule.as_ref())),
        ("knothole.action.expires_at", Some(expires_at.as_str())),
    ];
    let mut attributes = identity(&proposal.anomaly);
    attributes.extend(
        said.iter()
            .filter_map(|(key, value)| Some(attribute(key, text((*value)?)))),
    );
    attributes
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
    use crate::edge::notify::render::is_deceptive;
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
    fn a_proposal_as_an_otlp_event() {
        insta::assert_snapshot!(
            "proposal",
            json(&Event::Proposal(Arc::new(sample::proposal())))
        );
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
