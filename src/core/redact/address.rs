//! What stands around an `@`: passwords in addresses of services, and addresses of people.

use super::found::Found;
use super::kind::Kind;
use super::text::{byte, byte_before, run, run_before, slice};

/// Longest name and password before a host.
const USER_LEN_MAX: usize = 512;
/// The same, where no scheme is before them.
const SOURCE_LEN_MAX: usize = 128;
/// Longest name before the `@` of a mail address, and longest host after it (RFC 5321).
const LOCAL_LEN_MAX: usize = 64;
const HOST_LEN_MAX: usize = 255;
/// A name alone that is so long and has a digit is a token.
const TOKEN_LEN_MIN: usize = 20;

/// Last labels that no mail address has: units of systemd, and files.
const NO_HOSTS: [&str; 33] = [
    "automount",
    "class",
    "conf",
    "css",
    "device",
    "gif",
    "gz",
    "html",
    "jar",
    "java",
    "jpeg",
    "jpg",
    "js",
    "json",
    "lock",
    "log",
    "mount",
    "path",
    "png",
    "scope",
    "service",
    "slice",
    "socket",
    "svg",
    "swap",
    "target",
    "timer",
    "ts",
    "txt",
    "webp",
    "xml",
    "yaml",
    "yml",
];

/// The secret or the address that the `@` at `at` is in.
pub(super) fn find(text: &[u8], at: usize) -> Option<Found> {
    match authority(text, at) {
        Some(user) => password(text, user, at),
        None => data_source(text, at).or_else(|| email(text, at)),
    }
}

/// Where the name before a host begins, if the `@` is in an address with a scheme.
fn authority(text: &[u8], at: usize) -> Option<usize> {
    // The first `@` speaks for a password with others in it.
    let is_user = |byte: u8| !byte.is_ascii_whitespace() && !b"@/\"'`<>?#".contains(&byte);
    let user = at - run_before(text, at, USER_LEN_MAX, is_user);
    (slice(text, user.saturating_sub(3), user) == b"://").then_some(user)
}

/// `scheme://user:password@host`: the password; also one with an `@` in it.
fn password(text: &[u8], user: usize, at: usize) -> Option<Found> {
    let is_host = |byte: u8| !byte.is_ascii_whitespace() && !b"/\"'`<>?#".contains(&byte);
    let host = run(text, at + 1, HOST_LEN_MAX, is_host);
    let rest = slice(text, at + 1, at + 1 + host);
    let last = rest.iter().rposition(|byte| *byte == b'@');
    let end = last.map_or(at, |last| at + 1 + last);
    let name = slice(text, user, end);
    let start = match name.iter().position(|byte| *byte == b':') {
        Some(colon) => user + colon + 1,
        None => {
            let is_token = name.len() >= TOKEN_LEN_MIN && name.iter().any(u8::is_ascii_digit);
            return is_token.then(|| Found::new(Kind::UrlPassword, user, end));
        }
    };
    (end > start).then(|| Found::new(Kind::UrlPassword, start, end))
}

/// `user:password@tcp(host:3306)/name`, as programs in Go name a database.
fn data_source(text: &[u8], at: usize) -> Option<Found> {
    let says = |word: &[u8]| slice(text, at + 1, at + 1 + word.len()) == word;
    if !says(b"tcp(") && !says(b"unix(") {
        return None;
    }
    let is_part = |byte: u8| !byte.is_ascii_whitespace() && !b"\"'`=".contains(&byte);
    let user = at - run_before(text, at, SOURCE_LEN_MAX, is_part);
    let colon = slice(text, user, at)
        .iter()
        .position(|byte| *byte == b':')?;
    let start = user + colon + 1;
    (at > start).then(|| Found::new(Kind::UrlPassword, start, at))
}

/// `ann.lee@mail.example.org`, but no object of a program (`Lock@1f2e`), no unit (`user@1000.service`)
/// and no remote (`git@host.example:path`).
fn email(text: &[u8], at: usize) -> Option<Found> {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte) || byte >= 0x80;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let local = run_before(text, at, LOCAL_LEN_MAX, is_local);
    let local_text = slice(text, at - local, at);
    let edge = local_text
        .iter()
        .take_while(|byte| b".-%+".contains(byte))
        .count();
    let host = run(text, at + 1, HOST_LEN_MAX, is_host);
    let host_text = slice(text, at + 1, at + 1 + host);
    let host_len = host - run_before(host_text, host, host, |byte| b".-".contains(&byte));
    let host_text = slice(host_text, 0, host_len);
    let end = at + 1 + host_len;
    let dot = host_text.iter().rposition(|byte| *byte == b'.')?;
    let top = slice(host_text, dot + 1, host_len);
    let is_top = (2..=24).contains(&top.len())
        && top.iter().all(u8::is_ascii_alphabetic)
        && !NO_HOSTS
            .iter()
            .any(|known| top.eq_ignore_ascii_case(known.as_bytes()));
    let is_host = byte(host_text, 0).is_ascii_alphanumeric()
        && !host_text.windows(2).any(|pair| pair == b"..");
    let is_remote = local_text == b"git" && byte(text, end) == b':';
    let is_whole =
        byte(text, end) != b'@' && byte(text, end) != b'_' && byte_before(text, at) != b'.';
    let start = at - local + edge;
    (is_top && is_host && is_whole && !is_remote && start < at)
        .then(|| Found::new(Kind::Email, start, end))
}
