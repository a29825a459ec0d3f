//! Texts of several lines: the first one is the message, and of a stack trace also the types of
//! what was thrown. Frames and line numbers never matter.

use super::{CAUSED_BY, Found, Lane};

/// Types of a trace that tell templates apart: what was thrown and its nearest causes.
pub(super) const TYPES_MAX: usize = 4;
/// Longest name of a type in bytes; longer ones are cut.
const TYPE_LEN_MAX: usize = 120;
/// Lines of a trace that are read.
const LINES_MAX: usize = 2_000;

/// The message of a text of several lines; `None` for a single line.
pub(super) fn lines(text: &str) -> Option<Found> {
    let first_end = text.find('\n')?;
    let is_said = |line: &str| {
        line.bytes()
            .any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80)
    };
    let mut at = 0;
    let mut head = 0..text.get(..first_end)?.trim_end().len();
    // A line of braces or dashes says nothing; the message is the next that does.
    for line in text.split('\n').take(LINES_MAX) {
        if is_said(line) {
            head = at..at + line.trim_end().len();
            break;
        }
        at += line.len() + 1;
    }
    let rest = text.get(head.end..)?;
    if rest.trim().is_empty() {
        let lane = Lane::Plain;
        return Some(Found::slice(lane, head));
    }
    let mut found = Found::slice(Lane::Lines, head);
    if let Some(thrown) = thrown_in(text) {
        found.lane = Lane::Trace;
        found.thrown = thrown;
    }
    Some(found)
}

/// The types of what was thrown in a stack trace, joined by [`CAUSED_BY`]. `None` if `text` has no
/// stack trace.
pub(super) fn thrown_in(text: &str) -> Option<String> {
    let mut reader = Reader::default();
    for line in text.lines().take(LINES_MAX) {
        reader.read(line);
    }
    reader.finish()
}

/// The type at the head of `text`: a name as Java, .NET, Python or Node write them.
pub(super) fn type_name(text: &str) -> Option<&str> {
    let len = text
        .bytes()
        .take(TYPE_LEN_MAX)
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$' | b'+')
        })
        .count();
    let name = text.get(..len)?;
    // What compilers make up ("Foo$$Lambda$14") has another number in each run.
    let name = name.split("$$").next().unwrap_or(name);
    let name = name.trim_end_matches('.');
    let begins = name.bytes().next()?;
    (begins.is_ascii_alphabetic() || begins == b'_').then_some(name)
}

/// Reads a trace line by line.
#[derive(Default)]
struct Reader {
    types: Vec<String>,
    /// A type that counts once a frame follows.
    candidate: Option<String>,
    /// Whether there was a frame or a line that only traces have.
    is_trace: bool,
    /// Within Python's `Traceback`, whose last line has the type.
    in_traceback: bool,
}

impl Reader {
    fn read(&mut self, line: &str) {
        let trimmed = line.trim_start();
        let is_indented = trimmed.len() < line.len();
        if trimmed.is_empty() {
            return;
        }
        if trimmed.starts_with("Traceback (most recent call last)") {
            self.is_trace = true;
            self.in_traceback = true;
        } else if self.in_traceback && !is_indented {
            self.in_traceback = false;
            self.thrown(type_name(trimmed));
        } else if let Some(cause) = cause(trimmed) {
            self.is_trace = true;
            self.settle();
            self.thrown(type_name(cause));
        } else if let Some(panic) = panic(trimmed) {
            self.is_trace = true;
            self.thrown(Some(panic));
        } else if is_frame(trimmed) {
            self.is_trace = true;
            self.settle();
        } else if !is_indented {
            self.candidate = thrown_at(trimmed).map(str::to_owned);
        }
    }

    /// A frame follows: the line before named what was thrown.
    fn settle(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            self.thrown(Some(&candidate));
        }
    }

    fn thrown(&mut self, name: Option<&str>) {
        if let Some(name) = name.filter(|_| self.types.len() < TYPES_MAX) {
            self.types.push(name.to_owned());
        }
    }

    fn finish(self) -> Option<String> {
        self.is_trace.then(|| self.types.join(CAUSED_BY))
    }
}

/// What follows the words that introduce a cause.
pub(super) fn cause(line: &str) -> Option<&str> {
    ["Caused by: ", "---> ", "Unhandled exception. ", "[cause]: "]
        .iter()
        .find_map(|opening| line.strip_prefix(opening))
}

/// A panic of Go or Rust, by the words that are the same each time.
pub(super) fn panic(line: &str) -> Option<&'static str> {
    const GO: [&str; 9] = [
        "runtime error: index out of range",
        "runtime error: slice bounds out of range",
        "runtime error: invalid memory address or nil pointer dereference",
        "runtime error: integer divide by zero",
        "runtime error: hash of unhashable type",
        "assignment to entry in nil map",
        "close of closed channel",
        "close of nil channel",
        "send on closed channel",
    ];
    if let Some(said) = line.strip_prefix("panic: ") {
        let known = GO.iter().find(|words| said.starts_with(**words));
        return Some(known.map_or("panic", |words| *words));
    }
    if line.starts_with("fatal error: ") {
        return Some("fatal error");
    }
    (line.starts_with("thread '") && line.contains(" panicked at ")).then_some("panic")
}

/// A type at the head of a line, or behind a thread's name, that may have been thrown.
pub(super) fn thrown_at(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("Exception in thread \"") {
        Some(rest) => rest.split_once("\" ")?.1,
        None => line.strip_prefix("Uncaught ").unwrap_or(line),
    };
    let name = type_name(line)?;
    let follows = line.get(name.len()..)?;
    let is_alone = follows.is_empty() || follows.starts_with(':') || follows.starts_with(" [");
    (is_alone && is_type(name)).then_some(name)
}

/// The type of an error that a text without a stack begins with (`java.io.IOException: gone`).
pub(super) fn error_at(text: &str) -> Option<String> {
    let name = thrown_at(text).filter(|name| is_error(name))?;
    Some(name.to_owned())
}

/// Whether a name is one that types of errors have.
fn is_type(name: &str) -> bool {
    let last = name.rsplit(['.', '$', '+']).next().unwrap_or(name);
    let is_error = [
        "Error",
        "Exception",
        "Throwable",
        "Failure",
        "Warning",
        "Exit",
        "Interrupt",
    ]
    .iter()
    .any(|ending| last.ends_with(ending));
    is_error || (name.contains('.') && last.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a name ends as those of errors do.
pub(super) fn is_error(name: &str) -> bool {
    const ENDINGS: [&str; 7] = [
        "Error",
        "Exception",
        "Throwable",
        "Failure",
        "Warning",
        "Exit",
        "Interrupt",
    ];
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a line, without its indent, is a frame of a stack.
pub(super) fn is_frame(line: &str) -> bool {
    line.starts_with("at ")
        || line.starts_with("File \"")
        || line.starts_with("goroutine ")
        || line.starts_with("created by ")
        || line.starts_with("stack backtrace:")
        || (line.starts_with("... ") && line.ends_with(" more"))
        || line.contains(".go:")
        || is_numbered(line)
}

/// `12: std::panicking::begin_panic`, as Rust numbers its frames.
fn is_numbered(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (1..=4).contains(&digits)
        && line
            .get(digits..)
            .is_some_and(|rest| rest.starts_with(": "))
}
