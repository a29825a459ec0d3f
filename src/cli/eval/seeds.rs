//! How much of a figure is the seed's doing.

use serde::Serialize;

use super::metrics::Row;

/// One row's figures over several seeds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OverSeeds {
    pub(super) f1: Spread,
    pub(super) auroc: Spread,
    pub(super) false_alarms_per_10k: Spread,
}

/// A figure over several seeds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// The standard deviation of one seed's figure.
    pub(super) deviation: f64,
    /// One for each seed, in order.
    pub(super) each: Vec<f64>,
}

impl OverSeeds {
    /// Of one detector's rows, one for each seed; `None` for fewer than two.
    pub(super) fn new(rows: &[&Row]) -> Option<Self> {
        (rows.len() > 1).then(|| Self {
            f1: Spread::new(rows.iter().map(|row| row.f1)),
            auroc: Spread::new(rows.iter().map(|row| row.auroc)),
            false_alarms_per_10k: Spread::new(
                rows.iter().map(|row| row.quiet.false_alarms_per_10k),
            ),
        })
    }
}

impl Spread {
    fn new(each: impl Iterator<Item = f64>) -> Self {
        let each: Vec<f64> = each.collect();
        let count = each.len() as f64;
        let mean = each.iter().sum::<f64>() / count;
        let squares: f64 = each.iter().map(|one| (one - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
            each,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_a_sample() {
        let spread = Spread::new([1.0, 2.0, 3.0].into_iter());
        assert_eq!((spread.mean, spread.deviation), (2.0, 1.0));
        assert_eq!(Spread::new([4.0].into_iter()).deviation, 0.0);
    }
}
