//! The first sentence: who failed, and what came or stayed away, in an operator's words.

use std::sync::Arc;

use super::component::{self, Component};
use crate::core::event::{Incident, Sign, Source};
use crate::core::record::{Change, StreamKey};

/// Longest first sentence in bytes.
pub const TITLE_LEN_MAX: usize = 200;
/// Longest name in it.
const NAME_LEN_MAX: usize = 64;
/// Longest account of where something broke.
const BROKE_LEN_MAX: usize = 130;
/// Longest quote of a log.
const QUOTE_LEN_MAX: usize = 90;
/// A shorter quote says nothing.
const QUOTE_LEN_MIN: usize = 12;

/// What broke, in one sentence: `shop/cart: NoRow in shop.cart.lock, called by shop.web, since 2.9.7:
/// "order failed"`. Names and quotes are of senders, but inert: no line ends, no control or direction
/// marks, quotes within quotes made single.
pub fn title(incident: &Incident) -> String {
    let signs = of_suspect(incident);
    let components = component::rank(&signs);
    let Some(sign) = leading(&signs, components.first()) else {
        return inert("something is wrong", TITLE_LEN_MAX);
    };
    let who = inert(&sign.stream.to_string(), NAME_LEN_MAX);
    let (what, quote) = match components.first() {
        Some(component) if sign.source == Source::Log => {
            (of_component(component, sign), line(sign))
        }
        _ => of_service(sign),
    };
    let others = incident.parts.len().saturating_sub(1);
    let spread = match others {
        0 => String::new(),
        1 => ", and 1 other service".to_owned(),
        others => format!(", and {others} other services"),
    };
    let since = changed(incident).map_or_else(String::new, since);
    let said = format!("{who}{what}{spread}{since}");
    let said = inert(&said, TITLE_LEN_MAX);
    with_quote(said, quote)
}

/// The signs of the service that is suspected most; all where it has none.
fn of_suspect(incident: &Incident) -> Vec<Arc<Sign>> {
    let suspect = incident.cause.suspects.first().map(|one| &one.stream);
    let of_suspect = |sign: &&Arc<Sign>| Some(&sign.stream) == suspect;
    let signs: Vec<Arc<Sign>> = incident.signs.iter().filter(of_suspect).cloned().collect();
    match signs.is_empty() {
        true => incident.signs.clone(),
        false => signs,
    }
}

/// The nearest change of a service that takes part or is suspected most: what others changed is no part
/// of the first sentence.
fn changed(incident: &Incident) -> Option<&Change> {
    let suspect = incident.cause.suspects.first().map(|one| &one.stream);
    let parts = incident.parts.iter().map(|part| &part.stream);
    let concerned: Vec<&StreamKey> = parts.chain(suspect).collect();
    let changes = incident.cause.changes.iter().map(|near| &*near.change);
    let mut changes = changes.filter(|change| concerned.contains(&&change.stream));
    changes.next()
}

/// The sign that is told: the first one that names the component, else the first of the gravest.
fn leading<'a>(signs: &'a [Arc<Sign>], component: Option<&Component>) -> Option<&'a Sign> {
    let named = component.and_then(|component| {
        let is_of =
            |sign: &&Arc<Sign>| sign.stream == component.stream && sign.first_seen == component.at;
        let signs = signs.iter().filter(is_of);
        signs.max_by_key(|sign| (sign.stack.is_some(), sign.severity))
    });
    let gravest = || {
        let signs = signs.iter();
        signs.min_by_key(|sign| (std::cmp::Reverse(sign.severity), sign.first_seen, &sign.id))
    };
    named.or_else(gravest).map(AsRef::as_ref)
}

/// What a part of a service did.
fn of_component(component: &Component, sign: &Sign) -> String {
    match &component.broke {
        Some(broke) => format!(": {}", inert(&broke.says(), BROKE_LEN_MAX)),
        None => format!(": {} {}", inert(&component.name, NAME_LEN_MAX), says(sign)),
    }
}

/// What a service did, and what it says.
fn of_service(sign: &Sign) -> (String, Option<&str>) {
    match sign.source {
        Source::Log => (format!(" {}", says(sign)), line(sign)),
        Source::Span | Source::Metric => (format!(": {}", inert(&sign.says, TITLE_LEN_MAX)), None),
        Source::Alert => (
            format!(": alert {}", inert(&sign.kind, NAME_LEN_MAX)),
            Some(&sign.says),
        ),
    }
}

/// What is odd about a log.
fn says(sign: &Sign) -> &'static str {
    match &*sign.kind {
        "new_template" => "says something new",
        "rare_template" => "says something rare",
        "sequence" => "left its usual order",
        "count" => "says something an unusual number of times",
        "missing" => "does not say what it always says",
        "incomplete" => "stopped half-way",
        "timing" => "took an unusual time",
        "value" => "logs an unusual value",
        "rate_up" => "says something far more often than usual",
        "rate_down" => "says something far less often than usual",
        "silence" => "is silent",
        "burst" => "says many new things at once",
        _ => "logs something unusual",
    }
}

/// The abnormal line, or what is missing.
fn line(sign: &Sign) -> Option<&str> {
    let template = sign.template.as_ref().map(|template| &*template.text);
    match &*sign.kind {
        "missing" | "silence" | "rate_down" => template,
        _ => sign.lines.last().map(|line| &*line.text).or(template),
    }
}

fn since(change: &Change) -> String {
    let to = change.to.as_deref().or(change.reference.as_deref());
    let what = to.map_or_else(
        || format!("a {}", change.kind.name()),
        |to| inert(to, NAME_LEN_MAX / 2),
    );
    format!(
        ", since {what} of {}",
        inert(&change.stream.name, NAME_LEN_MAX / 2)
    )
}

/// Adds as much of a quote as there is room for.
fn with_quote(said: String, quote: Option<&str>) -> String {
    let room = TITLE_LEN_MAX.saturating_sub(said.len() + ": \"\"".len());
    let Some(quote) = quote.filter(|_| room >= QUOTE_LEN_MIN) else {
        return said;
    };
    let first = quote.lines().find(|line| !line.trim().is_empty());
    let quote = component::said_in(first.unwrap_or_default());
    let quote = inert(quote, room.min(QUOTE_LEN_MAX));
    match quote.is_empty() {
        true => said,
        false => format!("{said}: \"{quote}\""),
    }
}

/// At most `len_max` bytes of `text` on one line, without what acts on a terminal or ends a quote.
fn inert(text: &str, len_max: usize) -> String {
    const CUT: &str = "…";
    let mut shown = String::with_capacity(text.len().min(len_max));
    for c in text.trim().chars() {
        let c = match c {
            '"' => '\'',
            c if c.is_whitespace() => ' ',
            c if acts(c) => '\u{fffd}',
            c => c,
        };
        if c == ' ' && shown.ends_with(' ') {
            continue;
        }
        shown.push(c);
        if shown.len() > len_max {
            let end = shown.floor_char_boundary(len_max.saturating_sub(CUT.len()));
            shown.truncate(end);
            return shown + CUT;
        }
    }
    shown
}

/// Whether a character does something to what shows it.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
