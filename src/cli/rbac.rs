//! `knothole rbac`: the rights that the enabled actions take in a cluster, and nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::config_of;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::{out, printable, say};
use crate::core::event::{Mode, Remedy};
use crate::core::remedy::plan::{Permission, Scope, permissions, permissions_wished};
use crate::core::remedy::rule::Rule;
use crate::daemon::config::{Settings, is_namespace};

/// Characters of a namespace that are shown where it is refused.
const NAMESPACE_CHARS_MAX: usize = 64;

/// `knothole rbac`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RbacArgs {
    /// The settings file with the rules
    #[arg(long, short, value_name = "FILE", env = "KNOTHOLE_CONFIG")]
    config: PathBuf,
    /// A namespace in which the rules may act; may be given several times
    #[arg(long, short, value_name = "NAME", required = true)]
    namespace: Vec<String>,
    /// The service account knothole runs as
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        default_value = "knothole/knothole"
    )]
    service_account: String,
    /// Print a ClusterRole too, to list nodes: a person is asked while these run several versions
    #[arg(long)]
    nodes: bool,
    /// Print one JSON object, a List
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Each permission is there because a rule needs it: to read a target, to claim its workload (a Lease), to
do what the rule says and to tell of it (an Event). Rules in the mode observe may only read. There is no
wildcard, no secret and, without --nodes, nothing for the whole cluster. Where Argo CD is asked through its Application objects (remediation.argo_cd is not set)
there is a Role in their namespace too (remediation.argo_namespace); it is for all applications in it.

Examples:
  knothole rbac -c knothole.yaml -n shop | kubectl apply -f -
  knothole rbac -c knothole.yaml -n shop -n cart --service-account ops/knothole
  kubectl auth can-i --list --as system:serviceaccount:knothole:knothole -n shop

Exit codes: 0 done, 2 wrong use or settings.";

pub(crate) fn run(args: &RbacArgs) -> Result<Outcome, Failure> {
    let settings = config_of(Some(&args.config))?;
    let Some((home, name)) = args.service_account.split_once('/') else {
        let wrong = anyhow::anyhow!("--service-account: write it as NAMESPACE/NAME");
        return Err(wrong).or_use();
    };
    for namespace in &args.namespace {
        check(namespace).or_use()?;
    }
    let objects = match needless(&settings) {
        Some(why) => {
            say(&format!("nothing is needed: {why}"));
            Vec::new()
        }
        None => objects(&settings, args, (home, name)),
    };
    let mut out = out();
    if args.json {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        writeln!(out, "{list:#}")?;
    } else {
        for object in &objects {
            let text = serde_saphyr::to_string(object).or_environment()?;
            writeln!(out, "---\n{}", text.trim_end())?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Nothing is done in some namespaces, so nobody is to have rights there.
fn check(namespace: &str) -> anyhow::Result<()> {
    let shown = printable(namespace, NAMESPACE_CHARS_MAX);
    if namespace.starts_with("kube-") {
        anyhow::bail!("--namespace: knothole never acts in {shown}; leave it out");
    }
    if !is_namespace(namespace) {
        anyhow::bail!("--namespace: \"{shown}\" is no name of a namespace; write one as shop");
    }
    Ok(())
}

/// Why no rule of these settings takes any right; `None` where one may.
fn needless(settings: &Settings) -> Option<&'static str> {
    if settings.rules().is_empty() {
        return Some("there is no rule in actions");
    }
    let has_cluster = settings.remediation.kubernetes.is_some();
    (!has_cluster).then_some("remediation.kubernetes is not set, so no cluster is read or changed")
}

fn objects(settings: &Settings, args: &RbacArgs, account: (&str, &str)) -> Vec<Value> {
    let mut by_namespace: BTreeMap<String, BTreeSet<Permission>> = BTreeMap::new();
    for rule in &settings.rules() {
        for namespace in &args.namespace {
            for permission in needed(rule, namespace, settings.argo_objects()) {
                let of = permission.namespace.as_deref().unwrap_or(namespace);
                let all = by_namespace.entry(of.to_owned()).or_default();
                all.insert(permission);
            }
        }
    }
    let all = by_namespace.into_iter();
    let mut objects: Vec<Value> = all
        .flat_map(|(namespace, needed)| [role(&namespace, &needed), binding(&namespace, account)])
        .collect();
    if args.nodes {
        objects.extend(of_nodes(account));
    }
    objects
}

fn needed(rule: &Rule, namespace: &str, argo: Option<&str>) -> Vec<Permission> {
    let scope = Scope {
        namespace,
        kind: (!rule.stateful).then_some("Deployment"),
        argo_namespace: argo,
    };
    let mut all = permissions(&rule.remedy, scope);
    if rule.remedy == Remedy::RestartPod {
        // A pod may turn out to be one of these, which is known once it was read.
        let kind = Some("Rollout");
        all.extend(permissions(&rule.remedy, Scope { kind, ..scope }));
    }
    if rule.mode == Mode::Observe {
        all.retain(Permission::is_reading);
    }
    all
}

fn role(namespace: &str, needed: &BTreeSet<Permission>) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": "knothole", "namespace": namespace },
        "rules": rules(needed),
    })
}

/// What it takes to see whether the cluster is being upgraded, which is for all of it.
fn of_nodes((home, name): (&str, &str)) -> [Value; 2] {
    const NAME: &str = "knothole-nodes";
    let needed = BTreeSet::from_iter(permissions_wished());
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": NAME },
        "rules": rules(&needed),
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": NAME },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": home }],
    });
    [role, binding]
}

/// One rule for each resource, with its verbs.
fn rules(needed: &BTreeSet<Permission>) -> Vec<Value> {
    let mut verbs: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for permission in needed {
        let resource = match permission.subresource {
            Some(subresource) => format!("{}/{subresource}", permission.resource),
            None => permission.resource.to_owned(),
        };
        let of = verbs.entry((permission.group, resource)).or_default();
        of.insert(permission.verb);
    }
    let rules = verbs.into_iter().map(|((group, resource), verbs)| {
        json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
    });
    rules.collect()
}

fn binding(namespace: &str, (home, name): (&str, &str)) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "knothole", "namespace": namespace },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "knothole" },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": home }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::from_text;

    fn roles(actions: &str) -> Vec<Value> {
        roles_with("", actions)
    }

    /// The roles and bindings where `more` is set besides the cluster.
    fn roles_with(more: &str, actions: &str) -> Vec<Value> {
        let text = format!(
            "remediation: {{ kubernetes: {{ server: 'https://k', token_file: t }} {more} }}\nactions: {actions}\n"
        );
        let settings = from_text("x", &text, &[]).unwrap();
        let args = RbacArgs {
            config: PathBuf::new(),
            namespace: vec!["shop".to_owned()],
            service_account: "knothole/knothole".to_owned(),
            nodes: false,
            json: true,
        };
        objects(&settings, &args, ("knothole", "knothole"))
    }

    #[test]
    fn a_namespace_that_is_none_or_that_nothing_is_done_in_is_refused() {
        for wrong in ["Shop *", "*", "", "kube-system", "kube-*", "Shop"] {
            let said = check(wrong).unwrap_err().to_string();
            assert!(said.starts_with("--namespace: "), "{said}");
        }
        assert!(check("shop-2").is_ok());
    }

    #[test]
    fn settings_that_take_no_right_are_told_as_such() {
        let of = |text: &str| needless(&from_text("x", text, &[]).unwrap());
        let rule = "actions: [{ name: a, action: restart_pod }]\n";
        assert!(of(rule).unwrap().contains("remediation.kubernetes"));
        assert!(
            of("remediation: { kubernetes: {} }\n")
                .unwrap()
                .contains("no rule")
        );
        assert_eq!(
            of(&format!("{rule}remediation: {{ kubernetes: {{}} }}\n")),
            None
        );
    }

    fn verbs(roles: &[Value], resource: &str) -> Vec<String> {
        let rules = roles[0]["rules"].as_array().unwrap();
        let rule = rules.iter().find(|it| it["resources"][0] == resource);
        rule.map_or_else(Vec::new, |it| {
            serde_json::from_value(it["verbs"].clone()).unwrap()
        })
    }

    #[test]
    fn a_rule_that_evicts_may_evict_and_change_nothing_else() {
        let roles = roles("[{ name: a, action: restart_pod, mode: auto }]");
        assert_eq!(verbs(&roles, "pods/eviction"), ["create"]);
        assert_eq!(verbs(&roles, "pods"), ["get"]);
        assert_eq!(verbs(&roles, "deployments"), ["get"]);
        assert_eq!(verbs(&roles, "leases"), ["create", "get", "update"]);
        let all = roles[0].to_string();
        for never in [
            "*",
            "secrets",
            "delete",
            "patch",
            "statefulsets",
            "ClusterRole",
        ] {
            assert!(!all.contains(never), "{never} in {all}");
        }
    }

    #[test]
    fn each_action_adds_what_it_takes_and_observing_only_reads() {
        let restart = roles("[{ name: a, action: restart_workload }]");
        assert_eq!(verbs(&restart, "deployments"), ["get", "patch"]);
        assert!(verbs(&restart, "pods/eviction").is_empty());
        let scale = roles("[{ name: a, action: scale, max: 3, stateful: true }]");
        assert_eq!(verbs(&scale, "deployments/scale"), ["patch"]);
        assert_eq!(verbs(&scale, "statefulsets/scale"), ["patch"]);
        assert_eq!(verbs(&scale, "deployments"), ["get"]);
        for action in [
            "restart_pod",
            "restart_workload",
            "scale, max: 3",
            "roll_back",
        ] {
            let observing = roles(&format!("[{{ name: a, action: {action}, mode: observe }}]"));
            assert_eq!(verbs(&observing, "pods"), ["get"], "{action}");
            let all = observing[0].to_string();
            for never in ["create", "update", "patch", "delete", "*"] {
                assert!(!all.contains(never), "{action}: {never} in {all}");
            }
        }
    }

    #[test]
    fn who_evicts_pods_may_see_that_one_belongs_to_a_rollout_and_not_touch_that() {
        let of = |action: &str| roles(&format!("[{{ name: a, action: {action}, mode: auto }}]"));
        assert_eq!(verbs(&of("restart_pod"), "rollouts"), ["get"]);
        assert!(verbs(&of("restart_workload"), "rollouts").is_empty());
    }

    #[test]
    fn nodes_are_listed_where_the_owner_asks_for_it() {
        let [role, binding] = of_nodes(("ops", "knothole"));
        assert_eq!(role["kind"], "ClusterRole");
        let rules = json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["list"] }]);
        assert_eq!(role["rules"], rules);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["subjects"][0]["namespace"], "ops");
    }

    #[test]
    fn argo_cd_takes_a_role_in_its_namespace_only_where_its_objects_are_written() {
        let sync = "[{ name: a, action: argo_sync, application: cart, mode: approve }]";
        let through = roles_with(", argo_namespace: cd", sync);
        let of = |role: &Value| role["metadata"]["namespace"].clone();
        assert_eq!(through.len(), 4, "a Role and a RoleBinding in each");
        assert_eq!(
            (of(&through[0]), of(&through[2])),
            ("cd".into(), "shop".into())
        );
        assert_eq!(verbs(&through, "applications"), ["get", "patch"]);
        assert_eq!(verbs(&through, "events"), ["create"]);
        assert!(verbs(&through, "leases").is_empty());
        assert_eq!(verbs(&through[2..], "leases"), ["create", "get", "update"]);
        assert!(verbs(&through[2..], "applications").is_empty());
        let api = ", argo_cd: { url: 'https://cd.example.net', token_env: T }";
        let api = roles_with(api, sync);
        assert_eq!(api.len(), 2, "{api:?}");
        assert!(verbs(&api, "applications").is_empty());
        assert_eq!(verbs(&api, "leases"), ["create", "get", "update"]);
    }

    #[test]
    fn what_jenkins_and_flux_do_takes_the_claim_and_no_change_of_ours() {
        let more = ", jenkins: { url: 'https://j', user: u, token_env: T }, flux: { url: 'https://f', secret_env: S }";
        for action in ["jenkins_job, job: j", "flux_receiver, path: /hook/a"] {
            let rule = format!("[{{ name: a, action: {action}, mode: auto }}]");
            let roles = roles_with(more, &rule);
            assert_eq!(verbs(&roles, "leases"), ["create", "get", "update"]);
            assert_eq!(verbs(&roles, "deployments"), ["get"]);
            assert!(!roles[0].to_string().contains("patch"), "{roles:?}");
        }
    }
}
