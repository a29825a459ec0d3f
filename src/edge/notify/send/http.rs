//! What the sinks that speak HTTP share: a client that goes only where it may, and what an answer
//! means.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode, Url};

use crate::core::record::inert;
use crate::edge::notify::config::HeaderConfig;
use crate::edge::notify::deliver::Answer;
use crate::edge::notify::render::shortened;
use crate::edge::outgoing::{
    Egress, Guard, SecretRef, SetupError, behind, chain, load, retry_after,
};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Most characters of an answer that are told.
const WHY_CHARS_MAX: usize = 200;

/// One address, and the client that may reach it.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    headers: HeaderMap,
}

/// What an address may be and how long it may take.
pub(super) struct Reach<'a> {
    pub(super) timeout: Duration,
    pub(super) allow_private: bool,
    pub(super) egress: &'a Egress,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The pause that was asked for.
    pub(super) pause: Option<Duration>,
    /// The beginning of the body.
    pub(super) body: Vec<u8>,
}

impl Endpoint {
    /// An endpoint at `written`, from which nothing is looked up yet.
    pub(super) fn new(written: &str, reach: &Reach<'_>) -> Result<Self, SetupError> {
        let bad = |_| SetupError::Address(written.to_owned());
        let url: Url = written.parse().map_err(bad)?;
        let guard = Guard::new(&url, written, reach.allow_private, reach.egress);
        Self::behind(guard, url, reach.timeout)
    }

    /// An endpoint whose address is a secret.
    pub(super) fn secret(reference: &SecretRef, reach: &Reach<'_>) -> Result<Self, SetupError> {
        Self::new(&load(reference)?, reach).map_err(|error| match error {
            SetupError::Address(_) => SetupError::Address(reference.to_string()),
            other => other,
        })
    }

    pub(super) fn behind(guard: Guard, url: Url, timeout: Duration) -> Result<Self, SetupError> {
        let client = behind(guard, &url, timeout)?;
        Ok(Self {
            client,
            url,
            headers: HeaderMap::new(),
        })
    }

    /// The same with `headers` in every request.
    pub(super) fn with_headers(
        mut self,
        headers: &BTreeMap<String, HeaderConfig>,
    ) -> Result<Self, SetupError> {
        for (name, value) in headers {
            let value = match value {
                HeaderConfig::Plain(value) => value.clone(),
                HeaderConfig::Secret(reference) => load(reference)?,
            };
            self = self.with_header(name, &value)?;
        }
        Ok(self)
    }

    /// The same with a header whose value is never shown.
    pub(super) fn with_header(mut self, name: &str, value: &str) -> Result<Self, SetupError> {
        let bad = || SetupError::Header(name.to_owned());
        let key: HeaderName = name.parse().map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        self.headers.insert(key, value);
        Ok(self)
    }

    /// The address with `segments` behind its path.
    pub(super) fn below(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        // Only an address without a host has no path, and such a one cannot be sent to.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    pub(super) fn url(&self) -> Url {
        self.url.clone()
    }

    pub(super) fn post(&self, url: Url, content_type: &str, body: Vec<u8>) -> RequestBuilder {
        self.dress(self.client.post(url), content_type, body)
    }

    pub(super) fn patch(&self, url: Url, content_type: &str, body: Vec<u8>) -> RequestBuilder {
        self.dress(self.client.patch(url), content_type, body)
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url).headers(self.headers.clone())
    }

    fn dress(&self, request: RequestBuilder, content_type: &str, body: Vec<u8>) -> RequestBuilder {
        request
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, content_type)
            .body(body)
    }
}

/// Sends `request`. Without an answer: later.
pub(super) async fn ask(request: RequestBuilder) -> Result<Reply, Answer> {
    let later = |error: reqwest::Error| Answer::Later {
        why: chain(&error.without_url()),
        after: None,
    };
    let mut response = request.send().await.map_err(later)?;
    let (status, pause) = (response.status(), retry_after(response.headers()));
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            // The status is known, and says enough.
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(ANSWER_BYTES_MAX);
    Ok(Reply {
        status,
        pause,
        body,
    })
}

impl Reply {
    /// 2xx is success; `is_final` says which other answers mean that the message will never be
    /// taken; 410 means that nothing will; everything else may be better next time.
    pub(super) fn judge(self, is_final: fn(StatusCode) -> bool) -> Answer {
        if self.status.is_success() {
            Answer::Taken { refused: 0 }
        } else if self.status == StatusCode::GONE {
            Answer::Gone
        } else if is_final(self.status) {
            Answer::Never { why: self.why() }
        } else {
            Answer::Later {
                why: self.why(),
                after: self.pause.filter(|_| asks_for_pause(self.status)),
            }
        }
    }

    pub(super) fn why(&self) -> String {
        let said = String::from_utf8_lossy(&self.body);
        let said = inert(&shortened(said.trim(), WHY_CHARS_MAX));
        match said.is_empty() {
            true => format!("the answer was {}", self.status),
            false => format!("the answer was {}: {said}", self.status),
        }
    }
}

/// Never: another attempt may be better.
pub(super) fn never(_: StatusCode) -> bool {
    false
}

/// The other side cannot read the message, and will not be able to read it later.
pub(super) fn unreadable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}

fn asks_for_pause(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// One request to `url`; what it failed of.
#[cfg(test)]
pub(in crate::edge::notify) async fn knock(
    guard: Guard,
    url: Url,
    timeout: Duration,
) -> Result<(), String> {
    let endpoint = Endpoint::behind(guard, url, timeout).map_err(|error| error.to_string())?;
    match ask(endpoint.get(endpoint.url())).await {
        Ok(_) => Ok(()),
        Err(Answer::Later { why, .. } | Answer::Never { why }) => Err(why),
        Err(Answer::Taken { .. } | Answer::Gone) => Err(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: StatusCode) -> Reply {
        Reply {
            status,
            pause: Some(Duration::from_secs(7)),
            body: b"no \x1b[31m".to_vec(),
        }
    }

    #[test]
    fn only_the_answers_that_ask_for_a_pause_get_one() {
        let pause = |status| match reply(status).judge(never) {
            Answer::Later { after, .. } => after,
            other => panic!("later, not {other:?}"),
        };
        for status in [429, 502, 503, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(pause(status), Some(Duration::from_secs(7)), "{status}");
        }
        assert_eq!(pause(StatusCode::FOUND), None);
        assert_eq!(pause(StatusCode::BAD_REQUEST), None);
    }

    #[test]
    fn what_is_said_of_a_refusal_is_inert() {
        let Answer::Never { why } = reply(StatusCode::BAD_REQUEST).judge(unreadable) else {
            panic!("never")
        };
        assert_eq!(why, r"the answer was 400 Bad Request: no \u{1b}[31m");
        assert!(matches!(reply(StatusCode::GONE).judge(never), Answer::Gone));
    }
}
