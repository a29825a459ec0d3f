//! Lexemes → the text, tokens and values of a [`Shape`].

use super::lexeme::{Class, Lexeme, Notation, is_placeholder};
use super::shape::{Shape, TOKENS_MAX, Token};
use super::{SHAPE_LEN_MAX, WILDCARD};
use crate::core::parse::param::{AnchoredParam, PARAMS_MAX, ParamKind, Place};

/// Writes the shape of `lexemes`; unless `whole`, more of the form follows them.
pub(super) fn write(form: &[u8], lexemes: &[Lexeme], whole: bool) -> Shape {
    let mut writer = Writer {
        form,
        shape: Shape::default(),
        read: 0,
        place: Place::default(),
        spaced: false,
    };
    let mut rest = lexemes;
    while let Some((first, next)) = rest.split_first() {
        let len = 1 + next.iter().take_while(|each| joins(first, each)).count();
        let (token, next) = rest.split_at(len);
        if !writer.push(token) {
            break;
        }
        rest = next;
    }
    let complete = whole && rest.is_empty();
    if !complete {
        writer.cut();
    }
    writer.shape
}

/// Whether a lexeme goes on where another is literal text too: both are one token.
fn joins(first: &Lexeme, next: &Lexeme) -> bool {
    let literal = |class| matches!(class, Class::Word | Class::Mark(_));
    literal(first.class) && literal(next.class) && next.class != Class::Mark(b')')
}

struct Writer<'a> {
    form: &'a [u8],
    shape: Shape,
    /// Bytes of the form that `place` has counted.
    read: usize,
    place: Place,
    spaced: bool,
}

impl Writer<'_> {
    /// Adds a token; false when there is no room for it.
    fn push(&mut self, lexemes: &[Lexeme]) -> bool {
        let (Some(first), Some(last)) = (lexemes.first(), lexemes.last()) else {
            return true;
        };
        match first.class {
            Class::Blank => {
                self.spaced = true;
                return true;
            }
            Class::Mark(b')') => self.fill_brackets(),
            _ => {}
        }
        let from = self.place_of(usize::from(first.start));
        let to = self.place_of(usize::from(last.end));
        let bytes = self
            .form
            .get(usize::from(first.start)..usize::from(last.end))
            .unwrap_or_default();
        let text = match first.class {
            Class::Value(_, Notation::Whole) => WILDCARD.to_owned(),
            Class::Value(_, Notation::Parts) => parts(bytes),
            Class::Value(_, Notation::Stem) => stem(bytes),
            _ => lossy(bytes),
        };
        let room = SHAPE_LEN_MAX - WILDCARD.len() - 1;
        if self.shape.text.len() + 1 + text.len() > room
            || self.shape.tokens.len() + 1 >= TOKENS_MAX
        {
            return false;
        }
        match first.class {
            Class::Value(kind, _) => self.write_value(&text, kind, from, to),
            _ => self.write(&text, true, from, to),
        }
        true
    }

    /// Brackets of their own with nothing in them hold an empty value, so that `()` and `(host)`
    /// are one shape.
    fn fill_brackets(&mut self) {
        let place = self.place;
        if self.shape.text.ends_with(" (") && !self.spaced {
            self.write_value(WILDCARD, ParamKind::Word, place, place);
        }
    }

    /// What is left out becomes one wildcard.
    fn cut(&mut self) {
        self.spaced = true;
        self.write(WILDCARD, false, self.place, self.place);
    }

    fn write_value(&mut self, text: &str, kind: ParamKind, start: Place, end: Place) {
        if self.shape.params.len() < PARAMS_MAX {
            self.shape.params.push(AnchoredParam { kind, start, end });
        }
        self.write(text, false, start, end);
    }

    fn write(&mut self, text: &str, literal: bool, from: Place, to: Place) {
        if std::mem::take(&mut self.spaced) && !self.shape.text.is_empty() {
            self.shape.text.push(' ');
        }
        let start = self.shape.text.len() as u16;
        self.shape.text.push_str(text);
        let end = self.shape.text.len() as u16;
        self.shape.tokens.push(Token {
            start,
            end,
            literal,
            from,
            to,
        });
    }

    /// The place of a byte of the form at or after all asked for before.
    fn place_of(&mut self, at: usize) -> Place {
        for byte in self.form.get(self.read..at).unwrap_or_default() {
            if is_placeholder(*byte) {
                self.place = Place {
                    after: self.place.after.saturating_add(1),
                    delta: 0,
                };
            } else {
                self.place.delta = self.place.delta.saturating_add(1);
            }
        }
        self.read = self.read.max(at);
        self.place
    }
}

/// A wildcard for each run, with the separators between them; blanks separate nothing.
fn parts(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut marks = String::new();
    let mut after_blank = false;
    let mut in_run = false;
    for &byte in bytes {
        let mark = byte.is_ascii() && !byte.is_ascii_alphanumeric() && !is_placeholder(byte);
        if byte == b' ' {
            after_blank = true;
            in_run = false;
        } else if mark {
            marks.push(char::from(byte));
            in_run = false;
        } else if !std::mem::replace(&mut in_run, true) {
            let joined = (after_blank || matches!(marks.as_str(), "." | ",")) && !text.is_empty();
            if !joined {
                text.push_str(&marks);
                text.push_str(WILDCARD);
            }
            marks.clear();
            after_blank = false;
        }
    }
    text
}

/// A wildcard for each placeholder, everything else as it is.
fn stem(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes
        .split(|byte| is_placeholder(*byte))
        .map(lossy)
        .collect();
    parts.join(WILDCARD)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
