//! The prefixes that are known, bounded.

use rustc_hash::FxHashMap;

use crate::core::model::{Key, Ranked, State};

/// A known prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// From one prefix to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) to: NodeId,
    pub(super) ranked: Ranked,
}

/// A tree of prefixes. When it is full, what no sequence stands on and none passed of late makes
/// room; where nothing does, the tree does not grow.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// Beside `nodes`, for they are read only where there is no edge.
    #[expect(
        clippy::vec_box,
        reason = "states move between sequences and nodes without a copy, and growing moves none"
    )]
    states: Vec<Box<State>>,
    edges: FxHashMap<u64, Edge>,
    nodes_max: usize,
    /// Where the search for a node to forget goes on.
    hand: usize,
    /// The parent of the node last forgotten: a prefix that nobody goes on from is forgotten end
    /// first, and the hand moves on little.
    above: Option<NodeId>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: NodeId,
    /// Sequences that stand here, and children.
    held: u32,
    /// Once asked for; a rank of 0 is none.
    end: Ranked,
    key: Key,
    /// Passed since the hand last came by.
    passed: bool,
}

impl NodeId {
    /// Nothing came yet.
    pub(super) const BEGUN: Self = Self(0);
    /// Nobody knows what came.
    pub(super) const MIDWAY: Self = Self(1);

    pub(super) const fn number(self) -> u32 {
        self.0
    }

    fn index(self) -> usize {
        self.0 as usize
    }

    fn edge(self, key: Key) -> u64 {
        u64::from(self.0) << 16 | u64::from(key.0)
    }
}

impl Node {
    fn new(parent: NodeId, key: Key) -> Self {
        let end = Ranked {
            rank: 0,
            log_probability: 0.0,
        };
        Self {
            parent,
            held: 1,
            end,
            key,
            passed: false,
        }
    }
}

impl Nodes {
    /// Nodes that the hand passes in search of one to forget before it gives up. Few, so that a
    /// flood of new prefixes cannot drive it round faster than known ones are passed.
    const SEARCH_LEN: usize = 16;

    /// The roots come first and are never forgotten.
    const ROOTS: usize = 2;

    pub(super) fn new(roots: [Box<State>; Self::ROOTS], nodes_max: usize) -> Self {
        let root = Node::new(NodeId::BEGUN, Key::BEGIN);
        Self {
            nodes: vec![root; Self::ROOTS],
            states: roots.into(),
            edges: FxHashMap::default(),
            nodes_max: nodes_max.min(u32::MAX as usize),
            hand: 0,
            above: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        /// A byte of each slot says what is in it.
        const SLOT_LEN: usize = size_of::<(u64, Edge)>() + 1;
        let node_len = size_of::<Node>() + size_of::<Box<State>>();
        self.nodes.capacity() * node_len
            + self.states.len() * size_of::<State>()
            + self.edges.capacity() * 8 / 7 * SLOT_LEN
    }

    pub(super) fn state(&self, node: NodeId) -> &State {
        &self.states[node.index()]
    }

    /// Whether the sequence began, and the keys that lead to a node.
    pub(super) fn path(&self, mut node: NodeId) -> (bool, Vec<Key>) {
        let mut keys = Vec::new();
        while node.index() >= Self::ROOTS {
            let Node { parent, key, .. } = self.nodes[node.index()];
            keys.push(key);
            node = parent;
        }
        keys.reverse();
        (node == NodeId::BEGUN, keys)
    }

    pub(super) fn end(&self, node: NodeId) -> Option<Ranked> {
        let end = self.nodes[node.index()].end;
        (end.rank > 0).then_some(end)
    }

    pub(super) fn set_end(&mut self, node: NodeId, ranked: Ranked) {
        self.nodes[node.index()].end = ranked;
    }

    pub(super) fn pin(&mut self, node: NodeId) {
        let node = &mut self.nodes[node.index()];
        node.held += 1;
        node.passed = true;
    }

    pub(super) fn unpin(&mut self, node: NodeId) {
        let node = &mut self.nodes[node.index()];
        node.held = node.held.saturating_sub(1);
    }

    /// Moves a sequence from a node to the one that `key` leads to.
    #[inline]
    pub(super) fn follow(&mut self, from: NodeId, key: Key) -> Option<Edge> {
        let edge = *self.edges.get(&from.edge(key))?;
        self.pin(edge.to);
        self.unpin(from);
        Some(edge)
    }

    /// Makes the node that `key` leads to and moves a sequence there. Gives the state back where
    /// there is no room.
    pub(super) fn grow(
        &mut self,
        from: NodeId,
        key: Key,
        ranked: Ranked,
        state: Box<State>,
    ) -> Result<NodeId, Box<State>> {
        // The child holds its parent in place of the sequence.
        let node = Node::new(from, key);
        let to = if self.nodes.len() < self.nodes_max {
            self.nodes.push(node);
            self.states.push(state);
            NodeId((self.nodes.len() - 1) as u32)
        } else if let Some(free) = self.forget() {
            self.nodes[free.index()] = node;
            self.states[free.index()] = state;
            free
        } else {
            return Err(state);
        };
        self.edges.insert(from.edge(key), Edge { to, ranked });
        Ok(to)
    }

    #[cfg(test)]
    pub(super) fn held_by_sequences(&self) -> usize {
        let held: usize = self.nodes.iter().map(|node| node.held as usize).sum();
        // Nodes hold their parents, and roots themselves.
        held - self.nodes.len()
    }

    /// Second chance: the parent of the last one forgotten, or the next node, that nobody holds
    /// and that was not passed since the hand was here before.
    fn forget(&mut self) -> Option<NodeId> {
        let above = self.above.take().filter(|above| {
            let node = &self.nodes[above.index()];
            node.held == 0 && !node.passed
        });
        let free = above.or_else(|| self.search())?;
        let Node { parent, key, .. } = self.nodes[free.index()];
        self.edges.remove(&parent.edge(key));
        self.unpin(parent);
        self.above = Some(parent);
        Some(free)
    }

    fn search(&mut self) -> Option<NodeId> {
        for _ in 0..Self::SEARCH_LEN {
            self.hand = (self.hand + 1) % self.nodes.len();
            let node = &mut self.nodes[self.hand];
            if node.held == 0 && !std::mem::take(&mut node.passed) {
                return Some(NodeId(self.hand as u32));
            }
        }
        None
    }
}
