//! How improbable a count is.

/// Terms of a tail that are summed; what is left after them is bounded as a geometric series.
const TERMS_MAX: u32 = 400;
/// Terms below this share of the sum do not change it.
const NEGLIGIBLE: f64 = 1e-9;

/// What a bucket is expected to hold: a negative binomial distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expected {
    /// Its mean.
    pub(super) mean: f64,
    /// Its size: the smaller, the wider.
    pub(super) size: f64,
}

impl Expected {
    /// Of `mean` and `variance`, both known from so many counts: `evidence` is their sum.
    pub(super) fn of_moments(mean: f64, variance: f64, evidence: f64) -> Self {
        let mean = mean.max(1e-6);
        let spread = ((variance - mean) / (mean * mean)).max(SPREAD_MIN);
        let doubt = 1.0 / (evidence + 0.5);
        Self {
            mean,
            size: 1.0 / (spread + doubt),
        }
    }

    /// −ln of the chance of at least `count`.
    pub(super) fn at_least(&self, count: f64) -> f64 {
        if count <= self.mean {
            return 0.0;
        }
        let ratio = |k: f64| (k + self.size) / (k + 1.0) * self.mean / (self.mean + self.size);
        let (mut sum, mut term, mut k) = (1.0, 1.0, count);
        for _ in 0..TERMS_MAX {
            term *= ratio(k);
            sum += term;
            k += 1.0;
            if term < sum * NEGLIGIBLE {
                break;
            }
        }
        let next = ratio(k);
        if next < 1.0 {
            sum += term * next / (1.0 - next);
        }
        (-(self.ln_chance(count) + sum.ln())).max(0.0)
    }

    /// −ln of the chance of at most `count`.
    pub(super) fn at_most(&self, count: f64) -> f64 {
        if count >= self.mean {
            return 0.0;
        }
        let (mut sum, mut term, mut k) = (1.0, 1.0, count);
        for _ in 0..TERMS_MAX {
            if k < 1.0 {
                break;
            }
            term *= k / (k - 1.0 + self.size) * (self.mean + self.size) / self.mean;
            sum += term;
            k -= 1.0;
            if term < sum * NEGLIGIBLE {
                break;
            }
        }
        (-(self.ln_chance(count) + sum.ln())).max(0.0)
    }

    /// Between which counts nine of ten buckets lie.
    pub(super) fn usual(&self) -> (f64, f64) {
        let rare = 20f64.ln();
        let spread = (self.mean + self.mean * self.mean / self.size).sqrt();
        let highest = first(self.mean, self.mean + 40.0 * spread + 40.0, |count| {
            self.at_least(count + 1.0) >= rare
        });
        let lowest = first(0.0, self.mean, |count| self.at_most(count) < rare);
        (lowest, highest)
    }

    fn ln_chance(&self, count: f64) -> f64 {
        let whole = self.mean + self.size;
        ln_gamma(count + self.size) - ln_gamma(count + 1.0) - ln_gamma(self.size)
            + self.size * (self.size / whole).ln()
            + count * (self.mean / whole).ln()
    }
}

/// No rate is steadier than this squared coefficient of variation.
const SPREAD_MIN: f64 = 0.02;

/// The first whole number from `low` to `high` for which `holds`, which stays true from there on.
fn first(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (low.floor(), high.ceil());
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0).floor();
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    if holds(low) { low } else { high }
}

/// ln Γ(x) for x > 0, by Stirling's series after moving x up to 8.
pub(super) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series =
        inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + series - product.ln()
}

/// The tail of past surprises of one template: what often surprised says less. Surprises above
/// [`TAIL_FROM`] are taken to be Pareto distributed, as bursts come in all sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Tail {
    seen: f32,
    over: f32,
    /// Sum of ln(surprise / [`TAIL_FROM`]).
    excess: f32,
}

/// Surprises above this many nats are kept as the tail.
const TAIL_FROM: f64 = 4.0;
/// Buckets that an untried tail counts for.
const TAIL_PRIOR: f64 = 50.0;
/// Surprises that an untried tail counts for, and the mean ln of their excess.
const TAIL_PRIOR_SURPRISES: f64 = 6.0;
const TAIL_PRIOR_EXCESS: f64 = 0.1;
/// What a tail keeps from one bucket to the next: half is forgotten in two weeks.
const TAIL_KEEPS: f32 = 0.999_965_6;

impl Tail {
    /// Takes in the surprise of a bucket.
    pub(super) fn learn(&mut self, surprise: f64) {
        for sum in [&mut self.seen, &mut self.over, &mut self.excess] {
            *sum *= TAIL_KEEPS;
        }
        self.seen += 1.0;
        if surprise > TAIL_FROM {
            self.over += 1.0;
            self.excess += (surprise / TAIL_FROM).ln() as f32;
        }
    }

    /// −ln of how often so much came: never more than `surprise` itself.
    pub(super) fn discounted(&self, surprise: f64) -> f64 {
        if surprise <= TAIL_FROM {
            return surprise;
        }
        let over = f64::from(self.over);
        let share = (over + TAIL_PRIOR * (-TAIL_FROM).exp()) / (f64::from(self.seen) + TAIL_PRIOR);
        let mean = (f64::from(self.excess) + TAIL_PRIOR_SURPRISES * TAIL_PRIOR_EXCESS)
            / (over + TAIL_PRIOR_SURPRISES);
        (-share.ln() + (surprise / TAIL_FROM).ln() / mean).min(surprise)
    }
}
