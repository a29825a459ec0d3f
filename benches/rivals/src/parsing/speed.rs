//! Lines a second, all in turns on the same lines.

use anyhow::Result;

use super::Settings;
use super::drain3::{Drain3, KINDS};
use super::entrants::{Entrant, Who};
use super::streams::{NAMES, Stream};
use crate::contest::{Lap, grouped, median};

/// Lines that each entrant takes before it is the next one's turn.
const TURN: usize = 8_192;
/// Lines that Drain3 is timed on, the first of the stream.
const DRAIN3_LINES: usize = 20_000;

/// Rates of all rounds, and the templates of the last one.
struct Standing {
    name: &'static str,
    rates: Vec<f64>,
    templates: usize,
    bar: Option<f64>,
}

/// Prints a table for all streams that are wanted.
pub(crate) fn report(settings: &Settings) -> Result<()> {
    let drain3 = Drain3::find();
    println!(
        "| stream | who | lines/s/core | lowest to highest | templates | knothole is faster by | bar |"
    );
    println!("|---|---|---:|---:|---:|---:|---|");
    for stream in NAMES.iter().filter(|name| settings.wants_stream(name)) {
        let standings = race(stream, settings, drain3.as_ref())?;
        print(stream, &standings);
    }
    println!();
    Ok(())
}

fn race(name: &str, settings: &Settings, drain3: Option<&Drain3>) -> Result<Vec<Standing>> {
    let mut standings: Vec<Standing> = Who::ALL
        .iter()
        .map(|&who| Standing::new(who.name(), bar(name, who)))
        .collect();
    if drain3.is_some() {
        let bar = [None, main_stream(name).then_some(200.0)];
        let kinds = KINDS.iter().zip(bar);
        standings.extend(kinds.map(|((_, name), bar)| Standing::new(name, bar)));
    }
    for round in 0..settings.rounds {
        eprintln!("speed: {name}, round {} of {}", round + 1, settings.rounds);
        let first = run(name, settings, round, &mut standings)?;
        for (place, (kind, _)) in KINDS.iter().enumerate() {
            if let Some(drain3) = drain3 {
                let timed = drain3.speed(kind, &first)?;
                let standing = &mut standings[Who::ALL.len() + place];
                standing.rates.push(timed.lines as f64 / timed.seconds);
                standing.templates = timed.templates;
            }
        }
    }
    Ok(standings)
}

/// One round from empty, a turn of lines for each in turn. Answers the first lines.
fn run(
    name: &str,
    settings: &Settings,
    round: usize,
    standings: &mut [Standing],
) -> Result<Vec<String>> {
    let mut stream = Stream::named(name, &settings.shared)?;
    let started: Result<Vec<Entrant>> = Who::ALL.iter().map(|who| who.start(None)).collect();
    let mut entrants = started?;
    let mut laps = vec![Lap::default(); entrants.len()];
    let mut first = Vec::new();
    let mut lines = vec![String::new(); TURN];
    let mut left = settings.lines;
    while left > 0 {
        let len = TURN.min(left);
        stream.fill(&mut lines[..len])?;
        let room = DRAIN3_LINES - first.len();
        first.extend_from_slice(&lines[..len.min(room)]);
        for turn in 0..entrants.len() {
            let place = (round + turn) % entrants.len();
            let entrant = &mut entrants[place];
            let (lap, ()) = Lap::of(len, || {
                entrant.feed(&lines[..len]);
                Ok(())
            })?;
            laps[place].add(lap);
        }
        left -= len;
    }
    for ((standing, entrant), lap) in standings.iter_mut().zip(&entrants).zip(laps) {
        standing.rates.push(lap.rate());
        standing.templates = entrant.templates();
    }
    Ok(first)
}

impl Standing {
    fn new(name: &'static str, bar: Option<f64>) -> Self {
        Self {
            name,
            rates: Vec::new(),
            templates: 0,
            bar,
        }
    }
}

/// The streams that the goals are about.
fn main_stream(name: &str) -> bool {
    !matches!(name, "explosion" | "all_miss")
}

/// How many times faster than `who` the goal wants us to be.
fn bar(stream: &str, who: Who) -> Option<f64> {
    match (stream, who) {
        ("explosion" | "all_miss", _) => None,
        ("hdfs_like" | "bgl_like", Who::DrainRsMasks) => Some(30.0),
        (_, Who::DrainRsMasks) => Some(20.0),
        (_, Who::LogdrainMasks) => Some(10.0),
        _ => None,
    }
}

fn print(stream: &str, standings: &[Standing]) {
    for Standing {
        name,
        rates,
        templates,
        bar,
    } in standings
    {
        let ratios = standings[0].rates.iter().zip(rates);
        let ratio = median(ratios.map(|(own, its)| own / its).collect());
        let rate = median(rates.clone());
        let low = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let high = rates.iter().copied().fold(0.0, f64::max);
        let bar = match bar {
            Some(bar) => format!("{bar:.0} × {}", super::verdict(ratio >= *bar)),
            None => String::new(),
        };
        println!(
            "| {stream} | {name} | {} | {} to {} | {templates} | {ratio:.1} × | {bar} |",
            grouped(rate),
            grouped(low),
            grouped(high),
        );
    }
}
