use crate::core::event::{Mode, Remedy};
use crate::core::remedy::check::fixture::{
    ASK, NONE, NOW, PASS, Row, Scene, UNKNOWN, WAIT, mins, remedies, secs, table,
};
use crate::core::remedy::check::{Decide, ask_all, decision};

const POD: Remedy = Remedy::RestartPod;

/// The cluster shows nothing: the pod was not restarted lately.
fn quiet(it: &mut Scene) {
    it.pod().last_ended = None;
}

#[test]
fn trouble_that_is_over_is_left_alone() {
    for remedy in remedies() {
        let rows: &[Row] = &[
            ("it goes on", PASS, |_| {}),
            ("it is over", WAIT, |it| it.world.goes_on = false),
        ];
        table("incident", &remedy, rows);
    }
}

#[test]
fn records_that_did_not_come_count_only_while_others_do() {
    for kind in ["rate_down", "silence", "missing", "incomplete", "count"] {
        let said = |hearing: Option<u64>| {
            let mut scene = Scene::healthy(POD);
            scene.action.evidence.kinds = vec![kind.into()];
            scene.world.hearing_since = hearing.map(|ago| NOW.minus(secs(ago)));
            scene.says("hearing").map(|it| it.0)
        };
        assert_eq!(said(Some(600)), PASS, "{kind}");
        assert_eq!(said(Some(599)), WAIT, "{kind}");
        assert_eq!(said(None), WAIT, "{kind}");
    }
    table(
        "hearing",
        &POD,
        &[
            ("something else is wrong", NONE, |it| {
                it.world.hearing_since = None
            }),
            ("something else is wrong too", NONE, |it| {
                it.action.evidence.kinds = vec!["silence".into(), "sequence".into()];
                it.world.hearing_since = None;
            }),
            ("several kinds, all of them missing", WAIT, |it| {
                it.action.evidence.kinds = vec!["silence".into(), "rate_down".into()];
                it.world.hearing_since = None;
            }),
            ("nobody knows of which kind it is", WAIT, |it| {
                it.action.evidence.kinds.clear();
                it.world.hearing_since = None;
            }),
            ("the clock was put back", WAIT, |it| {
                it.action.evidence.kinds = vec!["silence".into()];
                it.world.hearing_since = Some(NOW.plus(mins(60)));
            }),
        ],
    );
}

#[test]
fn trouble_is_acted_on_once_it_has_lasted_and_while_it_shows() {
    table(
        "persisted",
        &POD,
        &[
            ("it has lasted", PASS, |_| {}),
            ("just long enough", PASS, |it| {
                it.action.evidence.first_seen = NOW.minus(secs(60));
            }),
            ("a second short of it", WAIT, |it| {
                it.action.evidence.first_seen = NOW.minus(secs(59));
            }),
            ("it begins in the future", WAIT, |it| {
                it.action.evidence.first_seen = NOW.plus(mins(9));
            }),
            ("a person need not wait", ASK, |it| {
                it.action.mode = Mode::Approve;
                it.action.evidence.first_seen = NOW;
            }),
            ("the rule asks for longer", WAIT, |it| {
                it.rule().persist = mins(4)
            }),
            ("it showed five minutes ago", PASS, |it| {
                it.action.evidence.first_seen = NOW.minus(mins(10));
                it.action.evidence.last_seen = NOW.minus(mins(5));
            }),
            ("it showed longer ago", WAIT, |it| {
                it.action.evidence.first_seen = NOW.minus(mins(10));
                it.action.evidence.last_seen = NOW.minus(secs(301));
            }),
            ("silence shows nothing", PASS, |it| {
                it.action.evidence.kinds = vec!["silence".into()];
                it.action.evidence.first_seen = NOW.minus(mins(10));
                it.action.evidence.last_seen = NOW.minus(mins(9));
            }),
        ],
    );
}

#[test]
fn one_anomaly_alone_never_goes_on_for_long_enough_to_act_without_a_person() {
    /// Asked for so many seconds ago, and the latest anomaly came so many seconds ago.
    fn came(it: &mut Scene, asked: u64, latest: u64) {
        it.action.asked_at = NOW.minus(secs(asked));
        it.action.evidence.heard_at = NOW.minus(secs(latest));
    }
    table(
        "persisted",
        &POD,
        &[
            ("for a minute", PASS, |it| came(it, 80, 20)),
            ("a second short of it", WAIT, |it| came(it, 79, 20)),
            ("one alone, a minute ago", WAIT, |it| came(it, 60, 60)),
            ("one alone, of an hour before", WAIT, |it| {
                came(it, 0, 0);
                it.action.evidence.first_seen = NOW.minus(mins(60));
            }),
            ("a backlog, all at once", WAIT, |it| {
                came(it, 5, 0);
                it.action.evidence.first_seen = NOW.minus(mins(60));
                it.action.evidence.anomalies = 1_000;
            }),
            ("one alone, and no other came", ASK, |it| came(it, 120, 120)),
            ("one alone, for a person", PASS, |it| {
                came(it, 60, 60);
                it.action.mode = Mode::Approve;
            }),
        ],
    );
}

#[test]
fn the_score_is_what_the_rule_wants_now() {
    table(
        "score",
        &POD,
        &[
            ("it is more", PASS, |_| {}),
            ("it is as much", PASS, |it| it.rule().score_min = 0.97),
            ("it is less", WAIT, |it| it.rule().score_min = 0.971),
            ("it is no number", WAIT, |it| {
                it.action.evidence.score = f64::NAN
            }),
        ],
    );
}

#[test]
fn one_detector_alone_takes_a_person() {
    table(
        "detectors",
        &POD,
        &[
            ("two agree", PASS, |_| {}),
            ("one does", ASK, |it| {
                it.action.evidence.detectors.truncate(1)
            }),
            ("one does, twice", ASK, |it| {
                it.action.evidence.detectors = vec!["order".into(), "order".into()];
            }),
            ("none does", ASK, |it| it.action.evidence.detectors.clear()),
            ("the owner wants one", PASS, |it| {
                it.action.evidence.detectors.truncate(1);
                it.limits.detectors_min = 1;
            }),
        ],
    );
}

#[test]
fn logs_alone_take_a_person() {
    table(
        "other_signal",
        &POD,
        &[
            ("only they speak", ASK, quiet),
            ("a container was restarted ten minutes ago", PASS, |it| {
                it.pod().last_ended = Some(NOW.minus(mins(10)));
            }),
            ("one was restarted this moment", PASS, |it| {
                it.pod().last_ended = Some(NOW);
            }),
            ("one was restarted longer ago", ASK, |it| {
                it.pod().last_ended = Some(NOW.minus(secs(601)));
            }),
            ("one will be restarted", ASK, |it| {
                it.pod().last_ended = Some(NOW.plus(secs(1)));
            }),
            ("what ran once before the start has ended", ASK, |it| {
                it.pod().restarts = 0
            }),
            ("the pod is not Ready", PASS, |it| {
                quiet(it);
                it.pod().is_ready = false;
            }),
            ("another pod is not Ready", ASK, |it| {
                quiet(it);
                it.workload().ready = 3;
            }),
            ("a metric says so too", PASS, |it| {
                quiet(it);
                it.world.corroborated = Some("errors of cart rose from 0.1 % to 30 %".into());
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
            ("nothing was read, and a metric says so", PASS, |it| {
                it.facts = None;
                it.world.corroborated = Some("errors of cart rose".into());
            }),
        ],
    );
    table(
        "other_signal",
        &Remedy::RestartWorkload,
        &[
            ("only they speak", ASK, quiet),
            ("a pod of it is not Ready", PASS, |it| {
                quiet(it);
                it.workload().ready = 3;
            }),
        ],
    );
    table(
        "other_signal",
        &Remedy::Webhook,
        &[("nothing was read", ASK, |it| it.facts = None)],
    );
}

#[test]
fn forged_records_move_nothing_without_a_person() {
    // All that a sender of logs can say of itself is as it should be; the cluster shows nothing.
    for remedy in remedies() {
        let mut scene = Scene::healthy(remedy);
        quiet(&mut scene);
        scene.world.is_authenticated = false;
        scene.action.evidence.score = 1.0;
        let checked = ask_all(&scene.case());
        assert_eq!(decision(&checked, Mode::Auto), Decide::NeedsPerson);
        // A weight takes a person whatever is seen.
        let asked = checked
            .iter()
            .filter(|it| Some(it.verdict) == ASK && *it.check != *"traffic");
        let asked: Vec<&str> = asked.map(|it| &*it.check).collect();
        assert_eq!(asked, ["other_signal", "sender"]);
    }
}

#[test]
fn a_name_without_a_uid_takes_a_person() {
    for remedy in remedies() {
        let rows: &[Row] = &[
            ("it is there", PASS, |_| {}),
            ("it is not", ASK, |it| it.action.target.pod_uid = None),
            ("it is that of a pod of another cluster", ASK, |it| {
                it.facts().pod = None
            }),
            ("it is another pod's by now", ASK, |it| {
                it.pod().object.uid = "another".into()
            }),
            ("nothing was read", PASS, |it| it.facts = None),
        ];
        table("identity", &remedy, rows);
    }
}

#[test]
fn a_sender_without_a_token_is_believed_where_the_cluster_bears_it_out() {
    table(
        "sender",
        &POD,
        &[
            ("it showed one", PASS, quiet),
            ("it did not, and a pod was restarted", PASS, |it| {
                it.world.is_authenticated = false
            }),
            ("it did not, and the cluster shows nothing", ASK, |it| {
                quiet(it);
                it.world.is_authenticated = false;
            }),
            (
                "it did not, and only a metric of others says so",
                ASK,
                |it| {
                    quiet(it);
                    it.world.is_authenticated = false;
                    it.world.corroborated = Some("errors of cart rose".into());
                },
            ),
        ],
    );
}

#[test]
fn what_is_not_judged_by_a_fresh_model_takes_a_person() {
    table(
        "model",
        &POD,
        &[
            ("it is fresh", PASS, |_| {}),
            ("it is a week old", PASS, |it| {
                it.world.model_age = Some(mins(7 * 24 * 60))
            }),
            ("it is older", ASK, |it| {
                it.world.model_age = Some(mins(7 * 24 * 60) + secs(1));
            }),
            ("there is none", ASK, |it| it.world.model_age = None),
            // A restart takes no approval back.
            ("nothing is known of it yet", WAIT, |it| {
                it.world.is_unknown = true;
                it.world.model_age = None;
            }),
            ("the service is being learned", ASK, |it| {
                it.world.is_learning = true
            }),
        ],
    );
}

#[test]
fn trouble_that_people_said_is_none_takes_a_person() {
    table(
        "precision",
        &POD,
        &[
            ("nobody said anything", PASS, |_| {}),
            ("4 of 5 are right", PASS, |it| it.world.feedback = (4, 5)),
            ("7 of 9 are", ASK, |it| it.world.feedback = (7, 9)),
            ("the only one was wrong", ASK, |it| {
                it.world.feedback = (0, 1)
            }),
            ("all are right", PASS, |it| it.world.feedback = (3, 3)),
        ],
    );
}
