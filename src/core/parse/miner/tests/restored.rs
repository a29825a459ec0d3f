//! A miner that is taken up from what was written of it is the miner that was never stopped.

use super::*;

/// As it is written and read.
fn through_bytes(snapshot: &MinerSnapshot) -> MinerSnapshot {
    postcard::from_bytes(&bytes(snapshot)).expect("its own bytes")
}

fn bytes(snapshot: &MinerSnapshot) -> Vec<u8> {
    postcard::to_allocvec(snapshot).expect("plain data")
}

/// Everything there is in a miner.
fn state(miner: &mut Miner) -> Vec<u8> {
    bytes(&miner.snapshot())
}

/// Lines of which many are of new templates, some wide; they fill a small table many times over.
fn crowd() -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..3_000 {
        lines.push(match number % 5 {
            0 => format!(
                "peer {} of {} joined",
                word(number),
                word(number / 60 + 7_000)
            ),
            1 => format!("{} {}", word(number), word(number + 9_000)),
            2 => service()[number % 240].clone(),
            3 => format!("queue {} is {} long", word(number % 40), number),
            _ => "heartbeat".to_owned(),
        });
    }
    lines
}

fn limits(templates_max: usize) -> Limits {
    Limits {
        templates_max,
        ..Limits::default()
    }
}

/// Feeds `lines` to a miner and writes it after each `step` of them; it, and what was written.
fn written(lines: &[String], step: usize, limits: Limits) -> (Miner, Vec<MinerSnapshot>) {
    let mut miner = Miner::new(limits);
    let mut all = vec![through_bytes(&miner.snapshot())];
    for (number, some) in lines.chunks(step).enumerate() {
        feed(&mut miner, some);
        if number % 4 == 3 {
            miner.settle();
        }
        let name = format!("n{}", number % 9);
        let id = miner.parse(some[0].as_bytes(), T).id;
        miner.alias(id, &name);
        all.push(through_bytes(
            &miner.delta().expect("follows the one before"),
        ));
    }
    (miner, all)
}

#[test]
fn a_whole_and_what_changed_since_make_the_miner_that_was_never_stopped() {
    for (lines, templates_max) in [
        (service(), TEMPLATES_MAX),
        (crowd(), TEMPLATES_MAX),
        (crowd(), 96),
    ] {
        for step in [3, 50, 700] {
            let (mut first, all) = written(&lines, step, limits(templates_max));
            let count = all.len();
            let (mut second, taken) = Miner::restore(all, limits(templates_max));
            assert_eq!(taken, count);
            for line in lines.iter().rev() {
                let time = Timestamp::from_nanos(5);
                let parsed = first.parse(line.as_bytes(), time);
                assert_eq!(parsed, second.parse(line.as_bytes(), time), "{line}");
                assert_eq!(first.params(), second.params(), "{line}");
            }
            first.settle();
            second.settle();
            assert_eq!(texts(&first), texts(&second));
            assert_eq!(
                format!("{:?}", first.groups),
                format!("{:?}", second.groups)
            );
            assert_eq!(
                state(&mut first),
                state(&mut second),
                "{templates_max} {step}"
            );
        }
    }
}

#[test]
fn shapes_with_constants_and_beyond_the_bound_are_kept_as_they_were() {
    let some = |from: usize, to: usize, miner: &mut Miner| {
        for number in from..to {
            let text = format!("peer {} of {} joined", word(number), word(number % 7 + 900));
            let thrown = ["", "OddError", "LateError"][number / 2 % 3];
            miner.parse_with(text, thrown, T);
        }
    };
    let groups = |miner: &Miner| format!("{:?}", miner.groups);
    for step in [7, 61, 450] {
        let mut first = Miner::default();
        some(0, step, &mut first);
        let mut all = vec![through_bytes(&first.snapshot())];
        for from in (step..2_000).step_by(step) {
            some(from, from + step, &mut first);
            all.extend(first.delta().as_ref().map(through_bytes));
            let (changed, _) = Miner::restore(all.clone(), Limits::default());
            assert_eq!(groups(&first), groups(&changed), "{from}");
        }
        let whole = through_bytes(&first.snapshot());
        let (mut second, _) = Miner::restore([whole], Limits::default());
        assert_eq!(groups(&first), groups(&second));
        some(3_000, 4_000, &mut first);
        some(3_000, 4_000, &mut second);
        assert_eq!(groups(&first), groups(&second));
        assert_eq!(state(&mut first), state(&mut second));
    }
}

#[test]
fn what_was_written_first_may_be_any_state() {
    let lines = crowd();
    for cut in [0, 1, 40, 700, 2_000] {
        let mut first = Miner::new(limits(96));
        feed(&mut first, &lines[..cut]);
        let mut all = vec![first.snapshot()];
        for some in lines[cut..].chunks(333) {
            feed(&mut first, some);
            all.extend(first.delta());
        }
        let (mut second, _) = Miner::restore(all, limits(96));
        assert_eq!(state(&mut first), state(&mut second), "{cut}");
    }
}

#[test]
fn what_changed_takes_room_in_proportion_to_what_changed() {
    let lines = |of: std::ops::Range<usize>| -> Vec<String> {
        of.map(|number| format!("{} {}", word(number), word(number + 1_000_000)))
            .collect()
    };
    let mut miner = Miner::new(limits(200_000));
    feed(&mut miner, &lines(0..100_000));
    let whole = bytes(&miner.snapshot()).len();
    let delta = |miner: &mut Miner| bytes(&miner.delta().expect("follows")).len();
    assert_eq!(miner.templates().count(), 100_000);
    assert!(whole > 100_000 * 14, "{whole} bytes for all");
    assert!(miner.is_unchanged());
    let empty = delta(&mut miner);
    feed(&mut miner, &lines(0..10));
    let counted = delta(&mut miner);
    feed(&mut miner, &lines(100_000..100_010));
    assert!(!miner.is_unchanged());
    let born = delta(&mut miner);
    assert!(empty < 64, "{empty} bytes for nothing");
    assert!(counted < empty + 10 * 24, "{counted} bytes for ten counts");
    assert!(born < 2_048, "{born} bytes for ten templates");
}

#[test]
fn a_gap_is_noticed_and_what_came_before_it_is_taken() {
    let lines = service();
    let (_, mut all) = written(&lines, 50, limits(TEMPLATES_MAX));
    let (mut before, _) = Miner::restore(all[..2].to_vec(), limits(TEMPLATES_MAX));
    all.remove(2);
    let (mut again, taken) = Miner::restore(all.clone(), limits(TEMPLATES_MAX));
    assert_eq!(taken, 2);
    assert_eq!(state(&mut again), state(&mut before));
    all.remove(0);
    let (nothing, taken) = Miner::restore(all, limits(TEMPLATES_MAX));
    assert_eq!((nothing.records(), taken), (0, 0));
}

#[test]
fn nothing_is_noted_until_the_whole_was_written_and_not_without_bound() {
    let mut miner = Miner::new(limits(200_000));
    feed(&mut miner, &service());
    assert!(miner.delta().is_none());
    miner.snapshot();
    assert!(miner.delta().is_some_and(|delta| !delta.is_whole()));
    for number in 0..STEPS_BYTES_MAX / (COMPARED_WORDS_MAX * 7) {
        let words = 0..COMPARED_WORDS_MAX;
        let words: Vec<String> = words.map(|at| word(100 * number + at)).collect();
        miner.parse(words.join(" ").as_bytes(), T);
    }
    assert!(miner.delta().is_none(), "more changed than is noted");
    assert!(miner.snapshot().is_whole());
    assert!(miner.delta().is_some());
}

#[test]
fn both_templates_of_a_merge_are_noted() {
    let mut table = Table::default();
    let [from, into] = ["a", "b"].map(|text| table.insert(text, 0));
    table.notes.begin(0);
    table.merge(from, into, &Limits::default());
    let noted = table.notes.take(0).expect("notes are taken");
    assert_eq!(noted.changed, [from, into]);
}

#[test]
fn a_template_that_is_born_again_leads_nowhere_else_after_a_restart_either() {
    let mut first = Miner::default();
    let from = first.table.insert("a", 0);
    let into = first.table.insert("b", 0);
    first.table.merge(from, into, &Limits::default());
    let whole = first.snapshot();
    let again = first.table.insert("a", 0);
    let born = first.delta().expect("follows");
    first.table.remove(again);
    let gone = first.delta().expect("follows");
    let (second, _) = Miner::restore([whole, born, gone], Limits::default());
    assert!(first.resolve(id_of("a")).is_none());
    assert!(second.resolve(id_of("a")).is_none());
}
