//! An anomaly as it was told, read again from its object.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::core::event::{Anomaly, AnomalyKind, Class, Explanation, Observed};
use crate::core::record::{Resource, Severity, StreamKey, Timestamp};

/// What [`event_json`](super::event_json) keeps of an anomaly, as far as rules and checks ask for it: its
/// class, its explanation and its templates are left out. `None` where it is no anomaly.
pub fn anomaly_of_json(object: &[u8]) -> Option<Anomaly> {
    let kept: Kept = serde_json::from_slice(object).ok()?;
    let attributes = kept.resource.into_iter();
    let resource = attributes.map(|(name, value)| (name.into(), value.into()));
    let resource = Resource::new(resource.collect());
    let detectors = kept.detectors_agreeing.iter();
    Some(Anomaly {
        id: kept.id,
        fingerprint: kept.fingerprint,
        kind: kept.kind,
        class: Class::default(),
        severity: kept.severity,
        score: kept.score,
        p_value: kept.p_value,
        first_seen: time(&kept.first_seen)?,
        last_seen: time(&kept.last_seen)?,
        count: kept.count.max(1),
        stream: stream(&kept.service, &resource),
        resource: Arc::new(resource),
        sequence: kept.sequence.into(),
        trace_id: None,
        span_id: None,
        template: None,
        sent_template: None,
        explanation: Explanation {
            reason: "".into(),
            expected: Vec::new(),
            observed: Observed::End,
            probability: 0.0,
            opinions: Vec::new(),
            context: Vec::new(),
        },
        stack: None,
        detectors: detectors.map(|name| known(name)).collect(),
        model: kept.model.into(),
    })
}

#[derive(Deserialize)]
struct Kept {
    id: Box<str>,
    fingerprint: Box<str>,
    kind: AnomalyKind,
    severity: Severity,
    score: f64,
    p_value: f64,
    first_seen: String,
    last_seen: String,
    count: u64,
    service: String,
    detectors_agreeing: Vec<String>,
    model: String,
    resource: BTreeMap<String, String>,
    sequence: String,
}

fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_nanosecond())
        .ok()
        .map(Timestamp::from_nanos)
}

/// The service that is displayed as `name`. The resource says which of its parts is which.
fn stream(name: &str, resource: &Resource) -> StreamKey {
    let stream = StreamKey::of(resource, None);
    if stream.to_string() == name {
        return stream;
    }
    StreamKey::from_shown(name)
}

/// The names of detectors are those of this version; those of another one count as one.
fn known(name: &str) -> &'static str {
    let ours = crate::core::detect::VOICES.iter().chain(["rates"].iter());
    let mut found = ours.filter(|ours| **ours == name);
    found.next().copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Event;
    use crate::edge::notify::{event_json, sample};

    #[test]
    fn what_rules_ask_for_is_read_as_it_was_told() {
        let told = sample::anomaly();
        let object = event_json(&Event::Anomaly(Arc::new(told.clone())));
        let read = anomaly_of_json(object.to_string().as_bytes()).unwrap();
        assert_eq!(
            (&read.id, &read.fingerprint, read.kind),
            (&told.id, &told.fingerprint, told.kind)
        );
        assert_eq!(
            (read.first_seen, read.last_seen),
            (told.first_seen, told.last_seen)
        );
        assert_eq!((read.score, read.count), (told.score, told.count));
        assert_eq!(read.stream.to_string(), told.stream.to_string());
        assert_eq!(read.resource, told.resource);
        assert_eq!(read.detectors, told.detectors);
    }

    #[test]
    fn a_service_is_found_by_its_resource_or_else_by_its_name() {
        let none = Resource::default();
        let named = |name| {
            let key = stream(name, &none);
            [key.environment, key.namespace, key.name].map(String::from)
        };
        assert_eq!(named("cart"), ["", "", "cart"]);
        assert_eq!(named("shop/cart"), ["", "shop", "cart"]);
        assert_eq!(named("prod/shop/cart"), ["prod", "shop", "cart"]);
        let attributes = [
            ("service.name", "cart"),
            ("deployment.environment.name", "prod"),
        ];
        let attributes = attributes.map(|(name, value)| (name.into(), value.into()));
        let key = stream("prod/cart", &Resource::new(attributes.into()));
        assert_eq!((&*key.environment, &*key.namespace), ("prod", ""));
    }

    #[test]
    fn what_is_no_anomaly_is_none() {
        for text in ["", "{}", "[]", "{\"id\":1}"] {
            assert!(anomaly_of_json(text.as_bytes()).is_none(), "{text}");
        }
    }
}
