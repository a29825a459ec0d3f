//! OTLP log events over gRPC.

use std::error::Error as _;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use prost::Message as _;
use reqwest::Url;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use super::SendSetupError;
use crate::core::record::Timestamp;
use crate::edge::notify::config::{HeaderConfig, OtlpConfig};
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::egress::Egress;
use crate::edge::notify::guard::{self, Refusal};
use crate::edge::notify::secret;

/// Longest that making a connection may take.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// One OTLP endpoint.
pub(crate) struct OtlpSink {
    client: LogsServiceClient<Channel>,
    headers: MetadataMap,
}

impl OtlpSink {
    /// Connects when the first message is sent; to be called within a tokio runtime.
    pub(crate) fn new(config: &OtlpConfig, egress: &Egress) -> Result<Self, SendSetupError> {
        check_listed(&config.endpoint, egress)?;
        let bad_address = |_| SendSetupError::Address(config.endpoint.clone());
        let mut endpoint = Endpoint::from_shared(config.endpoint.clone())
            .map_err(bad_address)?
            .timeout(config.timeout)
            .connect_timeout(config.timeout.min(CONNECT_TIMEOUT_MAX));
        if config.endpoint.starts_with("https:") {
            let tls = ClientTlsConfig::new().with_native_roots();
            let with_tls = endpoint.tls_config(tls);
            endpoint = with_tls.map_err(|error| SendSetupError::Client(error.to_string()))?;
        }
        let client = LogsServiceClient::new(endpoint.connect_lazy());
        Ok(Self {
            client: client.send_compressed(CompressionEncoding::Gzip),
            headers: headers(config)?,
        })
    }
}

/// Where there is a list, the endpoint has to be in it as it is written: a collector's address may
/// well be private, and is not judged otherwise.
fn check_listed(endpoint: &str, egress: &Egress) -> Result<(), SendSetupError> {
    let bad = |_| SendSetupError::Address(endpoint.to_owned());
    let url: Url = endpoint.parse().map_err(bad)?;
    let is_listed = guard::literal(&url).is_some_and(|address| egress.holds(address));
    if egress.is_empty() || is_listed || egress.names(&url) {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    Err(Refusal::NotListed(host).into())
}

fn headers(config: &OtlpConfig) -> Result<MetadataMap, SendSetupError> {
    let mut headers = MetadataMap::new();
    for (name, value) in &config.headers {
        let value = match value {
            HeaderConfig::Plain(value) => value.clone(),
            HeaderConfig::Secret(reference) => secret::load(reference)?,
        };
        let bad = || SendSetupError::Header(name.clone());
        let key = AsciiMetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes());
        let value = AsciiMetadataValue::try_from(value);
        headers.insert(key.map_err(|_| bad())?, value.map_err(|_| bad())?);
    }
    Ok(headers)
}

impl Sink for OtlpSink {
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let decoded = batch
            .iter()
            .map(|message| ResourceLogs::decode(message.body.as_slice()))
            .collect::<Result<Vec<_>, _>>();
        let Ok(resource_logs) = decoded else {
            let why = "a stored message cannot be read".to_owned();
            return Answer::Never { why };
        };
        let mut request = Request::new(ExportLogsServiceRequest { resource_logs });
        *request.metadata_mut() = self.headers.clone();
        match self.client.clone().export(request).await {
            Ok(response) => {
                let partial = response.into_inner().partial_success;
                let refused = partial.map_or(0, |partial| partial.rejected_log_records);
                Answer::Taken {
                    refused: usize::try_from(refused).unwrap_or(0),
                }
            }
            Err(status) => judge(&status),
        }
    }
}

/// The codes that the OTLP specification calls retryable, and whatever did not come from the other
/// side at all (a status with a source is made by the client when the connection fails).
fn judge(status: &Status) -> Answer {
    let why = format!("{}: {}", status.code().description(), status.message());
    let is_retryable = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    );
    if is_retryable || status.source().is_some() {
        Answer::Later { why, after: None }
    } else {
        Answer::Never { why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_a_list_an_endpoint_has_to_be_in_it() {
        let listed = Egress {
            allow: vec!["otel.example.net".to_owned(), "10.1.0.0/16".to_owned()],
        };
        for endpoint in ["http://otel.example.net:4317", "http://10.1.2.3:4317"] {
            assert!(check_listed(endpoint, &listed).is_ok(), "{endpoint}");
        }
        for endpoint in ["http://evil.example.net:4317", "http://10.2.0.1:4317"] {
            let refused = check_listed(endpoint, &listed);
            assert!(
                matches!(refused, Err(SendSetupError::Refused(_))),
                "{endpoint}"
            );
            assert!(
                check_listed(endpoint, &Egress::default()).is_ok(),
                "{endpoint}"
            );
        }
    }
}
