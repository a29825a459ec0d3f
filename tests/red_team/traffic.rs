//! What services write when all is well.

use std::time::Duration;

use knothole::core::record::Timestamp;
use knothole::edge::receive::Sent;

use crate::dice::Dice;
use crate::town::Town;
use crate::wire::{Claims, Line, logs, span};

/// What a request leaves in the log. `%` is a number.
pub(crate) const STEPS: [&str; 6] = [
    "request /checkout from 10.1.2.%",
    "lock taken after % ms",
    "stock reserved for % items",
    "payment of % EUR taken",
    "lock given back",
    "request answered with 200 in % ms",
];

/// A request as some pod of the service handles it: its span and its lines; and its trace and span.
pub(crate) fn request(
    town: &Town,
    (space, name): (&str, &str),
    now: Timestamp,
    dice: &mut Dice,
) -> (Vec<Sent>, (Vec<u8>, Vec<u8>)) {
    let pods: Vec<_> = town.of(space, name).collect();
    let claims = town.claims(pods[dice.index(pods.len())]);
    let (trace, id) = (ids(16, dice), ids(8, dice));
    let real = (trace, id);
    let lines = flow(&claims, &real, now, dice);
    let span = span(&claims, (&real.0, &real.1), "GET /checkout", now);
    (vec![span, lines], real)
}

/// The lines of a request.
fn flow(
    claims: &Claims,
    (trace, id): &(Vec<u8>, Vec<u8>),
    now: Timestamp,
    dice: &mut Dice,
) -> Sent {
    let line = |(nth, step): (usize, &&str)| Line {
        trace: trace.clone(),
        span: id.clone(),
        ..Line::info(
            step.replace('%', &dice.below(90).to_string()),
            now.plus(Duration::from_millis(7 * nth as u64)),
        )
    };
    let lines = STEPS.iter().enumerate().map(line).collect();
    logs(claims, lines)
}

/// So many bytes that nobody else has.
pub(crate) fn ids(len: usize, dice: &mut Dice) -> Vec<u8> {
    let numbers = std::iter::repeat_with(|| dice.number().to_be_bytes());
    numbers.take(len / 8).flatten().collect()
}
