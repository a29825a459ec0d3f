//! A daemon that asks a real Open Policy Agent before it does anything. The audit log of the cluster says what it
//! did.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::knothole::Knothole;
use crate::opa::Opa;
use crate::process::{SOON, until};
use crate::remedies::{Scene, asked};

const RULE: &str = "  - { name: restart, action: restart_workload, mode: approve }";
/// What is blocked is looked at again every ten seconds.
const NEXT_LOOK: Duration = Duration::from_secs(40);

/// A policy whose decision is this.
fn deciding(decision: &str) -> String {
    format!("package knothole.remediation\n\ndecision := {decision}\n")
}

/// What is set where the policy of `opa` is asked.
fn asking(opa: &Opa) -> String {
    let url = format!("{}/v1/data/knothole/remediation/decision", opa.url());
    format!("  policy: {{ url: '{url}' }}\n")
}

fn action(knothole: &Knothole, id: &str) -> Value {
    serde_json::from_str(&knothole.get(&format!("/v1/actions/{id}")).1).unwrap()
}

/// What the check of the policy says of the action.
fn said(knothole: &Knothole, id: &str) -> String {
    let action = action(knothole, id);
    let checks = action["plan"]["checks"].as_array().cloned();
    let check = checks.into_iter().flatten();
    let policy = check.into_iter().find(|it| it["check"] == "policy");
    policy.map_or_else(String::new, |it| it["why"].as_str().unwrap().to_owned())
}

#[track_caller]
fn says(knothole: &Knothole, id: &str, why: &str) {
    let mut last = String::new();
    until(NEXT_LOOK, why, || {
        last = said(knothole, id);
        last.contains(why).then_some(())
    });
}

/// Nothing but dry runs were sent.
fn is_untouched(scene: &Scene) {
    assert_eq!(scene.changes(), [""; 0]);
    let sent = scene.sent();
    assert!(sent.iter().all(|it| it.contains("dryRun=All")), "{sent:?}");
}

#[test]
fn a_policy_that_denies_is_obeyed_whoever_approves_and_the_same_one_lets_it_go() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    // Each decision says when it was made.
    let denies = deciding(
        r#"{"allow": false, "reasons": [concat(" ", ["not this week, as of", input.now])]}"#,
    );
    let Some(opa) = Opa::start(&denies) else {
        return;
    };
    let scene = Scene::new(cluster);
    let (knothole, blocked) = asked(&scene, (RULE, &asking(&opa)), "blocked");
    let id = blocked["id"].as_str().unwrap();
    says(&knothole, id, "the policy forbids it: not this week");
    // A person's word does not stand above it.
    let before = said(&knothole, id);
    let plan = json!({ "plan": action(&knothole, id)["plan"]["hash"], "note": "go on" });
    let (status, answer) = knothole.post(&format!("/v1/actions/{id}/approve"), &plan);
    assert_eq!(status, 200, "{answer}");
    until(NEXT_LOOK, "the policy to be asked again", || {
        let now = said(&knothole, id);
        (!now.is_empty() && now != before).then_some(())
    });
    assert_eq!(action(&knothole, id)["state"], "approved");
    is_untouched(&scene);
    opa.set_policy(&deciding(
        r#"{"allow": input.action.kind == "restart_workload", "reasons": ["well then"]}"#,
    ));
    until(NEXT_LOOK, "the restart", || {
        (action(&knothole, id)["state"] == "done").then_some(())
    });
    assert_eq!(scene.changes()[..2], ["create leases", "patch deployments"]);
    says(&knothole, id, "the policy allows it: well then");
}

#[test]
fn a_policy_that_says_nothing_clear_or_nothing_at_all_denies() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let Some(opa) = Opa::start(&deciding(r#"{"allow": "true"}"#)) else {
        return;
    };
    let scene = Scene::new(cluster);
    let (knothole, blocked) = asked(&scene, (RULE, &asking(&opa)), "blocked");
    let id = blocked["id"].as_str().unwrap();
    says(&knothole, id, "allow is a text");
    // The path leads to nothing any more.
    opa.set_policy("package elsewhere\n\ndecision := {\"allow\": true}\n");
    says(&knothole, id, "gave no result");
    let address = opa.url().strip_prefix("http://").unwrap().to_owned();
    drop(opa);
    says(&knothole, id, "the policy did not answer");
    let refused = said(&knothole, id);
    // Whoever takes the port now takes connections too, and never says a word.
    let silent = until(SOON, "the port", || TcpListener::bind(&*address).ok());
    until(NEXT_LOOK, "the silence", || {
        let now = said(&knothole, id);
        (now.contains("did not answer") && now != refused).then_some(())
    });
    drop(silent);
    assert_eq!(action(&knothole, id)["state"], "blocked");
    is_untouched(&scene);
}
