//! Values that are not as they are in their place.
//!
//! A *place* is one value of one template. Numbers have a usual range with tails beyond it, where
//! the range of the earlier sequences held for the later ones; names are surprising where few are
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
    not_numbers: u32,
}

impl Seen {
    fn see(&mut self, sequence: u32, value: Value) {
        let is_first = self.last.replace(sequence) != Some(sequence);
        self.sequences += u32::from(is_first);
        self.names.see(sequence, value.hash);
        if value.number.is_finite() {
            if self.numbers.len() < Range::LEARNED_MAX {
                self.numbers.push(value.number);
            }
        } else {
            self.not_numbers += 1;
        }
    }

    fn usual(self) -> Option<Usual> {
        if self.sequences < SUPPORT_MIN {
            return None;
        }
        let names = self.names.learned(self.sequences);
        match (self.not_numbers, names) {
            (_, Some(names)) => Some(Usual::Names(names)),
            (0, None) => Range::learn(&self.numbers).map(Usual::Range),
            _ => None,
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
