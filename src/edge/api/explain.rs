//! An incident as an on-call engineer reads it at three in the morning.

use std::sync::Arc;

use super::page::Page;
use super::words;
use crate::core::event::{Action, Incident, IncidentState, Sign, Verdict};

/// Most pieces of evidence told of the first suspect.
const EVIDENCE_SHOWN: usize = 3;
/// Most services told as spread.
const PARTS_SHOWN: usize = 8;

/// What broke, since when, why probably, what changed, where it spread, what helped before and what is
/// not known: text in lines of at most 80 characters, in which nothing that was logged acts on a
/// terminal.
///
/// `actions` are those for it that are not over; the first few are told.
pub fn explanation(incident: &Incident, actions: &[Arc<Action>]) -> String {
    let mut page = Page::default();
    page.plain(&incident.title);
    page.line(incident.severity.name(), &head(incident));
    cause(incident, &mut page);
    for change in &incident.cause.changes {
        page.line("change", &words::change(change, incident.began));
    }
    for lift in &incident.cause.lifts {
        page.line("in common", &words::lift(lift));
    }
    if let Some(sign) = incident.signs.first() {
        first_sign(sign, &mut page);
    }
    page.line("spread", &spread(incident));
    history(incident, &mut page);
    for line in words::actions(actions, short_id(incident)) {
        page.line("action", &line);
    }
    if incident.is_live() {
        page.line("page", &words::paging(incident));
    }
    for unknown in &incident.cause.unknown {
        page.line("not known", unknown);
    }
    if let Some(command) = next(incident) {
        page.line("next", &command);
    }
    page.text()
}

/// What whoever reads this may want to do.
fn next(incident: &Incident) -> Option<String> {
    let verb = match incident.state {
        IncidentState::Open => "ack",
        IncidentState::Acknowledged => "resolve",
        IncidentState::Resolved | IncidentState::Accepted => return None,
    };
    Some(format!("knothole incidents {verb} {}", short_id(incident)))
}

fn short_id(incident: &Incident) -> &str {
    words::short(&incident.id)
}

fn head(incident: &Incident) -> String {
    let id = short_id(incident);
    let duration = words::duration(incident);
    format!("{}, {duration}; inc_{id}", incident.state.name())
}

fn cause(incident: &Incident, page: &mut Page) {
    let cause = &incident.cause;
    let mut suspects = cause.suspects.iter();
    let first = suspects.next();
    match (cause.verdict, first) {
        (Verdict::NotEnoughEvidence, _) | (_, None) => {
            page.line("cause?", words::verdict(Verdict::NotEnoughEvidence));
        }
        (Verdict::Likely, Some(suspect)) => page.line("cause", &words::suspect(suspect)),
        (Verdict::Possible, Some(suspect)) => page.line("cause?", &words::suspect(suspect)),
    }
    if cause.verdict != Verdict::NotEnoughEvidence {
        let evidence = first.into_iter().flat_map(|suspect| &suspect.evidence);
        for evidence in evidence.take(EVIDENCE_SHOWN) {
            page.line(
                "why",
                &format!("{} ({})", evidence.says, evidence.source.name()),
            );
        }
    }
    let others: Vec<String> = match cause.verdict {
        Verdict::NotEnoughEvidence => cause.suspects.iter().map(words::suspect).collect(),
        Verdict::Likely | Verdict::Possible => suspects.map(words::suspect).collect(),
    };
    if !others.is_empty() {
        page.line("or", &others.join("; "));
    }
}

fn first_sign(sign: &Sign, page: &mut Page) {
    let seen = format!(
        "{} {}: {}",
        words::moment(sign),
        words::place(sign),
        sign.says
    );
    page.line("first sign", &seen);
    let expected = sign.expected.as_ref();
    if let Some(expected) = expected.filter(|it| !sign.says.contains(&***it)) {
        page.line("expected", expected);
    }
    let last = sign.lines.len().saturating_sub(1);
    for (at, line) in sign.lines.iter().enumerate() {
        let mark = if at == last { "  ◄" } else { "" };
        let time = super::time::fine_clock(line.time);
        page.quoted("around", &format!("{time}  {}", line.text), mark);
    }
}

fn spread(incident: &Incident) -> String {
    let others: Vec<String> = incident.parts.iter().skip(1).map(words::part).collect();
    if others.is_empty() {
        return "nothing else".to_owned();
    }
    let more = others.len().saturating_sub(PARTS_SHOWN);
    let shown = others.iter().take(PARTS_SHOWN).cloned().collect::<Vec<_>>();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What became of it so far, and the times before.
fn history(incident: &Incident, page: &mut Page) {
    match &incident.before {
        Some(before) if before.times > 0 => {
            page.line("before", &words::before(before));
            for done in &before.done {
                page.line("did", &words::done(done));
            }
        }
        Some(_) | None => page.line("before", "never seen"),
    }
    if let Some(mark) = &incident.acknowledged {
        page.line(
            "taken on",
            &words::mark("acknowledged", mark, incident.began),
        );
    }
    if let Some(mark) = &incident.ended {
        let what = words::ending(incident.state);
        page.line("ended", &words::mark(what, mark, incident.began));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::record::is_deceptive;
    use crate::edge::api::page::WIDTH;
    use crate::edge::api::sample;

    #[test]
    fn an_incident_reads_as_it_should_at_three_in_the_morning() {
        insta::assert_snapshot!(explanation(&sample::incident(), &[]));
    }

    #[test]
    fn what_is_not_known_is_said() {
        insta::assert_snapshot!(explanation(&sample::quiet(), &[]));
    }

    proptest! {
        #[test]
        fn whatever_was_logged_it_stays_within_the_page(text in "\\PC{0,200}|[ \\x00-\\x1f\u{202e}\u{2028}a]{0,200}") {
            let told = explanation(&sample::told_by(&text), &[sample::action_told_by(&text).into()]);
            for line in told.lines() {
                prop_assert!(line.chars().count() <= WIDTH, "{line}");
            }
            prop_assert!(told.chars().all(|c| c == '\n' || !is_deceptive(c)), "{told:?}");
        }
    }
}
