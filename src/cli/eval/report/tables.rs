//! The tables of a report, each left out where there is nothing in it.

use std::fmt;

use super::Report;
use crate::cli::eval::metrics::Found;
use crate::cli::terminal::printable;

impl Report {
    pub(super) fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { train, test, .. } = self;
        writeln!(f, "## knothole eval, layout {}\n", self.layout)?;
        if let Some(warning) = self.warning {
            writeln!(f, "**{warning}**\n")?;
        }
        if self.injected {
            writeln!(
                f,
                "The faults were put into normal sequences of the test part; see `--inject`.\n"
            )?;
        }
        let models = match train.models {
            1 => String::new(),
            models => format!(" for {models} models (a sequence may serve several)"),
        };
        let ambiguous = match test.ambiguous {
            0 => String::new(),
            ambiguous => format!(", {ambiguous} ambiguous ones counted apart"),
        };
        writeln!(
            f,
            "Trained on {} normal sequences{models} ({} records, at most {} templates), seed {}, at \
             most {} passes.\n\
             Tested on {} normal and {} abnormal sequences, each standing for {:.1} and {:.1}\
             {ambiguous}.\n\
             `label_free` thresholds saw no label; `best` ones were chosen on the test's labels.\n\
             The interval holds 95 % of F1 when the test sequences are drawn again with \
             replacement.\n",
            train.sequences,
            train.records,
            train.templates,
            self.seed,
            self.epochs_max,
            test.normal,
            test.abnormal,
            test.normal_weight,
            test.abnormal_weight,
        )
    }

    pub(super) fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| detector | threshold | precision | recall | F1 | 95 % interval | best F1 | AUROC \
             | average precision |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let [low, high] = row.f1_interval;
            writeln!(
                f,
                "| {} | {} | {:.3} | {:.3} | {:.3} | {low:.3}–{high:.3} | {:.3} | {:.3} | {:.3} |",
                row.detector,
                row.threshold.name(),
                row.precision,
                row.recall,
                row.f1,
                row.f1_best,
                row.auroc,
                row.average_precision,
            )?;
        }
        writeln!(f)
    }

    pub(super) fn write_quiet(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "False alarms, of 10,000 normal sequences:\n")?;
        writeln!(
            f,
            "| detector | false alarms | 95 % interval | asked for | 95 % of counts | holds | first \
             half | second half | a day | error of p |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let quiet = &row.quiet;
            let [low, high] = quiet.false_alarms_per_10k_interval;
            write!(
                f,
                "| {} | {:.1} | {low:.1}–{high:.1} |",
                row.detector, quiet.false_alarms_per_10k
            )?;
            match &quiet.asked {
                Some(asked) => {
                    let [low, high] = asked.per_10k_interval;
                    let holds = if asked.holds { "yes" } else { "no" };
                    write!(f, " {:.1} | {low:.1}–{high:.1} | {holds} |", asked.per_10k)?;
                }
                None => write!(f, " – | – | – |")?,
            }
            writeln!(
                f,
                " {:.1} | {:.1} | {} | {} |",
                quiet.drift.early_per_10k,
                quiet.drift.late_per_10k,
                shown(quiet.false_alarms_per_day, 1),
                shown(row.reliability.as_ref().map(|one| one.calibration_error), 3),
            )?;
        }
        writeln!(f)
    }

    pub(super) fn write_delays(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut delays = self
            .rows
            .iter()
            .filter_map(|row| Some((row.detector, row.delay.as_ref()?)))
            .peekable();
        let Some((_, first)) = delays.peek() else {
            return Ok(());
        };
        writeln!(
            f,
            "How soon: {:.1} % of the abnormal sequences go as a training sequence goes until their \
             last event and cannot be known before it.\n",
            first.follow_training * 100.0
        )?;
        writeln!(
            f,
            "| detector | found before the last event | of those that can be | median s after the \
             fault | nine in ten within s | median events after it |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for (detector, delay) in delays {
            writeln!(
                f,
                "| {detector} | {:.3} | {:.3} | {} | {} | {} |",
                delay.before_last_event,
                delay.before_last_event_of_others,
                shown(delay.median_s, 2),
                shown(delay.p90_s, 2),
                shown(delay.median_events, 0),
            )?;
        }
        writeln!(f)
    }

    pub(super) fn write_rounds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rounds = self
            .rows
            .iter()
            .filter_map(|row| Some((row.detector, row.rounds.as_ref()?)))
            .peekable();
        if rounds.peek().is_none() {
            return Ok(());
        }
        writeln!(
            f,
            "Rounds: F1 where unnoticed injections count as normal, recall of failures without an \
             error record, delay from the trigger, cause among the first three components blamed; \
             failures found that are one incident, those whose first sentence names the component \
             that failed, and those whose first suspect is it:\n"
        )?;
        writeln!(
            f,
            "| detector | F1 with ambiguous | silent recall | median s from the trigger | cause in \
             top 3 | one incident | first sentence | first suspect |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for (detector, rounds) in rounds {
            writeln!(
                f,
                "| {detector} | {:.3} | {} | {} | {} | {} | {} | {} |",
                rounds.f1_with_ambiguous,
                shown(rounds.silent_recall, 3),
                shown(rounds.median_delay_s, 1),
                shown(rounds.cause_top3, 3),
                shown(rounds.one_incident, 3),
                shown(rounds.first_sentence, 3),
                shown(rounds.first_suspect, 3),
            )?;
        }
        writeln!(f)
    }

    pub(super) fn write_seeds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seeds < 2 {
            return Ok(());
        }
        writeln!(f, "Over {} seeds, mean ± standard deviation:\n", self.seeds)?;
        writeln!(f, "| detector | F1 | AUROC | false alarms of 10,000 |")?;
        writeln!(f, "|---|---|---|---|")?;
        for row in &self.rows {
            if let Some(seeds) = &row.seeds {
                let (f1, auroc, quiet) = (&seeds.f1, &seeds.auroc, &seeds.false_alarms_per_10k);
                writeln!(
                    f,
                    "| {} | {:.3} ± {:.3} | {:.3} ± {:.3} | {:.1} ± {:.1} |",
                    row.detector,
                    f1.mean,
                    f1.deviation,
                    auroc.mean,
                    auroc.deviation,
                    quiet.mean,
                    quiet.deviation,
                )?;
            }
        }
        writeln!(f)
    }

    pub(super) fn write_kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(kinds) = self.recall_by_kind.values().next() else {
            return Ok(());
        };
        let detectors: Vec<&str> = self.rows.iter().map(|row| row.detector).collect();
        writeln!(
            f,
            "Recall by kind of fault (AUROC against all normal sequences):\n"
        )?;
        writeln!(f, "| fault | sequences | {} |", detectors.join(" | "))?;
        writeln!(f, "|---|---|{}", "---|".repeat(detectors.len()))?;
        for (kind, Found { of, .. }) in kinds {
            write!(f, "| {} | {of} |", cell(kind))?;
            for row in &self.rows {
                let recall = row.recall_by_kind.get(kind).copied();
                let auroc = row.auroc_by_kind.get(kind).copied();
                write!(f, " {} ({}) |", shown(recall, 2), shown(auroc, 2))?;
            }
            writeln!(f)?;
        }
        writeln!(f)
    }
}

/// A figure, or a dash where there is none.
fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}

/// Text from a set, safe in a table and on a terminal.
fn cell(text: &str) -> String {
    printable(text, 60).replace('|', "/")
}
