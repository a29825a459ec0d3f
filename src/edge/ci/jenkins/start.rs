//! Starting: the very request of the plan, once.

use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;

use super::wire::{Jenkins, Reading, answered};
use crate::core::event::Request;
use crate::core::remedy::facts::{Answer, Refused};
use crate::edge::outgoing::{Gate, Reply};

/// Most bytes of the cookies of a session.
const COOKIES_BYTES_MAX: usize = 4096;

/// What came of starting a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Started {
    /// Jenkins has queued it: it takes place. The number of the queue's item.
    Queued(u64),
    /// There is nothing to follow.
    Over(Answer),
}

/// What Jenkins wants beside a password.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Crumb {
    crumb: String,
    crumb_request_field: String,
}

impl Jenkins {
    /// Sends `request`, once, unless `gate` forbids it: that is asked when all else is ready.
    pub(super) async fn start(&self, request: &Request, gate: Gate<'_>) -> Started {
        let never = |why: String| Started::Over(Answer::Refused(Refused::Never, why.into()));
        if Reading::of(request).is_none() {
            return never("this is no request that Jenkins is sent".to_owned());
        }
        let mut rendered = match self.peer.rendered(request) {
            Ok(rendered) => rendered,
            Err(why) => return never(why),
        };
        if self.crumb {
            rendered = match self.with_crumb(rendered).await {
                Ok(rendered) => rendered,
                // Nothing was started.
                Err((refused, why)) => return Started::Over(Answer::Refused(refused, why.into())),
            };
        }
        let signed = match self.signed(rendered).await {
            Ok(signed) => signed,
            Err(silence) => return Started::Over(silence.answer()),
        };
        if let Some(forbidden) = gate() {
            return Started::Over(forbidden);
        }
        match answered(signed).await {
            Ok(reply) => of_reply(&reply, self.crumb),
            Err(silence) => Started::Over(silence.answer()),
        }
    }

    /// `request` with a crumb, in the session that the crumb is of.
    async fn with_crumb(
        &self,
        request: RequestBuilder,
    ) -> Result<RequestBuilder, (Refused, String)> {
        let later = |why: String| (Refused::NotNow(None), format!("no crumb was got: {why}"));
        let url = self.peer.at("/crumbIssuer/api/json");
        let url = url.ok_or_else(|| later("its address has no place for one".to_owned()))?;
        let asked = self.asked(self.peer.request(Method::GET, url)).await;
        let reply = asked.map_err(|silence| later(silence.why))?;
        match reply.status {
            StatusCode::OK => {}
            // Jenkins does without.
            StatusCode::NOT_FOUND => return Ok(request),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let hint = "are its user and token right?";
                return Err((Refused::Never, format!("Jenkins: {} ({hint})", reply.why())));
            }
            _ => return Err(later(reply.why())),
        }
        let crumb: Crumb = reply.json().map_err(later)?;
        let wrong = || later("Jenkins did not answer with one".to_owned());
        let name: HeaderName = crumb.crumb_request_field.parse().map_err(|_| wrong())?;
        // No other header is Jenkins' to choose.
        if !name.as_str().ends_with("crumb") {
            return Err(wrong());
        }
        let mut value = HeaderValue::from_str(&crumb.crumb).map_err(|_| wrong())?;
        value.set_sensitive(true);
        let request = request.header(name, value);
        Ok(match cookies(&reply.headers) {
            Some(cookies) => request.header(COOKIE, cookies),
            None => request,
        })
    }
}

/// The cookies that `headers` set, as they are sent back.
fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let set = headers.get_all(SET_COOKIE).into_iter();
    let pairs = set.filter_map(|it| Some(it.to_str().ok()?.split(';').next()?.trim()));
    let text = pairs.collect::<Vec<_>>().join("; ");
    if text.is_empty() || text.len() > COOKIES_BYTES_MAX {
        return None;
    }
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn of_reply(reply: &Reply, has_crumb: bool) -> Started {
    // 303: an item with the same parameters waits already, and it is ours, since the id is one of them.
    if matches!(reply.status, StatusCode::CREATED | StatusCode::SEE_OTHER)
        && let Some(item) = queued(&reply.headers)
    {
        return Started::Queued(item);
    }
    let why = format!("Jenkins: {}{}", reply.why(), hint(reply, has_crumb));
    let refused = match reply.status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => Refused::Never,
        StatusCode::TOO_MANY_REQUESTS => Refused::NotNow(reply.pause()),
        StatusCode::REQUEST_TIMEOUT => return Started::Over(Answer::Unknown(why.into())),
        status if status.is_client_error() => Refused::Never,
        // An answer that names no item may come after the job was queued, or instead.
        _ => return Started::Over(Answer::Unknown(why.into())),
    };
    Started::Over(Answer::Refused(refused, why.into()))
}

/// The number of the queue's item that `headers` lead to. Where Jenkins says it is need not be where we reach
/// it, so that the number is all that is taken.
fn queued(headers: &HeaderMap) -> Option<u64> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let (_, item) = location.rsplit_once("/queue/item/")?;
    item.trim_end_matches('/').parse().ok()
}

fn hint(reply: &Reply, has_crumb: bool) -> &'static str {
    match reply.status {
        StatusCode::UNAUTHORIZED => " (are its user and token right?)",
        StatusCode::FORBIDDEN if has_crumb => {
            " (may the user build the job? its crumb was refused or is not enough)"
        }
        StatusCode::FORBIDDEN => {
            " (may the user build the job? with a password instead of an API token, set crumb: true)"
        }
        StatusCode::NOT_FOUND => " (there is no such job, or the user may not see it)",
        StatusCode::CONFLICT => " (the job is disabled or cannot be built)",
        status if status.is_redirection() => " (redirects are not followed)",
        _ => "",
    }
}
