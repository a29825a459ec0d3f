//! The hours of the week: what each held when it last came.

use serde::{Deserialize, Serialize};

/// Hours of a week; 1 January 1970 was a Thursday, which does not matter here.
pub(super) const SLOTS: usize = 168;
/// Weeks that are kept.
const WEEKS: usize = 3;
/// Times that an hour must have come before it is used.
const SEEN_MIN: usize = 2;
/// Stands for an hour that has not come yet.
const UNSEEN: u8 = u8::MAX;

/// The counts of an hour: means over its buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Hour {
    /// Of the short buckets.
    pub(super) mean: f64,
    /// Of their squares.
    pub(super) squares: f64,
    /// Of the squares of the long buckets.
    pub(super) long_squares: f64,
}

impl Hour {
    fn blend(self, weight: f64, other: Self, other_weight: f64) -> Self {
        let blend = |a: f64, b: f64| (a * weight + b * other_weight) / (weight + other_weight);
        Self {
            mean: blend(self.mean, other.mean),
            squares: blend(self.squares, other.squares),
            long_squares: blend(self.long_squares, other.long_squares),
        }
    }
}

/// What each hour of the week held in the last weeks, in a byte per figure (within 5 %).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Season {
    /// Slot by slot, the latest week first, three figures each.
    codes: Vec<u8>,
}

impl Season {
    /// A week of which nothing is known.
    pub(super) fn new() -> Self {
        Self {
            codes: vec![UNSEEN; SLOTS * WEEKS * 3],
        }
    }

    /// An hour is over.
    pub(super) fn learn(&mut self, slot: usize, hour: Hour) {
        let start = slot % SLOTS * WEEKS * 3;
        if let Some(codes) = self.codes.get_mut(start..start + WEEKS * 3) {
            codes.copy_within(0..(WEEKS - 1) * 3, 3);
            let figures = [hour.mean, hour.squares, hour.long_squares];
            for (code, figure) in codes.iter_mut().zip(figures) {
                *code = encode(figure);
            }
        }
    }

    /// What this hour holds: that of past weeks, drawn to that of past days, drawn to `recent`.
    /// The middle of what was seen is taken, of two the lesser, so one incident teaches nothing.
    pub(super) fn hour(&self, slot: usize, recent: Hour) -> Option<Hour> {
        let days = (0..7).filter_map(|day| self.seen(slot + 24 * day, 0));
        let (of_day, days) = middle(days)?;
        let of_day = of_day.blend(days as f64, recent, 1.0);
        let weeks = (0..WEEKS).filter_map(|week| self.seen(slot, week));
        Some(match middle(weeks) {
            Some((of_week, weeks)) => of_week.blend(weeks as f64, of_day, 0.5),
            None => of_day,
        })
    }

    fn seen(&self, slot: usize, week: usize) -> Option<Hour> {
        let start = (slot % SLOTS * WEEKS + week) * 3;
        match self.codes.get(start..start + 3)? {
            [mean, squares, long_squares] if *mean != UNSEEN => Some(Hour {
                mean: decode(*mean),
                squares: decode(*squares),
                long_squares: decode(*long_squares),
            }),
            _ => None,
        }
    }
}

/// The middle one by mean, and how many there are, if they are enough.
fn middle(hours: impl Iterator<Item = Hour>) -> Option<(Hour, usize)> {
    let mut hours: Vec<Hour> = hours.collect();
    if hours.len() < SEEN_MIN {
        return None;
    }
    hours.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let middle = hours.get((hours.len() - 1) / 2)?;
    Some((*middle, hours.len()))
}

/// Steps of the code in one unit of ln.
const STEPS: f64 = 9.0;
/// The smallest figure that is not nothing, inverted.
const FINENESS: f64 = 1_000.0;

fn encode(figure: f64) -> u8 {
    let code = (STEPS * (figure.max(0.0) * FINENESS).ln_1p()).round();
    code.min(f64::from(UNSEEN - 1)) as u8
}

fn decode(code: u8) -> f64 {
    (f64::from(code) / STEPS).exp_m1() / FINENESS
}
