//! Weights in the order in which a step reads them.

use super::super::network::GATES_LEN;
use super::super::{HIDDEN_LEN, Weights};

/// Gates of a unit: input, forget, new, output.
pub(super) const GATES: usize = 4;
/// What the upper layer reads: what the lower one put out, and what it put out itself before.
pub(super) const UPPER_INPUTS: usize = 2 * HIDDEN_LEN;
/// Vectors of logits computed together.
pub(super) const OUTPUT_VECTORS: usize = 2;

/// A network's weights. In the layers a *group* is as many units as a vector has lanes; of each
/// group first come all four gates of the first input, then of the second, and so on.
///
/// The gates' weights are multiplied by what makes e^−x (of the new gate e^−2x) a power of two.
#[derive(Debug)]
pub(super) struct Packed {
    key_count: usize,
    /// What a key and the bias add to the lower layer: `[key][group][gate][lane]`.
    pub(super) table: Aligned,
    /// `[group][input][gate][lane]`
    pub(super) lower: Aligned,
    /// `[group][gate][lane]`
    pub(super) upper_bias: Aligned,
    /// `[group][input][gate][lane]`, the lower layer's outputs first.
    pub(super) upper: Aligned,
    /// `[key]`, and minus infinity for what stands beyond the keys.
    pub(super) output_bias: Aligned,
    /// `[block][input][vector][lane]`
    pub(super) output: Aligned,
}

/// Numbers that begin at a cache line, so that no vector of them lies in two.
#[derive(Debug)]
pub(super) struct Aligned {
    numbers: Vec<f32>,
    start: usize,
}

impl Packed {
    pub(super) fn new(weights: &Weights, lanes: usize) -> Self {
        let [
            bias,
            input,
            recurrent,
            upper_bias,
            upper_input,
            upper_recurrent,
            output_bias,
            output,
        ] = weights.values();
        let rows = |matrix: &[f32]| -> Vec<Vec<f32>> {
            matrix
                .chunks_exact(GATES_LEN)
                .map(<[f32]>::to_vec)
                .collect()
        };
        let mut table = rows(input);
        for row in &mut table {
            row.iter_mut()
                .zip(bias)
                .for_each(|(sum, part)| *sum += part);
        }
        let table = table
            .iter()
            .flat_map(|row| gates(std::slice::from_ref(row), lanes));
        let upper_rows = [rows(upper_input), rows(upper_recurrent)].concat();
        let key_count = weights.key_count();
        let width = key_count.next_multiple_of(OUTPUT_VECTORS * lanes);
        let mut padded_bias = output_bias.clone();
        padded_bias.resize(width, f32::NEG_INFINITY);
        Self {
            key_count,
            table: Aligned::new(table.collect()),
            lower: Aligned::new(gates(&rows(recurrent), lanes)),
            upper_bias: Aligned::new(gates(&rows(upper_bias), lanes)),
            upper: Aligned::new(gates(&upper_rows, lanes)),
            output_bias: Aligned::new(padded_bias),
            output: Aligned::new(blocks(output, key_count, OUTPUT_VECTORS * lanes)),
        }
    }

    pub(super) fn key_count(&self) -> usize {
        self.key_count
    }
}

impl Aligned {
    const ALIGNMENT: usize = 64;

    fn new(values: Vec<f32>) -> Self {
        let spare = Self::ALIGNMENT / size_of::<f32>();
        let mut numbers: Vec<f32> = Vec::with_capacity(values.len() + spare);
        let start = numbers.as_ptr().align_offset(Self::ALIGNMENT).min(spare);
        numbers.resize(start, 0.0);
        numbers.extend_from_slice(&values);
        Self { numbers, start }
    }

    pub(super) fn as_slice(&self) -> &[f32] {
        self.numbers.get(self.start..).unwrap_or_default()
    }
}

/// Rows of `[gate][unit]` to `[group][row][gate][lane]`, scaled.
fn gates(rows: &[Vec<f32>], lanes: usize) -> Vec<f32> {
    use std::f32::consts::LOG2_E;
    const SCALES: [f32; GATES] = [-LOG2_E, -LOG2_E, -2.0 * LOG2_E, -LOG2_E];
    let mut packed = Vec::with_capacity(rows.len() * GATES_LEN);
    for first in (0..HIDDEN_LEN).step_by(lanes) {
        for row in rows {
            for (gate, scale) in row.chunks_exact(HIDDEN_LEN).zip(SCALES) {
                packed.extend(gate[first..first + lanes].iter().map(|x| x * scale));
            }
        }
    }
    packed
}

/// Rows of `[key]` to `[block][row][lane]`, with zeros beyond the keys.
fn blocks(matrix: &[f32], key_count: usize, block_len: usize) -> Vec<f32> {
    let mut packed = Vec::new();
    for first in (0..key_count).step_by(block_len) {
        for row in matrix.chunks_exact(key_count) {
            let some = &row[first..key_count.min(first + block_len)];
            packed.extend_from_slice(some);
            packed.resize(packed.len() + block_len - some.len(), 0.0);
        }
    }
    packed
}
