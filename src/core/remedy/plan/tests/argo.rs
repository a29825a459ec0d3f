use super::*;
use crate::core::remedy::check::fixture::argo_action;
use crate::core::remedy::facts::ArgoFacts;

#[test]
fn argo_is_asked_by_its_api_and_never_prunes() {
    let [sync, back] = [remedies()[4].clone(), remedies()[5].clone()];
    let of = |remedy: &Remedy| sent(&Scene::healthy(remedy.clone()));
    assert_eq!(
        of(&sync),
        (
            "ArgoCd POST /api/v1/applications/cart/sync".to_owned(),
            r#"{"appNamespace":"argocd","dryRun":false,"infos":[{"name":"knothole.dev/action-id","value":"00112233445566778899aabbccddeeff"}],"project":"default","prune":false}"#.to_owned()
        )
    );
    assert_eq!(
        of(&back),
        (
            "ArgoCd POST /api/v1/applications/cart/rollback".to_owned(),
            r#"{"appNamespace":"argocd","dryRun":false,"id":4,"project":"default","prune":false}"#
                .to_owned()
        )
    );
    assert_eq!(
        of(&argo_action("restart")),
        (
            "ArgoCd POST /api/v1/applications/cart/resource/actions/v2".to_owned(),
            r#"{"action":"restart","appNamespace":"argocd","group":"apps","kind":"Deployment","namespace":"shop","project":"default","resourceName":"cart","version":"v1"}"#.to_owned()
        )
    );
    let undo = &plan(&Scene::healthy(back)).undo;
    assert_eq!(
        shown(&undo[0]),
        "ArgoCd POST /api/v1/applications/cart/sync"
    );
}

#[test]
fn argo_knows_only_actions_of_the_closed_set_and_each_for_its_kind() {
    for (action, group, kind, undo) in [
        ("restart", "apps", "Deployment", None),
        ("pause", "apps", "Deployment", Some("resume")),
        ("resume", "apps", "Deployment", Some("pause")),
        ("abort", "argoproj.io", "Rollout", Some("retry")),
        ("retry", "argoproj.io", "Rollout", None),
        ("promote-full", "argoproj.io", "Rollout", None),
    ] {
        let plan = plan(&Scene::healthy(argo_action(action)));
        let body: Value = serde_json::from_str(&plan.requests[0].body).unwrap();
        assert_eq!([&body["group"], &body["kind"]], [group, kind], "{action}");
        let undone = plan.undo.first().map(|it| {
            let body: Value = serde_json::from_str(&it.body).unwrap();
            body["action"].as_str().unwrap().to_owned()
        });
        assert_eq!(undone.as_deref(), undo, "{action}");
    }
    let why = error(&Scene::healthy(argo_action("delete")));
    assert_eq!(why, "\"delete\" is no action that knothole asks for");
}

#[test]
fn argo_is_asked_by_its_object_where_that_was_read_and_waits_for_what_is_under_way() {
    let by_object = |remedy: &Remedy| {
        let mut scene = Scene::healthy(remedy.clone());
        scene.facts().argo = Some(ArgoFacts {
            object: Some(Object {
                namespace: "argocd".into(),
                ..object("Application", "cart")
            }),
            previous: Some(4),
            previous_revision: "0badc0de".into(),
            previous_source: Some(json!({"repoURL": "https://git.example/cart", "path": "."})),
            ..ArgoFacts::default()
        });
        scene
    };
    let application = json!({"metadata": {"uid": "uid-of-cart", "generation": 900}});
    let scene = by_object(&remedies()[4]);
    let (path, body) = sent(&scene);
    assert_eq!(
        path,
        "Kubernetes PATCH /apis/argoproj.io/v1alpha1/namespaces/argocd/applications/cart"
    );
    let synced = patched(&application, &body).unwrap();
    let info = json!([{"name": "knothole.dev/action-id", "value": scene.action.id}]);
    let username = json!({"username": "knothole"});
    assert_eq!(
        synced["operation"],
        json!({"info": info, "initiatedBy": username, "sync": {"prune": false}})
    );
    // One that is under way is not replaced.
    assert_eq!(patched(&synced, &body), None);

    let mut scene = by_object(&remedies()[5]);
    let back = patched(&application, &sent(&scene).1).unwrap();
    assert_eq!(
        back["operation"]["sync"],
        json!({
            "prune": false,
            "revision": "0badc0de",
            "source": {"repoURL": "https://git.example/cart", "path": "."},
            "syncStrategy": {"apply": {}},
        })
    );
    scene.facts().argo.as_mut().unwrap().previous_source = None;
    assert_eq!(
        error(&scene),
        "its history does not say from which source the revision before came"
    );
    let why = error(&by_object(&argo_action("restart")));
    assert_eq!(why, "an action of a resource needs the API of Argo CD");

    let mut scene = by_object(&remedies()[4]);
    scene
        .facts()
        .argo
        .as_mut()
        .unwrap()
        .object
        .as_mut()
        .unwrap()
        .name = "bank".into();
    assert_eq!(error(&scene), "application bank was read instead of cart");
    scene.facts().argo = None;
    assert_eq!(error(&scene), "the application was not read");
}

#[test]
fn argo_rolls_nothing_back_that_it_syncs_by_itself() {
    let mut scene = Scene::healthy(remedies()[5].clone());
    scene.facts().argo.as_mut().unwrap().is_automated = true;
    assert_eq!(
        error(&scene),
        "Argo CD rolls nothing back that it syncs by itself: revert in Git"
    );
    scene.facts().argo.as_mut().unwrap().is_automated = false;
    scene.facts().argo.as_mut().unwrap().previous = None;
    assert_eq!(error(&scene), "its history knows no revision before");
}
