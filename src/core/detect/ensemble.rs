//! Many voices → one score.
//!
//! Each voice's score becomes a p-value by what normal sequences scored that it did not learn from
//! ([`Tail`]). Voices that look at the same thing are a family: of each the oddest counts, and its
//! surprise is calibrated again, so that a family of many is not louder than one of few. The two
//! oddest families are multiplied: a fault that two kinds of view see stands out, and one loud view
//! does not drown among many silent ones, as it does in Fisher's product of all. Families depend on
//! each other, so that product is no p-value. It is calibrated once more, on the same held-out
//! sequences, and this makes the false-alarm rate what was asked for, however they depend on each
//! other (a conformal p-value asks only that sequences are exchangeable).

use serde::{Deserialize, Serialize};

use super::Tail;

/// How the scores of voices become one p-value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    /// One for each voice, in the order of its scores.
    voices: Vec<Tail>,
    families: Vec<Family>,
    combined: Tail,
}

/// Voices that look at the same thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Family {
    voices: Vec<usize>,
    /// Of the surprise of the oddest.
    oddest: Tail,
}

/// How many of the strongest families count.
const STRONGEST: usize = 2;
/// A p-value counts at least this much, so that one view that is broken in a new way cannot outweigh
/// all others. In nats.
const SURPRISE_MAX: f32 = 30.0;
/// So little more is no more, in nats: what judges has learned from a few more sequences than what was
/// held out, and scores what many do a hair higher.
const ALIKE: f32 = 0.05;

impl Ensemble {
    /// How many held-out sequences it was learned from.
    pub fn learned_from(&self) -> usize {
        self.combined.learned_from()
    }

    /// Learns from scores of held-out normal sequences: a row for each sequence, a column for each
    /// voice, 0 where it had nothing to say. `families` has the columns of each family.
    pub fn learn<const N: usize>(rows: &[[f32; N]], families: &[&[usize]]) -> Self {
        let column = |voice: usize| -> Vec<f32> {
            let scores = rows.iter().map(|row| row[voice]);
            scores.collect()
        };
        let voices = (0..N).map(|voice| Tail::learn(&column(voice))).collect();
        let mut ensemble = Self {
            voices,
            ..Self::default()
        };
        for voices in families {
            let surprises = rows.iter().map(|row| ensemble.oddest(voices, row));
            let oddest = Tail::learn(&surprises.collect::<Vec<f32>>());
            ensemble.families.push(Family {
                voices: voices.to_vec(),
                oddest,
            });
        }
        let combined: Vec<f32> = rows.iter().map(|row| ensemble.combine(row)).collect();
        ensemble.combined = Tail::learn(&combined);
        ensemble
    }

    /// How surprising the scores of the voices are together, in nats, before it is calibrated.
    pub fn combine(&self, scores: &[f32]) -> f32 {
        let mut strongest = [0.0f32; STRONGEST];
        for family in &self.families {
            let oddest = self.oddest(&family.voices, scores);
            let mut surprise = surprise(family.oddest.p_value(oddest));
            for place in &mut strongest {
                if surprise > *place {
                    std::mem::swap(place, &mut surprise);
                }
            }
        }
        strongest.iter().sum()
    }

    /// The surprise of the oddest of `voices`.
    fn oddest(&self, voices: &[usize], scores: &[f32]) -> f32 {
        let surprises = voices.iter().map(|voice| {
            let score = scores.get(*voice).copied().unwrap_or_default();
            surprise(self.voice_p_value(*voice, score))
        });
        surprises.fold(0.0, f32::max)
    }

    /// The p-value of one voice's score.
    pub fn voice_p_value(&self, voice: usize, score: f32) -> f64 {
        self.voices
            .get(voice)
            .map_or(1.0, |tail| tail.p_value(score - ALIKE))
    }

    /// How probable it is that a normal sequence is at least as surprising as `combined`.
    pub fn p_value(&self, combined: f32) -> f64 {
        self.combined.p_value(combined)
    }
}

fn surprise(p_value: f64) -> f32 {
    (-p_value.ln() as f32).min(SURPRISE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sequences of which each voice finds another one odd, and two of them the last.
    fn rows() -> Vec<[f32; 4]> {
        let score = |row: usize, voice: usize| ((row * (7 + voice * 4)) % 1_000) as f32 / 250.0;
        (0..1_000)
            .map(|row| [0, 1, 2, 3].map(|voice| score(row, voice)))
            .collect()
    }

    #[test]
    fn the_share_of_normal_sequences_below_a_p_value_is_that_p_value() {
        let rows = rows();
        let ensemble = Ensemble::learn(&rows, &[&[0], &[1], &[2, 3]]);
        for rate in [0.5, 0.1, 0.01] {
            let p_values = rows
                .iter()
                .map(|row| ensemble.p_value(ensemble.combine(row)));
            let share = p_values.filter(|p| *p <= rate).count() as f64 / rows.len() as f64;
            assert!(
                (share / rate - 1.0).abs() < 0.35,
                "{share} where {rate} was told"
            );
        }
    }

    #[test]
    fn a_hair_more_than_what_many_score_is_not_rarer() {
        let alike = [[[0.0f32]; 20], [[0.2]; 20], [[0.388]; 20]].concat();
        let ensemble = Ensemble::learn(&alike, &[&[0]]);
        let p = |score: f32| ensemble.voice_p_value(0, score);
        assert!(p(0.388) > 0.3 && p(0.39) > 0.3);
        assert!(p(9.0) < 0.001);
    }

    #[test]
    fn one_loud_voice_is_heard_among_silent_ones_and_two_are_louder() {
        let ensemble = Ensemble::learn(&rows(), &[&[0], &[1], &[2, 3]]);
        let p = |scores: [f32; 4]| ensemble.p_value(ensemble.combine(&scores));
        assert!(p([12.0, 0.0, 0.0, 0.0]) < 0.001);
        assert!(p([12.0, 0.0, 12.0, 0.0]) < p([12.0, 0.0, 0.0, 0.0]));
        assert_eq!(p([0.0; 4]), 1.0);
    }
}
