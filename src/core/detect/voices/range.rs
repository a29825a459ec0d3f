//! The usual values of one place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A place with more names than these is free.
const NAMES_MAX: usize = 64;
/// Where more than such a share of sequences brought a new name, names are free.
const NEW_MAX: f64 = 0.02;
/// Tails begin at this quantile on either side.
const TAIL: f64 = 0.01;
/// Where more than such a share of the later numbers lie beyond the range of the earlier ones, the
/// numbers are free: counters, clocks, identifiers.
const BEYOND_MAX: f64 = 0.05;
/// Least numbers of a range.
const NUMBERS_MIN: usize = 50;
/// The mean excess is drawn towards this share of the usual range as by so many numbers.
const PRIOR: (f32, f32) = (0.25, 4.0);
/// Least width of a range there, so that a range of one number does not make any other a wonder.
const WIDTH_MIN: f32 = 0.1;

/// The few names that come in a place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Names {
    /// By name: the sequences that have it, and the latest of these.
    known: BTreeMap<u32, (u32, u32)>,
    /// How rare a new one is, in nats.
    nats: f32,
}

impl Names {
    /// Hears a name in a sequence; sequences come one after another.
    pub(super) fn see(&mut self, sequence: u32, hash: u32) {
        if let Some((sequences, latest)) = self.known.get_mut(&hash) {
            *sequences += u32::from(*latest != sequence);
            *latest = sequence;
        } else if self.known.len() <= NAMES_MAX {
            self.known.insert(hash, (1, sequence));
        }
    }

    /// With the chance of a new name (Good and Turing: the share of names that came once), where
    /// it is small.
    pub(super) fn learned(mut self, sequences: u32) -> Option<Self> {
        let once = self.known.values().filter(|(of, _)| *of == 1).count();
        let chance = (once as f64 + 0.5) / (f64::from(sequences) + 1.0);
        self.nats = -chance.ln() as f32;
        let is_few = self.known.len() <= NAMES_MAX && self.known.len() * 10 <= sequences as usize;
        (is_few && chance <= NEW_MAX).then_some(self)
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.known.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn surprise(&self, hash: u32) -> f32 {
        match self.known.contains_key(&hash) {
            true => 0.0,
            false => self.nats,
        }
    }
}

/// The numbers of a place: a range and exponential tails, on a scale that is linear near zero and
/// logarithmic far from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Range {
    low: f32,
    high: f32,
    below: Excess,
    above: Excess,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Excess {
    nats: f32,
    scale: f32,
}

impl Range {
    /// Most numbers of one place that are learned from.
    pub(super) const LEARNED_MAX: usize = 16_384;

    /// Learns from numbers in the order of time; `None` where they are free.
    pub(super) fn learn(numbers: &[f32]) -> Option<Self> {
        if numbers.len() < NUMBERS_MIN {
            return None;
        }
        let scaled: Vec<f32> = numbers.iter().copied().map(scaled).collect();
        let (earlier, later) = scaled.split_at(scaled.len() / 2);
        if is_free(earlier, later) || is_free(later, earlier) {
            return None;
        }
        let (low, high) = bounds(&scaled);
        let width = (high - low).max(WIDTH_MIN);
        let excess = |beyond: &dyn Fn(f32) -> f32| {
            let beyond = scaled.iter().map(|number| beyond(*number));
            Excess::learn(beyond.filter(|excess| *excess > 0.0), scaled.len(), width)
        };
        Some(Self {
            low,
            high,
            below: excess(&|number| low - number),
            above: excess(&|number| number - high),
        })
    }

    pub(super) fn usual(&self) -> (f32, f32) {
        (unscaled(self.low), unscaled(self.high))
    }

    pub(super) fn surprise(&self, number: f32) -> f32 {
        let number = scaled(number);
        self.below
            .surprise(self.low - number)
            .max(self.above.surprise(number - self.high))
    }
}

impl Excess {
    fn learn(beyond: impl Iterator<Item = f32>, of: usize, width: f32) -> Self {
        let (count, sum) = beyond.fold((0.0, 0.0), |(count, sum), excess| {
            (count + 1.0, sum + excess)
        });
        let (prior, weight) = PRIOR;
        Self {
            nats: -((count + 0.5_f32) / (of as f32 + 1.0)).ln(),
            scale: (sum + prior * width * weight) / (count + weight),
        }
    }

    fn surprise(self, excess: f32) -> f32 {
        match excess > 0.0 {
            true => self.nats + excess / self.scale,
            false => 0.0,
        }
    }
}

fn is_free(learned: &[f32], validated: &[f32]) -> bool {
    let (low, high) = bounds(learned);
    let beyond = validated
        .iter()
        .filter(|number| **number < low || **number > high);
    beyond.count() as f64 > BEYOND_MAX * validated.len() as f64
}

fn bounds(numbers: &[f32]) -> (f32, f32) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| {
        let at = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(at).copied().unwrap_or(0.0)
    };
    (at(TAIL), at(1.0 - TAIL))
}

fn scaled(number: f32) -> f32 {
    number.abs().ln_1p().copysign(number)
}

fn unscaled(scaled: f32) -> f32 {
    scaled.abs().exp_m1().copysign(scaled)
}
