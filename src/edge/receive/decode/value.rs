//! Any OTLP value, and its text in the form that the OpenTelemetry specification calls its string
//! representation for protocols without types.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::meter::Meter;
use super::text::{Read, Text};

/// Deepest that a value may lie in others.
pub(super) const DEPTH_MAX: usize = 16;
/// Most values within one value; later ones are left out.
pub(super) const PARTS_MAX: usize = 8 << 10;

/// A value, its strings and bytes where they lie in the request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing, or an index into a table of strings, which only profiles have.
    #[default]
    Empty,
    Text(Text<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Made(Box<Made<'a>>),
}

/// A value that had to be made. Boxed, so that dropping any other value is nothing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made<'a> {
    Bytes(Vec<u8>),
    Array(Vec<Value<'a>>),
    Map(Vec<(Text<'a>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The text of a string, and of nothing else.
    pub(super) const fn as_text(&self) -> Option<Text<'a>> {
        match self {
            Self::Text(text) => Some(*text),
            _ => None,
        }
    }

    /// The text of the value, at most `len_max` bytes of it, made in `room` where it is no string: maps
    /// and arrays as JSON with sorted keys, bytes in base64, numbers and booleans as JSON writes them,
    /// `NaN`, `Infinity` and `-Infinity` bare. `None` where there is no value.
    #[inline(always)]
    pub(super) fn read<'r>(
        &'r self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Option<Read<'r>> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(text.read(len_max, room, meter)),
            _ => self.made(len_max, room, meter),
        }
    }

    #[inline(never)]
    fn made<'r>(
        &self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Option<Read<'r>> {
        room.clear();
        match self {
            Self::Empty | Self::Text(_) => return None,
            Self::Double(number) => write_double(*number, room),
            Self::Bytes(_) | Self::Bool(_) | Self::Int(_) | Self::Made(_) => {
                match self.as_bytes() {
                    Some(bytes) => BASE64.encode_string(bytes, room),
                    None => Json {
                        len_max,
                        room,
                        meter,
                    }
                    .value(self),
                }
            }
        }
        Some(Read::of(room, len_max))
    }

    /// The text of a body: as [`read`](Self::read), but bytes that are a text are that text, as from a
    /// Collector that reads files without decoding them.
    #[inline(always)]
    pub(super) fn read_body<'r>(
        &'r self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Option<Read<'r>> {
        match self {
            Self::Text(text) => Some(text.read(len_max, room, meter)),
            _ => self.made_body(len_max, room, meter),
        }
    }

    #[inline(never)]
    fn made_body<'r>(
        &'r self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Option<Read<'r>> {
        match self.as_bytes().map(std::str::from_utf8) {
            Some(Ok(text)) => Some(Read::of(text, len_max)),
            _ => self.read(len_max, room, meter),
        }
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Made(made) => match &**made {
                Made::Bytes(bytes) => Some(bytes),
                Made::Array(_) | Made::Map(_) => None,
            },
            _ => None,
        }
    }
}

fn write_double(number: f64, room: &mut String) {
    match serde_json::Number::from_f64(number) {
        Some(number) => room.push_str(&number.to_string()),
        None if number.is_nan() => room.push_str("NaN"),
        None if number > 0.0 => room.push_str("Infinity"),
        None => room.push_str("-Infinity"),
    }
}

/// Writes JSON until there is more than enough of it.
struct Json<'r, 'm> {
    len_max: usize,
    room: &'r mut String,
    meter: &'m mut Meter,
}

impl Json<'_, '_> {
    /// The recursion is as deep as the value, which is bounded where it was read.
    fn value(&mut self, value: &Value<'_>) {
        if self.room.len() > self.len_max {
            return;
        }
        match value {
            Value::Empty => self.room.push_str("null"),
            Value::Text(text) => self.text(*text),
            Value::Bool(flag) => self.room.push_str(if *flag { "true" } else { "false" }),
            // Writing to a string cannot fail.
            Value::Int(number) => {
                let _ = write!(self.room, "{number}");
            }
            Value::Double(number) if number.is_finite() => write_double(*number, self.room),
            // JSON has no word for these three, so inside a map or array they are strings.
            Value::Double(number) => self.quoted(|room| write_double(*number, room)),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Made(made) => match &**made {
                Made::Bytes(bytes) => self.bytes(bytes),
                Made::Array(values) => self.array(values),
                Made::Map(entries) => self.map(entries),
            },
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.quoted(|room| BASE64.encode_string(bytes, room));
    }

    fn quoted(&mut self, write: impl FnOnce(&mut String)) {
        self.room.push('"');
        write(self.room);
        self.room.push('"');
    }

    fn array(&mut self, values: &[Value<'_>]) {
        self.room.push('[');
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                self.room.push(',');
            }
            self.value(value);
        }
        self.room.push(']');
    }

    /// Of two values with one key the later wins.
    fn map(&mut self, entries: &[(Text<'_>, Value<'_>)]) {
        let mut rooms = String::new();
        let mut sorted: BTreeMap<Cow<'_, str>, &Value<'_>> = BTreeMap::new();
        for (key, value) in entries {
            let read = key.read(usize::MAX, &mut rooms, self.meter);
            sorted.insert(Cow::Owned(read.text.to_owned()), value);
        }
        self.room.push('{');
        for (place, (key, value)) in sorted.iter().enumerate() {
            if place > 0 {
                self.room.push(',');
            }
            self.string(key);
            self.room.push(':');
            self.value(value);
        }
        self.room.push('}');
    }

    fn text(&mut self, text: Text<'_>) {
        let mut room = String::new();
        let read = text.read(self.len_max.saturating_add(1), &mut room, self.meter);
        self.string(read.text);
    }

    fn string(&mut self, text: &str) {
        self.quoted(|room| {
            for c in text.chars() {
                match c {
                    '"' => room.push_str("\\\""),
                    '\\' => room.push_str("\\\\"),
                    '\n' => room.push_str("\\n"),
                    '\r' => room.push_str("\\r"),
                    '\t' => room.push_str("\\t"),
                    '\u{8}' => room.push_str("\\b"),
                    '\u{c}' => room.push_str("\\f"),
                    // Writing to a string cannot fail.
                    c if c < ' ' => {
                        let _ = write!(room, "\\u{:04x}", u32::from(c));
                    }
                    c => room.push(c),
                }
            }
        });
    }
}
