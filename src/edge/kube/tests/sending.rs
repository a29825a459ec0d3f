//! What is sent, when, and what comes of it.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::core::remedy::facts::{Answer, Refused};

/// A cluster in which the pod is there, and evictions are answered like this.
async fn evicting(say: Say) -> Lab {
    let say = move |asked: &Asked| match &*asked.line() {
        line if line == format!("GET {POD}") => Some(Say::Json(200, pod())),
        line if line == format!("POST {POD}/eviction") => Some(say.clone()),
        _ => None,
    };
    Lab::new(say).await
}

fn done() -> Say {
    Say::Json(
        201,
        json!({"kind": "Status", "status": "Success", "code": 201}),
    )
}

fn is_given_back(lab: &Lab) -> bool {
    let lease = lab.stub.lease(LEASE);
    lease["metadata"].is_object() && lease["spec"]["holderIdentity"].is_null()
}

#[tokio::test]
async fn the_workload_is_claimed_the_object_read_and_the_very_request_sent_once() {
    let lab = evicting(done()).await;
    let plan = eviction();
    assert_eq!(lab.send(&plan).await, Answer::Done("201 Created".into()));
    assert_eq!(
        lab.stub.lines(),
        [
            format!("GET {LEASE}"),
            format!("POST {LEASES}"),
            format!("GET {POD}"),
            format!("POST {POD}/eviction"),
        ]
    );
    let [sent] = &lab.stub.writes()[..] else {
        panic!("one write")
    };
    assert_eq!(*sent.body, *plan.requests[0].body);
    assert_eq!(*sent.path, *plan.requests[0].path);
    assert_eq!(sent.header("content-type"), Some("application/json"));
    let agent = concat!("knothole/", env!("CARGO_PKG_VERSION"));
    assert_eq!(sent.header("user-agent"), Some(agent));
}

#[tokio::test]
async fn the_claim_names_the_action_the_instance_and_until_when() {
    let lab = evicting(done()).await;
    lab.send(&eviction()).await;
    let lease = lab.stub.lease(LEASE);
    assert_eq!(lease["spec"]["holderIdentity"], ID);
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 600);
    assert_eq!(lease["spec"]["renewTime"], "2026-11-18T11:06:40.000000Z");
    let annotations = &lease["metadata"]["annotations"];
    assert_eq!(annotations["knothole.dev/action-id"], ID);
    assert_eq!(annotations["knothole.dev/instance"], "knothole");
}

#[tokio::test]
async fn a_claim_goes_with_the_workload_that_it_is_on() {
    let owned = json!([
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "uid-cart"},
    ]);
    let elsewhere = Object {
        namespace: "bank".into(),
        ..object("Deployment", "cart", 3)
    };
    let unknown = Object {
        uid: "".into(),
        ..object("Deployment", "cart", 3)
    };
    for (owner, owners) in [
        (Some(object("Deployment", "cart", 3)), owned),
        (Some(elsewhere), json!([])),
        (Some(unknown), json!([])),
        (None, json!([])),
    ] {
        let lab = evicting(done()).await;
        let claim = ClaimOf { owner, ..claim() };
        lab.kube.send(ID, &eviction(), &claim, &|| None).await;
        assert_eq!(lab.stub.lease(LEASE)["metadata"]["ownerReferences"], owners);
    }
}

#[tokio::test]
async fn a_pod_that_was_made_anew_is_not_asked_to_go_so_that_its_budget_stays_whole() {
    let other = json!({"metadata": {"name": "cart-1", "namespace": "shop", "uid": "uid-other"}});
    let mut deleting = pod();
    deleting["metadata"]["deletionTimestamp"] = json!("2026-11-18T08:26:40Z");
    for say in [Say::Json(200, other), not_found(), Say::Json(200, deleting)] {
        let lab =
            Lab::new(move |asked| (asked.line() == format!("GET {POD}")).then(|| say.clone()));
        let lab = lab.await;
        let answer = lab.send(&eviction()).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Changed, _)),
            "{answer:?}"
        );
        assert_eq!(lab.stub.writes(), []);
        assert!(is_given_back(&lab));
    }
}

#[tokio::test]
async fn a_workload_that_somebody_changed_since_is_left_alone() {
    for (generation, is_sent) in [(3, true), (4, false)] {
        let lab = Lab::new(move |asked| match &*asked.method {
            "GET" if asked.path == DEPLOYMENT => {
                let mut read = deployment();
                read["metadata"]["generation"] = json!(generation);
                Some(Say::Json(200, read))
            }
            "PATCH" => Some(Say::Json(200, deployment())),
            _ => None,
        });
        let lab = lab.await;
        let answer = lab.send(&restart()).await;
        assert_eq!(matches!(answer, Answer::Done(_)), is_sent, "{answer:?}");
        assert_eq!(lab.stub.writes().len(), usize::from(is_sent));
    }
}

#[tokio::test]
async fn each_answer_of_the_server_means_what_it_means() {
    let seconds = |seconds| Refused::NotNow(Some(Duration::from_secs(seconds)));
    let budget = "Cannot evict pod as it would violate the pod's disruption budget.";
    let used_up = json!({"reason": "TooManyRequests", "details": {"causes": [{
        "reason": "DisruptionBudget",
        "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
    }]}});
    let unseen = json!({"reason": "TooManyRequests", "details": {"causes": [{
        "reason": "DisruptionBudget",
        "message": "The disruption budget web is still being processed by the server.",
    }], "retryAfterSeconds": 10}});
    let several = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    let invalid = json!({"details": {"causes": [{"message": "must be greater than 0"}]}});
    let plain = Value::Null;
    for (code, message, more, refused) in [
        (429, budget, &used_up, Refused::NotNow(None)),
        (429, budget, &unseen, seconds(10)),
        (404, "not found", &plain, Refused::Changed),
        (
            409,
            "the UID in the precondition does not match",
            &plain,
            Refused::Changed,
        ),
        (
            422,
            "the server rejected our request",
            &plain,
            Refused::Changed,
        ),
        (
            422,
            "Deployment \"cart\" is invalid",
            &invalid,
            Refused::Never,
        ),
        (400, "bad", &plain, Refused::Never),
        (401, "Unauthorized", &plain, Refused::NotNow(None)),
        (403, "forbidden", &plain, Refused::Never),
        (405, "method", &plain, Refused::Never),
        (413, "large", &plain, Refused::Never),
        (500, several, &plain, Refused::Never),
    ] {
        let lab = evicting(Say::Json(code, status(code, message, more.clone()))).await;
        let answer = lab.send(&eviction()).await;
        let Answer::Refused(why, said) = &answer else {
            panic!("{code} is a refusal, not {answer:?}")
        };
        assert_eq!(*why, refused, "{said}");
        assert!(
            said.contains(message) && said.starts_with(&code.to_string()),
            "{said}"
        );
        assert_eq!(lab.stub.writes().len(), 1, "{code}: nothing is sent twice");
        assert!(is_given_back(&lab), "{code}");
    }
}

#[tokio::test]
async fn where_only_the_header_says_when_to_come_again_it_counts() {
    let headers = vec![("retry-after", "7".to_owned())];
    let lab = evicting(Say::With(429, headers, "Too many requests".to_owned())).await;
    let answer = lab.send(&eviction()).await;
    let when = Refused::NotNow(Some(Duration::from_secs(7)));
    assert!(
        matches!(&answer, Answer::Refused(why, _) if *why == when),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_may_have_arrived_is_unknown_and_keeps_its_claim() {
    for say in [
        Say::Json(
            500,
            status(500, "etcdserver: request timed out", Value::Null),
        ),
        Say::Json(502, Value::Null),
        Say::Json(503, Value::Null),
        Say::Json(504, status(504, "timeout", Value::Null)),
        Say::Json(408, Value::Null),
        Say::Reset,
        Say::Half(500),
    ] {
        let lab = evicting(say.clone()).await;
        let answer = lab.send(&eviction()).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{say:?}: {answer:?}");
        assert_eq!(lab.stub.writes().len(), 1, "{say:?}: nothing is sent twice");
        assert_eq!(
            lab.stub.lease(LEASE)["spec"]["holderIdentity"],
            ID,
            "{say:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unknown_once_the_time_is_up() {
    let script = |asked: &Asked| match &*asked.method {
        "GET" if asked.path == POD => Some(Say::Json(200, pod())),
        "POST" if asked.path.ends_with("/eviction") => Some(Say::Nothing),
        _ => None,
    };
    let lab = Lab::with(script, |it| it.timeout = Duration::from_millis(300)).await;
    let answer = lab.send(&eviction()).await;
    assert_eq!(answer, Answer::Unknown("no answer within 300ms".into()));
}

#[tokio::test]
async fn what_the_status_says_holds_however_the_body_ends() {
    let lab = evicting(Say::Half(201)).await;
    let answer = lab.send(&eviction()).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::start(|_| Some(done())).await;
    for code in [301, 307, 308] {
        let to = vec![("location", format!("{}{POD}/eviction", elsewhere.url()))];
        let lab = evicting(Say::With(code, to, String::new())).await;
        let answer = lab.send(&eviction()).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Never, _)),
            "{answer:?}"
        );
        assert_eq!(lab.stub.writes().len(), 1);
    }
    assert_eq!(elsewhere.asked(), []);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_can_be_asked_again() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let time = Arc::new(AtomicU64::new(START.as_nanos()));
    let kube = client(&settings(&url), &time).await;
    let answer = kube.send(ID, &eviction(), &claim(), &|| None).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::NotNow(None), _)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_gate_is_asked_before_anything_is_written_and_again_before_it_is_sent() {
    for opens in 0..3 {
        let lab = evicting(done()).await;
        let asked = AtomicUsize::new(0);
        let gate = || {
            let times = asked.fetch_add(1, Ordering::SeqCst);
            (times >= opens).then(|| Answer::Refused(Refused::Switched, "stopped".into()))
        };
        let answer = lab.kube.send(ID, &eviction(), &claim(), &gate).await;
        match opens {
            0 => assert_eq!(lab.stub.lines(), [""; 0]),
            1 => assert!(is_given_back(&lab)),
            _ => assert!(matches!(answer, Answer::Done(_))),
        }
        if opens < 2 {
            assert_eq!(answer, Answer::Refused(Refused::Switched, "stopped".into()));
            assert_eq!(lab.stub.writes(), []);
        }
    }
}

#[tokio::test]
async fn the_same_action_can_be_sent_again_once_it_was_refused() {
    let times = AtomicUsize::new(0);
    let lab = Lab::new(move |asked| match &*asked.method {
        "GET" if asked.path == POD => Some(Say::Json(200, pod())),
        "POST" if asked.path.ends_with("/eviction") => {
            Some(match times.fetch_add(1, Ordering::SeqCst) {
                0 => Say::Json(429, status(429, "budget", Value::Null)),
                _ => done(),
            })
        }
        _ => None,
    });
    let lab = lab.await;
    let answer = lab.send(&eviction()).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::NotNow(None), _)),
        "{answer:?}"
    );
    let answer = lab.send(&eviction()).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    let again = lab.send(&eviction()).await;
    assert!(
        matches!(again, Answer::Unknown(_)),
        "it is never sent twice: {again:?}"
    );
    assert_eq!(lab.stub.writes().len(), 2);
}

#[tokio::test]
async fn two_programs_never_act_on_one_workload_at_a_time() {
    let lab = evicting(Say::Reset).await;
    lab.send(&eviction()).await;
    let other = lab.other().await;
    let answer = other.send("another", &eviction(), &claim(), &|| None).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Claimed, _)),
        "{answer:?}"
    );
    lab.pass(Duration::from_secs(599));
    let answer = other.send("another", &eviction(), &claim(), &|| None).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Claimed, _)),
        "{answer:?}"
    );
    assert_eq!(lab.stub.writes().len(), 1);
    lab.pass(Duration::from_secs(1));
    other.send("another", &eviction(), &claim(), &|| None).await;
    assert_eq!(lab.stub.lease(LEASE)["spec"]["holderIdentity"], "another");
    assert_eq!(lab.stub.writes().len(), 2);
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_has_it() {
    let lab = evicting(done()).await;
    let (plan, claim) = (eviction(), claim());
    let (first, second) = tokio::join!(
        lab.kube.send("one", &plan, &claim, &|| None),
        lab.kube.send("two", &plan, &claim, &|| None),
    );
    let claimed = |it: &Answer| matches!(it, Answer::Refused(Refused::Claimed, _));
    let done = |it: &Answer| matches!(it, Answer::Done(_));
    assert!(
        (done(&first) && claimed(&second)) || (claimed(&first) && done(&second)),
        "{first:?} {second:?}"
    );
    assert_eq!(lab.stub.writes().len(), 1);
}

#[tokio::test]
async fn a_claim_of_which_no_answer_came_is_given_back() {
    for is_taken in [true, false] {
        let times = AtomicUsize::new(0);
        let lab = Lab::new(move |asked| match &*asked.method {
            "GET" if asked.path == POD => Some(Say::Json(200, pod())),
            "POST" if asked.path.ends_with("/eviction") => Some(done()),
            "POST" if times.fetch_add(1, Ordering::SeqCst) > 0 => None,
            "POST" if is_taken => Some(Say::ResetAfter),
            "POST" => Some(Say::Reset),
            _ => None,
        });
        let lab = lab.await;
        let answer = lab.send(&eviction()).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::NotNow(None), _)),
            "{answer:?}"
        );
        assert_eq!(lab.stub.writes(), []);
        assert_eq!(is_given_back(&lab), is_taken);
        let answer = lab.send(&eviction()).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }
}

#[tokio::test]
async fn whoever_was_held_up_does_not_send_any_more() {
    let time = Arc::new(AtomicU64::new(START.as_nanos()));
    let clock = Arc::clone(&time);
    let lab = Lab::new(move |asked| match &*asked.method {
        "GET" if asked.path == POD => {
            clock.fetch_add(61_000_000_000, Ordering::SeqCst);
            Some(Say::Json(200, pod()))
        }
        _ => None,
    });
    let mut lab = lab.await;
    lab.kube = client(&settings(&lab.stub.url()), &time).await;
    let answer = lab.send(&eviction()).await;
    let why = "sending was held up for too long".into();
    assert_eq!(answer, Answer::Refused(Refused::NotNow(None), why));
    assert_eq!(lab.stub.writes(), []);
    assert!(is_given_back(&lab));
}

#[tokio::test]
async fn a_plan_that_took_place_in_part_is_not_refused() {
    let mut plan = restart();
    plan.requests.push(plan.requests[0].clone());
    let times = AtomicUsize::new(0);
    let lab = Lab::new(move |asked| match &*asked.method {
        "GET" if asked.path == DEPLOYMENT => Some(Say::Json(200, deployment())),
        "PATCH" => Some(match times.fetch_add(1, Ordering::SeqCst) {
            0 => Say::Json(200, deployment()),
            _ => Say::Json(409, status(409, "conflict", Value::Null)),
        }),
        _ => None,
    });
    let lab = lab.await;
    let answer = lab.send(&plan).await;
    let Answer::Unknown(why) = &answer else {
        panic!("{answer:?}")
    };
    assert!(
        why.starts_with("1 of 2 requests were carried out, then: 409"),
        "{why}"
    );
    assert_eq!(lab.stub.lease(LEASE)["spec"]["holderIdentity"], ID);
}

#[tokio::test]
async fn a_plan_that_is_not_for_its_object_is_not_sent() {
    let change = |change: &dyn Fn(&mut Plan)| {
        let mut plan = eviction();
        change(&mut plan);
        plan
    };
    let plans = [
        change(&|it| it.subject = None),
        change(&|it| it.requests.clear()),
        change(&|it| it.requests[0].system = System::ArgoCd),
        change(&|it| it.requests[0].method = "DELETE".into()),
        change(&|it| it.requests[0].path = format!("{POD}0/eviction").into()),
        change(&|it| it.requests[0].path = "/api/v1/namespaces/shop/pods".into()),
        change(&|it| it.subject = Some(object("Secret", "cart-1", 0))),
        change(&|it| it.subject = Some(object("Pod", "..", 0))),
        change(&|it| it.requests = vec![it.requests[0].clone(); 9]),
    ];
    let lab = evicting(done()).await;
    for plan in plans {
        let answer = lab.send(&plan).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Never, _)),
            "{answer:?}"
        );
    }
    assert_eq!(lab.stub.lines(), [""; 0]);
}

#[tokio::test]
async fn what_a_server_says_is_bounded_and_harmless() {
    let long = format!("\u{1b}[2J\u{202e}{}", "x".repeat(5_000));
    let lab = evicting(Say::Json(403, status(403, &long, Value::Null))).await;
    let Answer::Refused(Refused::Never, said) = lab.send(&eviction()).await else {
        panic!("a refusal")
    };
    assert!(said.len() <= 500, "{}", said.len());
    assert!(
        said.starts_with("403 Forbidden: \\u{1b}[2J\\u{202e}xxx"),
        "{said}"
    );
}

#[tokio::test]
async fn without_the_right_to_claim_nothing_is_sent() {
    let lab = Lab::new(|asked| {
        let is_write = asked.method == "POST";
        is_write.then(|| Say::Json(403, status(403, "cannot create leases", Value::Null)))
    });
    let lab = lab.await;
    let answer = lab.send(&eviction()).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Never, _)),
        "{answer:?}"
    );
    assert_eq!(
        lab.stub.lines(),
        [format!("GET {LEASE}"), format!("POST {LEASES}")]
    );
}
