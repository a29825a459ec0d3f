//! Requests to Argo CD.

use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::application::Application;
use super::error::why;
use super::settings::ArgoSettings;
use crate::edge::outgoing::{
    Egress, Peer, Reach, Reply, SecretRef, SetupError, Silence, ask, bearer, load,
};

/// Most bytes of an answer. An application lists its resources and their health: thousands of them are a few
/// megabytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Longest name of an application or a resource.
const NAME_BYTES_MAX: usize = 253;

/// An Argo CD.
#[derive(Clone, Debug)]
pub struct Argo {
    pub(super) peer: Peer,
    token: SecretRef,
    pub(super) project: Option<Box<str>>,
    pub(super) app_namespace: Option<Box<str>>,
    pub(super) dry_run: bool,
    pub(super) follow: Duration,
    pub(super) poll: Duration,
}

/// Nothing could be read; why, in one sentence.
pub(super) type Unread = Box<str>;

/// Who the token is.
#[derive(Deserialize)]
struct UserInfo {
    #[serde(default)]
    username: Box<str>,
}

impl Argo {
    /// An Argo CD that was not asked yet.
    ///
    /// # Errors
    /// The address is not to be reached, or the token is not there.
    pub fn new(settings: &ArgoSettings, egress: &Egress) -> Result<Self, SetupError> {
        let reach = Reach {
            timeout: settings.timeout,
            allow_private: settings.allow_private,
            egress,
            ca_file: settings.ca_file.as_deref(),
        };
        load(&settings.token)?;
        Ok(Self {
            peer: Peer::new(&settings.url, &reach)?,
            token: settings.token.clone(),
            project: settings.project.clone(),
            app_namespace: settings.app_namespace.clone(),
            dry_run: settings.dry_run,
            follow: settings.follow,
            poll: settings.poll,
        })
    }

    /// `request` with the token.
    ///
    /// # Errors
    /// The token is not there, and nothing was sent.
    pub(super) async fn signed(&self, request: RequestBuilder) -> Result<RequestBuilder, Silence> {
        let token = bearer(&self.token).await.map_err(|error| Silence {
            was_sent: false,
            why: error.to_string(),
        })?;
        Ok(request.header(AUTHORIZATION, token))
    }

    /// Sends `request` with the token.
    ///
    /// # Errors
    /// No answer came. Without a token nothing is sent.
    pub(super) async fn asked(&self, request: RequestBuilder) -> Result<Reply, Silence> {
        answered(self.signed(request).await?).await
    }

    /// What is at `path` of the application `name`; `None` where it is not there.
    pub(super) async fn read_of<T: DeserializeOwned>(
        &self,
        name: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Unread> {
        let path = format!("/api/v1/applications/{}{path}", checked(name)?);
        let project = self.project.as_deref().map(|it| ("project", it));
        let namespace = self.app_namespace.as_deref();
        let namespace = namespace.map(|it| ("appNamespace", it));
        let known = project.into_iter().chain(namespace);
        let query: Vec<_> = known.chain(query.iter().copied()).collect();
        self.read(&path, &query).await
    }

    /// What is at `path`; `None` where it is not there.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Unread> {
        let mut url = self.peer.at(path).ok_or("there is no such path")?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let asked = self.asked(self.peer.request(Method::GET, url)).await;
        let reply = asked.map_err(|silence| format!("Argo CD did not answer: {}", silence.why))?;
        match reply.status {
            StatusCode::OK => {
                let read = reply.json().map(Some);
                Ok(read.map_err(|error| format!("Argo CD: {error}"))?)
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(why(&reply).into()),
        }
    }

    /// The application `name`, where there is one.
    pub(super) async fn application(&self, name: &str) -> Result<Option<Application>, Unread> {
        let found: Option<Application> = self.read_of(name, "", &[]).await?;
        match found {
            Some(found) if *found.metadata.name != *name => Err(format!(
                "Argo CD did not answer with application {name}: is its url right?"
            )
            .into()),
            found => Ok(found),
        }
    }

    /// Who the token is, as operations name who began them.
    pub(super) async fn username(&self) -> Result<Box<str>, Unread> {
        let info: Option<UserInfo> = self.read("/api/v1/session/userinfo", &[]).await?;
        let name = info.map(|it| it.username).unwrap_or_default();
        match name.is_empty() {
            true => Err("Argo CD does not say who the token is".into()),
            false => Ok(name),
        }
    }
}

/// Sends `request`, which is signed.
pub(super) async fn answered(request: RequestBuilder) -> Result<Reply, Silence> {
    ask(request, ANSWER_BYTES_MAX).await
}

/// `name`, if an object of Kubernetes may have it.
fn checked(name: &str) -> Result<&str, Unread> {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    let is_name = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(is_plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    match is_name {
        true => Ok(name),
        false => Err("the application's name is none of Kubernetes".into()),
    }
}
