//! Lexemes → the text, tokens and values of a [`Shape`].

use super::lexeme::{Class, Lexeme, Notation, is_placeholder};
use super::shape::{Shape, TOKENS_MAX, Token, TokenKind};
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
    let mut complete = whole;
    while let Some((first, _)) = rest.split_first() {
        let len = writer.token_len(rest);
        let (token, next) = rest.split_at(len);
        if first.class == Class::Blank {
            writer.spaced = true;
        } else if first.class == Class::Mark(b')') {
            writer.fill_brackets();
        }
        if first.class == Class::Blank {
        } else if !writer.push(token) {
            complete = false;
            break;
        }
        rest = next;
    }
    if !complete {
        writer.cut();
    }
    writer.shape
}

struct Writer<'a> {
    form: &'a [u8],
    shape: Shape,
    /// Bytes of the form that `place` has counted.
    read: usize,
    place: Place,
    spaced: bool,
}

/// Marks that hold the parts of one word together: `java.io.File`, `read-only`, `user_id`.
const INNER: &[u8] = b"._-$'";

impl Writer<'_> {
    /// Lexemes of the token at the head: words joined from the inside, marks of one kind, or one.
    fn token_len(&self, rest: &[Lexeme]) -> usize {
        let class = |at: usize| rest.get(at).map_or(Class::Blank, |each| each.class);
        let mut len = 1;
        match class(0) {
            Class::Mark(mark) => {
                while class(len) == Class::Mark(mark) {
                    len += 1;
                }
            }
            Class::Word => {
                while let (Class::Mark(mark), Class::Word) = (class(len), class(len + 1))
                    && INNER.contains(&mark)
                {
                    len += 2;
                }
            }
            _ => {}
        }
        len
    }

    /// Adds a token; false when there is no room for it.
    fn push(&mut self, lexemes: &[Lexeme]) -> bool {
        let (Some(first), Some(last)) = (lexemes.first(), lexemes.last()) else {
            return true;
        };
        let from = self.place_of(usize::from(first.start));
        let to = self.place_of(usize::from(last.end));
        let bytes = self
            .form
            .get(usize::from(first.start)..usize::from(last.end))
            .unwrap_or_default();
        let (kind, text) = match first.class {
            Class::Value(kind, Notation::Whole) => (TokenKind::Value(kind), WILDCARD.to_owned()),
            Class::Value(kind, Notation::Parts) => (TokenKind::Value(kind), parts(bytes)),
            Class::Mark(_) => (TokenKind::Mark, lossy(bytes)),
            _ => (TokenKind::Word, lossy(bytes)),
        };
        let room = SHAPE_LEN_MAX - WILDCARD.len() - 1;
        if self.shape.text.len() + 1 + text.len() > room
            || self.shape.tokens.len() + 1 >= TOKENS_MAX
        {
            return false;
        }
        self.write(&text, kind, from, to);
        if let TokenKind::Value(kind) = kind
            && self.shape.params.len() < PARAMS_MAX
        {
            self.shape.params.push(AnchoredParam {
                kind,
                start: from,
                end: to,
            });
        }
        true
    }

    /// Brackets of their own with nothing in them hold an empty value, so that `()` and `(host)`
    /// are one shape.
    fn fill_brackets(&mut self) {
        let place = self.place;
        if self.shape.text.ends_with(" (") && !self.spaced {
            self.write(WILDCARD, TokenKind::Value(ParamKind::Word), place, place);
        }
    }

    /// What is left out becomes one wildcard.
    fn cut(&mut self) {
        let place = self.place;
        self.spaced = true;
        self.write(WILDCARD, TokenKind::Value(ParamKind::Word), place, place);
    }

    fn write(&mut self, text: &str, kind: TokenKind, from: Place, to: Place) {
        if std::mem::take(&mut self.spaced) && !self.shape.text.is_empty() {
            self.shape.text.push(' ');
        }
        let start = self.shape.text.len() as u16;
        self.shape.text.push_str(text);
        let end = self.shape.text.len() as u16;
        self.shape.tokens.push(Token {
            start,
            end,
            kind,
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

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
