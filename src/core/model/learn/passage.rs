//! The whole network over a forest: forth to the loss, back to the gradient.

use pulp::{Simd, WithSimd};

use super::forest::Forest;
use super::layer::Layer;
use super::output::Output;
use super::product::{Packed, add_outer, add_product, widest};
use super::states::States;
use crate::core::model::Weights;
use crate::core::model::network::{GATES_LEN, HIDDEN_LEN};

/// What the network did on the way forth, kept for the way back. Reused from forest to forest.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) forest: Forest,
    pub(super) states: States,
    lower: Layer,
    upper: Layer,
    input_above: Packed,
    input_above_turned: Packed,
    output: Output,
}

impl Passage {
    pub(super) fn new(states: States) -> Self {
        Self {
            forest: Forest::default(),
            states,
            lower: Layer::new(0),
            upper: Layer::new(1),
            input_above: Packed::default(),
            input_above_turned: Packed::default(),
            output: Output::default(),
        }
    }

    /// The weighted −ln probability of the forest's labels. `parameters` are those of a network in
    /// the order of [`Weights::shapes`], in one row.
    pub(super) fn loss(&mut self, parameters: &[f32]) -> f64 {
        self.forth(parameters, false)
    }

    /// The same, ready to go [`back`](Self::back).
    pub(super) fn loss_to_go_back(&mut self, parameters: &[f32]) -> f64 {
        self.forth(parameters, true)
    }

    /// The gradient of the last loss, in the order of `parameters`.
    pub(super) fn back(&mut self, parameters: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; parameters.len()];
        widest(Back {
            passage: self,
            parameters,
            gradient: &mut gradient,
        });
        gradient
    }

    /// Leaves the states that later pieces go on from.
    pub(super) fn keep_states(&mut self) {
        for (step, place) in &self.forest.kept {
            for layer in [&self.lower, &self.upper] {
                let state = layer.state(*step as usize);
                self.states.keep(*place, layer.index, state);
            }
        }
    }

    fn forth(&mut self, parameters: &[f32], goes_back: bool) -> f64 {
        widest(Forth {
            passage: self,
            parameters,
            goes_back,
        })
    }
}

struct Forth<'a> {
    passage: &'a mut Passage,
    parameters: &'a [f32],
    goes_back: bool,
}

impl WithSimd for Forth<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Passage {
            forest,
            states,
            lower,
            upper,
            input_above,
            output,
            ..
        } = self.passage;
        let [
            bias,
            input,
            recurrent,
            bias_above,
            input_above_values,
            recurrent_above,
            output_bias,
            output_weights,
        ] = parts(self.parameters);
        lower.gates.clear();
        for step in &forest.steps {
            let row = &input[step.key.index() * GATES_LEN..][..GATES_LEN];
            let sums = row.iter().zip(bias).map(|(input, bias)| input + bias);
            lower.gates.extend(sums);
        }
        lower.forth(simd, recurrent, forest, states);
        upper.gates.clear();
        for _ in &forest.steps {
            upper.gates.extend_from_slice(bias_above);
        }
        input_above.pack(input_above_values, GATES_LEN);
        add_product(simd, &lower.hidden, input_above, &mut upper.gates);
        upper.forth(simd, recurrent_above, forest, states);
        output.take_in(output_weights, output_bias);
        match self.goes_back {
            true => output.loss_and_back(simd, &upper.hidden, forest),
            false => output.loss(simd, &upper.hidden, forest),
        }
    }
}

struct Back<'a> {
    passage: &'a mut Passage,
    parameters: &'a [f32],
    gradient: &'a mut [f32],
}

impl WithSimd for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Passage {
            forest,
            lower,
            upper,
            input_above_turned,
            output,
            ..
        } = self.passage;
        let [_, _, recurrent, _, input_above, recurrent_above, ..] = parts(self.parameters);
        let [
            bias_gradient,
            input_gradient,
            recurrent_gradient,
            bias_above_gradient,
            input_above_gradient,
            recurrent_above_gradient,
            output_bias_gradient,
            output_weights_gradient,
        ] = parts_mut(self.gradient);
        output.gradients(output_bias_gradient, output_weights_gradient);
        let pull = &mut output.pull;
        let gradients = [recurrent_above_gradient, bias_above_gradient];
        upper.turn(recurrent_above);
        upper.back(simd, forest, pull, gradients);
        add_outer(
            simd,
            &lower.hidden,
            &upper.gates,
            input_above_gradient,
            HIDDEN_LEN,
        );
        input_above_turned.pack_turned(input_above, GATES_LEN);
        pull.fill(0.0);
        add_product(simd, &upper.gates, input_above_turned, pull);
        let gradients = [recurrent_gradient, bias_gradient];
        lower.turn(recurrent);
        lower.back(simd, forest, pull, gradients);
        for (step, gates) in forest.steps.iter().zip(lower.gates.chunks_exact(GATES_LEN)) {
            let row = &mut input_gradient[step.key.index() * GATES_LEN..][..GATES_LEN];
            row.iter_mut()
                .zip(gates)
                .for_each(|(sum, part)| *sum += part);
        }
    }
}

/// How many keys a network of so many parameters knows.
pub(super) fn key_count(parameters: usize) -> usize {
    let at = |keys| -> usize {
        let shapes = Weights::shapes_of(keys);
        shapes
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    };
    parameters.saturating_sub(at(0)) / (at(1) - at(0))
}

/// The parameters by themselves, in the order of [`Weights::shapes`].
pub(super) fn parts(parameters: &[f32]) -> [&[f32]; Weights::COUNT] {
    let mut rest = parameters;
    Weights::shapes_of(key_count(parameters.len())).map(|(_, shape)| {
        let part;
        (part, rest) = rest.split_at(shape.iter().product());
        part
    })
}

fn parts_mut(parameters: &mut [f32]) -> [&mut [f32]; Weights::COUNT] {
    let shapes = Weights::shapes_of(key_count(parameters.len()));
    let mut rest = parameters;
    shapes.map(|(_, shape)| {
        let (part, left) = std::mem::take(&mut rest).split_at_mut(shape.iter().product());
        rest = left;
        part
    })
}
