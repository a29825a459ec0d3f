//! A cluster as far as the actions touch it: Deployments of one namespace with their pods, disruption budgets and
//! Leases. Requests are taken as they were planned: paths, preconditions and JSON patches are read.

use std::collections::BTreeMap;
use std::time::Duration;

use knothole::core::event::{Object, Remedy, Request, Target};
use knothole::core::record::Timestamp;
use knothole::core::remedy::facts::{
    BudgetFacts, Claim, Facts, NamespaceFacts, PodFacts, TemplateFacts, WorkloadFacts,
};
use knothole::core::remedy::plan::{ACTION_ANNOTATION, claim_name};
use serde_json::Value;

pub(crate) const NAMESPACE: &str = "shop";
/// How long a pod takes to go, and its successor to be Ready.
const TO_GO: Duration = Duration::from_secs(5);
const TO_START: Duration = Duration::from_secs(8);
/// How long a controller takes to see a change.
const TO_SEE: Duration = Duration::from_secs(2);

/// What takes place in the cluster because of an action.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) action: Box<str>,
    /// Which daemon asked for it.
    pub(crate) daemon: usize,
    pub(crate) workload: Box<str>,
    /// When the Lease was acquired that names the action.
    pub(crate) claimed_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) object: Object,
    pub(crate) replicas: u32,
    /// The action that its template names.
    pub(crate) annotated: Option<Box<str>>,
    changed_at: Timestamp,
    template: u64,
    /// Whether pods that are made from now on are well.
    pub(crate) heals: bool,
    /// Disruptions that the budget allows less.
    pub(crate) budget_cut: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) object: Object,
    pub(crate) workload: Box<str>,
    created: Timestamp,
    /// None is never.
    pub(crate) ready_at: Option<Timestamp>,
    /// When it is gone.
    pub(crate) deleting: Option<Timestamp>,
    template: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) version: u64,
    pub(crate) holder: Option<Box<str>>,
    /// The annotations.
    pub(crate) action: Box<str>,
    pub(crate) attempt: u64,
    pub(crate) at: Timestamp,
    pub(crate) lasts: Duration,
}

/// A request to the API server.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// All that a look reads.
    Facts(Remedy, Target),
    Pod(Box<str>),
    Workload(Box<str>),
    Lease(Box<str>),
    Claim(Box<str>, Lease),
    /// The change itself, for this action, by this daemon.
    Change(Request, (Box<str>, usize)),
    /// The same as a dry run.
    DryRun(Request),
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Nothing,
    Facts(Box<Facts>),
    Pod(Pod),
    Workload(Workload),
    Lease(Lease),
}

impl Reply {
    pub(crate) fn of(status: u16) -> Self {
        Self {
            status,
            retry_after: None,
            body: Body::Nothing,
        }
    }

    fn with(body: Option<Body>) -> Self {
        body.map_or_else(
            || Self::of(404),
            |body| Self {
                body,
                ..Self::of(200)
            },
        )
    }
}

#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) workloads: BTreeMap<Box<str>, Workload>,
    pub(crate) pods: BTreeMap<Box<str>, Pod>,
    pub(crate) leases: BTreeMap<Box<str>, Lease>,
    pub(crate) effects: Vec<Effect>,
    made: u64,
}

impl Cluster {
    /// A Deployment of four, all of which have been Ready for long.
    pub(crate) fn deploy(&mut self, name: &str, now: Timestamp) {
        let object = self.object("Deployment", name);
        let workload = Workload {
            object: Object {
                generation: 1,
                ..object
            },
            replicas: 4,
            annotated: None,
            changed_at: Timestamp::ZERO,
            template: 0,
            heals: true,
            budget_cut: 0,
        };
        self.workloads.insert(name.into(), workload);
        for _ in 0..4 {
            let pod = self.make_pod(name, now.minus(Duration::from_secs(3_600)));
            self.pods.insert(pod.object.name.clone(), pod);
        }
    }

    fn object(&mut self, kind: &str, name: &str) -> Object {
        self.made += 1;
        Object {
            kind: kind.into(),
            namespace: NAMESPACE.into(),
            name: name.into(),
            uid: format!("uid-{}", self.made).into(),
            generation: 0,
        }
    }

    fn make_pod(&mut self, workload: &str, now: Timestamp) -> Pod {
        let name = format!("{workload}-{}", self.made);
        let object = self.object("Pod", &name);
        let of = &self.workloads[workload];
        Pod {
            object,
            workload: workload.into(),
            created: now,
            ready_at: of.heals.then(|| now.plus(TO_START)),
            deleting: None,
            template: of.template,
        }
    }

    /// The controllers do their work until `now`.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.pods
            .retain(|_, pod| pod.deleting.is_none_or(|gone| gone > now));
        for name in self.workloads.keys().cloned().collect::<Vec<_>>() {
            let (wanted, template) = (
                self.workloads[&name].replicas,
                self.workloads[&name].template,
            );
            let mut of_it: Vec<&mut Pod> = self
                .pods
                .values_mut()
                .filter(|pod| pod.workload == name && pod.deleting.is_none())
                .collect();
            let is_settled = of_it
                .iter()
                .all(|pod| pod.template != template || pod.is_ready(now));
            // A rollout takes one pod after the other.
            if let Some(old) = of_it.iter_mut().find(|pod| pod.template != template)
                && is_settled
            {
                old.deleting = Some(now.plus(TO_GO));
            }
            let there = of_it.iter().filter(|pod| pod.deleting.is_none()).count();
            for _ in there..wanted as usize {
                let pod = self.make_pod(&name, now);
                self.pods.insert(pod.object.name.clone(), pod);
            }
        }
    }

    /// A pod of the workload does not get Ready any more.
    pub(crate) fn break_pod(&mut self, workload: &str) {
        let mut of_it = self.pods.values_mut();
        let pod = of_it.find(|pod| &*pod.workload == workload && pod.deleting.is_none());
        if let Some(pod) = pod {
            pod.ready_at = None;
        }
    }

    pub(crate) fn delete_pod(&mut self, name: &str, now: Timestamp) {
        if let Some(pod) = self.pods.get_mut(name) {
            pod.deleting.get_or_insert(now.plus(TO_GO));
        }
    }

    /// Somebody else changes what is wanted.
    pub(crate) fn change_workload(&mut self, name: &str, now: Timestamp) {
        let workload = self.workloads.get_mut(name).unwrap();
        workload.object.generation += 1;
        workload.changed_at = now;
        workload.replicas = if workload.replicas == 4 { 5 } else { 4 };
    }

    /// Answers a request.
    pub(crate) fn handle(&mut self, ask: &Ask, now: Timestamp) -> Reply {
        self.advance(now);
        match ask {
            Ask::Facts(remedy, target) => {
                let facts = self.facts(remedy, target, now);
                Reply::with(Some(Body::Facts(Box::new(facts))))
            }
            Ask::Pod(name) => Reply::with(self.pods.get(name).cloned().map(Body::Pod)),
            Ask::Workload(name) => {
                Reply::with(self.workloads.get(name).cloned().map(Body::Workload))
            }
            Ask::Lease(name) => Reply::with(self.leases.get(name).cloned().map(Body::Lease)),
            Ask::Claim(name, lease) => self.claim(name, lease),
            Ask::Change(request, by) => self.change(request, Some(by), now),
            Ask::DryRun(request) => self.change(request, None, now),
        }
    }

    /// Compare and swap by the version; 0 is one that is not there yet.
    fn claim(&mut self, name: &str, lease: &Lease) -> Reply {
        let known = self.leases.get(name).map_or(0, |it| it.version);
        if known != lease.version {
            return Reply::of(409);
        }
        let written = Lease {
            version: known + 1,
            ..lease.clone()
        };
        self.leases.insert(name.into(), written.clone());
        Reply::with(Some(Body::Lease(written)))
    }

    /// Does what a request asks for, or as a dry run only says so.
    fn change(
        &mut self,
        request: &Request,
        by: Option<&(Box<str>, usize)>,
        now: Timestamp,
    ) -> Reply {
        let action = by.map(|by| &*by.0);
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let path: Vec<&str> = request.path.split('/').collect();
        let (status, workload) = match path.as_slice() {
            [.., "pods", name, "eviction"] => self.evict(name, &body, (action, now)),
            [.., "deployments", name, "scale"] => self.scale(name, &body, (action, now)),
            [.., "deployments", name] => self.annotate(name, &body, (action, now)),
            _ => (404, None),
        };
        if let (Some((action, daemon)), Some(workload), 200..300) = (by, workload, status) {
            let lease = claim_name(&self.workloads[&workload].object);
            let claimed_at = self.leases.get(&*lease).map_or(Timestamp::ZERO, |it| it.at);
            self.effects.push(Effect {
                action: action.clone(),
                daemon: *daemon,
                workload,
                claimed_at,
            });
        }
        Reply::of(status)
    }

    fn evict(
        &mut self,
        name: &str,
        body: &Value,
        (action, now): (Option<&str>, Timestamp),
    ) -> (u16, Option<Box<str>>) {
        let Some(pod) = self.pods.get(name) else {
            return (404, None);
        };
        if body["deleteOptions"]["preconditions"]["uid"].as_str() != Some(&pod.object.uid) {
            return (409, None);
        }
        let workload = pod.workload.clone();
        let spare = self.spare(&workload, now);
        // One that is not Ready may go as long as the budget is kept (`IfHealthyBudget`).
        if spare < i32::from(pod.is_ready(now)) {
            return (429, None);
        }
        if pod.deleting.is_some() {
            return (201, None);
        }
        if action.is_some() {
            self.delete_pod(name, now);
        }
        (201, Some(workload))
    }

    fn annotate(
        &mut self,
        name: &str,
        patch: &Value,
        (action, now): (Option<&str>, Timestamp),
    ) -> (u16, Option<Box<str>>) {
        let Some(workload) = self.workloads.get_mut(name) else {
            return (404, None);
        };
        let object = &mut workload.object;
        if !holds(patch, "/metadata/uid", &Value::from(&*object.uid))
            || !holds(
                patch,
                "/metadata/generation",
                &Value::from(object.generation),
            )
        {
            return (422, None);
        }
        if action.is_some() {
            object.generation += 1;
            workload.template += 1;
            workload.changed_at = now;
            workload.annotated = annotation(patch);
        }
        (200, Some(name.into()))
    }

    fn scale(
        &mut self,
        name: &str,
        patch: &Value,
        (action, now): (Option<&str>, Timestamp),
    ) -> (u16, Option<Box<str>>) {
        let Some(workload) = self.workloads.get_mut(name) else {
            return (404, None);
        };
        if !holds(patch, "/metadata/uid", &Value::from(&*workload.object.uid))
            || !holds(patch, "/spec/replicas", &Value::from(workload.replicas))
        {
            return (422, None);
        }
        if action.is_some() {
            let mut changes = patch.as_array().unwrap().iter();
            let change = changes.find(|it| it["op"] == "replace").unwrap();
            workload.replicas = u32::try_from(change["value"].as_u64().unwrap()).unwrap();
            workload.object.generation += 1;
            workload.changed_at = now;
        }
        (200, Some(name.into()))
    }

    fn of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Pod> {
        let pods = self.pods.values();
        pods.filter(move |pod| &*pod.workload == workload && pod.deleting.is_none())
    }

    fn ready(&self, workload: &str, now: Timestamp) -> u32 {
        let ready = self.of(workload).filter(|pod| pod.is_ready(now));
        u32::try_from(ready.count()).unwrap()
    }

    /// How many more pods are Ready than the disruption budget wants: one may be away, unless it was cut.
    fn spare(&self, workload: &str, now: Timestamp) -> i32 {
        let of = &self.workloads[workload];
        let ready = i32::try_from(self.ready(workload, now)).unwrap();
        ready - (i32::try_from(of.replicas).unwrap() - 1 + of.budget_cut)
    }

    fn facts(&self, remedy: &Remedy, target: &Target, now: Timestamp) -> Facts {
        let pod = target.pod.as_ref().and_then(|name| self.pods.get(name));
        let named = target.workload.as_ref().map(|(_, name)| name);
        let name = pod.map(|pod| &pod.workload).or(named);
        let workload = name.and_then(|name| self.workloads.get(name));
        let lease = workload.and_then(|it| self.leases.get(&*claim_name(&it.object)));
        let budget = |pod: &Pod| BudgetFacts {
            name: pod.workload.clone(),
            allowed: self.spare(&pod.workload, now).max(0),
            is_observed: true,
        };
        let budgets = pod.filter(|_| *remedy == Remedy::RestartPod).map(budget);
        Facts {
            at: now,
            namespace: Some(NamespaceFacts {
                name: NAMESPACE.into(),
                labels: vec![("knothole.dev/remediate".into(), "true".into())],
                is_terminating: false,
            }),
            pod: pod.map(|pod| pod.facts(now)),
            workload: workload.map(|workload| self.facts_of(workload, now)),
            budgets: budgets.into_iter().collect(),
            claim: lease.and_then(Lease::claim),
            ..Facts::default()
        }
    }

    fn facts_of(&self, workload: &Workload, now: Timestamp) -> WorkloadFacts {
        let name = &workload.object.name;
        let updated = self
            .of(name)
            .filter(|pod| pod.template == workload.template);
        WorkloadFacts {
            object: workload.object.clone(),
            replicas: workload.replicas,
            ready: self.ready(name, now),
            updated: u32::try_from(updated.count()).unwrap(),
            is_observed: now >= workload.changed_at.plus(TO_SEE),
            template: Some(TemplateFacts::default()),
            away_max: Some(1),
            template_annotated: workload.annotated.clone(),
            has_template_annotations: workload.annotated.is_some(),
            ..WorkloadFacts::default()
        }
    }
}

impl Pod {
    pub(crate) fn is_ready(&self, now: Timestamp) -> bool {
        self.deleting.is_none() && self.ready_at.is_some_and(|at| at <= now)
    }

    fn facts(&self, now: Timestamp) -> PodFacts {
        PodFacts {
            object: self.object.clone(),
            created: Some(self.created),
            is_ready: self.is_ready(now),
            is_deleting: self.deleting.is_some(),
            controller: Some("ReplicaSet".into()),
            ..PodFacts::default()
        }
    }
}

impl Lease {
    /// What it claims; none where it was given back.
    pub(crate) fn claim(&self) -> Option<Claim> {
        Some(Claim {
            action: self.holder.clone()?,
            at: self.at,
            lasts: self.lasts,
        })
    }
}

/// Whether a patch tests a path, and for this value.
fn holds(patch: &Value, path: &str, value: &Value) -> bool {
    let mut changes = patch.as_array().unwrap().iter();
    changes.any(|it| it["op"] == "test" && it["path"] == path && it["value"] == *value)
}

/// The action that a patch writes on a template.
fn annotation(patch: &Value) -> Option<Box<str>> {
    let escaped = ACTION_ANNOTATION.replace('/', "~1");
    let mut changes = patch.as_array().unwrap().iter();
    changes.find_map(|it| {
        let path = it["path"].as_str()?;
        let value = if path.ends_with(&escaped) {
            &it["value"]
        } else {
            it["value"].get(ACTION_ANNOTATION)?
        };
        Some(value.as_str()?.into())
    })
}
