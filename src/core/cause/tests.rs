use std::sync::Arc;
use std::time::Duration;

use super::{CauseInput, cause};
use crate::core::event::{
    Cause, Class, Gravity, Incident, IncidentState, Part, Relation, Route, Verdict,
};
use crate::core::record::{Change, ChangeKind, Resource, StreamKey, Timestamp};
use crate::core::topology::{LinkSource, Topology};
use crate::core::witness::{Finding, FindingKind};

const BEGAN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn incident() -> Incident {
    Incident {
        id: "1".into(),
        fingerprint: "1".into(),
        revision: 1,
        state: IncidentState::Open,
        severity: Gravity::Error,
        class: Class::Error,
        title: "".into(),
        began: BEGAN,
        detected: BEGAN,
        last_seen: BEGAN,
        acknowledged: None,
        ended: None,
        parts: Vec::new(),
        signs: Vec::new(),
        sign_count: 0,
        cause: Cause::default(),
        before: None,
        route: Route::default(),
    }
}

fn finding(service: &str, kind: FindingKind, weight: f64, excess_s: u64) -> Finding {
    Finding {
        kind,
        stream: Arc::new(StreamKey::named(service)),
        caller: None,
        pod: Some(format!("{service}-1").into()),
        thing: "GET /".into(),
        weight,
        first_seen: BEGAN,
        last_seen: BEGAN,
        count: 10,
        excess: Duration::from_secs(excess_s),
        trace: None,
        resource: Arc::<Resource>::default(),
        is_sign: weight > 12.0,
        says: format!("{service} differs").into(),
    }
}

/// Gate calls shop, shop calls bank and cart.
fn topology() -> Topology {
    let mut topology = Topology::default();
    for (caller, callee) in [("gate", "shop"), ("shop", "bank"), ("shop", "cart")] {
        let (caller, callee) = (StreamKey::named(caller), StreamKey::named(callee));
        topology.link(&caller, &callee, BEGAN, LinkSource::Span);
    }
    topology
}

fn change(service: &str, minutes_before: u64) -> Arc<Change> {
    Arc::new(Change {
        id: service.into(),
        kind: ChangeKind::Version,
        stream: StreamKey::named(service),
        from: Some("1.3".into()),
        to: Some("1.4".into()),
        at: BEGAN.minus(Duration::from_secs(60 * minutes_before)),
        reference: None,
        url: None,
    })
}

fn ask(findings: &[Finding], changes: &[Arc<Change>]) -> Cause {
    let topology = topology();
    let input = CauseInput {
        findings,
        topology: &topology,
        changes,
        counted: &[],
    };
    cause(&incident(), &input)
}

fn first(cause: &Cause) -> &str {
    cause
        .suspects
        .first()
        .map_or("nobody", |first| &first.stream.name)
}

#[test]
fn the_callee_that_fails_explains_its_callers() {
    let found = ask(
        &[
            finding("gate", FindingKind::Errors, 40.0, 0),
            finding("shop", FindingKind::Errors, 40.0, 0),
            finding("bank", FindingKind::Missing, 16.0, 0),
        ],
        &[],
    );
    assert_eq!(first(&found), "bank");
    assert_eq!(found.verdict, Verdict::Possible);
    assert_eq!(found.suspects[0].pod.as_deref(), Some("bank-1"));
}

#[test]
fn who_lost_most_of_the_time_is_first() {
    let found = ask(
        &[
            finding("gate", FindingKind::OwnTime, 38.0, 1),
            finding("cart", FindingKind::Gap, 20.0, 90),
        ],
        &[],
    );
    assert_eq!(first(&found), "cart");
}

#[test]
fn a_change_of_another_service_and_a_noisy_pod_are_no_cause() {
    let changes = [change("cart", 5)];
    let noisy = [finding("bank", FindingKind::Resource, 5.0, 0)];
    let found = ask(&noisy, &changes);
    assert_eq!(found.verdict, Verdict::NotEnoughEvidence);
    assert!(
        found
            .suspects
            .iter()
            .all(|suspect| &*suspect.stream.name != "cart")
    );
    assert_eq!(found.changes.len(), 1, "it is named all the same");
    assert_eq!(ask(&[], &[]).verdict, Verdict::NotEnoughEvidence);
}

#[test]
fn on_a_busy_cluster_the_rollout_of_the_suspect_is_found_and_told_first() {
    let mut changes: Vec<_> = (0..50).map(|n| change(&format!("other-{n}"), 2)).collect();
    changes.push(change("cart", 20));
    let both = [
        finding("bank", FindingKind::Errors, 15.0, 0),
        finding("cart", FindingKind::Errors, 15.0, 0),
    ];
    let found = ask(&both, &changes);
    assert_eq!(first(&found), "cart");
    assert_eq!(&*found.changes[0].change.stream.name, "cart");
    assert_eq!(found.changes.len(), Cause::CHANGES_MAX);
}

#[test]
fn what_breaks_elsewhere_at_the_same_time_is_not_blamed() {
    let part = |name: &str| Part {
        stream: StreamKey::named(name),
        resource: Arc::default(),
        relation: Relation::First,
        first_seen: BEGAN,
        signs: 1,
    };
    let mut topology = topology();
    let (desk, mail) = (StreamKey::named("desk"), StreamKey::named("mail"));
    topology.link(&desk, &mail, BEGAN, LinkSource::Span);
    let findings = [
        finding("cart", FindingKind::Errors, 15.0, 0),
        finding("mail", FindingKind::Errors, 40.0, 0),
    ];
    let changes = [change("mail", 1), change("cart", 9)];
    let asked = |incident: &Incident| {
        let input = CauseInput {
            findings: &findings,
            topology: &topology,
            changes: &changes,
            counted: &[],
        };
        cause(incident, &input)
    };
    let of_cart = Incident {
        parts: vec![part("gate")],
        ..incident()
    };
    let found = asked(&of_cart);
    let suspects: Vec<_> = found.suspects.iter().map(|it| &*it.stream.name).collect();
    assert_eq!(suspects, ["cart"]);
    assert_eq!(found.changes.len(), 1);
    let of_mail = Incident {
        parts: vec![part("desk")],
        ..incident()
    };
    assert_eq!(first(&asked(&of_mail)), "mail");
}

#[test]
fn of_two_alike_the_one_that_was_changed_is_first_and_the_change_is_told() {
    let both = [
        finding("bank", FindingKind::Errors, 15.0, 0),
        finding("cart", FindingKind::Errors, 15.0, 0),
    ];
    assert_eq!(ask(&both, &[]).verdict, Verdict::NotEnoughEvidence);
    let found = ask(&both, &[change("cart", 5)]);
    assert_eq!(first(&found), "cart");
    let told = &found.suspects[0].evidence;
    assert!(
        told.iter()
            .any(|one| one.says.contains("from 1.3 to 1.4 5 minutes before"))
    );
}
