//! What sinks are sent of an incident or an action is what the API says it answers with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

#[path = "../src/edge/api/tests/schema.rs"]
mod schema;
#[path = "../src/edge/api/sample.rs"]
mod sample;

use knothole::core;
use knothole::edge::notify::{action_json, incident_json};
use serde_json::Value;

#[test]
fn an_incident_is_sent_as_the_api_describes_it() {
    let text = include_str!("../docs/openapi.yaml");
    let document: Value = serde_saphyr::from_str(text).unwrap();
    let schema = &document["components"]["schemas"]["Incident"];
    let incidents = [
        sample::incident(),
        sample::quiet(),
        sample::told_by("\u{1b}[2J <b>"),
    ];
    for incident in incidents {
        let object = incident_json(&incident);
        let wrong = schema::complaints(&document, schema, &object);
        assert!(wrong.is_empty(), "{wrong:#?}");
        // What is not described is not sent, either.
        let described = schema["properties"].as_object().unwrap();
        for name in object.as_object().unwrap().keys() {
            assert!(described.contains_key(name), "{name} is not described");
        }
    }
}

#[test]
fn an_action_is_sent_as_the_api_describes_it() {
    let text = include_str!("../docs/openapi.yaml");
    let document: Value = serde_saphyr::from_str(text).unwrap();
    let schema = &document["components"]["schemas"]["Action"];
    let actions = [
        sample::action(),
        sample::quiet_action(),
        sample::action_told_by("\u{1b}[2J <b>"),
    ];
    for action in actions {
        let object = action_json(&action);
        let wrong = schema::complaints(&document, schema, &object);
        assert!(wrong.is_empty(), "{wrong:#?}");
        // What is not described is not sent, either.
        let described = schema["properties"].as_object().unwrap();
        for name in object.as_object().unwrap().keys() {
            assert!(described.contains_key(name), "{name} is not described");
        }
    }
}
