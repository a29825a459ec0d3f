//! What comes next: a Markov model of variable order.

use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};

use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// How probable each key is after the keys before it.
///
/// The contexts form a tree: the children of a context are those one key longer, reaching further
/// back. Each context mixes what came after it with what its parent says (Witten and Bell: a
/// context that had many different successors for its number trusts its parent more). A context
/// that only ever had one successor is not made longer, nor one that came once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ngram {
    /// The empty context first; the children of one context stand together, by key.
    contexts: Vec<Context>,
    /// The successors of one context stand together, by key: so often each came.
    successors: Vec<(Key, u32)>,
    key_count: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Context {
    /// The earliest key of the context.
    key: Key0,
    children: Span,
    successors: Span,
    /// How often the context came.
    came: u32,
}

/// A key with a default, for the empty context.
type Key0 = u16;

/// A range of indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of<T>(self, all: &[T]) -> &[T] {
        let start = self.start as usize;
        all.get(start..start + self.len as usize)
            .unwrap_or_default()
    }
}

/// A place in the corpus: which sequence, and which of its tokens.
type Place = (u32, u32);

/// A context that may be made longer: the most frequent first, of those the earliest made.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    came: u32,
    index: std::cmp::Reverse<usize>,
    depth: usize,
    places: Vec<Place>,
}

impl Ngram {
    /// Most keys a context has.
    pub const ORDER_MAX: usize = 8;
    /// Most contexts kept; the most frequent are made longer first.
    pub const CONTEXTS_MAX: usize = 131_072;
    /// How many of the largest surprises make up that of a sequence.
    const WORST: usize = 3;

    /// Learns from normal sequences with keys below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let sequences = distinct_tokens(corpus);
        let mut voice = Self {
            key_count: key_count as u32,
            ..Self::default()
        };
        let places: Vec<Place> = (0u32..)
            .zip(&sequences)
            .flat_map(|(sequence, (tokens, _))| {
                let first = u32::from(tokens.first() == Some(&Key::BEGIN));
                (first..tokens.len() as u32).map(move |place| (sequence, place))
            })
            .collect();
        let mut open = BinaryHeap::new();
        open.extend(voice.add(0, 0, places, &sequences));
        while let Some(Open {
            index,
            depth,
            places,
            ..
        }) = open.pop()
        {
            let mut groups: BTreeMap<Key, Vec<Place>> = BTreeMap::new();
            for (sequence, place) in places {
                let tokens = sequences.get(sequence as usize).map(|(tokens, _)| tokens);
                let back = (place as usize).checked_sub(depth + 1);
                if let Some(key) = back.and_then(|back| tokens?.get(back)) {
                    groups.entry(*key).or_default().push((sequence, place));
                }
            }
            if voice.contexts.len() + groups.len() > Self::CONTEXTS_MAX {
                break;
            }
            let start = voice.contexts.len();
            for (key, places) in groups {
                let came: u32 = places.iter().map(|place| times(&sequences, *place)).sum();
                if came > 1 {
                    open.extend(voice.add(key.0, depth + 1, places, &sequences));
                }
            }
            let len = voice.contexts.len() - start;
            if let Some(context) = voice.contexts.get_mut(index.0) {
                context.children = Span {
                    start: start as u32,
                    len: len as u32,
                };
            }
        }
        voice
    }

    /// Adds a context; gives it back when a longer one might know better.
    fn add(
        &mut self,
        key: Key0,
        depth: usize,
        places: Vec<Place>,
        sequences: &[(Vec<Key>, u32)],
    ) -> Option<Open> {
        let mut successors: BTreeMap<Key, u32> = BTreeMap::new();
        for place in &places {
            let tokens = sequences.get(place.0 as usize).map(|(tokens, _)| tokens);
            if let Some(key) = tokens.and_then(|tokens| tokens.get(place.1 as usize)) {
                *successors.entry(*key).or_default() += times(sequences, *place);
            }
        }
        let came = successors.values().sum();
        let index = self.contexts.len();
        self.contexts.push(Context {
            key,
            children: Span::default(),
            successors: Span {
                start: self.successors.len() as u32,
                len: successors.len() as u32,
            },
            came,
        });
        let is_sure = successors.len() < 2;
        self.successors.extend(successors);
        (depth < Self::ORDER_MAX && !is_sure).then_some(Open {
            came,
            index: std::cmp::Reverse(index),
            depth,
            places,
        })
    }

    /// The contexts that fit before the known event at `index`, the shortest first.
    fn path(&self, heard: &Heard, index: usize) -> Vec<Context> {
        let mut path = Vec::with_capacity(Self::ORDER_MAX + 1);
        let Some(mut context) = self.contexts.first().copied() else {
            return path;
        };
        path.push(context);
        let begin = heard.begins.then_some(Key::BEGIN);
        let before = heard.keys.get(..index).unwrap_or_default();
        for key in before.iter().rev().copied().chain(begin) {
            let children = context.children.of(&self.contexts);
            let found = children.binary_search_by_key(&key.0, |child| child.key);
            let Some(child) = found.ok().and_then(|found| children.get(found)) else {
                break;
            };
            context = *child;
            path.push(context);
        }
        path
    }

    fn probability(&self, path: &[Context], key: Key) -> f32 {
        let mut probability = 1.0 / f64::from(self.key_count.max(2));
        for context in path {
            let successors = context.successors.of(&self.successors);
            let found = successors.binary_search_by_key(&key, |(key, _)| *key);
            let came = found
                .ok()
                .and_then(|found| successors.get(found))
                .map_or(0, |(_, came)| *came);
            let kinds = f64::from(context.successors.len);
            probability =
                (f64::from(came) + kinds * probability) / (f64::from(context.came) + kinds);
        }
        probability as f32
    }

    /// −ln of the probability of the known event at `index`, or of the end behind the last.
    pub fn surprise(&self, heard: &Heard, index: usize) -> f32 {
        let came = heard.keys.get(index).copied().unwrap_or(Key::END);
        -self.probability(&self.path(heard, index), came).ln()
    }

    /// The keys most probable at `index`, most probable first.
    pub fn expected(&self, heard: &Heard, index: usize) -> Vec<(Key, f32)> {
        let path = self.path(heard, index);
        let Some(longest) = path.last() else {
            return Vec::new();
        };
        let mut expected: Vec<(Key, f32)> = longest
            .successors
            .of(&self.successors)
            .iter()
            .map(|(key, _)| (*key, self.probability(&path, *key)))
            .collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        expected.truncate(Self::WORST);
        expected
    }

    fn why(&self, heard: &Heard, index: usize, score: f32) -> Surprise {
        Surprise {
            score,
            position: heard.position(index),
            why: Why::Next {
                came: heard.keys.get(index).copied().unwrap_or(Key::END),
                expected: self.expected(heard, index),
                probability: (-self.surprise(heard, index)).exp(),
            },
        }
    }

    fn can_judge(heard: &Heard, index: usize) -> bool {
        heard.begins || index >= Self::ORDER_MAX
    }
}

impl Voice for Ngram {
    fn name(&self) -> &'static str {
        "ngram"
    }

    /// Nothing about what was as probable as all else together.
    fn at(&self, heard: &Heard, index: usize) -> Option<Surprise> {
        if index >= heard.keys.len() || !Self::can_judge(heard, index) {
            return None;
        }
        let score = self.surprise(heard, index);
        (score > std::f32::consts::LN_2).then(|| self.why(heard, index, score))
    }

    /// The three largest surprises together, its end included.
    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        let len = heard.keys.len() + usize::from(heard.ends);
        let mut surprises: Vec<(f32, usize)> = (0..len)
            .filter(|index| Self::can_judge(heard, *index))
            .map(|index| (self.surprise(heard, index), index))
            .collect();
        surprises.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        surprises.truncate(Self::WORST);
        let (_, worst) = surprises.first()?;
        let score = surprises.iter().map(|(score, _)| score).sum();
        Some(self.why(heard, *worst, score))
    }
}

/// The distinct sequences with their marked ends, and how often each came.
fn distinct_tokens(corpus: &[Heard]) -> Vec<(Vec<Key>, u32)> {
    let mut distinct: BTreeMap<Vec<Key>, u32> = BTreeMap::new();
    for heard in corpus {
        let mut tokens = Vec::with_capacity(heard.keys.len() + 2);
        tokens.extend(heard.begins.then_some(Key::BEGIN));
        tokens.extend(&heard.keys);
        tokens.extend(heard.ends.then_some(Key::END));
        *distinct.entry(tokens).or_default() += 1;
    }
    distinct.into_iter().collect()
}

fn times(sequences: &[(Vec<Key>, u32)], place: Place) -> u32 {
    sequences
        .get(place.0 as usize)
        .map_or(0, |(_, times)| *times)
}
