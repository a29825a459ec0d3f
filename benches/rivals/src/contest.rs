//! Several ways to do one thing, timed in turns, so that a noisy minute hits all of them.

use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// Times each entrant runs.
const ROUNDS: usize = 5;

/// The head of the table that [`Standings::print`] adds rows to.
pub(crate) const TABLE_HEAD: &str = "\
| what | who | median | lowest to highest | knothole is faster by |
|---|---|---:|---:|---:|";

/// How much was done in how much processor time, all threads of the process together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lap {
    pub(crate) units: u64,
    pub(crate) spent: Duration,
}

impl Lap {
    /// Does `work`, of `units`.
    pub(crate) fn of<T>(units: usize, work: impl FnOnce() -> Result<T>) -> Result<(Self, T)> {
        let began = cpu_time();
        let done = work()?;
        let spent = cpu_time().saturating_sub(began);
        let units = units as u64;
        Ok((Self { units, spent }, done))
    }

    /// Makes this lap longer by another.
    pub(crate) fn add(&mut self, other: Self) {
        self.units += other.units;
        self.spent += other.spent;
    }

    /// Units a second.
    pub(crate) fn rate(&self) -> f64 {
        self.units as f64 / self.spent.as_secs_f64().max(1e-9)
    }
}

/// One way to do it. It sets itself up before its lap, not within.
pub(crate) struct Entrant<'a> {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut() -> Result<Lap> + 'a>,
}

/// Rates of each entrant, round by round. The first is knothole.
pub(crate) struct Standings {
    names: Vec<&'static str>,
    rates: Vec<Vec<f64>>,
}

/// Runs all `entrants` in turns. Another begins each round.
pub(crate) fn race(mut entrants: Vec<Entrant<'_>>) -> Result<Standings> {
    let count = entrants.len();
    let mut rates = vec![Vec::with_capacity(ROUNDS); count];
    for round in 0..ROUNDS {
        for turn in 0..count {
            let place = (round + turn) % count;
            rates[place].push((entrants[place].run)()?.rate());
        }
    }
    Ok(Standings {
        names: entrants.iter().map(|entrant| entrant.name).collect(),
        rates,
    })
}

impl Standings {
    /// Prints one row for each entrant. The ratio is the median of the rounds' ratios.
    pub(crate) fn print(&self, what: &str) {
        for (name, rates) in self.names.iter().zip(&self.rates) {
            let ratios = self.rates[0].iter().zip(rates).map(|(own, its)| own / its);
            let low = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let high = rates.iter().copied().fold(0.0, f64::max);
            println!(
                "| {what} | {name} | {} | {} to {} | {:.2} × |",
                grouped(median(rates.clone())),
                grouped(low),
                grouped(high),
                median(ratios.collect()),
            );
        }
    }
}

/// The middle one of an odd number of values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A rate in three digits, with thousands set apart.
pub(crate) fn grouped(rate: f64) -> String {
    let digits = (rate.abs().max(1.0).log10().floor() as i32 - 2).max(0);
    let step = 10f64.powi(digits);
    let rounded = ((rate / step).round() * step) as u64;
    let text = rounded.to_string();
    let mut grouped = String::new();
    for (place, digit) in text.chars().enumerate() {
        if place > 0 && (text.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What all threads of the process have used.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
