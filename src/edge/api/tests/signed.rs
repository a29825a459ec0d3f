//! Reports of hooks that sign what they send.

use super::*;

/// An api that knows the signature `v1,right` of the hook `ops` over whatever is sent.
fn signed_api(world: &Arc<World>) -> Api {
    Api {
        hooks: Hooks::new(|signed| {
            let is_right = signed.signatures.split(' ').any(|it| it == "v1,right");
            let is_whole = signed.body.ends_with(b"}") && !signed.id.is_empty();
            (is_right && is_whole && signed.timestamp > 0).then(|| "ops".into())
        }),
        ..api(world)
    }
}

/// A report that is signed at `at`, in milliseconds from now.
fn report(id: &str, at: i64) -> Call {
    let body = json!({ "status": "succeeded", "note": "new pod is up" });
    let now = NOW.as_nanos() / 1_000_000;
    let seconds = now.checked_add_signed(at).unwrap() / 1_000;
    Call::post("/v1/actions/7c417c41/report", &body)
        .with("webhook-id", id)
        .with("webhook-timestamp", &seconds.to_string())
        .with("webhook-signature", "v1a,x v1,right")
}

#[tokio::test]
async fn a_hook_reports_by_its_signature_alone_from_wherever_it_is() {
    let world = Arc::new(World::new());
    let reply = call_to(signed_api(&world), false, report("m1", 0)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["id"], "7c41".repeat(8));
    let (order, by) = world.orders().remove(0);
    assert!(matches!(order, Order::Report { .. }));
    assert_eq!((&*by.name, by.role), ("hook ops", Role::Operator));
}

#[tokio::test]
async fn a_signature_that_is_wrong_opens_nothing_whatever_comes_with_it() {
    let world = Arc::new(World::new());
    let folder = tempfile::tempdir().unwrap();
    let api = Api {
        gate: roles::gate(&folder),
        ..signed_api(&world)
    };
    let token = format!("Bearer {}", roles::TOKENS[2].1);
    for (name, value) in [
        ("webhook-signature", "v1,wrong"),
        ("webhook-signature", ""),
        ("webhook-id", ""),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "99999999999999999999"),
    ] {
        for is_local in [true, false] {
            let spoiled = report("m1", 0).with("authorization", &token);
            let spoiled = spoiled.with(name, value);
            let reply = call_to(api.clone(), is_local, spoiled).await;
            assert_eq!(reply.status, 401, "{name}: {value:?}: {}", reply.body);
            assert!(!reply.hint().is_empty());
        }
    }
    let long = "x".repeat(257);
    let reply = call_to(api.clone(), false, report(&long, 0)).await;
    assert_eq!(reply.status, 401);
    assert_eq!(world.orders(), []);
}

#[tokio::test]
async fn a_report_counts_within_five_minutes_of_our_clock() {
    for (millis, status) in [
        (-300_000, 200),
        (300_000, 200),
        (-301_000, 401),
        (301_000, 401),
        (-86_400_000, 401),
    ] {
        let world = Arc::new(World::new());
        let reply = call_to(signed_api(&world), false, report("m1", millis)).await;
        assert_eq!(reply.status, status, "{millis}");
        assert_eq!(world.orders().len(), usize::from(status == 200));
        if status == 401 {
            assert!(reply.hint().contains("2026-08-01T04:00"), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn what_comes_again_is_answered_the_same_and_changes_nothing() {
    let world = Arc::new(World::new());
    let api = signed_api(&world);
    let first = call_to(api.clone(), false, report("m1", 0)).await;
    // Also when it is sent to another action, for the signature does not cover the address.
    let mut elsewhere = report("m1", 0);
    elsewhere.path = elsewhere.path.replace("7c417c41", "0a1b0a1b");
    for again in [report("m1", 1_000), elsewhere] {
        let reply = call_to(api.clone(), false, again).await;
        assert_eq!((reply.status, &reply.body), (first.status, &first.body));
        assert_eq!(reply.json()["state"], "proposed");
    }
    assert_eq!(world.orders().len(), 1);
    let other = call_to(api, false, report("m2", 0)).await;
    assert_eq!(other.status, 200);
    assert_eq!(world.orders().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_remembered_too_and_a_moment_in_which_nobody_listens_is_not() {
    for (refusal, orders_after) in [
        (Refusal::Conflict("it is over already".to_owned()), 0),
        (Refusal::Busy("it stops".to_owned()), 1),
    ] {
        let refusing = Arc::new(World {
            refuses: Some(refusal),
            ..World::new()
        });
        let world = Arc::new(World::new());
        let api = signed_api(&refusing);
        let first = call_to(api.clone(), false, report("m1", 0)).await;
        let later = Api {
            desk: Arc::clone(&world) as Arc<dyn Desk>,
            ..api
        };
        let again = call_to(later, false, report("m1", 0)).await;
        assert_eq!(world.orders().len(), orders_after);
        assert_eq!(again.status == first.status, orders_after == 0);
    }
}

#[tokio::test]
async fn a_signature_opens_nothing_but_reports() {
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(World::new());
    let api = Api {
        gate: roles::gate(&folder),
        ..signed_api(&world)
    };
    for path in ["/v1/actions/7c417c41/approve", "/v1/switch", "/v1/silences"] {
        let mut call_it = report("m1", 0);
        call_it.path = path.to_owned();
        let reply = call_to(api.clone(), false, call_it).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    assert_eq!(world.orders(), []);
}

#[tokio::test]
async fn a_signed_report_is_as_long_as_any_body_may_be() {
    let world = Arc::new(World::new());
    let mut long = report("m1", 0);
    long.body = " "
        .repeat(super::super::changing::BODY_BYTES_MAX + 1)
        .into();
    let reply = call_to(signed_api(&world), false, long).await;
    assert_eq!(reply.status, 413);
    assert_eq!(world.orders(), []);
}
