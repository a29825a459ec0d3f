//! `ExportLogsServiceRequest`, which is written the same as `LogsData`.

use super::super::meter::Fault;
use super::super::origin::{Origin, Origins};
use super::super::sort::{Sent, Sorter};
use super::super::{ConvertSettings, Decoded};
use super::origin;
use super::reader::Reader;
use super::values::{attributes, id, unsigned, value};
use crate::core::record::{Severity, SpanId, TraceId};

/// Decodes the request in `body`.
pub(in super::super) fn logs(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut walk = Walk {
        origins: Origins::new(settings),
        sorter: Sorter::new(settings, body.len()),
    };
    let mut reader = Reader::of(body);
    reader.object(|reader, key| match key {
        b"resourceLogs" => reader.array(|reader| walk.resource_logs(reader)),
        _ => reader.skip(),
    })?;
    reader.end()?;
    Ok(walk.sorter.finish())
}

struct Walk<'a, 's> {
    origins: Origins<'a, 's>,
    sorter: Sorter<'a, 's>,
}

impl<'a> Walk<'a, '_> {
    fn resource_logs(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        self.sorter.meter.element()?;
        let mut origin = None;
        // What stands before its resource has to wait for it.
        let mut waiting = Vec::new();
        reader.object(|reader, key| match (key, &origin) {
            (b"resource", _) => {
                let meter = &mut self.sorter.meter;
                origin = Some(origin::of(reader, &mut self.origins, meter)?);
                self.sorter.turn();
                Ok(())
            }
            (b"scopeLogs", Some(origin)) => reader.array(|reader| self.scope_logs(reader, origin)),
            (b"scopeLogs", None) => {
                waiting.push(*reader);
                reader.skip()
            }
            _ => reader.skip(),
        })?;
        if waiting.is_empty() {
            return Ok(());
        }
        let origin = match origin {
            Some(origin) => origin,
            None => self.origins.finish(None),
        };
        self.sorter.turn();
        for mut reader in waiting {
            reader.array(|reader| self.scope_logs(reader, &origin))?;
        }
        Ok(())
    }

    fn scope_logs(&mut self, reader: &mut Reader<'a>, origin: &Origin) -> Result<(), Fault> {
        self.sorter.meter.element()?;
        let instance_id = self.origins.settings.instance_id.as_bytes();
        let mut is_own = Some(true).filter(|_| origin.is_own);
        let mut waiting = Vec::new();
        reader.object(|reader, key| match (key, is_own) {
            (b"scope", _) if !origin.is_own => {
                let named = origin::instance_of_scope(reader, &mut self.sorter.meter)?;
                is_own = Some(named.is_some_and(|named| *named.unescaped() == *instance_id));
                Ok(())
            }
            (b"logRecords", Some(is_own)) => self.log_records(reader, origin, is_own),
            (b"logRecords", None) => {
                waiting.push(*reader);
                reader.skip()
            }
            _ => reader.skip(),
        })?;
        for mut reader in waiting {
            self.log_records(&mut reader, origin, is_own.unwrap_or_default())?;
        }
        Ok(())
    }

    fn log_records(
        &mut self,
        reader: &mut Reader<'a>,
        origin: &Origin,
        is_own: bool,
    ) -> Result<(), Fault> {
        reader.array(|reader| {
            self.sorter.meter.element()?;
            if is_own {
                self.sorter.own();
                return reader.skip();
            }
            let sent = self.log_record(reader)?;
            self.sorter.take(origin, &sent)
        })
    }

    fn log_record(&mut self, reader: &mut Reader<'a>) -> Result<Sent<'a>, Fault> {
        let (settings, meter) = (self.sorter.settings, &mut self.sorter.meter);
        let mut sent = Sent::default();
        reader.object(|reader, key| {
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
        Ok(sent)
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
