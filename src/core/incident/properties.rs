//! What holds whatever comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::tests::{World, sign};
use crate::core::event::{Class, Gravity, IncidentEvent, IncidentState, Sign, Source, Stage};
use crate::core::record::{Severity, StreamKey, Timestamp, TraceId};

/// Something that happens to a correlator.
#[derive(Clone, Debug)]
enum Step {
    Sign {
        service: u8,
        kind: u8,
        trace: u8,
        severity: u8,
        late: u64,
    },
    Again(usize),
    Wait(u64),
    Jump(i64),
    Link(u8, u8),
    Person {
        what: u8,
        which: usize,
    },
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0_u8..12, 0_u8..6, 0_u8..40, 0_u8..4, 0_u64..20).prop_map(
            |(service, kind, trace, severity, late)| Step::Sign { service, kind, trace, severity, late }
        ),
        1 => any::<usize>().prop_map(Step::Again),
        6 => (0_u64..1_500).prop_map(Step::Wait),
        1 => (-400_i64..400).prop_map(Step::Jump),
        1 => (0_u8..12, 0_u8..12).prop_map(|(a, b)| Step::Link(a, b)),
        2 => (0_u8..5, any::<usize>()).prop_map(|(what, which)| Step::Person { what, which }),
    ];
    prop::collection::vec(step, 1..most)
}

/// Does a step; gives how many signs were put in.
fn play(world: &mut World, step: &Step, put_in: &mut Vec<Sign>) {
    match *step {
        Step::Sign {
            service,
            kind,
            trace,
            severity,
            late,
        } => {
            let mut sign = world.sign(&format!("s{service}"), &format!("k{kind}"));
            sign.trace = TraceId::from_bytes(&[trace; 16]).filter(|_| trace < 4);
            sign.severity = [
                Severity::Warn,
                Severity::Error,
                Severity::Fatal,
                Severity::Info,
            ][usize::from(severity)];
            sign.class = Class::ALL[usize::from(kind) % Class::ALL.len()];
            sign.source = if kind == 5 {
                sign.trace = None;
                Source::Alert
            } else {
                Source::Log
            };
            sign.first_seen = sign.first_seen.minus(Duration::from_secs(late));
            put_in.push(sign.clone());
            world.hear(sign);
        }
        Step::Again(which) => {
            if let Some(sign) = put_in.get(which % put_in.len().max(1)).cloned() {
                put_in.push(sign.clone());
                world.hear(sign);
            }
        }
        Step::Wait(seconds) => world.wait(Duration::from_secs(seconds)),
        Step::Jump(days) => {
            let by = Duration::from_hours(24 * days.unsigned_abs());
            world.now = if days < 0 {
                world.now.minus(by)
            } else {
                world.now.plus(by)
            };
            world.correlator.advance(world.now);
            world.take();
        }
        Step::Link(a, b) => world.link(&format!("s{a}"), &format!("s{b}")),
        Step::Person { what, which } => person(world, what, which),
    }
}

fn person(world: &mut World, what: u8, which: usize) {
    let known: Vec<Box<str>> = world
        .told
        .iter()
        .map(|event| event.incident.id.clone())
        .collect();
    let Some(id) = known.get(which % known.len().max(1)) else {
        return;
    };
    let mark = world.mark();
    let correlator = &mut world.correlator;
    // That it is refused is fine: the incident may be over.
    let _ = match what {
        0 => correlator.acknowledge(id, mark),
        1 => correlator.resolve(id, mark),
        2 => correlator.accept(id, mark),
        3 => correlator.note(id, &mark),
        _ => correlator.done(id, "restart_pod", which.is_multiple_of(2)),
    };
    world.take();
}

/// Every revision is one more than the one before, and every state follows from it.
fn check_road(told: &[IncidentEvent]) -> Result<(), TestCaseError> {
    let mut last: BTreeMap<&str, &IncidentEvent> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in told {
        prop_assert!(ids.insert(&event.id), "an id came twice");
        let incident = &event.incident;
        let state = incident.state;
        let before = last
            .insert(&incident.id, event)
            .map(|event| &event.incident);
        prop_assert_eq!(
            incident.revision,
            before.map_or(0, |before| before.revision) + 1
        );
        prop_assert_eq!(event.stage == Stage::Opened, before.is_none());
        let was = before.map(|before| before.state);
        use IncidentState::{Accepted, Acknowledged, Open, Resolved};
        let is_legal = match event.stage {
            Stage::Opened => state == Open,
            Stage::Updated => matches!(
                (was, state),
                (Some(Open | Resolved), Open) | (Some(Acknowledged | Resolved), Acknowledged)
            ),
            Stage::Acknowledged => {
                matches!(was, Some(Open | Acknowledged)) && state == Acknowledged
            }
            Stage::Resolved => matches!(was, Some(Open | Acknowledged)) && state == Resolved,
            Stage::Accepted => {
                matches!(was, Some(Open | Acknowledged | Resolved)) && state == Accepted
            }
        };
        prop_assert!(is_legal, "{:?} to {state:?} by {:?}", was, event.stage);
        prop_assert_eq!(incident.ended.is_some(), !incident.is_live());
        prop_assert!(!incident.parts.is_empty() && !incident.signs.is_empty());
        prop_assert!(incident.began <= incident.last_seen);
    }
    Ok(())
}

/// What an incident is made of.
type Content = (
    Box<str>,
    (Gravity, Class),
    Vec<StreamKey>,
    Vec<Box<str>>,
    u64,
);

fn contents(world: &World) -> BTreeSet<Content> {
    let content = |incident: crate::core::event::Incident| {
        let parts = incident.parts.iter().map(|part| part.stream.clone());
        let signs = incident.signs.iter().map(|sign| sign.id.clone());
        let (parts, signs) = (parts.collect(), signs.collect());
        (
            incident.id,
            (incident.severity, incident.class),
            parts,
            signs,
            incident.sign_count,
        )
    };
    world.live().into_iter().map(content).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_sign_counts_once_and_every_incident_takes_a_legal_road(steps in steps(120)) {
        let mut world = World::new();
        let mut put_in = Vec::new();
        for step in &steps {
            play(&mut world, step, &mut put_in);
        }
        let counts = world.correlator.counts();
        let counted = counts.joined + counts.repeated + counts.normal + counts.background;
        prop_assert_eq!(counted, put_in.len() as u64);
        check_road(&world.told)?;
        // Each sign that joined is in one incident, and no incident has one that was not put in.
        let mut homes: BTreeMap<Box<str>, BTreeSet<Box<str>>> = BTreeMap::new();
        for incident in world.live() {
            for sign in &incident.signs {
                homes.entry(sign.id.clone()).or_default().insert(incident.id.clone());
            }
        }
        prop_assert!(homes.values().all(|homes| homes.len() == 1));
        let ids: BTreeSet<_> = put_in.iter().map(|sign| sign.id.clone()).collect();
        prop_assert!(homes.keys().all(|id| ids.contains(id)));
    }

    #[test]
    fn all_that_joined_is_accounted_for(steps in steps(60)) {
        // No person and no link: nothing is merged, so that each sign is in one incident's count.
        let mut world = World::new();
        let mut put_in = Vec::new();
        let alone = |step: &&Step| !matches!(step, Step::Person { .. } | Step::Link(..));
        for step in steps.iter().filter(alone) {
            play(&mut world, step, &mut put_in);
        }
        world.wait(Duration::from_hours(6));
        let ids: BTreeSet<_> = world.told.iter().map(|event| event.incident.id.clone()).collect();
        let mut merged = 0;
        let mut total = 0;
        for incident in ids.iter().map(|id| world.last(id)) {
            let note = incident.ended.as_ref().and_then(|mark| mark.note.as_deref());
            if note.is_some_and(|note| note.starts_with("it is part of")) {
                merged += 1;
            } else {
                total += incident.sign_count;
            }
        }
        prop_assert_eq!(total, world.correlator.counts().joined, "{} merged", merged);
        prop_assert!(world.live().is_empty());
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing_that_follows(
        steps in steps(80),
        restart in 0_usize..80,
    ) {
        let mut worlds = [World::new(), World::new()];
        let mut put_in = [Vec::new(), Vec::new()];
        for (place, step) in steps.iter().enumerate() {
            // It is written now and then, and whatever is not yet, right before the end.
            if place == restart || place % 3 == 0 {
                worlds[1].keep();
            }
            if place == restart {
                let restored = worlds[1].restored();
                prop_assert_eq!(&restored, &worlds[1].correlator);
                worlds[1].correlator = restored;
            }
            for (world, put_in) in worlds.iter_mut().zip(&mut put_in) {
                play(world, step, put_in);
            }
        }
        prop_assert_eq!(&worlds[0].told, &worlds[1].told);
        prop_assert_eq!(&worlds[0].correlator, &worlds[1].correlator);
    }

    /// Signs that come within one settle time, in whatever order, are the same incidents.
    #[test]
    fn the_order_within_the_settle_time_does_not_matter(
        drawn in prop::collection::vec((0_u8..12, 0_u8..4, 0_u8..9, 0_u64..8_000), 1..20),
        links in prop::collection::vec((0_u8..12, 0_u8..12), 0..6),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let mut worlds = [World::new(), World::new()];
        let start = worlds[0].now;
        let at = |millis: u64| start.plus(Duration::from_millis(millis));
        let mut signs: Vec<Sign> = drawn
            .iter()
            .zip(0_u64..)
            .map(|(&(service, kind, trace, millis), number)| {
                let name = format!("s{service}");
                let mut made = sign(&name, &format!("k{kind}"), number, at(millis));
                made.class = Class::ALL[usize::from(kind)];
                made.trace = TraceId::from_bytes(&[trace; 16]).filter(|_| trace < 4);
                made
            })
            .collect();
        for (round, world) in worlds.iter_mut().enumerate() {
            for (a, b) in &links {
                world.link(&format!("s{a}"), &format!("s{b}"));
            }
            if round == 1 {
                let middle = shuffled.index(signs.len());
                signs.rotate_left(middle);
                signs.reverse();
            }
            world.now = at(9_000);
            for sign in &signs {
                world.correlator.sign(Arc::new(sign.clone()), &world.topology, world.now);
            }
            world.take();
            world.wait(Duration::from_secs(20));
        }
        prop_assert_eq!(contents(&worlds[0]), contents(&worlds[1]));
    }
}

#[test]
fn a_jump_alone_never_tells_anything() {
    let mut world = World::new();
    for days in [400_u64, 30, 1] {
        for back in [false, true] {
            let by = Duration::from_hours(24 * days);
            world.now = if back {
                world.now.minus(by)
            } else {
                world.now.plus(by)
            };
            world.correlator.advance(world.now);
            world.take();
        }
    }
    world.correlator.advance(Timestamp::ZERO);
    world.correlator.advance(Timestamp::from_nanos(u64::MAX));
    world.take();
    assert!(world.told.is_empty());
}
