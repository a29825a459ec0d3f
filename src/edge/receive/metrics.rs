//! What the receiver counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Decoded, RejectReason};

/// The receiver's counters. Clones share their values.
///
/// They are the left side of the ledger, received = scored + learned + suppressed + rejected +
/// pending: `received` counts every record of an accepted request, the rejected included.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    received: Counter,
    rejected: Family<ReasonLabels, Counter>,
    suppressed: Family<ReasonLabels, Counter>,
    cut: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    transport: &'static str,
    code: u16,
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

    pub(super) fn accepted(&self, tally: &Tally) {
        self.received.inc_by(tally.records);
        self.cut.inc_by(tally.cut);
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
    pub(super) records: u64,
    pub(super) rejected: Vec<(RejectReason, u64)>,
    pub(super) own: u64,
    pub(super) cut: u64,
}

impl Tally {
    pub(super) fn of(decoded: &Decoded) -> Self {
        let Decoded {
            records, own, cut, ..
        } = *decoded;
        Self {
            records,
            rejected: decoded.rejected.clone(),
            own,
            cut,
        }
    }
}
