//! States that pieces of long sequences hand on to each other.

use crate::core::model::network::{HIDDEN_LEN, LAYER_COUNT};

/// Numbers of one state: what each layer's units put out, and their cells.
const STATE_LEN: usize = 2 * LAYER_COUNT * HIDDEN_LEN;
static ZERO: [f32; HIDDEN_LEN] = [0.0; HIDDEN_LEN];

/// A state for each place, zero at first.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    values: Vec<f32>,
}

impl States {
    pub(super) fn zero(places: usize) -> Self {
        Self {
            values: vec![0.0; places * STATE_LEN],
        }
    }

    /// What a layer's units put out and their cells; zero without a place.
    pub(super) fn layer(&self, place: Option<u32>, layer: usize) -> (&[f32], &[f32]) {
        let at = place.map(|place| place as usize * STATE_LEN + 2 * layer * HIDDEN_LEN);
        let units = |at: usize| self.values.get(at..at + HIDDEN_LEN).unwrap_or(&ZERO);
        at.map_or((&ZERO, &ZERO), |at| (units(at), units(at + HIDDEN_LEN)))
    }

    pub(super) fn keep(&mut self, place: u32, layer: usize, (hidden, cell): (&[f32], &[f32])) {
        let at = place as usize * STATE_LEN + 2 * layer * HIDDEN_LEN;
        if let Some(to) = self.values.get_mut(at..at + 2 * HIDDEN_LEN) {
            let (to_hidden, to_cell) = to.split_at_mut(HIDDEN_LEN);
            to_hidden.copy_from_slice(hidden);
            to_cell.copy_from_slice(cell);
        }
    }
}
