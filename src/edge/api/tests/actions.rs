//! Actions: what is shown of them, what is said of them, and the kill switch.

use super::roles::{TOKENS, gate};
use super::*;
use crate::core::event::ActionState;
use crate::core::remedy::ledger::HookStatus;

/// A call by somebody with the role `role`, and the orders that it led to.
async fn as_role(role: Role, call_it: Call) -> (Reply, Vec<Order>) {
    let world = Arc::new(World::new());
    let reply = as_role_of(&world, role, call_it).await;
    let orders = world.orders().into_iter().map(|(order, _)| order);
    (reply, orders.collect())
}

async fn as_role_of(world: &Arc<World>, role: Role, call_it: Call) -> Reply {
    let folder = tempfile::tempdir().unwrap();
    let api = Api {
        gate: gate(&folder),
        ..api(world)
    };
    let (_, token) = TOKENS.into_iter().find(|(it, _)| *it == role).unwrap();
    let call_it = call_it.with("authorization", &format!("Bearer {token}"));
    call_to(api, false, call_it).await
}

fn path(verb: &str) -> String {
    format!("/v1/actions/7c417c41/{verb}")
}

async fn listed(query: &str) -> Vec<String> {
    let body = get(&format!("/v1/actions{query}")).await.json();
    let ids = body["actions"].as_array().unwrap().iter();
    let ids = ids.map(|it| it["id"].as_str().unwrap()[..4].to_owned());
    ids.collect()
}

#[tokio::test]
async fn actions_are_listed_newest_first_and_by_what_is_asked() {
    assert_eq!(listed("").await, ["7c41", "0a1b"]);
    assert_eq!(listed("?state=all").await, ["7c41", "0a1b"]);
    assert_eq!(listed("?state=open").await, ["7c41"]);
    assert_eq!(listed("?state=observed,denied").await, ["0a1b"]);
    assert_eq!(listed("?incident=9f3c9f").await, ["7c41"]);
    assert_eq!(listed("?incident=aaaaaa").await, [""; 0]);
    assert_eq!(listed("?service=cart").await, ["0a1b"]);
    assert_eq!(listed("?service=prod/shop/checkout").await, ["7c41"]);
    // The last step of one was at 02:52:19, of the other at 02:51:18.
    assert_eq!(listed("?since=2026-08-01T02:52:00Z").await, ["7c41"]);
    assert_eq!(listed("?since=2h").await, ["7c41", "0a1b"]);
    assert_eq!(listed("?since=1h").await, [""; 0]);
    let first = get("/v1/actions?limit=1").await.json();
    assert_eq!(first["actions"][0]["id"], "7c41".repeat(8));
    let cursor = first["next"].as_str().unwrap();
    assert_eq!(listed(&format!("?limit=1&cursor={cursor}")).await, ["0a1b"]);
    for wrong in [
        "?state=odd",
        "?incident=x",
        "?since=soon",
        "?cursor=x",
        "?more=1",
    ] {
        let reply = get(&format!("/v1/actions{wrong}")).await;
        assert_eq!(reply.status, 400, "{wrong}");
        assert!(!reply.hint().is_empty(), "{wrong}");
    }
    let hint = get("/v1/actions?state=odd").await.hint();
    assert!(hint.contains("open") && hint.contains("proposed"), "{hint}");
}

#[test]
fn every_state_is_open_or_over_and_has_its_own_name() {
    let mut names: Vec<&str> = ActionState::ALL.iter().map(|it| it.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ActionState::ALL.len());
    let query = |states| ActionQuery {
        states,
        ..ActionQuery::default()
    };
    assert!(query(vec![ActionState::Proposed, ActionState::Done]).is_of_open());
    assert!(!query(vec![ActionState::Proposed, ActionState::Denied]).is_of_open());
    assert!(!query(Vec::new()).is_of_open());
}

#[tokio::test]
async fn a_row_says_what_whereto_and_why_and_hostile_text_in_it_is_inert() {
    let row = get("/v1/actions").await.json()["actions"][0].clone();
    assert_eq!(row["target"], "shop/Deployment/checkout");
    assert_eq!(row["plan"], "d41d8cd9".repeat(4));
    assert_eq!(row["by"], "knothole");
    assert!(row["why"].as_str().unwrap().starts_with("7 services"));
    let world = Arc::new(World {
        actions: vec![sample::action_told_by("\u{1b}[2J\u{202e}").into()],
        ..World::new()
    });
    let reply = call(&world, Call::get("/v1/actions")).await;
    assert!(
        !reply.body.contains(['\u{1b}', '\u{202e}']),
        "{}",
        reply.body
    );
    assert_eq!(reply.json()["actions"][0]["why"], "\u{1b}[2J\u{202e}");
}

#[tokio::test]
async fn bodies_of_requests_are_shown_from_operators_up_and_viewers_see_how_long_they_are() {
    for (role, is_shown) in [
        (Role::Viewer, false),
        (Role::Operator, true),
        (Role::Approver, true),
    ] {
        let (reply, _) = as_role(role, Call::get("/v1/actions/7c417c")).await;
        let request = &reply.json()["plan"]["requests"][0];
        let body = request["body"].as_str().unwrap();
        assert_eq!(body.contains("Eviction"), is_shown, "{role}: {body}");
        assert_eq!(
            body.ends_with("bytes withheld"),
            !is_shown,
            "{role}: {body}"
        );
        assert!(request["path"].as_str().unwrap().ends_with("/eviction"));
    }
}

#[tokio::test]
async fn an_approval_is_of_one_plan_and_reaches_the_desk_with_the_whole_id() {
    let plan = "d41d8cd9".repeat(4);
    let body = json!({ "plan": plan, "note": "go" });
    let approval = || Call::post(&path("approve"), &body);
    let (reply, orders) = as_role(Role::Approver, approval()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let expected = Order::Approve {
        action: "7c41".repeat(8).into(),
        plan: plan.into(),
        note: Some("go".into()),
    };
    assert_eq!(orders, [expected]);
    for role in [Role::Viewer, Role::Operator] {
        let (reply, orders) = as_role(role, approval()).await;
        assert_eq!((reply.status, orders.len()), (403, 0), "{role}");
    }
    // Which plan it should have been, the ledger knows.
    let (_, orders) = as_role(Role::Approver, Call::post(&path("approve"), &json!({}))).await;
    assert!(matches!(&orders[..], [Order::Approve { plan, .. }] if plan.is_empty()));
}

#[tokio::test]
async fn what_is_wrong_with_an_approval_is_told_with_the_plan_that_would_do() {
    let world = Arc::new(World {
        refuses: Some(Refusal::Standing {
            says: "this is not the plan, which is b2: Deployment cart was made anew".to_owned(),
            hint: "approve b2".to_owned(),
            plan: Some("b2".into()),
        }),
        ..World::new()
    });
    let approval = Call::post(&path("approve"), &json!({ "plan": "a1" }));
    let reply = as_role_of(&world, Role::Approver, approval).await;
    assert_eq!(reply.status, 409);
    assert!(reply.error().contains("made anew"), "{}", reply.body);
    assert_eq!(
        (reply.hint().as_str(), &reply.json()["plan"]),
        ("approve b2", &json!("b2"))
    );
}

#[tokio::test]
async fn a_denial_says_why() {
    let denial = |body: Value| Call::post(&path("deny"), &body);
    let (reply, orders) = as_role(Role::Approver, denial(json!({ "note": "sale" }))).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let expected = Order::Deny {
        action: "7c41".repeat(8).into(),
        note: Some("sale".into()),
    };
    assert_eq!(orders, [expected]);
    for body in [json!({}), json!({ "note": " " }), json!({ "why": "x" })] {
        let (reply, orders) = as_role(Role::Approver, denial(body)).await;
        assert_eq!((reply.status, orders.len()), (400, 0));
        assert!(reply.hint().contains("note"), "{}", reply.body);
    }
    let (reply, orders) = as_role(Role::Operator, denial(json!({ "note": "x" }))).await;
    assert_eq!((reply.status, orders.len()), (403, 0));
}

#[tokio::test]
async fn an_operator_reports_how_far_an_action_is() {
    let report = |body: Value| Call::post(&path("report"), &body);
    for (name, status) in [
        ("accepted", HookStatus::Accepted),
        ("running", HookStatus::Running),
        ("succeeded", HookStatus::Succeeded),
        ("failed", HookStatus::Failed),
    ] {
        let (reply, orders) = as_role(Role::Operator, report(json!({ "status": name }))).await;
        assert_eq!(
            reply.json(),
            json!({ "id": "7c41".repeat(8), "state": "proposed" })
        );
        let expected = Order::Report {
            action: "7c41".repeat(8).into(),
            status,
            note: None,
        };
        assert_eq!(orders, [expected]);
    }
    for body in [
        json!({}),
        json!({ "status": "done" }),
        json!({ "status": "succeeded", "action": "0a1b".repeat(8) }),
    ] {
        let (reply, orders) = as_role(Role::Operator, report(body)).await;
        assert_eq!((reply.status, orders.len()), (400, 0), "{}", reply.body);
    }
    let (reply, orders) = as_role(Role::Viewer, report(json!({ "status": "failed" }))).await;
    assert_eq!((reply.status, orders.len()), (403, 0));
}

#[tokio::test]
async fn what_is_said_of_an_action_that_is_not_there_says_where_to_look() {
    let call_it = Call::post("/v1/actions/aaaaaa/deny", &json!({ "note": "x" }));
    let (reply, orders) = as_role(Role::Approver, call_it).await;
    assert_eq!((reply.status, orders.len()), (404, 0));
    assert!(reply.hint().contains("/v1/actions"), "{}", reply.body);
}

#[tokio::test]
async fn the_id_of_an_incident_in_the_place_of_an_actions_is_told_as_such() {
    for call_it in [
        Call::get("/v1/actions/9f3c9f"),
        Call::post("/v1/actions/9f3c9f/deny", &json!({ "note": "x" })),
    ] {
        let (reply, orders) = as_role(Role::Approver, call_it).await;
        assert_eq!((reply.status, orders.len()), (404, 0));
        assert!(reply.error().contains("an incident"), "{}", reply.body);
        let hint = reply.hint();
        assert!(
            hint.contains("knothole actions --state all --incident 9f3c9f"),
            "{hint}"
        );
    }
}

#[tokio::test]
async fn an_operator_may_stop_all_actions_and_only_an_approver_allows_them_again() {
    let throw =
        |stopped: bool| Call::post("/v1/switch", &json!({ "stopped": stopped, "why": "x" }));
    let (reply, orders) = as_role(Role::Operator, throw(true)).await;
    assert_eq!(reply.json()["stopped"], true);
    assert_eq!(orders, [Order::Stop { why: "x".into() }]);
    let (reply, orders) = as_role(Role::Operator, throw(false)).await;
    assert_eq!((reply.status, orders.len()), (403, 0), "{}", reply.body);
    assert!(reply.error().contains("approver"), "{}", reply.body);
    let (reply, orders) = as_role(Role::Approver, throw(false)).await;
    assert_eq!(reply.json()["stopped"], false);
    assert_eq!(orders, [Order::Release { why: "x".into() }]);
    let (reply, orders) = as_role(Role::Viewer, throw(true)).await;
    assert_eq!((reply.status, orders.len()), (403, 0));
    // On this host without tokens everybody may stop them, and nobody may allow them again.
    let world = Arc::new(World::new());
    assert_eq!(call(&world, throw(true)).await.status, 200);
    assert_eq!(world.stops.load(Ordering::SeqCst), 1);
    let reply = call(&world, throw(false)).await;
    assert_eq!(reply.status, 403);
    assert!(reply.error().contains("without tokens"), "{}", reply.body);
    assert_eq!(world.orders().len(), 1);
}

#[tokio::test]
async fn all_is_stopped_also_where_the_order_cannot_be_carried_out() {
    let world = Arc::new(World {
        refuses: Some(Refusal::Busy("the disk sleeps".to_owned())),
        ..World::new()
    });
    let throw = Call::post("/v1/switch", &json!({ "stopped": true, "why": "x" }));
    assert_eq!(call(&world, throw).await.status, 503);
    assert_eq!(world.stops.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_switch_takes_a_reason() {
    for body in [
        json!({ "stopped": true }),
        json!({ "stopped": true, "why": " " }),
        json!({ "stopped": true, "why": "x".repeat(401) }),
        json!({ "why": "x" }),
    ] {
        let (reply, orders) = as_role(Role::Approver, Call::post("/v1/switch", &body)).await;
        assert_eq!((reply.status, orders.len()), (400, 0), "{body}");
    }
    assert_eq!(get("/v1/switch").await.json()["stopped"], false);
}
