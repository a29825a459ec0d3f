//! OTLP/HTTP, protobuf and JSON on one port.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, State};
use axum::response::Response;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::MapResponseLayer;

use super::receiver::Failure;
use super::wire::Packing;
use super::{ConvertSettings, Encoding, Intake, Receiver, ServeError, Signal, decode};

/// Serves OTLP/HTTP on `listener` until `shutdown`, then finishes the requests that are running.
/// HTTP/1.1 and HTTP/2; bodies plain, gzip or zstd.
///
/// # Errors
/// [`ServeError::Http`] when the server gives up.
pub async fn serve_http<I: Intake>(
    listener: TcpListener,
    receiver: Receiver<I>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    // Without this a small answer may wait for the sender's delayed acknowledgement.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "A connection keeps its delay.");
        }
    });
    let router = router(receiver.clone());
    let stop = shutdown.cancelled_owned();
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await?;
    receiver.finish().await;
    Ok(())
}

fn router<I: Intake>(receiver: Receiver<I>) -> Router {
    let metrics = receiver.metrics.clone();
    let room = receiver.room.clone();
    let request_bytes_max = receiver.settings.request_bytes_max;
    Router::new()
        .route("/v1/logs", post(logs::<I>))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(request_bytes_max))
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(room))
        .layer(MapResponseLayer::new(move |response: Response| {
            metrics.answered("http", response.status().as_u16());
            response
        }))
        .with_state(receiver)
}

async fn logs<I: Intake>(State(receiver): State<Receiver<I>>, request: Request<Body>) -> Response {
    let encoding = Encoding::of(request.headers());
    match take(&receiver, encoding, request).await {
        Ok(answer) => answer,
        Err(failure) => refuse(encoding.unwrap_or(Encoding::Json), &failure),
    }
}

async fn take<I: Intake>(
    receiver: &Receiver<I>,
    encoding: Option<Encoding>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let unsupported = || {
        let accepted = "send application/x-protobuf or application/json as Content-Type";
        Failure::Unsupported(accepted.to_owned())
    };
    let encoding = encoding.ok_or_else(unsupported)?;
    let packing = Packing::of(request.headers())?;
    let settings = &receiver.settings;
    let limit = settings.request_bytes_max;
    let read = Bytes::from_request(request, &());
    let sent = tokio::time::timeout(settings.request_timeout, read)
        .await
        .map_err(|_| Failure::TooSlow)?
        .map_err(|error| unreadable(&error, limit))?;
    let decode = move |settings: &ConvertSettings| {
        let body = packing.unpack(&sent, limit)?;
        Ok(decode(Signal::Logs, encoding, &body, settings)?)
    };
    let answer = receiver.take(decode).await?;
    Ok(reply(StatusCode::OK, encoding, encoding.encode(&answer)))
}

fn unreadable(rejection: &BytesRejection, limit: usize) -> Failure {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::TooLarge {
            limit,
            size: "as sent",
        };
    }
    Failure::Undecodable(format!(
        "the body could not be read: {}",
        rejection.body_text()
    ))
}

async fn not_found(request: Request<Body>) -> Response {
    let message = match request.uri().path() {
        "/v1/traces" | "/v1/metrics" => "knothole takes logs only, by POST on /v1/logs",
        _ => "there is nothing here, logs are taken by POST on /v1/logs",
    };
    let encoding = Encoding::of(request.headers()).unwrap_or(Encoding::Json);
    error(StatusCode::NOT_FOUND, encoding, (Code::NotFound, message))
}

async fn method_not_allowed(headers: HeaderMap) -> Response {
    let encoding = Encoding::of(&headers).unwrap_or(Encoding::Json);
    let status = (Code::Unimplemented, "logs are taken by POST");
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, encoding, status);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

fn refuse(encoding: Encoding, failure: &Failure) -> Response {
    let (http, grpc) = match failure {
        Failure::Undecodable(_) | Failure::Malformed(_) => {
            (StatusCode::BAD_REQUEST, Code::InvalidArgument)
        }
        Failure::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
        Failure::Unsupported(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented),
        // Senders retry 503, but not 408.
        Failure::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, Code::DeadlineExceeded),
        Failure::Refused(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        Failure::Broken => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
    };
    let mut response = error(http, encoding, (grpc, &failure.to_string()));
    if let Failure::Refused(refusal) = failure {
        // Whole seconds only, so rounded up: zero would mean "at once".
        let seconds = refusal.retry_after().as_millis().div_ceil(1000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// OTLP wants a `google.rpc.Status` in the body of every answer that is not a success.
fn error(http: StatusCode, encoding: Encoding, (code, message): (Code, &str)) -> Response {
    reply(http, encoding, encoding.encode_status(code, message))
}

fn reply(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(encoding.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
