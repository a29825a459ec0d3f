//! Lines → templates: our miner beside its rivals.
//!
//! They do not do the same; `docs/benchmarks.md` says what each leaves out.

mod accuracy;
#[cfg(feature = "daemon")]
mod bundled;
mod drain3;
mod draw;
mod entrants;
mod growth;
mod hostile;
mod labelled;
mod naive;
mod ours;
mod speed;
mod streams;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

#[cfg(feature = "daemon")]
pub(crate) use bundled::contest;
use drain3::{Drain3, KINDS};
use entrants::Who;
use streams::Stream;

/// Lines of the explosion, as the goal has it.
const EXPLOSION_LINES: usize = 200_000;
/// The most templates for a true one.
const EXPLOSION_MAX: f64 = 2.0;

/// What the command line asks for.
pub(crate) struct Settings {
    parts: Vec<String>,
    streams: Vec<String>,
    lines: usize,
    rounds: usize,
    hostile_lines: usize,
    shared: PathBuf,
    json: bool,
}

impl Settings {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut settings = Self {
            parts: Vec::new(),
            streams: Vec::new(),
            lines: 400_000,
            rounds: 5,
            hostile_lines: 10_000_000,
            shared: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
            json: false,
        };
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("{word} wants a value"))
            };
            match word.as_str() {
                "--lines" => settings.lines = value()?.parse()?,
                "--rounds" => settings.rounds = value()?.parse()?,
                "--hostile-lines" => settings.hostile_lines = value()?.parse()?,
                "--shared" => settings.shared = value()?.into(),
                "--stream" => settings.streams.push(value()?),
                "--json" => settings.json = true,
                "speed" | "miss" | "growth" | "accuracy" | "explosion" | "hostile" => {
                    settings.parts.push(word);
                }
                other => bail!("parse does not know {other}"),
            }
        }
        Ok(settings)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|each| each == part)
    }

    fn wants_stream(&self, stream: &str) -> bool {
        self.streams.is_empty() || self.streams.iter().any(|each| each == stream)
    }
}

/// Runs all parts, or those named: `speed`, `miss`, `growth`, `accuracy`, `explosion`, `hostile`.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    let mut words = words.by_ref().peekable();
    if words.next_if(|word| word == "memory").is_some() {
        return growth::memory_of(&words.next().context("memory of whom")?);
    }
    let settings = Settings::read(words)?;
    if !settings.shared.join("datasets/parsing_2k").is_dir() {
        bail!(
            "no data sets in {}; --shared FOLDER says where they are",
            settings.shared.display()
        );
    }
    type Part = fn(&Settings) -> Result<()>;
    let parts: [(&str, Part); 6] = [
        ("accuracy", accuracy::report),
        ("explosion", explosion),
        ("speed", speed::report),
        ("miss", naive::report),
        ("growth", growth::report),
        ("hostile", hostile::report),
    ];
    for (name, report) in parts {
        if settings.wants(name) {
            report(&settings)?;
        }
    }
    Ok(())
}

/// Templates made of two streams: every word parameter a random word, as the goal has it, and the
/// harder one, numbers and addresses turned into random words too.
fn explosion(settings: &Settings) -> Result<()> {
    let templates = labelled::templates(&settings.shared)?;
    let every = templates.len();
    let (words, count) = Stream::word_explosion(&settings.shared)?;
    explode("every word parameter a random word", words, count)?;
    let harder = Stream::explosion(templates);
    explode("every parameter a random word", harder, every)
}

fn explode(what: &str, mut stream: Stream, truth: usize) -> Result<()> {
    let mut lines = vec![String::new(); EXPLOSION_LINES];
    stream.fill(&mut lines)?;
    println!(
        "| explosion, {what}, {EXPLOSION_LINES} lines of {truth} templates | templates | \
         times the true number | bar |"
    );
    println!("|---|---:|---:|---|");
    for who in Who::ALL {
        eprintln!("explosion, {what}: {}", who.name());
        let mut entrant = who.start(Some(EXPLOSION_LINES))?;
        entrant.feed(&lines);
        entrant.settle();
        let found = entrant.templates();
        let ratio = found as f64 / truth as f64;
        let bar = match who {
            Who::Knothole => format!("{EXPLOSION_MAX:.0} × {}", verdict(ratio <= EXPLOSION_MAX)),
            _ => String::new(),
        };
        println!("| {} | {found} | {ratio:.1} × | {bar} |", who.name());
    }
    if let Some(drain3) = Drain3::find() {
        for (kind, name) in KINDS {
            eprintln!("explosion, {what}: {name}");
            let found = drain3.speed(kind, &lines)?.templates;
            let ratio = found as f64 / truth as f64;
            println!("| {name} | {found} | {ratio:.1} × | |");
        }
    }
    println!();
    Ok(())
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}
