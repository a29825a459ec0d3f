//! Alertmanager, API v2: `POST /api/v2/alerts`, with its OpenAPI's fields.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::super::{House, NOW, QUICK};
use super::{ensure, huge, keys, life, opened, quiet};
use crate::core::event::{Event, Gravity, Stage};
use crate::edge::notify::sample;
use crate::edge::outgoing::{Ask, Stub};

/// What it documents, and what its validation asks for besides.
fn judged(ask: &Ask) -> Result<(), String> {
    ensure(
        ask.method == "POST" && ask.uri == "/am/api/v2/alerts",
        "place",
    )?;
    ensure(
        ask.header("content-type") == "application/json",
        "content type",
    )?;
    let alerts = ask.json();
    let alerts = alerts.as_array().ok_or("no list")?;
    for alert in alerts {
        keys(
            alert,
            &["labels"],
            &["annotations", "startsAt", "endsAt", "generatorURL"],
        )?;
        let labels = alert["labels"].as_object().ok_or("no labels")?;
        ensure(labels.contains_key("alertname"), "alertname")?;
        let texts = labels
            .iter()
            .chain(alert["annotations"].as_object().ok_or("annotations")?);
        for (name, value) in texts {
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            ensure(
                is_name && value.as_str().is_some_and(|it| !it.is_empty()),
                name,
            )?;
        }
        let time = |name: &str| {
            alert[name]
                .as_str()
                .and_then(|it| it.parse::<jiff::Timestamp>().ok())
        };
        let (starts, ends) = (
            time("startsAt").ok_or("startsAt")?,
            time("endsAt").ok_or("endsAt")?,
        );
        ensure(starts <= ends, "it ends before it starts")?;
    }
    Ok(())
}

fn answer(ask: &Ask) -> Response {
    match judged(ask) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

fn house(stubs: &[&Stub], more: &str) -> House {
    let urls: Vec<String> = stubs
        .iter()
        .map(|it| format!("'http://{}/am/'", it.address))
        .collect();
    House::new(&format!(
        "[{{type: alertmanager, name: hook, urls: [{}], {QUICK}, {more}}}]",
        urls.join(", ")
    ))
}

fn labels(alert: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(alert["labels"].clone()).unwrap()
}

/// Whether the alert holds after [`NOW`].
fn is_firing(alert: &Value) -> bool {
    let ends: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
    ends.as_nanosecond() > i128::from(NOW.as_nanos())
}

#[tokio::test]
async fn an_alert_is_sent_again_while_it_goes_on_and_resolved_under_the_same_labels() {
    let mut stub = Stub::start(answer).await;
    let house = house(&[&stub], "resend_every: 5ms");
    let [first, second, third, last] = life();
    house.dispatcher.offer(&first, NOW);
    let mut identities = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let alerts = stub.taken().await.json();
        assert!(is_firing(&alerts[0]), "{alerts}");
        identities.insert(labels(&alerts[0]));
    }
    for event in [second, third, last] {
        house.dispatcher.offer(&event, NOW);
    }
    let mut resolved = 0;
    while resolved < 3 {
        let alerts = stub.taken().await.json();
        identities.insert(labels(&alerts[0]));
        resolved += u32::from(!is_firing(&alerts[0]));
    }
    assert_eq!(identities.len(), 1, "{identities:?}");
    let identity = identities.first().unwrap();
    assert_eq!(identity["incident_fingerprint"], "aa3c5b7d11223344");
    assert_eq!(identity["severity"], "error");
    let fixed = ["score", "id", "pod", "revision"];
    assert!(
        fixed.iter().all(|name| !identity.contains_key(*name)),
        "{identity:?}"
    );
}

#[tokio::test]
async fn an_incident_that_becomes_graver_is_another_alert_and_the_first_one_is_resolved() {
    let mut stub = Stub::start(answer).await;
    let house = house(&[&stub], "");
    house.dispatcher.offer(&opened(sample::incident()), NOW);
    stub.taken().await;
    let mut graver = sample::incident();
    graver.severity = Gravity::Critical;
    graver.revision = 2;
    let graver = sample::told(Stage::Updated, graver);
    house
        .dispatcher
        .offer(&Event::Incident(Arc::new(graver)), NOW);
    let alerts = stub.taken().await.json();
    let said: Vec<(Value, bool)> = alerts
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| (alert["labels"]["severity"].clone(), is_firing(alert)))
        .collect();
    assert_eq!(said, [("error".into(), false), ("critical".into(), true)]);
}

#[tokio::test]
async fn every_member_of_a_cluster_gets_an_alert_also_one_that_was_away() {
    let mut first = Stub::start(answer).await;
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let mut second = Stub::start(move |ask| match up.load(Ordering::SeqCst) {
        true => answer(ask),
        false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    })
    .await;
    let house = house(&[&first, &second], "resend_every: 5ms");
    house.dispatcher.offer(&opened(sample::incident()), NOW);
    first.taken().await;
    assert_eq!(second.next().await.1, StatusCode::SERVICE_UNAVAILABLE);
    is_up.store(true, Ordering::SeqCst);
    while !second.next().await.1.is_success() {}
    assert_eq!(house.outcome("delivered"), 1);
}

#[tokio::test]
async fn after_a_restart_what_goes_on_is_sent_again_without_being_told_anew() {
    let mut stub = Stub::start(answer).await;
    // What was there before is sent at once; nobody waits for an hour here.
    let patient = house(&[&stub], "resend_every: 1h");
    patient
        .dispatcher
        .standing(vec![Arc::new(sample::incident())], NOW);
    assert!(is_firing(&stub.taken().await.json()[0]));
    let house = house(&[&stub], "resend_every: 5ms");
    let live = vec![Arc::new(sample::incident()), Arc::new(quiet())];
    house.dispatcher.standing(live, NOW);
    for _ in 0..3 {
        let alerts = stub.taken().await.json();
        assert_eq!(alerts.as_array().unwrap().len(), 1, "the one that pages");
        assert!(is_firing(&alerts[0]));
    }
    let [.., last] = life();
    house.dispatcher.offer(&last, NOW);
    while is_firing(&stub.taken().await.json()[0]) {}
}

#[tokio::test]
async fn the_longest_incident_is_taken_and_so_is_one_from_the_future() {
    let mut stub = Stub::start(answer).await;
    let house = house(&[&stub], "");
    house.dispatcher.offer(&opened(huge()), NOW);
    stub.taken().await;
    let mut odd = sample::incident();
    odd.id = "another".into();
    odd.began = NOW.plus(std::time::Duration::from_secs(400 * 86_400));
    house.dispatcher.offer(&opened(odd), NOW);
    stub.taken().await;
}

#[tokio::test]
async fn one_that_never_answers_keeps_no_other_waiting() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stub = Stub::start(answer).await;
    let house = House::new(&format!(
        "[{{type: alertmanager, name: hook, timeout: 10m, \
         urls: ['http://{}/am/', 'http://{}/am/']}}]",
        silent.local_addr().unwrap(),
        stub.address
    ));
    house.dispatcher.offer(&opened(sample::incident()), NOW);
    assert!(is_firing(&stub.taken().await.json()[0]));
}

#[tokio::test]
async fn what_ended_is_said_again_also_when_settings_were_read_again() {
    let mut stub = Stub::start(answer).await;
    let house = house(&[&stub], "resend_every: 5ms");
    let [first, .., last] = life();
    house.dispatcher.offer(&first, NOW);
    let labelled = labels(&stub.taken().await.json()[0]);
    let next = house.dispatcher.successor(&house.sinks, &house.context);
    let next = next.unwrap();
    next.inherit(house.close().await, NOW);
    // Somebody else turns out to own it.
    let Event::Incident(mut last) = last else {
        unreachable!()
    };
    let told = Arc::make_mut(&mut last);
    Arc::make_mut(&mut told.incident).route.team = Some("stock".into());
    next.offer(&Event::Incident(last), NOW);
    loop {
        let alerts = stub.taken().await.json();
        assert_eq!(labels(&alerts[0]), labelled);
        if !is_firing(&alerts[0]) {
            break;
        }
    }
}
