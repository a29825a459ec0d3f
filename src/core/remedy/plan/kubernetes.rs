//! What is asked of a Kubernetes API server.

use serde_json::json;

use super::text::{path_part, rfc3339};
use super::{ACTION_ANNOTATION, Draft, annotate, patch, post, unchanged};
use crate::core::event::{Action, Object, Request, System};
use crate::core::remedy::facts::{Facts, WorkloadFacts};

/// What `kubectl rollout restart` sets.
const RESTARTED_ANNOTATION: &str = "kubectl.kubernetes.io/restartedAt";

/// The largest weight of the Gateway API.
const WEIGHT_MAX: u32 = 1_000_000;

/// The pod is evicted, so that disruption budgets count. The uid is the last fence: who sends this reads
/// the pod first, since a wrong uid uses up the budget.
pub(super) fn restart_pod(facts: &Facts) -> Result<Draft, String> {
    let pod = &facts.pod.as_ref().ok_or("the pod is gone")?.object;
    known(pod)?;
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/eviction",
        path_part(&pod.namespace)?,
        path_part(&pod.name)?
    );
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    });
    Ok(Draft {
        subject: Some(pod.clone()),
        requests: vec![post(System::Kubernetes, path, body)],
        undo: vec![],
    })
}

/// As `kubectl rollout restart` does it. The time is when it was asked for, so that the plan stays the same.
pub(super) fn restart_workload(action: &Action, facts: &Facts) -> Result<Draft, String> {
    let workload = workload(facts)?;
    let changes = annotate(
        "/spec/template/metadata/annotations",
        workload.has_template_annotations,
        &[
            (RESTARTED_ANNOTATION, &rfc3339(action.asked_at)),
            (ACTION_ANNOTATION, &action.id),
        ],
    );
    let object = &workload.object;
    Ok(Draft {
        subject: Some(object.clone()),
        requests: vec![patch(path(object)?, &unchanged(object), changes)],
        undo: vec![],
    })
}

/// So many more replicas, within the owner's bound. What somebody has scaled to nothing stays so.
pub(super) fn scale(facts: &Facts, by: u32, max: u32) -> Result<Draft, String> {
    let workload = workload(facts)?;
    let (object, current) = (&workload.object, workload.replicas);
    let wanted = current.saturating_add(by).min(max);
    if current == 0 {
        return Err("it is scaled to nothing, which is left to whoever did so".to_owned());
    }
    if wanted <= current {
        return Err(format!(
            "it has {current} replicas already, and at most {max} are allowed"
        ));
    }
    let scaled = |from: u32, to: u32| -> Result<Request, String> {
        let tests = [
            ("/metadata/uid", json!(object.uid)),
            ("/spec/replicas", json!(from)),
        ];
        let change = json!({"op": "replace", "path": "/spec/replicas", "value": to});
        Ok(patch(
            format!("{}/scale", path(object)?),
            &tests,
            vec![change],
        ))
    };
    Ok(Draft {
        subject: Some(object.clone()),
        requests: vec![scaled(current, wanted)?],
        undo: vec![scaled(wanted, current)?],
    })
}

/// The template of the revision before, as `kubectl rollout undo` does it. The annotation is on the
/// Deployment and not in the template, which has to be the one its old ReplicaSet has.
pub(super) fn roll_back(action: &Action, facts: &Facts) -> Result<Draft, String> {
    let workload = workload(facts)?;
    let object = &workload.object;
    if *object.kind != *"Deployment" {
        return Err(format!("a {} keeps no revision to go back to", object.kind));
    }
    let previous = workload
        .previous
        .as_ref()
        .ok_or("no revision before this one is kept")?;
    if !previous.template.is_object() {
        return Err("the template of the revision before was not read".to_owned());
    }
    let template = json!({"op": "replace", "path": "/spec/template", "value": previous.template});
    let mut changes = vec![template];
    changes.append(&mut annotate(
        "/metadata/annotations",
        workload.has_annotations,
        &[(ACTION_ANNOTATION, &action.id)],
    ));
    Ok(Draft {
        subject: Some(object.clone()),
        requests: vec![patch(path(object)?, &unchanged(object), changes)],
        undo: vec![],
    })
}

/// As `kubectl argo rollouts abort` does it: `status.abort`, by way of the status subresource.
pub(super) fn abort_rollout(facts: &Facts, name: &str) -> Result<Draft, String> {
    let object = &workload(facts)?.object;
    if *object.kind != *"Rollout" || *object.name != *name {
        return Err(format!(
            "{}/{} was read instead of rollout {name}",
            object.kind, object.name
        ));
    }
    let path = format!(
        "/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/{}/status",
        path_part(&object.namespace)?,
        path_part(&object.name)?
    );
    let set = |abort: bool| {
        let change = json!({"op": "add", "path": "/status/abort", "value": abort});
        patch(path.clone(), &unchanged(object), vec![change])
    };
    Ok(Draft {
        subject: Some(object.clone()),
        requests: vec![set(true)],
        undo: vec![set(false)],
    })
}

/// The weight of a backend in each rule of the route that has it.
pub(super) fn gateway_weight(
    action: &Action,
    facts: &Facts,
    (name, backend, weight): (&str, &str, u32),
) -> Result<Draft, String> {
    let route = facts.route.as_ref().ok_or("there is no such route")?;
    let object = &route.object;
    known(object)?;
    if *object.name != *name {
        return Err(format!("route {} was read instead of {name}", object.name));
    }
    if weight > WEIGHT_MAX {
        return Err(format!("a weight is at most {WEIGHT_MAX}"));
    }
    let its = || route.backends.iter().filter(|it| *it.service == *backend);
    if its().next().is_none() {
        return Err(format!("no rule of the route has the backend {backend}"));
    }
    if its().all(|it| it.weight == weight) {
        return Err(format!("{backend} has the weight {weight} already"));
    }
    let path = format!(
        "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/{}",
        path_part(&object.namespace)?,
        path_part(&object.name)?
    );
    let place = |rule: u32, place: u32| format!("/spec/rules/{rule}/backendRefs/{place}");
    let set = |weights: &mut dyn Iterator<Item = (u32, u32, u32)>| {
        let mut changes = Vec::new();
        for (rule, at, weight) in weights {
            let place = place(rule, at);
            changes.push(json!({"op": "test", "path": format!("{place}/name"), "value": backend}));
            changes.push(json!({"op": "add", "path": format!("{place}/weight"), "value": weight}));
        }
        changes
    };
    let mut changes = set(&mut its().map(|it| (it.rule, it.place, weight)));
    changes.append(&mut annotate(
        "/metadata/annotations",
        route.has_annotations,
        &[(ACTION_ANNOTATION, &action.id)],
    ));
    // By then the generation is another one, by this very change.
    let uid = [("/metadata/uid", json!(object.uid))];
    let back = set(&mut its().map(|it| (it.rule, it.place, it.weight)));
    Ok(Draft {
        subject: Some(object.clone()),
        requests: vec![patch(path.clone(), &unchanged(object), changes)],
        undo: vec![patch(path, &uid, back)],
    })
}

fn workload(facts: &Facts) -> Result<&WorkloadFacts, String> {
    let workload = facts.workload.as_ref().ok_or("the workload is gone")?;
    known(&workload.object)?;
    Ok(workload)
}

/// A request about an object without a uid would be about whichever has the name.
fn known(object: &Object) -> Result<(), String> {
    if object.uid.is_empty() {
        return Err(format!(
            "{}/{} was read without its uid",
            object.kind, object.name
        ));
    }
    Ok(())
}

fn path(object: &Object) -> Result<String, String> {
    let resource = match &*object.kind {
        "Deployment" | "StatefulSet" => resource(&object.kind),
        _ => None,
    };
    let (group, resource) =
        resource.ok_or_else(|| format!("a {} is not changed by knothole", object.kind))?;
    Ok(format!(
        "/apis/{group}/v1/namespaces/{}/{resource}/{}",
        path_part(&object.namespace)?,
        path_part(&object.name)?
    ))
}

/// The group and the resource of a kind of workload, for those whose pods are touched.
pub(super) fn resource(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "Deployment" => Some(("apps", "deployments")),
        "StatefulSet" => Some(("apps", "statefulsets")),
        "Rollout" => Some(("argoproj.io", "rollouts")),
        _ => None,
    }
}
