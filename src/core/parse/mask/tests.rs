use proptest::prelude::*;

use super::lexeme::LEXEMES_MAX;
use super::*;
use crate::core::parse::param::{PARAMS_MAX, ParamKind, Place};
use crate::core::parse::scan::form_of;

/// A message, its form's shape, and the bytes of the message that its variables take.
fn shaped(message: &[u8]) -> (Shape, Vec<(u32, u32)>) {
    let (mut form, mut variables) = (Vec::new(), Vec::new());
    form_of(message, &mut form, &mut variables);
    (shape_of(&form), variables)
}

fn text(message: &str) -> String {
    shaped(message.as_bytes()).0.text
}

/// The byte of a message that a place is.
fn byte(place: Place, variables: &[(u32, u32)]) -> usize {
    let after = usize::from(place.after).checked_sub(1);
    after.map_or(0, |at| variables[at].1 as usize) + usize::from(place.delta)
}

/// The values of a message with their kinds.
fn values(message: &str) -> Vec<(ParamKind, String)> {
    let (shape, variables) = shaped(message.as_bytes());
    let value = |place, end| &message[byte(place, &variables)..byte(end, &variables)];
    shape
        .params
        .iter()
        .map(|param| (param.kind, value(param.start, param.end).to_owned()))
        .collect()
}

#[track_caller]
fn gives(cases: &[(&str, &str)]) {
    for (message, shape) in cases {
        assert_eq!(text(message), *shape, "{message}");
    }
}

#[test]
fn urls_keep_their_scheme() {
    gives(&[
        (
            "GET https://shop.example/cart?id=7, then",
            "GET https://<*>, then",
        ),
        ("copied s3://bucket/a/b.", "copied s<*>://<*>."),
        ("see <ftp://files.example/x>", "see <ftp://<*>>"),
    ]);
}

#[test]
fn what_stands_for_a_secret_is_a_value_like_the_secret() {
    gives(&[
        ("mail to <redacted:email> failed", "mail to <*> failed"),
        ("token=<redacted:secret>, x", "token=<*>, x"),
        ("GET /cb?token=<redacted:secret>&x=1 done", "GET <*> done"),
        (
            "postgres://a:<redacted:url-password>@db:5432/x up",
            "postgres://<*> up",
        ),
        ("<redacted:> <redacted", "<redacted:> <redacted"),
    ]);
}

#[test]
fn mail_addresses_are_one_value_and_objects_keep_their_class() {
    gives(&[
        (
            "mail to ann.lee@post.example.org failed",
            "mail to <*> failed",
        ),
        ("msgid=<2024.ab7@relay>, ok", "msgid=<*>, ok"),
        ("blocked on Lock@1f2e3d", "blocked on Lock@<*>"),
    ]);
}

#[test]
fn paths_are_one_value() {
    gives(&[
        ("opened /var/log/app.log: ok", "opened <*>: ok"),
        ("opened /srv/x.", "opened <*>."),
        ("wrote /tmp/part-7. block_9", "wrote <*> <*>"),
        ("cwd=./run and ~/bin", "cwd=<*> and <*>"),
        (r"loaded C:\Apps\new\a.dll now", "loaded <*> now"),
        ("panicked at src/a/b.rs:12", "panicked at <*>:<*>"),
        ("read/write and tcp/ip", "read/write and tcp/ip"),
        (r#""GET /a/b HTTP/1.1" 200"#, r#""GET <*>" <*>"#),
    ]);
}

#[test]
fn addresses_stay_apart_from_their_ports() {
    gives(&[
        (
            "from 10.0.0.1:80 to /10.0.0.2:99",
            "from <*>:<*> to <*>:<*>",
        ),
        ("db/10.0.0.1:80 up", "db/<*>:<*> up"),
        ("mac 00:1b:44:11:3a:b7 seen", "mac <*> seen"),
        ("on fe80::1ff:fe23 and ::1", "on <*> and <*>"),
        ("std::fmt and a::b", "std::fmt and a::b"),
    ]);
}

#[test]
fn host_names_are_values_and_packages_are_not() {
    gives(&[
        ("to mail.example.com:25", "to <*>:<*>"),
        ("at a.shop.com.hk or web-1.shop.de", "at <*> or <*>"),
        ("use job.task.attempt.id now", "use job.task.attempt.id now"),
        ("in com.example.api.Main", "in com.example.api.Main"),
        ("load com.example.net now", "load com.example.net now"),
        ("in org.example.io failed", "in org.example.io failed"),
        (
            "read main.rs and java.util.Map",
            "read main.rs and java.util.Map",
        ),
    ]);
}

#[test]
fn dates_and_times_keep_their_separators() {
    gives(&[
        (
            "at 2024-05-06 07:08:09,123 up",
            "at <*>-<*>-<*> <*>:<*>:<*> up",
        ),
        ("at 2024-05-06T07:08:09.5Z up", "at <*>-<*>-<*>:<*>:<*> up"),
        ("at Mon Jan 22 05:06:07 2024 up", "at <*>:<*>:<*> up"),
        (
            "[22/Jan/2024:05:06:07 +0100] up",
            "[<*>/<*>/<*>:<*>:<*>:<*>] up",
        ),
        ("a Sat night in May", "a Sat night in May"),
    ]);
}

#[test]
fn names_of_one_thing_among_many_are_one_value() {
    gives(&[
        ("job_12_r_3 and task-a-7", "<*> and <*>"),
        ("blk_-77 and pod-7d9f-x2x9z", "<*> and <*>"),
        ("node-12 and node-a", "node-<*> and node-a"),
        ("pages 3-7", "pages <*>-<*>"),
        ("web12 is sync_state", "<*> is sync_state"),
        ("init2() r24=0x1f", "init<*>() r<*>=<*>"),
        ("id deadbeef and facade", "id <*> and facade"),
    ]);
}

#[test]
fn numbers_take_their_sign_and_their_unit_along() {
    gives(&[
        (
            "took -5 of 30ms, 0.25s and 1.5MB",
            "took <*> of <*>, <*> and <*>",
        ),
        ("v1.2.3 after 2.6.5-1.35", "<*> after <*>"),
        ("core.77 at 45%", "core.<*> at <*>%"),
        ("enable......1", "enable......<*>"),
        ("at 0000:0e.1 or 0000:01.1", "at <*>:<*> or <*>:<*>"),
    ]);
}

#[test]
fn literals_and_accounts_are_values_but_not_as_keys() {
    gives(&[
        ("ready=true (null) n/a", "ready=<*> (<*>) <*>"),
        ("user=root (root) root=/", "user=<*> (<*>) root=/"),
        ("session for user ann by b", "session for user <*> by b"),
        ("unknown user and user error", "unknown user and user error"),
    ]);
}

#[test]
fn empty_brackets_hold_a_value_and_those_of_a_function_do_not() {
    gives(&[
        ("from 10.0.0.1 () up", "from <*> (<*>) up"),
        ("from 10.0.0.1 (a.example.com) up", "from <*> (<*>) up"),
        ("called run() twice", "called run() twice"),
    ]);
}

#[test]
fn a_list_is_one_value_whatever_its_length() {
    gives(&[
        ("no answer from n1", "no answer from <*>"),
        ("no answer from n1 n2 n3 n4", "no answer from <*>"),
        ("via 10.0.0.1,10.0.0.2", "via <*>"),
        ("to 10.0.0.1:80", "to <*>:<*>"),
        (
            "to 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:81 now",
            "to <*>:<*> now",
        ),
        ("point 1 2 3", "point <*> <*> <*>"),
        ("sums 1 2 3 4 5 6 7 8 9 10 11", "sums <*>"),
        ("moved job_1 to_2", "moved <*> <*>"),
    ]);
}

#[test]
fn blanks_are_one_blank_and_none_at_the_ends() {
    gives(&[("  a   b\t c ", "a b c"), ("", ""), ("   ", "")]);
}

#[test]
fn values_have_kinds_and_their_bytes() {
    use ParamKind::*;
    let found = values("10.0.0.1:80 ann@x.org 30ms 2GiB 0x1f /a/b job_7 http://a/b true");
    let kinds = [
        (Ip, "10.0.0.1"),
        (Number, "80"),
        (Email, "ann@x.org"),
        (Duration, "30ms"),
        (Size, "2GiB"),
        (Hex, "0x1f"),
        (Path, "/a/b"),
        (Identifier, "job_7"),
        (Url, "http://a/b"),
        (Word, "true"),
    ];
    assert_eq!(found, kinds.map(|(kind, value)| (kind, value.to_owned())));
    let [date, uuid] = &values("on 2024-05-06: c0ffee00-1111-2222-3333-444455556666")[..] else {
        panic!("two values");
    };
    assert_eq!(*date, (Timestamp, "2024-05-06".to_owned()));
    assert_eq!(uuid.0, Uuid);
}

#[test]
fn a_wildcard_in_a_message_is_a_value_like_any_other() {
    let message = "user <*> has 5 <*";
    assert_eq!(text(message), "user <*> has <*> <*");
    let words: Vec<String> = values(message).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["<*>", "5"]);
}

#[test]
fn every_part_of_a_text_has_its_place_in_the_message() {
    let message = "user  ann of 10.0.0.1 left zone";
    let (shape, variables) = shaped(message.as_bytes());
    assert_eq!(shape.text, "user ann of <*> left zone");
    for (part, want) in [
        (5..8, "ann"),
        (12..15, "10.0.0.1"),
        (16..20, "left"),
        (5..15, "ann of 10.0.0.1"),
    ] {
        let (start, end) = shape.places(part).unwrap();
        assert_eq!(
            &message[byte(start, &variables)..byte(end, &variables)],
            want
        );
    }
    assert_eq!(
        shape.kind_at(shape.places(12..15).unwrap()),
        Some(ParamKind::Ip)
    );
    assert_eq!(shape.places(3..3), None);
    assert_eq!(shape.places(400..900), None);
}

#[test]
fn a_line_of_any_length_has_a_short_shape_that_ends_in_a_wildcard() {
    for unit in [
        "word ", "a=7,", "/", "<*>", "x.y ", "Jul ", "é", "u@", "(", "1.",
    ] {
        let message = unit.repeat(20_000);
        let (shape, _) = shaped(message.as_bytes());
        assert!(shape.text.len() <= SHAPE_LEN_MAX, "{unit}");
        assert!(
            shape.tokens.len() <= TOKENS_MAX && shape.params.len() <= PARAMS_MAX,
            "{unit}"
        );
        assert!(shape.text.ends_with(WILDCARD), "{unit}");
    }
    let short = "w ".repeat(LEXEMES_MAX / 4);
    assert!(!text(&short).contains(WILDCARD));
}

proptest! {
    #[test]
    fn any_bytes_have_a_shape_whose_values_lie_in_the_message_in_order(
        message in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "([a-f0-9.:/ _@<>*()=,-]|true|root|Jul|user |http://){0,60}".prop_map(String::into_bytes),
        ]
    ) {
        let (shape, variables) = shaped(&message);
        prop_assert_eq!(&shape, &shaped(&message).0);
        prop_assert!(shape.text.len() <= SHAPE_LEN_MAX);
        let mut last = 0;
        for param in &shape.params {
            let (start, end) = (byte(param.start, &variables), byte(param.end, &variables));
            prop_assert!(last <= start && start <= end && end <= message.len());
            last = end;
        }
        prop_assert!(!shape.text.starts_with(' ') && !shape.text.ends_with(' '));
        prop_assert!(!shape.text.contains("  "));
        let (start, end) = (0, shape.text.len());
        if let Some((from, to)) = shape.places(start..end) {
            prop_assert!(byte(from, &variables) <= byte(to, &variables));
        }
    }

    #[test]
    fn any_form_has_a_shape(form in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(shape_of(&form), shape_of(&form));
    }

    #[test]
    fn other_digits_never_change_the_shape(number in 0_u64..u64::MAX, id in "[0-9]{1,12}") {
        let one = format!("node-{number} sent {id} of blk_{id} at 10.{id}.0.{number}:{id} in {number}ms");
        let two = "node-1 sent 2 of blk_3 at 10.4.0.5:6 in 7ms";
        prop_assert_eq!(text(&one), text(two));
    }
}
