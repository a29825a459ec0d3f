//! How often each template comes in a sequence, all templates together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tally::{Tally, blamed, distinct, surprise_of_breach};
use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// The count vectors that came, and how new ones differ from those known.
///
/// A vector that came says nothing. A new one is compared with the nearest known one, and the key
/// whose count is the most surprising is blamed: how probable it is that a new normal vector is so
/// far off in this key was learned by leaving known vectors out in turn. The sum over all keys
/// would do worse: a long normal sequence differs a little in many keys, a fault in one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// The distinct vectors, those of most sequences first.
    rows: Vec<Tally>,
    /// The score of a vector for being new, in nats.
    new: f32,
    /// By key: how many of the vectors left out were off by at least so much.
    off: Vec<Vec<(u32, u32)>>,
    /// How many vectors were left out.
    tried: u32,
}

impl Counts {
    /// Most distinct vectors kept, those of most sequences.
    pub const ROWS_MAX: usize = 4_096;
    /// Most vectors left out in turn.
    const TRIED_MAX: usize = 512;
    /// How often the distances are learned, each time with the distances learned before.
    const ROUNDS: usize = 2;
    /// What the other keys that are off weigh: enough to tell apart vectors whose worst keys are
    /// equally odd, no more.
    const OTHERS: f32 = 0.02;
    /// What being still farther off weighs, where nothing known is so far off.
    const FARTHER: f32 = 0.01;

    /// Learns from those of the sequences that are known from beginning to end, with keys below
    /// `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut rows = distinct(corpus);
        let sequences: u32 = rows.iter().map(|(_, times)| *times).sum();
        let single = rows.iter().filter(|(_, times)| *times == 1).count() as u32;
        rows.truncate(Self::ROWS_MAX);
        let mut voice = Self {
            rows: rows.into_iter().map(|(tally, _)| tally).collect(),
            // Good and Turing: the share of those that were new, had they come last.
            new: surprise_of_breach(single, sequences),
            off: Vec::new(),
            tried: 0,
        };
        let mut off = voice.left_out(key_count, &|_, apart| apart as f32);
        for _ in 1..Self::ROUNDS {
            voice.set(off);
            off = voice.left_out(key_count, &|key, apart| voice.price(key, apart));
        }
        voice.set(off);
        voice
    }

    fn set(&mut self, (off, tried): (Vec<Vec<(u32, u32)>>, u32)) {
        (self.off, self.tried) = (off, tried);
    }

    /// By key, how many of the vectors are off by at least so much from the nearest other one; and
    /// how many were tried.
    fn left_out(
        &self,
        key_count: usize,
        price: &dyn Fn(Key, u32) -> f32,
    ) -> (Vec<Vec<(u32, u32)>>, u32) {
        let mut off: Vec<BTreeMap<u32, u32>> = vec![BTreeMap::new(); key_count];
        let step = self.rows.len().div_ceil(Self::TRIED_MAX).max(1);
        let mut tried = 0;
        for (index, tally) in self.rows.iter().enumerate().step_by(step) {
            let Some((_, nearest)) = self.nearest(tally, Some(index), price) else {
                continue;
            };
            tried += 1;
            for (key, here, there) in tally.differences(nearest) {
                if let Some(of_key) = off.get_mut(key.index()) {
                    *of_key.entry(here.abs_diff(there)).or_default() += 1;
                }
            }
        }
        let at_least = |of_key: BTreeMap<u32, u32>| {
            let mut sum = 0;
            let mut tail: Vec<(u32, u32)> = of_key
                .into_iter()
                .rev()
                .map(|(apart, count)| {
                    sum += count;
                    (apart, sum)
                })
                .collect();
            tail.reverse();
            tail
        };
        (off.into_iter().map(at_least).collect(), tried)
    }

    /// The known vector at the smallest sum of prices, but for the one at index `but`; of equally
    /// near ones the most frequent.
    fn nearest(
        &self,
        tally: &Tally,
        but: Option<usize>,
        price: &dyn Fn(Key, u32) -> f32,
    ) -> Option<(f32, &Tally)> {
        let mut best: Option<(f32, &Tally)> = None;
        for (index, row) in self.rows.iter().enumerate() {
            let bound = best.map_or(f32::INFINITY, |(cost, _)| cost);
            let mut cost = 0.0;
            for (key, here, there) in tally.differences(row) {
                cost += price(key, here.abs_diff(there));
                if cost >= bound {
                    break;
                }
            }
            if cost < bound && Some(index) != but {
                best = Some((cost, row));
                if cost <= 0.0 {
                    break;
                }
            }
        }
        best
    }

    /// −ln of how probable it is that a new vector is off by at least so much in `key`.
    fn price(&self, key: Key, apart: u32) -> f32 {
        let tail = self.off.get(key.index()).map_or(&[][..], Vec::as_slice);
        let from = tail.partition_point(|(off, _)| *off < apart);
        let as_far = tail.get(from).map_or(0, |(_, count)| *count);
        surprise_of_breach(as_far, self.tried) + Self::FARTHER * (apart as f32).ln_1p()
    }
}

impl Voice for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if !(heard.begins && heard.ends) {
            return None;
        }
        let tally = Tally::of(heard);
        let (sum, row) = self.nearest(&tally, None, &|key, apart| self.price(key, apart))?;
        let (most, key, came, usual) = tally
            .differences(row)
            .map(|(key, here, there)| (self.price(key, here.abs_diff(there)), key, here, there))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
        Some(Surprise {
            score: self.new + most + Self::OTHERS * (sum - most),
            position: blamed(heard, key, came > usual),
            why: Why::Count {
                key,
                came,
                usual: (usual, usual),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn the_key_that_never_varies_is_blamed_before_the_one_that_always_does() {
        // Any number of b, but always two of c.
        let all: Vec<Heard> = (1..40)
            .map(|count| heard(&format!("a{}cc", "b".repeat(count))))
            .collect();
        let voice = Counts::learn(&all, KEY_COUNT);
        let usual = voice
            .whole(&heard(&format!("a{}cc", "b".repeat(40))))
            .unwrap();
        let odd = voice
            .whole(&heard(&format!("ac{}", "b".repeat(20))))
            .unwrap();
        assert!(odd.score > usual.score + 2.0, "{usual:?} {odd:?}");
        assert_eq!(
            odd.why,
            Why::Count {
                key: key('c'),
                came: 1,
                usual: (2, 2)
            }
        );
        assert_eq!(odd.position, 22, "what is missing is missed at the end");
    }

    #[test]
    fn one_too_many_is_blamed_where_it_stands() {
        let voice = Counts::learn(&corpus(&["abc", "abbc", "abbbc"], 30), KEY_COUNT);
        assert_eq!(voice.whole(&heard("abbc")), None);
        assert_eq!(
            voice.whole(&heard("cabb")),
            None,
            "the order does not matter"
        );
        assert_eq!(voice.whole(&heard("acbcb")).unwrap().position, 3);
    }

    #[test]
    fn a_new_vector_says_little_where_most_are_new() {
        let steady = Counts::learn(&corpus(&["ab", "abb", "abbb"], 30), KEY_COUNT);
        let restless: Vec<Heard> = (1..90)
            .map(|count| heard(&format!("a{}", "b".repeat(count))))
            .collect();
        let restless = Counts::learn(&restless, KEY_COUNT);
        let score = |voice: &Counts, count| {
            let new = heard(&format!("a{}", "b".repeat(count)));
            voice.whole(&new).unwrap().score
        };
        assert!(score(&steady, 4) > score(&restless, 90) + 3.0);
    }

    #[test]
    fn the_vectors_kept_are_bounded() {
        let repeat = |letter: &str, count: usize| letter.repeat(count % 18);
        let all: Vec<Heard> = (0..Counts::ROWS_MAX + 500)
            .map(|n| [repeat("a", n), repeat("b", n / 18), repeat("c", n / 324)].concat())
            .map(|letters| heard(&letters))
            .collect();
        let voice = Counts::learn(&all, KEY_COUNT);
        assert_eq!(voice.rows.len(), Counts::ROWS_MAX);
    }
}
