//! Templates, masks and seeds that people wrote down, and what they mean for a line.
//!
//! Everything here is a function of a message's *form*: the message with each number, hexadecimal
//! string, mixed run and UUID as one placeholder byte. So what is decided once for a form holds for
//! all its lines, and the cache of the miner stays right. The one exception is a
//! [`Split`], which looks at one value of each line of its template.
//!
//! Precedence: a template by hand takes a line before anything learned does, the first in the file
//! first; masks shape only what is learned; a seed is known from the start but may be widened or
//! merged by what is learned.

mod class;
mod form;
mod kind;
mod mask;
mod spec;
mod pattern;
#[cfg(test)]
mod tests;

pub use class::{Class, classify};
pub use form::form_of;
pub use kind::kind_of;
pub use mask::{MASKS_MAX, Masked};
pub use pattern::{Pattern, REST, masked_text};
pub use spec::{
    HandProblem, HandSpec, MaskSpec, SPLIT_VALUES_MAX, SplitSpec, TEXT_LEN_MAX, TemplateSpec,
};

use mask::Masks;

use super::param::{AnchoredParam, Param};

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
            let found = template.pattern.find(form)?;
            let params = found.into_iter().map(|range| {
                let kind = kind_of(form.get(range.clone()).unwrap_or_default());
                form::anchored(form, range, kind)
            });
            Some(Placed {
                template,
                index,
                params: params.collect(),
            })
        })
    }

    /// The form with what the masks take out replaced; `None` where they take out nothing. What is
    /// learned is learned from the result.
    pub fn mask(&self, form: &[u8]) -> Option<Masked> {
        self.masks.apply(form)
    }

    /// The message with what the masks take out written as `0`; `None` where they take out nothing.
    pub fn masked_message(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (form, variables) = form::seen(message);
        let masked = self.mask(&form)?;
        let mut text = Vec::with_capacity(message.len());
        let mut behind = 0;
        for (from, to) in masked.taken_out() {
            let offset = |position| form::offset_of(form::place_of(&form, position), &variables);
            text.extend_from_slice(message.get(behind..offset(from)).unwrap_or_default());
            text.push(b'0');
            behind = offset(to);
        }
        text.extend_from_slice(message.get(behind..).unwrap_or_default());
        Some(text)
    }

    /// All templates, in the order of the file, which is their precedence.
    pub fn templates(&self) -> &[HandTemplate] {
        &self.templates
    }

    /// Texts that are known from the start and then learned on, in the order of the file.
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

    /// The text of the template by hand that takes `message`, its splits looked at.
    pub fn text_for(&self, message: &[u8]) -> Option<&str> {
        let (form, variables) = form::seen(message);
        let placed = self.place(&form)?;
        let split = placed.template.split.as_ref().and_then(|split| {
            let param = resolved(*placed.params.get(split.at)?, &variables);
            split.choose(message.get(param.start as usize..param.end as usize)?)
        });
        Some(split.unwrap_or(&placed.template.text))
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

/// What the wildcards of a template's `text` stand for in `message`, with their kinds; `None` if
/// the message is not of that template, as far as its text can tell.
pub fn values_of(text: &str, message: &[u8]) -> Option<Vec<Param>> {
    let (form, variables) = form::seen(message);
    let found = Pattern::of_template(text).find(&form)?;
    let param = |range: std::ops::Range<usize>| {
        let kind = kind_of(form.get(range.clone()).unwrap_or_default());
        resolved(form::anchored(&form, range, kind), &variables)
    };
    Some(found.into_iter().map(param).collect())
}

fn resolved(param: AnchoredParam, variables: &[std::ops::Range<usize>]) -> Param {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Param {
        kind: param.kind,
        start: narrow(form::offset_of(param.start, variables)),
        end: narrow(form::offset_of(param.end, variables)),
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
