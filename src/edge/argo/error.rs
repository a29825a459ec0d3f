//! What Argo CD answers where it does not do what it was asked → what came of it.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::core::remedy::facts::{Answer, Refused};
use crate::edge::outgoing::{Reply, told};

/// An error as the gateway to its gRPC server writes it: `{"error": …, "code": …, "message": …}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Failure {
    /// The gRPC code.
    code: u32,
    message: String,
}

/// gRPC's codes, by name.
mod code {
    pub(super) const INVALID_ARGUMENT: u32 = 3;
    pub(super) const NOT_FOUND: u32 = 5;
    pub(super) const PERMISSION_DENIED: u32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(super) const FAILED_PRECONDITION: u32 = 9;
    pub(super) const ABORTED: u32 = 10;
    pub(super) const UNAUTHENTICATED: u32 = 16;
}

/// What came of a request that changes something, and was not answered with 200.
pub(super) fn of_refusal(reply: &Reply, has_project: bool) -> Answer {
    let failure: Failure = reply.json().unwrap_or_default();
    let said = failure.message.to_lowercase();
    let refused = match (failure.code, reply.status) {
        _ if reply.status.is_server_error() => return Answer::Unknown(why(reply).into()),
        (code::UNAUTHENTICATED, _) | (_, StatusCode::UNAUTHORIZED) => Refused::Never,
        (code::PERMISSION_DENIED, _) | (_, StatusCode::FORBIDDEN) => {
            match said.contains("sync window") {
                true => Refused::NotNow(None),
                false => Refused::Never,
            }
        }
        (code::NOT_FOUND, _) | (_, StatusCode::NOT_FOUND) => Refused::Never,
        (code::FAILED_PRECONDITION, _) if said.contains("operation is already in progress") => {
            Refused::NotNow(None)
        }
        (code::FAILED_PRECONDITION | code::INVALID_ARGUMENT, _) => Refused::Never,
        (code::RESOURCE_EXHAUSTED, _) | (_, StatusCode::TOO_MANY_REQUESTS) => {
            Refused::NotNow(reply.pause())
        }
        (code::ABORTED, _) | (_, StatusCode::CONFLICT) => Refused::Changed,
        (_, StatusCode::REQUEST_TIMEOUT) => return Answer::Unknown(why(reply).into()),
        (_, status) if status.is_client_error() || status.is_redirection() => Refused::Never,
        _ => return Answer::Unknown(why(reply).into()),
    };
    let hint = hint(reply, &failure, has_project);
    Answer::Refused(refused, format!("{}{hint}", why(reply)).into())
}

/// What Argo CD said, for people.
pub(super) fn why(reply: &Reply) -> String {
    match reply.json::<Failure>() {
        Ok(failure) if !failure.message.is_empty() => {
            format!(
                "Argo CD answered {}: {}",
                reply.status,
                told(&failure.message)
            )
        }
        Ok(_) | Err(_) => format!("Argo CD: {}", reply.why()),
    }
}

fn hint(reply: &Reply, failure: &Failure, has_project: bool) -> &'static str {
    let said = failure.message.to_lowercase();
    match reply.status {
        StatusCode::UNAUTHORIZED => " (is its token right, and not expired?)",
        StatusCode::FORBIDDEN if said.contains("sync window") => "",
        StatusCode::FORBIDDEN if has_project => " (the token's role may not do it)",
        StatusCode::FORBIDDEN => {
            " (the token's role may not do it, or there is no such application: name its project to \
             have these told apart)"
        }
        StatusCode::NOT_FOUND if failure.code == code::NOT_FOUND => {
            " (there is no such application or resource in that project)"
        }
        StatusCode::NOT_FOUND => " (does its url lead to Argo CD?)",
        status if status.is_redirection() => {
            " (redirects are not followed: does its url begin with https://?)"
        }
        _ if said.contains("auto-sync") => {
            " (Argo CD rolls nothing back that it syncs by itself: revert in Git)"
        }
        _ => "",
    }
}
