//! The network one step at a time, beside windows on its rivals, and the automaton above it.

mod automaton;
mod onnx;
mod steps;

use std::path::PathBuf;

use anyhow::Result;
use knothole::core::model::{Key, Weights};

use crate::contest::TABLE_HEAD;

/// Prints all tables; `shared` holds `datasets/hdfs_dev`.
pub(crate) fn run(shared: Option<PathBuf>) -> Result<()> {
    println!("{TABLE_HEAD}");
    steps::contest()?.print("stream against windows, events/s");
    steps::roofline()?.print("multiplications and additions, FLOP/s");
    println!();
    println!("{}", automaton::report(shared.as_deref())?);
    Ok(())
}

/// A network of `key_count` keys; its numbers do not matter for its speed.
fn weights(key_count: usize) -> Weights {
    let mut state = 7u64;
    let values = Weights::shapes_of(key_count).map(|(_, shape)| {
        let mut number = || (random(&mut state) as f32 / (1u32 << 31) as f32 - 1.0) * 0.3;
        (0..shape.iter().product()).map(|_| number()).collect()
    });
    Weights::new(key_count, values)
}

/// Any key of a template.
fn key(state: &mut u64, key_count: usize) -> Key {
    let templates = (key_count - Key::MARKER_COUNT) as u32;
    Key((random(state) % templates) as u16 + Key::MARKER_COUNT as u16)
}

/// The upper half of a linear congruential generator.
fn random(state: &mut u64) -> u32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_041);
    (*state >> 32) as u32
}
