//! How each sink writes the same incident.

use std::sync::Arc;

use super::NOW;
use crate::core::event::{Event, Stage};
use crate::edge::notify::render::alertmanager::AlertStyle;
use crate::edge::notify::render::{self, event_json, incident_json, json_line};
use crate::edge::notify::sample;

const URL: Option<&str> = Some("https://knothole.example.net/incidents/");

fn opened() -> Event {
    Event::Incident(Arc::new(sample::opened()))
}

fn digest() -> Event {
    Event::Digest(Arc::new(sample::digest()))
}

fn pretty(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn an_incident_as_a_line() {
    insta::assert_snapshot!("incident_line", pretty(&json_line(&opened())));
}

#[test]
fn a_digest_as_a_line() {
    insta::assert_snapshot!("digest_line", pretty(&json_line(&digest())));
}

#[test]
fn the_api_answers_with_the_objects_that_the_sinks_send() {
    for event in [opened(), digest(), Event::Anomaly(sample::anomaly().into())] {
        let line: serde_json::Value = serde_json::from_slice(&json_line(&event)).unwrap();
        assert_eq!(event_json(&event), line);
    }
    let line = event_json(&opened());
    assert_eq!(incident_json(&sample::incident()), line["incident"]);
}

#[test]
fn an_incident_as_an_otlp_event() {
    let logs = render::otlp::resource_logs(&opened(), "9f3c", NOW);
    insta::assert_snapshot!(
        "incident_otlp",
        serde_json::to_string_pretty(&logs).unwrap()
    );
}

#[test]
fn a_digest_as_an_otlp_event() {
    let logs = render::otlp::resource_logs(&digest(), "9f3c", NOW);
    insta::assert_snapshot!("digest_otlp", serde_json::to_string_pretty(&logs).unwrap());
}

#[test]
fn an_incident_as_a_cloud_event() {
    let body = render::cloudevents::body(&opened(), "/knothole/instance/9f3c");
    insta::assert_snapshot!("incident_cloudevent", pretty(&body));
}

#[test]
fn an_incident_as_an_alert() {
    let style = AlertStyle {
        alertname: "KnotholeIncident".to_owned(),
        incident_url: URL.map(str::to_owned),
    };
    let later = NOW.plus(std::time::Duration::from_secs(60));
    let body = render::alertmanager::body(&opened(), &style, later).unwrap();
    insta::assert_snapshot!("incident_alert", pretty(&body));
}

#[test]
fn an_incident_as_a_page() {
    let body = render::pagerduty::body(&opened(), URL).unwrap();
    insta::assert_snapshot!("incident_page", pretty(&body));
}

#[test]
fn a_change_as_a_line_an_otlp_event_a_cloud_event_and_a_change_event() {
    let change = Event::Change(Arc::new(sample::change()));
    insta::assert_snapshot!("change_line", pretty(&json_line(&change)));
    let logs = render::otlp::resource_logs(&change, "9f3c", NOW);
    insta::assert_snapshot!("change_otlp", serde_json::to_string_pretty(&logs).unwrap());
    let body = render::cloudevents::body(&change, "/knothole/instance/9f3c");
    insta::assert_snapshot!("change_cloudevent", pretty(&body));
    let body = render::pagerduty::body(&change, URL).unwrap();
    insta::assert_snapshot!("change_page", pretty(&body));
}

#[test]
fn an_incident_and_a_digest_as_messages() {
    let body = render::slack::body(&opened(), URL).unwrap();
    insta::assert_snapshot!("incident_slack", pretty(&body));
    let body = render::slack::body(&digest(), URL).unwrap();
    insta::assert_snapshot!("digest_slack", pretty(&body));
}

#[test]
fn an_incident_as_an_annotation() {
    let body = render::grafana::body(&opened(), URL).unwrap();
    insta::assert_snapshot!("incident_annotation", pretty(&body));
}

#[test]
fn sinks_of_incidents_have_nothing_to_say_of_anomalies() {
    let anomaly = Event::Anomaly(sample::anomaly().into());
    assert_eq!(render::pagerduty::body(&anomaly, None), None);
    assert_eq!(render::slack::body(&anomaly, None), None);
    assert_eq!(render::grafana::body(&anomaly, None), None);
    let taken_on = Event::Incident(Arc::new(sample::told(
        Stage::Acknowledged,
        sample::incident(),
    )));
    assert_eq!(render::grafana::body(&taken_on, None), None);
}
