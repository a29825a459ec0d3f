//! In which order a cluster, Argo CD, Jenkins and Flux are asked, and when they are not.

mod bench;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::*;
use crate::core::event::{ActionEvent, ActionStage, Mode, Remedy};
use crate::daemon::clock;
use crate::edge::argo::ArgoSettings;
use crate::edge::ci::{FluxSettings, JenkinsSettings};
use crate::edge::outgoing::SecretRef;
use bench::*;

#[tokio::test]
async fn a_job_is_started_once_while_the_workload_is_claimed() {
    let mut bench = Bench::new().await;
    let answer = bench.hands.send(&action(vec![job()])).await;
    let said = "build 3 of the job ended with SUCCESS";
    assert_eq!(answer, Answer::Done(said.into()));
    let asked = bench.asked();
    let list = lease().rsplit_once('/').unwrap().0.to_owned();
    assert_eq!(
        asked[..4],
        [
            format!("GET {}", lease()),
            format!("POST {list}"),
            format!("GET {DEPLOYMENT}"),
            "POST /job/restart/buildWithParameters".to_owned(),
        ]
    );
    let jobs = asked.iter().filter(|it| it.contains("buildWith"));
    assert_eq!(jobs.count(), 1);
    // Another instance has the same action: it does not start the job again.
    let answer = bench.hands.send(&action(vec![job()])).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    assert_eq!(bench.asked(), [format!("GET {}", lease())]);
}

#[tokio::test]
async fn what_somebody_else_has_claimed_is_asked_of_nobody() {
    let mut bench = Bench::new().await;
    for other in [job(), hook()] {
        let mut first = action(vec![hook()]);
        first.id = "f".repeat(32).into();
        bench.hands.send(&first).await;
        bench.asked();
        let answer = bench.hands.send(&action(vec![other])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Claimed, _)),
            "{answer:?}"
        );
        assert_eq!(bench.asked(), [format!("GET {}", lease())]);
    }
}

#[tokio::test]
async fn the_switch_is_heeded_before_anything_is_asked_and_again_after_the_claim() {
    let mut bench = Bench::new().await;
    bench.hands.switch.stop("enough").unwrap();
    for request in [job(), hook()] {
        let answer = bench.hands.send(&action(vec![request])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Switched, _)),
            "{answer:?}"
        );
    }
    assert_eq!(bench.asked(), [""; 0]);
    bench.hands.switch.release().unwrap();
    *bench.world.throws.lock().unwrap() = Some(Arc::clone(&bench.hands.switch));
    for request in [job(), hook()] {
        let answer = bench.hands.send(&action(vec![request])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Switched, _)),
            "{answer:?}"
        );
        assert!(bench.is_given_back());
        let asked = bench.asked();
        let changes = asked.iter().filter(|it| !it.starts_with("GET"));
        let mut changes = changes.filter(|it| !it.contains("/leases"));
        assert_eq!(changes.next(), None);
        bench.hands.switch.release().unwrap();
    }
}

#[tokio::test]
async fn what_somebody_changed_since_it_was_planned_for_is_left_alone_whoever_acts() {
    let mut bench = Bench::new().await;
    bench.world.changes.store(1, Ordering::SeqCst);
    for request in [job(), hook(), sync()] {
        let answer = bench.hands.send(&action(vec![request])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Changed, _)),
            "{answer:?}"
        );
        assert!(bench.is_given_back());
        let asked = bench.asked();
        let mut acts = asked.iter().filter(|it| !it.starts_with("GET"));
        assert!(acts.all(|it| it.contains("/leases")), "{asked:?}");
    }
}

#[tokio::test]
async fn what_was_held_up_or_is_too_late_is_not_begun() {
    let mut bench = Bench::new().await;
    let mut held_up = action(vec![job()]);
    let before = Ledger::SEND_WITHIN + Duration::from_secs(1);
    held_up.acted_at = Some(clock::now().minus(before));
    let answer = bench.hands.send(&held_up).await;
    let again = Refused::NotNow(None);
    assert!(
        matches!(&answer, Answer::Refused(why, _) if *why == again),
        "{answer:?}"
    );
    let mut late = action(vec![job()]);
    late.expires_at = clock::now();
    let answer = bench.hands.send(&late).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Late, _)),
        "{answer:?}"
    );
    assert_eq!(bench.asked(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_one_request_to_one_system_is_never_sent() {
    let mut bench = Bench::new().await;
    let mut strange = job();
    strange.system = System::Hook;
    for requests in [
        vec![],
        vec![job(), job()],
        vec![job(), hook()],
        vec![strange],
    ] {
        let answer = bench.hands.send(&action(requests)).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Never, _)),
            "{answer:?}"
        );
    }
    let mut unclaimed = action(vec![job()]);
    unclaimed.plan.as_mut().unwrap().claims = None;
    let answer = bench.hands.send(&unclaimed).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Never, _)),
        "{answer:?}"
    );
    assert_eq!(bench.asked(), [""; 0]);
}

#[tokio::test]
async fn a_system_that_is_not_set_forbids_what_acts_and_not_what_suggests() {
    let mut bench = Bench::new().await;
    bench.hands.systems.jenkins = None;
    bench.hands.systems.flux = None;
    for request in [job(), hook()] {
        let mut action = action(vec![request]);
        for (mode, forbids) in [
            (Mode::Observe, false),
            (Mode::Suggest, false),
            (Mode::Approve, true),
            (Mode::Auto, true),
        ] {
            action.mode = mode;
            let rehearsal = bench.hands.rehearse(&action, &[], &json!({})).await;
            let is_forbidden = matches!(rehearsal.dry_run, Some(Err(_)));
            assert_eq!(is_forbidden, forbids, "{mode:?}");
        }
        let answer = bench.hands.send(&action).await;
        let Answer::Refused(Refused::Never, why) = answer else {
            panic!("{answer:?}")
        };
        assert!(why.contains("set remediation."), "{why}");
    }
}

#[tokio::test]
async fn argo_cd_tries_a_plan_once_where_it_may_be_carried_out_and_nobody_has_stopped_it() {
    let mut bench = Bench::new().await;
    let mut action = action(vec![sync()]);
    for mode in [Mode::Observe, Mode::Suggest] {
        action.mode = mode;
        assert_eq!(bench.trials(&action).await, (0, None), "{mode:?}");
    }
    for (mode, times) in [(Mode::Approve, 1), (Mode::Auto, 0), (Mode::Auto, 0)] {
        action.mode = mode;
        assert_eq!(
            bench.trials(&action).await,
            (times, Some(Ok(()))),
            "{mode:?}"
        );
    }
    action.plan.as_mut().unwrap().hash = "another".into();
    assert_eq!(bench.trials(&action).await.0, 1);
    bench.hands.switch.stop("enough").unwrap();
    action.plan.as_mut().unwrap().hash = "a third".into();
    let (times, would) = bench.trials(&action).await;
    assert_eq!(times, 0);
    assert!(would.unwrap().unwrap_err().contains("enough"));
}

#[tokio::test]
async fn an_event_that_the_cluster_does_not_take_is_told_once_more() {
    let mut bench = Bench::new().await;
    for (untaken, told) in [(0, 1), (1, 2), (9, 2)] {
        bench.world.untaken.store(untaken, Ordering::SeqCst);
        let event = ActionEvent {
            id: "e".into(),
            stage: ActionStage::Executed,
            at: clock::now(),
            action: Arc::new(action(vec![job()])),
        };
        bench.hands.note(&event).await;
        let asked = bench.asked();
        assert_eq!(asked, vec![format!("POST {EVENTS}"); told], "{untaken}");
    }
}

#[tokio::test]
async fn an_application_is_looked_at_through_the_api_of_argo_cd_where_that_is_set() {
    let mut bench = Bench::new().await;
    let remedy = Remedy::ArgoSync {
        application: "cart".into(),
    };
    let facts = bench.hands.look(&target(), &remedy).await.unwrap();
    let argo = facts.argo.unwrap();
    assert!(argo.is_closed == Some(true) && argo.object.is_none());
    let asked = bench.asked();
    assert!(
        !asked.iter().any(|it| it.contains("argoproj.io")),
        "{asked:?}"
    );
    // What Argo CD has nothing to do with it is not asked about.
    bench
        .hands
        .look(&target(), &Remedy::RestartWorkload)
        .await
        .unwrap();
    let asked = bench.asked();
    assert!(
        !asked.iter().any(|it| it.contains("/api/v1/app")),
        "{asked:?}"
    );
    // Nobody acts on what could not be read.
    let remedy = Remedy::ArgoSync {
        application: "Cart!".into(),
    };
    assert!(bench.hands.look(&target(), &remedy).await.is_err());
}

#[test]
fn the_longest_sending_is_over_before_the_ledger_gives_it_up() {
    let secret = || SecretRef::Env("S".into());
    let argo = ArgoSettings::of("https://a", secret());
    let jenkins = JenkinsSettings::of("https://j", "u", secret());
    let flux = FluxSettings::of("https://f", secret());
    let longest: BTreeMap<&str, Duration> = BTreeMap::from([
        ("argo", argo.timeout + argo.follow),
        ("jenkins", jenkins.timeout + jenkins.wait),
        ("flux", flux.timeout),
    ]);
    for (system, takes) in longest {
        assert!(Ledger::SEND_WITHIN + takes < Ledger::TASK_MAX, "{system}");
    }
    assert!(READ_WITHIN < Ledger::TASK_MAX);
}
