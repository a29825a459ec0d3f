//! Metrics, reduced to what correlation needs.

use std::sync::Arc;

use super::{Resource, StreamKey, Timestamp};

/// The points of one metric from one resource, in the order they were sent.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The service.
    pub stream: StreamKey,
    /// Where it comes from.
    pub resource: Arc<Resource>,
    /// Its name.
    pub name: Box<str>,
    /// The points; at least one.
    pub points: Vec<Point>,
}

/// One point of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Which of the metric's series it belongs to.
    pub attributes: Resource,
    /// When it was measured, where that is known.
    pub time: Option<Timestamp>,
    /// What was measured.
    pub reading: Reading,
}

/// What a point says, in the unit of its metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// Of a gauge or a sum.
    Number(f64),
    /// Of a histogram of any kind or a summary.
    Many {
        /// How many were measured.
        count: u64,
        /// Their sum; 0 where it was not sent.
        sum: f64,
    },
}
