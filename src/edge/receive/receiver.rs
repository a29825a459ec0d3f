//! What both transports share: decode and convert off the async threads, hand over, count, answer.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::metrics::Tally;
use super::{ConvertSettings, DecodeError, Decoded, Intake, Metrics, Refusal};

/// The bounds of the receiver.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest request in bytes, as sent and again after inflating. Default 64 MiB, as OTLP
    /// recommends.
    pub request_bytes_max: usize,
    /// Most requests read, decoded or handed over at once, over both transports; further ones
    /// wait in their connections. Default 32.
    pub requests_at_once_max: usize,
    /// Longest time a request may take from its head to its answer. Default 30 s.
    pub request_timeout: Duration,
    /// How requests become records.
    pub convert: ConvertSettings,
}

impl Settings {
    /// The defaults, for the process `instance_id`.
    pub fn of_instance(instance_id: &str) -> Self {
        Self {
            request_bytes_max: 64 << 20,
            requests_at_once_max: 32,
            request_timeout: Duration::from_secs(30),
            convert: ConvertSettings::of_instance(instance_id),
        }
    }
}

/// Takes requests from both transports and gives them to one [`Intake`]. Clones share all of it.
#[derive(Debug)]
pub struct Receiver<I> {
    intake: Arc<I>,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Metrics,
    pub(super) room: Arc<Semaphore>,
    running: TaskTracker,
}

impl<I> Clone for Receiver<I> {
    fn clone(&self) -> Self {
        Self {
            intake: Arc::clone(&self.intake),
            settings: Arc::clone(&self.settings),
            metrics: self.metrics.clone(),
            room: Arc::clone(&self.room),
            running: self.running.clone(),
        }
    }
}

impl<I: Intake> Receiver<I> {
    /// A receiver in front of `intake`.
    pub fn new(intake: Arc<I>, settings: Settings, metrics: Metrics) -> Self {
        let room = Arc::new(Semaphore::new(settings.requests_at_once_max.max(1)));
        let running = TaskTracker::new();
        Self {
            intake,
            settings: Arc::new(settings),
            metrics,
            room,
            running,
        }
    }

    /// Decodes with `decode`, hands over, counts, and says what to answer.
    pub(super) async fn take<D>(&self, decode: D) -> Result<ExportLogsServiceResponse, Failure>
    where
        D: FnOnce(&ConvertSettings) -> Result<Decoded, Failure> + Send + 'static,
    {
        // In a task of its own, since the caller is dropped in mid-sentence when a sender hangs up,
        // and a request is taken and counted as a whole or not at all.
        let task = self.running.spawn(self.clone().hand_over(decode));
        let tally = task.await.map_err(|_| Failure::Broken)??;
        Ok(ExportLogsServiceResponse {
            partial_success: partial_success(&tally),
        })
    }

    async fn hand_over<D>(self, decode: D) -> Result<Tally, Failure>
    where
        D: FnOnce(&ConvertSettings) -> Result<Decoded, Failure> + Send + 'static,
    {
        // Thousands of records take milliseconds, and the async threads also serve health checks
        // and the deliveries of alerts.
        let settings = Arc::clone(&self.settings);
        let work = move || decode(&settings.convert);
        let decoded = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Failure::Broken)??;
        let tally = Tally::of(&decoded);
        // A request without a record to judge needs no room.
        if !decoded.batches.is_empty() {
            self.intake.accept(decoded).await?;
        }
        self.metrics.accepted(&tally);
        Ok(tally)
    }

    /// Waits for the requests whose senders hung up; the others have been answered by now.
    pub(super) async fn finish(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

/// Unset where everything was taken, as OTLP asks.
fn partial_success(tally: &Tally) -> Option<ExportLogsPartialSuccess> {
    let rejected: u64 = tally.rejected.iter().map(|(_, count)| count).sum();
    if rejected == 0 {
        return None;
    }
    let reasons = tally.rejected.iter().map(|(reason, count)| {
        format!(
            "{count} log records were not taken ({}): {}",
            reason.name(),
            reason.advice()
        )
    });
    Some(ExportLogsPartialSuccess {
        rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
        error_message: reasons.collect::<Vec<_>>().join("; "),
    })
}

/// Why a request gets no success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The bytes are not what they claim to be. Sending them again would not help.
    #[error("{0}")]
    Undecodable(String),
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    #[error("the request is larger than {limit} bytes ({size}), send smaller batches")]
    TooLarge { limit: usize, size: &'static str },
    #[error("{0}")]
    Unsupported(String),
    #[error("the request did not arrive in time")]
    TooSlow,
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A bug of ours; the sender should not send the same bytes into it again.
    #[error("knothole failed to process the request")]
    Broken,
}
