//! Signed requests as Standard Webhooks describes them.

use super::SendSetupError;
use super::http::{Endpoint, Reach, ask, never};
use crate::core::record::Timestamp;
use crate::edge::notify::config::WebhookConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::secret::SigningKey;
use crate::edge::outgoing::Egress;

/// One webhook.
pub(crate) struct WebhookSink {
    endpoint: Endpoint,
    keys: Vec<SigningKey>,
}

impl WebhookSink {
    pub(crate) fn new(config: &WebhookConfig, egress: &Egress) -> Result<Self, SendSetupError> {
        let reach = Reach {
            timeout: config.timeout,
            allow_private: config.allow_private,
            egress,
        };
        Self::at(Endpoint::new(&config.url, &reach)?, config)
    }

    fn at(endpoint: Endpoint, config: &WebhookConfig) -> Result<Self, SendSetupError> {
        let secrets = std::iter::once(&config.secret).chain(&config.also_secrets);
        let keys: Result<Vec<SigningKey>, _> = secrets.map(SigningKey::load).collect();
        Ok(Self {
            endpoint,
            keys: keys?,
        })
    }

    async fn attempt(&self, message: &Message, now: Timestamp) -> Answer {
        let seconds = now.as_nanos() / 1_000_000_000;
        let signed = |key: &SigningKey| key.sign(&message.id, seconds, &message.body);
        let signatures: Vec<String> = self.keys.iter().map(signed).collect();
        let url = self.endpoint.url();
        let request = self
            .endpoint
            .post(url, "application/json", message.body.clone())
            .header("webhook-id", message.id.as_ref())
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "));
        match ask(request).await {
            Ok(reply) => reply.judge(never),
            Err(answer) => answer,
        }
    }
}

impl Sink for WebhookSink {
    /// A webhook takes one message at a time.
    async fn send(&self, batch: &[Message], now: Timestamp) -> Answer {
        match batch.first() {
            Some(message) => self.attempt(message, now).await,
            None => Answer::Taken { refused: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::edge::notify::config::SinkConfig;
    use crate::edge::outgoing::{Guard, SetupError};

    /// A webhook to `url` whose secret lies in `folder`.
    fn config(url: &str, folder: &tempfile::TempDir) -> WebhookConfig {
        let path = folder.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let path = path.display();
        let yaml = format!("{{type: webhook, name: h, url: '{url}', secret: {{file: '{path}'}}}}");
        match serde_saphyr::from_str(&yaml).unwrap() {
            SinkConfig::Webhook(webhook) => webhook,
            other => panic!("a webhook, not {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_name_that_turns_out_to_be_this_machine_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("http://localhost:{port}/");
        let folder = tempfile::tempdir().unwrap();
        let config = config(&url, &folder);
        // As if hooks.example.net had been resolved to this machine.
        let other = "http://hooks.example.net/";
        let guard = Guard::new(&other.parse().unwrap(), other, false, &Egress::default());
        let endpoint = Endpoint::behind(guard, url.parse().unwrap(), config.timeout).unwrap();
        let sink = WebhookSink::at(endpoint, &config).unwrap();
        let message = Message {
            id: "a".into(),
            body: b"{}".to_vec(),
            offered_at: Timestamp::ZERO,
            expires_at: None,
            lane: None,
        };
        let answer = sink.send(&[message], Timestamp::from_millis(1)).await;
        let Answer::Later { why, .. } = answer else {
            panic!("no attempt, not {answer:?}")
        };
        assert!(
            why.contains("is a loopback address behind another name"),
            "{why}"
        );
        let knock = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(knock.is_err(), "nobody connected");
    }

    #[test]
    fn a_metadata_address_is_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let config = config("http://169.254.169.254/latest", &folder);
        let refused = WebhookSink::new(&config, &Egress::default());
        assert!(matches!(
            refused,
            Err(SendSetupError::Setup(SetupError::Refused(_)))
        ));
    }
}
