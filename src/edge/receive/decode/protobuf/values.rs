//! `AnyValue` and `KeyValue`. A message that is sent twice is merged, as every protobuf decoder does.

use super::super::meter::{Fault, Meter};
use super::super::text::Text;
use super::super::value::{DEPTH_MAX, Made, PARTS_MAX, Value};
use super::fields::{Fields, bytes, fixed64, varint};

/// Fields of `KeyValue`.
const KEY: u32 = bytes(1);
const VALUE: u32 = bytes(2);
const KEY_INDEX: u32 = varint(3);

/// Fields of `AnyValue`.
const TEXT: u32 = bytes(1);
const BOOL: u32 = varint(2);
const INT: u32 = varint(3);
const DOUBLE: u32 = fixed64(4);
const ARRAY: u32 = bytes(5);
const MAP: u32 = bytes(6);
const BYTES: u32 = bytes(7);
const TEXT_INDEX: u32 = varint(8);

/// The only field of `ArrayValue` and of `KeyValueList`.
const PART: u32 = bytes(1);

/// An attribute: its name, and its value where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) key: Text<'a>,
    value: Lies<'a>,
}

/// Where the value of an attribute lies.
#[derive(Clone, Copy, Debug)]
enum Lies<'a> {
    /// Alone, as an `AnyValue`.
    Alone(&'a [u8]),
    /// Somewhere in a `KeyValue`.
    In(&'a [u8]),
}

impl<'a> Attribute<'a> {
    /// Reads the name only.
    #[inline(always)]
    pub(super) fn of(message: &'a [u8]) -> Result<Self, Fault> {
        match Self::usual(message) {
            Some(usual) => Ok(usual),
            None => Self::unusual(message),
        }
    }

    /// Nearly all are a name and then a value, both short.
    #[inline(always)]
    fn usual(message: &'a [u8]) -> Option<Self> {
        const KEY_BYTE: u8 = KEY as u8;
        const VALUE_BYTE: u8 = VALUE as u8;
        let [KEY_BYTE, len @ 0..0x80, rest @ ..] = message else {
            return None;
        };
        let (key, rest) = rest.split_at_checked(usize::from(*len))?;
        let [VALUE_BYTE, len @ 0..0x80, value @ ..] = rest else {
            return None;
        };
        (value.len() == usize::from(*len)).then_some(Self {
            key: Text::plain(key),
            value: Lies::Alone(value),
        })
    }

    /// Passes over an attribute that has a name of none of `lens`, a set of lengths as bits. It need not
    /// know such an attribute when it sees one.
    #[inline(always)]
    pub(super) fn pass_another(fields: &mut Fields<'a>, lens: u64) -> bool {
        fields.pass_pair((KEY, VALUE), lens)
    }

    #[inline(never)]
    fn unusual(message: &'a [u8]) -> Result<Self, Fault> {
        let mut name = Text::EMPTY;
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                KEY => name = Text::plain(fields.bytes()?),
                VALUE => {
                    fields.bytes()?;
                }
                KEY_INDEX => {
                    fields.varint()?;
                }
                _ => fields.skip(key, |number| number <= 3)?,
            }
        }
        Ok(Self {
            key: name,
            value: Lies::In(message),
        })
    }

    #[inline(always)]
    pub(super) fn value(self, meter: &mut Meter) -> Result<Value<'a>, Fault> {
        match self.value {
            Lies::Alone(message) => {
                let mut value = Value::Empty;
                merge(&mut value, message, meter)?;
                Ok(value)
            }
            Lies::In(message) => {
                let (_, value) = Parts::of(meter).entry(message, 1)?;
                Ok(value)
            }
        }
    }
}

/// Puts `message`, an `AnyValue`, on top of what `value` holds.
#[inline(always)]
pub(super) fn merge<'a>(
    value: &mut Value<'a>,
    message: &'a [u8],
    meter: &mut Meter,
) -> Result<(), Fault> {
    // Nearly all are a string and nothing else.
    let mut fields = Fields::of(message);
    if fields.key()? == Some(TEXT) {
        let text = fields.bytes()?;
        if fields.is_at_end() {
            *value = Value::Text(Text::plain(text));
            return Ok(());
        }
    }
    merge_unusual(value, message, meter)
}

#[inline(never)]
fn merge_unusual<'a>(
    value: &mut Value<'a>,
    message: &'a [u8],
    meter: &mut Meter,
) -> Result<(), Fault> {
    Parts::of(meter).merge(value, message, 1)
}

/// How many values one value may still hold.
struct Parts<'m> {
    left: usize,
    meter: &'m mut Meter,
}

impl<'m> Parts<'m> {
    const fn of(meter: &'m mut Meter) -> Self {
        Self {
            left: PARTS_MAX,
            meter,
        }
    }

    fn merge<'a>(
        &mut self,
        value: &mut Value<'a>,
        message: &'a [u8],
        depth: usize,
    ) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::too_deep(message));
        }
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                TEXT => *value = Value::Text(Text::plain(fields.bytes()?)),
                BOOL => *value = Value::Bool(fields.varint()? != 0),
                INT => *value = Value::Int(fields.varint()?.cast_signed()),
                DOUBLE => *value = Value::Double(f64::from_bits(fields.fixed64()?)),
                ARRAY => self.merge_array(value, fields.bytes()?, depth)?,
                MAP => self.merge_map(value, fields.bytes()?, depth)?,
                BYTES => *value = Value::Bytes(fields.bytes()?),
                // Only profiles have the table of strings that this index points into.
                TEXT_INDEX => {
                    fields.varint()?;
                    *value = Value::Empty;
                }
                _ => fields.skip(key, |number| number <= 8)?,
            }
        }
        Ok(())
    }

    fn merge_array<'a>(
        &mut self,
        value: &mut Value<'a>,
        array: &'a [u8],
        depth: usize,
    ) -> Result<(), Fault> {
        let mut values = match take_made(value) {
            Some(Made::Array(values)) => values,
            _ => Vec::new(),
        };
        let mut fields = Fields::of(array);
        while let Some(key) = fields.key()? {
            match key {
                PART => {
                    let message = fields.bytes()?;
                    if self.has_room()? {
                        let mut part = Value::Empty;
                        self.merge(&mut part, message, depth + 1)?;
                        values.push(part);
                    }
                }
                _ => fields.skip(key, |number| number == 1)?,
            }
        }
        *value = Value::Made(Box::new(Made::Array(values)));
        Ok(())
    }

    fn merge_map<'a>(
        &mut self,
        value: &mut Value<'a>,
        list: &'a [u8],
        depth: usize,
    ) -> Result<(), Fault> {
        let mut entries = match take_made(value) {
            Some(Made::Map(entries)) => entries,
            _ => Vec::new(),
        };
        let mut fields = Fields::of(list);
        while let Some(key) = fields.key()? {
            match key {
                PART => {
                    let message = fields.bytes()?;
                    if self.has_room()? {
                        entries.push(self.entry(message, depth + 1)?);
                    }
                }
                _ => fields.skip(key, |number| number == 1)?,
            }
        }
        *value = Value::Made(Box::new(Made::Map(entries)));
        Ok(())
    }

    /// A `KeyValue`, whose value lies `depth` deep.
    fn entry<'a>(
        &mut self,
        message: &'a [u8],
        depth: usize,
    ) -> Result<(Text<'a>, Value<'a>), Fault> {
        let (mut name, mut value) = (Text::EMPTY, Value::Empty);
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                KEY => name = Text::plain(fields.bytes()?),
                VALUE => self.merge(&mut value, fields.bytes()?, depth)?,
                KEY_INDEX => {
                    fields.varint()?;
                }
                _ => fields.skip(key, |number| number <= 3)?,
            }
        }
        Ok((name, value))
    }

    fn has_room(&mut self) -> Result<bool, Fault> {
        self.meter.element()?;
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                self.meter.left_out += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn take_made<'a>(value: &mut Value<'a>) -> Option<Made<'a>> {
    match std::mem::take(value) {
        Value::Made(made) => Some(*made),
        _ => None,
    }
}
