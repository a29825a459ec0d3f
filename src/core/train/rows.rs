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

/// Rows of at most about the mean count, frequent ones several times, so that no single row rules
/// the optimiser step it falls into. At most twice as many as before.
pub(super) fn evened(rows: &[Row]) -> Vec<Row> {
    let total: u64 = rows.iter().map(|row| u64::from(row.count)).sum();
    let share = total.div_ceil(rows.len().max(1) as u64).max(1);
    let share = u32::try_from(share).unwrap_or(u32::MAX);
    let mut evened = Vec::with_capacity(2 * rows.len());
    for row in rows {
        let mut left = row.count;
        while left > 0 {
            let count = left.min(share);
            evened.push(Row { count, ..*row });
            left -= count;
        }
    }
    evened
}
