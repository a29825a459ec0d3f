//! How answers are written: JSON in which no log text acts on a terminal, and complaints that say
//! what would have been taken.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::core::record::inert_json;

/// A complaint: what is wrong, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
    hint: String,
    /// The plan that would have done.
    plan: Option<Box<str>>,
    more: Option<More>,
}

/// What its head says beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    /// How one makes oneself known.
    Bearer,
    /// When to come again.
    RetryAfter,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        error: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            error: error.into(),
            hint: hint.into(),
            plan: None,
            more: None,
        }
    }

    /// The same, with the hash of the plan that would have done.
    pub(super) fn with_plan(self, plan: Option<Box<str>>) -> Self {
        Self { plan, ..self }
    }

    /// What was sent cannot be used.
    pub(super) fn bad(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// Nobody is known by what was sent.
    pub(super) fn unauthenticated() -> Self {
        let hint = "send the header Authorization: Bearer TOKEN with a token of api.tokens";
        Self {
            more: Some(More::Bearer),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "this takes a token that is known",
                hint,
            )
        }
    }

    /// The same may do a little later.
    pub(super) fn busy(error: impl Into<String>) -> Self {
        Self {
            more: Some(More::RetryAfter),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error,
                "try again in a second",
            )
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.error, "hint": self.hint });
        if let Some(plan) = &self.plan {
            body["plan"] = json!(plan);
        }
        let mut response = answer(self.status, &body);
        let (name, value) = match self.more {
            None => return response,
            Some(More::Bearer) => (WWW_AUTHENTICATE, "Bearer"),
            Some(More::RetryAfter) => (RETRY_AFTER, "1"),
        };
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
        response
    }
}

/// `body` as JSON.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, kind, text_of(body)).into_response()
}

/// `value` as JSON on one line, in which nothing acts on a terminal or turns the direction of text.
pub(super) fn text_of(value: &impl Serialize) -> String {
    String::from_utf8(inert_json(value)).unwrap_or_default()
}
