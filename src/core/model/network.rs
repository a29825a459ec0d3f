//! The log-key network: from a window of keys to the log-probability of every next key.

use std::sync::Arc;

use candle_core::Device;
use pulp::{Simd, WithSimd};

use super::graph::Graph;
use super::kernel::{COLUMNS_MULTIPLE, add_product, vectorized};
use super::lstm::{Activations, CHUNK_LEN, Forth, LayerParameters, Parameters};
use super::{ModelError, Stepper, Window};

/// Units of each LSTM layer (the paper's α).
pub const HIDDEN_LEN: usize = 64;
/// Stacked LSTM layers (the paper's L).
pub const LAYER_COUNT: usize = 2;

/// The input, forget, new and output gates of all units side by side.
pub(super) const GATES_LEN: usize = 4 * HIDDEN_LEN;

/// All parameters of a network, row by row.
///
/// The paper feeds keys as one-hot vectors; a product of such a vector with a matrix is a row of
/// the matrix, so the first layer looks its row up instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    key_count: usize,
    values: [Vec<f32>; Weights::COUNT],
}

/// A network that answers. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct Network {
    weights: Arc<Weights>,
    output: Arc<OutputLayer>,
    stepper: Stepper,
    /// On a device other than the CPU.
    graph: Option<Graph>,
}

impl Weights {
    /// How many named parameters there are.
    pub const COUNT: usize = 8;

    /// Parameters for `key_count` keys, in the order of [`shapes`](Self::shapes). Where one has
    /// too few values, zeros follow.
    pub fn new(key_count: usize, mut values: [Vec<f32>; Self::COUNT]) -> Self {
        for (values, (_, shape)) in values.iter_mut().zip(Self::shapes_of(key_count)) {
            values.resize(shape.iter().product(), 0.0);
        }
        Self { key_count, values }
    }

    /// Names and shapes for `key_count` keys, sorted by name.
    pub fn shapes_of(key_count: usize) -> [(&'static str, Vec<usize>); Self::COUNT] {
        [
            ("lstm0.bias", vec![GATES_LEN]),
            ("lstm0.input", vec![key_count, GATES_LEN]),
            ("lstm0.recurrent", vec![HIDDEN_LEN, GATES_LEN]),
            ("lstm1.bias", vec![GATES_LEN]),
            ("lstm1.input", vec![HIDDEN_LEN, GATES_LEN]),
            ("lstm1.recurrent", vec![HIDDEN_LEN, GATES_LEN]),
            ("output.bias", vec![key_count]),
            ("output.weight", vec![HIDDEN_LEN, key_count]),
        ]
    }

    /// Names and shapes of these parameters, sorted by name.
    pub fn shapes(&self) -> [(&'static str, Vec<usize>); Self::COUNT] {
        Self::shapes_of(self.key_count)
    }

    /// The values, in the order of [`shapes`](Self::shapes).
    pub fn values(&self) -> &[Vec<f32>; Self::COUNT] {
        &self.values
    }

    /// How many keys the network knows, the markers included.
    pub fn key_count(&self) -> usize {
        self.key_count
    }

    fn layers(&self) -> Parameters<'_> {
        let [
            bias,
            input,
            recurrent,
            bias_above,
            input_above,
            recurrent_above,
            ..,
        ] = &self.values;
        let lower = LayerParameters {
            input,
            recurrent,
            bias,
        };
        let upper = LayerParameters {
            input: input_above,
            recurrent: recurrent_above,
            bias: bias_above,
        };
        Parameters {
            layers: [lower, upper],
        }
    }
}

impl Network {
    /// A network with these weights on `device`.
    ///
    /// # Errors
    /// When they cannot be copied to the device.
    pub fn new(weights: Weights, device: &Device) -> Result<Self, ModelError> {
        let graph = if device.is_cpu() {
            None
        } else {
            Some(Graph::new(&weights, device)?)
        };
        let output = Arc::new(OutputLayer::new(&weights));
        Ok(Self {
            stepper: Stepper::new(&weights),
            weights: Arc::new(weights),
            output,
            graph,
        })
    }

    /// The parameters.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What steps sequences through this network.
    pub fn stepper(&self) -> &Stepper {
        &self.stepper
    }

    /// The log-probability of each key after each window, one row for each window. On the CPU a
    /// window's row does not depend on the windows beside it.
    ///
    /// # Errors
    /// When a window holds a key that the network does not know, or the device fails.
    pub fn log_probabilities(&self, windows: &[Window]) -> Result<Vec<Vec<f32>>, ModelError> {
        let known = self.weights.key_count;
        if let Some(key) = windows.iter().flatten().find(|key| key.index() >= known) {
            return Err(ModelError::UnknownKey { key: key.0, known });
        }
        if let Some(graph) = &self.graph {
            return Ok(graph.forward(windows)?.to_vec2()?);
        }
        let mut rows = Vec::with_capacity(windows.len());
        let mut activations = <[Activations; 2]>::default();
        for windows in windows.chunks(CHUNK_LEN) {
            let parameters = self.weights.layers();
            vectorized(Forth {
                parameters,
                windows,
                activations: &mut activations,
            });
            let hidden = activations[1].last_hidden();
            vectorized(Output {
                layer: &self.output,
                hidden,
                rows: &mut rows,
            });
        }
        Ok(rows)
    }
}

/// The output layer's parameters with columns of zeros up to a number the product can take.
#[derive(Debug)]
struct OutputLayer {
    key_count: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl OutputLayer {
    fn new(weights: &Weights) -> Self {
        let key_count = weights.key_count;
        let width = key_count.next_multiple_of(COLUMNS_MULTIPLE);
        let [.., bias, values] = &weights.values;
        let mut padded = vec![0.0; HIDDEN_LEN * width];
        for (to, from) in padded
            .chunks_exact_mut(width)
            .zip(values.chunks_exact(key_count))
        {
            to[..key_count].copy_from_slice(from);
        }
        let mut bias = bias.clone();
        bias.resize(width, 0.0);
        Self {
            key_count,
            weights: padded,
            bias,
        }
    }
}

/// From what the upper layer put out, `[windows, hidden]`, to a row of log-probabilities for each.
struct Output<'a> {
    layer: &'a OutputLayer,
    hidden: &'a [f32],
    rows: &'a mut Vec<Vec<f32>>,
}

impl WithSimd for Output<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let OutputLayer {
            key_count,
            weights,
            bias,
        } = self.layer;
        for hidden in self.hidden.chunks_exact(HIDDEN_LEN) {
            let mut row = bias.clone();
            add_product(simd, hidden, weights, &mut row, HIDDEN_LEN);
            row.truncate(*key_count);
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = row.iter().map(|logit| (logit - most).exp()).sum();
            let shift = most + sum.ln();
            row.iter_mut().for_each(|logit| *logit -= shift);
            self.rows.push(row);
        }
    }
}

#[cfg(test)]
pub(in crate::core) mod tests {
    use super::*;
    use crate::core::model::{Key, WINDOW_LEN};

    /// Numbers without a pattern that matters, between −1 and 1.
    pub(in crate::core) fn noise(count: usize, mut state: u64) -> Vec<f32> {
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_041);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    pub(in crate::core) fn weights(key_count: usize) -> Weights {
        let values = Weights::shapes_of(key_count).map(|(name, shape)| {
            let count = shape.iter().product();
            noise(count, name.len() as u64 + count as u64)
                .iter()
                .map(|x| x * 0.3)
                .collect()
        });
        Weights::new(key_count, values)
    }

    pub(in crate::core) fn windows(count: usize, key_count: usize) -> Vec<Window> {
        let keys = noise(count * WINDOW_LEN, 7).into_iter();
        let keys = keys.map(|x| Key(((x + 1.0) / 2.0 * key_count as f32) as u16));
        keys.collect::<Vec<_>>()
            .as_chunks::<WINDOW_LEN>()
            .0
            .to_vec()
    }

    #[test]
    fn answers_are_log_probabilities_and_those_of_the_candle_graph() {
        for key_count in [3, 16, 33] {
            let network = Network::new(weights(key_count), &Device::Cpu).unwrap();
            let windows = windows(50, key_count);
            let ours = network.log_probabilities(&windows).unwrap();
            let graph = Graph::new(network.weights(), &Device::Cpu).unwrap();
            let theirs: Vec<Vec<f32>> = graph.forward(&windows).unwrap().to_vec2().unwrap();
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert_eq!(ours.len(), key_count);
                let sum: f32 = ours.iter().map(|log| log.exp()).sum();
                assert!((sum - 1.0).abs() < 1e-5);
                assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn a_window_has_the_same_answer_to_the_last_bit_whatever_stands_beside_it() {
        let network = Network::new(weights(33), &Device::Cpu).unwrap();
        let windows = windows(100, 33);
        let together = network.log_probabilities(&windows).unwrap();
        for batch_len in [1, 5, 6, 23, 24, 25] {
            let mut apart = Vec::new();
            for batch in windows.chunks(batch_len) {
                apart.extend(network.log_probabilities(batch).unwrap());
            }
            assert_eq!(apart, together);
        }
    }

    #[test]
    fn a_key_the_network_does_not_know_is_refused() {
        let network = Network::new(weights(5), &Device::Cpu).unwrap();
        let error = network
            .log_probabilities(&[[Key(5); WINDOW_LEN]])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "a window holds key 5, the network knows 5 keys"
        );
    }
}
