use super::*;
use crate::core::event::{Class, ContextLine, TemplateRef};
use crate::core::record::{Resource, TemplateId};

/// A sign of `shop/cart` at a second, of a kind, on a template.
pub(in crate::core::cause) fn sign(second: u64, kind: &str, template: &str) -> Sign {
    let at = Timestamp::from_millis(second * 1_000);
    Sign {
        id: format!("{second:04} {kind} {template}").into(),
        fingerprint: format!("{kind} {template}").into(),
        source: Source::Log,
        kind: kind.into(),
        class: Class::Error,
        severity: Severity::Warn,
        score: 0.999,
        first_seen: at,
        last_seen: at,
        count: 1,
        stream: StreamKey {
            namespace: "shop".into(),
            ..StreamKey::named("cart")
        },
        resource: Arc::new(Resource::default()),
        trace: None,
        says: "something is odd".into(),
        template: Some(TemplateRef {
            id: TemplateId(7),
            text: template.into(),
        }),
        lines: vec![ContextLine {
            time: at,
            text: template.into(),
        }],
        expected: None,
        stack: None,
    }
}

/// One with a stack trace.
pub(in crate::core::cause) fn thrown(second: u64, thrown: &str, modules: &[&str]) -> Sign {
    Sign {
        severity: Severity::Error,
        stack: Some(Stack {
            thrown: thrown.into(),
            modules: modules.iter().copied().map(Into::into).collect(),
        }),
        ..sign(
            second,
            "new_template",
            "812 ERROR shop.web.page [-] order failed",
        )
    }
}

fn names(signs: Vec<Sign>) -> Vec<String> {
    let signs: Vec<Arc<Sign>> = signs.into_iter().map(Arc::new).collect();
    let ranked = rank(&signs).into_iter();
    ranked.map(|component| component.name.to_string()).collect()
}

#[test]
fn the_innermost_own_module_is_suspected_before_the_one_that_called_it_and_no_library_is() {
    let stack = [
        "web_server.run",
        "shop.web.page",
        "shop.cart.lock",
        "db_driver.query",
    ];
    let signs = vec![thrown(1, "NoRow", &stack)];
    assert_eq!(names(signs.clone()), ["shop.cart.lock", "shop.web.page"]);
    let signs: Vec<Arc<Sign>> = signs.into_iter().map(Arc::new).collect();
    let first = rank(&signs).remove(0);
    assert_eq!(
        &*first.says,
        "NoRow in shop.cart.lock, called by shop.web.page"
    );
}

#[test]
fn own_code_is_known_by_the_name_of_the_service_whatever_the_language() {
    for (stack, part) in [
        (
            vec![
                "java.lang.Thread",
                "com.shop.cart.Keeper",
                "com.acme.pool.Pool",
            ],
            "com.shop.cart.Keeper",
        ),
        (
            vec!["net/http", "github.com/shop/cart", "github.com/acme/pool"],
            "github.com/shop/cart",
        ),
        (
            vec!["shop::cart::keeper", "std::panicking"],
            "shop::cart::keeper",
        ),
    ] {
        assert_eq!(names(vec![thrown(1, "", &stack)]), [part]);
    }
}

#[test]
fn where_nothing_is_called_as_the_service_all_but_well_known_libraries_is_its_own() {
    let mut sign = thrown(
        1,
        "NoRow",
        &["node:internal.process", "web.page", "rows.get"],
    );
    sign.stream = StreamKey::named("checkout");
    assert_eq!(names(vec![sign])[0], "rows.get");
}

#[test]
fn a_helper_is_not_blamed_for_what_it_was_told_to_do() {
    let stack = ["shop.web.page", "shop.cart.lock", "shop.utils"];
    assert_eq!(names(vec![thrown(1, "NoRow", &stack)])[0], "shop.cart.lock");
}

#[test]
fn who_hands_down_a_value_of_the_wrong_kind_is_suspected_before_who_stumbles_on_it() {
    let stack = ["shop.web.page", "shop.cart.lock"];
    assert_eq!(
        names(vec![thrown(1, "AttributeError", &stack)])[0],
        "shop.web.page"
    );
    // Deep inside a part the value is its own.
    let stack = ["shop.web.page", "shop.cart.keeper", "shop.cart.lock"];
    assert_eq!(
        names(vec![thrown(1, "AttributeError", &stack)])[0],
        "shop.cart.lock"
    );
}

#[test]
fn the_first_trace_counts_most_and_a_trace_more_than_words() {
    let first = thrown(2, "NoRow", &["shop.cart.lock"]);
    let echo = thrown(3, "Failed", &["shop.web.page"]);
    let words = sign(1, "new_template", "812 WARNING shop.stock.rows [-] slow");
    let ranked = names(vec![echo.clone(), words.clone(), first.clone()]);
    assert_eq!(
        ranked,
        ["shop.cart.lock", "shop.web.page", "shop.stock.rows"]
    );
    assert_eq!(
        names(vec![first, words, echo]),
        ranked,
        "whatever the order"
    );
}

#[test]
fn what_stays_away_points_at_who_would_have_said_it() {
    let signs = vec![
        sign(1, "value", "7 INFO shop.web.page [-] took 7"),
        sign(2, "missing", "7 INFO shop.cart.lock [-] released"),
    ];
    assert_eq!(names(signs)[0], "shop.cart.lock");
}

#[test]
fn a_line_without_a_logger_names_nobody() {
    assert!(names(vec![sign(1, "new_template", "could not read config.yaml")]).is_empty());
    for (line, logger) in [
        (
            "7 ERROR shop.cart.lock [req-1] no row",
            Some("shop.cart.lock"),
        ),
        (
            "[main] com.shop.cart.Keeper - no row",
            Some("com.shop.cart.Keeper"),
        ),
        ("WARN shop::cart: no row", Some("shop::cart")),
        ("ERROR could not read shop.cart", None),
        ("took 3.5 s", None),
        ("", None),
    ] {
        assert_eq!(logger_in(line), logger, "{line}");
    }
}

#[test]
fn a_suspect_is_told_with_the_part_that_its_own_signs_point_at() {
    let mut other = thrown(1, "Gone", &["stock.rows"]);
    other.stream = StreamKey::named("stock");
    let own = thrown(2, "NoRow", &["shop.cart.lock"]);
    let suspect = Suspect {
        stream: own.stream.clone(),
        pod: None,
        component: None,
        share: 1.0,
        evidence: Vec::new(),
    };
    let mut cause = Cause {
        suspects: vec![suspect],
        ..Cause::default()
    };
    name_components(&mut cause, &[Arc::new(other), Arc::new(own)]);
    let suspect = &cause.suspects[0];
    assert_eq!(suspect.component.as_deref(), Some("shop.cart.lock"));
    assert_eq!(&*suspect.evidence[0].says, "NoRow in shop.cart.lock");
}
