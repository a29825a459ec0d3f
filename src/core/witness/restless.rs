//! How much more something moves from stretch to stretch than chance would have it. What comes in bursts
//! when all is well is no surprise when it comes in a burst again.

use serde::{Deserialize, Serialize};

use super::lengths::{RATIO_MIN, Shift};
use super::share::Share;

/// The mean of the squared deviations of past stretches, in units of what chance alone gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Restless {
    squares: f64,
    stretches: f64,
    /// How the share of what is longer than nearly all of before moves.
    far: [Bursts; 2],
}

/// Until it has shown otherwise, a thing is taken to move twice as much as chance, as if that was seen
/// in so many stretches.
const PRIOR_STRETCHES: f64 = 3.0;
const PRIOR_SQUARE: f64 = 4.0;
/// One wild stretch shall not hide all later ones.
const SQUARE_MAX: f64 = 100.0;
/// The past of so many stretches counts: what was before fades.
const STRETCHES_MAX: f64 = 1_440.0;
/// Times that are longer in fewer of the pairs are not told.
const LONGER_MIN: f64 = 0.7;
/// Surprises of this many nats are findings.
const FINDING_NATS: f64 = 4.0;

impl Restless {
    /// Learns from how a stretch deviated.
    pub(super) fn learn(&mut self, shift: &Shift) {
        for (bursts, far) in self.far.iter_mut().zip(&shift.far) {
            bursts.learn(far.now, far.before);
        }
        self.squares += (shift.z * shift.z).min(SQUARE_MAX);
        self.stretches += 1.0;
        if self.stretches > STRETCHES_MAX {
            self.squares /= 2.0;
            self.stretches /= 2.0;
        }
    }

    /// How surprising a shift is, in nats; `None` if it is not to longer times, or too little.
    pub(super) fn weight(&self, shift: &Shift) -> Option<f64> {
        let square =
            (self.squares + PRIOR_SQUARE * PRIOR_STRETCHES) / (self.stretches + PRIOR_STRETCHES);
        // The tail of a normal distribution, roughly.
        let all = shift.z * shift.z / 2.0 / square.max(1.0);
        let far = self.far.iter().zip(&shift.far);
        let far = far.filter(|(_, far)| far.rises());
        let far = far.map(|(bursts, far)| bursts.surprise(far.now, far.before));
        let all = if shift.longer >= LONGER_MIN { all } else { 0.0 };
        let weight = far.fold(all, f64::max);
        (shift.ratio() >= RATIO_MIN && weight >= FINDING_NATS).then_some(weight)
    }
}

/// The same of shares: the mean of twice the surprise of past stretches, which is 1 by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bursts {
    doubled: f64,
    stretches: f64,
}

/// A share is taken to come as chance has it, as if that was seen in so many stretches.
const STEADY_STRETCHES: f64 = 10.0;

impl Bursts {
    /// Learns from a stretch.
    pub(super) fn learn(&mut self, now: Share, past: Share) {
        self.doubled += (2.0 * now.surprise(past)).min(SQUARE_MAX);
        self.stretches += 1.0;
        if self.stretches > STRETCHES_MAX {
            self.doubled /= 2.0;
            self.stretches /= 2.0;
        }
    }

    /// How surprising `now` is, in nats.
    pub(super) fn surprise(&self, now: Share, past: Share) -> f64 {
        let mean = (self.doubled + STEADY_STRETCHES) / (self.stretches + STEADY_STRETCHES);
        now.surprise(past) / mean.max(1.0)
    }
}
