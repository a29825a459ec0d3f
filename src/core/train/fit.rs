//! The passes over the rows.

use std::f64::consts::PI;
use std::ops::ControlFlow;

use candle_core::Tensor;
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::corpus::Split;
use super::rows::{Row, evened, rows};
use super::{Progress, TrainError, TrainSettings};
use crate::core::detect::{Question, answers};
use crate::core::model::{Graph, HIDDEN_LEN, ModelError, Network, Weights, Window, device};

/// The network of the pass with the best held-out loss.
pub(super) struct Fitted {
    pub(super) network: Network,
    pub(super) validation_loss: f32,
}

/// The learning rate falls to this share of its first value.
const RATE_FLOOR: f64 = 0.01;
/// Fewest optimiser steps in a pass: a small corpus gets smaller batches, a tiny one goes by several
/// times.
const STEPS_PER_PASS_MIN: usize = 32;
/// Smallest batch.
const BATCH_LEN_MIN: usize = 16;

pub(super) fn fit(
    split: &Split,
    key_count: usize,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    let mut rng = ChaCha12Rng::seed_from_u64(settings.seed ^ 0x6b6e_6f74_686f_6c65);
    let initial = initial(key_count, &mut rng);
    let (graph, vars) = Graph::trainable(&initial, &device()).map_err(ModelError::from)?;
    let params = ParamsAdamW {
        lr: settings.learning_rate,
        weight_decay: 0.0,
        ..Default::default()
    };
    let mut optimiser = AdamW::new(vars, params).map_err(ModelError::from)?;
    let held_out = rows(split.held_out.concat(), usize::MAX);
    let mut order = evened(&split.rows);
    let times = (STEPS_PER_PASS_MIN * BATCH_LEN_MIN).div_ceil(order.len().max(1));
    order = order.repeat(times);
    let batch_len = order.len() / STEPS_PER_PASS_MIN;
    let batch_len = batch_len.clamp(BATCH_LEN_MIN, settings.batch_len.max(BATCH_LEN_MIN));
    let mut best: Option<(Fitted, usize)> = None;
    for epoch in 0..settings.epochs_max {
        optimiser.set_learning_rate(rate(settings, epoch));
        shuffle(&mut order, &mut rng);
        let loss = pass(&graph, &mut optimiser, &order, batch_len)?;
        let weights = graph.weights().map_err(ModelError::from)?;
        let network = Network::new(weights, &device())?;
        let validation_loss = mean_loss(&network, &held_out)?;
        if !loss.is_finite() || !validation_loss.is_finite() {
            return Err(TrainError::Diverged { epoch: epoch + 1 });
        }
        if best
            .as_ref()
            .is_none_or(|(best, _)| validation_loss < best.validation_loss)
        {
            best = Some((
                Fitted {
                    network,
                    validation_loss,
                },
                epoch,
            ));
        }
        let done = Progress {
            epoch: epoch + 1,
            epochs_max: settings.epochs_max,
            rows: split.rows.len(),
            loss,
            validation_loss,
        };
        if progress(done).is_break() {
            return Err(TrainError::Cancelled);
        }
        if best
            .as_ref()
            .is_some_and(|(_, at)| epoch >= at + settings.patience)
        {
            break;
        }
    }
    if let Some((fitted, _)) = best {
        return Ok(fitted);
    }
    let network = Network::new(initial, &device())?;
    let validation_loss = mean_loss(&network, &held_out)?;
    Ok(Fitted {
        network,
        validation_loss,
    })
}

/// As PyTorch starts an LSTM and a linear layer of this width: uniform in ±1/√hidden.
fn initial(key_count: usize, rng: &mut ChaCha12Rng) -> Weights {
    let bound = 1.0 / (HIDDEN_LEN as f32).sqrt();
    let values = Weights::shapes_of(key_count).map(|(_, shape)| {
        let count = shape.iter().product();
        (0..count)
            .map(|_| bound * (2.0 * unit(rng) - 1.0))
            .collect()
    });
    Weights::new(key_count, values)
}

/// Uniform in [0, 1).
fn unit(rng: &mut ChaCha12Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

fn rate(settings: &TrainSettings, epoch: usize) -> f64 {
    let done = epoch as f64 / settings.epochs_max as f64;
    let share = RATE_FLOOR + (1.0 - RATE_FLOOR) * 0.5 * (1.0 + (PI * done).cos());
    settings.learning_rate * share
}

/// Fisher–Yates.
fn shuffle(rows: &mut [Row], rng: &mut ChaCha12Rng) {
    for last in (1..rows.len()).rev() {
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        rows.swap(last, other);
    }
}

/// One optimiser step per batch. Each batch's loss is scaled so that a row weighs its count
/// whatever rows it happens to share a batch with.
fn pass(
    graph: &Graph,
    optimiser: &mut AdamW,
    rows: &[Row],
    batch_len: usize,
) -> Result<f32, ModelError> {
    let total: f64 = rows.iter().map(|row| f64::from(row.count)).sum();
    let batches = rows.len().div_ceil(batch_len.max(1));
    let mut sum = 0.0;
    for batch in rows.chunks(batch_len.max(1)) {
        let loss = summed_loss(graph, batch)?;
        let scaled = (&loss * (batches as f64 / total))?;
        optimiser.backward_step(&scaled)?;
        sum += f64::from(loss.to_scalar::<f32>()?);
    }
    Ok((sum / total) as f32)
}

/// Without the way back, so without candle's graph.
fn mean_loss(network: &Network, rows: &[Row]) -> Result<f32, ModelError> {
    let questions: Vec<Question> = rows.iter().map(|row| row.question).collect();
    let answers = answers(network, &questions)?;
    let counts = rows.iter().map(|row| f64::from(row.count));
    let losses = answers
        .iter()
        .map(|answer| f64::from(-answer.log_probability));
    let total: f64 = counts.clone().sum();
    let sum: f64 = counts.zip(losses).map(|(count, loss)| count * loss).sum();
    Ok((sum / total) as f32)
}

/// The count-weighted cross-entropy of `rows`.
fn summed_loss(graph: &Graph, rows: &[Row]) -> Result<Tensor, ModelError> {
    let windows: Vec<Window> = rows.iter().map(|row| row.question.window).collect();
    let came: Vec<u32> = rows
        .iter()
        .map(|row| u32::from(row.question.came.0))
        .collect();
    let counts: Vec<f32> = rows.iter().map(|row| row.count as f32).collect();
    let shape = (rows.len(), 1);
    let came = Tensor::from_vec(came, shape, graph.device())?;
    let counts = Tensor::from_vec(counts, shape, graph.device())?;
    let given = graph.forward(&windows)?.gather(&came, 1)?;
    Ok((given * counts)?.sum_all()?.neg()?)
}
