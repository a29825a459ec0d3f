//! What a clerk writes, as the control database takes it.

use serde_json::Value;

use crate::core::event::{Anomaly, Event, Incident};
use crate::core::incident::SavedPart;
use crate::core::record::{Change, Timestamp};
use crate::edge::notify::Undelivered;
use crate::edge::store::{Document, Filing, Kind, OutboxRow, ToldEvent};

pub(super) fn told(event: &Event, at: Timestamp) -> ToldEvent {
    ToldEvent {
        id: event.id().into(),
        at,
    }
}

pub(super) fn message(undelivered: &Undelivered, at: Timestamp) -> OutboxRow {
    OutboxRow {
        sink: undelivered.sink().into(),
        kind: undelivered.kind().into(),
        id: undelivered.id().into(),
        message: undelivered.message(),
        at,
    }
}

pub(super) fn anomaly(anomaly: &Anomaly, object: &Value) -> Filing {
    Filing::Put(Document {
        kind: Kind::Anomaly,
        id: anomaly.id.clone(),
        at: anomaly.first_seen,
        body: object.to_string().into_bytes(),
    })
}

/// `None` where it cannot be written, which is not known to be.
pub(super) fn incident(incident: &Incident) -> Option<Filing> {
    Some(Filing::Put(Document {
        kind: Kind::Incident,
        id: incident.id.clone(),
        at: incident.detected,
        body: serde_json::to_vec(incident).ok()?,
    }))
}

/// `None` where it cannot be written, which is not known to be.
pub(super) fn change(change: &Change) -> Option<Filing> {
    Some(Filing::Put(Document {
        kind: Kind::Change,
        id: change.id.clone(),
        at: change.at,
        body: serde_json::to_vec(change).ok()?,
    }))
}

/// A part of a desk; one without a body is removed.
pub(super) fn desk(part: SavedPart) -> Filing {
    match part.body {
        Some(body) => Filing::Put(Document {
            kind: Kind::Desk,
            id: part.name,
            at: Timestamp::ZERO,
            body,
        }),
        None => Filing::Remove {
            kind: Kind::Desk,
            id: part.name,
        },
    }
}
