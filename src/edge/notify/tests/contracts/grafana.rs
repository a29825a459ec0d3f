//! Annotations of Grafana: `GET`, `POST` and `PATCH /api/annotations`.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use reqwest::Url;
use serde_json::{Value, json};

use super::super::{House, NOW, QUICK};
use super::{ensure, keys, life};
use crate::core::event::Event;
use crate::edge::outgoing::{Ask, Stub};

/// Its annotations; the place in the list is the id.
type Annotations = Arc<Mutex<Vec<Value>>>;

const OPTIONAL: [&str; 6] = ["dashboardUID", "panelId", "time", "timeEnd", "tags", "text"];

/// What Grafana documents.
fn judged(ask: &Ask, annotations: &Annotations) -> Result<Value, String> {
    ensure(
        ask.header("authorization") == "Bearer glsa_hunter2",
        "token",
    )?;
    let mut all = annotations.lock().unwrap();
    let path = ask.uri.path();
    if ask.method == "GET" && path == "/api/annotations" {
        let url = Url::parse(&format!("http://grafana{}", ask.uri)).unwrap();
        let asked = url.query_pairs().filter(|(key, _)| key == "tags");
        let asked: Vec<Value> = asked.map(|(_, tag)| json!(tag)).collect();
        let has_all = |it: &&Value| {
            let tags = it["tags"].as_array().unwrap();
            asked.iter().all(|tag| tags.contains(tag))
        };
        return Ok(all.iter().filter(has_all).cloned().collect());
    }
    ensure(
        ask.header("content-type") == "application/json",
        "content type",
    )?;
    let mut body = ask.json();
    let tags = body["tags"].as_array().ok_or("no tags")?;
    ensure(
        tags.iter()
            .all(|tag| tag.as_str().is_some_and(|tag| tag.chars().count() <= 100)),
        "a tag",
    )?;
    ensure(
        body["time"]
            .as_u64()
            .is_some_and(|time| (1_700_000_000_000..2_000_000_000_000).contains(&time)),
        "milliseconds",
    )?;
    if ask.method == "POST" && path == "/api/annotations" {
        keys(&body, &["text"], &OPTIONAL)?;
        let id = all.len();
        body["id"] = json!(id);
        all.push(body);
        return Ok(json!({ "message": "Annotation added", "id": id }));
    }
    ensure(ask.method == "PATCH", "method")?;
    keys(&body, &[], &["text", "tags", "time", "timeEnd"])?;
    let id = path
        .strip_prefix("/api/annotations/")
        .and_then(|id| id.parse::<usize>().ok());
    let there = id
        .and_then(|id| all.get_mut(id))
        .ok_or("no such annotation")?;
    for (key, value) in body.as_object().unwrap() {
        there[key] = value.clone();
    }
    Ok(json!({ "message": "Annotation patched" }))
}

fn answer(ask: &Ask, annotations: &Annotations) -> Response {
    match judged(ask, annotations) {
        Ok(body) => Json(body).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, Json(json!({ "message": why }))).into_response(),
    }
}

fn house(stub: &Stub) -> House {
    let yaml = format!(
        "[{{type: grafana, name: hook, url: 'http://{}/', token: {{file: SECRET}}, {QUICK}, \
         dashboard_uid: shop-overview, panel_id: 3}}]",
        stub.address
    );
    House::with_secret(&yaml, "glsa_hunter2")
}

#[tokio::test]
async fn an_incident_is_one_annotation_that_ends_with_it_also_over_a_restart() {
    let annotations = Annotations::default();
    let kept = Arc::clone(&annotations);
    let stub = Stub::start(move |ask| answer(ask, &kept)).await;
    let [first, second, third, last] = life();
    let before = house(&stub);
    before.dispatcher.offer(&first, NOW);
    assert_eq!(before.close().await, []);
    {
        let all = annotations.lock().unwrap();
        assert_eq!((all.len(), &all[0]["timeEnd"]), (1, &Value::Null));
        assert_eq!(
            (&all[0]["dashboardUID"], &all[0]["panelId"]),
            (&json!("shop-overview"), &json!(3))
        );
    }
    // Nothing is remembered: another process finds it.
    let after = house(&stub);
    for event in [second, third, last] {
        after.dispatcher.offer(&event, NOW);
    }
    assert_eq!(after.close().await, []);
    assert_eq!(
        after.outcome("delivered"),
        2,
        "that somebody took it on changes nothing"
    );
    let all = annotations.lock().unwrap();
    assert_eq!(all.len(), 1);
    let length = all[0]["timeEnd"].as_u64().unwrap() - all[0]["time"].as_u64().unwrap();
    assert_eq!(length, 240_000);
    let tags = [
        "knothole",
        "incident:1bc1de4700c0ffee00c0ffee00c0ffee",
        "class:error",
        "service:cart",
        "kind:sequence",
    ];
    assert_eq!(all[0]["tags"], json!(tags));
}

#[tokio::test]
async fn the_annotation_of_an_incident_that_came_back_has_no_end() {
    let annotations = Annotations::default();
    let kept = Arc::clone(&annotations);
    let stub = Stub::start(move |ask| answer(ask, &kept)).await;
    let house = house(&stub);
    let [first, back, _, last] = life();
    for (revision, event) in (1..).zip([first, last, back]) {
        let Event::Incident(mut event) = event else {
            unreachable!()
        };
        let event = Arc::make_mut(&mut event);
        Arc::make_mut(&mut event.incident).revision = revision;
        house
            .dispatcher
            .offer(&Event::Incident(Arc::new(event.clone())), NOW);
    }
    assert_eq!(house.close().await, []);
    let all = annotations.lock().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["timeEnd"], all[0]["time"]);
}

#[tokio::test]
async fn an_annotation_whose_making_was_not_answered_is_not_made_again() {
    let annotations = Annotations::default();
    let kept = Arc::clone(&annotations);
    let stub = Stub::start(move |ask| {
        let answered = answer(ask, &kept);
        match ask.method == "POST" {
            true => StatusCode::BAD_GATEWAY.into_response(),
            false => answered,
        }
    })
    .await;
    let house = house(&stub);
    house.dispatcher.offer(&life()[0], NOW);
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 1);
    assert_eq!(annotations.lock().unwrap().len(), 1);
}
