use std::sync::Arc;

use super::*;
use crate::core::event::{ActionKind, Checked, Grounds, Request, System};
use crate::core::record::StreamKey;
use crate::core::remedy::facts::{BudgetFacts, Revision};

const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn target(namespace: &str, name: &str) -> Target {
    Target {
        namespace: namespace.into(),
        workload: Some(("Deployment".into(), name.into())),
        pod: Some("cart-7d9f-x2l".into()),
        pod_uid: None,
    }
}

fn action(remedy: Remedy) -> Action {
    Action {
        id: "00112233445566778899aabbccddeeff".into(),
        rule: "restart-cart".into(),
        mode: Mode::Approve,
        remedy,
        target: target("shop", "cart"),
        incident: Some("9f3c".into()),
        fingerprint: "0011223344556677".into(),
        stream: StreamKey {
            environment: "prod".into(),
            namespace: "shop".into(),
            name: "cart".into(),
        },
        reason: "QUOTED in our own words".into(),
        asked_at: NOW.minus(MINUTE),
        expires_at: NOW.plus(14 * MINUTE),
        evidence: Grounds {
            kinds: vec!["sequence".into()],
            detectors: vec!["order".into(), "ngram".into()],
            score: 0.97,
            first_seen: NOW.minus(2 * MINUTE),
            last_seen: NOW,
            heard_at: NOW,
            anomalies: 3,
            model: "m1".into(),
        },
        plan: None,
        approved: None,
        state: ActionState::Asked,
        acted_at: None,
        before: None,
        unrest: None,
        steps: vec![],
        anomaly: None,
    }
}

fn planned() -> Action {
    let mut action = action(Remedy::RestartWorkload);
    action.plan = Some(Plan {
        claims: None,
        hash: "feed".into(),
        subject: Some(Object {
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: "cart".into(),
            uid: "u1".into(),
            generation: 7,
        }),
        requests: vec![Request {
            system: System::Kubernetes,
            method: "PATCH".into(),
            path: "/apis/apps/v1/namespaces/shop/deployments/cart".into(),
            content_type: "application/json".into(),
            body: r#"{"password":"BODY"}"#.into(),
        }],
        undo: vec![],
        checks: vec![Checked {
            check: "target".into(),
            verdict: crate::core::event::CheckVerdict::Pass,
            why: "it is there".into(),
        }],
        at: NOW,
    });
    action
}

fn facts() -> Facts {
    Facts {
        is_upgrading: Some(false),
        at: NOW,
        namespace: Some(NamespaceFacts {
            name: "shop".into(),
            labels: vec![("knothole.dev/remediate".into(), "true".into())],
            is_terminating: false,
        }),
        workload: Some(WorkloadFacts {
            object: Object {
                kind: "Deployment".into(),
                name: "cart".into(),
                ..Object::default()
            },
            labels: vec![("tier".into(), "1".into()), ("app".into(), "cart".into())],
            replicas: 3,
            ready: 2,
            updated: 3,
            is_observed: true,
            managed_by: Some(Manager::ArgoCd(Some("cart".into()))),
            previous: Some(Revision {
                template: json!({"env": "SECRET"}),
                ..Revision::default()
            }),
            ..WorkloadFacts::default()
        }),
        budgets: vec![BudgetFacts {
            name: "cart".into(),
            allowed: 1,
            is_observed: true,
        }],
        ..Facts::default()
    }
}

fn sent(id: &str, target: Target, state: ActionState, minutes_ago: u32) -> Arc<Action> {
    let mut sent = action(Remedy::RestartPod);
    sent.id = id.into();
    sent.target = target;
    sent.state = state;
    sent.acted_at = Some(NOW.minus(minutes_ago * MINUTE));
    Arc::new(sent)
}

#[test]
fn a_policy_is_shown_the_action_its_grounds_and_the_cluster() {
    let input = input(&planned(), Some(&facts()), &Book::default(), NOW);
    insta::assert_snapshot!("input", serde_json::to_string_pretty(&input).unwrap());
}

#[test]
fn what_was_not_read_is_null_and_never_left_out() {
    let whole = input(&planned(), Some(&facts()), &Book::default(), NOW);
    let bare = input(&action(Remedy::Webhook), None, &Book::default(), NOW);
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&whole), names(&bare));
    for name in [
        "read_at",
        "namespace",
        "workload",
        "pod",
        "budgets",
        "autoscalers",
        "upgrading",
        "argo",
    ] {
        assert_eq!(bare[name], Value::Null, "{name}");
    }
    assert_eq!(bare["action"]["plan"], Value::Null);
    let mut strange = action(Remedy::RestartPod);
    strange.evidence.score = f64::NAN;
    let strange = input(&strange, None, &Book::default(), NOW);
    assert_eq!(strange["anomaly"]["score"], Value::Null, "no number at all");
}

#[test]
fn neither_reasons_nor_bodies_nor_templates_are_shown() {
    let said = input(&planned(), Some(&facts()), &Book::default(), NOW).to_string();
    for secret in ["QUOTED", "BODY", "SECRET"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}

#[test]
fn the_counters_are_of_what_was_sent_and_not_of_the_action_itself() {
    let mut book = Book::default();
    let here = || target("shop", "cart");
    for one in [
        sent("a", here(), ActionState::Failed, 5),
        sent("b", here(), ActionState::Effective, 10),
        sent("c", target("shop", "pay"), ActionState::Done, 20),
        sent("d", target("ads", "cart"), ActionState::Harmful, 59),
        sent("e", target("ads", "cart"), ActionState::Unsettled, 61),
        sent(
            "00112233445566778899aabbccddeeff",
            here(),
            ActionState::Sending,
            0,
        ),
    ] {
        book.put(one);
    }
    let counters = &input(&planned(), None, &book, NOW)["counters"];
    assert_eq!(
        *counters,
        json!({
            "last_hour": 4, "in_flight": 2, "failures": 2,
            "namespace": {"last_hour": 3, "in_flight": 1, "failures": 1},
            "workload": {"last_hour": 2, "in_flight": 0, "failures": 1},
        })
    );
}

#[test]
fn a_rule_that_sends_nothing_asks_for_a_dry_run() {
    for (mode, expected) in [
        (Mode::Observe, true),
        (Mode::Suggest, true),
        (Mode::Approve, false),
        (Mode::Auto, false),
    ] {
        let mut action = planned();
        action.mode = mode;
        let input = input(&action, None, &Book::default(), NOW);
        assert_eq!(input["action"]["dry_run"], expected, "{mode:?}");
    }
}

#[test]
fn the_parameters_are_those_the_owner_set() {
    for (remedy, expected) in [
        (Remedy::RestartPod, json!({})),
        (Remedy::Scale { by: 1, max: 5 }, json!({"by": 1, "max": 5})),
        (
            Remedy::JenkinsJob {
                job: "shop/restart".into(),
            },
            json!({"job": "shop/restart"}),
        ),
        (
            Remedy::ArgoAction {
                application: "cart".into(),
                action: "restart".into(),
            },
            json!({"application": "cart", "action": "restart"}),
        ),
    ] {
        let kind = remedy.kind();
        let input = input(&action(remedy), None, &Book::default(), NOW);
        assert_eq!(input["action"]["parameters"], expected);
        assert_eq!(input["action"]["kind"], kind.name());
    }
    assert_eq!(ActionKind::ALL.len(), 12, "a new kind has its parameters");
}

#[test]
fn labels_are_bounded_and_the_same_each_time() {
    let mut facts = facts();
    let many = (0..1000)
        .rev()
        .map(|i| (format!("l{i:04}").into(), "x".into()));
    facts.namespace.as_mut().unwrap().labels = many.collect();
    let input = input(&planned(), Some(&facts), &Book::default(), NOW);
    let labels = input["namespace"]["labels"].as_object().unwrap();
    assert_eq!(labels.len(), LABELS_MAX);
    assert!(labels.contains_key("l0000") && !labels.contains_key("l0999"));
}
