//! One table per lane, hostile texts, and what holds for any text.

use proptest::prelude::*;

use super::*;
use crate::core::parse::Miner;

/// 21 November 2026, 07:43:17.
const THEN: u64 = 1_795_246_997;
const NANOS: u64 = 1_000_000_000;

fn then() -> Timestamp {
    Timestamp::from_nanos(THEN * NANOS)
}

fn read(body: &str) -> Message<'_> {
    message(body, Some(then()))
}

fn with_constant(message: &Message<'_>) -> String {
    match message.constant.is_empty() {
        true => message.text().to_owned(),
        false => format!("{} <- {}", message.text(), message.constant),
    }
}

/// Each body comes by its lane and says what is expected.
fn assert_lanes(cases: &[(&str, Lane, &str)]) {
    for (body, lane, expected) in cases {
        let message = read(body);
        assert_eq!(
            (message.lane, with_constant(&message).as_str()),
            (*lane, *expected),
            "{body}"
        );
        assert_place(body, &message);
    }
}

#[track_caller]
fn assert_place(body: &str, message: &Message<'_>) {
    if let Some(place) = message.place() {
        assert_eq!(body.get(place), Some(message.text()), "{body}");
    }
}

#[test]
fn plain_text_is_the_message_less_its_time() {
    assert_lanes(&[
        ("", Lane::Plain, ""),
        ("ready", Lane::Plain, "ready"),
        ("  indented", Lane::Plain, "  indented"),
        ("[2026-11-21 07:43:17] INFO x", Lane::Plain, "INFO x"),
        ("2026-11-21 07:43:17,075 WARN x", Lane::Plain, "WARN x"),
        // Only one time is the record's; the second is part of what it says.
        (
            "2026-11-21 07:43:17 2026-11-21 07:43:18 x",
            Lane::Plain,
            "2026-11-21 07:43:18 x",
        ),
        ("E2 is a name", Lane::Plain, "E2 is a name"),
        ("user=root logged in", Lane::Plain, "user=root logged in"),
        ("uid=0", Lane::Plain, "uid=0"),
        ("a line and its end\n", Lane::Plain, "a line and its end"),
        ("<html>", Lane::Plain, "<html>"),
        ("<999>x", Lane::Plain, "<999>x"),
        ("{not json}", Lane::Plain, "{not json}"),
        ("{}", Lane::Plain, "{}"),
        (
            "{\"msg\":\"a\"} and more",
            Lane::Plain,
            "{\"msg\":\"a\"} and more",
        ),
        ("[1,2,3]", Lane::Plain, "[1,2,3]"),
    ]);
    assert_eq!(read("2026-11-21 07:43:17 x").time, Some(then()));
}

#[test]
fn klog_gives_level_and_time() {
    assert_lanes(&[
        (
            "I1121 07:43:17.683000       1 server.go:123] started on port 8080",
            Lane::Klog,
            "started on port 8080",
        ),
        (
            "E1121 07:43:17.000000   99 a_b.go:1] \"Sync failed\" pod=\"a/b\"",
            Lane::Klog,
            "\"Sync failed\" pod=\"a/b\"",
        ),
        ("F1121 07:43:17.000000 1 a.go:1]", Lane::Klog, ""),
        (
            "I1121 07:43:17.683000 server.go is no klog]",
            Lane::Plain,
            "I1121 07:43:17.683000 server.go is no klog]",
        ),
        ("W1121 of something", Lane::Plain, "W1121 of something"),
    ]);
    let message = read("W1121 07:43:17.500000       1 a.go:1] low");
    assert_eq!(message.severity, Severity::Warn);
    assert_eq!(
        message.time,
        Some(then().plus(std::time::Duration::from_millis(500)))
    );
    assert_eq!(message.record(), "low");
    assert_eq!(
        super::message("W1121 07:43:17.5 1 a.go:1] low", None).time,
        None
    );
}

#[test]
fn lines_of_containers_are_opened_whatever_is_in_them() {
    assert_lanes(&[
        (
            "2026-11-21T07:43:17.075000001Z stdout F listening on 80",
            Lane::Cri,
            "listening on 80",
        ),
        (
            "2026-11-21T07:43:17.075+01:00 stderr P half of a li",
            Lane::Cri,
            "half of a li",
        ),
        ("2026-11-21T07:43:17Z stdout F", Lane::Cri, ""),
        (
            "2026-11-21T07:43:17Z stdout is blocked",
            Lane::Plain,
            "stdout is blocked",
        ),
        (
            r#"{"log":"2026-11-21 07:43:17 INFO ready\n","stream":"stdout","time":"2026-11-21T07:43:17Z"}"#,
            Lane::Docker,
            "INFO ready",
        ),
        (
            r#"2026-11-21T07:43:17Z stdout F {"level":"warn","msg":"disk \"a\" is full"}"#,
            Lane::Json,
            r#"disk "a" is full"#,
        ),
        (
            r#"{"log":"{\"msg\":\"level=error msg=\\\"no route\\\" to=b\"}\n","stream":"stderr"}"#,
            Lane::Logfmt,
            "no route",
        ),
        (
            "2026-11-21T07:43:17Z stderr F E1121 07:43:17.0 1 a.go:1] gone",
            Lane::Klog,
            "gone",
        ),
    ]);
    let nested = read(
        r#"2026-11-21T07:43:17Z stdout F {"level":"warn","msg":"low","ts":"2030-01-01T00:00:00Z"}"#,
    );
    assert_eq!(nested.severity, Severity::Warn);
    assert_eq!(nested.time, Some(then()), "the outer time came first");
    assert_eq!(
        nested.record(),
        r#"{"level":"warn","msg":"low","ts":"2030-01-01T00:00:00Z"}"#,
        "what is quoted has no envelope"
    );
}

#[test]
fn envelopes_in_envelopes_have_an_end() {
    let mut body = "innermost".to_owned();
    for _ in 0..20 {
        body = format!("{{\"msg\":{}}}", serde_json::Value::from(body));
    }
    let found = read(&body);
    assert_eq!(found.lane, Lane::Json);
    assert!(found.text().starts_with("{\"msg\""), "{}", found.text());
}

#[test]
fn syslog_gives_level_time_and_message() {
    assert_lanes(&[
        (
            "<34>Nov 21 07:43:17 host su[12]: 'su root' failed",
            Lane::Syslog,
            "'su root' failed",
        ),
        ("<13>Nov  1 07:43:17 host kernel: oom", Lane::Syslog, "oom"),
        (
            "<13>no time and no host",
            Lane::Syslog,
            "no time and no host",
        ),
        (
            "Nov 21 07:43:17 host systemd[1]: Started x.",
            Lane::Syslog,
            "Started x.",
        ),
        (
            "2026-11-21T07:43:17.075000+00:00 host sshd[77]: bye",
            Lane::Syslog,
            "bye",
        ),
        (
            "2026-11-21T07:43:17 worker main: no host",
            Lane::Plain,
            "worker main: no host",
        ),
        (
            "Nov 21 07:43:17 ERROR main: no host either",
            Lane::Plain,
            "ERROR main: no host either",
        ),
        (
            r#"<165>1 2026-11-21T07:43:17Z host app 7 ID4 [x@1 a="b]\"c"][y z="1"] an event"#,
            Lane::Syslog,
            "an event",
        ),
        (
            "<165>1 2026-11-21T07:43:17Z host app - - - \u{feff}with a mark",
            Lane::Syslog,
            "with a mark",
        ),
        (
            r#"<165>1 2026-11-21T07:43:17Z host app - ID4 [x@1 a="b"]"#,
            Lane::Syslog,
            r#"ID4 [x@1 a="b"]"#,
        ),
        ("<165>1 - host app - - -", Lane::Syslog, "- -"),
    ]);
    let message = read("<11>Nov 21 07:43:17 host app: x");
    assert_eq!(
        (message.severity, message.time),
        (Severity::Error, Some(then()))
    );
    let message = read("<14>1 2026-11-21T07:43:17Z h a - - - x");
    assert_eq!(
        (message.severity, message.time),
        (Severity::Info, Some(then()))
    );
}

#[test]
fn json_is_mined_by_its_message() {
    assert_lanes(&[
        (
            r#"{"level":"info","msg":"order 7 taken","n":3}"#,
            Lane::Json,
            "order 7 taken",
        ),
        (r#"{"Message":"a","msg":"b"}"#, Lane::Json, "a"),
        (r#"{"msg":"b","message":"a"}"#, Lane::Json, "a"),
        (r#"{"msg":"  ","error":"gone"}"#, Lane::Json, "gone"),
        (
            r#"{"event":"user.login","user":"ann"}"#,
            Lane::Json,
            "user.login",
        ),
        (
            r#"{"event":{"kind":"x"},"text":"said"}"#,
            Lane::Json,
            "said",
        ),
        (
            r#"{"@t":"x","@mt":"user {Name} in","@m":"user ann in"}"#,
            Lane::Json,
            "user {Name} in",
        ),
        (
            r#"{"short_message":"gelf","full_message":"gelf and more"}"#,
            Lane::Json,
            "gelf",
        ),
        (
            r#"{"timestamp":"x","fields":{"message":"tracing"},"target":"a"}"#,
            Lane::Json,
            "tracing",
        ),
        (
            r#"{"fields":{"message":"inner"},"message":"outer"}"#,
            Lane::Json,
            "outer",
        ),
        (
            r#"{"error":{"message":"inner","type":"KeyError"}}"#,
            Lane::Json,
            "inner <- KeyError",
        ),
        (r#"{"msg":"caf\u00e9 \ud83d\ude00"}"#, Lane::Json, "café 😀"),
        (" {\"msg\":\"x\"}", Lane::Plain, " {\"msg\":\"x\"}"),
        ("{\n  \"msg\": \"pretty\"\n}\n", Lane::Json, "pretty"),
        (r#"{"msg":"cut off","stack":"at a.b"#, Lane::Json, "cut off"),
    ]);
}

#[test]
fn json_without_a_message_is_mined_by_its_keys() {
    assert_lanes(&[
        (
            r#"{"b":1,"a":{"y":[1,2],"x":null}}"#,
            Lane::JsonKeys,
            "a.x=<*> a.y=<*> b=<*>",
        ),
        (
            r#"{"user_17":1,"user_4":true}"#,
            Lane::JsonKeys,
            "user_<*>=<*>",
        ),
        (
            r#"{"a":{"b":{"c":{"d":1}}},"e":{}}"#,
            Lane::JsonKeys,
            "a.b.c=<*> e=<*>",
        ),
        (r#"{"a b\n":1}"#, Lane::JsonKeys, "a_b_=<*>"),
    ]);
    let one = read(r#"{"amount":5,"currency":"EUR"}"#);
    let other = read(r#"{"currency":"USD","amount":-7.5}"#);
    assert_eq!(one.text(), other.text());
    let many: Vec<String> = (0..5_000)
        .map(|n| format!("\"{}\":1", letters(n)))
        .collect();
    let many = format!("{{{}}}", many.join(","));
    let set = read(&many).text().to_owned();
    assert!(
        set.len() <= KEY_SET_LEN_MAX && set.split(' ').count() <= KEYS_MAX,
        "{set}"
    );
}

#[test]
fn json_gives_level_time_and_trace() {
    let body = r#"{"lvl":"WARN","ts":1795246997.5,"trace_id":"0af7651916cd43dd8448eb211c80319c","span.id":"b7ad6b7169203331","msg":"x"}"#;
    let message = read(body);
    assert_eq!(message.severity, Severity::Warn);
    assert_eq!(message.time.unwrap().as_nanos(), THEN * NANOS + NANOS / 2);
    assert_eq!(
        message.trace_id.unwrap().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(message.span_id.unwrap().to_string(), "b7ad6b7169203331");
    for (body, severity) in [
        (r#"{"level":50,"msg":"pino"}"#, Severity::Error),
        (r#"{"PRIORITY":"4","MESSAGE":"journald"}"#, Severity::Warn),
        (r#"{"level":"err","msg":"x"}"#, Severity::Error),
        (r#"{"level":7e99,"msg":"x"}"#, Severity::Unspecified),
        (
            r#"{"level":"on the third floor","msg":"x"}"#,
            Severity::Unspecified,
        ),
    ] {
        assert_eq!(read(body).severity, severity, "{body}");
    }
    for (body, nanos) in [
        (
            r#"{"time":1795246997075,"msg":"x"}"#,
            THEN * NANOS + 75_000_000,
        ),
        (
            r#"{"time":1795246997075000000,"msg":"x"}"#,
            THEN * NANOS + 75_000_000,
        ),
        (
            r#"{"@timestamp":"2026-11-21T07:43:17.075Z","msg":"x"}"#,
            THEN * NANOS + 75_000_000,
        ),
    ] {
        let found = read(body).time.unwrap().as_nanos();
        assert!(found.abs_diff(nanos) < 1_000, "{body} {found}");
    }
    assert_eq!(read(r#"{"time":17,"msg":"x"}"#).time, None);
}

#[test]
fn logfmt_is_mined_by_its_message_or_its_keys() {
    assert_lanes(&[
        (
            r#"ts=2026-11-21T07:43:17Z level=info msg="order 7 taken" n=3"#,
            Lane::Logfmt,
            "order 7 taken",
        ),
        ("level=info msg=ready", Lane::Logfmt, "ready"),
        (
            r#"msg="said \"no\" twice""#,
            Lane::Logfmt,
            r#"said "no" twice"#,
        ),
        (
            "at=info method=GET path=/a status=200",
            Lane::LogfmtKeys,
            "at=<*> method=<*> path=<*> status=<*>",
        ),
        (
            "level=info msg=starting the server",
            Lane::Plain,
            "level=info msg=starting the server",
        ),
        (r#"a="open b=c"#, Lane::Plain, r#"a="open b=c"#),
        (r#"a="x"b=c"#, Lane::Plain, r#"a="x"b=c"#),
        ("a= b= ", Lane::LogfmtKeys, "a=<*> b=<*>"),
        ("a=b, c=d;", Lane::LogfmtKeys, "a=<*> c=<*>"),
        ("=a b=c", Lane::Plain, "=a b=c"),
    ]);
    let message = read(
        "time=2026-11-21T07:43:17Z lvl=eror level=error traceID=0af7651916cd43dd8448eb211c80319c msg=x",
    );
    assert_eq!(message.severity, Severity::Error);
    assert_eq!(message.time, Some(then()));
    assert!(message.trace_id.is_some());
}

const JAVA: &str = "2026-11-21 07:43:17 ERROR order 7 failed\n\
    com.shop.PaymentException: card refused\n\
    \tat com.shop.Pay.charge(Pay.java:41)\n\
    Caused by: java.net.SocketTimeoutException: Read timed out\n\
    \tat java.net.Socket.read(Socket.java:9)\n\
    \t... 3 more\n";

#[test]
fn a_stack_trace_is_its_first_line_and_what_was_thrown() {
    assert_lanes(&[
        (
            JAVA,
            Lane::Trace,
            "ERROR order 7 failed <- com.shop.PaymentException <- java.net.SocketTimeoutException",
        ),
        (
            "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n",
            Lane::Trace,
            "Exception in thread \"main\" java.lang.IllegalStateException: no <- java.lang.IllegalStateException",
        ),
        (
            "job failed\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nshop.errors.NoRow: 7\n",
            Lane::Trace,
            "job failed <- shop.errors.NoRow",
        ),
        (
            "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x1d\n",
            Lane::Trace,
            "panic: runtime error: index out of range [5] with length 3 <- runtime error: index out of range",
        ),
        (
            "thread 'main' panicked at src/main.rs:2:5:\nno such row\nstack backtrace:\n   0: rust_begin_unwind\n",
            Lane::Trace,
            "thread 'main' panicked at src/main.rs:2:5: <- panic",
        ),
        (
            "request failed\nTypeError: x is undefined\n    at f (/app/a.js:1:2)\n",
            Lane::Trace,
            "request failed <- TypeError",
        ),
        (
            "Unhandled exception. System.InvalidOperationException: no\n ---> System.IO.IOException: gone\n   at A.B() in /src/a.cs:line 5\n",
            Lane::Trace,
            "Unhandled exception. System.InvalidOperationException: no <- System.InvalidOperationException <- System.IO.IOException",
        ),
        (
            r#"{"msg":"request 7 failed","exception":"java.io.IOException: gone"}"#,
            Lane::Json,
            "request 7 failed <- java.io.IOException",
        ),
        (
            r#"{"msg":"request 7 failed","exc_info":"nothing known"}"#,
            Lane::Json,
            "request 7 failed",
        ),
        (
            r#"{"msg":"request 7 failed","stack_trace":"java.io.IOException: gone\n\tat a.B.c(B.java:1)"}"#,
            Lane::Json,
            "request 7 failed <- java.io.IOException",
        ),
    ]);
}

#[test]
fn frames_and_line_numbers_never_matter_but_what_was_thrown_does() {
    let other = JAVA
        .replace(
            "Pay.java:41)\n",
            "Pay.java:77)\n\tat com.shop.Pay.twice(Pay.java:2)\n",
        )
        .replace("... 3 more", "... 31 more")
        .replace("card refused", "card expired");
    assert_eq!(with_constant(&read(JAVA)), with_constant(&read(&other)));
    let thrown = JAVA.replace("SocketTimeoutException", "UnknownHostException");
    assert_ne!(with_constant(&read(JAVA)), with_constant(&read(&thrown)));
    let made_up = |n: u32| {
        with_constant(&read(&format!(
            "x\na.B$$Lambda${n}Exception: y\n\tat a.B.c(B.java:1)\n"
        )))
    };
    assert_eq!(made_up(14), made_up(99));
}

#[test]
fn one_line_with_many_exceptions_stays_as_many_templates() {
    let mut miner = Miner::default();
    let mut ids = Vec::new();
    for kind in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "A"] {
        let body = format!("order 7 failed\nshop.{kind}Exception: no\n\tat a.B.c(B.java:1)");
        let message = read(&body);
        ids.push(
            miner
                .parse_with(message.text(), &message.constant, then())
                .id,
        );
    }
    let texts: Vec<&str> = miner
        .templates()
        .map(|template| template.text.as_ref())
        .collect();
    assert_eq!(texts.len(), 9, "{texts:?}");
    assert_eq!(texts[0], "order <*> failed <- shop.AException");
    assert_eq!(ids[0], ids[9]);
}

#[test]
fn of_other_texts_of_several_lines_the_first_that_says_something_counts() {
    assert_lanes(&[
        ("select 1\nfrom rows\n", Lane::Lines, "select 1"),
        ("\n\n  dump:\n 1\n", Lane::Lines, "  dump:"),
        ("-----\nreport\n-----\n", Lane::Lines, "report"),
        ("\n\n", Lane::Plain, ""),
        ("level=info msg=\"two\nlines\"", Lane::Lines, "two"),
    ]);
}

#[test]
fn hostile_texts_cost_no_more_than_their_length() {
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let objects = deep("{\"msg\":", "}");
    let lists = format!("{{\"a\":{}}}", deep("[", "]"));
    let open = "{\"a\":".repeat(100_000);
    let words = "word ".repeat(20_000);
    let pairs = "a=b ".repeat(20_000);
    let quotes = "a=\"".repeat(50_000);
    let lines = "\n at ".repeat(100_000);
    let tracebacks = "Traceback (most recent call last):\nX: y\n".repeat(20_000);
    let keys: String = (0..20_000)
        .map(|n| format!("\"{}\":{{", letters(n)))
        .collect();
    let data = format!("<1>1 - - - - - {}", "[a b=\"]\\".repeat(20_000));
    let control: String = (0u8..32).cycle().take(50_000).map(char::from).collect();
    let slashes = format!("{{\"msg\":\"{}", "\\\\".repeat(50_000));
    let all = [
        objects,
        lists,
        open,
        words,
        pairs,
        quotes,
        lines,
        tracebacks,
        format!("{{{keys}"),
        data,
        control,
        slashes,
    ];
    for body in &all {
        let message = read(body);
        assert!(message.text().len() <= body.len() && message.constant.len() <= 1_024);
        assert_place(body, &message);
    }
}

#[test]
fn broken_json_is_plain_text() {
    for body in [
        r#"{"msg":"\ud800"}"#,
        r#"{"msg":"\ud800 lone"#,
        "{\"msg\":\"control \u{1}\"}",
        r#"{"msg" "x"}"#,
        r#"{"msg":"x",}"#,
        r#"{"a":1"#,
        "{",
        r#"{"#,
        r#"{"msg":"cut"#,
    ] {
        let message = read(body);
        assert_eq!((message.lane, message.text()), (Lane::Plain, body));
    }
}

/// A word of letters for each number.
fn letters(number: usize) -> String {
    let digits = format!("{number:05}");
    digits
        .bytes()
        .map(|digit| char::from(digit - b'0' + b'k'))
        .collect()
}

/// Pieces that the lanes look for, in any order.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: [&str; 40] = [
        "{",
        "}",
        "\"",
        "\\",
        ":",
        ",",
        "msg",
        "\"msg\":",
        "\"log\":",
        "\"stream\":\"stdout\"",
        "=",
        "level=info ",
        " ",
        "\n",
        "\t",
        "at ",
        "Caused by: ",
        "Traceback (most recent call last):",
        "<34>",
        "1 ",
        "Nov 21 07:43:17 ",
        "host app[1]: ",
        "2026-11-21T07:43:17Z ",
        "stdout F ",
        "I1121 07:43:17.000000 ",
        "1 a.go:1] ",
        "[",
        "]",
        "- ",
        "é",
        "\u{feff}",
        "\u{1}",
        "panic: ",
        "goroutine 1 [running]:",
        "java.io.IOException: x",
        "@mt",
        "\\ud800",
        "\\n",
        "0",
        "word",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_a_message_that_lies_where_it_says(body in pieces()) {
        let message = read(&body);
        if let Some(place) = message.place() {
            prop_assert_eq!(body.get(place), Some(message.text()));
        }
        prop_assert!(message.text().len() <= body.len().max(KEY_SET_LEN_MAX));
        prop_assert_eq!(read(&body), message, "the same each time");
    }

    #[test]
    fn what_was_said_comes_out_of_each_envelope(said in "[A-Za-z][ -~é]{0,40}[a-z.]") {
        let json = serde_json::json!({ "msg": said, "level": "info" }).to_string();
        let docker = serde_json::json!({ "log": format!("{said}\n"), "stream": "stdout" }).to_string();
        let direct = read(&said);
        for body in [
            json,
            docker,
            format!("2026-11-21T07:43:17Z stdout F {said}"),
            format!("<34>Nov 21 07:43:17 host su[12]: {said}"),
            format!("<34>1 2026-11-21T07:43:17Z host su 12 - - {said}"),
            format!("I1121 07:43:17.000000       1 a.go:1] {said}"),
            format!("level=info msg={}", serde_json::Value::from(said.as_str())),
        ] {
            let found = read(&body);
            prop_assert_eq!(found.text(), direct.text(), "{}", body);
        }
    }
}
