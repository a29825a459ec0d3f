//! What the receiver counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::wire::Remark;
use super::{Decoded, RejectReason, Signal, Taken};

/// The receiver's counters. Clones share their values.
///
/// They are the left side of the ledger, received = scored + learned + suppressed + rejected +
/// pending: `received` counts every record of an accepted request, the rejected included.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    refused: Family<RefusalLabels, Counter>,
    repeated: Counter,
    spans: Counter,
    points: Counter,
    received: Counter,
    rejected: Family<ReasonLabels, Counter>,
    suppressed: Family<ReasonLabels, Counter>,
    cut: Counter,
    repaired: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    transport: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    transport: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

impl Metrics {
    /// Adds the counters to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "knothole_otlp_requests",
            "OTLP requests answered, by transport (grpc, http) and status code of that transport",
            self.requests.clone(),
        );
        registry.register(
            "knothole_otlp_refused",
            "OTLP connections and requests refused, by transport and reason",
            self.refused.clone(),
        );
        registry.register(
            "knothole_otlp_requests_repeated",
            "OTLP requests whose bytes were taken before; they were acknowledged again and not judged again",
            self.repeated.clone(),
        );
        registry.register(
            "knothole_spans_received",
            "Spans in accepted requests; nothing uses them yet",
            self.spans.clone(),
        );
        registry.register(
            "knothole_metric_points_received",
            "Metric data points in accepted requests; nothing uses them yet",
            self.points.clone(),
        );
        registry.register(
            "knothole_log_records_received",
            "Log records in accepted requests, the rejected and suppressed ones included, and those that an earlier run left waiting",
            self.received.clone(),
        );
        registry.register(
            "knothole_log_records_rejected",
            "Log records that cannot be judged, by reason; their sender was told",
            self.rejected.clone(),
        );
        registry.register(
            "knothole_log_records_suppressed",
            "Log records left out on purpose, by reason; own are knothole's own",
            self.suppressed.clone(),
        );
        registry.register(
            "knothole_log_bodies_cut",
            "Log record bodies that were longer than body_len_max and were cut",
            self.cut.clone(),
        );
        registry.register(
            "knothole_otlp_strings_repaired",
            "Strings that were no UTF-8; what was wrong in them was replaced, and their sender was told",
            self.repaired.clone(),
        );
    }

    /// Counts `records` as left out on purpose. The receiver counts `own`; the router has its own
    /// reasons (a stream above the limit, say), and one family holds them all.
    pub fn suppress(&self, reason: &'static str, records: u64) {
        self.suppressed
            .get_or_create(&ReasonLabels { reason })
            .inc_by(records);
    }

    /// Counts records taken over from an earlier run, which this run's ledger must account for.
    pub fn restore(&self, records: u64) {
        self.received.inc_by(records);
    }

    /// Records in accepted requests so far.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    pub(super) fn answered(&self, transport: &'static str, code: u16) {
        self.requests
            .get_or_create(&RequestLabels { transport, code })
            .inc();
    }

    pub(super) fn refused(&self, transport: &'static str, reason: &'static str) {
        self.refused
            .get_or_create(&RefusalLabels { transport, reason })
            .inc();
    }

    pub(super) fn accepted(&self, tally: &Tally, taken: Taken) {
        match (tally.signal, taken) {
            (_, Taken::Repeated) => {
                self.repeated.inc();
                return;
            }
            (Signal::Logs, Taken::New) => {}
            (Signal::Traces, Taken::New) => {
                self.spans.inc_by(tally.records);
                return;
            }
            (Signal::Metrics, Taken::New) => {
                self.points.inc_by(tally.records);
                return;
            }
        }
        self.received.inc_by(tally.records);
        self.cut.inc_by(tally.cut);
        self.repaired.inc_by(tally.repaired);
        for (reason, count) in &tally.rejected {
            self.rejected
                .get_or_create(&ReasonLabels {
                    reason: reason.name(),
                })
                .inc_by(*count);
        }
        if tally.own > 0 {
            self.suppress("own", tally.own);
        }
    }
}

/// The counts of a request, kept while the request itself goes into the intake.
pub(super) struct Tally {
    pub(super) signal: Signal,
    pub(super) records: u64,
    pub(super) rejected: Vec<(RejectReason, u64)>,
    pub(super) own: u64,
    pub(super) cut: u64,
    pub(super) repaired: u64,
}

impl Tally {
    pub(super) fn of(decoded: &Decoded, signal: Signal) -> Self {
        let Decoded {
            records,
            own,
            cut,
            repaired,
            ..
        } = *decoded;
        Self {
            signal,
            records,
            rejected: decoded.rejected.clone(),
            own,
            cut,
            repaired,
        }
    }

    /// What the sender is told: nothing where everything was taken.
    pub(super) fn remark(&self) -> Remark {
        let what = match self.signal {
            Signal::Logs => "log records",
            Signal::Traces => "spans",
            Signal::Metrics => "data points",
        };
        let reasons = self.rejected.iter().map(|(reason, count)| {
            format!(
                "{count} {what} were not taken ({}): {}",
                reason.name(),
                reason.advice()
            )
        });
        // Taken all the same; a message without rejected records is a warning.
        let repaired = (self.repaired > 0).then(|| {
            format!(
                "{} strings were no UTF-8; what is wrong in them was replaced",
                self.repaired
            )
        });
        Remark {
            rejected: self.rejected.iter().map(|(_, count)| count).sum(),
            message: reasons.chain(repaired).collect::<Vec<_>>().join("; "),
        }
    }
}
