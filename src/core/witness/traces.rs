//! Spans on their way to being whole traces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::{Resource, Span, SpanId, StreamKey, TemplateId, TraceId};

/// A trace is whole when none of its spans came for so long: exporters send every 5 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Most traces that are open at a time; the oldest give way, unjudged.
pub(super) const TRACES_MAX: usize = 16_384;
/// Most spans and records that wait; the oldest traces give way, unjudged.
pub(super) const HELD_MAX: usize = 262_144;
/// Most spans and records of one trace; a longer one is not judged.
const TRACE_LEN_MAX: usize = 8_192;

/// A span and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) span: Span,
    pub(super) stream: Arc<StreamKey>,
    pub(super) resource: Arc<Resource>,
}

/// A log record as a trace keeps it.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) stream: Arc<StreamKey>,
    pub(super) span: Option<SpanId>,
    pub(super) template: TemplateId,
}

/// A trace of which nothing came for a while.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    pub(super) spans: Vec<Placed>,
    pub(super) records: Vec<Noted>,
}

/// Traces that still grow. Not kept over a restart: a few seconds of spans.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Traces {
    #[serde(skip)]
    open: BTreeMap<TraceId, Open>,
    /// The open traces by the time of their latest span.
    #[serde(skip)]
    order: BTreeSet<(Duration, TraceId)>,
    #[serde(skip)]
    held: usize,
    /// What begins before may have lost its beginning.
    #[serde(skip)]
    blind_until: Duration,
}

#[derive(Clone, Debug, Default)]
struct Open {
    whole: Whole,
    latest: Duration,
    /// It had more than is kept.
    is_cut: bool,
}

impl Traces {
    /// Takes a span at `uptime`.
    pub(super) fn add(&mut self, placed: Placed, uptime: Duration) {
        let open = self.grow(placed.span.trace_id, uptime);
        open.whole.spans.push(placed);
    }

    /// Takes a record of a trace at `uptime`.
    pub(super) fn note(&mut self, trace: TraceId, noted: Noted, uptime: Duration) {
        let open = self.grow(trace, uptime);
        open.whole.records.push(noted);
    }

    /// The next trace that is whole at `uptime`. All are at the end of time.
    pub(super) fn next_whole(&mut self, uptime: Duration) -> Option<Whole> {
        loop {
            let (latest, _) = self.order.first()?;
            if uptime.saturating_sub(*latest) < PATIENCE {
                return None;
            }
            let open = self.take_first()?;
            if !open.is_cut {
                return Some(open.whole);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what is open at `uptime`, and looks at no trace of which more than the beginning may have
    /// been missed.
    pub(super) fn start_over(&mut self, uptime: Duration) {
        *self = Self {
            blind_until: uptime.saturating_add(PATIENCE),
            ..Self::default()
        };
    }

    /// What `from` was is `to` in the records of `stream`.
    pub(super) fn follow(&mut self, stream: &Arc<StreamKey>, from: TemplateId, to: TemplateId) {
        let records = self.open.values_mut().flat_map(|it| &mut it.whole.records);
        for noted in records.filter(|it| it.template == from && it.stream == *stream) {
            noted.template = to;
        }
    }

    /// The open trace `id`, which something is about to be added to.
    fn grow(&mut self, id: TraceId, uptime: Duration) -> &mut Open {
        while self.open.len() >= TRACES_MAX || self.held >= HELD_MAX {
            if self.take_first().is_none() {
                break;
            }
        }
        let is_cut = uptime < self.blind_until;
        let begun = || Open {
            is_cut,
            ..Open::default()
        };
        let open = self.open.entry(id).or_insert_with(begun);
        self.order.remove(&(open.latest, id));
        self.order.insert((uptime, id));
        open.latest = uptime;
        if open.whole.len() >= TRACE_LEN_MAX {
            // Nobody will look at it: what it holds makes room, so that it cannot fill it.
            self.held = self.held.saturating_sub(open.whole.len());
            open.whole = Whole::default();
            open.is_cut = true;
        }
        self.held += 1;
        open
    }

    /// How many traces are open, and how much they hold.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.open.len(), self.held)
    }

    fn take_first(&mut self) -> Option<Open> {
        let (_, id) = self.order.pop_first()?;
        let open = self.open.remove(&id)?;
        self.held = self.held.saturating_sub(open.whole.len());
        Some(open)
    }
}

impl Whole {
    fn len(&self) -> usize {
        self.spans.len() + self.records.len()
    }
}
