use std::path::Path;

use super::*;
use crate::daemon::config::{ConfigError, from_text, rule_tests_from_text};

const SETTINGS: &str = "\
remediation: { kubernetes: {} }
actions:
  - { name: pod, action: restart_pod, mode: auto }
  - { name: roll, action: restart_workload }
";

fn tried(cases: &str) -> Vec<Tried> {
    let text = format!("config: x\nrule_tests:\n{cases}");
    let read = rule_tests_from_text(("cases.yaml", &text), |_| {
        from_text("x", SETTINGS, &[]).map_err(ConfigError::Problems)
    });
    try_all(&read.unwrap())
}

fn shown(tried: &[Tried], explain: bool) -> String {
    let mut out = Vec::new();
    show(tried, explain, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const ANOMALY: &str = "anomaly: { kind: sequence, resource: { k8s.namespace.name: shop, \
                       k8s.deployment.name: cart, k8s.pod.name: cart-1, k8s.pod.uid: u1 } }";

#[test]
fn the_cases_of_the_example_are_as_expected() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rules_test.yaml");
    let tried = try_all(&load_rule_tests(&file, None).unwrap());
    assert!(
        tried.len() >= 9 && tried.iter().all(Tried::passed),
        "{}",
        shown(&tried, true)
    );
}

#[test]
fn the_case_that_help_shows_is_as_expected() {
    let (_, text) = EXAMPLES.split_once("  config:").unwrap();
    let (text, _) = text.split_once("\noutcome is").unwrap();
    let settings = include_str!("../../../examples/rules.yaml");
    let read = rule_tests_from_text(("help", &format!("  config:{text}")), |_| {
        from_text("rules.yaml", settings, &[]).map_err(ConfigError::Problems)
    });
    let tried = try_all(&read.unwrap());
    assert!(
        tried.len() == 1 && tried[0].passed(),
        "{}",
        shown(&tried, true)
    );
}

#[test]
fn the_case_that_the_documentation_shows_is_as_expected() {
    let docs = include_str!("../../../docs/remediation.md");
    let (_, text) = docs.split_once("```yaml\nconfig: ").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let settings = include_str!("../../../examples/rules.yaml");
    let read = rule_tests_from_text(("docs", &format!("config: {text}")), |_| {
        from_text("rules.yaml", settings, &[]).map_err(ConfigError::Problems)
    });
    let tried = try_all(&read.unwrap());
    assert!(
        tried.len() == 1 && tried[0].passed(),
        "{}",
        shown(&tried, true)
    );
}

#[test]
fn a_case_that_is_not_as_expected_is_told_with_the_reason_of_each_check_that_decided() {
    let tried = tried(&format!(
        "- name: \"a\\e[2J\"\n  {ANOMALY}\n  expect: [{{ rule: pod, outcome: done }}, {{ rule: roll, outcome: proposed }}]\n\
         - name: b\n  {ANOMALY}\n  cluster: {{ budget: 0, upgrading: true }}\n  \
         expect: [{{ rule: pod, outcome: blocked, by: [upgrade] }}, {{ rule: roll, outcome: blocked }}]\n\
         - name: c\n  {ANOMALY}\n  world: {{ stopped: maintenance }}\n  \
         expect: [{{ rule: pod, outcome: blocked, by: [switch] }}]\n"
    ));
    assert_eq!(
        shown(&tried, false),
        "FAILED     a\u{fffd}[2J\n           \
         pod: expected done, but it is proposed\n             \
         other_signal (ask): only logs speak for it\n             \
         sender (ask): the sender showed no token, and the cluster does not bear it out\n\
         FAILED     b\n           \
         pod: expected blocked by upgrade, but it is by budget\n             \
         budget (wait): disruption budget of-the-case allows none now\n           \
         roll: expected blocked, but it is proposed\n             \
         upgrade (ask): the nodes run different versions: the cluster is being upgraded\n             \
         other_signal (ask): only logs speak for it\n             \
         sender (ask): the sender showed no token, and the cluster does not bear it out\n\
         ok         c\n3 cases, 2 failed\n"
    );
    let json = view(&tried);
    assert_eq!((&json["passed"], &json["failed"]), (&json!(1), &json!(2)));
    assert_eq!(
        json["cases"][0]["differences"],
        json!(["pod: expected done, but it is proposed"])
    );
    let said = &json["cases"][2]["rules"][0];
    assert_eq!(
        (&said["rule"], &said["outcome"]),
        (&json!("pod"), &json!("blocked"))
    );
    assert_eq!(
        said["checks"][0]["why"],
        "all actions are stopped: maintenance"
    );
}

#[test]
fn what_is_not_named_may_neither_be_done_nor_proposed() {
    let case = |rest: &str| tried(&format!("- name: a\n  {ANOMALY}\n  {rest}\n  expect: []\n"));
    let proposed = shown(&case("cluster: {}"), false);
    assert!(
        proposed.contains("           pod: nothing is expected of it, but it is proposed\n"),
        "{proposed}"
    );
    let done = shown(&case("cluster: { pod: { ready: false } }"), false);
    assert!(
        done.contains("pod: nothing is expected of it, but it is done\n"),
        "{done}"
    );
    assert!(case("world: { stopped: x }")[0].passed());
}

#[test]
fn every_rule_and_its_reason_is_told_on_demand() {
    let tried = tried(&format!(
        "- name: a\n  {ANOMALY}\n  world: {{ incident: false }}\n  expect: []\n"
    ));
    let explained = shown(&tried, true);
    for expected in [
        "ok         a\n           pod: blocked\n             incident (wait): the trouble is over",
        "           roll: blocked\n",
        "1 case, 0 failed\n",
    ] {
        assert!(
            explained.contains(expected),
            "{expected}\n--- not in ---\n{explained}"
        );
    }
    assert_eq!(shown(&tried, false), "ok         a\n1 case, 0 failed\n");
}
