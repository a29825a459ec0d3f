//! What knothole says about itself: metrics, logs, traces.
//!
//! Logs go to stderr. With an endpoint they also leave over OTLP, with traces and the metrics that
//! `/metrics` shows. Everything carries our instance id, by which `edge::receive` knows knothole's
//! own records, so an endpoint that leads back here makes no loop.

mod samples;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::transport::ClientTlsConfig;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use samples::Family;

/// The environment variable that overrides [`TelemetrySettings::level`].
pub const LEVEL_VARIABLE: &str = "KNOTHOLE_LOG";

/// What entries of the audit are logged as. Over OTLP these leave whatever the level is, unless the level
/// names them: `info,knothole::audit=off`.
pub const AUDIT: &str = "knothole::audit";

/// What to tell, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// A level (`info`), or directives such as `info,knothole::edge=debug`. Default `info`.
    pub level: String,
    /// An OTLP/gRPC endpoint for our own logs, traces and metrics. Default none.
    pub endpoint: Option<String>,
    /// Longest time for one export, and for the last one at shutdown. Default 5 s.
    pub export_timeout: Duration,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            endpoint: None,
            export_timeout: Duration::from_secs(5),
        }
    }
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level cannot be read.
    #[error("reading the log level {level:?}; info is one, and info,knothole=debug another")]
    Level {
        /// As given.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The endpoint cannot be used.
    #[error("preparing the export to {endpoint:?}")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Someone else already takes the logs of this process.
    #[error("starting logs, which can be done once")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// The running telemetry. Shut it down at the end, or its last records are lost.
#[derive(Debug)]
pub struct Telemetry {
    export_timeout: Duration,
    export: Option<Export>,
}

/// Sends the logs of this process to stderr and, if there is an endpoint, over OTLP. The level is
/// that of the settings, unless the environment variable [`LEVEL_VARIABLE`] gives another.
///
/// With an endpoint it must be called inside a tokio runtime. Nothing is sent yet, so an endpoint
/// that is down is no error.
///
/// # Errors
/// [`TelemetryError`] when the level or the endpoint cannot be used, or on a second call.
pub fn init(settings: &TelemetrySettings, instance_id: &str) -> Result<Telemetry, TelemetryError> {
    let level = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| settings.level.clone());
    let settings = TelemetrySettings {
        level,
        ..settings.clone()
    };
    let (subscriber, telemetry) = build(&settings, instance_id)?;
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(telemetry)
}

impl Telemetry {
    /// Exports the metrics of `exposition`, which gives OpenMetrics text, beside the logs; does
    /// nothing without an endpoint. The text is the one source, for `/metrics` and OTLP alike.
    ///
    /// Metrics are found by their `# TYPE` lines now, so they must all be registered by this time.
    pub fn observe(&self, exposition: Arc<dyn Fn() -> String + Send + Sync>) {
        let Some(export) = &self.export else { return };
        let meter = export.metrics.meter("knothole");
        for family in Family::all(&exposition()) {
            for instrument in family.instruments() {
                let source = Arc::clone(&exposition);
                let sample = instrument.sample.clone();
                let read = move || samples::read(&source(), &sample);
                let tell = move |to: &dyn AsyncInstrument<f64>| {
                    read()
                        .iter()
                        .for_each(|sample| to.observe(sample.value, &sample.labels));
                };
                // The instrument lives in the meter; what is built here is only a name for it.
                if instrument.is_counter {
                    meter
                        .f64_observable_counter(instrument.name)
                        .with_callback(tell)
                        .build();
                } else {
                    meter
                        .f64_observable_gauge(instrument.name)
                        .with_callback(tell)
                        .build();
                }
            }
        }
    }

    /// Sends what is left, for at most the export timeout.
    pub async fn shutdown(self) {
        let Some(export) = self.export else { return };
        let timeout = self.export_timeout;
        // The exporters block while they wait for their own threads.
        let last = tokio::task::spawn_blocking(move || export.shutdown(timeout));
        if tokio::time::timeout(timeout, last).await.is_err() {
            tracing::warn!("The last telemetry was given up on, its endpoint does not answer.");
        }
    }
}

fn build(
    settings: &TelemetrySettings,
    instance_id: &str,
) -> Result<(impl Subscriber + Send + Sync + use<>, Telemetry), TelemetryError> {
    let filter = |level: &str| {
        EnvFilter::try_new(level).map_err(|source| TelemetryError::Level {
            level: level.to_owned(),
            source,
        })
    };
    let level = &settings.level;
    let told = filter(level)?;
    let copied = match level.contains(AUDIT) {
        true => filter(level)?,
        false => filter(&format!("{level},{AUDIT}=info"))?,
    };
    let export =
        match &settings.endpoint {
            None => None,
            Some(endpoint) => Some(Export::to(endpoint, settings, instance_id).map_err(
                |source| TelemetryError::Endpoint {
                    endpoint: endpoint.clone(),
                    source,
                },
            )?),
        };
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(told);
    let logs = export.as_ref().map(|export| {
        OpenTelemetryTracingBridge::new(&export.logs).with_filter(copied.and(ours()))
    });
    let traced = filter(level)?;
    let traces = export.as_ref().map(|export| {
        let tracer = export.traces.tracer("knothole");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_filter(traced.and(ours()))
    });
    let subscriber = tracing_subscriber::registry()
        .with(stderr)
        .with(logs)
        .with(traces);
    let telemetry = Telemetry {
        export_timeout: settings.export_timeout,
        export,
    };
    Ok((subscriber, telemetry))
}

/// Everything but what the exporters do themselves: each export would otherwise cause events that
/// cause the next export. A name covers whatever begins with it, `hyper` also `hyper_util`.
fn ours() -> Targets {
    let exporters = [
        "opentelemetry",
        "tonic",
        "h2",
        "hyper",
        "tower",
        "reqwest",
        "rustls",
    ];
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(exporters.map(|target| (target, LevelFilter::OFF)))
}

#[derive(Debug)]
struct Export {
    logs: SdkLoggerProvider,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Export {
    fn to(
        endpoint: &str,
        settings: &TelemetrySettings,
        instance_id: &str,
    ) -> Result<Self, opentelemetry_otlp::ExporterBuildError> {
        let resource = Resource::builder()
            .with_attributes([
                KeyValue::new("service.name", "knothole"),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", instance_id.to_owned()),
            ])
            .build();
        let target = Target {
            endpoint,
            timeout: settings.export_timeout,
        };
        let logs = target.of(LogExporter::builder().with_tonic()).build()?;
        let traces = target.of(SpanExporter::builder().with_tonic()).build()?;
        let metrics = target.of(MetricExporter::builder().with_tonic()).build()?;
        Ok(Self {
            logs: SdkLoggerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(logs)
                .build(),
            traces: SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(traces)
                .build(),
            metrics: SdkMeterProvider::builder()
                .with_resource(resource)
                .with_periodic_exporter(metrics)
                .build(),
        })
    }

    /// A failure has been logged to stderr by the exporter, and there is nobody left to tell.
    fn shutdown(&self, timeout: Duration) {
        let _ = self.logs.shutdown_with_timeout(timeout);
        let _ = self.traces.shutdown_with_timeout(timeout);
        let _ = self.metrics.shutdown_with_timeout(timeout);
    }
}

struct Target<'a> {
    endpoint: &'a str,
    timeout: Duration,
}

impl Target<'_> {
    fn of<B: WithExportConfig + WithTonicConfig>(&self, builder: B) -> B {
        let builder = builder
            .with_endpoint(self.endpoint)
            .with_timeout(self.timeout)
            .with_compression(Compression::Gzip);
        if self.endpoint.starts_with("https:") {
            // Without roots no certificate would ever be trusted.
            builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
        } else {
            builder
        }
    }
}

#[cfg(test)]
mod tests;
