//! Values that are not as they are in their place.
//!
//! A *place* is one value of one template. Numbers have a usual range with tails beyond it, where
//! the range of the earlier sequences held for the later ones; words are surprising where few are
//! known and no new ones came. A number that was always the one of an earlier record of its
//! sequence (three replicas of one size) is to be so again. Free identifiers, counters and clocks
//! say nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::echoes::Echoes;
use super::range::{Names, Range};
use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;
use crate::core::record::Value;

/// Least sequences to learn a place from.
const SUPPORT_MIN: u32 = 20;
/// Few numbers below this are codes and levels; from it on they are ports and identifiers.
const CODE_MAX: f32 = 1_000.0;
/// Most places.
const PLACES_MAX: usize = 16_384;

/// The usual values of each place of each template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    places: BTreeMap<(Key, u32), Usual>,
    echoes: Echoes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Usual {
    Names(Names),
    Range(Range),
}

impl Values {
    /// Learns from `corpus`, in the order of time.
    pub fn learn(corpus: &[Heard], _key_count: usize) -> Self {
        let mut seen: BTreeMap<(Key, u32), Seen> = BTreeMap::new();
        for (sequence, heard) in (0..).zip(corpus) {
            for (index, key) in heard.keys.iter().enumerate() {
                for (place, value) in (0..).zip(heard.values.row(index)) {
                    let is_full = seen.len() >= PLACES_MAX;
                    if !is_full || seen.contains_key(&(*key, place)) {
                        seen.entry((*key, place)).or_default().see(sequence, *value);
                    }
                }
            }
        }
        let usual = |seen: Seen| seen.usual();
        Self {
            places: seen
                .into_iter()
                .filter_map(|(place, seen)| Some((place, usual(seen)?)))
                .collect(),
            echoes: Echoes::learn(corpus),
        }
    }
}

/// What came in one place, in the order of sequences.
#[derive(Default)]
struct Seen {
    sequences: u32,
    last: Option<u32>,
    names: Names,
    numbers: Vec<f32>,
    words: u32,
    others: u32,
}

impl Seen {
    fn see(&mut self, sequence: u32, value: Value) {
        let is_first = self.last.replace(sequence) != Some(sequence);
        self.sequences += u32::from(is_first);
        self.names.see(sequence, value.hash);
        if value.number.is_nan() {
            self.words += u32::from(value.is_word());
            self.others += u32::from(!value.is_word());
        } else if self.numbers.len() < Range::LEARNED_MAX {
            self.numbers.push(value.number);
        }
    }

    fn usual(self) -> Option<Usual> {
        if self.sequences < SUPPORT_MIN {
            return None;
        }
        let is_small = self.numbers.iter().all(|number| number.abs() < CODE_MAX);
        let names = self.names.learned(self.sequences);
        match (names, self.numbers.is_empty()) {
            // Names with digits, and large numbers that are few, are made up where a program runs:
            // hosts, ports, identifiers. They are others elsewhere, and that is no surprise.
            (Some(names), _) => (self.others == 0 && is_small).then_some(Usual::Names(names)),
            (None, false) if self.words + self.others == 0 => {
                Range::learn(&self.numbers).map(Usual::Range)
            }
            (None, _) => None,
        }
    }
}

impl Usual {
    fn surprise(&self, value: Value) -> f32 {
        match self {
            Self::Names(names) => names.surprise(value.hash),
            Self::Range(range) => range.surprise(value.number),
        }
    }
}

impl Voice for Values {
    fn name(&self) -> &'static str {
        "values"
    }

    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        let key = *heard.keys.get(index)?;
        let row = (0..).zip(heard.values.row(index));
        let found = row.filter_map(|(place, value)| {
            let usual = self.places.get(&(key, place));
            let odd = usual.map_or(0.0, |usual| usual.surprise(*value));
            let (echo, expected) = self.echoes.surprise(heard, index, place);
            let number = Some(value.number).filter(|number| !number.is_nan());
            let why = match usual {
                _ if echo > odd => Why::Value {
                    key,
                    place,
                    number,
                    usual: Some((expected, expected)),
                    names: 0,
                },
                Some(Usual::Range(range)) => Why::Value {
                    key,
                    place,
                    number,
                    usual: Some(range.usual()),
                    names: 0,
                },
                Some(Usual::Names(names)) => Why::Value {
                    key,
                    place,
                    number,
                    usual: None,
                    names: names.len(),
                },
                None => return None,
            };
            Some((odd.max(echo), why))
        });
        let (score, why) = found.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (score > 0.0).then(|| Surprise {
            score,
            position: heard.position(index),
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WROTE: Key = Key(2);
    const STORED: Key = Key(3);

    fn number(number: f32) -> Value {
        Value {
            hash: number.to_bits(),
            number,
        }
    }

    /// A write of some size by one of three kinds of writer, stored with the same size; a free
    /// identifier and a counter beside it.
    fn heard(seed: u32, size: f32, kind: u32, stored: f32) -> Heard {
        let mut heard = Heard {
            keys: vec![WROTE, STORED],
            positions: vec![0, 1],
            len: 2,
            begins: true,
            ends: true,
            ..Heard::default()
        };
        heard.values.push([
            number(size),
            Value::name(kind | 1 << 31),
            Value::name(0xabc_0000 + seed),
            number(1e6 + seed as f32),
        ]);
        heard.values.push([number(stored)]);
        heard
    }

    fn normal(seed: u32) -> Heard {
        let size = 1_000.0 + (seed * 7_919 % 3_001) as f32;
        heard(seed, size, seed % 3, size)
    }

    fn values() -> Values {
        let corpus: Vec<Heard> = (0..600).map(normal).collect();
        Values::learn(&corpus, 4)
    }

    #[test]
    fn a_number_far_out_of_its_range_is_surprising_and_tells_the_range() {
        let odd = heard(7, 90_000.0, 1, 90_000.0);
        let surprise = values().at(&odd, 0).unwrap();
        assert!(surprise.score > 6.0, "{surprise:?}");
        let Why::Value {
            place,
            number,
            usual,
            ..
        } = surprise.why
        else {
            panic!("{surprise:?}")
        };
        assert_eq!((place, number), (0, Some(90_000.0)));
        let (low, high) = usual.unwrap();
        assert!((990.0..1_100.0).contains(&low) && (3_900.0..4_100.0).contains(&high));
    }

    #[test]
    fn a_name_that_never_came_in_a_place_of_few_names_is_surprising() {
        let surprise = values().at(&heard(7, 2_000.0, 99, 2_000.0), 0).unwrap();
        let Why::Value { place, names, .. } = surprise.why else {
            panic!("{surprise:?}")
        };
        assert_eq!((place, names), (1, 3));
        assert!(surprise.score > 5.0);
    }

    #[test]
    fn a_number_that_always_was_the_one_before_is_to_be_so_again() {
        let surprise = values().at(&heard(7, 2_000.0, 1, 2_001.0), 1).unwrap();
        let Why::Value {
            place,
            number,
            usual,
            ..
        } = surprise.why
        else {
            panic!("{surprise:?}")
        };
        assert_eq!((place, number), (0, Some(2_001.0)));
        assert_eq!(usual, Some((2_000.0, 2_000.0)));
        assert!(surprise.score > 6.0);
    }

    #[test]
    fn free_identifiers_and_counters_say_nothing() {
        let values = values();
        for seed in [5_000, 70_000] {
            let later = heard(seed, 2_000.0, 1, 2_000.0);
            assert_eq!(values.at(&later, 0), None);
            assert_eq!(values.at(&later, 1), None);
        }
    }

    #[test]
    fn it_comes_back_from_bytes() {
        let values = values();
        let bytes = postcard::to_allocvec(&values).unwrap();
        assert_eq!(postcard::from_bytes::<Values>(&bytes).unwrap(), values);
    }
}
