use super::*;
use crate::core::event::{ActionState, CheckVerdict, Grounds, Mode, Plan, Remedy, Target};
use crate::core::record::StreamKey;
use crate::edge::api::{Role, audited};
use crate::edge::store::{Control, ControlSettings, Limits, Store};

const NOW: Timestamp = Timestamp::from_millis(1_763_700_001_000);

/// The evictions of a pod that a policy and a freeze have something to say about.
fn action() -> Action {
    let checked = |check: &str, verdict, why: &str| Checked {
        check: check.into(),
        verdict,
        why: why.into(),
    };
    Action {
        id: "c0ffee00c0ffee00c0ffee00c0ffee00".into(),
        rule: "restart-cart".into(),
        mode: Mode::Auto,
        remedy: Remedy::RestartPod,
        target: Target {
            namespace: "shop".into(),
            workload: Some(("Deployment".into(), "cart".into())),
            pod: Some("cart-1".into()),
            pod_uid: None,
        },
        incident: Some("1c1de700000000000000000000000001".into()),
        fingerprint: "aa3c5b7d11223344".into(),
        stream: StreamKey::named("cart"),
        reason: "".into(),
        asked_at: NOW,
        expires_at: NOW,
        evidence: Grounds::default(),
        plan: Some(Plan {
            claims: None,
            hash: "0123456789abcdef0123456789abcdef".into(),
            subject: None,
            requests: Vec::new(),
            undo: Vec::new(),
            checks: vec![
                checked("opt_in", CheckVerdict::Pass, "it has the label"),
                checked("freeze", CheckVerdict::Wait, "until Monday"),
                checked(
                    "policy",
                    CheckVerdict::Pass,
                    "the policy allows it (decision 4711)",
                ),
            ],
            at: NOW,
        }),
        approved: None,
        state: ActionState::Blocked,
        acted_at: None,
        before: None,
        unrest: None,
        steps: Vec::new(),
        anomaly: None,
    }
}

fn step(why: &str) -> Step {
    Step {
        at: NOW,
        state: ActionState::Blocked,
        by: "knothole".into(),
        why: why.into(),
    }
}

/// What the api shows of an entry once it was written.
fn shown(filing: Filing) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        bytes_max: 1 << 20,
        streams_max: std::num::NonZeroUsize::MIN,
    };
    let store = Store::open(folder.path(), limits).unwrap();
    let control: Control = store.control(ControlSettings::default()).unwrap();
    let written = control.tell(&[], &[], &[filing]).unwrap();
    let rows = control.audit_newest(None, 9).unwrap();
    let entry = audited(&Audit::read(&rows[0]));
    assert_eq!(entry["hash"], written.audited[0].hash.to_string());
    entry
}

#[test]
fn a_step_of_an_action_tells_by_whom_why_and_what_it_went_by() {
    let entry = shown(Audit::of_step(&action(), &step("a freeze holds until Monday")).filing());
    let expected = json!({
        "number": 1,
        "at": "2025-11-21T04:40:01.000000000Z",
        "by": "knothole",
        "role": "system",
        "from": "",
        "action": "action.blocked",
        "target": "restart_pod shop/Deployment/cart",
        "note": "a freeze holds until Monday",
        "outcome": "blocked",
        "hash": entry["hash"],
        "details": {
            "id": "c0ffee00c0ffee00c0ffee00c0ffee00",
            "rule": "restart-cart",
            "mode": "auto",
            "incident": "1c1de700000000000000000000000001",
            "plan": "0123456789abcdef0123456789abcdef",
            "checks": [{ "check": "freeze", "verdict": "wait", "why": "until Monday" }],
            "policy": { "check": "policy", "verdict": "pass", "why": "the policy allows it (decision 4711)" },
        },
    });
    assert_eq!(entry, expected);
}

#[test]
fn the_role_is_that_of_a_person_and_system_of_whoever_is_none() {
    let of_step = |by: &str, state| {
        let step = Step {
            by: by.into(),
            state,
            ..step("go")
        };
        shown(Audit::of_step(&action(), &step).filing())["role"].clone()
    };
    assert_eq!(of_step("ana", ActionState::Approved), "approver");
    assert_eq!(of_step("ana", ActionState::Denied), "approver");
    assert_eq!(of_step("ben", ActionState::Done), "operator");
    assert_eq!(of_step("hook ops", ActionState::Done), "system");
    assert_eq!(of_step("knothole", ActionState::Approved), "system");
    let ordered = |name: &str, role| {
        let order = Order::Stop { why: "x".into() };
        let caller = Caller {
            name: name.into(),
            role,
            address: None,
        };
        let entry = Audit::of(&order, &caller, NOW).ended("done".to_owned());
        shown(entry.filing())["role"].clone()
    };
    assert_eq!(ordered("hook ops", Role::Operator), "system");
    assert_eq!(ordered("signal", Role::Approver), "system");
    assert_eq!(ordered("local", Role::Operator), "operator");
    assert_eq!(ordered("ana", Role::Approver), "approver");
}

#[test]
fn an_action_that_nobody_looked_at_has_no_plan_and_no_checks() {
    let action = Action {
        plan: None,
        incident: None,
        ..action()
    };
    let entry = shown(Audit::of_step(&action, &step("")).filing());
    let details = &entry["details"];
    assert_eq!(
        (&details["plan"], &details["incident"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&details["checks"], &details["policy"]),
        (&json!([]), &Value::Null)
    );
}

#[test]
fn texts_of_others_are_bounded() {
    let long = "ö".repeat(100_000);
    let mut action = action();
    action.rule = long.as_str().into();
    let plan = action.plan.as_mut().unwrap();
    plan.checks = vec![plan.checks[1].clone(); 1_000];
    let mut step = step(&long);
    step.by = long.as_str().into();
    let Filing::Audit { body, .. } = Audit::of_step(&action, &step).filing() else {
        panic!("an entry");
    };
    assert!(body.len() < 20_000, "{}", body.len());
}

#[test]
fn an_entry_of_an_order_tells_who_what_and_what_became_of_it() {
    let order = Order::Acknowledge {
        incident: "9f3c".into(),
        note: Some("mine".into()),
    };
    let caller = Caller {
        name: "ana".into(),
        role: Role::Operator,
        address: Some([10, 0, 0, 1].into()),
    };
    let entry = shown(
        Audit::of(&order, &caller, NOW)
            .ended("done".to_owned())
            .filing(),
    );
    let values = ["by", "role", "from", "action", "target", "note", "outcome"].map(|it| &entry[it]);
    assert_eq!(
        values,
        [
            "ana",
            "operator",
            "10.0.0.1",
            "acknowledge",
            "9f3c",
            "mine",
            "done"
        ]
    );
    assert_eq!(entry["details"], Value::Null);
}

#[test]
fn an_entry_of_a_version_before_is_read_and_one_that_is_none_is_not_left_out() {
    let before = r#"{"at":1763700001000000000,"by":"ana","role":"operator","from":"",
        "action":"resolve","target":"9f3c","note":null,"outcome":"done"}"#;
    let body = |body: &str| Filing::Audit {
        at: NOW,
        body: body.as_bytes().to_vec(),
    };
    assert_eq!(shown(body(before))["by"], "ana");
    let spoiled = shown(body("{\"by\":"));
    assert_eq!(
        (&spoiled["number"], &spoiled["action"]),
        (&json!(1), &json!("unreadable"))
    );
}
