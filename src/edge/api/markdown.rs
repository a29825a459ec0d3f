//! An incident as the first page of a post-mortem.

use std::sync::Arc;

use super::time::{date, fine_clock, rfc3339};
use super::words;
use crate::core::event::{Action, Incident, Sign, Verdict};
use crate::core::record::{Timestamp, inert};

/// Most signs quoted with their lines.
const SIGNS_QUOTED: usize = 5;
/// Stands for a text of nothing but spaces.
const EMPTY: &str = "(empty)";

/// What broke, since when, why probably, on what evidence, what changed, how it spread, what is known
/// of the times before, what happened when, what was done and what is not known.
///
/// What was logged cannot act in it: it stands in code spans and fenced blocks that it cannot end, so
/// that it makes no link, image, heading or element of HTML, and names nobody.
///
/// `actions` are those for it that are not over; the first few are told.
pub fn markdown(incident: &Incident, actions: &[Arc<Action>]) -> String {
    let mut page = front_matter(incident);
    push(&mut page, &format!("# {}\n", prose(&incident.title)));
    what(incident, &mut page);
    why(incident, &mut page);
    evidence(incident, &mut page);
    changes(incident, &mut page);
    section(
        &mut page,
        "Spread",
        incident.parts.iter().map(words::part),
        "Nothing else.",
    );
    before(incident, &mut page);
    let timeline = timeline(incident);
    section(&mut page, "Timeline", timeline.into_iter(), "Nothing yet.");
    done(incident, &mut page);
    let actions = words::actions(actions, words::short(&incident.id));
    if !actions.is_empty() {
        section(
            &mut page,
            "Actions that are not over",
            actions.into_iter(),
            "",
        );
    }
    let unknown = incident.cause.unknown.iter().map(ToString::to_string);
    section(&mut page, "Not known", unknown, "Nothing that we know of.");
    page
}

/// What a machine sorts pages by: ids, names of ours and times, nothing that was logged.
fn front_matter(incident: &Incident) -> String {
    let ended = incident.ended.as_ref();
    let ended = ended.map_or("null".to_owned(), |mark| rfc3339(mark.at));
    format!(
        "---\nid: \"{}\"\nstate: {}\nseverity: {}\nclass: {}\nbegan: {}\ndetected: {}\nended: {ended}\n---\n\n",
        hex(&incident.id),
        incident.state.name(),
        incident.severity.name(),
        incident.class.name(),
        rfc3339(incident.began),
        rfc3339(incident.detected),
    )
}

fn what(incident: &Incident, page: &mut String) {
    let first = incident.parts.first().map(|part| part.stream.to_string());
    let first = first.unwrap_or_else(|| "a service".to_owned());
    let signs = words::counted(incident.sign_count, "sign", "signs");
    let services = words::counted(incident.parts.len() as u64, "service", "services");
    let lines = [
        format!("began in {first}; {signs} in {services}"),
        format!("{}, {}", incident.state.name(), words::duration(incident)),
        format!(
            "severity {}, about {}",
            incident.severity.name(),
            incident.class.name()
        ),
        words::paging(incident),
    ];
    section(page, "What and since when", lines.into_iter(), "");
}

fn why(incident: &Incident, page: &mut String) {
    let cause = &incident.cause;
    push(page, "\n## Why\n\n");
    let verdict = match cause.verdict {
        Verdict::NotEnoughEvidence => "There is not enough evidence to name a cause.\n",
        Verdict::Possible => "A possible cause, the most suspicious first:\n",
        Verdict::Likely => "A likely cause, the most suspicious first:\n",
    };
    push(page, verdict);
    if !cause.suspects.is_empty() {
        push(page, "\n");
    }
    for (at, suspect) in cause.suspects.iter().enumerate() {
        push(
            page,
            &format!("{}. {}\n", at + 1, prose(&words::suspect(suspect))),
        );
        for evidence in &suspect.evidence {
            let says = prose(&evidence.says);
            let (source, at) = (evidence.source.name(), fine_clock(evidence.at));
            push(page, &format!("    - {says} ({source}, {at})\n"));
        }
    }
    if !cause.lifts.is_empty() {
        push(page, "\nWhat is abnormal has in common:\n\n");
        list(page, cause.lifts.iter().map(words::lift));
    }
}

fn evidence(incident: &Incident, page: &mut String) {
    push(page, "\n## Evidence\n");
    for sign in incident.signs.iter().take(SIGNS_QUOTED) {
        let (moment, place) = (words::moment(sign), prose(&words::place(sign)));
        let source = sign.source.name();
        push(
            page,
            &format!(
                "\n### {moment} {place} ({source})\n\n{}\n",
                prose(&sign.says)
            ),
        );
        if let Some(expected) = &sign.expected {
            push(page, &format!("\nExpected: {}\n", prose(expected)));
        }
        if !sign.lines.is_empty() {
            push(page, &format!("\n{}", fenced(sign)));
        }
    }
    let quoted = incident.signs.len().min(SIGNS_QUOTED) as u64;
    let more = incident.sign_count.saturating_sub(quoted);
    if more > 0 {
        let more = words::counted(more, "more sign", "more signs");
        push(page, &format!("\n… and {more}.\n"));
    }
}

fn changes(incident: &Incident, page: &mut String) {
    push(page, "\n## Changes\n\n");
    if incident.cause.changes.is_empty() {
        push(page, "None are known shortly before.\n");
    }
    for near in &incident.cause.changes {
        let url = near.change.url.as_ref();
        // Not a link: whoever told of the change chose it.
        let url = url.map_or(String::new(), |url| format!(", {}", code(url)));
        let change = prose(&words::change(near, incident.began));
        push(page, &format!("- {change}{url}\n"));
    }
}

fn before(incident: &Incident, page: &mut String) {
    let before = incident.before.as_ref().filter(|before| before.times > 0);
    let lines = before.into_iter().flat_map(|before| {
        let first = std::iter::once(words::before(before));
        first.chain(before.done.iter().map(words::done))
    });
    section(page, "Before", lines, "Never seen before.");
}

/// What happened, by time.
fn timeline(incident: &Incident) -> Vec<String> {
    let mut moments: Vec<(Timestamp, String)> = Vec::new();
    for near in &incident.cause.changes {
        let change = &near.change;
        let to = change.to.as_deref().unwrap_or("changed");
        moments.push((change.at, format!("{} {to}", change.stream)));
    }
    for sign in &incident.signs {
        moments.push((
            sign.first_seen,
            format!("{}: {}", words::place(sign), sign.says),
        ));
    }
    moments.push((incident.detected, "the incident was opened".to_owned()));
    if let Some(mark) = &incident.acknowledged {
        moments.push((mark.at, format!("acknowledged by {}", mark.by)));
    }
    if let Some(mark) = &incident.ended {
        let what = words::ending(incident.state);
        moments.push((mark.at, format!("{what} by {}", mark.by)));
    }
    moments.sort_by_key(|(at, _)| *at);
    let told = |(at, what): (Timestamp, String)| format!("{} {} {what}", date(at), fine_clock(at));
    moments.into_iter().map(told).collect()
}

fn done(incident: &Incident, page: &mut String) {
    let began = incident.began;
    let taken = incident.acknowledged.as_ref();
    let taken = taken.map(|mark| words::mark("acknowledged", mark, began));
    let ended = incident.ended.as_ref();
    let ended = ended.map(|mark| words::mark(words::ending(incident.state), mark, began));
    let lines = taken.into_iter().chain(ended);
    section(page, "What was done", lines, "Nothing that was noted.");
}

/// A heading, and the lines as a list; `none` where there are none.
fn section(page: &mut String, name: &str, lines: impl Iterator<Item = String>, none: &str) {
    push(page, &format!("\n## {name}\n\n"));
    let len = page.len();
    list(page, lines);
    if page.len() == len {
        push(page, &format!("{none}\n"));
    }
}

fn list(page: &mut String, lines: impl Iterator<Item = String>) {
    for line in lines {
        push(page, &format!("- {}\n", prose(&line)));
    }
}

fn push(page: &mut String, text: &str) {
    page.push_str(text);
}

/// `text` on one line, in which words that could be more than words to some reader of Markdown stand in
/// code spans.
fn prose(text: &str) -> String {
    let text = inert(text);
    let mut shown = String::with_capacity(text.len());
    let mut odd: Vec<&str> = Vec::new();
    let flush = |odd: &mut Vec<&str>, shown: &mut String| {
        if !odd.is_empty() {
            add_word(shown, &code(&odd.join(" ")));
            odd.clear();
        }
    };
    for word in text.split_ascii_whitespace() {
        let is_first = shown.is_empty() && odd.is_empty();
        if is_calm(word, is_first) {
            flush(&mut odd, &mut shown);
            add_word(&mut shown, word);
        } else {
            odd.push(word);
        }
    }
    flush(&mut odd, &mut shown);
    match shown.is_empty() {
        true => EMPTY.to_owned(),
        false => shown,
    }
}

fn add_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

/// Whether no reader of Markdown takes `word` for more than a word.
fn is_calm(word: &str, is_first: bool) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || ",.;:%'\"()/-→…×–".contains(c);
    let lower = word.to_ascii_lowercase();
    let is_link = lower.contains("www.") || lower.contains("://");
    // `- a` and `1. a` at a beginning are lists, `---` is a rule.
    let is_number = |it: &str| it.parse::<u64>().is_ok();
    let is_mark = is_first
        && (!word.contains(char::is_alphanumeric)
            || word.strip_suffix(['.', ')']).is_some_and(is_number));
    word.chars().all(is_plain) && !is_link && !is_mark
}

/// `text` in a code span that it cannot end.
fn code(text: &str) -> String {
    let text = inert(text);
    if text.trim().is_empty() {
        return EMPTY.to_owned();
    }
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// The lines of a sign in a block that they cannot end. The abnormal one is marked.
fn fenced(sign: &Sign) -> String {
    let lines = sign.lines.iter();
    let texts: Vec<String> = lines
        .map(|line| format!("{}  {}", fine_clock(line.time), inert(&line.text)))
        .collect();
    let longest = texts.iter().map(|text| longest_run(text)).max();
    let fence = "`".repeat(longest.unwrap_or_default().max(2) + 1);
    let last = texts.len().saturating_sub(1);
    let mut block = format!("{fence}text\n");
    for (at, text) in texts.iter().enumerate() {
        let mark = if at == last { "  ◄" } else { "" };
        push(&mut block, &format!("{text}{mark}\n"));
    }
    push(&mut block, &format!("{fence}\n"));
    block
}

/// The length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or_default()
}

/// The hex digits of an id.
fn hex(id: &str) -> String {
    id.chars().filter(char::is_ascii_hexdigit).collect()
}

#[cfg(test)]
mod tests;
