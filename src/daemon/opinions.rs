//! What people said of trouble: whether it was told rightly, by what stays the same when it comes back.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;

use super::showing::said;
use crate::core::desk::Desk;
use crate::edge::api::{Feedback, FeedbackVerdict, Subject};
use crate::edge::store::{Control, Document, Kind};

/// What people said. Of one thing counts what each said of it last.
#[derive(Debug, Default)]
pub(super) struct Opinions {
    /// By fingerprint, what was said by whom of what: whether it was told rightly.
    of: BTreeMap<Box<str>, BTreeMap<Box<str>, bool>>,
    /// What was said by whom of what, with the fingerprints that it is about, oldest first.
    said: VecDeque<(Box<str>, Vec<Box<str>>)>,
}

/// As it is kept of what somebody said, beside what they said.
#[derive(Deserialize)]
struct Kept {
    verdict: FeedbackVerdict,
    /// Those of earlier versions have none, and count for nothing.
    #[serde(default)]
    fingerprints: Vec<Box<str>>,
}

impl Opinions {
    /// Most opinions that count; the oldest go.
    pub(super) const SAID_MAX: usize = 10_000;

    /// Those that are kept.
    pub(super) fn kept(control: &Control) -> Self {
        let mut opinions = Self::default();
        let found = said(control.newest(Kind::Verdict, None, Self::SAID_MAX));
        for it in found.iter().rev() {
            let Document { id, body, .. } = &it.document;
            if let Ok(kept) = serde_json::from_slice::<Kept>(body) {
                opinions.hear(id.clone(), kept.fingerprints, kept.verdict);
            }
        }
        opinions
    }

    /// Somebody said so of something with these fingerprints; `id` is what and who.
    pub(super) fn hear(
        &mut self,
        id: Box<str>,
        fingerprints: Vec<Box<str>>,
        verdict: FeedbackVerdict,
    ) {
        if let Some(place) = self.said.iter().position(|(known, _)| *known == id) {
            self.forget(place);
        }
        if fingerprints.is_empty() {
            return;
        }
        if self.said.len() >= Self::SAID_MAX {
            self.forget(0);
        }
        let is_right = match verdict {
            FeedbackVerdict::TruePositive => true,
            // What somebody did on purpose is nothing to act on either.
            FeedbackVerdict::FalsePositive | FeedbackVerdict::Expected => false,
        };
        for fingerprint in &fingerprints {
            let of = self.of.entry(fingerprint.clone()).or_default();
            of.insert(id.clone(), is_right);
        }
        self.said.push_back((id, fingerprints));
    }

    /// How often it was said that trouble of this fingerprint was rightly told, and how often anything was
    /// said of it.
    pub(super) fn of(&self, fingerprint: &str) -> (u32, u32) {
        let said = self
            .of
            .get(fingerprint)
            .into_iter()
            .flat_map(BTreeMap::values);
        said.fold((0, 0), |(right, all), is_right| {
            (right + u32::from(*is_right), all + 1)
        })
    }

    fn forget(&mut self, place: usize) {
        let Some((id, fingerprints)) = self.said.remove(place) else {
            return;
        };
        for fingerprint in fingerprints {
            if let Some(of) = self.of.get_mut(&fingerprint) {
                of.remove(&id);
                if of.is_empty() {
                    self.of.remove(&fingerprint);
                }
            }
        }
    }
}

/// The fingerprints that `feedback` is about: its own, and of an anomaly that of the incident that goes on and
/// has it for a sign, since actions are asked for in the incident's name.
pub(super) fn fingerprints(feedback: &Feedback, desk: &Desk, control: &Control) -> Vec<Box<str>> {
    match &feedback.subject {
        Subject::Incident(id) => {
            let live = desk.incident(id).map(|it| it.fingerprint);
            let kept = || fingerprint_of(control, Kind::Incident, id);
            live.or_else(kept).into_iter().collect()
        }
        Subject::Anomaly(id) => {
            let has_sign = desk
                .live()
                .find(|it| it.signs.iter().any(|sign| sign.id == *id));
            let own = fingerprint_of(control, Kind::Anomaly, id);
            own.into_iter()
                .chain(has_sign.map(|it| it.fingerprint))
                .collect()
        }
    }
}

fn fingerprint_of(control: &Control, kind: Kind, id: &str) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Fingerprint {
        fingerprint: Box<str>,
    }
    let document = said(control.document(kind, id))?;
    let read: Fingerprint = serde_json::from_slice(&document.document.body).ok()?;
    Some(read.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(opinions: &mut Opinions, id: &str, of: &[&str], verdict: FeedbackVerdict) {
        let of = of.iter().map(|it| (*it).into()).collect();
        opinions.hear(id.into(), of, verdict);
    }

    #[test]
    fn what_each_said_last_of_one_thing_counts_for_its_fingerprints() {
        use FeedbackVerdict::{Expected, FalsePositive, TruePositive};
        let mut opinions = Opinions::default();
        hear(&mut opinions, "1 ana", &["a", "b"], TruePositive);
        hear(&mut opinions, "1 ben", &["a", "b"], FalsePositive);
        hear(&mut opinions, "2 ana", &["a"], Expected);
        assert_eq!((opinions.of("a"), opinions.of("b")), ((1, 3), (1, 2)));
        hear(&mut opinions, "1 ana", &["a", "b"], FalsePositive);
        assert_eq!((opinions.of("a"), opinions.of("b")), ((0, 3), (0, 2)));
        assert_eq!(opinions.of("c"), (0, 0));
    }

    #[test]
    fn of_too_many_the_oldest_go() {
        let mut opinions = Opinions::default();
        for nth in 0..=Opinions::SAID_MAX {
            let id = nth.to_string();
            let of = if nth == 0 { "first" } else { "rest" };
            hear(&mut opinions, &id, &[of], FeedbackVerdict::TruePositive);
        }
        assert_eq!(opinions.of("first"), (0, 0));
        let most = u32::try_from(Opinions::SAID_MAX).unwrap();
        assert_eq!(opinions.of("rest"), (most, most));
    }
}
