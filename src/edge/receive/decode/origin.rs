//! Where telemetry comes from.

use std::sync::Arc;

use super::ConvertSettings;
use super::meter::{Fault, Meter};
use super::text::Text;
use super::value::Value;
use crate::core::record::Resource;

/// The scope attribute by which knothole knows the events it sent itself.
pub const INSTANCE_ATTRIBUTE: &str = "knothole.instance.id";

/// Bytes of memory for an attribute beside its texts: its place, and what two allocations cost.
const ATTRIBUTE_BYTES: usize = 64;

/// What sent a part of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) resource: Arc<Resource>,
    /// Whether it is this process.
    pub(super) is_own: bool,
}

/// Reads resources, each once while it stays the same.
#[derive(Debug)]
pub(super) struct Origins<'a, 's> {
    pub(super) settings: &'s ConvertSettings,
    last: Option<(&'a [u8], Origin)>,
    attributes: Vec<(Box<str>, Box<str>)>,
    rooms: [String; 2],
}

impl<'a, 's> Origins<'a, 's> {
    pub(super) const fn new(settings: &'s ConvertSettings) -> Self {
        Self {
            settings,
            last: None,
            attributes: Vec::new(),
            rooms: [String::new(), String::new()],
        }
    }

    /// The origin of the last resource, if it was written like this.
    pub(super) fn last(&self, sent: &[u8]) -> Option<Origin> {
        let (known, origin) = self.last.as_ref()?;
        (*known == sent).then(|| origin.clone())
    }

    /// The origin of the last resource, if `sent` begins like it, and how long it is.
    pub(super) fn begins(&self, sent: &[u8]) -> Option<(usize, Origin)> {
        let (known, origin) = self.last.as_ref()?;
        let begins = !known.is_empty() && sent.starts_with(known);
        begins.then(|| (known.len(), origin.clone()))
    }

    /// Keeps an attribute of the resource that is being read. One without a value is none.
    pub(super) fn attribute(
        &mut self,
        key: Text<'_>,
        value: &Value<'_>,
        meter: &mut Meter,
    ) -> Result<(), Fault> {
        let settings = self.settings;
        if *value == Value::Empty {
            return Ok(());
        }
        if self.attributes.len() >= settings.resource_attributes_max {
            meter.left_out += 1;
            return Ok(());
        }
        let [key_room, value_room] = &mut self.rooms;
        let len_max = settings.attribute_len_max;
        let key = key.read(len_max, key_room, meter).text;
        let value = value.read(len_max, value_room, meter);
        let value = value.map(|read| read.text).unwrap_or_default();
        meter.take(ATTRIBUTE_BYTES + key.len() + value.len())?;
        self.attributes.push((key.into(), value.into()));
        Ok(())
    }

    /// The origin with the attributes since the last one, written as `sent` where that is one piece.
    pub(super) fn finish(&mut self, sent: Option<&'a [u8]>) -> Origin {
        let resource = Resource::new(std::mem::take(&mut self.attributes));
        let instance = resource.get("service.instance.id");
        let origin = Origin {
            is_own: instance == Some(self.settings.instance_id.as_str()),
            resource: Arc::new(resource),
        };
        self.last = sent.map(|sent| (sent, origin.clone()));
        origin
    }
}
