//! Where a sequence stands, kept over a restart.

use serde::{Deserialize, Serialize};

use super::{Order, OrderState, Place};
use crate::core::model::{Key, State};

/// An [`OrderState`] apart from its [`Order`]: the keys that lead to its node, or its own numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedOrder {
    heard: u8,
    model: u32,
    from: From,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum From {
    Keys { begins: bool, keys: Vec<Key> },
    Numbers(Vec<f32>),
}

impl Order {
    /// What is needed to [`restore`](Self::restore) the state.
    pub fn save(&self, state: &OrderState) -> SavedOrder {
        let (heard, model, from) = match &state.0 {
            Place::Known {
                heard, model, node, ..
            } => {
                let (begins, keys) = match *model == self.model {
                    true => self.nodes.path(*node),
                    false => (false, Vec::new()),
                };
                (*heard, *model, From::Keys { begins, keys })
            }
            Place::Own {
                heard,
                model,
                state,
            } => (*heard, *model, From::Numbers(state.to_numbers())),
        };
        SavedOrder { heard, model, from }
    }

    /// The state that was saved. One of another model, or that no model can have left, starts
    /// midway anew.
    pub fn restore(&mut self, saved: &SavedOrder) -> OrderState {
        let known = self.stepper.key_count();
        let heard = saved.heard.min(Self::WARM_UP_LEN);
        let model = self.model;
        match &saved.from {
            _ if saved.model != model => self.begin(false),
            From::Keys { begins, keys } if keys.iter().all(|key| key.index() < known) => {
                let mut state = self.begin(*begins);
                for key in keys {
                    self.hear(&mut state, *key);
                }
                state
            }
            From::Numbers(numbers) => match State::from_numbers(numbers) {
                Some(state) => OrderState(Place::Own {
                    heard,
                    model,
                    state: Box::new(state),
                }),
                None => self.begin(false),
            },
            From::Keys { .. } => self.begin(false),
        }
    }
}
