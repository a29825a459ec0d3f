use crate::core::event::{Object, Remedy};
use crate::core::remedy::case::Reach;
use crate::core::remedy::check::fixture::{
    ASK, NONE, PASS, Row, STOP, Scene, UNKNOWN, remedies, table,
};
use crate::core::remedy::check::{Decide, ask_all, decision};
use crate::core::remedy::facts::Decision;

const POD: Remedy = Remedy::RestartPod;

#[test]
fn every_permission_is_asked_for_and_granted() {
    table(
        "access",
        &POD,
        &[
            ("all are", PASS, |_| {}),
            ("one is not granted", STOP, |it| {
                it.rehearsal().access[2].1 = false
            }),
            ("one was not asked for", UNKNOWN, |it| {
                it.rehearsal().access.pop();
            }),
            ("none was asked for", UNKNOWN, |it| {
                it.rehearsal().access.clear()
            }),
            ("nothing was rehearsed", UNKNOWN, |it| it.rehearsal = None),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
    table(
        "access",
        &Remedy::Webhook,
        &[("none is ours", NONE, |it| it.rehearsal().access.clear())],
    );
}

#[test]
fn argo_by_way_of_the_cluster_takes_permissions_and_by_its_own_api_none() {
    let rows: &[Row] = &[
        ("its API", NONE, |it| it.rehearsal().access.clear()),
        ("the object", UNKNOWN, |it| {
            it.facts().argo.as_mut().unwrap().object = Some(Object::default());
            it.rehearsal().access.clear();
        }),
    ];
    table("access", &remedies()[4], rows);
}

#[test]
fn what_the_server_would_not_do_is_not_sent() {
    fn refused(it: &mut Scene) {
        it.rehearsal().dry_run = Some(Err("it would violate the budget".into()));
    }
    for remedy in remedies() {
        let (yes, no) = match Reach::of(remedy.kind()) {
            Reach::Elsewhere => (NONE, NONE),
            _ => (PASS, STOP),
        };
        let rows: &[Row] = &[("it says yes", yes, |_| {}), ("it says no", no, refused)];
        table("dry_run", &remedy, rows);
    }
    let unasked: Row = ("it was not asked", UNKNOWN, |it| {
        it.rehearsal().dry_run = None
    });
    table("dry_run", &POD, &[unasked]);
    let unable: Row = ("it cannot be asked", NONE, |it| {
        it.rehearsal().dry_run = None
    });
    table("dry_run", &remedies()[4], &[unable]);
}

#[test]
fn a_policy_that_says_anything_but_yes_is_a_no() {
    fn decides(it: &mut Scene, is_allowed: bool, needs_approval: bool) {
        it.rehearsal().policy = Some(Ok(Decision {
            is_allowed,
            needs_approval,
            ..Decision::default()
        }));
    }
    for remedy in remedies() {
        table(
            "policy",
            &remedy,
            &[
                ("there is none", NONE, |_| {}),
                ("there is one, and it was not asked", UNKNOWN, |it| {
                    it.limits.has_policy = true;
                }),
                ("there is none, and nothing was rehearsed", NONE, |it| {
                    it.rehearsal = None;
                }),
                ("it says yes", PASS, |it| decides(it, true, false)),
                ("it asks for a person", ASK, |it| decides(it, true, true)),
                ("it says no", STOP, |it| decides(it, false, false)),
                ("it says no and asks for a person", STOP, |it| {
                    decides(it, false, true)
                }),
                ("it cannot be asked", STOP, |it| {
                    it.rehearsal().policy = Some(Err("timed out".into()));
                }),
                ("nothing was rehearsed", UNKNOWN, |it| {
                    it.limits.has_policy = true;
                    it.rehearsal = None;
                }),
            ],
        );
    }
}

#[test]
fn a_decision_of_the_policy_can_be_looked_up_by_its_id() {
    let mut scene = Scene::healthy(POD);
    scene.rehearsal().policy = Some(Ok(Decision {
        is_allowed: true,
        id: Some("4711-af".into()),
        ..Decision::default()
    }));
    let why = scene.says("policy").unwrap().1;
    assert_eq!(why, "the policy allows it (decision 4711-af)");
}

#[test]
fn a_person_is_told_what_the_policy_said_and_not_pages_of_it() {
    let mut scene = Scene::healthy(POD);
    let long = "ö".repeat(10_000);
    scene.rehearsal().policy = Some(Ok(Decision {
        is_allowed: false,
        reasons: vec![
            "release week".into(),
            long.clone().into(),
            "b".into(),
            "c".into(),
        ],
        ..Decision::default()
    }));
    let why = scene.says("policy").unwrap().1;
    assert!(
        why.starts_with("the policy forbids it: release week; öö"),
        "{why}"
    );
    assert!(why.ends_with("…; b"), "{why}");
    assert!(why.chars().count() < 300, "{why}");
    scene.rehearsal().dry_run = Some(Err(long.into()));
    assert!(scene.says("dry_run").unwrap().1.chars().count() < 300);
    let checked = ask_all(&scene.case());
    assert_eq!(decision(&checked, scene.action.mode), Decide::Later);
}
