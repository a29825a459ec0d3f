//! An Alertmanager, or all members of a cluster of them: alerts are sent again while their
//! incidents go on, and for a while after these ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use super::SendSetupError;
use super::http::{Endpoint, Reach, ask, unreadable};
use crate::core::record::{Timestamp, inert_json};
use crate::edge::notify::config::AlertmanagerConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::dispatch::Clock;
use crate::edge::notify::egress::Egress;
use crate::edge::notify::render::alertmanager::{Alert, AlertNote};
use crate::edge::notify::render::rfc3339;
use crate::edge::notify::standing::Standing;

/// Most alerts in one request.
const ALERTS_MAX: usize = 64;
/// How many re-sendings an alert outlives that none of them follows: then the Alertmanager takes
/// it as resolved, as it must where nobody can say any more that it goes on.
const HOLDS_FOR: u32 = 4;

/// One Alertmanager, or one cluster.
pub(crate) struct AlertmanagerSink {
    post: Arc<Post>,
    standing: Arc<Standing>,
    /// Ends with the sink.
    _resending: AbortOnDropHandle<()>,
}

/// The way to all of them.
struct Post {
    name: String,
    endpoints: Vec<Endpoint>,
    holds_for: Duration,
}

impl AlertmanagerSink {
    /// To be called within a tokio runtime.
    pub(crate) fn new(
        config: &AlertmanagerConfig,
        egress: &Egress,
        clock: Clock,
        standing: Arc<Standing>,
    ) -> Result<Self, SendSetupError> {
        let reach = Reach {
            timeout: config.timeout,
            allow_private: config.allow_private,
            egress,
        };
        let endpoints = config.urls.iter();
        let endpoints =
            endpoints.map(|url| Endpoint::new(url, &reach)?.with_headers(&config.headers));
        let post = Arc::new(Post {
            name: config.name.clone(),
            endpoints: endpoints.collect::<Result<_, _>>()?,
            holds_for: config.resend_every.saturating_mul(HOLDS_FOR),
        });
        let resending = resend(
            Arc::clone(&post),
            Arc::clone(&standing),
            clock,
            config.resend_every,
        );
        Ok(Self {
            post,
            standing,
            _resending: AbortOnDropHandle::new(tokio::spawn(resending)),
        })
    }
}

impl Sink for AlertmanagerSink {
    async fn send(&self, batch: &[Message], now: Timestamp) -> Answer {
        let notes = batch.iter();
        let notes = notes.map(|message| serde_json::from_slice::<AlertNote>(&message.body));
        let Ok(notes) = notes.collect::<Result<Vec<_>, _>>() else {
            let why = "a stored message cannot be read".to_owned();
            return Answer::Never { why };
        };
        let notes = notes.into_iter();
        let alerts = notes.flat_map(|note| self.standing.note(note, now, Instant::now()));
        self.post.send(alerts.collect(), now).await
    }
}

/// Sends what stands every so often, and at once what stands from before the start.
async fn resend(post: Arc<Post>, standing: Arc<Standing>, clock: Clock, every: Duration) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = standing.restored() => {}
        }
        let alerts = standing.due(Instant::now());
        if alerts.is_empty() {
            continue;
        }
        match post.send(alerts, clock()).await {
            Answer::Taken { .. } => {
                if std::mem::take(&mut is_failing) {
                    info!(sink = post.name, "The Alertmanager takes alerts again.");
                }
            }
            Answer::Later { why, .. } | Answer::Never { why } => {
                if !std::mem::replace(&mut is_failing, true) {
                    warn!(
                        sink = post.name,
                        why, "The Alertmanager does not take the alerts that stand."
                    );
                }
            }
            Answer::Gone => {}
        }
    }
}

impl Post {
    /// Sends `alerts` to all of them. One that takes them is enough: the others get them with the
    /// next re-sending.
    async fn send(&self, alerts: Vec<Alert>, now: Timestamp) -> Answer {
        let holds_until = rfc3339(now.plus(self.holds_for));
        let alerts: Vec<Alert> = alerts
            .into_iter()
            .map(|alert| alert.holding_until(&holds_until))
            .collect();
        let mut best = Answer::Taken { refused: 0 };
        for chunk in alerts.chunks(ALERTS_MAX) {
            let body = inert_json(&chunk);
            let mut answers = Vec::with_capacity(self.endpoints.len());
            for endpoint in &self.endpoints {
                answers.push(self.attempt(endpoint, body.clone()).await);
            }
            match best_of(answers) {
                Answer::Taken { .. } => {}
                worse => best = worse,
            }
        }
        best
    }

    async fn attempt(&self, endpoint: &Endpoint, body: Vec<u8>) -> Answer {
        let url = endpoint.below(&["api", "v2", "alerts"]);
        let answer = match ask(endpoint.post(url, "application/json", body)).await {
            Ok(reply) => reply.judge(unreadable),
            Err(answer) => answer,
        };
        match answer {
            // Another proxy in front of it may know better tomorrow: alerts are never given up.
            Answer::Gone => Answer::Later {
                why: "the answer was 410 Gone".to_owned(),
                after: None,
            },
            Answer::Later { why, after } => {
                debug!(sink = self.name, why, "An Alertmanager took nothing.");
                Answer::Later { why, after }
            }
            other => other,
        }
    }
}

impl Alert {
    fn holding_until(mut self, until: &str) -> Self {
        self.ends_at.get_or_insert_with(|| until.to_owned());
        self
    }
}

/// Taken by one is taken; a later one may be better than never.
fn best_of(answers: Vec<Answer>) -> Answer {
    let rank = |answer: &Answer| match answer {
        Answer::Taken { .. } => 0,
        Answer::Later { .. } => 1,
        Answer::Never { .. } | Answer::Gone => 2,
    };
    let best = answers.into_iter().min_by_key(rank);
    best.unwrap_or(Answer::Taken { refused: 0 })
}
