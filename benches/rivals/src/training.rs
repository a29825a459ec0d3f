//! Learning the order of keys: ours on whole sequences beside `candle_nn`'s own LSTM on windows of
//! ten, one-hot, as the paper describes it.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN as _, lstm};
use candle_nn::{Linear, Module as _, VarBuilder, VarMap, linear, ops};
use knothole::core::detect::EventSequence;
use knothole::core::model::{Bundle, HIDDEN_LEN, Key, WINDOW_LEN, Window};
use knothole::core::train::{Corpus, FitSettings, fit, fit_epochs};

use crate::contest::{Entrant, Lap, Standings, cpu_time, race};

/// Windows in a batch of the stock network: its best size on this kind of machine.
const BATCH_LEN: usize = 256;
/// Rows that the stock network is trained on in a round of the race; it is slow.
const STOCK_ROWS: usize = 10 * BATCH_LEN;
/// Passes of ours in a round of the race.
const PASSES: usize = 5;
/// Passes that the stock network is given for its loss: over distinct windows weighted by their
/// counts, and over all windows.
const STOCK_PASSES: usize = 40;
const STOCK_PASSES_NAIVE: usize = 2;
const STOCK_RATE: f64 = 4e-3;
/// Every so many sequences one is held out.
const HELD_OUT_EVERY: usize = 5;

/// A window, the key that came after it and how often that was so.
type Asked = (Window, Key, u32);

/// Each sequence of `corpus` as the network takes it in, markers included; templates that `bundle`
/// does not know are left out.
pub(crate) fn sequences(corpus: &Corpus, bundle: &Bundle) -> Vec<Vec<Key>> {
    let keys = |sequence: &EventSequence| {
        let events = sequence.events.iter();
        let known = events.filter_map(|event| bundle.vocabulary().key_of(*event));
        let keys = [Key::BEGIN].into_iter().chain(known);
        keys.chain([Key::END]).collect()
    };
    corpus.sequences.iter().map(keys).collect()
}

/// Keys foretold a second while training. Ours counts a step that sequences share once.
pub(crate) fn speed(sequences: &[Vec<Key>], key_count: usize) -> Result<Standings> {
    let mut rows = distinct(sequences);
    rows.truncate(STOCK_ROWS);
    race(vec![
        Entrant {
            name: "knothole, distinct steps of whole sequences",
            run: Box::new(|| train_ours(sequences, key_count)),
        },
        Entrant {
            name: "candle_nn rnn::lstm, windows of 10, one-hot",
            run: Box::new(move || Stock::new(key_count)?.pass(&rows, STOCK_RATE)),
        },
    ])
}

/// The passes after the first, which also sets up.
fn train_ours(sequences: &[Vec<Key>], key_count: usize) -> Result<Lap> {
    let settings = FitSettings {
        epochs_max: PASSES + 1,
        ..FitSettings::default()
    };
    let mut lap = Lap::default();
    let mut start = None;
    let fitted = fit_epochs(sequences, key_count, &settings, &mut |progress| {
        match start {
            None => start = Some(cpu_time()),
            Some(start) => {
                lap.units += progress.rows as u64;
                lap.spent = cpu_time().saturating_sub(start);
            }
        }
        ControlFlow::Continue(())
    })?;
    black_box(fitted);
    Ok(lap)
}

/// What the same loss on the same held-out sequences costs, as a table.
pub(crate) fn cost(sequences: &[Vec<Key>], key_count: usize) -> Result<String> {
    let places = 0..sequences.len();
    let (held_out, learned): (Vec<usize>, Vec<usize>) =
        places.partition(|place| place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1);
    let of = |places: Vec<usize>| -> Vec<Vec<Key>> {
        places
            .into_iter()
            .map(|place| sequences[place].clone())
            .collect()
    };
    let (held_out, learned) = (of(held_out), of(learned));
    let ours = ours(&learned, &held_out, key_count)?;
    let best = ours.last().context("no pass was made")?;
    let mut table = format!(
        "| who | passes | held-out loss | CPU seconds | knothole at that loss | less by |\n\
         |---|---:|---:|---:|---:|---:|\n\
         | knothole, whole sequences | {} | {:.3} | {:.2} | | |\n",
        ours.len(),
        best.0,
        best.1.as_secs_f64(),
    );
    let check = distinct(&held_out);
    for (name, rows, passes) in [
        (
            "stock, distinct windows with counts",
            distinct(&learned),
            STOCK_PASSES,
        ),
        ("stock, every window", every(&learned), STOCK_PASSES_NAIVE),
    ] {
        let mut stock = Stock::new(key_count)?;
        let mut spent = Duration::ZERO;
        for pass in 0..passes {
            let done = pass as f64 / passes as f64;
            let rate = STOCK_RATE * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            spent += stock.pass(&rows, rate)?.spent;
        }
        let loss = stock.mean_loss(&check)?;
        let at = ours.iter().find(|(ours, _)| *ours <= loss);
        let at = at.map_or(f64::NAN, |(_, spent)| spent.as_secs_f64());
        let spent = spent.as_secs_f64();
        table += &format!(
            "| {name} | {passes} | {loss:.3} | {spent:.1} | {at:.2} | {:.0} × |\n",
            spent / at
        );
    }
    Ok(table)
}

/// Held-out loss and processor time after each pass; validation is part of the time.
fn ours(
    learned: &[Vec<Key>],
    held_out: &[Vec<Key>],
    key_count: usize,
) -> Result<Vec<(f32, Duration)>> {
    let mut passes = Vec::new();
    let began = cpu_time();
    fit(
        learned,
        held_out,
        key_count,
        &FitSettings::default(),
        &mut |progress| {
            passes.push((progress.validation_loss, cpu_time().saturating_sub(began)));
            ControlFlow::Continue(())
        },
    )?;
    Ok(passes)
}

/// Each window and what came after it, padded on the left, once for each time.
fn every(sequences: &[Vec<Key>]) -> Vec<Asked> {
    let mut asked = Vec::new();
    for keys in sequences {
        let mut window = [Key::BEGIN; WINDOW_LEN];
        for pair in keys.windows(2) {
            window.rotate_left(1);
            window[WINDOW_LEN - 1] = pair[0];
            asked.push((window, pair[1], 1));
        }
    }
    scattered(asked)
}

/// The same, each once with its count.
fn distinct(sequences: &[Vec<Key>]) -> Vec<Asked> {
    let mut counts = BTreeMap::<(Window, Key), u32>::new();
    for (window, came, _) in every(sequences) {
        *counts.entry((window, came)).or_default() += 1;
    }
    let rows = counts.into_iter();
    scattered(
        rows.map(|((window, came), count)| (window, came, count))
            .collect(),
    )
}

/// In an order that has nothing to do with the sequences'.
fn scattered(rows: Vec<Asked>) -> Vec<Asked> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_by_key(|place| (*place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    places.into_iter().map(|place| rows[place]).collect()
}

/// Two stock layers, an output layer and their optimiser.
struct Stock {
    lower: LSTM,
    upper: LSTM,
    output: Linear,
    optimiser: AdamW,
    key_count: usize,
}

impl Stock {
    fn new(key_count: usize) -> Result<Self> {
        let vars = VarMap::new();
        let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let config = LSTMConfig::default();
        Ok(Self {
            lower: lstm(key_count, HIDDEN_LEN, config, builder.pp("lstm0"))?,
            upper: lstm(HIDDEN_LEN, HIDDEN_LEN, config, builder.pp("lstm1"))?,
            output: linear(HIDDEN_LEN, key_count, builder.pp("output"))?,
            optimiser: AdamW::new(vars.all_vars(), ParamsAdamW::default())?,
            key_count,
        })
    }

    /// One optimiser step per batch.
    fn pass(&mut self, rows: &[Asked], rate: f64) -> Result<Lap> {
        self.optimiser.set_learning_rate(rate);
        let total: f64 = rows.iter().map(|row| f64::from(row.2)).sum();
        let batches = rows.len().div_ceil(BATCH_LEN);
        let (lap, ()) = Lap::of(rows.len(), || {
            for batch in rows.chunks(BATCH_LEN) {
                let loss = (self.summed_loss(batch)? * (batches as f64 / total))?;
                self.optimiser.backward_step(&loss)?;
            }
            Ok(())
        })?;
        Ok(lap)
    }

    fn mean_loss(&self, rows: &[Asked]) -> Result<f32> {
        let (mut sum, mut total) = (0.0, 0.0);
        for batch in rows.chunks(BATCH_LEN) {
            sum += self.summed_loss(batch)?.to_scalar::<f32>()?;
            total += batch.iter().map(|row| row.2 as f32).sum::<f32>();
        }
        Ok(sum / total)
    }

    fn summed_loss(&self, rows: &[Asked]) -> Result<Tensor> {
        let came: Vec<u32> = rows.iter().map(|row| u32::from(row.1.0)).collect();
        let counts: Vec<f32> = rows.iter().map(|row| row.2 as f32).collect();
        let came = Tensor::from_vec(came, (rows.len(), 1), &Device::Cpu)?;
        let counts = Tensor::from_vec(counts, (rows.len(), 1), &Device::Cpu)?;
        let given = ops::log_softmax(&self.forward(rows)?, 1)?.gather(&came, 1)?;
        Ok((given * counts)?.sum_all()?.neg()?)
    }

    fn forward(&self, rows: &[Asked]) -> Result<Tensor> {
        let shape = (rows.len(), WINDOW_LEN, self.key_count);
        let mut hot = vec![0.0f32; shape.0 * shape.1 * shape.2];
        let keys = rows.iter().flat_map(|row| row.0);
        for (row, key) in hot.chunks_mut(self.key_count).zip(keys) {
            row[key.index()] = 1.0;
        }
        let hot = Tensor::from_vec(hot, shape, &Device::Cpu)?;
        let lower = self.lower.states_to_tensor(&self.lower.seq(&hot)?)?;
        let upper = self.upper.seq(&lower)?;
        let last = upper.last().context("a window has no step")?;
        Ok(self.output.forward(last.h())?)
    }
}
