//! Made-up streams, minute by minute.

use super::*;

/// A Monday, midnight UTC.
const MONDAY: u64 = 1_767_571_200;
const DAY: u64 = 1_440;
const WEEK: u64 = 7 * DAY;

/// Numbers that look random and are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (mut count, mut product, limit) = (0, self.unit(), (-mean).exp());
        while product > limit {
            count += 1;
            product *= self.unit();
        }
        count
    }
}

/// A stream and what it told so far.
struct World {
    rates: Rates,
    dice: Dice,
    /// Minutes since [`MONDAY`].
    minute: u64,
    open: Vec<(u64, u64, bool, u32)>,
    told: Vec<(u64, RateAlarm)>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rates: Rates::new(RateSettings::default()),
            dice: Dice(seed),
            minute: 0,
            open: Vec::new(),
            told: Vec::new(),
        }
    }

    /// In this minute, on average, `mean` records of `template` come.
    fn some(&mut self, template: u64, mean: f64) {
        for _ in 0..self.dice.poisson(mean) {
            let at = (self.dice.unit() * 59_999.0) as u64;
            let place = self.dice.next() as u32 % 5;
            self.open.push((at, template, false, place));
        }
    }

    /// A record at a second of this minute.
    fn one(&mut self, template: u64, second: f64, is_new: bool, place: u32) {
        let at = (second * 1_000.0) as u64;
        self.open.push((at, template, is_new, place));
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis((MONDAY + self.minute * 60) * 1_000)
    }

    fn end_as(&mut self, hearing: Hearing) {
        let start = self.time();
        let mut open = std::mem::take(&mut self.open);
        open.sort_unstable();
        for (at, template, is_new, place) in open {
            let time = start.plus(Duration::from_millis(at));
            self.rates
                .observe(TemplateId(template), is_new, time, place);
        }
        self.minute += 1;
        let alarms = self.rates.advance(self.time(), hearing);
        let minute = self.minute;
        self.told
            .extend(alarms.into_iter().map(|alarm| (minute, alarm)));
    }

    fn end(&mut self) {
        self.end_as(Hearing::Clear);
    }

    /// A plain stream for so many minutes.
    fn plain(&mut self, minutes: u64) {
        for _ in 0..minutes {
            self.some(1, 20.0);
            self.some(2, 5.0);
            self.some(3, 0.5);
            self.end();
        }
    }

    fn kinds(&self) -> Vec<(RateKind, Option<u64>)> {
        let told = self.told.iter();
        told.map(|(_, alarm)| (alarm.kind, alarm.template.map(|id| id.0)))
            .collect()
    }
}

/// How busy people are: by day and week.
fn busy(minute: u64) -> f64 {
    let hour = (minute % DAY) as f64 / 60.0;
    let day = 1.0 - 0.6 * (std::f64::consts::TAU * (hour - 2.0) / 24.0).cos();
    if minute % WEEK / DAY >= 5 {
        0.4 * day
    } else {
        day
    }
}

/// A month of a stream with everything that is normal in one.
fn month(seed: u64) -> World {
    let mut world = World::new(seed);
    let mut bursts = 0;
    for minute in 0..30 * DAY {
        for template in 0..12 {
            let usual = 0.02 * 2f64.powi(template);
            let wobble = (0.25 * world.dice.normal()).exp();
            world.some(template as u64, usual * busy(minute) * wobble);
        }
        for template in 12..30 {
            world.some(template, 0.1 + 0.1 * (template % 4) as f64);
        }
        if minute % WEEK >= 6 * DAY + 180 && minute % WEEK < 6 * DAY + 190 {
            world.some(40, 50.0);
        }
        if minute % DAY / 5 == 50 {
            world.some(41, 100.0);
        }
        let jitter = world.dice.unit() * 2.0;
        world.one(42, 20.0 + jitter, false, 1);
        if world.dice.unit() < 1.0 / 300.0 {
            bursts = 4;
        }
        if bursts > 0 {
            bursts -= 1;
            world.some(43, 30.0);
        }
        if world.dice.unit() < 0.04 {
            let again = world.dice.next() % 3;
            for copy in 0..=again {
                world.one(1_000 + minute, 10.0 + copy as f64, true, 3);
            }
        }
        world.end();
    }
    world
}

#[test]
fn a_month_of_normal_life_stays_within_the_budget() {
    let world = month(1);
    assert!(world.told.len() <= 30, "{:?}", world.kinds());
    let settled = world.told.iter().filter(|(minute, _)| *minute >= 14 * DAY);
    assert!(settled.count() <= 5, "{:?}", world.kinds());
}

#[test]
fn a_weekly_job_is_told_at_first_and_no_more_after_two_cycles() {
    let mut world = World::new(5);
    for minute in 0..5 * WEEK {
        world.some(1, 3.0 * busy(minute));
        if minute % WEEK >= 2 * DAY + 180 && minute % WEEK < 2 * DAY + 192 {
            world.some(7, 60.0);
        }
        world.end();
    }
    let week = |wanted: u64| {
        let told = world.told.iter();
        told.filter(|(minute, _)| minute / WEEK == wanted).count()
    };
    assert!(
        week(1) >= 1,
        "the second run is nothing one could know of: {:?}",
        world.kinds()
    );
    assert_eq!(
        [week(2), week(3), week(4)],
        [0, 0, 0],
        "{:?}",
        world.kinds()
    );
}

#[test]
fn clocks_that_change_by_an_hour_change_nothing() {
    for shift in [-60i64, 60] {
        let mut world = World::new(6);
        for minute in 0..4 * WEEK {
            let local = if minute >= 3 * WEEK {
                minute.wrapping_add_signed(shift)
            } else {
                minute
            };
            world.some(1, 6.0 * busy(local));
            if local % WEEK >= 2 * DAY + 180 && local % WEEK < 2 * DAY + 192 {
                world.some(7, 60.0);
            }
            if local % DAY >= 300 && local % DAY < 310 {
                world.some(8, 30.0);
            }
            world.end();
        }
        let late = world
            .told
            .iter()
            .filter(|(minute, _)| *minute >= 3 * WEEK - 60);
        assert_eq!(late.count(), 0, "{:?}", world.kinds());
    }
}

/// A heartbeat each half minute among others, for so long.
fn beating(seed: u64, minutes: u64, period: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..minutes {
        beat(&mut world, period);
        world.some(1, 20.0);
        world.end();
    }
    world
}

fn beat(world: &mut World, period: u64) {
    let seconds = world.minute * 60..world.minute * 60 + 60;
    for second in seconds.filter(|second| second % period == 7) {
        let jitter = world.dice.unit() * 0.5;
        world.one(9, (second % 60) as f64 + jitter, false, 2);
    }
}

#[test]
fn a_missing_heartbeat_is_found_within_two_periods_and_told_once() {
    for period in [20, 30, 60, 300] {
        let mut world = beating(7, 300, period);
        assert_eq!(world.kinds(), []);
        let last = world
            .rates
            .watched
            .iter()
            .find(|w| w.template == Some(TemplateId(9)));
        let last = last.unwrap().gaps.last().unwrap();
        let mut found = None;
        for second in 0..3_600 {
            let now = world.time().plus(Duration::from_secs(second));
            if second % 3 == 0 {
                world.rates.observe(TemplateId(1), false, now, 0);
            }
            let alarms = world.rates.advance(now, Hearing::Clear);
            assert!(alarms.iter().all(|alarm| alarm.kind == RateKind::Silence));
            assert!(
                alarms
                    .iter()
                    .all(|alarm| alarm.template == Some(TemplateId(9)))
            );
            for alarm in alarms {
                assert_eq!(found.replace(now), None, "told twice");
                assert_eq!(alarm.first, last);
                assert_eq!(alarm.places, [(2, alarm.places[0].1)]);
            }
        }
        let waited = found.unwrap().since(last);
        assert!(
            waited <= Duration::from_secs(2 * period),
            "{waited:?} of {period} s"
        );
    }
}

#[test]
fn one_is_told_when_a_heartbeat_would_be_missed() {
    let world = beating(7, 300, 20);
    let due = world.rates.next_deadline().unwrap();
    assert!(
        due > world.time() && due < world.time().plus(BUCKET),
        "{due:?}"
    );
    assert_eq!(World::new(1).rates.next_deadline(), None);
}

#[test]
fn a_gap_of_the_ingest_tells_nothing_and_teaches_nothing() {
    let mut world = beating(8, 300, 30);
    for _ in 0..90 {
        world.end_as(Hearing::Gap);
    }
    for _ in 0..120 {
        beat(&mut world, 30);
        world.some(1, 20.0);
        world.end();
    }
    assert_eq!(world.kinds(), []);
    for _ in 0..3 {
        world.some(1, 20.0);
        world.end();
    }
    assert_eq!(world.kinds(), [(RateKind::Silence, Some(9))]);
}

#[test]
fn a_stream_that_falls_silent_is_one_alarm_and_none_of_its_templates() {
    let mut world = beating(9, 300, 30);
    for _ in 0..45 {
        world.end();
    }
    assert_eq!(world.kinds(), [(RateKind::Silence, None)]);
    let (minute, alarm) = &world.told[0];
    assert!(*minute <= 303, "{minute}");
    assert_eq!(alarm.observed, 0.0);
    // What piled up comes at once.
    world.some(1, 900.0);
    for _ in 0..120 {
        beat(&mut world, 30);
        world.some(1, 20.0);
        world.end();
    }
    assert_eq!(world.told.len(), 1, "{:?}", world.kinds());
}

#[test]
fn a_stream_that_is_often_quiet_may_be() {
    let mut world = World::new(10);
    for minute in 0..3 * DAY {
        if minute / 7 % 5 == 0 {
            world.some(1, 4.0);
        }
        world.end();
    }
    assert_eq!(world.kinds(), []);
}

#[test]
fn clocks_may_jump_ahead_and_back() {
    for jump in [3_600i64, 86_400 * 400, -7_200, -86_400 * 400] {
        let mut world = beating(11, 300, 30);
        world.minute = world.minute.wrapping_add_signed(jump / 60);
        for _ in 0..300 {
            beat(&mut world, 30);
            world.some(1, 20.0);
            world.end();
        }
        assert_eq!(world.kinds(), [], "after a jump of {jump} s");
        for _ in 0..3 {
            world.some(1, 20.0);
            world.end();
        }
        assert_eq!(
            world.kinds(),
            [(RateKind::Silence, Some(9))],
            "after a jump of {jump} s"
        );
    }
}

#[test]
fn nothing_is_told_while_learning_or_right_after_a_start() {
    let mut world = World::new(12);
    world.plain(LEARNING_BUCKETS as u64 / 2);
    world.some(1, 500.0);
    world.end();
    assert_eq!(world.kinds(), []);
    world.plain(200);
    world.some(1, 500.0);
    world.end_as(Hearing::Learning);
    for _ in 0..30 {
        world.some(1, 500.0);
        world.end_as(Hearing::Learning);
    }
    assert_eq!(world.kinds(), []);
}

#[test]
fn a_rate_that_rises_is_one_alarm_with_its_places() {
    let mut world = World::new(13);
    world.plain(240);
    for minute in 0..60 {
        world.some(1, 20.0);
        world.some(2, 5.0);
        world.some(3, 0.5);
        for copy in 0..15 {
            world.one(3, (4 * copy) as f64, false, 77);
        }
        world.end();
        assert!(minute > 1 || world.told.len() <= 1);
    }
    world.plain(120);
    assert_eq!(world.kinds(), [(RateKind::RateUp, Some(3))]);
    let alarm = &world.told[0].1;
    assert!(world.told[0].0 <= 242);
    assert_eq!(alarm.places[0].0, 77);
    assert!(alarm.observed >= 15.0 && alarm.usual.1 <= 4.0, "{alarm:?}");
    assert!(alarm.p_value < 0.001 && alarm.last > alarm.first);
}

#[test]
fn a_rate_that_falls_is_found_and_told_again_only_when_it_rises() {
    let mut world = World::new(14);
    world.plain(300);
    for _ in 0..60 {
        world.some(1, 1.0);
        world.some(2, 5.0);
        world.some(3, 0.5);
        world.end();
    }
    let kinds = world.kinds();
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    assert!(matches!(
        kinds[0],
        (RateKind::RateDown | RateKind::Silence, Some(1) | None)
    ));
    for _ in 0..30 {
        world.some(1, 400.0);
        world.some(2, 5.0);
        world.some(3, 0.5);
        world.end();
    }
    assert_eq!(world.kinds()[1..], [(RateKind::RateUp, Some(1))]);
}

#[test]
fn what_lasts_is_how_things_are_now_and_not_before() {
    let mut world = World::new(15);
    world.plain(300);
    let until = |world: &mut World, minutes: u64| {
        for _ in 0..minutes {
            world.some(1, 200.0);
            world.some(2, 5.0);
            world.some(3, 0.5);
            world.end();
        }
    };
    until(&mut world, 5 * 60);
    let usual = world.told[0].1.usual;
    world.plain(60);
    until(&mut world, 5);
    assert_eq!(
        world.told.len(),
        2,
        "the first episode taught nothing: {:?}",
        world.kinds()
    );
    assert!(
        world.told[1].1.usual.1 < 2.0 * usual.1,
        "{:?}",
        world.told[1].1
    );
    until(&mut world, 8 * 60);
    let told = world.told.len();
    until(&mut world, 8 * 60);
    assert_eq!(
        world.told.len(),
        told,
        "it is accepted: {:?}",
        world.kinds()
    );
}

#[test]
fn new_templates_are_told_when_they_persist() {
    let mut world = World::new(16);
    let noise = |world: &mut World| {
        world.some(1, 20.0);
        world.some(2, 5.0);
        if world.dice.unit() < 0.3 {
            let id = 1_000 + world.minute;
            world.one(id, 30.0, true, world.minute as u32 % 40);
        }
        world.end();
    };
    (0..600).for_each(|_| noise(&mut world));
    assert_eq!(
        world.kinds(),
        [],
        "new lines are normal in a log that keeps bringing them"
    );
    for _ in 0..15 {
        for copy in 0..12 {
            world.one(9_999, (5 * copy) as f64, true, 66);
        }
        noise(&mut world);
    }
    (0..200).for_each(|_| noise(&mut world));
    assert_eq!(world.kinds(), [(RateKind::NewBurst, Some(9_999))]);
    let alarm = &world.told[0].1;
    assert_eq!(
        (alarm.templates[0].0, alarm.places[0].0),
        (TemplateId(9_999), 66)
    );
}

#[test]
fn a_flood_of_templates_costs_no_memory_and_drives_out_nothing_that_lives() {
    let mut world = World::new(17);
    world.plain(60);
    for flood in 0..200_000u64 {
        let time = world.time().plus(Duration::from_micros(flood * 250));
        world
            .rates
            .observe(TemplateId(1_000_000 + flood), true, time, flood as u32);
    }
    assert!(world.rates.watched() <= RateSettings::default().templates_max);
    assert!(world.rates.evicted() > 190_000);
    for id in 1..=3 {
        let kept = world
            .rates
            .watched
            .iter()
            .find(|w| w.template == Some(TemplateId(id)));
        assert!(kept.is_some_and(|watched| watched.records > 10));
    }
    let bytes = postcard::to_allocvec(&world.rates).unwrap().len();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}

#[test]
fn a_template_that_is_renamed_takes_its_rate_along() {
    let mut world = World::new(18);
    world.plain(300);
    world.rates.follow(TemplateId(1), TemplateId(11));
    for _ in 0..100 {
        world.some(11, 20.0);
        world.some(2, 5.0);
        world.some(3, 0.5);
        world.end();
    }
    assert_eq!(world.kinds(), []);
    world.some(11, 400.0);
    world.end();
    assert_eq!(world.kinds(), [(RateKind::RateUp, Some(11))]);
}

#[test]
fn a_restart_changes_nothing_and_tells_nothing() {
    let mut world = beating(19, 300, 30);
    let bytes = postcard::to_allocvec(&world.rates).unwrap();
    assert_eq!(
        bytes,
        postcard::to_allocvec(&beating(19, 300, 30).rates).unwrap()
    );
    world.rates = postcard::from_bytes(&bytes).unwrap();
    world.minute += 45;
    for _ in 0..60 {
        beat(&mut world, 30);
        world.some(1, 20.0);
        world.end();
    }
    assert_eq!(world.kinds(), []);
    world.some(1, 400.0);
    beat(&mut world, 30);
    world.end();
    assert_eq!(world.kinds(), [(RateKind::RateUp, Some(1))]);
}
