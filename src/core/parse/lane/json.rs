//! A body that is one JSON object: the message in it, or the names of its fields.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{
    ERRORS, Field, LOG, field, level_of_number, level_of_text, span_of_text, time_of_number,
    time_of_text, trace_of_text,
};
use super::keys::key_set;
use super::{Found, Lane, Part, trace};
use crate::core::record::Severity;

/// Objects in objects that are looked into; what is deeper is one value.
pub(super) const DEPTH_MAX: u8 = 3;

/// The message of `text`, if it is a JSON object and nothing else. One that was cut off counts if
/// the message came before the cut. Broken and deeper than serde_json follows (128 levels): none.
pub(super) fn read(text: &str) -> Option<Found> {
    let mut seen = Seen {
        found: Found::slice(Lane::Json, 0..0),
        best: None,
        is_docker: [false; 2],
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Object {
        seen: &mut seen,
        depth: 0,
        holder: Field::Other,
    };
    let whole = match object.deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => true,
        Err(error) if error.is_eof() && seen.best.is_some() => false,
        Err(_) => return None,
    };
    let mut found = seen.found;
    match seen.best {
        Some((_, message)) => {
            found.part = match message {
                Cow::Borrowed(message) => Part::Slice(place(text, message)?),
                Cow::Owned(message) => Part::Unescaped(message),
            };
            if whole && seen.is_docker == [true; 2] {
                found.lane = Lane::Docker;
            }
        }
        None => {
            found.lane = Lane::JsonKeys;
            found.part = Part::Unescaped(key_set(text)?);
        }
    }
    Some(found)
}

/// Where `part`, a slice of `whole`, lies in it.
fn place(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start + part.len();
    (whole.get(start..end)? == part).then_some(start..end)
}

/// What was seen of an object so far.
struct Seen<'a> {
    found: Found,
    /// The best message and its rank.
    best: Option<(u16, Cow<'a, str>)>,
    /// Whether there is a `log` and a `stream`.
    is_docker: [bool; 2],
}

impl<'a> Seen<'a> {
    fn text(&mut self, field: Field, depth: u8, text: Cow<'a, str>) {
        match field {
            Field::Message(rank) => {
                self.is_docker[0] |= depth == 0 && rank == LOG;
                self.message(u16::from(rank) + 64 * u16::from(depth), text);
            }
            Field::Level if self.found.severity == Severity::Unspecified => {
                self.found.severity = level_of_text(&text);
            }
            Field::Time => self.found.time = self.found.time.or_else(|| time_of_text(&text)),
            Field::Trace => {
                self.found.trace_id = self.found.trace_id.or_else(|| trace_of_text(&text));
            }
            Field::Span => self.found.span_id = self.found.span_id.or_else(|| span_of_text(&text)),
            Field::Thrown => {
                self.thrown(trace::thrown_in(&text).or_else(|| trace::error_at(&text)))
            }
            Field::ThrownType => self.thrown(trace::type_name(&text).map(str::to_owned)),
            Field::Stream if depth == 0 => self.is_docker[1] = true,
            Field::Stream | Field::Level | Field::Holder | Field::Other => {}
        }
    }

    fn message(&mut self, rank: u16, text: Cow<'a, str>) {
        let better = self.best.as_ref().is_none_or(|(known, _)| rank < *known);
        if better && !text.trim().is_empty() {
            self.best = Some((rank, text));
        }
    }

    fn thrown(&mut self, thrown: Option<String>) {
        if let Some(thrown) = thrown.filter(|_| self.found.thrown.is_empty()) {
            self.found.thrown = thrown;
        }
    }

    fn number(&mut self, field: Field, number: f64) {
        match field {
            Field::Level if self.found.severity == Severity::Unspecified => {
                self.found.severity = level_of_number(number as u64);
            }
            Field::Time => self.found.time = self.found.time.or_else(|| time_of_number(number)),
            _ => {}
        }
    }
}

/// An object that is being read.
struct Object<'s, 'a> {
    seen: &'s mut Seen<'a>,
    depth: u8,
    /// What the name of the object says.
    holder: Field,
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name {
            holder: self.holder,
        })? {
            if field == Field::Other {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Value {
                    seen: self.seen,
                    field,
                    depth: self.depth,
                })?;
            }
        }
        Ok(())
    }
}

/// The name of a field.
struct Name {
    holder: Field,
}

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Field;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        let is_thrown = match self.holder {
            Field::Thrown => true,
            Field::Message(rank) => ERRORS.contains(&rank),
            _ => false,
        };
        Ok(match name {
            "type" | "name" | "class" if is_thrown => Field::ThrownType,
            _ => field(name),
        })
    }
}

/// The value of a field with a name that is known.
struct Value<'s, 'a> {
    seen: &'s mut Seen<'a>,
    field: Field,
    depth: u8,
}

impl<'a> DeserializeSeed<'a> for Value<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Value<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.seen.text(self.field, self.depth, Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.seen
            .text(self.field, self.depth, Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.seen.number(self.field, number as f64);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.seen.number(self.field, number);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let is_holder = matches!(
            self.field,
            Field::Message(_) | Field::Thrown | Field::Holder
        );
        if is_holder && self.depth + 1 < DEPTH_MAX {
            let object = Object {
                seen: self.seen,
                depth: self.depth + 1,
                holder: self.field,
            };
            return object.visit_map(map);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
