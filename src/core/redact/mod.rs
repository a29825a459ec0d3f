//! Secrets and personal data → marks that tell their kind and nothing else.
//!
//! ```text
//! batch ─ leads? ─▶ nothing: as it is                        most lines
//!            └────▶ record ─ find ─▶ marks in their place
//! ```
//!
//! What is known without being told is found by hand: a lead (part of a name, the prefix of a key, an
//! `@`, a long number) is looked at where it stands, and no way leads back, so that the work grows with
//! the length of a text, whatever it holds. Patterns of the user are regular expressions: to find one match
//! takes linear time, all of them may take longer where a pattern reads far to find little.
//!
//! A mark, `<redacted:email>`, is a value to [`parse`](crate::core::parse): the template of a line is the
//! same whether a value in it was redacted or not.

mod address;
mod anchors;
mod block;
mod found;
mod json;
mod kind;
mod named;
mod number;
mod records;
mod text;
mod value;
mod vendor;

use std::fmt;
use std::sync::Arc;

use aho_corasick::Span;
use memchr::memchr;
use regex::Regex;

use anchors::{BLOCK_LEN, Lead, Look};
use found::Found;
use kind::{Kind, Kinds};

pub use records::{Redaction, Suspects};

use crate::core::record::Batch;

/// Most patterns of a user.
pub const PATTERNS_MAX: usize = 64;
/// Most bytes that a pattern takes when it is compiled.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Longest name of a pattern.
const NAME_LEN_MAX: usize = 32;
/// Bytes that a text may grow by, beside a quarter of its length: marks may be longer than what they
/// stand for. Beyond it a mark is one `*`.
const GROWTH_MAX: usize = 64;

/// What is redacted, in the words of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactSpec {
    /// Whether the kinds that are known without being told are.
    pub defaults: bool,
    /// Those of them that are not.
    pub except: Vec<String>,
    /// Patterns of the user's own, with the names of their kinds.
    pub patterns: Vec<(String, String)>,
}

impl Default for RedactSpec {
    fn default() -> Self {
        Self {
            defaults: true,
            except: Vec::new(),
            patterns: Vec::new(),
        }
    }
}

/// What is wrong with a [`RedactSpec`], and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct RedactProblem {
    /// The place, as in `patterns[0].regex`.
    pub path: String,
    /// What is wrong there and what to write.
    pub message: String,
}

/// Finds secrets and personal data and puts marks in their place.
#[derive(Clone)]
pub struct Redactor {
    /// Which of the kinds that are known without being told are redacted.
    known: Kinds,
    patterns: Vec<Regex>,
    /// The names of all kinds: those known, then those of the patterns.
    names: Vec<Arc<str>>,
    look: Look,
}

impl Default for Redactor {
    fn default() -> Self {
        Self {
            known: Kinds::ALL,
            patterns: Vec::new(),
            names: Kind::ALL.iter().map(|kind| kind.name().into()).collect(),
            look: Look::new(),
        }
    }
}

impl Redactor {
    /// A redactor that does what `spec` says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(spec: &RedactSpec) -> Result<Self, Vec<RedactProblem>> {
        let mut problems = Vec::new();
        let mut redactor = Self::default();
        for (index, name) in spec.except.iter().enumerate() {
            match Kind::ALL.iter().find(|kind| kind.name() == name) {
                Some(kind) => redactor.known = redactor.known.without(*kind),
                None => problems.push(problem(format!("except[{index}]"), no_kind(name))),
            }
        }
        if !spec.defaults {
            redactor.known = Kinds::NONE;
        }
        if spec.patterns.len() > PATTERNS_MAX {
            let message = format!("at most {PATTERNS_MAX} patterns are taken; join some with |");
            problems.push(problem("patterns".to_owned(), message));
        }
        for (index, (name, pattern)) in spec.patterns.iter().take(PATTERNS_MAX).enumerate() {
            if let Err(message) = redactor.checked_name(name) {
                problems.push(problem(format!("patterns[{index}].name"), message));
            }
            match compiled(pattern) {
                Ok(regex) => redactor.patterns.push(regex),
                Err(message) => {
                    problems.push(problem(format!("patterns[{index}].regex"), message));
                }
            }
            redactor.names.push(name.as_str().into());
        }
        match problems.is_empty() {
            true => Ok(redactor),
            false => Err(problems),
        }
    }

    /// The names of the kinds that are known without being told.
    pub fn known_kinds() -> impl Iterator<Item = &'static str> {
        Kind::ALL.iter().map(|kind| kind.name())
    }

    fn checked_name(&self, name: &str) -> Result<(), String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        if name.is_empty() || name.len() > NAME_LEN_MAX || !name.bytes().all(is_plain) {
            return Err(format!(
                "{name:?} is no name of a kind: write up to {NAME_LEN_MAX} lower-case letters and dashes, \
                 such as customer-number"
            ));
        }
        match self.names.iter().any(|known| **known == *name) {
            true => Err(format!(
                "{name:?} is a kind already; give it a name of its own"
            )),
            false => Ok(()),
        }
    }

    /// Appends `text` to `out` with a mark for each secret and says of each which kind it was; `false`
    /// where there is none, and then nothing is appended.
    fn rewrite(
        &self,
        (text, passes): (&str, Passes),
        out: &mut String,
        mut count: impl FnMut(usize),
    ) -> bool {
        let found = self.find(text, passes);
        if found.is_empty() {
            return false;
        }
        let mut room = text.len() + text.len() / 4 + GROWTH_MAX;
        let mut done = 0;
        for Found {
            kind,
            start,
            end,
            quotes,
        } in found
        {
            let start = text.floor_char_boundary(start).max(done);
            let end = text.ceil_char_boundary(end);
            if end <= start {
                continue;
            }
            out.push_str(text.get(done..start).unwrap_or_default());
            let name = self.names.get(kind).map_or("", |name| name);
            let before = out.len();
            write_mark(out, name, quotes);
            let grown = out.len() - before;
            let taken = end - start;
            if grown > taken + room.saturating_sub(text.len()) {
                out.truncate(before);
                out.push('*');
            } else {
                room = room + taken - grown;
            }
            done = end;
            count(kind);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        true
    }

    /// [`rewrite`](Self::rewrite) for the value of an attribute, whose name may say that it is secret.
    fn rewrite_value(
        &self,
        name: &str,
        value: &str,
        out: &mut String,
        mut count: impl FnMut(usize),
    ) -> bool {
        let kind = named::kind_of(name, value).filter(|kind| self.known.has(*kind));
        let Some(kind) = kind else {
            return self.rewrite((value, Passes::ALL), out, count);
        };
        write_mark(out, kind.name(), None);
        count(kind as usize);
        true
    }

    /// All that `passes` lead to in `text`, in order and without overlaps.
    fn find(&self, text: &str, passes: Passes) -> Vec<Found> {
        let mut all = Vec::new();
        if self.known != Kinds::NONE {
            self.follow_leads(text.as_bytes(), passes, &mut all);
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            all.extend(pattern.find_iter(text).map(|found| Found {
                kind: Kind::ALL.len() + index,
                start: found.start(),
                end: found.end(),
                quotes: None,
            }));
        }
        all.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end)));
        all.dedup_by(|next, kept| {
            let overlaps = next.start < kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        for found in &mut all {
            found.quotes = json::quotes(text.as_bytes(), found.start..found.end);
        }
        all
    }

    fn follow_leads(&self, text: &[u8], passes: Passes, all: &mut Vec<Found>) {
        let wanted = self.known;
        let mut note = |found: Option<Found>| {
            let is_wanted = |found: &Found| {
                let kind = Kind::ALL.get(found.kind);
                kind.is_some_and(|kind| wanted.has(*kind))
            };
            let found = found.filter(is_wanted)?;
            all.push(found);
            Some(found.end)
        };
        for group in (0..self.look.groups()).filter(|_| passes.has(Pass::Leads)) {
            let mut at = 0;
            while let Some((lead, span)) = self.look.lead(group, text, at) {
                at = match follow(lead, text, span, wanted) {
                    Ok(found) => note(Some(found)).unwrap_or(0).max(span.end),
                    Err(read) => read.max(span.end),
                };
            }
        }
        let mut at = if passes.has(Pass::Signs) {
            0
        } else {
            text.len()
        };
        while let Some(next) = memchr(b'@', text.get(at..).unwrap_or_default()) {
            let sign = at + next;
            at = note(address::find(text, sign)).unwrap_or(0).max(sign + 1);
        }
        at = if passes.has(Pass::Numbers) {
            0
        } else {
            text.len()
        };
        while let Some(block) = self.look.number(text, at) {
            at = block;
            let end = (block + BLOCK_LEN).min(text.len());
            while at < end {
                at = note(number_at(text, at, wanted)).unwrap_or(at + 1);
            }
        }
    }

    /// Which records of a batch may hold a secret.
    pub fn suspects(&self, batch: &Batch) -> Suspects {
        if !self.patterns.is_empty() {
            return Suspects::all();
        }
        let mut suspects = Suspects::none();
        if self.known == Kinds::NONE {
            return suspects;
        }
        let text = batch.texts().as_bytes();
        let mut mark = |pass, found: &dyn Fn(usize) -> Option<(usize, usize)>| {
            let mut at = 0;
            while let Some((start, end)) = found(at) {
                at = suspects.mark(batch, start..end, pass).max(end);
            }
        };
        for group in 0..self.look.groups() {
            mark(Pass::Leads, &|at| {
                let (_, span) = self.look.lead(group, text, at)?;
                Some((span.start, span.end))
            });
        }
        mark(Pass::Signs, &|at| {
            let sign = at + memchr(b'@', text.get(at..).unwrap_or_default())?;
            Some((sign, sign + 1))
        });
        mark(Pass::Numbers, &|at| {
            let block = self.look.number(text, at)?;
            Some((block, (block + BLOCK_LEN).min(text.len())))
        });
        // Text of another may stand before what begins a text, and hide it.
        for (index, starts) in batch.starts().enumerate() {
            if starts.iter().any(|start| anchors::may_begin(text, *start)) {
                suspects.mark_one(batch, index, Pass::Numbers);
            }
        }
        suspects
    }
}

/// A way to look at the bytes of a text.
#[derive(Clone, Copy)]
enum Pass {
    Leads = 1,
    Signs = 2,
    Numbers = 4,
}

/// The passes that found something in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes(u8);

impl Passes {
    const ALL: Self = Self(7);

    const fn has(self, pass: Pass) -> bool {
        self.0 & pass as u8 != 0
    }

    /// Whether none of them did.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a lead leads to, if it is wanted. Whatever is not taken out is read but a bounded number of times,
/// or up to where the search may go on.
///
/// # Errors
/// Up to where there is nothing of this kind.
fn follow(lead: Lead, text: &[u8], span: Span, wanted: Kinds) -> Result<Found, usize> {
    let start = span.start;
    if lead.kind().is_some_and(|kind| !wanted.has(kind)) {
        return Err(span.end);
    }
    if let Lead::Jwt = lead {
        return block::jwt(text, start);
    }
    found_by(lead, text, start, wanted).ok_or(span.end)
}

fn found_by(lead: Lead, text: &[u8], start: usize, wanted: Kinds) -> Option<Found> {
    match lead {
        Lead::Name => named::find(text, start, wanted),
        Lead::Bearer => block::bearer(text, start.checked_sub("Be".len())?),
        Lead::Basic => block::basic(text, start.checked_sub("B".len())?),
        Lead::Jwt => block::jwt(text, start).ok(),
        Lead::PrivateKey => block::private_key(text, start),
        Lead::Webhook => block::webhook(text, start),
        Lead::Telegram => vendor::telegram(text, start),
        Lead::OpenAi => vendor::open_ai(text, start),
        Lead::Vendor(vendor) => vendor.find(text, start),
    }
}

/// What begins at `at` and checks itself or has a short prefix; what a short word there names.
fn number_at(text: &[u8], at: usize, wanted: Kinds) -> Option<Found> {
    if anchors::is_short_word(text, at) {
        return named::find(text, at, wanted);
    }
    match text::byte(text, at) {
        b'2'..=b'6' => number::card(text, at),
        b'A'..=b'Z' | b'h' => vendor::short(text, at, wanted).or_else(|| number::iban(text, at)),
        _ => None,
    }
}

/// A mark, in quotes where it stands for a bare number in JSON.
fn write_mark(out: &mut String, name: &str, quotes: Option<usize>) {
    let quote: String = quotes
        .map(|slashes| "\\".repeat(slashes) + "\"")
        .unwrap_or_default();
    out.extend([&quote, "<redacted:", name, ">", &quote]);
}

fn problem(path: String, message: String) -> RedactProblem {
    RedactProblem { path, message }
}

fn no_kind(name: &str) -> String {
    let known: Vec<&str> = Redactor::known_kinds().collect();
    format!("there is no kind {name:?}; known are {}", known.join(", "))
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    let regex = regex::RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .build();
    match regex {
        Ok(regex) if regex.is_match("") => Err(
            "the pattern matches an empty text, so it would redact nothing everywhere".to_owned(),
        ),
        Ok(regex) => Ok(regex),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            Err(format!("{pattern:?} is no regular expression: {reason}"))
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("known", &self.known)
            .field("patterns", &self.patterns)
            .field("names", &self.names)
            .finish()
    }
}

#[cfg(test)]
mod tests;
