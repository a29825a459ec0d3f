use super::*;

/// A bench whose action was sent, and nobody knows whether it took place.
fn unsettled() -> (Bench, Box<str>) {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.answer = Answer::Unknown("the connection was lost".into());
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Unsettled);
    (bench, id)
}

#[test]
fn what_the_cluster_shows_settles_what_no_answer_told() {
    for (settlement, expected, stage) in [
        (Settlement::Done, ActionState::Done, ActionStage::Executed),
        (
            Settlement::NotDone,
            ActionState::Failed,
            ActionStage::Failed,
        ),
    ] {
        let (mut bench, id) = unsettled();
        bench.pass(secs(20));
        assert_eq!(bench.state(&id), ActionState::Unsettled);
        bench.settlement = settlement;
        bench.pass(secs(6));
        assert_eq!(bench.state(&id), expected);
        assert_eq!(bench.stages(), [ActionStage::Approved, stage]);
        assert_eq!(bench.sent, 1, "what may have taken place is not sent again");
    }
}

#[test]
fn within_a_minute_it_is_told_that_nobody_knows() {
    let (mut bench, id) = unsettled();
    bench.pass(secs(50));
    assert_eq!(bench.state(&id), ActionState::Unsettled);
    bench.pass(secs(10));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
    assert_eq!(
        bench.stages(),
        [ActionStage::Approved, ActionStage::Verified]
    );
    // It may have taken place, and counts as if it had.
    bench.pass_in_trouble(mins(26));
    assert_eq!(bench.sent, 1);
}

#[test]
fn an_answer_that_never_comes_back_is_found_out_about() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.turn();
    bench.work_one();
    bench.work_one();
    assert!(matches!(bench.tasks[0].errand, Errand::Send { .. }));
    bench.tasks.clear();
    bench.settlement = Settlement::Done;
    bench.pass(secs(89));
    assert_eq!(bench.state(&id), ActionState::Sending);
    bench.pass(secs(1));
    assert_eq!(bench.state(&id), ActionState::Done);
    assert_eq!(bench.sent, 0);
}

/// A bench whose action was given out to be sent, and nothing came back; with the task.
fn unanswered() -> (Bench, Box<str>, Box<str>) {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.turn();
    bench.work_one();
    bench.work_one();
    let task = bench.tasks.pop_front().unwrap();
    assert!(matches!(task.errand, Errand::Send { .. }));
    (bench, id, task.id)
}

#[test]
fn a_look_that_comes_twice_does_not_hide_that_no_answer_comes() {
    let (mut bench, id, _) = unanswered();
    bench.repeat_reports();
    bench.pass(secs(90) + secs(60));
    assert_eq!(bench.state(&id), ActionState::Inconclusive);
}

#[test]
fn what_came_of_it_is_believed_also_when_it_is_said_late() {
    let done = Answer::Done("it is evicted".into());
    let busy = Answer::Refused(Refused::NotNow(None), "busy".into());
    for (late, expected) in [
        (done, ActionState::Done),
        (busy.clone(), ActionState::Blocked),
    ] {
        let (mut bench, id, task) = unanswered();
        bench.pass(secs(92));
        assert_eq!(bench.state(&id), ActionState::Unsettled);
        bench.report(&task, Reported::Answered(late));
        assert_eq!(bench.state(&id), expected);
        // What a later task found out, and what it says again, changes nothing.
        bench.repeat_reports();
        bench.report(&task, Reported::Answered(busy.clone()));
        assert_eq!(bench.state(&id), expected);
    }
}

#[test]
fn an_earlier_refusal_that_comes_again_is_not_taken_for_the_answer_of_now() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.answer = Answer::Refused(Refused::NotNow(None), "busy".into());
    let id = bench.run();
    bench.now = bench.now.plus(secs(10));
    bench.turn();
    bench.work_one();
    bench.work_one();
    assert_eq!(bench.state(&id), ActionState::Sending);
    bench.repeat_reports();
    assert_eq!(bench.state(&id), ActionState::Sending);
}
