//! CloudEvents 1.0 and its HTTP binding.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::super::{House, NOW, QUICK};
use super::{ensure, huge, life, opened};
use crate::edge::notify::sample;
use crate::edge::outgoing::{Ask, Stub};

/// The event in a request of any content mode.
fn events(ask: &Ask) -> Result<Vec<Value>, String> {
    let own = |name: &str| name.strip_prefix("ce-").map(str::to_owned);
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).map_err(|e| e.to_string());
    match ask.header("content-type") {
        "application/cloudevents+json" => Ok(vec![read(&ask.body)?]),
        "application/cloudevents-batch+json" => {
            let list = read(&ask.body)?;
            Ok(list.as_array().ok_or("no list")?.clone())
        }
        content_type => {
            ensure(
                !ask.headers.contains_key("ce-datacontenttype"),
                "ce-datacontenttype",
            )?;
            let mut event = Map::new();
            for (name, value) in &ask.headers {
                if let Some(name) = own(name.as_str()) {
                    let value = value.to_str().map_err(|e| e.to_string())?;
                    ensure(
                        value.chars().all(|c| ('!'..='~').contains(&c) && c != '"'),
                        "a header",
                    )?;
                    let value = percent_decode_str(value)
                        .decode_utf8()
                        .map_err(|e| e.to_string())?;
                    let number = value
                        .parse::<i64>()
                        .ok()
                        .filter(|_| name == "severitynumber");
                    event.insert(name, number.map_or(Value::from(value), Value::from));
                }
            }
            event.insert("datacontenttype".to_owned(), content_type.into());
            event.insert("data".to_owned(), read(&ask.body)?);
            Ok(vec![event.into()])
        }
    }
}

/// What the specification asks for.
fn judged(event: &Value) -> Result<(), String> {
    let attributes = event.as_object().ok_or("no object")?;
    for name in ["id", "source", "specversion", "type"] {
        let is_there = event[name].as_str().is_some_and(|value| !value.is_empty());
        ensure(is_there, name)?;
    }
    ensure(event["specversion"] == "1.0", "specversion")?;
    let is_name = |name: &String| {
        let chars = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        chars && (1..=20).contains(&name.len())
    };
    ensure(attributes.keys().all(is_name), "a name")?;
    let time = event["time"].as_str().ok_or("no time")?;
    ensure(time.parse::<jiff::Timestamp>().is_ok(), "time")?;
    ensure(
        event["subject"].as_str().is_none_or(|it| !it.is_empty()),
        "subject",
    )?;
    ensure(event.to_string().len() <= 64 * 1024, "more than 64 KiB")
}

fn answer(ask: &Ask) -> Response {
    let good = events(ask).and_then(|events| events.iter().try_for_each(judged));
    match good {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

fn house(stub: &Stub, mode: &str) -> House {
    House::new(&format!(
        "[{{type: cloudevents, name: hook, url: 'http://{}/', mode: {mode}, {QUICK}}}]",
        stub.address
    ))
}

#[tokio::test]
async fn an_event_is_the_same_in_every_mode() {
    let mut all = Vec::new();
    for mode in ["binary", "structured", "batch"] {
        let mut stub = Stub::start(answer).await;
        let house = house(&stub, mode);
        house.dispatcher.offer(&life()[0], NOW);
        all.extend(events(&stub.taken().await).unwrap());
    }
    assert_eq!(all.len(), 3);
    assert_eq!((&all[0], &all[1]), (&all[1], &all[2]));
    let event = &all[0];
    assert_eq!(event["type"], "dev.knothole.incident.opened.v1");
    assert_eq!(event["source"], "/knothole/instance/9f3c");
    assert_eq!(event["subject"], "prod/shop/cart");
    assert_eq!(event["correlationid"], "1bc1de4700c0ffee00c0ffee00c0ffee");
    assert_eq!(event["severitynumber"], 17);
    assert_eq!(event["data"]["incident"]["severity"], "error");
}

#[tokio::test]
async fn a_batch_holds_what_has_gathered_and_a_proposal_says_until_when_it_holds() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub, "batch");
    for n in 0..20 {
        let mut anomaly = sample::anomaly();
        anomaly.fingerprint = format!("{n:016x}").into();
        house
            .dispatcher
            .offer(&crate::core::event::Event::Anomaly(anomaly.into()), NOW);
    }
    let proposal = sample::proposed();
    house.dispatcher.offer(&proposal, NOW);
    let mut got = Vec::new();
    while got.len() < 21 {
        got.extend(events(&stub.taken().await).unwrap());
    }
    let last = got.last().unwrap();
    assert_eq!(last["type"], "dev.knothole.action.proposed.v1");
    assert_eq!(last["expirytime"], "2025-11-21T04:55:01.000000000Z");
    assert_eq!(last["causationid"], sample::anomaly().id.as_ref());
    assert_eq!(house.close().await, []);
}

#[tokio::test]
async fn the_longest_incident_fits_into_64_kib() {
    for mode in ["binary", "structured", "batch"] {
        let mut stub = Stub::start(answer).await;
        let house = house(&stub, mode);
        house.dispatcher.offer(&opened(huge()), NOW);
        let event = &events(&stub.taken().await).unwrap()[0];
        assert_eq!(event["data"]["incident"]["truncated"], true);
    }
}
