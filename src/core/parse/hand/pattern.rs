//! The text of a template by hand, matched against forms.

use std::ops::Range;

use super::form::{is_blank, is_placeholder, seen};
use super::spec::one_blank;
use crate::core::parse::mask::WILDCARD;

/// Stands in a template by hand for anything, blanks and nothing included.
pub const REST: &str = "<**>";

/// A template's text, ready to be matched.
///
/// [`WILDCARD`] stands for one or more characters other than a blank, [`REST`] for any number of
/// any; a blank for one or more; all else for itself. The whole message has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    Blank,
    Word,
    Rest,
}

impl Pattern {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it and what would be right, as one sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pattern = Self::of_template(text);
        let is_wild = |part: &Part| matches!(part, Part::Word | Part::Rest);
        let side_by_side = |pair: &[Part]| pair.iter().all(is_wild);
        if pattern.parts.windows(2).any(side_by_side) {
            return Err("two wildcards side by side cannot be told apart; write one".to_owned());
        }
        let masked = masked(text);
        if masked != text {
            return Err(format!(
                "numbers are masked before templates are matched, so it would take no line; write \
                 {masked:?}"
            ));
        }
        let says = |part: &Part| match part {
            Part::Literal(bytes) => bytes
                .iter()
                .any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80),
            Part::Blank | Part::Word | Part::Rest => false,
        };
        if !pattern.parts.iter().any(says) {
            return Err(
                "it has no word that stays the same, so it would take lines of any kind; \
                        name at least one word"
                    .to_owned(),
            );
        }
        Ok(pattern)
    }

    /// The pattern of a template that was learned, whatever it says.
    pub(super) fn of_template(text: &str) -> Self {
        let mut parts = Vec::new();
        for piece in pieces(text) {
            match piece {
                Piece::Wildcard(REST) => parts.push(Part::Rest),
                Piece::Wildcard(_) => parts.push(Part::Word),
                Piece::Text(text) => push_literals(text, &mut parts),
            }
        }
        while parts.first() == Some(&Part::Blank) {
            parts.remove(0);
        }
        while parts.last() == Some(&Part::Blank) {
            parts.pop();
        }
        Self { parts }
    }

    /// How many wildcards it has.
    pub(super) fn wildcards(&self) -> usize {
        let wild = |part: &&Part| matches!(part, Part::Word | Part::Rest);
        self.parts.iter().filter(wild).count()
    }

    /// Whether wildcard `at`, from 0, stands for one word or part of one.
    pub(super) fn is_word(&self, at: usize) -> bool {
        let mut wild = self
            .parts
            .iter()
            .filter(|part| matches!(part, Part::Word | Part::Rest));
        wild.nth(at) == Some(&Part::Word)
    }

    /// What each wildcard stands for in `form`; `None` if the form does not match.
    ///
    /// A wildcard takes as little as it can, the first before the second. Takes time linear in the
    /// form for texts that people write; at worst the product of both lengths.
    pub(super) fn find(&self, form: &[u8]) -> Option<Vec<Range<usize>>> {
        let end = form.len()
            - form
                .iter()
                .rev()
                .take_while(|byte| is_blank(**byte))
                .count();
        let start = form
            .iter()
            .take(end)
            .take_while(|byte| is_blank(**byte))
            .count();
        let form = form.get(..end)?;
        Search {
            parts: &self.parts,
            form,
            at: start,
            part: 0,
            found: Vec::new(),
            word: None,
            rest: None,
        }
        .run()
    }
}

/// A search that goes back to the latest wildcard only. That is enough: within a word a later
/// wildcard can take whatever an earlier one could, and a [`Part::Rest`] can take anything.
struct Search<'a> {
    parts: &'a [Part],
    form: &'a [u8],
    at: usize,
    part: usize,
    found: Vec<Range<usize>>,
    word: Option<Taken>,
    rest: Option<Taken>,
}

/// A wildcard that could take one byte more.
#[derive(Clone, Copy)]
struct Taken {
    part: usize,
    wildcard: usize,
}

impl Search<'_> {
    fn run(mut self) -> Option<Vec<Range<usize>>> {
        loop {
            let goes_on = match self.parts.get(self.part) {
                None if self.at == self.form.len() => return Some(self.found),
                None => false,
                Some(part) => self.step(part),
            };
            if !goes_on && !self.go_back() {
                return None;
            }
        }
    }

    /// Takes one part; false where it does not fit.
    fn step(&mut self, part: &Part) -> bool {
        let rest = self.form.get(self.at..).unwrap_or_default();
        let len = match part {
            Part::Literal(bytes) if rest.starts_with(bytes) => bytes.len(),
            Part::Blank => rest.iter().take_while(|byte| is_blank(**byte)).count(),
            Part::Word => usize::from(rest.first().is_some_and(|byte| !is_blank(*byte))),
            Part::Literal(_) | Part::Rest => 0,
        };
        if len == 0 && *part != Part::Rest {
            return false;
        }
        let taken = Taken {
            part: self.part,
            wildcard: self.found.len(),
        };
        match part {
            Part::Word => self.word = Some(taken),
            Part::Rest => (self.word, self.rest) = (None, Some(taken)),
            Part::Literal(_) | Part::Blank => {}
        }
        if matches!(part, Part::Word | Part::Rest) {
            self.found.push(self.at..self.at + len);
        }
        self.at += len;
        self.part += 1;
        true
    }

    /// Lets the latest wildcard that can take one byte more.
    fn go_back(&mut self) -> bool {
        if let Some(word) = self.word
            && self.extend(word, |byte| !is_blank(byte))
        {
            return true;
        }
        self.word = None;
        self.rest.is_some_and(|rest| self.extend(rest, |_| true))
    }

    fn extend(&mut self, taken: Taken, may_take: fn(u8) -> bool) -> bool {
        self.found.truncate(taken.wildcard + 1);
        let Some(range) = self.found.get_mut(taken.wildcard) else {
            return false;
        };
        if !self.form.get(range.end).is_some_and(|byte| may_take(*byte)) {
            return false;
        }
        range.end += 1;
        self.at = range.end;
        self.part = taken.part + 1;
        true
    }
}

enum Piece<'a> {
    Text(&'a str),
    Wildcard(&'static str),
}

fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    loop {
        let next = [WILDCARD, REST]
            .into_iter()
            .filter_map(|wild| Some((text.find(wild)?, wild)));
        let Some((at, wild)) = next.min() else {
            break;
        };
        let (before, after) = text.split_at(at);
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Wildcard(wild));
        text = after.get(wild.len()..).unwrap_or_default();
    }
    pieces.push(Piece::Text(text));
    pieces
}

fn push_literals(text: &str, parts: &mut Vec<Part>) {
    for chunk in text.as_bytes().chunk_by(|a, b| blank(*a) == blank(*b)) {
        parts.push(match chunk.first() {
            Some(first) if blank(*first) => Part::Blank,
            _ => Part::Literal(chunk.into()),
        });
    }
}

fn blank(byte: u8) -> bool {
    is_blank(byte) || byte.is_ascii_control()
}

/// The text of a template with what is masked in messages as wildcards, as in all templates.
pub fn masked_text(text: &str) -> String {
    masked(&one_blank(text))
}

pub(super) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Wildcard(wild) => push_wildcard(wild, &mut masked),
            // Only ASCII is ever replaced, so what is between stays what it was.
            Piece::Text(text)
                if text.bytes().any(|byte| byte.is_ascii_digit()) || text.len() >= UUID_LEN =>
            {
                push_masked(text, &mut masked);
            }
            Piece::Text(text) => masked.push_str(text),
        }
    }
    masked
}

const UUID_LEN: usize = 36;

fn push_masked(text: &str, masked: &mut String) {
    let (form, _) = seen(text.as_bytes());
    if !form.iter().any(|byte| is_placeholder(*byte)) {
        return masked.push_str(text);
    }
    for chunk in form.chunk_by(|a, b| is_placeholder(*a) == is_placeholder(*b)) {
        match chunk.first() {
            Some(first) if is_placeholder(*first) => push_wildcard(WILDCARD, masked),
            _ => masked.push_str(&String::from_utf8_lossy(chunk)),
        }
    }
}

/// Adds a wildcard; side by side they become one.
fn push_wildcard(wild: &str, masked: &mut String) {
    if masked.ends_with(REST) {
        return;
    }
    if let Some(before) = masked.strip_suffix(WILDCARD) {
        masked.truncate(before.len());
        masked.push_str(if wild == REST { REST } else { WILDCARD });
    } else {
        masked.push_str(wild);
    }
}
