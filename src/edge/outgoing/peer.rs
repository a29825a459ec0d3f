//! A system that is asked, and what it says.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};

use super::check::is_plain;
use super::client::{CONNECT_MAX, Reach, SetupError, chain, deliberate, guarded};
use super::secret::{self, SecretRef};
use crate::core::event::Request;
use crate::core::record::inert;
use crate::core::remedy::facts::{Answer, Refused};

/// How long after it was allowed a request leaves that changes something, or it does not leave at all: whoever
/// stops all actions has them stopped within a second.
const LEAVES_WITHIN: Duration = Duration::from_millis(750);
/// Most characters of an answer that are told.
const SAID_CHARS_MAX: usize = 200;

/// A system that is asked to do something. A request goes out once or not at all: no redirect is followed,
/// no proxy is used and nothing is tried again.
#[derive(Clone, Debug)]
pub struct Peer {
    /// For what changes nothing.
    client: Client,
    /// For what does: it waits no longer for a connection than the kill switch takes.
    acting: Client,
    base: Url,
}

/// Why nothing may be sent at this very moment: the kill switch, or its time is up. `None` lets it through.
pub type Gate<'a> = &'a (dyn Fn() -> Option<Answer> + Send + Sync);

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Why the rest of the body is missing, where it is.
    pub cut: Option<String>,
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Whether the request may have arrived. Where no connection came about it did not.
    pub was_sent: bool,
    /// Why.
    pub why: String,
}

impl Peer {
    /// Whoever is at `written`: over TLS, unless that is this machine. Nothing is looked up yet.
    ///
    /// # Errors
    /// The address is none, is not encrypted, or is not to be reached.
    pub fn new(written: &str, reach: &Reach<'_>) -> Result<Self, SetupError> {
        let (guard, base) = guarded(written, reach.allow_private, reach.egress)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(SetupError::Address(written.to_owned()));
        }
        if is_plain(&base, written) {
            return Err(SetupError::Plain(written.to_owned()));
        }
        Ok(Self {
            client: deliberate(guard.clone(), reach, CONNECT_MAX)?,
            acting: deliberate(guard, reach, LEAVES_WITHIN)?,
            base,
        })
    }

    /// The address itself.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// `path`, which may have a query behind it, below the address. `None` where it would lead anywhere but
    /// to that very path: what was approved is what is asked for.
    pub fn at(&self, path: &str) -> Option<Url> {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let whole = format!("{}{path}", self.base.path().trim_end_matches('/'));
        let mut url = self.base.clone();
        url.set_fragment(None);
        url.set_path(&whole);
        url.set_query(query);
        let is_same = path.starts_with('/') && url.path() == whole && url.query() == query;
        is_same.then_some(url)
    }

    /// A request of a plan, as it was approved. Once it is sent it leaves within three quarters of a second, or not at all.
    ///
    /// # Errors
    /// It would be another one on the way, or is none that changes something; why.
    pub fn rendered(&self, request: &Request) -> Result<RequestBuilder, String> {
        let method = match &*request.method {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            other => return Err(format!("{} is no method that is sent", told(other))),
        };
        let wrong = || format!("{} is no path that can be asked", told(&request.path));
        let url = self.at(&request.path).ok_or_else(wrong)?;
        let dressed = self.acting.request(method, url);
        Ok(dressed
            .header(CONTENT_TYPE, &*request.content_type)
            .body(request.body.to_string()))
    }

    /// A request to `url`, which nobody has dressed yet.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }
}

/// Sends `request` once and reads at most `bytes_max` of the answer's body.
///
/// # Errors
/// No answer came.
pub async fn ask(request: RequestBuilder, bytes_max: usize) -> Result<Reply, Silence> {
    let mut response = request.send().await.map_err(|error| Silence {
        was_sent: !error.is_connect() && !error.is_builder(),
        why: chain(&error.without_url()),
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    let cut = loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                let room = bytes_max - body.len();
                body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                if bytes.len() > room {
                    break Some(format!("the answer has more than {bytes_max} bytes"));
                }
            }
            Ok(None) => break None,
            Err(error) => {
                let why = chain(&error.without_url());
                break Some(format!("the answer broke off: {why}"));
            }
        }
    };
    Ok(Reply {
        status,
        headers,
        body,
        cut,
    })
}

/// The value of `Authorization` for a bearer token.
///
/// # Errors
/// The token is not there, or is no token.
pub(crate) async fn bearer(token: &SecretRef) -> Result<HeaderValue, SetupError> {
    sensitive(&format!("Bearer {}", secret::fresh(token).await?))
}

/// The value of a header, never shown.
///
/// # Errors
/// It has characters that no header may have.
fn sensitive(value: &str) -> Result<HeaderValue, SetupError> {
    let bad = |_| SetupError::Header("authorization".to_owned());
    let mut value = HeaderValue::from_str(value).map_err(bad)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Silence {
    /// What comes of a request that changes something: it did not take place where it was never sent, and
    /// nobody knows where it was.
    pub fn answer(self) -> Answer {
        let Self { was_sent, why } = self;
        match was_sent {
            true => Answer::Unknown(format!("no answer came: {why}").into()),
            false => Answer::Refused(
                Refused::NotNow(None),
                format!("it was not sent: {why}").into(),
            ),
        }
    }
}

impl Reply {
    /// The pause that was asked for.
    pub fn pause(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// The whole body as JSON; why it cannot be read.
    ///
    /// # Errors
    /// Part of it is missing, or it is no such JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        if let Some(cut) = &self.cut {
            return Err(cut.clone());
        }
        let read = serde_json::from_slice(&self.body);
        read.map_err(|error| format!("the answer cannot be read: {}", told(&error.to_string())))
    }

    /// The status, and what was said with it, for people: short and without anything that acts on a
    /// terminal. A page for a browser is left out.
    pub fn why(&self) -> String {
        let said = String::from_utf8_lossy(&self.body);
        let said = said.trim();
        match said.is_empty() || said.starts_with('<') {
            true => format!("the answer was {}", self.status),
            false => format!("the answer was {}: {}", self.status, told(said)),
        }
    }
}

/// In seconds, or a date: that counts from the date of the answer, whatever our own clock says.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| jiff::fmt::rfc2822::parse(text).ok();
    let until = date(asked)?.duration_since(&date(text(DATE)?)?);
    Duration::try_from(until).ok()
}

/// What somebody else says, for people: one line of at most 200 characters, without anything that acts.
pub fn told(text: &str) -> String {
    let mut chars = text.trim().chars();
    let mut kept: String = chars.by_ref().take(SAID_CHARS_MAX).collect();
    if chars.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    inert(&kept)
}

#[cfg(test)]
mod tests;
