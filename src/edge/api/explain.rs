//! An incident as an on-call engineer reads it at three in the morning.
use crate::core::event::Incident;
/// The text, in lines of at most 80 columns.
pub fn explanation(incident: &Incident) -> String {
    incident.title.to_string()
}
