use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response};
use tonic_types::ErrorDetails;

use super::*;

/// Answers with the given statuses in turn, and then takes everything.
#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<Vec<Status>>>,
    seen: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
    rejected: i64,
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        if let Some(status) = self.answers.lock().unwrap().pop() {
            return Err(status);
        }
        self.seen.lock().unwrap().push(request.into_inner());
        let partial_success = Some(ExportLogsPartialSuccess {
            rejected_log_records: self.rejected,
            error_message: String::new(),
        });
        Ok(Response::new(ExportLogsServiceResponse { partial_success }))
    }
}

async fn connected(receiver: &Receiver) -> Sender {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service =
        LogsServiceServer::new(receiver.clone()).accept_compressed(CompressionEncoding::Gzip);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Sender::connect(&address.to_string()).await.unwrap()
}

fn two_lines() -> Vec<String> {
    vec!["a".to_owned(), "b".to_owned()]
}

#[tokio::test]
async fn lines_arrive_as_a_collector_would_send_them() {
    let receiver = Receiver::default();
    let mut sender = connected(&receiver).await;
    let source = Source {
        resource: vec![("service.name".into(), "cart".into())],
        file_name: Some("app.log".into()),
    };
    sender.send(&source, two_lines()).await.unwrap();
    let seen = receiver.seen.lock().unwrap();
    let logs = &seen[0].resource_logs[0];
    assert_eq!(
        logs.resource.as_ref().unwrap().attributes,
        [attribute("service.name", "cart")]
    );
    let records = &logs.scope_logs[0].log_records;
    assert_eq!(records.len(), 2);
    let body = records[1].body.clone().unwrap().value.unwrap();
    assert_eq!(body, any_value::Value::StringValue("b".into()));
    assert_eq!(
        (records[1].time_unix_nano, records[1].severity_number),
        (0, 0)
    );
    assert!(records[1].observed_time_unix_nano > 1_600_000_000_000_000_000);
    assert_eq!(
        records[1].attributes,
        [attribute("log.file.name", "app.log")]
    );
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_the_batch_again() {
    let receiver = Receiver {
        rejected: 1,
        ..Receiver::default()
    };
    let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(1)));
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let status = Status::with_error_details(code, "full", details.clone());
        receiver.answers.lock().unwrap().push(status);
    }
    let mut sender = connected(&receiver).await;
    let sent = sender.send(&Source::default(), two_lines()).await.unwrap();
    assert_eq!(
        sent,
        Sent {
            accepted: 1,
            rejected: 1,
            retries: 2
        }
    );
    assert_eq!(sender.sent(), sent);
    assert_eq!(receiver.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_for_good_is_told_and_not_repeated() {
    let receiver = Receiver::default();
    receiver
        .answers
        .lock()
        .unwrap()
        .push(Status::resource_exhausted("larger than max"));
    let mut sender = connected(&receiver).await;
    let refused = sender
        .send(&Source::default(), two_lines())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("larger than max"), "{refused}");
    assert!(receiver.seen.lock().unwrap().is_empty());
    assert_eq!(sender.sent(), Sent::default());
}

#[tokio::test]
async fn a_receiver_that_has_no_room_for_too_long_is_given_up() {
    let receiver = Receiver::default();
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(30)));
    let full = Status::with_error_details(Code::Unavailable, "no room", details);
    receiver.answers.lock().unwrap().push(full);
    let mut sender = connected(&receiver).await;
    sender.retry_time_max = Duration::from_secs(29);
    let given_up = sender
        .send(&Source::default(), two_lines())
        .await
        .unwrap_err();
    assert!(matches!(given_up, SendError::GivenUp { .. }), "{given_up}");
    assert!(given_up.to_string().contains("no room"), "{given_up}");
}

#[tokio::test]
async fn nobody_there_and_nonsense_are_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let refused = Sender::connect(&format!("http://{free}"))
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("is `knothole serve` running there?"),
        "{refused}"
    );
    for nonsense in ["", "http://", "ftp://a:1", "http://localhost", "a b"] {
        let refused = Sender::connect(nonsense).await.unwrap_err();
        assert!(
            matches!(refused, SendError::Endpoint(_)),
            "{nonsense}: {refused}"
        );
    }
}
