//! How expected is this key after those? The network, asked once for each beginning of a sequence.
//!
//! ```text
//! BEGIN ─a─▶ ● ─b─▶ ● ─c─▶ ●        a node: the network's state after a prefix
//!                   └──d─▶ ●        an edge: the next node, and how expected its key was
//! ```
//!
//! Sequences of a service begin alike, so most keys are a look-up that another sequence paid for.
//! While a sequence follows known prefixes it is the number of a node; where it leaves them it
//! carries a state of its own. What is told about a key is the same to the last bit either way.
//!
//! An [`Order`] belongs to one model: with a new model comes a new one.

mod nodes;
mod saved;
#[cfg(test)]
mod tests;

use std::hash::Hasher as _;

use rustc_hash::FxHasher;

use self::nodes::{NodeId, Nodes};
pub use self::saved::SavedOrder;
use crate::core::model::{Bundle, Key, Ranked, State, Stepper};

/// Follows sequences through the network.
#[derive(Debug)]
pub struct Order {
    stepper: Stepper,
    /// Tells states of other models apart.
    model: u32,
    nodes: Nodes,
    /// Empty between calls; kept for its memory.
    asked: Asked,
}

/// Where a sequence stands; 16 bytes, and 1 kB more once it left the prefixes that are known. It
/// belongs to the [`Order`] that made it, which is to get it back by [`Order::release`].
#[derive(Debug)]
#[must_use = "its node is kept for it until it is released"]
pub struct OrderState(Place);

#[derive(Debug)]
enum Place {
    Known {
        /// Keys taken in, up to [`Order::WARM_UP_LEN`]; a sequence that begins needs none.
        heard: u8,
        /// How many nodes were made for this sequence in a row.
        made: u8,
        model: u32,
        node: NodeId,
    },
    Own {
        heard: u8,
        model: u32,
        state: Box<State>,
    },
}

/// Keys that the network has to be asked about.
#[derive(Debug, Default)]
struct Asked {
    /// Which of a batch they are.
    indices: Vec<usize>,
    #[expect(
        clippy::vec_box,
        reason = "they become the states of nodes without a copy"
    )]
    states: Vec<Box<State>>,
    keys: Vec<Key>,
    told: Vec<Ranked>,
}

impl Order {
    /// How many keys a sequence that was joined midway takes in before any is judged.
    pub const WARM_UP_LEN: u8 = 10;
    /// Most nodes by default. A node takes about 1.2 kB.
    pub const NODES_MAX: usize = 32_768;
    /// Most nodes made in a row for one sequence: what goes on in ways of its own is better off
    /// with its own state.
    pub const NEW_NODES_MAX: u8 = 16;
    /// Sequences that go through together: enough to use the processor well.
    const BATCH_LEN: usize = 192;

    /// Nothing is known yet but `bundle`'s network.
    pub fn new(bundle: &Bundle) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(bundle.version().as_bytes());
        let model = hasher.finish() as u32;
        let stepper = bundle.network().stepper().clone();
        Self::with_nodes_max(stepper, model, Self::NODES_MAX)
    }

    /// The same with other bounds, for a network that has no bundle yet. `model` tells networks
    /// apart; at least two nodes are kept.
    pub fn with_nodes_max(stepper: Stepper, model: u32, nodes_max: usize) -> Self {
        let mut begun = [Box::new(State::ZERO)];
        // The marker is a key of every network.
        let stepped = stepper.step(&mut begun, &[Key::BEGIN]);
        debug_assert!(stepped.is_ok());
        let [begun] = begun;
        let nodes = Nodes::new([begun, Box::new(State::ZERO)], nodes_max);
        Self {
            stepper,
            model,
            nodes,
            asked: Asked::default(),
        }
    }

    /// A sequence whose first key is yet to come (`begins`), or one of which earlier keys were
    /// missed: it is judged after [`WARM_UP_LEN`](Self::WARM_UP_LEN) keys.
    pub fn begin(&mut self, begins: bool) -> OrderState {
        let node = if begins {
            NodeId::BEGUN
        } else {
            NodeId::MIDWAY
        };
        self.nodes.pin(node);
        OrderState(Place::Known {
            heard: if begins { Self::WARM_UP_LEN } else { 0 },
            made: 0,
            model: self.model,
            node,
        })
    }

    /// Tells how expected each key is after what its sequence took in, then lets the sequence take
    /// it in. `None` for a sequence joined midway that is not warm yet. A key that the network does
    /// not know is passed over with `None`; a state of another model starts midway anew.
    pub fn advance(&mut self, batch: &mut [(&mut OrderState, Key)]) -> Vec<Option<Ranked>> {
        let mut told = Vec::with_capacity(batch.len());
        for batch in batch.chunks_mut(Self::BATCH_LEN) {
            let first = told.len();
            let mut asked = std::mem::take(&mut self.asked);
            for (index, (state, key)) in batch.iter_mut().enumerate() {
                self.adopt(state);
                let known = self.walk(state, *key);
                told.push(known.flatten());
                if known.is_none() {
                    asked.put(index, self.state_of(state), *key);
                }
            }
            asked.answer(&self.stepper);
            while let Some((index, key, after, ranked)) = asked.take() {
                let Some((state, _)) = batch.get_mut(index) else {
                    continue;
                };
                told[first + index] = self.settle(state, key, after, ranked);
            }
            self.asked = asked;
        }
        told
    }

    /// [`advance`](Self::advance) for one key. Quick where the prefix is known; several unknown
    /// ones are quicker in a batch.
    #[inline]
    pub fn hear(&mut self, state: &mut OrderState, key: Key) -> Option<Ranked> {
        match self.walk(state, key) {
            Some(told) => told,
            None => self.advance(&mut [(state, key)]).pop().flatten(),
        }
    }

    /// How expected it is that the sequence ends here. `None` for one that is not warm yet.
    pub fn end(&mut self, state: &OrderState) -> Option<Ranked> {
        if !state.is_warm() || state.model() != self.model {
            return None;
        }
        match &state.0 {
            Place::Known { node, .. } => match self.nodes.end(*node) {
                Some(ranked) => Some(ranked),
                None => {
                    let ranked = self.stepper.rank(self.nodes.state(*node), Key::END).ok()?;
                    self.nodes.set_end(*node, ranked);
                    Some(ranked)
                }
            },
            Place::Own { state, .. } => self.stepper.rank(state, Key::END).ok(),
        }
    }

    /// Another sequence that stands where `state` does. `None` for a state of its own, or of another
    /// model.
    pub(super) fn share(&mut self, state: &OrderState) -> Option<OrderState> {
        match state.0 {
            Place::Known {
                heard,
                made,
                model,
                node,
            } if model == self.model => {
                self.nodes.pin(node);
                let place = Place::Known {
                    heard,
                    made,
                    model,
                    node,
                };
                Some(OrderState(place))
            }
            _ => None,
        }
    }

    /// Takes back the state of a sequence that is over.
    pub fn release(&mut self, state: OrderState) {
        if let Place::Known { node, model, .. } = state.0
            && model == self.model
        {
            self.nodes.unpin(node);
        }
    }

    /// The `count` keys most expected next with their probabilities, most expected first.
    pub fn expect(&self, state: &OrderState, count: usize) -> Vec<(Key, f32)> {
        if state.model() != self.model {
            return Vec::new();
        }
        let row = self.stepper.log_probabilities(self.state_of(state));
        let mut keys: Vec<(Key, f32)> = (0u16..).map(Key).zip(row).collect();
        keys.retain(|(key, _)| *key != Key::BEGIN);
        keys.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        keys.truncate(count);
        keys.iter_mut().for_each(|(_, log)| *log = log.exp());
        keys
    }

    /// How many prefixes are known now.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// What the known prefixes take in memory, about.
    pub fn bytes(&self) -> usize {
        self.nodes.bytes()
    }

    #[cfg(test)]
    pub(super) fn held_by_sequences(&self) -> usize {
        self.nodes.held_by_sequences()
    }

    /// Follows a known edge. `None` where there is none; else what there is to tell.
    #[inline]
    fn walk(&mut self, state: &mut OrderState, came: Key) -> Option<Option<Ranked>> {
        if let Place::Known {
            heard,
            made,
            model,
            node,
        } = &mut state.0
            && *model == self.model
            && let Some(edge) = self.nodes.follow(*node, came)
        {
            *node = edge.to;
            *made = 0;
            return Some(judged(heard, edge.ranked));
        }
        // Looked at last, for no edge leads to such a key.
        let is_stranger = came.index() >= self.stepper.key_count();
        is_stranger.then_some(None)
    }

    /// A state of another model starts midway anew.
    fn adopt(&mut self, state: &mut OrderState) {
        if state.model() != self.model {
            *state = self.begin(false);
        }
    }

    fn state_of<'a>(&'a self, sequence: &'a OrderState) -> &'a State {
        match &sequence.0 {
            Place::Known { node, .. } => self.nodes.state(*node),
            Place::Own { state, .. } => state,
        }
    }

    /// Moves a sequence to where `key` led: to a node if there is one or room for one, else to a
    /// state of its own.
    fn settle(
        &mut self,
        sequence: &mut OrderState,
        key: Key,
        after: Box<State>,
        ranked: Ranked,
    ) -> Option<Ranked> {
        let (heard, made, node) = match &mut sequence.0 {
            Place::Own { heard, state, .. } => {
                *state = after;
                return judged(heard, ranked);
            }
            Place::Known {
                heard, made, node, ..
            } => (heard, made, node),
        };
        let told = judged(heard, ranked);
        // Another sequence of the batch may have made the node.
        if let Some(edge) = self.nodes.follow(*node, key) {
            *node = edge.to;
            return told;
        }
        let grown = match *made < Self::NEW_NODES_MAX {
            true => self.nodes.grow(*node, key, ranked, after),
            false => Err(after),
        };
        match grown {
            Ok(to) => {
                *made += 1;
                *node = to;
            }
            Err(state) => {
                self.nodes.unpin(*node);
                let (heard, model) = (*heard, self.model);
                sequence.0 = Place::Own {
                    heard,
                    model,
                    state,
                };
            }
        }
        told
    }
}

impl OrderState {
    /// Whether enough was taken in for keys to be judged.
    pub fn is_warm(&self) -> bool {
        let (Place::Known { heard, .. } | Place::Own { heard, .. }) = &self.0;
        *heard >= Order::WARM_UP_LEN
    }

    /// Whether it follows known prefixes and so takes no memory of its own.
    pub fn is_known(&self) -> bool {
        matches!(self.0, Place::Known { .. })
    }

    /// What two sequences on one known prefix have in common; `None` for a state of its own.
    pub(super) fn known(&self) -> Option<(u32, u8, u8)> {
        match self.0 {
            Place::Known {
                heard, made, node, ..
            } => Some((node.number(), heard, made)),
            Place::Own { .. } => None,
        }
    }

    fn model(&self) -> u32 {
        let (Place::Known { model, .. } | Place::Own { model, .. }) = &self.0;
        *model
    }
}

impl Asked {
    fn put(&mut self, index: usize, state: &State, key: Key) {
        self.indices.push(index);
        self.states.push(Box::new(state.clone()));
        self.keys.push(key);
    }

    fn answer(&mut self, stepper: &Stepper) {
        if self.keys.is_empty() {
            return;
        }
        let answered = stepper.advance(&mut self.states, &self.keys, &mut self.told);
        // Keys that the network does not know were passed over before.
        debug_assert!(answered.is_ok());
        // The first is taken first.
        self.indices.reverse();
        self.states.reverse();
        self.keys.reverse();
        self.told.reverse();
    }

    /// An answer: whose, to which key, the state after it.
    fn take(&mut self) -> Option<(usize, Key, Box<State>, Ranked)> {
        let index = self.indices.pop()?;
        Some((
            index,
            self.keys.pop()?,
            self.states.pop()?,
            self.told.pop()?,
        ))
    }
}

/// What to tell of a key that comes after `heard` others.
#[inline]
fn judged(heard: &mut u8, ranked: Ranked) -> Option<Ranked> {
    if *heard >= Order::WARM_UP_LEN {
        return Some(ranked);
    }
    *heard += 1;
    None
}
