//! The log-key network: from a window of keys to the log-probability of every next key.

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::ops::{log_softmax, sigmoid};

use super::{ModelError, WINDOW_LEN, Window};

/// Units of each LSTM layer (the paper's α).
pub const HIDDEN_LEN: usize = 64;
/// Stacked LSTM layers (the paper's L).
pub const LAYER_COUNT: usize = 2;

/// The input, forget, cell and output gates of all units side by side.
const GATES_LEN: usize = 4 * HIDDEN_LEN;

/// The network's parameters on a device. Cloning shares them.
///
/// The paper feeds keys as one-hot vectors; a product of such a vector with a matrix is a row of
/// the matrix, so the first layer looks its row up instead.
#[derive(Clone, Debug)]
pub struct Network {
    key_count: usize,
    layers: [Layer; LAYER_COUNT],
    output: Tensor,
    output_bias: Tensor,
}

/// `input` is `[keys, 4·hidden]` in the first layer, `[hidden, 4·hidden]` in the second.
#[derive(Clone, Debug)]
struct Layer {
    input: Tensor,
    recurrent: Tensor,
    bias: Tensor,
}

impl Network {
    /// Names and shapes of the parameters of a network over `key_count` keys, sorted by name.
    pub fn shapes(key_count: usize) -> [(&'static str, Vec<usize>); 8] {
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

    /// A network over the parameters `values`, in the order of [`shapes`](Self::shapes).
    ///
    /// # Errors
    /// When a parameter has not as many values as its shape asks for.
    pub fn new(
        key_count: usize,
        values: [Vec<f32>; 8],
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut tensors = Vec::with_capacity(values.len());
        for ((_, shape), values) in Self::shapes(key_count).into_iter().zip(values) {
            tensors.push(Tensor::from_vec(values, shape, device)?);
        }
        Self::of_tensors(key_count, tensors)
    }

    /// The same network with parameters that an optimiser can change, and these parameters. The
    /// network sees their changes.
    pub(crate) fn trainable(&self) -> Result<(Self, Vec<Var>), ModelError> {
        let vars = self.tensors().map(Var::from_tensor);
        let vars = vars.into_iter().collect::<Result<Vec<_>, _>>()?;
        let tensors = vars.iter().map(|var| var.as_tensor().clone()).collect();
        Ok((Self::of_tensors(self.key_count, tensors)?, vars))
    }

    /// Names, shapes and values of the parameters, in the order of [`shapes`](Self::shapes).
    ///
    /// # Errors
    /// When they cannot be copied from the device.
    pub fn values(&self) -> Result<[Vec<f32>; 8], ModelError> {
        let mut values: [Vec<f32>; 8] = Default::default();
        for (values, tensor) in values.iter_mut().zip(self.tensors()) {
            *values = tensor.flatten_all()?.to_vec1()?;
        }
        Ok(values)
    }

    /// How many keys the network knows, the markers included.
    pub fn key_count(&self) -> usize {
        self.key_count
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        self.output.device()
    }

    /// The log-probability of each key after each window: `[windows, keys]`.
    ///
    /// # Errors
    /// When a window holds a key that the network does not know.
    pub fn forward(&self, windows: &[Window]) -> Result<Tensor, ModelError> {
        let [first, second] = &self.layers;
        let gates = first.input.index_select(&self.time_major(windows)?, 0)?;
        let gates = gates.reshape((WINDOW_LEN, windows.len(), GATES_LEN))?;
        let hidden = first.run(&gates.broadcast_add(&first.bias)?)?;
        let flat = hidden.reshape((WINDOW_LEN * windows.len(), HIDDEN_LEN))?;
        let gates = flat.matmul(&second.input)?.broadcast_add(&second.bias)?;
        let gates = gates.reshape((WINDOW_LEN, windows.len(), GATES_LEN))?;
        let hidden = second.run(&gates)?;
        let last = hidden.get(WINDOW_LEN - 1)?.contiguous()?;
        let logits = last
            .matmul(&self.output)?
            .broadcast_add(&self.output_bias)?;
        Ok(log_softmax(&logits, D::Minus1)?)
    }

    /// The same as plain numbers, one row for each window.
    ///
    /// # Errors
    /// When a window holds a key that the network does not know.
    pub fn log_probabilities(&self, windows: &[Window]) -> Result<Vec<Vec<f32>>, ModelError> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.forward(windows)?.to_vec2()?)
    }

    /// Each step of time is one slice, so the keys of one position stand together.
    fn time_major(&self, windows: &[Window]) -> Result<Tensor, ModelError> {
        let mut keys = Vec::with_capacity(windows.len() * WINDOW_LEN);
        for position in 0..WINDOW_LEN {
            keys.extend(windows.iter().map(|window| u32::from(window[position].0)));
        }
        let count = keys.len();
        Ok(Tensor::from_vec(keys, count, self.device())?)
    }

    fn tensors(&self) -> [&Tensor; 8] {
        let [first, second] = &self.layers;
        [
            &first.bias,
            &first.input,
            &first.recurrent,
            &second.bias,
            &second.input,
            &second.recurrent,
            &self.output_bias,
            &self.output,
        ]
    }

    fn of_tensors(key_count: usize, tensors: Vec<Tensor>) -> Result<Self, ModelError> {
        let count = tensors.len();
        let tensors: [Tensor; 8] = tensors.try_into().map_err(|_| {
            candle_core::Error::Msg(format!("a network has 8 parameters, not {count}"))
        })?;
        let [
            bias0,
            input0,
            recurrent0,
            bias1,
            input1,
            recurrent1,
            output_bias,
            output,
        ] = tensors;
        let first = Layer {
            input: input0,
            recurrent: recurrent0,
            bias: bias0,
        };
        let second = Layer {
            input: input1,
            recurrent: recurrent1,
            bias: bias1,
        };
        Ok(Self {
            key_count,
            layers: [first, second],
            output,
            output_bias,
        })
    }
}

impl Layer {
    /// From what the input adds to the gates, `[time, batch, 4·hidden]`, to what the units put
    /// out, `[time, batch, hidden]`. The units start from zero.
    fn run(&self, gates: &Tensor) -> candle_core::Result<Tensor> {
        let (steps, batch, _) = gates.dims3()?;
        let mut hidden = Tensor::zeros((batch, HIDDEN_LEN), DType::F32, gates.device())?;
        let mut cell = hidden.clone();
        let mut outputs = Vec::with_capacity(steps);
        for step in 0..steps {
            let gates = (gates.get(step)? + hidden.matmul(&self.recurrent)?)?;
            let part = |index: usize| gates.narrow(1, index * HIDDEN_LEN, HIDDEN_LEN);
            let kept = (sigmoid(&part(1)?)? * &cell)?;
            let added = (sigmoid(&part(0)?)? * part(2)?.tanh()?)?;
            cell = (kept + added)?;
            hidden = (sigmoid(&part(3)?)? * cell.tanh()?)?;
            outputs.push(hidden.clone());
        }
        Tensor::stack(&outputs, 0)
    }
}
