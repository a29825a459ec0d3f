//! Logs, spans and metrics of microservices, some minutes of them with an injected fault.

pub(super) mod otlp;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::first;
use super::table::{Table, cells};
use crate::cli::lines::Lines;
use crate::core::record::{SpanId, Timestamp, TraceId};
use crate::edge::receive::Sent;

/// What one folder holds.
#[derive(Default)]
pub(in crate::cli) struct Folder {
    /// The injected faults, by their number.
    pub(in crate::cli) faults: Vec<Fault>,
    /// What came in the fault-free minute, in order of time.
    pub(in crate::cli) normal: Vec<Item>,
    /// The metrics of the whole day, in order of time.
    pub(in crate::cli) metrics: Vec<Item>,
    /// The places of the faults, by their ids.
    places: BTreeMap<Box<str>, usize>,
}

/// An injected fault, and what came in its minutes.
pub(in crate::cli) struct Fault {
    pub(in crate::cli) at: Timestamp,
    pub(in crate::cli) kind: Box<str>,
    pub(in crate::cli) service: Box<str>,
    pub(in crate::cli) pod: Box<str>,
    /// In order of time.
    pub(in crate::cli) items: Vec<Item>,
}

/// Something that is sent.
#[derive(Clone)]
pub(in crate::cli) struct Item {
    /// When: a span at its end.
    pub(in crate::cli) at: Timestamp,
    /// As a Collector would send it.
    pub(in crate::cli) request: Sent,
}

/// Reads folders.
#[derive(Default)]
pub(in crate::cli) struct Reader {
    resources: BTreeMap<Box<str>, Resource>,
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
    pub(in crate::cli) fn read(&mut self, path: &Path) -> anyhow::Result<Folder> {
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
            let span = Span {
                trace_id: trace_id.as_bytes().to_vec(),
                span_id: span_id.as_bytes().to_vec(),
                parent_span_id: self::span_id(parent)
                    .map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
                name: name.to_owned(),
                start_time_unix_nano: nanos(start),
                end_time_unix_nano: nanos(end),
                ..Span::default()
            };
            let end = Timestamp::from_nanos(nanos(end));
            let request = otlp::span(self.resource(pod), span);
            folder.push(fault, end, request);
        }
        Ok(())
    }

    fn read_logs(&mut self, path: &Path, folder: &mut Folder) -> anyhow::Result<()> {
        const COLUMNS: [&str; 6] = ["fault_id", "ts_ns", "pod", "trace_id", "span_id", "line"];
        let mut table = Table::open(path, &COLUMNS)?;
        let mut seen: BTreeSet<(Option<usize>, u64, Box<str>, u64)> = BTreeSet::new();
        let mut before = 0;
        while let Some(row) = table.next_row()? {
            let [fault, time, pod, trace, span, line] = cells(&row);
            // Some times are no numbers: such a record follows the one before it.
            before = time.parse().unwrap_or(before);
            let Some(fault) = folder.place(fault) else {
                continue;
            };
            let mut text = DefaultHasher::new();
            line.hash(&mut text);
            if !seen.insert((fault, before, span.into(), text.finish())) {
                continue;
            }
            let bytes = |id: &str| bytes(id).unwrap_or_default();
            let record = LogRecord {
                time_unix_nano: before,
                trace_id: bytes(trace),
                span_id: bytes(span),
                body: Some(otlp::text(line)),
                ..LogRecord::default()
            };
            let request = otlp::record(self.resource(pod), record);
            folder.push(fault, Timestamp::from_nanos(before), request);
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
            let resource = self.resource(cell(pod));
            for (place, called, unit) in metrics {
                let value = place.and_then(|place| cell(place).parse::<f64>().ok());
                let Some(value) = value else { continue };
                let request = otlp::gauge(resource, called, at, value * unit);
                folder.metrics.push(Item { at, request });
            }
        }
        Ok(())
    }

    /// The service of a pod is its name without the two words that Kubernetes adds.
    fn resource(&mut self, pod: &str) -> &Resource {
        let new = || {
            let service = pod.rsplitn(3, '-').nth(2).unwrap_or(pod);
            otlp::resource(&[("service.name", service), ("k8s.pod.name", pod)])
        };
        self.resources.entry(pod.into()).or_insert_with(new)
    }
}

impl Folder {
    fn push(&mut self, fault: Option<usize>, at: Timestamp, request: Sent) {
        let item = Item { at, request };
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
        const COLUMNS: [&str; 5] = ["fault_id", "inject_time_utc", "type", "service", "pod"];
        let mut table = Table::open(path, &COLUMNS)?;
        while let Some(row) = table.next_row()? {
            let [id, time, kind, service, pod] = cells(&row);
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
                pod: pod.into(),
                items: Vec::new(),
            });
        }
        Ok(())
    }
}

fn nanos(text: &str) -> u64 {
    text.parse().unwrap_or(0)
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
