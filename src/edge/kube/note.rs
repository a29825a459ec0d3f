//! A note on the object of an action: an Event, which `kubectl describe` shows.

use http::{Method, StatusCode};
use serde_json::json;

use super::Kube;
use super::claim::micros;
use super::error::{KubeError, cut};
use super::kinds::{Kind, doing, name};
use super::objects::INSTANCE;
use super::wire::Ask;
use crate::core::event::Object;
use crate::core::record::{Timestamp, inert};
use crate::core::remedy::plan::ACTION_ANNOTATION;

/// Who is said to have noted it.
const CONTROLLER: &str = "knothole.dev/knothole";
/// Most bytes of a note, by the API.
const NOTE_BYTES_MAX: usize = 1024;
/// Most bytes of a reason, and of what was done, by the API.
const REASON_BYTES_MAX: usize = 128;

/// What is noted of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The action.
    pub id: Box<str>,
    /// The object.
    pub object: Object,
    /// What was done: `RestartPod`.
    pub action: Box<str>,
    /// What became of it, in one word: `ActionDone`. One action has one event for each.
    pub reason: Box<str>,
    /// One sentence.
    pub note: Box<str>,
    /// Whether somebody should look at it.
    pub is_warning: bool,
    /// When.
    pub at: Timestamp,
}

impl Kube {
    /// Puts an Event on the object. The same thing noted twice is there once.
    ///
    /// # Errors
    /// The cluster does not take it.
    pub async fn note(&self, noted: &Noted) -> Result<(), KubeError> {
        let object = &noted.object;
        let doing = doing("create", "events", "events.k8s.io", &object.namespace);
        let kind =
            Kind::of(&object.kind).ok_or_else(|| KubeError::Name(object.kind.to_string()))?;
        let namespace = name(&object.namespace)?;
        let reason = cut(&noted.reason, REASON_BYTES_MAX);
        let event = format!("knothole-{}-{}", noted.id, reason.to_ascii_lowercase());
        let note = inert(cut(&noted.note, NOTE_BYTES_MAX));
        let body = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": name(&event)?,
                "namespace": namespace,
                "annotations": {ACTION_ANNOTATION: noted.id, INSTANCE: self.instance},
            },
            "eventTime": micros(noted.at),
            "reportingController": CONTROLLER,
            "reportingInstance": cut(&self.instance, REASON_BYTES_MAX),
            "action": cut(&noted.action, REASON_BYTES_MAX),
            "reason": reason,
            "type": if noted.is_warning { "Warning" } else { "Normal" },
            "note": cut(&note, NOTE_BYTES_MAX),
            "regarding": {
                "apiVersion": kind.api_version(),
                "kind": object.kind,
                "namespace": namespace,
                "name": object.name,
                "uid": object.uid,
            },
        });
        let manager = &self.field_manager;
        let path =
            format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events?fieldManager={manager}");
        let reply = self.wire.ask(Ask::json(Method::POST, &path, &body)).await;
        let reply = reply.map_err(|fault| KubeError::lost(&doing, fault))?;
        match reply.status {
            status if status.is_success() => Ok(()),
            // It was noted before.
            StatusCode::CONFLICT => Ok(()),
            _ => Err(KubeError::of(&doing, &reply)),
        }
    }
}
