//! Events a second without anything remembered.

use std::hint::black_box;

use anyhow::{Result, ensure};
use knothole::core::model::{HIDDEN_LEN, Key, State, Stepper, WINDOW_LEN, Window};
use pulp::{Simd, WithSimd};

use super::onnx::Onnx;
use super::{key, random, weights};
use crate::contest::{Entrant, Lap, Standings, race};
use crate::stock::Stock;

/// As many as in the paper's set, about.
const KEY_COUNT: usize = 30;
/// Sequences that are open at once.
const OPEN: usize = 8_192;
/// Sequences that step together: what a shard has at hand in a moment.
const BATCH_LEN: usize = 48;
/// Times that each sequence steps in a lap.
const PASSES: usize = 20;
/// Windows of a lap, and at once: what is best for each rival.
const STOCK_WINDOWS: usize = 4_096;
const STOCK_BATCH: usize = 256;
const ONNX_WINDOWS: usize = 32_768;
/// How far two log-probabilities may be apart.
const TOLERANCE: f32 = 1e-5;

/// Events judged: ours takes a step for each, the rivals a window.
pub(crate) fn contest() -> Result<Standings> {
    let weights = weights(KEY_COUNT);
    let stepper = Stepper::new(&weights);
    let stock = Stock::of_weights(&weights)?;
    let mut state = 3;
    let windows: Vec<Window> = (0..STOCK_WINDOWS)
        .map(|_| std::array::from_fn(|_| key(&mut state, KEY_COUNT)))
        .collect();
    let first: Window = std::array::from_fn(|place| Key(place as u16));
    let ours = after(&stepper, &first)?;
    let theirs = stock
        .log_probabilities(&[first])?
        .to_vec2::<f32>()?
        .concat();
    check_agreement(&ours, &theirs)?;
    let mut stream = Stream::new(KEY_COUNT);
    let mut entrants = vec![
        Entrant {
            name: "knothole, one step",
            run: Box::new(|| stream.lap(&stepper)),
        },
        Entrant {
            name: "candle_nn rnn::lstm, window of 10, one-hot",
            run: Box::new(|| {
                let (lap, ()) = Lap::of(windows.len(), || {
                    for batch in windows.chunks(STOCK_BATCH) {
                        black_box(stock.log_probabilities(batch)?.to_vec2::<f32>()?);
                    }
                    Ok(())
                })?;
                Ok(lap)
            }),
        },
    ];
    if let Some(mut onnx) = Onnx::find(&weights) {
        check_agreement(&ours, onnx.first_row())?;
        entrants.push(Entrant {
            name: "ONNX Runtime 1.31.1, window of 10",
            run: Box::new(move || onnx.lap(ONNX_WINDOWS)),
        });
    }
    race(entrants)
}

/// What steps reach of what the processor could multiply and add. The second row is its limit,
/// measured by sums that never leave the registers; the share is one over its ratio.
pub(crate) fn roofline() -> Result<Standings> {
    let weights = weights(KEY_COUNT);
    let stepper = Stepper::new(&weights);
    let mut stream = Stream::new(KEY_COUNT);
    // Of each event: three products with the gates, the lower layer's input being a look-up, and
    // one with the output layer.
    let flop = 2 * (3 * HIDDEN_LEN * 4 * HIDDEN_LEN + HIDDEN_LEN * KEY_COUNT);
    race(vec![
        Entrant {
            name: "knothole, one step",
            run: Box::new(|| {
                let lap = stream.lap(&stepper)?;
                let units = lap.units * flop as u64;
                Ok(Lap { units, ..lap })
            }),
        },
        Entrant {
            name: "the processor's limit",
            run: Box::new(|| {
                let (lap, sum) = Lap::of(Limit::FLOP, || Ok(best(Limit)))?;
                black_box(sum);
                Ok(lap)
            }),
        },
    ])
}

/// Open sequences and the key that comes next in each; the keys come in random order of the
/// sequences, as they do in a stream.
struct Stream {
    states: Vec<State>,
    order: Vec<usize>,
    keys: Vec<Key>,
}

impl Stream {
    fn new(key_count: usize) -> Self {
        let mut state = 5;
        let mut order: Vec<usize> = (0..OPEN).collect();
        for last in (1..OPEN).rev() {
            order.swap(last, random(&mut state) as usize % (last + 1));
        }
        Self {
            states: vec![State::ZERO; OPEN],
            order,
            keys: (0..OPEN).map(|_| key(&mut state, key_count)).collect(),
        }
    }

    fn lap(&mut self, stepper: &Stepper) -> Result<Lap> {
        let mut told = Vec::with_capacity(OPEN);
        // Borrowing a thousand states at once in random order is the caller's matter, not the
        // stepper's, so it is done before.
        let mut slots: Vec<Option<&mut State>> = self.states.iter_mut().map(Some).collect();
        let mut states: Vec<&mut State> = Vec::with_capacity(OPEN);
        for place in &self.order {
            states.extend(slots[*place].take());
        }
        let (lap, ()) = Lap::of(OPEN * PASSES, || {
            for _ in 0..PASSES {
                told.clear();
                let keys = self.keys.chunks(BATCH_LEN);
                for (states, keys) in states.chunks_mut(BATCH_LEN).zip(keys) {
                    stepper.advance(states, keys, &mut told)?;
                }
                black_box(&told);
            }
            Ok(())
        })?;
        Ok(lap)
    }
}

/// Twelve sums, for a product takes four cycles and two are begun in each.
struct Limit;

impl Limit {
    const ROUNDS: usize = 20_000_000;
    const SUMS: usize = 12;
    const FLOP: usize = Self::ROUNDS * Self::SUMS * 2 * LANES;
}

/// Numbers in a vector, whatever the processor has.
const LANES: usize = 16;

impl WithSimd for Limit {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let factor = simd.splat_f32s(black_box(0.999));
        let part = simd.splat_f32s(black_box(0.001));
        let mut sums = [part; Self::SUMS];
        let rounds = Self::ROUNDS * LANES * size_of::<f32>() / size_of::<S::f32s>();
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, part);
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += simd.reduce_sum_f32s(sum);
        }
        total
    }
}

fn best<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V4::try_new() {
        return Simd::vectorize(simd, work);
    }
    pulp::Arch::new().dispatch(work)
}

/// The log-probabilities after `window`.
fn after(stepper: &Stepper, window: &Window) -> Result<Vec<f32>> {
    let mut state = [State::ZERO];
    for key in window.iter().take(WINDOW_LEN) {
        stepper.step(&mut state, &[*key])?;
    }
    Ok(stepper.log_probabilities(&state[0]))
}

fn check_agreement(ours: &[f32], theirs: &[f32]) -> Result<()> {
    ensure!(ours.len() == theirs.len(), "rows differ in length");
    let pairs = ours.iter().zip(theirs);
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    ensure!(apart < TOLERANCE, "answers are {apart} apart");
    Ok(())
}
