//! What an order tells is what the network alone would tell, however it remembers.

use super::*;
use crate::core::model::network_tests::{noise, weights};

const KEY_COUNT: usize = 12;

fn stepper() -> Stepper {
    Stepper::new(&weights(KEY_COUNT))
}

fn order(nodes_max: usize) -> Order {
    Order::with_nodes_max(stepper(), 7, nodes_max)
}

/// Keys of templates without a pattern that matters.
fn keys(count: usize, kinds: usize, seed: u64) -> Vec<Key> {
    let numbers = noise(count, seed).into_iter();
    let key = |x: f32| Key(2 + ((x + 1.0) / 2.0 * kinds as f32) as u16);
    numbers.map(key).collect()
}

/// Each key asked about on its own, and the end, without anything remembered.
fn plain(begins: bool, keys: &[Key]) -> Vec<Ranked> {
    let stepper = stepper();
    let mut state = [State::ZERO];
    if begins {
        stepper.step(&mut state, &[Key::BEGIN]).unwrap();
    }
    let mut told = Vec::new();
    for key in keys {
        stepper.advance(&mut state, &[*key], &mut told).unwrap();
    }
    told.push(stepper.rank(&state[0], Key::END).unwrap());
    told
}

fn hear_all(order: &mut Order, state: &mut OrderState, keys: &[Key]) -> Vec<Option<Ranked>> {
    keys.iter().map(|key| order.hear(state, *key)).collect()
}

#[test]
fn an_open_sequence_is_sixteen_bytes_while_it_follows_known_prefixes() {
    assert!(size_of::<OrderState>() <= 16);
    let mut order = order(1_000);
    for known_before in [false, true] {
        let mut state = order.begin(true);
        let count = order.node_count();
        hear_all(&mut order, &mut state, &keys(10, 3, 1));
        assert!(state.is_known());
        assert_eq!(order.node_count() == count, known_before);
        order.release(state);
    }
}

#[test]
fn what_is_told_is_the_same_to_the_last_bit_whatever_is_remembered_and_who_is_asked_beside() {
    let sequences: Vec<Vec<Key>> = (0..40)
        .map(|seed| keys(5 + seed, if seed % 2 == 0 { 2 } else { 9 }, seed as u64 / 3))
        .collect();
    let plain: Vec<Vec<Ranked>> = sequences.iter().map(|keys| plain(true, keys)).collect();
    for (nodes_max, batch_len) in [
        (2, 40),
        (3, 7),
        (20, 1),
        (50, 40),
        (100_000, 5),
        (100_000, 40),
    ] {
        let mut order = order(nodes_max);
        for _ in 0..2 {
            for (sequences, plain) in sequences.chunks(batch_len).zip(plain.chunks(batch_len)) {
                let mut states: Vec<OrderState> =
                    sequences.iter().map(|_| order.begin(true)).collect();
                let longest = sequences.iter().map(Vec::len).max().unwrap();
                for place in 0..longest {
                    let coming = states.iter_mut().zip(sequences);
                    let mut batch: Vec<_> = coming
                        .filter_map(|(state, keys)| Some((state, *keys.get(place)?)))
                        .collect();
                    let told = order.advance(&mut batch);
                    let mut told = told.into_iter();
                    for plain in plain.iter().filter(|plain| place + 1 < plain.len()) {
                        assert_eq!(told.next().unwrap(), Some(plain[place]));
                    }
                }
                for (state, plain) in states.iter().zip(plain) {
                    assert_eq!(order.end(state), plain.last().copied());
                    assert_eq!(order.end(state), plain.last().copied());
                }
                states.into_iter().for_each(|state| order.release(state));
                assert!(order.node_count() <= nodes_max.max(2));
            }
        }
    }
}

#[test]
fn a_flood_of_new_prefixes_neither_grows_it_nor_pushes_out_what_is_in_use() {
    let mut order = order(1_000);
    let used = keys(30, 3, 4);
    for flood in 0..2_000 {
        let mut state = order.begin(true);
        hear_all(
            &mut order,
            &mut state,
            &keys(25, KEY_COUNT - 2, 1_000 + flood),
        );
        order.release(state);
        if flood % 20 == 0 {
            let mut state = order.begin(true);
            for key in &used {
                let known = order.walk(&mut state, *key).is_some();
                // One sequence alone makes so many nodes at most: two have to come.
                assert!(known || flood < 40, "forgotten after {flood} sequences");
                if !known {
                    order.hear(&mut state, *key);
                }
            }
            order.release(state);
        }
        assert!(order.node_count() <= 1_000);
        assert!(order.bytes() <= 1_000 * 1_200, "{}", order.bytes());
    }
}

#[test]
fn what_an_open_sequence_stands_on_is_not_forgotten() {
    let mut order = order(200);
    let known = keys(12, 4, 5);
    let mut open = order.begin(true);
    hear_all(&mut order, &mut open, &known[..6]);
    for flood in 0..500 {
        let mut state = order.begin(true);
        hear_all(
            &mut order,
            &mut state,
            &keys(20, KEY_COUNT - 2, 9_000 + flood),
        );
        order.release(state);
    }
    let told = hear_all(&mut order, &mut open, &known[6..]);
    let plain = plain(true, &known);
    assert!(
        told.iter()
            .zip(&plain[6..])
            .all(|(told, plain)| *told == Some(*plain))
    );
}

#[test]
fn nothing_is_held_once_every_sequence_is_released() {
    let mut order = order(100_000);
    for seed in 0..50 {
        let mut state = order.begin(seed % 3 > 0);
        // The short ones end on a node, the long ones with a state of their own.
        let long = seed % 2 == 0;
        hear_all(
            &mut order,
            &mut state,
            &keys(if long { 40 } else { 9 }, 5, seed),
        );
        assert_ne!(state.is_known(), long);
        order.release(state);
    }
    assert!(order.node_count() > 100);
    assert_eq!(order.nodes.held_by_sequences(), 0);
}

#[test]
fn a_sequence_joined_midway_is_judged_once_it_is_warm() {
    let mut order = order(100);
    let keys = keys(15, 5, 6);
    let plain = plain(false, &keys);
    for _ in 0..2 {
        let mut state = order.begin(false);
        let (cold, warm) = keys.split_at(10);
        assert_eq!(order.end(&state), None);
        assert_eq!(hear_all(&mut order, &mut state, cold), [None; 10]);
        let told = hear_all(&mut order, &mut state, warm);
        assert!(
            told.iter()
                .zip(&plain[10..])
                .all(|(told, plain)| *told == Some(*plain))
        );
        order.release(state);
    }
}

#[test]
fn a_key_that_the_network_does_not_know_changes_nothing() {
    let mut order = order(100);
    let mut state = order.begin(true);
    let stranger = Key(KEY_COUNT as u16);
    assert_eq!(order.hear(&mut state, stranger), None);
    let told = order.hear(&mut state, Key(3));
    assert_eq!(told, Some(plain(true, &[Key(3)])[0]));
    order.release(state);
}

#[test]
fn a_state_of_another_model_starts_midway_anew() {
    let mut old = Order::with_nodes_max(stepper(), 1, 100);
    let mut order = order(100);
    let coming = keys(11, 5, 6);
    for long in [3, 60] {
        let mut state = old.begin(true);
        hear_all(&mut old, &mut state, &keys(long, 5, 8));
        assert_eq!(order.end(&state), None);
        assert_eq!(order.expect(&state, 3), []);
        let told = hear_all(&mut order, &mut state, &coming);
        assert_eq!(told[..10], [None; 10]);
        assert_eq!(told[10], Some(plain(false, &coming)[10]));
        order.release(state);
    }
}

#[test]
fn a_saved_state_goes_on_as_if_nothing_had_happened() {
    for (begins, heard) in [(true, 0), (true, 8), (true, 50), (false, 4), (false, 50)] {
        let mut first = order(1_000);
        let keys = keys(60, 6, 11);
        let (before, after) = keys.split_at(heard);
        let mut state = first.begin(begins);
        hear_all(&mut first, &mut state, before);
        assert_eq!(state.is_known(), heard < 50);
        let saved = first.save(&state);
        let bytes = postcard::to_allocvec(&saved).unwrap();
        let mut second = order(1_000);
        let mut restored = second.restore(&postcard::from_bytes(&bytes).unwrap());
        assert_eq!(
            hear_all(&mut first, &mut state, after),
            hear_all(&mut second, &mut restored, after)
        );
        let mut other = Order::with_nodes_max(stepper(), 1, 100);
        let state = other.restore(&saved);
        assert!(!state.is_warm());
    }
}

#[test]
fn what_is_expected_is_told_most_probable_first() {
    let mut order = order(100);
    let mut state = order.begin(true);
    order.hear(&mut state, Key(4));
    let expected = order.expect(&state, 3);
    assert!(expected[0].1 >= expected[1].1 && expected[1].1 >= expected[2].1);
    for (place, (key, probability)) in (1..).zip(expected) {
        let ranked = plain(true, &[Key(4), key])[1];
        assert_eq!(ranked.rank, place);
        assert!((ranked.log_probability.exp() - probability).abs() < 1e-6);
        assert_ne!(key, Key::BEGIN);
    }
}
