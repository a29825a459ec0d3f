//! Every path reads a message as the definition does.

use proptest::prelude::*;

use super::*;
use crate::core::parse::LINE_LEN_MAX;

const SEED: u64 = 7;

fn reference(message: &[u8]) -> (Vec<u8>, Vec<(u32, u32)>) {
    let (mut form, mut variables) = (Vec::new(), Vec::new());
    form_of(message, &mut form, &mut variables);
    (form, variables)
}

/// The keys of `message` by all paths, each found to give the reference's form and variables.
#[track_caller]
fn checked_key(scans: &mut [Scan], message: &[u8]) -> Key {
    let (form, variables) = reference(message);
    let keys: Vec<Key> = scans
        .iter_mut()
        .map(|scan| {
            let key = scan.scan(message);
            let by = scan.processor;
            let shown = String::from_utf8_lossy(message);
            assert_eq!(scan.form(), form, "form by {by:?} of {shown:?}");
            assert_eq!(scan.variables(), variables, "by {by:?} of {shown:?}");
            key
        })
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    keys[0]
}

fn scans() -> Vec<Scan> {
    Scan::all(SEED).collect()
}

/// Pieces of which lines that try all rules can be put together.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "0",
        "7",
        "42",
        "x",
        "0x",
        "0X",
        "a",
        "F",
        "g",
        "e5",
        "node",
        "blk_",
        "ms",
        "KiB",
        "bytes",
        "longer",
        "é",
        "µs",
        "日本",
        "-",
        "_",
        ".",
        ":",
        "/",
        " ",
        "  ",
        "=",
        "\t",
        "\u{7f}",
        "\u{1}",
        "\u{4}",
        "\0",
        "[",
        "]",
        "1f0e",
        "deadbeef",
        "0123456789ab",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    ]);
    prop_oneof![
        8 => word.prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => (any::<u8>(), 1..90_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{3,4}-[0-9a-f]{4}-[0-9a-f]{11,13}"
            .prop_map(String::into_bytes),
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(any::<u8>(), 0..300),
        "[ -~]{0,200}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_path_gives_the_form_of_the_definition(message in line()) {
        checked_key(&mut scans(), &message);
    }

    #[test]
    fn two_lines_have_one_key_where_they_have_one_form(
        one in line(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut other = one.clone();
        for (place, byte) in changes {
            // Half of the changes keep a digit a digit, so that the form is often the same.
            if !other.is_empty() {
                let place = place.index(other.len());
                let digit = other[place].is_ascii_digit();
                other[place] = if digit && byte < 128 { b'0' + byte % 10 } else { byte };
            }
        }
        let scans = &mut scans();
        let same_key = checked_key(scans, &one) == checked_key(scans, &other);
        prop_assert_eq!(same_key, reference(&one).0 == reference(&other).0);
    }

    #[test]
    fn a_form_is_the_message_with_its_variables_replaced(message in line()) {
        let (form, variables) = reference(&message);
        let mut rebuilt = Vec::new();
        let mut done = 0;
        let blank = |byte: &u8| if byte.is_ascii_control() { b' ' } else { *byte };
        let placeholders = form.iter().filter(|byte| (NUMBER..=UUID).contains(*byte));
        for ((start, end), placeholder) in variables.iter().zip(placeholders) {
            rebuilt.extend(message[done..*start as usize].iter().map(blank));
            rebuilt.push(*placeholder);
            done = *end as usize;
        }
        rebuilt.extend(message[done..].iter().map(blank));
        prop_assert_eq!(rebuilt, form);
    }
}

/// Writes a form with placeholders that can be read.
fn shown(message: &str) -> String {
    let (form, _) = reference(message.as_bytes());
    checked_key(&mut scans(), message.as_bytes());
    String::from_utf8_lossy(&form)
        .replace(NUMBER as char, "<n>")
        .replace(HEX as char, "<h>")
        .replace(MIXED as char, "<m>")
        .replace(UUID as char, "<u>")
}

#[test]
fn the_rules_hold_as_they_are_written() {
    for (message, form) in [
        ("", ""),
        ("no digits, no variables", "no digits, no variables"),
        ("took 30 ms", "took <n> ms"),
        ("took 30ms, 5KiB, 7bytes", "took <n>ms, <n>KiB, <n>bytes"),
        ("1bytes 1second", "<n>bytes <m>"),
        ("from 10.0.0.1:80", "from <n>.<n>.<n>.<n>:<n>"),
        ("node12 blk_-17 r2d2", "node<n> blk_-<n> <m>"),
        ("0x1F 0XaB 0x 0xg", "<h> <h> <n>x <n>xg"),
        ("0x0x1 x0 00x1", "<m> x<n> <m>"),
        ("1e5 cafe cafe1 e5", "<h> cafe <h> <h>"),
        ("temp5° 5µs é5 5é", "<m> <m> é<n> <m>"),
        ("a\tb\u{1}c", "a b c"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301.", "id <u>."),
        ("aaaaaaaa-bbbb-cccc-dddd-EEEEEEEEEEEE", "<u>"),
        (
            "x3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "<m>-<h>-<h>-<h>-<h>",
        ),
        (
            "3f2504e0-4f89-11d3-9a0c-0305e82c33010",
            "<h>-<h>-<h>-<h>-<h>",
        ),
        (
            "req-3f2504e0-4f89-11d3-9a0c-0305e82c3301-3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "req-<u>-<u>",
        ),
    ] {
        assert_eq!(shown(message), form, "of {message:?}");
    }
}

#[test]
fn a_block_may_end_anywhere() {
    let long = "b".repeat(63);
    let tokens = [
        "7",
        "123456",
        "node12",
        "30ms",
        "30seconds",
        "0xff",
        "0x",
        "deadbeef1",
        "a1b2g",
        "é9",
        "9é",
        "\t",
        "x-y",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "ffffffff-ffff-ffff-ffff-ffffff",
        &"7".repeat(40),
        &"7".repeat(64),
        &"c7".repeat(33),
        &"a".repeat(200),
        &"a-".repeat(80),
        &format!("{long}1"),
        &format!("{}1", "b-".repeat(40)),
    ];
    let scans = &mut scans();
    for token in tokens {
        for filler in ["a ", "aaaaaaa ", " ", "z", "-", "ab-1."] {
            for offset in 0..150 {
                let mut message = filler.repeat(offset / filler.len() + 1);
                message.truncate(offset);
                for after in ["", " ", "-", "7", "g", " z 1", "\u{7f}"] {
                    checked_key(scans, format!("{message}{token}{after}").as_bytes());
                }
            }
        }
    }
}

#[test]
fn what_counts_of_a_long_line_is_bounded_and_ends_with_a_character() {
    let scans = &mut scans();
    for character in ["a", "é", "日", "😀", "7", "- "] {
        for before in 0..5 {
            let text = format!("{}{}", "b".repeat(before), character.repeat(LINE_LEN_MAX));
            let (form, _) = reference(text.as_bytes());
            assert!(form.len() <= LINE_LEN_MAX);
            assert!(
                String::from_utf8(form).is_ok(),
                "{character} after {before}"
            );
            checked_key(scans, text.as_bytes());
        }
    }
    // What is not UTF-8 has no characters to keep whole.
    for (words, others) in [(0, LINE_LEN_MAX + 9), (LINE_LEN_MAX - 3, 10)] {
        let message = [vec![b'a'; words], vec![0x80; others]].concat();
        assert_eq!(reference(&message).0.len(), LINE_LEN_MAX);
        checked_key(scans, &message);
    }
    let same = |len| checked_key(&mut self::scans(), &vec![b'a'; len]);
    assert_eq!(same(LINE_LEN_MAX), same(LINE_LEN_MAX + 1));
    assert_ne!(same(LINE_LEN_MAX - 1), same(LINE_LEN_MAX));
}

#[test]
fn a_short_line_after_a_long_one_keeps_nothing_of_it() {
    let scans = &mut scans();
    let first = checked_key(scans, b"short 1");
    checked_key(scans, "w0rd 12 ".repeat(2_000).as_bytes());
    assert_eq!(checked_key(scans, b"short 1"), first);
    assert_eq!(checked_key(&mut self::scans(), b"short 2"), first);
}

#[test]
fn what_is_almost_a_uuid_is_none() {
    let scans = &mut scans();
    let uuid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    for place in 0..uuid.len() {
        for other in [b'g', b'-', b' ', b'a', 0x80, 0] {
            let mut message = format!("id={uuid}, gone").into_bytes();
            message[3 + place] = other;
            let is_one = matches!(place, 8 | 13 | 18 | 23) == (other == b'-')
                && (other == b'-' || other == b'a');
            assert_eq!(
                reference(&message).0.contains(&UUID),
                is_one,
                "{place} {other}"
            );
            checked_key(scans, &message);
        }
    }
}

#[test]
fn either_half_of_a_key_tells_forms_apart() {
    let mut scan = Scan::new(SEED);
    let mut halves = [
        std::collections::BTreeSet::new(),
        std::collections::BTreeSet::new(),
    ];
    let mut add = |message: &[u8]| {
        let key = scan.scan(message);
        assert!(halves[0].insert(key.0) && halves[1].insert(key.1));
    };
    // Lines of one byte repeated, and each with one byte changed, across chunks of the hash.
    for len in (0..1_200).chain([LINE_LEN_MAX]) {
        let mut message = vec![b'a'; len];
        add(&message);
        for place in (0..len).step_by(len / 8 + 1) {
            message[place] = b' ';
            add(&message);
            message[place] = b'a';
        }
    }
    for kind in ["1", "f1", "1zz1", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"] {
        add(kind.as_bytes());
    }
}

#[test]
fn keys_depend_on_the_seed() {
    let (one, other) = (Scan::new(1).scan(b"a line"), Scan::new(2).scan(b"a line"));
    assert!(one.0 != other.0 && one.1 != other.1);
}

#[test]
fn the_room_for_a_long_line_is_given_back_with_the_next_short_one() {
    let long = "a1 ".repeat(LINE_LEN_MAX / 3);
    for mut scan in Scan::all(1) {
        scan.scan(long.as_bytes());
        assert_eq!(scan.variables().len(), LINE_LEN_MAX / 3);
        scan.scan(b"took 5 ms");
        assert!(
            scan.found.room_held() < 64 * 1024,
            "{}",
            scan.found.room_held()
        );
        assert_eq!(scan.form(), b"took \x01 ms");
    }
}
