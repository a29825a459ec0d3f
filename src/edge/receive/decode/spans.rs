//! Spans, reduced to what correlation needs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::meter::{Fault, Meter};
use super::origin::Origin;
use super::text::Text;
use super::{ConvertSettings, Decoded, RejectReason, reject};
use crate::core::record::{Span, SpanId, Spans, StreamKey, Timestamp, TraceId};

/// Bytes of memory for the spans of a resource, beside them and it.
const GROUP_BYTES: usize = 256;

/// A span as it is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SentSpan<'a> {
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
    pub(super) parent: Option<SpanId>,
    pub(super) name: Text<'a>,
    /// Nanoseconds; 0 is unknown.
    pub(super) start: u64,
    /// Nanoseconds; 0 is unknown.
    pub(super) end: u64,
    /// 2 is an error.
    pub(super) status: i32,
}

/// Takes spans, resource by resource.
#[derive(Debug)]
pub(super) struct Gatherer<'s> {
    settings: &'s ConvertSettings,
    pub(super) meter: Meter,
    pub(super) decoded: Decoded,
    names: HashSet<Arc<str>>,
    room: String,
}

impl<'s> Gatherer<'s> {
    pub(super) fn new(settings: &'s ConvertSettings, len: usize) -> Self {
        Self {
            settings,
            meter: Meter::new(len),
            decoded: Decoded::default(),
            names: HashSet::new(),
            room: String::new(),
        }
    }

    pub(super) fn take(&mut self, sent: &SentSpan<'_>, origin: &Origin) -> Result<(), Fault> {
        self.decoded.records += 1;
        let (Some(trace_id), Some(span_id)) = (sent.trace_id, sent.span_id) else {
            reject(&mut self.decoded.rejected, RejectReason::NoId);
            return Ok(());
        };
        let span = Span {
            trace_id,
            span_id,
            parent: sent.parent,
            name: self.name(sent.name)?,
            start: Timestamp::known(sent.start),
            duration: match sent.start {
                0 => Duration::ZERO,
                start => Timestamp::from_nanos(sent.end).since(Timestamp::from_nanos(start)),
            },
            is_error: sent.status == 2,
        };
        self.meter.take(size_of::<Span>())?;
        self.group(origin)?.push(span);
        Ok(())
    }

    pub(super) fn finish(self) -> Decoded {
        self.decoded.metered(&self.meter)
    }

    /// Many spans have one name, which is kept once.
    fn name(&mut self, sent: Text<'_>) -> Result<Arc<str>, Fault> {
        let len_max = self.settings.attribute_len_max;
        let name = sent.read(len_max, &mut self.room, &mut self.meter).text;
        if let Some(known) = self.names.get(name) {
            return Ok(Arc::clone(known));
        }
        self.meter.take(64 + name.len())?;
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        Ok(name)
    }

    fn group(&mut self, origin: &Origin) -> Result<&mut Vec<Span>, Fault> {
        let groups = &mut self.decoded.spans;
        let last = groups.last();
        if last.is_none_or(|last| !Arc::ptr_eq(&last.resource, &origin.resource)) {
            self.meter.take(GROUP_BYTES)?;
            groups.push(Spans {
                stream: StreamKey::of(&origin.resource, None),
                resource: Arc::clone(&origin.resource),
                spans: Vec::new(),
            });
        }
        let last = groups.last_mut().map(|group| &mut group.spans);
        last.ok_or(Fault::TooCostly)
    }
}
