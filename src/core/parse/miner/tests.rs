mod restored;

use super::*;

const T: Timestamp = Timestamp::from_nanos(1);

fn texts(miner: &Miner) -> Vec<String> {
    let mut texts: Vec<String> = miner.templates().map(|t| t.text.to_string()).collect();
    texts.sort();
    texts
}

fn feed<L: AsRef<str>>(miner: &mut Miner, lines: &[L]) -> Vec<TemplateId> {
    let parse = |line: &L| miner.parse(line.as_ref().as_bytes(), T).id;
    lines.iter().map(parse).collect()
}

/// A word of letters only, another one for each number.
fn word(number: usize) -> String {
    let mut left = number.wrapping_mul(2_654_435_761) % 308_915_776;
    let letters = std::iter::from_fn(|| {
        let letter = char::from(b'a' + (left % 26) as u8);
        left /= 26;
        Some(letter)
    });
    letters.take(6).collect()
}

/// Lines of a small service: some with few words in one place, some with many, some with numbers.
fn service() -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..60 {
        let (user, group) = (word(number), word(1_000 + number % 20));
        lines.push(format!("session of user {user} in group {group} opened"));
        lines.push(format!("session of user {user} closed after {number}ms"));
        lines.push(format!(
            "vm {} is {}",
            number,
            ["up", "down", "paused"][number % 3]
        ));
        lines.push(format!("mounted volume {} read only", word(2_000 + number)));
    }
    lines
}

/// The lines in another order, the same for the same `seed`.
fn shuffled(lines: &[String], seed: u64) -> Vec<String> {
    let mut keyed: Vec<(u64, &String)> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let mixed = (at as u64 + 1)
                .wrapping_mul(seed | 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ (mixed >> 29), line)
        })
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, line)| line.clone()).collect()
}

#[test]
fn lines_that_differ_in_values_share_a_template() {
    let mut miner = Miner::default();
    let ids = feed(
        &mut miner,
        &["took 5 ms for 10.0.0.1", "took 12345 ms for 10.9.8.7"],
    );
    assert_eq!(ids[0], ids[1]);
    assert_eq!(miner.resolve(ids[0]).map(|t| t.count), Some(2));
}

#[test]
fn a_few_words_in_one_place_stay_apart_and_many_become_a_parameter() {
    let mut miner = Miner::default();
    let states = feed(&mut miner, &["VM started", "VM paused", "VM stopped"]);
    assert!(states.windows(2).all(|pair| pair[0] != pair[1]));
    let users = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"];
    let ids = feed(
        &mut miner,
        &users.map(|user| format!("user {user} logged in")),
    );
    miner.settle();
    let wide = miner.resolve(ids[0]).expect("known");
    assert_eq!(wide.text.as_ref(), "user <*> logged in");
    assert_eq!(wide.count, 8);
    for id in &ids {
        assert_eq!(miner.resolve(*id), Some(wide));
    }
    assert!(wide.merged.contains(&ids[0]));
}

#[test]
fn a_parameter_found_late_is_a_typed_value_of_lines_known_before() {
    let mut miner = Miner::default();
    let line = "user ann logged in from 10.0.0.1 today";
    miner.parse(line.as_bytes(), T);
    assert_eq!(values(&miner, line), [(ParamKind::Ip, "10.0.0.1")]);
    for number in 0..20 {
        let line = format!("user {} logged in from 10.0.0.1 today", word(number));
        miner.parse(line.as_bytes(), T);
    }
    miner.parse(line.as_bytes(), T);
    assert_eq!(
        values(&miner, line),
        [(ParamKind::Word, "ann"), (ParamKind::Ip, "10.0.0.1")]
    );
}

fn values<'a>(miner: &Miner, line: &'a str) -> Vec<(ParamKind, &'a str)> {
    let value = |p: &Param| (p.kind, &line[p.start as usize..p.end as usize]);
    miner.params().iter().map(value).collect()
}

#[test]
fn what_is_told_of_templates_leads_from_each_old_id_to_the_template_of_today() {
    let mut miner = Miner::default();
    let mut names: std::collections::BTreeMap<TemplateId, TemplateId> = Default::default();
    let mut born = 0;
    for line in service() {
        miner.parse(line.as_bytes(), T);
        for change in miner.take_changes() {
            match change {
                Change::New(id) => {
                    born += 1;
                    assert!(miner.resolve(id).is_some());
                }
                Change::Widened { from, to } | Change::Merged { from, into: to } => {
                    names.insert(from, to);
                }
                Change::Split { .. } => {}
            }
        }
    }
    assert!(born > 0 && !names.is_empty());
    for from in names.keys() {
        let mut id = *from;
        while let Some(to) = names.get(&id) {
            id = *to;
        }
        assert_eq!(miner.resolve(*from).map(|t| t.id), Some(id));
    }
}

#[test]
fn the_order_of_the_lines_does_not_matter_in_the_end() {
    let lines = service();
    let mut first = Miner::default();
    feed(&mut first, &lines);
    first.settle();
    assert!(texts(&first).contains(&"mounted volume <*> read only".to_owned()));
    for seed in 1..=20 {
        let mut second = Miner::default();
        feed(&mut second, &shuffled(&lines, seed));
        second.settle();
        assert_eq!(texts(&first), texts(&second), "order {seed}");
        for template in first.templates() {
            let same = second.resolve(template.id).expect("the same id");
            assert_eq!((same.id, same.count), (template.id, template.count));
        }
    }
}

#[test]
fn lines_that_come_again_keep_their_ids() {
    let lines = service();
    let mut miner = Miner::default();
    feed(&mut miner, &lines);
    miner.settle();
    let before = feed(&mut miner, &lines);
    let after = feed(&mut miner, &lines);
    assert_eq!(before, after);
    let resolved: Vec<_> = before
        .iter()
        .map(|id| miner.resolve(*id).map(|t| t.id))
        .collect();
    assert_eq!(
        resolved,
        before.iter().map(|id| Some(*id)).collect::<Vec<_>>()
    );
}

#[test]
fn counts_add_up_to_the_records_when_templates_give_way() {
    let mut miner = Miner::new(Limits {
        templates_max: 100,
        ..Limits::default()
    });
    for number in 0..5_000 {
        // No two lines have anything in common, so that nothing merges.
        let line = format!("{} {}", word(number), word(number + 100_000));
        miner.parse(line.as_bytes(), T);
        if number % 50 == 0 {
            miner.parse(b"heartbeat", T);
        }
        let counted: u64 = miner.templates().map(|template| template.count).sum();
        assert_eq!(counted + miner.overflow(), miner.records());
        assert!(miner.templates().count() <= 100);
    }
    assert!(miner.overflow() > 0);
    let heartbeat = miner.parse(b"heartbeat", T).id;
    assert_eq!(
        miner.resolve(heartbeat).map(|t| t.count),
        Some(101),
        "what is used stays"
    );
}

#[test]
fn a_template_that_gave_way_comes_back_with_its_id() {
    let mut miner = Miner::new(Limits {
        templates_max: 64,
        ..Limits::default()
    });
    let users: Vec<String> = (0..40)
        .map(|n| format!("user {} logged in", word(n)))
        .collect();
    feed(&mut miner, &users);
    miner.settle();
    let wide = miner.parse(b"user zoe logged in", T).id;
    let plain = miner.parse(b"shutting down", T).id;
    for number in 0..5_000 {
        let line = format!("{} {}", word(number), word(number + 100_000));
        miner.parse(line.as_bytes(), T);
    }
    assert!(
        miner.templates().all(|t| t.id != wide && t.id != plain),
        "they gave way"
    );
    assert_eq!(miner.parse(b"user eve logged in", T).id, wide);
    assert_eq!(miner.parse(b"shutting down", T).id, plain);
}

#[test]
fn a_restored_miner_gives_every_line_the_same_id() {
    let lines = service();
    for cut in [0, 7, 50, 150, lines.len()] {
        let mut first = Miner::default();
        feed(&mut first, &lines[..cut]);
        let bytes = postcard::to_allocvec(&first.snapshot()).expect("plain data");
        let snapshot = postcard::from_bytes(&bytes).expect("its own bytes");
        let mut second = Miner::restore([snapshot], Limits::default()).0;
        let more = [&lines[cut..], &lines[..], &["never seen before".to_owned()]].concat();
        for line in &more {
            let time = Timestamp::from_nanos(5);
            assert_eq!(
                first.parse(line.as_bytes(), time),
                second.parse(line.as_bytes(), time),
                "{line}"
            );
            assert_eq!(first.params(), second.params(), "{line}");
        }
        assert_eq!(first.records(), second.records());
        assert_eq!(texts(&first), texts(&second));
    }
}

#[test]
fn what_a_model_brings_is_known_and_stays_as_it_is() {
    let mut miner = Miner::new(Limits {
        templates_max: 32,
        ..Limits::default()
    });
    miner.seed("user <*> logged in");
    let seeded = miner.parse(b"user ann logged in", T).id;
    assert_eq!(
        miner.resolve(seeded).map(|t| t.text.as_ref()),
        Some("user <*> logged in")
    );
    for number in 0..2_000 {
        let line = format!("{} {}", word(number), word(number + 100_000));
        miner.parse(line.as_bytes(), T);
    }
    assert_eq!(miner.parse(b"user bob logged in", T).id, seeded);
}

#[test]
fn a_stream_of_nothing_but_new_templates_is_quarantined_within_a_minute_of_its_time() {
    let limits = Limits {
        births_per_minute_max: Some(500),
        ..Limits::default()
    };
    let mut miner = Miner::new(limits);
    let at = |second: usize| Timestamp::from_nanos(second as u64 * 1_000_000_000);
    let calm = feed(&mut miner, &["all is well"])[0];
    let mut quarantined_at = None;
    for number in 0..3_000 {
        let time = at(1_000 + number / 50);
        let line = format!("{} {}", word(number), word(number + 100_000));
        miner.parse(line.as_bytes(), time);
        if quarantined_at.is_none() && miner.quarantined_until().is_some() {
            quarantined_at = Some(number / 50);
        }
    }
    assert!(
        quarantined_at.is_some_and(|second| second < 60),
        "{quarantined_at:?}"
    );
    assert!(miner.templates().count() <= 502);
    assert_eq!(
        miner.parse(b"all is well", at(1_100)).id,
        calm,
        "what is known is still known"
    );
    // After the quarantine it may learn again.
    let later = miner.parse(b"a new line at last", at(1_100 + 3_600)).id;
    assert!(!Miner::is_overflow(later));
}

#[test]
fn the_chance_of_a_new_template_falls_as_templates_come_back() {
    let mut miner = Miner::default();
    assert!(miner.new_template_chance() > 0.99);
    feed(&mut miner, &["alpha", "beta gamma"]);
    assert!(miner.new_template_chance() > 0.99);
    for _ in 0..98 {
        feed(&mut miner, &["alpha"]);
    }
    assert!((miner.new_template_chance() - 0.01).abs() < 1e-9);
}

#[test]
fn the_five_signs_show_on_streams_that_have_them() {
    let mut same = Miner::default();
    (0..200).for_each(|_| drop(feed(&mut same, &["always the same"])));
    assert!(same.health().single_template);
    let mut wild = Miner::default();
    let lines: Vec<String> = (0..200)
        .map(|n| format!("{} {}", word(n), word(n + 9_999)))
        .collect();
    feed(&mut wild, &lines);
    let health = wild.health();
    assert!(
        health.mostly_rare && health.too_many_templates && health.none_frequent,
        "{health:?}"
    );
    let mut good = Miner::default();
    (0..5).for_each(|_| drop(feed(&mut good, &service())));
    good.settle();
    assert!(good.health().is_good(), "{:?}", good.health());
}

#[test]
fn what_was_thrown_is_never_taken_for_a_value() {
    let mut miner = Miner::default();
    for number in 0..30 {
        let line = format!(
            "call {} went to {} {} ok",
            word(number),
            word(number + 50),
            word(number + 90)
        );
        miner.parse(&line, T);
    }
    miner.settle();
    let wide = miner.parse("call one went to two three ok", T).id;
    let thrown = miner.parse_with("call one went to two", "ok", T).id;
    assert_ne!(wide, thrown);
    let text = miner.resolve(thrown).map(|t| t.text.to_string());
    assert!(text.is_some_and(|text| text.ends_with(" <- ok")));
}

#[test]
fn other_things_thrown_are_other_templates_whatever_the_message() {
    let mut miner = Miner::default();
    let mut ids = Vec::new();
    for (message, thrown) in [
        ("a.B", "a.B"),
        ("c.D", "c.D"),
        ("a.B", "c.D"),
        ("c.D", "a.B"),
    ] {
        ids.push(miner.parse_with(message, thrown, T).id);
    }
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn an_arrow_in_a_message_is_no_cause() {
    let mut miner = Miner::default();
    for number in 0..50 {
        miner.parse(format!("copied file <- {} done now", word(number)), T);
    }
    miner.settle();
    assert_eq!(texts(&miner), ["copied file <- <*> done now"]);
}

#[test]
fn every_record_finds_its_template_while_others_are_left_out() {
    for seed in 0..60 {
        let mut miner = Miner::default();
        for number in 0..800 {
            let at = seed * 1_000 + number;
            let line = match number % 3 {
                0 => format!(
                    "{} is {} of {} now",
                    word(at),
                    word(at + 7),
                    word(number % 11)
                ),
                1 => format!(
                    "{} took {} from {} now",
                    word(at),
                    word(at + 9),
                    word(number % 13)
                ),
                _ => format!(
                    "{} {} {} {}",
                    word(at),
                    word(number % 17),
                    word(at + 5),
                    word(number % 5)
                ),
            };
            let id = miner.parse(&line, T).id;
            assert!(!Miner::is_overflow(id), "seed {seed}: {line}");
            let again = miner.parse(&line, T).id;
            let today = |id| miner.resolve(id).map(|template| template.id);
            assert_eq!(today(id), today(again), "seed {seed}: {line}");
        }
        assert_eq!(miner.overflow(), 0);
    }
}

#[test]
fn a_quarantine_is_over_when_its_time_is() {
    let limits = Limits {
        births_per_minute_max: Some(100),
        ..Limits::default()
    };
    let mut miner = Miner::new(limits);
    let at = |second: u64| Timestamp::from_nanos(second * 1_000_000_000);
    for number in 0..2_000 {
        miner.parse(
            format!("{} {}", word(number), word(number + 100_000)),
            at(1_000),
        );
    }
    assert!(miner.quarantined_until().is_some());
    miner.parse("all is well", at(1_000 + 3_600));
    assert_eq!(miner.quarantined_until(), None);
}

#[test]
fn many_new_templates_among_many_more_records_are_too_many_as_well() {
    let limits = Limits {
        births_per_minute_max: Some(100),
        ..Limits::default()
    };
    let mut miner = Miner::new(limits);
    for number in 0..20_000 {
        match number % 6 {
            0 => miner.parse(format!("{} {}", word(number), word(number + 100_000)), T),
            _ => miner.parse("all is well", T),
        };
    }
    assert!(miner.quarantined_until().is_some());
    assert!(miner.templates().count() <= 1_001);
}

#[test]
fn nobody_can_send_the_name_of_the_overflow() {
    let mut miner = Miner::default();
    miner.named(OVERFLOW_TEXT, T);
    assert_eq!((miner.templates().count(), miner.overflow()), (0, 1));
}
