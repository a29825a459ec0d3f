//! The systems that actions are looked at in, decided by and carried out with: what the file says → what each of
//! their rooms asks for.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::check::Finding;
use super::remedies::{ActionRule, RemediationSettings};
use super::settings::Settings;
use super::units::Period;
use crate::core::event::{ActionKind, Mode};
use crate::edge::argo::ArgoSettings;
use crate::edge::ci::{FluxSettings, JenkinsSettings};
use crate::edge::kube::{KubeSettings, Source};
use crate::edge::outgoing::{Problem, SecretRef};
use crate::edge::policy::PolicySettings;

/// Where Argo CD keeps its Application objects when the owner says nothing.
pub(super) const ARGO_NAMESPACE: &str = "argocd";
/// The longest that a policy may be waited for. What takes longer is asked about again before it has answered.
const POLICY_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// The longest name of a namespace.
const NAMESPACE_LEN_MAX: usize = 63;

/// A Kubernetes API server. Without anything set: the cluster that knothole runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesEntry {
    /// A kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// Its context; the current one where it is left out.
    pub context: Option<String>,
    /// Or the address: `https://10.0.0.1:6443`.
    pub server: Option<String>,
    /// With `server`: the file with the certificate authority, PEM.
    pub ca_file: Option<PathBuf>,
    /// With `server`: the file with the bearer token, read again when it changes.
    pub token_file: Option<PathBuf>,
}

/// An Open Policy Agent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    /// The decision: `http://127.0.0.1:8181/v1/data/knothole/remediation/decision`.
    pub url: String,
    /// How long it may take; a policy that takes longer has said no.
    #[serde(default = "two_seconds")]
    pub timeout: Period,
    /// The file with a bearer token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Or the environment variable with it.
    #[serde(default)]
    pub token_env: Option<String>,
    /// Whether `url` may lead to another private address than this host's.
    #[serde(default)]
    pub allow_private: bool,
}

fn two_seconds() -> Period {
    Period::seconds(2)
}

/// The API of Argo CD.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgoEntry {
    /// The address: `https://argocd.example.net`.
    pub url: String,
    /// The file with the token of a project's role or of an account, read for each request.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Or the environment variable with it.
    #[serde(default)]
    pub token_env: Option<String>,
    /// The project of the applications: then one that is not there is told from one that may not be seen.
    #[serde(default)]
    pub project: Option<String>,
    /// The namespace of the applications, where it is not Argo CD's own.
    #[serde(default)]
    pub app_namespace: Option<String>,
    /// Whether a sync or a rollback is tried as a dry run first, which is an operation of the application too.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether `url` may lead to another private address than this host's.
    #[serde(default)]
    pub allow_private: bool,
    /// A file with authorities that are trusted besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// A Jenkins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JenkinsEntry {
    /// The address: `https://ci.example.net`, with the context path where it has one.
    pub url: String,
    /// The id of the user.
    pub user: String,
    /// The file with the user's API token, read for each request.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Or the environment variable with it.
    #[serde(default)]
    pub token_env: Option<String>,
    /// Whether that is a password, with which Jenkins wants a crumb.
    #[serde(default)]
    pub crumb: bool,
    /// Whether `url` may lead to another private address than this host's.
    #[serde(default)]
    pub allow_private: bool,
    /// A file with authorities that are trusted besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The receivers of a Flux.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FluxEntry {
    /// The address of the notification controller's receivers: `https://flux.example.net`.
    pub url: String,
    /// The file with the `token` of the receiver's secret, read for each request.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Or the environment variable with it.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// Whether `url` may lead to another private address than this host's.
    #[serde(default)]
    pub allow_private: bool,
    /// A file with authorities that are trusted besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// The cluster that is acted on, in the name of the process `instance`.
    pub fn cluster(&self, instance: &str) -> Option<KubeSettings> {
        let entry = self.remediation.kubernetes.as_ref()?;
        let source = match (&entry.kubeconfig, &entry.server) {
            (Some(path), _) => Source::Kubeconfig {
                path: path.clone(),
                context: entry.context.clone(),
            },
            (None, Some(url)) => Source::Server {
                url: url.clone(),
                ca_file: entry.ca_file.clone(),
                token_file: entry.token_file.clone(),
            },
            (None, None) => Source::InCluster,
        };
        Some(KubeSettings {
            instance: instance.into(),
            argo_namespace: self.argo_objects().map(Into::into),
            ..KubeSettings::of(source)
        })
    }

    /// The namespace of Argo CD's Application objects, where it is asked through them.
    pub fn argo_objects(&self) -> Option<&str> {
        let set = &self.remediation;
        set.argo_cd.is_none().then_some(&*set.argo_namespace)
    }

    /// The policy that is asked before anything is done.
    pub fn policy(&self) -> Option<PolicySettings> {
        let entry = self.remediation.policy.as_ref()?;
        Some(PolicySettings {
            timeout: entry.timeout.get(),
            token: secret(&entry.token_file, &entry.token_env),
            allow_private: entry.allow_private,
            ..PolicySettings::of(&entry.url)
        })
    }

    /// The API of Argo CD. Checked settings say where its token is, here as below.
    pub fn argo_cd(&self) -> Option<ArgoSettings> {
        let entry = self.remediation.argo_cd.as_ref()?;
        let token = secret(&entry.token_file, &entry.token_env)?;
        Some(ArgoSettings {
            project: entry.project.as_deref().map(Into::into),
            app_namespace: entry.app_namespace.as_deref().map(Into::into),
            dry_run: entry.dry_run,
            allow_private: entry.allow_private,
            ca_file: entry.ca_file.clone(),
            ..ArgoSettings::of(&entry.url, token)
        })
    }

    /// The Jenkins whose jobs are started.
    pub fn jenkins(&self) -> Option<JenkinsSettings> {
        let entry = self.remediation.jenkins.as_ref()?;
        let token = secret(&entry.token_file, &entry.token_env)?;
        Some(JenkinsSettings {
            crumb: entry.crumb,
            allow_private: entry.allow_private,
            ca_file: entry.ca_file.clone(),
            ..JenkinsSettings::of(&entry.url, &entry.user, token)
        })
    }

    /// The Flux whose receivers are told.
    pub fn flux(&self) -> Option<FluxSettings> {
        let entry = self.remediation.flux.as_ref()?;
        let secret = secret(&entry.secret_file, &entry.secret_env)?;
        Some(FluxSettings {
            allow_private: entry.allow_private,
            ca_file: entry.ca_file.clone(),
            ..FluxSettings::of(&entry.url, secret)
        })
    }
}

fn secret(file: &Option<PathBuf>, variable: &Option<String>) -> Option<SecretRef> {
    match (file, variable) {
        (Some(file), _) => Some(SecretRef::File(file.clone())),
        (None, Some(name)) => Some(SecretRef::Env(name.clone())),
        (None, None) => None,
    }
}

/// What `rule` acts with and is not there, with the way out.
pub(super) fn missing(set: &RemediationSettings, rule: &ActionRule) -> Option<String> {
    match rule.mode {
        Mode::Observe | Mode::Suggest => return None,
        Mode::Approve | Mode::Auto => {}
    }
    let (what, setting) = match rule.action {
        ActionKind::Webhook => return None,
        // What is acted on is looked at there, whoever acts.
        _ if set.kubernetes.is_none() => ("a cluster", "kubernetes"),
        ActionKind::ArgoAction if set.argo_cd.is_none() => ("the API of Argo CD", "argo_cd"),
        ActionKind::JenkinsJob if set.jenkins.is_none() => ("a Jenkins", "jenkins"),
        ActionKind::FluxReceiver if set.flux.is_none() => ("the receivers of a Flux", "flux"),
        ActionKind::RestartPod
        | ActionKind::RestartWorkload
        | ActionKind::Scale
        | ActionKind::RollBack
        | ActionKind::AbortRollout
        | ActionKind::GatewayWeight
        | ActionKind::ArgoSync
        | ActionKind::ArgoRollBack
        | ActionKind::ArgoAction
        | ActionKind::JenkinsJob
        | ActionKind::FluxReceiver => return None,
    };
    let (mode, action) = (rule.mode.name(), rule.action);
    Some(format!(
        "{action} in mode {mode} needs {what}; set remediation.{setting}, or write mode: suggest"
    ))
}

/// What is wrong with them.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let set = &settings.remediation;
    let mut found = Vec::new();
    let mut say = |field: &str, what: &str| {
        found.push((format!("remediation.{field}"), what.to_owned()));
    };
    if let Some(cluster) = &set.kubernetes {
        if cluster.kubeconfig.is_some() && cluster.server.is_some() {
            let said = "there is a kubeconfig too; name one of the two";
            say("kubernetes.server", said);
        }
        if cluster.server.is_some() && cluster.token_file.is_none() {
            let said = "a server needs a token; name the file with it";
            say("kubernetes.token_file", said);
        }
    }
    if !is_namespace(&set.argo_namespace) {
        let said = "that is no name of a namespace; the default is argocd";
        say("argo_namespace", said);
    }
    let timeout = set.policy.as_ref().map(|it| it.timeout.get());
    if timeout.is_some_and(|it| it > POLICY_TIMEOUT_MAX) {
        let said = "a decision is waited for 60s at most; the default is 2s";
        say("policy.timeout", said);
    }
    for (field, what) in secrets(set) {
        say(field, what);
    }
    let problems = problems(settings).into_iter();
    found.extend(problems.map(|it| {
        let said = format!("{}; {}", it.message, it.hint);
        (format!("remediation.{}", it.path), said)
    }));
    found
}

/// What their rooms say of them.
fn problems(settings: &Settings) -> Vec<Problem> {
    let egress = &settings.egress;
    let policy = settings.policy().map(|it| it.check("policy", egress));
    let argo = settings.argo_cd().map(|it| it.check("argo_cd", egress));
    let jenkins = settings.jenkins().map(|it| it.check("jenkins", egress));
    let flux = settings.flux().map(|it| it.check("flux", egress));
    let all = [policy, argo, jenkins, flux];
    all.into_iter().flatten().flatten().collect()
}

/// Each has to say where its secret is, and once.
fn secrets(set: &RemediationSettings) -> Vec<(&'static str, &'static str)> {
    const TOKEN: [&str; 2] = [
        "say where the token is: token_file: FILE or token_env: NAME",
        "say once where the token is: token_file: FILE or token_env: NAME",
    ];
    const SECRET: [&str; 2] = [
        "say where the secret is: secret_file: FILE or secret_env: NAME",
        "say once where the secret is: secret_file: FILE or secret_env: NAME",
    ];
    let wrong = |file: &Option<PathBuf>, variable: &Option<String>, [none, both]: [_; 2]| match (
        file, variable,
    ) {
        (None, None) => Some(none),
        (Some(_), Some(_)) => Some(both),
        (Some(_), None) | (None, Some(_)) => None,
    };
    let argo = set.argo_cd.as_ref();
    let argo = argo.and_then(|it| wrong(&it.token_file, &it.token_env, TOKEN));
    let jenkins = set.jenkins.as_ref();
    let jenkins = jenkins.and_then(|it| wrong(&it.token_file, &it.token_env, TOKEN));
    let flux = set.flux.as_ref();
    let flux = flux.and_then(|it| wrong(&it.secret_file, &it.secret_env, SECRET));
    let policy = set.policy.as_ref();
    let policy = policy.filter(|it| it.token_file.is_some() && it.token_env.is_some());
    let all = [
        ("argo_cd", argo),
        ("jenkins", jenkins),
        ("flux", flux),
        ("policy", policy.map(|_| TOKEN[1])),
    ];
    let found = all.into_iter();
    found
        .filter_map(|(field, said)| Some((field, said?)))
        .collect()
}

/// Whether a namespace of Kubernetes can be called so.
pub(crate) fn is_namespace(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
    name.len() <= NAMESPACE_LEN_MAX
        && name.bytes().all(is_plain)
        && is_edge(name.bytes().next())
        && is_edge(name.bytes().last())
}

#[cfg(test)]
mod tests;
