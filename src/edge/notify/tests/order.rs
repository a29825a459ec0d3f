//! What is told of one incident arrives in its order, and what is given up is told with the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::{House, NOW, PATIENCE, QUICK};
use crate::core::event::{Event, Stage};
use crate::edge::notify::sample;
use crate::edge::outgoing::{Ask, Stub};

/// The `revision`-th of what is told of the incident `id`.
fn told(id: &str, revision: u64) -> Event {
    let mut incident = sample::incident();
    incident.id = id.into();
    incident.revision = revision;
    let mut event = sample::told(Stage::Updated, incident);
    event.id = format!("{id}-{revision}").into();
    Event::Incident(Arc::new(event))
}

fn name(ask: &Ask) -> (String, u64) {
    let incident = &ask.json()["data"]["incident"];
    let id = incident["id"].as_str().unwrap_or_default().to_owned();
    (id, incident["revision"].as_u64().unwrap_or_default())
}

/// A webhook that takes several requests at once.
fn house(stub: &Stub, more: &str) -> House {
    House::webhook(stub.address, &format!("{QUICK}, {more}"))
}

#[tokio::test]
async fn a_later_message_never_overtakes_an_earlier_one_of_its_incident() {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut stub = Stub::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 3 {
        2 => StatusCode::OK.into_response(),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    })
    .await;
    let house = house(&stub, "concurrency: 8");
    for revision in 1..=10 {
        for id in ["a", "b", "c"] {
            house.dispatcher.offer(&told(id, revision), NOW);
        }
    }
    let mut taken = std::collections::BTreeMap::<String, u64>::new();
    while taken.values().sum::<u64>() < 30 {
        let (ask, status) = stub.next().await;
        let (id, revision) = name(&ask);
        let last = taken.entry(id).or_default();
        assert_eq!(revision, *last + 1, "the next of its incident and no other");
        *last += u64::from(status.is_success());
    }
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 30);
}

#[tokio::test]
async fn an_incident_that_is_not_taken_holds_up_no_other_and_keeps_its_order_over_a_restart() {
    let refuse_a = |ask: &Ask| match name(ask).0.as_str() {
        "a" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => StatusCode::OK.into_response(),
    };
    let mut stub = Stub::start(refuse_a).await;
    let first = house(&stub, "concurrency: 1");
    for revision in 1..=3 {
        first.dispatcher.offer(&told("a", revision), NOW);
        first.dispatcher.offer(&told("b", revision), NOW);
    }
    let mut of_b = Vec::new();
    while of_b.len() < 3 {
        let (ask, status) = stub.next().await;
        let (id, revision) = name(&ask);
        match status.is_success() {
            true => of_b.push(revision),
            false => assert_eq!((id.as_str(), revision), ("a", 1)),
        }
    }
    assert_eq!(of_b, [1, 2, 3]);
    let mut left = first.dispatcher.close(Duration::ZERO).await;
    // Whoever kept them may give them back in any order.
    left.reverse();
    let mut healthy = Stub::start(|_| StatusCode::OK.into_response()).await;
    let second = house(&healthy, "concurrency: 4");
    second.dispatcher.restore(left, NOW);
    let mut of_a = Vec::new();
    while of_a.len() < 3 {
        // The last of the other one may come again: its answer can have been cut off.
        let (id, revision) = name(&healthy.taken().await);
        of_a.extend((id == "a").then_some(revision));
    }
    assert_eq!(of_a, [1, 2, 3]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_with_the_reason_and_the_next_goes_out() {
    let mut stub = Stub::start(|ask| match name(ask).1 {
        1 => (StatusCode::BAD_REQUEST, "no such alert").into_response(),
        _ => StatusCode::ACCEPTED.into_response(),
    })
    .await;
    let yaml = format!(
        "[{{type: cloudevents, name: hook, url: 'http://{}/', {QUICK}}}]",
        stub.address
    );
    let house = House::new(&yaml);
    house.dispatcher.offer(&told("a", 1), NOW);
    house.dispatcher.offer(&told("a", 2), NOW);
    assert_eq!(stub.next().await.1, StatusCode::BAD_REQUEST);
    assert_eq!(name(&stub.taken().await).1, 2);
    assert_eq!(house.close().await, []);
    let dead = house.kept.dead.lock().unwrap();
    let why = "the answer was 400 Bad Request: no such alert";
    assert_eq!(*dead, [("a-1".to_owned(), why.to_owned())]);
}

#[tokio::test]
async fn what_is_given_up_for_its_age_says_what_it_failed_of_and_can_be_sent_again() {
    let mut stub = Stub::start(|_| StatusCode::BAD_GATEWAY.into_response()).await;
    let retry = "retry: {initial: 1ms, max: 2ms, give_up_after: 20ms}";
    let first = House::webhook(stub.address, retry);
    let prepared = first.dispatcher.prepare(&told("a", 1), NOW);
    let kept = prepared.clone();
    first.dispatcher.send(prepared, NOW);
    stub.next().await;
    assert_eq!(first.close().await, []);
    let dead = first.kept.dead.lock().unwrap().clone();
    assert_eq!(
        dead,
        [(
            "a-1".to_owned(),
            "the answer was 502 Bad Gateway".to_owned()
        )]
    );

    let later = NOW.plus(Duration::from_secs(60));
    let again = kept.into_iter().map(|it| it.again(later)).collect();
    let mut healthy = Stub::start(|_| StatusCode::OK.into_response()).await;
    let second = house(&healthy, "concurrency: 1");
    second.dispatcher.restore(again, later);
    assert_eq!(name(&healthy.taken().await), ("a".to_owned(), 1));
}

#[tokio::test]
async fn a_flood_of_anomalies_crowds_out_no_incident() {
    let stub = Stub::start(|_| StatusCode::OK.into_response()).await;
    let house = house(&stub, "queue_events_max: 5");
    // This test has one thread: nothing is delivered meanwhile.
    for n in 0..20 {
        house.dispatcher.offer(&super::anomaly(n), NOW);
    }
    house.dispatcher.offer(&told("a", 1), NOW);
    assert_eq!(house.outcome("dropped"), 15);
    assert_eq!(
        tokio::time::timeout(PATIENCE, house.close()).await.unwrap(),
        []
    );
    assert_eq!(house.outcome("delivered"), 6);
    assert_eq!(*house.kept.dead.lock().unwrap(), []);
}

#[tokio::test]
async fn incidents_are_neither_folded_nor_limited() {
    let stub = Stub::start(|_| StatusCode::OK.into_response()).await;
    let yaml = format!(
        "[{{type: webhook, name: hook, url: 'http://{}/', secret: {{file: SECRET}}, \
         limit: {{per_minute: 1}}}}]",
        stub.address
    );
    let house = House::new(&yaml);
    for revision in 1..=100 {
        house.dispatcher.offer(&told("a", revision), NOW);
    }
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 100);
}

#[tokio::test]
async fn what_a_sink_that_is_gone_was_to_get_is_given_up_and_not_lost() {
    let mut stub = Stub::start(|_| StatusCode::GONE.into_response()).await;
    let house = house(&stub, "concurrency: 1");
    for revision in 1..=3 {
        house.dispatcher.offer(&told("a", revision), NOW);
    }
    stub.next().await;
    assert_eq!(house.close().await, []);
    let dead = house.kept.dead.lock().unwrap();
    let ids: Vec<&str> = dead.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a-1", "a-2", "a-3"]);
    assert!(
        dead.iter()
            .all(|(_, why)| why == "the receiver is gone (410)")
    );
}

#[tokio::test]
async fn what_was_told_before_and_after_the_clock_was_put_back_keeps_its_order_over_a_restart() {
    let stub = Stub::start(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let first = house(&stub, "concurrency: 1");
    let mut kept = first.dispatcher.prepare(&told("a", 1), NOW);
    let back = NOW.minus(Duration::from_secs(400 * 86_400));
    kept.extend(first.dispatcher.prepare(&told("a", 2), back));
    kept.extend(first.dispatcher.prepare(&told("a", 3), back));
    kept.reverse();
    let mut healthy = Stub::start(|_| StatusCode::OK.into_response()).await;
    let second = house(&healthy, "concurrency: 4");
    second.dispatcher.restore(kept, back);
    for revision in 1..=3 {
        assert_eq!(name(&healthy.taken().await), ("a".to_owned(), revision));
    }
}

#[tokio::test]
async fn when_settings_are_read_again_what_is_told_meanwhile_waits_for_what_was_told_before() {
    let refusing = Stub::start(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let first = house(&refusing, "concurrency: 1");
    first.dispatcher.offer(&told("a", 1), NOW);
    let mut healthy = Stub::start(|_| StatusCode::OK.into_response()).await;
    let second = house(&healthy, "concurrency: 4");
    let next = first.dispatcher.successor(&second.sinks, &second.context);
    let next = next.unwrap();
    next.offer(&told("a", 2), NOW);
    next.offer(&told("b", 1), NOW);
    assert_eq!(next.pending(), 0);
    let left = first.dispatcher.close(Duration::ZERO).await;
    assert_eq!(left.len(), 1);
    next.inherit(left, NOW);
    next.offer(&told("a", 3), NOW);
    let mut of_a = Vec::new();
    for _ in 0..4 {
        let (id, revision) = name(&healthy.taken().await);
        of_a.extend((id == "a").then_some(revision));
    }
    assert_eq!(of_a, [1, 2, 3]);
}

#[tokio::test]
async fn one_that_is_never_taken_spoils_none_of_its_batch() {
    let mut stub = Stub::start(|ask| {
        let list = ask.json();
        let is_bad = |it: &serde_json::Value| it["id"] == "a-3";
        match list.as_array().unwrap().iter().any(is_bad) {
            true => (StatusCode::BAD_REQUEST, "what is that").into_response(),
            false => StatusCode::OK.into_response(),
        }
    })
    .await;
    let house = House::new(&format!(
        "[{{type: cloudevents, name: hook, url: 'http://{}/', mode: batch, {QUICK}}}]",
        stub.address
    ));
    // This test has one thread: all of them are there when the first is taken.
    for number in 1..=6 {
        let mut incident = sample::incident();
        incident.id = number.to_string().into();
        let mut event = sample::told(Stage::Opened, incident);
        event.id = format!("a-{number}").into();
        house
            .dispatcher
            .offer(&Event::Incident(Arc::new(event)), NOW);
    }
    assert_eq!(stub.next().await.1, StatusCode::BAD_REQUEST);
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 5);
    let dead = house.kept.dead.lock().unwrap();
    let why = "the answer was 400 Bad Request: what is that";
    assert_eq!(*dead, [("a-3".to_owned(), why.to_owned())]);
}
