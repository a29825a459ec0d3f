//! OTLP/HTTP, protobuf and JSON on one port.

use std::net::SocketAddr;

use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tonic::Code;

use super::answer::Answer;
use super::body::{CLAIMED_BYTES_MAX, Reading};
use super::listen::Service;
use super::receiver::Failure;
use super::wire::Sent;
use super::{Encoding, Intake, Packing, Receiver, Signal};

/// `POST /v1/logs`, `/v1/traces` and `/v1/metrics`.
pub(super) struct Http<I>(pub(super) Receiver<I>);

impl<I: Intake> Service for Http<I> {
    const TRANSPORT: &'static str = "http";
    const HTTP1: bool = true;

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Answer> {
        let (head, body) = request.into_parts();
        let encoding = Encoding::of(&head.headers);
        let mut reading = Reading::new(body, self.0.settings.request_timeout);
        let response = match (signal_of(head.uri.path()), &head.method) {
            (None, _) => not_found(encoding),
            (Some(signal), &Method::POST) => {
                match self.take(&head.headers, signal, peer, &mut reading).await {
                    Ok(response) => response,
                    Err(failure) => {
                        self.0.metrics.refused(Self::TRANSPORT, failure.reason());
                        refuse(encoding.unwrap_or(Encoding::Json), &failure)
                    }
                }
            }
            (Some(_), _) => method_not_allowed(encoding),
        };
        if response.status() != StatusCode::OK {
            reading.drain();
        }
        let code = response.status().as_u16();
        self.0.metrics.answered(Self::TRANSPORT, code);
        response
    }
}

impl<I: Intake> Http<I> {
    async fn take(
        &self,
        headers: &HeaderMap,
        signal: Signal,
        peer: SocketAddr,
        reading: &mut Reading,
    ) -> Result<Response<Answer>, Failure> {
        let tenant = self.0.access.tenant(headers)?;
        let encoding = Encoding::of(headers).ok_or_else(|| {
            let accepted = "send application/x-protobuf or application/json as Content-Type";
            Failure::Unsupported(accepted.to_owned())
        })?;
        let named = headers
            .get(CONTENT_ENCODING)
            .map_or(Ok(""), HeaderValue::to_str);
        let named = named.unwrap_or("unreadable");
        let packing = Packing::named(named).ok_or(Failure::UnsupportedPacking)?;
        let limit = self.0.settings.request_bytes_max;
        let announced = reading.announced();
        if announced.is_some_and(|len| len > limit as u64) {
            return Err(Failure::TooLarge {
                limit,
                size: "as sent",
            });
        }
        let announced = announced.and_then(|len| usize::try_from(len).ok());
        let first = announced
            .unwrap_or(CLAIMED_BYTES_MAX)
            .min(CLAIMED_BYTES_MAX);
        let accounts = self.0.accounts(peer, tenant.as_ref());
        let mut hold = self
            .0
            .budget
            .hold(first, accounts)
            .await
            .map_err(Failure::NoRoom)?;
        let sent = Sent {
            signal,
            encoding,
            packing,
            body: reading.all(limit, &mut hold).await?,
            tenant: tenant.as_ref().map(|tenant| tenant.name()),
        };
        let remark = self.0.take(sent, tenant, hold, reading.deadline()).await?;
        let body = encoding.encode(&remark, signal);
        Ok(reply(StatusCode::OK, encoding, body))
    }
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/v1/logs" => Some(Signal::Logs),
        "/v1/traces" => Some(Signal::Traces),
        "/v1/metrics" => Some(Signal::Metrics),
        _ => None,
    }
}

fn not_found(encoding: Option<Encoding>) -> Response<Answer> {
    let message = "there is nothing here; POST to /v1/logs, /v1/traces or /v1/metrics";
    let encoding = encoding.unwrap_or(Encoding::Json);
    error(StatusCode::NOT_FOUND, encoding, (Code::NotFound, message))
}

fn method_not_allowed(encoding: Option<Encoding>) -> Response<Answer> {
    let encoding = encoding.unwrap_or(Encoding::Json);
    let status = (Code::Unimplemented, "send by POST");
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, encoding, status);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

fn refuse(encoding: Encoding, failure: &Failure) -> Response<Answer> {
    let (http, grpc) = match failure {
        Failure::Undecodable(_) | Failure::Malformed(_) => {
            (StatusCode::BAD_REQUEST, Code::InvalidArgument)
        }
        Failure::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
        Failure::Unsupported(_) | Failure::UnsupportedPacking => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented)
        }
        // Senders retry 503, but not 408.
        Failure::TooSlow => (StatusCode::SERVICE_UNAVAILABLE, Code::DeadlineExceeded),
        Failure::Refused(_) | Failure::NoRoom(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
        }
        Failure::Unauthenticated => (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
        Failure::Broken => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
    };
    let mut response = error(http, encoding, (grpc, &failure.to_string()));
    let headers = response.headers_mut();
    let delay = match failure {
        Failure::Refused(refusal) => Some(refusal.retry_after()),
        Failure::NoRoom(_) => Some(super::budget::RETRY_AFTER),
        _ => None,
    };
    if let Some(delay) = delay {
        // Whole seconds only, so rounded up: zero would mean "at once".
        let seconds = u64::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if matches!(failure, Failure::Unauthenticated) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// OTLP wants a `google.rpc.Status` in the body of every answer that is not a success.
fn error(http: StatusCode, encoding: Encoding, (code, message): (Code, &str)) -> Response<Answer> {
    reply(http, encoding, encoding.encode_status(code, message))
}

fn reply(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response<Answer> {
    let mut response = Response::new(Answer::of(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(encoding.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
