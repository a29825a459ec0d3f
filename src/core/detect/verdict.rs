//! A whole sequence at once, by the same rule as record by record.

use super::{EventSequence, NextEvent, Question};
use crate::core::event::AnomalyKind;
use crate::core::model::ModelError;

/// What is to be said about a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How many of its events, its end included, the model judged.
    pub judged: usize,
    /// How many events have a template that the model does not know.
    pub new_templates: usize,
    /// How many events are misses.
    pub misses: usize,
    /// The first abnormal event; `None` for a normal sequence.
    pub first: Option<Finding>,
    /// The largest surprise (−ln probability) among the events judged; 0 when there are none.
    pub surprise: f32,
    /// The largest rank among the events judged; 0 when there are none.
    pub rank: u32,
}

/// An abnormal event of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its place in the sequence from 0 on; the number of events stands for the end.
    pub position: usize,
    /// Why it is abnormal.
    pub kind: AnomalyKind,
}

impl Verdict {
    /// Whether anything in the sequence is abnormal.
    pub fn is_abnormal(&self) -> bool {
        self.first.is_some()
    }
}

/// Judges all of `sequence`.
///
/// # Errors
/// When the network cannot compute.
pub fn judge_sequence(
    scorer: &mut NextEvent,
    sequence: &EventSequence,
) -> Result<Verdict, ModelError> {
    let questions = sequence.questions(scorer.bundle().vocabulary());
    let asked: Vec<Question> = questions
        .asked
        .iter()
        .map(|(_, question)| *question)
        .collect();
    let judgements = scorer.judge(&asked)?;
    let places = questions.asked.iter().map(|(position, _)| *position);
    let misses = places
        .zip(&judgements)
        .filter(|(_, judgement)| judgement.miss);
    let first_miss = misses.clone().next().map(|(position, _)| position);
    let first_new = questions.new_templates.first().copied();
    Ok(Verdict {
        judged: judgements.len(),
        new_templates: questions.new_templates.len(),
        misses: misses.count(),
        first: earlier(first_new, first_miss),
        surprise: judgements
            .iter()
            .map(|judgement| judgement.surprise())
            .fold(0.0, f32::max),
        rank: judgements
            .iter()
            .map(|judgement| judgement.rank)
            .max()
            .unwrap_or(0),
    })
}

/// One event cannot be both: a miss has a known template.
fn earlier(first_new: Option<usize>, first_miss: Option<usize>) -> Option<Finding> {
    let new = first_new.map(|position| Finding {
        position,
        kind: AnomalyKind::NewTemplate,
    });
    let miss = first_miss.map(|position| Finding {
        position,
        kind: AnomalyKind::Sequence,
    });
    new.into_iter()
        .chain(miss)
        .min_by_key(|finding| finding.position)
}
