//! Annotations of Grafana: one for each incident, made when it opens, given an end when it ends.
//!
//! Which annotation is whose is in Grafana itself: each has a tag that no other has. So nothing is
//! to be remembered over a restart, and an attempt whose answer was lost makes no second one.

use reqwest::header::AUTHORIZATION;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::SendSetupError;
use super::http::{Endpoint, Reach, Reply, ask, unreadable};
use crate::core::record::{Timestamp, inert_json};
use crate::edge::notify::config::GrafanaConfig;
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::notify::render::grafana::{Annotation, AnnotationNote};
use crate::edge::outgoing::{Egress, SetupError, load};

/// One Grafana.
pub(crate) struct GrafanaSink {
    endpoint: Endpoint,
    dashboard_uid: Option<String>,
    panel_id: Option<u64>,
}

/// An annotation that is to be made, with its place.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    #[serde(rename = "dashboardUID", skip_serializing_if = "Option::is_none")]
    dashboard_uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    panel_id: Option<u64>,
    #[serde(flatten)]
    annotation: &'a Annotation,
}

/// An annotation that is there.
#[derive(Deserialize)]
struct Found {
    id: u64,
}

impl GrafanaSink {
    pub(crate) fn new(config: &GrafanaConfig, egress: &Egress) -> Result<Self, SendSetupError> {
        let reach = Reach {
            timeout: config.timeout,
            allow_private: config.allow_private,
            egress,
        };
        let token = load(&config.token).map_err(SetupError::from)?;
        let endpoint = Endpoint::new(&config.url, &reach)?;
        Ok(Self {
            endpoint: endpoint.with_header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))?,
            dashboard_uid: config.dashboard_uid.clone(),
            panel_id: config.panel_id,
        })
    }

    async fn attempt(&self, note: &AnnotationNote) -> Result<Answer, Answer> {
        let request = match self.find(&note.found_by).await? {
            Some(id) => {
                let url = self.place(&["api", "annotations", &id.to_string()]);
                self.endpoint
                    .patch(url, "application/json", inert_json(&note.annotation))
            }
            None => {
                let body = inert_json(&Made {
                    dashboard_uid: self.dashboard_uid.as_deref(),
                    panel_id: self.panel_id,
                    annotation: &note.annotation,
                });
                let url = self.place(&["api", "annotations"]);
                self.endpoint.post(url, "application/json", body)
            }
        };
        Ok(ask(request).await?.judge(unreadable))
    }

    /// The annotation that has the tag.
    async fn find(&self, tag: &str) -> Result<Option<u64>, Answer> {
        let mut url = self.place(&["api", "annotations"]);
        url.query_pairs_mut()
            .append_pair("type", "annotation")
            .append_pair("limit", "1")
            .append_pair("tags", tag);
        let reply: Reply = ask(self.endpoint.get(url)).await?;
        if reply.status != StatusCode::OK {
            return Err(reply.judge(unreadable));
        }
        let found: Result<Vec<Found>, _> = serde_json::from_slice(&reply.body);
        match found {
            Ok(found) => Ok(found.first().map(|it| it.id)),
            Err(_) => Err(Answer::Later {
                why: "the answer is no list of annotations".to_owned(),
                after: None,
            }),
        }
    }

    fn place(&self, segments: &[&str]) -> Url {
        self.endpoint.below(segments)
    }
}

impl Sink for GrafanaSink {
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let Some(message) = batch.first() else {
            return Answer::Taken { refused: 0 };
        };
        match serde_json::from_slice(&message.body) {
            Ok(note) => self.attempt(&note).await.unwrap_or_else(|answer| answer),
            Err(_) => Answer::Never {
                why: "a stored message cannot be read".to_owned(),
            },
        }
    }
}
