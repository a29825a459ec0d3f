//! Looking: what a cluster says of a target, read at about one time, with no more permissions than
//! [`permissions`](crate::core::remedy::plan::permissions) names.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use serde::de::DeserializeOwned;

use super::Kube;
use super::argo::of_application;
use super::claim::{ClaimOf, of_lease};
use super::error::KubeError;
use super::facts::{controller, of_budget, of_namespace, of_pod, of_route, of_workload, previous};
use super::kinds::{Kind, doing, name};
use super::objects::{Autoscaler, Budget, Plain, Pod, Route, Workload};
use super::read::LIST_MAX;
use super::selector::{Labels, selects};
use super::wire::Wire;
use crate::core::event::{Object, Remedy, Target};
use crate::core::record::Timestamp;
use crate::core::remedy::case::Reach;
use crate::core::remedy::facts::{
    ArgoFacts, BudgetFacts, Claim, Facts, NamespaceFacts, WorkloadFacts,
};
use crate::core::remedy::plan::claim_name;

/// Most nodes that are looked at. Each is a row of a table, about 200 bytes.
const NODES_MAX: usize = 10_000;
/// Most owners up the chain: a pod's ReplicaSet, and that one's Deployment.
const OWNERS_MAX: usize = 2;
/// The workloads that are read. Pods of others are told by the kind of their controller.
const WORKLOADS: [&str; 4] = ["ReplicaSet", "Deployment", "StatefulSet", "Rollout"];

impl Kube {
    /// What is known of `target` for `remedy`. What is not there is none, and no error.
    ///
    /// Whether the cluster is being upgraded is said only where nodes may be listed, which needs a permission
    /// for the whole cluster; without it nobody knows.
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
        let mut facts = Facts {
            at: now,
            namespace: reader.namespace().await?,
            ..Facts::default()
        };
        let pod: Option<Pod> = match &target.pod {
            Some(name) => reader.named(&["Pod"], "Pod", name).await?.map(|it| it.1),
            None => None,
        };
        let workload = match (remedy, &pod, &target.workload) {
            (Remedy::AbortRollout { rollout }, _, _) => {
                reader.named(&WORKLOADS, "Rollout", rollout).await?
            }
            (_, Some(pod), _) => reader.owner(pod).await?,
            (_, None, Some((kind, name))) => reader.named(&WORKLOADS, kind, name).await?,
            (_, None, None) => None,
        };
        facts.pod = pod.as_ref().map(of_pod);
        facts.workload = workload.as_ref().map(|(kind, it)| of_workload(*kind, it));
        look_closer(&reader, remedy, (pod, workload), &mut facts).await?;
        self.look_beside(&reader, remedy, &mut facts).await?;
        // What a hook does is not claimed.
        if !matches!(remedy, Remedy::Webhook) {
            facts.claim = self.claim_on(&facts.claimed(target)).await?;
        }
        Ok(facts)
    }

    /// What is not the workload: the route, the application and the nodes.
    async fn look_beside(
        &self,
        reader: &Reader<'_>,
        remedy: &Remedy,
        facts: &mut Facts,
    ) -> Result<(), KubeError> {
        match remedy {
            Remedy::GatewayWeight { route, .. } => {
                let route = reader.named(&["HTTPRoute"], "HTTPRoute", route).await?;
                facts.route = route.map(|(kind, route): (_, Route)| of_route(kind, &route));
            }
            Remedy::ArgoSync { application }
            | Remedy::ArgoRollBack { application }
            | Remedy::ArgoAction { application, .. } => {
                facts.argo = self.application(application).await?;
            }
            Remedy::RestartPod
            | Remedy::RestartWorkload
            | Remedy::Scale { .. }
            | Remedy::RollBack
            | Remedy::AbortRollout { .. }
            | Remedy::JenkinsJob { .. }
            | Remedy::FluxReceiver { .. }
            | Remedy::Webhook => {}
        }
        if Reach::of(remedy.kind()) != Reach::Elsewhere {
            facts.is_upgrading = self.is_upgrading().await?;
        }
        Ok(())
    }

    /// An application, where Argo CD is asked through its objects.
    async fn application(&self, application: &str) -> Result<Option<ArgoFacts>, KubeError> {
        let Some(namespace) = &self.argo_namespace else {
            return Ok(None);
        };
        let reader = Reader {
            wire: &self.wire,
            namespace: name(namespace)?,
        };
        let kinds = ["Application"];
        let read = reader.named(&kinds, "Application", application).await?;
        Ok(read.map(|(_, application)| of_application(&application)))
    }

    /// Who has claimed `object` last.
    async fn claim_on(&self, object: &Object) -> Result<Option<Claim>, KubeError> {
        let claim = ClaimOf {
            namespace: object.namespace.clone(),
            name: claim_name(object).into(),
            lasts: Duration::ZERO,
            owner: None,
        };
        let lease: Option<Lease> = self.lease(&claim).await?;
        Ok(lease.as_ref().and_then(of_lease))
    }

    /// Whether the kubelets are of more than one version; none where they may not be looked at. It is asked each time:
    /// the right may be given later, and what one refusal was about is not known.
    async fn is_upgrading(&self) -> Result<Option<bool>, KubeError> {
        match versions(&self.wire).await {
            Ok(versions) => Ok(versions.map(|all| all.len() > 1)),
            Err(KubeError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What only one remedy needs to know of its pod or workload.
async fn look_closer(
    reader: &Reader<'_>,
    remedy: &Remedy,
    (pod, workload): (Option<Pod>, Option<(Kind, Workload)>),
    facts: &mut Facts,
) -> Result<(), KubeError> {
    match (remedy, pod, workload, &mut facts.workload) {
        (Remedy::RestartPod, Some(pod), _, _) => {
            let labels = pod.metadata.labels.unwrap_or_default();
            facts.budgets = reader.budgets(&labels).await?;
        }
        (Remedy::Scale { .. }, _, Some((kind, _)), Some(known)) => {
            facts.autoscalers = reader.autoscalers(kind, known).await?;
        }
        (Remedy::RollBack, _, Some((kind, read)), Some(known)) if kind.name == "Deployment" => {
            known.previous = previous(&read, reader.revisions(&read).await?);
        }
        _ => {}
    }
    Ok(())
}

/// The versions of the kubelets, each once; none where no nodes are shown.
async fn versions(wire: &Wire) -> Result<Option<Vec<Box<str>>>, KubeError> {
    let doing = "list nodes";
    let path = format!("/api/v1/nodes?includeObject=None&limit={NODES_MAX}");
    let Some(table) = wire.table(&path, doing).await? else {
        return Ok(None);
    };
    if table.metadata.has_more() {
        return Err(KubeError::TooMany {
            doing: doing.to_owned(),
            max: NODES_MAX,
        });
    }
    let columns = table.column_definitions.unwrap_or_default();
    let Some(place) = columns.iter().position(|it| *it.name == *"Version") else {
        let why = "the table of nodes has no column Version";
        return Err(KubeError::malformed(doing, why));
    };
    let rows = table.rows.unwrap_or_default();
    let mut versions: Vec<Box<str>> = rows
        .iter()
        .filter_map(|row| row.cells.as_ref()?.get(place)?.as_str())
        .map(Into::into)
        .collect();
    versions.sort_unstable();
    versions.dedup();
    Ok(Some(versions))
}

/// The group of `apps/v1`.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |it| it.0)
}

/// Reads one namespace.
struct Reader<'a> {
    wire: &'a Wire,
    namespace: &'a str,
}

impl Reader<'_> {
    async fn namespace(&self) -> Result<Option<NamespaceFacts>, KubeError> {
        let namespace = self.namespace;
        let path = format!("/api/v1/namespaces/{namespace}");
        let doing = doing("get", "namespaces", "", namespace);
        let read: Option<Plain> = self.wire.get(&path, &doing).await?;
        Ok(read.as_ref().map(of_namespace))
    }

    /// The object of this kind and name; none where the kind is not one of `kinds`.
    async fn named<T>(
        &self,
        kinds: &[&str],
        kind: &str,
        object: &str,
    ) -> Result<Option<(Kind, T)>, KubeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let Some(kind) = Kind::of(kind).filter(|kind| kinds.contains(&kind.name)) else {
            return Ok(None);
        };
        let path = kind.path(self.namespace, object)?;
        let doing = kind.doing("get", self.namespace);
        let read = self.wire.get(&path, &doing).await?;
        Ok(read.map(|object| (kind, object)))
    }

    /// The workload that a pod belongs to: its controller, or what controls that one. None where nothing does,
    /// where it is of a kind that is not read, or where it was made anew in between.
    async fn owner(&self, pod: &Pod) -> Result<Option<(Kind, Workload)>, KubeError> {
        let mut owner = controller(&pod.metadata).cloned();
        let mut found = None;
        for _ in 0..OWNERS_MAX {
            let Some(reference) = owner else { break };
            let group = group_of(&reference.api_version);
            if Kind::of(&reference.kind).is_none_or(|kind| kind.group != group) {
                return Ok(None);
            }
            let read = self.named(&WORKLOADS, &reference.kind, &reference.name);
            let Some((kind, workload)): Option<(Kind, Workload)> = read.await? else {
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
        let (group, plural) = ("policy", "poddisruptionbudgets");
        let budgets: Vec<Budget> = self.list(group, "v1", plural, "").await?;
        let selects = |budget: &&Budget| {
            let selector = budget.spec.as_ref().and_then(|it| it.selector.as_ref());
            selector.is_some_and(|selector| selects(selector, labels))
        };
        Ok(budgets.iter().filter(selects).map(of_budget).collect())
    }

    /// The autoscalers that scale the workload.
    async fn autoscalers(
        &self,
        kind: Kind,
        workload: &WorkloadFacts,
    ) -> Result<Vec<Box<str>>, KubeError> {
        let (group, plural) = ("autoscaling", "horizontalpodautoscalers");
        let scalers: Vec<Autoscaler> = self.list(group, "v2", plural, "").await?;
        let scales = |scaler: &Autoscaler| {
            let target = scaler.spec.as_ref()?.scale_target_ref.as_ref()?;
            let version = target.api_version.as_deref().unwrap_or_default();
            let is_it = group_of(version) == kind.group
                && *target.kind == *kind.name
                && target.name == workload.object.name;
            is_it.then(|| scaler.metadata.name.as_deref().unwrap_or_default().into())
        };
        Ok(scalers.iter().filter_map(scales).collect())
    }

    /// The ReplicaSets that a Deployment selects. Which of them are its own is told by their owner.
    async fn revisions(&self, deployment: &Workload) -> Result<Vec<Workload>, KubeError> {
        let selector = deployment.spec.as_ref().and_then(|it| it.selector.as_ref());
        let labels = selector.and_then(|it| it.match_labels.as_ref());
        let labels: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}%3D{value}"))
            .collect();
        let query = format!("&labelSelector={}", labels.join("%2C"));
        self.list("apps", "v1", "replicasets", &query).await
    }

    async fn list<T>(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        query: &str,
    ) -> Result<Vec<T>, KubeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let namespace = self.namespace;
        let path = format!(
            "/apis/{group}/{version}/namespaces/{namespace}/{plural}?limit={LIST_MAX}{query}"
        );
        let doing = doing("list", plural, group, namespace);
        self.wire.list(&path, &doing).await
    }
}
