//! What may be done about trouble, and by whom: what the file says → what each room asks for.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::Finding;
use super::settings::Settings;
use super::silences::WindowEntry;
use super::systems::{
    self, ARGO_NAMESPACE, ArgoEntry, FluxEntry, JenkinsEntry, KubernetesEntry, PolicyEntry,
};
use super::units::Period;
use crate::core::event::{ActionKind, AnomalyKind, Mode, Remedy};
use crate::core::remedy::rule::{Limits, Rule};
use crate::daemon::remediation::RemedySettings;

/// Kinds of anomaly that are told of a service as a whole: they name nothing that anything could be done to.
const OF_SERVICE: [AnomalyKind; 4] = [
    AnomalyKind::Silence,
    AnomalyKind::RateUp,
    AnomalyKind::RateDown,
    AnomalyKind::Burst,
];

/// An action that a rule asks for when an anomaly fits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRule {
    /// Names the rule in the actions it asks for.
    pub name: String,
    /// What is done.
    pub action: ActionKind,
    /// How far the rule may go: `observe`, `suggest`, `approve` or `auto`.
    #[serde(default)]
    pub mode: Mode,
    /// The kinds of anomaly that ask for it (`new_template`, `sequence`); empty is all.
    #[serde(default)]
    pub kinds: Vec<AnomalyKind>,
    /// The services it is for, as `environment/namespace/name`; empty is all.
    #[serde(default)]
    pub services: Vec<String>,
    /// The lowest score that asks for it, 0 to 1.
    #[serde(default)]
    pub score_min: f64,
    /// How long an action is good for that nobody carried out.
    #[serde(default = "ttl")]
    pub ttl: Period,
    /// How long trouble must have gone on before it is acted on without a person.
    #[serde(default = "persist")]
    pub persist: Period,
    /// The least age of a pod that is evicted.
    #[serde(default = "pod_age")]
    pub pod_age_min: Period,
    /// How long after an action is looked whether it helped.
    #[serde(default = "stabilise")]
    pub stabilise: Period,
    /// Rules that come first: this one asks only where one of them did not help.
    #[serde(default)]
    pub after: Vec<String>,
    /// Whether it may touch StatefulSets.
    #[serde(default)]
    pub stateful: bool,
    /// `scale`: by how many.
    pub by: Option<u32>,
    /// `scale`: to at most how many.
    pub max: Option<u32>,
    /// `argo_*`: the application.
    pub application: Option<String>,
    /// `argo_action`: what is done to the workload: `restart`, `pause`, `resume`, `abort`, `retry`.
    pub resource_action: Option<String>,
    /// `jenkins_job`: the job, with its folders.
    pub job: Option<String>,
    /// `flux_receiver`: the path of its webhook.
    pub path: Option<String>,
    /// `abort_rollout`: the rollout.
    pub rollout: Option<String>,
    /// `gateway_weight`: the HTTPRoute.
    pub route: Option<String>,
    /// `gateway_weight`: the backend, a Service.
    pub backend: Option<String>,
    /// `gateway_weight`: its weight since.
    pub weight: Option<u32>,
}

fn ttl() -> Period {
    Period::from(Rule::TTL_DEFAULT)
}

fn persist() -> Period {
    Period::from(Rule::PERSIST_DEFAULT)
}

fn pod_age() -> Period {
    Period::from(Rule::POD_AGE_DEFAULT)
}

fn stabilise() -> Period {
    Period::from(Rule::STABILISE_DEFAULT)
}

impl ActionRule {
    /// What is done; an error names the setting that is missing.
    fn remedy(&self) -> Result<Remedy, &'static str> {
        let text = |field: &Option<String>, name| match field.as_deref() {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(name),
        };
        Ok(match self.action {
            ActionKind::RestartPod => Remedy::RestartPod,
            ActionKind::RestartWorkload => Remedy::RestartWorkload,
            ActionKind::Scale => Remedy::Scale {
                by: self.by.unwrap_or(1),
                max: self.max.ok_or("max")?,
            },
            ActionKind::RollBack => Remedy::RollBack,
            ActionKind::ArgoSync => Remedy::ArgoSync {
                application: text(&self.application, "application")?,
            },
            ActionKind::ArgoRollBack => Remedy::ArgoRollBack {
                application: text(&self.application, "application")?,
            },
            ActionKind::ArgoAction => Remedy::ArgoAction {
                application: text(&self.application, "application")?,
                action: text(&self.resource_action, "resource_action")?,
            },
            ActionKind::JenkinsJob => Remedy::JenkinsJob {
                job: text(&self.job, "job")?,
            },
            ActionKind::FluxReceiver => Remedy::FluxReceiver {
                path: text(&self.path, "path")?,
            },
            ActionKind::AbortRollout => Remedy::AbortRollout {
                rollout: text(&self.rollout, "rollout")?,
            },
            ActionKind::GatewayWeight => Remedy::GatewayWeight {
                route: text(&self.route, "route")?,
                backend: text(&self.backend, "backend")?,
                weight: self.weight.ok_or("weight")?,
            },
            ActionKind::Webhook => Remedy::Webhook,
        })
    }

    fn rule(&self) -> Option<Rule> {
        Some(Rule {
            name: self.name.as_str().into(),
            mode: self.mode,
            remedy: self.remedy().ok()?,
            kinds: self.kinds.clone(),
            services: self.services.iter().map(|it| it.as_str().into()).collect(),
            score_min: self.score_min,
            ttl: self.ttl.get(),
            persist: self.persist.get(),
            pod_age_min: self.pod_age_min.get(),
            stabilise: self.stabilise.get(),
            after: self.after.iter().map(|it| it.as_str().into()).collect(),
            stateful: self.stateful,
        })
    }
}

/// What actions are carried out with, and how much may be done.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemediationSettings {
    /// The cluster that is acted on; none: nothing is ever done.
    pub kubernetes: Option<KubernetesEntry>,
    /// The namespace of Argo CD's Application objects, through which it is asked where its API is not set.
    pub argo_namespace: String,
    /// The API of Argo CD.
    pub argo_cd: Option<ArgoEntry>,
    /// A Jenkins.
    pub jenkins: Option<JenkinsEntry>,
    /// The receivers of a Flux.
    pub flux: Option<FluxEntry>,
    /// The label that lets a namespace or a workload be touched, as `name=value`.
    pub label: String,
    /// Namespaces that are never touched, besides `kube-*` and knothole's own.
    pub deny_namespaces: Vec<String>,
    /// While this file is there nothing is done; in the state folder unless it says otherwise.
    pub stop_file: Option<PathBuf>,
    /// When nothing is done to what: windows as in `windows`, whose `mode` says nothing here.
    pub freeze: Vec<WindowEntry>,
    /// Who else has to agree.
    pub policy: Option<PolicyEntry>,
    /// How much may be done.
    pub limits: LimitSettings,
}

impl Default for RemediationSettings {
    fn default() -> Self {
        let (name, value) = Limits::default().label;
        Self {
            kubernetes: None,
            argo_namespace: ARGO_NAMESPACE.to_owned(),
            argo_cd: None,
            jenkins: None,
            flux: None,
            label: format!("{name}={value}"),
            deny_namespaces: Vec::new(),
            stop_file: None,
            freeze: Vec::new(),
            policy: None,
            limits: LimitSettings::default(),
        }
    }
}

/// How much may be done.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Most actions on one workload in half an hour.
    pub per_workload: u32,
    /// Most actions in one namespace in an hour.
    pub per_namespace: u32,
    /// Most actions in an hour.
    pub per_hour: u32,
    /// How long after an action nothing is done to its workload.
    pub cool_down: Period,
    /// The fewest pods of a workload that have to stay Ready.
    pub ready_min: u32,
    /// The largest share of services in trouble at which anything is done.
    pub storm_share: f64,
    /// At so many services in trouble nothing is done, whatever the share.
    pub storm_services_max: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        let usual = Limits::default();
        Self {
            per_workload: usual.workload_max,
            per_namespace: usual.namespace_hourly_max,
            per_hour: usual.hourly_max,
            cool_down: Period::from(usual.cool_down),
            ready_min: usual.ready_min,
            storm_share: usual.storm_share_max,
            storm_services_max: usual.storm_services_max,
        }
    }
}

impl Settings {
    /// The rules that actions are asked for by, in the order of the file. Checked settings leave none out.
    pub fn rules(&self) -> Vec<Rule> {
        self.actions.iter().filter_map(ActionRule::rule).collect()
    }

    /// Whether senders have to show who they are, and may speak for nobody else: of several tenants each has
    /// to be held to its own Kubernetes namespaces.
    pub fn senders_are_known(&self) -> bool {
        let tls = self.receive.tls.as_ref();
        match self.receive.tenants.as_slice() {
            [] => tls.is_some_and(|it| it.client_ca.is_some()),
            [_] => true,
            several => several
                .iter()
                .all(|tenant| tenant.resource.contains_key("k8s.namespace.name")),
        }
    }

    /// The file that stops all actions while it is there.
    pub fn stop_file(&self) -> PathBuf {
        let usual = || self.state_dir.join(crate::daemon::switch::FILE);
        self.remediation.stop_file.clone().unwrap_or_else(usual)
    }

    /// What rules, limits and senders are like.
    pub(in crate::daemon) fn remedies(&self) -> RemedySettings {
        RemedySettings {
            rules: self.rules(),
            limits: self.limits(),
            freezes: self.freezes(),
            can_act: self.remediation.kubernetes.is_some(),
            is_authenticated: self.senders_are_known(),
        }
    }

    /// How much may be done, and where never.
    pub fn limits(&self) -> Limits {
        let set = &self.remediation.limits;
        let usual = Limits::default();
        let label = label_of(&self.remediation.label);
        let denied = self.remediation.deny_namespaces.iter();
        Limits {
            label: label.unwrap_or(usual.label.clone()),
            own_namespace: own_namespace(),
            deny_namespaces: denied.map(|it| it.as_str().into()).collect(),
            workload_max: set.per_workload,
            namespace_hourly_max: set.per_namespace,
            hourly_max: set.per_hour,
            cool_down: set.cool_down.get(),
            ready_min: set.ready_min,
            storm_share_max: set.storm_share,
            storm_services_max: set.storm_services_max,
            has_policy: self.remediation.policy.is_some(),
            ..usual
        }
    }
}

/// Where knothole itself runs, where that is in a cluster: the variable that a manifest sets from the downward
/// API, or what every pod with a service account finds.
fn own_namespace() -> Option<Box<str>> {
    const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    let set = std::env::var("POD_NAMESPACE").ok();
    let found = set.or_else(|| std::fs::read_to_string(MOUNTED).ok())?;
    let name = found.trim();
    (!name.is_empty()).then(|| name.into())
}

fn label_of(text: &str) -> Option<(Box<str>, Box<str>)> {
    let (name, value) = text.split_once('=')?;
    (!name.is_empty()).then(|| (name.into(), value.into()))
}

/// What is wrong with rules and with what carries them out.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, rule) in settings.actions.iter().enumerate() {
        rule_findings(settings, index, rule, &mut found);
    }
    let remediation = &settings.remediation;
    let mut say = |field: &str, what: &str| {
        found.push((format!("remediation.{field}"), what.to_owned()));
    };
    if label_of(&remediation.label).is_none() {
        say(
            "label",
            "write it as name=value, for instance knothole.dev/remediate=true",
        );
    }
    if !(0.0..=1.0).contains(&remediation.limits.storm_share) {
        say(
            "limits.storm_share",
            "write a share from 0 to 1; the default is 0.3",
        );
    }
    found.extend(systems::check(settings));
    found
}

fn rule_findings(settings: &Settings, index: usize, rule: &ActionRule, found: &mut Vec<Finding>) {
    let mut say = |field: &str, what: String| {
        found.push((format!("actions[{index}].{field}"), what));
    };
    let earlier = settings.actions.iter().take(index);
    if rule.name.is_empty() || earlier.clone().any(|it| it.name == rule.name) {
        let name = &rule.name;
        let what = format!("{name:?} does not tell the rule from others; give each its own name");
        say("name", what);
    }
    if !(0.0..=1.0).contains(&rule.score_min) {
        let score = rule.score_min;
        say(
            "score_min",
            format!("{score} is no score; write a number from 0 to 1"),
        );
    }
    if rule.ttl.get().is_zero() {
        let what = "a proposal that is good for no time is never acted on; the default is 15m";
        say("ttl", what.to_owned());
    }
    if let Err(missing) = rule.remedy() {
        let action = rule.action;
        say(
            missing,
            format!("{action} needs it; the README shows an example"),
        );
    }
    if rule.by == Some(0) {
        say(
            "by",
            "scaling by nothing does nothing; write 1 or more".to_owned(),
        );
    }
    for name in &rule.after {
        if *name == rule.name || !settings.actions.iter().any(|it| it.name == *name) {
            say(
                "after",
                format!("there is no other rule {name:?}; name one of this file"),
            );
        }
    }
    for (place, kind) in rule.kinds.iter().enumerate() {
        if OF_SERVICE.contains(kind) {
            let what = format!(
                "{} is told of a service as a whole and names no pod or workload, so nothing is ever done \
                 about it; leave it out",
                kind.name()
            );
            say(&format!("kinds[{place}]"), what);
        }
    }
    if rule.action == ActionKind::GatewayWeight && rule.mode == Mode::Auto {
        let what = "where requests go is never changed without a person; write mode: approve";
        say("mode", what.to_owned());
    }
    if let Some(missing) = systems::missing(&settings.remediation, rule) {
        say("mode", missing);
    }
}

#[cfg(test)]
mod tests {
    use crate::daemon::config::from_text;

    /// What is said of a rule with these settings.
    fn told(rule: &str) -> String {
        let text = format!(
            "actions:\n  - name: r\n{rule}remediation:\n  kubernetes: {{ server: 'https://k', token_file: t }}\n"
        );
        match from_text("k.yaml", &text, &[]) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_weight_is_never_set_without_a_person_and_who_asks_for_it_is_told() {
        let rule = |mode: &str| {
            told(&format!(
                "    action: gateway_weight\n    mode: {mode}\n    route: r\n    backend: b\n    weight: 1\n"
            ))
        };
        let said = rule("auto");
        let place =
            "k.yaml:4:11  actions[0].mode: where requests go is never changed without a person";
        assert!(
            said.contains(place) && said.contains("write mode: approve"),
            "{said}"
        );
        assert_eq!(rule("approve"), "");
    }

    #[test]
    fn a_rule_on_a_kind_that_names_no_target_is_told_with_its_line() {
        let rule = |kind: &str| {
            told(&format!(
                "    action: webhook\n    kinds:\n      - sequence\n      - {kind}\n"
            ))
        };
        for kind in ["silence", "rate_up", "rate_down", "burst"] {
            let said = rule(kind);
            let place =
                format!("k.yaml:6:9  actions[0].kinds[1]: {kind} is told of a service as a whole");
            assert!(
                said.contains(&place) && said.contains("leave it out"),
                "{said}"
            );
        }
        assert_eq!(rule("new_template"), "");
    }
}
