//! `candle_nn`'s own LSTM in the shape of the log-key network, fed one-hot vectors as the paper
//! describes it.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN as _, lstm};
use candle_nn::{Linear, Module as _, VarBuilder, linear, ops};
use knothole::core::model::{HIDDEN_LEN, WINDOW_LEN, Weights, Window};

/// Two stock layers and an output layer.
pub(crate) struct Stock {
    lower: LSTM,
    upper: LSTM,
    output: Linear,
    key_count: usize,
}

impl Stock {
    pub(crate) fn new(builder: &VarBuilder<'_>, key_count: usize) -> Result<Self> {
        let config = LSTMConfig::default();
        Ok(Self {
            lower: lstm(key_count, HIDDEN_LEN, config, builder.pp("lstm0"))?,
            upper: lstm(HIDDEN_LEN, HIDDEN_LEN, config, builder.pp("lstm1"))?,
            output: linear(HIDDEN_LEN, key_count, builder.pp("output"))?,
            key_count,
        })
    }

    /// With these weights.
    pub(crate) fn of_weights(weights: &Weights) -> Result<Self> {
        let mut tensors = HashMap::new();
        for ((name, shape), values) in weights.shapes().into_iter().zip(weights.values()) {
            let tensor = Tensor::from_vec(values.clone(), shape, &Device::Cpu)?;
            let (layer, part) = name.split_once('.').unwrap_or((name, ""));
            let part = match (layer, part) {
                ("output", part) => part,
                (_, "input") => "weight_ih_l0",
                (_, "recurrent") => "weight_hh_l0",
                _ => "bias_ih_l0",
            };
            if part == "bias_ih_l0" {
                // Stock layers have two biases, which they add.
                tensors.insert(format!("{layer}.bias_hh_l0"), tensor.zeros_like()?);
            }
            let tensor = match tensor.rank() {
                2 => tensor.t()?.contiguous()?,
                _ => tensor,
            };
            tensors.insert(format!("{layer}.{part}"), tensor);
        }
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Self::new(&builder, weights.key_count())
    }

    /// The log-probability of each key after each window.
    pub(crate) fn log_probabilities(&self, windows: &[Window]) -> Result<Tensor> {
        Ok(ops::log_softmax(&self.forward(windows)?, 1)?)
    }

    pub(crate) fn forward(&self, windows: &[Window]) -> Result<Tensor> {
        let shape = (windows.len(), WINDOW_LEN, self.key_count);
        let mut hot = vec![0.0f32; shape.0 * shape.1 * shape.2];
        for (row, key) in hot.chunks_mut(self.key_count).zip(windows.iter().flatten()) {
            row[key.index()] = 1.0;
        }
        let hot = Tensor::from_vec(hot, shape, &Device::Cpu)?;
        let lower = self.lower.states_to_tensor(&self.lower.seq(&hot)?)?;
        let upper = self.upper.seq(&lower)?;
        ensure!(upper.len() == WINDOW_LEN, "a window was cut short");
        Ok(self.output.forward(upper[WINDOW_LEN - 1].h())?)
    }
}
