//! Rounds of fault injection into a running OpenStack: a round's records of all services are one
//! sequence.

pub(in crate::cli) mod played;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};

use self::said::Saying;
use super::mined::{Reader, append};
use super::table::{Table, cells};
use super::{first, is_same};
use crate::cli::eval::dataset::{Class, Dataset, Part, Round, Sample, Weights, Writer};
use crate::cli::eval::rounds::{Writers, component_of};
use crate::core::detect::EventSequence;
use crate::core::parse::read_head;
use crate::core::record::{StreamKey, Timestamp};
use crate::core::topology::{LinkSource, Topology};

/// Into how many stretches of time the rounds of a campaign are parted where one folder is both.
const FOLDS: usize = 5;
/// What a campaign's file is called after its name.
const SUFFIX: &str = ".tsv.gz";

/// What the tables say of a round.
struct Facts {
    class: Class,
    component: Option<Box<str>>,
    trigger: Option<Timestamp>,
    kind: Box<str>,
}

type AllFacts = BTreeMap<Box<str>, Facts>;

/// The rounds of one file, in the order of their first records.
#[derive(Default)]
struct Campaign {
    rounds: Vec<Sample>,
    writers: Writers,
}

/// One detector for each campaign, as for one deployment whose services it hears together; it is
/// trained and calibrated on rounds of class N only.
///
/// With one folder the rounds of a campaign are parted into five stretches of time; each stretch
/// (all classes) is scored by a detector trained on the N rounds of the other four. With two
/// folders the detector is trained on all N rounds of the first and scores all rounds of the
/// second. Templates are mined over all records of a campaign; no label is read for it.
pub(super) fn read(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    let facts = read_facts(train)?;
    let mut parts = Vec::new();
    if is_same(train, test)? {
        for (name, path) in campaigns(train)? {
            let mut reader = Reader::default();
            let campaign = read_campaign(&path, &facts, &mut reader)?.resolved(&reader);
            parts.extend(folds(&name, &campaign, &reader));
        }
    } else {
        let tested_facts = read_facts(test)?;
        for (name, path) in campaigns(test)? {
            let file = format!("{name}{SUFFIX}");
            let mut reader = Reader::default();
            let trained = read_campaign(&first(train, &[&file])?, &facts, &mut reader)?;
            let tested = read_campaign(&path, &tested_facts, &mut reader)?.resolved(&reader);
            let trained = trained.resolved(&reader);
            let normal = normal(trained.rounds.iter());
            let mut part = Part::new(reader.corpus(normal), tested.rounds);
            part.name = name.into();
            part.writers = trained.writers;
            part.writers.extend(tested.writers);
            part.topology = Arc::new(topology(&part.writers));
            parts.push(part);
        }
    }
    Ok(Dataset {
        parts,
        weights: Weights::EVEN,
        ..Dataset::of(Part::default())
    })
}

/// One part for each stretch of time.
fn folds(name: &str, campaign: &Campaign, reader: &Reader) -> Vec<Part> {
    let rounds = &campaign.rounds;
    let bound = |fold: usize| rounds.len() * fold / FOLDS;
    (0..FOLDS)
        .map(|fold| {
            let (from, to) = (bound(fold), bound(fold + 1));
            let others = rounds[..from].iter().chain(&rounds[to..]);
            let mut part = Part::new(reader.corpus(normal(others)), rounds[from..to].to_vec());
            part.name = format!("{name} {} of {FOLDS}", fold + 1).into();
            part.writers = campaign.writers.clone();
            part.topology = Arc::new(topology(&part.writers));
            part
        })
        .collect()
}

fn normal<'a>(rounds: impl Iterator<Item = &'a Sample>) -> Vec<EventSequence> {
    rounds
        .filter(|round| round.class == Class::Normal)
        .map(|round| round.sequence.clone())
        .collect()
}

impl Campaign {
    fn resolved(mut self, reader: &Reader) -> Self {
        for round in &mut self.rounds {
            round.sequence = reader.resolve(std::mem::take(&mut round.sequence));
            let said = round.round.iter_mut().flat_map(|round| &mut round.said);
            for one in said {
                one.template.id = reader.today(one.template.id);
                one.template.text = reader.text_of(one.template.id);
            }
        }
        let writers = self.writers.into_iter();
        self.writers = writers
            .map(|(template, writer)| (reader.today(template), writer))
            .collect();
        self
    }
}

/// The campaigns of a folder, by name.
fn campaigns(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(SUFFIX) {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    ensure!(
        !found.is_empty(),
        "{} has no campaign, a file such as nova{SUFFIX}",
        folder.display()
    );
    Ok(found)
}

fn read_campaign(path: &Path, facts: &AllFacts, reader: &mut Reader) -> anyhow::Result<Campaign> {
    let mut table = Table::open(path, &["round_id", "ts", "service", "level", "line"])?;
    let mut rounds: BTreeMap<Box<str>, Sample> = BTreeMap::new();
    let mut writers = Writers::new();
    let mut saying = Saying::default();
    while let Some(row) = table.next_row()? {
        let [id, time, service, level, line] = cells(&row);
        let Some(facts) = facts.get(id) else {
            continue;
        };
        if saying.round() != id {
            saying.end(&mut rounds);
            saying = Saying::of(id);
        }
        let round = rounds.entry(id.into()).or_insert_with(|| sample_of(facts));
        // A record of several lines is kept in one, with the line ends written out.
        let body = line.replace("\\n", "\n");
        let mut told = reader.read(&body, last_time(round));
        told.time = read_head(time, None).time.unwrap_or(told.time);
        if round.is_abnormal() {
            saying.add(round.sequence.events.len(), &told, (service, level));
        }
        append(&mut round.sequence, &told);
        if ["ERROR", "CRITICAL"].contains(&level)
            && let Some(about) = &mut round.round
        {
            about.silent = false;
        }
        if let Some(logger) = logger_of(line, level) {
            writers.entry(told.template).or_insert_with(|| Writer {
                service: stream_of(service),
                logger: logger.into(),
            });
        }
    }
    saying.end(&mut rounds);
    let mut rounds: Vec<Sample> = rounds.into_values().collect();
    rounds.sort_by_key(Sample::begun);
    if rounds.is_empty() {
        bail!("{} has no record of a round in split.tsv", path.display());
    }
    Ok(Campaign { rounds, writers })
}

/// The systems of an OpenStack and those they depend on, as its operators would write it into their
/// catalog. The services of one system depend on each other.
const DEPENDS_ON: [(&str, &str); 9] = [
    ("nova", "keystone"),
    ("nova", "glance"),
    ("nova", "cinder"),
    ("nova", "neutron"),
    ("cinder", "keystone"),
    ("cinder", "glance"),
    ("neutron", "keystone"),
    ("neutron", "nova"),
    ("glance", "keystone"),
];

/// The links between the services of `writers`, as a catalog gives them.
fn topology(writers: &Writers) -> Topology {
    let services: BTreeSet<&StreamKey> = writers.values().map(|writer| &writer.service).collect();
    let mut topology = Topology::default();
    for (caller, callee) in links(&services) {
        topology.link(caller, callee, Timestamp::ZERO, LinkSource::Catalog);
    }
    topology
}

/// The same as pairs: who depends on whom.
fn links<'a>(services: &BTreeSet<&'a StreamKey>) -> Vec<(&'a StreamKey, &'a StreamKey)> {
    let mut links = Vec::new();
    for caller in services {
        for callee in services.iter().filter(|callee| *callee != caller) {
            let (from, to) = (&*caller.namespace, &*callee.namespace);
            if from == to || DEPENDS_ON.contains(&(from, to)) {
                links.push((*caller, *callee));
            }
        }
    }
    links
}

/// `shop/cart` → the service `cart` in `shop`.
fn stream_of(service: &str) -> StreamKey {
    let (namespace, name) = service.split_once('/').unwrap_or(("", service));
    StreamKey {
        namespace: namespace.into(),
        ..StreamKey::named(name)
    }
}

fn sample_of(facts: &Facts) -> Sample {
    Sample {
        kind: Some(facts.kind.clone()),
        fault_at: facts.trigger,
        round: Some(Round {
            silent: true,
            component: facts.component.clone(),
            said: Vec::new(),
        }),
        ..Sample::new(EventSequence::whole(Vec::new()), facts.class)
    }
}

fn last_time(round: &Sample) -> Timestamp {
    let last = round.sequence.times.last();
    last.copied().unwrap_or(Timestamp::ZERO)
}

/// The word after the level: `… INFO shop.cart.keeper [-] …`.
fn logger_of<'a>(line: &'a str, level: &str) -> Option<&'a str> {
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == level)?;
    words.next()
}

fn read_facts(folder: &Path) -> anyhow::Result<AllFacts> {
    let classes = read_classes(folder)?;
    let wanted = [
        "round_id",
        "fault_injected",
        "fault_type",
        "component",
        "trigger",
    ];
    let mut table = Table::open(&first(folder, &["rounds.tsv"])?, &wanted)?;
    let mut all = AllFacts::new();
    while let Some(row) = table.next_row()? {
        let [id, injected, kind, component, trigger] = cells(&row);
        let Some(class) = classes.get(id) else {
            continue;
        };
        let facts = Facts {
            class: *class,
            component: (injected == "1").then(|| module_of(component)),
            trigger: read_head(trigger, None).time,
            kind: kind.into(),
        };
        all.insert(id.into(), facts);
    }
    Ok(all)
}

fn read_classes(folder: &Path) -> anyhow::Result<BTreeMap<Box<str>, Class>> {
    let path = first(folder, &["split.tsv"])?;
    let mut table = Table::open(&path, &["round_id", "class"])?;
    let mut classes = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        let [id, class] = cells(&row);
        let class = match class {
            "N" => Class::Normal,
            "A" => Class::Abnormal,
            "X" => Class::Ambiguous,
            _ => bail!("{}: class {class} is none of N, A and X", path.display()),
        };
        classes.insert(id.into(), class);
    }
    Ok(classes)
}

/// `/shop/cart/keeper.py` → `shop.cart`.
fn module_of(path: &str) -> Box<str> {
    let module = path.trim_start_matches('/').trim_end_matches(".py");
    component_of(&module.replace('/', ".")).into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Ten rounds of a shop, every third with a fault that is logged as an error, in a folder.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = String::from("round_id\tts\tservice\tlevel\tline\n");
        let mut rounds = String::from("round_id\tfault_injected\tfault_type\tcomponent\ttrigger\n");
        let mut split = String::from("round_id\tsplit\tclass\n");
        for round in 0..10 {
            let is_faulty = round % 3 == 2;
            let class = if is_faulty { "A" } else { "N" };
            let time = format!("2026-11-21 07:0{round}:00.000");
            let level = if is_faulty { "ERROR" } else { "INFO" };
            // Later rounds are written first: time counts, not the place in the file.
            lines.insert_str(
                "round_id\tts\tservice\tlevel\tline\n".len(),
                &format!(
                    "shop-{round}\t{time}\tshop\tINFO\t{time} 7 INFO shop.cart.lock [-] took {round}\n\
                     shop-{round}\t{time}\tshop\t{level}\t{time} 7 {level} shop.front.page [-] sent\\nall\n"
                ),
            );
            let trigger = format!("2026-11-21 07:0{round}:00.500 [lock.pyc]: done | and again");
            rounds += &format!(
                "shop-{round}\t{}\tDROP\t/shop/cart/lock.py\t{}\n",
                u8::from(is_faulty),
                if is_faulty { &trigger } else { "" }
            );
            split += &format!("shop-{round}\ttrain\t{class}\n");
        }
        let gz = fs::File::create(folder.path().join("shop.tsv.gz")).unwrap();
        let mut gz = GzEncoder::new(gz, Compression::fast());
        gz.write_all(lines.as_bytes()).unwrap();
        gz.finish().unwrap();
        fs::write(folder.path().join("rounds.tsv"), rounds).unwrap();
        fs::write(folder.path().join("split.tsv"), split).unwrap();
        folder
    }

    #[test]
    fn one_folder_is_parted_by_time_and_no_round_is_trained_on_and_scored() {
        let folder = folder();
        let dataset = read(folder.path(), folder.path()).unwrap();
        assert_eq!(dataset.parts.len(), FOLDS);
        assert_eq!(dataset.samples().count(), 10);
        for part in &dataset.parts {
            let scored: Vec<_> = part.samples.iter().map(Sample::begun).collect();
            assert!(scored.is_sorted(), "rounds are scored in the order of time");
            for trained in &part.corpus.sequences {
                assert!(!scored.contains(&trained.times.first().copied()));
            }
            let normal = part.samples.iter().filter(|one| !one.is_abnormal()).count();
            assert_eq!(part.corpus.sequences.len(), 7 - normal);
        }
    }

    #[test]
    fn two_folders_train_on_all_normal_rounds_of_the_first_and_score_all_of_the_second() {
        let (train, test) = (folder(), folder());
        let dataset = read(train.path(), test.path()).unwrap();
        assert_eq!(dataset.parts.len(), 1);
        assert_eq!(dataset.parts[0].corpus.sequences.len(), 7);
        assert_eq!(dataset.count(Class::Abnormal), 3);
    }

    #[test]
    fn a_round_knows_its_trigger_its_component_and_whether_it_was_silent() {
        let folder = folder();
        let dataset = read(folder.path(), folder.path()).unwrap();
        let faulty = dataset.samples().find(|one| one.is_abnormal()).unwrap();
        let about = faulty.round.as_ref().unwrap();
        assert_eq!(about.component.as_deref(), Some("shop.cart"));
        assert!(!about.silent);
        let trigger = faulty.fault_at.unwrap();
        assert_eq!(trigger.since(faulty.begun().unwrap()).as_millis(), 500);
        let writers = dataset.parts[0].writers.values();
        let loggers: Vec<&str> = writers.map(|writer| writer.logger.as_ref()).collect();
        assert!(loggers.contains(&"shop.cart.lock"), "{loggers:?}");
    }
}
