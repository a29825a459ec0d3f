//! `AnyValue` and `KeyValue`. A message that is sent twice is merged, as every protobuf decoder does.

use std::borrow::Cow;

use super::super::meter::{Fault, Meter};
use super::super::text::Text;
use super::super::value::{DEPTH_MAX, PARTS_MAX, Value};
use super::fields::{Field, Fields};

/// An attribute: its name, and its value where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) key: Text<'a>,
    message: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Reads the name only.
    #[inline(always)]
    pub(super) fn of(message: &'a [u8]) -> Result<Self, Fault> {
        let mut key = Text::EMPTY;
        let mut fields = Fields::of(message);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(bytes)) => key = Text(bytes),
                (2, Field::Bytes(_)) | (3, Field::Varint(_)) => {}
                (1..=3, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        Ok(Self { key, message })
    }

    pub(super) fn value(self, meter: &mut Meter) -> Result<Value<'a>, Fault> {
        let mut parts = Parts::of(meter);
        let (_, value) = parts.entry(self.message, 1)?;
        Ok(value)
    }
}

/// Puts `message`, an `AnyValue`, on top of what `value` holds.
#[inline]
pub(super) fn merge<'a>(
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
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(bytes)) => *value = Value::Text(Text(bytes)),
                (2, Field::Varint(flag)) => *value = Value::Bool(flag != 0),
                (3, Field::Varint(number)) => *value = Value::Int(number.cast_signed()),
                (4, Field::Fixed64(bits)) => *value = Value::Double(f64::from_bits(bits)),
                (5, Field::Bytes(array)) => self.merge_array(value, array, depth)?,
                (6, Field::Bytes(list)) => self.merge_map(value, list, depth)?,
                (7, Field::Bytes(bytes)) => *value = Value::Bytes(Cow::Borrowed(bytes)),
                // Only profiles have the table of strings that this index points into.
                (8, Field::Varint(_)) => *value = Value::Empty,
                (1..=8, _) => return Err(fields.wrong_shape()),
                _ => {}
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
        let mut values = match std::mem::take(value) {
            Value::Array(values) => values,
            _ => Vec::new(),
        };
        let mut fields = Fields::of(array);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(message)) if self.has_room()? => {
                    let mut part = Value::Empty;
                    self.merge(&mut part, message, depth + 1)?;
                    values.push(part);
                }
                (1, Field::Bytes(_)) => {}
                (1, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        *value = Value::Array(values);
        Ok(())
    }

    fn merge_map<'a>(
        &mut self,
        value: &mut Value<'a>,
        list: &'a [u8],
        depth: usize,
    ) -> Result<(), Fault> {
        let mut entries = match std::mem::take(value) {
            Value::Map(entries) => entries,
            _ => Vec::new(),
        };
        let mut fields = Fields::of(list);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(message)) if self.has_room()? => {
                    entries.push(self.entry(message, depth + 1)?);
                }
                (1, Field::Bytes(_)) => {}
                (1, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        *value = Value::Map(entries);
        Ok(())
    }

    /// A `KeyValue`, whose value lies `depth` deep.
    fn entry<'a>(
        &mut self,
        message: &'a [u8],
        depth: usize,
    ) -> Result<(Text<'a>, Value<'a>), Fault> {
        let (mut key, mut value) = (Text::EMPTY, Value::Empty);
        let mut fields = Fields::of(message);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(bytes)) => key = Text(bytes),
                (2, Field::Bytes(message)) => self.merge(&mut value, message, depth)?,
                (3, Field::Varint(_)) => {}
                (1..=3, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        Ok((key, value))
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
