//! What a Backstage catalog says → the clerk, again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock;
use super::config::{CatalogEntry, Settings};
use super::scribe::Scribe;
use crate::edge::catalog::{Catalog, CatalogError, CatalogSettings, Listing, Token};
use crate::edge::outgoing::{SetupError, guarded_client};

/// How often is looked whether what it said is too old.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A catalog cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogSetupError {
    /// Its token is not there.
    #[error("catalog: {0}")]
    Token(String),
    /// Its address or token cannot be used.
    #[error("catalog: {0}")]
    Catalog(#[from] CatalogError),
    /// Its address is not to be reached.
    #[error("catalog: {0}")]
    Client(#[from] SetupError),
}

/// Asks one catalog at a time, and none where there is none.
pub(super) struct Cataloging {
    scribe: Scribe,
    stop: CancellationToken,
    is_asked: Arc<AtomicBool>,
    /// Ends the asking that goes on.
    asking: Mutex<CancellationToken>,
}

impl Cataloging {
    /// Asks nobody yet. Everything ends with `stop`; `is_asked` tells others whether there is a catalog.
    pub(super) fn new(scribe: Scribe, stop: &CancellationToken, is_asked: Arc<AtomicBool>) -> Self {
        Self {
            scribe,
            stop: stop.clone(),
            is_asked,
            asking: Mutex::new(stop.child_token()),
        }
    }

    /// Asks `catalog` from now on; what another one said does not hold where there is none any more.
    pub(super) fn ask(&self, catalog: Option<Catalog>) {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.cancel();
        *asking = self.stop.child_token();
        let was_asked = self.is_asked.swap(catalog.is_some(), Ordering::Relaxed);
        match catalog {
            Some(catalog) => {
                let following = follow(catalog, self.scribe.clone());
                tokio::spawn(asking.clone().run_until_cancelled_owned(following));
            }
            None if was_asked => self.scribe.listed(Arc::default()),
            None => {}
        }
    }
}

/// The catalog of the settings, if there is one.
///
/// # Errors
/// It cannot be asked with these settings.
pub(super) fn catalog_of(settings: &Settings) -> Result<Option<Catalog>, CatalogSetupError> {
    let Some(entry) = &settings.catalog else {
        return Ok(None);
    };
    let asked = settings_of(entry)?;
    let reach = (&settings.egress, entry.allow_private);
    let client = guarded_client(&entry.url, reach, asked.timeout)?;
    Ok(Some(Catalog::new(asked, client)?))
}

fn settings_of(entry: &CatalogEntry) -> Result<CatalogSettings, CatalogSetupError> {
    let token = entry.token().map_err(CatalogSetupError::Token)?;
    Ok(CatalogSettings {
        token: token.map(|token| Token::new(&token)).transpose()?,
        ttl: entry.refresh.get(),
        ..CatalogSettings::of(&entry.url)
    })
}

/// Asks the catalog whenever it is time, and tells the scribe what it says. Ends when it is dropped.
async fn follow(mut catalog: Catalog, scribe: Scribe) {
    let mut is_failing = false;
    let mut said: Option<Arc<Listing>> = None;
    loop {
        match catalog.refresh(clock::now()).await {
            Ok(_) => {
                is_failing = false;
                said = Some(catalog.listing());
            }
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(%error, "The catalog says nothing; what it said before holds.");
            }
            Err(_) => {}
        }
        // Each time, since a scribe that is far behind lets it go.
        said.iter().for_each(|said| scribe.listed(Arc::clone(said)));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
