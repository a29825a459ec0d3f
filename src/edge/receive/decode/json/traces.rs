//! `ExportTraceServiceRequest`.

use super::super::envelope::Items;
use super::super::meter::{Fault, Meter};
use super::super::origin::Origin;
use super::super::spans::{Gatherer, SentSpan};
use super::super::{ConvertSettings, Decoded};
use super::envelope::{Names, walk};
use super::reader::Reader;
use super::values::{id, unsigned};
use crate::core::record::{SpanId, TraceId};

const NAMES: Names = Names {
    of_resources: "resourceSpans",
    of_scopes: "scopeSpans",
    items: "spans",
};

/// Decodes the request in `body`.
pub(in super::super) fn traces(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut gatherer = Gatherer::new(settings, body.len());
    walk(body, NAMES, settings, &mut gatherer)?;
    Ok(gatherer.finish())
}

impl<'a> Items<&mut Reader<'a>> for Gatherer<'_> {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn turn(&mut self, _origin: &Origin) -> Result<(), Fault> {
        Ok(())
    }

    fn own(&mut self, item: &mut Reader<'a>) -> Result<(), Fault> {
        self.decoded.records += 1;
        self.decoded.own += 1;
        item.skip()
    }

    fn read(&mut self, item: &mut Reader<'a>, origin: &Origin) -> Result<(), Fault> {
        let mut sent = SentSpan::default();
        item.object(|reader, key| {
            match key {
                b"traceId" => sent.trace_id = TraceId::from_bytes(&id::<16>(reader)?),
                b"spanId" => sent.span_id = SpanId::from_bytes(&id::<8>(reader)?),
                b"parentSpanId" => sent.parent = SpanId::from_bytes(&id::<8>(reader)?),
                b"name" => sent.name = reader.text()?,
                b"startTimeUnixNano" => sent.start = unsigned(reader)?,
                b"endTimeUnixNano" => sent.end = unsigned(reader)?,
                b"status" => reader.object(|reader, key| {
                    match key {
                        b"code" => sent.status = status(reader)?,
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        self.take(&sent, origin)
    }
}

/// Enums are to be numbers, but some senders write their names.
fn status(reader: &mut Reader<'_>) -> Result<i32, Fault> {
    Ok(match reader.digits()? {
        "STATUS_CODE_ERROR" => 2,
        digits => digits.parse().unwrap_or_default(),
    })
}
