mod argo;
mod permission;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::core::remedy::check::fixture::{
    NOW, SCALE, Scene, abort, backend, gateway, mins, object, remedies,
};

fn drawn(scene: &Scene) -> Result<Draft, String> {
    draft(&scene.action, scene.facts.as_ref().unwrap())
}

fn plan(scene: &Scene) -> Draft {
    drawn(scene).unwrap()
}

/// The one request, as `METHOD path`, and its body.
fn sent(scene: &Scene) -> (String, String) {
    let plan = plan(scene);
    let [request] = plan.requests.as_slice() else {
        panic!("one request, not {:?}", plan.requests)
    };
    (shown(request), request.body.to_string())
}

fn shown(request: &Request) -> String {
    format!("{:?} {} {}", request.system, request.method, request.path)
}

fn error(scene: &Scene) -> String {
    drawn(scene).unwrap_err()
}

/// What a server makes of a JSON patch (RFC 6902), as far as ours go; none where a test fails.
fn patched(object: &Value, patch: &str) -> Option<Value> {
    let mut object = object.clone();
    let operations: Vec<Value> = serde_json::from_str(patch).unwrap();
    for it in operations {
        let (path, value) = (it["path"].as_str().unwrap(), it["value"].clone());
        if it["op"] == "test" {
            // A field that is missing is equal to null.
            if *object.pointer(path).unwrap_or(&Value::Null) != value {
                return None;
            }
            continue;
        }
        assert!(it["op"] == "add" || it["op"] == "replace", "{it}");
        let (parent, key) = path.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let parent = object.pointer_mut(parent)?.as_object_mut()?;
        if it["op"] == "replace" {
            parent.get(&key)?;
        }
        parent.insert(key, value);
    }
    Some(object)
}

fn deployment() -> Value {
    json!({
        "metadata": {"uid": "uid-of-cart", "generation": 7},
        "spec": {
            "replicas": 4,
            "template": {"metadata": {"labels": {"app": "cart"}}, "spec": {"image": "bad"}},
        },
    })
}

#[test]
fn a_pod_is_evicted_and_not_deleted_and_only_the_one_of_that_uid() {
    let scene = Scene::healthy(Remedy::RestartPod);
    assert_eq!(
        sent(&scene),
        (
            "Kubernetes POST /api/v1/namespaces/shop/pods/cart-1/eviction".to_owned(),
            r#"{"apiVersion":"policy/v1","deleteOptions":{"preconditions":{"uid":"uid-of-cart-1"}},"kind":"Eviction","metadata":{"name":"cart-1","namespace":"shop"}}"#.to_owned()
        )
    );
    assert_eq!(
        plan(&scene).subject.unwrap(),
        scene.facts.unwrap().pod.unwrap().object
    );
}

#[test]
fn a_restart_sets_what_kubectl_sets_and_the_action_whether_or_not_there_are_annotations() {
    let mut scene = Scene::healthy(Remedy::RestartWorkload);
    let (path, body) = sent(&scene);
    assert_eq!(
        path,
        "Kubernetes PATCH /apis/apps/v1/namespaces/shop/deployments/cart"
    );
    assert_eq!(
        &*plan(&scene).requests[0].content_type,
        "application/json-patch+json"
    );
    let annotations = json!({
        "kubectl.kubernetes.io/restartedAt": "2025-11-21T04:39:00Z",
        "knothole.dev/action-id": "00112233445566778899aabbccddeeff",
    });
    let restarted = patched(&deployment(), &body).unwrap();
    assert_eq!(
        restarted["spec"]["template"]["metadata"]["annotations"],
        annotations
    );

    scene.workload().has_template_annotations = true;
    let mut before = deployment();
    before["spec"]["template"]["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/restartedAt": "old", "a": "b"});
    let restarted = patched(&before, &sent(&scene).1).unwrap();
    let mut expected = annotations;
    expected["a"] = json!("b");
    assert_eq!(
        restarted["spec"]["template"]["metadata"]["annotations"],
        expected
    );

    scene.workload().object.kind = "StatefulSet".into();
    let (path, _) = sent(&scene);
    assert_eq!(
        path,
        "Kubernetes PATCH /apis/apps/v1/namespaces/shop/statefulsets/cart"
    );
}

#[test]
fn what_was_changed_or_made_anew_since_is_not_patched() {
    for remedy in [Remedy::RestartWorkload, Remedy::RollBack, SCALE] {
        let (_, body) = sent(&Scene::healthy(remedy.clone()));
        assert!(patched(&deployment(), &body).is_some(), "{remedy:?}");
        let mut another = deployment();
        another["metadata"]["uid"] = json!("another");
        assert_eq!(patched(&another, &body), None, "{remedy:?}");
        let mut changed = deployment();
        if remedy == SCALE {
            changed["spec"]["replicas"] = json!(5);
        } else {
            changed["metadata"]["generation"] = json!(8);
        }
        assert_eq!(patched(&changed, &body), None, "{remedy:?}");
    }
}

#[test]
fn scaling_stays_within_the_owners_bound_and_is_undone_by_its_inverse() {
    let wanted = |current: u32, by: u32, max: u32| {
        let mut scene = Scene::healthy(Remedy::Scale { by, max });
        scene.workload().replicas = current;
        let plan = drawn(&scene)?;
        let mut before = deployment();
        before["spec"]["replicas"] = json!(current);
        let after = patched(&before, &plan.requests[0].body).unwrap();
        let undone = patched(&after, &plan.undo[0].body).unwrap();
        assert_eq!(undone, before);
        // What somebody else has scaled since is not undone.
        assert_eq!(patched(&before, &plan.undo[0].body), None);
        assert_eq!(
            shown(&plan.requests[0]),
            "Kubernetes PATCH /apis/apps/v1/namespaces/shop/deployments/cart/scale"
        );
        Ok::<_, String>(after["spec"]["replicas"].as_u64().unwrap())
    };
    assert_eq!(wanted(4, 1, 6), Ok(5));
    assert_eq!(wanted(4, 5, 6), Ok(6));
    assert_eq!(wanted(4, u32::MAX, 6), Ok(6));
    for (current, by, max, why) in [
        (
            6,
            1,
            6,
            "it has 6 replicas already, and at most 6 are allowed",
        ),
        (
            9,
            1,
            6,
            "it has 9 replicas already, and at most 6 are allowed",
        ),
        (
            4,
            0,
            6,
            "it has 4 replicas already, and at most 6 are allowed",
        ),
        (
            0,
            2,
            6,
            "it is scaled to nothing, which is left to whoever did so",
        ),
    ] {
        assert_eq!(wanted(current, by, max), Err(why.to_owned()));
    }
}

#[test]
fn a_roll_back_gives_the_template_of_before_untouched_so_that_its_replicaset_is_found_again() {
    let mut scene = Scene::healthy(Remedy::RollBack);
    let before = scene.workload().previous.clone().unwrap().template;
    let (path, body) = sent(&scene);
    assert_eq!(
        path,
        "Kubernetes PATCH /apis/apps/v1/namespaces/shop/deployments/cart"
    );
    let back = patched(&deployment(), &body).unwrap();
    assert_eq!(back["spec"]["template"], before);
    let noted = json!({"knothole.dev/action-id": "00112233445566778899aabbccddeeff"});
    assert_eq!(back["metadata"]["annotations"], noted);

    scene.workload().has_annotations = true;
    let mut annotated = deployment();
    annotated["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "4"});
    let back = patched(&annotated, &sent(&scene).1).unwrap();
    assert_eq!(
        back["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "4"
    );

    scene.workload().previous.as_mut().unwrap().template = Value::Null;
    assert_eq!(
        error(&scene),
        "the template of the revision before was not read"
    );
    scene.workload().previous = None;
    assert_eq!(error(&scene), "no revision before this one is kept");
    scene.workload().object.kind = "StatefulSet".into();
    assert_eq!(
        error(&scene),
        "a StatefulSet keeps no revision to go back to"
    );
}

#[test]
fn a_rollout_is_aborted_the_way_its_plugin_does_it_and_is_undone_by_a_retry() {
    let mut scene = Scene::healthy(abort());
    let (path, body) = sent(&scene);
    assert_eq!(
        path,
        "Kubernetes PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/cart/status"
    );
    let rollout = json!({
        "metadata": {"uid": "uid-of-cart", "generation": 7},
        "status": {"phase": "Progressing"},
    });
    let aborted = patched(&rollout, &body).unwrap();
    assert_eq!(
        aborted["status"],
        json!({"phase": "Progressing", "abort": true})
    );
    let undone = patched(&aborted, &plan(&scene).undo[0].body).unwrap();
    assert_eq!(undone["status"]["abort"], false);

    scene.workload().object.name = "ledger".into();
    assert_eq!(
        error(&scene),
        "Rollout/ledger was read instead of rollout cart"
    );
}

#[test]
fn a_weight_is_set_in_each_rule_that_has_the_backend_and_is_undone_by_the_old_ones() {
    let mut scene = Scene::healthy(gateway(5));
    let backends = vec![
        backend(0, 0, "cart", 90),
        backend(0, 1, "cart-canary", 20),
        backend(2, 0, "cart-canary", 5),
    ];
    scene.facts().route.as_mut().unwrap().backends = backends;
    let (path, body) = sent(&scene);
    assert_eq!(
        path,
        "Kubernetes PATCH /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/shop"
    );
    let expected = json!([
        {"op": "test", "path": "/metadata/uid", "value": "uid-of-shop"},
        {"op": "test", "path": "/metadata/generation", "value": 7},
        {"op": "test", "path": "/spec/rules/0/backendRefs/1/name", "value": "cart-canary"},
        {"op": "add", "path": "/spec/rules/0/backendRefs/1/weight", "value": 5},
        {"op": "test", "path": "/spec/rules/2/backendRefs/0/name", "value": "cart-canary"},
        {"op": "add", "path": "/spec/rules/2/backendRefs/0/weight", "value": 5},
        {"op": "add", "path": "/metadata/annotations", "value":
            {"knothole.dev/action-id": "00112233445566778899aabbccddeeff"}},
    ]);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    let undo: Vec<Value> = serde_json::from_str(&plan(&scene).undo[0].body).unwrap();
    let weights: Vec<_> = undo.iter().filter(|it| it["op"] == "add").collect();
    assert_eq!([&weights[0]["value"], &weights[1]["value"]], [20, 5]);
    // The generation has risen by then.
    assert!(undo.iter().all(|it| it["path"] != "/metadata/generation"));

    let route = scene.facts().route.as_mut().unwrap();
    route.backends[1].weight = 5;
    assert_eq!(error(&scene), "cart-canary has the weight 5 already");
    scene.facts().route.as_mut().unwrap().backends.truncate(1);
    assert_eq!(
        error(&scene),
        "no rule of the route has the backend cart-canary"
    );
    scene.facts().route.as_mut().unwrap().backends[0].service = "cart-canary".into();
    scene.action.remedy = gateway(1_000_000);
    assert!(drawn(&scene).is_ok());
    scene.action.remedy = gateway(1_000_001);
    assert_eq!(error(&scene), "a weight is at most 1000000");
    scene.facts().route.as_mut().unwrap().object.name = "bank".into();
    assert_eq!(error(&scene), "route bank was read instead of shop");
    scene.facts().route = None;
    assert_eq!(error(&scene), "there is no such route");
}

#[test]
fn a_jenkins_job_is_told_what_it_is_for() {
    let mut scene = Scene::healthy(Remedy::JenkinsJob {
        job: "ops/restart a service".into(),
    });
    scene.action.incident = Some("a&b=c d%".into());
    assert_eq!(
        sent(&scene),
        (
            "Jenkins POST /job/ops/job/restart%20a%20service/buildWithParameters".to_owned(),
            "KNOTHOLE_ACTION_ID=00112233445566778899aabbccddeeff&KNOTHOLE_INCIDENT=a%26b%3Dc%20d%25\
             &KNOTHOLE_NAMESPACE=shop&KNOTHOLE_WORKLOAD=Deployment%2Fcart"
                .to_owned()
        )
    );
    for job in ["", "a//b", "/a", "a/", "..", "a/../b", "."] {
        scene.action.remedy = Remedy::JenkinsJob { job: job.into() };
        assert!(error(&scene).ends_with("is no name of an object"), "{job}");
    }
    scene.action.remedy = Remedy::JenkinsJob {
        job: vec!["a"; 16].join("/").into(),
    };
    assert!(drawn(&scene).is_ok());
    scene.action.remedy = Remedy::JenkinsJob {
        job: vec!["a"; 17].join("/").into(),
    };
    assert_eq!(error(&scene), "a job lies in at most 16 folders");
}

#[test]
fn a_flux_receiver_is_told_by_its_own_path_alone() {
    let mut scene = Scene::healthy(remedies()[8].clone());
    assert_eq!(
        sent(&scene),
        (
            "Flux POST /hook/0a1b".to_owned(),
            r#"{"action":"00112233445566778899aabbccddeeff","incident":"0a0b0c","namespace":"shop","workload":"Deployment/cart"}"#.to_owned()
        )
    );
    for path in [
        "",
        "/",
        "/hook/",
        "hook/a",
        "/hook/../x",
        "/hook/a/b",
        "/hook/a?b",
        "/hook/a#",
        "/hook/ä",
        "//evil/hook/a",
    ] {
        scene.action.remedy = Remedy::FluxReceiver { path: path.into() };
        assert_eq!(
            error(&scene),
            "a receiver's path is /hook/ and its digits",
            "{path}"
        );
    }
}

#[test]
fn a_webhook_takes_no_request_and_names_what_it_is_about() {
    let plan = plan(&Scene::healthy(Remedy::Webhook));
    assert_eq!(plan.requests, []);
    assert_eq!(plan.subject, Some(object("Deployment", "cart")));
}

#[test]
fn what_is_gone_or_has_no_uid_gives_no_plan() {
    for remedy in remedies() {
        let mut scene = Scene::healthy(remedy);
        let is_ours = scene.case().reach() != crate::core::remedy::case::Reach::Elsewhere;
        scene.facts = Some(Facts::default());
        assert_eq!(drawn(&scene).is_err(), is_ours, "{:?}", scene.action.remedy);
    }
    for remedy in [
        Remedy::RestartPod,
        Remedy::RestartWorkload,
        SCALE,
        Remedy::RollBack,
        abort(),
    ] {
        let mut scene = Scene::healthy(remedy);
        scene.pod().object.uid = "".into();
        scene.workload().object.uid = "".into();
        assert!(error(&scene).ends_with("was read without its uid"));
    }
}

#[test]
fn a_plan_drawn_up_again_is_the_same_until_its_object_changes() {
    for remedy in remedies() {
        let scene = Scene::healthy(remedy.clone());
        let first = hash(&plan(&scene));
        assert_eq!(first.len(), 32);
        let mut later = scene.clone();
        later.now = NOW.plus(mins(10));
        later.facts().at = NOW.plus(mins(10));
        later.workload().ready = 2;
        assert_eq!(hash(&plan(&later)), first, "{remedy:?}");
        if plan(&scene).requests.is_empty() {
            continue;
        }
        let mut another = scene.clone();
        another.workload().object.generation += 1;
        another.pod().object.uid = "another".into();
        another.facts().route.as_mut().unwrap().object.generation += 1;
        assert_ne!(hash(&plan(&another)), first, "{remedy:?}");
    }
}

#[test]
fn the_plans_of_all_remedies_differ() {
    let hashes: BTreeSet<_> = remedies()
        .into_iter()
        .map(|it| hash(&plan(&Scene::healthy(it))))
        .collect();
    assert_eq!(hashes.len(), remedies().len());
}

#[test]
fn keys_are_written_in_order_whatever_order_they_came_in() {
    let text = r#"{"b":1,"a":[{"d":1,"c":2}]}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(&*written(value), r#"{"a":[{"c":2,"d":1}],"b":1}"#);
}

#[test]
fn a_claim_is_named_by_the_workloads_uid_alone() {
    let mut workload = object("Deployment", "cart");
    let name = claim_name(&workload);
    assert_eq!(name.len(), "knothole-".len() + 32);
    assert!(super::super::ask::is_object_name(&name));
    workload.generation += 1;
    assert_eq!(claim_name(&workload), name);
    workload.uid = "another".into();
    assert_ne!(claim_name(&workload), name);
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[./%?#&=\\\\ ]{0,6}",
        Just("../kube-system".to_owned()),
        Just("%2e%2e".to_owned()),
        "[a-z]{1,4}",
    ]
}

/// What a server reads a part of a path as.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, after) {
            let digits = [*high, *low];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #[test]
    fn no_name_breaks_out_of_its_place_in_a_path(
        namespace in hostile(), name in hostile(), which in 0..remedies().len()
    ) {
        let mut remedy = remedies()[which].clone();
        match &mut remedy {
            Remedy::ArgoSync { application }
            | Remedy::ArgoRollBack { application }
            | Remedy::ArgoAction { application, .. } => *application = name.as_str().into(),
            Remedy::AbortRollout { rollout: it } | Remedy::GatewayWeight { route: it, .. } => {
                *it = name.as_str().into();
            }
            Remedy::JenkinsJob { job } => *job = format!("ops/{}", name.replace('/', "")).into(),
            _ => {}
        }
        let tame = Scene::healthy(remedies()[which].clone());
        let mut scene = tame.clone();
        scene.action.remedy = remedy;
        let facts = scene.facts.as_mut().unwrap();
        for object in [
            &mut facts.pod.as_mut().unwrap().object,
            &mut facts.workload.as_mut().unwrap().object,
            &mut facts.route.as_mut().unwrap().object,
        ] {
            object.namespace = namespace.as_str().into();
            object.name = name.as_str().into();
        }
        let Ok(drawn) = drawn(&scene) else { return Ok(()) };
        for (hostile, tame) in drawn.requests.iter().zip(&plan(&tame).requests) {
            let path = &hostile.path;
            prop_assert!(!path.contains(['?', '#', '\\', ' ']) && path.is_ascii(), "{}", path);
            let (ours, theirs): (Vec<_>, Vec<_>) =
                (path.split('/').collect(), tame.path.split('/').collect());
            prop_assert_eq!(ours.len(), theirs.len(), "{}", path);
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                let read = decoded(ours);
                prop_assert!(read != "." && read != "..", "{}", path);
                let names = [&namespace, &name, &name.replace('/', "")];
                prop_assert!(ours == theirs || names.contains(&&read), "{}", path);
            }
        }
    }

    #[test]
    fn no_two_drafts_share_a_hash(a in drafts(), b in drafts()) {
        let is_same = a.subject == b.subject && a.requests == b.requests;
        prop_assert_eq!(hash(&a) == hash(&b), is_same);
    }
}

/// Few short texts in many places, so that what is moved from one place to the next is found.
fn drafts() -> impl Strategy<Value = Draft> {
    let part = || prop_oneof![Just(""), Just("a"), Just("aa")];
    let request = (part(), part(), part(), part(), any::<bool>()).prop_map(|it| Request {
        system: if it.4 {
            System::Kubernetes
        } else {
            System::Flux
        },
        method: it.0.into(),
        path: it.1.into(),
        content_type: it.2.into(),
        body: it.3.into(),
    });
    let object = (part(), part(), part(), part(), 0..2_i64).prop_map(|it| Object {
        kind: it.0.into(),
        namespace: it.1.into(),
        name: it.2.into(),
        uid: it.3.into(),
        generation: it.4,
    });
    let requests = proptest::collection::vec(request, 0..3);
    (proptest::option::of(object), requests).prop_map(|(subject, requests)| Draft {
        subject,
        requests,
        undo: vec![],
    })
}

#[test]
fn a_byte_moved_to_the_next_part_gives_another_hash() {
    let of = |method: &str, path: &str, body: &str| {
        hash(&Draft {
            requests: vec![Request {
                system: System::Kubernetes,
                method: method.into(),
                path: path.into(),
                content_type: "".into(),
                body: body.into(),
            }],
            ..Draft::default()
        })
    };
    let all = [
        of("ab", "c", ""),
        of("a", "bc", ""),
        of("", "abc", ""),
        of("a", "b", "c"),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    let undone = Draft {
        undo: plan(&Scene::healthy(SCALE)).undo,
        ..Draft::default()
    };
    assert_eq!(
        hash(&undone),
        hash(&Draft::default()),
        "what undoes it is not what is approved"
    );
}
