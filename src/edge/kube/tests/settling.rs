//! What is said of something of which no answer came.

use super::*;
use crate::core::remedy::facts::Settlement;

/// Longer than any request of an action can be under way: 4 requests of 20 seconds before the last has begun, that
/// one, and 75 seconds in the server.
const OVER: Duration = Duration::from_secs(4 * 20 + 20 + 75 + 1);

/// A cluster in which the action was sent and no answer came, and which shows this since.
async fn unknown(plan: &Plan, path: &'static str, before: Value, since: Option<Value>) -> Lab {
    let is_sent = std::sync::atomic::AtomicBool::new(false);
    let lab = Lab::new(move |asked| match &*asked.method {
        "GET" if asked.path == path && !is_sent.load(Ordering::SeqCst) => {
            Some(Say::Json(200, before.clone()))
        }
        "GET" if asked.path == path => Some(match &since {
            Some(since) => Say::Json(200, since.clone()),
            None => not_found(),
        }),
        "POST" | "PATCH" if !asked.path.contains("/leases") => {
            is_sent.store(true, Ordering::SeqCst);
            Some(Say::Reset)
        }
        _ => None,
    });
    let lab = lab.await;
    let answer = lab.send(plan).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    lab
}

/// What is said at once, and what once nothing can be under way any more.
async fn settled(
    plan: &Plan,
    path: &'static str,
    before: Value,
    since: Option<Value>,
) -> [Settlement; 2] {
    let lab = unknown(plan, path, before, since).await;
    let at_once = lab.kube.settle(ID, plan, &claim()).await;
    lab.pass(OVER);
    let later = lab.kube.settle(ID, plan, &claim()).await;
    assert_eq!(lab.stub.writes().len(), 1, "settling only reads");
    [at_once, later]
}

const DONE: [Settlement; 2] = [Settlement::Done; 2];
const NOT_DONE: [Settlement; 2] = [Settlement::Unclear, Settlement::NotDone];
const UNCLEAR: [Settlement; 2] = [Settlement::Unclear; 2];

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

#[tokio::test]
async fn a_pod_that_is_gone_was_evicted() {
    let plan = eviction();
    let said = |since| settled(&plan, POD, pod(), since);
    assert_eq!(said(None).await, DONE);
    let going = with(
        pod(),
        "/metadata/deletionTimestamp",
        json!("2026-11-18T11:06:41Z"),
    );
    assert_eq!(said(Some(going)).await, DONE);
    let anew = with(pod(), "/metadata/uid", json!("uid-other"));
    assert_eq!(said(Some(anew)).await, DONE);
}

#[tokio::test]
async fn a_pod_that_is_there_was_not_evicted_once_nothing_is_under_way_any_more() {
    let lab = unknown(&eviction(), POD, pod(), Some(pod())).await;
    let plan = eviction();
    lab.pass(OVER - Duration::from_secs(1));
    assert_eq!(
        lab.kube.settle(ID, &plan, &claim()).await,
        Settlement::Unclear
    );
    lab.pass(Duration::from_secs(1));
    assert_eq!(
        lab.kube.settle(ID, &plan, &claim()).await,
        Settlement::NotDone
    );
}

#[tokio::test]
async fn a_pod_generation_says_nothing() {
    let resized = with(pod(), "/metadata/generation", json!(8));
    assert_eq!(
        settled(&eviction(), POD, pod(), Some(resized)).await,
        NOT_DONE
    );
}

#[tokio::test]
async fn a_restart_took_place_where_the_template_names_the_action() {
    let plan = restart();
    let said = |since| settled(&plan, DEPLOYMENT, deployment(), since);
    let annotations = "/spec/template/metadata/annotations";
    let named = with(
        deployment(),
        annotations,
        json!({"knothole.dev/action-id": ID}),
    );
    let named = with(named, "/metadata/generation", json!(4));
    assert_eq!(said(Some(named)).await, DONE);
    let other = with(
        deployment(),
        annotations,
        json!({"knothole.dev/action-id": "other"}),
    );
    assert_eq!(said(Some(other)).await, NOT_DONE);
    assert_eq!(said(Some(deployment())).await, NOT_DONE);
    let changed = with(deployment(), "/metadata/generation", json!(4));
    assert_eq!(
        said(Some(changed)).await,
        UNCLEAR,
        "it may have been taken back"
    );
    assert_eq!(said(None).await, UNCLEAR, "it is gone, and nobody can say");
}

#[tokio::test]
async fn a_roll_back_took_place_where_the_object_names_the_action() {
    let named = json!({"knothole.dev/action-id": ID});
    let named = with(deployment(), "/metadata/annotations", named);
    assert_eq!(
        settled(&restart(), DEPLOYMENT, deployment(), Some(named)).await,
        DONE
    );
}

#[tokio::test]
async fn a_scale_took_place_where_as_many_are_wanted() {
    let plan = scale();
    let said = |since| settled(&plan, DEPLOYMENT, deployment(), since);
    let four = with(deployment(), "/spec/replicas", json!(4));
    assert_eq!(
        said(Some(with(four, "/metadata/generation", json!(4)))).await,
        DONE
    );
    assert_eq!(said(Some(deployment())).await, NOT_DONE);
    let five = with(deployment(), "/spec/replicas", json!(5));
    let five = with(five, "/metadata/generation", json!(4));
    assert_eq!(said(Some(five)).await, UNCLEAR);
}

#[tokio::test]
async fn an_abort_took_place_where_the_rollout_is_aborted() {
    const ROLLOUT: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/cart";
    let path = format!("{ROLLOUT}/status");
    let body = json!([{"op": "add", "path": "/status/abort", "value": true}]);
    let request = request("PATCH", &path, "application/json-patch+json", &body);
    let plan = plan(object("Rollout", "cart", 3), vec![request]);
    let rollout = with(deployment(), "/status", json!({"phase": "Progressing"}));
    let aborted = with(rollout.clone(), "/status/abort", json!(true));
    let said = |since| settled(&plan, ROLLOUT, rollout.clone(), Some(since));
    assert_eq!(said(aborted).await, DONE);
    assert_eq!(said(rollout.clone()).await, NOT_DONE);
}

#[tokio::test]
async fn a_sync_took_place_where_the_application_was_asked_by_the_action() {
    const APPLICATION: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/applications/cart";
    let body = json!([{"op": "add", "path": "/operation", "value": {}}]);
    let request = request("PATCH", APPLICATION, "application/json-patch+json", &body);
    let plan = plan(object("Application", "cart", 0), vec![request]);
    let idle = json!({"metadata": {"name": "cart", "uid": "uid-cart", "generation": 90}});
    let said = |since| settled(&plan, APPLICATION, idle.clone(), Some(since));
    let info = json!({"info": [{"name": "knothole.dev/action-id", "value": ID}]});
    assert_eq!(
        said(with(idle.clone(), "/operation", info.clone())).await,
        DONE
    );
    let state = json!({"operationState": {"phase": "Succeeded", "operation": info}});
    assert_eq!(said(with(idle.clone(), "/status", state)).await, DONE);
    assert_eq!(said(idle.clone()).await, UNCLEAR);
}

#[tokio::test]
async fn without_the_claim_nobody_can_say_that_it_did_not_take_place() {
    let lab = unknown(&eviction(), POD, pod(), Some(pod())).await;
    lab.pass(OVER);
    let mut lease = lab.stub.lease(LEASE);
    lease["spec"]["holderIdentity"] = json!("another");
    lab.stub.put_lease(LEASE, lease);
    let said = lab.kube.settle(ID, &eviction(), &claim()).await;
    assert_eq!(said, Settlement::Unclear);
}

#[tokio::test]
async fn an_action_that_gave_its_claim_back_did_not_take_place() {
    let lab = Lab::new(|asked| match &*asked.method {
        "GET" if asked.path == POD => Some(Say::Json(200, pod())),
        "POST" if asked.path.ends_with("/eviction") => Some(Say::Json(429, Value::Null)),
        _ => None,
    });
    let lab = lab.await;
    lab.send(&eviction()).await;
    // The program ended before it could write the answer down.
    let other = lab.other().await;
    assert_eq!(
        other.settle(ID, &eviction(), &claim()).await,
        Settlement::NotDone
    );
    let stranger = other.settle("another", &eviction(), &claim()).await;
    assert_eq!(stranger, Settlement::Unclear);
}

#[tokio::test]
async fn what_cannot_be_read_is_unclear() {
    for say in [
        Say::Reset,
        Say::Json(403, Value::Null),
        Say::Json(200, json!([])),
        Say::Json(200, json!({"metadata": {}})),
        Say::With(404, vec![], "404 page not found".to_owned()),
    ] {
        let lab = Lab::new(move |asked| (asked.path == POD).then(|| say.clone()));
        let lab = lab.await;
        lab.stub.put_lease(
            LEASE,
            json!({
                "metadata": {"name": "knothole-cart"},
                "spec": {"holderIdentity": ID, "renewTime": "2026-11-18T10:00:00.000000Z"},
            }),
        );
        let said = lab.kube.settle(ID, &eviction(), &claim()).await;
        assert_eq!(said, Settlement::Unclear);
    }
}
