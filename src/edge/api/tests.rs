use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use tokio_util::sync::CancellationToken;

use super::routes::{Served, router};
use super::*;

struct Shown {
    ready: Result<(), String>,
    recent: Recent,
}

impl View for Shown {
    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn services(&self) -> Vec<ServiceView> {
        vec![ServiceView {
            environment: "prod".into(),
            namespace: "shop".into(),
            name: "cart".into(),
            state: ServiceState::Learning,
            records: 12_410,
            templates: 61,
            new_template_chance: 0.021,
            overflow: 3,
            template_signs: vec!["mostly_rare"],
            quarantined_until: Some("2026-11-21T08:00:00Z".into()),
            sequences: 7,
            model: None,
        }]
    }

    fn anomalies(&self, limit: usize) -> Vec<Value> {
        self.recent.newest(limit)
    }

    fn metrics(&self) -> String {
        open_metrics(&prometheus_client::registry::Registry::default())
    }
}

fn shown(ready: Result<(), String>) -> Arc<Shown> {
    let recent = Recent::new(3);
    for id in 1..=5 {
        recent.push(json!({ "id": id }));
    }
    Arc::new(Shown { ready, recent })
}

async fn call(view: Arc<Shown>, method: &str, path: &str) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:8080")
        .body(Body::empty())
        .unwrap();
    let view: Arc<dyn View> = view;
    let served = Served::new(Api::from(view), true, CancellationToken::new());
    let answer = router(served).oneshot(request).await.unwrap();
    assert_eq!(
        answer.headers()["x-content-type-options"],
        "nosniff",
        "{path}"
    );
    let status = answer.status();
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, kind, String::from_utf8(body.into()).unwrap())
}

async fn json_of(path: &str) -> (StatusCode, Value) {
    let (status, kind, body) = call(shown(Ok(())), "GET", path).await;
    assert_eq!(kind, "application/json", "{path}");
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn it_is_alive_while_it_runs_and_ready_while_it_accepts() {
    let stopping = || shown(Err("stopping".to_owned()));
    assert_eq!(call(stopping(), "GET", "/livez").await.0, 200);
    let (status, _, body) = call(stopping(), "GET", "/readyz").await;
    assert_eq!((status.as_u16(), body.as_str()), (503, "stopping\n"));
    assert_eq!(call(shown(Ok(())), "GET", "/readyz").await.0, 200);
}

#[tokio::test]
async fn services_tell_how_far_they_are() {
    let (status, body) = json_of("/v1/services").await;
    assert_eq!(status, 200);
    let service = &body["services"][0];
    assert_eq!(service["state"], "learning");
    assert_eq!(service["new_template_chance"], 0.021);
    assert_eq!(service["model"], Value::Null);
    assert_eq!(service["overflow"], 3);
    assert_eq!(service["template_signs"], json!(["mostly_rare"]));
    assert_eq!(service["quarantined_until"], "2026-11-21T08:00:00Z");
}

#[tokio::test]
async fn anomalies_come_newest_first_and_the_ring_forgets_the_oldest() {
    let ids = |body: &Value| body["anomalies"].clone();
    let all = json!([{ "id": 5 }, { "id": 4 }, { "id": 3 }]);
    assert_eq!(ids(&json_of("/v1/anomalies").await.1), all);
    assert_eq!(
        ids(&json_of("/v1/anomalies?limit=1").await.1),
        json!([{ "id": 5 }])
    );
    assert_eq!(
        ids(&json_of("/v1/anomalies?limit=999999999999").await.1),
        all
    );
    let (status, body) = json_of("/v1/anomalies?limit=many").await;
    assert_eq!(status, 400);
    assert!(
        body["hint"].as_str().unwrap().contains("limit=100"),
        "{body}"
    );
}

#[tokio::test]
async fn metrics_are_open_metrics_to_the_end() {
    let (status, kind, body) = call(shown(Ok(())), "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn what_is_not_there_says_where_to_look() {
    let (status, body) = json_of("/v1/nothing").await;
    assert_eq!(status, 404);
    assert!(body["hint"].as_str().unwrap().contains("GET /"), "{body}");
    let (_, body) = json_of("/v1/logs").await;
    assert!(body["hint"].as_str().unwrap().contains("4318"), "{body}");
    assert_eq!(call(shown(Ok(())), "POST", "/v1/services").await.0, 405);
}

#[tokio::test]
async fn the_index_lists_every_path() {
    let (_, kind, body) = call(shown(Ok(())), "GET", "/").await;
    assert!(kind.starts_with("text/plain"), "{kind}");
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/v1/services",
        "/v1/anomalies",
    ] {
        assert!(body.contains(path), "{path}");
        assert_eq!(call(shown(Ok(())), "GET", path).await.0, 200, "{path}");
    }
}
