//! Templates, masks and seeds that people wrote down, and what they mean for a line.
//!
//! Everything here is a function of a message's *form*: the message with each number, hexadecimal
//! string, mixed run and UUID as one placeholder byte. So what is decided once for a form holds for
//! all its lines, and the cache of the miner stays right. The one exception is a
//! [`Split`], which looks at one value of each line of its template.
//!
//! Precedence: a template by hand takes a line before anything else does, the first in the file
//! first. What it leaves is masked and goes to the seed or the learned template that says most about
//! it. Seeds are known from the start and stay as they are; no seed is learned twice.

mod class;
mod form;
mod kind;
mod mask;
mod spec;
mod pattern;
#[cfg(test)]
mod tests;

pub use class::classify;
pub use mask::{MASKS_MAX, Masked};
pub use pattern::{REST, masked_text};
pub use spec::{
    HandProblem, HandSpec, MaskSpec, SPLIT_VALUES_MAX, SplitSpec, TEXT_LEN_MAX, TemplateSpec,
};

use mask::Masks;

use kind::kind_of;
use pattern::Pattern;

use super::cache::emit;
use super::mask::shape_of;
use super::param::{AnchoredParam, PARAMS_MAX, Param, ParamKind};
use crate::core::event::Class;

/// Most templates in one file, and most seeds.
pub const HAND_TEMPLATES_MAX: usize = 1_000;

/// What a file of templates by hand says, checked.
#[derive(Clone, Debug, Default)]
pub struct Hand {
    templates: Vec<HandTemplate>,
    masks: Masks,
    seeds: Vec<Box<str>>,
    frozen: bool,
}

/// A template by hand. It is never widened, merged or split by what is learned.
#[derive(Clone, Debug)]
pub struct HandTemplate {
    /// The text, with `<*>` for one word or part of one and `<**>` for anything.
    pub text: Box<str>,
    /// What people call it.
    pub name: Option<Box<str>>,
    /// As set; `None` leaves it to the words.
    pub class: Option<Class>,
    /// Never let go to make room.
    pub is_pinned: bool,
    /// Where lines with different values are different templates.
    pub split: Option<Split>,
    pattern: Pattern,
}

/// Lines of a template that are templates of their own by what they say in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The wildcard that is looked at, from 0.
    pub at: usize,
    /// Each value and the text of its template: that of the whole with the value filled in.
    pub values: Vec<(Box<str>, Box<str>)>,
}

/// The template by hand that takes a form, and the values of the form's messages.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// The template.
    pub template: &'a HandTemplate,
    /// Its place in the file, from 0.
    pub index: usize,
    /// One for each wildcard of its text, in order.
    pub params: Vec<AnchoredParam>,
}

impl Hand {
    /// The first template by hand that takes messages of this form.
    pub fn place(&self, form: &[u8]) -> Option<Placed<'_>> {
        let mut templates = self.templates.iter().enumerate();
        templates.find_map(|(index, template)| {
            let params = values_in_form(&template.pattern, form)?;
            Some(Placed {
                template,
                index,
                params,
            })
        })
    }

    /// The first template by hand that takes `message`, as [`place`](Self::place) of its form does.
    pub fn place_message(&self, message: &[u8]) -> Option<Placed<'_>> {
        self.place(&form::seen(message).0)
    }

    /// Whether a mask takes something out of `message`.
    pub fn masks_message(&self, message: &[u8]) -> bool {
        self.mask(&form::seen(message).0).is_some()
    }

    /// The form with what the masks take out replaced; `None` where they take out nothing. What is
    /// learned is learned from the result.
    pub fn mask(&self, form: &[u8]) -> Option<Masked> {
        self.masks.apply(form)
    }

    /// All templates, in the order of the file, which is their precedence.
    pub fn templates(&self) -> &[HandTemplate] {
        &self.templates
    }

    /// Texts that are known from the start and stay as they are, in the order of the file.
    pub fn seeds(&self) -> &[Box<str>] {
        &self.seeds
    }

    /// Whether nothing new is learned: what no known template takes goes to the overflow.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.masks.is_empty() && self.seeds.is_empty() && !self.frozen
    }

    /// The template by hand with this text, itself or one of its splits: for its name and class.
    pub fn named(&self, text: &str) -> Option<&HandTemplate> {
        self.templates.iter().find(|template| {
            let splits = template.split.iter().flat_map(|split| &split.values);
            &*template.text == text || splits.into_iter().any(|(_, own)| &**own == text)
        })
    }

    /// The class of a template: that of the file, else as its words say.
    pub fn class_of(&self, text: &str) -> Class {
        let set = self.named(text).and_then(|template| template.class);
        set.unwrap_or_else(|| classify(text))
    }
}

/// What the wildcards of a template's `text` stand for in `message`, with their kinds, as far as the
/// text can tell; `None` if the message does not look like that template.
pub fn values_of(text: &str, message: &[u8]) -> Option<Vec<Param>> {
    let (form, variables) = form::seen(message);
    let pattern = Pattern::of_template(text);
    let anchored = values_in_shape(&pattern, &form).or_else(|| values_in_form(&pattern, &form))?;
    let mut values = Vec::new();
    emit(&anchored, &variables, &mut values);
    Some(values)
}

/// A learned template says what shapes say.
fn values_in_shape(pattern: &Pattern, form: &[u8]) -> Option<Vec<AnchoredParam>> {
    let shape = shape_of(form);
    let found = pattern.find(shape.text.as_bytes())?;
    let value = |range| {
        let (start, end) = shape.places(range)?;
        let is_part = |param: &&AnchoredParam| param.start <= start && end <= param.end;
        let kind = shape.params.iter().find(is_part).map(|param| param.kind);
        let kind = kind.unwrap_or(ParamKind::Word);
        Some(AnchoredParam { kind, start, end })
    };
    found.into_iter().map(value).collect()
}

/// A template by hand says what forms say.
fn values_in_form(pattern: &Pattern, form: &[u8]) -> Option<Vec<AnchoredParam>> {
    let found = pattern.find(form)?;
    let values = found.into_iter().take(PARAMS_MAX).map(|range| {
        let kind = kind_of(form.get(range.clone()).unwrap_or_default());
        form::anchored(form, range, kind)
    });
    Some(values.collect())
}

/// A message as templates and masks by hand see it: each number, hexadecimal string, mixed run and
/// UUID is one `0`, a control character is a blank.
pub fn seen_as(message: &[u8]) -> String {
    let shown = |byte: &u8| {
        if form::is_placeholder(*byte) {
            b'0'
        } else {
            *byte
        }
    };
    let seen: Vec<u8> = form::seen(message).0.iter().map(shown).collect();
    String::from_utf8_lossy(&seen).into_owned()
}

impl HandTemplate {
    /// The text and those of its splits.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let splits = self.split.iter().flat_map(|split| &split.values);
        std::iter::once(&*self.text).chain(splits.map(|(_, text)| &**text))
    }
}

impl Split {
    /// The text of the template for a line with this value; `None` leaves it with the whole.
    pub fn choose(&self, value: &[u8]) -> Option<&str> {
        let mut values = self.values.iter();
        let (_, text) = values.find(|(known, _)| known.as_bytes() == value)?;
        Some(text)
    }
}
