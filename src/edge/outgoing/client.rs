//! A client that goes only where it may.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use super::Egress;
use super::guard::{Guard, Refusal};
use super::secret::SecretError;

/// The longest that a connection takes to come about; also at most half of what a request may take, so
/// that a request which never left is told from one without an answer.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A secret is missing or wrong.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The address is not allowed.
    #[error("refused to send to {0}")]
    Refused(#[from] Refusal),
    /// The address cannot be read.
    #[error("{0:?} is no valid address")]
    Address(String),
    /// What is said there can be read on the way.
    #[error("{0:?} is not encrypted: write https://; http:// is for this machine alone")]
    Plain(String),
    /// A header cannot be sent.
    #[error("the value of header {0} cannot be sent")]
    Header(String),
    /// The file with the authorities cannot be used.
    #[error("cannot use the certificates in {path}: {why}")]
    Authorities {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The client cannot be made.
    #[error("cannot set up the client: {0}")]
    Client(String),
}

/// What an address may be and how long a request to it may take.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The longest that a request takes, with its answer.
    pub timeout: Duration,
    /// Whether a private address will do.
    pub allow_private: bool,
    /// Where knothole may go at all.
    pub egress: &'a Egress,
    /// A PEM file with authorities that are trusted besides the system's.
    pub ca_file: Option<&'a Path>,
}

/// A client for whoever is to be asked at `url`, within the same bounds as sinks: with the list of where
/// knothole may go, and whether a private address will do.
///
/// # Errors
/// The address is none, or is not to be reached.
pub fn guarded_client(
    url: &str,
    (egress, allow_private): (&Egress, bool),
    timeout: Duration,
) -> Result<Client, SetupError> {
    let (guard, url) = guarded(url, allow_private, egress)?;
    behind(guard, &url, timeout)
}

/// The guard of the address `written`, and the address.
pub(super) fn guarded(
    written: &str,
    allow_private: bool,
    egress: &Egress,
) -> Result<(Guard, Url), SetupError> {
    let bad = |_| SetupError::Address(written.to_owned());
    let url: Url = written.parse().map_err(bad)?;
    let guard = Guard::new(&url, written, allow_private, egress);
    guard.check_url(&url)?;
    Ok((guard, url))
}

/// A client that reaches `url` where `guard` lets it.
pub(crate) fn behind(guard: Guard, url: &Url, timeout: Duration) -> Result<Client, SetupError> {
    guard.check_url(url)?;
    built(bounded(guard, timeout))
}

/// One that changes something: what did not go through is never sent again behind our back, and goes over
/// a connection of its own, which nobody has closed in the meantime, and which comes about within
/// `connect_max`, its name and TLS included.
pub(super) fn deliberate(
    guard: Guard,
    reach: &Reach<'_>,
    connect_max: Duration,
) -> Result<Client, SetupError> {
    let builder = bounded(guard, reach.timeout)
        .connect_timeout((reach.timeout / 2).min(connect_max))
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0);
    built(match reach.ca_file {
        Some(path) => builder.tls_certs_merge(authorities(path)?),
        None => builder,
    })
}

fn bounded(guard: Guard, timeout: Duration) -> ClientBuilder {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A redirect could lead anywhere, and behind a proxy the guard would not see the address.
    Client::builder()
        .dns_resolver(guard)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .user_agent(concat!("knothole/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<Client, SetupError> {
    let built = builder.build();
    built.map_err(|error| SetupError::Client(chain(&error)))
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, SetupError> {
    let bad = |why: String| SetupError::Authorities {
        path: path.display().to_string(),
        why,
    };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem);
    let found = found.map_err(|error| bad(chain(&error)))?;
    match found.is_empty() {
        true => Err(bad("there is none in it".to_owned())),
        false => Ok(found),
    }
}

/// The error with its causes: "error sending request" alone helps nobody.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
