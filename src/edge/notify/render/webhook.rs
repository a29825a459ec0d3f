//! The body of a webhook: the envelope of Standard Webhooks.

use serde::Serialize;

use super::json::{Data, Room, fitted};
use super::{rfc3339, type_name};
use crate::core::event::Event;
use crate::core::record::{Timestamp, inert_json};

/// Standard Webhooks asks for less than 20 kB.
pub(crate) const BODY_BYTES_MAX: usize = 20_000;

/// The body for `event`, made at `now`; shorter than 20,000 bytes.
pub(crate) fn body(event: &Event, now: Timestamp) -> Vec<u8> {
    fitted(BODY_BYTES_MAX, |room| envelope(event, now, room))
}

#[derive(Serialize)]
struct Envelope {
    r#type: &'static str,
    timestamp: String,
    data: Data,
}

fn envelope(event: &Event, now: Timestamp, room: &Room) -> Vec<u8> {
    inert_json(&Envelope {
        r#type: type_name(event),
        timestamp: rfc3339(now),
        data: Data::of(event, room),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::event::Observed;
    use crate::core::record::Resource;
    use crate::edge::notify::sample;

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_350);

    fn parsed(body: &[u8]) -> serde_json::Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn the_envelope_has_type_timestamp_and_data() {
        let body = body(&Event::Anomaly(Arc::new(sample::anomaly())), NOW);
        let value = parsed(&body);
        assert_eq!(value["type"], "knothole.anomaly.detected");
        assert_eq!(value["timestamp"], "2025-11-21T04:40:00.350000000Z");
        assert_eq!(value["data"]["id"], sample::anomaly().id.as_ref());
        assert_eq!(value["data"]["truncated"], serde_json::Value::Null);
        assert_eq!(value.as_object().unwrap().len(), 3);
    }

    #[test]
    fn long_lines_are_cut_before_the_attributes_go() {
        let mut anomaly = sample::anomaly();
        for line in &mut anomaly.explanation.context {
            line.text = "x".repeat(30_000).into();
        }
        let body = body(&Event::Anomaly(Arc::new(anomaly)), NOW);
        let data = &parsed(&body)["data"];
        assert!(body.len() < BODY_BYTES_MAX);
        assert_eq!(data["truncated"], true);
        assert_eq!(data["explanation"]["observed"], "payment retry 3");
        assert_eq!(data["resource"]["service.name"], "cart");
        assert!(
            data["explanation"]["context"][0]["text"]
                .as_str()
                .unwrap()
                .ends_with('…')
        );
    }

    #[test]
    fn the_worst_event_there_can_be_fits() {
        // U+E0041 takes 12 bytes in JSON, more than any other character.
        let huge = "\u{e0041}".repeat(10_000);
        let mut anomaly = sample::anomaly();
        let attribute = |n: u32| (format!("{n:05}{huge}").into(), huge.as_str().into());
        anomaly.resource = Arc::new(Resource::new((0..500).map(attribute).collect()));
        anomaly.stream.name = huge.as_str().into();
        anomaly.stream.environment = huge.as_str().into();
        anomaly.sequence = huge.as_str().into();
        anomaly.explanation.reason = huge.as_str().into();
        anomaly.explanation.observed = Observed::Record(huge.as_str().into());
        for expected in &mut anomaly.explanation.expected {
            expected.template.as_mut().unwrap().text = huge.as_str().into();
        }
        anomaly.template.as_mut().unwrap().text = huge.as_str().into();
        let body = body(&Event::Anomaly(Arc::new(anomaly)), NOW);
        assert!(body.len() < BODY_BYTES_MAX, "{} bytes", body.len());
        assert_eq!(parsed(&body)["data"]["truncated"], true);
    }
}
