//! The network as candle tensors: for training, and for devices other than the CPU.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, D, DType, Device, Error, Layout, Result, Shape};
use candle_core::{Tensor, Var};
use candle_nn::ops::{log_softmax, sigmoid};

use super::kernel::vectorized;
use super::lstm::{Activations, Back, CHUNK_LEN, Forth, Gradients, LayerParameters, Parameters};
use super::network::{GATES_LEN, HIDDEN_LEN, Weights};
use super::{WINDOW_LEN, Window};

/// The parameters as tensors. Cloning shares them.
#[derive(Clone, Debug)]
pub(in crate::core) struct Graph {
    input: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    input_above: Tensor,
    recurrent_above: Tensor,
    bias_above: Tensor,
    output: Tensor,
    output_bias: Tensor,
}

impl Graph {
    /// A graph whose parameters an optimiser can change, and these parameters.
    pub(in crate::core) fn trainable(
        weights: &Weights,
        device: &Device,
    ) -> Result<(Self, Vec<Var>)> {
        let graph = Self::new(weights, device)?;
        let vars = graph.tensors().map(Var::from_tensor);
        let vars = vars.into_iter().collect::<Result<Vec<_>>>()?;
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        Ok((Self::of_tensors(tensors)?, vars))
    }

    pub(super) fn new(weights: &Weights, device: &Device) -> Result<Self> {
        let mut tensors = Vec::new();
        for ((_, shape), values) in weights.shapes().into_iter().zip(weights.values()) {
            tensors.push(Tensor::from_slice(values, shape, device)?);
        }
        Self::of_tensors(tensors)
    }

    /// A copy of the parameters as they are now.
    pub(in crate::core) fn weights(&self) -> Result<Weights> {
        let mut values: [Vec<f32>; Weights::COUNT] = Default::default();
        for (values, tensor) in values.iter_mut().zip(self.tensors()) {
            *values = tensor.flatten_all()?.to_vec1()?;
        }
        Ok(Weights::new(self.output_bias.elem_count(), values))
    }

    /// The log-probability of each key after each window: `[windows, keys]`.
    pub(in crate::core) fn forward(&self, windows: &[Window]) -> Result<Tensor> {
        let hidden = if self.output.device().is_cpu() {
            self.fused(windows)?
        } else {
            self.composed(windows)?
        };
        let logits = hidden
            .matmul(&self.output)?
            .broadcast_add(&self.output_bias)?;
        log_softmax(&logits, D::Minus1)
    }

    pub(in crate::core) fn device(&self) -> &Device {
        self.output.device()
    }

    /// What the upper layer puts out last, `[windows, hidden]`, by one operation.
    fn fused(&self, windows: &[Window]) -> Result<Tensor> {
        let body = [
            &self.recurrent,
            &self.bias.unsqueeze(0)?,
            &self.input_above,
            &self.recurrent_above,
            &self.bias_above.unsqueeze(0)?,
        ];
        let body = Tensor::cat(&body, 0)?;
        self.input.apply_op2(
            &body,
            Layers {
                windows: windows.to_vec(),
                passed: OnceLock::new(),
            },
        )
    }

    /// The same, by the operations every device has.
    fn composed(&self, windows: &[Window]) -> Result<Tensor> {
        let (count, steps) = (windows.len(), WINDOW_LEN);
        let mut keys = Vec::with_capacity(count * steps);
        for step in 0..steps {
            keys.extend(windows.iter().map(|window| u32::from(window[step].0)));
        }
        let keys = Tensor::from_vec(keys, count * steps, self.device())?;
        let gates = self
            .input
            .index_select(&keys, 0)?
            .broadcast_add(&self.bias)?;
        let lower = recur(&gates.reshape((steps, count, GATES_LEN))?, &self.recurrent)?;
        let flat = Tensor::cat(&lower, 0)?;
        let gates = flat
            .matmul(&self.input_above)?
            .broadcast_add(&self.bias_above)?;
        let upper = recur(
            &gates.reshape((steps, count, GATES_LEN))?,
            &self.recurrent_above,
        )?;
        upper
            .last()
            .cloned()
            .ok_or_else(|| Error::Msg("a window has no step".to_owned()))
    }

    /// In the order of [`Weights::shapes`].
    fn tensors(&self) -> [&Tensor; Weights::COUNT] {
        [
            &self.bias,
            &self.input,
            &self.recurrent,
            &self.bias_above,
            &self.input_above,
            &self.recurrent_above,
            &self.output_bias,
            &self.output,
        ]
    }

    fn of_tensors(tensors: Vec<Tensor>) -> Result<Self> {
        let count = tensors.len();
        let tensors: [Tensor; Weights::COUNT] = tensors
            .try_into()
            .map_err(|_| Error::Msg(format!("a network does not have {count} parameters")))?;
        let [
            bias,
            input,
            recurrent,
            bias_above,
            input_above,
            recurrent_above,
            output_bias,
            output,
        ] = tensors;
        Ok(Self {
            input,
            recurrent,
            bias,
            input_above,
            recurrent_above,
            bias_above,
            output,
            output_bias,
        })
    }
}

/// What the units of a layer put out at each step, from what its input adds to the gates.
fn recur(gates: &Tensor, recurrent: &Tensor) -> Result<Vec<Tensor>> {
    let (steps, batch, _) = gates.dims3()?;
    let mut hidden = Tensor::zeros((batch, HIDDEN_LEN), DType::F32, gates.device())?;
    let mut cell = hidden.clone();
    let mut outputs = Vec::with_capacity(steps);
    for step in 0..steps {
        let gates = (gates.get(step)? + hidden.matmul(recurrent)?)?;
        let part = |index: usize| gates.narrow(1, index * HIDDEN_LEN, HIDDEN_LEN);
        let kept = (sigmoid(&part(1)?)? * &cell)?;
        let added = (sigmoid(&part(0)?)? * part(2)?.tanh()?)?;
        cell = (kept + added)?;
        hidden = (sigmoid(&part(3)?)? * cell.tanh()?)?;
        outputs.push(hidden.clone());
    }
    Ok(outputs)
}

/// Both layers as one operation on the CPU: from the first layer's table and all other
/// parameters of the layers, one below the other, to the last outputs.
///
/// The way back is handed nothing but tensors; what it needs of the way forth waits in `passed`.
struct Layers {
    windows: Vec<Window>,
    passed: OnceLock<Vec<[Activations; 2]>>,
}

impl CustomOp2 for Layers {
    fn name(&self) -> &'static str {
        "lstm-layers"
    }

    fn cpu_fwd(
        &self,
        table: &CpuStorage,
        table_layout: &Layout,
        body: &CpuStorage,
        body_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let table = contiguous(table, table_layout)?;
        let parameters = parameters(table, contiguous(body, body_layout)?);
        let known = table.len() / GATES_LEN;
        if self
            .windows
            .iter()
            .flatten()
            .any(|key| key.index() >= known)
        {
            return Err(Error::Msg(
                "a window holds a key that the network does not know".into(),
            ));
        }
        let mut hidden = Vec::with_capacity(self.windows.len() * HIDDEN_LEN);
        let mut passed = Vec::new();
        for windows in self.windows.chunks(CHUNK_LEN) {
            let mut activations = <[Activations; 2]>::default();
            vectorized(Forth {
                parameters,
                windows,
                activations: &mut activations,
            });
            hidden.extend_from_slice(activations[1].last_hidden());
            passed.push(activations);
        }
        // A second way forth would find the same.
        let _ = self.passed.set(passed);
        Ok((
            CpuStorage::F32(hidden),
            Shape::from((self.windows.len(), HIDDEN_LEN)),
        ))
    }

    fn bwd(
        &self,
        table: &Tensor,
        body: &Tensor,
        _hidden: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let passed = self
            .passed
            .get()
            .ok_or_else(|| Error::Msg("back before forth".into()))?;
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let (table_values, body_values) = (values(table)?, values(body)?);
        let gradient = values(gradient)?;
        let mut gradients = Gradients::zero(table.dim(0)?);
        let chunks = self
            .windows
            .chunks(CHUNK_LEN)
            .zip(gradient.chunks(CHUNK_LEN * HIDDEN_LEN));
        for ((windows, last_hidden), activations) in chunks.zip(passed) {
            let parameters = parameters(&table_values, &body_values);
            let gradients = &mut gradients;
            vectorized(Back {
                parameters,
                windows,
                activations,
                last_hidden,
                gradients,
            });
        }
        let [lower, upper] = gradients.layers;
        let parts = [
            lower.recurrent,
            lower.bias,
            upper.input,
            upper.recurrent,
            upper.bias,
        ];
        let body_gradient = Tensor::from_vec(parts.concat(), body.shape(), body.device())?;
        let table_gradient = Tensor::from_vec(lower.input, table.shape(), table.device())?;
        Ok((Some(table_gradient), Some(body_gradient)))
    }
}

/// Takes the body apart as [`Graph::fused`] put it together.
fn parameters<'a>(table: &'a [f32], body: &'a [f32]) -> Parameters<'a> {
    let (recurrent, body) = body.split_at(HIDDEN_LEN * GATES_LEN);
    let (bias, body) = body.split_at(GATES_LEN);
    let (input_above, body) = body.split_at(HIDDEN_LEN * GATES_LEN);
    let (recurrent_above, bias_above) = body.split_at(HIDDEN_LEN * GATES_LEN);
    let lower = LayerParameters {
        input: table,
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

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let missing = || Error::Msg("the layers need their parameters contiguous".to_owned());
    let (start, end) = layout.contiguous_offsets().ok_or_else(missing)?;
    match storage {
        CpuStorage::F32(values) => values.get(start..end).ok_or_else(missing),
        _ => Err(Error::Msg(
            "the layers need parameters of 32 bits".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::network::tests::{noise, weights, windows};

    fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        difference.max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn the_fused_layers_agree_with_candle_forth_and_back() {
        for count in [1, 6, 7, CHUNK_LEN, 61] {
            let (graph, vars) = Graph::trainable(&weights(9), &Device::Cpu).unwrap();
            let windows = windows(count, 9);
            let (fused, composed) = (
                graph.fused(&windows).unwrap(),
                graph.composed(&windows).unwrap(),
            );
            assert!(largest_difference(&fused, &composed) < 1e-6);

            let pull = noise(count * HIDDEN_LEN, 3);
            let pull = Tensor::from_vec(pull, (count, HIDDEN_LEN), &Device::Cpu).unwrap();
            let gradients = |hidden: &Tensor| {
                (hidden * &pull)
                    .unwrap()
                    .sum_all()
                    .unwrap()
                    .backward()
                    .unwrap()
            };
            let (fused, composed) = (gradients(&fused), gradients(&composed));
            for (var, (name, _)) in vars.iter().zip(weights(9).shapes()).take(6) {
                let (ours, theirs) = (fused.get(var).unwrap(), composed.get(var).unwrap());
                let size = theirs.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                let size = size.to_scalar::<f32>().unwrap();
                assert!(size > 0.0, "{name} has no gradient");
                assert!(
                    largest_difference(ours, theirs) < 1e-5 * size.max(1.0),
                    "{name}"
                );
            }
        }
    }
}
