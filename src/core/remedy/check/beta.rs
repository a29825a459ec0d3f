//! How likely a rate is low, from how often something came out and how often it did not.
//!
//! With even odds before anything is known, a rate of which `h` successes and `n` failures were seen is
//! distributed as Beta(1 + h, 1 + n). That it is below `x` is as likely as at least `h + 1` successes in
//! `h + n + 1` tries, each with chance `x`: a finite sum of whole numbers over a power of ten, so that it
//! is worked out exactly and is the same on every machine.

/// Shares are whole parts of so many.
const PARTS: u32 = 1_000;

/// Whether the rate is below `rate` with a probability of at least `doubt`. Both are rounded to a
/// thousandth. The work grows with the cube of the outcomes, of which a book gives
/// [`OUTCOMES_MAX`](crate::core::remedy::book::Book::OUTCOMES_MAX) at most.
pub(super) fn is_likely_below(helped: u32, not: u32, rate: f64, doubt: f64) -> bool {
    let tries = helped + not + 1;
    let low = parts(rate);
    let mut ways = vec![Whole::from(1)];
    for _ in 0..tries {
        let mut next = vec![Whole::default(); ways.len() + 1];
        for (successes, way) in ways.iter().enumerate() {
            if let Some(same) = next.get_mut(successes) {
                same.add(&way.times(PARTS - low));
            }
            if let Some(more) = next.get_mut(successes + 1) {
                more.add(&way.times(low));
            }
        }
        ways = next;
    }
    let mut below = Whole::default();
    let from = usize::try_from(helped).unwrap_or(usize::MAX);
    for way in ways.iter().skip(from.saturating_add(1)) {
        below.add(way);
    }
    let all = (0..tries).fold(Whole::from(1), |all, _| all.times(PARTS));
    below.times(PARTS).is_at_least(&all.times(parts(doubt)))
}

fn parts(share: f64) -> u32 {
    // What is no number is 0.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0 and 1000"
    )]
    let parts = (share.clamp(0.0, 1.0) * f64::from(PARTS)).round() as u32;
    parts
}

/// A whole number of any size: 32 bits in a place, the lowest first, and no zero in the highest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Whole(Vec<u32>);

impl From<u32> for Whole {
    fn from(number: u32) -> Self {
        let mut places = vec![number];
        places.retain(|place| *place != 0);
        Self(places)
    }
}

impl Whole {
    fn times(&self, factor: u32) -> Self {
        if factor == 0 {
            return Self::default();
        }
        let mut carry = 0_u64;
        let mut places: Vec<u32> = Vec::with_capacity(self.0.len() + 1);
        for place in &self.0 {
            carry += u64::from(*place) * u64::from(factor);
            places.push(low(carry));
            carry >>= 32;
        }
        if carry > 0 {
            places.push(low(carry));
        }
        Self(places)
    }

    fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut carry = 0_u64;
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (place, more) in self.0.iter_mut().zip(others) {
            carry += u64::from(*place) + u64::from(more);
            *place = low(carry);
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    fn is_at_least(&self, other: &Self) -> bool {
        let by_length = self.0.len().cmp(&other.0.len());
        let by_places = || self.0.iter().rev().cmp(other.0.iter().rev());
        by_length.then_with(by_places).is_ge()
    }
}

const fn low(number: u64) -> u32 {
    (number & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the probability is so many thousandths, rounded down.
    fn is_below(helped: u32, not: u32, rate: f64, thousandths: u32) -> bool {
        let reaches = |thousandths: u32| {
            let doubt = f64::from(thousandths) / f64::from(PARTS);
            is_likely_below(helped, not, rate, doubt)
        };
        reaches(thousandths) && (thousandths == PARTS || !reaches(thousandths + 1))
    }

    #[test]
    fn nothing_known_is_as_likely_below_a_rate_as_the_rate_says() {
        for rate in [0.0, 0.001, 0.25, 0.6, 0.999, 1.0] {
            assert!(is_below(0, 0, rate, parts(rate)), "{rate}");
        }
    }

    #[test]
    fn failures_alone_and_successes_alone_follow_the_closed_form() {
        // 1 - (1 - 0.6)^(n + 1): 0.84, 0.936, 0.9744.
        for (not, expected) in [(1, 840), (2, 936), (3, 974)] {
            assert!(is_below(0, not, 0.6, expected), "{not}");
        }
        // 0.6^(h + 1): 0.36, 0.216.
        for (helped, expected) in [(1, 360), (2, 216)] {
            assert!(is_below(helped, 0, 0.6, expected), "{helped}");
        }
    }

    #[test]
    fn mixed_records_agree_with_sums_of_fractions_worked_out_elsewhere() {
        for (helped, not, rate, expected) in [
            (5, 15, 0.3, 637),
            (1, 3, 0.6, 912),
            (1, 4, 0.6, 959),
            (10, 12, 0.6, 918),
            (50, 50, 0.6, 979),
            (33, 67, 0.45, 992),
        ] {
            assert!(is_below(helped, not, rate, expected), "{helped} and {not}");
        }
    }

    #[test]
    fn what_is_equal_counts_as_reached() {
        assert!(is_likely_below(0, 0, 0.4, 0.4));
        assert!(!is_likely_below(0, 0, 0.4, 0.401));
        // 1 - 0.5^2, which is 0.75 to the last digit.
        assert!(is_likely_below(0, 1, 0.5, 0.75));
        assert!(!is_likely_below(0, 1, 0.5, 0.751));
    }

    #[test]
    fn as_many_outcomes_as_a_book_gives_are_worked_out() {
        assert!(is_likely_below(0, 100, 0.6, 1.0 - 0.001));
        assert!(!is_likely_below(100, 0, 0.6, 0.001));
    }

    #[test]
    fn what_is_no_share_is_taken_for_the_nearest_one() {
        assert_eq!([-1.0, f64::NAN, 2.0].map(parts), [0, 0, PARTS]);
    }
}
