//! Both LSTM layers over all steps of a window, forth and back, on the CPU.
//!
//! Written with candle's tensors, a step of time is some fifteen small operations, each with its
//! own allocation, and the larger ones wake other threads. Here a few windows at a time go through
//! everything while their numbers stay in the processor's cache.

use pulp::{Simd, WithSimd};

use super::kernel::{add_product, logistic, tanh};
use super::network::{GATES_LEN, HIDDEN_LEN};
use super::{WINDOW_LEN, Window};

/// Windows that go through together: a multiple of the rows the product takes at once.
pub(super) const CHUNK_LEN: usize = 24;

/// Both layers' parameters. `input` of the first is one row per key, `[keys, 4·hidden]`; of the
/// second `[hidden, 4·hidden]`, as is `recurrent`.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub(super) layers: [LayerParameters<'a>; 2],
}

#[derive(Clone, Copy)]
pub(super) struct LayerParameters<'a> {
    pub(super) input: &'a [f32],
    pub(super) recurrent: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// The gradients of [`Parameters`], in the same shapes.
pub(super) struct Gradients {
    pub(super) layers: [LayerGradients; 2],
}

pub(super) struct LayerGradients {
    pub(super) input: Vec<f32>,
    pub(super) recurrent: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// What each layer's units did at each step: each field is `[time, batch, hidden]`.
#[derive(Default)]
pub(super) struct Activations {
    input: Vec<f32>,
    forget: Vec<f32>,
    new: Vec<f32>,
    output: Vec<f32>,
    cell: Vec<f32>,
    hidden: Vec<f32>,
}

/// Forth: fills `activations` of both layers for at most [`CHUNK_LEN`] windows.
pub(super) struct Forth<'a> {
    pub(super) parameters: Parameters<'a>,
    pub(super) windows: &'a [Window],
    pub(super) activations: &'a mut [Activations; 2],
}

/// Back: adds to `gradients` what the gradient of the last outputs, `[batch, hidden]`, comes to.
pub(super) struct Back<'a> {
    pub(super) parameters: Parameters<'a>,
    pub(super) windows: &'a [Window],
    pub(super) activations: &'a [Activations; 2],
    pub(super) last_hidden: &'a [f32],
    pub(super) gradients: &'a mut Gradients,
}

impl Activations {
    /// What the units put out after the last step: `[batch, hidden]`.
    pub(super) fn last_hidden(&self) -> &[f32] {
        let step_len = self.hidden.len() / WINDOW_LEN;
        &self.hidden[self.hidden.len() - step_len..]
    }
}

impl Gradients {
    pub(super) fn zero(key_count: usize) -> Self {
        let layer = |inputs: usize| LayerGradients {
            input: vec![0.0; inputs * GATES_LEN],
            recurrent: vec![0.0; HIDDEN_LEN * GATES_LEN],
            bias: vec![0.0; GATES_LEN],
        };
        Self {
            layers: [layer(key_count), layer(HIDDEN_LEN)],
        }
    }
}

impl WithSimd for Forth<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            parameters,
            windows,
            activations,
        } = self;
        let [first, second] = parameters.layers;
        let [lower, upper] = activations;
        let mut gates = Vec::with_capacity(WINDOW_LEN * windows.len() * GATES_LEN);
        for step in 0..WINDOW_LEN {
            for window in windows {
                let row = window[step].index() * GATES_LEN;
                let row = &first.input[row..row + GATES_LEN];
                gates.extend(row.iter().zip(first.bias).map(|(input, bias)| input + bias));
            }
        }
        recur(simd, &mut gates, first.recurrent, lower);
        gates
            .chunks_exact_mut(GATES_LEN)
            .for_each(|row| row.copy_from_slice(second.bias));
        add_product(simd, &lower.hidden, second.input, &mut gates, HIDDEN_LEN);
        recur(simd, &mut gates, second.recurrent, upper);
    }
}

/// From what input and bias add to the gates (input, forget, new, output), `[time, batch,
/// 4·hidden]`, to the activations. The units start from zero.
#[inline(always)]
fn recur<S: Simd>(simd: S, gates: &mut [f32], recurrent: &[f32], to: &mut Activations) {
    let len = gates.len() / 4;
    let step_len = len / WINDOW_LEN;
    for plane in [
        &mut to.input,
        &mut to.forget,
        &mut to.new,
        &mut to.output,
        &mut to.cell,
        &mut to.hidden,
    ] {
        plane.resize(len, 0.0);
    }
    let zeros = vec![0.0; step_len];
    for (step, gates) in gates.chunks_exact_mut(step_len * 4).enumerate() {
        let here = step * step_len..(step + 1) * step_len;
        if step > 0 {
            let before = &to.hidden[here.start - step_len..here.start];
            add_product(simd, before, recurrent, gates, HIDDEN_LEN);
        }
        let (earlier, cell) = to.cell.split_at_mut(here.start);
        let earlier = earlier
            .len()
            .checked_sub(step_len)
            .map_or(&zeros[..], |at| &earlier[at..]);
        let (earlier, _) = earlier.as_chunks::<HIDDEN_LEN>();
        let (cell, _) = cell[..step_len].as_chunks_mut::<HIDDEN_LEN>();
        let (input, _) = to.input[here.clone()].as_chunks_mut::<HIDDEN_LEN>();
        let (forget, _) = to.forget[here.clone()].as_chunks_mut::<HIDDEN_LEN>();
        let (new, _) = to.new[here.clone()].as_chunks_mut::<HIDDEN_LEN>();
        let (output, _) = to.output[here.clone()].as_chunks_mut::<HIDDEN_LEN>();
        let (hidden, _) = to.hidden[here].as_chunks_mut::<HIDDEN_LEN>();
        for (row, gates) in gates.chunks_exact(GATES_LEN).enumerate() {
            let (gates, _) = gates.as_chunks::<HIDDEN_LEN>();
            for unit in 0..HIDDEN_LEN {
                input[row][unit] = logistic(gates[0][unit]);
                forget[row][unit] = logistic(gates[1][unit]);
                new[row][unit] = tanh(gates[2][unit]);
                output[row][unit] = logistic(gates[3][unit]);
            }
            for unit in 0..HIDDEN_LEN {
                let kept = forget[row][unit] * earlier[row][unit];
                cell[row][unit] = kept + input[row][unit] * new[row][unit];
                hidden[row][unit] = output[row][unit] * tanh(cell[row][unit]);
            }
        }
    }
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            parameters,
            windows,
            activations,
            last_hidden,
            gradients,
        } = self;
        let [_, second] = parameters.layers;
        let [lower, upper] = activations;
        let [first_gradients, second_gradients] = &mut gradients.layers;
        let mut pull = vec![0.0; upper.hidden.len()];
        let last = pull.len() - last_hidden.len();
        pull[last..].copy_from_slice(last_hidden);

        let gates = unroll(simd, &pull, second.recurrent, upper);
        add_recurrent_gradients(simd, &gates, upper, second_gradients);
        let inputs = transposed(&lower.hidden, HIDDEN_LEN);
        let rows = lower.hidden.len() / HIDDEN_LEN;
        add_product(simd, &inputs, &gates, &mut second_gradients.input, rows);
        pull.fill(0.0);
        let weights = transposed(second.input, GATES_LEN);
        add_product(simd, &gates, &weights, &mut pull, GATES_LEN);

        let gates = unroll(simd, &pull, parameters.layers[0].recurrent, lower);
        add_recurrent_gradients(simd, &gates, lower, first_gradients);
        let steps = gates.chunks_exact(windows.len() * GATES_LEN);
        for (step, gates) in steps.enumerate() {
            for (window, gates) in windows.iter().zip(gates.chunks_exact(GATES_LEN)) {
                let row = window[step].index() * GATES_LEN;
                let row = &mut first_gradients.input[row..row + GATES_LEN];
                row.iter_mut()
                    .zip(gates)
                    .for_each(|(sum, part)| *sum += part);
            }
        }
    }
}

/// From the gradient of a layer's outputs, `[time, batch, hidden]`, to that of its gates before
/// their functions, `[time, batch, 4·hidden]`.
#[inline(always)]
fn unroll<S: Simd>(simd: S, pull: &[f32], recurrent: &[f32], of: &Activations) -> Vec<f32> {
    let step_len = pull.len() / WINDOW_LEN;
    let recurrent = transposed(recurrent, GATES_LEN);
    let mut all_gates = vec![0.0; pull.len() * 4];
    let mut from_later = vec![0.0; step_len];
    let mut cell_from_later = vec![0.0; step_len];
    for (step, gates) in all_gates.chunks_exact_mut(step_len * 4).enumerate().rev() {
        for (row, gates) in gates.chunks_exact_mut(GATES_LEN).enumerate() {
            let (gates, _) = gates.as_chunks_mut::<HIDDEN_LEN>();
            let at = step * step_len + row * HIDDEN_LEN;
            let part = |plane: &[f32]| -> [f32; HIDDEN_LEN] { chunk(&plane[at..]) };
            let (input, forget, new) = (part(&of.input), part(&of.forget), part(&of.new));
            let (output, cell, pull) = (part(&of.output), part(&of.cell), part(pull));
            let before = at.checked_sub(step_len);
            let earlier = before.map_or([0.0; HIDDEN_LEN], |at| chunk(&of.cell[at..]));
            let place = row * HIDDEN_LEN..(row + 1) * HIDDEN_LEN;
            let later: [f32; HIDDEN_LEN] = chunk(&from_later[place.clone()]);
            let (cells, _) = cell_from_later[place].as_chunks_mut::<HIDDEN_LEN>();
            for unit in 0..HIDDEN_LEN {
                let (i, f, g, o) = (input[unit], forget[unit], new[unit], output[unit]);
                let squashed = tanh(cell[unit]);
                let out = pull[unit] + later[unit];
                let inner = out * o * (1.0 - squashed * squashed) + cells[0][unit];
                gates[0][unit] = inner * g * i * (1.0 - i);
                gates[1][unit] = inner * earlier[unit] * f * (1.0 - f);
                gates[2][unit] = inner * i * (1.0 - g * g);
                gates[3][unit] = out * squashed * o * (1.0 - o);
                cells[0][unit] = inner * f;
            }
        }
        from_later.fill(0.0);
        add_product(simd, gates, &recurrent, &mut from_later, GATES_LEN);
    }
    all_gates
}

/// Each step's gates saw the outputs of the step before it, and the bias.
#[inline(always)]
fn add_recurrent_gradients<S: Simd>(
    simd: S,
    gates: &[f32],
    of: &Activations,
    gradients: &mut LayerGradients,
) {
    let step_len = of.hidden.len() / WINDOW_LEN;
    let before = transposed(&of.hidden[..of.hidden.len() - step_len], HIDDEN_LEN);
    let rows = before.len() / HIDDEN_LEN;
    add_product(
        simd,
        &before,
        &gates[step_len * 4..],
        &mut gradients.recurrent,
        rows,
    );
    for row in gates.chunks_exact(GATES_LEN) {
        gradients
            .bias
            .iter_mut()
            .zip(row)
            .for_each(|(sum, part)| *sum += part);
    }
}

#[inline(always)]
fn chunk(values: &[f32]) -> [f32; HIDDEN_LEN] {
    values.first_chunk().copied().unwrap_or([0.0; HIDDEN_LEN])
}

/// A matrix of rows of `width` turned about its diagonal.
fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    let height = matrix.len() / width;
    let mut turned = vec![0.0; matrix.len()];
    for (row, values) in matrix.chunks_exact(width).enumerate() {
        for (column, value) in values.iter().enumerate() {
            turned[column * height + row] = *value;
        }
    }
    turned
}
