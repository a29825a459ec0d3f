//! Rules for addresses: URLs, mail, paths, hosts, network addresses.

use super::lexeme::Class;
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

/// `https://host/x?y=1`: a scheme, `://`, and all up to a blank, a quote or a bracket.
pub(super) fn url(view: &View<'_>) -> Option<Found> {
    let scheme = view.class(0).is_run() && view.opens();
    if !(scheme && view.is(1, b':') && view.is(2, b'/') && view.is(3, b'/')) {
        return None;
    }
    let len = body_len(&view.ahead(4), b"\"'`<>()[]{}|,;");
    Found::whole(4 + len, ParamKind::Url)
}

/// `ann@mail.example.org`, `root@db7`, also in angle brackets, which then belong to it. What
/// stands before the `@` must not look like a class name of a program (`Lock@1f2e`).
pub(super) fn email(view: &View<'_>) -> Option<Found> {
    let bracket = usize::from(view.is(0, b'<'));
    if bracket == 0 && !view.opens() {
        return None;
    }
    let user = run_len(&view.ahead(bracket), b"._-+");
    let at = bracket + user;
    if user == 0 || !view.is(at, b'@') {
        return None;
    }
    let host = run_len(&view.ahead(at + 1), b".-");
    let end = at + 1 + host;
    let dotted = (at + 1..end).any(|each| view.is(each, b'.'));
    let lettered = (at + 1..end).any(|each| matches!(view.class(each), Class::Word | Class::Named));
    if bracket == 1 {
        return (lettered && view.is(end, b'>'))
            .then_some(())
            .and_then(|()| Found::whole(end + 1, ParamKind::Email));
    }
    if lettered && dotted {
        return Found::whole(end, ParamKind::Email);
    }
    None
}

/// `/var/lib/x`, `./run`, `~/x`, `C:\x`: a path from its root, and the protocol of a request
/// line after it (`/index HTTP/1.1`), which says nothing without the path.
pub(super) fn path(view: &View<'_>) -> Option<Found> {
    if !view.opens() {
        return None;
    }
    let root = root_len(view)?;
    let body = body_len(&view.ahead(root), b"\"'`<>()[]{}|,;");
    if root == 1 && body == 0 {
        return None;
    }
    let end = root + body;
    Found::whole(end + protocol_len(&view.ahead(end)), ParamKind::Path)
}

fn root_len(view: &View<'_>) -> Option<usize> {
    let dots = (0..2).take_while(|at| view.is(*at, b'.')).count();
    if view.is(dots, b'/') {
        let named = view.class(dots + 1).is_run()
            || matches!(
                view.class(dots + 1),
                Class::Mark(b'.' | b'_' | b'~' | b'*' | b'/')
            );
        return named.then_some(dots + 1);
    }
    let tilde = view.is(0, b'~') && view.is(1, b'/');
    let drive = view.bytes(0).len() == 1
        && view.class(0) == Class::Word
        && view.is(1, b':')
        && (view.is(2, b'\\') || view.is(2, b'/'));
    let share = view.is(0, b'\\') && view.is(1, b'\\') && view.class(2).is_run();
    match (tilde, drive, share) {
        (true, _, _) | (_, _, true) => Some(2),
        (_, true, _) => Some(3),
        _ => None,
    }
}

/// ` HTTP/1.1`
fn protocol_len(view: &View<'_>) -> usize {
    let named = view.class(0) == Class::Blank && view.class(1) == Class::Word && view.is(2, b'/');
    let version =
        view.class(3) == Class::Number && view.is(4, b'.') && view.class(5) == Class::Number;
    if named && version && view.bytes(1) == b"HTTP" {
        6
    } else {
        0
    }
}

/// Lexemes up to a blank or one of `ends`, without the punctuation of the sentence.
fn body_len(view: &View<'_>, ends: &[u8]) -> usize {
    let mut len = 0;
    loop {
        match view.class(len) {
            Class::Blank => break,
            Class::Mark(mark) if ends.contains(&mark) => break,
            _ => len += 1,
        }
    }
    while len > 0
        && matches!(
            view.class(len - 1),
            Class::Mark(b'.' | b':' | b'!' | b'?' | b'=')
        )
    {
        if view.is(len - 1, b'.') && goes_on(&view.ahead(len)) {
            break;
        }
        len -= 1;
    }
    len
}

/// Whether a full stop just before the place ends no sentence: one more word follows, and it is
/// not capital.
fn goes_on(view: &View<'_>) -> bool {
    let next = view.bytes(1).first();
    view.class(0) == Class::Blank && next.is_some_and(u8::is_ascii_lowercase)
}

/// Lexemes that are runs joined by single marks out of `joins`.
fn run_len(view: &View<'_>, joins: &[u8]) -> usize {
    let mut len = 0;
    while view.class(len).is_run() {
        len += 1;
        match (view.class(len), view.class(len + 1)) {
            (Class::Mark(mark), next) if joins.contains(&mark) && next.is_run() => len += 1,
            _ => break,
        }
    }
    len
}

/// `10.0.0.1`, also behind a slash as Java writes an address without a host name.
pub(super) fn ip(view: &View<'_>) -> Option<Found> {
    let skip = usize::from(view.is(0, b'/') && view.opens());
    let at = view.ahead(skip);
    let dotted = (0..7).all(|each| match each % 2 {
        0 => at.class(each) == Class::Number,
        _ => at.is(each, b'.'),
    });
    if !dotted || (at.is(7, b'.') && at.class(8).is_run()) || !(skip == 1 || starts(view)) {
        return None;
    }
    Found::whole(7, ParamKind::Ip).map(|found| found.after(skip))
}

/// Whether a number may start here: not in the middle of a dotted or joined one.
fn starts(view: &View<'_>) -> bool {
    match view.previous() {
        Class::Blank => true,
        Class::Mark(mark) => !b".".contains(&mark),
        _ => false,
    }
}

/// `00:11:43:e3:ba:c3`, `fe80::1`, `::`: pairs or groups of hexadecimal digits between colons.
pub(super) fn colons(view: &View<'_>) -> Option<Found> {
    if !view.opens() || view.previous() == Class::Mark(b':') {
        return None;
    }
    let (mut len, mut colons, mut double) = (0, 0, false);
    loop {
        if is_hex(view, len) {
            len += 1;
        }
        if !view.is(len, b':') {
            break;
        }
        let twice = view.is(len + 1, b':');
        if !(twice || is_hex(view, len + 1)) {
            break;
        }
        double |= twice;
        colons += 1 + usize::from(twice);
        len += 1 + usize::from(twice);
    }
    let touches = view.class(len).is_run();
    match colons {
        _ if touches => None,
        5.. if !double => Found::whole(len, ParamKind::Identifier),
        2.. if double && len > 2 => Found::whole(len, ParamKind::Ip),
        _ => None,
    }
}

fn is_hex(view: &View<'_>, at: usize) -> bool {
    match view.class(at) {
        Class::Number | Class::Hex => true,
        Class::Word => {
            let word = view.bytes(at);
            word.len() <= 4 && word.iter().all(u8::is_ascii_hexdigit)
        }
        _ => false,
    }
}

/// Last labels that make a dotted name a host. Short ones double as file endings and are left out.
const TOP_LABELS: [&[u8]; 16] = [
    b"com",
    b"info",
    b"biz",
    b"org",
    b"net",
    b"edu",
    b"gov",
    b"mil",
    b"int",
    b"io",
    b"dev",
    b"cloud",
    b"local",
    b"internal",
    b"lan",
    b"arpa",
];

/// `db.example.com`, `a.b.c.us`, `n219.isp.net`: a dotted name that ends as host names do.
pub(super) fn host(view: &View<'_>) -> Option<Found> {
    if !(view.opens() || view.previous() == Class::Mark(b'@')) || !view.class(0).is_run() {
        return None;
    }
    let len = run_len(view, b".-_");
    let dots = (0..len).filter(|at| view.is(*at, b'.')).count();
    let varies = (0..len).any(|at| view.class(at).varies());
    let last = view.bytes(len.checked_sub(1)?);
    let known = TOP_LABELS.iter().any(|top| last.eq_ignore_ascii_case(top));
    let country = last.len() == 2 && last.iter().all(u8::is_ascii_lowercase);
    if dots == 0 || !(known || (country && dots >= 2)) || view.is(len, b'(') {
        return None;
    }
    let _ = varies;
    Found::whole(len, ParamKind::Identifier)
}
