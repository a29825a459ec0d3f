//! OTLP log events over gRPC.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;
use std::vec::IntoIter;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use prost::Message as _;
use reqwest::Url;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tower::{Service, service_fn};

use super::SendSetupError;
use crate::core::record::Timestamp;
use crate::edge::notify::config::{HeaderConfig, OtlpConfig};
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::outgoing::{Egress, Guard, Refusal, Refused, SetupError, literal, load};

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
        let bad_address = |_| SetupError::Address(config.endpoint.clone());
        let guard = guard_of(&config.endpoint, egress)?;
        let connect_timeout = config.timeout.min(CONNECT_TIMEOUT_MAX);
        let mut endpoint = Endpoint::from_shared(config.endpoint.clone())
            .map_err(bad_address)?
            .timeout(config.timeout)
            .connect_timeout(connect_timeout);
        if config.endpoint.starts_with("https:") {
            let tls = ClientTlsConfig::new().with_native_roots();
            let with_tls = endpoint.tls_config(tls);
            endpoint = with_tls.map_err(|error| SetupError::Client(error.to_string()))?;
        }
        let connector = connector(guard, connect_timeout);
        let channel = endpoint.connect_with_connector_lazy(connector);
        let client = LogsServiceClient::new(channel);
        Ok(Self {
            client: client.send_compressed(CompressionEncoding::Gzip),
            headers: headers(config)?,
        })
    }
}

/// Whether `endpoint` may be sent to, as far as it says so itself.
pub(crate) fn reach(endpoint: &str, egress: &Egress) -> Result<(), SetupError> {
    guard_of(endpoint, egress).map(drop)
}

/// The guard of `endpoint`. Where there is a list, the endpoint has to be in it as it is written.
fn guard_of(endpoint: &str, egress: &Egress) -> Result<Guard, SetupError> {
    let bad = |_| SetupError::Address(endpoint.to_owned());
    let url: Url = endpoint.parse().map_err(bad)?;
    let is_listed = literal(&url).is_some_and(|address| egress.holds(address));
    if !egress.is_empty() && !is_listed && !egress.names(&url) {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(Refusal::NotListed(host).into());
    }
    let guard = Guard::of_collector(&url, egress);
    guard.check_url(&url)?;
    Ok(guard)
}

/// Connects to where the guard lets it.
fn connector(
    guard: Guard,
    timeout: Duration,
) -> HttpConnector<
    impl Service<Name, Response = IntoIter<SocketAddr>, Error = Refused, Future: Send> + Clone + Send,
> {
    let resolver = service_fn(move |name: Name| {
        let guard = guard.clone();
        async move { Ok(guard.addresses(name.as_str().to_owned()).await?.into_iter()) }
    });
    let mut connector = HttpConnector::new_with_resolver(resolver);
    // TLS is put on top of it.
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timeout));
    connector
}

fn headers(config: &OtlpConfig) -> Result<MetadataMap, SetupError> {
    let mut headers = MetadataMap::new();
    for (name, value) in &config.headers {
        let value = match value {
            HeaderConfig::Plain(value) => value.clone(),
            HeaderConfig::Secret(reference) => load(reference)?,
        };
        let bad = || SetupError::Header(name.clone());
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
            Err(status) => judge(&status, batch.len()),
        }
    }
}

/// The codes that the OTLP specification calls retryable, and whatever did not come from the other
/// side at all (a status with a source is made by the client when the connection fails).
fn judge(status: &Status, messages: usize) -> Answer {
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
    // What is too much at once may do one by one.
    let is_too_much = matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange);
    if is_too_much && messages > 1 {
        Answer::Never { why }
    } else if is_retryable || status.source().is_some() {
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
            assert!(guard_of(endpoint, &listed).is_ok(), "{endpoint}");
        }
        for endpoint in ["http://evil.example.net:4317", "http://10.2.0.1:4317"] {
            let refused = guard_of(endpoint, &listed);
            assert!(matches!(refused, Err(SetupError::Refused(_))), "{endpoint}");
            assert!(guard_of(endpoint, &Egress::default()).is_ok(), "{endpoint}");
        }
    }

    #[test]
    fn a_collector_may_be_in_a_private_network_but_no_metadata_service() {
        let any = Egress::default();
        for endpoint in [
            "http://10.0.0.1:4317",
            "http://127.0.0.1:4317",
            "http://[fd12::1]:4317",
        ] {
            assert!(guard_of(endpoint, &any).is_ok(), "{endpoint}");
        }
        for endpoint in [
            "http://169.254.169.254:4317",
            "http://[::ffff:a9fe:a9fe]:4317",
        ] {
            let refused = guard_of(endpoint, &any);
            assert!(matches!(refused, Err(SetupError::Refused(_))), "{endpoint}");
        }
    }

    #[test]
    fn what_is_too_much_at_once_is_tried_one_by_one() {
        for code in [Code::ResourceExhausted, Code::OutOfRange] {
            let status = Status::new(code, "too large");
            assert!(matches!(judge(&status, 64), Answer::Never { .. }));
            assert!(matches!(judge(&status, 1), Answer::Later { .. }));
        }
    }

    #[tokio::test]
    async fn what_a_name_leads_to_is_judged_before_anybody_connects() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let uri = format!("http://collector.example.net:{port}");
        let led_to = |address: [u8; 4]| {
            let guard = guard_of(&uri, &Egress::default()).unwrap();
            let guard = guard.resolving_by(std::sync::Arc::new(move |_| {
                Box::pin(async move { Ok(vec![SocketAddr::from((address, 0))]) })
            }));
            let mut connector = connector(guard, Duration::from_secs(30));
            connector.call(uri.parse().unwrap())
        };
        let refused = led_to([169, 254, 169, 254]).await.unwrap_err();
        let why = refused.source().map(ToString::to_string);
        assert!(
            why.is_some_and(|why| why.contains("special address")),
            "{refused:?}"
        );
        assert!(led_to([127, 0, 0, 1]).await.is_ok());
    }
}
