//! `ExportLogsServiceRequest`, which on the wire is the same as `LogsData`.

use super::super::meter::Fault;
use super::super::origin::{Origin, Origins};
use super::super::sort::{Sent, Sorter};
use super::super::text::Text;
use super::super::{ConvertSettings, Decoded};
use super::fields::{Fields, bytes, fixed32, fixed64, varint};
use super::origin;
use super::values::{Attribute, merge};
use crate::core::record::{SpanId, TraceId};

/// The only field of a request.
const RESOURCE_LOGS: u32 = bytes(1);

/// Fields of `ResourceLogs`.
const RESOURCE: u32 = bytes(1);
const SCOPE_LOGS: u32 = bytes(2);

/// Fields of `ScopeLogs`.
const SCOPE: u32 = bytes(1);
const LOG_RECORD: u32 = bytes(2);

/// Of both.
const SCHEMA_URL: u32 = bytes(3);

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
    let mut walk = Walk {
        origins: Origins::new(settings),
        sorter: Sorter::new(settings, body.len()),
    };
    let mut fields = Fields::of(body);
    while let Some(key) = fields.key()? {
        match key {
            RESOURCE_LOGS => walk.resource_logs(fields.bytes()?)?,
            _ => fields.skip(key, |number| number == 1)?,
        }
    }
    Ok(walk.sorter.finish())
}

struct Walk<'a, 's> {
    origins: Origins<'a, 's>,
    sorter: Sorter<'a, 's>,
}

impl<'a> Walk<'a, '_> {
    fn resource_logs(&mut self, message: &'a [u8]) -> Result<(), Fault> {
        self.sorter.meter.element()?;
        let origin = origin::of(message, &mut self.origins, &mut self.sorter.meter)?;
        self.sorter.turn();
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                SCOPE_LOGS => self.scope_logs(fields.bytes()?, &origin)?,
                RESOURCE | SCHEMA_URL => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |number| number <= 3)?,
            }
        }
        Ok(())
    }

    fn scope_logs(&mut self, message: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        self.sorter.meter.element()?;
        let is_own = origin.is_own || self.is_own_scope(message)?;
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                LOG_RECORD => {
                    let message = fields.bytes()?;
                    self.sorter.meter.element()?;
                    match is_own {
                        true => self.sorter.own(),
                        false => self.log_record(message, origin)?,
                    }
                }
                SCOPE | SCHEMA_URL => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |number| number <= 3)?,
            }
        }
        Ok(())
    }

    /// Told by the id and never by a name, which an application could borrow to hide its logs.
    fn is_own_scope(&mut self, scope_logs: &'a [u8]) -> Result<bool, Fault> {
        let mut instance = None;
        let mut fields = Fields::of(scope_logs);
        while let Some(key) = fields.key()? {
            match key {
                SCOPE => {
                    let scope = fields.bytes()?;
                    let found = origin::instance_of_scope(scope, &mut self.sorter.meter)?;
                    instance = found.unwrap_or(instance);
                }
                LOG_RECORD => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |_| false)?,
            }
        }
        Ok(instance == Some(Text::plain(self.origins.settings.instance_id.as_bytes())))
    }

    #[inline(never)]
    fn log_record(&mut self, message: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        let (settings, meter) = (self.sorter.settings, &mut self.sorter.meter);
        let mut sent = Sent::default();
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                ATTRIBUTE => {
                    meter.element()?;
                    let attribute = Attribute::of(fields.bytes()?)?;
                    let read = || attribute.value(meter);
                    sent.named.note(attribute.key.bytes, settings, read)?;
                }
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
        self.sorter.take(origin, &sent)
    }
}
