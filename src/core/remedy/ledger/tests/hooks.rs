use super::*;
use crate::core::remedy::facts::Decision;

const HOOK: (&str, &str) = ("runbook", "job 7");

fn said(bench: &mut Bench, id: &str, status: HookStatus) -> Result<(), LedgerError> {
    let taken = bench.ledger.hooked(id, status, HOOK, bench.now);
    bench.write();
    taken
}

/// A bench whose hook has been told to act.
fn told() -> (Bench, Box<str>) {
    let mut bench = Bench::new(Remedy::Webhook, Mode::Auto);
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Approved);
    assert_eq!(bench.stages(), [ActionStage::Approved]);
    (bench, id)
}

#[test]
fn a_hook_is_told_and_says_how_far_it_is_and_knothole_sees_whether_it_helped() {
    let (mut bench, id) = told();
    bench.pass(mins(1));
    said(&mut bench, &id, HookStatus::Accepted).unwrap();
    said(&mut bench, &id, HookStatus::Running).unwrap();
    assert_eq!(bench.state(&id), ActionState::Accepted);
    bench.pass(mins(2));
    said(&mut bench, &id, HookStatus::Succeeded).unwrap();
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Effective);
    assert_eq!(
        bench.stages(),
        [
            ActionStage::Approved,
            ActionStage::Executed,
            ActionStage::Verified
        ]
    );
    assert_eq!(bench.sent, 0, "knothole itself sends nothing");
}

#[test]
fn what_a_hook_says_twice_changes_nothing() {
    let (mut bench, id) = told();
    for status in [HookStatus::Accepted, HookStatus::Succeeded] {
        said(&mut bench, &id, status).unwrap();
        let before = bench.get(&id).clone();
        bench.now = bench.now.plus(secs(5));
        said(&mut bench, &id, status).unwrap();
        assert_eq!(bench.get(&id), &before);
    }
    // Nor does what it said earlier.
    said(&mut bench, &id, HookStatus::Accepted).unwrap();
    assert_eq!(bench.state(&id), ActionState::Done);
}

#[test]
fn a_hook_that_fails_is_told_of() {
    let (mut bench, id) = told();
    said(&mut bench, &id, HookStatus::Failed).unwrap();
    assert_eq!(bench.state(&id), ActionState::Failed);
    assert_eq!(bench.stages(), [ActionStage::Approved, ActionStage::Failed]);
    assert_eq!(
        said(&mut bench, &id, HookStatus::Succeeded),
        Err(LedgerError::Past("failed"))
    );
}

#[test]
fn a_hook_that_says_nothing_more_leaves_it_open_whether_it_acted() {
    let (mut bench, id) = told();
    bench.pass(mins(15));
    assert_eq!(bench.state(&id), ActionState::Expired);
    assert_eq!(bench.stages(), [ActionStage::Approved, ActionStage::Failed]);

    let (mut bench, id) = told();
    said(&mut bench, &id, HookStatus::Accepted).unwrap();
    bench.pass(mins(30));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
}

#[test]
fn a_hook_that_took_it_on_may_take_longer_than_it_was_good_for() {
    let (mut bench, id) = told();
    bench.pass(mins(14));
    said(&mut bench, &id, HookStatus::Accepted).unwrap();
    bench.pass(mins(20));
    bench.restart();
    bench.pass(mins(5));
    bench.pass(mins(4));
    assert_eq!(bench.state(&id), ActionState::Accepted);
    said(&mut bench, &id, HookStatus::Succeeded).unwrap();
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Effective);

    let (mut bench, id) = told();
    said(&mut bench, &id, HookStatus::Accepted).unwrap();
    bench.pass(mins(25));
    // That it is still at it gives it no more time.
    said(&mut bench, &id, HookStatus::Running).unwrap();
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
}

#[test]
fn a_hook_that_was_told_counts_as_an_action() {
    let (mut bench, _) = told();
    bench.pass_in_trouble(mins(29));
    assert_eq!(
        bench.stages(),
        [ActionStage::Approved, ActionStage::Failed],
        "it is not told again within half an hour"
    );
}

#[test]
fn while_a_hook_that_was_told_says_nothing_it_is_under_way() {
    let (mut bench, id) = told();
    let ids = |bench: &Bench| -> Vec<Box<str>> {
        let all = bench.ledger.book().in_flight();
        all.map(|it| it.id.clone()).collect()
    };
    assert_eq!(ids(&bench), std::slice::from_ref(&id));
    bench.restart();
    assert_eq!(ids(&bench), [id]);
    bench.pass(mins(15));
    assert!(ids(&bench).is_empty());
}

#[test]
fn a_suggestion_may_be_taken_up_by_any_hook() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.run();
    said(&mut bench, &id, HookStatus::Accepted).unwrap();
    said(&mut bench, &id, HookStatus::Succeeded).unwrap();
    assert_eq!(bench.state(&id), ActionState::Done);
    bench.pass(mins(5));
    assert_eq!(bench.state(&id), ActionState::Effective);
}

#[test]
fn a_hook_has_nothing_to_say_of_what_it_was_not_told() {
    for (remedy, mode, state) in [
        (Remedy::RestartPod, Mode::Auto, "blocked"),
        (Remedy::Webhook, Mode::Auto, "blocked"),
        (Remedy::Webhook, Mode::Approve, "blocked"),
    ] {
        let mut bench = Bench::new(remedy, mode);
        bench.scene.world.frozen = Some("the window nightly".into());
        let id = bench.run();
        assert_eq!(
            said(&mut bench, &id, HookStatus::Succeeded),
            Err(LedgerError::NotOpen(state))
        );
    }
    let mut bench = Bench::new(Remedy::Webhook, Mode::Approve);
    let id = bench.run();
    assert_eq!(
        said(&mut bench, &id, HookStatus::Accepted),
        Err(LedgerError::NotOpen("proposed"))
    );
    assert_eq!(
        said(&mut bench, "none", HookStatus::Accepted),
        Err(LedgerError::Unknown)
    );
}

#[test]
fn a_hook_is_not_told_of_an_approval_while_something_is_against_it() {
    let mut bench = Bench::new(Remedy::Webhook, Mode::Approve);
    let id = bench.run();
    bench.scene.world.stopped = Some("ben".into());
    let hash = bench.hash(&id);
    bench
        .ledger
        .approve(&id, &hash, ("ana", "go"), bench.now)
        .unwrap();
    bench.pass_in_trouble(mins(2));
    assert_eq!(bench.stages(), [ActionStage::Proposed]);
    assert_eq!(
        said(&mut bench, &id, HookStatus::Accepted),
        Err(LedgerError::NotOpen("approved"))
    );
    bench.restart();
    bench.scene.world.stopped = None;
    bench.pass(secs(11));
    assert_eq!(
        bench.stages(),
        [ActionStage::Proposed, ActionStage::Approved]
    );
    assert_eq!(bench.why(&id), "ana approved it, and every check passed");
    bench.restart();
    bench.pass(mins(2));
    assert_eq!(bench.stages().len(), 2, "it is told once");
}

#[test]
fn without_a_cluster_a_hook_waits_for_a_person_and_a_policy_that_forbids_holds_it_back() {
    let mut bench = Bench::without_cluster(Remedy::Webhook, Mode::Approve);
    let id = bench.run();
    assert_eq!(
        bench.state(&id),
        ActionState::Proposed,
        "{}",
        bench.why(&id)
    );
    let hash = bench.hash(&id);
    bench.scene.rehearsal().policy = Some(Ok(Decision::default()));
    bench
        .ledger
        .approve(&id, &hash, ("ana", "go"), bench.now)
        .unwrap();
    bench.pass_in_trouble(mins(1));
    assert_eq!(bench.stages(), [ActionStage::Proposed]);
    bench.scene.rehearsal().policy = None;
    bench.pass(secs(11));
    assert_eq!(
        bench.stages(),
        [ActionStage::Proposed, ActionStage::Approved]
    );
}
