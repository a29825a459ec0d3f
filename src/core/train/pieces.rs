//! Distinct sequences with their counts, cut into pieces that are learned from by themselves.

use rand_chacha::ChaCha12Rng;
use rustc_hash::FxHashMap;

use super::shuffled;
use crate::core::model::{Key, Row};

/// Steps of a piece. A piece goes on from the state that the piece before it left, but what it
/// teaches is not carried back beyond its beginning.
const PIECE_LEN: usize = 128;

/// A stretch of a sequence and how often this very sequence was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    keys: &'a [Key],
    count: u32,
    /// How many pieces of the sequence come before it.
    index: u32,
    from: Option<u32>,
    to: Option<u32>,
}

/// What is passed over: pieces in a fixed order, those that begin alike side by side.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// States handed on between pieces.
    pub(super) places: usize,
    /// Keys to be foretold, by count.
    pub(super) labels: f64,
}

impl<'a> Piece<'a> {
    /// As what it is learned from when it weighs `weight` for each time it was seen.
    pub(super) fn row(&self, weight: f64) -> Row<'a> {
        Row {
            keys: self.keys,
            weight: (f64::from(self.count) * weight) as f32,
            from: self.from,
            to: self.to,
        }
    }

    /// Steps that it does not share with `before`.
    pub(super) fn steps_after(&self, before: Option<&Self>) -> usize {
        let steps = self.keys.len() - 1;
        let before = before.filter(|before| before.from == self.from);
        let before = before.map_or(&[][..], |before| &before.keys[..before.keys.len() - 1]);
        let same = self.keys.iter().zip(before).take(steps);
        steps - same.take_while(|(a, b)| a == b).count()
    }
}

impl<'a> Pieces<'a> {
    /// The pieces of `sequences`. When these have more than `steps_max` distinct steps, some are
    /// drawn by `rng`.
    pub(super) fn new(sequences: &'a [Vec<Key>], steps_max: usize, rng: &mut ChaCha12Rng) -> Self {
        let mut pieces = Self {
            pieces: Vec::new(),
            places: 0,
            labels: 0.0,
        };
        for (keys, count) in drawn(sequences, steps_max, rng) {
            pieces.add(keys, count);
        }
        let order = |piece: &Piece<'a>| (piece.index, piece.from, piece.keys);
        pieces
            .pieces
            .sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        pieces
    }

    /// Pieces of at most about the mean count, frequent ones several times, so that no single one
    /// rules the optimiser step it falls into. At most twice as many as before.
    pub(super) fn evened(&self) -> Vec<Piece<'a>> {
        let total: u64 = self.pieces.iter().map(|piece| u64::from(piece.count)).sum();
        let share = total.div_ceil(self.pieces.len().max(1) as u64).max(1);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let mut evened = Vec::with_capacity(2 * self.pieces.len());
        for piece in &self.pieces {
            let mut left = piece.count;
            while left > 0 {
                let count = left.min(share);
                evened.push(Piece { count, ..*piece });
                left -= count;
            }
        }
        evened
    }

    /// The pieces in batches of about `steps` distinct steps, a sequence's pieces in their order.
    pub(super) fn in_order(&self, steps: usize) -> Vec<Vec<Row<'a>>> {
        let by_index = self.pieces.chunk_by(|a, b| a.index == b.index);
        by_index
            .flat_map(|pieces| batches(pieces.iter(), steps, 1.0))
            .collect()
    }

    fn add(&mut self, keys: &'a [Key], count: u32) {
        let steps = keys.len() - 1;
        self.labels += f64::from(count) * steps as f64;
        let mut from = None;
        for (index, start) in (0..steps).step_by(PIECE_LEN).enumerate() {
            let end = (start + PIECE_LEN).min(steps);
            let to = (end < steps).then_some(self.places as u32);
            self.places += usize::from(to.is_some());
            self.pieces.push(Piece {
                keys: &keys[start..=end],
                count,
                index: index as u32,
                from,
                to,
            });
            from = to;
        }
    }
}

/// Batches of about `steps` distinct steps, prefixes shared with the piece before counted once.
pub(super) fn batches<'p, 'a: 'p>(
    pieces: impl Iterator<Item = &'p Piece<'a>>,
    steps: usize,
    weight: f64,
) -> Vec<Vec<Row<'a>>> {
    let mut batches = Vec::new();
    let (mut batch, mut size) = (Vec::new(), 0);
    let mut before = None;
    for piece in pieces {
        size += piece.steps_after(before);
        batch.push(piece.row(weight));
        before = Some(piece);
        if size >= steps {
            batches.push(std::mem::take(&mut batch));
            (size, before) = (0, None);
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// Distinct sequences with something to foretell and how often they were drawn, in the order of
/// their keys.
fn drawn<'a>(
    sequences: &'a [Vec<Key>],
    steps_max: usize,
    rng: &mut ChaCha12Rng,
) -> Vec<(&'a [Key], u32)> {
    let mut counts: FxHashMap<&[Key], u32> = FxHashMap::default();
    let mut steps = 0;
    for index in shuffled(sequences.len(), rng) {
        let keys = sequences[index].as_slice();
        if keys.len() < 2 {
            continue;
        }
        let count = counts.entry(keys).or_default();
        if *count == 0 {
            steps += keys.len() - 1;
        }
        *count = count.saturating_add(1);
        if steps >= steps_max {
            break;
        }
    }
    let mut drawn: Vec<(&[Key], u32)> = counts.into_iter().collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn rng() -> ChaCha12Rng {
        ChaCha12Rng::seed_from_u64(1)
    }

    fn keys(of: impl IntoIterator<Item = u16>) -> Vec<Key> {
        of.into_iter().map(Key).collect()
    }

    #[test]
    fn a_sequence_seen_often_is_one_row_that_weighs_as_much() {
        let (a, b) = (keys([0, 2, 3, 1]), keys([0, 2, 1]));
        let sequences = [a.clone(), b.clone(), a.clone(), a, keys([5])];
        let pieces = Pieces::new(&sequences, usize::MAX, &mut rng());
        let rows: Vec<Row<'_>> = pieces.pieces.iter().map(|piece| piece.row(0.5)).collect();
        let rows: Vec<(&[Key], f32)> = rows.iter().map(|row| (row.keys, row.weight)).collect();
        assert_eq!(rows, [(&b[..], 0.5), (&sequences[0][..], 1.5)]);
        assert_eq!(pieces.labels, 11.0);
        let evened = pieces.evened();
        assert_eq!(
            evened.iter().map(|piece| piece.count).collect::<Vec<_>>(),
            [1, 2, 1]
        );
    }

    #[test]
    fn a_long_sequence_is_cut_into_pieces_that_hand_on_their_state() {
        let long = [keys((0..300).map(|at| 2 + at % 5))];
        let pieces = Pieces::new(&long, usize::MAX, &mut rng());
        let links: Vec<_> = pieces.pieces.iter().map(|p| (p.from, p.to)).collect();
        assert_eq!(
            links,
            [(None, Some(0)), (Some(0), Some(1)), (Some(1), None)]
        );
        // Each key but the first is foretold once: pieces overlap in the key that ends one and
        // begins the next.
        let foretold: usize = pieces.pieces.iter().map(|p| p.keys.len() - 1).sum();
        assert_eq!(foretold, 299);
        assert_eq!(pieces.pieces[0].keys.last(), pieces.pieces[1].keys.first());
        assert_eq!((pieces.places, pieces.in_order(1_000).len()), (2, 3));
    }

    #[test]
    fn more_than_can_be_passed_over_is_drawn_by_the_seed() {
        let sequences: Vec<Vec<Key>> = (0..100).map(|at| keys([0, 2 + at, 1])).collect();
        let drawn = |seed| {
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            let pieces = Pieces::new(&sequences, 20, &mut rng).pieces;
            let keys = pieces.iter().map(|piece| piece.keys[1]);
            keys.collect::<Vec<Key>>()
        };
        assert_eq!(drawn(1).len(), 10);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn batches_count_shared_beginnings_once() {
        let sequences = [keys([0, 2, 3, 1]), keys([0, 2, 3, 4, 1]), keys([0, 5, 1])];
        let pieces = Pieces::new(&sequences, usize::MAX, &mut rng());
        let sizes = |steps| -> Vec<usize> {
            let batches = batches(pieces.pieces.iter(), steps, 1.0);
            batches.iter().map(Vec::len).collect()
        };
        // Three steps, one more, one more.
        assert_eq!(sizes(4), [2, 1]);
        assert_eq!(sizes(5), [3]);
    }
}
