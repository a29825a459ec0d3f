//! What a model is trained on.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::rows::{Row, rows};
use super::{TrainError, TrainSettings};
use crate::core::detect::{EventSequence, Heard, Question};
use crate::core::event::TemplateRef;
use crate::core::model::Vocabulary;

/// Longest stretch of a sequence that is held out or calibrated as one.
pub const SEGMENT_LEN_MAX: usize = 1_000;

/// Normal sequences and the templates in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corpus {
    /// Version of the masking rules that the template texts were made with.
    pub masks_version: u32,
    /// The templates in a fixed order of the caller's, such as by frequency. Keys follow it.
    pub templates: Vec<TemplateRef>,
    /// The sequences, oldest first. Events of templates not listed are skipped.
    pub sequences: Vec<EventSequence>,
    /// How long a sequence was quiet when it was taken to have ended; `None` where they were not cut
    /// by time. Nothing is learned from it: whoever judges must cut alike.
    pub idle_timeout: Option<Duration>,
}

/// The rows to train on and the segments held out.
pub(super) struct Split {
    pub(super) rows: Vec<Row>,
    pub(super) held_out: Vec<Vec<Question>>,
}

impl Corpus {
    /// Fewest sequences (long ones counted by segments) that can be trained and calibrated on.
    pub const SEGMENTS_MIN: usize = 10;

    /// SHA-256 of all that training reads, in hex.
    pub fn sha256(&self) -> String {
        let mut sum = Sha256::new();
        sum.update(self.masks_version.to_le_bytes());
        sum.update((self.templates.len() as u64).to_le_bytes());
        for template in &self.templates {
            sum.update(template.id.0.to_le_bytes());
            sum.update((template.text.len() as u64).to_le_bytes());
            sum.update(template.text.as_bytes());
        }
        for sequence in &self.sequences {
            sum.update([u8::from(sequence.begins), u8::from(sequence.ends)]);
            sum.update((sequence.events.len() as u64).to_le_bytes());
            sequence
                .events
                .iter()
                .for_each(|event| sum.update(event.0.to_le_bytes()));
        }
        sum.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// A key for each template.
    pub(super) fn vocabulary(&self) -> Result<Vocabulary, TrainError> {
        let templates = self.templates.len();
        if templates > Vocabulary::TEMPLATES_MAX {
            return Err(TrainError::TooManyTemplates { templates });
        }
        Ok(Vocabulary::new(self.templates.iter().cloned()))
    }

    /// All sequences in keys, those of processes that never end cut into segments of
    /// [`SEGMENT_LEN_MAX`].
    pub(super) fn segments(&self, vocabulary: &Vocabulary) -> Vec<Heard> {
        let mut segments = Vec::with_capacity(self.sequences.len());
        for sequence in &self.sequences {
            let heard = Heard::new(sequence, vocabulary);
            if heard.begins || heard.keys.len() <= SEGMENT_LEN_MAX {
                segments.push(heard);
                continue;
            }
            let indices: Vec<usize> = (0..heard.keys.len()).collect();
            segments.extend(indices.chunks(SEGMENT_LEN_MAX).map(|part| heard.part(part)));
        }
        segments.retain(|heard| !heard.keys.is_empty());
        segments
    }

    pub(super) fn split(
        &self,
        vocabulary: &Vocabulary,
        settings: &TrainSettings,
    ) -> Result<Split, TrainError> {
        let mut segments: Vec<Vec<Question>> = Vec::new();
        for sequence in &self.sequences {
            let asked = sequence.questions(vocabulary).asked;
            let asked: Vec<Question> = asked.into_iter().map(|(_, question)| question).collect();
            segments.extend(asked.chunks(SEGMENT_LEN_MAX).map(<[Question]>::to_vec));
        }
        if segments.len() < Self::SEGMENTS_MIN {
            return Err(TrainError::TooLittle {
                segments: segments.len(),
            });
        }
        let held_out = held_out(segments.len(), settings);
        let mut split = Split {
            rows: Vec::new(),
            held_out: Vec::new(),
        };
        let mut fitted = Vec::new();
        for (segment, is_held_out) in segments.into_iter().zip(held_out) {
            if is_held_out {
                split.held_out.push(segment)
            } else {
                fitted.extend(segment)
            }
        }
        split.rows = rows(fitted, settings.rows_max);
        Ok(split)
    }
}

/// Which of `count` segments are held out: the share asked for, at least one and not all, drawn
/// by the seed alone.
fn held_out(count: usize, settings: &TrainSettings) -> Vec<bool> {
    let wanted = (count as f64 * settings.holdout_share).round() as usize;
    let wanted = wanted.clamp(1, count.saturating_sub(1).max(1));
    let mut rng = ChaCha12Rng::seed_from_u64(settings.seed);
    let mut order: Vec<(u64, usize)> = (0..count).map(|index| (rng.next_u64(), index)).collect();
    order.sort_unstable();
    let mut held_out = vec![false; count];
    for (_, index) in order.into_iter().take(wanted) {
        held_out[index] = true;
    }
    held_out
}
