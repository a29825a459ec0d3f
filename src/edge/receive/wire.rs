//! How OTLP messages are written, and the answers to them.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message as _;
use tonic::Code;

use super::{Encoding, Signal};

/// What a sender is told beside success; nothing where everything was taken, as OTLP asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remark {
    /// Records, spans or points that were not taken.
    pub(super) rejected: u64,
    /// Why, and what to do about it; or a warning where nothing was rejected.
    pub(super) message: String,
}

impl Remark {
    pub(super) fn is_empty(&self) -> bool {
        self.rejected == 0 && self.message.is_empty()
    }

    /// The three responses have the same fields by number, so one stands for all.
    pub(super) fn to_protobuf(&self) -> Vec<u8> {
        let partial_success = (!self.is_empty()).then(|| ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(self.rejected).unwrap_or(i64::MAX),
            error_message: self.message.clone(),
        });
        ExportLogsServiceResponse { partial_success }.encode_to_vec()
    }

    fn to_json(&self, signal: Signal) -> Vec<u8> {
        // Neither a null nor a string where a sender may expect an object and a number.
        if self.is_empty() {
            return b"{}".to_vec();
        }
        let rejected = match signal {
            Signal::Logs => "rejectedLogRecords",
            Signal::Traces => "rejectedSpans",
            Signal::Metrics => "rejectedDataPoints",
        };
        serde_json::json!({ "partialSuccess": {
            rejected: self.rejected.to_string(),
            "errorMessage": self.message,
        }})
        .to_string()
        .into_bytes()
    }
}

impl Encoding {
    /// What `Content-Type` says, parameters such as the charset aside. `None` for any other type.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split(';').next().unwrap_or_default().trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|encoding| essence.eq_ignore_ascii_case(encoding.content_type()))
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    pub(super) fn encode(self, remark: &Remark, signal: Signal) -> Vec<u8> {
        match self {
            Self::Protobuf => remark.to_protobuf(),
            Self::Json => remark.to_json(signal),
        }
    }

    /// A `google.rpc.Status`; one for bytes that cannot be decoded has a `BadRequest` detail.
    pub(super) fn encode_status(self, code: Code, message: &str) -> Vec<u8> {
        match self {
            Self::Protobuf => {
                let details = (code == Code::InvalidArgument).then(|| bad_request(message));
                tonic_types::Status {
                    code: i32::from(code),
                    message: message.to_owned(),
                    details: details.into_iter().collect(),
                }
                .encode_to_vec()
            }
            Self::Json => {
                let mut status = serde_json::json!({ "code": i32::from(code), "message": message });
                if code == Code::InvalidArgument
                    && let Some(status) = status.as_object_mut()
                {
                    let violation = serde_json::json!({ "field": "body", "description": message });
                    let detail = serde_json::json!({
                        "@type": BAD_REQUEST, "fieldViolations": [violation],
                    });
                    status.insert("details".to_owned(), serde_json::json!([detail]));
                }
                status.to_string().into_bytes()
            }
        }
    }
}

const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

fn bad_request(message: &str) -> prost_types::Any {
    let violation = tonic_types::pb::bad_request::FieldViolation {
        field: "body".to_owned(),
        description: message.to_owned(),
        ..Default::default()
    };
    let detail = tonic_types::pb::BadRequest {
        field_violations: vec![violation],
    };
    prost_types::Any {
        type_url: BAD_REQUEST.to_owned(),
        value: detail.encode_to_vec(),
    }
}

/// A body as it was sent, to be kept and decoded again after a crash.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it holds.
    pub signal: Signal,
    /// How it is written.
    pub encoding: Encoding,
    /// How it is compressed.
    pub packing: super::Packing,
    /// The bytes as they came, compressed where they were.
    pub body: Bytes,
    /// Whose token came with it.
    pub tenant: Option<std::sync::Arc<str>>,
}
