//! Requests to Jenkins, and what it shows.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::settings::JenkinsSettings;
use crate::core::event::{Request, System};
use crate::core::record::Timestamp;
use crate::edge::outgoing::{
    Egress, Peer, Reach, Reply, SecretRef, SetupError, Silence, ask, fresh, load,
};

/// Most bytes of an answer. A queue of thousands of items, by their parameters alone, is less.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// The parameter by which a build is known to be that of an action.
pub(super) const PARAMETER: &str = "KNOTHOLE_ACTION_ID";

/// A Jenkins.
#[derive(Clone, Debug)]
pub struct Jenkins {
    pub(super) peer: Peer,
    user: String,
    token: SecretRef,
    pub(super) crumb: bool,
    pub(super) wait: Duration,
    pub(super) poll: Duration,
    pub(super) builds_max: u32,
}

/// Nothing could be read; why, in one sentence.
pub(super) type Unread = Box<str>;

/// What an item of the queue or a build was made with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Made {
    parameters: Option<Vec<Parameter>>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    #[serde(default)]
    name: Box<str>,
    /// A password has none.
    #[serde(default)]
    value: Value,
}

/// A build.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Build {
    pub(super) number: u64,
    building: bool,
    /// `SUCCESS`, `UNSTABLE`, `FAILURE`, `ABORTED` or `NOT_BUILT`, once it is over.
    result: Option<String>,
    /// When it began, in milliseconds after the epoch.
    timestamp: u64,
    actions: Vec<Option<Made>>,
}

/// What of a request goes by more than its bytes.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The path of the job.
    pub(super) job: &'a str,
    /// The id of the action.
    pub(super) id: &'a str,
}

impl<'a> Reading<'a> {
    /// `None` for what Jenkins is not sent by plans: above all for what could not be told from another build.
    pub(super) fn of(request: &'a Request) -> Option<Self> {
        if request.system != System::Jenkins
            || &*request.method != "POST"
            || &*request.content_type != "application/x-www-form-urlencoded"
        {
            return None;
        }
        let job = request.path.strip_suffix("/buildWithParameters")?;
        let mut pairs = request.body.split('&');
        let id = pairs.find_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='))?;
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (job.starts_with("/job/") && is_id).then_some(Self { job, id })
    }
}

impl Jenkins {
    /// A Jenkins that was not asked yet.
    ///
    /// # Errors
    /// The address is not to be reached, or the token is not there.
    pub fn new(settings: &JenkinsSettings, egress: &Egress) -> Result<Self, SetupError> {
        let reach = Reach {
            timeout: settings.timeout,
            allow_private: settings.allow_private,
            egress,
            ca_file: settings.ca_file.as_deref(),
        };
        load(&settings.token)?;
        Ok(Self {
            peer: Peer::new(&settings.url, &reach)?,
            user: settings.user.clone(),
            token: settings.token.clone(),
            crumb: settings.crumb,
            wait: settings.wait,
            poll: settings.poll,
            builds_max: settings.builds_max,
        })
    }

    /// `request` with who asks.
    ///
    /// # Errors
    /// The token is not there, and nothing was sent.
    pub(super) async fn signed(&self, request: RequestBuilder) -> Result<RequestBuilder, Silence> {
        let token = fresh(&self.token).await.map_err(|error| Silence {
            was_sent: false,
            why: error.to_string(),
        })?;
        Ok(request.basic_auth(&self.user, Some(token)))
    }

    /// Sends `request` as the user.
    ///
    /// # Errors
    /// No answer came. Without a token nothing is sent.
    pub(super) async fn asked(&self, request: RequestBuilder) -> Result<Reply, Silence> {
        answered(self.signed(request).await?).await
    }

    /// What `tree` names of the object at `path`; `None` where there is none.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        tree: &str,
    ) -> Result<Option<T>, Unread> {
        let url = self.peer.at(&format!("{path}/api/json"));
        let mut url = url.ok_or("this job has no path of its own")?;
        url.query_pairs_mut().append_pair("tree", tree);
        let asked = self.asked(self.peer.request(Method::GET, url)).await;
        let reply = asked.map_err(|silence| format!("Jenkins did not answer: {}", silence.why))?;
        match reply.status {
            StatusCode::OK => {
                let read = reply.json().map(Some);
                Ok(read.map_err(|error| format!("Jenkins: {error}"))?)
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(format!("Jenkins: {}", reply.why()).into()),
        }
    }
}

/// Sends `request`, which is signed.
pub(super) async fn answered(request: RequestBuilder) -> Result<Reply, Silence> {
    ask(request, ANSWER_BYTES_MAX).await
}

impl Build {
    /// When it began.
    pub(super) fn began(&self) -> Timestamp {
        Timestamp::from_millis(self.timestamp)
    }

    /// Whether it is that of the action `id`.
    pub(super) fn is_of(&self, id: &str) -> bool {
        is_of(&self.actions, id)
    }

    /// How it ended; `None` while it goes on.
    pub(super) fn ended(&self) -> Option<&str> {
        self.result.as_deref().filter(|_| !self.building)
    }
}

/// Whether what was made with `made` is of the action `id`.
pub(super) fn is_of(made: &[Option<Made>], id: &str) -> bool {
    let parameters = made
        .iter()
        .flatten()
        .filter_map(|it| it.parameters.as_ref());
    parameters
        .flatten()
        .any(|it| &*it.name == PARAMETER && it.value == id)
}
