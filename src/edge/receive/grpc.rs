//! OTLP/gRPC: unary calls on HTTP/2.
//!
//! The framing is our own, below 200 lines: tonic inflates a message before anyone can ask whether
//! there is room for it, answers a large one with a code that senders retry, and gives a decoder
//! bytes only after it copied them. Statuses and their details are tonic's.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use prost::Message as _;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::answer::Answer;
use super::body::{CLAIMED_BYTES_MAX, Reading};
use super::budget::Hold;
use super::listen::Service;
use super::receiver::Failure;
use super::wire::Sent;
use super::{Encoding, Intake, Packing, Receiver, Signal};

/// Flag and length before each message.
const FRAME_HEAD_LEN: usize = 5;
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ACCEPTED: HeaderValue = HeaderValue::from_static("identity,gzip,zstd");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// Where senders that do not read `grpc-status-details-bin` (Python's) look for the delay.
const RETRY_INFO: &str = "google.rpc.retryinfo-bin";

/// The gRPC services of OTLP.
pub(super) struct Grpc<I>(pub(super) Receiver<I>);

impl<I: Intake> Service for Grpc<I> {
    const TRANSPORT: &'static str = "grpc";
    const HTTP1: bool = false;

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Answer> {
        let content_type = request.headers().get(CONTENT_TYPE);
        if !content_type.is_some_and(is_grpc) {
            // What is no gRPC gets a plain HTTP answer, as the protocol asks.
            let mut response = Response::new(Answer::default());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let (head, body) = request.into_parts();
        let mut reading = Reading::new(body, self.0.settings.request_timeout);
        let taken = match (&head.method, signal_of(head.uri.path())) {
            (&Method::POST, Some(signal)) => {
                self.take(&head.headers, signal, peer, &mut reading).await
            }
            _ => Err(Failure::Unsupported(format!(
                "{} is no service of this server; it has the log, trace and metrics services of OTLP",
                head.uri.path()
            ))),
        };
        let (response, code) = match taken {
            Ok(message) => (success(&message), Code::Ok),
            Err(failure) => {
                self.0.metrics.refused(Self::TRANSPORT, failure.reason());
                reading.drain();
                let status = status(&failure);
                let code = status.code();
                let mut response = status.into_http::<Answer>();
                let headers = response.headers_mut();
                headers.insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
                (response, code)
            }
        };
        let code = u16::try_from(i32::from(code)).unwrap_or_default();
        self.0.metrics.answered(Self::TRANSPORT, code);
        response
    }
}

impl<I: Intake> Grpc<I> {
    async fn take(
        &self,
        headers: &HeaderMap,
        signal: Signal,
        peer: SocketAddr,
        reading: &mut Reading,
    ) -> Result<Vec<u8>, Failure> {
        let tenant = self.0.access.tenant(headers)?;
        let named = headers
            .get(GRPC_ENCODING)
            .map_or(Ok(""), HeaderValue::to_str);
        let named = named.unwrap_or("unreadable");
        let packing = Packing::named(named).ok_or_else(|| {
            Failure::Unsupported("send messages with gzip, zstd or no compression".to_owned())
        })?;
        if let Some(timeout) = headers.get(GRPC_TIMEOUT).and_then(timeout_of) {
            reading.hurry(timeout);
        }
        let head = head_of(reading, self.0.settings.request_bytes_max, packing).await?;
        let accounts = self.0.accounts(peer, tenant.as_ref());
        // What is claimed is believed as it comes.
        let first = head.len.min(CLAIMED_BYTES_MAX);
        let hold = self.0.budget.hold(first, accounts).await;
        let mut hold = hold.map_err(Failure::NoRoom)?;
        let (packing, body) = (head.packing, message(reading, head, &mut hold).await?);
        let sent = Sent {
            signal,
            encoding: Encoding::Protobuf,
            packing,
            body,
            tenant: tenant.as_ref().map(|tenant| tenant.name()),
        };
        let remark = self.0.take(sent, tenant, hold, reading.deadline()).await?;
        Ok(remark.to_protobuf())
    }
}

/// What stands before a message, and what came with it.
struct Head {
    packing: Packing,
    len: usize,
    first: Bytes,
}

async fn head_of(reading: &mut Reading, limit: usize, packing: Packing) -> Result<Head, Failure> {
    let mut head = BytesMut::new();
    while head.len() < FRAME_HEAD_LEN {
        let piece = reading.piece().await?;
        let piece = piece.ok_or_else(|| cut_short("frame head"))?;
        match head.is_empty() {
            // Mostly all of it: not copied.
            true => head = piece.into(),
            false => head.extend_from_slice(&piece),
        }
    }
    let first = head.split_off(FRAME_HEAD_LEN).freeze();
    let [flag, len @ ..] = *head.first_chunk::<FRAME_HEAD_LEN>().unwrap_or(&[0; 5]);
    let len = u32::from_be_bytes(len) as usize;
    if len > limit {
        return Err(Failure::TooLarge {
            limit,
            size: "as sent",
        });
    }
    let packing = match flag {
        0 => Packing::Plain,
        1 if packing != Packing::Plain => packing,
        _ => {
            return Err(undecodable(
                "the message is flagged as compressed, but no grpc-encoding is named",
            ));
        }
    };
    Ok(Head {
        packing,
        len,
        first,
    })
}

/// The only message of a call.
async fn message(reading: &mut Reading, head: Head, hold: &mut Hold) -> Result<Bytes, Failure> {
    let Head { len, first, .. } = head;
    let body = match first.len() >= len {
        true => first,
        // More than the message would be a second one.
        false => match reading.collect(first, (Some(len), len), hold).await {
            Err(Failure::TooLarge { .. }) => return Err(second_message()),
            other => other?,
        },
    };
    if body.len() < len {
        return Err(cut_short("message"));
    }
    if body.len() > len || reading.piece().await?.is_some() {
        return Err(second_message());
    }
    Ok(body)
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    let rest = content_type.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| {
        matches!(
            rest,
            [] | [b';', ..] | b"+proto" | [b'+', b'p', b'r', b'o', b't', b'o', b';', ..]
        )
    })
}

fn signal_of(path: &str) -> Option<Signal> {
    match path.strip_prefix("/opentelemetry.proto.collector.")? {
        "logs.v1.LogsService/Export" => Some(Signal::Logs),
        "trace.v1.TraceService/Export" => Some(Signal::Traces),
        "metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        _ => None,
    }
}

/// At most eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn timeout_of(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn undecodable(message: &str) -> Failure {
    Failure::Undecodable(message.to_owned())
}

fn cut_short(what: &str) -> Failure {
    Failure::Undecodable(format!("the request ends within its {what}"))
}

fn second_message() -> Failure {
    undecodable("the request has more than one message, and Export takes one")
}

fn success(message: &[u8]) -> Response<Answer> {
    let mut framed = BytesMut::with_capacity(FRAME_HEAD_LEN + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let mut response = Response::new(Answer::with_trailers(framed.freeze(), trailers));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
    response
}

fn status(failure: &Failure) -> Status {
    let message = failure.to_string();
    let (code, details) = match failure {
        Failure::Refused(refusal) => return come_again(message, refusal.retry_after()),
        Failure::NoRoom(_) => return come_again(message, super::budget::RETRY_AFTER),
        Failure::Undecodable(_) | Failure::Malformed(_) => {
            let details = ErrorDetails::with_bad_request_violation("body", message.clone());
            (Code::InvalidArgument, details)
        }
        Failure::TooLarge { .. } => (Code::ResourceExhausted, ErrorDetails::new()),
        Failure::Unsupported(_) | Failure::UnsupportedPacking => {
            (Code::Unimplemented, ErrorDetails::new())
        }
        Failure::TooSlow => (Code::DeadlineExceeded, ErrorDetails::new()),
        Failure::Unauthenticated => (Code::Unauthenticated, ErrorDetails::new()),
        Failure::Broken => (Code::Internal, ErrorDetails::new()),
    };
    Status::with_error_details(code, message, details)
}

/// UNAVAILABLE with the delay in both places where senders look for it.
fn come_again(message: String, delay: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(delay));
    let mut status = Status::with_error_details(Code::Unavailable, message, details);
    let retry = tonic_types::pb::RetryInfo {
        retry_delay: Some(prost_types::Duration {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or(0),
        }),
    };
    let value = MetadataValue::from_bytes(&retry.encode_to_vec());
    status.metadata_mut().insert_bin(RETRY_INFO, value);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| timeout_of(&HeaderValue::from_static(text));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3_600))
        );
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        for wrong in ["", "S", "5", "5s", "123456789S", "-1S", "5 S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_media_type_that_only_begins_like_grpc_is_another_one() {
        let of = |text| is_grpc(&HeaderValue::from_static(text));
        assert!(of("application/grpc") && of("application/grpc+proto"));
        assert!(!of("application/grpc-web") && !of("application/grpc+json"));
    }
}
