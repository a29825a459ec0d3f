//! Standard Webhooks with incidents: type, size, and signatures while secrets change.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::super::{House, NOW, QUICK, SECRET};
use super::{huge, life, opened};
use crate::edge::notify::secret::SigningKey;
use crate::edge::outgoing::Stub;

const OLD_SECRET: &str = "whsec_a25vdGhvbGUncyB0ZXN0cyBzaGFyZSB0aGlzIGtleQ==";

#[tokio::test]
async fn while_secrets_change_a_receiver_with_either_one_can_tell_who_sends() {
    let mut stub = Stub::start(|_| StatusCode::NO_CONTENT.into_response()).await;
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old");
    std::fs::write(&old, OLD_SECRET).unwrap();
    let more = format!("{QUICK}, also_secrets: [{{file: '{}'}}]", old.display());
    let house = House::webhook(stub.address, &more);
    house.dispatcher.offer(&life()[0], NOW);
    let ask = stub.taken().await;
    let signatures: Vec<&str> = ask.header("webhook-signature").split(' ').collect();
    let seconds = ask.header("webhook-timestamp").parse().unwrap();
    let expected = [SECRET, OLD_SECRET].map(|secret| {
        let key = SigningKey::decode(secret, "test").unwrap();
        key.sign(ask.header("webhook-id"), seconds, &ask.body)
    });
    assert_eq!(signatures, expected);
    assert_ne!(expected[0], expected[1]);
}

#[tokio::test]
async fn each_stage_has_its_type_and_the_longest_incident_fits_into_20_kb() {
    let mut stub = Stub::start(|_| StatusCode::OK.into_response()).await;
    let house = House::webhook(stub.address, QUICK);
    for event in life() {
        house.dispatcher.offer(&event, NOW);
    }
    for stage in ["opened", "updated", "acknowledged", "resolved"] {
        let body = stub.taken().await.json();
        assert_eq!(body["type"], format!("knothole.incident.{stage}"));
        assert_eq!(body["data"]["stage"], stage);
        assert_eq!(body["data"]["incident"]["fingerprint"], "aa3c5b7d11223344");
    }
    let mut long = huge();
    long.id = "another".into();
    house.dispatcher.offer(&opened(long), NOW);
    let ask = stub.taken().await;
    assert!(ask.body.len() < 20_000, "{} bytes", ask.body.len());
    assert_eq!(ask.json()["data"]["incident"]["truncated"], true);
}
