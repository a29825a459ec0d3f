//! PagerDuty, Events API v2.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::SendSetupError;
use super::http::{Endpoint, Reach, ask, unreadable};
use crate::core::record::{Timestamp, inert_json};
use crate::edge::notify::config::PagerdutyConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::secret;
use crate::edge::outgoing::{Egress, SetupError};

/// How long to wait after too many requests where PagerDuty does not say.
const PAUSE: Duration = Duration::from_secs(30);

/// One integration.
pub(crate) struct PagerdutySink {
    endpoint: Endpoint,
    changes_at: Url,
    routing_key: String,
}

impl PagerdutySink {
    pub(crate) fn new(config: &PagerdutyConfig, egress: &Egress) -> Result<Self, SendSetupError> {
        let reach = Reach {
            timeout: config.timeout,
            allow_private: config.allow_private,
            egress,
        };
        let endpoint = Endpoint::new(&config.url, &reach)?;
        let changes_at = endpoint.url().join("change/enqueue");
        Ok(Self {
            changes_at: changes_at.map_err(|_| SetupError::Address(config.url.clone()))?,
            endpoint,
            routing_key: secret::load_routing_key(&config.routing_key)?,
        })
    }

    /// Where it goes, and what: the key stands in the body, and is put there no sooner than now, since
    /// what is stored holds no secret. What has no action is a change, which has a place of its own.
    fn addressed(&self, body: &[u8]) -> Option<(Url, Vec<u8>)> {
        let Ok(Value::Object(mut event)) = serde_json::from_slice(body) else {
            return None;
        };
        let url = match event.contains_key("event_action") {
            true => self.endpoint.url(),
            false => self.changes_at.clone(),
        };
        let key = Value::String(self.routing_key.clone());
        event.insert("routing_key".to_owned(), key);
        Some((url, inert_json(&event)))
    }
}

impl Sink for PagerdutySink {
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let Some(message) = batch.first() else {
            return Answer::Taken { refused: 0 };
        };
        let Some((url, body)) = self.addressed(&message.body) else {
            let why = "a stored message cannot be read".to_owned();
            return Answer::Never { why };
        };
        let request = self.endpoint.post(url, "application/json", body);
        match ask(request).await {
            Ok(mut reply) => {
                if reply.status == StatusCode::TOO_MANY_REQUESTS {
                    reply.pause.get_or_insert(PAUSE);
                }
                reply.judge(unreadable)
            }
            Err(answer) => answer,
        }
    }
}
