//! The rows of the conformance checklist, each with the probe that decides it.
//!
//! Sources: S = OTLP specification, P = comments of the .proto files, L = log data model, C = common
//! concepts, X = examples of the proto repository. "derived" follows from these or from what real
//! senders do.

/// A table of rows: id, level, source, title and the function that decides it.
macro_rules! rows {
    ($($id:literal $level:literal $source:literal $title:literal => $probe:ident;)*) => {
        pub(super) const ROWS: &[Row] = &[$(Row {
            id: $id,
            level: $level,
            source: $source,
            title: $title,
            probe: |peer| Box::pin($probe(peer)),
        }),*];
    };
}

mod faults;
mod transport;
mod grpc;
mod http;
mod connections;
mod json;
mod data;
mod wire;

use std::future::Future;
use std::pin::Pin;

pub(super) use faults::Fault;

use super::client::Peer;
use super::report::Finding;

/// Decides a row by asking the receiver.
type Probe = for<'a> fn(&'a Peer) -> Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// One row of the checklist.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// How strongly the specification asks for it.
    pub(super) level: &'static str,
    pub(super) source: &'static str,
    pub(super) probe: Probe,
}

/// All rows in the order of the checklist.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    [
        transport::ROWS,
        grpc::ROWS,
        http::ROWS,
        connections::ROWS,
        json::ROWS,
        data::ROWS,
        wire::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Why a row cannot be decided from outside; `test` shows it for knothole.
fn hidden(what: &str, test: &str) -> String {
    format!("{what}; for knothole the test {test} shows it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_checklist_is_there_once_and_in_order() {
        let groups = [('T', 12), ('G', 8), ('H', 13), ('J', 9), ('D', 15)];
        let expected = groups
            .into_iter()
            .flat_map(|(letter, count)| (1..=count).map(move |number| format!("{letter}{number}")));
        let found: Vec<&str> = all().map(|row| row.id).collect();
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
