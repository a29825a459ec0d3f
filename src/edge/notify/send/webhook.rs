//! Signed requests as Standard Webhooks describes them.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use super::SendSetupError;
use crate::core::record::Timestamp;
use crate::edge::notify::config::WebhookConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::guard::{self, Guard};
use crate::edge::notify::secret::SigningKey;

/// One webhook.
pub(crate) struct WebhookSink {
    client: Client,
    url: Url,
    key: SigningKey,
}

impl WebhookSink {
    pub(crate) fn new(config: &WebhookConfig) -> Result<Self, SendSetupError> {
        let url: Url = config
            .url
            .parse()
            .map_err(|_| SendSetupError::Address(config.url.clone()))?;
        guard::check_url(&url, config.allow_private)?;
        let guard = Guard::new(&url, config.allow_private);
        Self::behind(guard, url, config)
    }

    fn behind(guard: Guard, url: Url, config: &WebhookConfig) -> Result<Self, SendSetupError> {
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect could lead anywhere, and behind a proxy the guard would not see the address.
        let client = Client::builder()
            .dns_resolver(guard)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(config.timeout)
            .user_agent(concat!("knothole/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SendSetupError::Client(chain(&error)))?;
        Ok(Self {
            client,
            url,
            key: SigningKey::load(&config.secret)?,
        })
    }

    async fn attempt(&self, message: &Message, now: Timestamp) -> Answer {
        let seconds = now.as_nanos() / 1_000_000_000;
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", message.id.as_ref())
            .header("webhook-timestamp", seconds)
            .header(
                "webhook-signature",
                self.key.sign(&message.id, seconds, &message.body),
            )
            .body(message.body.clone());
        match request.send().await {
            Ok(response) => judge(response.status(), response.headers()),
            Err(error) => Answer::Later {
                why: chain(&error.without_url()),
                after: None,
            },
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

/// Only 2xx is success; 410 means stop; everything else may be better next time.
fn judge(status: StatusCode, headers: &HeaderMap) -> Answer {
    if status.is_success() {
        return Answer::Taken { refused: 0 };
    }
    if status == StatusCode::GONE {
        return Answer::Gone;
    }
    let asks_for_pause = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    Answer::Later {
        why: format!("the answer was {status}"),
        after: retry_after(headers).filter(|_| asks_for_pause),
    }
}

/// The form in seconds; the form with a date is rare and taken as not given.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.ok().map(Duration::from_secs)
}

/// The error with its causes: "error sending request" alone helps nobody.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::edge::notify::config::SinkConfig;

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
        let guard = Guard::new(&"http://hooks.example.net/".parse().unwrap(), false);
        let sink = WebhookSink::behind(guard, url.parse().unwrap(), &config).unwrap();
        let message = Message {
            id: "a".into(),
            body: b"{}".to_vec(),
            offered_at: Timestamp::ZERO,
            expires_at: None,
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
        let refused = WebhookSink::new(&config("http://169.254.169.254/latest", &folder));
        assert!(matches!(refused, Err(SendSetupError::Refused(_))));
    }

    #[test]
    fn only_the_answers_that_ask_for_a_pause_get_one() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let pause = |status| match judge(status, &headers) {
            Answer::Later { after, .. } => after,
            other => panic!("later, not {other:?}"),
        };
        assert_eq!(
            pause(StatusCode::TOO_MANY_REQUESTS),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            pause(StatusCode::SERVICE_UNAVAILABLE),
            Some(Duration::from_secs(7))
        );
        assert_eq!(pause(StatusCode::FOUND), None);
        assert_eq!(pause(StatusCode::BAD_REQUEST), None);
    }
}
