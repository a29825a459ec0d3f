//! The rule for lists: as long as they may be, they are one value.

use super::lexeme::{Class, Lexeme, Notation};
use super::view::{Found, View, bytes_of};
use crate::core::parse::param::ParamKind;

/// Most numbers in a row that may each mean something; more are a list.
const NUMBERS_MAX: usize = 9;

/// `node1 node2 node3`, `10.0.0.1,10.0.0.2`: names in a row with the same letters. A few numbers
/// in a row are not: each has its own meaning.
pub(super) fn list(view: &View<'_>) -> Option<Found> {
    let first = view.rest.first()?;
    let Class::Value(kind, Notation::Whole) = first.class else {
        return None;
    };
    let (mut len, mut items) = (1, 1);
    loop {
        let gap = gap_len(&view.ahead(len));
        let next = view.rest.get(len + gap);
        if gap == 0 || !next.is_some_and(|next| are_alike(view.form, first, next)) {
            break;
        }
        len += gap + 1;
        items += 1;
    }
    let named = matches!(
        kind,
        ParamKind::Identifier | ParamKind::Ip | ParamKind::Uuid | ParamKind::Path
    );
    let listed = items > NUMBERS_MAX || (named && items > 1);
    listed.then_some(Found::whole(len, kind))
}

/// A blank, a comma or both.
fn gap_len(view: &View<'_>) -> usize {
    match (view.class(0), view.class(1)) {
        (Class::Mark(b',' | b';'), Class::Blank) => 2,
        (Class::Mark(b',' | b';') | Class::Blank, _) => 1,
        _ => 0,
    }
}

/// Whether two values are of one kind and have the same letters.
fn are_alike(form: &[u8], one: &Lexeme, other: &Lexeme) -> bool {
    let letters = |lexeme| {
        let bytes: &[u8] = bytes_of(form, lexeme);
        bytes.iter().filter(|byte| byte.is_ascii_alphabetic())
    };
    one.class == other.class && letters(one).eq(letters(other))
}
