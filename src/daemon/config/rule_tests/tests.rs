use super::*;
use crate::daemon::config::from_text;

const SETTINGS: &str = "\
remediation:
  kubernetes: {}
  policy: { url: http://127.0.0.1:8181/v1/data/x }
  freeze:
    - { name: sale, every: 'Fri 08:00-20:00', matchers: [service=cart] }
actions:
  - { name: pod, action: restart_pod, mode: auto, kinds: [sequence], score_min: 0.9 }
  - { name: roll, action: restart_workload, mode: auto, after: [pod], services: [shop/cart] }
  - { name: more, action: scale, mode: observe, max: 6, kinds: [incomplete] }
";

fn read(text: &str) -> Result<RuleTests, ConfigError> {
    rule_tests_from_text(("cases.yaml", text), |_| {
        from_text("rules.yaml", SETTINGS, &[]).map_err(ConfigError::Problems)
    })
}

const SICK: &str = "cluster: { pod: { ready: false } }";
const RESOURCE: &str = "resource: { k8s.namespace.name: shop, k8s.deployment.name: cart, \
                        k8s.pod.name: cart-1, k8s.pod.uid: u1 }";

/// What the rule `name` comes to where an anomaly of `kind` comes and the rest of the case is `rest`.
fn came(name: &str, kind: &str, rest: &str) -> (Outcome, String) {
    let text = format!(
        "config: x\nrule_tests:\n- name: a\n  expect: []\n  anomaly: {{ kind: {kind}, service: shop/cart, \
         {RESOURCE} }}\n  {}\n",
        rest.replace("; ", "\n  ")
    );
    let tests = read(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let ended = tests.cases[0].play(&tests.settings);
    let ended = ended.into_iter().find(|it| *it.rule == *name).unwrap();
    let checks: Vec<&str> = ended.checks.iter().map(|it| &*it.check).collect();
    (ended.outcome, checks.join(" "))
}

/// What a case says, what the rule comes to, and the checks that decide.
const ROWS: &str = "
cluster: { pod: { ready: false } } => done
cluster: {} => proposed other_signal sender
cluster: { pod: { restarts: 3, ended: 1m } } => done
cluster: { pod: { ready: false, age: 1m } } => blocked pod_age
cluster: { pod: { ready: false, uid: u2 } } => blocked target
cluster: { pod: { ready: false, controller: none } } => blocked owner
cluster: { pod: { ready: false, storage: local } } => blocked storage
cluster: { pod: { ready: false, priority_class: system-x } } => blocked priority
cluster: { pod: { gone: true } } => blocked plan
cluster: { pod: { ready: false }, workload: { ready: 1 } } => blocked pods_away
cluster: { pod: { ready: false }, workload: { updated: 1 } } => blocked rollout
cluster: { pod: { ready: false }, namespace_labels: {} } => blocked opted_in
cluster: { pod: { ready: false }, upgrading: true } => proposed upgrade
cluster: { pod: { ready: false }, permitted: false } => blocked access
cluster: { pod: { ready: false }, refused: quota } => blocked dry_run
cluster: { pod: { ready: false }, policy: forbids } => blocked policy
cluster: { pod: { ready: false }, policy: asks_for_approval } => proposed policy
cluster: { budget: 0, pod: { restarts: 3, ended: 1m } } => blocked budget
cluster: { unread: no route to host } => blocked cluster
world: { also_says: metric, authenticated: true } => done
world: { incident: false }; SICK => blocked incident
world: { troubled: 6 }; SICK => blocked storm
world: { stopped: x }; SICK => blocked switch
world: { learning: true }; SICK => proposed model
world: { model_age: 200h }; SICK => proposed model
world: { callers: 5 }; SICK => proposed dependants
world: { feedback: { right: 3, wrong: 1 } }; SICK => proposed precision
at: 2026-11-27T09:00:00Z; SICK => blocked frozen
mode: approve; SICK => proposed
";

#[test]
fn what_a_case_says_reaches_the_check_that_it_is_about() {
    for row in ROWS.lines().skip(1) {
        let (rest, expected) = row.split_once(" => ").unwrap();
        let (outcome, by) = came("pod", "sequence", &rest.replace("SICK", SICK));
        let found = format!("{} {by}", outcome.name());
        assert_eq!(found.trim_end(), expected, "{rest}");
    }
}

#[test]
fn a_cluster_that_is_gone_wrong_in_two_ways_names_both_checks() {
    let both = "world: { stopped: x }; cluster: { budget: 0, pod: { restarts: 3, ended: 1m } }";
    assert_eq!(
        came("pod", "sequence", both),
        (Outcome::Blocked, "switch budget".to_owned())
    );
}

#[test]
fn what_was_done_before_counts() {
    let earlier = |said: &str| format!("{SICK}; earlier: [{{ rule: pod, {said} }}]");
    let pod = |said| came("pod", "sequence", &earlier(said));
    let roll = |said| came("roll", "sequence", &earlier(said));
    let blocked = |by: &str| (Outcome::Blocked, by.to_owned());
    assert_eq!(
        pod("ago: 20m, outcome: effective"),
        blocked("workload_rate")
    );
    assert_eq!(
        pod("ago: 40m, outcome: effective"),
        (Outcome::Done, String::new())
    );
    // A person said no to it while this incident goes on.
    assert_eq!(
        pod("ago: 40m, outcome: denied"),
        (Outcome::Nothing, String::new())
    );
    assert_eq!(
        pod("ago: 40m, outcome: denied, incident: before"),
        (Outcome::Done, String::new())
    );
    // It comes after the other, and only where that did not help.
    assert_eq!(came("roll", "sequence", SICK), blocked("ladder"));
    assert_eq!(
        roll("ago: 40m, outcome: ineffective"),
        (Outcome::Done, String::new())
    );
    assert_eq!(roll("ago: 40m, outcome: effective"), blocked("ladder"));
    assert_eq!(
        roll("ago: 40m, outcome: ineffective, incident: before"),
        blocked("ladder")
    );
    // Three of other trouble in the namespace are as many as there may be in an hour.
    let other = "{ rule: pod, ago: 30m, outcome: effective, incident: other }";
    let three = format!("{SICK}; earlier: [{other}, {other}, {other}]");
    assert_eq!(came("pod", "sequence", &three), blocked("namespace_rate"));
}

#[test]
fn a_rule_that_does_not_ask_says_why() {
    let why = |anomaly: &str| {
        let text = format!(
            "config: x\nrule_tests:\n- {{ name: a, expect: [], anomaly: {{ {anomaly} }} }}\n"
        );
        let tests = read(&text).unwrap();
        let ended = tests.cases[0].play(&tests.settings);
        assert!(
            ended.iter().all(|it| it.outcome == Outcome::Nothing),
            "{ended:?}"
        );
        let said: Vec<String> = ended.into_iter().map(|it| it.why).collect();
        said
    };
    assert_eq!(
        why("kind: timing, service: stock"),
        [
            "it is not for anomalies of the kind timing",
            "it is not for the service stock",
            "it is not for anomalies of the kind timing"
        ]
    );
    assert_eq!(
        why("kind: sequence, service: stock, score: 0.5")[0],
        "the score is 0.500 and must be 0.900"
    );
    assert_eq!(
        why("kind: sequence, service: stock")[0],
        "the resource does not name, in full, what restart_pod is done to"
    );
}

#[test]
fn mistakes_are_told_with_their_place_and_the_way_out() {
    let text = "\
config: rules.yaml
rule_tests:
- name: a
  at: noon
  anomaly: { kind: sequence, detectors: [oder], score: 7, lasted: 1m, quiet: 2m }
  world: { services: 2, troubled: 3, also_says: log }
  earlier: [{ rule: pot, ago: 0s, outcome: effective }]
  expect:
    - { rule: pot, outcome: done, by: [budget] }
    - { rule: pod, outcome: blocked, by: [bugdet] }
    - { rule: pod, outcome: nothing }
";
    let told = read(text).unwrap_err().to_string();
    for expected in [
        "cases.yaml:4:7  rule_tests[0].at: \"noon\" is no time",
        "cases.yaml:5:42  rule_tests[0].anomaly.detectors[0]: there is no detector \"oder\"; did you mean \"order\"?",
        "rule_tests[0].anomaly.score: 7 is no score; write a number from 0 to 1",
        "rule_tests[0].anomaly.quiet: it was last seen before it began",
        "rule_tests[0].world.troubled: only 2 are heard of; write services: 3",
        "rule_tests[0].world.also_says: write span or metric",
        "rule_tests[0].earlier[0].rule: there is no rule \"pot\"; did you mean \"pod\"?",
        "rule_tests[0].earlier[0].ago: write how long ago it was",
        "cases.yaml:9:15  rule_tests[0].expect[0].rule: there is no rule \"pot\"; did you mean \"pod\"?",
        "rule_tests[0].expect[0].by: no check decides about done; leave by out",
        "cases.yaml:10:43  rule_tests[0].expect[1].by[0]: there is no check \"bugdet\"; did you mean \"budget\"?",
        "rule_tests[0].expect[2].rule: \"pod\" comes to one thing; say once what that is",
        "12 problems",
    ] {
        assert!(
            told.contains(expected),
            "{expected}\n--- not in ---\n{told}"
        );
    }
    let text = "config: x\nrule_tests:\n- name: a\n  anomaly: { kind: sequence }\n  cluster: { pod: { redy: true } }\n  expect: []\n";
    let told = read(text).unwrap_err().to_string();
    let expected = "cases.yaml:5:21  unknown setting \"redy\" in rule_tests[0].cluster.pod; did you mean \"ready\"?";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_file_that_names_no_rules_says_what_is_missing() {
    let with = |text: &str, settings: &str| {
        let read = rule_tests_from_text(("cases.yaml", text), |_| {
            from_text("rules.yaml", settings, &[]).map_err(ConfigError::Problems)
        });
        read.unwrap_err().to_string()
    };
    assert!(with("rule_tests: []", "").contains("cases.yaml  config: name the settings file"));
    let none = with("config: rules.yaml", "");
    assert!(
        none.contains("cases.yaml:1:9  config: rules.yaml has no rules"),
        "{none}"
    );
    let wrong = with("config: rules.yaml", "actoins: []");
    assert!(
        wrong.contains("rules.yaml:1:1  unknown setting \"actoins\""),
        "{wrong}"
    );
    // What no cluster is read for would be said in vain.
    let suggest = "actions: [{ name: pod, action: restart_pod }]";
    let case = "config: x\nrule_tests:\n- { name: a, anomaly: { kind: sequence }, cluster: {}, expect: [] }";
    let told = with(case, suggest);
    assert!(
        told.contains("cases.yaml:3:52  rule_tests[0].cluster: the settings name no cluster"),
        "{told}"
    );
}

#[test]
fn the_settings_are_looked_for_beside_the_cases() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), SETTINGS).unwrap();
    let cases = folder.path().join("cases.yaml");
    std::fs::write(&cases, "config: rules.yaml\n").unwrap();
    assert_eq!(
        load_rule_tests(&cases, None)
            .unwrap()
            .settings
            .actions
            .len(),
        3
    );
    std::fs::write(&cases, "config: other.yaml\n").unwrap();
    let told = load_rule_tests(&cases, None).unwrap_err().to_string();
    assert!(
        told.contains("cases.yaml:1:9  config: cannot read "),
        "{told}"
    );
    let given = folder.path().join("rules.yaml");
    assert!(load_rule_tests(&cases, Some(&given)).is_ok());
}
