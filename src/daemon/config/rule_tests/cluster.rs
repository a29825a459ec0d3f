//! What a case says of the cluster → in what it is not as assumed.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::record::Timestamp;
use crate::core::remedy::facts::{
    BudgetFacts, Decision, Facts, Manager, PodFacts, Rehearsal, Storage, WorkloadFacts,
};
use crate::core::remedy::ledger::Reported;
use crate::daemon::config::Period;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClusterEntry {
    /// Why it cannot be read.
    unread: Option<String>,
    /// Labels of the namespace; where they are left out, the one that lets it be touched.
    namespace_labels: Option<BTreeMap<String, String>>,
    pod: PodEntry,
    workload: WorkloadEntry,
    /// How many disruptions the budget of the pod allows; none is no budget.
    budget: Option<i32>,
    autoscalers: Vec<String>,
    upgrading: bool,
    /// Whether knothole may do what the rule says.
    permitted: Option<bool>,
    /// Why the server would not take the requests.
    refused: Option<String>,
    policy: Option<PolicyEntry>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PolicyEntry {
    Allows,
    AsksForApproval,
    Forbids,
    DoesNotAnswer,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PodEntry {
    gone: bool,
    ready: Option<bool>,
    age: Option<Period>,
    restarts: u32,
    /// How long ago a container of it last ended.
    ended: Option<Period>,
    uid: Option<String>,
    controller: Option<String>,
    priority_class: Option<String>,
    storage: StorageEntry,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StorageEntry {
    #[default]
    None,
    Local,
    Claimed,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WorkloadEntry {
    gone: bool,
    replicas: Option<u32>,
    ready: Option<u32>,
    /// How many pods are of the newest template.
    updated: Option<u32>,
    /// The most pods that a rollout takes away at once.
    max_unavailable: Option<u32>,
    paused: bool,
    /// Whether its last rollout failed.
    failed: bool,
    managed_by: Option<ManagerEntry>,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ManagerEntry {
    ArgoCd,
    Flux,
}

impl ClusterEntry {
    /// Makes of what was assumed what the case says.
    pub(super) fn alter(&self, reported: &mut Reported, at: Timestamp) {
        match reported {
            Reported::Looked(looked) => match (&self.unread, looked) {
                (Some(why), looked) => *looked = Err(why.as_str().into()),
                (None, Ok(facts)) => self.alter_facts(facts, at),
                (None, Err(_)) => {}
            },
            Reported::Rehearsed(rehearsal) => self.alter_rehearsal(rehearsal),
            Reported::Answered(_) | Reported::Settled(_) => {}
        }
    }

    fn alter_facts(&self, facts: &mut Facts, at: Timestamp) {
        if let (Some(labels), Some(namespace)) = (&self.namespace_labels, &mut facts.namespace) {
            namespace.labels = owned(labels);
        }
        // What of its pods nobody names is Ready.
        let is_away = facts.pod.is_some() && (self.pod.gone || self.pod.ready == Some(false));
        if let Some(workload) = &mut facts.workload {
            self.workload.alter(workload, u32::from(is_away));
        }
        if let Some(pod) = &mut facts.pod {
            self.pod.alter(pod, at);
        }
        if self.pod.gone {
            facts.pod = None;
        }
        if self.workload.gone {
            facts.workload = None;
        }
        facts.autoscalers = self
            .autoscalers
            .iter()
            .map(|it| it.as_str().into())
            .collect();
        facts.is_upgrading = Some(self.upgrading);
        facts.budgets = self.budget.into_iter().map(budget).collect();
    }

    fn alter_rehearsal(&self, rehearsal: &mut Rehearsal) {
        if self.permitted == Some(false) {
            for (_, is_permitted) in &mut rehearsal.access {
                *is_permitted = false;
            }
        }
        if let Some(why) = &self.refused {
            rehearsal.dry_run = Some(Err(why.as_str().into()));
        }
        if let (Some(said), Some(decided)) = (self.policy, &mut rehearsal.policy) {
            let decision = |is_allowed, needs_approval| Decision {
                is_allowed,
                needs_approval,
                ..Decision::default()
            };
            *decided = match said {
                PolicyEntry::Allows => Ok(decision(true, false)),
                PolicyEntry::AsksForApproval => Ok(decision(true, true)),
                PolicyEntry::Forbids => Ok(decision(false, false)),
                PolicyEntry::DoesNotAnswer => Err("no answer came".into()),
            };
        }
    }
}

impl PodEntry {
    fn alter(&self, pod: &mut PodFacts, at: Timestamp) {
        pod.is_ready = self.ready.unwrap_or(true);
        pod.restarts = self.restarts;
        pod.created = self
            .age
            .map_or(pod.created, |age| Some(at.minus(age.get())));
        pod.last_ended = self.ended.map(|ago| at.minus(ago.get()));
        pod.priority_class = self.priority_class.as_deref().map(Into::into);
        pod.labels = owned(&self.labels);
        pod.storage = match self.storage {
            StorageEntry::None => Storage::None,
            StorageEntry::Local => Storage::Local,
            StorageEntry::Claimed => Storage::Claimed,
        };
        if let Some(uid) = &self.uid {
            pod.object.uid = uid.as_str().into();
        }
        match self.controller.as_deref() {
            None => {}
            Some("none") => pod.controller = None,
            Some(kind) => pod.controller = Some(kind.into()),
        }
    }
}

impl WorkloadEntry {
    /// Where nothing else is said, all pods are Ready but those `away`.
    fn alter(&self, workload: &mut WorkloadFacts, away: u32) {
        workload.replicas = self.replicas.unwrap_or(workload.replicas);
        let ready = workload.replicas.saturating_sub(away);
        workload.ready = self.ready.unwrap_or(ready);
        workload.updated = self.updated.unwrap_or(workload.replicas);
        // A quarter, rounded down, as Kubernetes has it by default.
        let usual = workload.replicas / 4;
        workload.away_max = Some(self.max_unavailable.unwrap_or(usual));
        workload.is_paused = self.paused;
        workload.has_failed = self.failed;
        workload.labels = owned(&self.labels);
        workload.managed_by = match self.managed_by {
            None => workload.managed_by.take(),
            Some(ManagerEntry::ArgoCd) => Some(Manager::ArgoCd(None)),
            Some(ManagerEntry::Flux) => Some(Manager::Flux),
        };
    }
}

fn budget(allowed: i32) -> BudgetFacts {
    BudgetFacts {
        name: "of-the-case".into(),
        allowed,
        is_observed: true,
    }
}

fn owned(labels: &BTreeMap<String, String>) -> Vec<(Box<str>, Box<str>)> {
    let labels = labels.iter();
    labels
        .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
        .collect()
}
