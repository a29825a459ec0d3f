use super::*;
use crate::core::event::{Class, Source};
use crate::core::record::{Change, Severity};

/// The one order that `call_it` leads to.
async fn ordered(call_it: Call) -> Order {
    let world = Arc::new(World::new());
    let reply = call(&world, call_it).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut orders = world.orders();
    assert_eq!(orders.len(), 1);
    orders.remove(0).0
}

async fn changed(call_it: Call) -> Change {
    match ordered(call_it).await {
        Order::Change(change) => change,
        other => panic!("{other:?}"),
    }
}

/// The complaint about `call_it`, which leads to no order.
async fn refused(call_it: Call) -> Reply {
    let world = Arc::new(World::new());
    let reply = call(&world, call_it).await;
    assert!((400..500).contains(&reply.status), "{}", reply.body);
    assert_eq!(world.orders(), []);
    reply
}

#[tokio::test]
async fn what_is_done_about_an_incident_reaches_the_desk_with_its_whole_id() {
    let id: Box<str> = "9f3c".repeat(8).into();
    let note: Option<Box<str>> = Some("on it".into());
    let path = |verb: &str| format!("/v1/incidents/inc_9f3c9f/{verb}");
    let noted = json!({ "note": "on it" });
    assert_eq!(
        ordered(Call::post(&path("acknowledge"), &noted)).await,
        Order::Acknowledge {
            incident: id.clone(),
            note: note.clone()
        }
    );
    assert_eq!(
        ordered(Call::post(&path("resolve"), &noted)).await,
        Order::Resolve {
            incident: id.clone(),
            note
        }
    );
    let mut empty = Call::post(&path("accept"), &json!({}));
    empty.body.clear();
    assert_eq!(
        ordered(empty).await,
        Order::Accept {
            incident: id.clone(),
            note: None
        }
    );
    let done = json!({ "action": "rolled back", "helped": true });
    assert_eq!(
        ordered(Call::post(&path("done"), &done)).await,
        Order::Done {
            incident: id,
            action: "rolled back".into(),
            helped: true
        }
    );
}

#[tokio::test]
async fn feedback_is_about_an_anomaly_or_an_incident_that_is_there() {
    let judged = |subject: Value| {
        let mut body = json!({ "verdict": "false_positive", "note": "a test" });
        body.as_object_mut()
            .unwrap()
            .extend(subject.as_object().unwrap().clone());
        Call::post("/v1/feedback", &body)
    };
    let Order::Feedback(feedback) = ordered(judged(json!({ "anomaly": "444444" }))).await else {
        panic!("no feedback");
    };
    assert_eq!(feedback.subject, Subject::Anomaly("4".repeat(32).into()));
    assert_eq!(feedback.verdict, FeedbackVerdict::FalsePositive);
    let Order::Feedback(feedback) = ordered(judged(json!({ "incident": "9f3c9f" }))).await else {
        panic!("no feedback");
    };
    assert_eq!(feedback.subject, Subject::Incident("9f3c".repeat(8).into()));
    for (wrong, status) in [
        (json!({}), 400),
        (json!({ "anomaly": "444444", "incident": "9f3c9f" }), 400),
        (json!({ "incident": "123456" }), 404),
    ] {
        assert_eq!(
            refused(judged(wrong.clone())).await.status,
            status,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn silences_pass_as_they_are_and_end_by_their_id() {
    let silence = json!({ "matchers": ["service=cart"], "reason": "load test" });
    let order = ordered(Call::post("/v1/silences", &silence)).await;
    assert_eq!(order, Order::Silence(silence));
    let order = ordered(Call::new("DELETE", "/v1/silences/s1")).await;
    assert_eq!(order, Order::EndSilence { id: "s1".into() });
    refused(Call::post("/v1/silences", &json!([]))).await;
}

#[tokio::test]
async fn what_is_not_known_is_refused_and_what_would_do_is_said() {
    let ack = "/v1/incidents/9f3c9f/acknowledge";
    let reply = refused(Call::post(ack, &json!({ "notes": "x" }))).await;
    assert!(
        reply.error().contains("unknown field `notes`"),
        "{}",
        reply.body
    );
    assert!(reply.hint().contains("note"), "{}", reply.body);
    for (path, body) in [
        (ack, json!({ "note": 7 })),
        (ack, json!({ "note": "x".repeat(4_001) })),
        ("/v1/incidents/9f3c9f/done", json!({ "action": "x" })),
        (
            "/v1/incidents/9f3c9f/done",
            json!({ "action": " ", "helped": false }),
        ),
        (
            "/v1/feedback",
            json!({ "incident": "9f3c9f", "verdict": "wrong" }),
        ),
        ("/v1/changes", json!({ "service": "cart", "versoin": "1" })),
        ("/v1/changes", json!({ "version": "1" })),
        (
            "/v1/changes",
            json!({ "service": "cart", "at": "yesterday" }),
        ),
        (
            "/v1/changes",
            json!({ "service": "cart", "url": "javascript:alert(1)" }),
        ),
        (
            "/v1/changes",
            json!({ "service": "cart", "url": "https://a b" }),
        ),
        ("/v1/changes", json!({ "service": "x".repeat(1_001) })),
        ("/v1/changes", json!([1])),
        ("/v1/alerts", json!({ "version": "3", "alerts": [] })),
        ("/v1/alerts", json!({ "alerts": [] })),
    ] {
        let reply = refused(Call::post(path, &body)).await;
        assert_eq!(reply.status, 400, "{path} {body}");
        assert!(!reply.hint().is_empty(), "{path} {body}");
    }
    let mut broken = Call::post(ack, &json!({}));
    broken.body = b"{\"note\": \"x".to_vec();
    assert_eq!(refused(broken).await.status, 400);
    let mut deep = Call::post("/v1/silences", &json!({}));
    deep.body = b"[".repeat(60_000);
    assert_eq!(refused(deep).await.status, 400);
}

#[tokio::test]
async fn a_body_has_only_so_many_bytes() {
    let mut long = Call::post("/v1/silences", &json!({}));
    let fits = super::super::changing::BODY_BYTES_MAX - 2;
    long.body = format!("{{{}}}", " ".repeat(fits)).into();
    ordered(long).await;
    let mut longer = Call::post("/v1/silences", &json!({}));
    longer.body = format!("{{{}}}", " ".repeat(fits + 1)).into();
    assert_eq!(refused(longer).await.status, 413);
}

/// As a storm makes it: Alertmanager sends a group of alerts in one request, and not again if that is
/// refused.
#[tokio::test]
async fn as_many_alerts_as_are_taken_at_once_fit_into_a_body() {
    let alert = |number: usize| {
        let about = format!(
            "{number} of the nodes behind it does not answer; {}",
            "see ".repeat(200)
        );
        json!({
            "status": "firing", "startsAt": "2026-08-01T02:51:07Z", "endsAt": "0001-01-01T00:00:00Z",
            "labels": { "alertname": "HighErrorRate", "service": format!("service-{number}") },
            "annotations": { "summary": about, "runbook": "https://runbooks.example.net/errors" },
        })
    };
    let alerts: Vec<Value> = (0..Order::ALERTS_MAX).map(alert).collect();
    let storm = json!({ "version": "4", "alerts": alerts });
    let Order::Alerts(taken) = ordered(Call::post("/v1/alerts", &storm)).await else {
        panic!("alerts");
    };
    assert_eq!(taken.len(), Order::ALERTS_MAX);
}

#[tokio::test]
async fn why_the_desk_refuses_is_told_with_a_status_that_says_whether_to_come_again() {
    for (refusal, status) in [
        (Refusal::Unknown("silence"), 404),
        (Refusal::Conflict("it is over already".to_owned()), 409),
        (Refusal::Invalid("no matcher".to_owned()), 400),
        (Refusal::Busy("it starts".to_owned()), 503),
    ] {
        let told = refusal.to_string();
        let world = Arc::new(World {
            refuses: Some(refusal),
            ..World::new()
        });
        let post = Call::post("/v1/incidents/9f3c9f/resolve", &json!({}));
        let reply = call(&world, post).await;
        assert_eq!((reply.status, reply.error()), (status, told));
        assert_eq!(reply.headers.contains_key("retry-after"), status == 503);
    }
}

#[tokio::test]
async fn a_change_is_told_in_a_few_fields() {
    let full = json!({
        "service": "checkout", "env": "prod", "namespace": "shop", "version": "2.9.7",
        "at": "2026-08-01T02:49:55Z", "ref": "a1b2c3", "url": "https://ci.example.net/71",
    });
    let change = changed(Call::post("/v1/changes", &full)).await;
    assert_eq!(change.stream, sample::stream("checkout"));
    assert_eq!(change.to.as_deref(), Some("2.9.7"));
    assert_eq!(change.at, Timestamp::from_millis(1_785_552_595_000));
    assert_eq!(change.reference.as_deref(), Some("a1b2c3"));
    let again = changed(Call::post("/v1/changes", &full)).await;
    assert_eq!(again.id, change.id, "sent again it is the same");
    let mut other = full.clone();
    other["version"] = json!("2.9.8");
    let other = changed(Call::post("/v1/changes", &other)).await;
    assert_ne!(other.id, change.id);
    let short = changed(Call::post("/v1/changes", &json!({ "service": "cart" }))).await;
    assert_eq!((short.at, short.to), (NOW, None));
    let named = json!({ "service": "cart", "id": "run-71" });
    let first = changed(Call::post("/v1/changes", &named)).await;
    let mut later = named.clone();
    later["at"] = json!("2026-08-01T02:49:55Z");
    assert_eq!(
        changed(Call::post("/v1/changes", &later)).await.id,
        first.id
    );
}

#[tokio::test]
async fn a_cloud_event_is_a_change_in_either_mode_and_the_same_one() {
    let data = json!({ "version": "2.9.7" });
    let mut whole = Call::post(
        "/v1/changes",
        &json!({
            "specversion": "1.0", "id": "71", "source": "/ci/shop", "type": "net.example.deployed",
            "subject": "größe", "time": "2026-08-01T02:49:55Z", "anyextension": "x", "data": data,
        }),
    );
    whole = whole.with(
        "content-type",
        "application/cloudevents+json; charset=utf-8",
    );
    let structured = changed(whole).await;
    let binary = Call::post("/v1/changes", &data)
        .with("ce-specversion", "1.0")
        .with("ce-id", "71")
        .with("ce-source", "/ci/shop")
        .with("ce-type", "net.example.deployed")
        .with("ce-subject", "gr%C3%B6%C3%9Fe")
        .with("ce-time", "2026-08-01T02:49:55Z");
    assert_eq!(changed(binary).await, structured);
    assert_eq!(&*structured.stream.name, "größe");
    assert_eq!(structured.at, Timestamp::from_millis(1_785_552_595_000));
    let nameless = Call::post("/v1/changes", &data).with("ce-specversion", "1.0");
    assert!(refused(nameless).await.error().contains("ce-id"));
}

fn cd_event(kind: &str) -> Value {
    json!({
        "context": {
            "version": "0.4.1", "id": "e-71", "source": "/ci/shop", "type": kind,
            "timestamp": "2026-08-01T02:49:55Z",
        },
        "subject": {
            "id": "service/checkout", "source": "/cluster", "type": "service",
            "content": {
                "environment": { "id": "prod" },
                "artifactId": "pkg:oci/checkout@sha256%3Aabcd?repository_url=r.example.net&tag=2.9.7",
            },
        },
    })
}

#[tokio::test]
async fn a_cd_event_of_a_service_is_a_change_alone_or_in_a_cloud_event() {
    let kind = "dev.cdevents.service.deployed.0.1.1";
    let alone = changed(Call::post("/v1/changes", &cd_event(kind))).await;
    assert_eq!(&*alone.stream.name, "checkout");
    assert_eq!(&*alone.stream.environment, "prod");
    assert_eq!(alone.to.as_deref(), Some("2.9.7"));
    let mut wrapped = Call::post("/v1/changes", &cd_event(kind));
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "e-71"),
        ("ce-source", "/ci/shop"),
        ("ce-type", kind),
    ] {
        wrapped = wrapped.with(name, value);
    }
    assert_eq!(changed(wrapped).await, alone);
}

#[tokio::test]
async fn what_else_a_bus_sends_is_taken_and_left_alone() {
    let world = Arc::new(World::new());
    for kind in [
        "dev.cdevents.build.finished.0.2.0",
        "dev.cdevents.service.published.0.1.1",
    ] {
        let post = Call::post("/v1/changes", &cd_event(kind));
        let reply = call(&world, post).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
        assert!(reply.json()["ignored"].as_str().unwrap().contains(kind));
    }
    assert_eq!(world.orders(), []);
}

/// What Alertmanager's webhook sends.
fn webhook(labels: &[(&str, &str)], status: &str) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({
        "receiver": "knothole", "status": status, "version": "4", "groupKey": "{}:{}",
        "truncatedAlerts": 0, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "alerts": [{
            "status": status, "labels": labels,
            "annotations": { "summary": "p99 of checkout is 6 s" },
            "startsAt": "2026-08-01T02:52:00Z",
            "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-08-01T03:02:00Z" },
            "generatorURL": "http://prometheus.example/graph", "fingerprint": "c6eadffa33fcdf37",
        }],
    })
}

async fn alerted(body: &Value) -> Alert {
    match ordered(Call::post("/v1/alerts", body)).await {
        Order::Alerts(mut alerts) if alerts.len() == 1 => alerts.remove(0),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_alert_is_a_sign_of_its_service_and_the_same_one_until_it_ends() {
    let labels = [
        ("alertname", "HighLatency"),
        ("service", "checkout"),
        ("namespace", "shop"),
        ("env", "prod"),
        ("severity", "critical"),
        ("pod", "checkout-1"),
    ];
    let firing = alerted(&webhook(&labels, "firing")).await;
    let sign = &firing.sign;
    assert_eq!(sign.source, Source::Alert);
    assert_eq!(sign.stream, sample::stream("checkout"));
    assert_eq!((&*sign.kind, sign.class), ("HighLatency", Class::Latency));
    assert_eq!(sign.severity, Severity::Fatal);
    assert_eq!(&*sign.says, "p99 of checkout is 6 s");
    assert_eq!(sign.resource.get("pod"), Some("checkout-1"));
    assert_eq!((sign.id.len(), sign.fingerprint.len()), (32, 16));
    assert!(!firing.is_over);
    let over = alerted(&webhook(&labels, "resolved")).await;
    assert!(over.is_over);
    assert_eq!(over.sign.id, sign.id);
    assert!(over.sign.last_seen > sign.last_seen);
    let mut other = labels;
    other[5].1 = "checkout-2";
    let other = alerted(&webhook(&other, "firing")).await;
    assert_ne!(other.sign.fingerprint, sign.fingerprint);
}

#[tokio::test]
async fn what_an_alert_is_about_is_read_from_its_labels() {
    let class_of = async |labels: &[(&str, &str)]| {
        let named: Vec<_> = labels.iter().chain(&[("job", "cart")]).copied().collect();
        alerted(&webhook(&named, "firing")).await.sign
    };
    for (labels, class) in [
        (&[("alertname", "TargetDown")] as &[_], Class::Availability),
        (
            &[("alertname", "NodeFilesystemAlmostFull")],
            Class::Saturation,
        ),
        (&[("alertname", "TooManyErrors")], Class::Error),
        (&[("alertname", "X"), ("class", "latency")], Class::Latency),
        (&[], Class::Error),
    ] {
        assert_eq!(class_of(labels).await.class, class, "{labels:?}");
    }
    assert_eq!(
        class_of(&[("severity", "odd")]).await.severity,
        Severity::Warn
    );
}

#[tokio::test]
async fn alerts_of_nobody_and_our_own_are_taken_and_left_alone() {
    let world = Arc::new(World::new());
    for labels in [
        &[("alertname", "Watchdog")] as &[_],
        &[("alertname", "x"), ("service", "")],
        &[("service", "cart"), ("incident_fingerprint", "9f3c")],
    ] {
        let post = Call::post("/v1/alerts", &webhook(labels, "firing"));
        let reply = call(&world, post).await;
        assert_eq!(reply.json(), json!({ "taken": 0 }), "{labels:?}");
    }
    assert_eq!(world.orders(), []);
}
