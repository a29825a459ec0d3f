//! What the API shows and does, put together.

use std::sync::Arc;

use super::clock;
use super::orders::Orders;
use super::router::Router;
use super::showing::Showing;
use super::telling::Telling;
use crate::edge::api::Api;

/// Shows what `telling` and `router` know, and gives orders to the scribe.
pub(super) fn api_of(telling: &Telling, router: &Arc<Router>) -> Api {
    let announcer = &telling.announcer;
    Api {
        view: Arc::new(Showing {
            board: Arc::clone(&announcer.road.board),
            control: Arc::clone(&telling.control),
            router: Arc::clone(router),
        }),
        desk: Arc::new(Orders {
            scribe: announcer.scribe.clone(),
        }),
        gate: telling.gate.clone(),
        feed: announcer.road.feed.clone(),
        clock: clock::now,
    }
}
