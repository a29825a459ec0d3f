//! What a bundle says about itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HIDDEN_LEN, LAYER_COUNT, Vocabulary, WINDOW_LEN};
use crate::core::event::TemplateRef;
use crate::core::record::TemplateId;

/// Everything about a model but its weights. Written as JSON into the bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// SHA-256 of the bundle, in hex, taken with this field at zeros.
    pub content_sha256: String,
    /// Version of the bundle format: [`FORMAT`](Self::FORMAT).
    pub format: u32,
    /// The knothole that trained the model.
    pub knothole: String,
    /// The seed of the initial weights, the order of rows and the split.
    pub seed: u64,
    /// SHA-256 of the corpus, in hex.
    pub data_sha256: String,
    /// What the model was trained on.
    pub trained_on: TrainedOn,
    /// Version of the masking rules that the template texts were made with.
    pub masks_version: u32,
    /// The templates in the order of their keys, which start at
    /// [`Key::MARKER_COUNT`](super::Key::MARKER_COUNT).
    pub templates: Vec<TemplateEntry>,
    /// [`WINDOW_LEN`].
    pub window_len: usize,
    /// [`LAYER_COUNT`].
    pub layers: usize,
    /// [`HIDDEN_LEN`].
    pub hidden: usize,
    /// The false-alarm rate asked for, and DeepLog's rule where the bundle is of that rival.
    pub calibration: Calibration,
    /// How good the model is on the sequences held out.
    pub scores: Scores,
}

/// How much was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainedOn {
    /// Sequences.
    pub sequences: u64,
    /// Records in them.
    pub records: u64,
    /// Sequences that were seen to end; without any, the end of a sequence is not judged.
    pub ended: u64,
    /// Milliseconds without a record after which a sequence was taken to have ended. What it judges
    /// must be cut the same way, or counts differ. `None` where nothing was cut by time, and of
    /// bundles older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
}

impl TrainedOn {
    /// How long a sequence was quiet when it was taken to have ended, where that is known.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout_ms.map(Duration::from_millis)
    }
}

/// A template as the manifest names it. The id is text, since JSON readers lose large numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateEntry {
    /// 16 hex digits.
    pub id: String,
    /// Its text, with placeholders.
    pub text: Box<str>,
}

/// What held-out normal sequences say about where normal ends. No label is read for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The share of held-out normal sequences that may be alarmed on.
    pub alarm_rate: f32,
    /// A key of a higher rank than this is a miss (the paper's g; 1 is the most probable). Of
    /// DeepLog as published alone, else 0.
    pub top_g: u32,
    /// How many held-out sequences there were.
    pub sequences: u64,
    /// The largest surprises (−ln probability) of these sequences' worst moments, descending. At
    /// most [`WORST_LEN_MAX`](Self::WORST_LEN_MAX), and of DeepLog as published alone.
    pub worst: Vec<f32>,
}

/// Measured on the sequences held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// Mean of −ln probability per key.
    pub validation_loss: f32,
    /// The share of held-out sequences that raise an alarm.
    pub alarm_rate: f32,
}

impl Manifest {
    /// The format this build writes and reads.
    pub const FORMAT: u32 = 2;

    /// The manifest of a model that knows `templates`, with nothing said about its training.
    pub fn of_templates(templates: &[TemplateRef]) -> Self {
        Self {
            content_sha256: String::new(),
            format: Self::FORMAT,
            knothole: env!("CARGO_PKG_VERSION").into(),
            seed: 0,
            data_sha256: String::new(),
            trained_on: TrainedOn::default(),
            masks_version: 0,
            templates: templates.iter().map(TemplateEntry::from).collect(),
            window_len: WINDOW_LEN,
            layers: LAYER_COUNT,
            hidden: HIDDEN_LEN,
            calibration: Calibration::default(),
            scores: Scores::default(),
        }
    }

    /// The vocabulary of the model; `None` when an id is not 16 hex digits, two are the same or
    /// there are too many.
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        let templates: Option<Vec<_>> = self.templates.iter().map(TemplateEntry::read).collect();
        let vocabulary = Vocabulary::new(templates?);
        (vocabulary.templates().len() == self.templates.len()).then_some(vocabulary)
    }

    /// Whether the network has the only shape this build knows.
    pub(super) fn has_known_shape(&self) -> bool {
        (self.window_len, self.layers, self.hidden) == (WINDOW_LEN, LAYER_COUNT, HIDDEN_LEN)
    }
}

impl TemplateEntry {
    fn read(&self) -> Option<TemplateRef> {
        let is_hex = self.id.len() == 16 && self.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = is_hex.then(|| u64::from_str_radix(&self.id, 16).ok())??;
        Some(TemplateRef {
            id: TemplateId(id),
            text: self.text.clone(),
        })
    }
}

impl From<&TemplateRef> for TemplateEntry {
    fn from(template: &TemplateRef) -> Self {
        Self {
            id: template.id.to_string(),
            text: template.text.clone(),
        }
    }
}

impl Calibration {
    /// Whether a key of this rank (1 is the most probable) is abnormal.
    pub fn is_miss(&self, rank: u32) -> bool {
        rank > self.top_g
    }

    /// Most held-out surprises a bundle keeps.
    pub const WORST_LEN_MAX: usize = 4_096;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_from_before_the_idle_timeout_was_told_is_read_and_written_as_it_was() {
        let old = r#"{"sequences":3,"records":9,"ended":2}"#;
        let read: TrainedOn = serde_json::from_str(old).unwrap();
        assert_eq!((read.ended, read.idle_timeout()), (2, None));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }
}
