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

/// Reads attributes that are kept.
#[derive(Debug)]
pub(super) struct Attributes<'s> {
    pub(super) settings: &'s ConvertSettings,
    kept: Vec<(Box<str>, Box<str>)>,
    rooms: [String; 2],
}

impl<'s> Attributes<'s> {
    pub(super) const fn new(settings: &'s ConvertSettings) -> Self {
        Self {
            settings,
            kept: Vec::new(),
            rooms: [String::new(), String::new()],
        }
    }

    /// Keeps an attribute. One without a value is none.
    pub(super) fn keep(
        &mut self,
        key: Text<'_>,
        value: &Value<'_>,
        meter: &mut Meter,
    ) -> Result<(), Fault> {
        let settings = self.settings;
        if *value == Value::Empty {
            return Ok(());
        }
        if self.kept.len() >= settings.resource_attributes_max {
            meter.left_out += 1;
            return Ok(());
        }
        let [key_room, value_room] = &mut self.rooms;
        let len_max = settings.attribute_len_max;
        let key = key.read(len_max, key_room, meter).text;
        let value = value.read(len_max, value_room, meter);
        let value = value.map(|read| read.text).unwrap_or_default();
        meter.take(ATTRIBUTE_BYTES + key.len() + value.len())?;
        self.kept.push((key.into(), value.into()));
        Ok(())
    }

    /// Those that were kept since the last time.
    pub(super) fn take(&mut self) -> Vec<(Box<str>, Box<str>)> {
        std::mem::take(&mut self.kept)
    }
}

/// Reads resources, each once while it stays the same.
#[derive(Debug)]
pub(super) struct Origins<'a, 's> {
    pub(super) attributes: Attributes<'s>,
    last: Option<(&'a [u8], Origin)>,
}

impl<'a, 's> Origins<'a, 's> {
    pub(super) const fn new(settings: &'s ConvertSettings) -> Self {
        Self {
            attributes: Attributes::new(settings),
            last: None,
        }
    }

    /// The id of this process.
    pub(super) fn own_id(&self) -> &'s [u8] {
        self.attributes.settings.instance_id.as_bytes()
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

    /// The origin with the attributes since the last one, written as `sent` where that is one piece.
    pub(super) fn finish(&mut self, sent: Option<&'a [u8]>) -> Origin {
        let resource = Resource::new(self.attributes.take());
        let instance = resource.get("service.instance.id");
        let origin = Origin {
            is_own: instance.is_some_and(|instance| instance.as_bytes() == self.own_id()),
            resource: Arc::new(resource),
        };
        self.last = sent.map(|sent| (sent, origin.clone()));
        origin
    }
}
