//! What knothole asks a policy, and what it takes for a yes, with a real Open Policy Agent.

use std::process::Command;

use knothole::core::event::{Action, ActionState, Grounds, Mode, Object, Remedy, Target};
use knothole::core::record::{StreamKey, Timestamp};
use knothole::core::remedy::book::Book;
use knothole::core::remedy::facts::{Decision, Facts, NamespaceFacts, WorkloadFacts};
use knothole::core::remedy::policy::input;
use knothole::edge::outgoing::Egress;
use knothole::edge::policy::{Policy, PolicySettings};
use serde_json::{Value, json};

use crate::opa::Opa;
use crate::parts::part;

/// The policy that users begin with.
const EXAMPLE: &str = include_str!("../../examples/policy.rego");
/// The rule that decides.
const RULE: &str = "knothole/remediation/decision";
/// 2025-11-21, 12:00 in UTC.
const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

/// What is asked about the restart of a pod of a workload that is well.
fn asked() -> Value {
    let action = Action {
        id: "00112233445566778899aabbccddeeff".into(),
        rule: "restart-cart".into(),
        mode: Mode::Auto,
        remedy: Remedy::RestartPod,
        target: Target {
            namespace: "shop".into(),
            workload: Some(("Deployment".into(), "cart".into())),
            pod: Some("cart-7d9f-x2l".into()),
            pod_uid: None,
        },
        incident: None,
        fingerprint: "0011223344556677".into(),
        stream: StreamKey {
            environment: "prod".into(),
            namespace: "shop".into(),
            name: "cart".into(),
        },
        reason: "a test asks".into(),
        asked_at: NOON,
        expires_at: NOON,
        evidence: Grounds {
            score: 0.97,
            ..Grounds::default()
        },
        plan: None,
        approved: None,
        state: ActionState::Asked,
        acted_at: None,
        before: None,
        unrest: None,
        steps: vec![],
        anomaly: None,
    };
    let facts = Facts {
        at: NOON,
        is_upgrading: Some(false),
        namespace: Some(NamespaceFacts {
            name: "shop".into(),
            labels: vec![("knothole.dev/remediate".into(), "true".into())],
            is_terminating: false,
        }),
        workload: Some(WorkloadFacts {
            object: Object {
                kind: "Deployment".into(),
                namespace: "shop".into(),
                name: "cart".into(),
                ..Object::default()
            },
            replicas: 3,
            ready: 3,
            ..WorkloadFacts::default()
        }),
        ..Facts::default()
    };
    input(&action, Some(&facts), &Book::default(), NOON)
}

/// What knothole takes the answer of `rule` for.
fn decided(opa: &Opa, rule: &str, input: &Value) -> Result<Decision, Box<str>> {
    let settings = PolicySettings::of(&format!("{}/v1/data/{rule}", opa.url()));
    let policy = Policy::new(&settings, &Egress::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(policy.decide(input))
}

fn with(path: &str, value: Value) -> Value {
    let mut input = asked();
    *input.pointer_mut(path).expect(path) = value;
    input
}

#[test]
fn the_example_policy_decides_by_what_knothole_shows_it() {
    let Some(opa) = Opa::start(EXAMPLE) else {
        return;
    };
    let decide = |input: &Value| decided(&opa, RULE, input).unwrap();
    let good = decide(&asked());
    assert_eq!(
        good,
        Decision {
            is_allowed: true,
            ..Decision::default()
        }
    );
    for (path, value, why) in [
        ("/anomaly/score", json!(0.5), "the score is too low"),
        ("/anomaly/score", json!("high"), "the score is too low"),
        ("/workload", Value::Null, "too few pods would be left"),
        ("/workload/ready", json!(1), "too few pods would be left"),
        ("/counters/failures", json!(3), "too much failed"),
        ("/upgrading", json!(true), "being upgraded"),
        ("/namespace", Value::Null, "is labelled for it"),
        ("/action/kind", json!("webhook"), "kind of action"),
    ] {
        let decision = decide(&with(path, value.clone()));
        assert!(!decision.is_allowed, "{path} = {value}");
        let told = decision.reasons.iter().any(|it| it.contains(why));
        assert!(told, "{path} = {value}: {:?}", decision.reasons);
    }
    for (path, value) in [
        ("/action/kind", json!("roll_back")),
        ("/workload/labels", json!({"tier": "1"})),
        ("/upgrading", Value::Null),
        ("/now", json!("2025-11-21T23:00:00.000000000Z")),
    ] {
        let decision = decide(&with(path, value));
        assert!(decision.is_allowed && decision.needs_approval, "{path}");
    }
    // The README labels the workload and not its namespace.
    let mut labelled = with("/namespace/labels", json!({}));
    labelled["workload"]["labels"] = json!({ "knothole.dev/remediate": "true" });
    let decision = decide(&labelled);
    assert!(
        decision.is_allowed && !decision.needs_approval,
        "{decision:?}"
    );
    // What is above the rule is an object too.
    for rule in ["knothole", "knothole/remediation"] {
        let said = decided(&opa, rule, &asked()).unwrap_err();
        assert!(said.contains("has no allow"), "{rule}: {said}");
    }
}

#[test]
fn what_the_engine_says_in_any_other_way_is_no_yes() {
    const POLICY: &str = r#"package knothole.remediation

allow if input.action.kind == "restart_pod"

undefined := {"allow": true} if input.action.kind == "scale"

text := {"allow": "true"} if input.action.kind == "restart_pod"

approval := {"allow": true, "require_approval": "no"} if input.action.kind == "restart_pod"

two := {"allow": true} if input.action.kind == "restart_pod"

two := {"allow": false} if input.action.kind == "restart_pod"
"#;
    let Some(opa) = Opa::start(POLICY) else {
        return;
    };
    for (rule, why) in [
        ("knothole/remediation/allow", "is a bare true"),
        (
            "knothole/remediation/undefined",
            "is the path in its url right",
        ),
        (
            "knothole/remediation/descision",
            "is the path in its url right",
        ),
        ("knothole/no/such", "is the path in its url right"),
        ("knothole/remediation/text", "allow is a text"),
        (
            "knothole/remediation/approval",
            "require_approval is a text",
        ),
        ("knothole/remediation/two", "eval_conflict_error"),
    ] {
        let said = decided(&opa, rule, &asked()).unwrap_err();
        assert!(said.contains(why), "{rule}: {said}");
    }
}

#[test]
fn the_example_policy_is_sound_and_its_own_tests_pass() {
    let Some(program) = part("KNOTHOLE_OPA") else {
        return;
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for arguments in [
        &["check", "--strict"][..],
        &["fmt", "--fail", "--list"],
        &["test"],
    ] {
        let run = Command::new(&program)
            .current_dir(folder)
            .args(arguments)
            .args(["policy.rego", "policy_test.rego"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{arguments:?}: {said}");
    }
}
