use crate::daemon::config::from_text;
use crate::edge::outgoing::SecretRef;

const CLUSTER: &str = "kubernetes: { server: 'https://k', token_file: t }";
const ARGO: &str = "argo_cd: { url: 'https://cd.example.net', token_env: T }";
const JENKINS: &str = "jenkins: { url: 'https://ci.example.net', user: k, token_env: T }";
const FLUX: &str = "flux: { url: 'https://flux.example.net', secret_file: /s }";

/// What is said of these rules with these systems.
fn told(rules: &str, systems: &[&str]) -> String {
    let systems = systems.iter().map(|it| format!("  {it}\n"));
    let systems: String = systems.collect();
    let text = format!("actions:\n{rules}remediation:\n  label: a=b\n{systems}");
    match from_text("k.yaml", &text, &[]) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

fn rule(action: &str, mode: &str) -> String {
    format!(
        "  - name: r\n    action: {action}\n    mode: {mode}\n    application: a\n    \
         resource_action: restart\n    job: j\n    path: /hook/a\n"
    )
}

#[test]
fn a_rule_that_acts_without_what_it_acts_with_is_told_with_its_line_and_a_way_out() {
    for (action, has, set) in [
        ("jenkins_job", vec![CLUSTER], "jenkins"),
        ("jenkins_job", vec![JENKINS], "kubernetes"),
        ("flux_receiver", vec![CLUSTER, JENKINS], "flux"),
        ("argo_action", vec![CLUSTER], "argo_cd"),
        ("argo_sync", vec![ARGO], "kubernetes"),
        ("restart_pod", vec![ARGO, JENKINS, FLUX], "kubernetes"),
    ] {
        for mode in ["approve", "auto"] {
            let said = told(&rule(action, mode), &has);
            let place = format!("k.yaml:4:11  actions[0].mode: {action} in mode {mode} needs");
            let way = format!("set remediation.{set}, or write mode: suggest");
            assert!(said.contains(&place) && said.contains(&way), "{said}");
        }
        for mode in ["observe", "suggest"] {
            assert_eq!(told(&rule(action, mode), &has), "");
        }
    }
    for (action, has) in [
        ("jenkins_job", vec![CLUSTER, JENKINS]),
        ("flux_receiver", vec![CLUSTER, FLUX]),
        ("argo_action", vec![CLUSTER, ARGO]),
        ("argo_sync", vec![CLUSTER]),
        ("argo_roll_back", vec![CLUSTER]),
        ("webhook", vec![]),
    ] {
        assert_eq!(told(&rule(action, "auto"), &has), "", "{action}");
    }
}

#[test]
fn what_cannot_be_meant_is_told() {
    for (system, said) in [
        (
            "argo_cd: { url: 'https://a' }",
            "remediation.argo_cd: say where the token is: token_file",
        ),
        (
            "argo_cd: { url: 'http://10.1.2.3', token_env: T }",
            "remediation.argo_cd.url: 10.1.2.3 is a private address",
        ),
        (
            "policy: { url: 'http://opa.policies.svc:8181/v1/data/a' }",
            "remediation.policy.url: \"http://opa.policies.svc:8181/v1/data/a\" is not encrypted",
        ),
        (
            "jenkins: { url: 'https://j', user: u, token_env: T, token_file: /t }",
            "remediation.jenkins: say once where the token is",
        ),
        (
            "jenkins: { url: 'https://j', user: 'a:b', token_env: T }",
            "remediation.jenkins.user: is no name of a user",
        ),
        ("jenkins: { url: 'https://j', token_env: T }", "user"),
        (
            "flux: { url: 'https://f' }",
            "remediation.flux: say where the secret is: secret_file",
        ),
        (
            "flux: { url: flux, secret_env: S }",
            "remediation.flux.url: \"flux\" is no web address",
        ),
        (
            "argo_namespace: Argo CD",
            "remediation.argo_namespace: that is no name",
        ),
        (
            "policy: { url: 'http://127.0.0.1:1/v1/data/a', timeout: 2m }",
            "remediation.policy.timeout: a decision is waited for 60s at most",
        ),
        (
            "policy: { url: 'http://127.0.0.1:1/', token_env: T, token_file: /t }",
            "remediation.policy: say once where the token is",
        ),
    ] {
        let all = told("", &[system]);
        assert!(all.contains(said), "{said}\n--- not in ---\n{all}");
    }
}

#[test]
fn what_is_set_reaches_its_room() {
    let text = format!(
        "remediation:\n  argo_cd: {{ url: 'https://cd.example.net', token_file: /t, project: p, \
         app_namespace: apps, dry_run: true, allow_private: true, ca_file: /ca }}\n  {FLUX}\n  \
         jenkins: {{ url: 'https://ci.example.net', user: k, token_env: T, crumb: true }}\n  \
         {CLUSTER}\n"
    );
    let settings = from_text("x", &text, &[]).unwrap();
    let argo = settings.argo_cd().unwrap();
    assert_eq!(argo.token, SecretRef::File("/t".into()));
    assert_eq!(
        (argo.project.as_deref(), argo.app_namespace.as_deref()),
        (Some("p"), Some("apps"))
    );
    assert!(argo.dry_run && argo.allow_private && argo.ca_file.is_some());
    let jenkins = settings.jenkins().unwrap();
    assert_eq!((&*jenkins.user, jenkins.crumb), ("k", true));
    assert_eq!(jenkins.token, SecretRef::Env("T".into()));
    let flux = settings.flux().unwrap();
    assert_eq!(flux.secret, SecretRef::File("/s".into()));
    // With the API of Argo CD nothing is read of its objects.
    assert_eq!(settings.cluster("i").unwrap().argo_namespace, None);
    let through = format!("remediation: {{ {CLUSTER}, argo_namespace: cd }}\n");
    let settings = from_text("x", &through, &[]).unwrap();
    let cluster = settings.cluster("i").unwrap();
    assert_eq!(cluster.argo_namespace.as_deref(), Some("cd"));
}
