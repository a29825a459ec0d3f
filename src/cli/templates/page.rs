//! The templates of a log as one page: it asks for nothing else and is read without scripts too.
//!
//! Log text is hostile. All of it goes through [`escaped`], and a policy in the page lets the
//! browser run and load nothing but the style and the script written here, told by their hashes.

use std::fmt::{self, Display};
use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::terminal::{grouped, printable};
use super::report::{Report, Row, Sample, VALUE_LEN_MAX, shown_time};
use crate::core::event::Class;
use crate::core::parse::{ParamKind, REST, WILDCARD};

/// Most templates on a page; a browser takes long over more.
const ROWS_MAX: usize = 2_000;
/// Longest line on the page, in characters.
const LINE_LEN_MAX: usize = 512;
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    head(report, out)?;
    summary(report, out)?;
    writeln!(out, "<ol id=\"list\">")?;
    let most = report.rows.iter().map(|row| row.count).max().unwrap_or(1);
    for row in report.rows.iter().take(ROWS_MAX) {
        template(row, most, out)?;
    }
    writeln!(out, "</ol>")?;
    let shown = report.rows.len().min(ROWS_MAX);
    if shown < report.found {
        let left_out = grouped((report.found - shown) as u64);
        writeln!(out, "<p>{left_out} more templates are not shown.</p>")?;
    }
    writeln!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>")
}

fn head(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let title = escaped(&report.source, LINE_LEN_MAX);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         '{}'; script-src '{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Templates of {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Templates of <bdi>{title}</bdi></h1>",
        hash_of(STYLE),
        hash_of(SCRIPT),
    )
}

fn summary(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let records = grouped(report.records);
    let found = grouped(report.found as u64);
    let chance = report.new_template_chance * 100.0;
    writeln!(
        out,
        "<p class=\"facts\"><b>{records}</b> lines, <b>{found}</b> templates, chance that the next \
         line is of a new kind <b>{chance:.2}&nbsp;%</b></p>",
    )?;
    if let Some((first, last)) = report.seen {
        let (first, last) = (shown_time(first), shown_time(last));
        writeln!(out, "<p class=\"facts\">from {first} to {last}</p>")?;
    }
    writeln!(
        out,
        "<ul class=\"signs\" aria-label=\"Is this log told apart well?\">"
    )?;
    for sign in &report.signs {
        let (class, mark, text) = match sign.is_odd {
            true => ("odd", "!", sign.odd),
            false => ("well", "\u{2713}", sign.well),
        };
        writeln!(
            out,
            "<li class=\"{class}\" title=\"{}\"><b>{mark}</b> {text}</li>",
            sign.name
        )?;
    }
    writeln!(out, "</ul>")?;
    if report.overflow > 0 {
        let overflow = grouped(report.overflow);
        writeln!(out, "<p>{overflow} lines found no room for a template.</p>")?;
    }
    writeln!(
        out,
        "<form id=\"tools\" hidden><input type=\"search\" id=\"search\" placeholder=\"Search \
         templates, lines, values\" aria-label=\"Search\"><select id=\"sort\" aria-label=\"Order\">\
         <option value=\"count\">most lines</option><option value=\"rare\">fewest lines</option>\
         <option value=\"first\">oldest</option><option value=\"new\">newest</option></select>\
         <select id=\"class\" aria-label=\"Class\"><option value=\"\">all classes</option>"
    )?;
    for class in Class::ALL {
        writeln!(out, "<option>{}</option>", class.name())?;
    }
    writeln!(out, "</select><output id=\"shown\"></output></form>")
}

fn template(row: &Row, most: u64, out: &mut impl Write) -> io::Result<()> {
    let first = row
        .seen
        .map_or(0, |(first, _)| first.as_nanos() / 1_000_000);
    let class = row.class.name();
    writeln!(
        out,
        "<li data-count=\"{}\" data-first=\"{first}\" data-class=\"{class}\"><details><summary>\
         <span class=\"count\">{}</span>{}<span class=\"share\">{:.1}&nbsp;%</span>\
         <span class=\"class {class}\">{class}</span><bdi class=\"text\">{}</bdi></summary>",
        row.count,
        grouped(row.count),
        bar(row.count, most),
        row.share * 100.0,
        Chips { row },
    )?;
    writeln!(
        out,
        "<dl><dt>template</dt><dd><code>{}</code></dd>",
        escaped(&row.text, 2048)
    )?;
    writeln!(out, "<dt>id</dt><dd><code>{}</code></dd>", row.id)?;
    if let Some(name) = &row.name {
        writeln!(
            out,
            "<dt>name</dt><dd>{}</dd>",
            escaped(name, VALUE_LEN_MAX)
        )?;
    }
    if let Some((first, last)) = row.seen {
        let (first, last) = (shown_time(first), shown_time(last));
        writeln!(
            out,
            "<dt>seen</dt><dd>{first} to {last}{}</dd>",
            spark(&row.series)
        )?;
    }
    if !row.params.is_empty() {
        writeln!(out, "<dt>values</dt><dd><ol class=\"params\">")?;
        for param in &row.params {
            write!(out, "<li>{}", chip(param.kind))?;
            for value in &param.values {
                write!(out, " <code>{}</code>", escaped(value, VALUE_LEN_MAX))?;
            }
            writeln!(out, "</li>")?;
        }
        writeln!(out, "</ol></dd>")?;
    }
    writeln!(out, "<dt>lines</dt><dd>")?;
    for sample in &row.samples {
        writeln!(out, "<pre><bdi>{}</bdi></pre>", Highlighted { sample })?;
    }
    writeln!(out, "</dd></dl></details></li>")
}

/// A bar as long as `count` is against `most`.
fn bar(count: u64, most: u64) -> String {
    let width = (count as f64 / most.max(1) as f64 * 100.0).max(0.5);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect width=\"{width:.1}\" height=\"10\"></rect></svg>"
    )
}

/// The counts over time.
fn spark(series: &[u64]) -> String {
    let most = series.iter().copied().max().unwrap_or_default();
    if series.len() < 2 || most == 0 {
        return String::new();
    }
    let bars = series
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(at, count)| {
            let height = (*count as f64 / most as f64 * 20.0).max(1.0);
            format!(
                "<rect x=\"{at}\" y=\"{:.1}\" width=\"0.9\" height=\"{height:.1}\"></rect>",
                20.0 - height
            )
        });
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {} 20\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"lines over time\">{}</svg>",
        series.len(),
        bars.collect::<String>()
    )
}

fn chip(kind: Option<ParamKind>) -> String {
    let name = kind.map_or("varies", ParamKind::name);
    format!("<span class=\"w {name}\">{name}</span>")
}

/// A template with a chip for each wildcard.
struct Chips<'a> {
    row: &'a Row,
}

impl Display for Chips<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = self.row.params.iter().map(|param| param.kind);
        let mut rest = self.row.text.as_str();
        loop {
            let next = [WILDCARD, REST]
                .into_iter()
                .filter_map(|wild| Some((rest.find(wild)?, wild)));
            let Some((at, wild)) = next.min() else { break };
            let (before, after) = rest.split_at(at);
            write!(
                f,
                "{}{}",
                escaped(before, LINE_LEN_MAX),
                chip(kinds.next().flatten())
            )?;
            rest = after.get(wild.len()..).unwrap_or_default();
        }
        f.write_str(&escaped(rest, LINE_LEN_MAX))
    }
}

/// A line with its values marked.
struct Highlighted<'a> {
    sample: &'a Sample,
}

impl Display for Highlighted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.sample.text;
        let end = text
            .char_indices()
            .nth(LINE_LEN_MAX)
            .map_or(text.len(), |(at, _)| at);
        let mut at = 0;
        for span in &self.sample.spans {
            let part = |from: usize, to: usize| {
                escaped(text.get(from..to).unwrap_or_default(), LINE_LEN_MAX)
            };
            if span.start < at || span.end > end {
                continue;
            }
            let (kind, value) = (span.kind.name(), part(span.start, span.end));
            write!(
                f,
                "{}<span class=\"w {kind}\">{value}</span>",
                part(at, span.start)
            )?;
            at = span.end;
        }
        f.write_str(&escaped(
            text.get(at..end).unwrap_or_default(),
            LINE_LEN_MAX,
        ))?;
        f.write_str(if end < text.len() { "…" } else { "" })
    }
}

/// Log text as HTML that shows it and does nothing: fit for elements and quoted attributes.
fn escaped(text: &str, len_max: usize) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text, len_max).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn hash_of(text: &str) -> String {
    format!(
        "sha256-{}",
        BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_html_reads_stays_in_log_text() {
        assert_eq!(
            escaped("<a b=\"c\" d='e'>&\u{1b}", 99),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}"
        );
    }
}
