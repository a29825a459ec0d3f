//! How often something happens, of all the times it could, and whether two such shares are alike.

use serde::{Deserialize, Serialize};

/// So many times of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) times: u64,
    pub(super) of: u64,
}

impl Share {
    pub(super) const fn new(times: u64, of: u64) -> Self {
        Self { times, of }
    }

    /// The share, between 0 and 1; 0 of nothing.
    pub(super) fn ratio(self) -> f64 {
        self.times as f64 / self.of.max(1) as f64
    }

    /// How surprising `self` is beside `before`, in nats: the likelihood ratio of two shares over one,
    /// never less than 0.
    pub(super) fn surprise(self, before: Self) -> f64 {
        let (k, n) = (self.times as f64, self.of as f64);
        let (k0, n0) = (before.times as f64, before.of as f64);
        if n <= 0.0 || n0 <= 0.0 {
            return 0.0;
        }
        let common = (k + k0 + 0.5) / (n + n0 + 1.0);
        let nats = |observed: f64, expected: f64| {
            if observed > 0.0 {
                observed * (observed / expected).ln()
            } else {
                0.0
            }
        };
        let total = nats(k, n * common)
            + nats(n - k, n * (1.0 - common))
            + nats(k0, n0 * common)
            + nats(n0 - k0, n0 * (1.0 - common));
        total.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_always_came_and_now_seldom_does_is_a_great_surprise() {
        let always = Share::new(98, 98);
        assert!(Share::new(3, 51).surprise(always) > 40.0);
        assert!(Share::new(51, 51).surprise(always) < 0.1);
        assert!(Share::new(50, 51).surprise(always) < 2.0);
        assert!(Share::new(1, 1).surprise(Share::default()) <= 0.0);
    }

    #[test]
    fn a_long_past_makes_a_break_more_surprising() {
        let now = Share::new(5, 10);
        let short = now.surprise(Share::new(12, 12));
        let long = now.surprise(Share::new(1_200, 1_200));
        assert!(short > 2.0 && long > 2.0 * short, "{short} {long}");
    }
}
