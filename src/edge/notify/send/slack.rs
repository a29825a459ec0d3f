//! A channel of Slack, by an incoming webhook.

use super::SendSetupError;
use super::http::{Endpoint, Reach, ask, unreadable};
use crate::core::record::Timestamp;
use crate::edge::notify::config::SlackConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::outgoing::Egress;

/// One channel.
pub(crate) struct SlackSink {
    endpoint: Endpoint,
}

impl SlackSink {
    pub(crate) fn new(config: &SlackConfig, egress: &Egress) -> Result<Self, SendSetupError> {
        let reach = Reach {
            timeout: config.timeout,
            allow_private: config.allow_private,
            egress,
        };
        Ok(Self {
            endpoint: Endpoint::secret(&config.url, &reach)?,
        })
    }
}

impl Sink for SlackSink {
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let Some(message) = batch.first() else {
            return Answer::Taken { refused: 0 };
        };
        let url = self.endpoint.url();
        let body = message.body.clone();
        let request = self.endpoint.post(url, "application/json", body);
        match ask(request).await {
            Ok(reply) => reply.judge(unreadable),
            Err(answer) => answer,
        }
    }
}
