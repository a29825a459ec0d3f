use crate::core::event::{ActionState, Remedy};
use crate::core::remedy::check::fixture::{
    ASK, NONE, NOW, PASS, Row, Scene, UNKNOWN, mins, remedies, secs, table,
};

/// What is in place was released so long ago.
fn released(it: &mut Scene, ago: std::time::Duration) {
    let at = Some(NOW.minus(ago));
    it.workload().previous.as_mut().unwrap().replaced_at = at;
    if let Some(argo) = &mut it.facts().argo {
        argo.replaced_at = at;
    }
}

fn roll_backs() -> [Remedy; 2] {
    let argo = Remedy::ArgoRollBack {
        application: "cart".into(),
    };
    [Remedy::RollBack, argo]
}

#[test]
fn a_second_roll_back_of_a_workload_takes_a_person_since_it_may_lead_to_what_was_left() {
    for remedy in roll_backs() {
        let rows: &[Row] = &[
            ("it is the first", PASS, |_| {}),
            ("it was rolled back, in vain", ASK, |it| {
                it.past(mins(40), ActionState::Ineffective, |_| {})
            }),
            ("it was rolled back, and that helped", ASK, |it| {
                it.past(mins(239), ActionState::Effective, |_| {});
            }),
            ("it was, long before the release in place", PASS, |it| {
                it.past(mins(241), ActionState::Effective, |_| {});
            }),
            ("in another way", ASK, |it| {
                it.past(mins(40), ActionState::Done, |past| {
                    past.remedy = Remedy::RollBack;
                });
            }),
            ("it was restarted", PASS, |it| {
                it.past(mins(40), ActionState::Ineffective, |past| {
                    past.remedy = Remedy::RestartWorkload;
                });
            }),
            ("another workload was", PASS, |it| {
                it.past_elsewhere(mins(40), ActionState::Effective)
            }),
        ];
        table("revision", &remedy, rows);
    }
}

#[test]
fn where_nobody_released_anything_lately_a_person_says_whether_to_roll_back() {
    for remedy in roll_backs() {
        let rows: &[Row] = &[
            ("20 minutes ago", PASS, |it| released(it, mins(20))),
            ("an hour ago", PASS, |it| released(it, mins(61))),
            ("longer ago", ASK, |it| released(it, mins(62))),
            ("a year ago", ASK, |it| released(it, mins(500_000))),
            ("a year ago, by a line of then", ASK, |it| {
                released(it, mins(500_000));
                it.action.evidence.first_seen = NOW.minus(mins(499_990));
            }),
            ("after the trouble began", ASK, |it| released(it, secs(179))),
            ("nobody knows when", ASK, |it| {
                it.workload().previous.as_mut().unwrap().replaced_at = None;
                if let Some(argo) = &mut it.facts().argo {
                    argo.replaced_at = None;
                }
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ];
        table("revision", &remedy, rows);
    }
}

#[test]
fn what_rolls_nothing_back_is_not_asked_when_it_was_released() {
    let others = remedies().into_iter();
    for remedy in others.filter(|it| !roll_backs().contains(it)) {
        table(
            "revision",
            &remedy,
            &[("a year ago", NONE, |it| released(it, mins(500_000)))],
        );
    }
}
