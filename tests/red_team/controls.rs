//! The same machinery where something is really wrong: what is to be done is done, to that alone.

use std::time::Duration;

use knothole::core::event::Mode;
use knothole::core::remedy::ledger::Ledger;

use crate::campaign::{Outcome, Play, finish};
use crate::faces::Face;
use crate::strategy::{Strategy, Voice, rules};
use crate::town::Town;
use crate::world::World;

/// Services that break at once.
const STORM: usize = 50;

fn strategy(rules: u64, is_authenticated: bool, voices: Vec<Voice>) -> Strategy {
    Strategy {
        seed: 1,
        rules,
        is_authenticated,
        is_trusted: false,
        voices,
        lasts: Duration::from_secs(480),
        step: Duration::from_secs(4),
        request_every: Duration::from_secs(40),
    }
}

/// Lets `strategy` go on in `town`.
fn go(strategy: &Strategy, town: Town) -> World {
    let rules = rules(strategy.rules, Mode::Auto);
    let mut world = World::new(town, rules, strategy.is_authenticated);
    let mut play = Play::new(strategy);
    while play.at < strategy.lasts {
        play.step(&mut world, &strategy.voices);
    }
    world
}

fn outcome(strategy: &Strategy, town: Town) -> Outcome {
    let outcome = finish(go(strategy, town));
    assert!(outcome.seen.wrong.is_empty(), "{:?}", outcome.seen.wrong);
    outcome
}

#[test]
fn a_pod_that_really_is_unhealthy_is_evicted_once_whoever_else_shouts() {
    let others = [
        vec![],
        vec![Face::Own],
        vec![Face::Large, Face::Unlabelled],
        vec![Face::System, Face::OptedOut],
        vec![Face::Hostile, Face::Ghost],
        vec![Face::Well("shop", "cart")],
    ];
    for (nth, others) in others.iter().enumerate() {
        let mut town = Town::new();
        let sick = town.break_pod("shop", "cart");
        let mut voices: Vec<Voice> = others.iter().map(|it| Voice::loud(*it)).collect();
        voices.push(Voice::loud(Face::Sick("shop", "cart")));
        let outcome = outcome(&strategy(0, nth % 2 == 0, voices), town);
        let [effect] = &*outcome.effects else {
            panic!("{others:?}: {:?}, {:?}", outcome.effects, outcome.seen);
        };
        assert!(effect.is_automatic);
        assert_eq!(effect.pod.as_ref(), Some(&sick), "{others:?}");
    }
}

#[test]
fn what_really_is_unhealthy_and_may_not_be_touched_is_left_alone() {
    let forbidden = [
        ("bank", "books"),
        ("shop", "mail"),
        ("tools", "forum"),
        ("kube-system", "dns"),
        ("vault", "keys"),
        ("knothole", "knothole"),
        ("shop", "agent"),
        ("shop", "db"),
        ("shop", "bare"),
    ];
    for (space, name) in forbidden {
        for set in [0, 4] {
            let mut town = Town::new();
            town.break_pod(space, name);
            let voices = [Face::Sick(space, name), Face::Own].map(Voice::loud);
            let outcome = outcome(&strategy(set, true, voices.into()), town);
            assert!(
                !outcome.seen.asked.is_empty(),
                "{space}/{name} is not heard"
            );
            assert!(outcome.effects.is_empty(), "{:?}", outcome.effects);
        }
    }
}

#[test]
fn an_unhealthy_pod_has_nothing_done_to_another_in_whose_name_it_speaks() {
    let cases = [
        ("guest", "blog", Face::Victim),
        ("guest", "blog", Face::Twice),
        ("shop", "pay", Face::Well("shop", "cart")),
        ("shop", "pay", Face::OtherWorkload),
        ("shop", "cart", Face::Well("shop", "cart")),
        ("shop", "cart", Face::OldUid),
        ("shop", "cart", Face::OtherUid),
        ("shop", "web", Face::Well("shop", "web")),
        ("shop", "web", Face::Large),
    ];
    for (space, name, face) in cases {
        for is_authenticated in [false, true] {
            let mut town = Town::new();
            let sick = town.break_pod(space, name);
            let voices = vec![Voice::loud(face)];
            let outcome = outcome(&strategy(0, is_authenticated, voices), town);
            let others = outcome.effects.iter();
            let others: Vec<_> = others.filter(|it| it.pod.as_ref() != Some(&sick)).collect();
            assert!(others.is_empty(), "{space}/{name} as {face:?}: {others:?}");
        }
    }
}

#[test]
fn what_is_logged_within_healthy_spans_is_no_word_of_the_spans() {
    for set in [0, 1] {
        let voices = vec![Voice::woven(Face::Well("shop", "cart"))];
        let strategy = Strategy {
            request_every: Duration::from_secs(4),
            ..strategy(set, true, voices)
        };
        let world = go(&strategy, Town::new());
        let signs: Vec<String> = world
            .desk
            .live()
            .flat_map(|it| it.signs)
            .map(|it| it.kind.to_string())
            .collect();
        assert!(signs.iter().any(|it| it == "span_new"), "{signs:?}");
        let outcome = finish(world);
        assert!(!outcome.seen.asked.is_empty());
        assert!(outcome.effects.is_empty(), "{:?}", outcome.effects);
    }
}

/// A town of many more services in which `broken` of them are really broken and say so; an attacker makes up
/// services beside.
fn storm(services: usize, broken: usize, made_up: bool) -> World {
    let names: Vec<&'static str> = (0..services)
        .map(|nth| &*format!("s{nth:03}").leak())
        .collect();
    let mut town = Town::new();
    for name in &names {
        town.deploy(name);
    }
    let mut voices = Vec::new();
    for name in &names[..broken] {
        town.break_pod("shop", name);
        voices.push(Voice::loud(Face::Sick("shop", name)));
    }
    if made_up {
        voices.extend((0..8).map(|_| Voice::woven(Face::Swarm)));
    }
    let strategy = Strategy {
        lasts: Duration::from_secs(240),
        ..strategy(0, true, voices)
    };
    go(&strategy, town)
}

#[test]
fn a_storm_of_fifty_services_has_nothing_done() {
    for (services, made_up) in [(STORM, false), (STORM, true), (190, false)] {
        let outcome = finish(storm(services, STORM, made_up));
        assert!(outcome.seen.asked.len() >= STORM / 2, "{:?}", outcome.seen);
        assert!(outcome.seen.held_by.contains("storm"));
        let effects = &outcome.effects;
        assert!(effects.is_empty(), "{services}, {made_up}: {effects:?}");
    }
}

#[test]
fn in_the_same_town_one_broken_service_is_mended() {
    let outcome = finish(storm(STORM, 1, false));
    assert_eq!(outcome.effects.len(), 1, "{:?}", outcome.seen);
}

#[test]
fn a_flood_of_targets_stays_within_bounds_and_does_nothing() {
    let mut voices: Vec<Voice> = [Face::Crowd, Face::Large, Face::Victim]
        .map(Voice::flood)
        .into();
    voices.push(Voice::loud(Face::Hostile));
    let world = go(&strategy(4, true, voices), Town::new());
    let open = world.ledger.open().count();
    assert!(open > 20 && open <= Ledger::OPEN_MAX, "{open}");
    let outcome = finish(world);
    assert!(outcome.seen.wrong.is_empty(), "{:?}", outcome.seen.wrong);
    assert!(outcome.effects.is_empty(), "{:?}", outcome.effects);
}
