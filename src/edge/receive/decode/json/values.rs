//! `AnyValue` and `KeyValue` in OTLP's JSON.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::What;
use super::super::meter::{Fault, Meter};
use super::super::text::Text;
use super::super::value::{DEPTH_MAX, Made, PARTS_MAX, Value};
use super::reader::Reader;

/// A value, at the top.
pub(super) fn value<'a>(reader: &mut Reader<'a>, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let mut value = Value::Empty;
    let mut parts = Parts::of(meter);
    parts.value(reader, &mut value, 1)?;
    Ok(value)
}

/// Reads attributes; `each` gets name and value of each.
pub(super) fn attributes<'a>(
    reader: &mut Reader<'a>,
    meter: &mut Meter,
    mut each: impl FnMut(Text<'a>, Value<'a>, &mut Meter) -> Result<(), Fault>,
) -> Result<(), Fault> {
    reader.array(|reader| {
        meter.element()?;
        let (name, value) = Parts::of(meter).entry(reader, 1)?;
        each(name, value, meter)
    })
}

/// A 64-bit integer, in quotes or bare.
pub(super) fn unsigned(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    let digits = reader.digits()?;
    // What is whole may be written as a fraction or with an exponent.
    let whole = |number: f64| (number.fract() == 0.0 && number >= 0.0).then_some(number as u64);
    let number = digits.parse().ok();
    let number = number.or_else(|| digits.parse().ok().and_then(whole));
    number.ok_or_else(|| reader.fault(What::NoNumberHere))
}

/// The same with a sign.
pub(super) fn signed(reader: &mut Reader<'_>) -> Result<i64, Fault> {
    let digits = reader.digits()?;
    let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
    let number = digits.parse().ok();
    let number = number.or_else(|| digits.parse().ok().and_then(whole));
    number.ok_or_else(|| reader.fault(What::NoNumberHere))
}

/// A number, in quotes or bare, or a word for one that JSON cannot write.
pub(super) fn double(reader: &mut Reader<'_>) -> Result<f64, Fault> {
    let digits = reader.digits()?;
    match digits {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => digits.parse().map_err(|_| reader.fault(What::NoNumberHere)),
    }
}

/// The bytes of an id in hexadecimal. One that is not of `LEN` bytes is none.
pub(super) fn id<const LEN: usize>(reader: &mut Reader<'_>) -> Result<[u8; LEN], Fault> {
    let text = reader.text()?;
    let mut id = [0; LEN];
    let (pairs, odd) = text.bytes.as_chunks::<2>();
    if pairs.len() != LEN || !odd.is_empty() {
        return Ok([0; LEN]);
    }
    for (byte, pair) in id.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (high, low) else {
            return Ok([0; LEN]);
        };
        *byte = (16 * high + low) as u8;
    }
    Ok(id)
}

/// Bytes in base64, in either alphabet, padded or not.
fn base64(reader: &mut Reader<'_>) -> Result<Vec<u8>, Fault> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut text = reader.text()?.unescaped().into_owned();
    for byte in &mut text {
        *byte = match *byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
    }
    GeneralPurpose::new(&STANDARD, LENIENT)
        .decode(text)
        .map_err(|_| reader.fault(What::NoBase64))
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

    /// Reads an `AnyValue`.
    fn value<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        value: &mut Value<'a>,
        depth: usize,
    ) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::too_deep(reader.rest()));
        }
        reader.object(|reader, key| {
            if reader.is_null()? {
                return Ok(());
            }
            *value = match key {
                b"stringValue" => Value::Text(reader.text()?),
                b"boolValue" => Value::Bool(reader.bool()?),
                b"intValue" => Value::Int(signed(reader)?),
                b"doubleValue" => Value::Double(double(reader)?),
                b"bytesValue" => Value::Made(Box::new(Made::Bytes(base64(reader)?))),
                b"arrayValue" => Value::Made(Box::new(Made::Array(self.array(reader, depth)?))),
                b"kvlistValue" => Value::Made(Box::new(Made::Map(self.map(reader, depth)?))),
                // Only profiles have the table of strings that this index points into.
                b"stringValueStrindex" => {
                    reader.skip()?;
                    Value::Empty
                }
                _ => return reader.skip(),
            };
            Ok(())
        })
    }

    fn array<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        depth: usize,
    ) -> Result<Vec<Value<'a>>, Fault> {
        let mut values = Vec::new();
        reader.object(|reader, key| match key {
            b"values" => reader.array(|reader| {
                if !self.has_room()? {
                    return reader.skip();
                }
                let mut value = Value::Empty;
                self.value(reader, &mut value, depth + 1)?;
                values.push(value);
                Ok(())
            }),
            _ => reader.skip(),
        })?;
        Ok(values)
    }

    fn map<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        depth: usize,
    ) -> Result<Vec<(Text<'a>, Value<'a>)>, Fault> {
        let mut entries = Vec::new();
        reader.object(|reader, key| match key {
            b"values" => reader.array(|reader| {
                if !self.has_room()? {
                    return reader.skip();
                }
                entries.push(self.entry(reader, depth + 1)?);
                Ok(())
            }),
            _ => reader.skip(),
        })?;
        Ok(entries)
    }

    /// A `KeyValue`, whose value lies `depth` deep.
    fn entry<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        depth: usize,
    ) -> Result<(Text<'a>, Value<'a>), Fault> {
        let (mut name, mut value) = (Text::EMPTY, Value::Empty);
        reader.object(|reader, key| match key {
            b"key" => {
                name = reader.text()?;
                Ok(())
            }
            b"value" => self.value(reader, &mut value, depth),
            _ => reader.skip(),
        })?;
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
