//! Distinct shapes → templates: a pure function of the set of shapes, whatever their order.
//!
//! A place in a shape is a parameter only when it has shown more than [`VALUES_MAX`] values while
//! all else stayed the same ("saturation", as in ByteBrain, 2025), so that "VM started" and "VM
//! paused" stay two templates. [`saturate`] says how; it is used twice:
//!
//! 1. *Words.* Shapes whose marks (everything but letters and digits) are the same line up word
//!    by word. Here the values are found that are one word: `user=alice, uid=…`.
//! 2. *Tokens.* What came out is compared token by token, where a token is what stands between
//!    blanks. Here the values are found that are built differently, like `web.example` and
//!    `db-master`.
//!
//! Only shapes with the same number of tokens are ever compared (Drain, ICWS 2017).

mod index;
mod pattern;
mod saturate;
mod words;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use index::Index;
pub use pattern::Pattern;
pub use saturate::VALUES_MAX;

use super::mask::WILDCARD;
pub(super) use pattern::OPEN;
use pattern::OPEN_TEXT;
use saturate::{OPEN_SYMBOL, saturate};
use words::{Symbols, marks_of, words_of};

/// The shapes that share a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// What the members have in common.
    pub pattern: Pattern,
    /// The shapes, as indices into the list given to [`cluster`], ascending.
    pub members: Vec<usize>,
}

/// Patterns under way, as [`Pattern::key`]s, with the shapes of each.
type Draft = BTreeMap<String, Vec<usize>>;

/// Shapes of different groups never share a template.
pub fn group_of(shape: &str) -> u64 {
    shape.bytes().filter(|byte| *byte == b' ').count() as u64 + 1
}

/// The templates of the distinct `shapes` of one group, ordered by [`Pattern::key`]. No two have
/// the same text.
pub fn cluster(shapes: &[&str]) -> Vec<Cluster> {
    let draft = absorb(unify(join_values(by_words(shapes))));
    let draft = absorb(unify(by_tokens(draft)));
    let mut clusters: Vec<Cluster> = draft
        .into_iter()
        .map(|(key, mut members)| {
            members.sort_unstable();
            let pattern = Pattern::from_key(&key);
            Cluster { pattern, members }
        })
        .collect();
    clusters.sort_by(|a, b| a.pattern.cmp(&b.pattern));
    clusters
}

/// The first use of saturation: word by word, among shapes with the same marks.
fn by_words(shapes: &[&str]) -> Draft {
    let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, shape) in shapes.iter().enumerate() {
        alike.entry(marks_of(shape)).or_default().push(index);
    }
    let mut draft = Draft::new();
    for (marks, mut members) in alike {
        // From here on all goes by this order, so that the order given does not show.
        members.sort_unstable_by_key(|&index| shapes.get(index));
        let mut symbols = Symbols::default();
        let rows: Vec<Vec<u32>> = members
            .iter()
            .filter_map(|&index| shapes.get(index))
            .map(|shape| symbols.row(words_of(shape)))
            .collect();
        let marks_count = marks.bytes().filter(|b| !matches!(b, 0 | b' ')).count();
        let rules = symbols.rules(marks_count, true);
        for (row, at) in saturate(rows, &rules) {
            let shapes = at.into_iter().filter_map(|at| members.get(at).copied());
            draft
                .entry(words::join_open(&symbols.fill(&marks, &row)))
                .or_default()
                .extend(shapes);
        }
    }
    draft
}

/// The second use of saturation: token by token.
fn by_tokens(draft: Draft) -> Draft {
    let (keys, groups): (Vec<String>, Vec<Vec<usize>>) = draft.into_iter().unzip();
    let mut symbols = Symbols::default();
    let rows: Vec<Vec<u32>> = keys.iter().map(|key| symbols.row(key.split(' '))).collect();
    let rules = symbols.rules(0, false);
    let mut wide = Draft::new();
    for (row, at) in saturate(rows, &rules) {
        let tokens: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(place, &symbol)| {
                if symbol != OPEN_SYMBOL {
                    return symbols.text(symbol).to_owned();
                }
                let value = |at: &usize| keys.get(*at)?.split(' ').nth(place);
                let values: Vec<&str> = at.iter().filter_map(value).collect();
                words::common_ends(&values)
            })
            .collect();
        let members = at.into_iter().filter_map(|at| groups.get(at)).flatten();
        wide.entry(tokens.join(" ")).or_default().extend(members);
    }
    wide
}

/// Patterns that read the same become one, in which is open what is open in any of them.
fn unify(draft: Draft) -> Draft {
    let mut texts: BTreeMap<String, (Pattern, Vec<usize>)> = BTreeMap::new();
    for (key, members) in draft {
        let pattern = Pattern::from_key(&key);
        match texts.entry(pattern.text()) {
            Entry::Vacant(slot) => {
                slot.insert((pattern, members));
            }
            Entry::Occupied(mut slot) => {
                let (kept, all) = slot.get_mut();
                *kept = kept.or(&pattern);
                all.extend(members);
            }
        }
    }
    let unified = texts.into_values();
    unified
        .map(|(pattern, members)| (pattern.key().to_owned(), members))
        .collect()
}

/// Gives the shapes of a pattern that another one covers to the narrowest such.
fn absorb(draft: Draft) -> Draft {
    let patterns = draft.keys().map(|key| Pattern::from_key(key));
    let patterns: Vec<Pattern> = patterns.filter(|pattern| !pattern.is_exact()).collect();
    let mut index = Index::default();
    for (at, pattern) in patterns.iter().enumerate() {
        index.insert(pattern, at);
    }
    let mut merged = Draft::new();
    for (key, members) in draft {
        let mut last = None;
        let mut covering = key.clone();
        // A chain of ever wider patterns: each step covers strictly more, so it ends.
        while let Some(at) = index.wider(&covering) {
            if last == Some(at) {
                break;
            }
            last = Some(at);
            match patterns.get(at) {
                Some(pattern) => covering = pattern.key().to_owned(),
                None => break,
            }
        }
        merged.entry(covering).or_default().extend(members);
    }
    merged
}

/// A token that holds a value beside a bare value in its place is a value of another notation:
/// `LOCAL(<*>)` where others have `<*>`.
fn join_values(draft: Draft) -> Draft {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for key in draft.keys() {
        if let Some(bare) = bare_sibling(key, &draft) {
            let (sibling, open) = bare;
            joined.insert(key.clone(), open.clone());
            joined.insert(sibling, open);
        }
    }
    let mut merged = Draft::new();
    for (key, members) in draft {
        let key = joined.get(&key).cloned().unwrap_or(key);
        merged.entry(key).or_default().extend(members);
    }
    merged
}

/// A pattern of the draft that has a bare value where `key` has a token with a value in it, and
/// the pattern that stands for both.
fn bare_sibling(key: &str, draft: &Draft) -> Option<(String, String)> {
    let tokens: Vec<&str> = key.split(' ').collect();
    let solid = tokens.iter().filter(|token| words::is_solid(token)).count();
    tokens.iter().enumerate().find_map(|(place, token)| {
        if solid - usize::from(words::is_solid(token)) < 2 {
            return None;
        }
        let core = token.trim_end_matches([',', '.', ':', ';']);
        if core == WILDCARD || !(core.contains(WILDCARD) || core.contains(OPEN)) {
            return None;
        }
        let tail = token.get(core.len()..)?;
        let with = |value: &str| {
            let mut tokens: Vec<&str> = tokens.clone();
            let bare = format!("{value}{tail}");
            *tokens.get_mut(place)? = &bare;
            Some(tokens.join(" "))
        };
        let sibling = with(WILDCARD)?;
        let open = with(OPEN_TEXT)?;
        draft.contains_key(&sibling).then_some((sibling, open))
    })
}

#[cfg(test)]
mod tests;
