//! What a file says, and all that is wrong with it.

use super::form::seen;
use super::mask::{MASKS_MAX, Mask, Masks};
use super::pattern::{Pattern, REST, masked};
use super::{Class, HAND_TEMPLATES_MAX, Hand, HandTemplate, Split};
use crate::core::parse::mask::{SHAPE_LEN_MAX, WILDCARD};
use crate::core::parse::param::ParamKind;

/// Longest text of a template or seed, in bytes.
pub const TEXT_LEN_MAX: usize = SHAPE_LEN_MAX;
/// Most values of one [`SplitSpec`].
pub const SPLIT_VALUES_MAX: usize = 100;

/// A file of templates by hand, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandSpec {
    /// The templates.
    pub templates: Vec<TemplateSpec>,
    /// The masks.
    pub masks: Vec<MaskSpec>,
    /// Texts that are known from the start.
    pub seeds: Vec<String>,
    /// Whether nothing new is to be learned.
    pub freeze: bool,
}

/// A template, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateSpec {
    /// The text.
    pub text: String,
    /// What people call it.
    pub name: Option<String>,
    /// `None` is guessed from the words.
    pub class: Option<Class>,
    /// Never to be let go.
    pub pin: bool,
    /// Values that are templates of their own.
    pub split: Option<SplitSpec>,
}

/// A split, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitSpec {
    /// The wildcard that is looked at, from 1.
    pub at: usize,
    /// The values.
    pub values: Vec<String>,
}

/// A mask, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskSpec {
    /// The regular expression.
    pub pattern: String,
    /// What it takes out.
    pub kind: ParamKind,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandProblem {
    /// Where: `templates[2].text`.
    pub path: String,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

impl Hand {
    /// Checks what is written.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the file.
    pub fn parse(spec: &HandSpec) -> Result<Self, Vec<HandProblem>> {
        let mut checked = Checked::default();
        checked.count("templates", spec.templates.len(), HAND_TEMPLATES_MAX);
        checked.count("masks", spec.masks.len(), MASKS_MAX);
        checked.count("seeds", spec.seeds.len(), HAND_TEMPLATES_MAX);
        for (index, template) in spec.templates.iter().take(HAND_TEMPLATES_MAX).enumerate() {
            checked.template(index, template);
        }
        let mut masks = Vec::new();
        for (index, mask) in spec.masks.iter().take(MASKS_MAX).enumerate() {
            match Mask::parse(&mask.pattern, mask.kind) {
                Ok(mask) => masks.push(mask),
                Err(message) => checked.say(format!("masks[{index}].pattern"), message),
            }
        }
        for (index, seed) in spec.seeds.iter().take(HAND_TEMPLATES_MAX).enumerate() {
            checked.seed(index, seed);
        }
        if checked.problems.is_empty() {
            Ok(Self {
                templates: checked.templates,
                masks: Masks::new(masks),
                seeds: checked.seeds,
                frozen: spec.freeze,
            })
        } else {
            Err(checked.problems)
        }
    }
}

#[derive(Default)]
struct Checked {
    templates: Vec<HandTemplate>,
    seeds: Vec<Box<str>>,
    problems: Vec<HandProblem>,
}

impl Checked {
    fn say(&mut self, path: String, message: impl Into<String>) {
        self.problems.push(HandProblem {
            path,
            message: message.into(),
        });
    }

    fn count(&mut self, what: &str, count: usize, max: usize) {
        if count > max {
            self.say(
                what.to_owned(),
                format!("{count} are too many; at most {max} are taken"),
            );
        }
    }

    fn template(&mut self, index: usize, spec: &TemplateSpec) {
        let place = |field: &str| format!("templates[{index}].{field}");
        let text = one_blank(&spec.text);
        if let Err(message) = check_len(&text) {
            return self.say(place("text"), message);
        }
        let pattern = match Pattern::parse(&text) {
            Ok(pattern) => pattern,
            Err(message) => return self.say(place("text"), message),
        };
        if let Some(earlier) = self.taker_of(&text) {
            let message =
                format!("templates[{earlier}] takes all its lines before; put this one above it");
            return self.say(place("text"), message);
        }
        let split = match &spec.split {
            None => None,
            Some(written) => match split(written, &text, &pattern) {
                Ok(split) => Some(split),
                Err((field, message)) => {
                    return self.say(place(&format!("split.{field}")), message);
                }
            },
        };
        self.templates.push(HandTemplate {
            class: spec.class,
            name: spec.name.as_deref().map(Into::into),
            is_pinned: spec.pin,
            text: text.into(),
            split,
            pattern,
        });
    }

    /// The earlier template that takes every line of one with this text.
    fn taker_of(&self, text: &str) -> Option<usize> {
        // Any line of the template looks like these to the earlier ones, or is shorter.
        let lines = [WORD, TWO_WORDS, ""].map(|filling| {
            let line = text.replace(REST, filling).replace(WILDCARD, WORD);
            seen(line.as_bytes()).0
        });
        let takes = |template: &HandTemplate| {
            lines
                .iter()
                .all(|line| template.pattern.find(line).is_some())
        };
        self.templates.iter().position(takes)
    }

    fn seed(&mut self, index: usize, written: &str) {
        let text = one_blank(written);
        let right = masked(&text);
        let place = format!("seeds[{index}]");
        if let Err(message) = check_len(&text) {
            self.say(place, message);
        } else if text.contains(REST) {
            self.say(
                place,
                format!("{REST} stands only in templates; write {WILDCARD}"),
            );
        } else if right != text {
            self.say(
                place,
                format!("numbers are masked in all templates; write {right:?}"),
            );
        } else {
            self.seeds.push(text.into());
        }
    }
}

/// A word that no text has: a character for private use.
const WORD: &str = "\u{e000}";
const TWO_WORDS: &str = "\u{e000} \u{e000}";

fn check_len(text: &str) -> Result<(), String> {
    match text.len() {
        0 => Err("it is empty; write what the lines say, with <*> for what varies".to_owned()),
        1..=TEXT_LEN_MAX => Ok(()),
        len => Err(format!(
            "it has {len} bytes; at most {TEXT_LEN_MAX} are taken"
        )),
    }
}

/// The text with one blank for each run of blanks and control characters, none at the ends.
pub(super) fn one_blank(text: &str) -> String {
    let is_blank = |c: char| c == ' ' || c.is_ascii_control();
    let words: Vec<&str> = text
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// The split, or the field and what is wrong with it.
fn split(spec: &SplitSpec, text: &str, pattern: &Pattern) -> Result<Split, (&'static str, String)> {
    let wildcards = pattern.wildcards();
    let Some(at) = spec.at.checked_sub(1).filter(|at| *at < wildcards) else {
        let message = match wildcards {
            0 => "the text has no wildcard to split at".to_owned(),
            1 => "the text has one wildcard; write 1".to_owned(),
            count => format!("the text has {count} wildcards; write 1 to {count}"),
        };
        return Err(("at", message));
    };
    if !pattern.is_word(at) {
        return Err((
            "at",
            format!("only a {WILDCARD} can be split, {REST} has too many values"),
        ));
    }
    if spec.values.is_empty() || spec.values.len() > SPLIT_VALUES_MAX {
        let message = format!("name 1 to {SPLIT_VALUES_MAX} values");
        return Err(("values", message));
    }
    let mut values: Vec<(Box<str>, Box<str>)> = Vec::new();
    for value in &spec.values {
        let is_word = !value.is_empty() && !value.contains(|c: char| c == ' ' || c.is_control());
        if !is_word || value.contains(WILDCARD) || value.len() > TEXT_LEN_MAX {
            return Err((
                "values",
                format!("{value:?} is not one word, so no line has it there"),
            ));
        }
        if values.iter().any(|(known, _)| **known == **value) {
            return Err(("values", format!("{value:?} is named twice")));
        }
        values.push((value.as_str().into(), filled(text, at, value).into()));
    }
    Ok(Split { at, values })
}

/// The text with `value` for wildcard `at`.
fn filled(text: &str, at: usize, value: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    for index in 0.. {
        let next = [WILDCARD, REST]
            .into_iter()
            .filter_map(|wild| Some((rest.find(wild)?, wild)));
        let Some((found, wild)) = next.min() else {
            break;
        };
        let (before, after) = rest.split_at(found);
        result.push_str(before);
        result.push_str(if index == at { value } else { wild });
        rest = after.get(wild.len()..).unwrap_or_default();
    }
    result + rest
}
