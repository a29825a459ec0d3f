//! HTTP for people and machines: health, metrics, services, incidents, and what is done about them.
//!
//! ```text
//! request ─ gate: who is it, may they ─ routes ─┬─ View   what is there
//!           Hooks: who signed it               │
//!                                               ├─ Desk   an Order, applied and written down
//!                                               └─ Feed   server-sent events
//! ```
//!
//! Nothing here decides: what is read comes from a [`View`], what is to change goes to a [`Desk`].

mod actions;
mod alerts;
mod answer;
mod changes;
mod changing;
mod desk;
mod explain;
mod feed;
mod gate;
mod listen;
mod markdown;
mod objects;
mod page;
mod query;
mod reading;
mod recent;
mod routes;
mod signed;
mod time;
mod view;
mod words;

pub use desk::{Alert, Applied, Caller, Desk, Feedback, FeedbackVerdict, Order, Refusal, Subject};
pub use explain::explanation;
pub use feed::Feed;
pub use gate::{Gate, Role, TokenError, TokenSettings, TokenSource};
pub use markdown::markdown;
pub use objects::audited;
pub use page::Page;
pub use query::{ActionQuery, IncidentQuery};
pub use recent::Recent;
pub use routes::{Api, serve};
pub use signed::{Hooks, Signed};
pub use time::moment;
pub use time::{lasting, parsed};
pub use view::{
    AuditEntry, Dora, IncidentView, Lookup, ModelView, Quantiles, ServiceState, ServiceView,
    TemplateView, View, open_metrics,
};

/// The description of the api for machines; a test compares it with the routes.
const OPENAPI: &str = include_str!("../../../docs/openapi.yaml");

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
