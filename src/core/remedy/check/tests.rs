mod answers;
mod evidence;
mod health;
mod owner;
mod pace;
mod revision;
mod scope;
mod trust;

use super::fixture::{ASK, PASS, STOP, Scene, UNKNOWN, WAIT, remedies};
use super::*;
use crate::core::event::{ActionKind, Remedy};

/// The table of the module's documentation: name, whether its no is for good, items of the checklist.
fn documented() -> Vec<(String, bool, Vec<u32>)> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("//! | `")?.split(" | ");
        let (name, mark) = cells.next()?.split_once('`')?;
        let items = cells.next()?.split(", ");
        let items = items.map(|it| it.parse().unwrap()).collect();
        Some((name.to_owned(), mark.contains('!'), items))
    };
    include_str!("mod.rs").lines().filter_map(row).collect()
}

#[test]
fn every_check_is_in_the_documented_table_in_the_order_of_asking_and_nothing_else_is() {
    let asked: Vec<_> = BEFORE
        .iter()
        .chain(AFTER)
        .map(|it| (it.name.to_owned(), it.is_final))
        .collect();
    let documented: Vec<_> = documented().into_iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(asked, documented);
    let mut names: Vec<_> = asked.iter().map(|it| &it.0).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), asked.len(), "two checks have one name");
}

#[test]
fn every_item_of_the_checklist_that_can_be_asked_of_a_case_has_a_check() {
    let rows = documented();
    // The rest is not asked of a case: 2 and 18 are the plan's, 13 to 15, 17 and 22 come after.
    for item in [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 19, 20, 21] {
        assert!(rows.iter().any(|it| it.2.contains(&item)), "item {item}");
    }
}

#[test]
fn a_healthy_case_of_any_remedy_but_a_weight_passes_every_check_and_is_done_without_a_person() {
    for remedy in remedies() {
        let scene = Scene::healthy(remedy);
        let kind = scene.action.remedy.kind();
        let checked = ask_all(&scene.case());
        let is_weight = kind == ActionKind::GatewayWeight;
        for it in checked
            .iter()
            .filter(|it| !is_weight || *it.check != *"traffic")
        {
            assert_eq!(it.verdict, CheckVerdict::Pass, "{kind}: {it:?}");
        }
        let expected = if is_weight {
            Decide::NeedsPerson
        } else {
            Decide::Go
        };
        assert_eq!(decision(&checked, Mode::Auto), expected, "{kind}");
    }
    assert_eq!(remedies().map(|it| it.kind()), ActionKind::ALL);
}

#[test]
fn without_a_cluster_nothing_that_changes_one_is_done_and_other_systems_take_a_person() {
    for remedy in remedies() {
        let mut scene = Scene::healthy(remedy);
        let is_elsewhere = scene.case().reach() == Reach::Elsewhere;
        scene.facts = None;
        let checked = ask_all(&scene.case());
        let decided = [Mode::Auto, Mode::Approve, Mode::Suggest].map(|it| decision(&checked, it));
        let first = if is_elsewhere {
            Decide::NeedsPerson
        } else {
            Decide::Later
        };
        assert_eq!(
            decided,
            [first, first, Decide::NeedsPerson],
            "{:?}",
            scene.action.remedy
        );
    }
}

#[test]
fn before_a_rehearsal_nothing_goes_by_all_checks() {
    for remedy in remedies() {
        let mut scene = Scene::healthy(remedy);
        scene.rehearsal = None;
        scene.limits.has_policy = true;
        let all = ask_all(&scene.case());
        assert_eq!(decision(&all, Mode::Auto), Decide::Later);
        let before = ask_before(&scene.case());
        let expected = match scene.action.remedy {
            Remedy::GatewayWeight { .. } => Decide::NeedsPerson,
            _ => Decide::Go,
        };
        assert_eq!(decision(&before, Mode::Auto), expected);
    }
}

#[test]
fn every_check_says_why_in_a_sentence_that_names_what_it_saw() {
    for remedy in remedies() {
        for it in ask_all(&Scene::healthy(remedy).case()) {
            assert!(it.why.len() > 8 && !it.why.contains("failed"), "{it:?}");
            assert!(it.why.len() < 300, "{it:?}");
        }
    }
    let mut scene = Scene::healthy(Remedy::RestartPod);
    (scene.workload().replicas, scene.workload().ready) = (3, 2);
    let Some(Says(_, why)) = scene.says("ready_stay") else {
        panic!("it has something to say")
    };
    assert_eq!(
        why,
        "2 of 3 pods are Ready, 1 would stay and at least 2 must stay"
    );
    for (number, expected) in [(1, "1 service calls it"), (2, "2 services call it")] {
        scene.world.dependants = number;
        assert_eq!(scene.says("dependants").unwrap().1, expected);
    }
}

fn checked(check: &str, verdict: Option<CheckVerdict>) -> Checked {
    Checked {
        check: check.into(),
        verdict: verdict.unwrap(),
        why: "".into(),
    }
}

#[test]
fn the_decision_follows_the_gravest_verdict_and_the_mode() {
    use Decide::{Go, Later, NeedsPerson};
    let modes = [Mode::Observe, Mode::Suggest, Mode::Approve, Mode::Auto];
    let cases = [
        (vec![PASS], [NeedsPerson, NeedsPerson, NeedsPerson, Go]),
        (vec![PASS, ASK], [NeedsPerson; 4]),
        (
            vec![PASS, UNKNOWN],
            [NeedsPerson, NeedsPerson, Later, Later],
        ),
        (vec![PASS, ASK, WAIT], [Later; 4]),
        (vec![UNKNOWN, STOP], [Later; 4]),
        (vec![], [Later; 4]),
    ];
    for (verdicts, expected) in cases {
        let all: Vec<_> = verdicts.iter().map(|it| checked("budget", *it)).collect();
        assert_eq!(
            modes.map(|mode| decision(&all, mode)),
            expected,
            "{verdicts:?}"
        );
    }
}

#[test]
fn a_no_for_good_ends_an_action_and_any_other_does_not() {
    for check in BEFORE.iter().chain(AFTER) {
        let all = [checked("score", PASS), checked(check.name, STOP)];
        let expected = if check.is_final {
            Decide::Never
        } else {
            Decide::Later
        };
        assert_eq!(decision(&all, Mode::Auto), expected, "{}", check.name);
        // Only its no is for good.
        let all = [checked(check.name, WAIT)];
        assert_eq!(decision(&all, Mode::Auto), Decide::Later, "{}", check.name);
    }
    let all = [checked("of another version", STOP)];
    assert_eq!(decision(&all, Mode::Auto), Decide::Later);
}

#[test]
fn durations_and_numbers_read_as_people_write_them() {
    let all =
        [0, 90, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|it| span(Duration::from_secs(it)));
    assert_eq!(
        all,
        [
            "0 s", "90 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"
        ]
    );
    assert_eq!(
        [count(0_u32, "pod"), count(1_u32, "pod")],
        ["0 pods", "1 pod"]
    );
}
