//! What is read of a target, and that no more is asked than it takes.

use std::sync::atomic::AtomicBool;

use super::cluster::*;
use super::*;
use crate::core::event::{Remedy, Target};
use crate::core::remedy::facts::{Claim, Facts, Storage};
use crate::core::remedy::plan::{Scope, claim_name, permissions, permissions_wished};
use crate::edge::kube::KubeError;

#[tokio::test]
async fn a_pod_is_read_with_its_restarts_and_when_it_last_was_well() {
    let facts = Objects::new().look(&Remedy::RestartPod).await;
    assert_eq!(facts.at, START);
    let namespace = facts.namespace.unwrap();
    assert_eq!(
        *namespace.labels,
        [("knothole.dev/remediate".into(), "true".into())]
    );
    assert!(!namespace.is_terminating);
    let pod = facts.pod.unwrap();
    assert_eq!(pod.object, object("Pod", "cart-1", 0));
    assert_eq!(*pod.labels, [("app".into(), "cart".into())]);
    assert_eq!(pod.created, at("2026-11-18T10:00:00Z"));
    assert!(!pod.is_ready && !pod.is_deleting);
    assert_eq!(pod.ready_since, at("2026-11-18T11:00:00Z"));
    assert_eq!(pod.restarts, 5);
    assert_eq!(pod.last_ended, at("2026-11-18T10:59:58Z"));
    assert_eq!(pod.controller.as_deref(), Some("ReplicaSet"));
    assert_eq!(pod.priority_class.as_deref(), Some("high"));
    assert_eq!(pod.storage, Storage::None);
}

/// Each remedy, with what is read of the cluster for it and for no other.
fn remedies() -> Vec<(Remedy, Vec<&'static str>)> {
    let weight = Remedy::GatewayWeight {
        route: "r".into(),
        backend: "b".into(),
        weight: 1,
    };
    let sync = Remedy::ArgoSync {
        application: "a".into(),
    };
    vec![
        (Remedy::RestartPod, vec![BUDGETS, NODES, "lease"]),
        (Remedy::RestartWorkload, vec![NODES, "lease"]),
        (SCALE, vec![SCALERS, NODES, "lease"]),
        (Remedy::RollBack, vec![SETS, NODES, "lease"]),
        (weight, vec![ROUTE, NODES, "lease"]),
        (sync, vec![NODES, "lease"]),
        (Remedy::Webhook, vec![]),
    ]
}

#[tokio::test]
async fn each_remedy_asks_for_what_it_needs_and_no_more() {
    for (remedy, more) in remedies() {
        let mut objects = Objects::new();
        objects.put(SETS, json!({"items": []}));
        let lab = objects.lab().await;
        lab.kube.look(&target(), &remedy, START).await.unwrap();
        let lease = claim_name(&object("Deployment", "cart", 3));
        let lease = format!("{LEASES}/{lease}");
        let lines: Vec<String> = [NAMESPACE, POD, SET, DEPLOYMENT]
            .into_iter()
            .chain(more)
            .map(|path| format!("GET {}", path.replace("lease", &lease)))
            .collect();
        assert_eq!(lab.stub.lines(), lines, "{remedy:?}");
    }
}

/// `/apis/apps/v1/namespaces/shop/deployments/cart` → `get deployments.apps in namespace shop`.
fn permission(path: &str) -> String {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let (group, rest) = match &*parts {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        other => panic!("{other:?}"),
    };
    let dot = if group.is_empty() { "" } else { "." };
    match rest {
        ["namespaces", name] => format!("get namespaces in namespace {name}"),
        ["namespaces", namespace, plural] => {
            format!("list {plural}{dot}{group} in namespace {namespace}")
        }
        ["namespaces", namespace, plural, _] => {
            format!("get {plural}{dot}{group} in namespace {namespace}")
        }
        [plural] => format!("list {plural}{dot}{group}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_read_that_the_core_does_not_ask_permission_for() {
    let wished = permissions_wished();
    for (remedy, _) in remedies() {
        let mut objects = Objects::new();
        objects.put(SETS, json!({"items": []}));
        let lab = objects.lab().await;
        lab.kube.look(&target(), &remedy, START).await.unwrap();
        let scope = Scope {
            namespace: "shop",
            kind: Some("Deployment"),
            argo_namespace: None,
        };
        let all = permissions(&remedy, scope);
        let named: Vec<String> = all.iter().chain(&wished).map(ToString::to_string).collect();
        for asked in lab.stub.asked() {
            let needed = permission(&asked.path);
            assert!(named.contains(&needed), "{remedy:?}: {needed}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_none_and_no_error() {
    let objects = Objects::default();
    let facts = objects.look(&Remedy::RestartWorkload).await;
    let nothing = Facts {
        at: START,
        ..Facts::default()
    };
    assert_eq!(facts, nothing);
}

#[tokio::test]
async fn what_a_pod_loses_with_itself_is_known_by_what_is_written_to() {
    let mount = |is_read_only: bool| json!([{"name": "v", "readOnly": is_read_only}]);
    let claim = json!({"persistentVolumeClaim": {"claimName": "a"}});
    for (volume, mounts, storage) in [
        (json!({"emptyDir": {}}), mount(false), Storage::Local),
        (
            json!({"emptyDir": {"medium": "Memory"}}),
            mount(false),
            Storage::Local,
        ),
        (json!({"emptyDir": {}}), mount(true), Storage::None),
        (json!({"emptyDir": {}}), json!([]), Storage::None),
        (
            json!({"hostPath": {"path": "/"}}),
            mount(false),
            Storage::Local,
        ),
        (
            json!({"hostPath": {"path": "/"}}),
            mount(true),
            Storage::None,
        ),
        (json!({"projected": {}}), mount(false), Storage::None),
        (json!({"configMap": {}}), mount(false), Storage::None),
        (claim, mount(true), Storage::Claimed),
        (json!({"ephemeral": {}}), mount(false), Storage::Claimed),
    ] {
        for containers in ["containers", "initContainers"] {
            let mut named = volume.clone();
            named["name"] = json!("v");
            let mut objects = Objects::new();
            let spec = json!({"volumes": [named], containers: [{"volumeMounts": mounts}]});
            *objects.at(POD, "/spec") = spec.clone();
            *objects.at(DEPLOYMENT, "/spec/template/spec") = spec;
            let facts = objects.look(&Remedy::RestartPod).await;
            assert_eq!(facts.pod.unwrap().storage, storage, "{volume} {mounts}");
            let template = facts.workload.unwrap().template.unwrap();
            assert_eq!(template.storage, storage, "{volume} {mounts}");
        }
    }
}

#[tokio::test]
async fn only_budgets_that_select_the_pod_count() {
    let budget = |name: &str, selector: Value, observed: i64| {
        let mut budget = json!({
            "metadata": {"name": name, "generation": 2},
            "spec": {"selector": selector},
            "status": {"disruptionsAllowed": 1, "observedGeneration": observed},
        });
        if selector.is_null() {
            budget["spec"] = json!({});
        }
        budget
    };
    let mut objects = Objects::new();
    let not_in =
        json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]});
    objects.put(
        BUDGETS,
        json!({"items": [
            budget("own", json!({"matchLabels": {"app": "cart"}}), 2),
            budget("other", json!({"matchLabels": {"app": "till"}}), 2),
            budget("all", json!({}), 1),
            budget("expression", not_in, 2),
            budget("none", Value::Null, 2),
        ]}),
    );
    let facts = objects.look(&Remedy::RestartPod).await;
    let said: Vec<_> = facts
        .budgets
        .iter()
        .map(|it| (&*it.name, it.allowed, it.is_observed))
        .collect();
    assert_eq!(
        said,
        [("own", 1, true), ("all", 1, false), ("expression", 1, true)]
    );
}

#[tokio::test]
async fn only_autoscalers_of_the_very_workload_count() {
    let scaler = |name: &str, version: &str, kind: &str, of: &str| {
        json!({"metadata": {"name": name}, "spec": {"scaleTargetRef": {
            "apiVersion": version, "kind": kind, "name": of}}})
    };
    let mut objects = Objects::new();
    objects.put(
        SCALERS,
        json!({"items": [
            scaler("a", "apps/v1", "Deployment", "cart"),
            scaler("b", "apps/v1", "Deployment", "till"),
            scaler("c", "apps/v1", "StatefulSet", "cart"),
            scaler("d", "argoproj.io/v1alpha1", "Deployment", "cart"),
            scaler("e", "apps/v1beta2", "Deployment", "cart"),
        ]}),
    );
    let facts = objects.look(&SCALE).await;
    assert_eq!(facts.autoscalers, ["a".into(), "e".into()]);
}

#[tokio::test]
async fn a_claim_is_seen_until_it_is_given_back() {
    let lab = Objects::new().lab().await;
    let name = claim_name(&object("Deployment", "cart", 3));
    let path = format!("{LEASES}/{name}");
    let lease = |holder: Value| {
        json!({
            "metadata": {"name": name},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 600,
                     "renewTime": "2026-11-18T11:00:00.000000Z"},
        })
    };
    let look = async || {
        lab.kube
            .look(&target(), &Remedy::RestartPod, START)
            .await
            .unwrap()
    };
    assert_eq!(look().await.claim, None);
    lab.stub.put_lease(&path, lease(json!(ID)));
    let claim = Claim {
        action: ID.into(),
        at: at("2026-11-18T11:00:00Z").unwrap(),
        lasts: Duration::from_secs(600),
    };
    assert_eq!(look().await.claim, Some(claim));
    for holder in [Value::Null, json!("")] {
        lab.stub.put_lease(&path, lease(holder));
        assert_eq!(look().await.claim, None);
    }
}

#[tokio::test]
async fn nodes_of_two_versions_are_an_upgrade_where_they_may_be_seen() {
    let mut objects = Objects::new();
    let looked = objects.clone().look(&Remedy::RestartPod).await;
    assert_eq!(looked.is_upgrading, Some(false));
    objects.put(NODES, nodes(&["v1.36.4", "v1.37.0", "v1.36.4"]));
    let lab = objects.clone().lab().await;
    let facts = lab
        .kube
        .look(&target(), &Remedy::RestartPod, START)
        .await
        .unwrap();
    assert_eq!(facts.is_upgrading, Some(true));
    let asked = lab.stub.asked();
    let list = asked.iter().find(|it| it.path.starts_with(NODES)).unwrap();
    assert_eq!(
        list.header("accept"),
        Some("application/json;as=Table;v=v1;g=meta.k8s.io")
    );
}

#[tokio::test]
async fn nobody_says_that_no_upgrade_goes_on_who_may_not_look_and_one_refusal_is_not_for_good() {
    let refused = Arc::new(AtomicBool::new(true));
    let is_refused = Arc::clone(&refused);
    let lab = Lab::new(move |asked| {
        Some(match asked.path.starts_with(NODES) {
            _ if asked.path.contains("/leases/") => return None,
            true if is_refused.load(Ordering::SeqCst) => {
                Say::Json(403, status(403, "no", Value::Null))
            }
            true => Say::Json(200, nodes(&["v1.36.4", "v1.37.0"])),
            false => not_found(),
        })
    });
    let lab = lab.await;
    let look = async || {
        let looked = lab.kube.look(&target(), &Remedy::RestartPod, START).await;
        looked.unwrap().is_upgrading
    };
    assert_eq!(look().await, None);
    refused.store(false, Ordering::SeqCst);
    assert_eq!(look().await, Some(true));
}

#[tokio::test]
async fn a_missing_permission_is_an_error_that_names_it() {
    for (path, remedy, permission) in [
        (
            NAMESPACE,
            Remedy::RestartPod,
            "get namespaces in namespace shop",
        ),
        (POD, Remedy::RestartPod, "get pods in namespace shop"),
        (
            SET,
            Remedy::RestartPod,
            "get replicasets.apps in namespace shop",
        ),
        (
            DEPLOYMENT,
            Remedy::RestartPod,
            "get deployments.apps in namespace shop",
        ),
        (
            BUDGETS,
            Remedy::RestartPod,
            "list poddisruptionbudgets.policy in namespace shop",
        ),
        (
            SCALERS,
            SCALE,
            "list horizontalpodautoscalers.autoscaling in namespace shop",
        ),
        (
            SETS,
            Remedy::RollBack,
            "list replicasets.apps in namespace shop",
        ),
    ] {
        let mut objects = Objects::new();
        objects.put(path, json!(403));
        let lab = objects.lab().await;
        let error = lab.kube.look(&target(), &remedy, START).await.unwrap_err();
        let KubeError::Forbidden { doing, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(doing, permission);
    }
}

#[tokio::test]
async fn more_than_is_read_is_an_error_and_not_a_part_of_it() {
    let many: Vec<Value> = (0..501).map(|_| json!({"metadata": {}})).collect();
    let more = json!({"metadata": {"continue": "abc"}, "items": []});
    for list in [json!({"items": many}), more] {
        let mut objects = Objects::new();
        objects.put(BUDGETS, list);
        let lab = objects.lab().await;
        let error = lab
            .kube
            .look(&target(), &Remedy::RestartPod, START)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot list poddisruptionbudgets.policy in namespace shop: there are more than 500"
        );
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_not_asked_for() {
    let lab = Objects::new().lab().await;
    for (namespace, pod) in [
        ("shop", "../secrets/a"),
        ("..", "cart-1"),
        ("shop", ""),
        ("a/b", "c"),
    ] {
        let target = Target {
            namespace: namespace.into(),
            workload: None,
            pod: Some(pod.into()),
            pod_uid: None,
        };
        let error = lab
            .kube
            .look(&target, &Remedy::RestartPod, START)
            .await
            .unwrap_err();
        assert!(matches!(error, KubeError::Name(_)), "{error}");
    }
    assert!(
        lab.stub
            .lines()
            .iter()
            .all(|it| it == &format!("GET {NAMESPACE}"))
    );
}
