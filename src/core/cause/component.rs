//! Which part of a service failed: what stack traces, loggers and silent templates point at.
//!
//! A stack trace runs through an application's own code and through that of libraries. Own code is
//! learned from names: its modules begin as the service is called, or as those who log for it. The
//! innermost own module is where it broke, and the one that called it has the next best claim, since a
//! wrong value is mostly handed down. The first trace counts most: what follows are its echoes.

mod code;
mod name;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::code::{Code, logger_of};
use self::name::logger_in;
pub(super) use self::name::said_in;
use crate::core::event::{Cause, Evidence, Sign, Source, Stack, Suspect};
use crate::core::record::{Severity, StreamKey, Timestamp};

/// Most parts that are named.
pub const COMPONENTS_MAX: usize = 5;

/// A part of a service that may have failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Whose sign names it first.
    pub stream: StreamKey,
    /// Its name, as specific as it is known: `shop.cart.lock`. Untrusted.
    pub name: Box<str>,
    /// Where a stack trace ends that names it, as it was seen first.
    pub broke: Option<Broke>,
    /// How strong the evidence is, in nats.
    pub weight: f64,
    /// The strongest evidence, in one sentence. Untrusted.
    pub says: Box<str>,
    /// When it was first seen.
    pub at: Timestamp,
}

/// Where something broke. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broke {
    /// The innermost own module.
    pub place: Box<str>,
    /// The module of another part that called it.
    pub caller: Option<Box<str>>,
    /// What was thrown; empty where the trace does not tell.
    pub thrown: Box<str>,
}

/// Nats for the part in which a stack trace ends.
const INNERMOST: f64 = 4.0;
/// For the part that called it.
const CALLER: f64 = 3.0;
/// For a part that logs an error, says what it never said, or says something else that is odd.
const LOGS_ERROR: f64 = 2.0;
const LOGS_NEW: f64 = 1.0;
const LOGS_ODD: f64 = 0.5;
/// For a part that is not heard of where it should be.
const STAYS_AWAY: f64 = 1.5;
/// What is seen later counts so much less, each time.
const ECHO: f64 = 0.5;

/// The parts that the signs of an incident point at, the strongest first. At most [`COMPONENTS_MAX`].
/// The order of `signs` does not matter.
pub fn rank(signs: &[Arc<Sign>]) -> Vec<Component> {
    let mut signs: Vec<&Sign> = signs.iter().map(AsRef::as_ref).collect();
    signs.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
    let code = Code::of(&signs);
    let mut claims = Claims::default();
    for sign in &signs {
        match &sign.stack {
            Some(stack) => claims.of_stack(sign, stack, &code),
            None => claims.of_logger(sign, &code),
        }
    }
    claims.ranked()
}

/// Gives each suspect of `cause` that has none the part of it that its signs point at.
pub fn name_components(cause: &mut Cause, signs: &[Arc<Sign>]) {
    let unnamed = cause.suspects.iter_mut();
    for suspect in unnamed.filter(|suspect| suspect.component.is_none()) {
        let own = signs.iter().filter(|sign| sign.stream == suspect.stream);
        let own: Vec<Arc<Sign>> = own.cloned().collect();
        let Some(first) = rank(&own).into_iter().next() else {
            continue;
        };
        if suspect.evidence.len() < Suspect::EVIDENCE_MAX {
            suspect.evidence.push(Evidence {
                source: Source::Log,
                says: first.says,
                weight: first.weight,
                at: first.at,
            });
        }
        suspect.component = Some(first.name);
    }
}

/// What is known of each part, by its name.
#[derive(Default)]
struct Claims {
    parts: BTreeMap<Box<str>, Component>,
    /// Stack traces, and loggers' words, that were heard.
    stacks: i32,
    loggers: i32,
}

impl Claims {
    fn of_stack(&mut self, sign: &Sign, stack: &Stack, code: &Code) {
        let own = code.own(&sign.stream, stack);
        let Some(inner) = own.last().copied() else {
            return self.of_logger(sign, code);
        };
        let part = code.part(&sign.stream, inner);
        let within = own.iter().rev();
        let within = within.take_while(|name| code.part(&sign.stream, name) == part);
        let within = within.count();
        let caller = own.iter().rev().nth(within).copied();
        let echo = ECHO.powi(self.stacks);
        self.stacks = self.stacks.saturating_add(1);
        let broke = Broke {
            place: inner.into(),
            caller: caller.map(Into::into),
            thrown: stack.thrown.clone(),
        };
        // What breaks on a value of the wrong kind as soon as it is called was handed it.
        let was_handed = within == 1 && caller.is_some() && is_wrong_kind(&stack.thrown);
        let (own_weight, caller_weight) = match was_handed {
            true => (CALLER, INNERMOST),
            false => (INNERMOST, CALLER),
        };
        let says = broke.says();
        self.claim(sign, (part, inner), own_weight * echo, &says)
            .broke_at(&broke);
        if let Some(caller) = caller {
            let part = code.part(&sign.stream, caller);
            self.claim(sign, (part, caller), caller_weight * echo, &says)
                .broke_at(&broke);
        }
    }

    fn of_logger(&mut self, sign: &Sign, code: &Code) {
        let Some(logger) = logger_of(sign).filter(|name| code.is_own(&sign.stream, name)) else {
            return;
        };
        let (weight, says) = match &*sign.kind {
            _ if sign.severity >= Severity::Error => (LOGS_ERROR, "logs an error"),
            "new_template" | "burst" => (LOGS_NEW, "says what it never said"),
            "missing" | "incomplete" | "silence" | "rate_down" => {
                (STAYS_AWAY, "does not say what it always says")
            }
            _ => (LOGS_ODD, "says something unusual"),
        };
        let weight = weight * ECHO.powi(self.loggers);
        self.loggers = self.loggers.saturating_add(1);
        let part = code.part(&sign.stream, logger);
        self.claim(sign, (part, logger), weight, &format!("{logger} {says}"));
    }

    /// A sign speaks for a part by one of its modules.
    fn claim(
        &mut self,
        sign: &Sign,
        (part, name): (&str, &str),
        weight: f64,
        says: &str,
    ) -> &mut Component {
        let component = self.parts.entry(part.into()).or_insert_with(|| Component {
            stream: sign.stream.clone(),
            name: name.into(),
            broke: None,
            weight: 0.0,
            says: says.into(),
            at: sign.first_seen,
        });
        component.weight += weight;
        component
    }

    fn ranked(self) -> Vec<Component> {
        let mut ranked: Vec<Component> = self.parts.into_values().collect();
        ranked.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.at.cmp(&b.at)));
        ranked.truncate(COMPONENTS_MAX);
        ranked
    }
}

impl Component {
    fn broke_at(&mut self, broke: &Broke) {
        self.broke.get_or_insert_with(|| broke.clone());
    }
}

impl Broke {
    /// `NoRow in shop.cart.lock, called by shop.web.page`. Untrusted.
    pub fn says(&self) -> String {
        // The package of what was thrown says little.
        let thrown = self.thrown.rsplit(['.', ':']).next();
        let what = match thrown {
            Some(thrown) if !thrown.is_empty() => thrown,
            _ => "an error",
        };
        let caller = self.caller.as_ref();
        let caller = caller.map_or_else(String::new, |caller| format!(", called by {caller}"));
        format!("{what} in {}{caller}", self.place)
    }
}

/// Whether something was thrown because a value was missing or of another kind than expected.
fn is_wrong_kind(thrown: &str) -> bool {
    const KINDS: [&str; 4] = [
        "AttributeError",
        "NullPointerException",
        "NullReferenceException",
        "nil pointer dereference",
    ];
    KINDS.iter().any(|kind| thrown.ends_with(kind))
}

#[cfg(test)]
pub(super) mod tests;
