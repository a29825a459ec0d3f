//! The order detector: how surprising is this event after those?

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Question;
use super::memo::{Answer, Memo};
use crate::core::model::{Bundle, Calibration, Key, ModelError, Network, Window};

/// What the model thinks of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// The place of the event among all keys: 1 is the one most expected.
    pub rank: u32,
    /// ln of the probability the model gave to the event.
    pub log_probability: f32,
    /// Whether the event is abnormal by the calibrated rule.
    pub miss: bool,
}

/// Judges events by a model, remembering the answers it gave.
#[derive(Debug)]
pub struct NextEvent {
    bundle: Arc<Bundle>,
    memo: Memo,
}

/// Most windows computed at once: enough to use the processor well, little enough that the
/// tensors stay in its cache.
const BATCH_LEN_MAX: usize = 256;

impl Judgement {
    /// −ln of the probability.
    pub fn surprise(&self) -> f32 {
        -self.log_probability
    }
}

impl NextEvent {
    /// A detector that has not judged anything yet.
    pub fn new(bundle: Arc<Bundle>) -> Self {
        Self {
            bundle,
            memo: Memo::default(),
        }
    }

    /// The model in use.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// One judgement for each question, in their order. What a question is asked together with
    /// makes no difference to its answer.
    ///
    /// # Errors
    /// When the network cannot compute; the questions are then unanswered.
    pub fn judge(&mut self, questions: &[Question]) -> Result<Vec<Judgement>, ModelError> {
        self.answer_unknown(questions)?;
        let mut judgements = Vec::with_capacity(questions.len());
        for question in questions {
            let answer = match self.memo.get(question) {
                Some(answer) => answer,
                // Only when one call asks more than the memo holds.
                None => self.answer_one(question)?,
            };
            judgements.push(judgement(answer, &self.bundle.manifest().calibration));
        }
        Ok(judgements)
    }

    fn answer_unknown(&mut self, questions: &[Question]) -> Result<(), ModelError> {
        let mut unknown = FxHashSet::default();
        let mut asked: Vec<Question> = Vec::new();
        for question in questions {
            if self.memo.get(question).is_none() && unknown.insert(*question) {
                asked.push(*question);
            }
        }
        let answers = answers(self.bundle.network(), &asked)?;
        asked
            .iter()
            .zip(answers)
            .for_each(|(question, answer)| self.memo.put(*question, answer));
        Ok(())
    }

    fn answer_one(&mut self, question: &Question) -> Result<Answer, ModelError> {
        let answer = answers(self.bundle.network(), &[*question])?
            .first()
            .copied();
        let answer = answer.unwrap_or(Answer {
            rank: u32::MAX,
            log_probability: f32::MIN,
        });
        self.memo.put(*question, answer);
        Ok(answer)
    }
}

fn judgement(answer: Answer, calibration: &Calibration) -> Judgement {
    let Answer {
        rank,
        log_probability,
    } = answer;
    let miss = calibration.is_miss(rank);
    Judgement {
        rank,
        log_probability,
        miss,
    }
}

/// What the network says to each question, however often it is asked.
pub(in crate::core) fn answers(
    network: &Network,
    questions: &[Question],
) -> Result<Vec<Answer>, ModelError> {
    let mut answers = Vec::with_capacity(questions.len());
    for batch in questions.chunks(BATCH_LEN_MAX) {
        let windows: Vec<Window> = batch.iter().map(|question| question.window).collect();
        let rows = network.log_probabilities(&windows)?;
        answers.extend(
            batch
                .iter()
                .zip(&rows)
                .map(|(question, row)| answer(row, question.came)),
        );
    }
    Ok(answers)
}

/// The rank of `came` in a row of log-probabilities; of equally probable keys the smaller is
/// first. [`Key::BEGIN`] never comes and takes no rank.
fn answer(row: &[f32], came: Key) -> Answer {
    let log_probability = row.get(came.index()).copied().unwrap_or(f32::MIN);
    let candidates = row.iter().enumerate().skip(Key::BEGIN.index() + 1);
    let better = candidates.filter(|(index, other)| {
        **other > log_probability || (**other == log_probability && *index < came.index())
    });
    Answer {
        rank: u32::try_from(better.count()).unwrap_or(u32::MAX - 1) + 1,
        log_probability,
    }
}
