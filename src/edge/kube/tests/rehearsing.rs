//! What a rehearsal asks, and that it changes nothing.

use super::*;
use crate::core::remedy::plan::Permission;

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

fn permissions() -> [Permission; 2] {
    let evict = Permission {
        group: "",
        resource: "pods",
        subresource: Some("eviction"),
        verb: "create",
        namespace: Some("shop".into()),
    };
    let nodes = Permission {
        group: "",
        resource: "nodes",
        subresource: None,
        verb: "list",
        namespace: None,
    };
    [evict, nodes]
}

async fn rehearsing(review: Say, dry_run: Say) -> Lab {
    Lab::new(move |asked| match &*asked.path {
        REVIEWS => Some(review.clone()),
        path if path.ends_with("dryRun=All") => Some(dry_run.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn each_permission_is_asked_for_by_its_name_and_each_request_tried_as_a_dry_run() {
    let may = |asked: &Asked| asked.json()["spec"]["resourceAttributes"]["resource"] == "pods";
    let lab = Lab::new(move |asked| match &*asked.path {
        REVIEWS => Some(Say::Json(201, json!({"status": {"allowed": may(asked)}}))),
        _ => Some(Say::Json(201, json!({}))),
    });
    let lab = lab.await;
    let rehearsal = lab.kube.rehearse(&eviction(), &permissions()).await;
    assert_eq!(
        rehearsal.access,
        [
            ("create pods/eviction in namespace shop".into(), true),
            ("list nodes".into(), false)
        ]
    );
    assert_eq!(rehearsal.dry_run, Some(Ok(())));
    assert_eq!(rehearsal.policy, None);
    let asked = lab.stub.asked();
    let paths: Vec<&str> = asked.iter().map(|it| &*it.path).collect();
    assert_eq!(
        paths,
        [REVIEWS, REVIEWS, &format!("{POD}/eviction?dryRun=All")]
    );
    assert_eq!(
        asked[0].json()["spec"]["resourceAttributes"],
        json!({
            "group": "", "resource": "pods", "subresource": "eviction", "verb": "create",
            "namespace": "shop",
        })
    );
    assert_eq!(*asked[2].body, *eviction().requests[0].body);
}

#[tokio::test]
async fn a_dry_run_keeps_the_query_that_a_request_has() {
    let lab = rehearsing(Say::Reset, Say::Json(200, json!({}))).await;
    let mut plan = eviction();
    plan.requests[0].path = format!("{POD}/eviction?fieldManager=knothole").into();
    let rehearsal = lab.kube.rehearse(&plan, &[]).await;
    assert_eq!(rehearsal.dry_run, Some(Ok(())));
    let [asked] = &lab.stub.asked()[..] else {
        panic!("one request")
    };
    assert_eq!(
        asked.path,
        format!("{POD}/eviction?fieldManager=knothole&dryRun=All")
    );
}

#[tokio::test]
async fn what_the_server_would_refuse_is_told_in_its_words() {
    let budget = "Cannot evict pod as it would violate the pod's disruption budget.";
    let refused = Say::Json(429, status(429, budget, Value::Null));
    let lab = rehearsing(
        Say::Json(201, json!({"status": {"allowed": true}})),
        refused,
    )
    .await;
    let rehearsal = lab.kube.rehearse(&eviction(), &permissions()).await;
    let why = rehearsal.dry_run.unwrap().unwrap_err();
    assert_eq!(*why, *format!("429 Too Many Requests: {budget}"));
    assert!(rehearsal.access.iter().all(|(_, may)| *may));
}

#[tokio::test]
async fn a_server_that_says_nothing_permits_nothing() {
    for review in [
        Say::Reset,
        Say::Json(403, Value::Null),
        Say::Json(500, Value::Null),
        Say::Json(201, json!([])),
    ] {
        let lab = rehearsing(review.clone(), Say::Json(201, json!({}))).await;
        let rehearsal = lab.kube.rehearse(&eviction(), &permissions()).await;
        assert_eq!(rehearsal.access, [], "{review:?}");
        assert!(matches!(rehearsal.dry_run, Some(Err(_))), "{review:?}");
        assert_eq!(lab.stub.asked().len(), 1, "{review:?}");
    }
    let lab = rehearsing(Say::Json(201, json!({})), Say::Json(201, json!({}))).await;
    let rehearsal = lab.kube.rehearse(&eviction(), &permissions()).await;
    assert!(
        rehearsal.access.iter().all(|(_, may)| !may),
        "no word is no"
    );
}

#[tokio::test]
async fn a_plan_that_could_not_be_sent_is_not_rehearsed() {
    let lab = rehearsing(Say::Reset, Say::Reset).await;
    let mut plan = eviction();
    plan.requests[0].path = "/api/v1/namespaces/shop/pods/other/eviction".into();
    let rehearsal = lab.kube.rehearse(&plan, &[]).await;
    assert!(matches!(rehearsal.dry_run, Some(Err(_))));
    assert_eq!(lab.stub.asked(), []);
}
