//! What many templates cost: time a line, and memory a template.

use std::process::Command;

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

/// Prints the table.
pub(crate) fn report(settings: &Settings) -> Result<()> {
    println!(
        "| revisits, lines/s/core | 1,000 templates | 10,000 | 100,000 | slower by | bar | \
         templates held | bytes a template | bar |"
    );
    println!("|---|---:|---:|---:|---:|---|---:|---:|---|");
    for who in Who::ALL {
        let (rates, held) = revisit(who, settings)?;
        let slower = rates[0] / rates[2];
        let bytes = measured_apart(who)?;
        let bars = match who {
            Who::Knothole => [
                format!("{SLOWDOWN_MAX:.0} × {}", verdict(slower <= SLOWDOWN_MAX)),
                format!("1 kB {}", verdict(bytes <= TEMPLATE_BYTES_MAX)),
            ],
            _ => Default::default(),
        };
        let [few, some, many] = rates.map(grouped);
        println!(
            "| {} | {few} | {some} | {many} | {slower:.1} × | {} | {held} | {bytes} | {} |",
            who.name(),
            bars[0],
            bars[1],
        );
    }
    println!();
    Ok(())
}

/// The rate for each of [`COUNTS`], in turns, and the templates there are with the most.
fn revisit(who: Who, settings: &Settings) -> Result<([f64; 3], usize)> {
    let mut rates = [const { Vec::new() }; 3];
    let mut held = 0;
    let mut lines = vec![String::new(); TURN];
    for round in 0..settings.rounds {
        eprintln!(
            "growth: {}, round {} of {}",
            who.name(),
            round + 1,
            settings.rounds
        );
        let mut runs = Vec::new();
        for count in COUNTS {
            let mut stream = Stream::revisits(count);
            let mut entrant = who.start(Some(count))?;
            take(&mut stream, &mut entrant, count, &mut lines)?;
            runs.push((stream, entrant, Lap::default()));
        }
        for _ in 0..REVISITS / TURN {
            for (stream, entrant, total) in &mut runs {
                stream.fill(&mut lines)?;
                let (lap, ()) = Lap::of(TURN, || {
                    entrant.feed(&lines);
                    Ok(())
                })?;
                total.add(lap);
            }
        }
        for (rates, (_, entrant, lap)) in rates.iter_mut().zip(&runs) {
            rates.push(lap.rate());
            held = entrant.templates();
        }
    }
    Ok((rates.map(median), held))
}

fn take(
    stream: &mut Stream,
    entrant: &mut Entrant,
    count: usize,
    lines: &mut [String],
) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let len = left.min(lines.len());
        stream.fill(&mut lines[..len])?;
        entrant.feed(&lines[..len]);
        left -= len;
    }
    Ok(())
}

/// Bytes a template of the largest count, in a process of its own: memory that was freed before
/// would hide some.
fn measured_apart(who: Who) -> Result<u64> {
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
    text.trim().parse().context("bytes a template")
}

/// Prints by how many bytes a template the process has grown.
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
    take(&mut stream, &mut entrant, 2 * count, &mut lines)?;
    let grown = memory::held()?.saturating_sub(before);
    println!("{}", grown / entrant.templates().max(1) as u64);
    Ok(())
}
