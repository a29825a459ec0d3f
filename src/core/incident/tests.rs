//! What an operator would notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Correlator, IncidentError, SavedPart, Settings};
use crate::core::event::{
    Class, Gravity, Incident, IncidentEvent, IncidentState, Mark, Relation, Sign, Source, Stage,
    Suspect, Verdict,
};
use crate::core::record::{Severity, StreamKey, Timestamp, TraceId};
use crate::core::topology::{LinkSource, Topology};

/// A correlator with a clock and a topology.
#[derive(Clone)]
pub(super) struct World {
    pub(super) correlator: Correlator,
    pub(super) topology: Topology,
    pub(super) now: Timestamp,
    pub(super) told: Vec<IncidentEvent>,
    /// What is on the disk, by name.
    pub(super) kept: BTreeMap<Box<str>, SavedPart>,
    made: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            correlator: Correlator::new(Settings::default()),
            topology: Topology::default(),
            now: Timestamp::from_millis(1_800_000_000_000),
            told: Vec::new(),
            kept: BTreeMap::new(),
            made: 0,
        }
    }

    pub(super) fn link(&mut self, caller: &str, callee: &str) {
        let (caller, callee) = (StreamKey::named(caller), StreamKey::named(callee));
        self.topology
            .link(&caller, &callee, self.now, LinkSource::Span);
    }

    /// A sign of `kind` at a service, right now.
    pub(super) fn sign(&mut self, service: &str, kind: &str) -> Sign {
        self.made += 1;
        sign(service, kind, self.made, self.now)
    }

    pub(super) fn see(&mut self, service: &str) {
        let sign = self.sign(service, "sequence");
        self.hear(sign);
    }

    pub(super) fn hear(&mut self, sign: Sign) {
        self.correlator
            .sign(Arc::new(sign), &self.topology, self.now);
        self.take();
    }

    /// Lets time pass, second by second where something is due.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while self.now < end {
            let next = self.correlator.next_deadline().unwrap_or(end);
            self.now = next.max(self.now.plus(Duration::from_millis(1))).min(end);
            self.correlator.advance(self.now);
            self.take();
        }
    }

    pub(super) fn take(&mut self) {
        self.told.extend(self.correlator.take(|_| {}, |_, _| {}));
    }

    /// Writes what changed. Gives how many bytes that are.
    pub(super) fn keep(&mut self) -> usize {
        let parts = self.correlator.changed_parts().unwrap();
        let len = parts
            .iter()
            .filter_map(|part| Some(part.body.as_ref()?.len()));
        let len = len.sum();
        for part in parts {
            self.kept.insert(part.name.clone(), part);
        }
        self.kept.retain(|_, part| part.body.is_some());
        self.correlator.is_saved();
        len
    }

    /// The correlator after a crash.
    pub(super) fn restored(&self) -> Correlator {
        let parts: Vec<SavedPart> = self.kept.values().cloned().collect();
        Correlator::restored(Settings::default(), &parts).unwrap()
    }

    /// An incident as it was last told.
    pub(super) fn last(&self, id: &str) -> Incident {
        let mut told = self.told.iter().rev();
        let last = told.find(|event| *event.incident.id == *id).unwrap();
        Incident::clone(&last.incident)
    }

    pub(super) fn live(&self) -> Vec<Incident> {
        self.correlator.live().collect()
    }

    /// How many signs were made.
    pub(super) const fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn stages(&self) -> Vec<Stage> {
        self.told.iter().map(|event| event.stage).collect()
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            at: self.now,
            by: "ada".into(),
            note: Some("restarted it".into()),
        }
    }
}

pub(super) fn sign(service: &str, kind: &str, number: u64, at: Timestamp) -> Sign {
    Sign {
        id: format!("{number:032x}").into(),
        fingerprint: format!("{service}/{kind}").into(),
        source: Source::Log,
        kind: kind.into(),
        class: Class::Error,
        severity: Severity::Error,
        score: 0.999,
        first_seen: at,
        last_seen: at,
        count: 1,
        stream: StreamKey::named(service),
        resource: Arc::default(),
        trace: None,
        says: "a step is missing".into(),
        template: None,
        lines: Vec::new(),
        expected: None,
        stack: None,
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn trace(byte: u8) -> Option<TraceId> {
    TraceId::from_bytes(&[byte; 16])
}

#[test]
fn the_first_message_comes_when_it_has_settled_and_names_more_than_one_sign() {
    let mut world = World::new();
    world.see("cart");
    world.wait(5 * SECOND);
    world.see("cart");
    assert!(world.told.is_empty());
    world.wait(5 * SECOND);
    assert_eq!(world.stages(), [Stage::Opened]);
    let incident = &world.told[0].incident;
    assert_eq!((incident.revision, incident.sign_count), (1, 2));
    assert_eq!(incident.detected.since(incident.began), 10 * SECOND);
    assert_eq!((incident.id.len(), incident.fingerprint.len()), (32, 16));
}

#[test]
fn two_strangers_that_break_three_minutes_apart_are_two_incidents() {
    let mut world = World::new();
    world.see("cart");
    world.wait(3 * MINUTE);
    world.see("billing");
    world.wait(MINUTE);
    assert_eq!(world.live().len(), 2);
}

#[test]
fn neighbours_are_one_incident_until_the_first_is_quiet_for_too_long() {
    for (pause, incidents) in [(4 * MINUTE, 1), (6 * MINUTE, 2)] {
        let mut world = World::new();
        world.link("front", "cart");
        world.link("cart", "db");
        world.see("db");
        world.wait(pause);
        world.see("front");
        world.wait(MINUTE);
        let live = world.live();
        assert_eq!(live.len(), incidents, "after {pause:?}");
        if incidents == 1 {
            let parts: Vec<_> = live[0].parts.iter().map(|part| part.relation).collect();
            assert_eq!(parts, [Relation::First, Relation::Topology]);
        }
    }
}

#[test]
fn a_shared_trace_makes_one_of_two_open_incidents_and_says_where_the_other_went() {
    let mut world = World::new();
    let mut first = world.sign("cart", "sequence");
    first.trace = trace(1);
    world.hear(first);
    world.wait(3 * MINUTE);
    world.see("billing");
    world.wait(MINUTE);
    assert_eq!(world.live().len(), 2);
    let mut both = world.sign("billing", "timing");
    both.trace = trace(1);
    world.hear(both);
    let live = world.live();
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].parts.len(), live[0].sign_count), (2, 3));
    assert_eq!(&*live[0].parts[0].stream.name, "cart");
    let end = world
        .told
        .iter()
        .find(|event| event.stage == Stage::Resolved);
    let note = end.unwrap().incident.ended.clone().unwrap();
    assert_eq!(&*note.by, Correlator::OURSELVES);
    assert_eq!(
        note.note.unwrap(),
        format!("it is part of incident {}", live[0].id).into()
    );
}

#[test]
fn a_storm_of_fifty_services_is_at_most_three_incidents_with_and_without_a_topology() {
    // How far apart the services break.
    for gap in [Duration::from_millis(100), SECOND, 5 * SECOND] {
        for with_topology in [true, false] {
            let mut world = World::new();
            if with_topology {
                (0..50).for_each(|n| world.link(&format!("s{n:02}"), "db"));
            }
            for n in 0..50 {
                world.see(&format!("s{:02}", (n * 7) % 50));
                world.wait(gap);
            }
            world.wait(MINUTE);
            let opened = world
                .stages()
                .iter()
                .filter(|stage| **stage == Stage::Opened)
                .count();
            assert!(
                opened <= 3,
                "{opened} with {gap:?} between, topology {with_topology}"
            );
            let live = world.live();
            assert_eq!(
                live.len(),
                1,
                "with {gap:?} between, topology {with_topology}"
            );
            assert_eq!(
                (live[0].parts.len(), live[0].severity),
                (50, Gravity::Critical)
            );
        }
    }
}

#[test]
fn what_breaks_now_and_then_all_day_is_no_storm() {
    let mut world = World::new();
    for n in 0..400 {
        world.see(&format!("s{n}"));
        world.wait(MINUTE / 6);
    }
    let mut opened = world
        .told
        .iter()
        .filter(|event| event.stage == Stage::Opened);
    assert!(
        opened
            .clone()
            .skip(100)
            .all(|event| event.incident.parts.len() == 1)
    );
    assert!(opened.nth(300).is_some());
}

#[test]
fn it_ends_when_it_is_quiet_and_comes_back_with_the_same_id() {
    let mut world = World::new();
    world.see("cart");
    world.wait(16 * MINUTE);
    assert_eq!(world.stages(), [Stage::Opened, Stage::Resolved]);
    let ended = world.told[1].incident.ended.clone().unwrap();
    assert_eq!((&*ended.by, ended.note), (Correlator::OURSELVES, None));
    world.see("cart");
    assert_eq!(world.stages()[2..], [Stage::Updated]);
    assert_eq!(world.told[2].incident.id, world.told[0].incident.id);
    assert_eq!(world.told[2].incident.state, IncidentState::Open);
    assert_eq!(world.told[2].incident.ended, None);
    // It flaps: from now on it has to be quiet for twice as long.
    world.wait(29 * MINUTE);
    assert_eq!(world.stages().len(), 3);
    world.wait(2 * MINUTE);
    assert_eq!(world.stages()[3..], [Stage::Resolved]);
}

#[test]
fn it_comes_back_until_the_time_to_come_back_is_over() {
    for (pause, is_back) in [(9 * MINUTE, true), (11 * MINUTE, false)] {
        let mut world = World::new();
        world.see("cart");
        world.wait(15 * MINUTE);
        assert_eq!(world.stages(), [Stage::Opened, Stage::Resolved]);
        world.wait(pause);
        world.see("cart");
        world.wait(MINUTE);
        let ids: std::collections::BTreeSet<_> = world
            .told
            .iter()
            .map(|event| event.incident.id.clone())
            .collect();
        assert_eq!(ids.len() == 1, is_back, "after {pause:?}");
    }
}

#[test]
fn what_goes_on_after_somebody_said_that_it_is_over_is_told_again() {
    let mut world = World::new();
    // Spans find the same thing again and again: one sign.
    let mut finding = world.sign("db", "span_own_time");
    world.hear(finding.clone());
    world.wait(MINUTE);
    let (id, mark) = (world.live()[0].id.clone(), world.mark());
    world.correlator.resolve(&id, mark).unwrap();
    world.take();
    world.wait(MINUTE);
    world.hear(finding.clone());
    assert_eq!(
        world.stages()[1..],
        [Stage::Resolved],
        "sent again: nothing new was seen"
    );
    finding.last_seen = world.now;
    world.hear(finding);
    assert_eq!(world.stages()[2..], [Stage::Updated]);
    assert_eq!(world.last(&id).state, IncidentState::Open);
}

#[test]
fn a_sign_that_comes_late_opens_nothing_that_somebody_closed() {
    let mut world = World::new();
    world.see("cart");
    world.wait(5 * MINUTE);
    // What stayed away is known when its time is over: minutes later.
    let late = world.sign("cart", "sequence");
    let mut grave = world.sign("cart", "sequence");
    grave.severity = Severity::Fatal;
    world.wait(MINUTE);
    let (id, mark) = (world.live()[0].id.clone(), world.mark());
    world.correlator.resolve(&id, mark).unwrap();
    world.take();
    world.wait(MINUTE);
    world.hear(late);
    world.wait(MINUTE);
    assert_eq!(world.stages(), [Stage::Opened, Stage::Resolved]);
    let counted = world.correlator.get(&id).unwrap();
    assert_eq!(
        (counted.sign_count, counted.state),
        (2, IncidentState::Resolved)
    );
    // What is graver than all that was known is news.
    world.hear(grave);
    world.wait(MINUTE);
    assert_eq!(world.stages()[2..], [Stage::Opened]);
}

#[test]
fn a_sign_that_comes_late_opens_again_what_only_went_quiet() {
    let mut world = World::new();
    world.see("cart");
    world.wait(14 * MINUTE);
    let late = world.sign("cart", "sequence");
    world.wait(2 * MINUTE);
    assert_eq!(world.stages(), [Stage::Opened, Stage::Resolved]);
    world.hear(late);
    assert_eq!(world.stages()[2..], [Stage::Updated]);
}

#[test]
fn it_lasts_from_the_first_abnormal_record_until_the_last_was_seen() {
    let mut world = World::new();
    let began = world.now;
    world.wait(30 * SECOND);
    let mut finding = world.sign("db", "span_own_time");
    finding.first_seen = began.plus(20 * SECOND);
    world.hear(finding.clone());
    let mut earlier = world.sign("db", "sequence");
    earlier.first_seen = began;
    earlier.last_seen = began;
    world.hear(earlier);
    for _ in 0..20 {
        world.wait(MINUTE);
        finding.last_seen = world.now;
        world.hear(finding.clone());
    }
    let seen = world.now;
    // A neighbour of what is still broken is part of it.
    world.link("front", "db");
    world.see("front");
    world.wait(Duration::from_hours(1));
    assert_eq!(world.stages().first(), Some(&Stage::Opened));
    let id = world.told[0].incident.id.clone();
    let last = world.last(&id);
    assert_eq!((last.began, last.last_seen), (began, seen));
    let mut signs = last.signs.iter();
    let found = signs.find(|sign| *sign.kind == *"span_own_time").unwrap();
    assert_eq!(found.last_seen, seen);
    assert_eq!((last.parts.len(), last.sign_count), (2, 3));
}

#[test]
fn what_two_suspects_swap_without_evidence_is_no_news() {
    let mut world = World::new();
    for minute in 0..60 {
        let sign = Arc::new(world.sign("cart", "sequence"));
        world.correlator.sign(sign, &world.topology, world.now);
        world.now = world.now.plus(MINUTE);
        world.correlator.advance(world.now);
        let told = world.correlator.take(
            |incident| {
                let suspect = Suspect {
                    stream: StreamKey::named(&format!("s{}", minute % 2)),
                    pod: None,
                    component: None,
                    share: 0.5,
                    evidence: Vec::new(),
                };
                incident.cause.suspects = vec![suspect];
                if minute >= 40 {
                    incident.cause.verdict = Verdict::Possible;
                }
            },
            |_, _| {},
        );
        world.told.extend(told);
    }
    let before = world
        .told
        .iter()
        .filter(|event| event.incident.cause.verdict == Verdict::NotEnoughEvidence);
    assert_eq!(before.count(), 1);
    assert!(world.told.len() > 1, "a verdict is");
}

#[test]
fn another_trouble_of_the_same_service_does_not_open_an_old_incident_again() {
    let mut world = World::new();
    world.see("cart");
    world.wait(16 * MINUTE);
    let other = world.sign("cart", "silence");
    world.hear(other);
    world.wait(MINUTE);
    assert_eq!(
        world.stages(),
        [Stage::Opened, Stage::Resolved, Stage::Opened]
    );
}

#[test]
fn what_came_back_next_week_is_known_with_what_was_done_about_it() {
    let mut world = World::new();
    world.see("cart");
    world.wait(2 * MINUTE);
    world.see("cart");
    world.wait(MINUTE);
    let id = world.live()[0].id.clone();
    world.correlator.done(&id, "roll_back", true).unwrap();
    let mark = world.mark();
    world.correlator.note(&id, &mark).unwrap();
    world.wait(Duration::from_hours(7 * 24));
    world.see("cart");
    world.wait(MINUTE);
    let again = &world.live()[0];
    let first = &world.told[0].incident;
    assert_ne!(again.id, first.id);
    assert_eq!(again.fingerprint, first.fingerprint);
    let before = again.before.clone().unwrap();
    assert_eq!((before.times, before.last), (1, Some(first.began)));
    assert_eq!(before.usually_lasts, Some(2 * MINUTE));
    let done: Vec<_> = before
        .done
        .iter()
        .map(|done| (&*done.action, done.helped))
        .collect();
    assert_eq!(done, [("restarted it", 1), ("roll_back", 1)]);
}

#[test]
fn a_note_did_not_help_if_the_signs_went_on() {
    let mut world = World::new();
    world.see("cart");
    world.wait(MINUTE);
    let id = world.live()[0].id.clone();
    let mark = world.mark();
    world.correlator.note(&id, &mark).unwrap();
    world.wait(MINUTE);
    world.see("cart");
    world.wait(Duration::from_hours(1));
    world.see("cart");
    world.wait(MINUTE);
    let before = world.live()[0].before.clone().unwrap();
    assert_eq!((before.done[0].times, before.done[0].helped), (1, 0));
}

#[test]
fn what_comes_every_day_pages_no_more_unless_it_lasts_longer() {
    let mut world = World::new();
    for _ in 0..4 {
        world.see("cart");
        world.wait(MINUTE);
        assert!(world.live()[0].route.pages);
        world.see("cart");
        world.wait(Duration::from_hours(24));
    }
    world.see("cart");
    world.wait(10 * MINUTE);
    let fifth = &world.live()[0];
    assert!(!fifth.route.pages, "{}", fifth.route.why);
    let told = world.told.len();
    for _ in 0..6 {
        world.wait(MINUTE);
        world.see("cart");
    }
    let update = &world.told[told];
    assert_eq!(
        (update.stage, update.incident.route.pages),
        (Stage::Updated, true)
    );
}

#[test]
fn what_shows_once_every_night_pages_four_times_and_no_more() {
    let mut world = World::new();
    for _ in 0..9 {
        world.see("backup");
        world.wait(Duration::from_hours(24));
    }
    let told = world.told.iter();
    let paged = told.filter(|event| event.incident.is_live() && event.incident.route.pages);
    assert_eq!(paged.count(), 4);
}

#[test]
fn of_what_was_accepted_each_kind_may_come_three_times_as_often_as_it_did() {
    let mut world = World::new();
    for kind in 0..20 {
        let sign = world.sign("cart", &format!("k{kind}"));
        world.hear(sign);
    }
    world.wait(MINUTE);
    let (id, mark) = (world.live()[0].id.clone(), world.mark());
    world.correlator.accept(&id, mark).unwrap();
    world.wait(Duration::from_hours(1));
    for times in 1..=4 {
        let sign = world.sign("cart", "k0");
        world.hear(sign);
        world.wait(MINUTE);
        assert_eq!(world.live().len(), usize::from(times == 4), "{times} times");
    }
}

#[test]
fn what_was_accepted_is_told_again_only_when_it_is_graver_or_far_more_frequent() {
    let mut world = World::new();
    world.see("cart");
    world.wait(MINUTE);
    let id = world.live()[0].id.clone();
    let mark = world.mark();
    world.correlator.accept(&id, mark.clone()).unwrap();
    world.take();
    assert_eq!(world.stages(), [Stage::Opened, Stage::Accepted]);
    assert_eq!(world.correlator.accept(&id, mark), Err(IncidentError::Over));
    for _ in 0..20 {
        world.see("cart");
        world.wait(30 * MINUTE);
    }
    assert_eq!(world.told.len(), 2);
    let mut graver = world.sign("cart", "sequence");
    graver.severity = Severity::Fatal;
    world.hear(graver);
    world.wait(MINUTE);
    assert_eq!(world.stages()[2..], [Stage::Opened]);
    world.wait(Duration::from_hours(2));
    let told = world.told.len();
    for _ in 0..4 {
        world.see("cart");
        world.wait(SECOND);
    }
    world.wait(MINUTE);
    assert_eq!(world.stages()[told..], [Stage::Opened]);
}

#[test]
fn updates_wait_their_time_unless_it_gets_graver() {
    let mut world = World::new();
    world.link("a", "b");
    world.link("c", "b");
    world.link("d", "b");
    world.see("a");
    world.see("a");
    world.wait(11 * SECOND);
    world.see("b");
    world.see("c");
    // Three services: no graver than an error, and an update is due in five minutes only.
    world.wait(4 * MINUTE);
    assert_eq!(world.stages(), [Stage::Opened]);
    world.wait(MINUTE);
    assert_eq!(world.stages(), [Stage::Opened, Stage::Updated]);
    let mut fatal = world.sign("d", "sequence");
    fatal.severity = Severity::Fatal;
    world.hear(fatal);
    assert_eq!(world.stages().len(), 3);
    assert_eq!(world.told[2].incident.severity, Gravity::Critical);
}

#[test]
fn people_take_incidents_on_and_close_them() {
    let mut world = World::new();
    world.see("cart");
    world.wait(MINUTE);
    let id = world.live()[0].id.clone();
    let mark = world.mark();
    world.correlator.acknowledge(&id, mark.clone()).unwrap();
    world.correlator.resolve(&id, mark.clone()).unwrap();
    world.take();
    assert_eq!(
        world.stages(),
        [Stage::Opened, Stage::Acknowledged, Stage::Resolved]
    );
    let states: Vec<_> = world
        .told
        .iter()
        .map(|event| event.incident.state)
        .collect();
    assert_eq!(
        states,
        [
            IncidentState::Open,
            IncidentState::Acknowledged,
            IncidentState::Resolved
        ]
    );
    assert_eq!(
        world.correlator.acknowledge(&id, mark.clone()),
        Err(IncidentError::Over)
    );
    assert_eq!(
        world.correlator.resolve("nobody", mark),
        Err(IncidentError::Unknown)
    );
    assert_eq!(
        world.correlator.get(&id).unwrap().state,
        IncidentState::Resolved
    );
    world.wait(Duration::from_hours(1));
    assert_eq!(world.correlator.get(&id), None);
}

#[test]
fn what_is_for_information_never_pages() {
    let mut world = World::new();
    for n in 0..20 {
        let mut sign = world.sign(&format!("s{n}"), "new_template");
        (sign.class, sign.severity) = (Class::Info, Severity::Warn);
        world.hear(sign);
    }
    world.wait(MINUTE);
    assert!(world.told.iter().all(|event| !event.incident.route.pages));
    assert_eq!(world.live()[0].severity, Gravity::Info);
}

#[test]
fn a_clock_that_jumps_opens_ends_and_doubles_nothing() {
    const DAYS_400: Duration = Duration::from_hours(400 * 24);
    let mut world = World::new();
    world.see("cart");
    world.wait(MINUTE);
    let start = world.now;
    for now in [start.plus(DAYS_400), start, start.minus(DAYS_400), start] {
        world.now = now;
        world.correlator.advance(now);
        world.take();
        world.see("cart");
    }
    assert_eq!(world.stages(), [Stage::Opened]);
    assert_eq!(world.live()[0].sign_count, 5);
    // Records whose own clock is wrong are heard of now.
    for wrong in [start.plus(DAYS_400), start.minus(DAYS_400), Timestamp::ZERO] {
        let mut sign = world.sign("cart", "sequence");
        sign.first_seen = wrong;
        world.hear(sign);
    }
    world.wait(MINUTE);
    let live = world.live();
    assert_eq!(
        (live.len(), live[0].began),
        (1, world.told[0].incident.began)
    );
    world.wait(20 * MINUTE);
    assert_eq!(world.stages(), [Stage::Opened, Stage::Resolved]);
}

#[test]
fn old_signs_that_are_sent_again_open_nothing() {
    let mut world = World::new();
    let old: Vec<Sign> = (0..20_000)
        .map(|n| world.sign(&format!("s{}", n % 300), "sequence"))
        .collect();
    old.iter().for_each(|sign| world.hear(sign.clone()));
    world.wait(Duration::from_hours(3));
    assert!(world.live().is_empty());
    let told = world.told.len();
    old.into_iter().for_each(|sign| world.hear(sign));
    world.wait(Duration::from_hours(1));
    assert_eq!(world.told.len(), told);
    assert_eq!(world.correlator.counts().repeated, 20_000);
}

#[test]
fn nothing_grows_without_bound() {
    let mut world = World::new();
    for n in 0..100_000_u32 {
        let mut sign = world.sign(&format!("s{n}"), &format!("k{n}"));
        sign.trace = TraceId::from_bytes(&[n.to_be_bytes(); 4].concat());
        if n % 1_000 == 0 {
            world.now = world.now.plus(Duration::from_hours(9_600));
        } else if n % 1_000 == 500 {
            world.now = world.now.minus(Duration::from_hours(9_600));
        }
        world.hear(sign);
    }
    world.wait(MINUTE);
    assert!(world.live().len() <= Correlator::INCIDENTS_LIVE_MAX);
    let live = world.live();
    assert!(
        live.iter()
            .all(|incident| incident.parts.len() <= Incident::PARTS_MAX)
    );
    assert!(
        live.iter()
            .all(|incident| incident.signs.len() <= Incident::SIGNS_MAX)
    );
    assert_eq!(world.correlator.counts().joined, 100_000);
    assert!(!live.is_empty());
    let bytes = world.keep();
    assert!(bytes < 16 << 20, "{bytes} bytes");
}
