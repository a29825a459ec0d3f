//! What is wrong with an address of the configuration file.

use reqwest::Url;

use super::Egress;
use super::guard::{Guard, Refusal, names_loopback};

/// Something wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, for instance `sinks[0].url`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub hint: &'static str,
}

/// What is wrong with `url`, which stands at `path` of the configuration file. Pure: no name is looked up.
pub fn address_problem(
    path: &str,
    url: &str,
    allow_private: bool,
    egress: &Egress,
) -> Option<Problem> {
    let (message, hint) = wrong_address(url, allow_private, egress)?;
    Some(Problem {
        path: path.to_owned(),
        message,
        hint,
    })
}

/// The same of whoever is asked to act, or whether to: what is told them in plain anybody can read, and what they
/// answer anybody can forge.
pub fn trusted_address_problem(
    path: &str,
    url: &str,
    allow_private: bool,
    egress: &Egress,
) -> Option<Problem> {
    let plain = || {
        let parsed = url.parse::<Url>().ok()?;
        is_plain(&parsed, url).then(|| Problem {
            path: path.to_owned(),
            message: format!("{url:?} is not encrypted: others can read the token and forge answers"),
            hint: "write https://; http:// is for this machine alone, such as http://127.0.0.1:8181",
        })
    };
    address_problem(path, url, allow_private, egress).or_else(plain)
}

/// Whether what is said to `url`, written so, can be read on the way.
pub(super) fn is_plain(url: &Url, written: &str) -> bool {
    url.scheme() != "https" && !names_loopback(url, written)
}

fn wrong_address(
    url: &str,
    allow_private: bool,
    egress: &Egress,
) -> Option<(String, &'static str)> {
    let parsed = url.parse::<Url>().ok();
    let Some(parsed) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return Some((
            format!("{url:?} is no web address"),
            "write https://host/path",
        ));
    };
    let unlisted = || {
        let host = parsed.host_str().unwrap_or_default();
        let message = format!("{host:?} is not in egress.allow");
        Some((message, "list it there, or its network"))
    };
    let guard = Guard::new(&parsed, url, allow_private, egress);
    match guard.check_url(&parsed) {
        Ok(()) => {
            // A name that is not listed may lead into a network that is.
            let is_open = egress.is_empty() || egress.lists_a_network();
            (!is_open && !egress.names(&parsed))
                .then(unlisted)
                .flatten()
        }
        Err(Refusal::Credentials) => Some((
            "holds a secret in plain".to_owned(),
            "take the user and password out; use a secret or a header",
        )),
        Err(Refusal::NotListed(_)) => unlisted(),
        Err(refusal @ (Refusal::Special(_) | Refusal::Private(_) | Refusal::Loopback(_))) => {
            Some((
                refusal.to_string(),
                "set allow_private: true for a private address; link-local and metadata addresses are \
             never taken",
            ))
        }
    }
}
