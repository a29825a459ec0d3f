//! An Alertmanager, or all members of a cluster of them: alerts are sent again while their
//! incidents go on, and for a while after these ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use super::SendSetupError;
use super::http::{Endpoint, Reach, ask, unreadable};
use crate::core::record::{Timestamp, inert_json};
use crate::edge::notify::config::AlertmanagerConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::dispatch::Clock;
use crate::edge::notify::render::alertmanager::{Alert, AlertNote};
use crate::edge::notify::render::rfc3339;
use crate::edge::notify::standing::Standing;
use crate::edge::outgoing::Egress;

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
    peers: Vec<Peer>,
    holds_for: Duration,
    clock: Clock,
}

/// One of them. Requests to it are made in turn: what is said later must not be overtaken.
struct Peer {
    endpoint: Endpoint,
    turn: Mutex<()>,
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
        let peers = config.urls.iter().map(|url| {
            let endpoint = Endpoint::new(url, &reach)?.with_headers(&config.headers)?;
            let turn = Mutex::new(());
            Ok(Peer { endpoint, turn })
        });
        let post = Arc::new(Post {
            name: config.name.clone(),
            peers: peers.collect::<Result<_, SendSetupError>>()?,
            holds_for: config.resend_every.saturating_mul(HOLDS_FOR),
            clock,
        });
        let resending = resend(
            Arc::clone(&post),
            Arc::clone(&standing),
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
        let alerts: Vec<Alert> = alerts.collect();
        self.post.tell(|| alerts.clone()).await
    }
}

/// Sends what stands every so often, and at once what stands from before the start.
async fn resend(post: Arc<Post>, standing: Arc<Standing>, every: Duration) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = standing.restored() => {}
        }
        if standing.due(Instant::now()).is_empty() {
            continue;
        }
        match post.tell(|| standing.due(Instant::now())).await {
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
    /// Tells all of them at once what `alerts` gives when it is their turn. One that takes it is
    /// enough: the others get it with the next re-sending.
    async fn tell(&self, alerts: impl Fn() -> Vec<Alert>) -> Answer {
        let answers = self.peers.iter().map(|peer| self.tell_one(peer, &alerts));
        best_of(join_all(answers).await)
    }

    async fn tell_one(&self, peer: &Peer, alerts: impl Fn() -> Vec<Alert>) -> Answer {
        let _turn = peer.turn.lock().await;
        let now = (self.clock)();
        let (now, holds_until) = (rfc3339(now), rfc3339(now.plus(self.holds_for)));
        let alerts = alerts().into_iter();
        let alerts: Vec<Alert> = alerts.map(|it| it.sent_at(&now, &holds_until)).collect();
        let mut worst = Answer::Taken { refused: 0 };
        for chunk in alerts.chunks(ALERTS_MAX) {
            match self.attempt(&peer.endpoint, inert_json(&chunk)).await {
                Answer::Taken { .. } => {}
                refused @ Answer::Never { .. } => worst = refused,
                later => return later,
            }
        }
        worst
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
    /// As it is sent at `now`: what goes on holds until `holds_until`. Should the clock have been put
    /// back since it was made, it neither begins nor ended later than now. All times are written with
    /// the same number of digits, so the earlier one is the lesser text.
    fn sent_at(mut self, now: &str, holds_until: &str) -> Self {
        let at_most = |time: String, bound: &str| match *time > *bound {
            true => bound.to_owned(),
            false => time,
        };
        let ended = self.ends_at.map(|ended| at_most(ended, now));
        self.starts_at = at_most(self.starts_at, ended.as_deref().unwrap_or(now));
        self.ends_at = Some(ended.unwrap_or_else(|| holds_until.to_owned()));
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    fn post(urls: &[&str]) -> Post {
        let egress = Egress::default();
        let reach = Reach {
            timeout: Duration::from_secs(30),
            allow_private: false,
            egress: &egress,
        };
        let peers = urls.iter().map(|url| Peer {
            endpoint: Endpoint::new(url, &reach).unwrap(),
            turn: Mutex::new(()),
        });
        Post {
            name: "a".to_owned(),
            peers: peers.collect(),
            holds_for: Duration::from_secs(240),
            clock: Arc::new(|| Timestamp::from_millis(1_763_700_000_000)),
        }
    }

    #[tokio::test]
    async fn what_is_said_next_is_asked_for_when_what_was_said_before_is_through() {
        // It takes the connection and never answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let post = post(&[&url]);
        let asked = AtomicUsize::new(0);
        let alerts = || {
            asked.fetch_add(1, Ordering::SeqCst);
            let at = rfc3339(Timestamp::from_millis(1));
            vec![Alert {
                labels: [("alertname".to_owned(), "a".to_owned())].into(),
                annotations: std::collections::BTreeMap::new(),
                starts_at: at,
                ends_at: None,
                generator_url: None,
            }]
        };
        let mut first = Box::pin(post.tell(alerts));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(post.tell(alerts));
        assert!((&mut second).now_or_never().is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "the first is under way");
        drop(first);
        assert!((&mut second).now_or_never().is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_was_made_before_the_clock_was_put_back_is_neither_from_nor_for_the_future() {
        let sent = |starts: u64, ends: Option<u64>| {
            let at = |seconds| rfc3339(Timestamp::from_millis(seconds * 1000));
            let alert = Alert {
                labels: std::collections::BTreeMap::new(),
                annotations: std::collections::BTreeMap::new(),
                starts_at: at(starts),
                ends_at: ends.map(at),
                generator_url: None,
            };
            let sent = alert.sent_at(&at(100), &at(340));
            let seconds = |time: &str| time.parse::<jiff::Timestamp>().unwrap().as_second();
            (seconds(&sent.starts_at), seconds(&sent.ends_at.unwrap()))
        };
        assert_eq!(sent(40, None), (40, 340));
        assert_eq!(sent(40, Some(90)), (40, 90));
        assert_eq!(sent(34_560_000, None), (100, 340));
        assert_eq!(sent(34_560_000, Some(34_560_060)), (100, 100));
    }
}
