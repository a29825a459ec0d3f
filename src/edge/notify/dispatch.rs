//! Event → every sink that asked for it, without ever waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, warn};

use super::config::{EventKind, SinkConfig};
use super::deliver::{Courier, Keeping, Ledger, Manner, Message, Road, Sink};
use super::egress::Egress;
use super::fold::{Decision, Fold};
use super::metrics::{Metrics, Outcome};
use super::render;
use super::send::{OtlpSink, SendSetupError, StdoutSink, WebhookSink};
use crate::core::event::{Event, Incident};
use crate::core::record::Timestamp;

/// Tells the time of day; the daemon's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the sinks need to know of the daemon.
#[derive(Clone)]
pub struct Context {
    /// Goes out with every OTLP event, so that knothole knows its own when they come back.
    pub instance_id: Arc<str>,
    /// The time of day.
    pub clock: Clock,
    /// Counts what happens; registered once, also when the configuration is read again.
    pub metrics: Metrics,
    /// Hears what need not be kept any more.
    pub keeping: Arc<dyn Keeping>,
    /// What may be reached at all.
    pub egress: Egress,
}

/// A sink that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("sink {sink}: {source}")]
pub struct StartError {
    /// Its name.
    pub sink: String,
    /// Why.
    pub source: SendSetupError,
}

/// A notification for one sink that is not delivered yet. Opaque; to be stored before it is given to
/// [`Dispatcher::send`], and to [`Dispatcher::restore`] after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    sink: String,
    kind: String,
    message: Message,
}

impl Undelivered {
    /// The sink it is for.
    pub fn sink(&self) -> &str {
        &self.sink
    }

    /// The type of that sink.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The id of its event.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// All else, for [`from_parts`](Self::from_parts).
    pub fn message(&self) -> Vec<u8> {
        // Text and numbers only, which can always be written.
        serde_json::to_vec(&self.message).unwrap_or_default()
    }

    /// What was stored; `None` where the bytes are no message.
    pub fn from_parts(sink: &str, kind: &str, message: &[u8]) -> Option<Self> {
        Some(Self {
            sink: sink.to_owned(),
            kind: kind.to_owned(),
            message: serde_json::from_slice(message).ok()?,
        })
    }
}

/// The roads to all sinks. [`close`](Self::close) it: what is pending when it is dropped is lost.
pub struct Dispatcher {
    roads: Vec<SinkRoad>,
    keeping: Arc<dyn Keeping>,
}

struct SinkRoad {
    name: String,
    kind: &'static str,
    events: Vec<EventKind>,
    queue_events_max: usize,
    fold: Mutex<Fold>,
    render: Renderer,
    queue: mpsc::UnboundedSender<Message>,
    ledger: Arc<Ledger>,
    /// When a full queue was last told.
    told_full: AtomicU64,
    courier: Mutex<Option<CourierHandle>>,
}

type Renderer = Box<dyn Fn(&Event, Timestamp) -> Vec<u8> + Send + Sync>;

struct CourierHandle {
    closing: oneshot::Sender<Instant>,
    task: JoinHandle<Vec<Message>>,
}

impl Dispatcher {
    /// Sets up `sinks` and starts one task for each; to be called within a tokio runtime. Loads
    /// secrets; connects to nothing yet. On the first sink that cannot be set up nothing is left
    /// running.
    pub fn start(sinks: &[SinkConfig], context: &Context) -> Result<Self, StartError> {
        let roads = sinks.iter().map(|sink| {
            SinkRoad::start(sink, context).map_err(|source| StartError {
                sink: sink.common().name.to_owned(),
                source,
            })
        });
        Ok(Self {
            roads: roads.collect::<Result<_, _>>()?,
            keeping: Arc::clone(&context.keeping),
        })
    }

    /// Hands `event` to every sink that asked for its kind. Never waits: what a sink cannot take
    /// now is folded, limited or dropped, and counted.
    #[cfg(test)]
    pub(super) fn offer(&self, event: &Event, now: Timestamp) {
        self.send(self.prepare(event, now), now);
    }

    /// What `event` becomes for the sinks that asked for its kind. What a sink cannot take now is
    /// folded, limited or dropped, and counted.
    pub fn prepare(&self, event: &Event, now: Timestamp) -> Vec<Undelivered> {
        let kind = EventKind::of(event);
        let roads = self.roads.iter();
        let wanted = roads.filter(|road| road.events.contains(&kind));
        wanted.filter_map(|road| road.prepare(event, now)).collect()
    }

    /// Sends what was prepared by this dispatcher, or by one before it with the same sinks. Never
    /// waits.
    pub fn send(&self, prepared: Vec<Undelivered>, now: Timestamp) {
        self.restore(prepared, now);
    }

    /// Tells the sinks which incidents go on, of those that were told before. To be called after
    /// [`start`](Self::start) and before [`restore`](Self::restore): some sinks say again and again
    /// that an incident goes on, and some only hear how those end that they were told of.
    pub fn standing(&self, live: Vec<Arc<Incident>>) {
        let _ = live;
    }

    /// Takes back what an earlier dispatcher left, unfolded and unlimited. What was for a sink
    /// that is no longer there, or is of another type now, is dropped and told.
    pub fn restore(&self, undelivered: Vec<Undelivered>, now: Timestamp) {
        let mut orphans = 0;
        for Undelivered {
            sink,
            kind,
            message,
        } in undelivered
        {
            let mut roads = self.roads.iter();
            match roads.find(|road| road.name == sink && road.kind == kind) {
                Some(road) => road.push(message, now),
                None => {
                    self.keeping.done(&sink, &message.id);
                    orphans += 1;
                }
            }
        }
        if orphans > 0 {
            warn!(
                count = orphans,
                "Dropped stored notifications of sinks that are no longer configured."
            );
        }
    }

    /// How many notifications are queued, waiting or under way, over all sinks.
    pub fn pending(&self) -> usize {
        let pending = |road: &SinkRoad| road.ledger.pending.load(Ordering::Acquire);
        self.roads.iter().map(pending).sum()
    }

    /// Stops: delivers for at most `grace`, with one more attempt for what waits, and gives back
    /// the rest. Ends sooner when nothing more can be done. An event offered meanwhile or later is
    /// dropped and counted.
    pub async fn close(&self, grace: Duration) -> Vec<Undelivered> {
        let deadline = Instant::now() + grace;
        let mut closing = Vec::new();
        for road in &self.roads {
            if let Some(courier) = locked(&road.courier).take() {
                // A courier that is no longer there hears nothing; its task tells below.
                let _ = courier.closing.send(deadline);
                closing.push((road, courier.task));
            }
        }
        let mut left = Vec::new();
        for (road, task) in closing {
            let messages = task.await.unwrap_or_else(|_| {
                error!(
                    sink = road.name,
                    "The task of the sink broke off; its notifications are lost."
                );
                Vec::new()
            });
            left.extend(messages.into_iter().map(|message| Undelivered {
                sink: road.name.clone(),
                kind: road.kind.to_owned(),
                message,
            }));
        }
        left
    }
}

impl SinkRoad {
    fn start(sink: &SinkConfig, context: &Context) -> Result<Self, SendSetupError> {
        match sink {
            SinkConfig::Stdout(_) => {
                let manner = Manner {
                    batch_max: 64,
                    concurrency: 1,
                    retry: super::Retry::default(),
                };
                let render = Box::new(|event: &Event, _| render::json_line(event));
                Ok(Self::spawn(
                    sink,
                    (StdoutSink::new(), manner, render),
                    context,
                ))
            }
            SinkConfig::Otlp(otlp) => {
                let manner = Manner {
                    batch_max: 64,
                    concurrency: 1,
                    retry: otlp.retry,
                };
                let instance_id = Arc::clone(&context.instance_id);
                let render = Box::new(move |event: &Event, now| {
                    render::otlp::resource_logs(event, &instance_id, now).encode_to_vec()
                });
                Ok(Self::spawn(
                    sink,
                    (OtlpSink::new(otlp)?, manner, render),
                    context,
                ))
            }
            SinkConfig::Webhook(webhook) => {
                let manner = Manner {
                    batch_max: 1,
                    concurrency: webhook.concurrency.max(1),
                    retry: webhook.retry,
                };
                let render = Box::new(render::webhook::body);
                Ok(Self::spawn(
                    sink,
                    (WebhookSink::new(webhook)?, manner, render),
                    context,
                ))
            }
            _ => Err(SendSetupError::Client("not built yet".to_owned())),
        }
    }

    fn spawn<S: Sink>(
        config: &SinkConfig,
        (sink, manner, render): (S, Manner, Renderer),
        context: &Context,
    ) -> Self {
        let common = config.common();
        let (sender, queue) = mpsc::unbounded_channel();
        let (closing, order) = oneshot::channel();
        let ledger = Arc::new(Ledger {
            sink: common.name.to_owned(),
            keeping: Arc::clone(&context.keeping),
            pending: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
            metrics: context.metrics.of(common.name),
        });
        let courier = Courier {
            name: common.name.to_owned(),
            sink: Arc::new(sink),
            manner,
            clock: Arc::clone(&context.clock),
            ledger: Arc::clone(&ledger),
            queue,
            road: Road::default(),
        };
        let task = tokio::spawn(courier.run(order));
        Self {
            name: common.name.to_owned(),
            kind: config.kind(),
            events: common.events.to_vec(),
            queue_events_max: common.queue_events_max,
            fold: Mutex::new(Fold::new(common.limit)),
            render,
            queue: sender,
            ledger,
            told_full: AtomicU64::new(0),
            courier: Mutex::new(Some(CourierHandle { closing, task })),
        }
    }

    fn prepare(&self, event: &Event, now: Timestamp) -> Option<Undelivered> {
        if self.ledger.is_gone.load(Ordering::Acquire) {
            self.ledger.metrics.count(Outcome::Disabled, 1);
            return None;
        }
        let event = match locked(&self.fold).decide(event, now) {
            Decision::Send(event) => event,
            Decision::Folded => {
                self.ledger.metrics.folded.inc();
                return None;
            }
            Decision::Limited => {
                self.ledger.metrics.limited.inc();
                return None;
            }
        };
        Some(Undelivered {
            sink: self.name.clone(),
            kind: self.kind.to_owned(),
            message: Message {
                id: event.id().into(),
                body: (self.render)(&event, now),
                offered_at: now,
                expires_at: match &event {
                    Event::Proposal(proposal) => Some(proposal.expires_at),
                    Event::Anomaly(_) | Event::Incident(_) | Event::Digest(_) => None,
                },
            },
        })
    }

    fn push(&self, message: Message, now: Timestamp) {
        let before = self.ledger.pending.fetch_add(1, Ordering::AcqRel);
        self.ledger.metrics.pending.inc();
        if before >= self.queue_events_max {
            self.ledger.settle(Outcome::Dropped, [&message]);
            self.tell_full(now);
        } else if self.queue.send(message).is_err() {
            // Its dispatcher has closed: what was kept before is sent by the next one.
            self.ledger.metrics.count(Outcome::Dropped, 1);
            self.ledger.leave(1);
        }
    }

    /// Once a minute is enough to know it.
    fn tell_full(&self, now: Timestamp) {
        const MINUTE_NANOS: u64 = 60_000_000_000;
        let minute = now.as_nanos() / MINUTE_NANOS;
        if self.told_full.swap(minute, Ordering::Relaxed) != minute {
            warn!(
                sink = self.name,
                queue_events_max = self.queue_events_max,
                "Dropped a notification: the sink is slower than the events come. The metric \
                 knothole_notifications_total counts them."
            );
        }
    }
}

/// A panic while the lock was held left nothing half done that matters here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
