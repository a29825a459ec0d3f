//! A cluster to be looked at: Deployment `cart` with its pod `cart-1` and what belongs to them.

use std::collections::BTreeMap;

use super::*;
use crate::core::event::{Remedy, Target};
use crate::core::remedy::facts::Facts;

pub(super) const SETS: &str = "/apis/apps/v1/namespaces/shop/replicasets";
pub(super) const SET: &str = "/apis/apps/v1/namespaces/shop/replicasets/cart-2";
pub(super) const BUDGETS: &str = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets";
pub(super) const SCALERS: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers";
pub(super) const ROUTE: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/r";
pub(super) const NODES: &str = "/api/v1/nodes";
pub(super) const NAMESPACE: &str = "/api/v1/namespaces/shop";
pub(super) const SCALE: Remedy = Remedy::Scale { by: 1, max: 5 };

/// Objects by their paths.
#[derive(Clone, Default)]
pub(super) struct Objects(pub(super) BTreeMap<String, Value>);

impl Objects {
    pub(super) fn new() -> Self {
        let mut objects = Self::default();
        objects.put(
            NAMESPACE,
            json!({"metadata": {
                "name": "shop", "labels": {"knothole.dev/remediate": "true"},
            }}),
        );
        objects.put(
            POD,
            json!({
                "metadata": {
                    "name": "cart-1", "namespace": "shop", "uid": "uid-cart-1", "generation": 7,
                    "creationTimestamp": "2026-11-18T10:00:00Z",
                    "labels": {"app": "cart"},
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"},
                        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-2",
                         "uid": "uid-cart-2", "controller": true},
                    ],
                },
                "spec": {"containers": [{"name": "cart"}], "priorityClassName": "high"},
                "status": {
                    "conditions": [
                        {"type": "PodScheduled", "status": "True"},
                        {"type": "Ready", "status": "False",
                         "lastTransitionTime": "2026-11-18T11:00:00Z"},
                    ],
                    "containerStatuses": [
                        {"name": "cart", "restartCount": 3, "lastState": {"terminated": {
                            "finishedAt": "2026-11-18T10:59:58Z"}}},
                        {"name": "side", "restartCount": 1, "lastState": {"terminated": {
                            "finishedAt": "2026-11-18T10:30:00Z"}}},
                    ],
                    "initContainerStatuses": [{"name": "init", "restartCount": 1, "state": {
                        "terminated": {"finishedAt": "2026-11-18T10:00:01Z"}}}],
                },
            }),
        );
        objects.put(SET, set("cart-2", "2", "uid-cart"));
        objects.put(DEPLOYMENT, workload());
        objects.put(NODES, nodes(&["v1.36.4", "v1.36.4"]));
        objects.put(BUDGETS, json!({"items": []}));
        objects.put(SCALERS, json!({"items": null}));
        objects
    }

    pub(super) fn put(&mut self, path: &str, object: Value) {
        self.0.insert(path.to_owned(), object);
    }

    pub(super) fn at(&mut self, path: &str, pointer: &str) -> &mut Value {
        let object = self.0.get_mut(path).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        &mut object.pointer_mut(parent).unwrap()[key]
    }

    pub(super) async fn lab(self) -> Lab {
        Lab::new(move |asked| self.answer(asked)).await
    }

    pub(super) fn answer(&self, asked: &Asked) -> Option<Say> {
        assert_eq!(asked.method, "GET", "looking changes nothing");
        let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match self.0.get(path) {
            Some(Value::Number(code)) => {
                let code = u16::try_from(code.as_u64().unwrap()).unwrap();
                Some(Say::Json(code, status(code, "no", Value::Null)))
            }
            Some(object) => Some(Say::Json(200, object.clone())),
            None if path.contains("/leases") => None,
            None => Some(not_found()),
        }
    }

    pub(super) async fn look(self, remedy: &Remedy) -> Facts {
        self.lab()
            .await
            .kube
            .look(&target(), remedy, START)
            .await
            .unwrap()
    }
}

pub(super) fn workload() -> Value {
    json!({
        "metadata": {
            "name": "cart", "namespace": "shop", "uid": "uid-cart", "generation": 3,
            "labels": {"team": "till"},
            "annotations": {
                "deployment.kubernetes.io/revision": "2",
                "knothole.dev/action-id": "before",
            },
        },
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "cart"}},
            "strategy": {"type": "RollingUpdate",
                         "rollingUpdate": {"maxUnavailable": "49%", "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {"app": "cart"},
                             "annotations": {"knothole.dev/action-id": "restarted"}},
                "spec": {"containers": [], "priorityClassName": "high"},
            },
        },
        "status": {"observedGeneration": 3, "readyReplicas": 3, "updatedReplicas": 4,
                   "conditions": [{"type": "Progressing", "status": "True"}]},
    })
}

pub(super) fn set(name: &str, revision: &str, owner: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart",
                                 "uid": owner, "controller": true}],
        },
        "spec": {"template": {
            "metadata": {"labels": {"app": "cart", "pod-template-hash": name}},
            "spec": {"containers": [{"name": "cart", "image": format!("cart:{revision}"),
                                     "fieldOfTheFuture": {"kept": true}}]},
        }},
    })
}

pub(super) fn nodes(versions: &[&str]) -> Value {
    let rows: Vec<Value> = versions
        .iter()
        .map(|version| json!({"cells": ["node", "Ready", "<none>", "1d", version]}))
        .collect();
    let columns = ["Name", "Status", "Roles", "Age", "Version"].map(|name| json!({"name": name}));
    json!({"kind": "Table", "metadata": {}, "columnDefinitions": columns, "rows": rows})
}

pub(super) fn target() -> Target {
    Target {
        namespace: "shop".into(),
        workload: Some(("Deployment".into(), "cart".into())),
        pod: Some("cart-1".into()),
        pod_uid: Some("uid-cart-1".into()),
    }
}

pub(super) fn at(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::known(u64::try_from(time.as_nanosecond()).unwrap())
}
