//! The log-key network on windows: ours beside `candle_nn`'s own LSTM of the same shape.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use candle_nn::{VarBuilder, VarMap, loss};
use knothole::core::detect::{NextEvent, Question};
use knothole::core::model::{Bundle, Key, Window};
use knothole::core::train::{Corpus, TrainSettings, train};

use crate::contest::{Entrant, Lap, Standings, race};
use crate::hdfs;
use crate::stock::Stock;

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
    let stock = Stock::of_weights(bundle.network().weights())?;
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
