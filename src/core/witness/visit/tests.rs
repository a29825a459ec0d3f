//! Traces drawn by hand: `(span, parent, service, start, length)`, times in milliseconds.

use std::sync::Arc;
use std::time::Duration;

use super::{Part, Passage, Visit, cut};
use crate::core::record::{Resource, Span, SpanId, StreamKey, TemplateId, Timestamp, TraceId};
use crate::core::witness::traces::{Noted, Placed, Whole};

type Drawn = (u8, Option<u8>, &'static str, u64, u64);

fn span_id(n: u8) -> SpanId {
    SpanId::from_bytes(&[n + 1; 8]).unwrap()
}

fn placed((id, parent, service, start, length): Drawn) -> Placed {
    Placed {
        span: Span {
            trace_id: TraceId::from_bytes(&[1; 16]).unwrap(),
            span_id: span_id(id),
            parent: parent.map(span_id),
            name: format!("{service}/{id}").into(),
            start: Some(Timestamp::from_millis(1_000_000 + start)),
            duration: Duration::from_millis(length),
            is_error: false,
        },
        stream: Arc::new(StreamKey::named(service)),
        resource: Arc::<Resource>::default(),
    }
}

fn whole(drawn: &[Drawn]) -> Whole {
    Whole {
        spans: drawn.iter().copied().map(placed).collect(),
        records: Vec::new(),
    }
}

fn visits(drawn: &[Drawn]) -> Vec<(String, u128)> {
    let (visits, _) = cut(&whole(drawn));
    let told = |visit: &Visit| (visit.operation.to_string(), visit.own.as_millis());
    visits.iter().map(told).collect()
}

#[test]
fn what_a_service_waits_for_is_no_time_of_its_own() {
    let shop = [
        (0, None, "gate", 0, 100),
        (1, Some(0), "shop", 5, 90),
        // Two calls at once, of which the longer counts, and one after them.
        (2, Some(1), "cart", 10, 20),
        (3, Some(1), "bank", 10, 40),
        (4, Some(1), "mail", 60, 10),
    ];
    let own = |name: &str, millis| (name.to_owned(), millis);
    assert_eq!(
        visits(&shop),
        [
            own("gate/0", 0),
            own("shop/1", 40),
            own("cart/2", 20),
            own("bank/3", 40),
            own("mail/4", 10),
        ]
    );
}

#[test]
fn a_caller_that_only_calls_waits_all_the_time_and_the_rest_is_the_way() {
    let call = [
        (0, None, "gate", 0, 100),
        (1, Some(0), "gate", 10, 80),
        (2, Some(1), "shop", 20, 60),
    ];
    let (found, passages) = cut(&whole(&call));
    let own: Vec<u128> = found.iter().map(|visit| visit.own.as_millis()).collect();
    assert_eq!(own, [20, 60]);
    let gaps: Vec<_> = passages
        .iter()
        .map(|passage: &Passage| passage.gap)
        .collect();
    assert_eq!(gaps, [Some(Duration::from_millis(20))]);
}

#[test]
fn of_calls_at_once_the_way_of_none_is_told() {
    let both = [
        (0, None, "gate", 0, 100),
        (1, Some(0), "cart", 0, 50),
        (2, Some(0), "bank", 0, 90),
    ];
    let (_, passages) = cut(&whole(&both));
    assert!(passages.len() == 2 && passages.iter().all(|passage| passage.gap.is_none()));
}

#[test]
fn what_has_lost_its_way_to_the_beginning_is_not_looked_at() {
    let own = |drawn: &[Drawn]| visits(drawn).len();
    assert_eq!(
        own(&[(1, Some(0), "shop", 0, 5)]),
        0,
        "the parent did not come"
    );
    assert_eq!(own(&[(1, Some(1), "shop", 0, 5)]), 0, "its own parent");
    let circle = [
        (0, Some(2), "a", 0, 5),
        (1, Some(0), "a", 0, 5),
        (2, Some(1), "a", 0, 5),
    ];
    assert_eq!(own(&circle), 0);
    // Of a circle through services each seems to be called by the one before.
    let circle = [(0, Some(1), "a", 0, 5), (1, Some(0), "b", 0, 5)];
    assert_eq!(own(&circle), 2);
    let deep: Vec<Drawn> = (0..250)
        .map(|n: u8| (n, n.checked_sub(1), "a", u64::from(n), 250))
        .collect();
    assert_eq!(visits(&deep).len(), 1);
}

#[test]
fn a_span_that_was_sent_twice_counts_once() {
    let twice = [
        (0, None, "gate", 0, 10),
        (1, Some(0), "shop", 0, 5),
        (1, Some(0), "shop", 0, 5),
    ];
    let (found, passages) = cut(&whole(&twice));
    assert_eq!((found.len(), passages.len()), (2, 1));
}

#[test]
fn what_is_done_in_a_visit_is_told_apart_up_to_the_fourth_time() {
    let mut trace = whole(&[(0, None, "gate", 0, 10), (20, Some(0), "shop", 0, 5)]);
    for id in 1..8 {
        let mut again = placed((id, Some(0), "gate", 1, 1));
        again.span.name = "ask".into();
        trace.spans.push(again);
    }
    let noted = |service: &str, span: Option<u8>, template| Noted {
        stream: Arc::new(StreamKey::named(service)),
        span: span.map(span_id),
        template: TemplateId(template),
    };
    trace.records = vec![
        noted("gate", Some(3), 1),
        noted("shop", Some(3), 2),
        noted("gate", None, 3),
        noted("gate", Some(99), 4),
    ];
    let (found, _) = cut(&trace);
    let gate = found
        .iter()
        .find(|visit| &*visit.operation == "gate/0")
        .unwrap();
    let mut expected: Vec<Part> = (1..=4).map(|nth| Part::Step("ask".into(), nth)).collect();
    expected.push(Part::Call(
        Arc::new(StreamKey::named("shop")),
        "shop/20".into(),
    ));
    // What another service wrote, or nobody knows where, is no part of it.
    expected.push(Part::Record(TemplateId(1)));
    assert_eq!(gate.parts.iter().cloned().collect::<Vec<_>>(), expected);
}

#[test]
fn times_that_cannot_be_make_no_time_that_cannot_be() {
    for (start, length) in [(0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (5, 5)] {
        let mut trace = whole(&[(0, None, "gate", 0, 10), (1, Some(0), "shop", 0, 5)]);
        for (at, placed) in trace.spans.iter_mut().enumerate() {
            placed.span.start = (at == 0).then_some(Timestamp::from_nanos(start));
            placed.span.duration = Duration::from_nanos(length);
        }
        let longest = Duration::from_nanos(u64::MAX);
        assert!(cut(&trace).0.iter().all(|visit| visit.own <= longest));
    }
}
