//! What is asked of the owner's other systems.

use serde_json::json;

use super::text::{encoded, path_part};
use super::{Draft, post, workload};
use crate::core::event::{Action, Request, System};
use crate::core::remedy::facts::Facts;

/// Most parts of a job's name, folders and all.
const FOLDERS_MAX: usize = 16;

/// The job is started with what it needs to know. The action's id lets it tell a repetition.
pub(super) fn jenkins_job(action: &Action, facts: &Facts, job: &str) -> Result<Draft, String> {
    let parts: Vec<&str> = job.split('/').collect();
    if parts.len() > FOLDERS_MAX {
        return Err(format!("a job lies in at most {FOLDERS_MAX} folders"));
    }
    let mut path = String::new();
    for part in parts {
        path.push_str("/job/");
        path.push_str(&path_part(part)?);
    }
    path.push_str("/buildWithParameters");
    let target = &action.target;
    let workload_named = target
        .workload
        .as_ref()
        .map(|(kind, name)| format!("{kind}/{name}"));
    let form = [
        ("KNOTHOLE_ACTION_ID", &*action.id),
        (
            "KNOTHOLE_INCIDENT",
            action.incident.as_deref().unwrap_or(""),
        ),
        ("KNOTHOLE_NAMESPACE", &*target.namespace),
        ("KNOTHOLE_WORKLOAD", workload_named.as_deref().unwrap_or("")),
    ];
    let form: Vec<String> = form
        .into_iter()
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .collect();
    Ok(Draft {
        subject: workload(facts),
        requests: vec![Request {
            system: System::Jenkins,
            method: "POST".into(),
            path: path.into(),
            content_type: "application/x-www-form-urlencoded".into(),
            body: form.join("&").into(),
        }],
        undo: vec![],
    })
}

/// The receiver is told, and has Flux reconcile what it is for.
pub(super) fn flux_receiver(action: &Action, facts: &Facts, path: &str) -> Result<Draft, String> {
    let is_hook = path.strip_prefix("/hook/").is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    if !is_hook {
        return Err("a receiver's path is /hook/ and its digits".to_owned());
    }
    let target = &action.target;
    let body = json!({
        "action": action.id,
        "incident": action.incident,
        "namespace": target.namespace,
        "workload": target.workload.as_ref().map(|(kind, name)| format!("{kind}/{name}")),
    });
    Ok(Draft {
        subject: workload(facts),
        requests: vec![post(System::Flux, path.to_owned(), body)],
        undo: vec![],
    })
}
