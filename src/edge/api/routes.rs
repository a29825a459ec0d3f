//! The paths and what they answer.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::util::MapResponseLayer;

use super::{Recent, View};

type Shown = State<Arc<dyn View>>;

const INDEX: &str = "knothole

/livez                    200 while the process runs
/readyz                   200 while records are accepted, else 503 with the reason
/metrics                  counters and gauges, OpenMetrics text
/v1/services              every service: learning, training or active, and how far it is
/v1/anomalies?limit=100   the latest anomalies, newest first
";

/// What Prometheus asks for first.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the api on `listener` until `shutdown`.
///
/// # Errors
/// When the server gives up.
pub async fn serve(
    listener: TcpListener,
    view: Arc<dyn View>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(view))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

pub(super) fn router(view: Arc<dyn View>) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/services", get(services))
        .route("/v1/anomalies", get(anomalies))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(MapResponseLayer::new(careful))
        .with_state(view)
}

async fn readyz(State(view): Shown) -> Response {
    match view.ready() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(view): Shown) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], view.metrics()).into_response()
}

async fn services(State(view): Shown) -> Response {
    Json(json!({ "services": view.services() })).into_response()
}

#[derive(Deserialize)]
struct Page {
    #[serde(default = "Page::usual")]
    limit: usize,
}

impl Page {
    const fn usual() -> usize {
        100
    }
}

async fn anomalies(State(view): Shown, page: Result<Query<Page>, QueryRejection>) -> Response {
    let Ok(Query(page)) = page else {
        let most = Recent::CAPACITY;
        let hint = format!("limit is a number from 0 to {most}, as in /v1/anomalies?limit=100");
        return error(StatusCode::BAD_REQUEST, "this query cannot be read", &hint);
    };
    let anomalies = view.anomalies(page.limit.min(Recent::CAPACITY));
    Json(json!({ "anomalies": anomalies })).into_response()
}

async fn not_found(uri: Uri) -> Response {
    let hint = match uri.path() {
        "/v1/logs" => "logs are taken on the OTLP/HTTP port, 4318 unless configured otherwise",
        _ => "GET / lists what is here",
    };
    error(StatusCode::NOT_FOUND, "there is nothing here", hint)
}

async fn method_not_allowed() -> Response {
    let hint = "use GET, nothing can be changed through this api";
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not allowed here",
        hint,
    )
}

fn error(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(json!({ "error": error, "hint": hint }))).into_response()
}

/// Log text comes out of this port, so a browser must neither guess a type nor run anything.
fn careful(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
