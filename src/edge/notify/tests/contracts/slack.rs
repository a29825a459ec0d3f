//! An incoming webhook of Slack with Block Kit.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::super::{House, NOW, QUICK};
use super::{ensure, huge, keys, life, opened, quiet, text};
use crate::core::event::{Digest, Event};
use crate::edge::notify::sample;
use crate::edge::outgoing::{Ask, Stub};

/// What Slack documents.
fn judged(ask: &Ask) -> Result<(), String> {
    ensure(
        ask.method == "POST" && ask.uri == "/services/T0/B0/hunter2",
        "place",
    )?;
    ensure(
        ask.header("content-type").starts_with("application/json"),
        "content type",
    )?;
    let message = ask.json();
    keys(
        &message,
        &["text", "blocks"],
        &["unfurl_links", "unfurl_media"],
    )?;
    inert(text(&message["text"], 40_000)?)?;
    let blocks = message["blocks"].as_array().ok_or("no blocks")?;
    ensure((1..=50).contains(&blocks.len()), "number of blocks")?;
    blocks.iter().try_for_each(block)
}

fn block(block: &Value) -> Result<(), String> {
    match block["type"].as_str() {
        Some("header") => {
            keys(block, &["type", "text"], &[])?;
            plain(&block["text"], 150)
        }
        Some("section") => {
            keys(block, &["type", "text"], &[])?;
            match block["text"]["type"].as_str() {
                Some("mrkdwn") => mrkdwn(&block["text"]),
                _ => plain(&block["text"], 3000),
            }
        }
        Some("context") => {
            keys(block, &["type", "elements"], &[])?;
            let elements = block["elements"].as_array().ok_or("no elements")?;
            ensure((1..=10).contains(&elements.len()), "number of elements")?;
            elements.iter().try_for_each(|element| plain(element, 3000))
        }
        Some("actions") => {
            keys(block, &["type", "elements"], &[])?;
            let button = &block["elements"][0];
            keys(button, &["type", "text", "url"], &["action_id"])?;
            text(&button["url"], 3000)?;
            plain(&button["text"], 75)
        }
        other => Err(format!("{other:?} is no block")),
    }
}

fn plain(object: &Value, units_max: usize) -> Result<(), String> {
    keys(object, &["type", "text"], &["emoji"])?;
    ensure(object["type"] == "plain_text", "plain text")?;
    inert(text(&object["text"], units_max)?)
}

fn mrkdwn(object: &Value) -> Result<(), String> {
    keys(object, &["type", "text"], &["verbatim"])?;
    let said = text(&object["text"], 3000)?;
    ensure(object["verbatim"] == true, "links are looked for")?;
    let inner = said
        .strip_prefix("```\n")
        .and_then(|rest| rest.strip_suffix("\n```"));
    ensure(
        !inner.ok_or("no fence")?.contains('`'),
        "the fence ends early",
    )?;
    inert(said)
}

/// Slack has three characters that mean something everywhere.
fn inert(text: &str) -> Result<(), String> {
    let is_escaped = |rest: &str| {
        ["&amp;", "&lt;", "&gt;"]
            .iter()
            .any(|it| rest.starts_with(it))
    };
    let mut ands = text.match_indices('&');
    ensure(ands.all(|(at, _)| is_escaped(&text[at..])), "a bare &")?;
    ensure(!text.contains(['<', '>']), "a bare < or >")
}

fn answer(ask: &Ask) -> Response {
    match judged(ask) {
        Ok(()) => (StatusCode::OK, "ok").into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, format!("invalid_blocks: {why}")).into_response(),
    }
}

fn house(stub: &Stub) -> House {
    let yaml = format!(
        "[{{type: slack, name: hook, {QUICK}, url: {{file: SECRET}}, \
         incident_url: 'https://knothole.example.net/incidents/'}}]"
    );
    House::with_secret(
        &yaml,
        &format!("http://{}/services/T0/B0/hunter2", stub.address),
    )
}

#[tokio::test]
async fn an_incident_and_its_end_are_messages_that_slack_takes() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    let [first, .., last] = life();
    let began = std::time::Instant::now();
    house.dispatcher.offer(&first, NOW);
    house.dispatcher.offer(&last, NOW);
    let opened = stub.taken().await.json();
    assert!(
        opened["text"]
            .as_str()
            .unwrap()
            .starts_with("🔴 cart: payment retry 3")
    );
    let said = opened.to_string();
    assert!(
        said.contains("payment retry 3") && said.contains("2.9.6 → 2.9.7"),
        "{said}"
    );
    let resolved = stub.taken().await.json();
    assert!(
        resolved["text"]
            .as_str()
            .unwrap()
            .starts_with("✅ Resolved cart: ")
    );
    // One in a second.
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
}

#[tokio::test]
async fn the_longest_incident_and_the_longest_digest_are_taken() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    house.dispatcher.offer(&opened(huge()), NOW);
    stub.taken().await;
    let long = Arc::new(huge());
    let digest = Digest {
        team: Some("<!channel> *t*".into()),
        incidents: vec![long; Digest::INCIDENTS_MAX],
        incident_count: 500,
        ..sample::digest()
    };
    house
        .dispatcher
        .offer(&Event::Digest(Arc::new(digest)), NOW);
    let blocks = stub.taken().await.json()["blocks"].clone();
    let last = blocks.as_array().unwrap().last().unwrap()["elements"][0]["text"].clone();
    assert_eq!(last, "and 453 more");
}

#[tokio::test]
async fn what_does_not_page_is_left_to_the_digest() {
    let mut stub = Stub::start(answer).await;
    let house = house(&stub);
    house.dispatcher.offer(&opened(quiet()), NOW);
    house
        .dispatcher
        .offer(&Event::Digest(Arc::new(sample::digest())), NOW);
    let said = stub.taken().await.json();
    let text = said["text"].as_str().unwrap();
    assert!(
        text.contains("3 incidents of payments woke nobody; 2 of 5 pages used"),
        "{text}"
    );
    assert_eq!(house.close().await, []);
    assert!(stub.is_quiet());
}

#[tokio::test]
async fn the_address_is_a_secret_that_no_error_shows() {
    let yaml = "[{type: slack, name: hook, url: {file: SECRET}}]";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    for secret in ["hunter2 is no address", "http://169.254.169.254/hunter2"] {
        std::fs::write(&path, secret).unwrap();
        let yaml = yaml.replace("SECRET", path.to_str().unwrap());
        let sinks: Vec<crate::edge::notify::SinkConfig> = serde_saphyr::from_str(&yaml).unwrap();
        let context = crate::edge::notify::Context {
            instance_id: "9f3c".into(),
            clock: Arc::new(|| NOW),
            is_stopped: Arc::new(|| false),
            metrics: crate::edge::notify::Metrics::default(),
            keeping: Arc::new(super::super::Kept::default()),
            egress: crate::edge::outgoing::Egress::default(),
        };
        let started = crate::edge::notify::Dispatcher::start(&sinks, &context);
        let error = started.err().expect("refused").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
