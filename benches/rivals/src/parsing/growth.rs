//! What many templates cost: time a line, and memory a template.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Settings;
use super::entrants::{Entrant, Who};
use super::streams::Stream;
use super::verdict;
use crate::contest::{Lap, grouped, median};
use crate::memory;

/// Templates that are visited again.
const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];
/// Lines timed for each number of templates in a round.
const REVISITS: usize = 100_000;
/// Lines of a turn.
const TURN: usize = 8_192;
/// The most that a line may take longer with the most templates than with the fewest.
const SLOWDOWN_MAX: f64 = 2.0;
/// The most bytes that a template may take.
const TEMPLATE_BYTES_MAX: u64 = 1_000;

/// The most processor time that learning all templates, or visiting them again, may take. Who needs
/// more is not measured there.
const SPENT_MAX: Duration = Duration::from_secs(20);

/// Prints the table.
pub(crate) fn report(settings: &Settings) -> Result<()> {
    println!(
        "| revisits, lines/s/core | 1,000 templates | 10,000 | 100,000 | slower by | bar | \
         templates held | bytes a template | bar |"
    );
    println!("|---|---:|---:|---:|---:|---|---:|---:|---|");
    for who in Who::ALL {
        let (rates, held) = revisit(who, settings)?;
        let slower = rates[0].zip(rates[2]).map(|(few, many)| few / many);
        let bytes = match rates[2] {
            Some(_) => measured_apart(who)?,
            None => None,
        };
        let bars = match who {
            Who::Knothole => [
                bar(
                    format!("{SLOWDOWN_MAX:.0} ×"),
                    slower.map(|by| by <= SLOWDOWN_MAX),
                ),
                bar(
                    "1 kB".to_owned(),
                    bytes.map(|bytes| bytes <= TEMPLATE_BYTES_MAX),
                ),
            ],
            _ => Default::default(),
        };
        let [few, some, many] = rates.map(|rate| rate.map_or_else(not_done, grouped));
        println!(
            "| {} | {few} | {some} | {many} | {} | {} | {} | {} | {} |",
            who.name(),
            slower.map_or_else(String::new, |by| format!("{by:.1} ×")),
            bars[0],
            held.map_or_else(String::new, |held| held.to_string()),
            bytes.map_or_else(String::new, |bytes| bytes.to_string()),
            bars[1],
        );
    }
    println!();
    Ok(())
}

fn not_done() -> String {
    format!("not in {} s", SPENT_MAX.as_secs())
}

fn bar(bar: String, met: Option<bool>) -> String {
    match met {
        Some(met) => format!("{bar} {}", verdict(met)),
        None => format!("{bar} not measured"),
    }
}

/// The rate for each of [`COUNTS`], in turns, and the templates there are with the most; `None`
/// where it took too long.
fn revisit(who: Who, settings: &Settings) -> Result<([Option<f64>; 3], Option<usize>)> {
    let mut rates = [const { Vec::new() }; 3];
    let mut in_time = [true; 3];
    let mut held = None;
    let mut lines = vec![String::new(); TURN];
    for round in 0..settings.rounds {
        eprintln!(
            "growth: {}, round {} of {}",
            who.name(),
            round + 1,
            settings.rounds
        );
        let mut runs = Vec::new();
        for (place, count) in COUNTS.into_iter().enumerate() {
            let mut stream = Stream::revisits(count);
            let mut entrant = who.start(Some(count))?;
            in_time[place] = in_time[place] && take(&mut stream, &mut entrant, count, &mut lines)?;
            if in_time[place] {
                runs.push((place, stream, entrant, Lap::default()));
            }
        }
        for _ in 0..REVISITS / TURN {
            for (place, stream, entrant, total) in &mut runs {
                if !in_time[*place] {
                    continue;
                }
                stream.fill(&mut lines)?;
                let (lap, ()) = Lap::of(TURN, || {
                    entrant.feed(&lines);
                    Ok(())
                })?;
                total.add(lap);
                in_time[*place] = total.spent < SPENT_MAX;
            }
        }
        for (place, _, entrant, lap) in &runs {
            rates[*place].push(lap.rate());
            held = (*place == 2).then(|| entrant.templates()).or(held);
        }
    }
    let rate = |(rates, in_time): (Vec<f64>, bool)| in_time.then(|| median(rates));
    let mut all = rates.into_iter().zip(in_time).map(rate);
    let rates = std::array::from_fn(|_| all.next().flatten());
    Ok((rates, held.filter(|_| in_time[2])))
}

/// Feeds `count` lines; whether it did not take too long.
fn take(
    stream: &mut Stream,
    entrant: &mut Entrant,
    count: usize,
    lines: &mut [String],
) -> Result<bool> {
    let (mut left, mut total) = (count, Lap::default());
    while left > 0 {
        let len = left.min(lines.len());
        stream.fill(&mut lines[..len])?;
        let (lap, ()) = Lap::of(len, || {
            entrant.feed(&lines[..len]);
            Ok(())
        })?;
        total.add(lap);
        if total.spent > SPENT_MAX {
            return Ok(false);
        }
        left -= len;
    }
    Ok(true)
}

/// Bytes a template of the largest count, in a process of its own: memory that was freed before
/// would hide some. `None` where it took too long.
fn measured_apart(who: Who) -> Result<Option<u64>> {
    let done = Command::new(std::env::current_exe()?)
        .args(["parse", "memory", who.name()])
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "measuring memory: {}",
        said.trim_end()
    );
    let text = String::from_utf8(done.stdout)?;
    match text.trim() {
        "" => Ok(None),
        bytes => Ok(Some(bytes.parse().context("bytes a template")?)),
    }
}

/// Prints by how many bytes a template the process has grown, or nothing where it took too long.
pub(crate) fn memory_of(name: &str) -> Result<()> {
    let who = Who::ALL.into_iter().find(|who| who.name() == name);
    let who = who.context("nobody has that name")?;
    let count = COUNTS[2];
    let mut stream = Stream::revisits(count);
    let mut lines = vec![String::new(); TURN];
    // So that the lines themselves are no growth.
    Stream::revisits(count).fill(&mut lines)?;
    let before = memory::held()?;
    let mut entrant = who.start(Some(count))?;
    if !take(&mut stream, &mut entrant, 2 * count, &mut lines)? {
        return Ok(());
    }
    let grown = memory::held()?.saturating_sub(before);
    println!("{}", grown / entrant.templates().max(1) as u64);
    Ok(())
}
