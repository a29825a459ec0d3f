//! Attributes that what is abnormal has more often than what is not.

use crate::core::event::{Cause, Lift};

/// How often an attribute had a value among what is abnormal and among what is normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The attribute: `service.version`.
    pub attribute: Box<str>,
    /// Its value. Untrusted.
    pub value: Box<str>,
    /// Abnormal ones with it, and all abnormal ones.
    pub abnormal: (u64, u64),
    /// Normal ones with it, and all normal ones.
    pub normal: (u64, u64),
}

/// Lifts are told up to this chance of being an accident, corrected for how many were looked at.
const P_MAX: f64 = 0.01;
/// What is less than so many times as frequent is no lead, however sure.
const LIFT_MIN: f64 = 1.5;
/// Counts beyond this are no counts.
const COUNT_MAX: u64 = 1 << 52;
/// Most terms of a tail that are added up; what is beyond is negligible.
const TERMS_MAX: u64 = 10_000;

/// The values that are over-represented among what is abnormal, the surest first: Fisher's exact test,
/// one-sided, with Bonferroni's correction. At most [`Cause::LIFTS_MAX`].
pub fn lifts(counted: &[Counted]) -> Vec<Lift> {
    let looked_at = counted.len() as f64;
    let mut found: Vec<Lift> = counted
        .iter()
        .filter_map(|counted| {
            let lift = lift_of(counted)?;
            let p_value = (fisher(counted.abnormal, counted.normal) * looked_at).min(1.0);
            (lift >= LIFT_MIN && p_value <= P_MAX).then(|| Lift {
                attribute: counted.attribute.clone(),
                value: counted.value.clone(),
                abnormal: counted.abnormal,
                normal: counted.normal,
                lift,
                p_value,
            })
        })
        .collect();
    found.sort_by(|a, b| {
        let surest = a.p_value.total_cmp(&b.p_value);
        let strongest = b.lift.total_cmp(&a.lift);
        let named = (&a.attribute, &a.value).cmp(&(&b.attribute, &b.value));
        surest.then(strongest).then(named)
    });
    found.truncate(Cause::LIFTS_MAX);
    found
}

/// How many times more frequent, with half a case added to each side so that none is infinite. `None`
/// where a count cannot be, or there is nothing to compare.
fn lift_of(counted: &Counted) -> Option<f64> {
    let (k, n) = counted.abnormal;
    let (k0, n0) = counted.normal;
    if k > n || k0 > n0 || n == 0 || n0 == 0 || n.max(n0) > COUNT_MAX {
        return None;
    }
    let share = |k: u64, n: u64| (k as f64 + 0.5) / (n as f64 + 1.0);
    Some(share(k, n) / share(k0, n0))
}

/// The chance of at least `k` with the value among the `n` abnormal, if it had nothing to do with it.
fn fisher((k, n): (u64, u64), (k0, n0): (u64, u64)) -> f64 {
    let (with, all) = (k.saturating_add(k0), n.saturating_add(n0));
    let choose = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    let mut term = (choose(with, k) + choose(all - with, n - k) - choose(all, n)).exp();
    let mut sum = term;
    let last = with.min(n);
    for x in k..last.min(k.saturating_add(TERMS_MAX)) {
        let up = (with - x) as f64 * (n - x) as f64;
        let down = (x + 1) as f64 * (all + x + 1 - with - n) as f64;
        term *= up / down;
        sum += term;
        if term <= sum * f64::EPSILON {
            break;
        }
    }
    sum.min(1.0)
}

/// ln n!, by Stirling's series from 16 on.
fn ln_factorial(n: u64) -> f64 {
    const EXACT_BELOW: u64 = 16;
    if n < EXACT_BELOW {
        return (2..=n).map(|i| (i as f64).ln()).sum();
    }
    let n = n as f64;
    let tau = std::f64::consts::TAU;
    n * n.ln() - n + 0.5 * (tau * n).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(value: &str, abnormal: (u64, u64), normal: (u64, u64)) -> Counted {
        Counted {
            attribute: "service.version".into(),
            value: value.into(),
            abnormal,
            normal,
        }
    }

    #[test]
    fn the_chance_is_that_of_a_lady_tasting_tea() {
        // Four cups of eight, all guessed: 1 in 70; three of four: 17 in 70.
        assert!((fisher((4, 4), (0, 4)) - 1.0 / 70.0).abs() < 1e-12);
        assert!((fisher((3, 4), (1, 4)) - 17.0 / 70.0).abs() < 1e-12);
        assert!((fisher((0, 4), (4, 4)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_version_that_all_failures_have_is_named_and_the_common_one_is_not() {
        let found = lifts(&[
            counted("1.4", (19, 20), (100, 1_000)),
            counted("common", (20, 20), (1_000, 1_000)),
            counted("rare", (1, 20), (10, 1_000)),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value.as_ref(), "1.4");
        assert!((9.0..10.0).contains(&found[0].lift), "{}", found[0].lift);
        assert!(found[0].p_value < 1e-12);
    }

    #[test]
    fn of_many_looked_at_the_luckiest_is_no_lead() {
        // Alone it would be one in 200.
        let lucky = counted("lucky", (5, 10), (100, 1_000));
        assert_eq!(lifts(std::slice::from_ref(&lucky)).len(), 1);
        let mut many: Vec<Counted> = (0..99)
            .map(|i| counted(&format!("v{i}"), (1, 10), (100, 1_000)))
            .collect();
        many.push(lucky);
        assert_eq!(lifts(&many), []);
    }

    #[test]
    fn impossible_counts_say_nothing() {
        let most = (u64::MAX, u64::MAX);
        for (abnormal, normal) in [
            ((5, 4), (0, 4)),
            ((0, 0), (0, 0)),
            (most, (0, 9)),
            (most, most),
        ] {
            assert_eq!(lifts(&[counted("x", abnormal, normal)]), []);
        }
    }
}
