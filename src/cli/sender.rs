//! Sends lines as OTLP logs the way a Collector's `file_log` receiver and `otlp_grpc` exporter do:
//! the line is the body, the observed time is set, and time, severity and resource are left out
//! unless given. `replay` and `demo` use it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use thiserror::Error;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The first pause before a batch is sent again, doubled each time.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// For how long a batch is sent again, as the Collector's exporter does.
const RETRY_TIME_MAX: Duration = Duration::from_secs(300);

/// Why lines could not be sent.
#[derive(Debug, Error)]
pub(crate) enum SendError {
    /// The endpoint makes no sense.
    #[error("{0:?} is no OTLP/gRPC endpoint; write it as http://127.0.0.1:4317")]
    Endpoint(String),
    /// Nobody answers there.
    #[error("cannot connect to {endpoint} ({reason}); is `knothole serve` running there?")]
    Connect { endpoint: String, reason: String },
    /// The receiver refused a batch for good.
    #[error("{endpoint} refused the records ({code:?}): {message}")]
    Refused {
        endpoint: String,
        code: Code,
        message: String,
    },
    /// The receiver had no room for five minutes.
    #[error("{endpoint} took nothing for {seconds} s ({code:?}): {message}")]
    GivenUp {
        endpoint: String,
        seconds: u64,
        code: Code,
        message: String,
    },
}

/// What the lines come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// Attributes of the resource, such as `service.name`; a bare `file_log` sends none.
    pub(crate) resource: Vec<(String, String)>,
    /// `log.file.name`.
    pub(crate) file_name: Option<String>,
}

/// What became of records that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Records the receiver took.
    pub(crate) accepted: u64,
    /// Records it refused one by one (partial success).
    pub(crate) rejected: u64,
    /// How often a batch had to be sent again.
    pub(crate) retries: u64,
}

/// A connection to an OTLP/gRPC receiver, gzip-compressed.
#[derive(Debug)]
pub(crate) struct Sender {
    client: LogsServiceClient<Channel>,
    endpoint: String,
    retry_time_max: Duration,
    sent: Sent,
}

impl Sender {
    /// Connects to `endpoint` (`http://host:port`, `https://…`, or `host:port`).
    ///
    /// # Errors
    /// It is no endpoint, or nobody answers there.
    pub(crate) async fn connect(endpoint: &str) -> Result<Self, SendError> {
        let wrong = || SendError::Endpoint(endpoint.to_owned());
        let url = match endpoint.split_once("://") {
            Some(("http" | "https", _)) => endpoint.to_owned(),
            Some(_) => return Err(wrong()),
            None => format!("http://{endpoint}"),
        };
        let mut target = Endpoint::from_shared(url.clone()).map_err(|_| wrong())?;
        if target.uri().port().is_none() {
            return Err(wrong());
        }
        if url.starts_with("https://") {
            let tls = ClientTlsConfig::new().with_native_roots();
            target = target.tls_config(tls).map_err(|_| wrong())?;
        }
        let target = target
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT);
        let channel = target.connect().await.map_err(|error| SendError::Connect {
            endpoint: endpoint.to_owned(),
            reason: innermost(&error),
        })?;
        let client = LogsServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
        Ok(Self {
            client,
            endpoint: endpoint.to_owned(),
            retry_time_max: RETRY_TIME_MAX,
            sent: Sent::default(),
        })
    }

    /// Sends `lines` as one request, observed now; sends it again while the receiver asks for
    /// that. A receiver that stays quiet for a minute may see them twice.
    ///
    /// # Errors
    /// The receiver refuses them for good, or has had no room for five minutes.
    pub(crate) async fn send(
        &mut self,
        source: &Source,
        lines: Vec<String>,
    ) -> Result<Sent, SendError> {
        let count = lines.len() as u64;
        let request = request(source, lines, now_nanos());
        let started = tokio::time::Instant::now();
        let mut pause = RETRY_PAUSE;
        let mut retries = 0;
        loop {
            let status = match self.client.export(request.clone()).await {
                Ok(response) => {
                    let partial = response.into_inner().partial_success.unwrap_or_default();
                    let rejected = u64::try_from(partial.rejected_log_records).unwrap_or(0);
                    let rejected = rejected.min(count);
                    let sent = Sent {
                        accepted: count - rejected,
                        rejected,
                        retries,
                    };
                    self.sent.accepted += sent.accepted;
                    self.sent.rejected += sent.rejected;
                    return Ok(sent);
                }
                Err(status) => status,
            };
            let Some(asked) = retry_after(&status) else {
                return Err(self.refused(&status));
            };
            let wait = asked.unwrap_or(pause).min(RETRY_PAUSE_MAX);
            if started.elapsed() + wait > self.retry_time_max {
                return Err(self.given_up(&status));
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
            retries += 1;
            self.sent.retries += 1;
        }
    }

    /// What became of all records so far.
    pub(crate) fn sent(&self) -> Sent {
        self.sent
    }

    fn refused(&self, status: &Status) -> SendError {
        let (code, message) = (status.code(), status.message().to_owned());
        SendError::Refused {
            endpoint: self.endpoint.clone(),
            code,
            message,
        }
    }

    fn given_up(&self, status: &Status) -> SendError {
        SendError::GivenUp {
            endpoint: self.endpoint.clone(),
            seconds: self.retry_time_max.as_secs(),
            code: status.code(),
            message: status.message().to_owned(),
        }
    }
}

/// `None`: sending again would be of no use. `Some(None)`: the receiver leaves the pause to us.
/// The codes are those of the OTLP specification.
fn retry_after(status: &Status) -> Option<Option<Duration>> {
    let asked = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Some(asked),
        Code::ResourceExhausted => asked.map(Some),
        _ => None,
    }
}

fn request(source: &Source, lines: Vec<String>, observed: u64) -> ExportLogsServiceRequest {
    let file = source
        .file_name
        .as_deref()
        .map(|name| attribute("log.file.name", name));
    let record = |line: String| LogRecord {
        observed_time_unix_nano: observed,
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(line)),
        }),
        attributes: file.iter().cloned().collect(),
        ..LogRecord::default()
    };
    let attributes = source
        .resource
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect();
    let log_records = lines.into_iter().map(record).collect();
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(any_value::Value::StringValue(value.to_owned()));
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value }),
        ..KeyValue::default()
    }
}

fn now_nanos() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The cause at the bottom, where transport errors say what happened ("connection refused").
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string().to_lowercase()
}

#[cfg(test)]
mod tests;
