//! Whether the action of a resource took place, by what the resource shows.

use serde::Deserialize;
use serde_json::Value;

use super::operation::parsed;
use super::settle::{SKEW, Settled, unclear};
use super::wire::{Argo, Unread};
use crate::core::event::Request;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::Settlement;

/// The body of a request to run an action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceAction {
    action: Box<str>,
    group: Box<str>,
    kind: Box<str>,
    namespace: Box<str>,
    resource_name: Box<str>,
    version: Box<str>,
}

/// A resource as Argo CD shows it.
#[derive(Deserialize)]
struct Resource {
    /// JSON in a text.
    manifest: String,
}

/// What a resource shows of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Done,
    NotDone,
    /// It leaves no trace.
    Neither,
}

impl Argo {
    pub(super) async fn settle_resource(
        &self,
        request: &Request,
        sent_at: Timestamp,
        is_over: bool,
    ) -> Settled {
        let read: Result<ResourceAction, _> = serde_json::from_str(&request.body);
        let Ok(asked) = read else {
            return unclear("the request names no resource");
        };
        let manifest = match self.manifest(request, &asked).await {
            Ok(manifest) => manifest,
            Err(why) => return unclear(why),
        };
        match (
            shows(&asked.action, &manifest, sent_at.minus(SKEW)),
            is_over,
        ) {
            (Shows::Done, _) => (
                Settlement::Done,
                format!("the {} shows that it took place", asked.kind).into(),
            ),
            (Shows::NotDone, true) => (
                Settlement::NotDone,
                format!("the {} is as it was", asked.kind).into(),
            ),
            (Shows::NotDone, false) => unclear("the resource shows nothing of it yet"),
            (Shows::Neither, _) => unclear("such an action leaves no trace"),
        }
    }

    async fn manifest(&self, request: &Request, asked: &ResourceAction) -> Result<Value, Unread> {
        let application = request.path.strip_prefix("/api/v1/applications/");
        let application = application.and_then(|it| it.split('/').next());
        let query = [
            ("namespace", &*asked.namespace),
            ("resourceName", &*asked.resource_name),
            ("version", &*asked.version),
            ("group", &*asked.group),
            ("kind", &*asked.kind),
        ];
        let application = application.unwrap_or_default();
        let resource: Option<Resource> = self.read_of(application, "/resource", &query).await?;
        let resource = resource.ok_or("Argo CD knows no such resource any more")?;
        let manifest = serde_json::from_str(&resource.manifest);
        Ok(manifest.map_err(|_| "Argo CD shows no manifest of the resource")?)
    }
}

/// What `manifest` shows of `action`, if that was done at `from` or later.
fn shows(action: &str, manifest: &Value, from: Timestamp) -> Shows {
    let is = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_bool) == Some(true);
    let which = |done: bool| match done {
        true => Shows::Done,
        false => Shows::NotDone,
    };
    match action {
        // The second is where Argo Rollouts keeps it.
        "restart" => {
            let places = [
                "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
                "/spec/restartAt",
            ];
            let at = places.iter().find_map(|it| manifest.pointer(it)?.as_str());
            which(at.and_then(parsed).is_some_and(|at| at >= from))
        }
        "pause" => which(is("/spec/paused")),
        "resume" => which(!is("/spec/paused")),
        "abort" => which(is("/status/abort")),
        "retry" => which(!is("/status/abort")),
        _ => Shows::Neither,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_resource_shows_what_was_done_to_it() {
        let from = parsed("2025-11-21T04:40:00Z").unwrap();
        let restarted = |at: &str| {
            json!({"spec": {"template": {"metadata": {"annotations":
                {"kubectl.kubernetes.io/restartedAt": at}}}}})
        };
        for (action, manifest, expected) in [
            ("restart", restarted("2025-11-21T04:40:05Z"), Shows::Done),
            ("restart", restarted("2025-11-21T04:39:59Z"), Shows::NotDone),
            ("restart", restarted("soon"), Shows::NotDone),
            ("restart", json!({}), Shows::NotDone),
            (
                "restart",
                json!({"spec": {"restartAt": "2025-11-21T05:40:05+01:00"}}),
                Shows::Done,
            ),
            ("pause", json!({"spec": {"paused": true}}), Shows::Done),
            ("pause", json!({"spec": {"paused": "true"}}), Shows::NotDone),
            ("resume", json!({"spec": {}}), Shows::Done),
            ("resume", json!({"spec": {"paused": true}}), Shows::NotDone),
            ("abort", json!({"status": {"abort": true}}), Shows::Done),
            ("abort", json!({"status": {}}), Shows::NotDone),
            ("retry", json!({"status": {"abort": true}}), Shows::NotDone),
            ("retry", json!({"status": {}}), Shows::Done),
            ("promote-full", json!({}), Shows::Neither),
        ] {
            assert_eq!(
                shows(action, &manifest, from),
                expected,
                "{action} {manifest}"
            );
        }
    }
}
