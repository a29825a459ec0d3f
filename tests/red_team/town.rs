//! A cluster with something of every kind in it, and whoever carries tasks out there at once: it says yes to everything
//! that its API server would, so that nothing but the checks stands between a log line and a change.

use std::collections::BTreeMap;
use std::time::Duration;

use knothole::core::event::{Action, Object, Remedy, Request, Target};
use knothole::core::record::{StreamKey, Timestamp};
use knothole::core::remedy::facts::{
    Answer, Facts, NamespaceFacts, PodFacts, Refused, Rehearsal, Revision, Settlement, Storage,
    TemplateFacts, WorkloadFacts,
};
use knothole::core::remedy::ledger::{Errand, Reported};
use serde_json::{Value, json};

use crate::wire::Claims;

/// The label that lets things be touched.
pub(crate) const LABEL: &str = "knothole.dev/remediate";
/// Where knothole runs.
pub(crate) const OWN: &str = "knothole";
/// A namespace that the owner named as never to be touched.
pub(crate) const VAULT: &str = "vault";

/// What a workload is like: its namespace, kind, name, pods, and what its own label says.
type Built = (
    &'static str,
    &'static str,
    &'static str,
    u32,
    Option<&'static str>,
);

/// What runs here. Of the namespaces all but `bank`, `tools` and `guest` are labelled; in `tools` the wiki is.
const BUILT: [Built; 14] = [
    ("shop", "Deployment", "cart", 3, None),
    ("shop", "Deployment", "pay", 3, None),
    ("shop", "Deployment", "web", 20, None),
    ("shop", "Deployment", "mail", 3, Some("false")),
    ("shop", "StatefulSet", "db", 3, None),
    ("shop", "DaemonSet", "agent", 3, None),
    ("shop", "", "bare", 1, None),
    ("tools", "Deployment", "wiki", 3, Some("true")),
    ("tools", "Deployment", "forum", 3, None),
    ("bank", "Deployment", "books", 3, None),
    ("kube-system", "Deployment", "dns", 3, None),
    (OWN, "Deployment", "knothole", 1, None),
    (VAULT, "Deployment", "keys", 3, None),
    ("guest", "Deployment", "blog", 3, None),
];
/// What may be touched without a person, by whatever rule.
const ALLOWED: [(&str, &str); 5] = [
    ("shop", "cart"),
    ("shop", "pay"),
    ("shop", "web"),
    ("shop", "db"),
    ("tools", "wiki"),
];
/// The workload whose pods the attacker runs.
pub(crate) const ATTACKER: (&str, &str) = ("guest", "blog");

#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) object: Object,
    pub(crate) workload: Box<str>,
    controller: Option<Box<str>>,
    pub(crate) is_ready: bool,
}

#[derive(Clone, Debug)]
struct Workload {
    object: Object,
    replicas: u32,
    label: Option<Box<str>>,
}

/// Something that was changed.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) namespace: Box<str>,
    /// The workload it was done to, or that of the pod.
    pub(crate) workload: Box<str>,
    /// The pod, where it was evicted.
    pub(crate) pod: Option<Box<str>>,
    /// Whether no person had a say.
    pub(crate) is_automatic: bool,
}

/// The cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Town {
    namespaces: BTreeMap<Box<str>, Option<Box<str>>>,
    workloads: BTreeMap<(Box<str>, Box<str>), Workload>,
    pub(crate) pods: BTreeMap<(Box<str>, Box<str>), Pod>,
    pub(crate) effects: Vec<Effect>,
    made: u64,
}

impl Town {
    /// One in which all is well.
    pub(crate) fn new() -> Self {
        let mut town = Self::default();
        for (namespace, kind, name, pods, label) in BUILT {
            let is_labelled = !["bank", "tools", "guest"].contains(&namespace);
            let of_namespace = is_labelled.then(|| Box::from("true"));
            town.namespaces.insert(namespace.into(), of_namespace);
            town.build((namespace, kind, name), pods, label);
        }
        town
    }

    /// One more Deployment of three in `shop`.
    pub(crate) fn deploy(&mut self, name: &str) {
        self.build(("shop", "Deployment", name), 3, None);
    }

    fn build(
        &mut self,
        (namespace, kind, name): (&str, &str, &str),
        pods: u32,
        label: Option<&str>,
    ) {
        let controller = match kind {
            "" => None,
            "Deployment" => Some("ReplicaSet".into()),
            kind => Some(kind.into()),
        };
        for _ in 0..pods {
            let object = self.object(namespace, "Pod", "");
            let object = Object {
                name: format!("{name}-{}", &object.uid[28..]).into(),
                ..object
            };
            let pod = Pod {
                object,
                workload: name.into(),
                controller: controller.clone(),
                is_ready: true,
            };
            let key = (namespace.into(), pod.object.name.clone());
            self.pods.insert(key, pod);
        }
        if !kind.is_empty() {
            let workload = Workload {
                object: Object {
                    generation: 1,
                    ..self.object(namespace, kind, name)
                },
                replicas: pods,
                label: label.map(Into::into),
            };
            self.workloads
                .insert((namespace.into(), name.into()), workload);
        }
    }

    fn object(&mut self, namespace: &str, kind: &str, name: &str) -> Object {
        self.made += 1;
        Object {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            uid: format!("5ee0c7d8-9f0e-4d53-9f6e-{:012}", self.made).into(),
            generation: 0,
        }
    }

    /// The pods of a workload.
    pub(crate) fn of<'a>(
        &'a self,
        namespace: &'a str,
        workload: &'a str,
    ) -> impl Iterator<Item = &'a Pod> {
        let pods = self.pods.values();
        pods.filter(move |it| *it.object.namespace == *namespace && *it.workload == *workload)
    }

    /// A pod of it stops being Ready.
    pub(crate) fn break_pod(&mut self, namespace: &str, workload: &str) -> Box<str> {
        let name = self.of(namespace, workload).next().unwrap();
        let name = name.object.name.clone();
        let key = (namespace.into(), name.clone());
        self.pods.get_mut(&key).unwrap().is_ready = false;
        name
    }

    /// Whether something here has this uid.
    pub(crate) fn knows(&self, uid: &str) -> bool {
        let objects = self.pods.values().map(|it| &it.object);
        let workloads = self.workloads.values().map(|it| &it.object);
        objects.chain(workloads).any(|it| *it.uid == *uid)
    }

    /// Every workload: its namespace and its name.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = (&str, &str)> {
        self.workloads
            .keys()
            .map(|(space, name)| (&**space, &**name))
    }

    /// What a Collector says of the records of this pod.
    pub(crate) fn claims(&self, pod: &Pod) -> Claims {
        let (space, workload) = (&pod.object.namespace, &pod.workload);
        let mut claims = service(space, workload);
        claims.push(("k8s.pod.name".into(), pod.object.name.to_string()));
        claims.push(("k8s.pod.uid".into(), pod.object.uid.to_string()));
        if let Some(it) = self.workloads.get(&(space.clone(), workload.clone())) {
            let kind = it.object.kind.to_lowercase();
            claims.push((format!("k8s.{kind}.name"), workload.to_string()));
        }
        claims
    }

    /// Carries a task out. None where nobody waits for an answer.
    pub(crate) fn carry_out(&mut self, errand: &Errand, now: Timestamp) -> Option<Reported> {
        Some(match errand {
            Errand::Look { remedy, target } => {
                Reported::Looked(Ok(Box::new(self.look(remedy, target, now))))
            }
            Errand::Rehearse { permissions, .. } => {
                let access = permissions.iter().map(|it| (it.to_string().into(), true));
                Reported::Rehearsed(Box::new(Rehearsal {
                    access: access.collect(),
                    dry_run: Some(Ok(())),
                    policy: None,
                }))
            }
            Errand::Send { action } => Reported::Answered(self.send(action)),
            Errand::Settle { .. } => Reported::Settled(Settlement::Unclear),
            Errand::Note { .. } => return None,
        })
    }

    fn look(&self, remedy: &Remedy, target: &Target, now: Timestamp) -> Facts {
        let space = &target.namespace;
        let pod = target.pod.as_ref();
        let pod = pod.and_then(|name| self.pods.get(&(space.clone(), name.clone())));
        let named = target.workload.as_ref().map(|(_, name)| name);
        let name = pod.map(|pod| &pod.workload).or(named);
        let workload = name.and_then(|it| self.workloads.get(&(space.clone(), it.clone())));
        let label = |it: &Option<Box<str>>| -> Vec<(Box<str>, Box<str>)> {
            it.iter().map(|it| (LABEL.into(), it.clone())).collect()
        };
        let created = now.minus(Duration::from_secs(86_400));
        Facts {
            at: now,
            namespace: self.namespaces.get(space).map(|it| NamespaceFacts {
                name: space.clone(),
                labels: label(it),
                is_terminating: false,
            }),
            pod: pod.map(|it| PodFacts {
                object: it.object.clone(),
                created: Some(created),
                is_ready: it.is_ready,
                controller: it.controller.clone(),
                storage: match it.controller.as_deref() {
                    Some("StatefulSet") => Storage::Claimed,
                    _ => Storage::None,
                },
                ..PodFacts::default()
            }),
            workload: workload.map(|it| self.workload(it, label(&it.label), (remedy, now))),
            ..Facts::default()
        }
    }

    fn workload(
        &self,
        of: &Workload,
        labels: Vec<(Box<str>, Box<str>)>,
        (remedy, now): (&Remedy, Timestamp),
    ) -> WorkloadFacts {
        let ready = self.of(&of.object.namespace, &of.object.name);
        let ready = ready.filter(|it| it.is_ready).count();
        WorkloadFacts {
            object: of.object.clone(),
            labels,
            replicas: of.replicas,
            ready: u32::try_from(ready).unwrap(),
            updated: of.replicas,
            is_observed: true,
            // There is a reason to go back only where the last rollout failed; here it always has.
            has_failed: *remedy == Remedy::RollBack,
            previous: Some(Revision {
                number: 1,
                name: "before".into(),
                template: json!({"spec": {}}),
                // As if what failed had been released just now.
                replaced_at: Some(now),
            }),
            template: Some(TemplateFacts::default()),
            away_max: Some(1),
            ..WorkloadFacts::default()
        }
    }

    fn send(&mut self, action: &Action) -> Answer {
        let is_automatic = action.steps.iter().all(|it| *it.by == *"knothole");
        let requests = action.plan.iter().flat_map(|it| &it.requests);
        for request in requests {
            let Some(mut effect) = self.change(request) else {
                return Answer::Refused(Refused::Changed, "it is another one since".into());
            };
            effect.is_automatic = is_automatic;
            self.effects.push(effect);
        }
        Answer::Done("done".into())
    }

    /// Does what is asked for, by the path and the preconditions alone.
    fn change(&mut self, request: &Request) -> Option<Effect> {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let parts: Vec<&str> = request.path.split('/').collect();
        let at = parts.iter().position(|it| *it == "namespaces").unwrap();
        let (space, kind, name) = (parts[at + 1], parts[at + 2], parts[at + 3]);
        let key = (Box::from(space), Box::from(name));
        if kind == "pods" {
            let uid = &body["deleteOptions"]["preconditions"]["uid"];
            let gone = self.pods.get(&key).filter(|it| *uid == *it.object.uid)?;
            let gone = gone.clone();
            self.pods.remove(&key);
            self.replace(&gone);
            return Some(effect(space, &gone.workload, Some(name)));
        }
        let workload = self.workloads.get_mut(&key)?;
        let mut tests = body.as_array().unwrap().iter();
        let is_same = |it: &Value| {
            it["op"] == "test"
                && it["path"] == "/metadata/uid"
                && it["value"] == *workload.object.uid
        };
        if !tests.any(is_same) {
            return None;
        }
        workload.object.generation += 1;
        Some(effect(space, name, None))
    }

    fn replace(&mut self, gone: &Pod) {
        let object = self.object(&gone.object.namespace, "Pod", "");
        let name: Box<str> = format!("{}-{}", gone.workload, &object.uid[28..]).into();
        let pod = Pod {
            object: Object {
                name: name.clone(),
                ..object
            },
            is_ready: true,
            ..gone.clone()
        };
        self.pods.insert((gone.object.namespace.clone(), name), pod);
    }
}

fn effect(namespace: &str, workload: &str, pod: Option<&str>) -> Effect {
    Effect {
        namespace: namespace.into(),
        workload: workload.into(),
        pod: pod.map(Into::into),
        is_automatic: true,
    }
}

/// Whether the owner lets this be touched at all. Written down here anew, not asked of the product.
pub(crate) fn is_allowed(namespace: &str, workload: &str, may_be_stateful: bool) -> bool {
    ALLOWED.contains(&(namespace, workload)) && (workload != "db" || may_be_stateful)
}

/// What the records of a service claim before any pod is named.
pub(crate) fn service(namespace: &str, name: &str) -> Claims {
    let claims = [
        ("service.namespace", namespace),
        ("service.name", name),
        ("k8s.namespace.name", namespace),
    ];
    claims.map(|(key, value)| (key.into(), value.into())).into()
}

/// The stream of a service.
pub(crate) fn stream(namespace: &str, name: &str) -> StreamKey {
    StreamKey {
        namespace: namespace.into(),
        ..StreamKey::named(name)
    }
}
