//! What is known of the running daemon, for the api and the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::memory::Memory;
use crate::core::engine::{Ledger, State, Status};
use crate::core::event::{Action, ActionEvent, Incident, IncidentEvent, Stage};
use crate::core::incident::Times;
use crate::core::record::Timestamp;
use crate::edge::api::{ModelView, Recent, ServiceState, ServiceView, View, open_metrics};
use crate::edge::notify::rfc3339;
use crate::edge::receive;

/// How old the shown state of the streams may be.
const STATUS_AGE_MAX: Duration = Duration::from_millis(500);

/// Gathers what the shards report and shows it.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) recent: Recent,
    pub(super) received: receive::Metrics,
    pub(super) notified: crate::edge::notify::Metrics,
    pub(super) memory: Arc<Memory>,
    pub(super) queued: Arc<AtomicU64>,
    /// The incidents that go on, oldest first.
    live: Mutex<Vec<Arc<Incident>>>,
    /// The actions that are not over.
    open_actions: Mutex<Vec<Arc<Action>>>,
    /// As the api shows them, and when each is over.
    silences: Mutex<Vec<(Timestamp, Value)>>,
    registry: Registry,
    shards: Vec<Report>,
    counts: Counts,
    ready: AtomicBool,
    /// In nanoseconds, the longest of late.
    lag: AtomicU64,
}

#[derive(Debug, Default)]
struct Report {
    ledger: Mutex<Ledger>,
    status: Mutex<(Option<Instant>, Vec<Status>)>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    scored: Counter,
    learned: Counter,
    pending: Gauge,
    streams: Family<StateLabels, Gauge>,
    anomalies: Family<KindLabels, Counter>,
    redacted: Family<RedactedLabels, Counter>,
    incidents: Family<StageLabels, Counter>,
    incidents_open: Gauge,
    time_to: TimesTo,
    feedback: Family<VerdictLabels, Counter>,
    actions: Family<ActionLabels, Counter>,
    resident: Gauge,
    stopped: Gauge,
}

/// How long things took, in seconds from the first abnormal record on.
#[derive(Clone, Debug)]
struct TimesTo {
    detect: Histogram,
    acknowledge: Histogram,
    restore: Histogram,
}

impl Default for TimesTo {
    fn default() -> Self {
        // From 10 s to about 5 days.
        let histogram = || Histogram::new(exponential_buckets(10.0, 3.0, 10));
        Self {
            detect: histogram(),
            acknowledge: histogram(),
            restore: histogram(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
    severity: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
    mode: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// The kinds are those of the settings, so there are not many.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RedactedLabels {
    kind: String,
}

impl Board {
    pub(super) fn new(shards: usize, memory: Arc<Memory>) -> Self {
        let mut registry = Registry::default();
        let received = receive::Metrics::default();
        received.register(&mut registry);
        let notified = crate::edge::notify::Metrics::register(&mut registry);
        let counts = Counts::default();
        counts.register(&mut registry);
        let mut reports = Vec::new();
        reports.resize_with(shards, Report::default);
        Self {
            recent: Recent::default(),
            received,
            notified,
            memory,
            queued: Arc::default(),
            live: Mutex::default(),
            open_actions: Mutex::default(),
            silences: Mutex::default(),
            registry,
            shards: reports,
            counts,
            ready: AtomicBool::new(false),
            lag: AtomicU64::new(0),
        }
    }

    /// A shard's ledger moved on.
    pub(super) fn tell_ledger(&self, shard: usize, ledger: Ledger) {
        let Some(report) = self.shards.get(shard) else {
            return;
        };
        let before = std::mem::replace(&mut *locked(&report.ledger), ledger);
        self.counts
            .scored
            .inc_by(ledger.scored.saturating_sub(before.scored));
        self.counts
            .learned
            .inc_by(ledger.learned.saturating_sub(before.learned));
        let suppressed = ledger.suppressed.saturating_sub(before.suppressed);
        if suppressed > 0 {
            self.received.suppress("streams_max", suppressed);
        }
        let repeated = ledger.repeated.saturating_sub(before.repeated);
        if repeated > 0 {
            self.received.suppress("repeated", repeated);
        }
    }

    /// A shard judges records so long after they came.
    pub(super) fn tell_lag(&self, lag: Duration) {
        let nanos = u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
        self.lag.fetch_max(nanos, Ordering::Relaxed);
    }

    /// How long after they came records were judged at most since the last call.
    pub(super) fn take_lag(&self) -> Duration {
        Duration::from_nanos(self.lag.swap(0, Ordering::Relaxed))
    }

    /// A shard's ledger moved on, and its streams may have; `status` is asked when what is shown
    /// has become old.
    pub(super) fn tell(&self, shard: usize, ledger: Ledger, status: impl FnOnce() -> Vec<Status>) {
        self.tell_ledger(shard, ledger);
        let Some(report) = self.shards.get(shard) else {
            return;
        };
        let mut shown = locked(&report.status);
        if shown.0.is_none_or(|at| at.elapsed() >= STATUS_AGE_MAX) {
            *shown = (Some(Instant::now()), status());
        }
    }

    pub(super) fn count_anomaly(&self, kind: &'static str) {
        self.counts
            .anomalies
            .get_or_create(&KindLabels { kind })
            .inc();
    }

    /// Something became of an action.
    pub(super) fn count_action(&self, event: &ActionEvent) {
        let action = &event.action;
        let labels = ActionLabels {
            action: action.remedy.kind().name(),
            mode: action.mode.name(),
            state: action.state.name(),
        };
        self.counts.actions.get_or_create(&labels).inc();
    }

    /// Something became of an incident.
    pub(super) fn count_incident(&self, event: &IncidentEvent) {
        let incident = &event.incident;
        let labels = StageLabels {
            stage: event.stage.name(),
            severity: incident.severity.name(),
        };
        self.counts.incidents.get_or_create(&labels).inc();
        let (to, times) = (&self.counts.time_to, Times::of(incident));
        let (histogram, took) = match event.stage {
            Stage::Opened => (&to.detect, Some(times.detect)),
            Stage::Acknowledged => (&to.acknowledge, times.acknowledge),
            Stage::Resolved => (&to.restore, times.restore),
            Stage::Updated | Stage::Accepted => return,
        };
        if let Some(took) = took {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Shows whether all actions are stopped.
    pub(super) fn set_stopped(&self, is_stopped: bool) {
        self.counts.stopped.set(i64::from(is_stopped));
    }

    pub(super) fn count_feedback(&self, verdict: &'static str) {
        let labels = VerdictLabels { verdict };
        self.counts.feedback.get_or_create(&labels).inc();
    }

    /// Shows `open` as the actions that are not over.
    pub(super) fn set_open_actions(&self, open: Vec<Arc<Action>>) {
        *locked(&self.open_actions) = open;
    }

    /// The actions that are not over and whose ids begin so.
    pub(super) fn open_actions(&self, prefix: &str) -> Vec<Arc<Action>> {
        let open = locked(&self.open_actions);
        let found = open.iter().filter(|it| it.id.starts_with(prefix));
        found.cloned().collect()
    }

    /// These incidents go on.
    pub(super) fn set_live(&self, live: Vec<Arc<Incident>>) {
        let open = i64::try_from(live.len()).unwrap_or(i64::MAX);
        self.counts.incidents_open.set(open);
        *locked(&self.live) = live;
    }

    /// The incidents that go on whose ids begin so.
    pub(super) fn live(&self, prefix: &str) -> Vec<Arc<Incident>> {
        let live = locked(&self.live);
        let found = live.iter().filter(|it| it.id.starts_with(prefix));
        found.cloned().collect()
    }

    /// These silences are there, each with the moment at which it is over.
    pub(super) fn set_silences(&self, silences: Vec<(Timestamp, Value)>) {
        *locked(&self.silences) = silences;
    }

    /// The silences that hold at `now`.
    pub(super) fn silences(&self, now: Timestamp) -> Vec<Value> {
        let silences = locked(&self.silences);
        let holding = silences.iter().filter(|(expires, _)| now < *expires);
        holding.map(|(_, shown)| shown.clone()).collect()
    }

    pub(super) fn count_redacted(&self, kind: &str, count: u64) {
        let labels = RedactedLabels {
            kind: kind.to_owned(),
        };
        self.counts.redacted.get_or_create(&labels).inc_by(count);
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Records taken in that are neither judged nor learned from yet.
    pub(super) fn pending(&self) -> u64 {
        let held: u64 = self
            .shards
            .iter()
            .map(|report| locked(&report.ledger).pending)
            .sum();
        self.queued.load(Ordering::Acquire) + held
    }

    /// All streams, by key.
    pub(super) fn status(&self) -> Vec<Status> {
        let shards = self.shards.iter();
        let mut all: Vec<Status> = shards
            .flat_map(|report| locked(&report.status).1.clone())
            .collect();
        all.sort_by(|a, b| a.stream.cmp(&b.stream));
        all
    }

    fn refresh(&self) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.counts.pending.set(gauge(self.pending()));
        self.counts.resident.set(gauge(self.memory.resident()));
        let status = self.status();
        for (state, label) in [
            (State::Learning, "learning"),
            (State::Training, "training"),
            (State::Active, "active"),
        ] {
            let count = status.iter().filter(|status| status.state == state).count();
            let labels = StateLabels { state: label };
            self.counts
                .streams
                .get_or_create(&labels)
                .set(gauge(count as u64));
        }
    }
}

impl Counts {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "knothole_log_records_scored",
            "Log records judged by a model",
            self.scored.clone(),
        );
        registry.register(
            "knothole_log_records_learned",
            "Log records learned from before their service had a model",
            self.learned.clone(),
        );
        registry.register(
            "knothole_log_records_pending",
            "Log records taken in that wait to be judged or learned from",
            self.pending.clone(),
        );
        registry.register(
            "knothole_streams",
            "Services, by state",
            self.streams.clone(),
        );
        registry.register(
            "knothole_anomalies",
            "Anomalies found, by kind",
            self.anomalies.clone(),
        );
        registry.register(
            "knothole_redacted",
            "Secrets and personal data taken out of records, by kind",
            self.redacted.clone(),
        );
        self.register_incidents(registry);
        registry.register(
            "knothole_memory_resident_bytes",
            "Memory that the process holds",
            self.resident.clone(),
        );
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("knothole_build", "The knothole that runs", build);
    }

    fn register_incidents(&self, registry: &mut Registry) {
        registry.register(
            "knothole_incidents",
            "What became of incidents, by severity",
            self.incidents.clone(),
        );
        registry.register(
            "knothole_incidents_open",
            "Incidents that go on",
            self.incidents_open.clone(),
        );
        for (name, help, histogram) in [
            (
                "knothole_incident_time_to_detect_seconds",
                "From the first abnormal record until the incident was opened",
                &self.time_to.detect,
            ),
            (
                "knothole_incident_time_to_acknowledge_seconds",
                "From the first abnormal record until somebody took the incident on",
                &self.time_to.acknowledge,
            ),
            (
                "knothole_incident_time_to_restore_seconds",
                "From the first abnormal record until the last, or until somebody said that it is over",
                &self.time_to.restore,
            ),
        ] {
            registry.register(name, help, histogram.clone());
        }
        registry.register(
            "knothole_feedback",
            "What people said of anomalies and incidents, by verdict",
            self.feedback.clone(),
        );
        registry.register(
            "knothole_actions_stopped",
            "Whether all actions are stopped: 1, or 0",
            self.stopped.clone(),
        );
        registry.register(
            "knothole_actions",
            "What became of actions, by action, mode of the rule and where it stands since",
            self.actions.clone(),
        );
    }
}

impl View for Board {
    fn ready(&self) -> Result<(), String> {
        match self.ready.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err("starting or stopping".to_owned()),
        }
    }

    fn services(&self) -> Vec<ServiceView> {
        self.status().into_iter().map(service).collect()
    }

    fn anomalies(&self, limit: usize) -> Vec<Value> {
        self.recent.newest(limit)
    }

    fn metrics(&self) -> String {
        self.refresh();
        open_metrics(&self.registry)
    }
}

fn service(status: Status) -> ServiceView {
    let odd = status.health.signs().into_iter().filter(|(_, odd)| *odd);
    ServiceView {
        environment: status.stream.environment,
        namespace: status.stream.namespace,
        name: status.stream.name,
        state: match status.state {
            State::Learning => ServiceState::Learning,
            State::Training => ServiceState::Training,
            State::Active => ServiceState::Active,
        },
        records: status.records,
        templates: status.templates as u64,
        new_template_chance: status.new_template_chance,
        overflow: status.overflow,
        template_signs: odd.map(|(name, _)| name).collect(),
        quarantined_until: status.quarantined_until.map(|until| rfc3339(until).into()),
        sequences: status.sequences_open as u64,
        model: status.model.map(|model| ModelView {
            version: model.version,
            trained_on: model.trained_on.records,
        }),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is replaced as a whole, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
