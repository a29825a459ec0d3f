//! Templates that never came while the voice learned.

use serde::{Deserialize, Serialize};

use super::tally::surprise_of_breach;
use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// How much a new template says: much where normal sequences brought none lately, little where
/// they keep bringing new ones.
///
/// How probable a new template is in a normal sequence is estimated by leaving each sequence out
/// in turn (Good and Turing): would it have brought a template that no other has?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// Whether each key came.
    came: Vec<bool>,
    /// The score of the first new template, in nats.
    first: f32,
    /// The score of each further one.
    further: f32,
}

impl Unseen {
    /// Learns from normal sequences whose keys are below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut homes = vec![Home::Nowhere; key_count];
        for (index, heard) in corpus.iter().enumerate() {
            for key in &heard.keys {
                if let Some(home) = homes.get_mut(key.index()) {
                    *home = home.also(index);
                }
            }
        }
        // How many templates each sequence alone has; templates that not even the vocabulary
        // knows are those of nobody else.
        let mut lonely: Vec<u32> = corpus
            .iter()
            .map(|heard| u32::from(!heard.unseen.is_empty()))
            .collect();
        for home in &homes {
            if let Home::In(index) = home
                && let Some(count) = lonely.get_mut(*index)
            {
                *count += 1;
            }
        }
        let with = |least: u32| lonely.iter().filter(|count| **count >= least).count() as u32;
        let (one, more) = (with(1), with(2));
        Self {
            came: homes.iter().map(|home| *home != Home::Nowhere).collect(),
            first: surprise_of_breach(one, corpus.len() as u32),
            further: surprise_of_breach(more, one),
        }
    }

    /// What the new templates of a sequence say so far, blamed on the first of them. Different
    /// ones add up; of those that the vocabulary lacks it is only known how many records they
    /// have, so that a further one counts less and less.
    pub fn unseen(&self, heard: &Heard) -> Option<Surprise> {
        let mut new: Vec<(Key, usize)> = (0..heard.keys.len())
            .filter_map(|index| Some((*heard.keys.get(index)?, index)))
            .filter(|(key, _)| self.is_new(*key))
            .collect();
        let first_known = new.first().map(|(_, index)| heard.position(*index));
        let first_unknown = heard.unseen.first().map(|position| *position as usize);
        let position = match (first_known, first_unknown) {
            (Some(known), Some(unknown)) => known.min(unknown),
            (known, unknown) => known.or(unknown)?,
        };
        new.sort_unstable();
        new.dedup_by_key(|(key, _)| *key);
        let strangers = match heard.unseen.len() {
            0 => 0.0,
            records => 1.0 + (records as f32).ln(),
        };
        let further = new.len() as f32 + strangers - 1.0;
        Some(Surprise {
            score: self.first + self.further * further,
            position,
            why: Why::Unseen,
        })
    }

    fn is_new(&self, key: Key) -> bool {
        key.index() >= Key::MARKER_COUNT && self.came.get(key.index()) != Some(&true)
    }
}

impl Voice for Unseen {
    fn name(&self) -> &'static str {
        "unseen"
    }

    /// Only for keys that the vocabulary has and that never came; see [`Unseen::unseen`] for the
    /// rest.
    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let key = heard.keys.get(index)?;
        self.is_new(*key).then(|| Surprise {
            score: self.first,
            position: heard.position(index),
            why: Why::Unseen,
        })
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        self.unseen(heard)
    }
}

/// Which sequences have a template.
#[derive(Clone, Copy, PartialEq)]
enum Home {
    Nowhere,
    In(usize),
    Many,
}

impl Home {
    fn also(self, index: usize) -> Self {
        match self {
            Self::Nowhere => Self::In(index),
            Self::In(home) if home == index => self,
            Self::In(_) | Self::Many => Self::Many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    fn with_strangers(places: &[u32]) -> Heard {
        Heard {
            unseen: places.to_vec(),
            len: 9,
            ..heard("abc")
        }
    }

    #[test]
    fn a_new_template_says_little_in_a_log_that_keeps_bringing_new_ones() {
        let steady = Unseen::learn(&corpus(&["abc"], 24), KEY_COUNT);
        let restless: Vec<Heard> = ('d'..='z')
            .map(|letter| heard(&format!("abc{letter}")))
            .collect();
        let restless = Unseen::learn(&restless, KEY_COUNT);
        let new = with_strangers(&[4]);
        let loud = steady.unseen(&new).unwrap().score;
        let quiet = restless.unseen(&new).unwrap().score;
        assert!(loud > 3.0 && quiet < 0.1, "{loud} {quiet}");
    }

    #[test]
    fn several_new_templates_say_more_than_one() {
        let voice = Unseen::learn(&corpus(&["abc"], 99), KEY_COUNT);
        let one = voice.unseen(&heard("abcd")).unwrap();
        let again = voice.unseen(&heard("abcdd")).unwrap();
        let two = voice.unseen(&heard("abced")).unwrap();
        assert_eq!((one.position, two.position), (3, 3));
        assert_eq!(one.score, again.score);
        assert!(two.score > one.score);
        assert_eq!(voice.at(&heard("abcd"), 3).unwrap().score, one.score);
        assert_eq!(voice.at(&heard("abcd"), 2), None);
    }

    #[test]
    fn templates_outside_of_the_vocabulary_are_new_and_the_first_is_blamed() {
        let voice = Unseen::learn(&corpus(&["abc"], 99), KEY_COUNT);
        assert_eq!(voice.unseen(&heard("abc")), None);
        let one = voice.whole(&with_strangers(&[4])).unwrap();
        let more = voice.whole(&with_strangers(&[4, 6])).unwrap();
        assert_eq!((one.position, one.why.clone()), (4, Why::Unseen));
        assert!(more.score > one.score);
        let before_a_known_one = Heard {
            unseen: vec![2],
            positions: vec![0, 1, 3],
            ..heard("abd")
        };
        assert_eq!(voice.whole(&before_a_known_one).unwrap().position, 2);
    }
}
