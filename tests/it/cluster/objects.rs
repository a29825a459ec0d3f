//! What is sent to the API server and what it writes down.

use serde_json::{Map, Value, json};

/// A Deployment; its pods have the label `app`, which is its name.
pub(crate) struct Deployment<'a> {
    pub(crate) replicas: u64,
    /// More labels of the Deployment and of its pods.
    pub(crate) labels: &'a [(&'a str, &'a str)],
    /// Of the Deployment.
    pub(crate) annotations: &'a [(&'a str, &'a str)],
    /// Of its pods: they steer the kubelet.
    pub(crate) pod_annotations: &'a [(&'a str, &'a str)],
    pub(crate) image: &'a str,
}

impl Default for Deployment<'_> {
    fn default() -> Self {
        Self {
            replicas: 1,
            labels: &[],
            annotations: &[],
            pod_annotations: &[],
            image: "example.com/app:1",
        }
    }
}

impl Deployment<'_> {
    pub(crate) fn object(&self, namespace: &str, name: &str) -> Value {
        let mut labels = map(self.labels);
        labels["app"] = name.into();
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": labels,
                "annotations": map(self.annotations),
            },
            "spec": {
                "replicas": self.replicas,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": labels, "annotations": map(self.pod_annotations) },
                    "spec": { "containers": [{ "name": name, "image": self.image }] },
                },
            },
        })
    }
}

pub(super) fn map(pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs.iter();
    let map: Map<String, Value> = pairs
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    map.into()
}

/// What is posted to a pod's `eviction`.
pub(crate) fn eviction(namespace: &str, pod: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": pod, "namespace": namespace },
        "deleteOptions": { "preconditions": { "uid": uid } },
    })
}

/// A Role with these rules, and what binds it to `user`.
pub(crate) fn grants(namespace: &str, user: &str, rules: &Value) -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let metadata = json!({ "name": user, "namespace": namespace });
    let role = json!({
        "apiVersion": version,
        "kind": "Role",
        "metadata": metadata,
        "rules": rules,
    });
    let binding = json!({
        "apiVersion": version,
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": { "apiGroup": group, "kind": "Role", "name": user },
        "subjects": [{ "apiGroup": group, "kind": "User", "name": user }],
    });
    [role, binding]
}

/// May `user` do the first thing that the rule is about?
pub(super) fn review(namespace: &str, user: &str, rule: &Value) -> Value {
    let resource = rule["resources"][0].as_str().unwrap();
    let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "resourceAttributes": {
                "namespace": namespace,
                "verb": rule["verbs"][0],
                "group": rule["apiGroups"][0],
                "resource": resource,
                "subresource": part,
                "name": rule["resourceNames"][0],
            },
        },
    })
}

/// What a line of the audit log tells.
pub(super) fn audited(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap();
    let uri = event["requestURI"].as_str().unwrap();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    json!({
        "user": event["user"]["username"],
        "verb": event["verb"],
        "namespace": event["objectRef"]["namespace"],
        "path": path,
        "query": query,
        "body": event["requestObject"],
        "code": event["responseStatus"]["code"],
    })
}
