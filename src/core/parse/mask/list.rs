//! Rules for lists: as long as they may be, they are one value.

use super::lexeme::{Class, Lexeme, Notation};
use super::view::{Found, View, bytes_of};
use crate::core::parse::param::ParamKind;

/// Numbers in a row that may each mean something; more are a list.
const NUMBERS_MAX: usize = 9;

/// `node1 node2 node3`, `10.0.0.1,10.0.0.2`: values of one kind with the same letters in a row.
/// A few numbers in a row are a tuple, each with its own meaning.
pub(super) fn list(view: &View<'_>) -> Option<Found> {
    let Some(
        &first @ Lexeme {
            class: Class::Value(kind, Notation::Whole),
            ..
        },
    ) = view.rest.first()
    else {
        return None;
    };
    let mut len = 1;
    let mut items = 1;
    loop {
        let gap = gap_len(&view.ahead(len));
        let next = view.rest.get(len + gap);
        if gap == 0 || !next.is_some_and(|next| alike(view.form, &first, next)) {
            break;
        }
        len += gap + 1;
        items += 1;
    }
    let items_min = match kind {
        ParamKind::Number | ParamKind::Hex | ParamKind::Duration | ParamKind::Size => {
            NUMBERS_MAX + 1
        }
        _ => 2,
    };
    (items >= items_min)
        .then_some(Found::whole(len, kind))
        .flatten()
}

/// A blank, a comma or both.
fn gap_len(view: &View<'_>) -> usize {
    match (view.class(0), view.class(1)) {
        (Class::Mark(b',' | b';'), Class::Blank) => 2,
        (Class::Mark(b',' | b';') | Class::Blank, _) => 1,
        _ => 0,
    }
}

/// Whether two values are of one kind and differ in nothing but what varies and signs.
fn alike(form: &[u8], one: &Lexeme, other: &Lexeme) -> bool {
    let letters = |lexeme| {
        let bytes: &[u8] = bytes_of(form, lexeme);
        bytes.iter().filter(|byte| byte.is_ascii_alphabetic())
    };
    one.class == other.class && letters(one).eq(letters(other))
}
