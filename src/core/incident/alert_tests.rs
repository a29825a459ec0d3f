//! What an operator would notice of other systems' alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;

use super::tests::World;
use super::{Correlator, Dora, Settings};
use crate::core::event::{Gravity, Incident, IncidentState, Source, Stage};
use crate::core::record::{Severity, StreamKey, Timestamp};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl World {
    /// Another system's warning.
    fn alert(&mut self, service: &str, name: &str) {
        let mut sign = self.sign(service, name);
        (sign.source, sign.severity) = (Source::Alert, Severity::Warn);
        sign.says = name.into();
        self.hear(sign);
    }

    /// Names that never came, one right after the other.
    fn burst(&mut self, service: &str, name: &str, names: u32) {
        for number in 0..names {
            self.alert(service, &format!("{name} {number}"));
        }
    }

    /// So many days in which three services have their usual alerts every ten minutes, and one of them
    /// a new one every eight hours.
    fn days(&mut self, days: u64) {
        for minutes in 0..days * 144 {
            for service in ["mail", "web", "gate"] {
                self.alert(service, "logged in");
            }
            if minutes % 48 == 20 {
                self.made_up_news();
            }
            self.wait(10 * MINUTE);
        }
    }

    fn made_up_news(&mut self) {
        let name = format!("news of {:?}", self.now);
        self.alert("gate", &name);
    }

    /// What was opened since, without the incident that gathers the rest of a day.
    fn opened(&self, since: usize) -> Vec<&Incident> {
        let events = self.told.iter().skip(since);
        let opened = events.filter(|event| event.stage == Stage::Opened);
        let opened = opened.map(|event| &*event.incident);
        opened
            .filter(|it| &*it.route.why != Correlator::REST_WHY)
            .collect()
    }

    /// An incident as it is, or as it was last told.
    fn as_it_is(&self, id: &str) -> Incident {
        let live = self.correlator.get(id);
        live.unwrap_or_else(|| self.last(id))
    }

    fn rests(&self) -> Vec<Incident> {
        let mut rests = BTreeMap::new();
        for event in &self.told {
            if &*event.incident.route.why == Correlator::REST_WHY {
                let now = self.as_it_is(&event.incident.id);
                rests.insert(event.incident.began, now);
            }
        }
        rests.into_values().collect()
    }
}

/// A world in which three days went by as usual.
fn learned() -> World {
    static LEARNED: LazyLock<World> = LazyLock::new(|| {
        let mut world = World::new();
        world.days(3);
        world
    });
    LEARNED.clone()
}

fn quoted<'a>(incident: &'a Incident, says: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
    let signs = incident.signs.iter();
    let signs = signs.filter(move |sign| sign.says.starts_with(says));
    signs.map(|sign| (&*sign.kind, sign.count))
}

#[test]
fn what_comes_every_day_and_what_is_new_every_day_open_nothing() {
    let mut world = learned();
    assert!(world.opened(0).is_empty());
    let told = world.told.len();
    world.days(2);
    assert!(world.opened(told).is_empty());
}

#[test]
fn in_the_first_day_everything_is_new_and_nothing_is_told() {
    let mut world = World::new();
    world.days(1);
    world.burst("web", "broken in", 9);
    world.wait(HOUR);
    assert!(world.told.is_empty());
}

#[test]
fn much_that_never_came_is_one_incident_within_the_settle_time() {
    let mut world = learned();
    let told = world.told.len();
    let began = world.now;
    world.burst("web", "broken in", 4);
    world.wait(2 * MINUTE);
    let opened = world.opened(told);
    assert_eq!(opened.len(), 1);
    // Each of the three services had its usual alert twice in the half hour before.
    assert_eq!((opened[0].began, opened[0].sign_count), (began, 4 + 3 * 2));
    assert_eq!(opened[0].detected.since(began), Settings::default().settle);
    assert!(!opened[0].route.pages);
}

#[test]
fn a_name_that_came_twice_in_three_days_is_usual_and_one_that_came_once_is_not() {
    for (times, in_rest) in [(1, true), (3, false)] {
        let mut world = learned();
        for _ in 0..times {
            world.alert("web", "disk swapped");
            world.wait(HOUR);
        }
        world.wait(DAY);
        world.made_up_news();
        world.wait(MINUTE);
        world.alert("web", "disk swapped");
        world.wait(MINUTE);
        let last = world.rests().pop().unwrap();
        let is_there = quoted(&last, "disk swapped").count() > 0;
        assert_eq!(is_there, in_rest, "after {times} times");
    }
}

#[test]
fn what_is_unusual_but_no_more_than_other_things_is_gathered_once_a_day_and_wakes_nobody() {
    let mut world = learned();
    let before = world.rests().len();
    world.days(2);
    let rests = world.rests();
    assert_eq!(rests.len() - before, 2);
    for rest in &rests[before..] {
        assert_eq!(
            (rest.severity, rest.sign_count >= 3),
            (Gravity::Warning, true)
        );
        assert!(!rest.route.pages);
        assert_eq!(quoted(rest, "news of").count(), 3);
    }
    world.wait(2 * DAY);
    let mut over = world.rests().into_iter();
    assert!(over.all(|rest| rest.state == IncidentState::Resolved));
    let rests = world.rests();
    let figures = Dora::of(&rests, [], (Timestamp::ZERO, world.now));
    assert_eq!((figures.incidents, figures.restore), (0, None));
}

#[test]
fn trouble_comes_in_company_but_not_for_ever() {
    for (later, incidents) in [(20 * MINUTE, 2), (2 * HOUR, 1)] {
        let mut world = learned();
        let told = world.told.len();
        world.burst("web", "broken in", 4);
        world.wait(later);
        // As surprising as what is new every day.
        world.alert("mail", "a door stands open");
        world.wait(MINUTE);
        assert_eq!(world.opened(told).len(), incidents, "{later:?} later");
    }
}

#[test]
fn more_of_the_same_right_where_something_goes_on_is_no_other_incident() {
    for (pause, incidents) in [(12 * SECOND, 1), (40 * SECOND, 2)] {
        let mut world = learned();
        let told = world.told.len();
        world.burst("web", "broken in", 4);
        world.wait(pause);
        world.alert("web", "a door stands open");
        world.wait(MINUTE);
        assert_eq!(world.opened(told).len(), incidents, "{pause:?} later");
    }
}

#[test]
fn another_matter_as_seldom_is_an_incident_of_its_own_even_there() {
    let mut world = learned();
    let told = world.told.len();
    world.burst("web", "broken in", 4);
    world.wait(12 * SECOND);
    world.burst("web", "taken over", 4);
    world.wait(MINUTE);
    assert_eq!(world.opened(told).len(), 2);
}

#[test]
fn a_sweep_over_many_services_is_one_incident() {
    let mut world = learned();
    let told = world.told.len();
    for round in 0..4 {
        for service in ["mail", "web", "gate", "files", "shop"] {
            world.burst(service, &format!("knocked {round}"), 2);
        }
        world.wait(8 * SECOND);
    }
    world.wait(MINUTE);
    let opened = world.opened(told);
    assert_eq!(opened.len(), 1);
    let now = world.as_it_is(&opened[0].id);
    assert_eq!(now.parts.len(), 5);
}

#[test]
fn what_came_along_is_counted_by_name_and_is_neither_evidence_nor_keeps_anything_going() {
    let mut world = learned();
    let told = world.told.len();
    world.alert("mail", "logged in");
    world.wait(25 * MINUTE);
    world.alert("mail", "logged in");
    world.burst("web", "broken in", 4);
    for _ in 0..5 {
        world.wait(2 * MINUTE);
        world.alert("mail", "logged in");
    }
    let id = world.opened(told)[0].id.clone();
    let along = |world: &World| {
        let incident = world.as_it_is(&id);
        let along = quoted(&incident, Correlator::CAME_ALONG);
        let mail = along
            .filter(|(kind, _)| *kind == "logged in")
            .map(|(_, count)| count);
        (mail.max(), incident.signs[0].kind.clone())
    };
    let (logins, first) = along(&world);
    assert_eq!((logins, &*first), (Some(7), "broken in 0"));
    for _ in 0..5 {
        world.alert("mail", "logged in");
        world.wait(2 * MINUTE);
    }
    let ended = world.as_it_is(&id);
    assert_eq!(ended.state, IncidentState::Resolved);
    assert_eq!(ended.parts.len(), 1);
    assert_eq!(ended.severity, Gravity::Warning);
}

#[test]
fn neither_cause_nor_route_see_what_came_along() {
    let mut world = learned();
    world.burst("web", "broken in", 4);
    let (mut seen, mut told) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        world.now = world.now.plus(SECOND);
        world.correlator.advance(world.now);
        let note = |incident: &Incident| incident.signs.len();
        let caused = std::cell::RefCell::new(&mut seen);
        let events = world.correlator.take(
            |incident| caused.borrow_mut().push(note(incident)),
            |incident, _| caused.borrow_mut().push(note(incident)),
        );
        told.extend(events.iter().map(|event| event.incident.signs.len()));
    }
    assert_eq!(seen.iter().max(), Some(&4));
    // The usual alerts of the three services.
    assert_eq!(told, [4 + 3]);
}

#[test]
fn alerts_of_another_place_do_not_come_along() {
    let mut world = learned();
    let told = world.told.len();
    let mut far = world.sign("mail", "logged in");
    (far.source, far.severity) = (Source::Alert, Severity::Warn);
    far.stream = StreamKey {
        namespace: "elsewhere".into(),
        ..far.stream
    };
    for number in 0..9 {
        far.id = format!("far {number}").into();
        world.hear(far.clone());
        world.wait(20 * MINUTE);
    }
    far.id = "far".into();
    world.hear(far.clone());
    world.burst("web", "broken in", 4);
    world.wait(MINUTE);
    let opened = world.opened(told);
    let web = opened.iter().find(|it| &*it.parts[0].stream.name == "web");
    let mut signs = web.unwrap().signs.iter();
    assert!(signs.all(|sign| sign.stream.namespace.is_empty()));
}

#[test]
fn an_alert_that_its_system_calls_an_error_is_an_incident_at_once() {
    let mut world = World::new();
    let mut sign = world.sign("web", "broken in");
    sign.source = Source::Alert;
    world.hear(sign);
    world.wait(MINUTE);
    assert_eq!(world.opened(0).len(), 1);
}

#[test]
fn whoever_closes_the_days_rest_is_left_in_peace_until_tomorrow() {
    let mut world = learned();
    world.made_up_news();
    world.wait(MINUTE);
    let rest = world.rests().pop().unwrap();
    let mark = world.mark();
    world.correlator.resolve(&rest.id, mark).unwrap();
    world.take();
    let told = world.told.len();
    for _ in 0..3 {
        world.wait(HOUR);
        world.made_up_news();
    }
    assert_eq!(world.told.len(), told);
    world.days(2);
    assert_eq!(world.rests().last().unwrap().state, IncidentState::Open);
}

/// What comes after three usual days: from where, how many new names, and when.
fn storms() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    prop::collection::vec((0_u8..6, 0_u8..8, 0_u64..2_000), 1..120)
}

fn play(world: &mut World, (place, &(service, names, seconds)): (usize, &(u8, u8, u64))) {
    let service = ["mail", "web", "gate", "files", "shop", "desk"][usize::from(service)];
    world.alert(service, "logged in");
    world.burst(service, &format!("news {place}"), u32::from(names));
    world.wait(Duration::from_secs(seconds));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However much comes that never came, a day has no more incidents than it may.
    #[test]
    fn a_day_has_no_more_incidents_than_it_may(storms in storms(), most in 0_usize..6) {
        let mut world = learned();
        let settings = Settings { alert_incidents_max: most, ..Settings::default() };
        world.correlator.reconfigure(settings);
        let (start, told) = (world.now, world.told.len());
        for step in storms.iter().enumerate() {
            play(&mut world, step);
        }
        world.wait(HOUR);
        let mut days: BTreeMap<u64, usize> = BTreeMap::new();
        for event in world.told.iter().skip(told).filter(|event| event.stage == Stage::Opened) {
            let day = event.incident.began.since(start).as_secs() / DAY.as_secs();
            *days.entry(day).or_default() += 1;
        }
        prop_assert!(days.values().all(|count| *count <= most), "{:?} of {}", days, most);
    }

    /// Every alert is part of one incident or counted, also when a restart tears a burst.
    #[test]
    fn alerts_are_accounted_for_and_a_restart_changes_nothing(
        storms in storms(),
        restart in 0_usize..120,
    ) {
        let mut worlds = [learned(), learned()];
        for (place, storm) in storms.iter().enumerate() {
            for (number, world) in worlds.iter_mut().enumerate() {
                if (number, place) == (1, restart) {
                    world.keep();
                    world.correlator = world.restored();
                }
                play(world, (place, storm));
            }
        }
        prop_assert_eq!(&worlds[0].told, &worlds[1].told);
        prop_assert_eq!(&worlds[0].correlator, &worlds[1].correlator);
        let [mut world, _] = worlds;
        world.wait(3 * DAY);
        let counts = world.correlator.counts();
        let ids: BTreeSet<_> = world.told.iter().map(|event| &event.incident.id).collect();
        let total: u64 = ids.into_iter().map(|id| world.as_it_is(id).sign_count).sum();
        prop_assert_eq!(total, counts.joined);
        prop_assert_eq!(counts.joined + counts.background, world.made());
    }
}

#[test]
fn a_hundred_thousand_names_and_services_stay_within_bounds() {
    let mut world = learned();
    for number in 0..100_000_u32 {
        world.alert(
            &format!("s{}", number % 7_000),
            &format!("n{}", number % 9_000),
        );
        if number % 8 == 0 {
            world.wait(SECOND);
        }
    }
    let bytes = world.keep();
    assert!(bytes < 24 << 20, "{bytes} bytes");
    assert!(
        world
            .live()
            .iter()
            .all(|it| it.signs.len() <= Incident::SIGNS_MAX)
    );
    let counts = world.correlator.counts();
    assert_eq!(counts.joined + counts.background, world.made());
}

#[test]
fn what_was_sent_twice_is_no_surprise() {
    let mut world = learned();
    let told = world.told.len();
    let mut sign = world.sign("web", "broken in");
    (sign.source, sign.severity) = (Source::Alert, Severity::Warn);
    for _ in 0..50 {
        world
            .correlator
            .sign(Arc::new(sign.clone()), &world.topology, world.now);
    }
    world.wait(MINUTE);
    assert!(world.opened(told).is_empty());
    assert_eq!(world.correlator.counts().repeated, 49);
}
