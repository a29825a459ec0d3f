//! Ids never move, and the model goes with them: on replay, after a restart, on however many
//! shards, when templates give way and come back, widen and merge.

use super::*;
use crate::core::parse::{Limits, Template};
use crate::core::record::TemplateId;

fn replay() -> Settings {
    Settings {
        pace: Pace::Replay,
        ..settings()
    }
}

/// A word of letters only, another one for each number below a million or so.
fn word(number: u64) -> String {
    let letter = |at: u32| char::from(b'a' + (number / 26u64.pow(at) % 26) as u8);
    (0..5).map(letter).collect()
}

/// An order that somebody packs.
fn packed(number: u64, by: &str) -> Vec<Record<'static>> {
    order(number, |lines| lines[3] = lines[3].replace("bob", by))
}

/// Orders that two people pack in turn.
fn two_packers(numbers: std::ops::Range<u64>) -> Vec<Record<'static>> {
    let by = |number| if number % 2 == 0 { "amy" } else { "bob" };
    in_order(
        numbers
            .flat_map(|number| packed(number, by(number)))
            .collect(),
    )
}

/// Orders that somebody else packs each time.
fn many_packers(numbers: std::ops::Range<u64>) -> Vec<Record<'static>> {
    let orders = numbers.flat_map(|number| packed(number, &word(number)));
    in_order(orders.collect())
}

/// A shard that learned from [`two_packers`] and is judged by what it learned.
fn trained_shard(settings: Settings) -> (Shard, Arc<Bundle>) {
    static BUNDLE: OnceLock<Arc<Bundle>> = OnceLock::new();
    let mut shard = Shard::new(settings);
    push(&mut shard, &two_packers(0..200));
    shard.finish(Timestamp::ZERO);
    let bundle = BUNDLE.get_or_init(|| model_of(&shard));
    shard.install(&stream(), Arc::clone(bundle), Timestamp::ZERO);
    shard.take_outputs();
    (shard, Arc::clone(bundle))
}

fn push(shard: &mut Shard, records: &[Record<'static>]) {
    shard.push(batch(records), Timestamp::ZERO);
}

/// The templates of a stream, with their counts.
fn templates(shard: &Shard, stream: &StreamKey) -> Vec<Template> {
    let miner = shard.miner(stream).expect("the stream exists");
    miner.templates().cloned().collect()
}

fn ids(templates: &[Template]) -> BTreeSet<TemplateId> {
    templates.iter().map(|template| template.id).collect()
}

/// Which orders are told of when these records are judged; no model may be asked for.
fn told(shard: &mut Shard, records: &[Record<'static>]) -> BTreeSet<String> {
    shard.take_outputs();
    push(shard, records);
    shard.finish(Timestamp::ZERO);
    let outputs = shard.take_outputs();
    let asks = |output: &Output| matches!(output, Output::TrainingDue { .. });
    assert!(!outputs.iter().any(asks), "it asks for another model");
    assert_eq!(shard.status()[0].state, State::Active);
    let mut told = sequences(&anomalies(outputs));
    told.retain(|sequence| sequence.starts_with("ord_"));
    told
}

/// Orders packed by people never heard of, and one of them in the wrong order.
fn one_wrong(numbers: std::ops::Range<u64>) -> Vec<Record<'static>> {
    let wrong = numbers.end;
    let mut records = many_packers(numbers);
    records.extend(order(wrong, |lines| {
        lines[3] = lines[3].replace("bob", "someone");
        lines.swap(1, 4);
    }));
    records
}

fn wrong_of(number: u64) -> BTreeSet<String> {
    [format!("ord_{}", 1_000_000 + number)].into()
}

#[test]
fn a_model_goes_on_when_its_templates_widen_and_merge_and_after_a_restart() {
    let (mut shard, bundle) = trained_shard(replay());
    let nothing_whole = BTreeSet::new();
    let mut written = vec![shard.snapshots(&nothing_whole)];
    let before = templates(&shard, &stream());
    let packer = |who: &str| {
        let text = format!("INFO <*> packed by {who}");
        let found = before.iter().find(|template| *template.text == *text);
        found.unwrap_or_else(|| panic!("{before:?}")).id
    };
    let (amy, bob) = (packer("amy"), packer("bob"));
    told(&mut shard, &many_packers(300..340));
    written.push(shard.snapshots(&nothing_whole));
    assert!(matches!(written[1][0].templates, Templates::Changes(_)));

    let mut restored = Shard::new(replay());
    let lost = restored.restore(&stream(), &saved(written), Some(bundle), Timestamp::ZERO);
    let lost = lost.expect("is a snapshot");
    assert!(lost.templates.is_none() && lost.rest.is_none(), "{lost:?}");
    assert_eq!(
        templates(&restored, &stream()),
        templates(&shard, &stream())
    );
    for shard in [&mut shard, &mut restored] {
        let miner = shard.miner(&stream()).expect("the stream exists");
        let today = miner.resolve(amy).expect("is known");
        assert_eq!(&*today.text, "INFO <*> packed by <*>");
        assert_eq!(miner.resolve(bob), Some(today), "they were merged");
        assert_eq!(told(shard, &one_wrong(400..440)), wrong_of(440));
    }
}

#[test]
fn templates_that_gave_way_come_back_with_their_ids_and_the_model_knows_them() {
    let small = Settings {
        mining: Limits {
            templates_max: 48,
            ..Limits::default()
        },
        ..replay()
    };
    let (mut shard, _) = trained_shard(small);
    told(&mut shard, &many_packers(300..340));
    let before: Vec<Template> = templates(&shard, &stream())
        .into_iter()
        .filter(|template| template.text.starts_with("INFO "))
        .collect();
    // Far more templates than there is room for, and some among them that widen.
    let flood = |number: u64| Record {
        time: Some(Timestamp::from_millis((1_700 + number / 100) * SECOND)),
        body: match number % 4 {
            0 => format!("{} {}", word(7 * number), word(9 * number + 5)),
            _ => format!("{} walks {} slowly", word(number), word(number / 500)),
        }
        .leak(),
        ..Record::default()
    };
    for start in 0..12 {
        let records: Vec<Record<'static>> =
            (start * 2_000..(start + 1) * 2_000).map(flood).collect();
        told(&mut shard, &records);
    }
    let living = ids(&templates(&shard, &stream()));
    assert!(
        before.iter().any(|known| !living.contains(&known.id)),
        "none gave way"
    );
    assert_eq!(told(&mut shard, &one_wrong(2_000..2_040)), wrong_of(2_040));
    let after = ids(&templates(&shard, &stream()));
    assert!(ids(&before).is_subset(&after));
}

/// Lines of sixteen services, mixed, and the services' streams.
fn services() -> (Vec<StreamKey>, Vec<Batch>) {
    let keys: Vec<StreamKey> = (0..16)
        .map(|number| StreamKey::named(&format!("service-{number}")))
        .collect();
    let records = [many_packers(0..30), one_wrong(30..60)].concat();
    let batches = records.chunks(7).flat_map(|some| {
        keys.iter().map(|key| {
            let mut batch = batch(some);
            batch.stream = key.clone();
            batch
        })
    });
    (keys.clone(), batches.collect())
}

/// Each service's templates and what is told of it, when so many shards share the services.
fn on_shards(count: usize) -> Vec<(Vec<Template>, Vec<Arc<Anomaly>>)> {
    let (keys, batches) = services();
    let of = |key: &StreamKey| keys.iter().position(|known| known == key).unwrap_or(0) % count;
    let mut shards: Vec<Shard> = (0..count).map(|_| Shard::new(replay())).collect();
    for key in &keys {
        shards[of(key)].install(key, bundle(), Timestamp::ZERO);
    }
    for batch in batches {
        shards[of(&batch.stream)].push(batch, Timestamp::ZERO);
    }
    let mut told = Vec::new();
    for shard in &mut shards {
        shard.finish(Timestamp::ZERO);
        told.extend(anomalies(shard.take_outputs()));
    }
    let all = keys.iter().map(|key| {
        let mine = told.iter().filter(|anomaly| anomaly.stream == *key);
        (templates(&shards[of(key)], key), mine.cloned().collect())
    });
    all.collect()
}

#[test]
fn one_shard_and_eight_give_the_same_ids_and_say_the_same() {
    let one = on_shards(1);
    assert!(
        one.iter()
            .all(|(templates, told)| templates.len() > 5 && !told.is_empty())
    );
    assert_eq!(one, on_shards(8));
    assert_eq!(one, on_shards(1), "and so does a replay");
}
