//! What is read of workloads, and of what stands for one.

use super::cluster::*;
use super::*;
use crate::core::event::Remedy;
use crate::core::remedy::facts::{Manager, Storage};

#[tokio::test]
async fn the_workload_is_the_one_that_the_cluster_says() {
    let facts = Objects::new().look(&Remedy::RestartPod).await;
    let workload = facts.workload.unwrap();
    assert_eq!(workload.object, object("Deployment", "cart", 3));
    assert_eq!(
        (workload.replicas, workload.ready, workload.updated),
        (4, 3, 4)
    );
    assert!(workload.is_observed && !workload.is_paused && !workload.has_failed);
    assert!(workload.has_annotations && workload.has_template_annotations);
    assert_eq!(workload.annotated.as_deref(), Some("before"));
    assert_eq!(workload.template_annotated.as_deref(), Some("restarted"));
    assert_eq!(workload.managed_by, None);
    assert_eq!(workload.away_max, Some(1), "49 % of 4, rounded down");
    assert_eq!(
        workload.template.unwrap().priority_class.as_deref(),
        Some("high")
    );
    assert_eq!(workload.previous, None, "it was not asked for");
}

#[tokio::test]
async fn where_there_is_no_pod_the_named_workload_is_read() {
    let mut objects = Objects::new();
    objects.0.remove(POD);
    let facts = objects.clone().look(&Remedy::RestartWorkload).await;
    assert_eq!(facts.workload.unwrap().object.name.as_ref(), "cart");
    for kind in ["DaemonSet", "Job", "Secret", "CronJob"] {
        let lab = objects.clone().lab().await;
        let mut target = target();
        target.workload = Some((kind.into(), "cart".into()));
        let facts = lab
            .kube
            .look(&target, &Remedy::Webhook, START)
            .await
            .unwrap();
        assert_eq!(facts.workload, None);
        assert_eq!(lab.stub.lines().len(), 2, "{kind} is not read");
    }
}

#[tokio::test]
async fn a_pod_of_somebody_else_does_not_lend_them_the_workload_that_is_named() {
    let owners = "/metadata/ownerReferences";
    let rollout = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "cart",
                          "uid": "uid-cart", "controller": true}]);
    let daemon = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "cart",
                         "uid": "uid-cart", "controller": true}]);
    let anew = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-2",
                       "uid": "uid-other", "controller": true}]);
    let mirror = json!([{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "b",
                         "controller": true}]);
    let loose = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-2",
                        "uid": "uid-cart-2"}]);
    for (path, owner) in [
        (SET, rollout),
        (POD, daemon),
        (POD, anew),
        (POD, mirror),
        (POD, loose),
        (POD, json!([])),
    ] {
        let mut objects = Objects::new();
        *objects.at(path, owners) = owner.clone();
        let facts = objects.look(&Remedy::RestartPod).await;
        assert_eq!(facts.workload, None, "{owner}");
        assert_eq!(facts.claim, None);
    }
}

#[tokio::test]
async fn a_replica_set_of_nobody_is_a_workload_of_its_own() {
    let mut objects = Objects::new();
    *objects.at(SET, "/metadata/ownerReferences") = json!([]);
    let facts = objects.look(&Remedy::RestartPod).await;
    assert_eq!(&*facts.workload.unwrap().object.kind, "ReplicaSet");
}

#[tokio::test]
async fn how_many_pods_a_rollout_takes_away_is_what_the_controllers_would_take() {
    let rolling = |away: Value, more: Value| {
        json!({"strategy": {"type": "RollingUpdate",
                            "rollingUpdate": {"maxUnavailable": away, "maxSurge": more}}})
    };
    for (spec, replicas, away) in [
        (json!({}), 8, Some(2)),
        (json!({}), 3, Some(0)),
        (json!({"strategy": {"type": "Recreate"}}), 8, Some(8)),
        (rolling(json!(3), json!(0)), 8, Some(3)),
        (rolling(json!("30%"), json!(1)), 8, Some(2)),
        (rolling(json!(0), json!("1%")), 8, Some(0)),
        (rolling(json!("1%"), json!(0)), 8, Some(1)),
        (rolling(json!(0), json!(0)), 8, Some(1)),
        (rolling(json!("many"), json!(0)), 8, None),
        (rolling(json!(-1), json!(0)), 8, None),
        (json!({"strategy": {"type": "Sideways"}}), 8, None),
    ] {
        let mut objects = Objects::new();
        let its = objects.at(DEPLOYMENT, "/spec");
        let mut spec = spec.clone();
        spec["replicas"] = json!(replicas);
        spec["selector"] = its["selector"].clone();
        *its = spec.clone();
        let facts = objects.look(&Remedy::RestartPod).await;
        assert_eq!(facts.workload.unwrap().away_max, away, "{spec}");
    }
}

#[tokio::test]
async fn a_stateful_set_takes_one_pod_at_a_time_and_has_claims_where_its_template_has() {
    const SET: &str = "/apis/apps/v1/namespaces/shop/statefulsets/db";
    let rolling = |away: Value| json!({"type": "RollingUpdate", "rollingUpdate": away});
    for (strategy, away) in [
        (Value::Null, Some(1)),
        (rolling(json!({"partition": 2})), Some(1)),
        (rolling(json!({"maxUnavailable": 3})), Some(3)),
        (rolling(json!({"maxUnavailable": "10%"})), Some(1)),
        (json!({"type": "OnDelete"}), None),
    ] {
        let mut objects = Objects::new();
        *objects.at(POD, "/metadata/ownerReferences") = json!([{"apiVersion": "apps/v1",
            "kind": "StatefulSet", "name": "db", "uid": "uid-db", "controller": true}]);
        objects.put(
            SET,
            json!({
                "metadata": {"name": "db", "namespace": "shop", "uid": "uid-db", "generation": 1},
                "spec": {"updateStrategy": strategy, "replicas": 5, "volumeClaimTemplates": [{}],
                         "template": {"spec": {}}},
            }),
        );
        let workload = objects.look(&Remedy::RestartPod).await.workload.unwrap();
        assert_eq!(workload.object, object("StatefulSet", "db", 1));
        assert_eq!(workload.away_max, away, "{strategy}");
        assert_eq!(workload.template.unwrap().storage, Storage::Claimed);
        assert!(!workload.is_observed, "it has no status yet");
    }
}

#[tokio::test]
async fn the_revision_before_is_the_greatest_below_of_its_own_sets_as_it_was_kept() {
    let mut objects = Objects::new();
    objects.put(
        SETS,
        json!({"items": [
            set("cart-9", "9", "uid-cart"),
            set("cart-12", "12", "uid-cart"),
            set("cart-10", "10", "uid-cart"),
            set("cart-13", "13", "uid-cart"),
            set("foreign", "11", "uid-other"),
            set("odd", "latest", "uid-cart"),
        ]}),
    );
    *objects.at(SETS, "/items/1/metadata/creationTimestamp") = json!("2026-11-18T11:06:40Z");
    *objects.at(SETS, "/items/2/metadata/creationTimestamp") = json!("2026-11-17T11:00:00Z");
    *objects.at(
        DEPLOYMENT,
        "/metadata/annotations/deployment.kubernetes.io~1revision",
    ) = json!("12");
    let lab = objects.lab().await;
    let facts = lab
        .kube
        .look(&target(), &Remedy::RollBack, START)
        .await
        .unwrap();
    let previous = facts.workload.unwrap().previous.unwrap();
    assert_eq!((previous.number, &*previous.name), (10, "cart-10"));
    assert_eq!(
        previous.replaced_at,
        Some(Timestamp::from_millis(1_795_000_000_000)),
        "when the one in place was made"
    );
    let mut kept = set("cart-10", "10", "uid-cart")["spec"]["template"].clone();
    kept["metadata"]["labels"] = json!({"app": "cart"});
    assert_eq!(
        previous.template, kept,
        "with what we do not know, without the hash"
    );
    let asked = lab.stub.asked();
    let list = asked
        .iter()
        .find(|it| it.path.starts_with(&format!("{SETS}?")));
    assert_eq!(
        list.unwrap().path,
        format!("{SETS}?limit=500&labelSelector=app%3Dcart")
    );
}

#[tokio::test]
async fn a_first_revision_has_none_before() {
    let mut objects = Objects::new();
    objects.put(SETS, json!({"items": [set("cart-2", "2", "uid-cart")]}));
    assert_eq!(
        objects
            .look(&Remedy::RollBack)
            .await
            .workload
            .unwrap()
            .previous,
        None
    );
}

#[tokio::test]
async fn a_failed_rollout_a_pause_and_a_manager_are_seen() {
    let mut objects = Objects::new();
    *objects.at(DEPLOYMENT, "/status/conditions") = json!([{"type": "Progressing",
        "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    *objects.at(DEPLOYMENT, "/status/observedGeneration") = json!(2);
    *objects.at(DEPLOYMENT, "/spec/paused") = json!(true);
    *objects.at(DEPLOYMENT, "/metadata/deletionTimestamp") = json!("2026-11-18T11:00:00Z");
    *objects.at(
        DEPLOYMENT,
        "/metadata/annotations/argocd.argoproj.io~1tracking-id",
    ) = json!("till:apps/Deployment:shop/cart");
    let workload = objects
        .look(&Remedy::RestartWorkload)
        .await
        .workload
        .unwrap();
    assert!(workload.has_failed && workload.is_paused && workload.is_deleting);
    assert!(!workload.is_observed);
    assert_eq!(
        workload.managed_by,
        Some(Manager::ArgoCd(Some("till".into())))
    );
}

#[tokio::test]
async fn a_rollout_is_read_by_its_name_and_as_the_workload_of_its_pods() {
    const ROLLOUT: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/r";
    let mut objects = Objects::new();
    let mut rollout = workload();
    rollout["metadata"]["name"] = json!("r");
    rollout["metadata"]["uid"] = json!("uid-r");
    rollout["metadata"]["labels"]["argocd.argoproj.io/instance"] = json!("till");
    rollout["spec"]["strategy"] = json!({"canary": {"maxUnavailable": 1}});
    rollout["status"] = json!({"phase": "Progressing", "abort": true, "observedGeneration": "3",
                               "readyReplicas": 3});
    objects.put(ROLLOUT, rollout);
    let abort = Remedy::AbortRollout {
        rollout: "r".into(),
    };
    let named = objects.clone().look(&abort).await.workload.unwrap();
    *objects.at(SET, "/metadata/ownerReferences") = json!([{"apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout", "name": "r", "uid": "uid-r", "controller": true}]);
    let owner = objects.look(&Remedy::RestartPod).await.workload.unwrap();
    assert_eq!(named, owner);
    assert_eq!(named.object, object("Rollout", "r", 3));
    assert!(&*named.phase == "Progressing" && named.is_aborted && named.is_observed);
    assert_eq!((named.replicas, named.ready, named.away_max), (4, 3, None));
    assert_eq!(named.managed_by, Some(Manager::ArgoCd(Some("till".into()))));
}

#[tokio::test]
async fn a_route_is_read_with_the_backends_that_are_services_of_its_own_namespace() {
    let mut objects = Objects::new();
    objects.put(
        "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r",
        json!({
            "metadata": {"name": "r", "namespace": "shop", "uid": "uid-r", "generation": 5,
                         "labels": {"kustomize.toolkit.fluxcd.io/name": "x"}},
            "spec": {"rules": [
                {"backendRefs": [{"name": "a", "weight": 0},
                                 {"name": "b", "kind": "Service", "group": ""}]},
                {},
                {"backendRefs": [{"name": "a", "namespace": "other"},
                                 {"name": "a", "kind": "Bucket"},
                                 {"name": "a", "namespace": "shop", "weight": 7}]},
            ]},
        }),
    );
    let weight = Remedy::GatewayWeight {
        route: "r".into(),
        backend: "a".into(),
        weight: 1,
    };
    let route = objects.look(&weight).await.route.unwrap();
    assert_eq!(route.object, object("HTTPRoute", "r", 5));
    assert_eq!(route.managed_by, Some(Manager::Flux));
    let backends: Vec<_> = route
        .backends
        .iter()
        .map(|it| (it.rule, it.place, &*it.service, it.weight))
        .collect();
    let expected = [
        (0, 0, "a", 0),
        (0, 1, "b", 1),
        (2, 0, "", 1),
        (2, 1, "", 1),
        (2, 2, "a", 7),
    ];
    assert_eq!(backends, expected);
}

#[tokio::test]
async fn an_application_is_read_where_argo_cd_keeps_it() {
    let mut objects = Objects::new();
    objects.put("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/till", json!({
        "metadata": {"name": "till", "namespace": "argocd", "uid": "uid-till", "generation": 90},
        "spec": {"project": "shop", "syncPolicy": {"automated": {"enabled": false}}},
        "status": {
            "history": [{"id": 1, "revision": "aaa", "source": {"path": "x"},
                         "deployedAt": "2026-11-18T11:06:40Z"},
                        {"id": 2, "revision": "bbb", "source": {"path": "y"},
                         "deployedAt": "2026-11-18T12:00:00Z"},
                        {"id": 3, "revision": "aaa", "source": {"path": "x"},
                         "deployedAt": "2026-11-18T13:00:00Z"}],
            "operationState": {"phase": "Running"},
        },
    }));
    let script = move |asked: &Asked| objects.answer(asked);
    let lab = Lab::with(script, |it| it.argo_namespace = Some("argocd".into())).await;
    let sync = Remedy::ArgoSync {
        application: "till".into(),
    };
    let argo = lab
        .kube
        .look(&target(), &sync, START)
        .await
        .unwrap()
        .argo
        .unwrap();
    assert!(!argo.is_automated && argo.is_busy);
    assert_eq!((argo.previous, &*argo.previous_revision), (Some(2), "bbb"));
    assert_eq!(argo.previous_source, Some(json!({"path": "y"})));
    assert_eq!(
        argo.replaced_at,
        Some(Timestamp::from_millis(1_795_000_000_000)),
        "it was gone back to, and is as old as when it came first"
    );
    assert_eq!((&*argo.project, &*argo.namespace), ("shop", "argocd"));
    assert_eq!(argo.object.unwrap().generation, 0);
}
