//! What an answer means in OTLP's terms.

use std::fmt;
use std::time::Duration;

use tonic::Code;

use super::read::{grpc_verdict, http_verdict};
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

    /// Whether it was called a success, readable or not.
    pub(in crate::cli::otlp_check) fn is_success(&self) -> bool {
        matches!(self.verdict, Verdict::Taken(_) | Verdict::Garbled(_))
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
