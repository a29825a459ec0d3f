//! The whole road from `offer` to a server in this process. Nothing here waits for a clock: a test
//! goes on when the server has seen what it waits for.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;

mod contracts;
mod egress;
mod golden;
mod hostile;
mod order;

use super::secret::SigningKey;
use super::*;
use crate::core::event::{Action, ActionStage, Event, Remedy};
use crate::core::record::Timestamp;
use crate::edge::outgoing::{Ask, Egress, Stub};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);
/// Long enough for any machine; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    id: String,
    signature_ok: bool,
    body: Vec<u8>,
    status: StatusCode,
}

/// Answers the `n`-th request (from 0) with the id given.
type Script = dyn Fn(usize, &str) -> Response + Send + Sync;

struct Server {
    address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Server {
    async fn start(script: impl Fn(usize, &str) -> Response + Send + Sync + 'static) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let script: Arc<Script> = Arc::new(script);
        let count = Arc::new(AtomicUsize::new(0));
        let handler = move |headers: HeaderMap, body: Bytes| async move {
            let id = text(&headers, "webhook-id");
            let response = script(count.fetch_add(1, Ordering::SeqCst), &id);
            let seconds = text(&headers, "webhook-timestamp").parse().unwrap_or(0);
            let key = SigningKey::decode(SECRET, "test").unwrap();
            let expected = key.sign(&id, seconds, &body);
            let _ = sender.send(Seen {
                signature_ok: seconds > 0 && text(&headers, "webhook-signature") == expected,
                body: body.to_vec(),
                status: response.status(),
                id,
            });
            if response.status() == HANG {
                std::future::pending::<()>().await;
            }
            response
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, seen }
    }

    async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
        next.expect("a request in time").unwrap()
    }

    /// Reads until `count` requests were answered with success.
    async fn taken(&mut self, count: usize) -> Vec<Seen> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let seen = self.next().await;
            assert!(seen.signature_ok, "the signature of {}", seen.id);
            if seen.status.is_success() {
                taken.push(seen);
            }
        }
        taken
    }
}

/// Stands for an answer that never comes.
const HANG: StatusCode = StatusCode::IM_A_TEAPOT;

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

struct House {
    dispatcher: Dispatcher,
    sinks: Vec<SinkConfig>,
    context: Context,
    registry: Registry,
    time: Arc<AtomicU64>,
    is_stopped: Arc<AtomicBool>,
    kept: Arc<Kept>,
    _secrets: tempfile::TempDir,
}

impl House {
    /// One sink in YAML, its secret in a file, and a clock that stands still.
    fn new(yaml: &str) -> Self {
        Self::with_secret(yaml, SECRET)
    }

    fn with_secret(yaml: &str, secret: &str) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        let path = secrets.path().join("secret");
        std::fs::write(&path, secret).unwrap();
        let yaml = yaml.replace("SECRET", path.to_str().unwrap());
        let sinks: Vec<SinkConfig> = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(check(&sinks, &Egress::default()), []);
        let mut registry = Registry::default();
        let time = Arc::new(AtomicU64::new(NOW.as_nanos()));
        let clock = Arc::clone(&time);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let kept = Arc::new(Kept::default());
        let context = Context {
            instance_id: "9f3c".into(),
            clock: Arc::new(move || Timestamp::from_nanos(clock.load(Ordering::SeqCst))),
            is_stopped: Arc::new(move || stopped.load(Ordering::SeqCst)),
            metrics: Metrics::register(&mut registry),
            keeping: kept.clone(),
            egress: Egress::default(),
        };
        Self {
            dispatcher: Dispatcher::start(&sinks, &context).unwrap(),
            sinks,
            context,
            registry,
            time,
            is_stopped,
            kept,
            _secrets: secrets,
        }
    }

    fn webhook(address: SocketAddr, more: &str) -> Self {
        Self::new(&format!(
            "[{{type: webhook, name: hook, url: 'http://{address}/hook', \
             secret: {{file: SECRET}}, limit: {{per_minute: 0, fold: false}}, {more}}}]"
        ))
    }

    fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap();
        self.time.fetch_add(by, Ordering::SeqCst);
    }

    async fn close(&self) -> Vec<Undelivered> {
        tokio::time::timeout(PATIENCE, self.dispatcher.close(PATIENCE))
            .await
            .expect("closing ends when nothing is left")
    }

    /// The value of the metric that starts with `name`.
    fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn outcome(&self, outcome: &str) -> u64 {
        self.metric(&format!(
            "knothole_notifications_total{{sink=\"hook\",outcome=\"{outcome}\"}}"
        ))
    }
}

const QUICK: &str = "retry: {initial: 1ms, max: 2ms}";

fn anomaly(n: usize) -> Event {
    let mut anomaly = sample::anomaly();
    anomaly.id = format!("{n:032x}").into();
    Event::Anomaly(Arc::new(anomaly))
}

/// Remembers what was given up.
#[derive(Default)]
struct Kept {
    dead: Mutex<Vec<(String, String)>>,
}

impl Keeping for Kept {
    fn done(&self, _: &str, _: &str) {}

    fn dead(&self, _: &str, id: &str, why: &str) {
        self.dead
            .lock()
            .unwrap()
            .push((id.to_owned(), why.to_owned()));
    }
}

#[tokio::test]
async fn a_server_that_fails_half_the_time_gets_every_event_signed_under_one_id() {
    let mut server = Server::start(|n, _| match n % 2 {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let house = House::webhook(server.address, QUICK);
    for n in 0..100 {
        house.dispatcher.offer(&anomaly(n), NOW);
    }
    let mut bodies: HashMap<String, Vec<u8>> = HashMap::new();
    let mut taken = HashSet::new();
    while taken.len() < 100 {
        let seen = server.next().await;
        assert!(seen.signature_ok, "the signature of {}", seen.id);
        let first = bodies.entry(seen.id.clone()).or_insert(seen.body.clone());
        assert_eq!(*first, seen.body, "a retry sends the same bytes");
        if seen.status.is_success() {
            taken.insert(seen.id);
        }
    }
    assert_eq!(taken, (0..100).map(|n| format!("{n:032x}")).collect());
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 100);
    assert!(house.outcome("retried") >= 50);
    assert_eq!(house.metric("knothole_outbox_pending{sink=\"hook\"}"), 0);
}

#[tokio::test]
async fn offering_returns_at_once_while_the_server_hangs_and_nothing_held_is_lost() {
    let mut server = Server::start(|_, _| HANG.into_response()).await;
    let house = House::webhook(server.address, "queue_events_max: 50");
    house.dispatcher.offer(&anomaly(0), NOW);
    server.next().await;
    // This test has one thread: an offer that waited for the server would never return.
    for n in 1..80 {
        house.dispatcher.offer(&anomaly(n), NOW);
    }
    assert_eq!(house.dispatcher.pending(), 50);
    assert_eq!(house.outcome("dropped"), 30);
    let left = house.dispatcher.close(Duration::ZERO).await;
    assert_eq!(left.len(), 50);
    assert_eq!(house.dispatcher.pending(), 0);

    let stored = serde_json::to_vec(&left).unwrap();
    let mut healthy = Server::start(|_, _| StatusCode::OK.into_response()).await;
    let next = House::webhook(healthy.address, QUICK);
    next.dispatcher
        .restore(serde_json::from_slice(&stored).unwrap(), NOW);
    let taken = healthy.taken(50).await;
    let ids: HashSet<String> = taken.into_iter().map(|seen| seen.id).collect();
    assert_eq!(ids, (0..50).map(|n| format!("{n:032x}")).collect());
}

#[tokio::test]
async fn an_event_that_always_fails_holds_up_no_other() {
    let bad = format!("{:032x}", 0);
    let mut server = Server::start(move |_, id| match id == bad {
        true => StatusCode::BAD_REQUEST.into_response(),
        false => StatusCode::OK.into_response(),
    })
    .await;
    let house = House::webhook(server.address, &format!("{QUICK}, concurrency: 1"));
    for n in 0..20 {
        house.dispatcher.offer(&anomaly(n), NOW);
    }
    assert_eq!(server.taken(19).await.len(), 19);
}

#[tokio::test]
async fn an_event_is_given_up_when_it_was_tried_for_long_enough_and_counted_as_dead() {
    let mut server = Server::start(|_, _| StatusCode::BAD_GATEWAY.into_response()).await;
    let retry = "retry: {initial: 1ms, max: 2ms, give_up_after: 20ms}";
    let house = House::webhook(server.address, retry);
    house.dispatcher.offer(&anomaly(0), NOW);
    server.next().await;
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("dead"), 1);
}

#[tokio::test]
async fn a_clock_that_jumps_by_four_hundred_days_gives_nothing_up() {
    const DAYS: Duration = Duration::from_secs(400 * 86_400);
    let mut server = Server::start(|n, _| match n {
        0..4 => StatusCode::BAD_GATEWAY.into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let house = House::webhook(server.address, QUICK);
    house.dispatcher.offer(&anomaly(0), NOW);
    server.next().await;
    house.advance(DAYS);
    server.next().await;
    let back = NOW.minus(DAYS).as_nanos();
    house.time.store(back, Ordering::SeqCst);
    server.taken(1).await;
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 1);
}

#[tokio::test]
async fn a_clock_that_was_put_back_makes_no_proposal_good_for_longer() {
    let server = Server::start(|_, _| StatusCode::BAD_GATEWAY.into_response()).await;
    let house = House::webhook(server.address, QUICK);
    house.time.store(
        NOW.minus(Duration::from_secs(86_400)).as_nanos(),
        Ordering::SeqCst,
    );
    let mut action = sample::action();
    action.expires_at = NOW.plus(Duration::from_millis(20));
    house.dispatcher.offer(&sample::proposed_as(action), NOW);
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("expired"), 1);
}

#[tokio::test]
async fn what_a_hook_is_told_to_do_ends_with_the_action_and_while_all_actions_are_stopped() {
    let mut server = Server::start(|_, _| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let order = || {
        let action = Action {
            remedy: Remedy::Webhook,
            ..sample::action()
        };
        sample::told_as(ActionStage::Approved, action)
    };
    let house = House::webhook(server.address, QUICK);
    house.dispatcher.offer(&order(), NOW);
    let seen = server.next().await;
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["type"], "knothole.action.approved");
    house.advance(sample::action().expires_at.since(NOW));
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("expired"), 1);

    let house = House::webhook(server.address, QUICK);
    house.is_stopped.store(true, Ordering::SeqCst);
    while server.seen.try_recv().is_ok() {}
    house.dispatcher.offer(&order(), NOW);
    // What became of an action is told all the same.
    let done = sample::told_as(ActionStage::Executed, sample::action());
    house.dispatcher.offer(&done, NOW);
    let seen = server.next().await;
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["type"], "knothole.action.executed");
    assert_eq!(house.outcome("expired"), 1);
}

#[tokio::test]
async fn each_attempt_is_signed_with_its_own_time() {
    let (sender, mut times) = mpsc::unbounded_channel();
    let mut stub = Stub::start(move |ask: &Ask| {
        let _ = sender.send(ask.header("webhook-timestamp").to_owned());
        StatusCode::BAD_GATEWAY.into_response()
    })
    .await;
    let house = House::webhook(stub.address, QUICK);
    house.dispatcher.offer(&anomaly(0), NOW);
    stub.next().await;
    assert_eq!(times.recv().await.unwrap(), "1763700000");
    house.advance(Duration::from_secs(7));
    while times.recv().await.unwrap() != "1763700007" {}
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for_and_the_event_is_sent_again() {
    let mut server = Server::start(|n, _| match n {
        0 => HANG.into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let house = House::webhook(server.address, &format!("{QUICK}, timeout: 50ms"));
    house.dispatcher.offer(&anomaly(0), NOW);
    assert_eq!(server.taken(1).await.len(), 1);
    assert!(house.outcome("retried") >= 1);
}

#[tokio::test]
async fn a_proposal_is_never_sent_after_it_expired() {
    let mut server = Server::start(|_, _| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let house = House::webhook(server.address, QUICK);
    let action = sample::action();
    let expires_at = action.expires_at;
    let event = sample::proposed_as(action);
    house.dispatcher.offer(&event, NOW);
    let seen = server.next().await;
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["type"], "knothole.action.proposed");
    house.advance(expires_at.since(NOW));
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("expired"), 1);
    while let Ok(seen) = server.seen.try_recv() {
        assert!(!seen.status.is_success());
    }

    let house = House::webhook(server.address, QUICK);
    house.advance(expires_at.since(NOW));
    house.dispatcher.offer(&event, expires_at);
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("expired"), 1);
    assert!(server.seen.try_recv().is_err(), "no request was made");
}

#[tokio::test]
async fn a_server_that_is_gone_is_left_alone() {
    let mut server = Server::start(|_, _| StatusCode::GONE.into_response()).await;
    let house = House::webhook(server.address, "concurrency: 1");
    for n in 0..5 {
        house.dispatcher.offer(&anomaly(n), NOW);
    }
    server.next().await;
    assert_eq!(house.close().await, []);
    house.dispatcher.offer(&anomaly(9), NOW);
    assert_eq!(house.outcome("disabled"), 6);
    assert!(server.seen.try_recv().is_err(), "one request was enough");
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it() {
    let mut server = Server::start(|_, _| {
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]).into_response()
    })
    .await;
    let house = House::webhook(server.address, &format!("{QUICK}, concurrency: 1"));
    for n in 0..5 {
        house.dispatcher.offer(&anomaly(n), NOW);
    }
    server.next().await;
    // Closing ends at once: nothing can be delivered before the pause ends.
    assert_eq!(house.close().await.len(), 5);
    assert!(server.seen.try_recv().is_err(), "the others waited");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Server::start(|_, _| StatusCode::OK.into_response()).await;
    let to = format!("http://{}/", elsewhere.address);
    let mut server = Server::start(move |n, _| match n {
        0 => (StatusCode::TEMPORARY_REDIRECT, [("location", to.clone())]).into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let house = House::webhook(server.address, QUICK);
    house.dispatcher.offer(&anomaly(0), NOW);
    server.taken(1).await;
    assert_eq!(house.close().await, []);
    assert!(elsewhere.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_bad_hour_is_sixty_messages_and_the_rest_is_counted() {
    let server = Server::start(|_, _| StatusCode::OK.into_response()).await;
    let address = server.address;
    let house = House::new(&format!(
        "[{{type: webhook, name: hook, url: 'http://{address}/', secret: {{file: SECRET}}}}]"
    ));
    for n in 0..1000 {
        let mut anomaly = sample::anomaly();
        anomaly.id = format!("{n:032x}").into();
        anomaly.fingerprint = format!("{:016x}", n % 100).into();
        house
            .dispatcher
            .offer(&Event::Anomaly(Arc::new(anomaly)), NOW);
    }
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 60);
    let folded = house.metric("knothole_notifications_folded_total{sink=\"hook\"}");
    let limited = house.metric("knothole_notifications_limited_total{sink=\"hook\"}");
    assert_eq!((folded, limited), (60 * 9, 40 * 10));
}

#[tokio::test]
async fn a_sink_gets_only_the_events_it_asked_for() {
    let mut server = Server::start(|_, _| StatusCode::OK.into_response()).await;
    let house = House::webhook(server.address, "events: [action]");
    house.dispatcher.offer(&anomaly(0), NOW);
    let event = sample::proposed();
    let id = event.id().to_owned();
    house.dispatcher.offer(&event, NOW);
    assert_eq!(server.next().await.id, id);
    assert_eq!(house.close().await, []);
    assert_eq!(house.outcome("delivered"), 1);
}

#[tokio::test]
async fn what_was_stored_for_a_sink_that_is_gone_goes_to_no_other() {
    let server = Server::start(|_, _| HANG.into_response()).await;
    let house = House::webhook(server.address, QUICK);
    house.dispatcher.offer(&anomaly(0), NOW);
    let left = house.dispatcher.close(Duration::ZERO).await;
    assert_eq!(left.len(), 1);
    let other = House::new("[{type: stdout, name: hook}]");
    other.dispatcher.restore(left, NOW);
    assert_eq!(other.dispatcher.pending(), 0);
}

/// An OTLP receiver that is unavailable for the first request.
#[derive(Clone)]
struct Receiver {
    taken: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
    requests: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        if self.requests.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(tonic::Status::unavailable("not yet"));
        }
        assert_eq!(request.metadata().get("x-scope-orgid").unwrap(), "team");
        self.taken.lock().unwrap().push(request.into_inner());
        Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tokio::test]
async fn otlp_events_arrive_in_batches_after_a_receiver_came_back() {
    let receiver = Receiver {
        taken: Arc::default(),
        requests: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = LogsServiceServer::new(receiver.clone())
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let house = House::new(&format!(
        "[{{type: otlp, name: hook, endpoint: 'http://{address}', {QUICK}, \
         headers: {{x-scope-orgid: team}}, limit: {{per_minute: 0, fold: false}}}}]"
    ));
    for n in 0..200 {
        house.dispatcher.offer(&anomaly(n), NOW);
    }
    assert_eq!(house.close().await, []);
    let taken = receiver.taken.lock().unwrap();
    let ids: HashSet<String> = taken
        .iter()
        .flat_map(|request| &request.resource_logs)
        .flat_map(|logs| &logs.scope_logs[0].log_records)
        .map(|record| format!("{:?}", record.attributes[0].value))
        .collect();
    assert_eq!(ids.len(), 200);
    assert!(taken.len() <= 8, "{} requests for 200 events", taken.len());
    assert_eq!(house.outcome("delivered"), 200);
}
