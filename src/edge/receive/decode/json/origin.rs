//! The resource of a `ResourceLogs`, `ResourceSpans` or `ResourceMetrics`, and the scope of what is
//! in them.

use super::super::meter::{Fault, Meter};
use super::super::origin::{INSTANCE_ATTRIBUTE, Origin, Origins};
use super::super::text::Text;
use super::reader::Reader;
use super::values::attributes;

/// Reads a resource.
pub(super) fn of<'a>(
    reader: &mut Reader<'a>,
    origins: &mut Origins<'a, '_>,
    meter: &mut Meter,
) -> Result<Origin, Fault> {
    let from_here = reader.rest();
    if let Some((len, known)) = origins.begins(from_here) {
        reader.advance(len);
        return Ok(known);
    }
    reader.object(|reader, key| match key {
        b"attributes" => attributes(reader, meter, |name, value, meter| {
            origins.attributes.keep(name, &value, meter)
        }),
        _ => reader.skip(),
    })?;
    let len = from_here.len() - reader.rest().len();
    // An object ends where it ends, so what begins with all of it is the same object.
    Ok(origins.finish(from_here.get(..len)))
}

/// The process that a scope names.
pub(super) fn instance_of_scope<'a>(
    reader: &mut Reader<'a>,
    meter: &mut Meter,
) -> Result<Option<Text<'a>>, Fault> {
    let mut instance = None;
    reader.object(|reader, key| match key {
        b"attributes" => attributes(reader, meter, |name, value, _| {
            if *name.unescaped() == *INSTANCE_ATTRIBUTE.as_bytes() {
                instance = value.as_text();
            }
            Ok(())
        }),
        _ => reader.skip(),
    })?;
    Ok(instance)
}
