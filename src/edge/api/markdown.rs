//! An incident as the first page of a post-mortem.
use crate::core::event::Incident;
/// The page, in Markdown in which nothing that was logged acts.
pub fn markdown(incident: &Incident) -> String {
    incident.title.to_string()
}
