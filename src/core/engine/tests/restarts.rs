//! A stream that is taken up from its snapshot goes on as if nothing had happened.

use super::*;

fn replayed() -> Settings {
    Settings {
        pace: Pace::Replay,
        ..settings()
    }
}

/// The shard of a process that was started anew.
fn restarted(shard: &mut Shard) -> Shard {
    let saved = saved([shard.snapshots(&BTreeSet::from([stream()]))]);
    let mut after = Shard::new(replayed());
    let lost = after.restore(&stream(), &saved, Some(bundle()), Timestamp::ZERO);
    assert!(lost.expect("is a snapshot").rest.is_none());
    after.take_outputs();
    after
}

/// Records so many seconds later.
fn later(records: Vec<Record<'static>>, seconds: u64) -> Vec<Record<'static>> {
    let late = Duration::from_secs(seconds);
    let records = records.into_iter().map(|record| Record {
        time: record.time.map(|time| time.plus(late)),
        ..record
    });
    records.collect()
}

#[test]
fn a_silence_that_the_stream_knows_is_no_lull_after_a_restart_either() {
    let mut shard = active_shard(replayed());
    // Every night nothing comes for an hour.
    for night in 0..3 {
        let day = normal(300 + 20 * night..320 + 20 * night);
        shard.push(batch(&later(day, 3_600 * night)), Timestamp::ZERO);
    }
    assert_eq!(anomalies(shard.take_outputs()).len(), 0);
    let mut after = restarted(&mut shard);
    // The last order of a day stops in the middle.
    let stopped = order(361, |lines| lines.truncate(3));
    let day = [later(stopped, 7_200), later(normal(380..400), 10_800)].concat();
    let told = |shard: &mut Shard| {
        shard.push(batch(&day), Timestamp::ZERO);
        shard.finish(Timestamp::ZERO);
        sequences(&anomalies(shard.take_outputs()))
    };
    assert_eq!(told(&mut shard), BTreeSet::from(["ord_1000361".into()]));
    assert_eq!(told(&mut after), BTreeSet::from(["ord_1000361".into()]));
}

#[test]
fn what_is_written_after_a_restart_is_what_was_written_before_it() {
    let mut shard = active_shard(replayed());
    shard.push(batch(&mixed()), Timestamp::ZERO);
    let mut after = restarted(&mut shard);
    let rest = |shard: &mut Shard| shard.snapshots(&BTreeSet::new()).remove(0).rest;
    assert!(rest(&mut shard) == rest(&mut after));
}

#[test]
fn what_a_snapshot_has_is_not_taken_in_again_and_what_it_lacks_is() {
    let mut shard = active_shard(replayed());
    let other = || Batch::new(StreamKey::named("other"), Arc::new(Resource::default()));
    let [first, second] = [mixed(), normal(300..320)].map(|records| batch(&records));
    for (number, sent) in [(6, first.clone()), (7, second.clone())] {
        for batch in shard.news(number, vec![sent]) {
            shard.push(batch, Timestamp::ZERO);
        }
    }
    assert_eq!(shard.upto(), 7);
    let mut after = restarted(&mut shard);
    assert_eq!(after.upto(), 7);
    // A stream that is new has no snapshot, so all of it is news; two batches of one entry are.
    let news = after.news(7, vec![first.clone(), other(), second, other()]);
    assert_eq!(news.len(), 2);
    assert!(
        news.iter()
            .all(|batch| batch.stream.name.as_ref() == "other")
    );
    assert_eq!(after.news(8, vec![first.clone(), first]).len(), 2);
}

#[test]
fn a_snapshot_of_the_version_before_is_read() {
    let mut shard = active_shard(replayed());
    shard.push(batch(&mixed()), Timestamp::ZERO);
    let mut saved = saved([shard.snapshots(&BTreeSet::from([stream()]))]);
    // What it lacked comes last: the trails, of which there are none here.
    let rest = saved.rest.as_mut().unwrap();
    assert_eq!((rest[0], rest.pop()), (7, Some(0)));
    rest[0] = 6;
    saved.templates.iter_mut().for_each(|piece| piece[0] = 6);
    let mut after = Shard::new(replayed());
    let lost = after.restore(&stream(), &saved, Some(bundle()), Timestamp::ZERO);
    let lost = lost.unwrap();
    assert!(lost.rest.is_none() && lost.templates.is_none(), "{lost:?}");
    assert_eq!(after.upto(), 0);
    // One of a version that is still to come is refused.
    saved.rest.as_mut().unwrap()[0] = 8;
    let lost = Shard::new(replayed()).restore(&stream(), &saved, None, Timestamp::ZERO);
    assert!(lost.unwrap().rest.unwrap().to_string().contains("format 8"));
}

#[test]
fn it_is_known_when_a_model_was_trained_but_of_one_that_was_given() {
    let trained_at = |shard: &Shard| shard.status()[0].model.clone().unwrap().trained_at;
    let at = Timestamp::from_millis(1_763_700_000_000);
    let mut shard = Shard::new(replayed());
    shard.install(&stream(), bundle(), at);
    assert_eq!(trained_at(&shard), Some(at));
    // A restart makes it no younger.
    assert_eq!(trained_at(&restarted(&mut shard)), Some(at));
    shard.install_given(&stream(), bundle(), at);
    assert_eq!(trained_at(&shard), None);
    // It was trained after the snapshot was made, and its file says when.
    for told in [at, at.plus(Duration::from_secs(60))] {
        shard.was_trained(&stream(), told);
        assert_eq!(trained_at(&shard), Some(at));
    }
    shard.install(&stream(), bundle(), at.plus(Duration::from_secs(1)));
    assert_eq!(trained_at(&shard), Some(at.plus(Duration::from_secs(1))));
}
