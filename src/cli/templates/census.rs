//! Reads lines, and keeps of each template what a report needs, in bounded memory.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::lines::{Lines, LinesError};
use super::report::{Parameter, Report, Row, Sample, Span};
use super::signs::signs;
use super::timeline::{Counts, Timeline};
use crate::core::parse::{
    CAUSED_BY, Hand, Miner, ParamKind, TEMPLATES_MAX, Template, message, values_of,
};
use crate::core::record::{TemplateId, Timestamp};
use crate::core::redact::Redactor;

/// Longest part of a line that is kept as an example, in bytes.
const EXAMPLE_LEN_MAX: usize = 1024;
/// Most lines kept of one template: its first, and others from later in the log.
const SAMPLES_MAX: usize = 6;
/// Most bytes of examples kept of all templates beyond the first of each.
const SAMPLES_BYTES_MAX: usize = 32 << 20;
/// Most templates of which something is kept; then those that were merged or let go are tidied up.
const KEPT_MAX: usize = 4 * TEMPLATES_MAX;
/// Most distinct values shown of one parameter.
const VALUES_MAX: usize = 4;

/// The templates of the lines read so far.
pub(super) struct Census {
    redactor: Redactor,
    miner: Miner,
    kept: FxHashMap<TemplateId, Kept>,
    timeline: Timeline,
    sample_bytes: usize,
    cut: u64,
}

/// What is kept of one template.
#[derive(Default)]
struct Kept {
    /// The order in which templates came.
    rank: usize,
    lines: u64,
    samples: Vec<Line>,
    seen: Option<(Timestamp, Timestamp)>,
    counts: Counts,
}

/// A record of the log, and where in it its message is.
struct Line {
    text: Box<str>,
    message: Range<usize>,
    /// Whether more than the message is in its template.
    has_constant: bool,
}

impl Census {
    pub(super) fn new(hand: &Arc<Hand>) -> Self {
        let mut miner = Miner::default();
        miner.set_hand(hand);
        Self {
            redactor: Redactor::default(),
            miner,
            kept: FxHashMap::default(),
            timeline: Timeline::default(),
            sample_bytes: 0,
            cut: 0,
        }
    }

    /// Reads a file to its end. Records of blanks alone are left out.
    pub(super) fn read(&mut self, lines: &mut Lines) -> Result<(), LinesError> {
        while let Some(record) = lines.next_record()? {
            if !record.trim_ascii().is_empty() {
                self.count(record);
            }
        }
        self.cut += lines.cut();
        Ok(())
    }

    pub(super) fn count(&mut self, line: &str) {
        let line = &*self.redactor.text(line);
        let message = message(line, None);
        let time = message.time;
        let at = time.unwrap_or(Timestamp::ZERO);
        let parsed = self.miner.parse_with(message.text(), &message.constant, at);
        if self.kept.len() >= KEPT_MAX {
            self.tidy();
        }
        let rank = self.kept.len();
        let kept = self.kept.entry(parsed.id).or_insert_with(|| Kept {
            rank,
            ..Kept::default()
        });
        kept.lines += 1;
        if let Some(time) = time {
            let (first, last) = kept.seen.unwrap_or((time, time));
            kept.seen = Some((first.min(time), last.max(time)));
            self.timeline.count(time, &mut kept.counts);
        }
        // At its first line, its second, its fourth and so on: from all over the log.
        if kept.lines.is_power_of_two() {
            let end = line.floor_char_boundary(EXAMPLE_LEN_MAX);
            let text: Box<str> = line.get(..end).unwrap_or_default().into();
            let is_first = kept.samples.is_empty();
            if is_first || self.sample_bytes + text.len() <= SAMPLES_BYTES_MAX {
                self.sample_bytes += if is_first { 0 } else { text.len() };
                let freed = kept.keep(Line {
                    text,
                    message: message.place().unwrap_or_default(),
                    has_constant: !message.constant.is_empty(),
                });
                self.sample_bytes -= freed;
            }
        }
    }

    /// Puts what is kept of templates that were merged with what is kept of those they became
    /// part of, and drops what is kept of those that were let go.
    fn tidy(&mut self) {
        let mut all: Vec<(TemplateId, Kept)> = self.kept.drain().collect();
        all.sort_unstable_by_key(|(_, kept)| kept.rank);
        self.sample_bytes = 0;
        for (id, kept) in all {
            let Some(template) = self.miner.resolve(id) else {
                continue;
            };
            let rank = self.kept.len();
            let into = self.kept.entry(template.id).or_insert_with(|| Kept {
                rank,
                ..Kept::default()
            });
            into.merge(kept);
        }
        let beyond_first = self
            .kept
            .values()
            .flat_map(|kept| kept.samples.iter().skip(1));
        self.sample_bytes = beyond_first.map(|line| line.text.len()).sum();
    }

    /// What was found, the most frequent template first.
    pub(super) fn report(mut self, source: &str) -> Report {
        self.miner.settle();
        self.tidy();
        let used = self.miner.templates().filter(|template| template.count > 0);
        let mut templates: Vec<&Template> = used.collect();
        templates.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        let rows: Vec<Row> = templates
            .into_iter()
            .map(|template| self.row(template))
            .collect();
        let seen = rows.iter().filter_map(|row| row.seen);
        Report {
            source: source.to_owned(),
            records: self.miner.records(),
            found: rows.len(),
            overflow: self.miner.overflow(),
            cut: self.cut,
            new_template_chance: self.miner.new_template_chance(),
            seen: seen.reduce(|(a, b), (c, d)| (a.min(c), b.max(d))),
            step_s: self.timeline.step_s(),
            signs: signs(&self.miner.health()),
            rows,
        }
    }

    fn row(&self, template: &Template) -> Row {
        let nothing = Kept::default();
        let kept = self.kept.get(&template.id).unwrap_or(&nothing);
        let samples = kept.samples.iter().map(|line| sample(line, &template.text));
        let samples: Vec<Sample> = samples.collect();
        let hand = self.miner.hand();
        let by_hand = hand.named(&template.text);
        Row {
            id: template.id,
            count: template.count,
            share: template.count as f64 / self.miner.records().max(1) as f64,
            text: template.text.to_string(),
            name: by_hand.and_then(|by_hand| by_hand.name.as_deref().map(str::to_owned)),
            class: hand.class_of(&template.text),
            is_by_hand: by_hand.is_some(),
            params: parameters(&template.text, &samples),
            samples,
            seen: kept.seen,
            series: self.timeline.series(&kept.counts),
        }
    }
}

impl Kept {
    /// Keeps a line, in place of another where there is no room; the bytes that were let go.
    fn keep(&mut self, line: Line) -> usize {
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(line);
            return 0;
        }
        let turn = self.lines.trailing_zeros() as usize;
        let at = 1 + turn % (SAMPLES_MAX - 1);
        let Some(slot) = self.samples.get_mut(at) else {
            return line.text.len();
        };
        std::mem::replace(slot, line).text.len()
    }

    fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        let room = SAMPLES_MAX - self.samples.len().min(SAMPLES_MAX);
        self.samples.extend(other.samples.into_iter().take(room));
        self.counts.merge(&other.counts);
        self.seen = match (self.seen, other.seen) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
}

/// A line with its values, as far as the text of its template can tell where they are.
fn sample(line: &Line, text: &str) -> Sample {
    let message = line.text.get(line.message.clone()).unwrap_or_default();
    let text = match text.rsplit_once(CAUSED_BY) {
        Some((text, _)) if line.has_constant => text,
        _ => text,
    };
    let params = values_of(text, message.as_bytes()).unwrap_or_default();
    let spans = params.iter().map(|param| Span {
        kind: param.kind,
        start: line.message.start + param.start as usize,
        end: line.message.start + param.end as usize,
    });
    Sample {
        spans: spans.collect(),
        text: line.text.to_string(),
    }
}

/// One for each wildcard of `text`: what its values are, and some of them.
fn parameters(text: &str, samples: &[Sample]) -> Vec<Parameter> {
    let wildcards = super::report::wildcards(text);
    let parameter = |at: usize| {
        let mut kinds: Vec<ParamKind> = Vec::new();
        let mut values: Vec<String> = Vec::new();
        for sample in samples {
            let Some(span) = sample.spans.get(at) else {
                continue;
            };
            kinds.push(span.kind);
            let value = sample.text.get(span.start..span.end).unwrap_or_default();
            if values.len() < VALUES_MAX && values.iter().all(|known| known != value) {
                values.push(value.to_owned());
            }
        }
        Parameter {
            kind: most_common(&kinds),
            values,
        }
    };
    (0..wildcards).map(parameter).collect()
}

/// The kind that most values are of; of two as common the first in the order of kinds.
fn most_common(kinds: &[ParamKind]) -> Option<ParamKind> {
    let count = |kind: ParamKind| kinds.iter().filter(|known| **known == kind).count();
    let common = ParamKind::ALL
        .into_iter()
        .rev()
        .max_by_key(|kind| count(*kind));
    common.filter(|kind| count(*kind) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(text: &str) -> Census {
        let mut census = Census::new(&Arc::default());
        text.lines().for_each(|line| census.count(line));
        census
    }

    #[test]
    fn the_most_frequent_template_comes_first_with_its_lines_and_values() {
        let report = census(
            "2026-11-21 07:00:00 started\n2026-11-21 07:00:01 took 5 ms at 10.0.0.7\n\
             2026-11-21 07:00:09 took 7 ms at 10.0.0.9\n",
        )
        .report("app.log");
        assert_eq!((report.records, report.found), (3, 2));
        let row = &report.rows[0];
        assert_eq!((row.count, row.text.as_str()), (2, "took <*> ms at <*>"));
        assert_eq!(
            row.samples[0].text,
            "2026-11-21 07:00:01 took 5 ms at 10.0.0.7"
        );
        assert_eq!(row.params[0].kind, Some(ParamKind::Number));
        assert_eq!(row.params[0].values, ["5", "7"]);
        assert_eq!(row.params[1].kind, Some(ParamKind::Ip));
        let (first, last) = row.seen.unwrap();
        assert_eq!(last.since(first).as_secs(), 8);
        assert_eq!(row.series, [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_template_that_grew_out_of_several_keeps_their_lines_and_counts() {
        let towns = ["oslo", "bonn", "rome", "kyiv", "lima", "riga", "bern"];
        let text: String = towns
            .iter()
            .map(|town| format!("hello from the town of {town} today\n"))
            .collect();
        let report = census(&text).report("x");
        assert_eq!(report.found, 1, "one template for all towns");
        let row = &report.rows[0];
        assert_eq!(row.samples[0].text, "hello from the town of oslo today");
        assert_eq!(row.params[0].values, ["oslo", "bonn", "rome", "kyiv"]);
        assert_eq!(row.params[0].kind, Some(ParamKind::Word));
    }

    #[test]
    fn a_log_of_json_is_told_apart_by_its_messages() {
        let lines = (1..=3).map(|n| {
            format!(
                "{{\"ts\":\"2026-11-21T07:00:0{n}Z\",\"msg\":\"took {n} ms\",\"user\":\"u{n}\"}}\n"
            )
        });
        let report = census(&lines.collect::<String>()).report("x");
        assert_eq!(report.found, 1);
        let row = &report.rows[0];
        assert_eq!((row.count, row.text.as_str()), (3, "took <*> ms"));
        assert_eq!(row.params[0].values, ["1", "2"]);
        assert!(row.seen.is_some());
    }

    #[test]
    fn what_is_kept_of_a_template_stays_small_and_comes_from_all_over_the_log() {
        let mut census = Census::new(&Arc::default());
        for number in 0..5_000 {
            census.count(&format!("step {number} {}", "x".repeat(4_000)));
        }
        let kept = census.kept.values().next().unwrap();
        assert_eq!(census.kept.len(), 1);
        assert_eq!(kept.samples.len(), SAMPLES_MAX);
        assert!(
            kept.samples
                .iter()
                .all(|line| line.text.len() <= EXAMPLE_LEN_MAX)
        );
        assert!(
            kept.samples
                .iter()
                .any(|line| line.text.starts_with("step 4095 "))
        );
        assert!(kept.samples[0].text.starts_with("step 0 "));
        assert_eq!(census.sample_bytes, (SAMPLES_MAX - 1) * EXAMPLE_LEN_MAX);
    }
}
