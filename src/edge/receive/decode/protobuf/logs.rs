//! `ExportLogsServiceRequest`, which on the wire is the same as `LogsData`.

use super::super::envelope::Items;
use super::super::meter::{Fault, Meter};
use super::super::origin::Origin;
use super::super::sort::{Sent, Sorter};
use super::super::text::Text;
use super::super::{ConvertSettings, Decoded};
use super::envelope::walk;
use super::fields::{Fields, bytes, fixed32, fixed64, varint};
use super::values::{Attribute, merge};
use crate::core::record::{SpanId, TraceId};

/// Fields of `LogRecord`.
const TIME: u32 = fixed64(1);
const SEVERITY_NUMBER: u32 = varint(2);
const SEVERITY_TEXT: u32 = bytes(3);
const BODY: u32 = bytes(5);
const ATTRIBUTE: u32 = bytes(6);
const DROPPED_ATTRIBUTES: u32 = varint(7);
const FLAGS: u32 = fixed32(8);
const TRACE_ID: u32 = bytes(9);
const SPAN_ID: u32 = bytes(10);
const OBSERVED: u32 = fixed64(11);
const EVENT_NAME: u32 = bytes(12);

/// Decodes the request in `body`.
pub(in super::super) fn logs(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut sorter = Sorter::new(settings, body.len());
    walk(body, settings, &mut sorter)?;
    Ok(sorter.finish())
}

impl<'a> Items<&'a [u8]> for Sorter<'a, '_> {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn turn(&mut self, _origin: &Origin) -> Result<(), Fault> {
        Self::turn(self);
        Ok(())
    }

    fn expect(&mut self, bytes: usize) {
        Self::expect(self, bytes);
    }

    fn own(&mut self, _item: &'a [u8]) -> Result<(), Fault> {
        Self::own(self);
        Ok(())
    }

    #[inline(never)]
    fn read(&mut self, message: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        let (settings, meter, lens) = (self.settings, &mut self.meter, self.name_lens);
        let mut sent = Sent::default();
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                // One mostly follows the other.
                ATTRIBUTE => loop {
                    meter.element()?;
                    if !Attribute::pass_another(&mut fields, lens) {
                        let attribute = Attribute::of(fields.bytes()?)?;
                        let read = || attribute.value(meter);
                        sent.named.note(attribute.key.bytes, settings, read)?;
                    }
                    if !fields.goes_on_with(ATTRIBUTE) {
                        break;
                    }
                },
                BODY => merge(&mut sent.body, fields.bytes()?, meter)?,
                TIME => sent.time = fields.fixed64()?,
                OBSERVED => sent.observed = fields.fixed64()?,
                // An enum is as wide as an i32, whatever was sent.
                SEVERITY_NUMBER => sent.severity_number = fields.varint()? as i32,
                SEVERITY_TEXT => sent.severity_text = Text::plain(fields.bytes()?),
                TRACE_ID => sent.trace_id = TraceId::from_bytes(fields.bytes()?),
                SPAN_ID => sent.span_id = SpanId::from_bytes(fields.bytes()?),
                EVENT_NAME => sent.event_name = Text::plain(fields.bytes()?),
                FLAGS => {
                    fields.fixed32()?;
                }
                DROPPED_ATTRIBUTES => {
                    fields.varint()?;
                }
                _ => fields.skip(key, |number| matches!(number, 1..=3 | 5..=12))?,
            }
        }
        self.take(origin, &sent)
    }
}
