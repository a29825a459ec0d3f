//! What is known of a cluster when an action is looked at. Whoever reads the cluster fills these in; the
//! checks go by them alone.

use std::time::Duration;

use serde_json::Value;

use crate::core::event::{Health, Object, Target};
use crate::core::record::Timestamp;

/// What was read of a target, all at about one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// When it was read, by our clock.
    pub at: Timestamp,
    /// The namespace, where there is one of that name.
    pub namespace: Option<NamespaceFacts>,
    /// The pod that is named, where it is there.
    pub pod: Option<PodFacts>,
    /// The workload that the pod belongs to, as the cluster says, or else the one that is named. Where a
    /// rollout is to be aborted, that rollout.
    pub workload: Option<WorkloadFacts>,
    /// The disruption budgets whose selectors match the pod, or the workload's pods.
    pub budgets: Vec<BudgetFacts>,
    /// The autoscalers that scale the workload, by name.
    pub autoscalers: Vec<Box<str>>,
    /// Who has claimed the workload for an action last, where anybody has.
    pub claim: Option<Claim>,
    /// Whether versions of the nodes' kubelets differ from each other: the cluster is being upgraded. None where
    /// nodes were not looked at.
    pub is_upgrading: Option<bool>,
    /// What the other system says that carries the action out, where it is not the cluster.
    pub argo: Option<ArgoFacts>,
    /// The route whose weights are to change, where it is there.
    pub route: Option<RouteFacts>,
}

impl Facts {
    /// What is claimed before anything is done to `target`: the workload, or what is acted on in its place.
    /// Where neither was found, what is named, which then has no uid.
    pub fn claimed(&self, target: &Target) -> Object {
        self.found().cloned().unwrap_or_else(|| named(target))
    }

    /// The workload that was found, or what is acted on in its place.
    pub fn found(&self) -> Option<&Object> {
        let workload = self.workload.as_ref().map(|it| &it.object);
        let route = || self.route.as_ref().map(|it| &it.object);
        let argo = || self.argo.as_ref().and_then(|it| it.object.as_ref());
        workload.or_else(route).or_else(argo)
    }

    /// How the target is; `None` where no workload was found.
    pub fn health(&self) -> Option<Health> {
        let workload = self.workload.as_ref()?;
        Some(Health {
            replicas: workload.replicas,
            ready: workload.ready,
            restarts: self.pod.as_ref().map_or(0, |pod| pod.restarts),
        })
    }
}

/// What `target` names, which nobody has read.
fn named(target: &Target) -> Object {
    let pod = || {
        let name = target.pod.clone().unwrap_or_default();
        ("Pod".into(), name)
    };
    let (kind, name) = target.workload.clone().unwrap_or_else(pod);
    Object {
        kind,
        namespace: target.namespace.clone(),
        name,
        ..Object::default()
    }
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: Box<str>,
    /// Its labels, by name.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// Its name, uid and so on. A pod's generation is 0.
    pub object: Object,
    /// Its labels.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it is Ready.
    pub is_ready: bool,
    /// Since when it is as ready as it is.
    pub ready_since: Option<Timestamp>,
    /// How often its containers were restarted, all together.
    pub restarts: u32,
    /// When a container of it last ended.
    pub last_ended: Option<Timestamp>,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// The kind of its controller: `ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, `Node`; none is a
    /// bare pod.
    pub controller: Option<Box<str>>,
    /// Its priority class.
    pub priority_class: Option<Box<str>>,
    /// Whether it has data of its own: an emptyDir or hostPath that is written to, or a claim of storage.
    pub storage: Storage,
}

/// What a pod loses with itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// Nothing.
    #[default]
    None,
    /// What lies on its node.
    Local,
    /// It has a claim of storage.
    Claimed,
}

/// A workload: a Deployment, a StatefulSet, a DaemonSet, a Rollout, …
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadFacts {
    /// Its name, uid and generation.
    pub object: Object,
    /// Its labels.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// How many pods are wanted.
    pub replicas: u32,
    /// How many are Ready.
    pub ready: u32,
    /// How many are of the newest template.
    pub updated: u32,
    /// Whether its controller has seen its newest generation.
    pub is_observed: bool,
    /// Whether its rollouts are paused.
    pub is_paused: bool,
    /// Whether its last rollout has failed (`ProgressDeadlineExceeded`).
    pub has_failed: bool,
    /// The tool that owns it: `Argo CD (application cart)`, `Flux`, `Helm`.
    pub managed_by: Option<Manager>,
    /// Whether its template has annotations.
    pub has_template_annotations: bool,
    /// Whether it has annotations itself.
    pub has_annotations: bool,
    /// The revision before the one that is wanted, where one is kept.
    pub previous: Option<Revision>,
    /// The action of ours that its annotations name.
    pub annotated: Option<Box<str>>,
    /// The same of its template.
    pub template_annotated: Option<Box<str>>,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// What its pod template says; none where it was not read, and then nothing is done to it.
    pub template: Option<TemplateFacts>,
    /// The most pods that a rollout takes away at once by the workload's own strategy: a Deployment's
    /// `maxUnavailable` in pods (rounded down), all of them for `Recreate`; one for a StatefulSet, or its
    /// `maxUnavailable`. None where that is not known, and then nothing is rolled out.
    pub away_max: Option<u32>,
    /// `status.phase` of a Rollout: `Progressing`, `Paused`, `Healthy`, `Degraded`. Empty for all else.
    pub phase: Box<str>,
    /// Whether a Rollout is aborted.
    pub is_aborted: bool,
}

/// What a workload's pods are like, whichever of them are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateFacts {
    /// `priorityClassName`.
    pub priority_class: Option<Box<str>>,
    /// What a pod loses with itself, by the volumes and claims of the template.
    pub storage: Storage,
}

/// Who else changes a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Argo CD, with the name of the application where it is known.
    ArgoCd(Option<Box<str>>),
    /// Flux.
    Flux,
}

/// An earlier revision of a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revision {
    /// `deployment.kubernetes.io/revision`.
    pub number: i64,
    /// The ReplicaSet that keeps it.
    pub name: Box<str>,
    /// The pod template, without the label `pod-template-hash`.
    pub template: Value,
    /// When what is in its place now was released first, where that is known.
    pub replaced_at: Option<Timestamp>,
}

/// A disruption budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetFacts {
    /// Its name.
    pub name: Box<str>,
    /// How many disruptions it allows now.
    pub allowed: i32,
    /// Whether its controller has seen its newest generation.
    pub is_observed: bool,
}

/// A claim on a workload: a Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The action.
    pub action: Box<str>,
    /// When it was claimed, by the clock of whoever did.
    pub at: Timestamp,
    /// For how long.
    pub lasts: Duration,
}

/// What Argo CD says of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgoFacts {
    /// Whether it syncs by itself.
    pub is_automated: bool,
    /// Whether a sync window forbids it now; none where that cannot be known.
    pub is_closed: Option<bool>,
    /// Whether an operation is under way.
    pub is_busy: bool,
    /// The id in its history of the revision before.
    pub previous: Option<i64>,
    /// When what is in its place now was released first, where that is known.
    pub replaced_at: Option<Timestamp>,
    /// The project.
    pub project: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// The Application object, where it was read from the cluster: then it is asked through the object,
    /// else through the API of Argo CD.
    pub object: Option<Object>,
    /// The Git revision of `previous`, where it was read from the cluster.
    pub previous_revision: Box<str>,
    /// The source of `previous`, as the history keeps it, where it was read from the cluster.
    pub previous_source: Option<Value>,
}

/// An HTTPRoute of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteFacts {
    /// Its name, uid and generation.
    pub object: Object,
    /// Who else changes it.
    pub managed_by: Option<Manager>,
    /// Whether it has annotations.
    pub has_annotations: bool,
    /// All its backends, in order.
    pub backends: Vec<BackendFacts>,
}

/// One backend of a route: `spec.rules[rule].backendRefs[place]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendFacts {
    /// Which rule.
    pub rule: u32,
    /// Which backend of the rule.
    pub place: u32,
    /// The name, where it is a Service of the route's own namespace; else empty.
    pub service: Box<str>,
    /// Its weight; 1 where none is written.
    pub weight: u32,
}

/// What became of a rehearsal: nothing is changed by it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rehearsal {
    /// What we may do, by our own question to the server: a permission, by its name
    /// ([`Permission`](super::plan::Permission)), and whether we have it.
    pub access: Vec<(Box<str>, bool)>,
    /// What the server says to the very requests, as a dry run; `None` where the system knows none.
    pub dry_run: Option<Result<(), Box<str>>>,
    /// What the policy says; `None` where there is none.
    pub policy: Option<Result<Decision, Box<str>>>,
}

/// What a policy decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done. Only a `result.allow` that is there and is `true` is a yes.
    pub is_allowed: bool,
    /// Whether a person has to approve it.
    pub needs_approval: bool,
    /// Why. Untrusted.
    pub reasons: Vec<Box<str>>,
    /// Its id, for the audit. Untrusted.
    pub id: Option<Box<str>>,
}

/// What came of sending a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It took place; what the server said.
    Done(Box<str>),
    /// It did not take place, for certain.
    Refused(Refused, Box<str>),
    /// Nobody knows: no answer came, or one that says nothing.
    Unknown(Box<str>),
}

/// Why something did not take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A disruption budget does not allow it now, or the server is busy; when to come again, where it said.
    NotNow(Option<Duration>),
    /// The object is not as it was when it was planned.
    Changed,
    /// Somebody else has claimed the workload.
    Claimed,
    /// The kill switch.
    Switched,
    /// It is too late.
    Late,
    /// It may not, cannot or must not be done.
    Never,
}

/// What the cluster shows of something of which no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It took place.
    Done,
    /// It did not, and cannot any more.
    NotDone,
    /// Nobody can say yet.
    Unclear,
}
