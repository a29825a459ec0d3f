//! Rules for addresses: URLs, mail, paths, hosts and numbers of networks.

use super::lexeme::{Class, Notation};
use super::name::redacted_len;
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

/// Punctuation that no URL and no path goes over.
const ENDS: &[u8] = b"\"'`<>()[]{}|,;";

/// `https://host/x?y=1`: a scheme, `://`, and all up to a blank, a quote or a bracket.
pub(super) fn url(view: &View<'_>) -> Option<Found> {
    let scheme = view.class(0).is_run() && view.opens();
    if !(scheme && view.is(1, b':') && view.is(2, b'/') && view.is(3, b'/')) {
        return None;
    }
    let len = 4 + body_len(&view.ahead(4));
    Some(Found::whole(len, ParamKind::Url).written(Notation::Scheme))
}

/// `ann@mail.example.org`; in angle brackets, which then belong to it, also `<12.a7@host>`.
/// `Lock@1f2e`, an object of a program, is none: its host has no dot.
pub(super) fn email(view: &View<'_>) -> Option<Found> {
    let bracket = usize::from(view.is(0, b'<'));
    if bracket == 0 && !view.opens() {
        return None;
    }
    let user = view.ahead(bracket).joined_len(b"._-+");
    let at = bracket + user;
    if user == 0 || !view.is(at, b'@') {
        return None;
    }
    let host = view.ahead(at + 1);
    let host_len = host.joined_len(b".-");
    let end = at + 1 + host_len;
    let closed = bracket == 1 && view.is(end, b'>');
    let dotted = bracket == 0 && host.count(host_len, b'.') > 0 && host.class(0) != Class::Number;
    let found = Found::whole(end + bracket, ParamKind::Email);
    (host_len > 0 && (closed || dotted)).then_some(found)
}

/// `/var/lib/x`, `./run`, `~/x`, `C:\x`, `src/a/b.c`: a path, and the protocol of a request line
/// after it (`/index HTTP/1.1`), which says nothing without the path.
pub(super) fn path(view: &View<'_>) -> Option<Found> {
    if !view.opens() {
        return None;
    }
    let len = match root_len(view) {
        Some(root) => root + body_len(&view.ahead(root)),
        None => relative_len(view)?,
    };
    let found = Found::whole(len + protocol_len(&view.ahead(len)), ParamKind::Path);
    (len > 1).then_some(found)
}

fn root_len(view: &View<'_>) -> Option<usize> {
    let dots = (0..2).take_while(|at| view.is(*at, b'.')).count();
    let named = |at| {
        view.class(at).is_run()
            || matches!(
                view.class(at),
                Class::Mark(b'.' | b'_' | b'~' | b'*' | b'-' | b'?')
            )
    };
    let drive = view.class(0) == Class::Word
        && view.bytes(0).len() == 1
        && view.is(1, b':')
        && matches!(view.class(2), Class::Mark(b'\\' | b'/'));
    if view.is(dots, b'/') && named(dots + 1) {
        return Some(dots + 1);
    }
    match (view.class(0), view.class(1)) {
        (Class::Mark(b'~'), Class::Mark(b'/')) => Some(2),
        (Class::Mark(b'\\'), Class::Mark(b'\\')) if named(2) => Some(2),
        _ => drive.then_some(3),
    }
}

/// `src/a/b.c`: without a root only the ending of a file tells a path from `read/write`.
fn relative_len(view: &View<'_>) -> Option<usize> {
    let len = view.joined_len(b"/_-.");
    let dot = (0..len).rev().find(|at| view.is(*at, b'.'))?;
    let slash = (0..dot).rev().find(|at| view.is(*at, b'/'))?;
    let lettered = view.class(slash + 1) != Class::Number && view.class(dot + 1) == Class::Word;
    (lettered && dot + 2 == len).then_some(len)
}

/// ` HTTP/1.1`
fn protocol_len(view: &View<'_>) -> usize {
    let named = view.class(0) == Class::Blank && view.bytes(1) == b"HTTP" && view.is(2, b'/');
    let version = view.class(3) == Class::Number && view.is(4, b'.');
    if named && version && view.class(5) == Class::Number {
        6
    } else {
        0
    }
}

/// Lexemes up to a blank or one of [`ENDS`], without the punctuation of the sentence.
fn body_len(view: &View<'_>) -> usize {
    let ends = |class| match class {
        Class::Blank => true,
        Class::Mark(mark) => ENDS.contains(&mark),
        _ => false,
    };
    let mut len = 0;
    while len < view.rest.len() {
        let redacted = redacted_len(&view.ahead(len));
        if redacted == 0 && ends(view.class(len)) {
            break;
        }
        len += redacted.max(1);
    }
    while let Some(Class::Mark(b'.' | b':' | b'!' | b'?' | b'=')) =
        len.checked_sub(1).map(|last| view.class(last))
    {
        // A full stop before a small letter ends no sentence.
        let small = view
            .bytes(len + 1)
            .first()
            .is_some_and(u8::is_ascii_lowercase);
        if view.is(len - 1, b'.') && view.class(len) == Class::Blank && small {
            break;
        }
        len -= 1;
    }
    len
}

/// `10.0.0.1`, also behind a slash as Java writes an address without a host name.
pub(super) fn ip(view: &View<'_>) -> Option<Found> {
    let slash = usize::from(view.is(0, b'/') && view.opens());
    let address = view.ahead(slash);
    let dotted = (0..7).all(|at| match at % 2 {
        0 => address.class(at) == Class::Number,
        _ => address.is(at, b'.'),
    });
    let goes_on =
        matches!(address.class(7), Class::Mark(b'.' | b'-' | b'_')) && address.class(8).is_run();
    let found = Found::whole(7, ParamKind::Ip).after(slash);
    (dotted && !goes_on && (slash == 1 || view.is_free())).then_some(found)
}

/// `00:11:43:e3:ba:c3`, `fe80::1`: hexadecimal digits between colons, six groups or more, or fewer
/// with `::` among them.
pub(super) fn colons(view: &View<'_>) -> Option<Found> {
    if !view.opens() || view.previous() == Class::Mark(b':') {
        return None;
    }
    let (mut len, mut groups) = (0, 0);
    let (mut double, mut varies) = (false, false);
    loop {
        if is_hex(view, len) {
            varies |= view.class(len).varies();
            len += 1;
            groups += 1;
        }
        let twice = view.is(len + 1, b':');
        if !view.is(len, b':') || !(twice || is_hex(view, len + 1)) {
            break;
        }
        double |= twice;
        len += 1 + usize::from(twice);
    }
    let kind = match (double, groups) {
        (true, 1..) => ParamKind::Ip,
        (false, 8) => ParamKind::Ip,
        (false, 6..) => ParamKind::Identifier,
        _ => return None,
    };
    (varies && !view.class(len).is_run()).then_some(Found::whole(len, kind))
}

fn is_hex(view: &View<'_>, at: usize) -> bool {
    let word = view.bytes(at);
    match view.class(at) {
        Class::Number | Class::Hex => true,
        Class::Word => word.len() <= 4 && word.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

/// Labels that make a dotted name a host when they are its last, or the last before a country.
const TOP_LABELS: [&[u8]; 14] = [
    b"com",
    b"org",
    b"net",
    b"edu",
    b"gov",
    b"mil",
    b"info",
    b"biz",
    b"ac",
    b"co",
    b"local",
    b"internal",
    b"lan",
    b"arpa",
];

/// `db.example.com`, `a7.isp.net`, `x.example.ac.uk`, `web-1.x.de`: a dotted name that ends as host
/// names do. One that starts so (`com.example.api`) is the name of a package, and two letters are a
/// country only in a name that has more of a host, as they also end keys (`job.task.id`).
pub(super) fn host(view: &View<'_>) -> Option<Found> {
    if !(view.opens() || view.previous() == Class::Mark(b'@')) {
        return None;
    }
    let len = view.joined_len(b".-_");
    let dots = view.count(len, b'.');
    if dots == 0 || view.is(len, b'(') {
        return None;
    }
    let is_top = |at: Option<usize>| {
        at.is_some_and(|at| {
            let label = view.bytes(at);
            TOP_LABELS.iter().any(|top| label.eq_ignore_ascii_case(top))
        })
    };
    let last = view.bytes(len - 1);
    let country = last.len() == 2 && last.iter().all(u8::is_ascii_lowercase);
    let numbered = (0..len).any(|at| view.class(at).varies()) || view.count(len, b'-') > 0;
    let ported = view.is(len, b':') && view.class(len + 1) == Class::Number;
    let abroad = country && dots > 1 && (is_top(len.checked_sub(3)) || numbered || ported);
    let found = Found::whole(len, ParamKind::Identifier);
    ((abroad || is_top(len.checked_sub(1))) && !is_top(Some(0))).then_some(found)
}
