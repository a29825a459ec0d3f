//! What steps tell, beside a plain reference in twice the precision and beside `candle_nn`.

use super::*;
use crate::core::model::network_tests::{noise, weights};

fn keys(count: usize, key_count: usize, seed: u64) -> Vec<Key> {
    let key = |x: &f32| Key(((x + 1.0) / 2.0 * key_count as f32) as u16);
    noise(count, seed).iter().map(key).collect()
}

/// One layer's step as the textbook has it: new outputs and cells from the sums of the gates.
fn layer(sums: &[f64], cell: &mut [f64]) -> Vec<f64> {
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let unit = |unit: usize| {
        let gate = |gate: usize| sums[gate * HIDDEN_LEN + unit];
        cell[unit] = logistic(gate(1)) * cell[unit] + logistic(gate(0)) * gate(2).tanh();
        logistic(gate(3)) * cell[unit].tanh()
    };
    (0..HIDDEN_LEN).map(unit).collect()
}

fn add_product(sums: &mut [f64], inputs: &[f64], weights: &[f32]) {
    for (input, row) in inputs.iter().zip(weights.chunks_exact(sums.len())) {
        let products = row.iter().map(|weight| input * f64::from(*weight));
        sums.iter_mut().zip(products).for_each(|(sum, x)| *sum += x);
    }
}

/// The log-probabilities before each of `keys`.
fn reference(weights: &Weights, keys: &[Key]) -> Vec<Vec<f64>> {
    let values = weights.values();
    let start = |bias: &[f32]| bias.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let [mut lower, mut lower_cell, mut upper, mut upper_cell] = [(); 4].map(|()| vec![0.0; 64]);
    let mut rows = Vec::new();
    for key in keys {
        let mut row = start(&values[6]);
        add_product(&mut row, &upper, &values[7]);
        let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
        rows.push(row.iter().map(|logit| logit - sum.ln()).collect());
        let mut sums = start(&values[0]);
        let input = values[1].chunks_exact(sums.len()).nth(key.index()).unwrap();
        sums.iter_mut()
            .zip(input)
            .for_each(|(sum, x)| *sum += f64::from(*x));
        add_product(&mut sums, &lower, &values[2]);
        lower = layer(&sums, &mut lower_cell);
        let mut sums = start(&values[3]);
        add_product(&mut sums, &lower, &values[4]);
        add_product(&mut sums, &upper, &values[5]);
        upper = layer(&sums, &mut upper_cell);
    }
    rows
}

#[test]
fn every_path_tells_what_the_reference_tells() {
    for key_count in [3, 16, 33, 100] {
        let weights = weights(key_count);
        let keys = keys(60, key_count, 5);
        let expected = reference(&weights, &keys);
        for stepper in Stepper::all(&weights) {
            let mut state = [State::ZERO];
            for (key, expected) in keys.iter().zip(&expected) {
                let row = stepper.log_probabilities(&state[0]);
                assert_eq!(row.len(), key_count);
                for (ours, theirs) in row.iter().zip(expected) {
                    let apart = (f64::from(*ours) - theirs).abs();
                    assert!(apart < 1e-5, "{:?}: {apart}", stepper.processor);
                }
                let asked = stepper.rank(&state[0], *key).unwrap();
                let mut told = Vec::new();
                stepper.advance(&mut state, &[*key], &mut told).unwrap();
                assert_eq!(told, [asked]);
                let own = expected[key.index()];
                assert!((f64::from(asked.log_probability) - own).abs() < 1e-5);
                if key.index() > 0 {
                    let above = expected[1..].iter().filter(|other| **other > own).count();
                    assert_eq!(asked.rank as usize, above + 1);
                }
            }
        }
    }
}

#[test]
fn a_sequence_has_the_same_numbers_to_the_last_bit_whatever_goes_with_it() {
    let weights = weights(33);
    let keys = keys(100 * 5, 33, 9);
    for stepper in Stepper::all(&weights) {
        let mut together = vec![State::ZERO; 100];
        let mut told = Vec::new();
        for keys in keys.chunks(100) {
            stepper.advance(&mut together, keys, &mut told).unwrap();
        }
        for batch_len in [1, 2, 3, 5, 6, 7, 11, 48] {
            let mut apart = vec![State::ZERO; 100];
            let mut told_apart = Vec::new();
            for keys in keys.chunks(100) {
                for (states, keys) in apart.chunks_mut(batch_len).zip(keys.chunks(batch_len)) {
                    stepper.advance(states, keys, &mut told_apart).unwrap();
                }
            }
            assert_eq!(apart, together);
            assert_eq!(told_apart, told);
        }
        let mut untold = vec![State::ZERO; 100];
        for keys in keys.chunks(100) {
            stepper.step(&mut untold, keys).unwrap();
        }
        assert_eq!(untold, together);
    }
}

#[test]
fn steps_tell_what_stock_candle_layers_tell() {
    use candle_core::{Device, Tensor};
    use candle_nn::rnn::{LSTM, LSTMConfig, RNN as _, lstm};

    let key_count = 30;
    let weights = weights(key_count);
    let tensor = |place: usize| {
        let shape = Weights::shapes_of(key_count)[place].1.clone();
        Tensor::from_vec(weights.values()[place].clone(), shape, &Device::Cpu).unwrap()
    };
    let stock = |bias: usize, input_len: usize| -> LSTM {
        let turned = |place: usize| tensor(place).t().unwrap().contiguous().unwrap();
        let tensors = [
            ("bias_ih_l0", tensor(bias)),
            ("bias_hh_l0", tensor(bias).zeros_like().unwrap()),
            ("weight_ih_l0", turned(bias + 1)),
            ("weight_hh_l0", turned(bias + 2)),
        ];
        let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor));
        let builder = candle_nn::VarBuilder::from_tensors(
            tensors.into_iter().collect(),
            candle_core::DType::F32,
            &Device::Cpu,
        );
        lstm(input_len, HIDDEN_LEN, LSTMConfig::default(), builder).unwrap()
    };
    let (lower, upper) = (stock(0, key_count), stock(3, HIDDEN_LEN));
    let (mut below, mut above) = (lower.zero_state(1).unwrap(), upper.zero_state(1).unwrap());
    let steppers: Vec<Stepper> = Stepper::all(&weights).collect();
    let mut states = vec![[State::ZERO]; steppers.len()];
    for key in keys(40, key_count, 2) {
        let mut hot = vec![0.0f32; key_count];
        hot[key.index()] = 1.0;
        let hot = Tensor::from_vec(hot, (1, key_count), &Device::Cpu).unwrap();
        below = lower.step(&hot, &below).unwrap();
        above = upper.step(below.h(), &above).unwrap();
        let logits = above.h().matmul(&tensor(7)).unwrap();
        let logits = logits.broadcast_add(&tensor(6)).unwrap();
        let row = candle_nn::ops::log_softmax(&logits, 1).unwrap();
        let row: Vec<f32> = row.squeeze(0).unwrap().to_vec1().unwrap();
        for (stepper, state) in steppers.iter().zip(&mut states) {
            stepper.step(state, &[key]).unwrap();
            let ours = stepper.log_probabilities(&state[0]);
            assert!(ours.iter().zip(&row).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}

#[test]
fn of_equally_probable_keys_the_smaller_is_first_and_the_beginning_takes_no_place() {
    let weights = Weights::new(20, Default::default());
    for stepper in Stepper::all(&weights) {
        for key in 1..20 {
            let ranked = stepper.rank(&State::ZERO, Key(key)).unwrap();
            assert_eq!(ranked.rank, u32::from(key));
            assert!((ranked.log_probability + 20f32.ln()).abs() < 1e-6);
        }
    }
}

#[test]
fn weights_beyond_all_measure_still_give_numbers() {
    let values = weights(9).values().clone();
    let large = values.map(|values| values.iter().map(|x| x * 1e4).collect());
    for stepper in Stepper::all(&Weights::new(9, large)) {
        let mut states = vec![State::ZERO; 7];
        let mut told = Vec::new();
        for keys in keys(7 * 300, 9, 3).chunks(7) {
            stepper.advance(&mut states, keys, &mut told).unwrap();
        }
        assert!(told.iter().all(|told| told.log_probability.is_finite()));
        assert!(
            states
                .iter()
                .all(|state| State::from_numbers(&state.to_numbers()).is_some())
        );
    }
}

#[test]
fn a_key_the_network_does_not_know_is_refused_before_anything_changes() {
    let stepper = Stepper::new(&weights(5));
    let mut states = [State::ZERO, State::ZERO];
    let error = stepper.step(&mut states, &[Key(4), Key(5)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a window holds key 5, the network knows 5 keys"
    );
    assert_eq!(states, [State::ZERO, State::ZERO]);
}

#[test]
fn a_state_is_kept_as_numbers_and_read_again() {
    let stepper = Stepper::new(&weights(5));
    let mut states = [State::ZERO];
    stepper.step(&mut states, &[Key(4)]).unwrap();
    let numbers = states[0].to_numbers();
    assert_eq!(State::from_numbers(&numbers).as_ref(), Some(&states[0]));
    assert_eq!(State::from_numbers(&numbers[1..]), None);
    assert_eq!(State::from_numbers(&[f32::NAN; 256]), None);
}
