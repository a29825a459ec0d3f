//! One LSTM layer over a forest, forth and back.

use pulp::Simd;

use super::forest::{Forest, Level};
use super::product::{Packed, add_outer, add_product};
use super::states::States;
use crate::core::model::kernel::{logistic, tanh};
use crate::core::model::network::{GATES_LEN, HIDDEN_LEN};

/// What a layer did at each step; reused from forest to forest.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// Which layer this is, from below.
    pub(super) index: usize,
    /// `[steps, 4·hidden]`: what goes into input, forget, new and output gates; after the way forth
    /// what the gates let through; after the way back the gradient of what went in.
    pub(super) gates: Vec<f32>,
    /// `[steps, hidden]`.
    pub(super) hidden: Vec<f32>,
    cell: Vec<f32>,
    squashed: Vec<f32>,
    /// The states that the first level went on from.
    hidden_before: Vec<f32>,
    cell_before: Vec<f32>,
    recurrent: Packed,
    recurrent_turned: Packed,
    /// What comes to a step from those that follow it: on the way forth `[inner, 4·hidden]` of one
    /// level, on the way back the gates' gradients of all, `[steps, 4·hidden]`.
    between: Vec<f32>,
    cell_pull: Vec<f32>,
}

type Gates = [f32; GATES_LEN];
type Units = [f32; HIDDEN_LEN];

impl Layer {
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    /// From what input and bias add to the gates, which is in `gates`, to what the units put out.
    #[inline(always)]
    pub(super) fn forth<S: Simd>(
        &mut self,
        simd: S,
        recurrent: &[f32],
        forest: &Forest,
        states: &States,
    ) {
        self.recurrent.pack(recurrent, GATES_LEN);
        let len = forest.steps.len() * HIDDEN_LEN;
        for units in [&mut self.hidden, &mut self.cell, &mut self.squashed] {
            units.resize(len, 0.0);
        }
        self.go_on_from(forest, states);
        let mut above: Option<Level> = None;
        for level in &forest.levels {
            self.add_recurrent(simd, forest, level, above);
            self.pass_level(forest, level, above.is_none());
            above = Some(*level);
        }
    }

    /// Takes in the states that the first level goes on from.
    fn go_on_from(&mut self, forest: &Forest, states: &States) {
        self.hidden_before.clear();
        self.cell_before.clear();
        for step in &forest.steps[..forest.levels.first().map_or(0, |level| level.end)] {
            let (hidden, cell) = states.layer(step.before, self.index);
            self.hidden_before.extend_from_slice(hidden);
            self.cell_before.extend_from_slice(cell);
        }
    }

    /// Adds to the gates of `level` what the units put out a step before.
    #[inline(always)]
    fn add_recurrent<S: Simd>(
        &mut self,
        simd: S,
        forest: &Forest,
        level: &Level,
        above: Option<Level>,
    ) {
        let Some(above) = above else {
            let gates = &mut self.gates[level.start * GATES_LEN..level.end * GATES_LEN];
            add_product(simd, &self.hidden_before, &self.recurrent, gates);
            return;
        };
        let inner = above.inner_end - above.start;
        self.between.clear();
        self.between.resize(inner * GATES_LEN, 0.0);
        let hidden = &self.hidden[above.start * HIDDEN_LEN..above.inner_end * HIDDEN_LEN];
        add_product(simd, hidden, &self.recurrent, &mut self.between);
        let (added, _) = self.between.as_chunks::<GATES_LEN>();
        let (gates, _) = self.gates.as_chunks_mut::<GATES_LEN>();
        for (at, step) in forest.steps_of(level) {
            let before = step.before.map_or(0, |before| before as usize) - above.start;
            add(&mut gates[at], &added[before]);
        }
    }

    #[inline(always)]
    fn pass_level(&mut self, forest: &Forest, level: &Level, is_first: bool) {
        let (gates, _) = self.gates.as_chunks_mut::<GATES_LEN>();
        let (hidden, _) = self.hidden.as_chunks_mut::<HIDDEN_LEN>();
        let (squashed, _) = self.squashed.as_chunks_mut::<HIDDEN_LEN>();
        let (cells, _) = self.cell.as_chunks_mut::<HIDDEN_LEN>();
        let (earlier, cells) = cells.split_at_mut(level.start);
        let earlier: &[Units] = match is_first {
            true => self.cell_before.as_chunks().0,
            false => earlier,
        };
        for (at, step) in forest.steps_of(level) {
            let before = match is_first {
                true => at,
                false => step.before.map_or(0, |before| before as usize),
            };
            let cell = &mut cells[at - level.start];
            pass_cell(&mut gates[at], &earlier[before], cell);
            let (gates, _) = gates[at].as_chunks::<HIDDEN_LEN>();
            for unit in 0..HIDDEN_LEN {
                squashed[at][unit] = tanh(cell[unit]);
                hidden[at][unit] = gates[3][unit] * squashed[at][unit];
            }
        }
    }

    /// Takes in the recurrent weights for the way back.
    pub(super) fn turn(&mut self, recurrent: &[f32]) {
        self.recurrent_turned.pack_turned(recurrent, GATES_LEN);
    }

    /// From the gradient of what the units put out, which is `pull`, `[steps, hidden]`, to that of
    /// what went into the gates. Adds the gradient of the recurrent weights and the bias.
    #[inline(always)]
    pub(super) fn back<S: Simd>(
        &mut self,
        simd: S,
        forest: &Forest,
        pull: &mut [f32],
        [recurrent_gradient, bias_gradient]: [&mut [f32]; 2],
    ) {
        self.between.clear();
        self.between.resize(self.gates.len(), 0.0);
        self.cell_pull.clear();
        self.cell_pull.resize(self.cell.len(), 0.0);
        for (depth, level) in forest.levels.iter().enumerate().rev() {
            let inner = level.start * GATES_LEN..level.inner_end * GATES_LEN;
            let pull_inner = &mut pull[level.start * HIDDEN_LEN..level.inner_end * HIDDEN_LEN];
            add_product(
                simd,
                &self.between[inner],
                &self.recurrent_turned,
                pull_inner,
            );
            self.back_level(forest, level, pull, depth == 0);
        }
        add_outer(
            simd,
            &self.hidden,
            &self.between,
            recurrent_gradient,
            HIDDEN_LEN,
        );
        let first = self.hidden_before.len() / HIDDEN_LEN * GATES_LEN;
        add_outer(
            simd,
            &self.hidden_before,
            &self.gates[..first],
            recurrent_gradient,
            HIDDEN_LEN,
        );
        for gates in self.gates.chunks_exact(GATES_LEN) {
            bias_gradient
                .iter_mut()
                .zip(gates)
                .for_each(|(sum, part)| *sum += part);
        }
    }

    #[inline(always)]
    fn back_level(&mut self, forest: &Forest, level: &Level, pull: &[f32], is_first: bool) {
        let (gates, _) = self.gates.as_chunks_mut::<GATES_LEN>();
        let (between, _) = self.between.as_chunks_mut::<GATES_LEN>();
        let (cell_pull, _) = self.cell_pull.as_chunks_mut::<HIDDEN_LEN>();
        let (squashed, _) = self.squashed.as_chunks::<HIDDEN_LEN>();
        let (pull, _) = pull.as_chunks::<HIDDEN_LEN>();
        let earlier: &[Units] = match is_first {
            true => self.cell_before.as_chunks().0,
            false => self.cell.as_chunks().0,
        };
        for (at, step) in forest.steps_of(level) {
            let before = match is_first {
                true => at,
                false => step.before.map_or(0, |before| before as usize),
            };
            let mut cell = cell_pull[at];
            let passed = &mut gates[at];
            back_cell(
                passed,
                [&earlier[before], &squashed[at], &pull[at]],
                &mut cell,
            );
            if !is_first {
                add(&mut between[before], passed);
                add(&mut cell_pull[before], &cell);
            }
        }
    }

    /// What the layer's units held after `step`.
    pub(super) fn state(&self, step: usize) -> (&[f32], &[f32]) {
        let units = step * HIDDEN_LEN..(step + 1) * HIDDEN_LEN;
        (&self.hidden[units.clone()], &self.cell[units])
    }
}

/// From what goes into the gates to what they let through, and the new cell.
#[inline(always)]
fn pass_cell(gates: &mut Gates, earlier: &Units, cell: &mut Units) {
    let (parts, _) = gates.as_chunks_mut::<HIDDEN_LEN>();
    let [input, forget, new, output] = parts else {
        return;
    };
    for unit in 0..HIDDEN_LEN {
        input[unit] = logistic(input[unit]);
        forget[unit] = logistic(forget[unit]);
        new[unit] = tanh(new[unit]);
        output[unit] = logistic(output[unit]);
        cell[unit] = forget[unit] * earlier[unit] + input[unit] * new[unit];
    }
}

/// From what the gates let through to the gradient of what went in, and from the later pull on the
/// cell to the pull on the cell before.
#[inline(always)]
fn back_cell(gates: &mut Gates, [earlier, squashed, pull]: [&Units; 3], cell: &mut Units) {
    let (parts, _) = gates.as_chunks_mut::<HIDDEN_LEN>();
    let [input, forget, new, output] = parts else {
        return;
    };
    for unit in 0..HIDDEN_LEN {
        let (i, f, g, o) = (input[unit], forget[unit], new[unit], output[unit]);
        let (squashed, pull) = (squashed[unit], pull[unit]);
        let inner = pull * o * (1.0 - squashed * squashed) + cell[unit];
        input[unit] = inner * g * i * (1.0 - i);
        forget[unit] = inner * earlier[unit] * f * (1.0 - f);
        new[unit] = inner * i * (1.0 - g * g);
        output[unit] = pull * squashed * o * (1.0 - o);
        cell[unit] = inner * f;
    }
}

#[inline(always)]
fn add<const N: usize>(sums: &mut [f32; N], parts: &[f32; N]) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum += part;
    }
}
