//! Numbers that repeat one of an earlier record of the sequence.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::core::detect::Heard;
use crate::core::model::Key;

/// Least records to learn an echo from.
const SUPPORT_MIN: u32 = 50;
/// An echo holds in all but such a share of the records.
const BROKEN_MAX: f64 = 0.002;
/// A number that is one of a few says nothing by being the same.
const DISTINCT_MIN: usize = 16;
/// Records that are looked back.
const LOOK_BACK: usize = 256;
/// Most pairs of places that are counted.
const PAIRS_MAX: usize = 65_536;

type Place = (Key, u32);

/// By place: the place whose latest number it repeats, and how rare it is that it does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Echoes {
    of: BTreeMap<Place, (Place, f32)>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    same: u32,
    other: u32,
}

impl Echoes {
    pub(super) fn learn(corpus: &[Heard]) -> Self {
        let varied = varied(corpus);
        let mut tallies: FxHashMap<(Place, Place), Tally> = FxHashMap::default();
        for heard in corpus {
            let mut latest: BTreeMap<Place, u32> = BTreeMap::new();
            for (index, key) in heard.keys.iter().enumerate() {
                let row = (0..).zip(heard.values.row(index));
                let row: Vec<(Place, u32)> = row
                    .map(|(place, value)| ((*key, place), value.hash))
                    .filter(|(place, _)| varied.contains(place))
                    .collect();
                for (place, hash) in &row {
                    for (source, said) in &latest {
                        let pair = (*place, *source);
                        if tallies.len() < PAIRS_MAX || tallies.contains_key(&pair) {
                            let tally = tallies.entry(pair).or_default();
                            tally.same += u32::from(said == hash);
                            tally.other += u32::from(said != hash);
                        }
                    }
                }
                latest.extend(row);
            }
        }
        let mut held: Vec<((Place, Place), Tally)> = tallies
            .into_iter()
            .filter(|(_, tally)| tally.holds())
            .collect();
        // Of several sources the one that held most often.
        held.sort_unstable_by_key(|(pair, tally)| (std::cmp::Reverse(tally.same), *pair));
        let mut of = BTreeMap::new();
        for ((place, source), tally) in held {
            of.entry(place).or_insert((source, tally.nats()));
        }
        Self { of }
    }

    /// How rare it is that the value at `place` of the record `index` is not what its source said,
    /// in nats, and what that said. 0 where it is the same, or nothing is known.
    pub(super) fn surprise(&self, heard: &Heard, index: usize, place: u32) -> (f32, f32) {
        let none = (0.0, f32::NAN);
        let Some(key) = heard.keys.get(index) else {
            return none;
        };
        let Some(((source, at), nats)) = self.of.get(&(*key, place)) else {
            return none;
        };
        let first = index.saturating_sub(LOOK_BACK);
        let before = heard.keys.get(first..index).unwrap_or_default();
        let latest = before.iter().rposition(|key| key == source);
        let said = latest.and_then(|latest| heard.values.row(first + latest).get(*at as usize));
        let says = heard.values.row(index).get(place as usize);
        match said.zip(says) {
            Some((said, says)) if said.hash != says.hash => (*nats, said.number),
            _ => none,
        }
    }
}

impl Tally {
    fn holds(self) -> bool {
        let all = self.same + self.other;
        all >= SUPPORT_MIN && f64::from(self.other) <= BROKEN_MAX * f64::from(all)
    }

    fn nats(self) -> f32 {
        let broken = (f64::from(self.other) + 0.5) / (f64::from(self.same + self.other) + 1.0);
        -broken.ln() as f32
    }
}

/// Places that hold numbers, many different ones.
fn varied(corpus: &[Heard]) -> FxHashSet<Place> {
    let mut seen: FxHashMap<Place, FxHashSet<u32>> = FxHashMap::default();
    for heard in corpus {
        for (index, key) in heard.keys.iter().enumerate() {
            for (place, value) in (0..).zip(heard.values.row(index)) {
                if value.number.is_finite() {
                    let values = seen.entry((*key, place)).or_default();
                    if values.len() < DISTINCT_MIN {
                        values.insert(value.hash);
                    }
                }
            }
        }
    }
    let varied = seen
        .into_iter()
        .filter(|(_, values)| values.len() >= DISTINCT_MIN);
    varied.map(|(place, _)| place).collect()
}
