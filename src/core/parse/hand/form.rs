//! Forms and the places in them, as far as templates by hand need them.

use std::ops::Range;

use crate::core::parse::param::{AnchoredParam, ParamKind, Place};
use crate::core::parse::scan::{self, NUMBER, UUID};

pub(super) fn is_placeholder(byte: u8) -> bool {
    (NUMBER..=UUID).contains(&byte)
}

/// Letters, digits, what is beyond ASCII, and what stands for such a run.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || is_placeholder(byte)
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' '
}

/// The form of a message, and the bytes (first, one past the last) that became placeholders.
pub(super) fn seen(message: &[u8]) -> (Vec<u8>, Vec<(u32, u32)>) {
    let (mut form, mut variables) = (Vec::new(), Vec::new());
    scan::form_of(message, &mut form, &mut variables);
    (form, variables)
}

/// The value in `range` of a form, as it lies in every message of the form.
pub(super) fn anchored(form: &[u8], range: Range<usize>, kind: ParamKind) -> AnchoredParam {
    AnchoredParam {
        kind,
        start: place_of(form, range.start),
        end: place_of(form, range.end),
    }
}

/// A position in a form as a place in its messages.
pub(super) fn place_of(form: &[u8], position: usize) -> Place {
    let before = form.get(..position).unwrap_or(form);
    let after = before.iter().filter(|byte| is_placeholder(**byte)).count();
    let last = before.iter().rposition(|byte| is_placeholder(*byte));
    let narrow = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    Place {
        after: narrow(after),
        delta: narrow(before.len() - last.map_or(0, |last| last + 1)),
    }
}

/// The position in a form that a place stands for.
pub(super) fn position_of(form: &[u8], place: Place) -> usize {
    let delta = usize::from(place.delta);
    let Some(nth) = usize::from(place.after).checked_sub(1) else {
        return delta;
    };
    let mut placeholders = form
        .iter()
        .enumerate()
        .filter(|(_, byte)| is_placeholder(**byte));
    placeholders
        .nth(nth)
        .map_or(form.len(), |(at, _)| at + 1 + delta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_its_position_are_one() {
        let (form, _) = seen(b"a 1 b 22 c");
        for position in 0..=form.len() {
            assert_eq!(position_of(&form, place_of(&form, position)), position);
        }
    }
}
