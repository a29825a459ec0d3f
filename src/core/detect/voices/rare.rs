//! Templates that seldom come.

use serde::{Deserialize, Serialize};

use super::tally::{Tally, surprise_of_breach};
use crate::core::detect::{Heard, Surprise, Voice, Why};

/// How many sequences have each template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rare {
    /// By key.
    sequences: Vec<u32>,
    of: u32,
}

impl Rare {
    /// Learns from normal sequences whose keys are below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut sequences = vec![0; key_count];
        for heard in corpus {
            for (key, _) in Tally::of(heard).iter() {
                if let Some(count) = sequences.get_mut(key.index()) {
                    *count += 1;
                }
            }
        }
        Self {
            sequences,
            of: u32::try_from(corpus.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Voice for Rare {
    fn name(&self) -> &'static str {
        "rare"
    }

    /// Nothing about templates that never came: that is for [`Unseen`](super::Unseen).
    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let key = *heard.keys.get(index)?;
        let sequences = *self.sequences.get(key.index())?;
        (sequences > 0).then(|| Surprise {
            score: surprise_of_breach(sequences, self.of),
            position: heard.position(index),
            why: Why::Rare {
                key,
                sequences,
                of: self.of,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn the_fewer_sequences_have_a_template_the_more_it_says() {
        let mut sequences = corpus(&["ab"], 97);
        sequences.extend(corpus(&["abc"], 1));
        let voice = Rare::learn(&sequences, KEY_COUNT);
        let rare = voice.at(&heard("acb"), 1).unwrap();
        // One of 98.
        assert!((rare.score - 50f32.ln()).abs() < 1e-4);
        assert_eq!(
            rare.why,
            Why::Rare {
                key: key('c'),
                sequences: 1,
                of: 98
            }
        );
        assert!(voice.at(&heard("acb"), 0).unwrap().score < 0.02);
    }

    #[test]
    fn a_template_many_times_in_one_sequence_is_as_rare_as_once() {
        let voice = Rare::learn(&corpus(&["abbbbb", "a", "a"], 9), KEY_COUNT);
        let score = voice.at(&heard("b"), 0).unwrap().score;
        assert!((score - (29f32 / 10.0).ln()).abs() < 1e-4);
    }
}
