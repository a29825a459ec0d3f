//! A real Alertmanager shows an incident, keeps it while it goes on, and resolves it as the same.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::Json;
use axum::routing::post;
use knothole::core::event::{
    Cause, Class, Event, Gravity, Incident, IncidentEvent, IncidentState, Mark, Part, Relation,
    Route, Stage,
};
use knothole::core::record::{Resource, StreamKey, Timestamp};
use knothole::edge::notify::{Context, Dispatcher, Keeping, Metrics, SinkConfig};
use knothole::edge::outgoing::Egress;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::parts::part;
use crate::process::{Process, SOON};

#[test]
fn an_alertmanager_shows_an_incident_keeps_it_and_resolves_it_as_the_same() {
    let Some(program) = part("KNOTHOLE_ALERTMANAGER") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut told = Told::start().await;
        let manager = Alertmanager::start(Path::new(&program), folder.path(), told.address);
        let dispatcher = dispatcher(manager.address);
        let began = now();
        offer((&dispatcher, 1), Stage::Opened, began);
        let first = manager.shown().await;
        assert_eq!(first["status"]["state"], "active");
        assert_eq!(first["labels"]["alertname"], "KnotholeIncident");
        assert_eq!(first["labels"]["service"], "cart");
        assert_eq!(first["annotations"]["summary"], "cart does not answer");
        // It would have ended by itself four re-sendings after the first one.
        let would_end = time(&first["endsAt"]);
        loop {
            let still = manager.shown().await;
            assert_eq!(still["fingerprint"], first["fingerprint"]);
            if jiff::Timestamp::now() > would_end && time(&still["endsAt"]) > would_end {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        assert_eq!(told.next("firing").await, first["fingerprint"]);
        offer((&dispatcher, 1), Stage::Resolved, began);
        manager.shows_nothing().await;
        assert_eq!(told.next("resolved").await, first["fingerprint"]);
        dispatcher.close(SOON).await;
    });
}

#[test]
fn an_alert_of_a_daemon_that_is_gone_ends_by_itself_and_stands_again_with_the_next_one() {
    let Some(program) = part("KNOTHOLE_ALERTMANAGER") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let told = Told::start().await;
        let manager = Alertmanager::start(Path::new(&program), folder.path(), told.address);
        let before = dispatcher(manager.address);
        let began = now();
        offer((&before, 1), Stage::Opened, began);
        let first = manager.shown().await;
        before.close(SOON).await;
        drop(before);
        manager.shows_nothing().await;
        let after = dispatcher(manager.address);
        after.standing(vec![Arc::new(incident(Stage::Opened, began))], now());
        let again = manager.shown().await;
        assert_eq!(again["fingerprint"], first["fingerprint"]);
        after.close(SOON).await;
    });
}

#[test]
fn an_alertmanager_takes_whatever_was_logged_as_text() {
    let Some(program) = part("KNOTHOLE_ALERTMANAGER") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let told = Told::start().await;
        let manager = Alertmanager::start(Path::new(&program), folder.path(), told.address);
        let dispatcher = dispatcher(manager.address);
        let text = "\u{0}\u{1b}[31m\",severity=\"critical\"}\n{{ .Labels }} \u{202e}<script>\\";
        let shown = r#"\u{0}\u{1b}[31m",severity="critical"}\n{{ .Labels }} \u{202e}<script>\"#;
        let mut hostile = incident(Stage::Opened, now());
        hostile.title = text.into();
        hostile.parts[0].stream = StreamKey::named(text);
        dispatcher.standing(vec![Arc::new(hostile)], now());
        let alert = manager.shown().await;
        assert_eq!(alert["labels"]["service"], shown);
        assert_eq!(alert["annotations"]["summary"], shown);
        assert_eq!(alert["labels"].as_object().unwrap().len(), 5, "{alert}");
        dispatcher.close(SOON).await;
    });
}

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Debian's program, with its own template and a webhook that is told at once.
struct Alertmanager {
    address: SocketAddr,
    _process: Process,
}

impl Alertmanager {
    fn start(program: &Path, folder: &Path, tells: SocketAddr) -> Self {
        let config = folder.join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: hook, group_wait: 10ms, group_interval: 100ms}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: 'http://{tells}/'}}]}}]\n"
        );
        std::fs::write(&config, text).unwrap();
        let process = Process::start(
            "the Alertmanager",
            Command::new(program)
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.path={}", folder.join("data").display()))
                .args([
                    "--cluster.listen-address=",
                    "--web.listen-address=127.0.0.1:0",
                ]),
        );
        let address = process.stderr_until(|line| {
            let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
            address.trim().parse().ok()
        });
        Self {
            address,
            _process: process,
        }
    }

    /// What it shows as active.
    async fn alerts(&self) -> Vec<Value> {
        let url = format!("http://{}/api/v2/alerts", self.address);
        let answer = reqwest::Client::new().get(url).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// The one alert it shows.
    async fn shown(&self) -> Value {
        let shown = async {
            loop {
                if let [alert] = &*self.alerts().await {
                    return alert.clone();
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(SOON, shown).await.expect("one alert")
    }

    async fn shows_nothing(&self) {
        let nothing = async {
            while !self.alerts().await.is_empty() {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(SOON, nothing)
            .await
            .expect("no alert any more");
    }
}

/// Who is told by the Alertmanager.
struct Told {
    address: SocketAddr,
    messages: mpsc::UnboundedReceiver<Value>,
}

impl Told {
    async fn start() -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let hear = move |Json(message): Json<Value>| async move {
            // A test that has ended does not listen any more.
            let _ = sender.send(message);
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().route("/", post(hear));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, messages }
    }

    /// The fingerprint of the alert in the next message, which has to be of that status.
    async fn next(&mut self, status: &str) -> Value {
        let next = tokio::time::timeout(SOON, self.messages.recv()).await;
        let message = next.expect("a message in time").unwrap();
        assert_eq!(message["status"], status, "{message}");
        message["alerts"][0]["fingerprint"].clone()
    }
}

pub(crate) struct Unkept;

impl Keeping for Unkept {
    fn done(&self, _: &str, _: &str) {}
}

fn dispatcher(to: SocketAddr) -> Dispatcher {
    let yaml = format!(
        "[{{type: alertmanager, name: alerts, urls: ['http://{to}'], resend_every: 250ms}}]"
    );
    let sinks: Vec<SinkConfig> = serde_saphyr::from_str(&yaml).unwrap();
    let context = Context {
        instance_id: "it".into(),
        clock: Arc::new(now),
        is_stopped: Arc::new(|| false),
        metrics: Metrics::default(),
        keeping: Arc::new(Unkept),
        egress: Egress::default(),
    };
    Dispatcher::start(&sinks, &context).unwrap()
}

/// Offers what became of an incident to so many sinks.
pub(crate) fn offer((dispatcher, sinks): (&Dispatcher, usize), stage: Stage, began: Timestamp) {
    let incident = incident(stage, began);
    let event = IncidentEvent {
        id: format!("{:032x}", incident.revision).into(),
        stage,
        at: now(),
        incident: Arc::new(incident),
    };
    let prepared = dispatcher.prepare(&Event::Incident(Arc::new(event)), now());
    assert_eq!(prepared.len(), sinks);
    dispatcher.send(prepared, now());
}

fn incident(stage: Stage, began: Timestamp) -> Incident {
    let is_over = stage == Stage::Resolved;
    let cart = Part {
        stream: StreamKey::named("cart"),
        resource: Arc::new(Resource::default()),
        relation: Relation::First,
        first_seen: began,
        signs: 1,
    };
    let mark = Mark {
        at: now(),
        by: "knothole".into(),
        note: None,
    };
    Incident {
        id: "1bc1de4700c0ffee00c0ffee00c0ffee".into(),
        fingerprint: "aa3c5b7d11223344".into(),
        revision: if is_over { 2 } else { 1 },
        state: if is_over {
            IncidentState::Resolved
        } else {
            IncidentState::Open
        },
        severity: Gravity::Critical,
        class: Class::Availability,
        title: "cart does not answer".into(),
        began,
        detected: began,
        last_seen: began,
        acknowledged: None,
        ended: is_over.then_some(mark),
        parts: vec![cart],
        signs: Vec::new(),
        sign_count: 1,
        cause: Cause::default(),
        before: None,
        route: Route {
            pages: true,
            ..Route::default()
        },
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap())
}

fn time(text: &Value) -> jiff::Timestamp {
    text.as_str().unwrap().parse().unwrap()
}
