//! An action and what was read → what would be sent, byte for byte.
//!
//! A plan is a function of the action and the facts alone: drawn up again it is the same for as long as
//! what it is about has not changed, so that what was approved can be compared with what would be done
//! now. Each request fails where the object is not the one that was read.

mod argo;
mod by_hand;
mod elsewhere;
mod kubernetes;
mod permission;
mod text;

pub use by_hand::by_hand;
pub use permission::{Permission, Scope, permissions, permissions_of, permissions_wished};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ask::hex_of;
use super::facts::Facts;
use crate::core::event::{Action, Object, Remedy, Request, System};

/// What would be done, before any check was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The very object that is acted on.
    pub subject: Option<Object>,
    /// What is sent.
    pub requests: Vec<Request>,
    /// How it is undone, where it can be.
    pub undo: Vec<Request>,
}

/// The annotation that names the action an object was last changed by.
pub const ACTION_ANNOTATION: &str = "knothole.dev/action-id";

/// What carrying out `action` takes, as the cluster stands.
///
/// # Errors
/// It cannot be done to such a target; why, in one sentence.
pub fn draft(action: &Action, facts: &Facts) -> Result<Draft, String> {
    match &action.remedy {
        Remedy::RestartPod => kubernetes::restart_pod(facts),
        Remedy::RestartWorkload => kubernetes::restart_workload(action, facts),
        Remedy::Scale { by, max } => kubernetes::scale(facts, *by, *max),
        Remedy::RollBack => kubernetes::roll_back(action, facts),
        Remedy::AbortRollout { rollout } => kubernetes::abort_rollout(facts, rollout),
        Remedy::GatewayWeight {
            route,
            backend,
            weight,
        } => kubernetes::gateway_weight(action, facts, (route, backend, *weight)),
        Remedy::ArgoSync { application } => argo::sync(action, facts, application),
        Remedy::ArgoRollBack { application } => argo::roll_back(action, facts, application),
        Remedy::ArgoAction {
            application,
            action: name,
        } => argo::run(action, facts, (application, name)),
        Remedy::JenkinsJob { job } => elsewhere::jenkins_job(action, facts, job),
        Remedy::FluxReceiver { path } => elsewhere::flux_receiver(action, facts, path),
        Remedy::Webhook => Ok(Draft {
            subject: workload(facts),
            ..Draft::default()
        }),
    }
}

/// What a plan is known by: 32 hex digits over what is acted on and what is sent.
pub fn hash(draft: &Draft) -> Box<str> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    match &draft.subject {
        None => part(b"none"),
        Some(object) => {
            part(b"some");
            let named = [&object.kind, &object.namespace, &object.name, &object.uid];
            named.into_iter().for_each(|it| part(it.as_bytes()));
            part(&object.generation.to_le_bytes());
        }
    }
    part(&(draft.requests.len() as u64).to_le_bytes());
    for request in &draft.requests {
        part(system_name(request.system).as_bytes());
        part(request.method.as_bytes());
        part(request.path.as_bytes());
        part(request.content_type.as_bytes());
        part(request.body.as_bytes());
    }
    hex_of(&hash.finalize()[..16])
}

const fn system_name(system: System) -> &'static str {
    match system {
        System::Kubernetes => "kubernetes",
        System::ArgoCd => "argo_cd",
        System::Jenkins => "jenkins",
        System::Flux => "flux",
        System::Hook => "hook",
    }
}

/// The name of the Lease by which `workload` is claimed for one action at a time: `knothole-` and 32 hex
/// digits.
pub fn claim_name(workload: &Object) -> String {
    let digest = match workload.uid.is_empty() {
        false => Sha256::digest(workload.uid.as_bytes()),
        // One that was not found is known by its name.
        true => {
            let Object {
                kind,
                namespace,
                name,
                ..
            } = workload;
            Sha256::digest(format!("{namespace}/{kind}/{name}").as_bytes())
        }
    };
    format!("knothole-{}", hex_of(&digest[..16]))
}

fn workload(facts: &Facts) -> Option<Object> {
    facts.workload.as_ref().map(|it| it.object.clone())
}

const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";

/// The text of a JSON value: the keys in order, whatever order they came in.
fn written(mut value: Value) -> Box<str> {
    value.sort_all_objects();
    value.to_string().into()
}

fn post(system: System, path: String, body: Value) -> Request {
    Request {
        system,
        method: "POST".into(),
        path: path.into(),
        content_type: JSON.into(),
        body: written(body),
    }
}

/// A JSON patch of a Kubernetes object, which first tests that the object is the one that was read.
fn patch(path: String, tests: &[(&str, Value)], changes: Vec<Value>) -> Request {
    let tests = tests
        .iter()
        .map(|(path, value)| json!({"op": "test", "path": path, "value": value}));
    Request {
        system: System::Kubernetes,
        method: "PATCH".into(),
        path: path.into(),
        content_type: JSON_PATCH.into(),
        body: written(tests.chain(changes).collect()),
    }
}

/// The tests that hold only for the very state of `object` that was read.
fn unchanged(object: &Object) -> [(&'static str, Value); 2] {
    [
        ("/metadata/uid", json!(object.uid)),
        ("/metadata/generation", json!(object.generation)),
    ]
}

/// What sets annotations below `path`, whether or not there are any.
fn annotate(path: &str, has_some: bool, annotations: &[(&str, &str)]) -> Vec<Value> {
    if has_some {
        let add = |(key, value): &(&str, &str)| {
            let key = text::pointer_part(key);
            json!({"op": "add", "path": format!("{path}/{key}"), "value": value})
        };
        return annotations.iter().map(add).collect();
    }
    let all = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)));
    vec![json!({"op": "add", "path": path, "value": Value::Object(all.collect())})]
}

#[cfg(test)]
mod tests;
