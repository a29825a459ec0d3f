//! Metrics, reduced to what correlation needs.

use std::sync::Arc;

use super::meter::{Fault, Meter};
use super::origin::{Attributes, Origin};
use super::text::Text;
use super::{ConvertSettings, Decoded};
use crate::core::record::{Metric, Point, Reading, Resource, StreamKey, Timestamp};

/// Bytes of memory for a metric beside its name and points.
const METRIC_BYTES: usize = 256;

/// A point as it is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SentPoint {
    /// Nanoseconds; 0 is unknown.
    pub(super) time: u64,
    /// Of a gauge or a sum.
    pub(super) number: Option<f64>,
    /// Of the others.
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) flags: u64,
}

impl SentPoint {
    /// Set in the flags of a point that says only that its series goes on.
    const NO_RECORDED_VALUE: u64 = 1;
}

/// Which of the two sorts of points a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Number,
    Many,
}

/// Takes metrics, resource by resource.
#[derive(Debug)]
pub(super) struct Gatherer<'s> {
    pub(super) attributes: Attributes<'s>,
    pub(super) meter: Meter,
    pub(super) decoded: Decoded,
    /// The points of the metric that is being read.
    points: Vec<Point>,
    room: String,
}

impl<'s> Gatherer<'s> {
    pub(super) fn new(settings: &'s ConvertSettings, len: usize) -> Self {
        Self {
            attributes: Attributes::new(settings),
            meter: Meter::new(len),
            decoded: Decoded::default(),
            points: Vec::new(),
            room: String::new(),
        }
    }

    /// Takes a point, whose attributes are those since the last one.
    pub(super) fn point(&mut self, sent: SentPoint, sort: Sort) -> Result<(), Fault> {
        self.decoded.records += 1;
        let attributes = Resource::new(self.attributes.take());
        let reading = match (sort, sent.number) {
            (Sort::Number, Some(number)) => Reading::Number(number),
            (Sort::Many, _) => Reading::Many {
                count: sent.count,
                sum: sent.sum,
            },
            (Sort::Number, None) => return Ok(()),
        };
        if sent.flags & SentPoint::NO_RECORDED_VALUE != 0 {
            return Ok(());
        }
        self.meter.take(size_of::<Point>())?;
        self.points.push(Point {
            attributes,
            time: Timestamp::known(sent.time),
            reading,
        });
        Ok(())
    }

    /// A point that knothole itself sent.
    pub(super) fn own_point(&mut self) {
        self.decoded.records += 1;
        self.decoded.own += 1;
    }

    /// Takes a metric, whose points are those since the last one.
    pub(super) fn metric(&mut self, name: Text<'_>, origin: &Origin) -> Result<(), Fault> {
        if self.points.is_empty() {
            return Ok(());
        }
        let len_max = self.attributes.settings.attribute_len_max;
        let name = name.read(len_max, &mut self.room, &mut self.meter).text;
        let stream = StreamKey::of(&origin.resource, None);
        self.meter.take(METRIC_BYTES + name.len())?;
        self.decoded.metrics.push(Metric {
            stream,
            resource: Arc::clone(&origin.resource),
            name: name.into(),
            points: std::mem::take(&mut self.points),
        });
        Ok(())
    }

    pub(super) fn finish(self) -> Decoded {
        self.decoded.metered(&self.meter)
    }
}
