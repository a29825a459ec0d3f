//! PagerDuty, Events API v2: `POST /v2/enqueue`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::super::{House, NOW, QUICK};
use super::{ensure, huge, keys, life, opened, quiet, text};
use crate::edge::notify::sample;
use crate::edge::outgoing::{Ask, Stub};

const KEY: &str = "0123456789abcdef0123456789ABCDEF";

/// What PagerDuty documents.
fn judged(ask: &Ask) -> Result<(), String> {
    ensure(ask.method == "POST", "method")?;
    if ask.uri == "/v2/change/enqueue" {
        return change_event(&ask.json());
    }
    ensure(ask.uri == "/v2/enqueue", "place")?;
    ensure(
        ask.header("content-type") == "application/json",
        "content type",
    )?;
    ensure(ask.body.len() <= 512_000, "more than 512 kB")?;
    let event = ask.json();
    let optional = [
        "dedup_key",
        "payload",
        "images",
        "links",
        "client",
        "client_url",
    ];
    keys(&event, &["routing_key", "event_action"], &optional)?;
    ensure(text(&event["routing_key"], 32)?.len() == 32, "routing key")?;
    if event.get("dedup_key").is_some() {
        text(&event["dedup_key"], 255)?;
    }
    match event["event_action"].as_str() {
        Some("trigger") => payload(&event["payload"]),
        Some("acknowledge" | "resolve") => text(&event["dedup_key"], 255).map(drop),
        _ => Err("event action".to_owned()),
    }
}

/// A change event, which has neither an action nor a severity.
fn change_event(event: &Value) -> Result<(), String> {
    keys(event, &["routing_key", "payload"], &["links"])?;
    ensure(text(&event["routing_key"], 32)?.len() == 32, "routing key")?;
    let payload = &event["payload"];
    keys(
        payload,
        &["summary"],
        &["source", "timestamp", "custom_details"],
    )?;
    text(&payload["summary"], 1024)?;
    for link in event["links"].as_array().into_iter().flatten() {
        keys(link, &["href"], &["text"])?;
    }
    Ok(())
}

fn payload(payload: &Value) -> Result<(), String> {
    let optional = ["timestamp", "component", "group", "class", "custom_details"];
    keys(payload, &["summary", "source", "severity"], &optional)?;
    text(&payload["summary"], 1024)?;
    text(&payload["source"], 1024)?;
    let severities = ["critical", "error", "warning", "info"];
    ensure(
        severities.iter().any(|it| payload["severity"] == *it),
        "severity",
    )?;
    let time = payload["timestamp"].as_str().unwrap_or_default();
    let parsed = jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", time);
    ensure(parsed.is_ok(), "timestamp")?;
    ensure(payload["custom_details"].is_object(), "custom details")
}

fn answer(ask: &Ask) -> Response {
    match judged(ask) {
        Ok(()) => {
            let key = &ask.json()["dedup_key"];
            let body =
                json!({ "status": "success", "message": "Event processed", "dedup_key": key });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(why) => {
            let body = json!({ "status": "invalid event", "errors": [why] });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

fn house(stub: &Stub) -> House {
    house_with(stub, "")
}

fn house_with(stub: &Stub, more: &str) -> House {
    let yaml = format!(
        "[{{type: pagerduty, name: hook, url: 'http://{}/v2/enqueue', {QUICK}, {more} \
         routing_key: {{file: SECRET}}, incident_url: 'https://knothole.example.net/incidents/'}}]",
        stub.address
    );
    House::with_secret(&yaml, KEY)
}

#[tokio::test]
async fn an_incident_is_triggered_acknowledged_and_resolved_under_one_key() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    let began = std::time::Instant::now();
    for event in life() {
        let prepared = house.dispatcher.prepare(&event, NOW);
        let stored = String::from_utf8(prepared[0].message()).unwrap();
        assert!(!stored.contains(KEY), "no secret is stored");
        house.dispatcher.send(prepared, NOW);
    }
    let mut actions = Vec::new();
    for _ in 0..4 {
        let event = stub.taken().await.json();
        assert_eq!(event["routing_key"], KEY);
        assert_eq!(
            event["dedup_key"],
            "knothole:1bc1de4700c0ffee00c0ffee00c0ffee"
        );
        if event["event_action"] == "trigger" {
            assert_eq!(event["payload"]["source"], "prod/shop/cart");
            let url = "https://knothole.example.net/incidents/1bc1de4700c0ffee00c0ffee00c0ffee";
            assert_eq!(event["client_url"], url);
        }
        actions.push(event["event_action"].as_str().unwrap().to_owned());
    }
    assert_eq!(actions, ["trigger", "trigger", "acknowledge", "resolve"]);
    // At most 120 in a minute.
    assert!(began.elapsed() >= std::time::Duration::from_millis(1_500));
    assert_eq!(house.close().await, []);
}

#[tokio::test]
async fn only_what_pages_is_told() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    house.dispatcher.offer(&opened(quiet()), NOW);
    assert_eq!(house.close().await, []);
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn the_longest_incident_is_taken() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    house.dispatcher.offer(&opened(huge()), NOW);
    stub.taken().await;
}

#[tokio::test]
async fn too_many_requests_get_a_pause_also_where_none_is_named() {
    let mut stub = Stub::start(|_| StatusCode::TOO_MANY_REQUESTS.into_response()).await;
    let house = house(&stub);
    house.dispatcher.offer(&opened(sample::incident()), NOW);
    stub.next().await;
    // Thirty seconds, which nobody waits for here: closing gives it back to be kept.
    let left = house
        .dispatcher
        .close(std::time::Duration::from_secs(5))
        .await;
    assert_eq!(left.len(), 1);
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn whoever_was_paged_hears_the_end_also_when_settings_were_read_again() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    let [first, .., last] = life();
    house.dispatcher.offer(&first, NOW);
    assert_eq!(stub.taken().await.json()["event_action"], "trigger");
    let next = house.dispatcher.successor(&house.sinks, &house.context);
    let next = next.unwrap();
    next.inherit(house.close().await, NOW);
    let crate::core::event::Event::Incident(last) = last else {
        unreachable!()
    };
    let mut last = std::sync::Arc::unwrap_or_clone(last);
    std::sync::Arc::make_mut(&mut last.incident).route.pages = false;
    next.offer(&crate::core::event::Event::Incident(last.into()), NOW);
    assert_eq!(stub.taken().await.json()["event_action"], "resolve");
}

#[tokio::test]
async fn a_change_is_a_change_event_for_who_asked_for_it() {
    use crate::core::event::Event;
    let mut stub = Stub::start(answer).await;
    let change = Event::Change(sample::change().into());
    let without = house(&stub);
    without.dispatcher.offer(&change, NOW);
    assert_eq!(without.close().await, []);
    assert!(stub.is_quiet());
    let house = house_with(&stub, "changes: true,");
    let mut linked = sample::change();
    linked.url = Some("https://git.example.net/4f9d2c1".into());
    let (id, kind) = ("another".into(), crate::core::record::ChangeKind::Posted);
    (linked.id, linked.kind) = (id, kind);
    house.dispatcher.offer(&Event::Change(linked.into()), NOW);
    let event = stub.taken().await.json();
    assert_eq!(event["routing_key"], KEY);
    assert_eq!(
        event["payload"]["summary"],
        "prod/shop/cart was changed: 2.9.6 → 2.9.7"
    );
    assert_eq!(event["links"][0]["href"], "https://git.example.net/4f9d2c1");
    assert_eq!(house.close().await, []);
}

#[tokio::test]
async fn who_makes_up_versions_by_the_thousand_keeps_no_page_waiting() {
    let stub = Stub::start(answer).await;
    let house = house_with(&stub, "changes: true,");
    for n in 0..1000 {
        let mut change = sample::change();
        change.id = n.to_string().into();
        let change = crate::core::event::Event::Change(change.into());
        house.dispatcher.offer(&change, NOW);
    }
    assert_eq!(house.dispatcher.pending(), 1);
}
