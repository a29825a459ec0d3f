//! What another system carries out, while the workload is claimed.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::core::remedy::facts::{Answer, Refused};

/// Something that another system carries out, and how often it was begun.
async fn elsewhere(lab: &Lab, answer: Answer) -> (Answer, usize) {
    let begun = AtomicUsize::new(0);
    let act = async {
        begun.fetch_add(1, Ordering::SeqCst);
        answer
    };
    let came = lab.kube.claiming(ID, &claim(), None, act).await;
    (came, begun.into_inner())
}

#[tokio::test]
async fn what_another_system_does_is_done_while_the_workload_is_claimed() {
    let lab = Lab::new(|_| None).await;
    let queued = Answer::Done("queued".into());
    assert_eq!(elsewhere(&lab, queued.clone()).await, (queued, 1));
    let lines = [format!("GET {LEASE}"), format!("POST {LEASES}")];
    assert_eq!(lab.stub.lines(), lines);
    assert_eq!(lab.stub.lease(LEASE)["spec"]["holderIdentity"], ID);
    // The same action, by another program or after a crash: it may have been done.
    let (answer, begun) = elsewhere(&lab, Answer::Done("queued twice".into())).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    assert_eq!(begun, 0);
}

#[tokio::test]
async fn what_came_to_nothing_elsewhere_gives_its_claim_back_and_what_is_unknown_does_not() {
    let refused = Answer::Refused(Refused::NotNow(None), "busy".into());
    let lab = Lab::new(|_| None).await;
    assert_eq!(elsewhere(&lab, refused.clone()).await, (refused, 1));
    assert!(is_given_back(&lab));
    let unknown = Answer::Unknown("lost".into());
    assert_eq!(elsewhere(&lab, unknown.clone()).await, (unknown, 1));
    assert!(!is_given_back(&lab));
}

#[tokio::test]
async fn nothing_is_done_elsewhere_to_what_somebody_else_has_claimed() {
    let lab = Lab::new(|_| None).await;
    let other = "f".repeat(32);
    let done = async { Answer::Done("queued".into()) };
    lab.kube.claiming(&other, &claim(), None, done).await;
    let (answer, begun) = elsewhere(&lab, Answer::Done("queued".into())).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Claimed, _)),
        "{answer:?}"
    );
    assert_eq!(begun, 0);
    lab.pass(Duration::from_secs(601));
    assert_eq!(elsewhere(&lab, Answer::Done("queued".into())).await.1, 1);
}

#[tokio::test]
async fn nothing_is_done_elsewhere_about_what_is_not_as_it_was_when_that_was_planned() {
    for (generation, is_done) in [(3, true), (4, false)] {
        let lab = Lab::new(move |asked| {
            let mut read = deployment();
            read["metadata"]["generation"] = json!(generation);
            (asked.line() == format!("GET {DEPLOYMENT}")).then_some(Say::Json(200, read))
        });
        let lab = lab.await;
        let begun = AtomicUsize::new(0);
        let act = async {
            begun.fetch_add(1, Ordering::SeqCst);
            Answer::Done("queued".into())
        };
        let subject = object("Deployment", "cart", 3);
        let answer = lab.kube.claiming(ID, &claim(), Some(&subject), act).await;
        let is_changed = matches!(answer, Answer::Refused(Refused::Changed, _));
        assert_eq!(is_changed, !is_done, "{answer:?}");
        assert_eq!(begun.into_inner(), usize::from(is_done));
        assert_eq!(is_given_back(&lab), !is_done);
    }
}

#[tokio::test]
async fn whose_a_claim_is_stays_so_when_it_is_taken_again_or_given_back() {
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "u"});
    let owners = json!([owner]);
    let lab = Lab::new(|_| None).await;
    let meta = json!({"name": "knothole-cart", "ownerReferences": owners});
    lab.stub
        .put_lease(LEASE, json!({"metadata": meta, "spec": {}}));
    elsewhere(&lab, Answer::Done("queued".into())).await;
    let lease = lab.stub.lease(LEASE);
    assert_eq!(lease["spec"]["holderIdentity"], ID);
    assert_eq!(lease["metadata"]["ownerReferences"], owners);
    let lab = Lab::new(|_| None).await;
    let refused = Answer::Refused(Refused::NotNow(None), "busy".into());
    elsewhere(&lab, refused).await;
    assert!(is_given_back(&lab));
    let lease = lab.stub.lease(LEASE);
    assert_eq!(lease["metadata"]["ownerReferences"][0]["uid"], "uid-cart");
}

fn is_given_back(lab: &Lab) -> bool {
    let lease = lab.stub.lease(LEASE);
    lease["metadata"].is_object() && lease["spec"]["holderIdentity"].is_null()
}

/// A server whose clock says that it is `at`, where a claim is written.
async fn lab_at(at: Timestamp) -> Lab {
    let at = jiff::Timestamp::from_nanosecond(at.as_nanos().into()).unwrap();
    let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Lab::new(move |asked| {
        let is_claim = asked.line() == format!("POST {LEASES}");
        is_claim.then(|| Say::With(201, vec![("date", date.clone())], "{}".to_owned()))
    })
    .await
}

#[tokio::test]
async fn nobody_claims_whose_clock_and_the_servers_are_apart() {
    let done = Answer::Done("queued".into());
    for (at, off) in [
        (START.minus(Duration::from_secs(25)), None),
        (START.plus(Duration::from_secs(25)), None),
        (START.minus(Duration::from_secs(360)), Some("ahead of")),
        (START.plus(Duration::from_secs(360)), Some("behind")),
    ] {
        let came = elsewhere(&lab_at(at).await, done.clone()).await;
        let expected = match off {
            None => (done.clone(), 1),
            Some(how) => {
                let why = format!("the clock of this host is 360 s {how} the API server's");
                (Answer::Refused(Refused::NotNow(None), why.into()), 0)
            }
        };
        assert_eq!(came, expected);
    }
}
