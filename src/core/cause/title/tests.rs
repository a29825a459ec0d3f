use std::time::Duration;

use super::super::component::tests::{sign, thrown};
use super::*;
use crate::core::event::{
    AnomalyKind, Cause, Class, Gravity, IncidentState, NearChange, Part, Relation, Route,
};
use crate::core::record::{ChangeKind, Timestamp};

fn incident(signs: Vec<Sign>) -> Incident {
    let first = signs[0].first_seen;
    Incident {
        id: "".into(),
        fingerprint: "".into(),
        revision: 1,
        state: IncidentState::Open,
        severity: Gravity::Error,
        class: Class::Error,
        title: "".into(),
        began: first,
        detected: first,
        last_seen: first,
        acknowledged: None,
        ended: None,
        parts: vec![part("cart")],
        sign_count: signs.len() as u64,
        signs: signs.into_iter().map(Arc::new).collect(),
        cause: Cause::default(),
        before: None,
        route: Route::default(),
    }
}

fn part(name: &str) -> Part {
    Part {
        stream: StreamKey::named(name),
        resource: Arc::default(),
        relation: Relation::First,
        first_seen: Timestamp::ZERO,
        signs: 1,
    }
}

#[test]
fn what_broke_is_named_with_who_called_it_where_it_was_and_since_which_change() {
    let mut incident = incident(vec![thrown(
        1,
        "shop.errors.NoRow",
        &["shop.web.page", "shop.cart.lock"],
    )]);
    assert_eq!(
        title(&incident),
        "shop/cart: NoRow in shop.cart.lock, called by shop.web.page: \"order failed\""
    );
    incident.parts.extend([part("stock"), part("web")]);
    let change = Change {
        id: "1".into(),
        kind: ChangeKind::Version,
        stream: StreamKey::named("cart"),
        from: Some("2.9.6".into()),
        to: Some("2.9.7".into()),
        at: Timestamp::ZERO,
        reference: None,
        url: None,
    };
    incident.cause.changes.push(NearChange {
        change: Arc::new(change),
        before: Duration::from_secs(60),
    });
    assert_eq!(
        title(&incident),
        "shop/cart: NoRow in shop.cart.lock, called by shop.web.page, and 2 other services, \
         since 2.9.7 of cart: \"order failed\""
    );
    // What somebody changed elsewhere is not blamed.
    let mut others = incident.cause.changes[0].clone();
    let mut change = Change::clone(&others.change);
    change.stream = StreamKey::named("newsletter");
    others.change = Arc::new(change);
    incident.cause.changes = vec![others];
    assert!(!title(&incident).contains("since"), "{}", title(&incident));
}

#[test]
fn every_kind_of_anomaly_is_a_sentence() {
    let sentences = AnomalyKind::ALL.map(|kind| {
        let sign = sign(1, kind.name(), "cart lock released");
        title(&incident(vec![sign]))
    });
    assert_eq!(
        sentences,
        [
            "shop/cart says something new: \"cart lock released\"",
            "shop/cart says something rare: \"cart lock released\"",
            "shop/cart left its usual order: \"cart lock released\"",
            "shop/cart says something an unusual number of times: \"cart lock released\"",
            "shop/cart does not say what it always says: \"cart lock released\"",
            "shop/cart stopped half-way: \"cart lock released\"",
            "shop/cart took an unusual time: \"cart lock released\"",
            "shop/cart logs an unusual value: \"cart lock released\"",
            "shop/cart says something far more often than usual: \"cart lock released\"",
            "shop/cart says something far less often than usual: \"cart lock released\"",
            "shop/cart is silent: \"cart lock released\"",
            "shop/cart says many new things at once: \"cart lock released\"",
        ]
    );
}

#[test]
fn a_logger_stands_for_its_part_and_is_not_quoted_again() {
    let sign = sign(1, "missing", "7 INFO shop.cart.lock [req-7] lock released");
    assert_eq!(
        title(&incident(vec![sign])),
        "shop/cart: shop.cart.lock does not say what it always says: \"lock released\""
    );
}

#[test]
fn spans_metrics_and_alerts_say_it_in_their_own_words() {
    let of = |source, says: &str| {
        let sign = Sign {
            source,
            says: says.into(),
            template: None,
            lines: Vec::new(),
            ..sign(1, "SlowCheckout", "")
        };
        title(&incident(vec![sign]))
    };
    assert_eq!(
        of(Source::Span, "GET /cart fails in 40 % of calls"),
        "shop/cart: GET /cart fails in 40 % of calls"
    );
    assert_eq!(
        of(Source::Metric, "memory is at 98 % of its limit"),
        "shop/cart: memory is at 98 % of its limit"
    );
    assert_eq!(
        of(Source::Alert, "p99 above 2 s"),
        "shop/cart: alert SlowCheckout: \"p99 above 2 s\""
    );
}

#[test]
fn the_service_that_is_suspected_most_is_told_of() {
    let mut other = thrown(1, "Gone", &["stock.rows"]);
    other.stream = StreamKey::named("stock");
    let mut incident = incident(vec![thrown(0, "NoRow", &["shop.cart.lock"]), other.clone()]);
    assert!(title(&incident).starts_with("shop/cart: NoRow"));
    incident.cause.suspects.push(crate::core::event::Suspect {
        stream: other.stream,
        pod: None,
        component: None,
        share: 0.9,
        evidence: Vec::new(),
    });
    assert!(title(&incident).starts_with("stock: Gone in stock.rows"));
}

#[test]
fn hostile_lines_and_names_stay_within_their_quotes_and_the_length() {
    let evil = "x\" \u{202e}\u{1b}[2J\r\nshop/pay: Forged in shop.pay \u{0} é".repeat(20);
    let mut sign = thrown(1, &evil, &[&evil, "shop.cart.lock"]);
    sign.lines[0].text = evil.as_str().into();
    sign.stream = StreamKey::named(&evil);
    for sign in [
        sign.clone(),
        Sign {
            stack: None,
            ..sign
        },
    ] {
        let title = title(&incident(vec![sign]));
        assert!(title.len() <= TITLE_LEN_MAX, "{} {title}", title.len());
        assert!(!title.contains(|c: char| acts(c)), "{title:?}");
        assert!(title.matches('"').count() <= 2, "{title}");
    }
}

#[test]
fn an_incident_without_signs_still_has_a_sentence() {
    let mut empty = incident(vec![sign(1, "value", "x")]);
    empty.signs.clear();
    assert_eq!(title(&empty), "something is wrong");
}
