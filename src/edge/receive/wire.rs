//! How an OTLP/HTTP body is written and packed.

use std::borrow::Cow;
use std::io::Read;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message as _;
use tonic::Code;

use super::Encoding;
use super::receiver::Failure;

/// Largest zstd window in bits (8 MiB, what RFC 8878 asks every decoder to support): the window is
/// allocated before the first byte comes out, so a tiny body could otherwise ask for gigabytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

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

    pub(super) fn encode(self, answer: &ExportLogsServiceResponse) -> Vec<u8> {
        match (self, &answer.partial_success) {
            (Self::Protobuf, _) => answer.encode_to_vec(),
            // Neither a null nor a string where a sender may expect an object and a number.
            (Self::Json, None) => b"{}".to_vec(),
            (Self::Json, Some(partial)) => serde_json::json!({ "partialSuccess": {
                "rejectedLogRecords": partial.rejected_log_records.to_string(),
                "errorMessage": partial.error_message,
            }})
            .to_string()
            .into_bytes(),
        }
    }

    pub(super) fn encode_status(self, code: Code, message: &str) -> Vec<u8> {
        let code = i32::from(code);
        match self {
            Self::Protobuf => {
                let message = message.to_owned();
                tonic_types::Status {
                    code,
                    message,
                    details: Vec::new(),
                }
                .encode_to_vec()
            }
            Self::Json => serde_json::json!({ "code": code, "message": message })
                .to_string()
                .into_bytes(),
        }
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// What `Content-Encoding` says.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let value = headers
            .get(CONTENT_ENCODING)
            .map_or(Ok("identity"), |value| value.to_str());
        let name = value.unwrap_or("unreadable").trim();
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Failure::Unsupported(
                "send gzip, zstd or no Content-Encoding at all".to_owned(),
            )),
        }
    }

    /// The bytes as they were before packing, at most `limit` of them: a bomb is given up on at
    /// the limit, however large it would become.
    pub(super) fn unpack(self, sent: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, Failure> {
        let unpacked = match self {
            Self::Plain => return Ok(Cow::Borrowed(sent)),
            Self::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(sent), limit),
            Self::Zstd => zstd::Decoder::with_buffer(sent).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                read_bounded(decoder, limit)
            }),
        };
        let unpacked = unpacked.map_err(|fault| {
            Failure::Undecodable(format!("the body could not be decompressed: {fault}"))
        })?;
        if unpacked.len() > limit {
            return Err(Failure::TooLarge {
                limit,
                size: "after decompression",
            });
        }
        Ok(Cow::Owned(unpacked))
    }
}

/// Reads one byte more than `limit` at most, so that the caller can tell a full body from a cut.
fn read_bounded(packed: impl Read, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    packed.take(limit as u64 + 1).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}
