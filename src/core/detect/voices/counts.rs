//! How often each template comes in a sequence, all templates together.

use serde::{Deserialize, Serialize};

use super::tally::{Tally, distinct};
use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// The count vectors that came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// The distinct vectors, each with how many sequences have it, most frequent first.
    rows: Vec<(Tally, u32)>,
    of: u32,
    /// By key: what one record more or less costs.
    costs: Vec<f32>,
    /// By key: how many sequences have each count of it, ascending; those with none left out.
    tables: Vec<Vec<(u32, u32)>>,
}

impl Counts {
    /// Most distinct vectors kept, the most frequent.
    pub const ROWS_MAX: usize = 4_096;

    /// Learns from those of the sequences that are known from beginning to end, with keys below
    /// `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut rows = distinct(corpus);
        let of: u32 = rows.iter().map(|(_, count)| *count).sum();
        let mut tables: Vec<std::collections::BTreeMap<u32, u32>> =
            vec![Default::default(); key_count];
        for (row, sequences) in &rows {
            for (key, count) in row.iter() {
                if let Some(table) = tables.get_mut(key.index()) {
                    *table.entry(count).or_default() += sequences;
                }
            }
        }
        let costs = tables
            .iter()
            .map(|table| {
                let with: u32 = table.values().sum();
                ((f64::from(of) + 1.0) / (f64::from(with) + 0.5))
                    .ln()
                    .max(0.0) as f32
                    + 1.0
            })
            .collect();
        rows.truncate(Self::ROWS_MAX);
        Self {
            rows,
            of,
            costs,
            tables: tables
                .into_iter()
                .map(|table| table.into_iter().collect())
                .collect(),
        }
    }

    /// The cheapest way from a vector that came to `tally`: its cost, the key that costs most and
    /// how often that comes in the vector.
    pub fn nearest(&self, heard: &Heard) -> Option<(f32, Key, u32)> {
        let tally = Tally::of(heard);
        let mut best: Option<(f32, usize)> = None;
        for (index, (row, _)) in self.rows.iter().enumerate() {
            let bound = best.map_or(f32::INFINITY, |(cost, _)| cost);
            if let Some(cost) = self.cost(row, &tally, bound) {
                best = Some((cost, index));
            }
        }
        let (cost, index) = best?;
        let (row, _) = self.rows.get(index)?;
        let (mut blamed, mut most) = (Key::BEGIN, -1.0);
        for key in row.iter().chain(tally.iter()).map(|(key, _)| key) {
            let part = self.price(key) * row.get(key).abs_diff(tally.get(key)) as f32;
            if part > most {
                (blamed, most) = (key, part);
            }
        }
        Some((cost, blamed, row.get(blamed)))
    }

    /// The cost from `row` to `tally`; `None` when it is not below `bound`.
    fn cost(&self, row: &Tally, tally: &Tally, bound: f32) -> Option<f32> {
        let mut cost = 0.0;
        let (mut rows, mut came) = (row.iter().peekable(), tally.iter().peekable());
        loop {
            let (key, apart) = match (rows.peek().copied(), came.peek().copied()) {
                (None, None) => return (cost < bound).then_some(cost),
                (Some((key, count)), other) if other.is_none_or(|(other, _)| key < other) => {
                    rows.next();
                    (key, count)
                }
                (Some((key, count)), Some((other, seen))) if key == other => {
                    rows.next();
                    came.next();
                    (key, count.abs_diff(seen))
                }
                (_, Some((key, seen))) => {
                    came.next();
                    (key, seen)
                }
                (Some(_), None) => return None,
            };
            cost += self.price(key) * apart as f32;
            if cost >= bound {
                return None;
            }
        }
    }

    fn price(&self, key: Key) -> f32 {
        let dearest = (f64::from(self.of) + 1.0).ln() as f32 + 1.0;
        self.costs.get(key.index()).copied().unwrap_or(dearest)
    }

    /// The key whose count is the most improbable, with −ln of its probability.
    pub fn oddest(&self, heard: &Heard) -> Option<(f32, Key)> {
        let tally = Tally::of(heard);
        let mut best: Option<(f32, Key)> = None;
        for index in Key::MARKER_COUNT..self.tables.len() {
            let key = Key(index as u16);
            let score = self.odd(key, tally.get(key));
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, key));
            }
        }
        best
    }

    fn odd(&self, key: Key, count: u32) -> f32 {
        let Some(table) = self.tables.get(key.index()) else {
            return 0.0;
        };
        let with: u32 = table.iter().map(|(_, n)| *n).sum();
        let n = |c: u32| -> u32 {
            if c == 0 {
                return self.of - with;
            }
            table
                .binary_search_by_key(&c, |(c, _)| *c)
                .map_or(0, |i| table[i].1)
        };
        let nearest = table
            .iter()
            .map(|(c, _)| c.abs_diff(count))
            .chain((with < self.of).then_some(count))
            .min()
            .unwrap_or(count);
        let prior = 0.5 * (-(nearest as f64)).exp();
        -((f64::from(n(count)) + prior) / (f64::from(self.of) + 1.0)).ln() as f32
    }
}

impl Voice for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if !(heard.begins && heard.ends) || self.of == 0 {
            return None;
        }
        let (score, key, usual) = self.nearest(heard)?;
        Some(Surprise {
            score,
            position: heard.len,
            why: Why::Count {
                key,
                came: Tally::of(heard).get(key),
                usual: (usual, usual),
            },
        })
    }
}
