//! What chance alone does to a count.

/// z for 95 %, two-sided.
const Z: f64 = 1.959_963_985;

/// From and to: how many of `all` trials of chance `rate` succeed, in the middle 95 % of cases.
/// Each tail holds at most 2.5 %.
pub(super) fn binomial_interval(all: usize, rate: f64) -> (usize, usize) {
    if rate <= 0.0 {
        return (0, 0);
    }
    if rate >= 1.0 {
        return (all, all);
    }
    // ln of the chance of exactly `count`, from one count to the next.
    let odds = (rate / (1.0 - rate)).ln();
    let mut ln_chance = all as f64 * (-rate).ln_1p();
    let mut below = 0.0;
    let mut low = None;
    for count in 0..=all {
        below += ln_chance.exp();
        if low.is_none() && below > 0.025 {
            low = Some(count);
        }
        if below >= 0.975 {
            return (low.unwrap_or(count), count);
        }
        ln_chance += ((all - count) as f64 / (count + 1) as f64).ln() + odds;
    }
    (low.unwrap_or(all), all)
}

/// The rates that `part` of `all` speaks for with 95 % (Wilson's interval).
pub(super) fn wilson_interval(part: usize, all: usize) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let (part, all) = (part as f64, all as f64);
    let share = part / all;
    let spread = Z * (share * (1.0 - share) / all + Z * Z / (4.0 * all * all)).sqrt();
    let middle = share + Z * Z / (2.0 * all);
    let widened = 1.0 + Z * Z / all;
    (
        ((middle - spread) / widened).max(0.0),
        ((middle + spread) / widened).min(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_interval_is_that_of_the_tables() {
        // Quantiles as R's qbinom(c(.025, .975), …) gives them.
        assert_eq!(binomial_interval(10, 0.5), (2, 8));
        assert_eq!(binomial_interval(18_000, 0.001), (10, 27));
        assert_eq!(binomial_interval(50, 0.001), (0, 1));
        assert_eq!(binomial_interval(5, 0.0), (0, 0));
        assert_eq!(binomial_interval(5, 1.0), (5, 5));
    }

    #[test]
    fn a_large_count_does_not_underflow() {
        let (low, high) = binomial_interval(552_640, 0.01);
        assert!(low > 5_350 && low < 5_526 && high > 5_526 && high < 5_700);
    }

    #[test]
    fn wilson_is_never_empty_and_holds_the_share() {
        let (low, high) = wilson_interval(0, 100);
        assert!(low == 0.0 && high > 0.03 && high < 0.04, "{low} {high}");
        let (low, high) = wilson_interval(10, 100);
        assert!(low > 0.05 && low < 0.1 && high > 0.1 && high < 0.18);
    }
}
