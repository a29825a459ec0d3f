//! Evidence on its way to the scribe: how much of it may wait, and what comes of there being more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::core::record::Trail;

/// Most records within traces that wait for the scribe.
const STEPS_MAX: usize = 65_536;

/// What is known of the evidence on its way. One for all who send.
#[derive(Debug, Default)]
pub(super) struct Transit {
    /// Whether there are spans at all; without them nobody looks at records within traces.
    has_spans: AtomicBool,
    steps: AtomicUsize,
    is_lost: AtomicBool,
}

/// Records within traces, counted while they wait.
#[derive(Debug)]
pub(super) struct Waiting {
    trail: Trail,
    transit: Arc<Transit>,
}

impl Transit {
    /// There are spans.
    pub(super) fn see_spans(&self) {
        self.has_spans.store(true, Ordering::Relaxed);
    }

    /// Some evidence was let go.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// Whether some was let go since the last call.
    pub(super) fn take_lost(&self) -> bool {
        self.is_lost.swap(false, Ordering::Relaxed)
    }

    /// Counts `trail` in. Its records are let go where nobody will look at them or there is no room; what
    /// its events are called goes on all the same, as it is told only once.
    pub(super) fn admit(self: &Arc<Self>, mut trail: Trail) -> Option<Waiting> {
        let has_spans = self.has_spans.load(Ordering::Relaxed);
        let (steps, waiting) = (trail.steps.len(), self.steps.load(Ordering::Relaxed));
        // A longer one than there is room for at all goes through alone.
        let has_room = waiting == 0 || waiting + steps <= STEPS_MAX;
        if has_spans && !has_room && steps > 0 {
            self.lose();
        }
        if !has_spans || !has_room {
            trail.steps.clear();
        }
        if trail.is_empty() {
            return None;
        }
        self.steps.fetch_add(trail.steps.len(), Ordering::Relaxed);
        Some(Waiting {
            trail,
            transit: Arc::clone(self),
        })
    }
}

impl Waiting {
    /// The records.
    pub(super) const fn trail(&self) -> &Trail {
        &self.trail
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let steps = self.trail.steps.len();
        self.transit.steps.fetch_sub(steps, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Step, TemplateId, TraceId};

    fn trail(steps: usize) -> Trail {
        let step = Step {
            trace: TraceId::from_bytes(&[1; 16]).unwrap(),
            span: None,
            event: TemplateId(1),
        };
        Trail {
            steps: vec![step; steps],
            ..Trail::default()
        }
    }

    #[test]
    fn without_spans_nothing_waits_and_nothing_is_lost() {
        let transit = Arc::new(Transit::default());
        assert!(transit.admit(trail(10)).is_none());
        assert!(!transit.take_lost());
    }

    #[test]
    fn what_events_are_called_goes_on_without_spans_and_without_room() {
        let transit = Arc::new(Transit::default());
        let named = || Trail {
            names: vec![(TemplateId(1), "a line".into())],
            ..trail(10)
        };
        let early = transit.admit(named()).expect("names are told");
        assert_eq!(
            (early.trail().steps.len(), early.trail().names.len()),
            (0, 1)
        );
        transit.see_spans();
        let _full = transit.admit(trail(STEPS_MAX)).expect("there is room");
        let late = transit.admit(named()).expect("names are told");
        assert_eq!((late.trail().steps.len(), late.trail().names.len()), (0, 1));
        assert!(transit.take_lost());
    }

    #[test]
    fn what_is_more_than_may_wait_is_let_go_and_said_to_be() {
        let transit = Arc::new(Transit::default());
        transit.see_spans();
        let first = transit.admit(trail(STEPS_MAX - 1)).expect("there is room");
        let second = transit.admit(trail(1)).expect("there is room for one");
        assert!(transit.admit(trail(1)).is_none());
        assert!(transit.take_lost() && !transit.take_lost(), "told once");
        drop(first);
        assert!(transit.admit(trail(STEPS_MAX - 1)).is_some());
        assert_eq!(second.trail().steps.len(), 1);
        assert!(!transit.take_lost());
    }

    #[test]
    fn one_longer_than_all_that_may_wait_goes_through_alone() {
        let transit = Arc::new(Transit::default());
        transit.see_spans();
        assert!(transit.admit(trail(2 * STEPS_MAX)).is_some());
    }
}
