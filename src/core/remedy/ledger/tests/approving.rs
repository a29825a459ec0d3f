use super::asking::flood;
use super::*;
use crate::core::remedy::facts::Decision;

#[test]
fn a_suggesting_rule_proposes_and_never_sends() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Proposed);
    assert_eq!(bench.why(&id), "a person or a hook decides");
    let hash = bench.hash(&id);
    assert_eq!(
        bench.ledger.approve(&id, &hash, ("ana", ""), bench.now),
        Err(LedgerError::Mode("suggest"))
    );
    bench.pass_in_trouble(mins(40));
    assert_eq!(bench.sent, 0);
    // Proposed once in an hour, and its time was up.
    assert_eq!(bench.stages(), [ActionStage::Proposed, ActionStage::Failed]);
}

#[test]
fn what_the_policy_forbids_is_not_proposed_where_there_is_no_cluster_either() {
    let mut bench = Bench::without_cluster(Remedy::RestartPod, Mode::Suggest);
    bench.scene.limits.has_policy = true;
    let rules = bench.ledger.rules().to_vec();
    bench.ledger = Ledger::new(rules, bench.scene.limits.clone(), false);
    bench.scene.rehearsal().policy = Some(Ok(Decision::default()));
    let id = bench.run();
    bench.pass(mins(1));
    assert_eq!(bench.state(&id), ActionState::Blocked, "{}", bench.why(&id));
    assert_eq!(bench.stages(), []);
    bench.scene.rehearsal().policy = Some(Ok(Decision {
        is_allowed: true,
        ..Decision::default()
    }));
    bench.pass(secs(11));
    assert_eq!(bench.stages(), [ActionStage::Proposed]);
}

#[test]
fn an_approving_rule_sends_only_once_the_very_plan_is_approved() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    bench.pass(mins(2));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    let hash = bench.hash(&id);
    for wrong in ["", "feed", &hash[1..]] {
        assert_eq!(not_the_plan(&mut bench, &id, wrong), hash);
    }
    bench.pass(secs(30));
    assert_eq!(bench.sent, 0);
    approve(&mut bench, &id, "ana");
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
    assert!(bench.get(&id).steps.iter().any(|step| *step.why
        == *"ana approved it, and every check passed"
        && step.state == ActionState::Sending));
    assert_eq!(
        bench.stages(),
        [
            ActionStage::Proposed,
            ActionStage::Approved,
            ActionStage::Executed
        ]
    );
}

#[test]
fn what_nobody_looked_at_yet_cannot_be_approved_and_that_is_said() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.ask();
    bench.turn();
    let said = bench.ledger.approve(&id, "feed", ("ana", ""), bench.now);
    let said = said.unwrap_err().to_string();
    assert!(said.ends_with("it was not looked at yet"), "{said}");
    bench.settle_down();
    approve(&mut bench, &id, "ana");
}

/// What the plan is instead of the one that is approved.
fn not_the_plan(bench: &mut Bench, id: &str, plan: &str) -> Box<str> {
    match bench.ledger.approve(id, plan, ("ana", ""), bench.now) {
        Err(LedgerError::Plan { present, .. }) => present,
        other => panic!("{other:?}"),
    }
}

fn approve(bench: &mut Bench, id: &str, by: &str) {
    let hash = bench.hash(id);
    bench
        .ledger
        .approve(id, &hash, (by, "go"), bench.now)
        .unwrap();
}

#[test]
fn a_plan_that_changed_is_not_sent_on_the_word_on_another() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    bench.scene.action.target.pod_uid = None;
    let id = bench.run();
    let approved = bench.hash(&id);
    bench.replace_pod();
    approve(&mut bench, &id, "ana");
    bench.pass(mins(3));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    assert_ne!(bench.hash(&id), approved);
    assert_eq!(not_the_plan(&mut bench, &id, &approved), bench.hash(&id));
    approve(&mut bench, &id, "ana");
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
    assert_eq!(
        bench.stages(),
        [
            ActionStage::Proposed,
            ActionStage::Approved,
            ActionStage::Proposed,
            ActionStage::Approved,
            ActionStage::Executed
        ]
    );
}

#[test]
fn a_plan_that_changed_needs_a_new_approval_after_a_restart_too() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    bench.scene.action.target.pod_uid = None;
    let id = bench.run();
    bench.replace_pod();
    approve(&mut bench, &id, "ana");
    bench.settle_down();
    bench.restart();
    bench.pass(mins(3));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    // Her word on the other plan is not hers on this one.
    approve(&mut bench, &id, "ben");
    bench.settle_down();
    assert_eq!(bench.sent, 1);
    assert!(
        bench
            .get(&id)
            .steps
            .iter()
            .any(|it| it.why.starts_with("ben approved it"))
    );
}

#[test]
fn what_is_approved_waits_for_its_moment_and_nobody_has_to_come_back() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    bench.scene.world.frozen = Some("the window nightly".into());
    approve(&mut bench, &id, "ana");
    bench.pass_in_trouble(mins(3));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Approved, 0));
    // Whoever approved it reads why nothing happens, once, and is not told again that it is approved.
    let held = "it is held back: the window nightly forbids actions now";
    assert_eq!(bench.why(&id), held);
    let steps = bench.get(&id).steps.iter();
    assert_eq!(steps.filter(|it| &*it.why == held).count(), 1);
    let approved = bench.stages().into_iter();
    assert_eq!(
        approved.filter(|it| *it == ActionStage::Approved).count(),
        1
    );
    bench.restart();
    bench.scene.world.frozen = None;
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
}

#[test]
fn an_approval_outlives_any_number_of_refusals() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    approve(&mut bench, &id, "ana");
    bench.answer = Answer::Refused(Refused::NotNow(Some(secs(1))), "busy".into());
    bench.pass_in_trouble(mins(3));
    assert!(bench.sent > 40, "{}", bench.sent);
    assert_eq!(bench.get(&id).steps.len(), Action::STEPS_MAX);
    bench.restart();
    bench.answer = Answer::Done("it is evicted".into());
    bench.pass(secs(11));
    assert_eq!(bench.state(&id), ActionState::Done);
    assert_eq!(
        bench.stages(),
        [
            ActionStage::Proposed,
            ActionStage::Approved,
            ActionStage::Executed
        ]
    );
}

#[test]
fn a_word_on_what_cannot_be_approved_changes_nothing() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    approve(&mut bench, &id, "ana");
    let hash = bench.hash(&id);
    let again = bench.ledger.approve(&id, &hash, ("ana", ""), bench.now);
    assert_eq!(again, Ok(()));
    bench.settle_down();
    let steps = bench.get(&id).steps.len();
    let now = bench.now;
    let ledger = &mut bench.ledger;
    let past = |it| Err(LedgerError::Past(it));
    assert_eq!(ledger.approve(&id, &hash, ("ana", ""), now), past("done"));
    assert_eq!(ledger.deny(&id, ("ana", ""), now), past("done"));
    assert_eq!(
        ledger.deny("none", ("ana", ""), now),
        Err(LedgerError::Unknown)
    );
    assert_eq!(bench.get(&id).steps.len(), steps);
    assert_eq!(bench.sent, 1);
}

#[test]
fn without_a_cluster_nobody_approves_what_would_change_one() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    let rules = bench.ledger.rules().to_vec();
    bench
        .ledger
        .reconfigure((rules, bench.scene.limits.clone()), false, bench.now);
    let hash = bench.hash(&id);
    assert_eq!(
        bench.ledger.approve(&id, &hash, ("ana", ""), bench.now),
        Err(LedgerError::NoCluster)
    );
}

#[test]
fn what_a_person_denied_is_not_asked_for_again_while_the_incident_goes_on() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    bench
        .ledger
        .deny(&id, ("ana", "it is the database"), bench.now)
        .unwrap();
    bench.pass_in_trouble(mins(90));
    assert_eq!(bench.state(&id), ActionState::Denied);
    assert_eq!(bench.stages(), [ActionStage::Proposed, ActionStage::Denied]);
    bench.restart();
    bench.pass_in_trouble(mins(10));
    assert_eq!(bench.stages().len(), 2);
    let other = Incidence {
        id: "another",
        ..INCIDENT
    };
    let action = bench.action();
    bench.ledger.asked(action, Some(other), bench.now);
    bench.settle_down();
    assert_eq!(bench.stages().last(), Some(&ActionStage::Proposed));
    assert_eq!(bench.stages().len(), 3);
}

#[test]
fn a_no_without_an_incident_is_not_a_no_to_every_incident() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let mut action = bench.action();
    action.incident = None;
    bench.ledger.asked(action, None, bench.now);
    bench.settle_down();
    let id = bench.ledger.open().next().unwrap().id.clone();
    bench.ledger.deny(&id, ("ana", "no"), bench.now).unwrap();
    bench.pass_in_trouble(mins(59));
    assert_eq!(bench.stages(), [ActionStage::Proposed, ActionStage::Denied]);
    bench.pass_in_trouble(mins(2));
    assert_eq!(bench.stages().last(), Some(&ActionStage::Proposed));
}

#[test]
fn a_no_counts_for_the_incident_that_was_told_only_since() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let mut action = bench.action();
    action.incident = None;
    bench.ledger.asked(action, None, bench.now);
    bench.settle_down();
    let id = bench.ledger.open().next().unwrap().id.clone();
    assert_eq!(bench.get(&id).incident, None);
    bench.scene.world.incident = Some((INCIDENT.id.into(), INCIDENT.fingerprint.into()));
    bench.pass(secs(1));
    bench.ledger.deny(&id, ("ana", "no"), bench.now).unwrap();
    bench.write();
    assert_eq!(bench.get(&id).incident.as_deref(), Some(INCIDENT.id));
    bench.restart();
    bench.pass_in_trouble(mins(90));
    assert_eq!(bench.stages(), [ActionStage::Proposed, ActionStage::Denied]);
    let other = Incidence {
        id: "another",
        ..INCIDENT
    };
    let action = bench.action();
    bench.ledger.asked(action, Some(other), bench.now);
    assert_eq!(bench.ledger.open().count(), 1);
}

#[test]
fn whoever_has_much_asked_for_does_not_undo_a_denial() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.world.frozen = Some("the window nightly".into());
    let id = bench.run();
    bench.ledger.deny(&id, ("ana", "no"), bench.now).unwrap();
    flood(&mut bench);
    bench.scene = Scene::healthy(Remedy::RestartPod);
    bench.pass_in_trouble(mins(10));
    assert_eq!(bench.sent, 0);
    assert_eq!(bench.state(&id), ActionState::Denied);
}

#[test]
fn an_approval_answers_only_the_checks_that_asked_when_it_was_given() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    bench.scene.world.is_learning = true;
    let id = bench.run();
    bench.scene.world.frozen = Some("the window nightly".into());
    approve(&mut bench, &id, "ana");
    bench.pass(mins(1));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Approved, 0));
    // What she knew of still asks, and an upgrade has begun since.
    bench.scene.facts().is_upgrading = Some(true);
    bench.scene.world.frozen = None;
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    assert!(
        bench.why(&id).contains("more than was approved"),
        "{}",
        bench.why(&id)
    );
    assert_eq!(bench.stages().last(), Some(&ActionStage::Proposed));
    approve(&mut bench, &id, "ana");
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
}

#[test]
fn a_policy_that_wants_a_person_since_the_approval_is_told_to_people() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    approve(&mut bench, &id, "ana");
    bench.scene.rehearsal().policy = Some(Ok(Decision {
        is_allowed: true,
        needs_approval: true,
        ..Decision::default()
    }));
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    bench.restart();
    bench.pass(mins(1));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    approve(&mut bench, &id, "ben");
    bench.settle_down();
    assert_eq!(bench.sent, 1);
}

#[test]
fn an_approval_of_long_ago_holds_for_no_new_plan_however_much_was_written_since() {
    let mut bench = Bench::new(Remedy::RestartWorkload, Mode::Auto);
    bench.scene.world.is_learning = true;
    let id = bench.run();
    assert_eq!(
        bench.state(&id),
        ActionState::Proposed,
        "{}",
        bench.why(&id)
    );
    approve(&mut bench, &id, "ana");
    bench.scene.workload().object.generation += 1;
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    // No person is needed any more, and it is refused so often that this is forgotten.
    bench.scene.world.is_learning = false;
    bench.answer = Answer::Refused(Refused::NotNow(Some(secs(1))), "busy".into());
    bench.pass_in_trouble(mins(2));
    let sent = bench.sent;
    assert!(sent > 20, "{sent}");
    bench.scene.world.is_learning = true;
    bench.restart();
    bench.pass(secs(11));
    assert_eq!(
        (bench.state(&id), bench.sent),
        (ActionState::Proposed, sent),
        "{}",
        bench.why(&id)
    );
}
