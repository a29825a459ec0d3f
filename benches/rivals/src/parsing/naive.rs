//! The miss path as one would write it first, beside ours.

use std::hint::black_box;

use anyhow::Result;
use knothole::core::parse::{Pattern, WILDCARD, form_of, shape_of};

use super::Settings;
use super::entrants::Who;
use super::ours::Knothole;
use super::streams::Stream;
use super::verdict;
use crate::contest::{Lap, grouped, median};

/// How many times faster ours must be, or [`RATE_MIN`] lines a second.
const FASTER_MIN: f64 = 2.0;
/// Lines a second without the cache's help, on two virtual Cascade Lake processors.
const RATE_MIN: f64 = 1_500_000.0;
/// Lines that teach both the templates.
const LESSONS: usize = 100_000;
/// Lines timed in a turn.
const TURN: usize = 8_192;

/// Reads a line byte by byte, masks it, and holds it against every template. It has neither a
/// cache nor an index, and learns nothing.
struct Naive {
    /// With the places that are open.
    patterns: Vec<(usize, Pattern)>,
    form: Vec<u8>,
    variables: Vec<(u32, u32)>,
}

impl Naive {
    fn new(texts: Vec<String>) -> Self {
        let wide = texts.iter().filter(|text| text.contains(WILDCARD));
        let pattern = |text: &String| (text.matches(WILDCARD).count(), Pattern::of_template(text));
        Self {
            patterns: wide.map(pattern).collect(),
            form: Vec::new(),
            variables: Vec::new(),
        }
    }

    fn feed(&mut self, lines: &[String]) {
        for line in lines {
            form_of(line.as_bytes(), &mut self.form, &mut self.variables);
            let shape = shape_of(&self.form);
            let patterns = self.patterns.iter();
            let matching = patterns.filter(|(_, pattern)| pattern.matches(&shape.text));
            let best = matching.min_by_key(|(open, pattern)| (*open, pattern.key()));
            black_box(best.map(|(_, pattern)| pattern.open_ranges(&shape.text)));
        }
    }
}

/// Prints how fast lines are of which no form came before, once the templates are known.
pub(crate) fn report(settings: &Settings) -> Result<()> {
    let mut stream = Stream::named("all_miss", &settings.shared)?;
    let mut lines = vec![String::new(); LESSONS];
    stream.fill(&mut lines)?;
    let mut ours = Knothole::new();
    ours.feed(&lines);
    ours.settle();
    let mut naive = Naive::new(ours.texts());
    lines.truncate(TURN);
    let mut rates = [const { Vec::new() }; 2];
    for _ in 0..settings.rounds {
        let mut laps = [Lap::default(); 2];
        for _ in 0..(settings.lines / TURN).max(1) {
            stream.fill(&mut lines)?;
            laps[0].add(Lap::of(TURN, || Ok(ours.feed(&lines)))?.0);
            laps[1].add(Lap::of(TURN, || Ok(naive.feed(&lines)))?.0);
        }
        for (rates, lap) in rates.iter_mut().zip(laps) {
            rates.push(lap.rate());
        }
    }
    let ratios = rates[0].iter().zip(&rates[1]).map(|(own, its)| own / its);
    let ratio = median(ratios.collect());
    let [own, its] = rates.map(median);
    let met = verdict(own >= RATE_MIN || ratio >= FASTER_MIN);
    println!("| new forms of known templates | lines/s/core | faster by | bar |");
    println!("|---|---:|---:|---|");
    println!(
        "| {} | {} | {ratio:.1} × | {} lines/s or {FASTER_MIN:.0} × {met} |",
        Who::Knothole.name(),
        grouped(own),
        grouped(RATE_MIN),
    );
    println!("| the naive slow path | {} | | |\n", grouped(its));
    Ok(())
}
