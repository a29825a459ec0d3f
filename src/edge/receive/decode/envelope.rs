//! What the requests of all signals have in common: resources, in them scopes, in them items.

use super::meter::{Fault, Meter};
use super::origin::Origin;

/// What becomes of the items of a request: records, spans or metrics, each written as a `T`.
pub(super) trait Items<T> {
    /// What the request costs.
    fn meter(&mut self) -> &mut Meter;

    /// What follows comes from `origin`.
    fn turn(&mut self, origin: &Origin) -> Result<(), Fault>;

    /// Items written in so many bytes follow.
    fn expect(&mut self, _bytes: usize) {}

    /// Counts an item that knothole itself sent.
    fn own(&mut self, item: T) -> Result<(), Fault>;

    /// Takes an item.
    fn read(&mut self, item: T, origin: &Origin) -> Result<(), Fault>;
}
