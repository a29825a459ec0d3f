//! `ExportLogsServiceRequest`, which on the wire is the same as `LogsData`.

use super::super::ConvertSettings;
use super::super::meter::Fault;
use super::super::origin::{INSTANCE_ATTRIBUTE, Origin, Origins};
use super::super::sort::{Sent, Sorter};
use super::super::text::Text;
use super::fields::{Field, Fields};
use super::origin;
use super::values::{Attribute, merge};
use crate::core::record::{SpanId, TraceId};
use crate::edge::receive::decode::Decoded;

/// Decodes the request in `body`.
pub(in super::super) fn logs(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut walk = Walk {
        origins: Origins::new(settings),
        sorter: Sorter::new(settings, body.len()),
    };
    let mut fields = Fields::of(body);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(message)) => walk.resource_logs(message)?,
            (1, _) => return Err(fields.wrong_shape()),
            _ => {}
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
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (2, Field::Bytes(message)) => self.scope_logs(message, &origin)?,
                (1 | 3, Field::Bytes(_)) => {}
                (1..=3, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        Ok(())
    }

    fn scope_logs(&mut self, message: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        self.sorter.meter.element()?;
        let is_own = origin.is_own || self.is_own_scope(message)?;
        let mut fields = Fields::of(message);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (2, Field::Bytes(_)) if is_own => {
                    self.sorter.meter.element()?;
                    self.sorter.own();
                }
                (2, Field::Bytes(message)) => {
                    let sent = self.log_record(message)?;
                    self.sorter.take(origin, &sent)?;
                }
                (1 | 3, Field::Bytes(_)) => {}
                (1..=3, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Told by the id and never by a name, which an application could borrow to hide its logs.
    fn is_own_scope(&mut self, scope_logs: &'a [u8]) -> Result<bool, Fault> {
        let meter = &mut self.sorter.meter;
        let mut instance = None;
        let mut fields = Fields::of(scope_logs);
        while let Some((number, field)) = fields.next()? {
            let (1, Field::Bytes(scope)) = (number, field) else {
                continue;
            };
            let mut fields = Fields::of(scope);
            while let Some((number, field)) = fields.next()? {
                match (number, field) {
                    (3, Field::Bytes(message)) => {
                        meter.element()?;
                        let attribute = Attribute::of(message)?;
                        if attribute.key.0 == INSTANCE_ATTRIBUTE.as_bytes() {
                            instance = attribute.value(meter)?.as_text();
                        }
                    }
                    (1 | 2, Field::Bytes(_)) | (4, Field::Varint(_)) => {}
                    (1..=4, _) => return Err(fields.wrong_shape()),
                    _ => {}
                }
            }
        }
        Ok(instance == Some(Text(self.origins.settings.instance_id.as_bytes())))
    }

    #[inline]
    fn log_record(&mut self, message: &'a [u8]) -> Result<Sent<'a>, Fault> {
        let (settings, meter) = (self.sorter.settings, &mut self.sorter.meter);
        meter.element()?;
        let mut sent = Sent::default();
        let mut fields = Fields::of(message);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Fixed64(nanos)) => sent.time = nanos,
                (2, Field::Varint(number)) => sent.severity_number = number as i32,
                (3, Field::Bytes(text)) => sent.severity_text = Text(text),
                (5, Field::Bytes(message)) => merge(&mut sent.body, message, meter)?,
                (6, Field::Bytes(message)) => {
                    meter.element()?;
                    let attribute = Attribute::of(message)?;
                    let read = || attribute.value(meter);
                    sent.named.note(attribute.key.0, settings, read)?;
                }
                (9, Field::Bytes(id)) => sent.trace_id = TraceId::from_bytes(id),
                (10, Field::Bytes(id)) => sent.span_id = SpanId::from_bytes(id),
                (11, Field::Fixed64(nanos)) => sent.observed = nanos,
                (12, Field::Bytes(name)) => sent.event_name = Text(name),
                (7, Field::Varint(_)) | (8, Field::Fixed32(_)) => {}
                (1..=3 | 5..=12, _) => return Err(fields.wrong_shape()),
                _ => {}
            }
        }
        Ok(sent)
    }
}
