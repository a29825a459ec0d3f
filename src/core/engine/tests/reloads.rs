//! Settings that change while a stream is running.

use super::*;
use crate::core::engine::Alarms;
use crate::core::silence::{Mode, Schedule, Silences, Window};

fn asked(alarms: Alarms) -> Settings {
    Settings {
        pace: Pace::Replay,
        alarms,
        ..settings()
    }
}

/// So many orders that come in one minute.
fn minute(minute: u64, orders: u64) -> Vec<Record<'static>> {
    let of_minute = (0..orders).flat_map(|nth| {
        let number = minute * 1_000 + nth;
        let start =
            Timestamp::from_millis(2_000 * SECOND + (minute * 60_000) + nth * 59_000 / orders);
        let records = order(number, |_| {}).into_iter().enumerate();
        records.map(move |(step, record)| Record {
            time: Some(start.plus(Duration::from_millis(137 * step as u64))),
            ..record
        })
    });
    in_order(of_minute.collect())
}

/// Whether so many orders in the latest minute are told, after forty minutes of ten orders, where
/// `before` was set at first and `after` later on.
fn is_told(orders: u64, before: Alarms, after: Alarms) -> bool {
    let mut shard = active_shard(asked(before));
    let usual: Vec<Record<'static>> = (0..40).flat_map(|nth| minute(nth, 10)).collect();
    shard.push(batch(&usual), Timestamp::ZERO);
    shard.reconfigure(asked(after));
    let latest = [minute(40, orders), minute(41, 10), minute(42, 10)].concat();
    shard.push(batch(&latest), Timestamp::ZERO);
    let told = anomalies(shard.take_outputs());
    told.iter().any(|one| one.kind == AnomalyKind::RateUp)
}

/// The fewest orders in a minute that are told.
fn fewest(before: Alarms, after: Alarms) -> u64 {
    let counts: Vec<u64> = (10..200).collect();
    counts[counts.partition_point(|orders| !is_told(*orders, before, after))]
}

#[test]
fn fewer_alerts_a_day_hold_for_rates_too_from_the_reload_on() {
    let (many, few) = (Alarms::Rate(Some(0.01)), Alarms::PerDay(0.001));
    let with_few = fewest(few, few);
    assert!(with_few > fewest(many, many), "{with_few}");
    assert_eq!(fewest(many, few), with_few);
}

#[test]
fn nothing_is_learned_in_a_window_that_says_so() {
    let window = |mode| {
        let until = Timestamp::ZERO.plus(Duration::from_secs(80 * 86_400));
        let all = Schedule::once(Timestamp::from_millis(1), until).unwrap();
        let matcher = format!("service={:?}", stream().name).parse().unwrap();
        let window = Window::new("upgrade", vec![matcher], all, mode).unwrap();
        Arc::new(Silences::new([], vec![window]))
    };
    let learned = |silences| {
        let mut shard = Shard::new(Settings {
            silences,
            pace: Pace::Replay,
            ..settings()
        });
        shard.push(batch(&normal(0..20)), Timestamp::ZERO);
        shard.finish(Timestamp::ZERO);
        shard.corpus(&stream()).unwrap().sequences.len()
    };
    assert_eq!(learned(window(Mode::NoLearn)), 0);
    assert!(learned(window(Mode::Mute)) > 0);
}
