//! OTLP/gRPC.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::MapResponseLayer;

use super::receiver::Failure;
use super::{ConvertSettings, Encoding, Intake, Metrics, Receiver, ServeError, Signal, decode};

/// Serves OTLP/gRPC on `listener` until `shutdown`, then finishes the requests that are running.
/// Traces and metrics are not taken: their services are absent, so gRPC answers UNIMPLEMENTED.
///
/// # Errors
/// [`ServeError::Grpc`] when the server gives up.
pub async fn serve_grpc<I: Intake>(
    listener: TcpListener,
    receiver: Receiver<I>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let settings = &receiver.settings;
    let metrics = receiver.metrics.clone();
    let mut server = Server::builder()
        .timeout(settings.request_timeout)
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(
            receiver.room.clone(),
        ))
        .layer(MapResponseLayer::new(move |response| {
            answered(response, &metrics)
        }));
    let service = LogsServiceServer::new(Logs {
        receiver: receiver.clone(),
    })
    .accept_compressed(CompressionEncoding::Gzip)
    .accept_compressed(CompressionEncoding::Zstd)
    .max_decoding_message_size(settings.request_bytes_max);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let stop = shutdown.cancelled_owned();
    server
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop)
        .await?;
    receiver.finish().await;
    Ok(())
}

struct Logs<I> {
    receiver: Receiver<I>,
}

#[tonic::async_trait]
impl<I: Intake> LogsService for Logs<I> {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        // tonic has decoded by now, on this thread; the ingest work is to take the bytes instead.
        let body = request.into_inner().encode_to_vec();
        let decode = move |settings: &ConvertSettings| {
            Ok(decode(Signal::Logs, Encoding::Protobuf, &body, settings)?)
        };
        let answer = self.receiver.take(decode).await;
        answer
            .map(Response::new)
            .map_err(|failure| status(&failure))
    }
}

fn status(failure: &Failure) -> Status {
    let message = failure.to_string();
    match failure {
        Failure::Refused(refusal) => {
            let details = ErrorDetails::with_retry_info(Some(refusal.retry_after()));
            Status::with_error_details(Code::Unavailable, message, details)
        }
        Failure::Undecodable(_) | Failure::Malformed(_) => Status::invalid_argument(message),
        Failure::TooLarge { .. } => Status::resource_exhausted(message),
        Failure::Unsupported(_) => Status::unimplemented(message),
        Failure::TooSlow => Status::deadline_exceeded(message),
        Failure::Broken => Status::internal(message),
    }
}

/// Counts the answer and puts right two codes that tonic chooses before we are asked: senders
/// retry OUT_OF_RANGE, though the request will never get smaller, and OTLP has INVALID_ARGUMENT
/// for bytes that cannot be decoded.
fn answered<B: Default>(response: http::Response<B>, metrics: &Metrics) -> http::Response<B> {
    let early = Status::from_header_map(response.headers());
    let code = early.as_ref().map_or(Code::Ok, Status::code);
    let better = match early {
        Some(status) if code == Code::OutOfRange => {
            Some(Status::resource_exhausted(status.message()))
        }
        Some(status) if code == Code::Internal && is_about_the_bytes(status.message()) => {
            Some(Status::invalid_argument(status.message()))
        }
        _ => None,
    };
    let code = better.as_ref().map_or(code, Status::code);
    metrics.answered("grpc", u16::try_from(i32::from(code)).unwrap_or_default());
    better.map_or(response, Status::into_http)
}

/// How tonic 0.14 begins the messages of its decoder.
fn is_about_the_bytes(message: &str) -> bool {
    [
        "failed to decode",
        "Error decompressing",
        "protocol error",
        "Unexpected EOF",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}
