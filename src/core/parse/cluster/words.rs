//! What clustering compares: the words of a text and the marks between them.

use std::hash::{Hash as _, Hasher as _};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::super::mask::WILDCARD;
use super::pattern::{OPEN, OPEN_TEXT};
use super::saturate::{OPEN_SYMBOL, Rules, VALUE_SYMBOL};

/// Stands for each word in what [`marks_of`] gives.
const WORD: char = '\0';

/// Words by place and their numbers, in the order of first sight. There may be a million, so a
/// word is written down once.
#[derive(Debug, Default)]
pub(super) struct Symbols<'a> {
    numbers: HashTable<u32>,
    words: Vec<(u32, &'a str)>,
    often: Vec<u32>,
}

impl<'a> Symbols<'a> {
    /// The row that `words` make.
    pub(super) fn row(&mut self, words: impl Iterator<Item = &'a str>) -> Vec<u32> {
        let row = (0..).zip(words).map(|word| self.of(word));
        row.collect()
    }

    fn of(&mut self, word: (u32, &'a str)) -> u32 {
        if word.1 == WILDCARD {
            return VALUE_SYMBOL;
        }
        let Self {
            numbers,
            words,
            often,
        } = self;
        let of = |number: &u32| words.get(*number as usize).copied().unwrap_or_default();
        let next = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let same = |number: &u32| of(number) == word;
        let entry = numbers.entry(hash(word), same, |number| hash(of(number)));
        let number = *entry.or_insert(next).get();
        if number == next {
            words.push(word);
            often.push(0);
        }
        if let Some(count) = often.get_mut(number as usize) {
            *count += 1;
        }
        number.saturating_add(VALUE_SYMBOL + 1)
    }

    pub(super) fn text(&self, symbol: u32) -> &'a str {
        match symbol {
            OPEN_SYMBOL => OPEN_TEXT,
            VALUE_SYMBOL => WILDCARD,
            _ => {
                let at = (symbol - VALUE_SYMBOL - 1) as usize;
                self.words.get(at).map_or("", |(_, text)| text)
            }
        }
    }

    /// What saturation has to know of the rows made here, which share `marks` marks.
    pub(super) fn rules(&self, marks: usize, leaps: bool) -> Rules {
        let bare = [false, false].into_iter();
        Rules {
            solid: bare
                .chain(self.words.iter().map(|(_, text)| is_solid(text)))
                .collect(),
            often: [u32::MAX, u32::MAX]
                .into_iter()
                .chain(self.often.iter().copied())
                .collect(),
            marks,
            leaps,
        }
    }

    /// `marks` with the words of `row` put in.
    pub(super) fn fill(&self, marks: &str, row: &[u32]) -> String {
        let mut words = row.iter().map(|&symbol| self.text(symbol));
        let mut text = String::with_capacity(2 * marks.len());
        for mark in marks.chars() {
            match mark {
                WORD => text.push_str(words.next().unwrap_or_default()),
                _ => text.push(mark),
            }
        }
        text
    }
}

fn hash(word: (u32, &str)) -> u64 {
    let mut hasher = FxHasher::default();
    word.hash(&mut hasher);
    hasher.finish()
}

/// Whether a text says something by itself: two letters at least.
pub(super) fn is_solid(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).count() > 1
}

/// The runs of letters, digits and wildcards of a text.
pub(super) fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.len() - rest.trim_start_matches(is_mark).len();
        let mut from = rest.get(start..)?;
        // `<` is a mark unless it begins a wildcard.
        while !from.is_empty() && word_len(from) == 0 {
            let mut chars = from.chars();
            chars.next();
            from = chars.as_str();
        }
        let (word, next) = from.split_at_checked(word_len(from))?;
        rest = next;
        (!word.is_empty()).then_some(word)
    })
}

/// The text with a NUL for each word.
pub(super) fn marks_of(text: &str) -> String {
    let mut marks = String::with_capacity(text.len() / 3);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = word_len(rest);
        marks.push(if len > 0 { WORD } else { first });
        rest = rest.get(len.max(first.len_utf8())..).unwrap_or_default();
    }
    marks
}

/// Characters that never belong to a word.
fn is_mark(c: char) -> bool {
    c != '<' && c != OPEN && c.is_ascii() && !c.is_ascii_alphanumeric()
}

/// Bytes of the word that `text` begins with; 0 when it begins with a mark.
fn word_len(text: &str) -> usize {
    let mut rest = text;
    loop {
        let plain = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || c == OPEN;
        let next = rest.trim_start_matches(plain);
        match next.strip_prefix(WILDCARD) {
            Some(after) => rest = after,
            None => return text.len() - next.len(),
        }
    }
}

/// The text with values joined by a separator written as one, where clustering opened one of them:
/// a host name is one value, however many parts it has.
pub(super) fn join_open(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = joined_len(rest);
        match rest.get(..len) {
            Some(run) if run.contains(OPEN) => joined.push(OPEN),
            Some(run) if len > 0 => joined.push_str(run),
            _ => joined.push(first),
        }
        rest = rest.get(len.max(first.len_utf8())..).unwrap_or_default();
    }
    joined
}

/// Bytes of the values, and the separators between them, that `text` begins with.
fn joined_len(text: &str) -> usize {
    let value = |text: &str| {
        [OPEN_TEXT, WILDCARD]
            .iter()
            .find_map(|v| text.starts_with(v).then_some(v.len()))
    };
    let Some(mut len) = value(text) else {
        return 0;
    };
    loop {
        let rest = text.get(len..).unwrap_or_default();
        let next = rest.strip_prefix(['.', '-', '_', '/', '\\', '+', '$', '@']);
        match next.and_then(value) {
            Some(more) => len += 1 + more,
            None => return len,
        }
    }
}

/// One token for many: what all have in front and behind, up to a mark, and the open place
/// between.
pub(super) fn common_ends(values: &[&str]) -> String {
    let first = values.first().copied().unwrap_or_default();
    let mut head = first.len();
    let mut tail = first.len();
    let mut shortest = first.len();
    for value in values {
        let same = |(a, b): &(u8, u8)| a == b;
        let (a, b) = (first.bytes(), value.bytes());
        head = head.min(a.clone().zip(b.clone()).take_while(same).count());
        tail = tail.min(a.rev().zip(b.rev()).take_while(same).count());
        shortest = shortest.min(value.len());
    }
    let head = first.get(..head).map_or("", head_end);
    let tail = tail.min(shortest - head.len());
    let tail = first.get(first.len() - tail..).map_or("", tail_start);
    format!("{head}{OPEN}{tail}")
}

/// `head` up to and with its last mark that introduces a value.
fn head_end(head: &str) -> &str {
    let at = head.rfind(['=', ':', '(', '[', '{', '"', '\'', '-', '_', '@', '#']);
    at.and_then(|at| head.get(..=at)).unwrap_or_default()
}

/// `tail` from its first mark that may end a value.
fn tail_start(tail: &str) -> &str {
    let at = tail.find([',', ';', ':', ')', ']', '}', '"', '\'', '-', '_', '@', '#']);
    at.and_then(|at| tail.get(at..)).unwrap_or_default()
}
