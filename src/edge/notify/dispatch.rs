//! Event → every sink that asked for it, without ever waiting.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, warn};

use super::config::{EventKind, SinkConfig};
use super::deliver::Keeping;
use super::metrics::Metrics;
use super::road::{SinkRoad, locked};
use super::send::SendSetupError;
use super::undelivered::Undelivered;
use crate::core::event::{Event, Incident};
use crate::core::record::Timestamp;
use crate::edge::outgoing::Egress;

/// Tells the time of day; the daemon's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Tells whether all actions are stopped.
pub type Stopped = Arc<dyn Fn() -> bool + Send + Sync>;

/// What the sinks need to know of the daemon.
#[derive(Clone)]
pub struct Context {
    /// Goes out with every OTLP event, so that knothole knows its own when they come back.
    pub instance_id: Arc<str>,
    /// The time of day.
    pub clock: Clock,
    /// While they are, nothing goes out that somebody acts on.
    pub is_stopped: Stopped,
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

/// The roads to all sinks. [`close`](Self::close) it: what is pending when it is dropped is lost.
pub struct Dispatcher {
    roads: Vec<SinkRoad>,
    keeping: Arc<dyn Keeping>,
    /// What is to be sent after what an earlier dispatcher did not deliver; `None` once that is
    /// there.
    held: Mutex<Option<Vec<Undelivered>>>,
}

impl Dispatcher {
    /// Sets up `sinks` and starts one task for each; to be called within a tokio runtime. Loads
    /// secrets; connects to nothing yet. On the first sink that cannot be set up nothing is left
    /// running.
    pub fn start(sinks: &[SinkConfig], context: &Context) -> Result<Self, StartError> {
        Self::set_up(sinks, context, None)
    }

    /// The same in the place of this one: a sink of the same name and type knows what it was told.
    /// Nothing goes out until [`inherit`](Self::inherit) was called with what this one leaves when it
    /// is [closed](Self::close), so that all about an incident stays in its order.
    pub fn successor(&self, sinks: &[SinkConfig], context: &Context) -> Result<Self, StartError> {
        Self::set_up(sinks, context, Some(self))
    }

    fn set_up(
        sinks: &[SinkConfig],
        context: &Context,
        before: Option<&Self>,
    ) -> Result<Self, StartError> {
        let roads = sinks.iter().map(|sink| {
            let (name, kind) = (sink.common().name, sink.kind());
            let before = before.and_then(|before| before.road(name, kind));
            SinkRoad::start(sink, context, before).map_err(|source| StartError {
                sink: name.to_owned(),
                source,
            })
        });
        Ok(Self {
            roads: roads.collect::<Result<_, _>>()?,
            keeping: Arc::clone(&context.keeping),
            held: Mutex::new(before.map(|_| Vec::new())),
        })
    }

    /// Without any sink.
    #[cfg(test)]
    pub(crate) fn none(keeping: Arc<dyn Keeping>) -> Self {
        Self {
            roads: Vec::new(),
            keeping,
            held: Mutex::default(),
        }
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
    pub fn standing(&self, live: Vec<Arc<Incident>>, now: Timestamp) {
        for road in &self.roads {
            road.standing(&live, now);
        }
    }

    /// Takes back what an earlier dispatcher left, or what is to be sent again by hand, unfolded
    /// and unlimited. What was for a sink that is no longer there, or is of another type now, is
    /// given up and told.
    pub fn restore(&self, undelivered: Vec<Undelivered>, now: Timestamp) {
        let mut held = locked(&self.held);
        match &mut *held {
            Some(held) => held.extend(undelivered),
            None => self.push(undelivered, now),
        }
    }

    /// Takes what the dispatcher left that this one is the [successor](Self::successor) of, and sends
    /// what was held back for it.
    pub fn inherit(&self, mut left: Vec<Undelivered>, now: Timestamp) {
        let mut held = locked(&self.held);
        left.extend(held.take().into_iter().flatten());
        self.push(left, now);
    }

    fn push(&self, mut undelivered: Vec<Undelivered>, now: Timestamp) {
        put_in_order(&mut undelivered);
        let mut orphans = 0;
        for Undelivered {
            sink,
            kind,
            message,
        } in undelivered
        {
            match self.road(&sink, &kind) {
                Some(road) => road.push(message, now),
                None => {
                    let why = "the sink is no longer configured";
                    self.keeping.dead(&sink, &message.id, why);
                    orphans += 1;
                }
            }
        }
        if orphans > 0 {
            warn!(
                count = orphans,
                "Gave up on stored notifications of sinks that are no longer configured."
            );
        }
    }

    fn road(&self, name: &str, kind: &str) -> Option<&SinkRoad> {
        let mut roads = self.roads.iter();
        roads.find(|road| road.name == name && road.kind == kind)
    }

    /// How many notifications are queued, waiting or under way, over all sinks.
    pub fn pending(&self) -> usize {
        let pending = |road: &SinkRoad| road.ledger.pending.load(Ordering::Acquire);
        self.roads.iter().map(pending).sum()
    }

    /// Stops: delivers for at most `grace`, with one more attempt for what waits, and gives back
    /// the rest and what is sent meanwhile. Ends sooner when nothing more can be done. What is sent
    /// later is counted as dropped.
    pub async fn close(&self, grace: Duration) -> Vec<Undelivered> {
        locked(&self.held).get_or_insert_default();
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
        left.extend(locked(&self.held).take().into_iter().flatten());
        left
    }
}

/// The oldest first, and all about one incident behind its first by revision: the clock may have been
/// put back in between.
fn put_in_order(undelivered: &mut [Undelivered]) {
    let mut begun: HashMap<Box<str>, Timestamp> = HashMap::new();
    for message in undelivered.iter().map(|it| &it.message) {
        if let Some(lane) = &message.lane {
            let begun = begun.entry(lane.about.clone());
            let begun = begun.or_insert(message.offered_at);
            *begun = message.offered_at.min(*begun);
        }
    }
    undelivered.sort_by_cached_key(|it| {
        let message = &it.message;
        let lane = message.lane.as_ref();
        let begun = lane.and_then(|lane| begun.get(&lane.about).copied());
        let about = lane.map_or((message.id.clone(), 0), |it| {
            (it.about.clone(), it.revision)
        });
        (begun.unwrap_or(message.offered_at), about)
    });
}
