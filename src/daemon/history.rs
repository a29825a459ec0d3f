//! What a state folder keeps of the past: for whoever wants to know what rules would have done about it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::core::event::{Anomaly, Incident};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::simulate::Past;
use crate::edge::notify::anomaly_of_json;
use crate::edge::store::{Control, Document, Kind, StoreError, streams_beside};

/// The past of a daemon.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What is kept of it.
    pub past: Past,
    /// The anomalies of which it is not known any more when they were found; the time of their latest
    /// record stands for it.
    pub undated: usize,
    /// What is kept and cannot be read.
    pub unreadable: usize,
    /// The oldest anomaly that is kept, where older ones were let go to keep the bound.
    pub kept_since: Option<Timestamp>,
}

/// Documents read at once. Between two pages whoever writes gets a turn.
const PAGE: usize = 500;

impl History {
    /// What happened from one time until before another, as the state folder `root` keeps it. A daemon may
    /// be running on it.
    ///
    /// # Errors
    /// There is no control database, or it cannot be read.
    pub fn read(root: &Path, (from, to): (Timestamp, Timestamp)) -> Result<Self, StoreError> {
        let control = Control::beside(root)?;
        let mut history = Self::default();
        let mut services: BTreeSet<StreamKey> = BTreeSet::new();
        let mut kept = 0;
        let mut oldest = None;
        for_each_page(&control, Kind::Anomaly, |page| {
            kept += page.len();
            oldest = page.last().map(|last| last.at).or(oldest);
            history.take_anomalies(&control, page, (from, to))
        })?;
        for_each_page(&control, Kind::Incident, |page| {
            history.take_incidents(page, (from, to));
            Ok(())
        })?;
        if kept >= Kind::Anomaly.max() as usize {
            history.kept_since = oldest;
        }
        let past = &mut history.past;
        services.extend(past.anomalies.iter().map(|(_, it)| it.stream.clone()));
        let parts = past.incidents.iter().flat_map(|it| &it.parts);
        services.extend(parts.map(|part| part.stream.clone()));
        let heard = services.len().max(streams_beside(root));
        past.heard = u32::try_from(heard).unwrap_or(u32::MAX);
        Ok(history)
    }

    fn take_anomalies(
        &mut self,
        control: &Control,
        page: &[Document],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        let ids: Vec<&str> = page.iter().map(|it| &*it.id).collect();
        for (document, told_at) in page.iter().zip(control.told_at(&ids)?) {
            let Some(anomaly) = anomaly_of_json(&document.body) else {
                self.unreadable += 1;
                continue;
            };
            let found = found_at(&anomaly, told_at);
            if from <= found && found < to {
                self.undated += usize::from(told_at.is_none());
                self.past.anomalies.push((found, Arc::new(anomaly)));
            }
        }
        Ok(())
    }

    fn take_incidents(&mut self, page: &[Document], (from, to): (Timestamp, Timestamp)) {
        for document in page {
            let Ok(incident) = serde_json::from_slice::<Incident>(&document.body) else {
                self.unreadable += 1;
                continue;
            };
            let is_over = incident.ended.as_ref().is_some_and(|mark| mark.at <= from);
            if !is_over && incident.detected < to {
                self.past.incidents.push(incident);
            }
        }
    }
}

fn found_at(anomaly: &Anomaly, told_at: Option<Timestamp>) -> Timestamp {
    told_at.unwrap_or(anomaly.last_seen)
}

/// All documents of a kind, newest first, a page at a time.
fn for_each_page(
    control: &Control,
    kind: Kind,
    mut take: impl FnMut(&[Document]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = control.newest(kind, after, PAGE)?;
        after = page.last().map(|last| (last.document.at, last.nth));
        let is_last = page.len() < PAGE;
        let documents: Vec<Document> = page.into_iter().map(|it| it.document).collect();
        take(&documents)?;
        if is_last {
            return Ok(());
        }
    }
}
