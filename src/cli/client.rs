//! Speaks to the API of a running daemon.

use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use super::failure::{Failure, OrFailure as _};
use super::terminal::printable;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Characters of a complaint that are shown.
const COMPLAINT_LEN_MAX: usize = 600;

/// Where the daemon is, and who asks.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Daemon")]
pub(crate) struct ClientArgs {
    /// The API of the daemon
    #[arg(
        long,
        value_name = "URL",
        env = "KNOTHOLE_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    url: String,
    /// The environment variable that has the token, where the daemon asks for one
    #[arg(long, value_name = "NAME", default_value = "KNOTHOLE_TOKEN")]
    token_env: String,
}

#[cfg(test)]
impl ClientArgs {
    /// A daemon at `url` that asks for no token.
    pub(crate) fn to(url: String) -> Self {
        Self {
            url,
            token_env: String::new(),
        }
    }
}

/// A connection to a daemon.
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: Url,
    token: Option<String>,
    token_env: String,
}

/// What the daemon answered.
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(args: &ClientArgs) -> Result<Self, Failure> {
        let url = address(&args.url)?;
        // An error means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A token is for this daemon alone: neither a proxy nor a redirect is to see it.
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("knothole/", env!("CARGO_PKG_VERSION")))
            .build()
            .or_environment()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .or_environment()?;
        let token = std::env::var(&args.token_env).ok();
        Ok(Self {
            http,
            runtime,
            url,
            token: token.filter(|token| !token.is_empty()),
            token_env: args.token_env.clone(),
        })
    }

    /// The daemon's address, as a person reads it.
    pub(crate) fn place(&self) -> String {
        printable(self.url.as_str().trim_end_matches('/'), 60)
    }

    /// What runs what waits.
    pub(crate) fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// Asks for `path` (`/v1/incidents`) with `query`.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Reply, Failure> {
        self.runtime.block_on(self.ask(path, query))
    }

    /// The same, for whoever runs on [`runtime`](Self::runtime).
    pub(crate) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Reply, Failure> {
        let mut url = at(&self.url, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.request(Method::GET, url)).await
    }

    /// Sends `body` to `path`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Reply, Failure> {
        let request = self.http.request(Method::POST, at(&self.url, path));
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json");
        let request = request.body(body.to_string());
        self.runtime.block_on(self.send(request))
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Reply, Failure> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        answer(request).await.map_err(|error| {
            let place = self.place();
            let told = match error.is_connect() {
                true => format!(
                    "nobody answers at {place}; start the daemon with `knothole serve`, or name it with --url"
                ),
                false => format!("{place} does not answer as a daemon does"),
            };
            Failure::Environment(anyhow::Error::new(error.without_url()).context(told))
        })
    }

    /// The body of an answer that is one, as JSON.
    pub(crate) fn json(&self, reply: &Reply) -> Result<Value, Failure> {
        self.check(reply)?;
        serde_json::from_slice(&reply.body)
            .map_err(|_| anyhow::anyhow!("{} is no knothole: its answer is not JSON", self.place()))
            .or_environment()
    }

    /// The body of an answer that is one, as text.
    pub(crate) fn text(&self, reply: &Reply) -> Result<String, Failure> {
        self.check(reply)?;
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// Tells what the daemon says is wrong, and what would do.
    pub(crate) fn check(&self, reply: &Reply) -> Result<(), Failure> {
        if reply.status.is_success() {
            return Ok(());
        }
        let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let text = |name: &str| {
            let text = said[name].as_str().unwrap_or_default();
            printable(text, COMPLAINT_LEN_MAX)
        };
        let name = &self.token_env;
        let told = match (reply.status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => {
                format!(
                    "this daemon asks for a token; put one into the environment variable {name}"
                )
            }
            (StatusCode::UNAUTHORIZED, Some(_)) => {
                format!("this daemon does not know the token in {name}")
            }
            (status, _) if said["error"].is_null() => {
                format!("{} answers {status}; is it a knothole?", self.place())
            }
            _ => format!("{}; {}", text("error"), text("hint")),
        };
        let error = anyhow::anyhow!(told);
        Err(match reply.status.is_server_error() {
            true => Failure::Environment(error),
            false => Failure::Use(error),
        })
    }
}

impl Reply {
    /// Whether whoever asked was not let in, so that nothing was done.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    }

    /// Whether what was asked for is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

async fn answer(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    let mut response = request.send().await?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if body.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(Reply { status, body })
}

/// Whether no connection came about, so that nothing was asked.
pub(crate) fn is_unreached(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<reqwest::Error>();
    cause.is_some_and(reqwest::Error::is_connect)
}

/// `path` below `base`, which may have a path of its own where a proxy gives the daemon one.
fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// `127.0.0.1:8080` is taken for `http://127.0.0.1:8080`.
fn address(text: &str) -> Result<Url, Failure> {
    let whole = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = whole.parse::<Url>().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        let text = printable(text, 60);
        anyhow::anyhow!("{text} is no address; write it as http://127.0.0.1:8080")
    })
    .or_use()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_how_it_is_spoken_to() {
        let read = |text| address(text).map(|url| url.to_string()).ok();
        let http = Some("http://127.0.0.1:8080/".to_owned());
        assert_eq!(read("127.0.0.1:8080"), http);
        assert_eq!(read("http://127.0.0.1:8080"), http);
        assert!(read("https://knothole.example.net").is_some());
        let below = |base: &str| at(&address(base).unwrap(), "/v1/audit").to_string();
        assert_eq!(below("h:1"), "http://h:1/v1/audit");
        assert_eq!(
            below("https://h.example/knothole/"),
            "https://h.example/knothole/v1/audit"
        );
        for wrong in ["", "ftp://127.0.0.1", "http://", "file:///etc/passwd"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
