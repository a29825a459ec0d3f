//! The log-key network: ours beside `candle_nn`'s own LSTM of the same shape, fed one-hot vectors
//! as the paper describes it.

use std::collections::HashMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN as _, lstm};
use candle_nn::{Linear, Module as _, VarBuilder, VarMap, linear, loss, ops};
use knothole::core::detect::{NextEvent, Question};
use knothole::core::model::{Bundle, HIDDEN_LEN, Key, WINDOW_LEN, Window};
use knothole::core::train::{Corpus, TrainSettings, train};

use crate::contest::{Entrant, Lap, Standings, race};
use crate::hdfs;

/// Windows computed at once: the best size for the stock network on this kind of machine, and
/// what knothole uses.
const BATCH_LEN: usize = 256;
/// Windows that the stock network answers in a round; it is slow.
const STOCK_WINDOWS: usize = 4_096;
/// Rows that the stock network is trained on in a round.
const STOCK_ROWS: usize = 10 * BATCH_LEN;
/// Passes of ours that are timed in a round; one more goes before them.
const PASSES: usize = 2;
/// How far two log-probabilities may be apart.
const TOLERANCE: f32 = 1e-4;

/// Windows that were never asked about. Ours also tells ranks and fills its memo.
pub(crate) fn inference(corpus: &Corpus, bundle: &Arc<Bundle>) -> Result<Standings> {
    let questions = &hdfs::distinct(&hdfs::questions(corpus, bundle));
    let windows: Vec<Window> = questions.iter().map(|question| question.window).collect();
    let windows = windows.get(..STOCK_WINDOWS.min(windows.len()));
    let windows = windows.unwrap_or_default();
    let stock = Stock::of_bundle(bundle)?;
    check_agreement(&stock, bundle, windows)?;
    race(vec![
        Entrant {
            name: "knothole",
            run: Box::new(|| judge(NextEvent::new(Arc::clone(bundle)), questions)),
        },
        Entrant {
            name: "candle_nn rnn::lstm, one-hot",
            run: Box::new(|| {
                let (lap, ()) = Lap::of(windows.len(), || {
                    for batch in windows.chunks(BATCH_LEN) {
                        black_box(stock.log_probabilities(batch)?.to_vec2::<f32>()?);
                    }
                    Ok(())
                })?;
                Ok(lap)
            }),
        },
    ])
}

fn judge(mut scorer: NextEvent, questions: &[Question]) -> Result<Lap> {
    let (lap, judged) = Lap::of(questions.len(), || Ok(scorer.judge(questions)?))?;
    black_box(judged);
    Ok(lap)
}

/// Rows a second while training. Ours counts each distinct row once, though frequent rows are
/// passed twice, and its time holds the loss on the held-out rows after each pass.
pub(crate) fn training(corpus: &Corpus, key_count: usize) -> Result<Standings> {
    let bundle = hdfs::bundle()?;
    let mut rows = hdfs::distinct(&hdfs::questions(corpus, &bundle));
    rows.truncate(STOCK_ROWS);
    race(vec![
        Entrant {
            name: "knothole",
            run: Box::new(|| train_ours(corpus)),
        },
        Entrant {
            name: "candle_nn rnn::lstm, one-hot",
            run: Box::new(move || train_stock(&rows, key_count)),
        },
    ])
}

/// The passes after the first, which also sets up.
fn train_ours(corpus: &Corpus) -> Result<Lap> {
    let settings = TrainSettings {
        epochs_max: PASSES + 1,
        ..TrainSettings::default()
    };
    let mut lap = Lap::default();
    let mut start = None;
    let mut note = |progress: knothole::core::train::Progress| {
        match start {
            None => start = Some(crate::contest::cpu_time()),
            Some(start) => {
                lap.units += progress.rows as u64;
                lap.spent = crate::contest::cpu_time().saturating_sub(start);
            }
        }
        ControlFlow::Continue(())
    };
    black_box(train(corpus, &settings, &mut note)?);
    Ok(lap)
}

fn train_stock(rows: &[Question], key_count: usize) -> Result<Lap> {
    let vars = VarMap::new();
    let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let stock = Stock::new(&builder, key_count)?;
    let mut optimiser = AdamW::new(vars.all_vars(), ParamsAdamW::default())?;
    let (lap, ()) = Lap::of(rows.len(), || {
        for batch in rows.chunks(BATCH_LEN) {
            let windows: Vec<Window> = batch.iter().map(|row| row.window).collect();
            let came: Vec<u32> = batch.iter().map(|row| u32::from(row.came.0)).collect();
            let came = Tensor::from_vec(came, batch.len(), &Device::Cpu)?;
            let loss = loss::cross_entropy(&stock.forward(&windows)?, &came)?;
            optimiser.backward_step(&loss)?;
        }
        Ok(())
    })?;
    Ok(lap)
}

/// Two stock layers and an output layer.
struct Stock {
    lower: LSTM,
    upper: LSTM,
    output: Linear,
    key_count: usize,
}

impl Stock {
    fn new(builder: &VarBuilder<'_>, key_count: usize) -> Result<Self> {
        let config = LSTMConfig::default();
        Ok(Self {
            lower: lstm(key_count, HIDDEN_LEN, config, builder.pp("lstm0"))?,
            upper: lstm(HIDDEN_LEN, HIDDEN_LEN, config, builder.pp("lstm1"))?,
            output: linear(HIDDEN_LEN, key_count, builder.pp("output"))?,
            key_count,
        })
    }

    /// With the weights of `bundle`.
    fn of_bundle(bundle: &Bundle) -> Result<Self> {
        let weights = bundle.network().weights();
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
    fn log_probabilities(&self, windows: &[Window]) -> Result<Tensor> {
        Ok(ops::log_softmax(&self.forward(windows)?, 1)?)
    }

    fn forward(&self, windows: &[Window]) -> Result<Tensor> {
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

/// Both networks give the same answers, so that the rates are of the same work.
fn check_agreement(stock: &Stock, bundle: &Bundle, windows: &[Window]) -> Result<()> {
    let windows = windows.get(..BATCH_LEN).unwrap_or(windows);
    let theirs = stock.log_probabilities(windows)?.to_vec2::<f32>()?;
    let ours = bundle.network().log_probabilities(windows)?;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        ensure!(ours.len() == theirs.len(), "rows differ in length");
        // Ours may leave out the key that never comes.
        let pairs = ours.iter().zip(theirs).skip(Key::BEGIN.index() + 1);
        let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        ensure!(apart < TOLERANCE, "answers are {apart} apart");
    }
    Ok(())
}
