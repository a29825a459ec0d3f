//! What is asked of Argo CD: through the Application object where it was read from the cluster, else
//! through the API of Argo CD.

use serde_json::{Value, json};

use super::text::path_part;
use super::{Draft, patch, post, workload};
use crate::core::event::{Action, Object, Request, System};
use crate::core::remedy::facts::{ArgoFacts, Facts};

/// The application is synced with what its source says now. Nothing is pruned.
pub(super) fn sync(action: &Action, facts: &Facts, application: &str) -> Result<Draft, String> {
    let argo = read(facts)?;
    let info = json!([{"name": super::ACTION_ANNOTATION, "value": action.id}]);
    let request = match &argo.object {
        Some(object) => operate(
            object,
            application,
            json!({
                "info": info,
                "initiatedBy": {"username": "knothole"},
                "sync": {"prune": false},
            }),
        )?,
        None => ask(
            argo,
            application,
            "sync",
            json!({"infos": info, "prune": false, "dryRun": false}),
        )?,
    };
    Ok(draft(facts, request, vec![]))
}

/// The application goes back to the revision before, which lasts until somebody syncs it.
pub(super) fn roll_back(
    action: &Action,
    facts: &Facts,
    application: &str,
) -> Result<Draft, String> {
    let argo = read(facts)?;
    if argo.is_automated {
        return Err("Argo CD rolls nothing back that it syncs by itself: revert in Git".to_owned());
    }
    let previous = argo
        .previous
        .ok_or("its history knows no revision before")?;
    let request = match &argo.object {
        Some(object) => {
            let source = argo
                .previous_source
                .as_ref()
                .filter(|it| it.is_object())
                .ok_or("its history does not say from which source the revision before came")?;
            let info = json!([{"name": super::ACTION_ANNOTATION, "value": action.id}]);
            operate(
                object,
                application,
                json!({
                    "info": info,
                    "initiatedBy": {"username": "knothole"},
                    "sync": {
                        "prune": false,
                        "revision": argo.previous_revision,
                        "source": source,
                        "syncStrategy": {"apply": {}},
                    },
                }),
            )?
        }
        None => ask(
            argo,
            application,
            "rollback",
            json!({"id": previous, "prune": false, "dryRun": false}),
        )?,
    };
    let undo = sync(action, facts, application)?.requests;
    Ok(draft(facts, request, undo))
}

/// One of the actions that Argo CD knows for the kind of the resource. Argo CD's own server carries these out,
/// so that there is no way through the object.
pub(super) fn run(
    action: &Action,
    facts: &Facts,
    (application, name): (&str, &str),
) -> Result<Draft, String> {
    let argo = read(facts)?;
    if argo.object.is_some() {
        return Err("an action of a resource needs the API of Argo CD".to_owned());
    }
    let request = act(action, argo, (application, name))?;
    let undo = match name {
        "pause" => vec![act(action, argo, (application, "resume"))?],
        "resume" => vec![act(action, argo, (application, "pause"))?],
        "abort" => vec![act(action, argo, (application, "retry"))?],
        _ => vec![],
    };
    Ok(draft(facts, request, undo))
}

fn act(
    action: &Action,
    argo: &ArgoFacts,
    (application, name): (&str, &str),
) -> Result<Request, String> {
    let (kind, workload) = action
        .target
        .workload
        .as_ref()
        .ok_or("no workload is named")?;
    let (group, version, kind) = match name {
        "restart" | "pause" | "resume" => ("apps", "v1", &**kind),
        "abort" | "retry" | "promote-full" => ("argoproj.io", "v1alpha1", "Rollout"),
        _ => return Err(format!("{name:?} is no action that knothole asks for")),
    };
    ask(
        argo,
        application,
        "resource/actions/v2",
        json!({
            "action": name,
            "group": group,
            "kind": kind,
            "namespace": action.target.namespace,
            "resourceName": workload,
            "version": version,
        }),
    )
}

fn read(facts: &Facts) -> Result<&ArgoFacts, String> {
    facts
        .argo
        .as_ref()
        .ok_or_else(|| "the application was not read".to_owned())
}

/// An operation is set where none is: the controller takes it from there.
fn operate(object: &Object, application: &str, operation: Value) -> Result<Request, String> {
    if *object.name != *application {
        return Err(format!(
            "application {} was read instead of {application}",
            object.name
        ));
    }
    if object.uid.is_empty() {
        return Err(format!(
            "application {application} was read without its uid"
        ));
    }
    let path = format!(
        "/apis/argoproj.io/v1alpha1/namespaces/{}/applications/{}",
        path_part(&object.namespace)?,
        path_part(&object.name)?
    );
    // Neither generation nor version: the controller writes its status into the object all the time. A
    // missing field is equal to null.
    let tests = [
        ("/metadata/uid", json!(object.uid)),
        ("/operation", Value::Null),
    ];
    let change = json!({"op": "add", "path": "/operation", "value": operation});
    Ok(patch(path, &tests, vec![change]))
}

fn ask(
    argo: &ArgoFacts,
    application: &str,
    what: &str,
    mut body: Value,
) -> Result<Request, String> {
    if let Some(fields) = body.as_object_mut() {
        let known = [
            ("appNamespace", &argo.namespace),
            ("project", &argo.project),
        ];
        for (key, value) in known.into_iter().filter(|(_, value)| !value.is_empty()) {
            fields.insert(key.to_owned(), json!(value));
        }
    }
    let path = format!("/api/v1/applications/{}/{what}", path_part(application)?);
    Ok(post(System::ArgoCd, path, body))
}

fn draft(facts: &Facts, request: Request, undo: Vec<Request>) -> Draft {
    let application = facts.argo.as_ref().and_then(|it| it.object.clone());
    Draft {
        subject: application.or_else(|| workload(facts)),
        requests: vec![request],
        undo,
    }
}
