//! YAML text → a tree in which every key and value knows where it stands.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

/// Where a key or a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the file.
    File {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// Characters it spans on its line; 0 when not known.
        width: usize,
    },
    /// In an environment variable or a flag, by its name.
    Outside(Box<str>),
    /// Nowhere: a default, or the file as a whole.
    Nowhere,
}

impl From<Location> for Origin {
    fn from(location: Location) -> Self {
        let narrow = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if location.line() == 0 {
            return Self::Nowhere;
        }
        let (line, column) = (narrow(location.line()), narrow(location.column()));
        Self::File {
            line,
            column,
            width: narrow(location.span().len()),
        }
    }
}

impl Origin {
    /// The place as people and editors write it: `by-hand.yaml:3:5`.
    pub(super) fn in_file(&self, file: &str) -> String {
        match self {
            Self::File { line, column, .. } => format!("{file}:{line}:{column}"),
            Self::Outside(_) | Self::Nowhere => file.to_owned(),
        }
    }
}

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_origin: Origin,
    pub(super) node: Node,
}

/// Why a text is no YAML, and where.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) origin: Origin,
    pub(super) reason: String,
}

impl Node {
    /// Parses `text`. An empty file is an empty map.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        match serde_saphyr::from_str::<Option<Self>>(text) {
            Ok(Some(node)) => Ok(node),
            Ok(None) => Ok(Self {
                origin: Origin::Nowhere,
                value: Value::Map(Vec::new()),
            }),
            Err(error) => Err(Malformed {
                origin: error.location().map_or(Origin::Nowhere, Origin::from),
                reason: first_line(&error.without_snippet().to_string()),
            }),
        }
    }

    /// Reads `text`, given by the environment or a flag, as a plain YAML scalar would be read.
    pub(super) fn scalar(text: &str, origin: Origin) -> Self {
        let plain = serde_saphyr::from_str::<Value>(text).ok();
        let scalar = plain.filter(|value| !matches!(value, Value::List(_) | Value::Map(_)));
        Self {
            origin,
            value: scalar.unwrap_or_else(|| Value::Text(text.to_owned())),
        }
    }

    /// Puts `node` at the dotted `path`, making the maps on the way.
    pub(super) fn put(&mut self, path: &str, node: Self) {
        if matches!(self.value, Value::Null) {
            self.value = Value::Map(Vec::new());
        }
        // Where the file has something that is no map, that is a problem of its own.
        let Value::Map(entries) = &mut self.value else {
            return;
        };
        let (head, rest) = path
            .split_once('.')
            .map_or((path, None), |(h, r)| (h, Some(r)));
        let found = entries
            .iter()
            .position(|entry| entry.key == head)
            .unwrap_or_else(|| {
                let origin = node.origin.clone();
                let empty = Self {
                    origin: origin.clone(),
                    value: Value::Null,
                };
                entries.push(Entry {
                    key: head.to_owned(),
                    key_origin: origin,
                    node: empty,
                });
                entries.len() - 1
            });
        match (rest, entries.get_mut(found)) {
            (Some(rest), Some(entry)) => entry.node.put(rest, node),
            (None, Some(entry)) => {
                entry.key_origin = node.origin.clone();
                entry.node = node;
            }
            (_, None) => {}
        }
    }

    /// The entry called `key`, if this is a map.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Where the value at a path such as `model.bundles[1].path` was written; the nearest value
    /// around it where it was left out.
    pub(super) fn origin_of(&self, path: &str) -> Origin {
        let mut at = self;
        let mut origin = Origin::Nowhere;
        for step in path.split(['.', '[']) {
            let next = match (&at.value, step.strip_suffix(']')) {
                (Value::List(items), Some(index)) => index
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index)),
                _ => at.entry(step).map(|entry| &entry.node),
            };
            let Some(next) = next else { break };
            at = next;
            origin = at.origin.clone();
        }
        origin
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            origin: spanned.referenced.into(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry {
                key_origin: key.referenced.into(),
                key: key.value,
                node,
            });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(origin: &Origin) -> (usize, usize, usize) {
        match origin {
            Origin::File {
                line,
                column,
                width,
            } => (*line, *column, *width),
            other => panic!("expected a place in the file, got {other:?}"),
        }
    }

    #[test]
    fn keys_and_values_know_their_line_and_column() {
        let tree = Node::parse("a: 1\nlist:\n  - name: x\n    on: true\n").unwrap();
        assert_eq!(place(&tree.entry("a").unwrap().key_origin), (1, 1, 1));
        assert_eq!(place(&tree.origin_of("a")), (1, 4, 1));
        assert_eq!(place(&tree.origin_of("list[0].on")), (4, 9, 4));
        assert_eq!(tree.origin_of("nothing.here"), Origin::Nowhere);
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place() {
        let refused = Node::parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(place(&refused.origin).0 >= 2, "{refused:?}");
        let twice = Node::parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!(place(&twice.origin).0, 2, "{twice:?}");
        assert!(!twice.reason.is_empty());
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        for text in ["", "# nothing\n", "---\n"] {
            assert!(matches!(Node::parse(text).unwrap().value, Value::Map(map) if map.is_empty()));
        }
    }
}
