//! One task per sink: what was offered goes out, at least once, for as long as it is worth it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::backoff::backoff;
use super::config::Retry;
use super::dispatch::{Clock, Stopped};
use super::lanes::{Lane, Lanes};
use super::metrics::{Outcome, SinkMetrics};
use crate::core::record::Timestamp;

/// Longest pause that a sink can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);
/// Why a message to a sink that answered 410 is given up.
const GONE: &str = "the receiver is gone (410)";

/// A rendered event on its way to one sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The id of the event, the same over all attempts.
    pub(crate) id: Box<str>,
    /// What the sink's renderer made of it.
    pub(crate) body: Vec<u8>,
    /// When it was first offered.
    pub(crate) offered_at: Timestamp,
    /// Not to be sent at or after this, nor while all actions are stopped: somebody acts on it.
    pub(crate) expires_at: Option<Timestamp>,
    /// What it has to keep its order with.
    #[serde(default)]
    pub(crate) lane: Option<Lane>,
}

/// What a sink made of a batch.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It took all but `refused` of it, which it will never take.
    Taken { refused: usize },
    /// Not now; at the earliest after `after`, if it said so.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// It will never take this batch. Of several messages one may be to blame: each is tried alone.
    Never { why: String },
    /// It wants no message any more.
    Gone,
}

/// A place that takes messages. Each attempt ends within the sink's own time-out.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Sends `batch` at `now`.
    fn send(&self, batch: &[Message], now: Timestamp) -> impl Future<Output = Answer> + Send;
}

/// How a sink is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Most messages in one attempt. Nothing waits for a batch to fill: what has gathered while
    /// the last attempt was under way goes together.
    pub(crate) batch_max: usize,
    /// Most attempts under way at once.
    pub(crate) concurrency: usize,
    /// The least time from one attempt to the next.
    pub(crate) pace: Duration,
    /// When a failed attempt is repeated.
    pub(crate) retry: Retry,
}

/// Hears which messages are done with, delivered or not, so that they need not be kept any more.
pub trait Keeping: Send + Sync {
    /// The message `id` for `sink` is done with. Must not wait.
    fn done(&self, sink: &str, id: &str);

    /// The message `id` for `sink` was given up because of `why`: it may be sent again by hand, and
    /// until then it is not. Must not wait.
    fn dead(&self, sink: &str, id: &str, why: &str) {
        let _ = why;
        self.done(sink, id);
    }
}

/// What the dispatcher and the courier of one sink share.
pub(crate) struct Ledger {
    pub(crate) sink: String,
    pub(crate) keeping: Arc<dyn Keeping>,
    /// Messages queued, waiting or under way.
    pub(crate) pending: AtomicUsize,
    /// The sink has asked not to be called any more.
    pub(crate) is_gone: AtomicBool,
    pub(crate) metrics: SinkMetrics,
}

impl Ledger {
    /// Counts `message` as done with, and lets it go; what was given up is told with the reason.
    pub(crate) fn settle(&self, outcome: Outcome, message: &Message, why: &str) {
        match outcome.gives_up() {
            true => self.keeping.dead(&self.sink, &message.id, why),
            false => self.keeping.done(&self.sink, &message.id),
        }
        self.metrics.count(outcome, 1);
        self.leave(1);
    }

    /// `count` messages are no longer pending.
    pub(crate) fn leave(&self, count: usize) {
        self.pending.fetch_sub(count, Ordering::AcqRel);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.pending.dec_by(count);
    }
}

/// Messages that are attempted together, and how often they were.
#[derive(Clone, Debug)]
struct Delivery {
    batch: Arc<Vec<Message>>,
    /// When it left the queue: how long it is tried must not depend on what time of day it is said
    /// to be.
    since: Instant,
    attempts: u32,
    /// What the last attempt failed of.
    why: String,
}

impl Delivery {
    fn first(batch: Vec<Message>) -> Self {
        Self {
            batch: Arc::new(batch),
            since: Instant::now(),
            attempts: 0,
            why: String::new(),
        }
    }
}

/// Carries the messages of one sink.
pub(crate) struct Courier<S> {
    pub(crate) name: String,
    pub(crate) sink: Arc<S>,
    pub(crate) manner: Manner,
    pub(crate) clock: Clock,
    pub(crate) is_stopped: Stopped,
    pub(crate) ledger: Arc<Ledger>,
    /// Bounded by `Ledger::pending`, which counts what is in here too.
    pub(crate) queue: mpsc::UnboundedReceiver<Message>,
    pub(crate) road: Road,
}

/// Where the messages are that left the queue.
#[derive(Default)]
pub(crate) struct Road {
    /// By the moment of the next attempt; the number keeps equal moments apart.
    waiting: BTreeMap<(Instant, u64), Delivery>,
    numbered: u64,
    under_way: HashMap<Id, Delivery>,
    flights: JoinSet<Answer>,
    lanes: Lanes,
    /// The sink asked for a pause until then.
    paused_until: Option<Instant>,
    /// The last attempt failed; the change is told once, not every time.
    is_failing: bool,
}

impl<S: Sink> Courier<S> {
    /// Delivers until `closing` names a deadline (or is dropped), then until that deadline or until
    /// nothing more can be done before it; gives back what is left.
    pub(crate) async fn run(mut self, mut closing: oneshot::Receiver<Instant>) -> Vec<Message> {
        let mut deadline = None;
        loop {
            self.launch_due();
            if deadline.is_some_and(|deadline| !self.can_do_more(deadline)) {
                return self.left_over();
            }
            let wake = self.next_wake().into_iter().chain(deadline).min();
            tokio::select! {
                order = &mut closing, if deadline.is_none() => {
                    deadline = Some(order.unwrap_or_else(|_| Instant::now()));
                    self.hurry();
                }
                Some(landed) = self.road.flights.join_next_with_id() => self.land(landed),
                Some(message) = self.queue.recv(), if self.may_launch() => self.take(message),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    fn may_launch(&self) -> bool {
        let is_paused = self
            .road
            .paused_until
            .is_some_and(|until| until > Instant::now());
        self.road.flights.len() < self.manner.concurrency && !is_paused
    }

    /// When there is something to do without a new message or an answer.
    fn next_wake(&self) -> Option<Instant> {
        if self.road.flights.len() >= self.manner.concurrency {
            return None;
        }
        let pause = self
            .road
            .paused_until
            .filter(|until| *until > Instant::now());
        pause.or_else(|| self.first_due())
    }

    fn first_due(&self) -> Option<Instant> {
        self.road.waiting.keys().next().map(|&(due, _)| due)
    }

    /// Whether waiting for `deadline` may see another message delivered.
    fn can_do_more(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let starts = self.road.paused_until.unwrap_or(now);
        let has_work = !self.queue.is_empty() || self.first_due().is_some_and(|due| due < deadline);
        now < deadline && (!self.road.flights.is_empty() || (starts < deadline && has_work))
    }

    fn launch_due(&mut self) {
        while self.may_launch() {
            let Some(entry) = self.road.waiting.first_entry() else {
                return;
            };
            if entry.key().0 > Instant::now() {
                return;
            }
            let delivery = entry.remove();
            self.launch(delivery);
        }
    }

    /// Launches `first` and what came with it, but for what has to wait for its turn.
    fn take(&mut self, first: Message) {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            batch.extend(self.road.lanes.enter(message));
            let has_room = batch.len() < self.manner.batch_max;
            next = has_room.then(|| self.queue.try_recv().ok()).flatten();
        }
        if !batch.is_empty() {
            self.launch(Delivery::first(batch));
        }
    }

    fn launch(&mut self, delivery: Delivery) {
        let now = (self.clock)();
        let Some(delivery) = self.still_wanted(delivery, now) else {
            return;
        };
        if !self.manner.pace.is_zero() {
            self.pause(Instant::now() + self.manner.pace);
        }
        let (sink, batch) = (Arc::clone(&self.sink), Arc::clone(&delivery.batch));
        let attempt = async move { sink.send(&batch, now).await };
        let handle = self.road.flights.spawn(attempt);
        self.road.under_way.insert(handle.id(), delivery);
    }

    /// Takes out what is not worth sending any more.
    fn still_wanted(&mut self, delivery: Delivery, now: Timestamp) -> Option<Delivery> {
        if self.ledger.is_gone.load(Ordering::Acquire) {
            self.settle(Outcome::Disabled, &delivery.batch, GONE);
            return None;
        }
        let tried_for = delivery.since.elapsed();
        let is_dead = delivery.attempts > 0 && tried_for >= self.manner.retry.give_up_after;
        let is_late = |message: &Message| {
            message.expires_at.is_some_and(|end| {
                // A clock that was put back must not make it good for longer.
                let is_over = end <= now || tried_for >= end.since(message.offered_at);
                is_over || (self.is_stopped)()
            })
        };
        let all = delivery.batch.iter().cloned();
        let (late, others): (Vec<Message>, Vec<Message>) = all.partition(|m| is_late(m));
        let (dead, kept) = if is_dead {
            (others, vec![])
        } else {
            (vec![], others)
        };
        if !dead.is_empty() {
            warn!(
                sink = self.name,
                count = dead.len(),
                why = delivery.why,
                "Gave up on notifications that the sink never took."
            );
        }
        self.settle(Outcome::Expired, &late, "");
        self.settle(Outcome::Dead, &dead, &delivery.why);
        (!kept.is_empty()).then(|| Delivery {
            batch: Arc::new(kept),
            ..delivery
        })
    }

    /// `messages` are done with: what waited for its turn behind them may go.
    fn settle(&mut self, outcome: Outcome, messages: &[Message], why: &str) {
        for message in messages {
            self.ledger.settle(outcome, message, why);
            if let Some(next) = self.road.lanes.leave(message) {
                self.wait(Instant::now(), Delivery::first(vec![next]));
            }
        }
    }

    fn land(&mut self, landed: Result<(Id, Answer), JoinError>) {
        let (id, answer) = landed.unwrap_or_else(|error| {
            let why = "the attempt broke off".to_owned();
            (error.id(), Answer::Later { why, after: None })
        });
        let Some(delivery) = self.road.under_way.remove(&id) else {
            return;
        };
        let count = delivery.batch.len();
        match answer {
            Answer::Taken { refused } => {
                let taken = count - refused.min(count);
                let (taken, refused) = delivery.batch.split_at(taken);
                self.settle(Outcome::Delivered, taken, "");
                self.settle(Outcome::Rejected, refused, "the receiver refused it");
                if std::mem::take(&mut self.road.is_failing) {
                    info!(sink = self.name, "The sink takes notifications again.");
                }
            }
            Answer::Later { why, after } => self.postpone(delivery, why, after),
            Answer::Never { .. } if count > 1 => self.try_each_alone(&delivery),
            Answer::Never { why } => {
                warn!(
                    sink = self.name,
                    count, why, "The sink refused notifications for good."
                );
                self.settle(Outcome::Rejected, &delivery.batch, &why);
            }
            Answer::Gone => self.give_in(&delivery),
        }
    }

    fn try_each_alone(&mut self, delivery: &Delivery) {
        for message in delivery.batch.iter() {
            let alone = Delivery {
                batch: Arc::new(vec![message.clone()]),
                ..delivery.clone()
            };
            self.wait(Instant::now(), alone);
        }
    }

    fn postpone(&mut self, mut delivery: Delivery, why: String, after: Option<Duration>) {
        let now = Instant::now();
        if !std::mem::replace(&mut self.road.is_failing, true) {
            warn!(
                sink = self.name,
                why, "The sink does not take notifications; they are kept and sent again."
            );
        }
        debug!(
            sink = self.name,
            why,
            attempts = delivery.attempts,
            "An attempt failed."
        );
        self.ledger
            .metrics
            .count(Outcome::Retried, delivery.batch.len());
        let after = after.map(|after| after.min(PAUSE_MAX));
        if let Some(after) = after {
            self.pause(now + after);
        }
        delivery.why = why;
        delivery.attempts = delivery.attempts.saturating_add(1);
        let id = delivery.batch.first().map_or("", |message| &message.id);
        let wait = backoff(&self.manner.retry, id, delivery.attempts);
        self.wait(now + wait.max(after.unwrap_or_default()), delivery);
    }

    /// No attempt before `until`.
    fn pause(&mut self, until: Instant) {
        let paused_until = &mut self.road.paused_until;
        *paused_until = Some(paused_until.map_or(until, |earlier| earlier.max(until)));
    }

    fn wait(&mut self, until: Instant, delivery: Delivery) {
        self.road.numbered += 1;
        self.road
            .waiting
            .insert((until, self.road.numbered), delivery);
    }

    /// The sink wants nothing more, so nothing more is kept for it.
    fn give_in(&mut self, refused: &Delivery) {
        warn!(
            sink = self.name,
            "The sink is gone (410); nothing is sent to it until a reload."
        );
        self.ledger.is_gone.store(true, Ordering::Release);
        let held: Vec<Message> = self.road.lanes.drain().collect();
        self.settle(Outcome::Disabled, &refused.batch, GONE);
        self.settle(Outcome::Disabled, &held, GONE);
        for delivery in std::mem::take(&mut self.road.waiting).into_values() {
            self.settle(Outcome::Disabled, &delivery.batch, GONE);
        }
        while let Ok(queued) = self.queue.try_recv() {
            self.settle(Outcome::Disabled, &[queued], GONE);
        }
    }

    /// At the end everything that waits gets one more attempt.
    fn hurry(&mut self) {
        let now = Instant::now();
        for (_, delivery) in std::mem::take(&mut self.road.waiting) {
            self.wait(now, delivery);
        }
    }

    /// What was not delivered. An attempt that is cut short here may have arrived; the id tells the
    /// receiver.
    fn left_over(mut self) -> Vec<Message> {
        self.road.flights.abort_all();
        let waiting = self.road.waiting.into_values();
        let deliveries = waiting.chain(self.road.under_way.into_values());
        let mut left: Vec<Message> = deliveries.flat_map(|d| d.batch.to_vec()).collect();
        while let Ok(message) = self.queue.try_recv() {
            left.push(message);
        }
        left.extend(self.road.lanes.drain());
        self.ledger.leave(left.len());
        left
    }
}
