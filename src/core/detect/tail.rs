//! How rare a score is, by scores of normal sequences that were held out.

use serde::{Deserialize, Serialize};

/// The scores that normal sequences reach, as a conformal p-value with a tail.
///
/// Up to the `k`-th largest held-out score, the p-value is the conformal one: the share of held-out
/// sequences that score at least as much, the one at hand counted among them (Vovk, Gammerman and
/// Shafer, 2005). A rank alone cannot go below 1/(n+1). Beyond, the excess over the `k`-th largest is
/// taken to be exponential, as it is for scores in nats, with the mean excess as its scale, drawn
/// towards one nat where few were held out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// The largest scores above zero, descending, at most [`KEPT_MAX`](Self::KEPT_MAX).
    largest: Vec<f32>,
    /// How many scores there were, zeros included.
    of: u32,
    /// Where the exponential tail starts.
    from: f32,
    /// The share of scores beyond `from`.
    beyond: f32,
    /// The tail's mean excess, in nats.
    scale: f32,
}

/// The largest scores beyond which ranks say no more.
const TAIL_LEN: usize = 5;
/// Excesses of one nat that the scale is drawn towards.
const PRIOR_EXCESSES: f32 = 10.0;

impl Tail {
    /// Most scores kept; smaller ones have p-values that nobody would alarm on.
    pub const KEPT_MAX: usize = 4_096;

    /// Learns from the scores of held-out normal sequences, 0 where there was nothing to say.
    pub fn learn(scores: &[f32]) -> Self {
        let mut largest: Vec<f32> = scores
            .iter()
            .copied()
            .filter(|score| *score > 0.0)
            .collect();
        largest.sort_by(|a, b| b.total_cmp(a));
        largest.truncate(Self::KEPT_MAX);
        let count = TAIL_LEN.min(largest.len());
        let from = largest.get(count).copied().unwrap_or(0.0);
        let excess: f32 = largest.iter().take(count).map(|score| score - from).sum();
        Self {
            of: u32::try_from(scores.len()).unwrap_or(u32::MAX),
            from,
            beyond: (count as f32 + 0.5) / (scores.len() as f32 + 1.0),
            scale: (excess + PRIOR_EXCESSES) / (count as f32 + PRIOR_EXCESSES),
            largest,
        }
    }

    /// How many scores there were.
    pub fn learned_from(&self) -> usize {
        self.of as usize
    }

    /// How probable it is that a normal sequence scores at least `score`: between 0 and 1.
    pub fn p_value(&self, score: f32) -> f64 {
        if score <= 0.0 || self.of == 0 {
            return 1.0;
        }
        if score > self.from {
            let excess = f64::from((score - self.from) / self.scale);
            return f64::from(self.beyond) * (-excess).exp();
        }
        let at_least = self.largest.partition_point(|other| *other >= score);
        if at_least == self.largest.len() && self.largest.len() == Self::KEPT_MAX {
            return 1.0;
        }
        (1 + at_least) as f64 / f64::from(self.of + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exponential scores of one nat on a grid.
    fn exponential(count: usize) -> Vec<f32> {
        let share = |index: usize| (index as f32 + 0.5) / count as f32;
        (0..count).map(|index| -share(index).ln()).collect()
    }

    #[test]
    fn p_values_are_honest_inside_and_beyond_what_was_held_out() {
        let tail = Tail::learn(&exponential(1_000));
        for score in [0.5f32, 2.0, 4.0, 6.0, 10.0] {
            let (told, true_p) = (tail.p_value(score), f64::from(-score).exp());
            assert!(
                (told / true_p).ln().abs() < 0.25,
                "{score}: {told} for {true_p}"
            );
        }
        let few = Tail::learn(&exponential(50));
        assert!(few.p_value(9.0) < 0.001 && few.p_value(9.0) > 1e-5);
    }

    #[test]
    fn a_p_value_never_rises_with_the_score() {
        let tail = Tail::learn(&exponential(300));
        let mut last = 1.0;
        for step in 0..400 {
            let p = tail.p_value(step as f32 / 20.0);
            assert!(p <= last, "{step}: {p} after {last}");
            last = p;
        }
    }

    #[test]
    fn no_more_have_a_p_value_than_it_says_however_many_score_alike() {
        let alike = (0..1_000u16).map(|index| f32::from(index / 50 % 4));
        let seldom = (0..1_000u16).map(|index| f32::from(u8::from(index < 30)));
        for scores in [
            alike.collect(),
            seldom.collect(),
            exponential(300),
            exponential(9_000),
        ] {
            let tail = Tail::learn(&scores);
            for rate in [0.02, 0.05, 0.3, 0.6, 0.99] {
                let told = scores.iter().filter(|score| tail.p_value(**score) <= rate);
                let (told, allowed) = (told.count(), rate * (scores.len() + 1) as f64);
                assert!(
                    told as f64 <= allowed,
                    "{told} of {} at {rate}",
                    scores.len()
                );
            }
        }
    }

    #[test]
    fn where_no_normal_sequence_ever_scored_any_score_is_rare() {
        let tail = Tail::learn(&[0.0; 999]);
        assert_eq!(tail.p_value(0.0), 1.0);
        assert!(tail.p_value(0.1) < 0.001);
        assert_eq!(Tail::learn(&[]).p_value(5.0), 1.0);
    }
}
