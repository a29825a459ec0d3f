//! Distinct rows with their counts.

use rustc_hash::FxHashMap;

use crate::core::detect::Question;

/// A question and how often it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) question: Question,
    pub(super) count: u32,
}

/// The `rows_max` most frequent of `questions`, in their own order whatever order they came in.
pub(super) fn rows(questions: Vec<Question>, rows_max: usize) -> Vec<Row> {
    let mut counts: FxHashMap<Question, u32> = FxHashMap::default();
    for question in questions {
        let count = counts.entry(question).or_default();
        *count = count.saturating_add(1);
    }
    let rows = counts
        .into_iter()
        .map(|(question, count)| Row { question, count });
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_unstable_by(|a, b| b.count.cmp(&a.count).then(a.question.cmp(&b.question)));
    rows.truncate(rows_max);
    rows.sort_unstable_by_key(|row| row.question);
    rows
}
