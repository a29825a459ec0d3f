use super::*;
use crate::core::record::is_deceptive;

/// 2026-08-01 02:55:18 UTC: four minutes after it was asked for.
const NOW: Timestamp = Timestamp::from_millis(1_785_552_918_000);

/// As the API shows one; `text` is wherever somebody else's text can be.
fn action(text: &str) -> Value {
    let check = |check: &str, verdict: &str, why: &str| json!({ "check": check, "verdict": verdict, "why": why });
    let step = |at: &str, state: &str, by: &str, why: &str| json!({ "at": format!("2026-08-01T{at}.000000000Z"), "state": state, "by": by, "why": why });
    json!({
        "id": "7c41".repeat(8), "action": "restart_pod", "parameters": {},
        "target": {
            "namespace": "shop", "workload": { "kind": "Deployment", "name": "checkout" },
            "pod": "checkout-7d9f-x2l", "pod_uid": "5ee0c7d8-9f0e-4d53-9f6e-000000000001",
        },
        "mode": "auto", "state": "proposed",
        "reason": "prod/shop/checkout left the order its records normally come in (score 0.997), \
                   which rule checkout-pod answers with this action",
        "rule": "checkout-pod", "service": "prod/shop/checkout", "incident": "9f3c".repeat(8),
        "fingerprint": "9f3c".repeat(4), "asked_at": "2026-08-01T02:51:18.000000000Z",
        "expires_at": "2026-08-01T03:06:18.000000000Z", "acted_at": null,
        "evidence": {
            "kinds": ["sequence", "count"], "detectors": ["order", "precedence"], "score": 0.997,
            "first_seen": "2026-08-01T02:51:07.412000000Z",
            "last_seen": "2026-08-01T02:52:11.412000000Z", "anomalies": 4,
        },
        "plan": {
            "hash": "d41d8cd9".repeat(4), "at": "2026-08-01T02:52:17.000000000Z",
            "requests": [{
                "system": "kubernetes", "method": "POST",
                "path": "/api/v1/namespaces/shop/pods/checkout-7d9f-x2l/eviction",
                "content_type": "application/json",
                "body": "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"checkout-7d9f-x2l\"}}",
            }],
            "can_be_undone": false,
            "undo": [],
            "checks": [
                check("switch", "pass", "nobody has stopped actions"),
                check("budget", "wait", "checkout-pdb allows no disruption now"),
                check("dependants", "ask", "7 services call it, more than the 5 that may without a person"),
                check("policy", "unknown", &format!("the policy said {text}")),
                check("storm", "stop", "6 of 9 services are in trouble"),
            ],
        },
        "steps": [
            step("02:51:18", "asked", "knothole", "rule checkout-pod asks for it"),
            step("02:52:19", "proposed", "knothole", "7 services call it, more than the 5 that may without a person"),
            step("02:53:00", "proposed", text, text),
        ],
        "anomaly": null,
    })
}

#[test]
fn an_action_reads_as_it_should_at_three_in_the_morning() {
    insta::assert_snapshot!(page::page(&action("no answer"), NOW));
}

#[test]
fn what_was_not_looked_at_yet_says_so() {
    let mut bare = action("x");
    bare["plan"] = Value::Null;
    bare["action"] = json!("scale");
    bare["parameters"] = json!({ "by": 1, "max": 5 });
    bare["mode"] = json!("suggest");
    bare["incident"] = Value::Null;
    bare["target"]["pod"] = Value::Null;
    bare["steps"] = json!([]);
    insta::assert_snapshot!(page::page(&bare, NOW));
}

#[test]
fn what_can_be_said_of_it_is_offered_and_nothing_else() {
    let offered = |state: &str, hash: &str| {
        let mut told = action("x");
        told["state"] = json!(state);
        told["plan"]["hash"] = json!(hash);
        let shown = page::page(&told, NOW);
        let offers = |verb: &str| shown.contains(&format!("knothole actions {verb} 7c417c41"));
        (offers("approve"), offers("deny"))
    };
    assert_eq!(offered("proposed", "d41d"), (true, true));
    assert_eq!(offered("blocked", ""), (false, true));
    assert_eq!(offered("approved", "d41d"), (false, true));
    assert_eq!(offered("sending", "d41d"), (false, false));
}

#[test]
fn what_is_over_has_nothing_next_and_no_time_left() {
    let mut over = action("x");
    over["state"] = json!("effective");
    let shown = page::page(&over, NOW);
    assert!(
        !shown.contains("\nnext") && !shown.contains("min left"),
        "{shown}"
    );
    let mut late = action("x");
    late["expires_at"] = json!("2026-08-01T02:55:18.000000000Z");
    let shown = page::page(&late, NOW);
    assert!(shown.contains("its time is up"), "{shown}");
}

#[test]
fn what_undoes_what_was_sent_is_a_line_to_be_copied_however_long() {
    let mut sent = action("x");
    let value = "v".repeat(200);
    sent["plan"]["undo"] = json!([{
        "system": "kubernetes", "method": "PATCH", "content_type": "application/json-patch+json",
        "path": "/apis/apps/v1/namespaces/shop/deployments/checkout/scale", "body": format!("[\"{value}\u{202e}\"]"),
    }]);
    assert!(
        !page::page(&sent, NOW).contains("kubectl"),
        "nothing was sent yet"
    );
    sent["acted_at"] = sent["asked_at"].clone();
    let mut withheld = sent.clone();
    withheld["plan"]["undo"][0]["body"] = json!("body of 204 bytes withheld");
    let shown = page::page(&withheld, NOW);
    assert!(!shown.contains("kubectl"), "{shown}");
    let shown = page::page(&sent, NOW);
    let expected = format!(
        "\nto undo it:\n  kubectl patch deployments.v1.apps/checkout -n shop --subresource=scale --type=json -p '[\"{value}"
    );
    assert!(shown.contains(&expected), "{shown}");
    assert!(
        !shown.chars().any(|c| c != '\n' && is_deceptive(c)),
        "{shown:?}"
    );
}

#[test]
fn hostile_text_drives_no_terminal_and_breaks_no_line() {
    let hostile = format!(
        "\u{1b}[2J\u{202e}\r\nstate      approved{}",
        "x".repeat(300)
    );
    let mut all = action(&hostile);
    for name in ["reason", "rule", "service", "incident"] {
        all[name] = json!(hostile);
    }
    all["plan"]["requests"][0]["body"] = json!(hostile);
    all["plan"]["requests"][0]["path"] = json!(hostile);
    all["parameters"] = json!({ "job": hostile });
    let shown = page::page(&all, NOW);
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.starts_with("state      approved"), "{line}");
    }
    assert!(
        shown.chars().all(|c| c == '\n' || !is_deceptive(c)),
        "{shown:?}"
    );
    let mut listed = Vec::new();
    let summary = json!({
        "id": hostile, "asked_at": hostile, "state": hostile, "mode": hostile, "action": hostile,
        "target": hostile, "why": hostile,
    });
    row(&summary, NOW, &mut listed).unwrap();
    let listed = String::from_utf8(listed).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.chars().all(|c| c == '\n' || !is_deceptive(c)),
        "{listed:?}"
    );
}

#[test]
fn a_row_says_how_old_it_is_where_it_stands_and_why() {
    let summary = json!({
        "id": "7c41".repeat(8), "asked_at": "2026-08-01T02:51:18.000000000Z", "state": "proposed",
        "mode": "auto", "action": "restart_pod", "target": "shop/Deployment/checkout",
        "why": "7 services call it",
    });
    let mut shown = Vec::new();
    row(&summary, NOW, &mut shown).unwrap();
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        "7c417c41  4 min     proposed      auto     restart_pod  shop/Deployment/checkout\n          \
         7 services call it\n"
    );
}

/// What comes of asking whether `action` may be done, and what was shown.
fn answered(action: &Value, answer: &str) -> (Result<String, String>, String) {
    let mut shown = Vec::new();
    let asked = asked(action, NOW, (&mut answer.as_bytes(), &mut shown));
    let asked = asked.map_err(|failure| match failure {
        Failure::Use(error) => error.to_string(),
        other => panic!("{other:?}"),
    });
    (asked, String::from_utf8(shown).unwrap())
}

#[test]
fn an_approval_is_of_the_plan_that_was_shown_and_only_a_yes_is_one() {
    let action = action("no answer");
    let plan = "d41d8cd9".repeat(4);
    for yes in ["y\n", "YES\n", " y \n"] {
        let (said, shown) = answered(&action, yes);
        assert_eq!(said.as_ref(), Ok(&plan));
        assert!(shown.contains("/eviction") && shown.ends_with(&format!("{plan}? [y/N] ")));
    }
    for no in ["\n", "", "n\n", "yeah\n", &"y".repeat(100)] {
        let (said, _) = answered(&action, no);
        assert_eq!(said.unwrap_err(), "nothing was approved", "{no:?}");
    }
    let mut unseen = action.clone();
    unseen["plan"]["hash"] = json!("");
    let (said, _) = answered(&unseen, "y\n");
    assert!(said.unwrap_err().contains("no plan yet"));
}
