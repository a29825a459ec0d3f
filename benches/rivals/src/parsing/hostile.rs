//! Lines meant to hurt: what they cost, and whether a service beside them notices.

use anyhow::Result;

use super::Settings;
use super::ours::Knothole;
use super::streams::Stream;
use super::verdict;
use crate::contest::{Lap, grouped};
use crate::memory;

/// Hostile lines of a turn.
const TURN: usize = 8_192;
/// Lines of the other service in a turn.
const OTHER: usize = 512;
/// Lines that the benign rate is measured on.
const BENIGN: usize = 1_000_000;
/// The most that the process may grow by. A figure of this bench: the miner names no bound in bytes.
const GROWTH_MAX: u64 = 64 << 20;
/// Turns between two progress lines.
const NEWS_EVERY: usize = 64;

/// Prints the table.
pub(crate) fn report(settings: &Settings) -> Result<()> {
    let benign = benign(settings)?;
    let mut stream = Stream::hostile();
    let mut beside = Stream::named("mixed", &settings.shared)?;
    let mut alone = Stream::named("mixed", &settings.shared)?;
    let (mut lines, mut few) = (vec![String::new(); TURN], vec![String::new(); OTHER]);
    // The longest lines may come in any place of a turn; their room is no growth of the miner.
    lines.iter_mut().for_each(|line| line.reserve(1_024));
    let (mut miner, mut other) = (Knothole::in_daemon(), Knothole::new());
    let (mut total, mut others, mut bytes) = (Lap::default(), Lap::default(), 0);
    let before = memory::held()?;
    let (mut most, turns) = (0, settings.hostile_lines.div_ceil(TURN));
    for turn in 0..turns {
        stream.fill(&mut lines)?;
        beside.fill(&mut few)?;
        bytes += lines.iter().map(String::len).sum::<usize>();
        let (lap, ()) = Lap::of(TURN, || {
            miner.feed(&lines);
            Ok(())
        })?;
        total.add(lap);
        let (lap, ()) = Lap::of(OTHER, || {
            other.feed(&few);
            Ok(())
        })?;
        others.add(lap);
        lines.iter_mut().for_each(|line| line.shrink_to(1_024));
        most = most.max(memory::held()?.saturating_sub(before));
        if turn % NEWS_EVERY == 0 {
            eprintln!("hostile: {} lines", turn * TURN);
        }
    }
    let mut quiet = Knothole::in_daemon();
    for _ in 0..turns {
        alone.fill(&mut few)?;
        quiet.feed(&few);
    }
    let share = total.rate() / benign;
    println!("| hostile lines | {} | |", total.units);
    println!("|---|---:|---|");
    println!("| benign, lines/s/core | {} | |", grouped(benign));
    println!("| hostile, lines/s/core | {} | |", grouped(total.rate()));
    println!(
        "| of the benign rate | {share:.2} | 0.5 {} |",
        verdict(share >= 0.5)
    );
    println!("| mean bytes a line | {} | |", bytes / total.units as usize);
    let fits = verdict(most <= GROWTH_MAX);
    println!(
        "| growth, MB | {} | {} {fits} |",
        most >> 20,
        GROWTH_MAX >> 20
    );
    println!("| templates | {} | |", miner.templates());
    println!(
        "| lines in the overflow template | {} | |",
        miner.overflow()
    );
    println!(
        "| lines lost in counting | {} | 0 {} |",
        miner.lost(),
        verdict(miner.lost() == 0)
    );
    println!(
        "| another miner's lines/s/core beside it | {} | |",
        grouped(others.rate())
    );
    let same = other.templates() == quiet.templates() && other.overflow() == quiet.overflow();
    println!(
        "| its templates are as many as alone | {} | {} |\n",
        other.templates(),
        verdict(same)
    );
    Ok(())
}

fn benign(settings: &Settings) -> Result<f64> {
    let mut stream = Stream::named("mixed", &settings.shared)?;
    let mut lines = vec![String::new(); TURN];
    let mut miner = Knothole::in_daemon();
    let mut total = Lap::default();
    for _ in 0..BENIGN.min(settings.hostile_lines) / TURN {
        stream.fill(&mut lines)?;
        let (lap, ()) = Lap::of(TURN, || {
            miner.feed(&lines);
            Ok(())
        })?;
        total.add(lap);
    }
    Ok(total.rate())
}
