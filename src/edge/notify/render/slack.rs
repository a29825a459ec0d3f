//! Messages of Slack (Block Kit).
//!
//! What was logged, or named by whoever logs, stands in plain text or in a fence: there Slack looks
//! for no link, no mention and no emphasis. `&`, `<` and `>` are escaped everywhere, which leaves
//! `<!channel>` a word.

use serde::Serialize;
use serde_json::{Value, json};

use super::text::{
    before_sentence, cause_sentence, changes_sentence, moment, services_sentence, subject,
};
use super::{inert, looked_up_at};
use crate::core::event::{
    ActionEvent, CheckVerdict, Digest, Event, Gravity, Incident, IncidentEvent, Sign, Stage,
};
use crate::core::record::inert_json;

/// Longest header, in UTF-16 units, since nobody says what Slack counts.
pub(crate) const HEADER_UNITS_MAX: usize = 150;
/// Longest text of a section.
pub(crate) const SECTION_UNITS_MAX: usize = 3000;
/// Longest field of a section.
pub(crate) const FIELD_UNITS_MAX: usize = 2000;
/// Most blocks in a message.
pub(crate) const BLOCKS_MAX: usize = 50;
/// Room left in a section for its words around a fence.
const FENCED_UNITS_MAX: usize = 2800;

#[derive(Serialize)]
struct Message {
    /// What a notification shows.
    text: String,
    blocks: Vec<Value>,
    unfurl_links: bool,
    unfurl_media: bool,
}

/// The body of the message for `event`; `None` for what is not told there.
pub(crate) fn body(event: &Event, incident_url: Option<&str>) -> Option<Vec<u8>> {
    let (text, blocks) = match event {
        Event::Incident(event) => (headline(event), incident_blocks(event, incident_url)),
        Event::Digest(digest) => (
            super::sentence(&Event::Digest(digest.clone())),
            digest_blocks(digest),
        ),
        Event::Action(action) => (super::sentence(event), action_blocks(action)),
        Event::Anomaly(_) | Event::Change(_) => return None,
    };
    Some(inert_json(&Message {
        text: escaped(&unmarked(&text), SECTION_UNITS_MAX),
        blocks: blocks.into_iter().take(BLOCKS_MAX).collect(),
        unfurl_links: false,
        unfurl_media: false,
    }))
}

fn headline(event: &IncidentEvent) -> String {
    let incident = &event.incident;
    let mark = match (event.stage, incident.severity) {
        (Stage::Resolved, _) => "✅ Resolved",
        (Stage::Accepted, _) => "☑️ Accepted as normal",
        (Stage::Acknowledged, _) => "👀 Acknowledged",
        (_, Gravity::Critical | Gravity::Error) => "🔴",
        (_, Gravity::Warning) => "🟠",
        (_, Gravity::Info) => "🔵",
    };
    format!("{mark} {}", subject(incident))
}

fn incident_blocks(event: &IncidentEvent, incident_url: Option<&str>) -> Vec<Value> {
    let incident = &event.incident;
    let mut blocks = vec![json!({
        "type": "header",
        "text": plain(&headline(event), HEADER_UNITS_MAX),
    })];
    let who = [&incident.acknowledged, &incident.ended];
    let who = who.into_iter().flatten().next_back();
    let is_over = !incident.is_live();
    let facts = [
        services_sentence(incident),
        cause_sentence(&incident.cause),
        changes_sentence(&incident.cause),
        incident
            .before
            .as_ref()
            .map(before_sentence)
            .unwrap_or_default(),
        who.map(|mark| inert(&format!("By {} at {}.", mark.by, moment(mark.at))))
            .unwrap_or_default(),
    ];
    let facts = facts.iter().filter(|fact| !fact.is_empty());
    blocks.extend(
        facts.map(|fact| json!({ "type": "section", "text": plain(fact, SECTION_UNITS_MAX) })),
    );
    if let Some(sign) = incident.signs.first().filter(|_| !is_over) {
        blocks.push(quoted(sign));
    }
    blocks.extend(button(incident, incident_url));
    blocks.push(json!({
        "type": "context",
        "elements": [plain(&small_print(incident), FIELD_UNITS_MAX)],
    }));
    blocks
}

/// The abnormal record and those before it, in a fence.
fn quoted(sign: &Sign) -> Value {
    let lines: Vec<String> = sign.lines.iter().map(|line| inert(&line.text)).collect();
    let text = match lines.is_empty() {
        true => inert(&sign.says),
        false => lines.join("\n"),
    };
    json!({
        "type": "section",
        "text": { "type": "mrkdwn", "text": fenced(&text), "verbatim": true },
    })
}

fn button(incident: &Incident, incident_url: Option<&str>) -> Option<Value> {
    let url = looked_up_at(incident_url, incident)?;
    Some(json!({
        "type": "actions",
        "elements": [{ "type": "button", "text": plain("Open", HEADER_UNITS_MAX), "url": url }],
    }))
}

fn small_print(incident: &Incident) -> String {
    let (id, class, severity) = (
        &incident.id,
        incident.class.name(),
        incident.severity.name(),
    );
    let why = &incident.route.why;
    inert(&format!(
        "{severity} · {class} · {} signs · {id} · {why}",
        incident.sign_count
    ))
}

fn action_blocks(event: &ActionEvent) -> Vec<Value> {
    let action = &event.action;
    let (id, mode, rule) = (&action.id, action.mode.name(), inert(&action.rule));
    let sentence = super::action::sentence(event);
    let mut blocks = vec![json!({
        "type": "section",
        "text": plain(&inert(&sentence), SECTION_UNITS_MAX),
    })];
    let against = action.plan.iter().flat_map(|plan| &plan.checks);
    let against = against.filter(|it| it.verdict != CheckVerdict::Pass);
    let against: Vec<String> = against.map(|it| format!("• {}", inert(&it.why))).collect();
    if !against.is_empty() {
        let text = plain(&against.join("\n"), SECTION_UNITS_MAX);
        blocks.push(json!({ "type": "section", "text": text }));
    }
    let print = format!("{mode} · rule {rule} · knothole actions show {id}");
    blocks.push(json!({
        "type": "context",
        "elements": [plain(&print, FIELD_UNITS_MAX)],
    }));
    blocks
}

fn digest_blocks(digest: &Digest) -> Vec<Value> {
    let whose = match &digest.team {
        Some(team) => format!("What woke nobody: {}", inert(team)),
        None => "What woke nobody".to_owned(),
    };
    let sentence = super::sentence(&Event::Digest(digest.clone().into()));
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&whose, HEADER_UNITS_MAX) }),
        json!({ "type": "section", "text": plain(&sentence, SECTION_UNITS_MAX) }),
    ];
    // One block says that there are more.
    let room = BLOCKS_MAX - blocks.len() - 1;
    let listed = digest.incidents.iter().take(room);
    blocks.extend(listed.map(|incident| {
        let (severity, state) = (incident.severity.name(), incident.state.name());
        let service = incident.parts.first().map(|part| part.stream.to_string());
        let service = service.unwrap_or_default();
        let text = inert(&format!(
            "{severity}, {state}: {service}: {}",
            incident.title
        ));
        json!({ "type": "section", "text": plain(&text, SECTION_UNITS_MAX) })
    }));
    let more = digest
        .incident_count
        .saturating_sub(digest.incidents.len().min(room) as u64);
    if more > 0 {
        let text = format!("and {more} more");
        blocks.push(json!({ "type": "context", "elements": [plain(&text, FIELD_UNITS_MAX)] }));
    }
    blocks
}

fn plain(text: &str, units_max: usize) -> Value {
    json!({ "type": "plain_text", "text": escaped(text, units_max), "emoji": false })
}

/// `text` in a fence that nothing in it can close: a back-tick becomes a character that looks like it.
fn fenced(text: &str) -> String {
    let text = escaped(&text.replace('`', "\u{2cb}"), FENCED_UNITS_MAX);
    format!("```\n{text}\n```")
}

/// `text` without characters that emphasise or fence where Slack looks for such.
fn unmarked(text: &str) -> String {
    let unmark = |c| match c {
        '*' => '\u{2217}',
        '_' => '\u{2bcd}',
        '~' => '\u{223c}',
        '`' => '\u{2cb}',
        other => other,
    };
    text.chars().map(unmark).collect()
}

/// `text` with `&`, `<` and `>` escaped, cut where it would be longer than `units_max`.
fn escaped(text: &str, units_max: usize) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        other => other.to_string(),
    };
    let units = |piece: &str| piece.encode_utf16().count();
    let all: Vec<String> = text.chars().map(escape).collect();
    if all.iter().map(|piece| units(piece)).sum::<usize>() <= units_max {
        return all.concat();
    }
    let mut cut = String::new();
    let mut room = units_max.saturating_sub(1);
    for piece in &all {
        let Some(left) = room.checked_sub(units(piece)) else {
            break;
        };
        room = left;
        cut.push_str(piece);
    }
    cut.push('…');
    cut
}
