//! What an answer means in OTLP's terms.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message as _;
use serde_json::Value;
use tonic::Code;
use tonic_types::pb;

use super::session::Answer;

/// How a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::otlp_check) enum Way {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    Protobuf,
    /// OTLP/HTTP with JSON.
    Json,
}

/// What came back for one request.
#[derive(Clone, Debug)]
pub(in crate::cli::otlp_check) struct Told {
    pub(in crate::cli::otlp_check) way: Way,
    pub(in crate::cli::otlp_check) verdict: Verdict,
    /// The answer itself; `None` when there was none.
    pub(in crate::cli::otlp_check) answer: Option<Answer>,
}

/// What the receiver did with a request.
#[derive(Clone, Debug)]
pub(in crate::cli::otlp_check) enum Verdict {
    /// It took it, as a whole or in part.
    Taken(Partial),
    /// It did not.
    Refused(Refused),
    /// It called it a success, but the message of the answer cannot be read.
    Garbled(String),
    /// No answer came; why.
    Silent(String),
}

/// `partial_success` of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::otlp_check) struct Partial {
    /// Whether the field is set at all.
    pub(in crate::cli::otlp_check) is_set: bool,
    pub(in crate::cli::otlp_check) rejected: i64,
    pub(in crate::cli::otlp_check) message: String,
}

/// A refusal.
#[derive(Clone, Debug)]
pub(in crate::cli::otlp_check) struct Refused {
    pub(in crate::cli::otlp_check) code: Refusal,
    /// The message of the `Status`.
    pub(in crate::cli::otlp_check) message: String,
    /// The delay of `RetryInfo` or `Retry-After`.
    pub(in crate::cli::otlp_check) retry_after: Option<Duration>,
    /// Whether the `Status` has a `BadRequest` among its details.
    pub(in crate::cli::otlp_check) says_bad_request: bool,
    /// Whether a readable `Status` came along; gRPC always has one.
    pub(in crate::cli::otlp_check) has_status: bool,
}

/// The code of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::otlp_check) enum Refusal {
    /// A gRPC status.
    Grpc(Code),
    /// An HTTP status, also where gRPC was spoken and no gRPC status came.
    Http(u16),
}

impl Refusal {
    /// Whether OTLP's tables tell a client to send the same again.
    pub(in crate::cli::otlp_check) fn is_retryable(self, has_retry_info: bool) -> bool {
        match self {
            Self::Grpc(Code::ResourceExhausted) => has_retry_info,
            Self::Grpc(code) => matches!(
                code,
                Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Aborted
                    | Code::OutOfRange
                    | Code::Unavailable
                    | Code::DataLoss
            ),
            Self::Http(status) => matches!(status, 429 | 502 | 503 | 504),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grpc(code) => f.write_str(name(*code)),
            Self::Http(status) => write!(f, "HTTP {status}"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "gRPC",
            Self::Protobuf => "HTTP protobuf",
            Self::Json => "HTTP JSON",
        })
    }
}

/// As in "gRPC: INVALID_ARGUMENT".
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.way)?;
        match &self.verdict {
            Verdict::Taken(partial) if partial.rejected != 0 => {
                write!(f, "success with {} rejected", partial.rejected)
            }
            Verdict::Taken(partial) if !partial.message.is_empty() => {
                f.write_str("success with a warning")
            }
            Verdict::Taken(_) => f.write_str("success"),
            Verdict::Refused(refused) => write!(f, "{}", refused.code),
            Verdict::Garbled(why) | Verdict::Silent(why) => f.write_str(why),
        }
    }
}

impl Told {
    pub(in crate::cli::otlp_check) fn silent(way: Way, why: String) -> Self {
        Self {
            way,
            verdict: Verdict::Silent(why),
            answer: None,
        }
    }

    /// Reads an answer to a unary gRPC call.
    pub(in crate::cli::otlp_check) fn grpc(answer: Result<Answer, String>) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return Self::silent(Way::Grpc, why),
        };
        Self {
            way: Way::Grpc,
            verdict: grpc_verdict(&answer),
            answer: Some(answer),
        }
    }

    /// Reads an answer to an OTLP/HTTP request that was sent as `way`.
    pub(in crate::cli::otlp_check) fn http(way: Way, answer: Result<Answer, String>) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return Self::silent(way, why),
        };
        Self {
            way,
            verdict: http_verdict(&answer),
            answer: Some(answer),
        }
    }

    /// `partial_success`, if the request was a success.
    pub(in crate::cli::otlp_check) fn partial(&self) -> Option<&Partial> {
        match &self.verdict {
            Verdict::Taken(partial) => Some(partial),
            _ => None,
        }
    }

    pub(in crate::cli::otlp_check) fn refused(&self) -> Option<&Refused> {
        match &self.verdict {
            Verdict::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    pub(in crate::cli::otlp_check) fn code(&self) -> Option<Refusal> {
        self.refused().map(|refused| refused.code)
    }

    /// Whether all of it was taken.
    pub(in crate::cli::otlp_check) fn is_whole(&self) -> bool {
        self.partial().is_some_and(|partial| partial.rejected == 0)
    }

    /// Whether a client would send the same again.
    pub(in crate::cli::otlp_check) fn is_retryable(&self) -> bool {
        self.refused()
            .is_some_and(|it| it.code.is_retryable(it.retry_after.is_some()))
    }

    pub(in crate::cli::otlp_check) fn header(&self, name: &str) -> Option<&str> {
        self.answer.as_ref()?.headers.get(name)?.to_str().ok()
    }
}

fn grpc_verdict(answer: &Answer) -> Verdict {
    // An answer of trailers alone has them in its head.
    let holder = [&answer.trailers, &answer.headers]
        .into_iter()
        .find(|holder| holder.contains_key("grpc-status"));
    let Some(holder) = holder else {
        return match answer.status {
            200 => Verdict::Garbled("HTTP 200 without a grpc-status".to_owned()),
            other => Verdict::Refused(Refused::bare(Refusal::Http(other))),
        };
    };
    let code = text_of(holder, "grpc-status").and_then(|code| code.parse::<i32>().ok());
    match code.map(Code::from) {
        None => Verdict::Garbled("a grpc-status that is no number".to_owned()),
        Some(Code::Ok) => match unframed(&answer.body) {
            Some(message) => protobuf_success(message),
            None => Verdict::Garbled("success without a whole message".to_owned()),
        },
        Some(code) => Verdict::Refused(grpc_refused(code, holder)),
    }
}

/// The message inside one gRPC frame that is not compressed.
fn unframed(body: &[u8]) -> Option<&[u8]> {
    let (head, message) = body.split_at_checked(5)?;
    let (flag, len) = head.split_first()?;
    let len = u32::from_be_bytes(len.try_into().ok()?) as usize;
    (*flag == 0 && len == message.len()).then_some(message)
}

fn grpc_refused(code: Code, holder: &HeaderMap) -> Refused {
    let details = text_of(holder, "grpc-status-details-bin").and_then(status_of_base64);
    let refused = Refused::bare(Refusal::Grpc(code));
    Refused {
        message: text_of(holder, "grpc-message")
            .unwrap_or_default()
            .to_owned(),
        has_status: true,
        ..details.map_or(refused.clone(), |status| refused.with(&status))
    }
}

fn status_of_base64(text: &str) -> Option<Described> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(text).ok()?;
    Described::of_protobuf(&bytes)
}

fn http_verdict(answer: &Answer) -> Verdict {
    let is_json = is_of_type(&answer.headers, "application/json");
    if (200..300).contains(&answer.status) {
        return match is_json {
            true => json_success(&answer.body),
            false => protobuf_success(&answer.body),
        };
    }
    let refused = Refused::bare(Refusal::Http(answer.status));
    let seconds = text_of(&answer.headers, "retry-after").and_then(|text| text.parse().ok());
    let status = match is_json {
        true => Described::of_json(&answer.body),
        false if is_of_type(&answer.headers, "application/x-protobuf") => {
            Described::of_protobuf(&answer.body)
        }
        false => None,
    };
    let refused = Refused {
        has_status: status.is_some(),
        ..status.map_or(refused.clone(), |status| refused.with(&status))
    };
    Verdict::Refused(Refused {
        retry_after: seconds.map(Duration::from_secs),
        ..refused
    })
}

/// The answers to all signals have the same fields under the same numbers.
fn protobuf_success(message: &[u8]) -> Verdict {
    match ExportLogsServiceResponse::decode(message) {
        Err(error) => Verdict::Garbled(format!("success with an unreadable message ({error})")),
        Ok(message) => Verdict::Taken(message.partial_success.map_or_else(
            Partial::default,
            |partial| Partial {
                is_set: true,
                rejected: partial.rejected_log_records,
                message: partial.error_message,
            },
        )),
    }
}

fn json_success(body: &[u8]) -> Verdict {
    let Ok(Value::Object(message)) = serde_json::from_slice(body) else {
        return Verdict::Garbled("success with a body that is no JSON object".to_owned());
    };
    // proto3's JSON reads null as "not set".
    let partial = match message.get("partialSuccess") {
        None | Some(Value::Null) => return Verdict::Taken(Partial::default()),
        Some(partial) => partial,
    };
    let rejected = ["rejectedLogRecords", "rejectedSpans", "rejectedDataPoints"]
        .into_iter()
        .find_map(|name| match partial.get(name)? {
            Value::String(number) => number.parse().ok(),
            number => number.as_i64(),
        });
    let text = partial.get("errorMessage").and_then(Value::as_str);
    Verdict::Taken(Partial {
        is_set: true,
        rejected: rejected.unwrap_or(0),
        message: text.unwrap_or_default().to_owned(),
    })
}

/// A `google.rpc.Status`, whichever way it was written.
struct Described {
    message: String,
    /// Name and protobuf bytes of each detail; JSON has names only, which is all that is needed.
    details: Vec<(String, Vec<u8>)>,
}

impl Described {
    fn of_protobuf(bytes: &[u8]) -> Option<Self> {
        let status = pb::Status::decode(bytes).ok()?;
        let details = status.details.into_iter();
        Some(Self {
            message: status.message,
            details: details
                .map(|detail| (detail.type_url, detail.value))
                .collect(),
        })
    }

    fn of_json(body: &[u8]) -> Option<Self> {
        let Ok(Value::Object(status)) = serde_json::from_slice(body) else {
            return None;
        };
        let details = status.get("details").and_then(Value::as_array);
        let details = details.into_iter().flatten().filter_map(|detail| {
            let name = detail.get("@type")?.as_str()?;
            Some((name.to_owned(), Vec::new()))
        });
        let message = status.get("message").and_then(Value::as_str);
        Some(Self {
            message: message.unwrap_or_default().to_owned(),
            details: details.collect(),
        })
    }
}

impl Refused {
    fn bare(code: Refusal) -> Self {
        Self {
            code,
            message: String::new(),
            retry_after: None,
            says_bad_request: false,
            has_status: false,
        }
    }

    fn with(mut self, status: &Described) -> Self {
        self.message.clone_from(&status.message);
        for (name, value) in &status.details {
            match name.rsplit('/').next() {
                Some("google.rpc.BadRequest") => self.says_bad_request = true,
                Some("google.rpc.RetryInfo") => {
                    self.retry_after = Some(delay_of(value).unwrap_or_default());
                }
                _ => {}
            }
        }
        self
    }
}

fn delay_of(bytes: &[u8]) -> Option<Duration> {
    let delay = pb::RetryInfo::decode(bytes).ok()?.retry_delay?;
    Some(Duration::new(
        u64::try_from(delay.seconds).ok()?,
        u32::try_from(delay.nanos).ok()?,
    ))
}

/// Whether `Content-Type` says `wanted`, parameters aside.
pub(in crate::cli::otlp_check) fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let essence = text_of(headers, "content-type").and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A gRPC code as its specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A gRPC frame around `message`.
pub(in crate::cli::otlp_check) fn frame_head(is_compressed: bool, len: usize) -> Bytes {
    let len = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let mut head = vec![u8::from(is_compressed)];
    head.extend_from_slice(&len);
    head.into()
}
