//! `ExportLogsServiceRequest`, which is written the same as `LogsData`.

use super::super::envelope::Items;
use super::super::meter::{Fault, Meter};
use super::super::origin::Origin;
use super::super::sort::{Sent, Sorter};
use super::super::{ConvertSettings, Decoded};
use super::envelope::{Names, walk};
use super::reader::Reader;
use super::values::{attributes, id, unsigned, value};
use crate::core::record::{Severity, SpanId, TraceId};

const NAMES: Names = Names {
    of_resources: "resourceLogs",
    of_scopes: "scopeLogs",
    items: "logRecords",
};

/// Decodes the request in `body`.
pub(in super::super) fn logs(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut sorter = Sorter::new(settings, body.len());
    walk(body, NAMES, settings, &mut sorter)?;
    Ok(sorter.finish())
}

impl<'a> Items<&mut Reader<'a>> for Sorter<'a, '_> {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn turn(&mut self, _origin: &Origin) -> Result<(), Fault> {
        Self::turn(self);
        Ok(())
    }

    fn own(&mut self, item: &mut Reader<'a>) -> Result<(), Fault> {
        Self::own(self);
        item.skip()
    }

    fn read(&mut self, item: &mut Reader<'a>, origin: &Origin) -> Result<(), Fault> {
        let (settings, meter) = (self.settings, &mut self.meter);
        let mut sent = Sent::default();
        item.object(|reader, key| {
            match key {
                b"timeUnixNano" => sent.time = unsigned(reader)?,
                b"observedTimeUnixNano" => sent.observed = unsigned(reader)?,
                b"severityNumber" => sent.severity_number = severity_number(reader)?,
                b"severityText" => sent.severity_text = reader.text()?,
                b"body" => sent.body = value(reader, meter)?,
                b"traceId" => sent.trace_id = TraceId::from_bytes(&id::<16>(reader)?),
                b"spanId" => sent.span_id = SpanId::from_bytes(&id::<8>(reader)?),
                b"eventName" => sent.event_name = reader.text()?,
                b"attributes" => attributes(reader, meter, |name, value, _| {
                    sent.named.note(&name.unescaped(), settings, || Ok(value))
                })?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        self.take(origin, &sent)
    }
}

/// Enums are to be numbers, but some senders write their names.
fn severity_number(reader: &mut Reader<'_>) -> Result<i32, Fault> {
    let digits = reader.digits()?;
    if let Ok(number) = digits.parse() {
        return Ok(number);
    }
    let name = digits.strip_prefix("SEVERITY_NUMBER_").unwrap_or(digits);
    let level = name.trim_end_matches(['2', '3', '4']);
    Ok(Severity::from_text(level).unwrap_or_default().number())
}
