//! Rows of words → rows some places of which are open.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

/// A place that has shown more than this many values is a parameter.
pub const VALUES_MAX: usize = 4;

/// An opened place.
pub(super) const OPEN_SYMBOL: u32 = 0;
/// A value that the mask found. Words have the symbols after it.
pub(super) const VALUE_SYMBOL: u32 = 1;

/// A pattern keeps at least this many constant words, or it needs more evidence.
const SOLID_MIN: usize = 3;
/// How many times the evidence a pattern needs that keeps fewer constant words, or fewer than it
/// has open places.
const THIN_FACTOR: usize = 4;
/// The same for a pattern without any constant word.
const BARE_FACTOR: usize = 16;
/// Such a pattern needs at least this many marks to be told by.
const BARE_MARKS_MIN: usize = 2;

/// What the rows are rows of.
pub(super) struct Rules {
    /// By symbol, whether it says something by itself.
    pub(super) solid: Vec<bool>,
    /// Marks that all rows share.
    pub(super) marks: usize,
    /// Whether several places may be opened at once.
    pub(super) leaps: bool,
}

/// Rows under way, with the given rows that each covers.
type Rows = BTreeMap<Vec<u32>, Vec<usize>>;

/// Opens the places of `rows`, which are of one length, that are parameters; gives each row that
/// came out with the positions of the given rows that it covers.
pub(super) fn saturate(rows: Vec<Vec<u32>>, rules: &Rules) -> Rows {
    let mut often: FxHashMap<(usize, u32), u32> = FxHashMap::default();
    for word in rows.iter().flat_map(|row| row.iter().copied().enumerate()) {
        *often.entry(word).or_default() += 1;
    }
    let mut now = Rows::new();
    for (at, row) in rows.into_iter().enumerate() {
        now.entry(row).or_default().push(at);
    }
    while now.len() > VALUES_MAX {
        let next = match step(&now, rules, single_candidates) {
            Some(next) => Some(next),
            None if rules.leaps => step(&now, rules, |row| leap_candidates(row, &often)),
            None => None,
        };
        match next {
            Some(next) => now = absorb(next),
            None => break,
        }
    }
    now
}

/// A set of places that could be opened in a row.
type Candidate = Vec<usize>;

/// Every place alone.
fn single_candidates(row: &[u32]) -> Vec<Candidate> {
    (0..row.len())
        .filter(|&place| row.get(place) != Some(&OPEN_SYMBOL))
        .map(|place| vec![place])
        .collect()
}

/// The two rarest words, the three rarest, and so on: where a line has several parameters, their
/// words are rarer than the constants beside them (as in Brain, 2023).
fn leap_candidates(row: &[u32], often: &FxHashMap<(usize, u32), u32>) -> Vec<Candidate> {
    let mut places: Vec<(u32, usize)> = row
        .iter()
        .enumerate()
        .filter(|(_, symbol)| **symbol > VALUE_SYMBOL)
        .map(|(place, &symbol)| (often.get(&(place, symbol)).copied().unwrap_or(0), place))
        .collect();
    places.sort_unstable();
    let order: Vec<usize> = places.into_iter().map(|(_, place)| place).collect();
    (2..=order.len())
        .filter_map(|len| order.get(..len).map(<[usize]>::to_vec))
        .collect()
}

/// Opens in each row the first of its candidates, or the one most rows agree on, that has shown
/// enough values. `None` when no row changed.
fn step(now: &Rows, rules: &Rules, candidates: impl Fn(&[u32]) -> Vec<Candidate>) -> Option<Rows> {
    let rows: Vec<&Vec<u32>> = now.keys().collect();
    let all: Vec<Vec<Candidate>> = rows.iter().map(|row| candidates(row)).collect();
    let mut counts: FxHashMap<u64, u32> = FxHashMap::default();
    for (row, places) in rows.iter().zip(&all).flat_map(each) {
        *counts.entry(key_of(row, places)).or_default() += 1;
    }
    let mut evidence: FxHashMap<u64, Evidence<'_>> = FxHashMap::default();
    for (row, places) in rows.iter().zip(&all).flat_map(each) {
        let key = key_of(row, places);
        if counts
            .get(&key)
            .is_some_and(|count| *count as usize >= needed(row, places, rules))
        {
            let shown = evidence
                .entry(key)
                .or_insert_with(|| Evidence::new(row, places));
            shown.add(row, places);
        }
    }
    let mut changed = false;
    let mut next = Rows::new();
    for ((row, members), candidates) in now.iter().zip(&all) {
        let best = candidates
            .iter()
            .filter_map(|places| {
                let shown = evidence.get(&key_of(row, places))?;
                (shown.is_enough() && shown.is_of(row, places)).then_some((places, shown.rows))
            })
            .min_by_key(|(places, rows)| (places.len(), Reverse(*rows)));
        let mut wide = row.clone();
        if let Some((places, _)) = best {
            changed = true;
            for &place in places {
                if let Some(symbol) = wide.get_mut(place) {
                    *symbol = OPEN_SYMBOL;
                }
            }
        }
        next.entry(wide).or_default().extend(members);
    }
    changed.then_some(next)
}

fn each<'a>(
    (row, candidates): (&&'a Vec<u32>, &'a Vec<Candidate>),
) -> impl Iterator<Item = (&'a Vec<u32>, &'a Candidate)> {
    let row: &'a Vec<u32> = row;
    candidates.iter().map(move |places| (row, places))
}

/// How many rows must agree before `places` may be opened in `row`.
fn needed(row: &[u32], places: &[usize], rules: &Rules) -> usize {
    let solid = |symbol: &u32| rules.solid.get(*symbol as usize) == Some(&true);
    let all = row.iter().filter(|symbol| solid(symbol)).count();
    let opened = places.iter().filter_map(|&place| row.get(place));
    let left = all - opened.filter(|symbol| solid(symbol)).count();
    let base = VALUES_MAX + 1;
    if left == 0 {
        let told = places.len() == 1 || rules.marks >= BARE_MARKS_MIN;
        return if told { base * BARE_FACTOR } else { usize::MAX };
    }
    if left < SOLID_MIN || left < places.len() {
        return base * THIN_FACTOR;
    }
    base
}

/// The values that a set of places has shown in rows that are otherwise the same.
struct Evidence<'a> {
    first: &'a [u32],
    places: Vec<usize>,
    values: Vec<FxHashSet<u32>>,
    rows: usize,
}

impl<'a> Evidence<'a> {
    fn new(first: &'a [u32], places: &[usize]) -> Self {
        let mut places = places.to_vec();
        places.sort_unstable();
        Self {
            first,
            values: vec![FxHashSet::default(); places.len()],
            places,
            rows: 0,
        }
    }

    fn add(&mut self, row: &[u32], places: &[usize]) {
        if !self.is_of(row, places) {
            return;
        }
        self.rows += 1;
        for (place, values) in self.places.iter().zip(&mut self.values) {
            if values.len() <= VALUES_MAX {
                values.extend(row.get(*place));
            }
        }
    }

    /// Whether the row differs in these places only. The keys being hashes, it is asked.
    fn is_of(&self, row: &[u32], places: &[usize]) -> bool {
        places.len() == self.places.len()
            && places
                .iter()
                .all(|place| self.places.binary_search(place).is_ok())
            && self
                .first
                .iter()
                .zip(row)
                .enumerate()
                .all(|(place, (a, b))| a == b || self.places.binary_search(&place).is_ok())
    }

    fn is_enough(&self) -> bool {
        self.values.iter().all(|values| values.len() > VALUES_MAX)
    }
}

/// The same for all rows that differ in `places` only.
fn key_of(row: &[u32], places: &[usize]) -> u64 {
    places.iter().fold(sum(row), |key, &place| {
        let symbol = row.get(place).copied().unwrap_or_default();
        key.wrapping_sub(mix(place, symbol))
            .wrapping_add(mix(place, OPEN_SYMBOL))
    })
}

fn sum(row: &[u32]) -> u64 {
    let words = row.iter().enumerate();
    words.fold(0, |sum: u64, (place, &symbol)| {
        sum.wrapping_add(mix(place, symbol))
    })
}

/// SplitMix64 of a place and a symbol.
fn mix(place: usize, symbol: u32) -> u64 {
    let mut z = ((place as u64) << 32 | u64::from(symbol)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Most sets of open places that [`absorb`] looks through.
const MASKS_MAX: usize = 1024;

/// Gives what a row covers to the narrowest row that covers it in turn.
fn absorb(rows: Rows) -> Rows {
    let mut masks: BTreeMap<(usize, Vec<usize>), FxHashSet<u64>> = BTreeMap::new();
    for row in rows.keys() {
        let open = row
            .iter()
            .enumerate()
            .filter(|(_, symbol)| **symbol == OPEN_SYMBOL);
        let mask: Vec<usize> = open.map(|(place, _)| place).collect();
        let known = masks.len() < MASKS_MAX || masks.contains_key(&(mask.len(), mask.clone()));
        if !mask.is_empty() && known {
            masks
                .entry((mask.len(), mask))
                .or_default()
                .insert(sum(row));
        }
    }
    let mut merged = Rows::new();
    for (row, members) in rows {
        let mut wide = row;
        // Masks come narrow first, so one pass follows a chain of ever wider rows.
        for ((_, mask), sums) in &masks {
            if sums.contains(&key_of(&wide, mask)) {
                for &place in mask {
                    if let Some(symbol) = wide.get_mut(place) {
                        *symbol = OPEN_SYMBOL;
                    }
                }
            }
        }
        merged.entry(wide).or_default().extend(members);
    }
    merged
}
