//! What holds whatever is sent: no panic, no growth without bound, no sign of what was never learned.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::ongoing::FINDINGS_MAX;
use super::traces::{HELD_MAX, TRACES_MAX};
use super::{LINKS_MAX, OPERATIONS_MAX, STREAMS_MAX, TEXTS_MAX, Witness};
use crate::core::event::Sign;
use crate::core::record::{
    Metric, Point, Reading, Resource, Span, SpanId, Spans, Step, StreamKey, TemplateId, Timestamp,
    TraceId, Trail,
};
use crate::core::witness::meters::SERIES_MAX;
use crate::core::witness::ways::WAYS_MAX;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAYS_400: Duration = Duration::from_hours(400 * 24);

fn trace(n: u64) -> TraceId {
    TraceId::from_bytes(&[n.to_be_bytes(), [1; 8]].concat()).unwrap()
}

fn span_id(n: u64) -> SpanId {
    SpanId::from_bytes(&(n + 1).to_be_bytes()).unwrap()
}

fn spans(service: &str, span: Span) -> Spans {
    let resource = vec![("k8s.pod.name".into(), format!("{service}-1").into())];
    Spans {
        stream: StreamKey::named(service),
        resource: Arc::new(Resource::new(resource)),
        spans: vec![span],
    }
}

/// A service that nobody knows calls another, writes a line and has a metric.
fn stranger(witness: &mut Witness, n: u64, at: Timestamp, now: Timestamp) {
    let (caller, callee) = (format!("a{n}"), format!("b{n}"));
    let span = |id, parent| Span {
        trace_id: trace(n),
        span_id: span_id(id),
        parent,
        name: format!("GET /{n}").into(),
        start: Some(at),
        duration: Duration::from_millis(n % 100),
        is_error: n.is_multiple_of(3),
    };
    witness.spans(&spans(&caller, span(0, None)), now);
    witness.spans(&spans(&callee, span(1, Some(span_id(0)))), now);
    let trail = Trail {
        stream: StreamKey::named(&caller),
        steps: vec![Step {
            trace: trace(n),
            span: Some(span_id(0)),
            event: TemplateId(n),
        }],
        names: vec![(TemplateId(n), "x".repeat(300).into())],
        moved: Vec::new(),
    };
    witness.trail(&trail, now);
    let metric = Metric {
        stream: StreamKey::named(&caller),
        resource: Arc::default(),
        name: format!("cpu.{n}").into(),
        points: vec![Point {
            attributes: Resource::default(),
            time: Some(at),
            reading: Reading::Number(n as f64),
        }],
    };
    witness.metric(&metric, now);
}

fn check_sizes(witness: &Witness) {
    let (open, held) = witness.traces.len();
    assert!(open <= TRACES_MAX && held <= HELD_MAX, "{open}, {held}");
    assert!(witness.operations.len() <= OPERATIONS_MAX);
    assert!(witness.ways.len() <= WAYS_MAX);
    assert!(witness.meters.len() <= SERIES_MAX);
    assert!(witness.ongoing.findings().count() <= FINDINGS_MAX);
    assert!(witness.streams.len() <= STREAMS_MAX);
    assert!(witness.texts.len() <= TEXTS_MAX);
    assert!(witness.links.len() <= LINKS_MAX);
}

#[test]
fn a_hundred_thousand_of_everything_stay_within_their_bounds_and_tell_nothing() {
    let mut witness = Witness::default();
    let mut now = START;
    for n in 0..100_000 {
        let at = match n % 4 {
            0 => now.plus(DAYS_400),
            1 => now.minus(DAYS_400),
            _ => now,
        };
        stranger(&mut witness, n, at, now);
        // Now and then some at once, and now and then a whole flood.
        if n % 7_000 == 0 || n > 80_000 && n % 1_000 == 0 {
            now = now.plus(Duration::from_secs(11));
            assert_eq!(witness.advance(now), Vec::<Sign>::new());
        }
        if n % 1_000 == 0 {
            check_sizes(&witness);
        }
    }
    assert_eq!(witness.finish(), Vec::<Sign>::new());
    check_sizes(&witness);
    assert!(witness.take_links().len() <= LINKS_MAX);
}

#[test]
fn findings_without_end_are_bounded_too() {
    let mut witness = Witness::default();
    let mut now = START;
    // Five thousand pods that idle, and then all of them do not.
    for minute in 0..32_u64 {
        now = now.plus(Duration::from_secs(60));
        for pod in 0..5_000_u64 {
            let used = if minute < 26 { 0.1 } else { 0.8 + pod as f64 };
            let resource = vec![("k8s.pod.name".into(), format!("p{pod}").into())];
            let metric = Metric {
                stream: StreamKey::named("shop"),
                resource: Arc::new(Resource::new(resource)),
                // Each of its own name: what all of a name have in common is nobody's trouble.
                name: format!("memory.{pod}").into(),
                points: vec![Point {
                    attributes: Resource::default(),
                    time: Some(now),
                    reading: Reading::Number(used),
                }],
            };
            witness.metric(&metric, now);
        }
        witness.advance(now);
        check_sizes(&witness);
    }
    let found = witness.findings(START, now).count();
    assert_eq!(found, FINDINGS_MAX, "more were found than are kept");
}

/// Something that a sender may send.
#[derive(Clone, Debug)]
enum Sent {
    Span {
        service: u8,
        trace: u8,
        id: u8,
        parent: Option<u8>,
        start: Option<u64>,
        nanos: u64,
        is_error: bool,
    },
    Record {
        service: u8,
        trace: u8,
        span: Option<u8>,
        event: u8,
        becomes: Option<u8>,
    },
    Number(u8, u64),
    Many(u8, u64, u64),
    Wait(u32),
    Jump(i64),
    Rest(bool),
    Lost,
}

fn sent() -> impl Strategy<Value = Sent> {
    let any_time = prop_oneof![
        Just(None),
        Just(Some(u64::MAX)),
        any::<u64>().prop_map(Some),
        (0_u64..1_000_000).prop_map(|ms| Some(START.as_nanos() + ms * 1_000_000)),
    ];
    let nanos = prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0_u64..1_000_000_000];
    prop_oneof![
        20 => (0_u8..3, 0_u8..9, 0_u8..9, prop::option::of(0_u8..9), any_time, nanos, any::<bool>())
            .prop_map(|(service, trace, id, parent, start, nanos, is_error)| Sent::Span {
                service, trace, id, parent, start, nanos, is_error
            }),
        6 => (0_u8..3, 0_u8..9, prop::option::of(0_u8..9), 0_u8..9, prop::option::of(0_u8..9))
            .prop_map(|(service, trace, span, event, becomes)| Sent::Record {
                service, trace, span, event, becomes
            }),
        6 => (0_u8..4, any::<u64>()).prop_map(|(name, bits)| Sent::Number(name, bits)),
        3 => (0_u8..4, any::<u64>(), any::<u64>())
            .prop_map(|(name, count, bits)| Sent::Many(name, count, bits)),
        8 => (0_u32..200).prop_map(Sent::Wait),
        1 => (-400_i64..400).prop_map(Sent::Jump),
        1 => any::<bool>().prop_map(Sent::Rest),
        1 => Just(Sent::Lost),
    ]
}

fn service(nth: u8) -> StreamKey {
    StreamKey::named(["gate", "shop", "bank"][usize::from(nth)])
}

fn metric(name: u8, reading: Reading) -> Metric {
    Metric {
        stream: service(0),
        resource: Arc::default(),
        name: ["cpu.utilization", "heap", "requests", "é"][usize::from(name)].into(),
        points: vec![Point {
            attributes: Resource::default(),
            time: None,
            reading,
        }],
    }
}

/// The trail of one record, of an event that may become another one.
fn trail(nth: u8, step: Step, becomes: Option<u8>) -> Trail {
    let moved = becomes.map(|to| (step.event, TemplateId(to.into())));
    Trail {
        stream: service(nth),
        steps: vec![step],
        names: vec![(step.event, "a \u{202e}\u{1b}[2J line".into())],
        moved: moved.into_iter().collect(),
    }
}

fn take(witness: &mut Witness, sent: &Sent, now: &mut Timestamp) -> Vec<Sign> {
    match *sent {
        Sent::Span {
            service: n,
            trace: of,
            id,
            parent,
            start,
            nanos,
            is_error,
        } => {
            let span = Span {
                trace_id: trace(of.into()),
                span_id: span_id(id.into()),
                parent: parent.map(|id| span_id(id.into())),
                name: ["ask", "tell"][usize::from(id % 2)].into(),
                start: start.map(Timestamp::from_nanos),
                duration: Duration::from_nanos(nanos),
                is_error,
            };
            witness.spans(&spans(&service(n).name, span), *now);
        }
        Sent::Record {
            service: n,
            trace: of,
            span,
            event,
            becomes,
        } => {
            let step = Step {
                trace: trace(of.into()),
                span: span.map(|id| span_id(id.into())),
                event: TemplateId(event.into()),
            };
            witness.trail(&trail(n, step, becomes), *now);
        }
        Sent::Number(name, bits) => {
            witness.metric(&metric(name, Reading::Number(f64::from_bits(bits))), *now);
        }
        Sent::Many(name, count, bits) => {
            let sum = f64::from_bits(bits);
            witness.metric(&metric(name, Reading::Many { count, sum }), *now);
        }
        Sent::Wait(seconds) => return wait(witness, seconds, now),
        Sent::Jump(days) => {
            let by = Duration::from_hours(24 * days.unsigned_abs());
            *now = match days < 0 {
                true => now.minus(by),
                false => now.plus(by),
            };
            return witness.advance(*now);
        }
        Sent::Rest(learns) => {
            witness.learn_all(learns);
            witness.rest();
        }
        Sent::Lost => {
            witness.some_is_lost();
            witness.records_are_late();
        }
    }
    Vec::new()
}

fn wait(witness: &mut Witness, seconds: u32, now: &mut Timestamp) -> Vec<Sign> {
    let end = now.plus(Duration::from_secs(seconds.into()));
    let mut signs = Vec::new();
    while *now < end {
        *now = now.plus(Duration::from_secs(5)).min(end);
        signs.extend(witness.advance(*now));
    }
    signs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_sent_what_is_said_is_sound(
        sent in prop::collection::vec(sent(), 1..400),
        again in 1_usize..12,
    ) {
        let mut witness = Witness::default();
        let mut now = START;
        // The same again and again, so that something is learned.
        for sent in std::iter::repeat_n(&sent, again).flatten() {
            for sign in take(&mut witness, sent, &mut now) {
                prop_assert!((0.0..=1.0).contains(&sign.score), "{}", sign.score);
                prop_assert!(sign.count > 0 && sign.first_seen <= sign.last_seen);
                prop_assert_eq!((sign.id.len(), sign.fingerprint.len()), (32, 16));
            }
            for finding in witness.findings(Timestamp::ZERO, Timestamp::from_nanos(u64::MAX)) {
                prop_assert!(finding.weight.is_finite() && finding.weight >= 0.0);
            }
        }
        let bytes = postcard::to_allocvec(&witness).unwrap();
        let restored: Witness = postcard::from_bytes(&bytes).unwrap();
        prop_assert_eq!(postcard::to_allocvec(&restored).unwrap(), bytes);
        prop_assert!(witness.operations.len() <= 6 && witness.ways.len() <= 6);
    }
}
