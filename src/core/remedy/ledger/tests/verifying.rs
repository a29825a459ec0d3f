use super::*;
use crate::core::record::StreamKey;

/// A bench whose action took place just now.
fn done() -> (Bench, Box<str>) {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    for ago in [3, 2, 1] {
        let cart = StreamKey::named("cart");
        bench.ledger.heard(&cart, NOW.minus(mins(ago)));
    }
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Done);
    (bench, id)
}

#[test]
fn whether_it_helped_is_said_once_things_had_time_to_settle() {
    let (mut bench, id) = done();
    bench.pass(mins(5) - secs(1));
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.pass(secs(1));
    assert_eq!(bench.state(&id), ActionState::Effective);
    assert_eq!(bench.stages().last(), Some(&ActionStage::Verified));
    let verified = bench.ledger.take_verified();
    assert_eq!(verified.len(), 1);
    assert_eq!(verified[0].state, ActionState::Effective);
    // The cluster hears of it, too.
    assert!(bench.ledger.take_verified().is_empty());
}

#[test]
fn what_helped_before_its_incident_was_told_ends_that_incident() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let mut action = bench.action();
    action.incident = None;
    bench.ledger.heard(&action.stream, NOW);
    bench.ledger.asked(action, None, NOW);
    bench.settle_down();
    assert_eq!(bench.sent, 1);
    bench.scene.world.incident = Some(("0d0e".into(), "8899aabbccddeeff".into()));
    bench.pass(mins(5));
    let verified = bench.ledger.take_verified();
    assert_eq!(verified[0].state, ActionState::Effective);
    assert_eq!(verified[0].incident.as_deref(), Some("0d0e"));
    assert_eq!(&*verified[0].fingerprint, "8899aabbccddeeff");
}

#[test]
fn each_outcome_is_told_as_what_it_is() {
    let anomalies = |bench: &mut Bench, count| {
        for nth in 0..count {
            let at = NOW.plus(mins(3)).plus(secs(nth));
            bench.ledger.heard(&StreamKey::named("cart"), at);
        }
    };
    for (expected, spoil) in [
        (ActionState::Effective, 0),
        (ActionState::Ineffective, 1),
        (ActionState::Ineffective, 2),
        (ActionState::Harmful, 3),
        (ActionState::Harmful, 4),
        (ActionState::Inconclusive, 5),
        (ActionState::Inconclusive, 6),
        (ActionState::Inconclusive, 7),
        (ActionState::Ineffective, 8),
    ] {
        let (mut bench, id) = done();
        match spoil {
            1 => anomalies(&mut bench, 2),
            2 => {
                // One pod does not come back, as one was away before.
                bench.scene.workload().ready = 3;
                let (mut again, other) = (bench, id.clone());
                again.pass(mins(5));
                // Four were Ready when it was done: that is harm.
                assert_eq!(again.state(&other), ActionState::Harmful);
                continue;
            }
            3 => bench.scene.workload().ready = 2,
            4 => anomalies(&mut bench, 9),
            5 => bench.scene.world.hearing_since = None,
            6 => bench.scene.facts().workload = None,
            7 => bench.scene.workload().object.uid = "uid-of-another".into(),
            8 => bench.scene.pod().restarts += 3,
            _ => {}
        }
        bench.pass(mins(5));
        assert_eq!(bench.state(&id), expected, "{spoil}: {}", bench.why(&id));
        let told = bench.told.last().unwrap();
        assert_eq!(told.stage, ActionStage::Verified);
        assert_eq!(told.action.state, expected);
    }
}

#[test]
fn where_the_cluster_cannot_be_read_nobody_says_that_it_helped() {
    let (mut bench, id) = done();
    bench.scene.facts = None;
    bench.pass(mins(6) - secs(6));
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.pass(secs(12));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
    assert_eq!(bench.why(&id), "the cluster cannot be read");
}

#[test]
fn where_nothing_was_wrong_before_calm_shows_nothing() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask_of(bench.action());
    bench.settle_down();
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
    // A pod that is Ready again shows that it helped.
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.workload().ready = 3;
    bench.scene.pod().is_ready = false;
    let id = bench.ask_of(bench.action());
    bench.settle_down();
    assert_eq!(bench.state(&id), ActionState::Done, "{}", bench.why(&id));
    bench.scene.workload().ready = 4;
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Effective);
}

#[test]
fn what_a_restart_made_forget_is_not_taken_for_calm() {
    // Sent before: how it was then is on disk.
    let (mut bench, id) = done();
    bench.pass(mins(1));
    bench.restart();
    bench.pass(mins(4));
    assert_eq!(bench.state(&id), ActionState::Effective);
    assert_eq!(
        bench.why(&id),
        "4 anomalies before, 0 since, 4 of 4 pods are Ready"
    );
    // Sent right after: nobody knows how it was.
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.write();
    bench.restart();
    bench.settle_down();
    assert_eq!(bench.state(&id), ActionState::Done);
    for nth in 0..9 {
        let at = NOW.plus(mins(3)).plus(secs(nth));
        bench.ledger.heard(&StreamKey::named("cart"), at);
    }
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
}

#[test]
fn a_pod_that_is_gone_is_judged_by_the_workload_that_was_claimed() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.action.target.workload = None;
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.now = bench.now.plus(mins(5));
    bench.turn();
    let is_look = |task: &&Task| matches!(task.errand, Errand::Look { .. });
    let Some(Errand::Look { target, .. }) = bench.tasks.iter().find(is_look).map(|it| &it.errand)
    else {
        panic!("{:?}", bench.tasks)
    };
    let cart = ("Deployment".into(), "cart".into());
    assert_eq!(target.workload, Some(cart));
    // Its pod is another one by now.
    bench.scene.facts().pod = None;
    while bench.work_one() {}
    assert_eq!(bench.state(&id), ActionState::Effective);
}

#[test]
fn the_cluster_is_told_of_what_was_done_to_it_and_of_nothing_else() {
    let notes = |bench: &Bench| {
        let is_note = |task: &&Task| matches!(task.errand, Errand::Note { .. });
        bench.tasks.iter().filter(is_note).count()
    };
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.ask();
    bench.turn();
    for _ in 0..3 {
        bench.work_one();
    }
    assert_eq!(notes(&bench), 1);
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    bench.ask();
    bench.turn();
    for _ in 0..3 {
        bench.work_one();
    }
    bench.now = bench.now.plus(mins(15));
    bench.turn();
    assert_eq!(bench.stages(), [ActionStage::Proposed, ActionStage::Failed]);
    assert_eq!(notes(&bench), 0);
}

#[test]
fn what_made_things_worse_is_told_with_what_undoes_it() {
    let mut bench = Bench::new(Remedy::Scale { by: 1, max: 9 }, Mode::Auto);
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Done, "{}", bench.why(&id));
    bench.scene.workload().ready = 1;
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Harmful);
    let why = bench.why(&id);
    let command = "; to undo it: kubectl patch deployments.v1.apps/cart -n shop --subresource=scale --type=json -p '[";
    assert!(why.contains(command), "{why}");
    assert!(why.ends_with("\"value\":4}]'"), "{why}");
    // An eviction has no way back.
    let (mut bench, id) = done();
    bench.scene.workload().ready = 2;
    bench.pass(mins(5));
    assert!(
        bench.why(&id).ends_with("; it cannot be undone"),
        "{}",
        bench.why(&id)
    );
}
