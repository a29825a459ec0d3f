//! Events.

use super::*;
use crate::edge::kube::{KubeError, Noted};

const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";

fn noted() -> Noted {
    Noted {
        id: ID.into(),
        object: object("Deployment", "cart", 3),
        action: "RestartWorkload".into(),
        reason: "ActionDone".into(),
        note: "restarted on account of incident 7".into(),
        is_warning: false,
        at: START,
    }
}

#[tokio::test]
async fn a_note_is_an_event_on_the_object_that_names_the_action() {
    let lab = Lab::new(|_| Some(Say::Json(201, json!({})))).await;
    lab.kube.note(&noted()).await.unwrap();
    let [asked] = &lab.stub.asked()[..] else {
        panic!("one request")
    };
    assert_eq!(asked.line(), format!("POST {EVENTS}"));
    assert_eq!(
        asked.json(),
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": format!("knothole-{ID}-actiondone"),
                "namespace": "shop",
                "annotations": {
                    "knothole.dev/action-id": ID,
                    "knothole.dev/instance": "knothole",
                },
            },
            "eventTime": "2026-11-18T11:06:40.000000Z",
            "reportingController": "knothole.dev/knothole",
            "reportingInstance": "knothole",
            "action": "RestartWorkload",
            "reason": "ActionDone",
            "type": "Normal",
            "note": "restarted on account of incident 7",
            "regarding": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "namespace": "shop",
                "name": "cart",
                "uid": "uid-cart",
            },
        })
    );
}

#[tokio::test]
async fn a_long_note_is_cut_and_a_warning_is_one() {
    let lab = Lab::new(|_| Some(Say::Json(201, json!({})))).await;
    let long = Noted {
        note: format!("\u{1b}{}", "é".repeat(5_000)).into(),
        is_warning: true,
        ..noted()
    };
    lab.kube.note(&long).await.unwrap();
    let event = lab.stub.asked()[0].json();
    let note = event["note"].as_str().unwrap();
    assert!(
        note.len() <= 1024 && note.starts_with("\\u{1b}é"),
        "{}",
        note.len()
    );
    assert_eq!(event["type"], "Warning");
}

#[tokio::test]
async fn what_was_noted_before_is_noted() {
    let lab = Lab::new(|_| Some(Say::Json(409, Value::Null))).await;
    lab.kube.note(&noted()).await.unwrap();
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let lab = Lab::new(|_| Some(Say::Json(403, Value::Null))).await;
    let error = lab.kube.note(&noted()).await.unwrap_err();
    assert!(matches!(error, KubeError::Forbidden { .. }));
    let said = error.to_string();
    assert!(
        said.starts_with("may not create events.events.k8s.io in namespace shop: 403"),
        "{said}"
    );
}
