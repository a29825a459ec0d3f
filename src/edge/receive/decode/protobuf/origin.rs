//! The resource of a `ResourceLogs`, `ResourceSpans` or `ResourceMetrics`, and the scope of what is
//! in them: field 1 of each.

use super::super::meter::{Fault, Meter};
use super::super::origin::{INSTANCE_ATTRIBUTE, Origin, Origins};
use super::super::text::Text;
use super::fields::{Fields, bytes, varint};
use super::values::Attribute;

/// Fields of all three.
const RESOURCE: u32 = bytes(1);
const SCOPE_ITEMS: u32 = bytes(2);
const SCHEMA_URL: u32 = bytes(3);

/// Fields of `Resource`.
const ATTRIBUTE: u32 = bytes(1);
const DROPPED_ATTRIBUTES: u32 = varint(2);
const ENTITY: u32 = bytes(3);

/// Fields of `InstrumentationScope`.
const SCOPE_NAME: u32 = bytes(1);
const SCOPE_VERSION: u32 = bytes(2);
const SCOPE_ATTRIBUTE: u32 = bytes(3);
const SCOPE_DROPPED_ATTRIBUTES: u32 = varint(4);

/// Reads the resource before what comes from it, wherever in `parent` it stands.
pub(super) fn of<'a>(
    parent: &'a [u8],
    origins: &mut Origins<'a, '_>,
    meter: &mut Meter,
) -> Result<Origin, Fault> {
    let mut only: Option<&[u8]> = None;
    let mut count = 0;
    let mut fields = Fields::of(parent);
    while let Some(key) = fields.key()? {
        match key {
            RESOURCE => {
                only = Some(fields.bytes()?);
                count += 1;
                meter.element()?;
            }
            SCOPE_ITEMS | SCHEMA_URL => {
                fields.bytes()?;
            }
            _ => fields.skip(key, |number| number <= 3)?,
        }
    }
    // None at all is like an empty one; several are one, merged, and are not known again.
    let sent = Some(only.unwrap_or_default()).filter(|_| count <= 1);
    if let Some(known) = sent.and_then(|sent| origins.last(sent)) {
        return Ok(known);
    }
    let mut fields = Fields::of(parent);
    while let Some(key) = fields.key()? {
        match key {
            RESOURCE => attributes(fields.bytes()?, origins, meter)?,
            _ => fields.skip(key, |_| false)?,
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
    while let Some(key) = fields.key()? {
        match key {
            ATTRIBUTE => {
                meter.element()?;
                let attribute = Attribute::of(fields.bytes()?)?;
                let value = attribute.value(meter)?;
                origins.attributes.keep(attribute.key, &value, meter)?;
            }
            DROPPED_ATTRIBUTES => {
                fields.varint()?;
            }
            ENTITY => {
                fields.bytes()?;
            }
            _ => fields.skip(key, |number| number <= 3)?,
        }
    }
    Ok(())
}

/// The process that a scope names, where it names one: by the last attribute of that name, and by
/// none where that is not a string.
pub(super) fn instance_of_scope<'a>(
    scope: &'a [u8],
    meter: &mut Meter,
) -> Result<Option<Option<Text<'a>>>, Fault> {
    let mut instance = None;
    let mut fields = Fields::of(scope);
    while let Some(key) = fields.key()? {
        match key {
            SCOPE_ATTRIBUTE => {
                meter.element()?;
                let attribute = Attribute::of(fields.bytes()?)?;
                if attribute.key.bytes == INSTANCE_ATTRIBUTE.as_bytes() {
                    instance = Some(attribute.value(meter)?.as_text());
                }
            }
            SCOPE_NAME | SCOPE_VERSION => {
                fields.bytes()?;
            }
            SCOPE_DROPPED_ATTRIBUTES => {
                fields.varint()?;
            }
            _ => fields.skip(key, |number| number <= 4)?,
        }
    }
    Ok(instance)
}
