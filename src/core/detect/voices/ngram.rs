//! What comes next: a Markov model of variable order.

use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};

use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// How probable each key is after the keys before it.
///
/// The contexts form a tree: the children of a context are those one key longer, reaching further
/// back. A context that only ever had one successor is not made longer, and one that came once is
/// not kept.
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
    /// The number of its earliest key; 0 for the empty context.
    key: u16,
    children: Span,
    successors: Span,
    /// How often the context came.
    came: u32,
    /// How often its parent came before a key that never came after this one.
    came_elsewhere: u32,
}

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

impl Open {
    /// Its places by the key before the context.
    fn longer(&self, sequences: &[(Vec<Key>, u32)]) -> BTreeMap<Key, Vec<Place>> {
        let mut groups: BTreeMap<Key, Vec<Place>> = BTreeMap::new();
        for (sequence, place) in &self.places {
            let tokens = sequences.get(*sequence as usize).map(|(tokens, _)| tokens);
            let back = (*place as usize).checked_sub(self.depth + 1);
            if let Some(key) = back.and_then(|back| tokens?.get(back)) {
                groups.entry(*key).or_default().push((*sequence, *place));
            }
        }
        groups
    }
}

impl Ngram {
    /// Most keys a context has.
    pub const ORDER_MAX: usize = 8;
    /// Most contexts kept; the most frequent are made longer first.
    pub const CONTEXTS_MAX: usize = 131_072;
    /// Most pairs of a context and a successor, after which no context is made longer.
    pub const SUCCESSORS_MAX: usize = 1_048_576;
    /// How many keys an explanation says were expected.
    const EXPECTED: usize = 3;
    /// How many of the largest surprises make up that of a sequence.
    const WORST: usize = 2;

    /// Whether nothing was learned. Then nothing can be said.
    fn is_empty(&self) -> bool {
        self.successors.is_empty()
    }

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
        while let Some(context) = open.pop() {
            let groups = context.longer(&sequences);
            if voice.contexts.len() + groups.len() > Self::CONTEXTS_MAX
                || voice.successors.len() > Self::SUCCESSORS_MAX
            {
                break;
            }
            let start = voice.contexts.len();
            for (key, places) in groups {
                let came: u32 = places.iter().map(|place| times(&sequences, *place)).sum();
                if came > 1 {
                    open.extend(voice.add(key.0, context.depth + 1, places, &sequences));
                }
            }
            voice.adopt(context.index.0, start);
        }
        voice
    }

    /// Makes the contexts from `start` on the children of `parent`.
    fn adopt(&mut self, parent: usize, start: usize) {
        let Some(children) = self.contexts.len().checked_sub(start) else {
            return;
        };
        let Some(context) = self.contexts.get_mut(parent) else {
            return;
        };
        context.children = Span {
            start: start as u32,
            len: children as u32,
        };
        let (came, after_parent) = (context.came, context.successors.of(&self.successors));
        for child in self.contexts.iter_mut().skip(start) {
            let after_both: u32 = child
                .successors
                .of(&self.successors)
                .iter()
                .filter_map(|(key, _)| count_of(after_parent, *key))
                .sum();
            child.came_elsewhere = came.saturating_sub(after_both);
        }
    }

    /// Adds a context; gives it back when a longer one might know better.
    fn add(
        &mut self,
        key: u16,
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
            came_elsewhere: 0,
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

    /// From the longest context that fits: the share of `key` there, or else the share left for
    /// what is new there times the same question to the next shorter context, of which the keys
    /// already answered for are left out (Moffat's PPM, method C). What is new in two contexts is
    /// so not charged twice.
    fn probability(&self, path: &[Context], key: Key) -> f32 {
        let mut escaped = 1.0;
        // The context one longer: how many successors it had, and how often this one came before
        // others.
        let mut longer: Option<Context> = None;
        for context in path.iter().rev() {
            let (excluded, came) = longer.map_or((0, context.came), |longer| {
                (longer.successors.len, longer.came_elsewhere)
            });
            let (kinds, came) = (
                f64::from(context.successors.len - excluded),
                f64::from(came),
            );
            if let Some(count) = count_of(context.successors.of(&self.successors), key) {
                return (escaped * f64::from(count) / (came + kinds)) as f32;
            }
            if kinds > 0.0 {
                escaped *= kinds / (came + kinds);
            }
            longer = Some(*context);
        }
        let known = longer.map_or(0, |context| context.successors.len);
        (escaped / f64::from(self.key_count.saturating_sub(known).max(1))) as f32
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
        let of = longest.came as f32 + longest.successors.len as f32;
        let successors = longest.successors.of(&self.successors).iter();
        let mut expected: Vec<(Key, f32)> = successors
            .map(|(key, count)| (*key, *count as f32 / of))
            .collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        expected.truncate(Self::EXPECTED);
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
        if index >= heard.keys.len() || self.is_empty() || !Self::can_judge(heard, index) {
            return None;
        }
        let score = self.surprise(heard, index);
        (score > std::f32::consts::LN_2).then(|| self.why(heard, index, score))
    }

    /// The two largest surprises together, the end included: one odd record may be chance.
    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if self.is_empty() {
            return None;
        }
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

fn count_of(successors: &[(Key, u32)], key: Key) -> Option<u32> {
    let found = successors
        .binary_search_by_key(&key, |(key, _)| *key)
        .ok()?;
    successors.get(found).map(|(_, count)| *count)
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

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn what_came_is_told_with_what_was_expected() {
        let voice = Ngram::learn(&corpus(&["abc", "abc", "abc", "abd"], 25), KEY_COUNT);
        let odd = voice.at(&heard("aba"), 2).unwrap();
        let Why::Next {
            came,
            expected,
            probability,
        } = odd.why
        else {
            panic!("{:?}", odd.why)
        };
        assert_eq!((odd.position, came), (2, key('a')));
        let keys: Vec<Key> = expected.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [key('c'), key('d')]);
        assert!((expected[0].1 - 0.74).abs() < 0.02, "{expected:?}");
        assert!((odd.score + probability.ln()).abs() < 1e-4 && odd.score > 4.0);
    }

    #[test]
    fn the_probabilities_of_all_that_can_come_add_up_to_one() {
        let all = corpus(&["abcabd", "abd", "acbd", "bbbbac", "dab"], 7);
        let voice = Ngram::learn(&all, KEY_COUNT);
        for letters in ["", "a", "ab", "abcab", "bb", "zzz", "dcba"] {
            let path = voice.path(&heard(letters), letters.len());
            // Every key but the one that never comes next.
            let sum: f32 = (0..KEY_COUNT as u16)
                .map(|number| voice.probability(&path, Key(number)))
                .sum();
            assert!((sum - 1.0).abs() < 1e-4, "{letters}: {sum}");
        }
    }

    #[test]
    fn what_decides_may_lie_far_back() {
        let all = corpus(&["xabcdy", "vabcdw"], 50);
        let voice = Ngram::learn(&all, KEY_COUNT);
        let score = |letters| voice.surprise(&heard(letters), 5);
        assert!(score("xabcdy") < 0.1 && score("xabcdw") > 3.0);
    }

    #[test]
    fn an_end_too_soon_is_blamed_on_the_end() {
        let voice = Ngram::learn(&corpus(&["abc"], 50), KEY_COUNT);
        let odd = voice.whole(&heard("ab")).unwrap();
        assert_eq!(odd.position, 2);
        assert!(matches!(odd.why, Why::Next { came: Key::END, .. }));
        let open = Heard {
            ends: false,
            ..heard("ab")
        };
        assert!(voice.whole(&open).unwrap().score < 0.2);
    }

    #[test]
    fn the_contexts_kept_are_bounded() {
        // Every text of three letters out of 60 in every order.
        let all: Vec<Heard> = (0u32..60_000)
            .map(|number| {
                let mut state = number;
                let keys: Vec<Key> = (0..12)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        Key((state >> 27) as u16 + 2)
                    })
                    .collect();
                Heard {
                    len: keys.len(),
                    keys,
                    begins: true,
                    ends: true,
                    ..Heard::default()
                }
            })
            .collect();
        let voice = Ngram::learn(&all, 40);
        assert!(voice.contexts.len() > Ngram::CONTEXTS_MAX / 4);
        assert!(voice.contexts.len() <= Ngram::CONTEXTS_MAX);
    }
}
