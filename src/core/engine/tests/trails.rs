//! What follows what within traces.

use super::*;
use crate::core::event::Sign;
use crate::core::record::{SpanId, TraceId, Trail};
use crate::core::silence::{Mode, Schedule, Silences, Window, Zone};

/// What a request writes; `%` is somebody's name.
const STEPS: [&str; 4] = [
    "INFO basket of % opened",
    "INFO stock is asked for",
    "INFO price is worked out",
    "INFO basket closed",
];
/// Flows are learned from for so long here.
const WARM_UP: Duration = Duration::from_mins(10);

/// A service that gets a request every second and ticks as often.
struct Shop {
    shard: Shard,
    settings: Settings,
    second: u64,
    signs: Vec<Arc<Sign>>,
    trails: Vec<Trail>,
}

impl Shop {
    fn new(silences: Silences) -> Self {
        let usual = settings();
        let learn = crate::core::engine::Learn {
            warm_up: WARM_UP,
            sequences_min: usize::MAX,
            ..usual.learn.clone()
        };
        let settings = Settings {
            learn,
            silences: Arc::new(silences),
            ..usual
        };
        Self {
            shard: Shard::new(settings.clone()),
            settings,
            second: 1_800_000_000,
            signs: Vec::new(),
            trails: Vec::new(),
        }
    }

    /// Requests of which each writes what `edit` leaves of the usual steps.
    fn live(&mut self, seconds: u64, edit: impl Fn(u64, &mut Vec<String>)) {
        for _ in 0..seconds {
            self.second += 1;
            let mut lines: Vec<String> = STEPS.map(|step| step.replace('%', "ann")).into();
            edit(self.second, &mut lines);
            let trace = (u128::from(self.second) << 64 | 7).to_be_bytes();
            let at = |step: usize| Timestamp::from_millis(self.second * SECOND + 90 * step as u64);
            let records = lines.into_iter().enumerate().map(|(step, line)| Record {
                time: Some(at(step)),
                body: line.leak(),
                trace_id: TraceId::from_bytes(&trace),
                span_id: SpanId::from_bytes(&trace[..8]),
                ..Record::default()
            });
            let records: Vec<Record<'static>> = records.collect();
            let now = at(4);
            self.shard.push(batch(&records), now);
            self.shard.tick(now);
            for output in self.shard.take_outputs() {
                match output {
                    Output::Sign(sign) => self.signs.push(sign),
                    Output::Trail(trail) => self.trails.push(trail),
                    _ => {}
                }
            }
        }
    }

    fn restart(&mut self) {
        let saved = saved([self.shard.snapshots(&BTreeSet::from([stream()]))]);
        self.shard = Shard::new(self.settings.clone());
        let now = Timestamp::from_millis(self.second * SECOND);
        let lost = self.shard.restore(&stream(), &saved, None, now);
        assert!(lost.expect("is a snapshot").rest.is_none());
    }

    /// What was said, each once.
    fn said(&self) -> Vec<&str> {
        let mut ids: Vec<(&str, &str)> = self.signs.iter().map(|it| (&*it.id, &*it.says)).collect();
        ids.dedup_by_key(|(id, _)| *id);
        ids.into_iter().map(|(_, says)| says).collect()
    }
}

fn as_ever(_: u64, _: &mut Vec<String>) {}

/// The price is not worked out any more.
fn no_price(_: u64, lines: &mut Vec<String>) {
    lines.remove(2);
}

#[test]
fn what_always_came_within_a_trace_and_stays_away_is_told_once_by_its_name() {
    let mut shop = Shop::new(Silences::default());
    shop.live(900, as_ever);
    assert_eq!(shop.said(), [""; 0], "all is well");
    shop.live(50, no_price);
    let said = shop.said();
    assert_eq!(said.len(), 1, "{said:?}");
    let says = said[0];
    assert!(
        says.starts_with("after “INFO stock is asked for” came “INFO price is worked out”"),
        "{says}"
    );
    assert!(says.ends_with("often came “INFO basket closed”"), "{says}");
    // While it lasts it is told again each minute, as the same.
    shop.live(70, no_price);
    assert!(shop.signs.len() > 1);
    assert_eq!(shop.said().len(), 1, "{:?}", shop.said());
}

#[test]
fn nothing_is_said_while_it_warms_up() {
    let mut shop = Shop::new(Silences::default());
    shop.live(400, as_ever);
    shop.live(120, no_price);
    assert_eq!(shop.said(), [""; 0]);
}

#[test]
fn a_restart_in_the_middle_forgets_nothing_and_makes_up_nothing() {
    let mut shop = Shop::new(Silences::default());
    shop.live(700, as_ever);
    for _ in 0..5 {
        shop.restart();
        shop.live(20, as_ever);
    }
    assert_eq!(shop.said(), [""; 0], "all is well");
    shop.restart();
    shop.live(60, no_price);
    assert_eq!(shop.said().len(), 1, "{:?}", shop.said());
}

#[test]
fn a_template_that_widens_is_the_same_to_whoever_counts() {
    let mut shop = Shop::new(Silences::default());
    shop.live(900, as_ever);
    let names = ["bob", "cleo", "dan", "eve", "finn", "gus", "hal", "ida"];
    shop.live(300, |second, lines| {
        let name = names[(second % 8) as usize];
        lines[0] = STEPS[0].replace('%', name);
    });
    let moved = shop.trails.iter().map(|trail| trail.moved.len());
    assert!(
        moved.sum::<usize>() > 0,
        "the test needs a template that widens"
    );
    assert_eq!(shop.said(), [""; 0]);
}

#[test]
fn each_record_within_a_trace_is_handed_over_once_and_each_event_is_named() {
    let mut shop = Shop::new(Silences::default());
    shop.live(100, as_ever);
    // The last wait for older ones.
    let done = 100 - shop.settings.reorder_delay.as_secs();
    let steps = shop.trails.iter().flat_map(|trail| &trail.steps);
    let steps: Vec<_> = steps.collect();
    assert!(
        (4 * done as usize..=400).contains(&steps.len()),
        "{}",
        steps.len()
    );
    let distinct: BTreeSet<_> = steps.iter().map(|step| (step.trace, step.event)).collect();
    assert_eq!(distinct.len(), steps.len());
    let names = shop.trails.iter().flat_map(|trail| &trail.names);
    let named: BTreeSet<_> = names.map(|(event, _)| *event).collect();
    assert!(steps.iter().all(|step| named.contains(&step.event)));
    assert!(shop.trails.iter().all(|trail| trail.stream == stream()));
}

#[test]
fn a_window_of_maintenance_is_neither_told_nor_learned_from() {
    // The shop opens at eight.
    let window = Window {
        name: "release".into(),
        matchers: Vec::new(),
        schedule: Schedule::weekly("daily 08:13-08:23", Zone::UTC).unwrap(),
        mode: Mode::NoLearn,
    };
    let mut shop = Shop::new(Silences::new([], vec![window]));
    shop.live(790, as_ever);
    shop.live(580, no_price);
    assert_eq!(shop.said(), [""; 0]);
    shop.live(300, as_ever);
    assert_eq!(shop.said(), [""; 0], "it was not learned from");
    shop.live(60, no_price);
    assert_eq!(shop.said().len(), 1, "{:?}", shop.said());
}
