//! Rounds of fault injection into a running OpenStack, each played on its own.

use std::collections::BTreeSet;

use super::Rules;
use super::labelled::{Course, Set};
use super::marks::Judged;
use super::report::Report;
use crate::cli::eval::layout::is_same;
use crate::cli::eval::layout::openstack_fi::played::{Campaign, Round, Tables, links, open};
use crate::cli::eval::world::World;
use crate::cli::progress::Progress;
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
    let mut progress = Progress::of_rounds(later.rounds.len(), &later.name);
    for round in &later.rounds {
        let mut world = World::of(&learned)?;
        world.link(&links);
        let judge = |tried: &Tried| judged(round, later, tried);
        let judge: Option<super::labelled::Judge<'_>> = match round.fault {
            Some(_) => Some(&judge),
            None => None,
        };
        course.play(world, &round.items, judge)?;
        progress.step();
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::{Readiness, SetArgs};
    use super::*;
    use crate::core::record::Timestamp;
    use crate::daemon::config::from_text;

    /// Requests of a round.
    const REQUESTS: u64 = 30;

    /// Twenty rounds of a shop of two services, in the last two of which the cart of every request is gone.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = String::from("round_id\tts\tservice\tlevel\tline\n");
        let mut rounds = String::from("round_id\tfault_injected\tfault_type\tcomponent\ttrigger\n");
        let mut split = String::from("round_id\tsplit\tclass\n");
        for round in 0..20 {
            let is_faulty = round >= 18;
            for request in 0..REQUESTS {
                let time = format!(
                    "2026-11-21 {round:02}:{:02}:{:02}.000",
                    request / 6,
                    request % 6 * 10
                );
                let id = format!("req-00000000-0000-0000-{round:04x}-{request:012x}");
                for (service, says) in [("cart", "asked"), ("cart", "found"), ("web", "shown")] {
                    let is_gone = is_faulty && says == "found";
                    let (level, says) = if is_gone {
                        ("ERROR", "lost its lock")
                    } else {
                        ("INFO", says)
                    };
                    let logger = format!("shop.{service}.main");
                    let _ = writeln!(
                        lines,
                        "r{round}\t{time}\tshop/{service}\t{level}\t{time} 7 {level} {logger} [{id}] basket {says}"
                    );
                }
            }
            let _ = writeln!(
                rounds,
                "r{round}\t{}\tDROP\t/shop/cart/main.py\t",
                u8::from(is_faulty)
            );
            let _ = writeln!(
                split,
                "r{round}\ttrain\t{}",
                if is_faulty { "A" } else { "N" }
            );
        }
        let gz = fs::File::create(folder.path().join("shop.tsv.gz")).unwrap();
        let mut gz = GzEncoder::new(gz, Compression::fast());
        gz.write_all(lines.as_bytes()).unwrap();
        gz.finish().unwrap();
        fs::write(folder.path().join("rounds.tsv"), rounds).unwrap();
        fs::write(folder.path().join("split.tsv"), split).unwrap();
        folder
    }

    fn set(folder: &Path) -> Set {
        Set::of(&SetArgs {
            train: Some(folder.to_owned()),
            test: Some(folder.to_owned()),
            epochs: Some(2),
        })
        .unwrap()
    }

    fn rules() -> Rules {
        let settings = from_text("x", include_str!("../../../examples/rules.yaml"), &[]).unwrap();
        Rules {
            rules: settings.rules(),
            limits: settings.limits(),
            freezes: settings.freezes(),
            is_authenticated: false,
            columns: vec![Readiness::NotReady],
        }
    }

    #[test]
    fn the_service_with_the_fault_would_be_restarted_and_nothing_where_there_is_none() {
        let folder = folder();
        let report = simulate(&set(folder.path()), &rules()).unwrap();
        let labels = report.labels.as_ref().unwrap();
        assert_eq!((labels.faults, labels.fault_free), (2, 6));
        let marks = report.columns[0].marks_of("restart-pod");
        assert_eq!((marks.faults_met, marks.done.right), (2, 2), "{marks:?}");
        assert_eq!((marks.done.wrong, marks.done.near), (0, 0), "{marks:?}");
        assert_eq!(marks.without_fault, (0, 0));
        let (first, _) = report.columns[0].actions().next().unwrap();
        assert_eq!(first.target.to_string(), "shop/Deployment/cart");
        assert!(first.asked_at > Timestamp::ZERO);
    }

    #[test]
    fn a_service_has_the_name_of_a_component_with_and_without_its_system() {
        let service = |namespace: &str, name: &str| StreamKey {
            namespace: namespace.into(),
            ..StreamKey::named(name)
        };
        assert!(is_called(&service("shop", "shop-cart"), "shop.cart"));
        assert!(is_called(&service("shop", "cart"), "shop.cart"));
        assert!(is_called(&service("shop", "shop"), "shop.shop"));
        assert!(!is_called(&service("shop", "web"), "shop.cart"));
        assert!(!is_called(&service("bank", "cart"), "shop.cart"));
    }
}
