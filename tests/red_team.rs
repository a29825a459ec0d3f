//! A red team: attackers who write every byte of log records, by a seed, against the product from the receiver's
//! decoder to the ledger, in a simulated cluster that would say yes to everything.
//!
//! `KNOTHOLE_RED_SEED=17` carries one strategy out, `KNOTHOLE_RED_STRATEGIES` says how many there are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

#[path = "red_team/campaign.rs"]
mod campaign;
#[path = "red_team/controls.rs"]
mod controls;
#[path = "killed_actions/dice.rs"]
#[allow(dead_code, reason = "another test throws more of them")]
mod dice;
#[path = "red_team/faces.rs"]
mod faces;
#[path = "red_team/strategy.rs"]
mod strategy;
#[path = "red_team/town.rs"]
mod town;
#[path = "red_team/traffic.rs"]
mod traffic;
#[path = "red_team/wire.rs"]
mod wire;
#[path = "red_team/words.rs"]
mod words;
#[path = "red_team/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use campaign::{Outcome, attack};
use strategy::{RULES, Strategy};

/// Strategies in a run of the tests, unless the environment says otherwise.
const STRATEGIES: u64 = 315;
/// Checks each of which has to hold some strategy back: else those strategies do not reach it.
const REACHED: [&str; 10] = [
    "other_signal",
    "sender",
    "identity",
    "target",
    "opted_in",
    "forbidden_namespace",
    "owner",
    "stateful",
    "detectors",
    "storm",
];

#[test]
fn no_forged_line_has_anything_done_or_proposed_outside_of_what_may_be_touched() {
    let said = |name| {
        std::env::var(name)
            .ok()
            .map(|it| it.parse::<u64>().unwrap())
    };
    let one = said("KNOTHOLE_RED_SEED");
    let seeds: Vec<u64> = match one {
        Some(seed) => vec![seed],
        None => (0..said("KNOTHOLE_RED_STRATEGIES").unwrap_or(STRATEGIES)).collect(),
    };
    let outcomes = all(&seeds);
    let mut wrong = Vec::new();
    for (seed, outcome) in &outcomes {
        let automatic = outcome.automatic();
        if !automatic.is_empty() || !outcome.seen.wrong.is_empty() {
            let said = outcome.seen.wrong.join("\n");
            wrong.push(format!(
                "KNOTHOLE_RED_SEED={seed}: {automatic:?}\n{said}\n{:?}",
                Strategy::of(*seed)
            ));
        }
    }
    let table = table(&outcomes);
    eprintln!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    if one.is_none() {
        assert_bites(&outcomes);
    }
}

/// Carries strategies out, on as many threads as there are cores.
fn all(seeds: &[u64]) -> BTreeMap<u64, Outcome> {
    let (next, outcomes) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(seed) =
            seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap())
        {
            let outcome = attack(&Strategy::of(*seed));
            outcomes.lock().unwrap().insert(*seed, outcome);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(seeds.len()) {
            scope.spawn(work);
        }
    });
    outcomes.into_inner().unwrap()
}

/// How far the strategies got.
fn table(outcomes: &BTreeMap<u64, Outcome>) -> String {
    let count = |is: &dyn Fn(&Outcome) -> bool| outcomes.values().filter(|it| is(it)).count();
    let mut rows = vec![
        ("strategies".to_owned(), outcomes.len()),
        (
            "with an anomaly".to_owned(),
            count(&|it| it.seen.anomalies > 0),
        ),
        (
            "with an incident".to_owned(),
            count(&|it| it.seen.incidents > 0),
        ),
        (
            "that had an action asked for".to_owned(),
            count(&|it| !it.seen.asked.is_empty()),
        ),
        (
            "that had one proposed".to_owned(),
            count(&|it| !it.seen.proposed.is_empty()),
        ),
        (
            "that had one done by a person's word".to_owned(),
            count(&|it| !it.effects.is_empty()),
        ),
        (
            "that had one done".to_owned(),
            count(&|it| !it.automatic().is_empty()),
        ),
    ];
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for check in outcomes.values().flat_map(|it| &it.seen.held_by) {
        *held.entry(check).or_default() += 1;
    }
    rows.extend(
        held.into_iter()
            .map(|(it, times)| (format!("  held by {it}"), times)),
    );
    for set in 0..RULES {
        let of_set = outcomes.iter().filter(|it| it.0 % RULES == set);
        let reached = of_set.filter(|it| !it.1.seen.asked.is_empty()).count();
        rows.push((format!("  asked under rule set {set}"), reached));
    }
    let rows = rows
        .iter()
        .map(|(name, count)| format!("{name:<40} {count:>5}"));
    rows.collect::<Vec<_>>().join("\n")
}

/// A red team that nobody notices proves nothing.
fn assert_bites(outcomes: &BTreeMap<u64, Outcome>) {
    let half = outcomes.len() / 2;
    let asked = outcomes
        .values()
        .filter(|it| !it.seen.asked.is_empty() && it.seen.incidents > 0);
    let asked = asked.count();
    assert!(
        asked > half,
        "only {asked} of {} reach the ledger",
        outcomes.len()
    );
    for check in REACHED {
        let holds = |it: &&Outcome| it.seen.held_by.contains(check);
        let times = outcomes.values().filter(holds).count();
        assert!(times > 0, "no strategy is held back by {check}");
    }
    let proposed = outcomes.values().any(|it| !it.seen.proposed.is_empty());
    let done = outcomes.values().any(|it| !it.effects.is_empty());
    assert!(proposed && done, "no person is talked into anything");
}
