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
pub(super) const SOLID_MIN: usize = 3;
/// How many times the evidence a pattern needs that keeps fewer constant words, or fewer than it
/// has open places.
const THIN_FACTOR: usize = 4;
/// The same for a pattern without any constant word.
const BARE_FACTOR: usize = 16;
/// Such a pattern must have at least this many marks to be told by, or it would say nothing.
const BARE_MARKS_MIN: usize = 2;

/// What the rows are rows of.
pub(super) struct Rules {
    /// By symbol, whether it says something by itself.
    pub(super) solid: Vec<bool>,
    /// By symbol, in how many of the given rows it stands.
    pub(super) often: Vec<u32>,
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
    let mut now = Rows::new();
    for (at, row) in rows.into_iter().enumerate() {
        now.entry(row).or_default().push(at);
    }
    while now.len() > VALUES_MAX {
        let next = match step(&now, rules, Reach::Single) {
            None if rules.leaps => step(&now, rules, Reach::Leap),
            next => next,
        };
        match next {
            Some(next) => now = absorb(next),
            None => break,
        }
    }
    now
}

/// Which sets of places may be opened in a row.
#[derive(Clone, Copy)]
enum Reach {
    /// Each place alone.
    Single,
    /// The rarest words together, the two rarest, the three rarest, and so on. Where a line has
    /// several parameters their words are rarer than the constants beside them (as in Brain,
    /// 2023), so one of these leaps opens all parameters and nothing else.
    Leap,
}

/// A set of places of a row that could be opened.
struct Candidate<'a> {
    places: &'a [usize],
    /// The same for all rows that differ in these places only.
    key: u64,
    /// Constant words that would be left.
    solid: usize,
}

/// A row and those of its places that can be opened, rare words first.
struct Ranked<'a> {
    row: &'a [u32],
    places: Vec<usize>,
    /// How many words are in too few rows to be constant.
    rare: usize,
}

impl<'a> Ranked<'a> {
    fn new(row: &'a [u32], rules: &Rules, reach: Reach) -> Self {
        let often = |place: &usize| {
            let symbol = row.get(*place).copied().unwrap_or_default();
            rules
                .often
                .get(symbol as usize)
                .copied()
                .unwrap_or_default()
        };
        let can_open = |place: &usize| match reach {
            Reach::Single => row.get(*place) != Some(&OPEN_SYMBOL),
            Reach::Leap => row.get(*place).is_some_and(|symbol| *symbol > VALUE_SYMBOL),
        };
        let mut places: Vec<usize> = (0..row.len()).filter(can_open).collect();
        let rare = places
            .iter()
            .filter(|place| often(place) as usize <= VALUES_MAX)
            .count();
        match reach {
            // A word that is left constant is shared by all who agree.
            Reach::Single if rare > 1 => places.clear(),
            Reach::Single if rare == 1 => {
                places.retain(|place| often(place) as usize <= VALUES_MAX)
            }
            Reach::Single => {}
            Reach::Leap => places.sort_by_key(often),
        }
        Self { row, places, rare }
    }

    fn candidates(&self, rules: &Rules, reach: Reach) -> impl Iterator<Item = Candidate<'_>> {
        let all = self
            .row
            .iter()
            .filter(|symbol| rules.is_solid(**symbol))
            .count();
        let mut left = (sum(self.row), all);
        self.places
            .iter()
            .enumerate()
            .filter_map(move |(at, &place)| {
                let symbol = self.row.get(place).copied().unwrap_or_default();
                let key = left
                    .0
                    .wrapping_sub(mix(place, symbol))
                    .wrapping_add(mix(place, OPEN_SYMBOL));
                let solid = left.1 - usize::from(rules.is_solid(symbol));
                let places = match reach {
                    Reach::Single => self.places.get(at..=at)?,
                    Reach::Leap => {
                        left = (key, solid);
                        let enough = |places: &&[usize]| places.len() >= self.rare.max(2);
                        self.places.get(..=at).filter(enough)?
                    }
                };
                Some(Candidate { places, key, solid })
            })
    }
}

/// Opens in each row the smallest of its candidates that has shown enough values; of equals the
/// one most rows agree on. `None` when no row changed.
fn step(now: &Rows, rules: &Rules, reach: Reach) -> Option<Rows> {
    let ranked: Vec<Ranked<'_>> = now
        .keys()
        .map(|row| Ranked::new(row, rules, reach))
        .collect();
    let mut tally = Tally::new(ranked.iter().map(|one| one.places.len()).sum());
    for candidate in ranked.iter().flat_map(|one| one.candidates(rules, reach)) {
        tally.add(candidate.key);
    }
    let mut evidence: FxHashMap<u64, Evidence<'_>> = FxHashMap::default();
    for one in &ranked {
        for candidate in one.candidates(rules, reach) {
            let needed = rules.needed(&candidate);
            if tally.at_most(candidate.key) >= needed {
                let new = || Evidence::new(one.row, candidate.places, needed);
                let shown = evidence.entry(candidate.key).or_insert_with(new);
                shown.add(one.row, candidate.places);
            }
        }
    }
    let mut changed = false;
    let mut next = Rows::new();
    for (one, members) in ranked.iter().zip(now.values()) {
        let best = one
            .candidates(rules, reach)
            .filter_map(|candidate| {
                let shown = evidence.get(&candidate.key)?;
                let enough = shown.is_enough() && shown.is_of(one.row, candidate.places);
                enough.then_some((candidate.places, shown.rows))
            })
            .min_by_key(|(places, rows)| (places.len(), Reverse(*rows)));
        let mut wide = one.row.to_vec();
        if let Some((places, _)) = best {
            changed = true;
            open(&mut wide, places);
        }
        next.entry(wide).or_default().extend(members);
    }
    changed.then_some(next)
}

fn open(row: &mut [u32], places: &[usize]) {
    for &place in places {
        if let Some(symbol) = row.get_mut(place) {
            *symbol = OPEN_SYMBOL;
        }
    }
}

impl Rules {
    fn is_solid(&self, symbol: u32) -> bool {
        self.solid.get(symbol as usize) == Some(&true)
    }

    /// How many rows must agree on a candidate.
    fn needed(&self, candidate: &Candidate<'_>) -> usize {
        let base = VALUES_MAX + 1;
        let opened = candidate.places.len();
        match candidate.solid {
            0 if self.marks >= BARE_MARKS_MIN => base * BARE_FACTOR,
            0 => usize::MAX,
            left if left < SOLID_MIN || left < opened => base * THIN_FACTOR,
            _ => base,
        }
    }
}

/// Upper bounds of how often keys came. Nearly all come once; counted in a byte each, which may
/// be shared by several, they cost a tenth of a map. What passes is counted again, exactly.
struct Tally {
    counts: Vec<u8>,
    shift: u32,
}

impl Tally {
    fn new(keys: usize) -> Self {
        let len = (2 * keys).next_power_of_two().max(2);
        Self {
            counts: vec![0; len],
            shift: u64::BITS - len.trailing_zeros(),
        }
    }

    fn add(&mut self, key: u64) {
        if let Some(count) = self.counts.get_mut((key >> self.shift) as usize) {
            *count = count.saturating_add(1);
        }
    }

    fn at_most(&self, key: u64) -> usize {
        match self.counts.get((key >> self.shift) as usize) {
            Some(&u8::MAX) => usize::MAX,
            Some(&count) => usize::from(count),
            None => 0,
        }
    }
}

/// The values that a set of places has shown in rows that are otherwise the same.
struct Evidence<'a> {
    first: &'a [u32],
    places: Vec<usize>,
    values: Vec<FxHashSet<u32>>,
    rows: usize,
    needed: usize,
}

impl<'a> Evidence<'a> {
    fn new(first: &'a [u32], places: &[usize], needed: usize) -> Self {
        let mut places = places.to_vec();
        places.sort_unstable();
        Self {
            first,
            values: vec![FxHashSet::default(); places.len()],
            places,
            rows: 0,
            needed,
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
        self.rows >= self.needed && self.values.iter().all(|values| values.len() > VALUES_MAX)
    }
}

/// The sum of the row with `places` opened.
fn opened_sum(row: &[u32], places: &[usize]) -> u64 {
    places.iter().fold(sum(row), |sum, &place| {
        let symbol = row.get(place).copied().unwrap_or_default();
        sum.wrapping_sub(mix(place, symbol))
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
            if sums.contains(&opened_sum(&wide, mask)) {
                open(&mut wide, mask);
            }
        }
        merged.entry(wide).or_default().extend(members);
    }
    merged
}
