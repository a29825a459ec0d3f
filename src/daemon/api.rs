//! What the API shows and does, put together.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::clock;
use super::orders::Orders;
use super::router::Router;
use super::showing::Showing;
use super::telling::Telling;
use crate::edge::api::{Api, Hooks, Signed};
use crate::edge::notify::Signers;

/// Shows what `telling` and `router` know, and gives orders to the scribe.
pub(super) fn api_of(telling: &Telling, router: &Arc<Router>) -> Api {
    let announcer = &telling.announcer;
    Api {
        view: Arc::new(Showing {
            board: Arc::clone(&announcer.road.board),
            control: Arc::clone(&telling.control),
            router: Arc::clone(router),
            switch: Arc::clone(&telling.switch),
        }),
        desk: Arc::new(Orders {
            scribe: announcer.scribe.clone(),
            switch: Arc::clone(&telling.switch),
        }),
        gate: telling.gate.clone(),
        hooks: hooks(Arc::clone(&telling.signers)),
        feed: announcer.road.feed.clone(),
        clock: clock::now,
    }
}

/// The webhooks that take actions may answer with their own secrets.
fn hooks(signers: Arc<ArcSwap<Signers>>) -> Hooks {
    Hooks::new(move |signed: &Signed<'_>| {
        let signers = signers.load();
        let of = (signed.id, signed.timestamp);
        let name = signers.signer(of, signed.body, signed.signatures);
        name.map(Into::into)
    })
}
