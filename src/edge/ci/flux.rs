//! A receiver of Flux (`generic-hmac`): `POST {url}{path}` with `X-Signature: sha256=<hex of the body's HMAC>`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::StatusCode;
use sha2::Sha256;

use crate::core::event::{Request, System};
use crate::core::remedy::facts::{Answer, Refused, Settlement};
use crate::edge::outgoing::{
    Egress, Gate, Peer, Problem, Reach, Reply, SecretError, SecretRef, SetupError, ask, fresh,
    load, trusted_address_problem,
};

/// Most bytes of an answer: receivers answer with none.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// The longest that a request may take.
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// How a receiver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluxSettings {
    /// The address of the notification controller's receivers: `https://flux.example.net`.
    pub url: String,
    /// The `token` of the receiver's secret. It is read anew for each request.
    pub secret: SecretRef,
    /// The longest that a request takes.
    pub timeout: Duration,
    /// Whether a private address will do.
    pub allow_private: bool,
    /// A PEM file with authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl FluxSettings {
    /// Of the receivers at `url`, with defaults.
    pub fn of(url: &str, secret: SecretRef) -> Self {
        Self {
            url: url.to_owned(),
            secret,
            timeout: Duration::from_secs(10),
            allow_private: false,
            ca_file: None,
        }
    }

    /// What is wrong with them, where they stand at `path` of the configuration file. Pure: nothing is
    /// looked up.
    pub fn check(&self, path: &str, egress: &Egress) -> Vec<Problem> {
        let at = format!("{path}.url");
        let address = trusted_address_problem(&at, &self.url, self.allow_private, egress);
        let is_good = !self.timeout.is_zero() && self.timeout <= TIMEOUT_MAX;
        let timeout = (!is_good).then(|| Problem {
            path: format!("{path}.timeout"),
            message: "is not between 1ms and 30s".to_owned(),
            hint: "write a duration such as 10s",
        });
        address.into_iter().chain(timeout).collect()
    }
}

/// The receivers of a Flux.
#[derive(Clone, Debug)]
pub struct Flux {
    peer: Peer,
    secret: SecretRef,
}

impl Flux {
    /// Receivers that were not told anything yet.
    ///
    /// # Errors
    /// The address is not to be reached, or the secret is not there.
    pub fn new(settings: &FluxSettings, egress: &Egress) -> Result<Self, SetupError> {
        let reach = Reach {
            timeout: settings.timeout,
            allow_private: settings.allow_private,
            egress,
            ca_file: settings.ca_file.as_deref(),
        };
        load(&settings.secret)?;
        Ok(Self {
            peer: Peer::new(&settings.url, &reach)?,
            secret: settings.secret.clone(),
        })
    }

    /// Sends `request`, once, unless `gate` forbids it: that is asked when all else is ready.
    pub async fn send(&self, request: &Request, gate: Gate<'_>) -> Answer {
        let never = |why: String| Answer::Refused(Refused::Never, why.into());
        if request.system != System::Flux || &*request.method != "POST" {
            return never("this is no request that a receiver is sent".to_owned());
        }
        let rendered = match self.peer.rendered(request) {
            Ok(rendered) => rendered,
            Err(why) => return never(why),
        };
        let signature = match self.signature(request.body.as_bytes()).await {
            Ok(signature) => signature,
            // Nothing was sent, and the secret may be there the next time.
            Err(error) => return Answer::Refused(Refused::NotNow(None), error.to_string().into()),
        };
        if let Some(forbidden) = gate() {
            return forbidden;
        }
        match ask(rendered.header("x-signature", signature), ANSWER_BYTES_MAX).await {
            Ok(reply) => of_reply(&reply),
            Err(silence) => silence.answer(),
        }
    }

    /// Whether something of which no answer came took place: a receiver does not say, and what it marks is not
    /// ours to read. Telling it again would do no harm, but that is for a new action to do.
    pub fn settle(&self) -> (Settlement, Box<str>) {
        (
            Settlement::Unclear,
            "a receiver does not say what it was told".into(),
        )
    }

    async fn signature(&self, body: &[u8]) -> Result<String, SecretError> {
        let secret = fresh(&self.secret).await?;
        Ok(signature(secret.as_bytes(), body))
    }
}

/// The value of `X-Signature`.
fn signature(secret: &[u8], body: &[u8]) -> String {
    let mut text = "sha256=".to_owned();
    // HMAC takes keys of every length, so this is always one.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

fn of_reply(reply: &Reply) -> Answer {
    let refused = match reply.status {
        StatusCode::OK => return Answer::Done("Flux has been told to reconcile".into()),
        // It marks nothing before it has looked whether it is suspended and ready.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Refused::NotNow(reply.pause())
        }
        StatusCode::REQUEST_TIMEOUT => return Answer::Unknown(reply.why().into()),
        status if status.is_client_error() || status.is_redirection() => Refused::Never,
        // Of several resources some may be marked, and an odd success is whose?
        _ => return Answer::Unknown(format!("the receiver: {}", reply.why()).into()),
    };
    let hint = match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            " (is its secret that of the receiver, and the receiver of type generic-hmac?)"
        }
        StatusCode::NOT_FOUND => " (is the path that of the receiver's status.webhookPath?)",
        StatusCode::SERVICE_UNAVAILABLE => " (the receiver is suspended or not ready)",
        status if status.is_redirection() => {
            " (redirects are not followed: does its url begin with https://?)"
        }
        _ => "",
    };
    let why = format!("the receiver: {}{hint}", reply.why());
    Answer::Refused(refused, why.into())
}

#[cfg(test)]
mod tests;
