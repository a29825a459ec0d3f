//! Tree → typed settings, with every complaint instead of the first.
//!
//! serde stops at its first error. Each setting has a default, so the offending entry is noted,
//! taken out of the tree, and the rest is read again until nothing offends.

use std::fmt::{self, Display};

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::problem::{PROBLEMS_MAX, Problem, closest};
use super::tree::{Entry, Node, Origin, Value};

/// Reads `tree` as a `T`; takes out of it what cannot be read.
pub(super) fn read<T: DeserializeOwned + Default>(tree: &mut Node) -> (T, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut taken_out: Vec<Vec<Step>> = Vec::new();
    for _ in 0..PROBLEMS_MAX {
        let error = match T::deserialize(NodeReader(tree)) {
            Ok(read) => return (read, problems),
            Err(error) => error.in_order(),
        };
        let path = error.offender(tree);
        let is_our_doing = error
            .missing()
            .is_some_and(|missing| taken_out.contains(&missing));
        if !is_our_doing {
            problems.push(error.problem(tree, &path));
        }
        if !take_out(tree, &path) {
            break;
        }
        // What is missing from now on because its holder went is no problem of its own.
        taken_out.retain(|earlier| !earlier.starts_with(&path));
        taken_out.push(path);
    }
    (T::default(), problems)
}

/// One step from the root of the file to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong with a value, and the way to it.
#[derive(Debug)]
struct ReadError {
    complaint: Complaint,
    path: Vec<Step>,
}

#[derive(Debug)]
enum Complaint {
    UnknownSetting {
        name: String,
        known: &'static [&'static str],
    },
    UnknownValue {
        value: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
    Other(String),
}

impl ReadError {
    fn new(complaint: Complaint) -> Self {
        Self {
            complaint,
            path: Vec::new(),
        }
    }

    /// The step is noted on the way out, so the innermost comes first until `in_order`.
    fn under(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    fn in_order(mut self) -> Self {
        self.path.reverse();
        self
    }

    /// What is to be taken out. serde reports an unknown setting at the map that holds it, and
    /// for tagged values, which it buffers, everything at the whole value.
    fn offender(&self, tree: &Node) -> Vec<Step> {
        let Some(node) = at(tree, &self.path) else {
            return self.path.clone();
        };
        let further = match &self.complaint {
            Complaint::UnknownSetting { name, .. } => way_to(node, &|entry| entry.key == *name),
            Complaint::UnknownValue { value, .. } => way_to(node, &|entry| is_text(entry, value)),
            Complaint::Other(message) => way_to(node, &|entry| match &entry.node.value {
                Value::Text(text) => !text.is_empty() && message.contains(&format!("{text:?}")),
                _ => false,
            }),
            Complaint::Missing(_) => None,
        };
        self.path
            .iter()
            .cloned()
            .chain(further.unwrap_or_default())
            .collect()
    }

    /// The path of the setting that is missing, if that is the complaint.
    fn missing(&self) -> Option<Vec<Step>> {
        match &self.complaint {
            Complaint::Missing(name) => Some(
                self.path
                    .iter()
                    .cloned()
                    .chain([Step::Key((*name).to_owned())])
                    .collect(),
            ),
            _ => None,
        }
    }

    fn problem(&self, tree: &Node, path: &[Step]) -> Problem {
        let is_key = matches!(self.complaint, Complaint::UnknownSetting { .. });
        let origin = match (is_key, path.split_last()) {
            (true, Some((Step::Key(key), above))) => {
                let entry = at(tree, above).and_then(|map| map.entry(key));
                entry.map_or(Origin::Nowhere, |entry| entry.key_origin.clone())
            }
            _ => at(tree, path).map_or(Origin::Nowhere, |node| node.origin.clone()),
        };
        Problem {
            origin,
            path: shown(path),
            message: self.message(path),
        }
    }

    fn message(&self, path: &[Step]) -> String {
        let place = shown(path);
        match &self.complaint {
            Complaint::UnknownSetting { name, known } => {
                let above = path.split_last().map_or(&[][..], |(_, above)| above);
                let place = match above {
                    [] => String::new(),
                    above => format!(" in {}", shown(above)),
                };
                format!("unknown setting {name:?}{place}; {}", way_out(name, known))
            }
            Complaint::UnknownValue { value, known } => {
                format!(
                    "{place}: unknown value {value:?}; {}",
                    way_out(value, known)
                )
            }
            Complaint::Missing(name) => format!("{place}: {name:?} is missing"),
            Complaint::Other(text) if place.is_empty() => text.clone(),
            Complaint::Other(text) => format!("{place}: {text}"),
        }
    }
}

fn is_text(entry: &Entry, value: &str) -> bool {
    matches!(&entry.node.value, Value::Text(text) if text == value)
}

fn way_out(written: &str, known: &[&str]) -> String {
    match closest(written, known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => "nothing can be set here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// A path as people write it: `model.bundles[0].path`.
fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

fn at<'a>(tree: &'a Node, path: &[Step]) -> Option<&'a Node> {
    path.iter()
        .try_fold(tree, |node, step| match (step, &node.value) {
            (Step::Key(key), _) => node.entry(key).map(|entry| &entry.node),
            (Step::Index(index), Value::List(items)) => items.get(*index),
            (Step::Index(_), _) => None,
        })
}

/// The way from `node` to the first entry, in the order of the file, that `is` the one.
fn way_to(node: &Node, is: &dyn Fn(&Entry) -> bool) -> Option<Vec<Step>> {
    let deeper = |step: Step, child: &Node| {
        let mut way = way_to(child, is)?;
        way.insert(0, step);
        Some(way)
    };
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|entry| match is(entry) {
            true => Some(vec![Step::Key(entry.key.clone())]),
            false => deeper(Step::Key(entry.key.clone()), &entry.node),
        }),
        Value::List(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| deeper(Step::Index(index), item))
        }
        _ => None,
    }
}

/// Removes the value at `path` from the map or list that holds it; false where nothing does.
fn take_out(tree: &mut Node, path: &[Step]) -> bool {
    let Some((last, above)) = path.split_last() else {
        return false;
    };
    let holder = above
        .iter()
        .try_fold(tree, |node, step| match (step, &mut node.value) {
            (Step::Key(key), Value::Map(entries)) => entries
                .iter_mut()
                .find(|entry| entry.key == *key)
                .map(|entry| &mut entry.node),
            (Step::Index(index), Value::List(items)) => items.get_mut(*index),
            _ => None,
        });
    match (last, holder.map(|node| &mut node.value)) {
        (Step::Key(key), Some(Value::Map(entries))) => {
            let before = entries.len();
            entries.retain(|entry| entry.key != *key);
            entries.len() < before
        }
        (Step::Index(index), Some(Value::List(items))) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(&self.path))
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Complaint::Other(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!(
            "expected {}, found {found}",
            in_words(&expected.to_string())
        ))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!(
            "expected {}, found {found}",
            in_words(&expected.to_string())
        ))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::new(Complaint::UnknownSetting {
            name: name.to_owned(),
            known,
        })
    }

    fn unknown_variant(value: &str, known: &'static [&'static str]) -> Self {
        Self::new(Complaint::UnknownValue {
            value: value.to_owned(),
            known,
        })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Complaint::Missing(name))
    }
}

/// What serde calls a Rust type, in the words of someone who writes YAML.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero usize" => {
            "a whole number from 1 on"
        }
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other => other,
    };
    words.to_owned()
}

/// serde's view of a node.
struct NodeReader<'a>(&'a Node);

impl<'de> de::Deserializer<'de> for NodeReader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(ListReader { items, next: 0 }),
            Value::Map(entries) => visitor.visit_map(MapReader { entries, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    // A section or list whose content is left out or commented out is an empty one.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Null => visitor.visit_seq(ListReader {
                items: &[],
                next: 0,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Null => visitor.visit_map(MapReader {
                entries: &[],
                next: 0,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Null | Value::Map(_) => self.deserialize_map(visitor),
            // serde would take a list for a struct, field by field.
            _ => Err(de::Error::custom(
                "expected settings, each as \"name: value\"",
            )),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(MapReader {
                    entries,
                    next: 0,
                }))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct ListReader<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for ListReader<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(NodeReader(item))
            .map(Some)
            .map_err(|e| e.under(Step::Index(index)))
    }
}

struct MapReader<'a> {
    entries: &'a [Entry],
    next: usize,
}

impl<'de> de::MapAccess<'de> for MapReader<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self
            .next
            .checked_sub(1)
            .and_then(|last| self.entries.get(last))
        else {
            return Err(de::Error::custom("a value without a key"));
        };
        let under = |error: ReadError| error.under(Step::Key(entry.key.clone()));
        seed.deserialize(NodeReader(&entry.node)).map_err(under)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        count: u32,
        share: f64,
        on: bool,
        sinks: Vec<Sink>,
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        name: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
    enum Sink {
        Webhook { url: String },
        Stdout {},
    }

    fn complaints(text: &str) -> (Sample, Vec<String>) {
        let mut tree = Node::parse(text).unwrap();
        let (sample, problems) = read(&mut tree);
        let line = |problem: &Problem| match problem.origin {
            Origin::File { line, column, .. } => format!("{line}:{column} {}", problem.message),
            _ => problem.message.clone(),
        };
        (sample, problems.iter().map(line).collect())
    }

    #[test]
    fn every_mistake_is_told_and_what_is_right_is_kept() {
        let text = "count: many\nshare: 1\ninner: {nam: x}\non: 3\nsinks:\n  - type: webhook\n    \
                    urll: x\n  - type: stdout\ncolour: red\n";
        let (sample, complaints) = complaints(text);
        assert_eq!(
            complaints,
            [
                "1:8 count: expected a whole number from 0 on, found string \"many\"",
                "3:9 unknown setting \"nam\" in inner; did you mean \"name\"?",
                "4:5 on: expected true or false, found integer `3`",
                "7:5 unknown setting \"urll\" in sinks[0]; did you mean \"url\"?",
                "6:5 sinks[0]: \"url\" is missing",
                "9:1 unknown setting \"colour\"; known here: count, share, on, sinks, inner",
            ]
        );
        assert_eq!(
            sample,
            Sample {
                share: 1.0,
                sinks: vec![Sink::Stdout {}],
                ..Sample::default()
            }
        );
    }

    #[test]
    fn a_mistake_in_a_tagged_value_is_told_once_at_its_own_place() {
        let text =
            "sinks:\n  - type: webhok\n    url: x\n  - type: webhook\n    url: 7\n  - url: x\n";
        let (_, complaints) = complaints(text);
        assert_eq!(
            complaints,
            [
                "2:11 sinks[0].type: unknown value \"webhok\"; did you mean \"webhook\"?",
                "4:5 sinks[0]: expected a string, found integer `7`",
                "6:5 sinks[0]: \"type\" is missing",
            ]
        );
    }

    #[test]
    fn what_was_wrong_is_not_told_again_as_missing() {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        struct Rules {
            rules: Vec<Rule>,
        }
        #[derive(Debug, Deserialize)]
        struct Rule {
            name: String,
        }
        let mut tree = Node::parse("rules:\n- name: 5\n- {}\n- name: good\n").unwrap();
        let (rules, problems) = read::<Rules>(&mut tree);
        let told: Vec<_> = problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("expected a string") && told[1].contains("\"name\" is missing"));
        assert_eq!(rules.rules[0].name, "good");
    }

    #[test]
    fn an_empty_section_is_its_defaults_and_an_empty_value_is_none() {
        assert_eq!(complaints("inner:\nsinks:\n"), (Sample::default(), vec![]));
        let (sample, _) = complaints("inner: {name: null}\n");
        assert_eq!(sample.inner.name, None);
    }

    #[test]
    fn a_file_that_is_a_list_is_one_complaint() {
        let (sample, complaints) = complaints("- count: 1\n");
        assert_eq!(sample, Sample::default());
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("name: value"), "{complaints:?}");
    }
}
