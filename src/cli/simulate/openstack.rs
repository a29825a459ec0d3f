//! Rounds of fault injection into a running OpenStack, each played on its own.

use std::collections::BTreeSet;

use super::Rules;
use super::labelled::{Course, Set};
use super::marks::Judged;
use super::report::Report;
use crate::cli::eval::layout::is_same;
use crate::cli::eval::layout::openstack_fi::played::{Campaign, Round, Tables, links, open};
use crate::cli::eval::world::World;
use crate::core::record::StreamKey;
use crate::core::remedy::simulate::Tried;

/// The share of a campaign's rounds, the oldest ones, that is learned from where one folder is both.
const LEARNED_SHARE: f64 = 0.6;

/// For each campaign learns from fault-free rounds and plays the later ones, or those of the other folder.
pub(super) fn simulate(set: &Set, rules: &Rules) -> anyhow::Result<Report> {
    let (train, test) = set.folders();
    let (campaigns, tables) = open(test)?;
    let other = match is_same(train, test)? {
        true => None,
        false => Some(open(train)?),
    };
    let mut course = Course::new(rules);
    let (mut learned, mut without) = (0, 0);
    for (name, path) in &campaigns {
        eprintln!("reading {name}");
        let tested = tables.read(name, path)?;
        let (older, later) = match &other {
            None => halves(tested),
            Some((campaigns, tables)) => (named(campaigns, tables, name)?, tested),
        };
        let (models, none) = play(&older, &later, set, &mut course)?;
        learned += models;
        without += none;
    }
    let names: Vec<&str> = campaigns.iter().map(|(name, _)| name.as_str()).collect();
    let played = format!(
        "{} rounds with a fault and {} without of layout openstack-fi ({}), each played on its own ({} anomalies)",
        course.faults,
        course.fault_free,
        names.join(", "),
        course.anomalies,
    );
    let unknown = vec![
        format!("Models of {without} services, which had too little to train on; {learned} have one."),
        "In which pods the services ran: each has one, of its name, in the namespace of its system.".to_owned(),
        "What restarting a service would do to a fault that is in its code.".to_owned(),
    ];
    Ok(course.report(played, unknown, true))
}

fn named(
    campaigns: &[(String, std::path::PathBuf)],
    tables: &Tables,
    name: &str,
) -> anyhow::Result<Campaign> {
    let found = campaigns.iter().find(|(of, _)| of == name);
    let Some((name, path)) = found else {
        anyhow::bail!("the folder to learn from has no campaign {name}");
    };
    tables.read(name, path)
}

/// The older rounds and the later ones.
fn halves(mut campaign: Campaign) -> (Campaign, Campaign) {
    let share = (campaign.rounds.len() as f64 * LEARNED_SHARE) as usize;
    let later = Campaign {
        name: campaign.name.clone(),
        rounds: campaign.rounds.split_off(share),
        runs: campaign.runs.clone(),
    };
    (campaign, later)
}

/// Learns from the fault-free rounds of `older` and plays `later`: how many services have a model, and
/// how many have none.
fn play(
    older: &Campaign,
    later: &Campaign,
    set: &Set,
    course: &mut Course<'_>,
) -> anyhow::Result<(usize, usize)> {
    let normal = older.rounds.iter().filter(|round| round.fault.is_none());
    let normal: Vec<&Round> = normal.collect();
    anyhow::ensure!(
        !normal.is_empty(),
        "{} has no fault-free round to learn from",
        older.name
    );
    eprintln!("learning from {} rounds of {}", normal.len(), older.name);
    let stretches = normal.iter().map(|round| &round.items);
    let learned = World::learn_and_train(stretches, &[], &set.training)?;
    let links = links(later);
    eprintln!("playing {} rounds of {}", later.rounds.len(), later.name);
    for round in &later.rounds {
        let mut world = World::of(&learned)?;
        world.link(&links);
        let judge = |tried: &Tried| judged(round, later, tried);
        let judge: Option<super::labelled::Judge<'_>> = match round.fault {
            Some(_) => Some(&judge),
            None => None,
        };
        course.play(world, &round.items, judge)?;
    }
    Ok((learned.models.len(), learned.without_model))
}

/// Right where the service runs the component with the fault, near where it is of the same system.
fn judged(round: &Round, campaign: &Campaign, tried: &Tried) -> Judged {
    let Some(component) = round.fault.as_deref() else {
        return Judged::Wrong;
    };
    let runs = campaign.runs.get(&tried.service);
    let is_run = |components: &BTreeSet<Box<str>>| components.contains(component);
    let system = component.split('.').next().unwrap_or_default();
    if runs.is_some_and(is_run) || is_called(&tried.service, component) {
        Judged::Right
    } else if *tried.service.namespace == *system {
        Judged::Near
    } else {
        Judged::Wrong
    }
}

/// Whether a service has the name of a component: `shop/shop-cart` and `shop/cart` are `shop.cart`.
fn is_called(service: &StreamKey, component: &str) -> bool {
    let (system, name) = (&*service.namespace, &*service.name);
    let own = name
        .strip_prefix(system)
        .map(|rest| rest.trim_start_matches('-'));
    let own = own.filter(|rest| !rest.is_empty()).unwrap_or(name);
    component == format!("{system}.{own}")
}
