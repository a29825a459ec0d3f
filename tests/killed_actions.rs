//! Actions in a simulated world: clusters, processes that are killed at any moment and go on with what is on their disk,
//! two instances at once, a road on which requests and answers get lost, people, and everybody else who changes
//! the cluster. Each run follows from its seed.
//!
//! `KNOTHOLE_ACTION_KILLS` says how many kills there are at least; a thousand where it is not set.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

#[path = "killed_actions/adapter.rs"]
mod adapter;
#[path = "killed_actions/cluster.rs"]
mod cluster;
#[path = "killed_actions/daemon.rs"]
mod daemon;
#[path = "killed_actions/dice.rs"]
mod dice;
#[path = "killed_actions/disk.rs"]
mod disk;
#[path = "killed_actions/net.rs"]
mod net;
#[path = "killed_actions/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use knothole::core::event::{Action, ActionStage, ActionState, Mode};

use net::{Moment, Net, Weather};
use world::{COOL_DOWN, Outcome, Run, Script};

/// Kills in a run of the tests, unless the environment says otherwise.
const KILLS: u32 = 1_000;
/// What is not known is told after a minute, and a task that is under way then takes so long at most.
const UNSETTLED_MAX: Duration = Duration::from_secs(60 + 90 + 5);

const ROUGH: Weather = Weather {
    lost: 8,
    slow: 5,
    refused: 8,
    broken: 6,
    held_up: 8,
    doubled: 10,
    forgotten: 2,
};

/// A run of each kind: one daemon, two with states of their own, automatic or with people.
fn script(seed: u64) -> Script {
    Script {
        seed,
        daemons: if seed.is_multiple_of(3) { 2 } else { 1 },
        shares_incidents: seed.is_multiple_of(6),
        weather: ROUGH,
        kills: 12,
        has_turmoil: seed.is_multiple_of(2),
        mode: if seed % 4 == 1 {
            Mode::Approve
        } else {
            Mode::Auto
        },
    }
}

#[test]
fn whatever_dies_whenever_nothing_is_done_twice_and_nothing_is_lost() {
    let wanted = std::env::var("KNOTHOLE_ACTION_KILLS");
    let wanted: u32 = wanted.map_or(KILLS, |text| text.parse().unwrap());
    let mut kills: BTreeMap<Moment, u32> = BTreeMap::new();
    let (mut effects, mut settled, mut seed) = (0, 0, 0);
    while kills.values().sum::<u32>() < wanted {
        let script = script(seed);
        let outcome = Run::new(script.clone()).go();
        for (moment, count) in &outcome.kills {
            *kills.entry(*moment).or_default() += count;
        }
        effects += outcome.net.cluster.effects.len();
        settled += settlements(&outcome.net);
        judge(&script, &outcome);
        seed += 1;
        assert!(
            seed < u64::from(wanted),
            "hardly anything is killed: {kills:?}"
        );
    }
    eprintln!("{seed} runs, {effects} effects, {settled} settled, kills: {kills:?}");
    for moment in Moment::ALL {
        let count = kills.get(&moment).copied().unwrap_or_default();
        assert!(count * 50 >= wanted, "{moment:?}: only {count} of {wanted}");
    }
    assert!(effects as u64 > seed, "hardly anything is done: {effects}");
    assert!(
        settled as u64 > seed / 2,
        "hardly anything is settled: {settled}"
    );
}

/// How many actions of which no answer came were found out about.
fn settlements(net: &Net) -> usize {
    let is_settled = |action: &Action| {
        let mut pairs = action.steps.windows(2);
        pairs.any(|it| {
            it[0].state == ActionState::Unsettled
                && matches!(it[1].state, ActionState::Done | ActionState::Failed)
        })
    };
    let all = net.disks.iter().flat_map(disk::Disk::all);
    all.filter(is_settled).count()
}

/// What must hold after every run.
fn judge(script: &Script, outcome: &Outcome) {
    let net = &outcome.net;
    let wrong = [
        net.wrong.clone(),
        outcome.left.clone(),
        twice(net),
        too_soon(net),
        untrue(net, script),
        mistold(net),
    ];
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{script:?}:\n{}", wrong.join("\n"));
    let longest = outcome.unsettled_max;
    assert!(
        longest <= UNSETTLED_MAX,
        "{script:?}: unsettled for {longest:?}"
    );
}

/// Actions that took effect more than once.
fn twice(net: &Net) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let effects = net.cluster.effects.iter();
    let again = effects.filter(|effect| !seen.insert(&effect.action));
    again.map(|it| format!("twice: {it:?}")).collect()
}

/// Effects on a workload within the cool-down of another. It runs from the claim.
fn too_soon(net: &Net) -> Vec<String> {
    let mut last: BTreeMap<&str, &cluster::Effect> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut effects: Vec<_> = net.cluster.effects.iter().collect();
    effects.sort_by_key(|it| it.claimed_at);
    for effect in effects {
        // Clocks are two seconds apart at most.
        let soon = COOL_DOWN - Duration::from_secs(2);
        if let Some(earlier) = last.insert(&effect.workload, effect)
            && effect.claimed_at.since(earlier.claimed_at) < soon
        {
            wrong.push(format!("too soon: {earlier:?}, {effect:?}"));
        }
    }
    wrong
}

/// What is on disk at the end and is not so.
fn untrue(net: &Net, script: &Script) -> Vec<String> {
    let mut wrong = Vec::new();
    let all = net.disks.iter().enumerate();
    let all = all.flat_map(|(daemon, disk)| disk.all().into_iter().map(move |it| (daemon, it)));
    for (daemon, action) in all {
        let (id, state) = (&action.id, action.state);
        let mut effects = net.cluster.effects.iter();
        let effect = effects.find(|it| it.action == action.id);
        let is_done = effect.is_some();
        // Of two with one action the other may have done it.
        let is_own = effect.is_some_and(|it| it.daemon == daemon);
        let said = match state {
            _ if !action.is_over() => Some("it is not over"),
            ActionState::Failed | ActionState::Denied | ActionState::Expired if is_own => {
                Some("it took effect")
            }
            ActionState::Effective | ActionState::Ineffective | ActionState::Harmful
                // A pod that is gone may have been somebody else's doing.
                if !is_done && !script.has_turmoil && script.daemons == 1 =>
            {
                Some("it took no effect")
            }
            _ => None,
        };
        wrong.extend(said.map(|said| format!("{id} is {}: {said}", state.name())));
    }
    wrong
}

/// What was told more than once, or not at all.
fn mistold(net: &Net) -> Vec<String> {
    let mut wrong = Vec::new();
    for disk in &net.disks {
        for action in disk.all() {
            let told = disk.told.iter().filter(|(_, id, _)| *id == action.id);
            let mut events: BTreeMap<ActionStage, Vec<&str>> = BTreeMap::new();
            for (event, _, stage) in told {
                events.entry(*stage).or_default().push(event);
            }
            let once = |stage| {
                let all = events.get(&stage).map(Vec::as_slice).unwrap_or_default();
                let ids: BTreeSet<_> = all.iter().collect();
                ids.len() <= 1 && (all.len() <= 1 || disk.was_full)
            };
            for (stage, is_due) in expected(&action) {
                let is_told = events.contains_key(&stage);
                let is_right = if disk.was_full {
                    is_told || !is_due
                } else {
                    is_told == is_due
                };
                if !is_right || !once(stage) {
                    let (id, state) = (&action.id, action.state.name());
                    let steps: Vec<_> = action.steps.iter().map(|it| it.state.name()).collect();
                    wrong.push(format!(
                        "{id} is {state}, and {} was told as {:?}; {steps:?}",
                        stage.name(),
                        events.get(&stage)
                    ));
                }
            }
        }
    }
    wrong
}

/// Which ends are told of an action, and whether they are due.
fn expected(action: &Action) -> [(ActionStage, bool); 3] {
    let was = |state| action.steps.iter().any(|step| step.state == state);
    let was_told = was(ActionState::Proposed) || was(ActionState::Approved);
    let verified = matches!(
        action.state,
        ActionState::Effective
            | ActionState::Ineffective
            | ActionState::Harmful
            | ActionState::Inconclusive
    );
    let failed = match action.state {
        ActionState::Failed => true,
        ActionState::Expired => was_told,
        _ => false,
    };
    [
        (ActionStage::Executed, was(ActionState::Done)),
        (ActionStage::Verified, verified),
        (ActionStage::Failed, failed),
    ]
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..6 {
        let [one, other] = [(), ()].map(|()| Run::new(script(seed)).go());
        assert_eq!(one.history, other.history, "seed {seed}");
    }
    assert_ne!(
        Run::new(script(1)).go().history,
        Run::new(script(2)).go().history
    );
}

#[test]
fn refusals_alone_starve_nothing() {
    let mut effects = 0;
    for seed in 0..20 {
        let script = Script {
            daemons: 1,
            weather: Weather {
                refused: 25,
                ..Weather::default()
            },
            kills: 0,
            has_turmoil: false,
            mode: Mode::Auto,
            ..script(seed)
        };
        let outcome = Run::new(script.clone()).go();
        judge(&script, &outcome);
        effects += outcome.net.cluster.effects.len();
    }
    assert!(effects > 120, "{effects}");
}
