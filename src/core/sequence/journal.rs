//! The latest records of a stream: their lines and their values, kept once for all sequences.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::record::{Severity, SpanId, TraceId, Value};

/// What a record leaves behind to be quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The record as logged, bounded in length, untrusted.
    pub text: Arc<str>,
    /// Its trace and span.
    pub trace: (Option<TraceId>, Option<SpanId>),
    /// Its severity.
    pub severity: Severity,
    /// What its sender calls its template.
    pub sent_template: Option<Arc<str>>,
}

/// Lines and values of the latest records, each in a ring of its own that forgets the oldest.
///
/// A record goes by a number: they are counted, and the count starts again at 2³². What was
/// forgotten is not found.
#[derive(Debug)]
pub struct Journal {
    limits: JournalLimits,
    /// The number of the next record.
    next: u32,
    lines: VecDeque<Option<Line>>,
    line_bytes: usize,
    values: VecDeque<Value>,
    /// Where the row of each of the latest records ends, counted from the first value ever.
    ends: VecDeque<u32>,
    /// Where the oldest row begins.
    begin: u32,
}

/// What the journal of one stream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Bytes of lines. An explanation quotes a template in place of a line that was forgotten.
    pub lines_bytes_max: usize,
    /// Bytes of values. What has forgotten its values is judged without them.
    pub values_bytes_max: usize,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self {
            lines_bytes_max: 8 << 20,
            values_bytes_max: 8 << 20,
        }
    }
}

impl Journal {
    /// An empty one.
    pub const fn new(limits: JournalLimits) -> Self {
        Self {
            limits,
            next: 0,
            lines: VecDeque::new(),
            line_bytes: 0,
            values: VecDeque::new(),
            ends: VecDeque::new(),
            begin: 0,
        }
    }

    /// From now on it may take so much, and `bytes_max` in all; the oldest beyond it are forgotten, and
    /// their room given back.
    pub fn set_limits(&mut self, limits: JournalLimits, bytes_max: usize) {
        let values_bytes_max = limits.values_bytes_max.min(bytes_max / 2);
        let left = bytes_max - self.values_bytes().min(values_bytes_max);
        self.limits = JournalLimits {
            lines_bytes_max: limits.lines_bytes_max.min(left),
            values_bytes_max,
        };
        self.forget();
        give_back(&mut self.lines);
        give_back(&mut self.values);
        give_back(&mut self.ends);
    }

    /// Notes a record, of which the line may be forgotten already; its number.
    pub fn note(&mut self, line: Option<Line>, values: &[Value]) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.line_bytes += bytes_of(line.as_ref());
        self.lines.push_back(line);
        self.values.extend(values);
        let before = self.ends.back().copied().unwrap_or(self.begin);
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        self.ends.push_back(before.wrapping_add(count));
        self.forget();
        number
    }

    fn forget(&mut self) {
        while self.line_bytes > self.limits.lines_bytes_max
            && let Some(oldest) = self.lines.pop_front()
        {
            self.line_bytes -= bytes_of(oldest.as_ref());
        }
        while self.values_bytes() > self.limits.values_bytes_max
            && let Some(end) = self.ends.pop_front()
        {
            self.values.drain(..end.wrapping_sub(self.begin) as usize);
            self.begin = end;
        }
    }

    /// How many records were noted since the record `number`, itself included: the older the more.
    pub fn age(&self, number: u32) -> u32 {
        self.next.wrapping_sub(number)
    }

    /// The line of the record `number`.
    pub fn line(&self, number: u32) -> Option<&Line> {
        let place = self.place(number, self.lines.len())?;
        self.lines.get(place)?.as_ref()
    }

    /// The values of the record `number`; `None` once they were forgotten.
    pub fn values(&self, number: u32) -> Option<impl Iterator<Item = Value> + '_> {
        let place = self.place(number, self.ends.len())?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => self.begin,
        };
        let range = |at: u32| at.wrapping_sub(self.begin) as usize;
        let row = range(start)..range(*self.ends.get(place)?);
        Some(self.values.range(row).copied())
    }

    /// A number under which nothing is found for a long time.
    pub fn forgotten(&self) -> u32 {
        self.next.wrapping_sub(1 << 31)
    }

    /// Bytes that lines and values take.
    pub fn bytes(&self) -> usize {
        self.line_bytes + self.values_bytes()
    }

    fn values_bytes(&self) -> usize {
        self.values.len() * size_of::<Value>() + self.ends.len() * size_of::<u32>()
    }

    /// Where the record `number` stands among the `kept` latest.
    fn place(&self, number: u32, kept: usize) -> Option<usize> {
        let age = self.age(number) as usize;
        (age > 0).then(|| kept.checked_sub(age))?
    }
}

/// Room that has long not been needed goes back; what is in use again soon stays.
fn give_back<T>(ring: &mut VecDeque<T>) {
    if ring.capacity() > 3 * ring.len() {
        ring.shrink_to_fit();
    }
}

/// The text has two counters in front.
fn bytes_of(line: Option<&Line>) -> usize {
    let text = line.map_or(0, |line| 2 * size_of::<usize>() + line.text.len());
    size_of::<Option<Line>>() + text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line {
            text: text.into(),
            trace: (None, None),
            severity: Severity::Info,
            sent_template: None,
        }
    }

    fn row(journal: &Journal, number: u32) -> Option<Vec<Value>> {
        journal.values(number).map(Iterator::collect)
    }

    #[test]
    fn what_was_noted_is_found_until_it_is_forgotten_and_never_mistaken_for_another() {
        let mut journal = Journal::new(JournalLimits {
            lines_bytes_max: 2_000,
            values_bytes_max: 500,
        });
        // Across the point where numbers start again.
        journal.next = u32::MAX - 50;
        journal.begin = u32::MAX - 40;
        let mut noted = Vec::new();
        for n in 0..100u32 {
            let values: Vec<Value> = (0..n % 4)
                .map(|place| Value::name(n * 10 + place))
                .collect();
            let number = journal.note(Some(line(&format!("line {n}"))), &values);
            noted.push((number, n, values));
            assert!(journal.line_bytes <= 2_000 && journal.values_bytes() <= 500);
            let newest = noted.iter().rev().take(5);
            newest.for_each(|(number, n, values)| {
                assert_eq!(journal.line(*number), Some(&line(&format!("line {n}"))));
                assert_eq!(row(&journal, *number).as_ref(), Some(values));
            });
        }
        let kept: Vec<_> = noted
            .iter()
            .filter_map(|(number, n, values)| Some((row(&journal, *number)?, n, values)))
            .collect();
        assert!(kept.len() < 100 && kept.iter().all(|(row, _, values)| row == *values));
        assert_eq!(journal.line(noted[0].0), None);
        assert_eq!(journal.line(journal.next), None, "not noted yet");
        assert_eq!(row(&journal, journal.forgotten()), None);
    }
}
