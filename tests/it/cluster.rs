//! A real Kubernetes API with its controllers, and a kubelet that only pretends (`tests/parts/cluster`).

mod objects;
mod start;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::parts::{part, recipe};
use crate::process::{Process, SOON, until};
use crate::warden::Warden;
use crate::web::Web;

pub(crate) use objects::{Deployment, eviction, grants};

/// The tests' own hand: it may do everything, and the audit log says nothing of it.
const ADMIN: &str = "admin";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";

/// Shared by tests, each of which has a namespace of its own and leaves those of others alone.
///
/// Its users are `admin`, `knothole` (who may do nothing until a role is bound to it) and `nobody`.
pub(crate) struct Cluster {
    server: String,
    tokens: Vec<(&'static str, String)>,
    web: Web,
    namespaces: AtomicUsize,
    /// Where the kubelet takes orders.
    kubelet: String,
    controllers: Process,
    _others: [Process; 3],
    _warden: Warden,
    folder: tempfile::TempDir,
}

/// A cluster that nobody else uses.
pub(crate) struct OwnCluster(Cluster);

impl Deref for OwnCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl OwnCluster {
    /// Stops the controllers: no Deployment is rolled out, and no budget is counted anew.
    pub(crate) fn hold_controllers(&self) {
        self.0.controllers.signal(Signal::STOP);
    }

    pub(crate) fn release_controllers(&self) {
        self.0.controllers.signal(Signal::CONT);
    }
}

impl Cluster {
    /// The cluster of all tests; `None` where there is no program, and then the test is to end.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        let program = part("KNOTHOLE_KUBE")?;
        Some(SHARED.get_or_init(|| start::cluster(&program)))
    }

    /// One that takes half a gibibyte more, for tests that hold the controllers.
    pub(crate) fn own() -> Option<OwnCluster> {
        let program = part("KNOTHOLE_KUBE")?;
        Some(OwnCluster(start::cluster(&program)))
    }

    /// `https://127.0.0.1:PORT`
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The certificate that its own is signed with (PEM).
    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.crt")
    }

    pub(crate) fn admin_token(&self) -> &str {
        self.token(ADMIN)
    }

    /// The token of one of its users.
    pub(crate) fn token(&self, user: &str) -> &str {
        let mut tokens = self.tokens.iter();
        let (_, token) = tokens.find(|(name, _)| *name == user).expect("a user");
        token
    }

    /// The token of `user` in a file.
    pub(crate) fn token_file(&self, user: &str) -> PathBuf {
        self.path(&format!("{user}.token"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Status and body of a request of `user`; a PATCH is a merge patch, null is no body.
    pub(crate) fn request(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let kind = if method == "PATCH" { MERGE } else { JSON };
        self.send(self.token(user), (method, path), (kind, body))
    }

    fn send(
        &self,
        token: &str,
        (method, path): (&str, &str),
        (kind, body): (&str, &Value),
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.server);
        let mut request = self.web.request(method, &url).bearer_auth(token);
        if !body.is_null() {
            request = request.header("content-type", kind).body(body.to_string());
        }
        self.web.send(request).expect("the API server answers")
    }

    /// The tests' own request, which must succeed.
    #[track_caller]
    fn must(&self, method: &str, path: &str, kind: &str, body: &Value) -> Value {
        let (status, answer) = self.send(self.admin_token(), (method, path), (kind, body));
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    }

    /// What is at `path` (`/api/v1/...`); where nothing is, a `Status` with a `code`.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.request(ADMIN, "GET", path, &Value::Null).1
    }

    #[track_caller]
    pub(crate) fn create(&self, path: &str, object: &Value) -> Value {
        self.must("POST", path, JSON, object)
    }

    /// Merges `patch` into what is at `path`.
    #[track_caller]
    pub(crate) fn patch(&self, path: &str, patch: &Value) -> Value {
        self.must("PATCH", path, MERGE, patch)
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) {
        self.must("DELETE", path, JSON, &Value::Null);
    }

    /// Creates the object, or makes it as it is here where it differs.
    #[track_caller]
    pub(crate) fn apply(&self, object: &Value) -> Value {
        let path = self.path_of(object);
        let query = "fieldManager=tests&force=true";
        self.must("PATCH", &format!("{path}?{query}"), APPLY, object)
    }

    /// Where the object is or would be.
    #[track_caller]
    pub(crate) fn path_of(&self, object: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&object["apiVersion"]);
        let root = if version.contains('/') { "apis" } else { "api" };
        let room = format!("/{root}/{version}");
        // A kind that was defined a moment ago is not there at once.
        let what = format!("{} {} to be known", version, object["kind"]);
        let resource = until(SOON, &what, || {
            let resources = self.get(&room)["resources"].as_array()?.clone();
            let is_it = |resource: &Value| {
                resource["kind"] == object["kind"] && !text(&resource["name"]).contains('/')
            };
            resources.into_iter().find(is_it)
        });
        let (plural, name) = (text(&resource["name"]), text(&object["metadata"]["name"]));
        if resource["namespaced"] == true {
            let namespace = text(&object["metadata"]["namespace"]);
            format!("{room}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{room}/{plural}/{name}")
        }
    }

    /// What is at `path`, once it is as it should be.
    #[track_caller]
    pub(crate) fn wait_for(&self, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(SOON, path, || {
                last = self.get(path);
                is_there(&last).then(|| last.clone())
            })
        }));
        waited.unwrap_or_else(|_| panic!("{path} stayed {last:#}"))
    }

    /// A new namespace with everything that pods need. It is never deleted, which would take ten seconds.
    pub(crate) fn namespace(&self) -> String {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{number}");
        let object = json!({ "metadata": { "name": name } });
        self.create("/api/v1/namespaces", &object);
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        self.wait_for(&account, |account| account["kind"] == "ServiceAccount");
        name
    }

    /// Makes a Deployment and waits until its pods are Ready; gives their names back.
    #[track_caller]
    pub(crate) fn deploy(&self, namespace: &str, name: &str, what: &Deployment) -> Vec<String> {
        self.apply(&what.object(namespace, name));
        self.rolled_out(namespace, name);
        self.pods(namespace, name)
            .iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The Deployment, once all its pods are Ready and of its latest template.
    #[track_caller]
    pub(crate) fn rolled_out(&self, namespace: &str, name: &str) -> Value {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        self.wait_for(&path, |deployment| {
            let (status, wanted) = (&deployment["status"], &deployment["spec"]["replicas"]);
            let is_all =
                |count: &str| status[count].as_u64().unwrap_or(0) == wanted.as_u64().unwrap();
            status["observedGeneration"] == deployment["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "availableReplicas"]
                    .into_iter()
                    .all(is_all)
        })
    }

    /// The pods of a Deployment that are to stay, by name.
    pub(crate) fn pods(&self, namespace: &str, app: &str) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}");
        let mut pods = self.get(&path)["items"].as_array().unwrap().clone();
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods.sort_by_key(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
        pods
    }

    /// A disruption budget over a Deployment's pods, once it is counted.
    #[track_caller]
    pub(crate) fn budget(&self, namespace: &str, app: &str, min_available: u64) -> Value {
        let object = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": { "name": app, "namespace": namespace },
            "spec": { "minAvailable": min_available, "selector": { "matchLabels": { "app": app } } },
        });
        self.apply(&object);
        self.wait_for(&self.path_of(&object), |budget| {
            let status = &budget["status"];
            status["observedGeneration"] == budget["metadata"]["generation"]
                && status["expectedPods"].as_u64().is_some_and(|pods| pods > 0)
                && status["currentHealthy"] == status["expectedPods"]
        })
    }

    /// Makes a pod Ready or not, and waits until the API says so.
    #[track_caller]
    pub(crate) fn set_ready(&self, namespace: &str, pod: &str, ready: bool) {
        let wanted = if ready { "yes" } else { "never" };
        self.steer(namespace, pod, &[("parts/ready", wanted)], |container| {
            container["ready"] == ready
        });
    }

    /// Says that the pod's containers were restarted so often, and waits until the API says so.
    #[track_caller]
    pub(crate) fn set_restarts(&self, namespace: &str, pod: &str, restarts: u64) {
        let wanted = restarts.to_string();
        self.steer(
            namespace,
            pod,
            &[("parts/restarts", &wanted)],
            |container| container["restartCount"] == restarts,
        );
    }

    #[track_caller]
    fn steer(
        &self,
        namespace: &str,
        pod: &str,
        annotations: &[(&str, &str)],
        is_so: impl Fn(&Value) -> bool,
    ) {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let notes = objects::map(annotations);
        self.patch(&path, &json!({ "metadata": { "annotations": notes } }));
        self.wait_for(&path, |pod| {
            let containers = pod["status"]["containerStatuses"].as_array();
            containers.is_some_and(|all| all.iter().all(&is_so))
        });
    }

    /// From now on nothing happens to the pods of `namespace`: new ones do not start, old ones do not end.
    pub(crate) fn hold_kubelet(&self, namespace: &str) {
        self.order("hold", namespace);
    }

    pub(crate) fn release_kubelet(&self, namespace: &str) {
        self.order("release", namespace);
    }

    fn order(&self, order: &str, namespace: &str) {
        let url = format!("{}/{order}/{namespace}", self.kubelet);
        let answer = self.web.send(self.web.request("POST", &url));
        assert_eq!(answer.expect("the kubelet answers").0, 204);
    }

    /// Lets `user` do in `namespace` what a Role with these rules allows, from now on. A service account's name as
    /// a user is `system:serviceaccount:NAMESPACE:NAME`.
    #[track_caller]
    pub(crate) fn allow(&self, namespace: &str, user: &str, rules: &Value) {
        let [role, binding] = grants(namespace, user, rules);
        self.apply(&role);
        self.apply(&binding);
        for rule in rules.as_array().unwrap() {
            let review = objects::review(namespace, user, rule);
            until(SOON, &format!("{user} to be allowed {rule}"), || {
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                let answer = self.create(path, &review);
                (answer["status"]["allowed"] == true).then_some(())
            });
        }
    }

    /// Makes a service account and gives back a token of it, as a pod has one.
    #[track_caller]
    pub(crate) fn service_account(&self, namespace: &str, name: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(&path, &json!({ "metadata": { "name": name } }));
        let spec = json!({ "spec": { "expirationSeconds": 3_600 } });
        let answer = self.create(&format!("{path}/{name}/token"), &spec);
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// From here on, for [`audit_since`](Self::audit_since).
    pub(crate) fn audit_mark(&self) -> usize {
        self.audit_log().len()
    }

    /// The writes since `mark`, also those that were refused, but those of the tests' own hand and the
    /// cluster's: `user`, `verb`, `namespace`, `path`, `query`, `body` and `code`. The body is null where the
    /// user may not do that. A request is in here before its answer has been read to the end.
    pub(crate) fn audit_since(&self, mark: usize) -> Vec<Value> {
        let log = self.audit_log();
        let log = std::str::from_utf8(&log[mark..]).unwrap();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(objects::audited).collect()
    }

    /// The writes in one namespace.
    pub(crate) fn audit_of(&self, namespace: &str) -> Vec<Value> {
        let mut writes = self.audit_since(0);
        writes.retain(|write| write["namespace"] == namespace);
        writes
    }

    fn audit_log(&self) -> Vec<u8> {
        std::fs::read(self.path("audit.log")).unwrap_or_default()
    }

    /// Defines what an `Application` of Argo CD is. Nobody carries anything out.
    pub(crate) fn argo(&self) {
        let text = std::fs::read_to_string(recipe("argo/crd.json")).unwrap();
        self.apply(&serde_json::from_str(&text).unwrap());
        let application = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application" });
        self.path_of(&application);
    }
}

#[test]
fn a_pod_is_evicted_within_its_budget_by_who_may_and_the_audit_log_has_just_that() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let namespace = cluster.namespace();
    let three = Deployment {
        replicas: 3,
        labels: &[("team", "shop")],
        annotations: &[("owner", "tests")],
        ..Deployment::default()
    };
    let pods = cluster.deploy(&namespace, "web", &three);
    assert_eq!(pods.len(), 3);
    let budget = cluster.budget(&namespace, "web", 2);
    assert_eq!(budget["status"]["disruptionsAllowed"], 1);
    let evict = |user: &str, pod: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let uid = cluster.get(&path)["metadata"]["uid"].clone();
        let eviction = eviction(&namespace, pod, uid.as_str().unwrap());
        let (code, _) = cluster.request(user, "POST", &format!("{path}/eviction"), &eviction);
        let write = json!({
            "user": user, "verb": "create", "namespace": namespace, "path": path + "/eviction",
            "query": "", "body": eviction, "code": code,
        });
        (code, write)
    };
    cluster.hold_kubelet(&namespace);
    let (refused, mut first) = evict("knothole", &pods[0]);
    let rules = json!([{ "apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"] }]);
    cluster.allow(&namespace, "knothole", &rules);
    let (done, second) = evict("knothole", &pods[0]);
    let (too_many, third) = evict("knothole", &pods[1]);
    assert_eq!((refused, done, too_many), (403, 201, 429));
    // What may not be done is not even read.
    first["body"] = Value::Null;
    let told = cluster.audit_of(&namespace);
    assert_eq!(told, [first, second, third]);
    cluster.release_kubelet(&namespace);
    cluster.rolled_out(&namespace, "web");
    let left = cluster.pods(&namespace, "web");
    assert_eq!(left.len(), 3);
    assert!(
        left.iter()
            .all(|pod| pod["metadata"]["name"] != pods[0].as_str())
    );
}

#[test]
fn pods_are_ready_and_restarted_as_they_are_told() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let namespace = cluster.namespace();
    let pods = cluster.deploy(&namespace, "web", &Deployment::default());
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
    cluster.set_ready(&namespace, &pods[0], false);
    cluster.wait_for(&path, |it| it["status"]["readyReplicas"].is_null());
    cluster.set_ready(&namespace, &pods[0], true);
    cluster.wait_for(&path, |it| it["status"]["readyReplicas"] == 1);
    cluster.set_restarts(&namespace, &pods[0], 7);
    let broken = Deployment {
        pod_annotations: &[("parts/ready", "never")],
        ..Deployment::default()
    };
    let mut broken = broken.object(&namespace, "broken");
    broken["spec"]["progressDeadlineSeconds"] = 1.into();
    cluster.apply(&broken);
    let broken = cluster.path_of(&broken);
    cluster.wait_for(&broken, |it| {
        let conditions = it["status"]["conditions"].as_array();
        conditions.is_some_and(|all| {
            all.iter()
                .any(|it| it["reason"] == "ProgressDeadlineExceeded")
        })
    });
    cluster.delete(&broken);
    cluster.wait_for(&broken, |it| it["code"] == 404);
    // A namespace of its own says nothing of others, and reading leaves no trace.
    assert_eq!(cluster.audit_of(&namespace), Vec::<Value>::new());
}

#[test]
fn a_budget_that_nobody_has_counted_yet_refuses_and_says_when_to_come_again() {
    let Some(cluster) = Cluster::own() else {
        return;
    };
    let namespace = cluster.namespace();
    let pods = cluster.deploy(
        &namespace,
        "web",
        &Deployment {
            replicas: 2,
            ..Deployment::default()
        },
    );
    let budget = cluster.budget(&namespace, "web", 1);
    let rules = json!([{ "apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"] }]);
    let account = cluster.service_account(&namespace, "operator");
    cluster.allow(
        &namespace,
        &format!("system:serviceaccount:{namespace}:operator"),
        &rules,
    );
    cluster.hold_controllers();
    let spec = json!({ "spec": { "minAvailable": 0 } });
    cluster.patch(&cluster.path_of(&budget), &spec);
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}/eviction", pods[0]);
    let pod = cluster.get(path.trim_end_matches("/eviction"));
    let eviction = eviction(
        &namespace,
        &pods[0],
        pod["metadata"]["uid"].as_str().unwrap(),
    );
    let evict = |token: &str| cluster.send(token, ("POST", &path), (JSON, &eviction));
    let mark = cluster.audit_mark();
    let (code, refused) = evict(&account);
    assert_eq!(code, 429);
    assert_eq!(refused["details"]["retryAfterSeconds"], 10, "{refused}");
    cluster.release_controllers();
    until(SOON, "the budget to be counted", || {
        (evict(&account).0 == 201).then_some(())
    });
    assert_eq!(evict("a token of nobody").0, 401);
    let told = cluster.audit_since(mark);
    assert_eq!(told[0]["code"], 429);
    assert_eq!(told[told.len() - 2]["code"], 201);
    assert_eq!(told[told.len() - 1]["code"], 401);
}

#[test]
fn an_application_of_argo_is_asked_to_sync() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    cluster.argo();
    let namespace = cluster.namespace();
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": { "name": "shop", "namespace": namespace },
        "spec": { "project": "default" },
    });
    cluster.apply(&application);
    let path = cluster.path_of(&application);
    let sync = json!({ "operation": { "sync": { "revision": "abc" } } });
    assert_eq!(cluster.request("nobody", "PATCH", &path, &sync).0, 403);
    let rules = json!([
        { "apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["patch"] },
    ]);
    cluster.allow(&namespace, "nobody", &rules);
    assert_eq!(cluster.request("nobody", "PATCH", &path, &sync).0, 200);
    assert_eq!(cluster.get(&path)["operation"], sync["operation"]);
    assert!(cluster.server().starts_with("https://127.0.0.1:"));
    assert!(cluster.ca().is_file() && cluster.token_file("nobody").is_file());
}
