//! A whole trace, cut into what each service did in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::traces::{Noted, Placed, Whole};
use crate::core::record::{Resource, Span, SpanId, StreamKey, TemplateId, Timestamp, TraceId};

/// What one service did from when it was called until it answered.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) stream: Arc<StreamKey>,
    /// The operation that was called.
    pub(super) operation: Arc<str>,
    pub(super) resource: Arc<Resource>,
    pub(super) trace: TraceId,
    pub(super) start: Timestamp,
    /// Its time less that of the services it waited for.
    pub(super) own: Duration,
    pub(super) is_error: bool,
    /// What it did, each once: spans of its own, and the services it called.
    pub(super) parts: BTreeSet<Part>,
}

/// Something that is done in a visit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Part {
    /// A span of the service itself, and which of that name it is: the first, the second, …
    Step(Arc<str>, u8),
    /// A call of another service's operation that was answered.
    Call(Arc<StreamKey>, Arc<str>),
    /// A log record.
    Record(TemplateId),
}

/// The way of a call from one service to another and back.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) caller: Arc<StreamKey>,
    pub(super) callee: Arc<StreamKey>,
    /// Where the callee's span comes from, and the caller's.
    pub(super) resources: [Arc<Resource>; 2],
    pub(super) trace: TraceId,
    pub(super) start: Timestamp,
    /// The caller's time less the callee's; `None` where the caller waited for more than this.
    pub(super) gap: Option<Duration>,
}

/// Of spans of one name in a visit so many are told apart.
const STEPS_TOLD_APART_MAX: u8 = 4;

/// Deeper spans of one service are left out; so are those that go in a circle.
const DEPTH_MAX: usize = 256;

/// Cuts a whole trace.
pub(super) fn cut(whole: &Whole) -> (Vec<Visit>, Vec<Passage>) {
    let spans = whole.spans.as_slice();
    let tree = Tree::new(spans);
    let mut visits: BTreeMap<usize, Visit> = BTreeMap::new();
    let mut waits: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
    let mut passages = Vec::new();
    for (place, placed) in spans.iter().enumerate() {
        let Some(entry) = tree.entry(place) else {
            continue;
        };
        let visit = visits.entry(entry).or_insert_with(|| {
            let first = spans.get(entry).unwrap_or(placed);
            Visit::new(first)
        });
        visit.is_error |= placed.span.is_error;
        if entry != place {
            visit.step(&placed.span.name);
        }
        let calls = tree.calls(place);
        for callee in calls.iter().filter_map(|call| spans.get(*call)) {
            let name = Arc::clone(&callee.span.name);
            visit
                .parts
                .insert(Part::Call(Arc::clone(&callee.stream), name));
            // What a caller that waits for several loses on the way cannot be told apart.
            let is_alone = tree.children(place).len() == 1;
            passages.push(Passage::new(placed, callee, is_alone));
        }
        if !calls.is_empty() {
            waits.entry(entry).or_default().extend(tree.waits(place));
        }
    }
    for (entry, waits) in waits {
        if let (Some(visit), Some(first)) = (visits.get_mut(&entry), spans.get(entry)) {
            visit.own = uncovered(interval(&first.span), waits);
        }
    }
    for noted in &whole.records {
        if let Some(visit) = tree
            .visit_of(noted)
            .and_then(|entry| visits.get_mut(&entry))
        {
            visit.parts.insert(Part::Record(noted.template));
        }
    }
    (visits.into_values().collect(), passages)
}

impl Visit {
    fn new(first: &Placed) -> Self {
        Self {
            stream: Arc::clone(&first.stream),
            operation: Arc::clone(&first.span.name),
            resource: Arc::clone(&first.resource),
            trace: first.span.trace_id,
            start: first.span.start.unwrap_or_default(),
            own: first.span.duration,
            is_error: false,
            parts: BTreeSet::new(),
        }
    }

    fn step(&mut self, name: &Arc<str>) {
        let free = (1..=STEPS_TOLD_APART_MAX)
            .map(|nth| Part::Step(Arc::clone(name), nth))
            .find(|part| !self.parts.contains(part));
        self.parts.extend(free);
    }
}

impl Passage {
    fn new(caller: &Placed, callee: &Placed, is_alone: bool) -> Self {
        let gap = caller.span.duration.saturating_sub(callee.span.duration);
        Self {
            caller: Arc::clone(&caller.stream),
            callee: Arc::clone(&callee.stream),
            resources: [Arc::clone(&callee.resource), Arc::clone(&caller.resource)],
            trace: callee.span.trace_id,
            start: caller.span.start.unwrap_or_default(),
            gap: is_alone.then_some(gap),
        }
    }
}

/// Which span lies under which.
struct Tree<'a> {
    spans: &'a [Placed],
    places: BTreeMap<SpanId, usize>,
    parents: Vec<Parent>,
    children: BTreeMap<usize, Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Parent {
    /// It is the first of its trace.
    None,
    /// It did not come.
    Lost,
    At(usize),
}

impl<'a> Tree<'a> {
    fn new(spans: &'a [Placed]) -> Self {
        // Of two spans with one id, as a sender's second try makes them, the first counts.
        let mut places: BTreeMap<SpanId, usize> = BTreeMap::new();
        let mut is_twice = vec![false; spans.len()];
        for ((place, placed), is_twice) in spans.iter().enumerate().zip(&mut is_twice) {
            *is_twice = *places.entry(placed.span.span_id).or_insert(place) != place;
        }
        let parent = |(placed, is_twice): (&Placed, bool)| match placed.span.parent {
            _ if is_twice => Parent::Lost,
            None => Parent::None,
            Some(id) => places.get(&id).map_or(Parent::Lost, |at| Parent::At(*at)),
        };
        let parents: Vec<Parent> = spans.iter().zip(is_twice).map(parent).collect();
        let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, parent) in parents.iter().enumerate() {
            if let Parent::At(at) = *parent {
                children.entry(at).or_default().push(place);
            }
        }
        Self {
            spans,
            places,
            parents,
            children,
        }
    }

    /// The visit in which a record was written.
    fn visit_of(&self, noted: &Noted) -> Option<usize> {
        let place = *self.places.get(&noted.span?)?;
        let written_by = &self.spans.get(place)?.stream;
        if *written_by == noted.stream {
            self.entry(place)
        } else {
            None
        }
    }

    /// The span with which the visit began that the one at `place` is part of; `None` where it cannot
    /// be known, as the way there is broken or goes in a circle.
    fn entry(&self, place: usize) -> Option<usize> {
        let mut here = place;
        for _ in 0..DEPTH_MAX {
            match self.parents.get(here)? {
                Parent::None => return Some(here),
                Parent::Lost => return None,
                Parent::At(above) if self.is_call(*above, here) => return Some(here),
                Parent::At(above) => here = *above,
            }
        }
        None
    }

    fn children(&self, place: usize) -> &[usize] {
        self.children.get(&place).map_or(&[], Vec::as_slice)
    }

    /// The spans of other services right under the one at `place`.
    fn calls(&self, place: usize) -> Vec<usize> {
        let children = self.children(place).iter().copied();
        children
            .filter(|child| self.is_call(place, *child))
            .collect()
    }

    fn is_call(&self, above: usize, below: usize) -> bool {
        let stream = |place: usize| self.spans.get(place).map(|placed| &placed.stream);
        stream(above) != stream(below)
    }

    /// When the span at `place` waited for others: all its time where it did nothing but one call, that
    /// of the callees where it did more.
    fn waits(&self, place: usize) -> impl Iterator<Item = (u64, u64)> {
        let waiting = match self.children(place) {
            [_] => vec![place],
            _ => self.calls(place),
        };
        let spans = waiting
            .into_iter()
            .filter_map(|place| self.spans.get(place));
        spans.map(|placed| interval(&placed.span))
    }
}

fn interval(span: &Span) -> (u64, u64) {
    let start = span.start.unwrap_or_default();
    (start.as_nanos(), start.plus(span.duration).as_nanos())
}

/// How much of `whole` none of `parts` covers.
fn uncovered(whole: (u64, u64), mut parts: Vec<(u64, u64)>) -> Duration {
    parts.sort_unstable();
    let (mut left, mut here) = (0, whole.0);
    for (from, to) in parts {
        left += from.min(whole.1).saturating_sub(here);
        here = here.max(to);
    }
    Duration::from_nanos(left + whole.1.saturating_sub(here))
}

#[cfg(test)]
mod tests;
