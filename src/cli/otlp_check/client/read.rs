//! Answers as bytes → what they say.

use std::io::Read as _;
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

use super::outcome::{Partial, Refusal, Refused, Verdict};
use super::session::Answer;

/// Largest message of an answer, inflated, in bytes.
const MESSAGE_BYTES_MAX: u64 = 8 << 20;

pub(super) fn grpc_verdict(answer: &Answer) -> Verdict {
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
        Some(Code::Ok) => match unframed(answer) {
            Some(message) => protobuf_success(&message),
            None => Verdict::Garbled("success without a whole message".to_owned()),
        },
        Some(code) => Verdict::Refused(grpc_refused(code, holder)),
    }
}

/// The message inside one gRPC frame. A server may compress it as the request was compressed.
fn unframed(answer: &Answer) -> Option<Vec<u8>> {
    let (head, message) = answer.body.split_at_checked(5)?;
    let (flag, len) = head.split_first()?;
    if u32::from_be_bytes(len.try_into().ok()?) as usize != message.len() {
        return None;
    }
    let mut plain = Vec::new();
    match (flag, text_of(&answer.headers, "grpc-encoding")) {
        (0, _) => plain.extend_from_slice(message),
        (1, Some("gzip")) => {
            let inflated = flate2::read::MultiGzDecoder::new(message);
            inflated
                .take(MESSAGE_BYTES_MAX)
                .read_to_end(&mut plain)
                .ok()?;
        }
        (1, Some("zstd")) => {
            let inflated = zstd::Decoder::new(message).ok()?;
            inflated
                .take(MESSAGE_BYTES_MAX)
                .read_to_end(&mut plain)
                .ok()?;
        }
        _ => return None,
    }
    Some(plain)
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

pub(super) fn http_verdict(answer: &Answer) -> Verdict {
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

/// A gRPC frame around `message`.
pub(in crate::cli::otlp_check) fn frame_head(is_compressed: bool, len: usize) -> Bytes {
    let len = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let mut head = vec![u8::from(is_compressed)];
    head.extend_from_slice(&len);
    head.into()
}
