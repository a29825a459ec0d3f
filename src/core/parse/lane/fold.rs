//! Which lines of a file belong to the record before them.

use super::super::time::read_head;
use super::trace::{is_error, thrown_at};

/// Lines of one record; the next one begins another, whatever it looks like.
pub const RECORD_LINES_MAX: usize = 2_000;

/// Tells lines that go on from lines that begin a record, one after the other.
///
/// A line goes on if it is indented and the record's first line is not; if it is of the kinds
/// that only stack traces have (`Caused by: …`, `Traceback …`, `… more`, `goroutine …`); if it
/// closes braces; if a trace that was begun must have it (the last line of Python's); or if it
/// names an exception and has no time while the record's first line has one.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    state: State,
    /// Lines of the record so far.
    lines: usize,
    /// Whether its first line begins with a time.
    timed: bool,
    /// Whether its first line is indented.
    indented: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// Within Python's traceback: the next line that is not indented is its last.
    Traceback,
    /// After Rust's "panicked at": the next line says why.
    Panicked,
    /// Within Go's panic, which has blank lines and calls that are not indented.
    Goroutines,
}

impl Folder {
    /// Whether `line` goes on with the record of the line before.
    pub fn goes_on(&mut self, line: &str) -> bool {
        let goes_on = (1..RECORD_LINES_MAX).contains(&self.lines) && self.belongs(line);
        self.state = self.after(line, goes_on);
        if goes_on {
            self.lines += 1;
        } else {
            self.lines = 1;
            self.timed = read_head(line, None).len > 0 || begins_with_month(line);
            self.indented = is_indented(line);
        }
        goes_on
    }

    fn belongs(&self, line: &str) -> bool {
        match line.bytes().next() {
            Some(b' ' | b'\t') if is_indented(line) => !self.indented,
            None | Some(b' ' | b'\t' | b'\r') => self.state == State::Goroutines,
            Some(b'}' | b']' | b')') => is_brace(line),
            Some(_) => self.must_have(line) || is_of_trace(line) || self.is_thrown(line),
        }
    }

    fn must_have(&self, line: &str) -> bool {
        match self.state {
            State::Plain => false,
            State::Traceback | State::Panicked => true,
            State::Goroutines => line.ends_with(')') || line.starts_with("goroutine "),
        }
    }

    fn is_thrown(&self, line: &str) -> bool {
        self.timed && thrown_at(line).is_some_and(is_error)
    }

    fn after(&self, line: &str, goes_on: bool) -> State {
        if line.starts_with(TRACEBACK) {
            State::Traceback
        } else if line.starts_with("panic: ") || line.starts_with("goroutine ") {
            State::Goroutines
        } else if line.contains("' panicked at ") && line.ends_with(':') {
            State::Panicked
        } else if goes_on && (is_indented(line) || self.state == State::Goroutines) {
            self.state
        } else {
            State::Plain
        }
    }
}

/// How Python begins a stack trace.
const TRACEBACK: &str = "Traceback (most recent call last)";

/// Lines that only stack traces have.
fn is_of_trace(line: &str) -> bool {
    const OPENINGS: [&str; 8] = [
        TRACEBACK,
        "Caused by: ",
        "Suppressed: ",
        "During handling of the above exception",
        "The above exception was the direct cause",
        "note: run with `RUST_BACKTRACE",
        "note: Some details are omitted",
        "stack backtrace:",
    ];
    OPENINGS.iter().any(|opening| line.starts_with(opening))
        || (line.starts_with("... ") && line.ends_with(" more"))
        || (line.starts_with("at ") && line.ends_with(')'))
}

/// Nothing but closing braces, and what may follow them.
fn is_brace(line: &str) -> bool {
    line.bytes()
        .all(|byte| matches!(byte, b'}' | b']' | b')' | b',' | b';' | b' ' | b'\r'))
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim_ascii().is_empty()
}

/// Syslog's times are not read where no year is known.
fn begins_with_month(line: &str) -> bool {
    let clock = line.as_bytes().get(..15).unwrap_or_default();
    matches!(
        clock,
        [
            b'A'..=b'Z',
            _,
            _,
            b' ',
            _,
            _,
            b' ',
            _,
            _,
            b':',
            _,
            _,
            b':',
            _,
            _
        ]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records that the lines of `text` make, by their numbers of lines.
    fn records(text: &str) -> Vec<usize> {
        let mut folder = Folder::default();
        let mut records: Vec<usize> = Vec::new();
        for line in text.lines() {
            match records.last_mut() {
                Some(last) if folder.goes_on(line) => *last += 1,
                Some(_) => records.push(1),
                None => {
                    assert!(!folder.goes_on(line), "nothing goes on at the beginning");
                    records.push(1);
                }
            }
        }
        records
    }

    #[test]
    fn lines_that_are_not_indented_are_records_of_their_own() {
        assert_eq!(records("started\nready\nstopped\n"), [1, 1, 1]);
        assert_eq!(records("one\n\n\ntwo\n"), [1, 1, 1, 1]);
    }

    #[test]
    fn a_java_trace_goes_on_with_the_line_that_reports_it() {
        let text = "2026-11-21 07:43:17 ERROR order 7 failed\n\
            com.shop.PaymentException: card refused\n\
            \tat com.shop.Pay.charge(Pay.java:41)\n\
            \t... 12 common frames omitted\n\
            Caused by: java.net.SocketTimeoutException: Read timed out\n\
            \tat java.net.Socket.read(Socket.java:9)\n\
            ... 3 more\n\
            2026-11-21 07:43:18 INFO next\n";
        assert_eq!(records(text), [7, 1]);
    }

    #[test]
    fn a_python_trace_goes_on_up_to_the_line_with_its_type() {
        let text = "ERROR job 7 failed\n\
            Traceback (most recent call last):\n\
            \x20 File \"job.py\", line 3, in run\n\
            \x20   return rows[0]\n\
            IndexError: list index out of range\n\
            \n\
            During handling of the above exception, another exception occurred:\n\
            INFO next\n";
        assert_eq!(records(text), [5, 2, 1]);
        let text =
            "Traceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'a'\nnext\n";
        assert_eq!(records(text), [3, 1]);
    }

    #[test]
    fn a_go_panic_goes_on_over_its_blank_lines() {
        let text = "panic: assignment to entry in nil map\n\
            \n\
            goroutine 1 [running]:\n\
            main.main()\n\
            \t/src/main.go:9 +0x1d\n\
            exit status 2\n\
            next\n";
        assert_eq!(records(text), [5, 1, 1]);
    }

    #[test]
    fn a_rust_panic_goes_on_with_its_reason() {
        let text = "thread 'main' panicked at src/main.rs:2:5:\n\
            index out of bounds: the len is 3 but the index is 7\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\
            next\n";
        assert_eq!(records(text), [3, 1]);
    }

    #[test]
    fn pretty_json_is_one_record() {
        assert_eq!(
            records("{\n  \"a\": [\n    1\n  ]\n}\n{\n  \"a\": 2\n}\n"),
            [5, 3]
        );
    }

    #[test]
    fn a_file_whose_lines_are_all_indented_is_not_one_record() {
        assert_eq!(records("  one\n  two\n  three\n"), [1, 1, 1]);
    }

    #[test]
    fn an_exception_without_a_record_to_belong_to_is_a_record() {
        assert_eq!(
            records("ready\njava.io.IOException: gone\n\tat a.B.c(B.java:1)\n"),
            [1, 2]
        );
        let timed = "Nov 21 07:43:17 host app: failed\nValueError: no such row\n";
        assert_eq!(records(timed), [2]);
    }

    #[test]
    fn a_record_has_an_end_however_many_lines_are_indented() {
        let text = format!("head\n{}", "  more\n".repeat(RECORD_LINES_MAX + 10));
        assert_eq!(
            records(&text),
            [RECORD_LINES_MAX, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
        );
    }
}
