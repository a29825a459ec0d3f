//! The rule for lists: as long as they may be, they are one value.

use super::lexeme::{Class, Lexeme, Notation};
use super::view::{Found, View, bytes_of};
use crate::core::parse::param::ParamKind;

/// Most numbers in a row that may each mean something; more are a list.
const NUMBERS_MAX: usize = 9;

/// `node1 node2 node3`, `10.0.0.1,10.0.0.2`, `10.0.0.1:80, 10.0.0.2:80`: names in a row with the
/// same letters. A few numbers in a row are not: each has its own meaning.
pub(super) fn list(view: &View<'_>) -> Option<Found> {
    let item = view.rest.first()?;
    let Class::Value(kind, Notation::Whole) = item.class else {
        return None;
    };
    if let Some(host) = host_of(view) {
        let (len, items) = items(view, |each| pair_len(each, host));
        return (items > 1).then_some(Found::whole(len, ParamKind::Identifier));
    }
    let (len, items) = items(view, |each| {
        let alike = each
            .rest
            .first()
            .is_some_and(|each| are_alike(view.form, item, each));
        usize::from(alike)
    });
    let named = matches!(
        kind,
        ParamKind::Identifier | ParamKind::Ip | ParamKind::Uuid | ParamKind::Path
    );
    let listed = items > NUMBERS_MAX || (named && items > 1);
    listed.then_some(Found::whole(len, kind))
}

/// Lexemes and items of the list whose first item is the value at the place; `item_len` gives the
/// length of a further one, 0 where there is none.
fn items(view: &View<'_>, item_len: impl Fn(&View<'_>) -> usize) -> (usize, usize) {
    let (mut len, mut items) = (1, 1);
    loop {
        let gap = gap_len(&view.ahead(len));
        let item = item_len(&view.ahead(len + gap));
        if gap == 0 || item == 0 {
            return (len, items);
        }
        len += gap + item;
        items += 1;
    }
}

/// The host before the port at the place: the list of both goes on after the port.
fn host_of<'a>(view: &View<'a>) -> Option<&'a Lexeme> {
    let [.., host, colon] = view.before else {
        return None;
    };
    let named = matches!(
        host.class,
        Class::Value(ParamKind::Ip | ParamKind::Identifier, Notation::Whole)
    );
    (named && colon.class == Class::Mark(b':')).then_some(host)
}

/// Lexemes of another host and port.
fn pair_len(view: &View<'_>, host: &Lexeme) -> usize {
    let alike = view
        .rest
        .first()
        .is_some_and(|each| are_alike(view.form, host, each));
    let port = matches!(view.class(2), Class::Value(ParamKind::Number, _));
    if alike && port && view.is(1, b':') {
        3
    } else {
        0
    }
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
