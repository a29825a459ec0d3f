//! `POST {url}` of OPA's data API.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ruling;
use crate::core::remedy::facts::Decision;
use crate::edge::outgoing::{
    Egress, Peer, Problem, Reach, Reply, SecretRef, SetupError, ask, bearer, load, told,
    trusted_address_problem,
};

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Within so long a decision has to come when the owner says nothing.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(2);

/// Where the policy is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// The whole address of the rule: `http://127.0.0.1:8181/v1/data/knothole/remediation/decision`. It begins with
    /// `https://` where OPA is not on this machine.
    pub url: String,
    /// The longest that a decision takes.
    pub timeout: Duration,
    /// A bearer token, where OPA wants one. It is read anew for each decision.
    pub token: Option<SecretRef>,
    /// Whether a private address will do. `127.0.0.1` and `localhost`, written so, always will.
    pub allow_private: bool,
    /// A PEM file with authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl PolicySettings {
    /// Of the rule at `url`, with defaults.
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            timeout: TIMEOUT_DEFAULT,
            token: None,
            allow_private: false,
            ca_file: None,
        }
    }

    /// What is wrong with them, where they stand at `path` of the configuration file. Pure: nothing is
    /// looked up.
    pub fn check(&self, path: &str, egress: &Egress) -> Vec<Problem> {
        let at = format!("{path}.url");
        let address = trusted_address_problem(&at, &self.url, self.allow_private, egress);
        let timeout = self.timeout.is_zero().then(|| Problem {
            path: format!("{path}.timeout"),
            message: "is zero".to_owned(),
            hint: "write a duration such as 2s",
        });
        address.into_iter().chain(timeout).collect()
    }
}

/// A policy that is asked.
#[derive(Clone, Debug)]
pub struct Policy {
    peer: Peer,
    token: Option<SecretRef>,
}

/// The body of a question.
#[derive(Serialize)]
struct Question<'a> {
    input: &'a Value,
}

impl Policy {
    /// A policy that was not asked yet.
    ///
    /// # Errors
    /// The address is not to be reached, or the token is not there.
    pub fn new(settings: &PolicySettings, egress: &Egress) -> Result<Self, SetupError> {
        let reach = Reach {
            timeout: settings.timeout,
            allow_private: settings.allow_private,
            egress,
            ca_file: settings.ca_file.as_deref(),
        };
        if let Some(token) = &settings.token {
            load(token)?;
        }
        Ok(Self {
            peer: Peer::new(&settings.url, &reach)?,
            token: settings.token.clone(),
        })
    }

    /// What the policy says of `input`, which [`input`](crate::core::remedy::policy::input) makes.
    ///
    /// # Errors
    /// It says nothing, or nothing that can be understood; why, in one sentence. Nobody acts on that.
    pub async fn decide(&self, input: &Value) -> Result<Decision, Box<str>> {
        let body = serde_json::to_vec(&Question { input });
        let body = body.map_err(|error| format!("the policy cannot be asked: {error}"))?;
        let mut request = self
            .peer
            .request(Method::POST, self.peer.base().clone())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(token) = &self.token {
            let token = bearer(token).await;
            let token = token.map_err(|error| format!("the policy cannot be asked: {error}"))?;
            request = request.header(AUTHORIZATION, token);
        }
        let reply = ask(request, ANSWER_BYTES_MAX).await;
        let reply =
            reply.map_err(|silence| format!("the policy did not answer: {}", silence.why))?;
        if reply.status != StatusCode::OK {
            return Err(refusal(&reply).into());
        }
        if let Some(cut) = reply.cut {
            return Err(format!("the policy's answer cannot be read: {cut}").into());
        }
        Ok(ruling::read(&reply.body)?)
    }
}

/// What OPA answers where it does not decide.
#[derive(Deserialize)]
struct Failure {
    message: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn refusal(reply: &Reply) -> String {
    let hint = match reply.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (is its token right?)",
        StatusCode::NOT_FOUND => " (does its url begin with /v1/data/?)",
        status if status.is_redirection() => " (redirects are not followed: is its url right?)",
        _ => "",
    };
    let said = match reply.json::<Failure>() {
        Ok(Failure { message, errors }) => {
            let first = errors.first();
            let cause = first.map(|it| format!(": {}: {}", told(&it.code), told(&it.message)));
            let (status, message) = (reply.status, told(&message));
            format!(
                "the answer was {status}: {message}{}",
                cause.unwrap_or_default()
            )
        }
        Err(_) => reply.why(),
    };
    format!("the policy gave no decision: {said}{hint}")
}
