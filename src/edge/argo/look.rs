//! Looking: what the checks go by.

use serde::Deserialize;

use super::wire::{Argo, Unread};
use crate::core::remedy::facts::ArgoFacts;

/// What the sync windows of an application say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SyncWindows {
    /// Whether it may be synced by hand now.
    can_sync: Option<bool>,
}

impl Argo {
    /// What there is to know of `application`; `None` where there is none of that name.
    ///
    /// # Errors
    /// Argo CD does not say; why, in one sentence. Nobody acts on that.
    pub async fn look(&self, application: &str) -> Result<Option<ArgoFacts>, Box<str>> {
        let Some(found) = self.application(application).await? else {
            return Ok(None);
        };
        let windows: Option<SyncWindows> = self.read_of(application, "/syncwindows", &[]).await?;
        let can_sync = windows.and_then(|it| it.can_sync);
        let can_sync = can_sync
            .ok_or::<Unread>("Argo CD does not say whether a sync window is closed".into())?;
        Ok(Some(found.facts(can_sync)))
    }
}
