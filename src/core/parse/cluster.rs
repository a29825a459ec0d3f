//! Distinct shapes → templates: a pure function of the set of shapes, whatever their order.
//!
//! A position of a shape is a parameter only when it has shown more than [`VALUES_MAX`] values
//! while everything else stayed the same (saturation, as in ByteBrain, 2025), so that "VM started"
//! and "VM paused" stay two templates.

use std::collections::BTreeMap;
use std::ops::Range;

use super::mask::WILDCARD;

/// A position that has shown more than this many values is a parameter.
pub const VALUES_MAX: usize = 4;

/// The shapes that share a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// What the members have in common.
    pub pattern: Pattern,
    /// The shapes, as indices into the list given to [`cluster`], ascending.
    pub members: Vec<usize>,
}

/// A template as [`cluster`] found it: a shape some places of which have become wildcards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

/// One blank-separated token of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Exact(Box<str>),
    /// Anything that begins with `head` and ends with `tail`.
    Open {
        head: Box<str>,
        tail: Box<str>,
    },
}

impl Pattern {
    /// The pattern of one shape alone.
    pub fn exact(shape: &str) -> Self {
        let pieces = shape.split(' ').map(|token| Piece::Exact(token.into()));
        Self {
            pieces: pieces.collect(),
        }
    }

    /// The text of the template, its wildcards written as [`WILDCARD`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            if !text.is_empty() {
                text.push(' ');
            }
            match piece {
                Piece::Exact(token) => text.push_str(token),
                Piece::Open { head, tail } => {
                    text.push_str(head);
                    text.push_str(WILDCARD);
                    text.push_str(tail);
                }
            }
        }
        text
    }

    /// Whether the pattern says no more than one shape did.
    pub fn is_exact(&self) -> bool {
        let exact = |piece: &Piece| matches!(piece, Piece::Exact(_));
        self.pieces.iter().all(exact)
    }

    /// Where in the text of a shape the wildcards of the pattern stand, as ascending byte ranges;
    /// `None` when the shape is not of this pattern. Wildcards the shape brought along do not
    /// count, but may lie inside a range.
    pub fn open_ranges(&self, shape: &str) -> Option<Vec<Range<usize>>> {
        let mut ranges = Vec::new();
        let mut start = 0;
        let mut tokens = shape.split(' ');
        for piece in &self.pieces {
            let token = tokens.next()?;
            match piece {
                Piece::Exact(same) if same.as_ref() == token => {}
                Piece::Exact(_) => return None,
                Piece::Open { head, tail } => {
                    let inside = token.strip_prefix(head.as_ref())?;
                    let inside = inside.strip_suffix(tail.as_ref())?;
                    let from = start + head.len();
                    ranges.push(from..from + inside.len());
                }
            }
            start += token.len() + 1;
        }
        tokens.next().is_none().then_some(ranges)
    }

    /// Whether `shape` is of this pattern.
    pub fn matches(&self, shape: &str) -> bool {
        self.open_ranges(shape).is_some()
    }
}

/// Shapes of different groups never share a template: the number of tokens (Drain, ICWS 2017).
pub fn group_of(shape: &str) -> u64 {
    shape.bytes().filter(|byte| *byte == b' ').count() as u64 + 1
}

/// The templates of the distinct `shapes` of one group, ordered by pattern.
pub fn cluster(shapes: &[&str]) -> Vec<Cluster> {
    let mut clusters: BTreeMap<Pattern, Vec<usize>> = BTreeMap::new();
    for (index, shape) in shapes.iter().enumerate() {
        clusters
            .entry(Pattern::exact(shape))
            .or_default()
            .push(index);
    }
    clusters
        .into_iter()
        .map(|(pattern, members)| Cluster { pattern, members })
        .collect()
}
