//! Looking: what a cluster says of a target, read at about one time.

use std::sync::atomic::Ordering;

use super::Kube;
use super::claim::lease_path;
use super::error::KubeError;
use super::facts::{
    controller, of_budget, of_namespace, of_pod, of_workload, previous, template_labels,
};
use super::kinds::{Kind, name};
use super::objects::{Autoscaler, Budget, Plain, Pod, Workload};
use super::read::LIST_MAX;
use super::selector::{Labels, selects};
use super::wire::Wire;
use crate::core::event::{Remedy, Target};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{BudgetFacts, Facts};

/// Most nodes that are looked at. Each is a row of a table, about 200 bytes.
const NODES_MAX: usize = 10_000;
/// Most owners up the chain: a pod's ReplicaSet, and that one's Deployment.
const OWNERS_MAX: usize = 2;

impl Kube {
    /// What is known of `target` for `remedy`. What is not there is none, and no error.
    ///
    /// Whether the cluster is being upgraded is said only where nodes may be listed, which needs a permission
    /// for the whole cluster; without it the answer is no, and is not asked for again.
    ///
    /// # Errors
    /// The cluster cannot be asked, a permission is missing, or there is more of something than is read.
    pub async fn look(
        &self,
        target: &Target,
        remedy: &Remedy,
        now: Timestamp,
    ) -> Result<Facts, KubeError> {
        let reader = Reader {
            wire: &self.wire,
            namespace: name(&target.namespace)?,
        };
        let namespace = reader.namespace().await?;
        let pod = match &target.pod {
            Some(name) => reader.get::<Pod>(POD, name).await?,
            None => None,
        };
        let workload = match (&pod, remedy) {
            (_, Remedy::AbortRollout { rollout }) => reader.named("Rollout", rollout).await?,
            (Some(pod), _) => reader.owner(pod).await?,
            (None, _) => match &target.workload {
                Some((kind, name)) => reader.named(kind, name).await?,
                None => None,
            },
        };
        let labels = match (&pod, &workload) {
            (Some(pod), _) => pod.metadata.labels.clone().unwrap_or_default(),
            (None, Some((_, workload))) => template_labels(workload),
            (None, None) => Labels::new(),
        };
        let mut facts = Facts {
            at: now,
            namespace: namespace.as_ref().map(of_namespace),
            pod: pod.as_ref().map(of_pod),
            is_upgrading: self.is_upgrading().await?,
            ..Facts::default()
        };
        if pod.is_some() || workload.is_some() {
            facts.budgets = reader.budgets(&labels).await?;
        }
        if let Some((kind, workload)) = workload {
            let mut known = of_workload(kind, &workload);
            facts.autoscalers = reader.autoscalers(kind, &known.object.name).await?;
            facts.claim = self.claim_on(reader.namespace, &known.object.uid).await?;
            if kind.name == "Deployment" && matches!(remedy, Remedy::RollBack) {
                known.previous = previous(&workload, reader.revisions(&workload).await?);
            }
            facts.workload = Some(known);
        }
        Ok(facts)
    }

    /// Who has claimed a workload last.
    async fn claim_on(
        &self,
        namespace: &str,
        uid: &str,
    ) -> Result<Option<crate::core::remedy::facts::Claim>, KubeError> {
        let path = lease_path(namespace, &super::claim_name(uid))?;
        let doing = format!("get leases in namespace {namespace}");
        let lease = self.wire.get(&path, &doing).await?;
        Ok(lease.as_ref().and_then(super::claim::of_lease))
    }

    /// Whether the kubelets are of more than one version.
    async fn is_upgrading(&self) -> Result<bool, KubeError> {
        if !self.may_list_nodes.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match versions(&self.wire).await {
            Ok(versions) => Ok(versions.len() > 1),
            Err(KubeError::Forbidden { .. }) => {
                self.may_list_nodes.store(false, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The versions of the kubelets, each once.
async fn versions(wire: &Wire) -> Result<Vec<Box<str>>, KubeError> {
    let doing = "list nodes";
    let path = format!("/api/v1/nodes?includeObject=None&limit={NODES_MAX}");
    let Some(table) = wire.table(&path, doing).await? else {
        return Ok(Vec::new());
    };
    if table.metadata.more.is_some_and(|more| !more.is_empty()) {
        return Err(KubeError::TooMany {
            doing: doing.to_owned(),
            max: NODES_MAX,
        });
    }
    let columns = table.column_definitions.unwrap_or_default();
    let Some(place) = columns.iter().position(|it| *it.name == *"Version") else {
        return Err(KubeError::malformed(doing, "nodes have no column Version"));
    };
    let rows = table.rows.unwrap_or_default();
    let mut versions: Vec<Box<str>> = rows
        .iter()
        .filter_map(|row| row.cells.as_ref()?.get(place)?.as_str())
        .map(Into::into)
        .collect();
    versions.sort_unstable();
    versions.dedup();
    Ok(versions)
}

const POD: &str = "Pod";

/// Reads one namespace.
struct Reader<'a> {
    wire: &'a Wire,
    namespace: &'a str,
}

impl Reader<'_> {
    async fn namespace(&self) -> Result<Option<Plain>, KubeError> {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let doing = format!("get namespaces named {}", self.namespace);
        self.wire.get(&path, &doing).await
    }

    /// The object of this kind and name; none where the kind is none that we know.
    async fn get<T>(&self, kind: &str, object: &str) -> Result<Option<T>, KubeError>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let Some(kind) = Kind::of(kind) else {
            return Ok(None);
        };
        let path = kind.path(self.namespace, object)?;
        let doing = self.doing("get", kind.plural, kind.group);
        self.wire.get(&path, &doing).await
    }

    async fn named(&self, kind: &str, name: &str) -> Result<Option<(Kind, Workload)>, KubeError> {
        let workload = self.get(kind, name).await?;
        Ok(Kind::of(kind).zip(workload))
    }

    /// The workload that a pod belongs to: its controller, or what controls that one. None where nothing does,
    /// where it is of a kind that we do not know, or where it was made anew in between.
    async fn owner(&self, pod: &Pod) -> Result<Option<(Kind, Workload)>, KubeError> {
        let mut owner = controller(&pod.metadata).cloned();
        let mut found = None;
        for _ in 0..OWNERS_MAX {
            let Some(reference) = owner else { break };
            let group = reference.api_version.split_once('/').map_or("", |it| it.0);
            let kind = Kind::of(&reference.kind).filter(|kind| kind.group == group);
            let Some(kind) = kind else {
                // What a ReplicaSet does for somebody whom we do not know is not its own.
                return Ok(found.filter(|(kind, _): &(Kind, Workload)| kind.name == "Job"));
            };
            let Some(workload) = self.get::<Workload>(kind.name, &reference.name).await? else {
                return Ok(None);
            };
            if workload.metadata.uid.as_deref() != Some(&*reference.uid) {
                return Ok(None);
            }
            owner = controller(&workload.metadata).cloned();
            found = Some((kind, workload));
        }
        Ok(found)
    }

    /// The disruption budgets that select pods with these labels.
    async fn budgets(&self, labels: &Labels) -> Result<Vec<BudgetFacts>, KubeError> {
        let budgets: Vec<Budget> = self
            .list("policy/v1", "poddisruptionbudgets", "policy", "")
            .await?;
        let selects = |budget: &&Budget| {
            let selector = budget.spec.as_ref().and_then(|it| it.selector.as_ref());
            selector.is_some_and(|selector| selects(selector, labels))
        };
        Ok(budgets.iter().filter(selects).map(of_budget).collect())
    }

    /// The autoscalers that scale the workload.
    async fn autoscalers(&self, kind: Kind, name: &str) -> Result<Vec<Box<str>>, KubeError> {
        let group = "autoscaling";
        let scalers: Vec<Autoscaler> = self
            .list("autoscaling/v2", "horizontalpodautoscalers", group, "")
            .await?;
        let scales = |scaler: &Autoscaler| {
            let spec = scaler.spec.as_ref();
            spec.and_then(|it| it.scale_target_ref.as_ref())
                .is_some_and(|it| {
                    let version = it.api_version.as_deref().unwrap_or_default();
                    let group = version.split_once('/').map_or("", |it| it.0);
                    group == kind.group && *it.kind == *kind.name && *it.name == *name
                })
        };
        let names = scalers.into_iter().filter(scales);
        Ok(names
            .filter_map(|it| Some(it.metadata.name?.into()))
            .collect())
    }

    /// The ReplicaSets that a Deployment selects.
    async fn revisions(&self, deployment: &Workload) -> Result<Vec<Workload>, KubeError> {
        let labels = deployment
            .spec
            .as_ref()
            .and_then(|it| it.selector.as_ref()?.match_labels.as_ref());
        let labels: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}%3D{value}"))
            .collect();
        let query = format!("&labelSelector={}", labels.join("%2C"));
        self.list("apps/v1", "replicasets", "apps", &query).await
    }

    async fn list<T>(
        &self,
        version: &str,
        plural: &str,
        group: &str,
        query: &str,
    ) -> Result<Vec<T>, KubeError>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let namespace = self.namespace;
        let path =
            format!("/apis/{version}/namespaces/{namespace}/{plural}?limit={LIST_MAX}{query}");
        let doing = self.doing("list", plural, group);
        self.wire.list(&path, &doing).await
    }

    /// What is attempted, as a permission: `get deployments.apps in namespace shop`.
    fn doing(&self, verb: &str, plural: &str, group: &str) -> String {
        let dot = if group.is_empty() { "" } else { "." };
        format!(
            "{verb} {plural}{dot}{group} in namespace {}",
            self.namespace
        )
    }
}
