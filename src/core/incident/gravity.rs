//! How grave something is, and whether it is worth waking somebody for.

use std::time::Duration;

use crate::core::event::{Class, Gravity, Sign};
use crate::core::record::Severity;

/// So many services and an incident is wide.
const WIDE: usize = 3;
/// So many services and it is everywhere.
const EVERYWHERE: usize = 10;

/// How grave a sign is by itself:
///
/// | class | up to WARN | ERROR | FATAL |
/// |---|---|---|---|
/// | info | info | warning | warning |
/// | latency, saturation | warning | warning | error |
/// | error | warning | error | critical |
/// | availability | warning | error | critical |
pub(super) fn of_sign(sign: &Sign) -> Gravity {
    match (sign.class, sign.severity) {
        (Class::Info, Severity::Error | Severity::Fatal) => Gravity::Warning,
        (Class::Info, _) => Gravity::Info,
        (Class::Latency | Class::Saturation, Severity::Fatal) => Gravity::Error,
        (Class::Latency | Class::Saturation, _) => Gravity::Warning,
        (Class::Error | Class::Availability, Severity::Fatal) => Gravity::Critical,
        (Class::Error | Class::Availability, Severity::Error) => Gravity::Error,
        (Class::Error | Class::Availability, _) => Gravity::Warning,
    }
}

/// How grave an incident is: as its gravest sign, and more the wider it is.
///
/// | gravest sign | 1 or 2 services | 3 to 9 | 10 and more |
/// |---|---|---|---|
/// | info | info | info | info |
/// | warning | warning | error | critical |
/// | error | error | error | critical |
/// | critical | critical | critical | critical |
pub(super) fn of_spread(gravest: Gravity, services: usize) -> Gravity {
    match gravest {
        Gravity::Info => Gravity::Info,
        _ if services >= EVERYWHERE => Gravity::Critical,
        _ if services >= WIDE => gravest.max(Gravity::Error),
        _ => gravest,
    }
}

/// What is asked of an incident before somebody is woken.
pub(super) struct Question {
    pub(super) gravity: Gravity,
    pub(super) class: Class,
    /// How often it came in the last seven days, if that is often.
    pub(super) frequent: Option<u64>,
    /// How long its signs went on until now.
    pub(super) lasted_now: Duration,
    /// How long they mostly went on before: the 95th percentile.
    pub(super) lasted_before: Duration,
}

/// Whether an incident pages, and why, in one sentence:
///
/// | what | pages |
/// |---|---|
/// | class info | never |
/// | gravity info or warning | no |
/// | gravity error, and it comes often | only once it lasts longer than 95 % of the times before |
/// | gravity error | yes |
/// | gravity critical | yes, however often it comes |
///
/// Silences, windows and the budget are asked afterwards.
pub(super) fn pages(asked: &Question) -> (bool, Box<str>) {
    let as_before = asked.lasted_now <= asked.lasted_before;
    let often = asked.frequent.filter(|_| as_before);
    match (asked.class, asked.gravity, often) {
        (Class::Info, _, _) => (false, "it is for information".into()),
        (_, Gravity::Info | Gravity::Warning, _) => (false, "it can wait for working hours".into()),
        (_, Gravity::Critical, _) => (true, "much is broken, or something is gone".into()),
        (_, Gravity::Error, Some(times)) => (
            false,
            format!("it was here {times} times in 7 days and is as it mostly is").into(),
        ),
        (_, Gravity::Error, None) if asked.frequent.is_some() => (
            true,
            "it comes often, but lasts longer than it mostly does".into(),
        ),
        (_, Gravity::Error, None) => (true, "something is broken".into()),
    }
}
