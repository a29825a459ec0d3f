//! A step of a few sequences, with their sums in the processor's registers.

use std::borrow::BorrowMut;

use pulp::{Simd, WithSimd};

use super::packed::{GATES, OUTPUT_VECTORS, Packed, UPPER_INPUTS};
use super::{Memory, Ranked, State};
use crate::core::model::{HIDDEN_LEN, Key};

/// Tells of each key how expected it was, where that is wanted, and takes it in.
pub(super) struct Advance<'a, B> {
    pub(super) packed: &'a Packed,
    pub(super) states: &'a mut [B],
    pub(super) keys: &'a [Key],
    pub(super) told: Option<&'a mut Vec<Ranked>>,
}

/// How expected is `key`?
pub(super) struct Ask<'a> {
    pub(super) packed: &'a Packed,
    pub(super) state: &'a State,
    pub(super) key: Key,
}

/// How expected is each key?
pub(super) struct Tell<'a> {
    pub(super) packed: &'a Packed,
    pub(super) state: &'a State,
}

/// Sequences in a tile where there are 32 vector registers: 24 sums, 4 weights and a factor.
const TILE: usize = 6;
/// Where there are 16, and for what is left over: 12 sums.
const SMALL_TILE: usize = 3;

impl<B: BorrowMut<State>> WithSimd for Advance<'_, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut network = Tiles::new(simd, self.packed, self.told);
        let (mut states, mut keys) = (self.states, self.keys);
        if S::REGISTER_COUNT >= 32 {
            (states, keys) = network.advance_tiles::<B, TILE>(states, keys);
        }
        (states, keys) = network.advance_tiles::<B, SMALL_TILE>(states, keys);
        network.advance_tiles::<B, 1>(states, keys);
    }
}

impl WithSimd for Ask<'_> {
    type Output = Ranked;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Ranked {
        let mut tiles = Tiles::new(simd, self.packed, None);
        tiles.compute_logits(&[self.state.upper.hidden]);
        let row = S::as_simd_f32s(&tiles.logits).0;
        let shift = log_sum_exp(simd, row);
        ranked(simd, &tiles.logits, self.key, shift)
    }
}

impl WithSimd for Tell<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut tiles = Tiles::new(simd, self.packed, None);
        tiles.compute_logits(&[self.state.upper.hidden]);
        let shift = log_sum_exp(simd, S::as_simd_f32s(&tiles.logits).0);
        let mut row = tiles.logits;
        row.truncate(self.packed.key_count());
        row.iter_mut()
            .for_each(|logit| *logit = *logit - shift.0 - shift.1);
        row
    }
}

/// The weights as vectors, and where logits are computed.
struct Tiles<'a, S: Simd> {
    simd: S,
    table: &'a [[S::f32s; GATES]],
    lower: &'a [[[S::f32s; GATES]; HIDDEN_LEN]],
    upper_bias: &'a [[S::f32s; GATES]],
    upper: &'a [[[S::f32s; GATES]; UPPER_INPUTS]],
    output_bias: &'a [[S::f32s; OUTPUT_VECTORS]],
    output: &'a [[[S::f32s; OUTPUT_VECTORS]; HIDDEN_LEN]],
    told: Option<&'a mut Vec<Ranked>>,
    /// A row for each sequence of a tile.
    logits: Vec<f32>,
}

impl<'a, S: Simd> Tiles<'a, S> {
    #[inline(always)]
    fn new(simd: S, packed: &'a Packed, told: Option<&'a mut Vec<Ranked>>) -> Self {
        let vectors = |aligned: &'a super::packed::Aligned| S::as_simd_f32s(aligned.as_slice()).0;
        Self {
            simd,
            table: vectors(&packed.table).as_chunks().0,
            lower: vectors(&packed.lower).as_chunks().0.as_chunks().0,
            upper_bias: vectors(&packed.upper_bias).as_chunks().0,
            upper: vectors(&packed.upper).as_chunks().0.as_chunks().0,
            output_bias: vectors(&packed.output_bias).as_chunks().0,
            output: vectors(&packed.output).as_chunks().0.as_chunks().0,
            told,
            logits: Vec::new(),
        }
    }

    /// Takes sequences `T` at a time and gives back those left over.
    #[inline(always)]
    fn advance_tiles<'b, B: BorrowMut<State>, const T: usize>(
        &mut self,
        states: &'b mut [B],
        keys: &'b [Key],
    ) -> (&'b mut [B], &'b [Key]) {
        let (tiles, states) = states.as_chunks_mut::<T>();
        let (tile_keys, keys) = keys.as_chunks::<T>();
        for (states, keys) in tiles.iter_mut().zip(tile_keys) {
            self.advance(states, keys);
        }
        (states, keys)
    }

    #[inline(always)]
    fn advance<B: BorrowMut<State>, const T: usize>(
        &mut self,
        states: &mut [B; T],
        keys: &[Key; T],
    ) {
        let mut states = states.each_mut().map(|state| state.borrow_mut());
        let before = states.each_ref().map(|state| state.upper.hidden);
        if self.told.is_some() {
            self.compute_logits(&before);
            self.tell(keys);
        }
        let mut inputs = [[0.0; UPPER_INPUTS]; T];
        for (inputs, before) in inputs.iter_mut().zip(&before) {
            inputs[HIDDEN_LEN..].copy_from_slice(before);
        }

        let before = states.each_ref().map(|state| state.lower.hidden);
        let groups = self.lower.len();
        let mut lower = states.each_mut().map(|state| &mut state.lower);
        for (group, weights) in self.lower.iter().enumerate() {
            let mut sums = [self.upper_bias[group]; T];
            for (sums, key) in sums.iter_mut().zip(keys) {
                *sums = self.table[key.index() * groups + group];
            }
            add_product(self.simd, weights, &before, &mut sums);
            self.close(&sums, &mut lower, group);
        }
        for (inputs, memory) in inputs.iter_mut().zip(&lower) {
            inputs[..HIDDEN_LEN].copy_from_slice(&memory.hidden);
        }

        let mut upper = states.each_mut().map(|state| &mut state.upper);
        for (group, weights) in self.upper.iter().enumerate() {
            let mut sums = [self.upper_bias[group]; T];
            add_product(self.simd, weights, &inputs, &mut sums);
            self.close(&sums, &mut upper, group);
        }
    }

    /// From the sums of a group's gates to its units' new cells and outputs.
    #[inline(always)]
    fn close<const T: usize>(
        &self,
        sums: &[[S::f32s; GATES]; T],
        memories: &mut [&mut Memory; T],
        group: usize,
    ) {
        for (sums, memory) in sums.iter().zip(memories) {
            let cell = &mut S::as_mut_simd_f32s(&mut memory.cell).0[group];
            let hidden;
            (*cell, hidden) = units(self.simd, *sums, *cell);
            S::as_mut_simd_f32s(&mut memory.hidden).0[group] = hidden;
        }
    }

    #[inline(always)]
    fn compute_logits<const T: usize>(&mut self, hidden: &[[f32; HIDDEN_LEN]; T]) {
        let blocks = self.output.len();
        self.logits
            .resize(T * blocks * OUTPUT_VECTORS * lanes::<S>(), 0.0);
        let rows = S::as_mut_simd_f32s(&mut self.logits).0;
        let rows = rows.as_chunks_mut::<OUTPUT_VECTORS>().0;
        for (block, weights) in self.output.iter().enumerate() {
            let mut sums = [self.output_bias[block]; T];
            add_product(self.simd, weights, hidden, &mut sums);
            for (row, sums) in sums.iter().enumerate() {
                rows[row * blocks + block] = *sums;
            }
        }
    }

    #[inline(always)]
    fn tell(&mut self, keys: &[Key]) {
        let Some(told) = &mut self.told else { return };
        let width = self.output.len() * OUTPUT_VECTORS * lanes::<S>();
        for (row, key) in self.logits.chunks_exact(width).zip(keys) {
            let shift = log_sum_exp(self.simd, S::as_simd_f32s(row).0);
            told.push(ranked(self.simd, row, *key, shift));
        }
    }
}

#[inline(always)]
fn lanes<S: Simd>() -> usize {
    size_of::<S::f32s>() / size_of::<f32>()
}

/// Adds `inputs · weights` to `sums`, one input after the other.
#[inline(always)]
fn add_product<S: Simd, const T: usize, const N: usize, const K: usize>(
    simd: S,
    weights: &[[S::f32s; N]; K],
    inputs: &[[f32; K]; T],
    sums: &mut [[S::f32s; N]; T],
) {
    let mut local = *sums;
    for (input, weights) in weights.iter().enumerate() {
        for (gate, weight) in weights.iter().enumerate() {
            for (sums, inputs) in local.iter_mut().zip(inputs) {
                let factor = simd.splat_f32s(inputs[input]);
                sums[gate] = simd.mul_add_e_f32s(factor, *weight, sums[gate]);
            }
        }
    }
    *sums = local;
}

/// The new cells and outputs of units from the sums of their gates, which are scaled so that with
/// i = 2^sum and so on
///
/// cell' = cell / (1 + f) + (1 − n) / ((1 + i) (1 + n)),  output = (1 − c) / ((1 + o) (1 + c))
///
/// where c = e^(−2 cell'). Each is brought to one fraction, for a division takes as long as ten
/// products.
#[inline(always)]
fn units<S: Simd>(simd: S, sums: [S::f32s; GATES], cell: S::f32s) -> (S::f32s, S::f32s) {
    let one = simd.splat_f32s(1.0);
    let [input, forget, new, output] = sums;
    let (input, forget) = (exp2(simd, input), exp2(simd, forget));
    let (new, output) = (exp2(simd, new), exp2(simd, output));
    let forget = simd.add_f32s(one, forget);
    let gain = simd.mul_f32s(simd.add_f32s(one, input), simd.add_f32s(one, new));
    let gained = simd.mul_f32s(simd.sub_f32s(one, new), forget);
    let whole = simd.mul_add_e_f32s(cell, gain, gained);
    let cell = simd.div_f32s(whole, simd.mul_f32s(forget, gain));

    let squashed = simd.mul_f32s(cell, simd.splat_f32s(-2.0 * std::f32::consts::LOG2_E));
    let squashed = exp2(simd, squashed);
    let parts = simd.mul_f32s(simd.add_f32s(one, output), simd.add_f32s(one, squashed));
    (cell, simd.div_f32s(simd.sub_f32s(one, squashed), parts))
}

/// 2^x to about 1 part in 10⁷ for |x| ≤ 40; beyond, that of the bound: three of these multiplied
/// are still a number, and 2^−40 is nothing beside 1.
#[inline(always)]
fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const BOUND: f32 = 40.0;
    /// Adding 1.5·2²³ leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// The polynomial of least relative error between −½ and ½, highest power first.
    const COEFFICIENTS: [f32; 5] = [9.675_541e-3, 5.550_713_3e-2, 0.240_221_2, 0.693_146_97, 1.0];
    let x = simd.max_f32s(x, simd.splat_f32s(-BOUND));
    let x = simd.min_f32s(x, simd.splat_f32s(BOUND));
    let shifted = simd.add_f32s(x, simd.splat_f32s(ROUND));
    let whole = simd.sub_f32s(shifted, simd.splat_f32s(ROUND));
    let part = simd.sub_f32s(x, whole);
    let mut sum = simd.splat_f32s(1.327_647_2e-3);
    for coefficient in COEFFICIENTS {
        sum = simd.mul_add_e_f32s(sum, part, simd.splat_f32s(coefficient));
    }
    let exponent = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(sum), exponent))
}

/// ln Σ e^x in two parts: the largest x, and what the sum adds to it.
#[inline(always)]
fn log_sum_exp<S: Simd>(simd: S, row: &[S::f32s]) -> (f32, f32) {
    let mut most = simd.splat_f32s(f32::NEG_INFINITY);
    for x in row {
        most = simd.max_f32s(most, *x);
    }
    let most = simd.reduce_max_f32s(most);
    let scale = simd.splat_f32s(std::f32::consts::LOG2_E);
    let mut sum = simd.splat_f32s(0.0);
    for x in row {
        let x = simd.mul_f32s(simd.sub_f32s(*x, simd.splat_f32s(most)), scale);
        sum = simd.add_f32s(sum, exp2(simd, x));
    }
    (most, simd.reduce_sum_f32s(sum).ln())
}

/// Counts the keys whose logits are above that of `key`, and where some are level with it, those
/// of them that come before it.
#[inline(always)]
fn ranked<S: Simd>(simd: S, row: &[f32], key: Key, shift: (f32, f32)) -> Ranked {
    let logit = row[key.index()];
    let (one, zero) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0));
    let (mut above, mut level) = (zero, zero);
    for other in S::as_simd_f32s(row).0 {
        let is_above = simd.greater_than_f32s(*other, simd.splat_f32s(logit));
        let is_level = simd.equal_f32s(*other, simd.splat_f32s(logit));
        above = simd.add_f32s(above, simd.select_f32s(is_above, one, zero));
        level = simd.add_f32s(level, simd.select_f32s(is_level, one, zero));
    }
    let mut rank = simd.reduce_sum_f32s(above) as u32 + 1;
    if simd.reduce_sum_f32s(level) > 1.0 {
        let before = row[..key.index()].iter();
        rank += before.map(|other| u32::from(*other == logit)).sum::<u32>();
    }
    // The beginning takes no place.
    let begin = row[Key::BEGIN.index()];
    if key != Key::BEGIN && begin >= logit {
        rank -= 1;
    }
    Ranked {
        rank,
        log_probability: logit - shift.0 - shift.1,
    }
}
