//! What the sinks say about themselves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters of all sinks.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    notifications: Family<SinkOutcome, Counter>,
    folded: Family<SinkName, Counter>,
    limited: Family<SinkName, Counter>,
    pending: Family<SinkName, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkName {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkOutcome {
    sink: String,
    outcome: &'static str,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The sink took it.
    Delivered,
    /// An attempt failed and another will follow; counts attempts, not notifications.
    Retried,
    /// The queue was full.
    Dropped,
    /// The proposal was too old to send.
    Expired,
    /// Given up after `give_up_after`.
    Dead,
    /// The sink will never take it.
    Rejected,
    /// The sink has asked not to be called any more.
    Disabled,
}

impl Outcome {
    /// Whether somebody may want to send it again by hand.
    pub(crate) const fn gives_up(self) -> bool {
        matches!(self, Self::Dead | Self::Rejected | Self::Disabled)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Dropped => "dropped",
            Self::Expired => "expired",
            Self::Dead => "dead",
            Self::Rejected => "rejected",
            Self::Disabled => "disabled",
        }
    }
}

impl Metrics {
    /// Makes the metrics and registers them: `knothole_notifications_total{sink,outcome}`,
    /// `knothole_notifications_folded_total{sink}`, `knothole_notifications_limited_total{sink}`,
    /// `knothole_outbox_pending{sink}`. `registry` adds no prefix of its own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "knothole_notifications",
            "Notifications by what became of them; retried counts attempts",
            metrics.notifications.clone(),
        );
        registry.register(
            "knothole_notifications_folded",
            "Events counted in a later one like them",
            metrics.folded.clone(),
        );
        registry.register(
            "knothole_notifications_limited",
            "Events not sent because the sink had its share of the minute",
            metrics.limited.clone(),
        );
        registry.register(
            "knothole_outbox_pending",
            "Notifications waiting or under way",
            metrics.pending.clone(),
        );
        metrics
    }

    /// The counters of the sink `name`.
    pub(crate) fn of(&self, name: &str) -> SinkMetrics {
        let label = SinkName {
            sink: name.to_owned(),
        };
        SinkMetrics {
            all: self.clone(),
            name: name.to_owned(),
            folded: self.folded.get_or_create(&label).clone(),
            limited: self.limited.get_or_create(&label).clone(),
            pending: self.pending.get_or_create(&label).clone(),
        }
    }
}

/// The counters of one sink.
#[derive(Clone, Debug)]
pub(crate) struct SinkMetrics {
    all: Metrics,
    name: String,
    pub(crate) folded: Counter,
    pub(crate) limited: Counter,
    pub(crate) pending: Gauge,
}

impl SinkMetrics {
    /// Counts `count` notifications as `outcome`.
    pub(crate) fn count(&self, outcome: Outcome, count: usize) {
        let label = SinkOutcome {
            sink: self.name.clone(),
            outcome: outcome.name(),
        };
        let counter = self.all.notifications.get_or_create(&label);
        counter.inc_by(count as u64);
    }
}
