//! How many records a bucket usually holds, as of lately.

use serde::{Deserialize, Serialize};

use super::tail::Expected;

/// What is kept from one bucket to the next: half is forgotten in 60 buckets.
const KEEPS: f32 = 0.988_514;

/// Moments of past counts that forget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    weight: f32,
    sum: f32,
    squares: f32,
}

impl Level {
    /// Takes in the count of a bucket.
    pub(super) fn learn(&mut self, count: f32) {
        for sum in [&mut self.weight, &mut self.sum, &mut self.squares] {
            *sum *= KEEPS;
        }
        self.weight += 1.0;
        self.sum += count;
        self.squares += count * count;
    }

    /// What the next bucket holds, with half a record more than was seen.
    pub(super) fn expected(&self) -> Expected {
        let weight = f64::from(self.weight).max(1.0);
        let mean = (f64::from(self.sum) + 0.5) / weight;
        let variance = (f64::from(self.squares) / weight - mean * mean).max(0.0);
        Expected::of_moments(mean, variance, f64::from(self.sum))
    }
}
