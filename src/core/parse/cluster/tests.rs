use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Groups the shapes as the miner does and clusters each group.
fn templates(shapes: &[String]) -> BTreeSet<String> {
    let distinct: BTreeSet<&String> = shapes.iter().collect();
    let mut groups: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for shape in distinct {
        groups.entry(group_of(shape)).or_default().push(shape);
    }
    let clusters = groups.values().flat_map(|group| cluster(group));
    clusters.map(|one| one.pattern.text()).collect()
}

/// `form` with each `{}` replaced by a word that no two lines share.
fn lines(form: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|line| {
            let mut parts = form.split("{}");
            let mut text = parts.next().unwrap_or_default().to_owned();
            for (place, part) in parts.enumerate() {
                text.push_str(&word(line * 16 + place));
                text.push_str(part);
            }
            text
        })
        .collect()
}

/// The word of a number, in letters only.
fn word(number: usize) -> String {
    let mut rest = number.wrapping_mul(0x9E37_79B1) % 308_915_776;
    (0..6)
        .map(|_| {
            let letter = char::from(b'a' + (rest % 26) as u8);
            rest /= 26;
            letter
        })
        .collect()
}

fn assert_templates(shapes: &[String], wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(templates(shapes), wanted);
}

#[test]
fn a_place_is_a_parameter_only_after_enough_values() {
    let shapes = lines("worker {} has joined the pool", VALUES_MAX);
    assert_eq!(templates(&shapes).len(), VALUES_MAX);
    let shapes = lines("worker {} has joined the pool", VALUES_MAX + 1);
    assert_templates(&shapes, &["worker <*> has joined the pool"]);
}

#[test]
fn opposites_stay_apart_however_many_names_they_come_with() {
    let mut shapes = lines("machine {} on {} was started", 300);
    shapes.extend(lines("machine {} on {} was paused", 300));
    assert_templates(
        &shapes,
        &[
            "machine <*> on <*> was paused",
            "machine <*> on <*> was started",
        ],
    );
}

#[test]
fn a_verb_that_selects_stays_constant() {
    let mut shapes = lines("Failed to start unit {}", 40);
    shapes.extend(lines("Failed to stop unit {}", 40));
    assert_templates(
        &shapes,
        &["Failed to start unit <*>", "Failed to stop unit <*>"],
    );
}

#[test]
fn a_parameter_at_the_head_is_found() {
    let shapes = lines("{} was moved from {} to {} by hand", 60);
    assert_templates(&shapes, &["<*> was moved from <*> to <*> by hand"]);
}

#[test]
fn a_template_of_mostly_parameters_needs_more_lines() {
    let few = lines("from={} to={} size={} relay={}", 6);
    assert_templates(&few, &["from=<*> to=<*> size=<*> relay=<*>"]);
    let thin = lines("{}: {}, {}, relay={}", 6);
    assert_eq!(templates(&thin).len(), 6);
    let thin = lines("{}: {}, {}, relay={}", 60);
    assert_templates(&thin, &["<*>: <*>, <*>, relay=<*>"]);
}

#[test]
fn lines_without_a_common_word_never_share_a_template() {
    let shapes = lines("{} {} {} {}", 500);
    assert_eq!(templates(&shapes).len(), 500);
    let shapes = lines("{}", 500);
    assert_eq!(templates(&shapes).len(), 500);
}

#[test]
fn names_of_uneven_popularity_are_one_parameter() {
    // The most popular word stands in half of the lines, the next in a quarter, …
    let popular = |n: usize| word((n + 1).trailing_zeros() as usize);
    let shapes: Vec<String> = (0..600)
        .map(|n| {
            format!(
                "login of {} from {} took too long",
                popular(n),
                word(1000 + n / 2)
            )
        })
        .collect();
    assert_templates(&shapes, &["login of <*> from <*> took too long"]);
}

#[test]
fn a_key_stays_and_its_value_opens() {
    let mut shapes = lines("denied user={} action=read zone=a", 9);
    shapes.extend(lines("denied host={} action=read zone=a", 9));
    assert_templates(
        &shapes,
        &[
            "denied host=<*> action=read zone=a",
            "denied user=<*> action=read zone=a",
        ],
    );
}

#[test]
fn values_built_in_different_ways_are_one_parameter() {
    let hosts = [
        "web",
        "db-main",
        "cache.example",
        "a.b.example",
        "mail_relay",
        "x@y",
    ];
    let shapes: Vec<String> = hosts
        .iter()
        .map(|host| format!("cannot reach host={host}, giving up"))
        .collect();
    assert_templates(&shapes, &["cannot reach host=<*>, giving up"]);
}

#[test]
fn a_value_of_another_notation_joins_the_bare_ones() {
    let shapes = [
        "clock set to <*>, stratum <*>",
        "clock set to LOCAL(<*>), stratum <*>",
    ];
    let shapes = shapes.map(str::to_owned);
    assert_templates(&shapes, &["clock set to <*>, stratum <*>"]);
}

#[test]
fn what_the_mask_wrote_is_left_as_it_is() {
    let shapes = ["clock is <*>:<*>:<*> on r<*>", "moved <*>/<*> of <*>.<*>"];
    let shapes = shapes.map(str::to_owned);
    let wanted: Vec<&str> = shapes.iter().map(String::as_str).collect();
    assert_templates(&shapes, &wanted);
}

#[test]
fn many_templates_with_random_words_are_found_again() {
    let forms: Vec<String> = (0..40)
        .map(|n| {
            let [a, b, c] = [0, 1, 2].map(|m| word(90_000 + 1_000 * m + n));
            match n % 4 {
                0 => format!("{{}} {a} its {b} while {c}"),
                1 => format!("{a} {b} {{}} and {{}} is {c}"),
                2 => format!("{a}({{}}): {{}} {b} {c}"),
                _ => format!("{a} {b} {{}}"),
            }
        })
        .collect();
    let shapes: Vec<String> = forms.iter().flat_map(|form| lines(form, 100)).collect();
    let texts: Vec<String> = forms.iter().map(|form| form.replace("{}", "<*>")).collect();
    let wanted: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_templates(&shapes, &wanted);
}

#[test]
fn a_pattern_says_where_its_values_stand() {
    let pattern = Pattern::from_key("put user=\u{1}, at \u{1}:<*>");
    assert_eq!(pattern.text(), "put user=<*>, at <*>:<*>");
    let shape = "put user=<*>x, at here:<*>";
    let ranges = pattern.open_ranges(shape).unwrap();
    let values: Vec<&str> = ranges.into_iter().map(|range| &shape[range]).collect();
    assert_eq!(values, ["<*>x", "here"]);
    for other in [
        "put user=a at here:<*>",
        "put user=a, at here:b",
        "put user=a, at here:<*> x",
    ] {
        assert_eq!(pattern.open_ranges(other), None, "{other}");
        assert!(!pattern.matches(other), "{other}");
    }
}

#[test]
fn the_narrowest_pattern_is_found() {
    let mut index = Index::default();
    let keys = ["a \u{1} \u{1}", "a b=\u{1} c", "a \u{1} c", "\u{1} b c"];
    for (name, key) in keys.iter().enumerate() {
        index.insert(&Pattern::from_key(key), name);
    }
    assert_eq!(index.wider("a b=x c"), Some(1));
    assert_eq!(index.wider("a x c"), Some(2));
    assert_eq!(index.wider("a x y"), Some(0));
    assert_eq!(index.wider("x b c"), Some(3));
    assert_eq!(index.wider("x y c"), None);
    assert_eq!(index.wider("a x"), None);
}

/// Lines of a small language in which places collide and saturate.
fn shapes() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec![
        "alpha", "beta", "gamma", "delta", "eps", "zeta", "<*>", "k=v", "k=w", "x.y", "x.z", "r<*>",
    ]);
    let line = prop::collection::vec(word, 3..5).prop_map(|words| {
        let head = ["node", "found", "that"];
        head.into_iter().chain(words).collect::<Vec<_>>().join(" ")
    });
    prop::collection::btree_set(line, 1..120).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn the_order_of_the_shapes_does_not_show(shapes in shapes(), seed in any::<u64>()) {
        let mut shuffled: Vec<&str> = shapes.iter().map(String::as_str).collect();
        let sorted = shuffled.clone();
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let named = |list: &[&str]| -> Vec<(String, BTreeSet<String>)> {
            let texts = |one: &Cluster| one.members.iter().map(|&at| list[at].to_owned()).collect();
            let clusters = cluster(list);
            clusters.iter().map(|one| (one.pattern.key().to_owned(), texts(one))).collect()
        };
        prop_assert_eq!(named(&sorted), named(&shuffled));
    }

    #[test]
    fn every_shape_is_in_one_cluster_that_matches_it(shapes in shapes()) {
        let list: Vec<&str> = shapes.iter().map(String::as_str).collect();
        let clusters = cluster(&list);
        let mut members: Vec<usize> = Vec::new();
        let mut texts = BTreeSet::new();
        for one in &clusters {
            prop_assert!(texts.insert(one.pattern.text()), "two templates read the same");
            for &at in &one.members {
                prop_assert!(one.pattern.matches(list[at]), "{} / {}", one.pattern.key(), list[at]);
            }
            members.extend(&one.members);
        }
        members.sort_unstable();
        prop_assert_eq!(members, (0..list.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_shape_that_a_template_covers_is_not_a_template_of_its_own(shapes in shapes()) {
        let list: Vec<&str> = shapes.iter().map(String::as_str).collect();
        let clusters = cluster(&list);
        for one in &clusters {
            for other in &clusters {
                let covered = one.pattern.is_exact() && other.pattern.matches(one.pattern.key());
                prop_assert!(!covered || one == other, "{} in {}", one.pattern.key(), other.pattern.key());
            }
        }
    }
}
