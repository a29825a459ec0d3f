//! The file of templates by hand: YAML → [`Hand`], or all that is wrong with it.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer, de};

use super::problem::{Problem, Problems};
use super::tree::Node;
use super::{ConfigError, malformed, read, read_file};
use crate::core::event::Class;
use crate::core::parse::{Hand, HandSpec, MaskSpec, ParamKind, SplitSpec, TemplateSpec};

/// Reads a file of templates, masks and seeds.
///
/// # Errors
/// The file cannot be read, or anything in it is wrong: then all of it.
pub fn load_hand(path: &Path) -> Result<Hand, ConfigError> {
    let text = read_file(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    hand_from_text(&path.display().to_string(), &text).map_err(ConfigError::Problems)
}

/// Reads `text`, which complaints call `name`.
///
/// # Errors
/// All that is wrong with it.
pub fn hand_from_text(name: &str, text: &str) -> Result<Hand, Problems> {
    let mut tree = match Node::parse(text) {
        Ok(tree) => tree,
        Err(reason) => return refused(name, text, vec![malformed(reason)]),
    };
    let written = tree.clone();
    let (file, problems) = read::read::<HandFile>(&mut tree);
    if !problems.is_empty() {
        return refused(name, text, problems);
    }
    match Hand::parse(&file.into()) {
        Ok(hand) => Ok(hand),
        Err(problems) => {
            let placed = problems.into_iter().map(|problem| Problem {
                origin: written.origin_of(&problem.path),
                message: format!("{}: {}", problem.path, problem.message),
                path: problem.path,
            });
            refused(name, text, placed.collect())
        }
    }
}

fn refused(name: &str, text: &str, problems: Vec<Problem>) -> Result<Hand, Problems> {
    match Problems::new(name, text, problems) {
        Some(problems) => Err(problems),
        None => Ok(Hand::default()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HandFile {
    templates: Vec<TemplateEntry>,
    masks: Vec<MaskEntry>,
    seeds: Vec<String>,
    freeze: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateEntry {
    text: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    class: Option<ClassName>,
    #[serde(default)]
    pin: bool,
    #[serde(default)]
    split: Option<SplitEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitEntry {
    at: usize,
    values: Vec<Word>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskEntry {
    pattern: String,
    #[serde(default)]
    kind: KindName,
}

/// A value as it stands in lines, where YAML may take it for a number.
struct Word(String);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClassName {
    Error,
    Latency,
    Saturation,
    Availability,
    Info,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Number,
    Hex,
    Ip,
    Uuid,
    Duration,
    Size,
    Path,
    Timestamp,
    Url,
    Email,
    #[default]
    Identifier,
    Word,
}

impl From<HandFile> for HandSpec {
    fn from(file: HandFile) -> Self {
        let templates = file.templates.into_iter().map(|entry| TemplateSpec {
            text: entry.text,
            name: entry.name,
            class: entry.class.map(Class::from),
            pin: entry.pin,
            split: entry.split.map(|split| SplitSpec {
                at: split.at,
                values: split.values.into_iter().map(|value| value.0).collect(),
            }),
        });
        let masks = file.masks.into_iter().map(|entry| MaskSpec {
            pattern: entry.pattern,
            kind: entry.kind.into(),
        });
        Self {
            templates: templates.collect(),
            masks: masks.collect(),
            seeds: file.seeds,
            freeze: file.freeze,
        }
    }
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Error => Self::Error,
            ClassName::Latency => Self::Latency,
            ClassName::Saturation => Self::Saturation,
            ClassName::Availability => Self::Availability,
            ClassName::Info => Self::Info,
        }
    }
}

impl From<KindName> for ParamKind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Number => Self::Number,
            KindName::Hex => Self::Hex,
            KindName::Ip => Self::Ip,
            KindName::Uuid => Self::Uuid,
            KindName::Duration => Self::Duration,
            KindName::Size => Self::Size,
            KindName::Path => Self::Path,
            KindName::Timestamp => Self::Timestamp,
            KindName::Url => Self::Url,
            KindName::Email => Self::Email,
            KindName::Identifier => Self::Identifier,
            KindName::Word => Self::Word,
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

struct WordVisitor;

impl de::Visitor<'_> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Word, E> {
        Ok(Word(value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        hand_from_text("by-hand.yaml", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_file_is_read_with_everything_it_can_say() {
        let text = "templates:\n\
            - {text: 'user <*> logged in', name: login, class: info, pin: true}\n\
            - {text: '<*> answered <*>', split: {at: 2, values: [404, '500', yes]}}\n\
            masks: [{pattern: 'tenant=(\\w+)', kind: word}, {pattern: 'x+'}]\n\
            seeds: ['door <*> is open']\nfreeze: true\n";
        let hand = hand_from_text("x", text).unwrap();
        let login = &hand.templates()[0];
        assert_eq!(login.name.as_deref(), Some("login"));
        assert!(login.is_pinned && hand.is_frozen());
        assert_eq!(login.class, Some(Class::Info));
        let split = hand.templates()[1].split.as_ref().unwrap();
        assert_eq!(split.choose(b"404"), Some("<*> answered 404"));
        assert_eq!(hand.seeds().len(), 1);
        assert!(hand.mask(b"a tenant=blue b").is_some());
        assert!(hand_from_text("x", "").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_told_with_line_and_way_out() {
        let wrong = told(
            "templates:\n  - text: took 30 ms\n  - txt: x\nmasks:\n  - {pattern: '[0-4]', kind: wrod}\n",
        );
        for expected in [
            "by-hand.yaml:3:5  unknown setting \"txt\" in templates[1]; did you mean \"text\"?",
            "by-hand.yaml:5:30  masks[0].kind: unknown value \"wrod\"; did you mean \"word\"?",
        ] {
            assert!(
                wrong.contains(expected),
                "{expected}\n--- not in ---\n{wrong}"
            );
        }
        let wrong =
            told("seeds: []\ntemplates:\n  - text: took 30 ms\nmasks: [{pattern: '[0-4]'}]\n");
        for expected in [
            "by-hand.yaml:3:11  templates[0].text: numbers are masked before templates are matched, so \
             it would take no line; write \"took <*> ms\"",
            "    3 |   - text: took 30 ms",
            "by-hand.yaml:4:19  masks[0].pattern: ",
            "2 problems",
        ] {
            assert!(
                wrong.contains(expected),
                "{expected}\n--- not in ---\n{wrong}"
            );
        }
    }

    #[test]
    fn every_class_and_kind_is_known_by_its_name() {
        for class in Class::ALL {
            let text = format!("templates: [{{text: a, class: {}}}]", class.name());
            assert_eq!(
                hand_from_text("x", &text).unwrap().templates()[0].class,
                Some(class)
            );
        }
        for kind in ParamKind::ALL {
            let name: KindName = serde_json::from_value(kind.name().into()).unwrap();
            assert_eq!(ParamKind::from(name), kind);
        }
    }
}
