//! The loss and its gradient are those of candle's own LSTM.

use std::collections::HashMap;

use candle_core::{D, DType};
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN, lstm};
use candle_nn::{VarBuilder, ops};

use super::descent::{GRADIENT_LEN_MAX, SQUARE_DECAY};
use super::*;
use crate::core::model::Key;
use crate::core::model::network::HIDDEN_LEN;
use crate::core::model::network_tests::weights;

const KEYS: usize = 21;

/// Sequences that share beginnings, differ in length and repeat.
fn sequences() -> Vec<Vec<Key>> {
    let sequence = |index: usize| {
        let len = 3 + index % 17;
        let key = |at: usize| 2 + ((at * (1 + index / 9) + at * at / 3) % (KEYS - 2)) as u16;
        let keys = (0..len).map(|at| Key(key(at)));
        [Key::BEGIN]
            .into_iter()
            .chain(keys)
            .chain([Key::END])
            .collect()
    };
    (0..40).map(sequence).collect()
}

fn rows(sequences: &[Vec<Key>]) -> Vec<Row<'_>> {
    let row = |(index, keys)| Row {
        keys,
        weight: 1.0 + (index % 3) as f32,
        from: None,
        to: None,
    };
    let sequences = sequences.iter().map(Vec::as_slice);
    sequences.enumerate().map(row).collect()
}

/// The same network of candle's own layers, with parameters to take gradients of.
struct Stock {
    layers: [LSTM; 2],
    vars: HashMap<String, Var>,
}

impl Stock {
    fn new(weights: &Weights) -> Self {
        let mut vars = HashMap::new();
        for ((name, shape), values) in weights.shapes().into_iter().zip(weights.values()) {
            let tensor = Tensor::from_vec(values.clone(), shape, &Device::Cpu).unwrap();
            let tensor = match tensor.rank() {
                2 => tensor.t().unwrap().contiguous().unwrap(),
                _ => tensor,
            };
            let name = name
                .replace(".input", ".weight_ih_l0")
                .replace(".recurrent", ".weight_hh_l0")
                .replace("lstm0.bias", "lstm0.bias_ih_l0")
                .replace("lstm1.bias", "lstm1.bias_ih_l0");
            if name.ends_with("bias_ih_l0") {
                let zero = Var::from_tensor(&tensor.zeros_like().unwrap()).unwrap();
                vars.insert(name.replace("_ih_", "_hh_"), zero);
            }
            vars.insert(name, Var::from_tensor(&tensor).unwrap());
        }
        let tensors = vars
            .iter()
            .map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        let builder = VarBuilder::from_tensors(tensors.collect(), DType::F32, &Device::Cpu);
        let layer = |inputs, name: &str| {
            lstm(inputs, HIDDEN_LEN, LSTMConfig::default(), builder.pp(name)).unwrap()
        };
        let layers = [
            layer(weights.key_count(), "lstm0"),
            layer(HIDDEN_LEN, "lstm1"),
        ];
        Self { layers, vars }
    }

    /// −ln probability of all keys but the first, from a state on; the state of the second layer
    /// last.
    fn loss(&self, keys: &[Key], states: &mut [LSTMState; 2]) -> Tensor {
        let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
        for pair in keys.windows(2) {
            let mut hot = vec![0.0f32; KEYS];
            hot[pair[0].index()] = 1.0;
            let mut input = Tensor::from_vec(hot, (1, KEYS), &Device::Cpu).unwrap();
            for (layer, state) in self.layers.iter().zip(states.iter_mut()) {
                *state = layer.step(&input, state).unwrap();
                input = state.h().clone();
            }
            let weight = self.vars["output.weight"].t().unwrap();
            let logits = input.matmul(&weight).unwrap();
            let logits = logits.broadcast_add(&self.vars["output.bias"]).unwrap();
            let given = ops::log_softmax(&logits, D::Minus1).unwrap();
            let given = given.get(0).unwrap().get(pair[1].index()).unwrap();
            sum = (sum - given).unwrap();
        }
        sum
    }

    fn zero(&self) -> [LSTMState; 2] {
        let zero = |layer: &LSTM| layer.zero_state(1).unwrap();
        [zero(&self.layers[0]), zero(&self.layers[1])]
    }

    /// The gradients in our shapes and order.
    fn gradients(&self, loss: &Tensor, weights: &Weights) -> Vec<Vec<f32>> {
        let store = loss.backward().unwrap();
        let names = weights.shapes().map(|(name, _)| {
            name.replace(".input", ".weight_ih_l0")
                .replace(".recurrent", ".weight_hh_l0")
                .replace("lstm0.bias", "lstm0.bias_ih_l0")
                .replace("lstm1.bias", "lstm1.bias_ih_l0")
        });
        let gradient = |name: &String| {
            let gradient = store.get(&self.vars[name]).unwrap();
            let gradient = match gradient.rank() {
                2 => gradient.t().unwrap(),
                _ => gradient.clone(),
            };
            gradient.flatten_all().unwrap().to_vec1().unwrap()
        };
        names.iter().map(gradient).collect()
    }
}

fn assert_gradients_agree(learner: &Learner, theirs: &[Vec<f32>]) {
    let ours = lock(&learner.passage).back(&learner.parameters.to_vec1::<f32>().unwrap());
    let names = Weights::shapes_of(KEYS).map(|(name, _)| name);
    for ((ours, theirs), name) in parts(&ours).iter().zip(theirs).zip(names) {
        let size = theirs
            .iter()
            .fold(0.0f32, |most, part| most.max(part.abs()));
        let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
        let apart = apart.fold(0.0, f32::max);
        assert!(size > 0.0, "{name} has no gradient");
        assert!(apart < 1e-5 * size.max(1.0), "{name}: {apart} of {size}");
    }
}

#[test]
fn loss_and_gradient_are_those_of_candles_own_layers() {
    let weights = weights(KEYS);
    let (sequences, stock) = (sequences(), Stock::new(&weights));
    let rows = rows(&sequences);
    let mut learner = Learner::new(&weights, 0).unwrap();
    let steps = learner.take_in(&rows).unwrap();
    let all: usize = rows.iter().map(|row| row.keys.len() - 1).sum();
    assert!(steps < all, "nothing is shared: {steps} of {all}");
    let parameters = learner.parameters.to_vec1::<f32>().unwrap();
    let ours = lock(&learner.passage).loss_to_go_back(&parameters);
    let mut theirs = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
    for row in &rows {
        let loss = stock.loss(row.keys, &mut stock.zero());
        theirs = (theirs + (loss * f64::from(row.weight)).unwrap()).unwrap();
    }
    let value = f64::from(theirs.to_scalar::<f32>().unwrap());
    assert!((ours / value - 1.0).abs() < 1e-5, "{ours}, {value}");
    assert_gradients_agree(&learner, &stock.gradients(&theirs, &weights));
    assert!((learner.loss(&rows).unwrap() / ours - 1.0).abs() < 1e-6);
}

#[test]
fn a_piece_goes_on_from_the_state_that_the_piece_before_left() {
    let weights = weights(KEYS);
    let (sequences, stock) = (sequences(), Stock::new(&weights));
    let whole = &sequences[16];
    let piece = |keys, from, to| Row {
        keys,
        weight: 1.0,
        from,
        to,
    };
    let mut learner = Learner::new(&weights, 1).unwrap();
    let first = learner.loss(&[piece(&whole[..8], None, Some(0))]).unwrap();
    let second = piece(&whole[7..], Some(0), None);
    learner.take_in(&[second]).unwrap();
    let parameters = learner.parameters.to_vec1::<f32>().unwrap();
    let loss = lock(&learner.passage).loss_to_go_back(&parameters);

    let mut states = stock.zero();
    stock.loss(&whole[..8], &mut states);
    let detached = |state: &LSTMState| LSTMState::new(state.h().detach(), state.c().detach());
    let mut states = [detached(&states[0]), detached(&states[1])];
    let theirs = stock.loss(&whole[7..], &mut states);
    let value = f64::from(theirs.to_scalar::<f32>().unwrap());
    assert!((loss / value - 1.0).abs() < 1e-5, "{loss}, {value}");
    assert_gradients_agree(&learner, &stock.gradients(&theirs, &weights));
    let at_once = learner.loss(&[piece(whole, None, None)]).unwrap();
    assert!(((first + loss) / at_once - 1.0).abs() < 1e-6);
}

#[test]
fn a_key_the_network_does_not_know_is_refused() {
    let mut learner = Learner::new(&weights(5), 0).unwrap();
    let keys = [Key(2), Key(5)];
    let row = Row {
        keys: &keys,
        weight: 1.0,
        from: None,
        to: None,
    };
    assert!(learner.loss(&[row]).is_err());
}

#[test]
fn a_step_is_that_of_candles_adamw_with_the_gradient_cut_to_length() {
    use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
    let gradient: Vec<f32> = (0..500).map(|at| (at as f32 * 0.7).sin()).collect();
    let length = gradient.iter().map(|part| part * part).sum::<f32>().sqrt();
    let ours = Var::from_vec(vec![0.5f32; 500], 500, &Device::Cpu).unwrap();
    let theirs = Var::from_vec(vec![0.5f32; 500], 500, &Device::Cpu).unwrap();
    let gradient = Tensor::from_vec(gradient, 500, &Device::Cpu).unwrap();
    let settings = ParamsAdamW {
        lr: 0.01,
        weight_decay: 0.0,
        beta2: SQUARE_DECAY,
        ..Default::default()
    };
    let mut stock = AdamW::new(vec![theirs.clone()], settings).unwrap();
    let moments = Mutex::default();
    // The first is too long, the second is followed as it is.
    for (given, followed) in [(20.0, GRADIENT_LEN_MAX), (-0.1, -0.1)] {
        let of_length = |wanted: f64| (&gradient * (wanted / f64::from(length))).unwrap();
        let descend = Descend {
            moments: &moments,
            rate: 0.01,
        };
        ours.inplace_op2(&of_length(given), &descend).unwrap();
        let loss = (theirs.as_tensor() * &of_length(followed)).unwrap();
        stock.backward_step(&loss.sum_all().unwrap()).unwrap();
    }
    let apart = (ours.as_tensor() - theirs.as_tensor()).unwrap();
    let apart = apart.abs().unwrap().max(0).unwrap();
    assert!(apart.to_scalar::<f32>().unwrap() < 1e-6);
}
