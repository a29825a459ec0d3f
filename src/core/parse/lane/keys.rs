//! A JSON object without a message: the names of its fields say what it is.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json::DEPTH_MAX;
use crate::core::parse::WILDCARD;

/// Fields whose names make the template of an object without a message.
pub const KEYS_MAX: usize = 64;
/// Bytes of those names.
pub const KEY_SET_LEN_MAX: usize = 1024;

/// The names of all fields of an object, those of inner objects behind the outer's, sorted, each
/// with [`WILDCARD`] for a value; `None` if there are none. Digits in names are wildcards too: an
/// object with an entry for each of its users is one template.
pub(super) fn key_set(text: &str) -> Option<String> {
    let mut paths = Paths::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let names = Names {
        paths: &mut paths,
        depth: 0,
    };
    names.deserialize(&mut json).ok()?;
    let mut sorted: Vec<&str> = paths.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut set = String::with_capacity(paths.text.len() + sorted.len() * (WILDCARD.len() + 2));
    for path in sorted {
        if set.len() + path.len() + WILDCARD.len() + 2 > KEY_SET_LEN_MAX {
            break;
        }
        if !set.is_empty() {
            set.push(' ');
        }
        set.extend([path, "=", WILDCARD]);
    }
    Some(set).filter(|set| !set.is_empty())
}

/// Names one after the other, and where they lie.
#[derive(Default)]
struct Paths {
    text: String,
    places: Vec<Range<usize>>,
    /// The one that is being read.
    path: String,
}

impl Paths {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let part = |place: &Range<usize>| self.text.get(place.clone()).unwrap_or_default();
        self.places.iter().map(part)
    }

    /// Adds `name` to the path: behind a dot, with runs of digits as wildcards and without blanks.
    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        let mut in_digits = false;
        for c in name.chars().take(KEY_SET_LEN_MAX) {
            let is_digit = c.is_ascii_digit();
            match c {
                _ if is_digit && in_digits => {}
                _ if is_digit => self.path.push_str(WILDCARD),
                c if c.is_whitespace() || c.is_control() => self.path.push('_'),
                c => self.path.push(c),
            }
            in_digits = is_digit;
        }
    }

    /// There is a value at the path, whatever it is.
    fn keep(&mut self) {
        if !self.path.is_empty() {
            let start = self.text.len();
            self.text.push_str(&self.path);
            self.places.push(start..self.text.len());
        }
    }
}

struct Names<'k> {
    paths: &'k mut Paths,
    depth: u8,
}

impl<'a> DeserializeSeed<'a> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let outer_len = self.paths.path.len();
        let mut is_empty = true;
        while map.next_key_seed(Enter(self.paths))?.is_some() {
            is_empty = false;
            if self.paths.places.len() >= KEYS_MAX {
                map.next_value::<IgnoredAny>()?;
            } else if self.depth + 1 < DEPTH_MAX {
                map.next_value_seed(Names {
                    paths: &mut *self.paths,
                    depth: self.depth + 1,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
                self.paths.keep();
            }
            self.paths.path.truncate(outer_len);
        }
        if is_empty {
            self.paths.keep();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.paths.keep();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.paths.keep();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.paths.keep();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.paths.keep();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.paths.keep();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.paths.keep();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.paths.keep();
        Ok(())
    }
}

/// Reads a name into the path.
struct Enter<'k>(&'k mut Paths);

impl<'a> DeserializeSeed<'a> for Enter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Enter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.0.enter(name);
        Ok(())
    }
}
