use proptest::prelude::*;

use super::*;

fn read(text: &str) -> (String, Vec<String>) {
    let stack = stack_of([text]).unwrap_or_default();
    let modules = stack.modules.iter().map(|name| name.to_string());
    (stack.thrown.to_string(), modules.collect())
}

#[test]
fn modules_are_read_from_the_outermost_call_to_the_innermost_in_every_language() {
    for (text, thrown, modules) in [
        (
            "order failed\nTraceback (most recent call last):\n  File \"/usr/lib/python3/site-packages/shop/web/page.py\", line 3, in show\n    cart.lock()\n  File \"/usr/lib/python3/site-packages/shop/cart/lock.py\", line 9, in lock\n    raise Busy(7)\nshop.errors.Busy: 7",
            "shop.errors.Busy",
            vec!["shop.web.page", "shop.cart.lock"],
        ),
        (
            "com.shop.NoRow: 7\n\tat com.shop.cart.Keeper.lock(Keeper.java:12)\n\tat com.shop.web.Page$1.show(Page.java:3)\n\tat java.base/java.lang.Thread.run(Thread.java:829)\n",
            "com.shop.NoRow",
            vec![
                "java.lang.Thread",
                "com.shop.web.Page",
                "com.shop.cart.Keeper",
            ],
        ),
        (
            "Unhandled exception. Shop.NoRow: 7\n   at Shop.Cart.Keeper.Lock(Int32 id) in /src/Keeper.cs:line 5\n   at Shop.Web.Page.Show()\n",
            "Shop.NoRow",
            vec!["Shop.Web.Page", "Shop.Cart.Keeper"],
        ),
        (
            "TypeError: x is undefined\n    at Keeper.lock (/app/cart/keeper.js:10:5)\n    at async /app/web/page.js:3:1\n    at node:internal/process:1:2\n",
            "TypeError",
            vec!["node:internal.process", "web.page", "cart.keeper"],
        ),
        (
            "panic: send on closed channel\n\ngoroutine 7 [running]:\ngithub.com/shop/cart.(*Keeper).Lock(0xc000)\n\t/src/cart/keeper.go:12 +0x1d\nmain.main()\n\t/src/main.go:4 +0x2\n",
            "send on closed channel",
            vec!["main", "github.com/shop/cart"],
        ),
        (
            "thread 'main' panicked at src/cart.rs:7:9:\nno row\nstack backtrace:\n   0: std::panicking::begin_panic\n   1: shop::cart::keeper::lock\n   2: shop::web::show::{{closure}}\n",
            "panic",
            vec!["shop::web", "shop::cart::keeper", "std::panicking"],
        ),
        (
            "NoRow: 7\n\tfrom /app/cart/keeper.rb:10:in `lock'\n\tfrom /app/web/page.rb:3:in `show'\n",
            "",
            vec!["web.page", "cart.keeper"],
        ),
    ] {
        let (found, names) = read(text);
        assert_eq!(names, modules, "{text}");
        assert_eq!(found, thrown, "{text}");
    }
}

#[test]
fn the_cause_of_all_others_is_the_innermost() {
    let jvm = "a.Wrapped: x\n\tat a.web.Page.show(Page.java:3)\nCaused by: a.NoRow: y\n\tat a.db.Rows.get(Rows.java:7)\n\tat a.cart.Keeper.lock(Keeper.java:1)\n\t... 7 more\n";
    assert_eq!(
        read(jvm),
        (
            "a.NoRow".into(),
            ["a.web.Page", "a.cart.Keeper", "a.db.Rows"]
                .map(Into::into)
                .into()
        )
    );
    let python = "Traceback (most recent call last):\n  File \"/app/shop/db.py\", line 1, in get\n    x\nKeyError: 7\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/app/shop/page.py\", line 1, in show\n    y\nNoRow: 7\n";
    assert_eq!(
        read(python),
        (
            "KeyError".into(),
            ["shop.page", "shop.db"].map(Into::into).into()
        )
    );
}

#[test]
fn a_trace_that_another_process_sent_along_is_the_inner_one() {
    let text = "Traceback (most recent call last):\n  File \"/app/shop/api.py\", line 1, in call\n    return self.rpc(x)\nRemoteError: Remote error: NoRow 7\n[u'Traceback (most recent call last):\\n', u'  File \"/app/shop/stock/rows.py\", line 7, in get\\n    raise NoRow(7)\\n', u'NoRow: 7\\n'].";
    assert_eq!(read(text).1, ["shop.api", "shop.stock.rows"]);
}

#[test]
fn a_trace_that_is_quoted_before_the_calls_is_the_inner_one_too() {
    let text = "call failed: [u'Traceback (most recent call last):\\n', u'  File \"/app/shop/stock/rows.py\", line 7, in get\\n    raise NoRow(7)\\n', u'NoRow: 7\\n']\nTraceback (most recent call last):\n  File \"/app/shop/api.py\", line 1, in call\n    return self.rpc(x)\nRemoteError: NoRow 7";
    assert_eq!(read(text).1, ["shop.api", "shop.stock.rows"]);
}

const HEAD: &str = "812 ERROR shop.web [req-7] ";
const LINES: [&str; 5] = [
    "812 ERROR shop.web [req-7] order 7 failed: NoRow: 7",
    "812 ERROR shop.web Traceback (most recent call last):",
    "812 ERROR shop.web   File \"/app/shop/page.py\", line 3, in show",
    "812 ERROR shop.web     rows.get(7)",
    "812 ERROR shop.web NoRow: 7",
];

#[test]
fn a_trace_of_one_record_for_each_line_is_put_together_and_others_in_between_are_left_out() {
    let mut lines: Vec<&str> = LINES.into();
    lines.insert(3, "977 INFO shop.stock all is well");
    let stack = stack_of(lines).unwrap();
    assert_eq!((&*stack.thrown, stack.modules.len()), ("NoRow", 1));
    assert_eq!(&*stack.modules[0], "shop.page");
    assert!(is_stack_line(LINES[2]) && is_stack_line(LINES[1]) && !is_stack_line(LINES[0]));
}

#[test]
fn the_next_trace_of_the_service_is_not_taken_for_more_of_this_one() {
    let next = [
        "812 ERROR shop.web Traceback (most recent call last):",
        "812 ERROR shop.web   File \"/app/other/thing.py\", line 3, in show",
        "812 ERROR shop.web Gone: 7",
    ];
    let stack = stack_of(LINES.into_iter().chain(next)).unwrap();
    assert_eq!((&*stack.thrown, stack.modules.len()), ("NoRow", 1));
    let far = std::iter::repeat_n("977 INFO shop.stock all is well", 20);
    let far = std::iter::once(LINES[0]).chain(far).chain(next);
    assert_eq!(
        stack_of(far),
        None,
        "what comes long after is of something else"
    );
}

#[test]
fn a_record_without_a_trace_has_none() {
    for text in [
        "",
        "order 7 sent to file \"x\"",
        "meet at noon (room 4:5:6)",
        "a.go: no such file",
        "12: nothing",
    ] {
        assert_eq!(stack_of([text]), None, "{text}");
    }
    assert_eq!(stack_of([HEAD]), None);
}

#[test]
fn a_deep_stack_keeps_its_innermost_modules() {
    let frames = (0..500).map(|n| format!("  File \"/app/m{n}.py\", line 1, in f\n    g()\n"));
    let text = format!(
        "Traceback (most recent call last):\n{}",
        frames.collect::<String>()
    );
    let modules = read(&text).1;
    assert_eq!(modules.len(), Stack::MODULES_MAX);
    assert_eq!(modules.last().unwrap(), "m499");
    let frames = (0..500).map(|n| format!("\tat a.m{n}.C.f(C.java:1)\n"));
    let modules = read(&format!("a.NoRow: 7\n{}", frames.collect::<String>())).1;
    assert_eq!(modules.len(), Stack::MODULES_MAX);
    assert_eq!(modules.last().unwrap(), "a.m0.C");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_trace_says_names_stay_short_and_can_be_quoted(
        name in "\\PC{0,300}",
        lines in proptest::collection::vec("\\PC{0,40}", 0..6),
    ) {
        let text = format!(
            "Traceback (most recent call last):\n  File \"/a/{name}.py\", line 1, in f\n\tat {name}.f({name}.java:1)\n{}",
            lines.join("\n")
        );
        for module in stack_of([text.as_str()]).unwrap_or_default().modules {
            prop_assert!(module.len() <= 120);
            let acts = ['"', '\'', '<', '>', '`', '*', '[', '\n', '\u{202e}', ' '];
            prop_assert!(!module.contains(acts));
        }
    }
}
