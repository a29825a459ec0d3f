//! Logs, spans and metrics of microservices, some minutes of them with an injected fault.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::first;
use super::table::{Table, cells};
use crate::cli::lines::Lines;
use crate::core::parse::{Miner, message};
use crate::core::record::{
    Metric, Point, Reading, Resource, Span, SpanId, Spans, StreamKey, TemplateId, Timestamp,
    TraceId,
};
use crate::core::redact::Redactor;
use crate::core::witness::{Heard, event_of};

/// What one folder holds.
#[derive(Default)]
pub(in crate::cli::eval) struct Folder {
    /// The injected faults, by their number.
    pub(in crate::cli::eval) faults: Vec<Fault>,
    /// What came in the fault-free minute, in order of time.
    pub(in crate::cli::eval) normal: Vec<Item>,
    /// The metrics of the whole day, in order of time.
    pub(in crate::cli::eval) metrics: Vec<Item>,
    /// The places of the faults, by their ids.
    places: BTreeMap<Box<str>, usize>,
}

/// An injected fault, and what came in its minutes.
pub(in crate::cli::eval) struct Fault {
    pub(in crate::cli::eval) at: Timestamp,
    pub(in crate::cli::eval) kind: Box<str>,
    pub(in crate::cli::eval) service: Box<str>,
    /// In order of time.
    pub(in crate::cli::eval) items: Vec<Item>,
}

/// Something that is sent.
#[derive(Clone)]
pub(in crate::cli::eval) struct Item {
    /// When: a span at its end.
    pub(in crate::cli::eval) at: Timestamp,
    pub(in crate::cli::eval) what: What,
}

/// What is sent.
#[derive(Clone)]
pub(in crate::cli::eval) enum What {
    Spans(Arc<Spans>),
    Record(Arc<StreamKey>, Arc<Resource>, Heard, Option<SpanId>),
    Metric(Arc<Metric>),
}

/// Reads folders. Of several they share templates and resources.
#[derive(Default)]
pub(in crate::cli::eval) struct Reader {
    redactor: Redactor,
    miner: Miner,
    resources: BTreeMap<Box<str>, (Arc<StreamKey>, Arc<Resource>)>,
    names: BTreeMap<Box<str>, Arc<str>>,
    /// The text of each event, as its first record has it.
    pub(in crate::cli::eval) texts: BTreeMap<TemplateId, Box<str>>,
}

/// Metrics by their columns, what they are called in OpenTelemetry, and what one unit of the column is.
const METRICS: [(&str, &str, f64); 14] = [
    ("CpuUsage(m)", "k8s.pod.cpu.usage", 0.001),
    ("CpuUsageRate(%)", "k8s.pod.cpu_limit_utilization", 0.01),
    ("MemoryUsage(Mi)", "k8s.pod.memory.usage", 1_048_576.0),
    (
        "MemoryUsageRate(%)",
        "k8s.pod.memory_limit_utilization",
        0.01,
    ),
    ("SyscallRead", "syscall.read", 1.0),
    ("SyscallWrite", "syscall.write", 1.0),
    ("NetworkReceiveBytes", "k8s.pod.network.receive", 1.0),
    ("NetworkTransmitBytes", "k8s.pod.network.transmit", 1.0),
    ("PodClientLatencyP90(s)", "client.latency.p90", 1.0),
    ("PodServerLatencyP90(s)", "server.latency.p90", 1.0),
    ("PodClientLatencyP99(s)", "client.latency.p99", 1.0),
    ("PodServerLatencyP99(s)", "server.latency.p99", 1.0),
    ("PodWorkload(Ops)", "server.requests", 1.0),
    ("PodSuccessRate(%)", "server.success", 0.01),
];
const FOLDER: [&str; 3] = ["faults.tsv", "logs.tsv.gz", "spans.tsv.gz"];

impl Reader {
    /// Reads a folder with faults.tsv, logs.tsv.gz, spans.tsv.gz and metrics.csv.gz.
    ///
    /// # Errors
    /// When a file is missing, cannot be read or lacks a column.
    pub(in crate::cli::eval) fn read(&mut self, path: &Path) -> anyhow::Result<Folder> {
        let [faults, logs, spans] = FOLDER;
        let mut folder = Folder::default();
        folder.read_faults(&first(path, &[faults])?)?;
        ensure!(!folder.faults.is_empty(), "{faults} names no fault");
        self.read_spans(&first(path, &[spans, "spans.tsv"])?, &mut folder)?;
        self.read_logs(&first(path, &[logs, "logs.tsv"])?, &mut folder)?;
        let metrics = first(path, &["metrics.csv.gz", "metrics.csv"])?;
        self.read_metrics(&metrics, &mut folder)?;
        folder.normal.sort_by_key(|item| item.at);
        folder.metrics.sort_by_key(|item| item.at);
        for fault in &mut folder.faults {
            fault.items.sort_by_key(|item| item.at);
        }
        Ok(folder)
    }

    /// The minutes of one fault overlap, so of what comes twice the first counts.
    fn read_spans(&mut self, path: &Path, folder: &mut Folder) -> anyhow::Result<()> {
        const COLUMNS: [&str; 8] = [
            "fault_id",
            "trace_id",
            "span_id",
            "parent_id",
            "pod",
            "operation",
            "start_ns",
            "end_ns",
        ];
        let mut table = Table::open(path, &COLUMNS)?;
        let mut seen: BTreeSet<(Option<usize>, TraceId, SpanId)> = BTreeSet::new();
        while let Some(row) = table.next_row()? {
            let [fault, trace, span, parent, pod, name, start, end] = cells(&row);
            let (Some(trace_id), Some(span_id)) = (trace_id(trace), span_id(span)) else {
                continue;
            };
            let Some(fault) = folder.place(fault) else {
                continue;
            };
            if !seen.insert((fault, trace_id, span_id)) {
                continue;
            }
            let (start, end) = (nanos(start), nanos(end));
            let (stream, resource) = self.resource(pod);
            let span = Span {
                trace_id,
                span_id,
                parent: self::span_id(parent),
                name: self.name(name),
                start: Some(start),
                duration: end.since(start),
                is_error: false,
            };
            let spans = Spans {
                stream: stream.as_ref().clone(),
                resource,
                spans: vec![span],
            };
            folder.push(fault, end, What::Spans(Arc::new(spans)));
        }
        Ok(())
    }

    fn read_logs(&mut self, path: &Path, folder: &mut Folder) -> anyhow::Result<()> {
        const COLUMNS: [&str; 6] = ["fault_id", "ts_ns", "pod", "trace_id", "span_id", "line"];
        let mut table = Table::open(path, &COLUMNS)?;
        let mut seen: BTreeSet<(Option<usize>, Timestamp, SpanId, TemplateId)> = BTreeSet::new();
        let mut before = Timestamp::ZERO;
        while let Some(row) = table.next_row()? {
            let [fault, time, pod, trace, span, line] = cells(&row);
            // Some times are no numbers: such a record follows the one before it.
            let time = time.parse().map_or(before, Timestamp::from_nanos);
            before = time;
            let Some(trace) = trace_id(trace) else {
                continue;
            };
            let body = self.redactor.text(line);
            let message = message(&body, Some(time));
            let parsed = self
                .miner
                .parse_with(message.text(), &message.constant, time);
            let event = event_of(&body, parsed.id);
            let Some(fault) = folder.place(fault) else {
                continue;
            };
            let span = span_id(span);
            if span.is_some_and(|span| !seen.insert((fault, time, span, event))) {
                continue;
            }
            let text = || {
                self.miner
                    .resolve(parsed.id)
                    .map(|template| template.text.clone())
            };
            self.texts
                .entry(event)
                .or_insert_with(|| text().unwrap_or_default());
            let (stream, resource) = self.resource(pod);
            let heard = Heard {
                trace,
                template: event,
                time,
                place: 0,
            };
            folder.push(fault, time, What::Record(stream, resource, heard, span));
        }
        Ok(())
    }

    fn read_metrics(&mut self, path: &Path, folder: &mut Folder) -> anyhow::Result<()> {
        let mut lines = Lines::open(path)?;
        let head = lines.next_line()?.unwrap_or_default().to_owned();
        let column = |name: &str| head.split(',').position(|column| column == name);
        let time = column("TimeStamp").context("the metrics have no column TimeStamp")?;
        let pod = column("PodName").context("the metrics have no column PodName")?;
        let metrics = METRICS.map(|(name, called, unit)| (column(name), called, unit));
        while let Some(line) = lines.next_line()? {
            let row: Vec<&str> = line.split(',').collect();
            let cell = |place: usize| row.get(place).copied().unwrap_or_default();
            let seconds: u64 = cell(time).parse().unwrap_or(0);
            let at = Timestamp::from_millis(seconds.saturating_mul(1_000));
            let (stream, resource) = self.resource(cell(pod));
            for (place, called, unit) in metrics {
                let value = place.and_then(|place| cell(place).parse::<f64>().ok());
                let Some(value) = value else { continue };
                let metric = Metric {
                    stream: stream.as_ref().clone(),
                    resource: Arc::clone(&resource),
                    name: called.into(),
                    points: vec![Point {
                        attributes: Resource::default(),
                        time: Some(at),
                        reading: Reading::Number(value * unit),
                    }],
                };
                let what = What::Metric(Arc::new(metric));
                folder.metrics.push(Item { at, what });
            }
        }
        Ok(())
    }

    /// The service of a pod is its name without the two words that Kubernetes adds.
    fn resource(&mut self, pod: &str) -> (Arc<StreamKey>, Arc<Resource>) {
        if let Some(known) = self.resources.get(pod) {
            return known.clone();
        }
        let service = pod.rsplitn(3, '-').nth(2).unwrap_or(pod);
        let resource = Resource::new(vec![
            ("service.name".into(), service.into()),
            ("k8s.pod.name".into(), pod.into()),
        ]);
        let new = (Arc::new(StreamKey::of(&resource, None)), Arc::new(resource));
        self.resources.insert(pod.into(), new.clone());
        new
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(name.into(), Arc::clone(&new));
        new
    }
}

impl Folder {
    fn push(&mut self, fault: Option<usize>, at: Timestamp, what: What) {
        let item = Item { at, what };
        match fault {
            None => self.normal.push(item),
            Some(fault) => {
                if let Some(fault) = self.faults.get_mut(fault) {
                    fault.items.push(item);
                }
            }
        }
    }

    /// Where what belongs to a fault goes: nowhere, where no such fault is known.
    fn place(&self, fault: &str) -> Option<Option<usize>> {
        if fault.is_empty() {
            return Some(None);
        }
        self.places.get(fault).map(|place| Some(*place))
    }

    fn read_faults(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut table = Table::open(path, &["fault_id", "inject_time_utc", "type", "service"])?;
        while let Some(row) = table.next_row()? {
            let [id, time, kind, service] = cells(&row);
            let time: jiff::civil::DateTime = time
                .parse()
                .with_context(|| format!("{}: fault {id} has no time", path.display()))?;
            let since_epoch = time.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
            let seconds = u64::try_from(since_epoch.as_second()).unwrap_or(0);
            self.places.insert(id.into(), self.faults.len());
            self.faults.push(Fault {
                at: Timestamp::ZERO.plus(Duration::from_secs(seconds)),
                kind: kind.into(),
                service: service.into(),
                items: Vec::new(),
            });
        }
        Ok(())
    }
}

fn nanos(text: &str) -> Timestamp {
    Timestamp::from_nanos(text.parse().unwrap_or(0))
}

fn trace_id(hex: &str) -> Option<TraceId> {
    TraceId::from_bytes(&bytes(hex)?)
}

fn span_id(hex: &str) -> Option<SpanId> {
    SpanId::from_bytes(&bytes(hex)?)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}
