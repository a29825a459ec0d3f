//! Which lines of a file belong to the record before them.

/// Tells lines that go on from lines that begin a record, one after the other.
///
/// A line goes on if it is indented, if it is of the kinds that only stack traces have
/// (`Caused by: …`, `Traceback …`, `… more`, `goroutine …`), if it closes a brace, or if a trace
/// that was begun must have it (the last line of Python's).
#[derive(Clone, Debug, Default)]
pub struct Folder {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first line.
    #[default]
    Start,
    Record,
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
        let goes_on = self.state != State::Start && self.belongs(line);
        self.state = self.after(line, goes_on);
        goes_on
    }

    fn belongs(&self, line: &str) -> bool {
        let is_indented = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        is_indented
            || opens_trace(line)
            || is_cause(line)
            || is_brace(line)
            || match self.state {
                State::Start | State::Record => false,
                State::Traceback | State::Panicked => !line.is_empty(),
                State::Goroutines => line.is_empty() || line.ends_with(')') || is_goroutine(line),
            }
    }

    fn after(&self, line: &str, goes_on: bool) -> State {
        if line.starts_with("Traceback (most recent call last)") {
            State::Traceback
        } else if line.starts_with("panic: ") || is_goroutine(line) {
            State::Goroutines
        } else if line.contains("' panicked at ") && line.ends_with(':') {
            State::Panicked
        } else if goes_on && (line.starts_with([' ', '\t']) || self.state == State::Goroutines) {
            self.state
        } else {
            State::Record
        }
    }
}

fn opens_trace(line: &str) -> bool {
    line.starts_with("Traceback (most recent call last)")
}

fn is_cause(line: &str) -> bool {
    const OPENINGS: [&str; 7] = [
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
}

fn is_brace(line: &str) -> bool {
    let line = line.trim_end_matches([',', ';']);
    !line.is_empty() && line.bytes().all(|byte| matches!(byte, b'}' | b']' | b')'))
}

fn is_goroutine(line: &str) -> bool {
    line.starts_with("goroutine ") || line.starts_with("created by ")
}
