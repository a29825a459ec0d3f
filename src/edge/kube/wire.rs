//! One request and its answer: once, within a time, and of a size.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use tower::BoxError;

use super::error::{bounded, with_causes};
use super::objects::timestamp_of;
use crate::core::record::Timestamp;

/// Most bytes of an answer. A list of 500 ReplicaSets has about 4 MB.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How answers are written.
pub(super) const JSON: &str = "application/json";
/// As a table, such as `kubectl get` shows.
pub(super) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// How long after it was allowed a request leaves that changes something, or it does not leave at all: whoever
/// stops all actions has them stopped within a second.
pub(super) const LEAVES_WITHIN: Duration = Duration::from_millis(750);
/// Most bytes of a token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

tokio::task_local! {
    /// Until when the request of this task may leave; none where it may take its time.
    static LEAVES_BY: Instant;
}

/// It would have left too late.
#[derive(Debug, thiserror::Error)]
#[error("it did not leave within {LEAVES_WITHIN:?}")]
struct HeldUp;

/// A connection, as long as what waits for it may still leave.
pub(super) async fn in_time<T>(
    made: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    match LEAVES_BY.try_with(|by| *by) {
        Ok(by) => match tokio::time::timeout_at(by, made).await {
            Ok(made) => made,
            Err(_) => Err(HeldUp.into()),
        },
        Err(_) => made.await,
    }
}

/// A request that is about to go out, unless it was held up before: by a plugin that says who we are.
pub(super) async fn not_late<T>(
    sent: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let is_late = LEAVES_BY.try_with(|by| Instant::now() > *by);
    match is_late {
        Ok(true) => Err(HeldUp.into()),
        Ok(false) | Err(_) => sent.await,
    }
}

/// Requests to one cluster.
pub(super) struct Wire {
    client: kube::Client,
    token: Option<TokenFile>,
    timeout: Duration,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    /// `GET`, `POST`, `PATCH`, `PUT`.
    pub(super) method: Method,
    /// The path with its query.
    pub(super) path: &'a str,
    /// What the body is; nothing where there is none.
    pub(super) content_type: &'a str,
    /// The body.
    pub(super) body: Vec<u8>,
    /// How the answer is to be written.
    pub(super) accept: &'static str,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    /// When to come again, by the header.
    pub(super) retry_after: Option<Duration>,
    /// The server's time of day, to the second, where it says it.
    pub(super) date: Option<Timestamp>,
    /// The body, or why it is not known.
    pub(super) body: Result<Bytes, String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing left: no connection was made, or there is no token.
    NotSent(String),
    /// The request may have arrived.
    Lost(String),
}

/// What a server says of itself and of errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    /// One sentence.
    pub(super) message: Option<String>,
    /// One word, such as `NotFound`.
    pub(super) reason: Option<String>,
    /// More of it.
    pub(super) details: Option<Details>,
}

/// More of what went wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    /// Each thing that is wrong.
    pub(super) causes: Option<Vec<Cause>>,
    /// When to come again.
    pub(super) retry_after_seconds: Option<u64>,
}

/// One thing that is wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cause {
    /// One sentence.
    pub(super) message: Option<String>,
}

impl<'a> Ask<'a> {
    /// Reads `path`.
    pub(super) const fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            content_type: "",
            body: Vec::new(),
            accept: JSON,
        }
    }

    /// Sends `body` to `path` as JSON.
    pub(super) fn json(method: Method, path: &'a str, body: &serde_json::Value) -> Self {
        Self {
            method,
            path,
            content_type: JSON,
            body: body.to_string().into_bytes(),
            accept: JSON,
        }
    }
}

impl Wire {
    pub(super) const fn new(
        client: kube::Client,
        token: Option<TokenFile>,
        timeout: Duration,
    ) -> Self {
        Self {
            client,
            token,
            timeout,
        }
    }

    /// How long a request may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request, once, and waits for its answer. Redirects are answers like any other.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Reply, Fault> {
        let request = self.request(ask).await?;
        let within = tokio::time::timeout(self.timeout, self.exchange(request));
        match within.await {
            Ok(answered) => answered,
            Err(_) => Err(Fault::Lost(format!("no answer within {:?}", self.timeout))),
        }
    }

    /// The same for a request that changes something, and was allowed just now.
    pub(super) async fn act(&self, ask: Ask<'_>) -> Result<Reply, Fault> {
        let by = Instant::now() + LEAVES_WITHIN;
        LEAVES_BY.scope(by, self.ask(ask)).await
    }

    async fn request(&self, ask: Ask<'_>) -> Result<Request<Body>, Fault> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header(ACCEPT, ask.accept);
        if !ask.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, ask.content_type);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.read().await?);
        }
        request
            .body(Body::from(ask.body))
            .map_err(|e| Fault::NotSent(with_causes(&e)))
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Reply, Fault> {
        let answer = self.client.send(request).await.map_err(|e| fault_of(&e))?;
        let (head, body) = answer.into_parts();
        // What the status says holds however the body ends.
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        Ok(Reply {
            status: head.status,
            retry_after: retry_after(&head.headers),
            date: date(&head.headers),
            body: body
                .map(http_body_util::Collected::to_bytes)
                .map_err(|e| with_causes(&*e)),
        })
    }
}

impl Reply {
    /// What the server says of an error, where it is one of Kubernetes.
    pub(super) fn as_status(&self) -> Status {
        let body = self.body.as_deref().unwrap_or_default();
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The status and what the server says, bounded and harmless to look at.
    pub(super) fn said(&self) -> String {
        let status = self.as_status();
        let mut said = self.status.to_string();
        let causes = status.details.and_then(|it| it.causes).unwrap_or_default();
        let causes = causes.into_iter().filter_map(|it| it.message);
        for text in status.message.into_iter().chain(causes) {
            if said.len() > super::error::SAID_BYTES_MAX {
                break;
            }
            // What is invalid is told in the message already.
            if !said.contains(&text) {
                said.push_str(": ");
                said.push_str(&text);
            }
        }
        bounded(&said)
    }
}

/// In seconds; a date is for browsers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let said = headers.get(DATE)?.to_str().ok()?;
    let at = jiff::fmt::rfc2822::parse(said).ok()?;
    timestamp_of(at.timestamp())
}

/// Only where no connection was made, or nobody could say who we are, it is certain that nothing left.
fn fault_of(error: &kube::Error) -> Fault {
    let text = with_causes(error);
    let inner = match error {
        kube::Error::Auth(_) => return Fault::NotSent(text),
        kube::Error::Service(inner) => inner,
        _ => return Fault::Lost(text),
    };
    let is_unmade = inner
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect);
    if is_unmade || inner.is::<kube::client::AuthError>() || inner.is::<HeldUp>() {
        Fault::NotSent(text)
    } else {
        Fault::Lost(text)
    }
}

/// A token that somebody else renews: that of a service account lives for an hour.
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<HeaderValue>>,
}

impl TokenFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::new(None),
        }
    }

    /// The header with the token as it is now, or as it last was where the file cannot be read.
    async fn read(&self) -> Result<HeaderValue, Fault> {
        let read = self.header().await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, &*last) {
            (Ok(header), _) => {
                *last = Some(header.clone());
                Ok(header)
            }
            (Err(_), Some(header)) => Ok(header.clone()),
            (Err(why), None) => {
                let path = self.path.display();
                Err(Fault::NotSent(format!(
                    "cannot read the token in {path}: {why}"
                )))
            }
        }
    }

    async fn header(&self) -> Result<HeaderValue, String> {
        let file = tokio::fs::File::open(&self.path).await;
        let file = file.map_err(|e| e.to_string())?;
        let mut text = String::new();
        let read = file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).await;
        read.map_err(|e| e.to_string())?;
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| "it is no bearer token".to_owned())?;
        header.set_sensitive(true);
        Ok(header)
    }
}
