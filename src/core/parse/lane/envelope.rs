//! What stands in front of a message on one line: containerd, klog and syslog.

use super::{Found, Lane};
use crate::core::parse::time::{read_head, read_klog_time};
use crate::core::record::{Severity, Timestamp};

/// Longest name of a host or program in a syslog line, in bytes.
const NAME_LEN_MAX: usize = 255;

/// Whether `text` begins like klog: the letter of a level, four digits, a blank.
pub(super) fn is_klog(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.get(1..5).unwrap_or_default();
    digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) && bytes.get(5) == Some(&b' ')
}

/// `Lmmdd hh:mm:ss.uuuuuu threadid file:line] message`.
pub(super) fn klog(text: &str, near: Option<Timestamp>) -> Option<Found> {
    let severity = match text.as_bytes().first()? {
        b'I' => Severity::Info,
        b'W' => Severity::Warn,
        b'E' => Severity::Error,
        _ => Severity::Fatal,
    };
    let (time, len) = read_klog_time(text.get(1..)?, near)?;
    let rest = text.get(1 + len..)?;
    let (head, message) = rest.split_once("] ").or_else(|| rest.split_once(']'))?;
    let mut words = head.split_ascii_whitespace();
    let thread = words.next()?;
    let (_, line) = words.next()?.rsplit_once(':')?;
    if words.next().is_some() || !is_number(thread) || !is_number(line) {
        return None;
    }
    let mut found = Found::slice(Lane::Klog, text.len() - message.len()..text.len());
    found.severity = severity;
    found.time = time;
    Some(found)
}

/// Syslog with a priority in front (`<34>…`).
pub(super) fn syslog(text: &str, near: Option<Timestamp>) -> Option<Found> {
    let (priority, rest) = text.get(1..)?.split_once('>')?;
    if priority.is_empty() || priority.len() > 3 || !is_number(priority) {
        return None;
    }
    let priority: u32 = priority.parse().ok().filter(|number| *number < 192)?;
    let start = text.len() - rest.len();
    let mut found = match rest.strip_prefix("1 ") {
        Some(_) => rfc5424(text, start + 2, near),
        None => None,
    }
    .unwrap_or_else(|| {
        let head = read_head(rest, near);
        let mut found = after_time(text, start + head.len)
            .unwrap_or_else(|| Found::slice(Lane::Syslog, start + head.len..text.len()));
        found.time = head.time;
        found
    });
    found.severity = severity_of(priority % 8);
    Some(found)
}

/// The severity of a syslog level, 0 (emergency) to 7 (debug).
pub(super) const fn severity_of(level: u32) -> Severity {
    match level {
        0..=2 => Severity::Fatal,
        3 => Severity::Error,
        4 => Severity::Warn,
        5 | 6 => Severity::Info,
        7 => Severity::Debug,
        _ => Severity::Unspecified,
    }
}

/// `time host program process messageid [data] message`, from `start` on.
fn rfc5424(text: &str, start: usize, near: Option<Timestamp>) -> Option<Found> {
    let mut words = text.get(start..)?.splitn(6, ' ');
    let time = read_head(words.next()?, near).time;
    let (_host, _program, _process) = (words.next()?, words.next()?, words.next()?);
    let message_id = words.next()?;
    let rest = words.next()?;
    let data_at = text.len() - rest.len();
    let message_at = data_at + structured_data(rest)?;
    let message = text.get(message_at..)?;
    let message = message.strip_prefix(' ').unwrap_or(message);
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    // A record that says all it has to say in its data is named by its message id.
    let at = match message.trim().is_empty() {
        true => data_at - 1 - message_id.len(),
        false => text.len() - message.len(),
    };
    let mut found = Found::slice(Lane::Syslog, at..text.len());
    found.time = time;
    Some(found)
}

/// The length of `-` or of `[id name="value"][…]`, in which `\]` and brackets within quotes end
/// nothing.
fn structured_data(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'-') {
        return Some(1);
    }
    let mut at = 0;
    while bytes.get(at) == Some(&b'[') {
        let mut quoted = false;
        loop {
            at += 1;
            match bytes.get(at)? {
                b'\\' => at += 1,
                b'"' => quoted = !quoted,
                b']' if !quoted => break,
                _ => {}
            }
        }
        at += 1;
    }
    (at > 0).then_some(at)
}

/// What follows the time at the head of a line: containerd's stream and tag, or the host and
/// program of syslog. `at` is where it begins.
pub(super) fn after_time(text: &str, at: usize) -> Option<Found> {
    let (head, rest) = text.split_at_checked(at)?;
    if let Some(len) = cri(rest) {
        return Some(Found::slice(Lane::Cri, at + len..text.len()));
    }
    // `Nov 21 07:43:17` comes from syslog; an ISO time may come from anyone, so then the process
    // id has to be there too.
    let is_syslog_time = head
        .bytes()
        .find(|byte| byte.is_ascii_alphanumeric())
        .is_none_or(|byte| byte.is_ascii_alphabetic() || head.starts_with('<'));
    let len = host_and_program(rest, is_syslog_time)?;
    Some(Found::slice(Lane::Syslog, at + len..text.len()))
}

/// The length of `stdout F ` (`P` for the part of a longer line).
fn cri(text: &str) -> Option<usize> {
    let after = text
        .strip_prefix("stdout ")
        .or_else(|| text.strip_prefix("stderr "))?;
    let (tag, rest) = after.split_once(' ').unwrap_or((after, ""));
    let is_tag = matches!(tag.as_bytes(), [b'F' | b'P'] | [b'F' | b'P', b':', ..]);
    is_tag.then_some(text.len() - rest.len())
}

/// The length of `host program[process]: `; without `process` only if `bare` is right.
fn host_and_program(text: &str, bare: bool) -> Option<usize> {
    let host = name_len(text, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':')
    })?;
    let (host, rest) = text.split_at_checked(host)?;
    let rest = rest.strip_prefix(' ')?;
    let program = name_len(rest, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b'(' | b')')
    })?;
    let rest = rest.get(program..)?;
    let rest = match rest.strip_prefix('[') {
        Some(process) => {
            let (process, rest) = process.split_once(']')?;
            rest.strip_prefix(':').filter(|_| is_number(process))?
        }
        None => rest.strip_prefix(':').filter(|_| bare)?,
    };
    let rest = match rest.strip_prefix(' ') {
        Some(message) => message,
        None => Some(rest).filter(|rest| rest.is_empty())?,
    };
    // `ERROR main: …` has a level where the host would be.
    let is_host = Severity::from_text(host).is_none();
    is_host.then_some(text.len() - rest.len())
}

fn name_len(text: &str, belongs: impl Fn(u8) -> bool) -> Option<usize> {
    let bytes = text.bytes().take(NAME_LEN_MAX + 1);
    let len = bytes.take_while(|byte| belongs(*byte)).count();
    (1..=NAME_LEN_MAX).contains(&len).then_some(len)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
