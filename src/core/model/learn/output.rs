//! The output layer and the loss: forth, and back on the spot while the logits are in the cache.

use pulp::Simd;

use super::forest::{Forest, Label};
use super::product::{Packed, WIDTH_MULTIPLE, add_outer, add_product};
use crate::core::model::kernel::exp;
use crate::core::model::network::HIDDEN_LEN;

/// Logits computed together, at least those of one step.
const LOGITS_LEN: usize = 16_384;

/// The output layer's buffers, reused from forest to forest.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// The gradient of what the upper layer put out, `[steps, hidden]`.
    pub(super) pull: Vec<f32>,
    /// Weights, bias and their gradients with the width made up by zeros.
    weights: Vec<f32>,
    weights_gradient: Vec<f32>,
    bias: Vec<f32>,
    bias_gradient: Vec<f32>,
    packed: Packed,
    packed_turned: Packed,
    logits: Vec<f32>,
    key_count: usize,
}

impl Output {
    pub(super) fn take_in(&mut self, weights: &[f32], bias: &[f32]) {
        self.key_count = bias.len();
        let width = bias.len().next_multiple_of(WIDTH_MULTIPLE);
        self.bias.clear();
        self.bias.extend_from_slice(bias);
        self.bias.resize(width, 0.0);
        self.weights.clear();
        for row in weights.chunks_exact(bias.len().max(1)) {
            self.weights.extend_from_slice(row);
            self.weights
                .resize(self.weights.len().next_multiple_of(width), 0.0);
        }
        self.packed.pack(&self.weights, width);
        self.packed_turned.pack_turned(&self.weights, width);
    }

    /// The weighted −ln probability of all labels.
    #[inline(always)]
    pub(super) fn loss<S: Simd>(&mut self, simd: S, hidden: &[f32], forest: &Forest) -> f64 {
        let steps = self.steps_together();
        let mut loss = 0.0;
        for (index, hidden) in hidden.chunks(steps * HIDDEN_LEN).enumerate() {
            self.fill_logits(simd, hidden);
            let rows = self.logits.chunks_exact(self.bias.len());
            for (row, logits) in rows.enumerate() {
                let labels = forest.labels_of(index * steps + row);
                loss += surprise(&logits[..self.key_count], labels);
            }
        }
        loss
    }

    /// The same, and the gradients: of what the upper layer put out in `pull`, of weights and bias
    /// for [`gradients`](Self::gradients).
    #[inline(always)]
    pub(super) fn loss_and_back<S: Simd>(
        &mut self,
        simd: S,
        hidden: &[f32],
        forest: &Forest,
    ) -> f64 {
        let width = self.bias.len();
        self.pull.clear();
        self.pull.resize(hidden.len(), 0.0);
        for (gradient, len) in [
            (&mut self.weights_gradient, HIDDEN_LEN * width),
            (&mut self.bias_gradient, width),
        ] {
            gradient.clear();
            gradient.resize(len, 0.0);
        }
        let steps = self.steps_together();
        let mut loss = 0.0;
        for (index, hidden) in hidden.chunks(steps * HIDDEN_LEN).enumerate() {
            self.fill_logits(simd, hidden);
            for (row, logits) in self.logits.chunks_exact_mut(width).enumerate() {
                let labels = forest.labels_of(index * steps + row);
                loss += pull_of(&mut logits[..self.key_count], labels);
                logits[self.key_count..].fill(0.0);
                self.bias_gradient
                    .iter_mut()
                    .zip(logits)
                    .for_each(|(sum, part)| *sum += *part);
            }
            let pull = &mut self.pull[index * steps * HIDDEN_LEN..][..hidden.len()];
            add_product(simd, &self.logits, &self.packed_turned, pull);
            add_outer(
                simd,
                hidden,
                &self.logits,
                &mut self.weights_gradient,
                HIDDEN_LEN,
            );
        }
        loss
    }

    /// Copies out the gradients of the bias and the weights.
    pub(super) fn gradients(&self, bias: &mut [f32], weights: &mut [f32]) {
        bias.copy_from_slice(&self.bias_gradient[..self.key_count]);
        let rows = self.weights_gradient.chunks_exact(self.bias.len());
        for (to, from) in weights.chunks_exact_mut(self.key_count).zip(rows) {
            to.copy_from_slice(&from[..self.key_count]);
        }
    }

    fn steps_together(&self) -> usize {
        (LOGITS_LEN / self.bias.len().max(1)).max(1)
    }

    #[inline(always)]
    fn fill_logits<S: Simd>(&mut self, simd: S, hidden: &[f32]) {
        self.logits.clear();
        for _ in 0..hidden.len() / HIDDEN_LEN {
            self.logits.extend_from_slice(&self.bias);
        }
        add_product(simd, hidden, &self.packed, &mut self.logits);
    }
}

/// The weighted −ln probability of `labels`.
#[inline(always)]
fn surprise(logits: &[f32], labels: &[Label]) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| exp(logit - most)).sum();
    let shift = most + sum.ln();
    let surprises = labels
        .iter()
        .map(|label| f64::from(label.weight) * f64::from(shift - logits[label.key.index()]));
    surprises.sum()
}

/// The same; makes of the logits their gradient.
#[inline(always)]
fn pull_of(logits: &mut [f32], labels: &[Label]) -> f64 {
    let loss = surprise(logits, labels);
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits
        .iter_mut()
        .for_each(|logit| *logit = exp(*logit - most));
    let sum: f32 = logits.iter().sum();
    let weight: f32 = labels.iter().map(|label| label.weight).sum();
    let scale = weight / sum;
    logits.iter_mut().for_each(|logit| *logit *= scale);
    for label in labels {
        logits[label.key.index()] -= label.weight;
    }
    loss
}
