use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::*;

/// Stands for any backend that speaks OTLP/gRPC.
#[derive(Clone, Default)]
struct Backend {
    logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

#[tonic::async_trait]
impl LogsService for Backend {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Backend {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Backend {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

impl Backend {
    /// Listens, and gives the endpoint.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let gzip = CompressionEncoding::Gzip;
        let server = Server::builder()
            .add_service(LogsServiceServer::new(self.clone()).accept_compressed(gzip))
            .add_service(TraceServiceServer::new(self.clone()).accept_compressed(gzip))
            .add_service(MetricsServiceServer::new(self.clone()).accept_compressed(gzip));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        endpoint
    }
}

fn to(endpoint: String) -> TelemetrySettings {
    TelemetrySettings {
        endpoint: Some(endpoint),
        ..TelemetrySettings::default()
    }
}

#[track_caller]
fn assert_ours(resource: Option<&OtlpResource>) {
    let text = format!("{resource:?}");
    assert!(
        text.contains("service.instance.id") && text.contains("instance-1"),
        "{text}"
    );
    assert!(text.contains("\"knothole\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_spans_and_metrics_leave_with_our_instance_id_and_without_the_exporters_own() {
    let backend = Backend::default();
    let (subscriber, telemetry) = build(&to(backend.start().await), "instance-1").unwrap();
    let counter = Counter::<u64>::default();
    let mut registry = Registry::default();
    registry.register("knothole_things", "Things", counter.clone());
    telemetry.observe(Arc::new(move || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }));
    counter.inc_by(41);
    {
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!(answer = 42, "The thing was done.");
        tracing::warn!(target: "hyper_util::client", "A connection was opened.");
        tracing::warn!(target: "opentelemetry_sdk", "An export failed.");
        tracing::info_span!("work").in_scope(|| ());
        tracing::info_span!(target: "h2::codec", "frame").in_scope(|| ());
    }
    counter.inc();
    telemetry.shutdown().await;

    let logs = backend.logs.lock().unwrap();
    let text = format!("{:?}", logs[0].resource_logs[0].scope_logs);
    assert!(
        text.contains("The thing was done.") && text.contains("IntValue(42)"),
        "{text}"
    );
    assert!(
        !text.contains("connection") && !text.contains("export failed"),
        "{text}"
    );
    assert_ours(logs[0].resource_logs[0].resource.as_ref());

    let traces = backend.traces.lock().unwrap();
    let spans = &traces[0].resource_spans[0].scope_spans[0].spans;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["work"]);
    assert_ours(traces[0].resource_spans[0].resource.as_ref());

    let metrics = backend.metrics.lock().unwrap();
    let metric = &metrics[0].resource_metrics[0].scope_metrics[0].metrics[0];
    assert_eq!(metric.name, "knothole_things");
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}")
    };
    assert_eq!(
        sum.data_points[0].value,
        Some(Value::AsDouble(42.0)),
        "read at the last moment"
    );
    assert!(sum.is_monotonic);
    assert_ours(metrics[0].resource_metrics[0].resource.as_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_the_audit_leave_whatever_the_level_is_unless_it_names_them() {
    for (level, leaves) in [
        ("error", true),
        ("off", true),
        ("info,knothole::audit=off", false),
    ] {
        let backend = Backend::default();
        let settings = TelemetrySettings {
            level: level.to_owned(),
            ..to(backend.start().await)
        };
        let (subscriber, telemetry) = build(&settings, "instance-1").unwrap();
        {
            let _guard = tracing::subscriber::set_default(subscriber);
            tracing::info!(target: AUDIT, number = 7, "The audit has a new entry.");
            tracing::debug!("Something of no weight.");
        }
        telemetry.shutdown().await;
        let text = format!("{:?}", backend.logs.lock().unwrap());
        assert_eq!(
            text.contains("The audit has a new entry."),
            leaves,
            "{level}: {text}"
        );
        assert!(!text.contains("of no weight"), "{level}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_accepts_and_never_answers_does_not_hold_up_the_shutdown() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = TelemetrySettings {
        export_timeout: Duration::from_millis(200),
        ..to(endpoint)
    };
    let (subscriber, telemetry) = build(&settings, "instance-1").unwrap();
    {
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!("Nobody will ever read this.");
    }
    let bound = Duration::from_secs(5);
    tokio::time::timeout(bound, telemetry.shutdown())
        .await
        .expect("a bounded shutdown");
}

#[test]
fn a_level_that_cannot_be_read_is_refused_with_an_example() {
    let settings = TelemetrySettings {
        level: "a=b=c".to_owned(),
        ..TelemetrySettings::default()
    };
    let error = build(&settings, "instance-1").err().unwrap().to_string();
    assert!(
        error.contains("a=b=c") && error.contains("info,knothole=debug"),
        "{error}"
    );
}

#[test]
fn the_text_of_each_kind_of_metric_is_read_back() {
    let mut registry = Registry::default();
    let hostile = "a\"b\\c\nd}, e=\"1\"";
    let family = Labelled::<Vec<(String, String)>, Counter>::default();
    family
        .get_or_create(&vec![("reason".to_owned(), hostile.to_owned())])
        .inc_by(3);
    let gauge = Gauge::<i64>::default();
    gauge.set(-7);
    let histogram = Histogram::new([1.0, 2.0]);
    histogram.observe(1.5);
    registry.register("some", "A counter with labels", family);
    registry.register("some_level", "A gauge whose name begins alike", gauge);
    registry.register("took", "A histogram", histogram);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();

    let instruments: Vec<_> = Family::all(&text)
        .iter()
        .flat_map(Family::instruments)
        .collect();
    let names: Vec<_> = instruments
        .iter()
        .map(|it| (it.name.as_str(), it.is_counter))
        .collect();
    let growing = [
        ("took_bucket", true),
        ("took_sum", true),
        ("took_count", true),
    ];
    assert_eq!(names[..2], [("some", true), ("some_level", false)]);
    assert_eq!(names[2..], growing);
    let read = |at: usize| samples::read(&text, &instruments[at].sample);
    let labels = vec![KeyValue::new("reason", hostile)];
    assert_eq!(read(0), [samples::Sample { labels, value: 3.0 }]);
    assert_eq!(
        read(1),
        [samples::Sample {
            labels: vec![],
            value: -7.0
        }]
    );
    let buckets: Vec<_> = read(2).iter().map(|bucket| bucket.value).collect();
    assert_eq!(buckets, [0.0, 1.0, 1.0]);
    assert_eq!(read(3)[0].value, 1.5);
}
