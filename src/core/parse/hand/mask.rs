//! Masks by hand: what they take out of a form before something is learned from it.
//!
//! A pattern is run over the form with each placeholder written as one `0`, so that `\d+`, `\w+`
//! and `[^ ]*` mean what they say, and no pattern can tell one number from another: what it does
//! to one line of a form it does to all. A match counts only where it begins and ends between
//! words. Of a pattern with a group the first group is taken out, else the whole match.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::form::{is_placeholder, is_word, place_of, position_of};
use crate::core::parse::param::{AnchoredParam, ParamKind, Place};
use crate::core::parse::scan::MIXED;

/// Most masks in one file.
pub const MASKS_MAX: usize = 100;
/// Most stretches that are taken out of one form.
const EDITS_MAX: usize = 256;
/// Most memory of one compiled pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

#[derive(Clone, Debug, Default)]
pub(super) struct Masks(Vec<Mask>);

#[derive(Clone, Debug)]
pub(super) struct Mask {
    regex: Regex,
    kind: ParamKind,
}

/// A form with stretches taken out by masks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The form with the placeholder of a mixed run for each stretch.
    pub form: Vec<u8>,
    original: Vec<u8>,
    edits: Vec<Edit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edit {
    /// Where its placeholder is in the masked form.
    at: usize,
    /// Where it was in the original.
    from: usize,
    to: usize,
    kind: ParamKind,
}

impl Mask {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it and what would be right, as one sentence.
    pub(super) fn parse(pattern: &str, kind: ParamKind) -> Result<Self, String> {
        let no_regex = |error: &dyn std::fmt::Display| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            format!(
                "{pattern:?} is no regular expression: {}",
                reason.trim_start_matches("error: ")
            )
        };
        let parsed = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(pattern);
        let hir = parsed.map_err(|error| no_regex(&error))?;
        if hir.properties().minimum_len().unwrap_or_default() == 0 {
            return Err(
                "it matches an empty text; a mask takes out at least one character".to_owned(),
            );
        }
        if tells_digits_apart(&hir) {
            return Err(
                "numbers are masked before, so a pattern cannot tell digits apart or count \
                        them; write \\d+ for any number"
                    .to_owned(),
            );
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(PATTERN_SIZE_MAX)
            .build();
        regex
            .map(|regex| Self { regex, kind })
            .map_err(|error| no_regex(&error))
    }
}

impl Masks {
    pub(super) fn new(masks: Vec<Mask>) -> Self {
        Self(masks)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What an earlier mask took out no later one sees.
    pub(super) fn apply(&self, form: &[u8]) -> Option<Masked> {
        if self.0.is_empty() {
            return None;
        }
        let seen: Vec<u8> = form.iter().map(|byte| shown(*byte)).collect();
        let mut stretches: Vec<(usize, usize, ParamKind)> = Vec::new();
        for mask in &self.0 {
            for captures in mask.regex.captures_iter(&seen) {
                let Some(found) = captures.get(1).or_else(|| captures.get(0)) else {
                    continue;
                };
                let (from, to) = (found.start(), found.end());
                let is_free = stretches
                    .iter()
                    .all(|(start, end, _)| to <= *start || *end <= from);
                let fits = from < to && is_border(form, from) && is_border(form, to);
                if is_free && fits && stretches.len() < EDITS_MAX {
                    stretches.push((from, to, mask.kind));
                }
            }
        }
        stretches.sort_unstable_by_key(|(from, ..)| *from);
        (!stretches.is_empty()).then(|| Masked::new(form, &stretches))
    }
}

impl Masked {
    fn new(original: &[u8], stretches: &[(usize, usize, ParamKind)]) -> Self {
        let mut form = Vec::with_capacity(original.len());
        let mut edits = Vec::with_capacity(stretches.len());
        let mut behind = 0;
        for &(from, to, kind) in stretches {
            form.extend_from_slice(original.get(behind..from).unwrap_or_default());
            edits.push(Edit {
                at: form.len(),
                from,
                to,
                kind,
            });
            form.push(MIXED);
            behind = to;
        }
        form.extend_from_slice(original.get(behind..).unwrap_or_default());
        Self {
            form,
            original: original.to_vec(),
            edits,
        }
    }

    /// A place of the masked form as one of the original form, and so of its messages.
    pub fn place(&self, place: Place) -> Place {
        place_of(
            &self.original,
            self.original_position(position_of(&self.form, place)),
        )
    }

    /// A value of the masked form as one of the original form; the kind is the mask's where the
    /// value is what a mask took out.
    pub fn param(&self, param: AnchoredParam) -> AnchoredParam {
        let start = position_of(&self.form, param.start);
        let end = position_of(&self.form, param.end);
        let edit = self
            .edits
            .iter()
            .find(|edit| (edit.at, edit.at + 1) == (start, end));
        AnchoredParam {
            kind: edit.map_or(param.kind, |edit| edit.kind),
            start: self.place(param.start),
            end: self.place(param.end),
        }
    }

    fn original_position(&self, position: usize) -> usize {
        let before = self
            .edits
            .iter()
            .take_while(|edit| edit.at < position)
            .last();
        before.map_or(position, |edit| edit.to + (position - edit.at - 1))
    }
}

fn shown(byte: u8) -> u8 {
    if is_placeholder(byte) { b'0' } else { byte }
}

/// Whether no word goes on across `position`.
fn is_border(form: &[u8], position: usize) -> bool {
    let is_word_at =
        |at: Option<usize>| at.and_then(|at| form.get(at)).is_some_and(|b| is_word(*b));
    !(is_word_at(position.checked_sub(1)) && is_word_at(Some(position)))
}

/// Whether a pattern depends on which digits stand somewhere, or on how many.
fn tells_digits_apart(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.iter().any(u8::is_ascii_digit),
        HirKind::Class(class) => !matches!(digits_of(class), 0 | 10),
        HirKind::Repetition(repeated) => {
            let counts = repeated.min > 1 || repeated.max.is_some_and(|max| max > 1);
            tells_digits_apart(&repeated.sub) || (counts && takes_digits(&repeated.sub))
        }
        HirKind::Capture(group) => tells_digits_apart(&group.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(tells_digits_apart)
        }
    }
}

/// Whether a pattern can take a digit.
fn takes_digits(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(class) => digits_of(class) > 0,
        HirKind::Repetition(repeated) => takes_digits(&repeated.sub),
        HirKind::Capture(group) => takes_digits(&group.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(takes_digits),
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => false,
    }
}

/// How many of the ten digits a class has.
fn digits_of(class: &Class) -> usize {
    let has = |digit: u8| match class {
        Class::Unicode(class) => {
            let digit = char::from(digit);
            class
                .ranges()
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&digit))
        }
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&digit)),
    };
    (b'0'..=b'9').filter(|digit| has(*digit)).count()
}
