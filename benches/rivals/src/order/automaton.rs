//! The automaton on interleaved sequences of HDFS: nothing known, all known, and what it holds.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::slice::Iter;

use anyhow::{Context as _, Result};
use knothole::core::detect::{Order, OrderState};
use knothole::core::model::{Key, Stepper};

use super::weights;
use crate::contest::{Entrant, Lap, Standings, grouped, race};
use crate::memory;

/// Sequences that are open at once, a record of each in turn.
const OPEN: usize = 64;
/// Sequences open at once where their memory is measured.
const MANY: usize = 1_000_000;
/// The templates of the set, their ids from 1 on, and the markers.
const KEY_COUNT: usize = 35;

/// A table as text; a line that says why not where there are no sequences.
pub(crate) fn report(shared: Option<&Path>) -> Result<String> {
    let Some(shared) = shared else {
        return Ok("no folder is named, so the automaton is left out".into());
    };
    let sequences = read(shared)?;
    let stepper = Stepper::new(&weights(KEY_COUNT));
    let mut told = String::new();
    standings(&sequences, &stepper)?.print("automaton on HDFS, events/s");
    let mut order = Order::with_nodes_max(stepper, 1, Order::NODES_MAX);
    through(&mut order, &sequences, advance);
    let (prefixes, bytes) = (order.node_count(), order.bytes());
    let before = memory::held()?;
    let open: Vec<OrderState> = (0..MANY)
        .map(|index| opened(&mut order, &sequences, index))
        .collect();
    let known = open.iter().filter(|state| state.is_known()).count();
    let grown = memory::held()?.saturating_sub(before);
    writeln!(
        told,
        "known prefixes: {prefixes}, {} bytes; {MANY} open sequences: {} bytes, {known} of them \
         on known prefixes",
        grouped(bytes as f64),
        grouped(grown as f64),
    )?;
    open.into_iter().for_each(|state| order.release(state));
    Ok(told)
}

fn standings(sequences: &[Vec<Key>], stepper: &Stepper) -> Result<Standings> {
    let fresh = || Order::with_nodes_max(stepper.clone(), 1, Order::NODES_MAX);
    let mut known = fresh();
    through(&mut known, sequences, advance);
    let mut known_too = fresh();
    through(&mut known_too, sequences, advance);
    race(vec![
        Entrant {
            name: "all known, one by one",
            run: Box::new(move || lap(&mut known, sequences, hear)),
        },
        Entrant {
            name: "all known, in batches",
            run: Box::new(move || lap(&mut known_too, sequences, advance)),
        },
        Entrant {
            name: "nothing known, in batches",
            run: Box::new(move || lap(&mut fresh(), sequences, advance)),
        },
        Entrant {
            name: "nothing known, one by one",
            run: Box::new(move || lap(&mut fresh(), sequences, hear)),
        },
    ])
}

/// One way to tell an order the next key of each open sequence.
type Tell = fn(&mut Order, &mut Vec<Open<'_>>);

struct Open<'a> {
    state: OrderState,
    coming: Iter<'a, Key>,
}

fn lap(order: &mut Order, sequences: &[Vec<Key>], tell: Tell) -> Result<Lap> {
    let events = sequences.iter().map(Vec::len).sum();
    let (lap, ()) = Lap::of(events, || {
        through(order, sequences, tell);
        Ok(())
    })?;
    Ok(lap)
}

/// All sequences from beginning to end, [`OPEN`] at a time.
fn through(order: &mut Order, sequences: &[Vec<Key>], tell: Tell) {
    let mut waiting = sequences.iter();
    let mut open: Vec<Open<'_>> = Vec::with_capacity(OPEN);
    loop {
        let mut place = 0;
        while let Some(sequence) = open.get(place) {
            if sequence.coming.len() > 0 {
                place += 1;
                continue;
            }
            black_box(order.end(&sequence.state));
            order.release(open.swap_remove(place).state);
        }
        for keys in waiting.by_ref().take(OPEN - open.len()) {
            let (state, coming) = (order.begin(true), keys.iter());
            open.push(Open { state, coming });
        }
        if open.is_empty() {
            return;
        }
        tell(order, &mut open);
    }
}

fn hear(order: &mut Order, open: &mut Vec<Open<'_>>) {
    for sequence in open {
        if let Some(key) = sequence.coming.next() {
            black_box(order.hear(&mut sequence.state, *key));
        }
    }
}

fn advance(order: &mut Order, open: &mut Vec<Open<'_>>) {
    fn next<'a>(open: &'a mut Open<'_>) -> Option<(&'a mut OrderState, Key)> {
        let key = *open.coming.next()?;
        Some((&mut open.state, key))
    }
    let mut batch: Vec<(&mut OrderState, Key)> = open.iter_mut().filter_map(next).collect();
    black_box(order.advance(&mut batch));
}

/// One of many open sequences, somewhere on its way.
fn opened(order: &mut Order, sequences: &[Vec<Key>], index: usize) -> OrderState {
    let keys = sequences.get(index % sequences.len().max(1));
    let keys = keys.map(Vec::as_slice).unwrap_or_default();
    let mut state = order.begin(true);
    for key in keys.iter().take(1 + index % keys.len().max(1)) {
        order.hear(&mut state, *key);
    }
    state
}

/// The normal sequences of the set.
fn read(shared: &Path) -> Result<Vec<Vec<Key>>> {
    let mut sequences = Vec::new();
    for name in ["train.seq", "normal.seq"] {
        let path = shared.join("datasets/hdfs_dev").join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in text.lines() {
            let ids = line.split_whitespace().map(str::parse::<u16>);
            let key = |id: u16| Key(id - 1 + Key::MARKER_COUNT as u16);
            let keys: Result<Vec<Key>, _> = ids.map(|id| id.map(key)).collect();
            sequences.push(keys?);
        }
    }
    Ok(sequences)
}
