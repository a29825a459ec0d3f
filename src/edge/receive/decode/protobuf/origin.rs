//! The resource of a `ResourceLogs`, `ResourceSpans` or `ResourceMetrics`: field 1 of each.

use super::super::meter::{Fault, Meter};
use super::super::origin::{Origin, Origins};
use super::fields::{Field, Fields};
use super::values::Attribute;

/// Reads it before what comes from it, wherever it stands.
pub(super) fn of<'a>(
    parent: &'a [u8],
    origins: &mut Origins<'a, '_>,
    meter: &mut Meter,
) -> Result<Origin, Fault> {
    let mut only = None;
    let mut count = 0;
    let mut fields = Fields::of(parent);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(message)) => {
                only = Some(message);
                count += 1;
            }
            (1, _) => return Err(fields.wrong_shape()),
            _ => {}
        }
    }
    // None at all is like an empty one; several are one, merged, and are not known again.
    let sent = Some(only.unwrap_or_default()).filter(|_| count <= 1);
    if let Some(known) = sent.and_then(|sent| origins.last(sent)) {
        return Ok(known);
    }
    let mut fields = Fields::of(parent);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(resource)) = (number, field) {
            attributes(resource, origins, meter)?;
        }
    }
    Ok(origins.finish(sent))
}

fn attributes<'a>(
    resource: &'a [u8],
    origins: &mut Origins<'a, '_>,
    meter: &mut Meter,
) -> Result<(), Fault> {
    let mut fields = Fields::of(resource);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(message)) => {
                meter.element()?;
                let attribute = Attribute::of(message)?;
                let value = attribute.value(meter)?;
                origins.attribute(attribute.key, &value, meter)?;
            }
            (2, Field::Varint(_)) | (3, Field::Bytes(_)) => {}
            (1..=3, _) => return Err(fields.wrong_shape()),
            _ => {}
        }
    }
    Ok(())
}
