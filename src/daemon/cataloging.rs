//! What a Backstage catalog says → the desk, again and again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::clock;
use super::config::{CatalogEntry, Settings};
use super::scribe::Scribe;
use crate::edge::catalog::{Catalog, CatalogError, CatalogSettings, Token};
use crate::edge::notify::{SendSetupError, guarded_client};

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
    Client(#[from] SendSetupError),
}

/// Follows the catalog of the settings, if there is one, until `stop`.
///
/// # Errors
/// It cannot be asked with these settings.
pub(super) fn start(
    settings: &Settings,
    scribe: &Scribe,
    stop: &CancellationToken,
) -> Result<(), CatalogSetupError> {
    let Some(entry) = &settings.catalog else {
        return Ok(());
    };
    let asked = settings_of(entry)?;
    let reach = (&settings.egress, entry.allow_private);
    let client = guarded_client(&entry.url, reach, asked.timeout)?;
    let following = follow(Catalog::new(asked, client)?, scribe.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(following));
    Ok(())
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
    loop {
        match catalog.refresh(clock::now()).await {
            Ok(is_new) => {
                is_failing = false;
                if is_new {
                    scribe.listed(catalog.listing());
                }
            }
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(%error, "The catalog says nothing; what it said before holds.");
            }
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
