//! Sequences as a forest of steps: what begins alike is computed once.

use crate::core::model::Key;

/// A sequence, or a piece of one, to learn from: every key but the last goes in, every key but the
/// first is to be foretold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::core) struct Row<'a> {
    /// What came, at least two keys.
    pub(in crate::core) keys: &'a [Key],
    /// How much its steps weigh.
    pub(in crate::core) weight: f32,
    /// The place among the [`States`](super::States) it goes on from; without one, from zero.
    pub(in crate::core) from: Option<u32>,
    /// The place where the state after it is left for the piece that follows.
    pub(in crate::core) to: Option<u32>,
}

/// Rows as steps in levels, a step before all that follow it. A step that several rows share is
/// there once.
#[derive(Debug, Default)]
pub(super) struct Forest {
    pub(super) steps: Vec<Step>,
    pub(super) levels: Vec<Level>,
    /// What was to be foretold, by step.
    pub(super) labels: Vec<Label>,
    /// Steps after which a state is kept, and its place.
    pub(super) kept: Vec<(u32, u32)>,
}

/// One key going in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) key: Key,
    /// The step before it; on the first level the place of the state it goes on from.
    pub(super) before: Option<u32>,
    /// Where its labels begin; they end where the next step's begin.
    pub(super) labels: u32,
}

/// Steps of one depth, side by side; those that others follow come first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) start: usize,
    pub(super) inner_end: usize,
    pub(super) end: usize,
}

/// A key that came after a step, and what that weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) key: Key,
    pub(super) weight: f32,
}

/// Rows `from..to` share a step that follows `before`.
struct Group {
    from: usize,
    to: usize,
    before: Option<u32>,
}

impl Forest {
    /// The forest of `rows`, whatever order they come in.
    pub(super) fn new(rows: &[Row<'_>]) -> Self {
        let mut rows: Vec<Row<'_>> = rows.iter().copied().filter(|r| r.keys.len() > 1).collect();
        rows.sort_by(|a, b| (a.from, a.keys).cmp(&(b.from, b.keys)));
        let mut forest = Self::default();
        let mut groups = groups(&rows, 0..rows.len(), |row| (row.from, row.keys[0]));
        groups
            .iter_mut()
            .for_each(|group| group.before = rows[group.from].from);
        let mut depth = 0;
        while !groups.is_empty() {
            groups = forest.add_level(&rows, groups, depth);
            depth += 1;
        }
        forest
    }

    /// The labels of a step.
    pub(super) fn labels_of(&self, step: usize) -> &[Label] {
        let start = self.steps.get(step).map_or(0, |step| step.labels as usize);
        let end = self.steps.get(step + 1).map(|next| next.labels as usize);
        self.labels
            .get(start..end.unwrap_or(self.labels.len()))
            .unwrap_or_default()
    }

    /// The steps of a level with their places.
    pub(super) fn steps_of(&self, level: &Level) -> impl Iterator<Item = (usize, &Step)> {
        (level.start..level.end).zip(&self.steps[level.start..level.end])
    }

    /// Adds the steps of `groups` and gives back the groups one level deeper.
    fn add_level(&mut self, rows: &[Row<'_>], groups: Vec<Group>, depth: usize) -> Vec<Group> {
        let goes_on = |group: &Group| {
            let rows = &rows[group.from..group.to];
            rows.iter().any(|row| row.keys.len() > depth + 2)
        };
        let (inner, last): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(goes_on);
        let start = self.steps.len();
        let level = Level {
            start,
            inner_end: start + inner.len(),
            end: start + inner.len() + last.len(),
        };
        let mut deeper = Vec::new();
        for group in inner.iter().chain(&last) {
            let here = self.add_step(rows, group, depth);
            for mut next in groups_after(rows, group, depth) {
                let row = &rows[next.from];
                let weight = rows[next.from..next.to].iter().map(|row| row.weight).sum();
                let key = row.keys[depth + 1];
                self.labels.push(Label { key, weight });
                // Shorter rows come first: for those that end here the label is all.
                next.from +=
                    rows[next.from..next.to].partition_point(|row| row.keys.len() == depth + 2);
                next.before = Some(here);
                if next.from < next.to {
                    deeper.push(next);
                }
            }
        }
        self.levels.push(level);
        deeper
    }

    fn add_step(&mut self, rows: &[Row<'_>], group: &Group, depth: usize) -> u32 {
        let here = self.steps.len() as u32;
        self.steps.push(Step {
            key: rows[group.from].keys[depth],
            before: group.before,
            labels: self.labels.len() as u32,
        });
        let ending = rows[group.from..group.to].iter();
        let ending = ending.filter(|row| row.keys.len() == depth + 2);
        self.kept
            .extend(ending.filter_map(|row| row.to.map(|to| (here, to))));
        here
    }
}

/// The rows of `group` by the key that comes after the step at `depth`.
fn groups_after(rows: &[Row<'_>], group: &Group, depth: usize) -> Vec<Group> {
    groups(rows, group.from..group.to, |row| row.keys[depth + 1])
}

/// Neighbours in `range` of which `of` says the same.
fn groups<T: PartialEq>(
    rows: &[Row<'_>],
    range: std::ops::Range<usize>,
    of: impl Fn(&Row<'_>) -> T,
) -> Vec<Group> {
    let mut from = range.start;
    let runs = rows[range].chunk_by(|a, b| of(a) == of(b));
    runs.map(|run| {
        let group = Group {
            from,
            to: from + run.len(),
            before: None,
        };
        from = group.to;
        group
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[u16]) -> Vec<Key> {
        of.iter().copied().map(Key).collect()
    }

    fn row(keys: &[Key], weight: f32) -> Row<'_> {
        Row {
            keys,
            weight,
            from: None,
            to: None,
        }
    }

    #[test]
    fn what_begins_alike_is_there_once_and_weighs_as_much_as_all() {
        let (a, b, c) = (
            keys(&[0, 2, 3, 1]),
            keys(&[0, 2, 1]),
            keys(&[0, 2, 3, 4, 1]),
        );
        let forest = Forest::new(&[row(&a, 2.0), row(&b, 3.0), row(&c, 1.0)]);
        // BEGIN, 2, 3, 4: four steps for nine.
        assert_eq!(forest.steps.len(), 4);
        assert_eq!(forest.levels.len(), 4);
        let labels = |step| -> Vec<(u16, f32)> {
            let labels = forest.labels_of(step).iter();
            labels.map(|label| (label.key.0, label.weight)).collect()
        };
        assert_eq!(labels(0), [(2, 6.0)]);
        assert_eq!(labels(1), [(1, 3.0), (3, 3.0)]);
        assert_eq!(labels(2), [(1, 2.0), (4, 1.0)]);
        assert_eq!(labels(3), [(1, 1.0)]);
    }

    #[test]
    fn steps_that_others_follow_come_first_on_their_level() {
        let (a, b) = (keys(&[0, 2, 1]), keys(&[0, 3, 4, 1]));
        let forest = Forest::new(&[row(&a, 1.0), row(&b, 1.0)]);
        let second = forest.levels[1];
        assert_eq!((second.start, second.inner_end, second.end), (1, 2, 3));
        assert_eq!((forest.steps[1].key, forest.steps[2].key), (Key(3), Key(2)));
        assert_eq!(forest.steps[3].before, Some(1));
    }

    #[test]
    fn pieces_that_go_on_from_different_states_share_nothing() {
        let a = keys(&[2, 3, 4]);
        let piece = |from, to| Row {
            from,
            to,
            ..row(&a, 1.0)
        };
        let forest = Forest::new(&[piece(Some(0), Some(1)), piece(Some(2), None)]);
        assert_eq!(forest.steps.len(), 4);
        assert_eq!(forest.steps[0].before, Some(0));
        assert_eq!(forest.steps[1].before, Some(2));
        assert_eq!(forest.kept, [(2, 1)]);
    }

    #[test]
    fn a_row_without_a_label_is_no_step() {
        let (a, b) = (keys(&[2]), keys(&[]));
        assert!(Forest::new(&[row(&a, 1.0), row(&b, 1.0)]).steps.is_empty());
    }
}
