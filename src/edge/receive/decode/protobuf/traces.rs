//! `ExportTraceServiceRequest`.

use super::super::envelope::Items;
use super::super::meter::{Fault, Meter};
use super::super::origin::Origin;
use super::super::spans::{Gatherer, SentSpan};
use super::super::text::Text;
use super::super::{ConvertSettings, Decoded};
use super::envelope::walk;
use super::fields::{Fields, bytes, fixed32, fixed64, varint};
use crate::core::record::{SpanId, TraceId};

/// Fields of `Span`.
const TRACE_ID: u32 = bytes(1);
const SPAN_ID: u32 = bytes(2);
const TRACE_STATE: u32 = bytes(3);
const PARENT: u32 = bytes(4);
const NAME: u32 = bytes(5);
const KIND: u32 = varint(6);
const START: u32 = fixed64(7);
const END: u32 = fixed64(8);
const ATTRIBUTE: u32 = bytes(9);
const DROPPED_ATTRIBUTES: u32 = varint(10);
const EVENT: u32 = bytes(11);
const DROPPED_EVENTS: u32 = varint(12);
const LINK: u32 = bytes(13);
const DROPPED_LINKS: u32 = varint(14);
const STATUS: u32 = bytes(15);
const FLAGS: u32 = fixed32(16);

/// Fields of `Status`.
const MESSAGE: u32 = bytes(2);
const CODE: u32 = varint(3);

/// Decodes the request in `body`.
pub(in super::super) fn traces(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut gatherer = Gatherer::new(settings, body.len());
    walk(body, settings, &mut gatherer)?;
    Ok(gatherer.finish())
}

impl<'a> Items<&'a [u8]> for Gatherer<'_> {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn turn(&mut self, _origin: &Origin) -> Result<(), Fault> {
        Ok(())
    }

    fn own(&mut self, _item: &'a [u8]) -> Result<(), Fault> {
        self.decoded.records += 1;
        self.decoded.own += 1;
        Ok(())
    }

    fn read(&mut self, item: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        let mut sent = SentSpan::default();
        let mut fields = Fields::of(item);
        while let Some(key) = fields.key()? {
            match key {
                TRACE_ID => sent.trace_id = TraceId::from_bytes(fields.bytes()?),
                SPAN_ID => sent.span_id = SpanId::from_bytes(fields.bytes()?),
                PARENT => sent.parent = SpanId::from_bytes(fields.bytes()?),
                NAME => sent.name = Text::plain(fields.bytes()?),
                START => sent.start = fields.fixed64()?,
                END => sent.end = fields.fixed64()?,
                STATUS => merge_status(&mut sent.status, fields.bytes()?)?,
                TRACE_STATE | ATTRIBUTE | EVENT | LINK => {
                    fields.bytes()?;
                }
                KIND | DROPPED_ATTRIBUTES | DROPPED_EVENTS | DROPPED_LINKS => {
                    fields.varint()?;
                }
                FLAGS => {
                    fields.fixed32()?;
                }
                _ => fields.skip(key, |number| number <= 16)?,
            }
        }
        self.take(&sent, origin)
    }
}

fn merge_status(code: &mut i32, status: &[u8]) -> Result<(), Fault> {
    let mut fields = Fields::of(status);
    while let Some(key) = fields.key()? {
        match key {
            // An enum is as wide as an i32, whatever was sent.
            CODE => *code = fields.varint()? as i32,
            MESSAGE => {
                fields.bytes()?;
            }
            _ => fields.skip(key, |number| matches!(number, 2 | 3))?,
        }
    }
    Ok(())
}
