//! Stand-in until the walker lands.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message as _;

use super::wire::Encoding;
use super::{ConvertSettings, Decoded, convert};

/// What a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Metric data points.
    Metrics,
}

pub(super) fn decode(
    signal: Signal,
    encoding: Encoding,
    body: &[u8],
    settings: &ConvertSettings,
) -> Result<Decoded, String> {
    if signal != Signal::Logs {
        return Ok(Decoded::default());
    }
    let request = match encoding {
        Encoding::Protobuf => ExportLogsServiceRequest::decode(body).map_err(|e| e.to_string())?,
        Encoding::Json => serde_json::from_slice(body).map_err(|e| e.to_string())?,
    };
    Ok(convert(request, settings))
}
