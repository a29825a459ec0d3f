//! The road to one sink: who is heard, what is folded, how it is rendered, how it is delivered.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use super::audience::Audience;
use super::config::{
    AlertmanagerConfig, CloudeventsConfig, ContentMode, EventKind, OtlpConfig, Retry, SinkConfig,
};
use super::deliver::{Courier, Ledger, Manner, Message, Road, Sink};
use super::dispatch::Context;
use super::fold::{Decision, Fold};
use super::lanes::Lane;
use super::metrics::Outcome;
use super::render;
use super::render::alertmanager::AlertStyle;
use super::send::{
    AlertmanagerSink, BATCH_MAX, CloudeventsSink, FileSink, GrafanaSink, OtlpSink, PagerdutySink,
    SendSetupError, SlackSink, StdoutSink, WebhookSink,
};
use super::standing::Standing;
use super::undelivered::Undelivered;
use crate::core::event::{Event, Incident};
use crate::core::record::Timestamp;

/// How many more messages about incidents a full queue takes: anomalies must not crowd them out.
const INCIDENTS_RESERVED: usize = 1024;
/// Slack takes one message a second for each channel.
const SLACK_PACE: Duration = Duration::from_millis(1_100);
/// PagerDuty takes two events a second for each key.
const PAGERDUTY_PACE: Duration = Duration::from_millis(500);

/// Event → bytes; `None` where the sink has nothing to say about it.
type Renderer = Box<dyn Fn(&Event, Timestamp) -> Option<Vec<u8>> + Send + Sync>;

/// One sink, and everything on the way to it.
pub(super) struct SinkRoad {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) events: Vec<EventKind>,
    queue_events_max: usize,
    /// Shared with the road that comes after this one, and so are the alerts.
    audience: Arc<Mutex<Audience>>,
    fold: Mutex<Fold>,
    render: Renderer,
    queue: mpsc::UnboundedSender<Message>,
    pub(super) ledger: Arc<Ledger>,
    /// When a full queue was last told.
    told_full: AtomicU64,
    pub(super) courier: Mutex<Option<CourierHandle>>,
    /// What an Alertmanager is told again and again.
    alerts: Option<(Arc<Standing>, AlertStyle)>,
}

/// The task that delivers.
pub(super) struct CourierHandle {
    pub(super) closing: oneshot::Sender<Instant>,
    pub(super) task: JoinHandle<Vec<Message>>,
}

impl SinkRoad {
    /// Sets the sink up, with what it was told by the road `before` this one; to be called within a
    /// tokio runtime.
    pub(super) fn start(
        sink: &SinkConfig,
        context: &Context,
        before: Option<&Self>,
    ) -> Result<Self, SendSetupError> {
        let mut road = Self::set_up(sink, context, before)?;
        let same = before.filter(|it| locked(&it.audience).pages_only() == sink.pages_only());
        if let Some(before) = same {
            road.audience = Arc::clone(&before.audience);
        }
        Ok(road)
    }

    fn set_up(
        sink: &SinkConfig,
        context: &Context,
        before: Option<&Self>,
    ) -> Result<Self, SendSetupError> {
        let egress = &context.egress;
        Ok(match sink {
            SinkConfig::Stdout(_) => {
                let parts = (StdoutSink::new(), batches(64, Retry::default()), lines());
                Self::spawn(sink, parts, context)
            }
            SinkConfig::File(file) => {
                let parts = (FileSink::new(file)?, batches(64, Retry::default()), lines());
                Self::spawn(sink, parts, context)
            }
            SinkConfig::Otlp(otlp) => Self::start_otlp(sink, otlp, context)?,
            SinkConfig::Webhook(hook) => {
                let render: Renderer =
                    Box::new(|event, now| Some(render::webhook::body(event, now)));
                let manner = Manner {
                    concurrency: hook.concurrency.max(1),
                    ..batches(1, hook.retry)
                };
                Self::spawn(
                    sink,
                    (WebhookSink::new(hook, egress)?, manner, render),
                    context,
                )
            }
            SinkConfig::Cloudevents(events) => Self::start_cloudevents(sink, events, context)?,
            SinkConfig::Alertmanager(alerts) => {
                Self::start_alerts((sink, alerts), context, before)?
            }
            SinkConfig::Pagerduty(pager) => {
                let render = looked_up(render::pagerduty::body, pager.incident_url.as_ref());
                let manner = paced(pager.retry, PAGERDUTY_PACE);
                Self::spawn(
                    sink,
                    (PagerdutySink::new(pager, egress)?, manner, render),
                    context,
                )
            }
            SinkConfig::Slack(slack) => {
                let render = looked_up(render::slack::body, slack.incident_url.as_ref());
                let manner = paced(slack.retry, SLACK_PACE);
                Self::spawn(
                    sink,
                    (SlackSink::new(slack, egress)?, manner, render),
                    context,
                )
            }
            SinkConfig::Grafana(grafana) => {
                let render = looked_up(render::grafana::body, grafana.incident_url.as_ref());
                let manner = batches(1, grafana.retry);
                Self::spawn(
                    sink,
                    (GrafanaSink::new(grafana, egress)?, manner, render),
                    context,
                )
            }
        })
    }

    fn start_otlp(
        sink: &SinkConfig,
        otlp: &OtlpConfig,
        context: &Context,
    ) -> Result<Self, SendSetupError> {
        let instance_id = Arc::clone(&context.instance_id);
        let render: Renderer = Box::new(move |event, now| {
            let logs = render::otlp::resource_logs(event, &instance_id, now);
            Some(logs.encode_to_vec())
        });
        let far_end = OtlpSink::new(otlp, &context.egress)?;
        Ok(Self::spawn(
            sink,
            (far_end, batches(64, otlp.retry), render),
            context,
        ))
    }

    fn start_cloudevents(
        sink: &SinkConfig,
        events: &CloudeventsConfig,
        context: &Context,
    ) -> Result<Self, SendSetupError> {
        let usual = format!("/knothole/instance/{}", context.instance_id);
        let source = events.source.clone().unwrap_or(usual);
        let render: Renderer =
            Box::new(move |event, _| Some(render::cloudevents::body(event, &source)));
        let most = match events.mode {
            ContentMode::Batch => BATCH_MAX,
            ContentMode::Binary | ContentMode::Structured => 1,
        };
        let far_end = CloudeventsSink::new(events, &context.egress)?;
        Ok(Self::spawn(
            sink,
            (far_end, batches(most, events.retry), render),
            context,
        ))
    }

    fn start_alerts(
        (sink, config): (&SinkConfig, &AlertmanagerConfig),
        context: &Context,
        before: Option<&Self>,
    ) -> Result<Self, SendSetupError> {
        let style = AlertStyle {
            alertname: config.alertname.clone(),
            incident_url: config.incident_url.clone(),
        };
        let standing = before.and_then(|it| Some(Arc::clone(&it.alerts.as_ref()?.0)));
        let standing = standing.unwrap_or_else(|| Arc::new(Standing::new((context.clock)())));
        let clock = Arc::clone(&context.clock);
        let alerts = (Arc::clone(&standing), style.clone());
        let render: Renderer =
            Box::new(move |event, now| render::alertmanager::body(event, &style, now));
        let far_end = AlertmanagerSink::new(config, &context.egress, clock, standing)?;
        let parts = (far_end, batches(16, config.retry), render);
        Ok(Self {
            alerts: Some(alerts),
            ..Self::spawn(sink, parts, context)
        })
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
            is_stopped: Arc::clone(&context.is_stopped),
            ledger: Arc::clone(&ledger),
            queue,
            road: Road::default(),
        };
        let task = tokio::spawn(courier.run(order));
        let audience = Audience::new(config.pages_only(), (context.clock)());
        Self {
            name: common.name.to_owned(),
            kind: config.kind(),
            events: common.events.to_vec(),
            queue_events_max: common.queue_events_max,
            audience: Arc::new(Mutex::new(audience)),
            fold: Mutex::new(Fold::new(common.limit)),
            render,
            queue: sender,
            ledger,
            told_full: AtomicU64::new(0),
            courier: Mutex::new(Some(CourierHandle { closing, task })),
            alerts: None,
        }
    }

    /// Hears which incidents go on that it was told of.
    pub(super) fn standing(&self, live: &[Arc<Incident>], now: Timestamp) {
        let mut audience = locked(&self.audience);
        let told: Vec<&Arc<Incident>> = live.iter().filter(|it| audience.restore(it)).collect();
        if let Some((standing, style)) = &self.alerts {
            let notes = told.into_iter();
            standing.restore(notes.map(|it| render::alertmanager::note(it, style, now)));
        }
    }

    /// What `event` becomes for this sink.
    pub(super) fn prepare(&self, event: &Event, now: Timestamp) -> Option<Undelivered> {
        if let Event::Incident(event) = event
            && !locked(&self.audience).hears(event)
        {
            return None;
        }
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
                body: (self.render)(&event, now)?,
                offered_at: now,
                expires_at: match &event {
                    Event::Action(event) => event.good_until(),
                    Event::Anomaly(_)
                    | Event::Incident(_)
                    | Event::Digest(_)
                    | Event::Change(_) => None,
                },
                lane: lane(&event),
            },
        })
    }

    /// Queues `message`; what does not fit is told.
    pub(super) fn push(&self, message: Message, now: Timestamp) {
        let before = self.ledger.pending.fetch_add(1, Ordering::AcqRel);
        self.ledger.metrics.pending.inc();
        let reserved = message.lane.as_ref().map_or(0, |_| INCIDENTS_RESERVED);
        if before >= self.queue_events_max.saturating_add(reserved) {
            let outcome = match message.lane {
                Some(_) => Outcome::Rejected,
                None => Outcome::Dropped,
            };
            self.ledger
                .settle(outcome, &message, "the queue of the sink was full");
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

/// One attempt at a time, with up to `most` messages.
fn batches(most: usize, retry: Retry) -> Manner {
    Manner {
        batch_max: most,
        concurrency: 1,
        pace: Duration::ZERO,
        retry,
    }
}

/// One message at a time, and no sooner than `pace` after the last.
fn paced(retry: Retry, pace: Duration) -> Manner {
    Manner {
        pace,
        ..batches(1, retry)
    }
}

/// A renderer that needs to know where people look incidents up.
fn looked_up(
    render: fn(&Event, Option<&str>) -> Option<Vec<u8>>,
    incident_url: Option<&String>,
) -> Renderer {
    let url = incident_url.cloned();
    Box::new(move |event, _| render(event, url.as_deref()))
}

fn lines() -> Renderer {
    Box::new(|event, _| Some(render::json_line(event)))
}

/// What `event` has to keep its order with.
fn lane(event: &Event) -> Option<Lane> {
    match event {
        Event::Incident(event) => Some(Lane {
            about: event.incident.id.clone(),
            revision: event.incident.revision,
        }),
        Event::Digest(digest) => Some(Lane {
            about: digest.id.clone(),
            revision: 0,
        }),
        Event::Action(event) => Some(Lane {
            about: event.action.id.clone(),
            revision: event.action.steps.len() as u64,
        }),
        Event::Anomaly(_) | Event::Change(_) => None,
    }
}

/// A panic while the lock was held left nothing half done that matters here.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
