//! A Backstage catalogue: who depends on whom, and whose it is.
//!
//! The catalogue is a help and never a need: while it is down, what it last said holds.

mod client;
mod entity;
mod listing;

#[cfg(test)]
mod tests;

pub use client::{Catalog, CatalogError, CatalogSettings, Token};
pub use entity::{Entity, ServiceName};
pub use listing::{Dependency, Listing};
